import type { SecureContext } from 'node:tls';
import { assert } from '../../core/base/assert.ts';
import { DaemonError, type ErrorCode } from '../../core/base/daemon-error.ts';
import type { Upstream } from '../../core/base/upstream.ts';
import type { ForwardConfig } from '../../core/config/config.ts';
import { HEADER_BYTES } from '../../core/dns/constants.ts';
import { questionEnd } from '../../core/dns/message-layout.ts';
import { lowerOctet } from '../../core/dns/wire.ts';
import { UpstreamHealth } from '../../core/forward/upstream-health.ts';
import { orderUpstreams } from '../../core/forward/upstream-order.ts';
import type { Clock } from '../../core/ports.ts';
import { TlsUpstreams } from './tls-upstreams.ts';
import { UpstreamAsker } from './upstream-asker.ts';
import type { Asking, ForwardExchange } from './upstream-asker.ts';
import { UpstreamRace } from './upstream-race.ts';
import type { RaceParts } from './upstream-race.ts';

export type { ForwardExchange };

/**
 * Exchanges under way at once, each with a socket and at most two messages of 64 KiB. Upstreams that
 * have more than this unanswered are broken, and waiting clients help nobody. A tenth more than the
 * resolver has questions: those that give way to others take a moment to end.
 */
const EXCHANGES_MAX = 1100;
/**
 * Of these, second upstreams and looks may only take what is below this share: when many questions
 * get no answer, they must not keep others from being asked at all.
 */
const SPARE_SHARE = 1 / 2;
/**
 * Queries under way for one question. The resolver asks each once, but for DO, CD and RD, which makes
 * eight; a question that comes back to us, because an upstream asks us, is one more each round.
 */
const SAME_QUESTION_MAX = 16;

/** A query that was turned away: too many exchanges at all, or queries for the same question. */
export type ForwardRejectReason = 'inflight' | 'loop';

export interface ForwarderOptions {
  readonly policy: ForwardConfig['policy'];
  /** Time one upstream gets for one exchange; a retry over TCP is an exchange of its own. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly exchangesMax?: number;
  /** Certificates that upstreams over TLS are checked against; Node's if not given. */
  readonly secureContext?: () => SecureContext;
  /** Told of every exchange but those that nobody waits for any more. */
  readonly onExchange?: (exchange: ForwardExchange) => void;
  /** Told once of an upstream over TLS that cannot prove who it is, with what to do. */
  readonly onDistrust?: (to: string, advice: string) => void;
  /** Told of every query that is turned away before anybody is asked. */
  readonly onReject?: (reason: ForwardRejectReason) => void;
}

/** How an upstream is doing, for people. */
export interface UpstreamState {
  /** `address:port`, or `tls://address:port`. */
  readonly to: string;
  /** Smoothed round-trip time; null: not measured. */
  readonly rttMs: number | null;
  /** Several failures in a row: it is asked now and then, and no client waits for it. */
  readonly failing: boolean;
  /** `at` is ISO 8601 in UTC. */
  readonly lastFailure: { readonly reason: string; readonly at: string } | null;
  /** It asks us in turn, and so is not asked. */
  readonly disabled: boolean;
}

/** Asks recursive resolvers; keeps no answers. */
export interface Forwarder {
  /**
   * The best reply to `query`, a message of `buildUpstreamQuery`: with its id and its question letter
   * for letter, else as the upstream sent it. The first answer (NOERROR, NXDOMAIN, YXDOMAIN) wins; if
   * there is none, the best of truncated, SERVFAIL, REFUSED, NOTIMP and FORMERR. Rejects with
   * `upstream-timeout` if all were silent, else `upstream-failed`: `10.0.0.2:53: timeout; …`. At once
   * with `upstream-busy` if too many exchanges are under way, and with `upstream-failed` if too many
   * queries for the same question are. Takes `deadlineMs` at most, and rejects with `upstream-failed`
   * when `signal` says that nobody wants the reply.
   */
  ask(
    query: Uint8Array,
    upstreams: readonly Upstream[],
    deadlineMs: number,
    signal?: AbortSignal,
  ): Promise<Uint8Array>;
  /** Queries under way. */
  readonly inflight: number;
  /** Forgets what it knows of all others: they are no longer configured. */
  keep(upstreams: readonly Upstream[]): void;
  /** Those that have been asked; `looping` are `to` of those that are disabled. */
  health(looping?: readonly string[]): readonly UpstreamState[];
  /** Ends every exchange; queries under way and later ones reject with `upstream-failed`. */
  close(): void;
}

/** A forwarder that knows nothing of its upstreams yet. */
export function createForwarder(options: ForwarderOptions): Forwarder {
  return new RacingForwarder(options);
}

