import type { Socket } from 'node:net';
import { assert } from '../../core/base/assert.ts';
import { MESSAGE_BYTES_MAX } from '../../core/dns/constants.ts';
import { writeU16 } from '../../core/dns/wire.ts';
import type { Clock } from '../../core/ports.ts';
import { FrameReader } from './frame-reader.ts';
import type { DnsClient, QueryHandler } from './query-handler.ts';
import { formSilence } from './silence.ts';
import type { TcpLimits } from './tcp-limits.ts';

/**
 * Why a connection ended: by the client (`client`, `reset`), at a limit, for a length of 0, or
 * because the listener closes.
 */
export type CloseReason =
  | 'client'
  | 'reset'
  | 'idle'
  | 'no-query'
  | 'slow-message'
  | 'not-reading'
  | 'unanswered'
  | 'empty-message'
  | 'shutdown';

/** Limits at which nothing that is owed can be delivered any more. */
const CUT_AT: ReadonlySet<CloseReason> = new Set(['client', 'not-reading', 'unanswered']);

/** Queries of one connection that are answered before others get their turn. */
const MESSAGES_PER_TURN_MAX = 64;

/** Counts of a listener that its connections add to. */
export interface TcpTally {
  queries: number;
  answers: number;
  /** Messages that are no queries: shorter than a header, or responses. */
  ignored: number;
}

export interface TcpConnectionOptions {
  readonly client: DnsClient;
  readonly handler: QueryHandler;
  readonly limits: TcpLimits;
  readonly clock: Clock;
  readonly tally: TcpTally;
  /** Called once, when the descriptor is free. */
  readonly onClosed: (reason: CloseReason) => void;
}

/**
 * One client over TCP. It reads while it may: not with too many queries unanswered and not with too
 * many octets unsent, so that a client that does not read stops being read (RFC 7766 §6.2.1). It
 * has no timers; the listener calls `expire` now and then. The end always has two steps: what is
 * owed is sent with a FIN, and the socket is destroyed when the client has answered or `lingerMs`
 * are over.
 */
export class TcpConnection {
  readonly #socket: Socket;
  readonly #options: TcpConnectionOptions;
  readonly #reader = new FrameReader();
  #inflight = 0;
  /** Set when no more messages are read. */
  #closing: CloseReason | null = null;
  /** The client's FIN has come; what it sent before may still have to be read and answered. */
  #hasAskedAll = false;
  #paused = false;
  #serving = false;
  #nextTurn: NodeJS.Immediate | null = null;
  readonly #openedAt: number;
  /** When the client last did, or got, what keeps a connection open. */
  #activeAt: number;
  #hasAsked = false;
  /** When the first octet of an incomplete message came. */
  #partialAt: number | null = null;
  /** Since when octets are unsent without the client taking any. */
  #unsentAt: number | null = null;
  /** When our FIN went out. */
  #finishedAt: number | null = null;

