import { type Backoff, backoffMs } from '../core/base/backoff.ts';
import { DaemonError } from '../core/base/daemon-error.ts';
import { formatHostPort } from '../core/base/host-port.ts';
import type { Random } from '../core/base/random.ts';
import type { HostPort } from '../core/config/config.ts';
import type { Clock, Log, SourceStatus } from '../core/ports.ts';
import type { BuildReport, HostTexts, ReadReport } from './generation-protocol.ts';

/** One answer of a master. */
export interface FetchedState {
  readonly chunks: readonly Uint8Array<ArrayBuffer>[];
  readonly answeredBy: HostPort;
}

/** What the poller works with; the daemon wires it to adapters, tests to scripts. */
export interface PollerParts {
  fetchState(master: HostPort, signal: AbortSignal): Promise<FetchedState>;
  read(chunks: FetchedState['chunks']): Promise<ReadReport>;
  /** Addresses of host names, as far as they are known within `waitMs`. */
  resolve(names: readonly string[], waitMs: number): Promise<HostTexts>;
  /** Builds the state read last, or once more the one built last. */
  build(of: 'read' | 'built', hosts: HostTexts): Promise<BuildReport>;
  publish(read: ReadReport, built: BuildReport): void;
  /** Told of every poll; `result` is `success` or an error code. */
  onPoll(result: string, durationMs: number): void;
}

export interface PollerOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Where and how often to poll. */
export interface PollerPlan {
  readonly masters: readonly HostPort[];
  readonly intervalMs: number;
}

/** A state, who gave it, and whether that is the leader by its own account. */
interface AnsweredRead {
  readonly read: ReadReport;
  readonly answeredBy: HostPort;
  readonly isLeading: boolean;
}

/** Nodes of a cluster must not poll in step: each beat is drawn from 90 to 110 % of the interval. */
const JITTER = 0.1;
/** Retries after failures start here and end at the interval. */
const RETRY_FIRST_MS = 1_000;
/**
 * How long a state without any agent is not believed after one with agents. A new leader answers
 * with an empty cluster until the first agents have registered again, and one that has not
 * recovered its registry does so for longer; a cluster whose agents are all gone stays gone.
 */
const EMPTY_HOLD_MS = 10 * 60_000;
/** How long a build waits for names that were never looked up; they are published later. */
const LOOKUP_WAIT_MS = 1_000;

/**
 * Keeps the served generation up to date: asks the masters for their state, one poll at a time.
 * A failure changes nothing but its count and age; the last good generation stays.
 */
export class Poller {
  readonly #parts: PollerParts;
  readonly #options: PollerOptions;
  #plan: PollerPlan;
  #abort: AbortController | null = null;
  #cancelTimer: (() => void) | null = null;
  #running: Promise<void> | null = null;
  #stopped = false;
  /** What to do when the work under way ends; a build comes first. */
  #pollNext = false;
  #buildNext = false;
  /** The state that is served. */
  #served: ReadReport | null = null;
  /** Who answered as leader: asked first. By the address that worked, not the one it advertises. */
  #leadingMaster: HostPort | null = null;
  /** Since when states have had no agents, monotonic milliseconds; null while they have. */
  #emptySince: number | null = null;
  #polls = 0;
  #failures = 0;
  #lastAttempt: number | null = null;
  #lastSuccess: { readonly at: number; readonly monotonic: number } | null = null;
  #lastError: SourceStatus['lastError'] = null;

  constructor(parts: PollerParts, plan: PollerPlan, options: PollerOptions) {
    this.#parts = parts;
    this.#plan = plan;
    this.#options = options;
  }

  /** Polls now, and from then on at every beat. */
  start(): void {
    this.#beat();
  }

  /** Takes over another plan and polls at once; what is in flight for the old one is dropped. */
  replan(plan: PollerPlan): void {
    this.#plan = plan;
    this.#leadingMaster = null;
    this.#abort?.abort(new DaemonError('master-unreachable', 'the configuration changed'));
    this.#beat();
  }

