import { type Backoff, backoffMs } from '../../core/base/backoff.ts';
import { DaemonError } from '../../core/base/daemon-error.ts';
import { formatHostPort } from '../../core/base/host-port.ts';
import type { Random } from '../../core/base/random.ts';
import type { HostPort } from '../../core/config/config.ts';
import type { Clock, Log, SourceStatus } from '../../core/ports.ts';
import type { ReadReport } from '../generation-protocol.ts';

/** A state that was read, and whether it is one of the leader by its own account. */
export interface TakenState {
  readonly read: ReadReport;
  readonly isLeading: boolean;
  /** Why it cannot be served although it is the leader's; null: it is served, or not the leader's. */
  readonly problem: unknown;
}

export interface PollLoopParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly intervalMs: () => number;
  /** Masters to ask, in this order; empty: none is known. */
  candidates(): readonly HostPort[];
  /**
   * Asks a master for its state. Returns how to take it in, which reads it and, if it is the
   * leader's, serves it.
   */
  fetchState(master: HostPort, signal: AbortSignal): Promise<() => Promise<TakenState>>;
  /** Told of every poll; `result` is `success` or an error code. */
  onPoll(result: string, durationMs: number): void;
}

/** How polls went. */
export type PollStatus = Pick<
  SourceStatus,
  'lastSuccessAt' | 'lastAttemptAt' | 'consecutiveFailures' | 'lastError' | 'polls'
>;

/** Nodes of a cluster must not poll in step: each beat is drawn from 90 to 110 % of the interval. */
const JITTER = 0.1;
/** Retries after failures start here and end at the interval. */
const RETRY_FIRST_MS = 1_000;

/**
 * Decides when masters are asked for their state, one poll at a time. A failure changes nothing but
 * its count; the last good generation stays.
 */
export class PollLoop {
  readonly #parts: PollLoopParts;
  #abort: AbortController | null = null;
  #cancelTimer: (() => void) | null = null;
  /** When the timer is due, monotonic milliseconds. */
  #dueAt = Number.POSITIVE_INFINITY;
  #running: Promise<void> | null = null;
  #isStopped = false;
  /** When to poll after the poll under way, if sooner than usual; monotonic milliseconds. */
  #wantedAt: number | null = null;
  #startedAt = Number.NEGATIVE_INFINITY;
  #asked: HostPort | null = null;
  #polls = 0;
  #failures = 0;
  #lastAttempt: number | null = null;
  #lastSuccess: number | null = null;
  #lastError: SourceStatus['lastError'] = null;

  constructor(parts: PollLoopParts) {
    this.#parts = parts;
  }

  /** The master that is being asked now; null: none is. */
  get asked(): HostPort | null {
    return this.#asked;
  }

  get isRunning(): boolean {
    return this.#running !== null;
  }

  /** When the last poll began, monotonic milliseconds. */
  get startedAt(): number {
    return this.#startedAt;
  }

  /** Polls now, or right after the poll under way. */
  poll(): void {
    this.pollWithin(0);
  }