  constructor(socket: Socket, options: TcpConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#openedAt = options.clock.monotonic();
    this.#activeAt = this.#openedAt;
    socket.on('data', (chunk) => this.#receive(chunk));
    socket.on('end', () => this.#receiveEnd());
    socket.on('error', () => (this.#closing ??= 'reset'));
    socket.on('close', () => {
      if (this.#nextTurn !== null) clearImmediate(this.#nextTurn);
      options.onClosed(this.#closing ?? 'client');
    });
  }

  /** Reads no more; ends the connection when all queries that were read have been answered. */
  close(reason: CloseReason): void {
    this.#closing ??= reason;
    this.#finishIfDone();
  }

  /** Ends the connection now, whatever is owed. */
  destroy(reason: CloseReason): void {
    this.#closing ??= reason;
    this.#socket.destroy();
  }

  /** Ends the connection if it is over a time limit at `now` (monotonic). */
  expire(now: number, idleMs: number): void {
    const reason = this.#overdue(now, idleMs);
    if (reason === null) return;
    if (CUT_AT.has(reason)) this.destroy(reason);
    else this.close(reason);
  }

  #overdue(now: number, idleMs: number): CloseReason | null {
    const { limits } = this.#options;
    const over = (since: number | null, ms: number): boolean => since !== null && now - since >= ms;
    if (over(this.#finishedAt, limits.lingerMs)) return 'client';
    if (over(this.#unsentAt, limits.stallMs)) return 'not-reading';
    const owes = this.#inflight > 0 || this.#unsentAt !== null;
    if (owes && over(this.#activeAt, limits.answerMs)) return 'unanswered';
    if (this.#closing !== null) return null;
    if (over(this.#partialAt, limits.messageMs)) return 'slow-message';
    if (owes) return null;
    if (!this.#hasAsked && over(this.#openedAt, limits.firstMessageMs)) return 'no-query';
    return over(this.#activeAt, idleMs) ? 'idle' : null;
  }

  #receive(chunk: Uint8Array): void {
    if (this.#closing !== null) return;
    this.#reader.push(chunk);
    this.#serve();
  }

  #receiveEnd(): void {
    this.#hasAskedAll = true;
    // While paused, messages wait in the reader; `#serve` closes behind the last.
    if (!this.#paused) this.close('client');
  }

  get #mayRead(): boolean {
    const { limits } = this.#options;
    return this.#inflight < limits.inflight && this.#socket.writableLength < limits.unsentBytes;
  }

  /** Answers what has come, as far as the limits and this turn of the event loop go. */
  #serve(): void {
    if (this.#serving || this.#closing !== null || this.#socket.destroyed) return;
    this.#nextTurn = null;
    this.#serving = true;
    this.#socket.cork();
    const outcome = this.#readMessages();
    this.#socket.uncork();
    this.#serving = false;
    if (outcome === 'ended') {
      this.#finishIfDone();
    } else if (outcome === 'starved' && this.#hasAskedAll) {
      this.close('client');
    } else if (outcome === 'starved') {
      // Only now is the client the one to wait for.
      if (this.#reader.partial) this.#partialAt ??= this.#options.clock.monotonic();
      this.#paused = false;
      this.#socket.resume();
    } else {
      this.#paused = true;
      // Now it is we who wait, so a begun message is not the client's fault.
      this.#partialAt = null;
      this.#socket.pause();
      if (this.#mayRead) this.#nextTurn = setImmediate(() => this.#serve());
    }
  }

  /** `starved`: all that came has been read; `full`: a limit is reached or the turn is over. */
  #readMessages(): 'starved' | 'full' | 'ended' {
    for (let turn = 0; turn < MESSAGES_PER_TURN_MAX && this.#mayRead; turn++) {
      const message = this.#reader.next();
      if (message === null) return 'starved';
      this.#partialAt = null;
      this.#handle(message);
      if (this.#closing !== null) return 'ended';
    }
    return 'full';
  }

  #handle(message: Uint8Array): void {
    const { client, clock, handler, tally } = this.#options;
    if (message.length === 0) {
      this.#closing = 'empty-message';
      return;
    }
    if (formSilence(message) !== null) {
      tally.ignored++;
      return;
    }
    tally.queries++;
    this.#hasAsked = true;
    this.#activeAt = clock.monotonic();
    this.#inflight++;
    let answered = false;
    handler(message, client, (response) => {
      assert(!answered, 'a query is answered once');
      answered = true;
      this.#answer(response);
    });
  }

  #answer(response: Uint8Array): void {
    const { clock, limits, tally } = this.#options;
    assert(response.length <= MESSAGE_BYTES_MAX, 'a message has at most 65,535 octets');
    assert(response.length > 0, 'silence is for UDP alone');
    this.#inflight--;
    if (this.#socket.destroyed) return;
    tally.answers++;
    this.#activeAt = clock.monotonic();
    const frame = Buffer.allocUnsafe(2 + response.length);
    writeU16(frame, 0, response.length);
    frame.set(response, 2);
    this.#socket.write(frame, () => this.#progress());
    if (this.#socket.writableLength > 0) this.#unsentAt ??= this.#activeAt;
    if (this.#socket.writableLength > limits.unsentBytesMax) this.destroy('not-reading');
    else if (this.#closing !== null) this.#finishIfDone();
    else this.#serveOn();
  }

  /** The kernel took one or more answers. */
  #progress(): void {
    if (this.#socket.destroyed) return;
    this.#activeAt = this.#options.clock.monotonic();
    this.#unsentAt = this.#socket.writableLength > 0 ? this.#activeAt : null;
    this.#serveOn();
  }

  /** Goes on with what a limit held up; the end of a turn is not one. */
  #serveOn(): void {
    if (this.#paused && this.#nextTurn === null) this.#serve();
  }

  #finishIfDone(): void {
    if (this.#serving || this.#inflight > 0) return;
    if (this.#socket.destroyed || this.#socket.writableEnded) return;
    this.#socket.end(() => {
      this.#unsentAt = null;
      this.#finishedAt = this.#options.clock.monotonic();
    });
    // Read on, and throw away, until the client's FIN.
    this.#socket.resume();
  }
}
