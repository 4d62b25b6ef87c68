import type { StateFileHeader } from '../adapters/state-file.ts';
import { formatHostPort } from '../core/base/host-port.ts';
import type { Result } from '../core/base/result.ts';
import type { Config } from '../core/config/config.ts';
import type { Clock, Log, SavedStateStatus } from '../core/ports.ts';
import type { ReadReport, SaveReport } from './generation-protocol.ts';

export interface SavedStateParts {
  readonly clock: Clock;
  readonly log: Log;
  /** The file; null: nothing is saved. */
  path(): string | null;
  /** null: there is no file. */
  readHeader(path: string): Promise<Result<StateFileHeader, string> | null>;
  /** Has the file read and parsed. */
  load(path: string): Promise<ReadReport>;
  /** Serves what was loaded unless a master was faster, and says whether it does. */
  serve(read: ReadReport, takenAt: number): Promise<boolean>;
  /** Writes the state that was kept when it was read. */
  save(path: string, takenAt: number): Promise<SaveReport>;
  /** Lets go of it. */
  drop(): Promise<void>;
}

/**
 * How long a master may take before the saved state is served. One that is there answers sooner,
 * unless its state is huge; and clients that got SERVFAIL meanwhile ask again about then.
 */
const MASTER_WAIT_MS = 1_000;
/** A state that is older is not served: by then others have the addresses of most tasks. */
const AGE_MAX_MS = 24 * 3_600_000;
/** Clocks are set now and then; a state from further ahead has an age that nobody knows. */
const FUTURE_MAX_MS = 5 * 60_000;
/** Every node writes megabytes each time, and a state of five minutes ago is nearly as good. */
const SAVE_INTERVAL_MS = 5 * 60_000;

/**
 * The last believed state on disk: served after a start for as long as no master answers, and
 * written again while masters do. Whatever goes wrong with it is logged, and harms nothing else.
 */
export class SavedState {
  readonly #parts: SavedStateParts;
  #found: StateFileHeader | null = null;
  /** A master has answered, or the daemon stops. */
  #isOver = false;
  #cancelTimer: (() => void) | null = null;
  /** Whether the state that is being read is kept to be saved. */
  #isKept = false;
  /** Monotonic milliseconds of the last attempt. */
  #triedAt = Number.NEGATIVE_INFINITY;
  #savedAt: number | null = null;
  #error: string | null = null;

  constructor(parts: SavedStateParts) {
    this.#parts = parts;
  }

  /** Looks whether there is a state to be served, and waits a moment for a master. */
  async start(): Promise<void> {
    const { clock, log } = this.#parts;
    const path = this.#parts.path();
    const found = path === null ? null : await this.#parts.readHeader(path);
    if (found === null || this.#isOver) return;
    const problem = found.ok ? ageProblem(clock.now() - found.value.takenAt) : found.error;
    if (problem !== null || !found.ok) {
      log.warn('saved-state-ignored', { path, problem });
      return;
    }
    this.#found = found.value;
    this.#savedAt = found.value.takenAt;
    this.#cancelTimer = clock.after(MASTER_WAIT_MS, () => void this.#serve());
  }

  /** Whether the state that is read now should be kept for `polled`. */
  keep(): boolean {
    const isDue = this.#parts.clock.monotonic() - this.#triedAt >= SAVE_INTERVAL_MS;
    if (this.#parts.path() !== null && isDue) this.#isKept = true;
    return this.#isKept;
  }

  /** A poll is over; after a good one its state is served, and saved if that is all that is believed. */
  polled(isGood: boolean, mayBeSaved: boolean = isGood): void {
    const isWaiting = this.#cancelTimer !== null;
    if (isGood) this.stop();
    else if (isWaiting) void this.#serve();
    if (!this.#isKept) return;
    this.#isKept = false;
    if (mayBeSaved) void this.#save();
    else void this.#parts.drop().catch(() => undefined);
  }

  /**
   * Loads the state of before the start if a first state of a master has fewer agents: those that
   * are missing may only be late. null: there is none, or it has no more.
   */
  async recall(
    agents: number,
  ): Promise<{ readonly read: ReadReport; readonly ageMs: number } | null> {
    const { clock } = this.#parts;
    const path = this.#parts.path();
    const found = this.#found;
    if (path === null || found === null || found.agents <= agents) return null;
    try {
      const read = await this.#parts.load(path);
      return { read, ageMs: Math.max(0, clock.now() - found.takenAt) };
    } catch (error) {
      this.#ignore(path, error);
      return null;
    }
  }

  /** null: nothing is saved. */
  status(): SavedStateStatus | null {
    const path = this.#parts.path();
    if (path === null) return null;
    const takenAt = this.#savedAt === null ? null : new Date(this.#savedAt).toISOString();
    return { path, takenAt, error: this.#error };
  }

  /** From now on nothing is served from the file. */
  stop(): void {
    this.#isOver = true;
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#found = null;
  }

  async #serve(): Promise<void> {
    const { clock, log } = this.#parts;
    const path = this.#parts.path();
    const found = this.#found;
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    if (path === null || found === null) return;
    const { takenAt, leader } = found;
    try {
      const read = await this.#parts.load(path);
      if (this.#isOver || !(await this.#parts.serve(read, takenAt))) return;
      const ageSeconds = Math.max(0, Math.round((clock.now() - takenAt) / 1000));
      log.warn('saved-state-served', { path, leader: formatHostPort(leader), ageSeconds });
    } catch (error) {
      // After a good poll or at the end nobody needs it.
      if (this.#isOver) return;
      this.#ignore(path, error);
    }
  }

  #ignore(path: string, error: unknown): void {
    this.#found = null;
    const problem = error instanceof Error ? error.message : String(error);
    this.#parts.log.warn('saved-state-ignored', { path, problem });
  }

  async #save(): Promise<void> {
    const { clock, log } = this.#parts;
    const path = this.#parts.path();
    if (path === null) return;
    const takenAt = clock.now();
    this.#triedAt = clock.monotonic();
    try {
      const { isWritten } = await this.#parts.save(path, takenAt);
      if (isWritten) this.#savedAt = takenAt;
      this.#error = null;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      // Once: a disk that is full stays so for a while.
      if (this.#error === null) log.warn('state-not-saved', { path, problem: message });
      this.#error = message;
    }
  }
}

/** The file of a configuration; null: none. */
export function savedStatePath(
  { cluster }: Pick<Config, 'cluster'>,
  stateDirectory: string | undefined,
): string | null {
  if (cluster.savedState !== null) return cluster.savedState === '' ? null : cluster.savedState;
  // systemd gives a list if there are several (systemd.exec(5)).
  const [directory = ''] = stateDirectory?.split(':') ?? [];
  return directory === '' ? null : `${directory}/last-state`;
}

function ageProblem(ageMs: number): string | null {
  if (ageMs > AGE_MAX_MS) return `is more than ${AGE_MAX_MS / 3_600_000} hours old`;
  return ageMs < -FUTURE_MAX_MS ? 'is from the future: the clock is or was wrong' : null;
}
