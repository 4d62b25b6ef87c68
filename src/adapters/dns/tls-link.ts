import { randomInt } from 'node:crypto';
import type { SecureContext } from 'node:tls';
import { backoffMs } from '../../core/base/backoff.ts';
import type { TlsUpstream } from '../../core/base/upstream.ts';
import { checkUpstreamReply } from '../../core/dns/upstream-reply.ts';
import { readU16, writeU16 } from '../../core/dns/wire.ts';
import { paddedQuery } from '../../core/forward/padded-query.ts';
import type { Clock } from '../../core/ports.ts';
import { systemErrorCode } from './listen-failure.ts';
import { TlsConnection } from './tls-connection.ts';
import type { ConnectionFailure } from './tls-trust.ts';
import { STRAYS_MAX, failed } from './upstream-exchange.ts';
import type { ExchangeOutcome } from './upstream-exchange.ts';

/** Questions on a connection at once: servers work on some tens to hundreds, more wait there as well. */
const IN_FLIGHT_MAX = 256;
/** Questions that wait for a connection or for room on it; with those on it, all that a forwarder has. */
const WAITING_MAX = 1_000;
/** Servers keep idle connections for 10 to 30 s; a handshake costs more than a socket does. */
const IDLE_MS = 30_000;
/** Between connections that came to nothing; the most is what a server that is back goes unused. */
const BACK_OFF = { firstMs: 250, maxMs: 5_000 };

export interface TlsLinkParts {
  readonly clock: Clock;
  /** Asked for each connection. */
  secureContext(): SecureContext;
  /** The upstream cannot prove who it is, and why; not told again until it could, or the reason is another. */
  onDistrust(advice: string): void;
}

interface Question {
  /** As it goes out, padded; its id is given when it is sent. */
  readonly message: Uint8Array;
  readonly done: (outcome: ExchangeOutcome) => void;
  /** It was on a connection that was lost. */
  retried: boolean;
}

/**
 * The way to one upstream over TLS: a connection that is made when there is something to ask, used for
 * all questions, in any order of replies (RFC 7766 §6.2.1.1, §7), and left after some idle time. A
 * question whose connection is lost is asked once more on the next one. Connections that come to
 * nothing are not tried again at once: until then questions fail with the reason of the last.
 */
export class TlsLink {
  readonly #upstream: TlsUpstream;
  readonly #parts: TlsLinkParts;
  readonly #waiting = new Set<Question>();
  /** By the id that they have on this connection. */
  readonly #flying = new Map<number, Question>();
  #connection: TlsConnection | null = null;
  #isOpen = false;
  /** This connection has brought a reply. */
  #isFruitful = false;
  /** Since when the server has said nothing although it was asked; null: it owes nothing. */
  #silentSince: number | null = null;
  /** Replies that nobody waits for any more, and messages that nobody has ever waited for. */
  #unwanted = 0;
  #strays = 0;
  #session: Buffer | null = null;
  #failures = 0;
  #retryAt = Number.NEGATIVE_INFINITY;
  #lastFailure: ConnectionFailure = { failure: 'unreachable', detail: '' };
  #toldAdvice = '';
  #cancelIdle = (): void => undefined;
  #closed = false;

  constructor(upstream: TlsUpstream, parts: TlsLinkParts) {
    this.#upstream = upstream;
    this.#parts = parts;
  }