  /** Builds the served state again, because host addresses or settings changed. */
  rebuild(): void {
    const served = this.#served;
    this.#buildNext = this.#running !== null;
    if (this.#running === null && served !== null) this.#run(() => this.#rebuild(served));
  }

  /** Ends the poll under way; resolves when nothing runs any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelTimer?.();
    this.#abort?.abort(new DaemonError('master-unreachable', 'the daemon stops'));
    await this.#running;
  }

  status(): SourceStatus {
    const { clock } = this.#options;
    const iso = (time: number | null): string | null =>
      time === null ? null : new Date(time).toISOString();
    const success = this.#lastSuccess;
    return {
      leader: this.#served === null ? null : formatHostPort(this.#served.leader),
      ageSeconds:
        success === null ? null : Math.round((clock.monotonic() - success.monotonic) / 100) / 10,
      lastSuccessAt: iso(success?.at ?? null),
      lastAttemptAt: iso(this.#lastAttempt),
      consecutiveFailures: this.#failures,
      lastError: this.#lastError,
      pollIntervalSeconds: this.#plan.intervalMs / 1000,
      polls: this.#polls,
    };
  }

  #beat(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#pollNext = this.#running !== null;
    if (this.#running === null) this.#run(() => this.#poll());
  }

  /** Runs one piece of work at a time; `work` does not reject. */
  #run(work: () => Promise<void>): void {
    if (this.#stopped) return;
    this.#running = work().then(() => {
      this.#running = null;
      this.#continue();
    });
  }

  #continue(): void {
    if (this.#buildNext) this.rebuild();
    if (this.#pollNext) this.#beat();
    if (this.#running === null) this.#schedule();
  }

  #schedule(): void {
    if (this.#stopped || this.#cancelTimer !== null) return;
    const { clock, random } = this.#options;
    const { intervalMs } = this.#plan;
    const backoff: Backoff = { firstMs: Math.min(RETRY_FIRST_MS, intervalMs), maxMs: intervalMs };
    const delayMs =
      this.#failures > 0
        ? backoffMs(backoff, this.#failures - 1, random)
        : Math.round(intervalMs * (1 - JITTER + 2 * JITTER * random()));
    this.#cancelTimer = clock.after(delayMs, () => {
      this.#cancelTimer = null;
      this.#beat();
    });
  }

  /** The one place where errors of a poll end. */
  async #poll(): Promise<void> {
    const { clock, log } = this.#options;
    const start = clock.monotonic();
    this.#polls++;
    this.#lastAttempt = clock.now();
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    try {
      const { read, answeredBy } = await this.#readFromAnyMaster(signal);
      // The answer of a master that is not ours any more says nothing.
      signal.throwIfAborted();
      this.#leadingMaster = answeredBy;
      this.#assertPlausible(read);
      await this.#build('read', read);
      this.#served = read;
      if (this.#failures > 0) log.info('source-recovered', { failures: this.#failures });
      this.#failures = 0;
      this.#lastSuccess = { at: clock.now(), monotonic: clock.monotonic() };
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

  /** S11: an empty cluster right after a full one is a master that does not know better yet. */
  #assertPlausible(read: ReadReport): void {
    const before = this.#served?.agents ?? 0;
    if (read.agents > 0 || before === 0) {
      this.#emptySince = null;
      return;
    }
    const now = this.#options.clock.monotonic();
    this.#emptySince ??= now;
    if (now - this.#emptySince >= EMPTY_HOLD_MS) return;
    throw new DaemonError(
      'state-empty',
      `${formatHostPort(read.leader)} knows no agents, after ${before} before: its state is not ` +
        `believed for ${EMPTY_HOLD_MS / 60_000} minutes`,
    );
  }

  async #rebuild(served: ReadReport): Promise<void> {
    try {
      await this.#build('built', served);
    } catch (err) {
      if (!this.#stopped) this.#options.log.error('rebuild-failed', { err });
    }
  }

  async #build(of: 'read' | 'built', read: ReadReport): Promise<void> {
    const hosts = await this.#parts.resolve(read.hostNames, LOOKUP_WAIT_MS);
    this.#parts.publish(read, await this.#parts.build(of, hosts));
  }

  /** The master that led last is asked first, then the configured masters in their order. */
  async #readFromAnyMaster(signal: AbortSignal): Promise<AnsweredRead> {
    const candidates = this.#leadingMaster === null ? [] : [this.#leadingMaster];
    for (const master of this.#plan.masters) {
      if (!candidates.some((known) => sameHostPort(known, master))) candidates.push(master);
    }
    let firstError: unknown = null;
    for (const master of candidates) {
      try {
        return await this.#readFollowing(master, signal);
      } catch (error) {
        if (signal.aborted) throw error;
        firstError ??= error;
      }
    }
    throw firstError as Error;
  }

  /** One master's state, or its leader's if it names another one: host and port count (S05). */
  async #readFollowing(master: HostPort, signal: AbortSignal): Promise<AnsweredRead> {
    const first = await this.#readFrom(master, signal);
    if (first.isLeading) return first;
    signal.throwIfAborted();
    const { leader } = first.read;
    const second = await this.#readFrom(leader, signal);
    if (second.isLeading) return second;
    const message = `${formatHostPort(leader)} is called the leader, but does not lead`;
    throw new DaemonError('state-invalid', message);
  }

  async #readFrom(master: HostPort, signal: AbortSignal): Promise<AnsweredRead> {
    const { chunks, answeredBy } = await this.#parts.fetchState(master, signal);
    const read = await this.#parts.read(chunks);
    const isLeading = read.fromLeader || sameHostPort(read.leader, answeredBy);
    return { read, answeredBy, isLeading };
  }
}

function sameHostPort(a: HostPort, b: HostPort): boolean {
  return a.host === b.host && a.port === b.port;
}