  /** Polls in so many milliseconds at the latest; a poll under way is not that one. */
  pollWithin(delayMs: number): void {
    if (this.#isStopped) return;
    const at = this.#parts.clock.monotonic() + delayMs;
    if (this.#running !== null) this.#wantedAt = Math.min(this.#wantedAt ?? at, at);
    else if (delayMs === 0) this.#begin();
    else if (at < this.#dueAt) this.#setTimer(delayMs);
  }

  /** Drops what is in flight, which says nothing any more, and polls within so many milliseconds. */
  restart(why: string, delayMs: number): void {
    this.#abort?.abort(new DaemonError('master-unreachable', why));
    this.pollWithin(delayMs);
  }

  /** Ends the poll under way; resolves when nothing runs any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelTimer?.();
    this.#abort?.abort(new DaemonError('master-unreachable', 'the daemon stops'));
    await this.#running;
  }

  status(): PollStatus {
    const iso = (time: number | null): string | null =>
      time === null ? null : new Date(time).toISOString();
    return {
      lastSuccessAt: iso(this.#lastSuccess),
      lastAttemptAt: iso(this.#lastAttempt),
      consecutiveFailures: this.#failures,
      lastError: this.#lastError,
      polls: this.#polls,
    };
  }

  #begin(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#dueAt = Number.POSITIVE_INFINITY;
    this.#running = this.#poll().then(() => {
      this.#running = null;
      this.#asked = null;
      this.#continue();
    });
  }

  #continue(): void {
    if (this.#isStopped) return;
    const { clock } = this.#parts;
    const wantedMs =
      this.#wantedAt === null ? Number.POSITIVE_INFINITY : this.#wantedAt - clock.monotonic();
    this.#wantedAt = null;
    if (wantedMs <= 0) this.#begin();
    else this.#setTimer(Math.min(wantedMs, this.#delayMs()));
  }

  #delayMs(): number {
    const { random } = this.#parts;
    const intervalMs = this.#parts.intervalMs();
    const backoff: Backoff = { firstMs: Math.min(RETRY_FIRST_MS, intervalMs), maxMs: intervalMs };
    return this.#failures > 0
      ? backoffMs(backoff, this.#failures - 1, random)
      : Math.round(intervalMs * (1 - JITTER + 2 * JITTER * random()));
  }

  #setTimer(delayMs: number): void {
    const { clock } = this.#parts;
    this.#cancelTimer?.();
    this.#dueAt = clock.monotonic() + delayMs;
    this.#cancelTimer = clock.after(delayMs, () => this.#begin());
  }

  /** The one place where errors of a poll end. */
  async #poll(): Promise<void> {
    const { clock, log } = this.#parts;
    const start = clock.monotonic();
    this.#startedAt = start;
    this.#polls++;
    this.#lastAttempt = clock.now();
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    try {
      await this.#takeFromAnyMaster(signal);
      if (this.#failures > 0) log.info('source-recovered', { failures: this.#failures });
      this.#failures = 0;
      this.#lastSuccess = clock.now();
      this.#parts.onPoll('success', clock.monotonic() - start);
    } catch (err) {
      if (signal.aborted) return;
      this.#failures++;
      const code = err instanceof DaemonError ? err.code : 'worker-failed';
      const message = err instanceof Error ? err.message : String(err);
      this.#lastError = { code, message, at: new Date(clock.now()).toISOString() };
      this.#parts.onPoll(code, clock.monotonic() - start);
      // Every failure at first, then each time their number has doubled: no log floods.
      if ((this.#failures & (this.#failures - 1)) === 0) {
        log.warn('poll-failed', { code, err, failures: this.#failures });
      }
    }
  }

  async #takeFromAnyMaster(signal: AbortSignal): Promise<void> {
    let firstError: unknown = null;
    for (const master of this.#parts.candidates()) {
      try {
        const { problem } = await this.#takeFollowing(master, signal);
        if (problem === null) return;
        // Another master could not help it.
        firstError = problem;
        break;
      } catch (error) {
        if (signal.aborted) throw error;
        firstError ??= error;
      }
    }
    firstError ??= new DaemonError('zookeeper-unreachable', 'no master is known yet');
    throw firstError as Error;
  }

  /** One master's state, or its leader's if it names another one: host and port count (S05). */
  async #takeFollowing(master: HostPort, signal: AbortSignal): Promise<TakenState> {
    const first = await this.#takeFrom(master, signal);
    if (first.isLeading) return first;
    signal.throwIfAborted();
    const { leader } = first.read;
    const second = await this.#takeFrom(leader, signal);
    if (second.isLeading) return second;
    const message = `${formatHostPort(leader)} is called the leader, but does not lead`;
    throw new DaemonError('state-invalid', message);
  }

  async #takeFrom(master: HostPort, signal: AbortSignal): Promise<TakenState> {
    this.#asked = master;
    const take = await this.#parts.fetchState(master, signal);
    return take();
  }
}