  /**
   * Asks. `done` is called once, maybe at once, unless the returned function is called before: then
   * nobody waits any more. A connection on which nothing was heard for `silenceMs` is given up.
   */
  ask(query: Uint8Array, silenceMs: number, done: Question['done']): () => void {
    const refusal = this.#refusal();
    if (refusal !== null) {
      done(refusal);
      return () => undefined;
    }
    const question = { message: paddedQuery(query), done, retried: false };
    this.#giveUpIfSilent(silenceMs);
    this.#waiting.add(question);
    this.#cancelIdle();
    if (this.#connection === null) this.#connect();
    else this.#flush();
    return () => this.#forget(question, silenceMs);
  }

  close(): void {
    this.#closed = true;
    this.#connection?.destroy();
    this.#reset();
    for (const { done } of [...this.#flying.values(), ...this.#waiting]) done(failed('cancelled'));
    this.#flying.clear();
    this.#waiting.clear();
  }

  #refusal(): ExchangeOutcome | null {
    if (this.#closed) return failed('cancelled');
    if (this.#waiting.size >= WAITING_MAX) return failed('unreachable', 'too many questions wait');
    const mayConnect = this.#parts.clock.monotonic() >= this.#retryAt;
    if (this.#connection !== null || mayConnect) return null;
    return failed(this.#lastFailure.failure, this.#lastFailure.detail);
  }

  #connect(): void {
    const { clock } = this.#parts;
    let secureContext: SecureContext;
    try {
      secureContext = this.#parts.secureContext();
    } catch (error) {
      const detail = `the certificates of this system cannot be used: ${systemErrorCode(error)}`;
      this.#lost({ failure: 'unreachable', detail });
      return;
    }
    const parts = { clock, secureContext, session: this.#session };
    this.#connection = new TlsConnection(this.#upstream, parts, {
      onOpen: () => {
        this.#isOpen = true;
        this.#toldAdvice = '';
        this.#flush();
      },
      onMessage: (message) => this.#received(message),
      onSession: (session) => {
        this.#session = session;
      },
      onEnd: (failure) => this.#lost(failure),
    });
  }

  /** Sends what waits, as far as there is room. */
  #flush(): void {
    if (!this.#isOpen) return;
    for (const question of this.#waiting) {
      if (this.#flying.size >= IN_FLIGHT_MAX) return;
      this.#waiting.delete(question);
      writeU16(question.message, 0, this.#freeId(readU16(question.message, 0)));
      this.#flying.set(readU16(question.message, 0), question);
      this.#silentSince ??= this.#parts.clock.monotonic();
      this.#connection?.send(question.message);
    }
    this.#awaitIdleness();
  }

  /** The id that a question has already, if no other question on the connection has it. */
  #freeId(wanted: number): number {
    let id = wanted;
    while (this.#flying.has(id)) id = randomInt(0x10000);
    return id;
  }

  #received(message: Uint8Array): void {
    const id = message.length < 2 ? -1 : readU16(message, 0);
    const question = this.#flying.get(id);
    const verdict =
      question === undefined ? 'wrong-id' : checkUpstreamReply(question.message, message);
    if (question === undefined || (verdict !== 'ok' && verdict !== 'malformed')) {
      if (this.#unwanted > 0) this.#unwanted--;
      else if (++this.#strays >= STRAYS_MAX) this.#giveUp({ failure: 'strays', detail: '' });
      return;
    }
    this.#flying.delete(id);
    this.#isFruitful = true;
    this.#failures = 0;
    this.#silentSince = this.#flying.size > 0 ? this.#parts.clock.monotonic() : null;
    question.done(verdict === 'ok' ? { kind: 'reply', reply: message } : failed('malformed'));
    this.#flush();
  }

  /** Nobody waits for this one any more. */
  #forget(question: Question, silenceMs: number): void {
    if (this.#waiting.delete(question)) return;
    const id = readU16(question.message, 0);
    if (this.#flying.get(id) !== question) return;
    this.#flying.delete(id);
    this.#unwanted++;
    this.#giveUpIfSilent(silenceMs);
    this.#flush();
  }

  /** A way that swallows everything, such as a firewall that was restarted, is never heard of again. */
  #giveUpIfSilent(silenceMs: number): void {
    if (this.#silentSince === null) return;
    if (this.#parts.clock.monotonic() - this.#silentSince < silenceMs) return;
    this.#giveUp({ failure: 'timeout', detail: '' });
  }

  #giveUp(failure: ConnectionFailure): void {
    this.#connection?.destroy();
    this.#lost(failure);
  }

  /** The connection is gone. */
  #lost(failure: ConnectionFailure): void {
    const wasOpen = this.#isOpen;
    const flying = [...this.#flying.values()];
    this.#flying.clear();
    // A server may end a connection that it owes nothing.
    if (!this.#isFruitful && (!wasOpen || this.#silentSince !== null)) this.#backOff(failure);
    this.#reset();
    if (!wasOpen) {
      const all = [...this.#waiting];
      this.#waiting.clear();
      // Perhaps the server does not like the ticket.
      this.#session = null;
      for (const { done } of all) done(failed(failure.failure, failure.detail));
      return;
    }
    for (const question of flying) {
      if (question.retried) {
        question.done(failed(failure.failure, failure.detail));
        continue;
      }
      question.retried = true;
      this.#waiting.add(question);
    }
    // Whatever the back-off says: each question does so once.
    if (this.#waiting.size > 0) this.#connect();
  }

  #backOff(failure: ConnectionFailure): void {
    const delayMs = backoffMs(BACK_OFF, this.#failures++, Math.random);
    this.#retryAt = this.#parts.clock.monotonic() + delayMs;
    this.#lastFailure = failure;
    if (failure.failure !== 'untrusted' || failure.detail === this.#toldAdvice) return;
    this.#toldAdvice = failure.detail;
    this.#parts.onDistrust(failure.detail);
  }

  #reset(): void {
    this.#cancelIdle();
    this.#connection = null;
    this.#isOpen = false;
    this.#isFruitful = false;
    this.#silentSince = null;
    this.#unwanted = 0;
    this.#strays = 0;
  }

  #awaitIdleness(): void {
    this.#cancelIdle();
    if (this.#flying.size > 0 || this.#waiting.size > 0) return;
    this.#cancelIdle = this.#parts.clock.after(IDLE_MS, () => {
      this.#connection?.leave();
      this.#reset();
    });
  }
}