class RacingForwarder implements Forwarder {
  readonly #options: ForwarderOptions;
  readonly #health = new UpstreamHealth();
  readonly #tlsUpstreams: TlsUpstreams;
  readonly #parts: RaceParts;
  readonly #races = new Set<UpstreamRace>();
  /** Each has one exchange under way; looks outlive their race. */
  readonly #askings = new Set<Asking>();
  /** Queries under way by `questionKey`. */
  readonly #byQuestion = new Map<string, number>();
  #inflight = 0;
  #closed = false;

  constructor(options: ForwarderOptions) {
    this.#options = options;
    const { clock } = options;
    this.#tlsUpstreams = new TlsUpstreams(options);
    const asker = new UpstreamAsker({
      ...options,
      health: this.#health,
      tlsUpstreams: this.#tlsUpstreams,
    });
    this.#parts = {
      clock,
      health: this.#health,
      isFull: () => this.#askings.size >= SPARE_SHARE * this.#exchangesMax,
      ask: async (query, upstream, asking) => {
        this.#askings.add(asking);
        try {
          return await asker.ask(query, upstream, asking);
        } finally {
          this.#askings.delete(asking);
        }
      },
    };
  }

  get #exchangesMax(): number {
    return this.#options.exchangesMax ?? EXCHANGES_MAX;
  }

  get inflight(): number {
    return this.#inflight;
  }

  keep(upstreams: readonly Upstream[]): void {
    this.#health.keep(upstreams);
    this.#tlsUpstreams.keep(upstreams);
  }

  health(looping: readonly string[] = []): readonly UpstreamState[] {
    const { clock } = this.#options;
    const wallOffsetMs = clock.now() - clock.monotonic();
    return this.#health.conditions().map(({ to, rttMs, failing, lastFailure }) => ({
      to,
      rttMs,
      failing,
      lastFailure: lastFailure && {
        reason: lastFailure.reason,
        at: new Date(wallOffsetMs + lastFailure.at).toISOString(),
      },
      disabled: looping.includes(to),
    }));
  }

  close(): void {
    this.#closed = true;
    for (const race of this.#races) race.close('the forwarder is closed');
    for (const { cancellation } of this.#askings) cancellation.cancel();
    this.#tlsUpstreams.close();
  }

  ask(
    query: Uint8Array,
    upstreams: readonly Upstream[],
    deadlineMs: number,
    signal?: AbortSignal,
  ): Promise<Uint8Array> {
    // Outside the promise, so that nobody takes a broken invariant for a failed exchange.
    assert(query.length > HEADER_BYTES && questionEnd(query) > 0, 'a forwarded query is readable');
    // Not `slice`: on a Buffer that is a view.
    return this.#ask(new Uint8Array(query), upstreams, deadlineMs, signal);
  }

  async #ask(
    query: Uint8Array,
    upstreams: readonly Upstream[],
    deadlineMs: number,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array> {
    if (this.#closed) throw new DaemonError('upstream-failed', 'the forwarder is closed');
    const question = questionKey(query);
    const same = this.#byQuestion.get(question) ?? 0;
    if (this.#askings.size >= this.#exchangesMax) {
      throw this.#reject(
        'inflight',
        'upstream-busy',
        'too many exchanges with upstreams, which are too slow',
      );
    }
    if (same >= SAME_QUESTION_MAX) {
      throw this.#reject(
        'loop',
        'upstream-failed',
        `the same question waits ${same} times already: loop or flood`,
      );
    }
    const now = this.#options.clock.monotonic();
    const order = orderUpstreams(this.#options.policy, upstreams, this.#health, now);
    const race = new UpstreamRace(this.#parts, query, order);
    this.#inflight++;
    this.#byQuestion.set(question, same + 1);
    this.#races.add(race);
    signal?.addEventListener('abort', () => race.close('nobody wants the reply'), { once: true });
    try {
      return await race.run(deadlineMs);
    } finally {
      this.#inflight--;
      const left = this.#byQuestion.get(question)! - 1;
      if (left > 0) this.#byQuestion.set(question, left);
      else this.#byQuestion.delete(question);
      this.#races.delete(race);
    }
  }

  #reject(reason: ForwardRejectReason, code: ErrorCode, message: string): DaemonError {
    this.#options.onReject?.(reason);
    return new DaemonError(code, message);
  }
}

/** Qname in lower case, qtype and qclass of a query, as a key. */
function questionKey(query: Uint8Array): string {
  const end = questionEnd(query);
  const question = Buffer.from(query.subarray(HEADER_BYTES, end));
  const nameBytes = question.length - 4;
  for (let i = 0; i < nameBytes; i++) question[i] = lowerOctet(question[i]!);
  return question.toString('latin1');
}
