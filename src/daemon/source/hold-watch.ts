import type { HoldStatus } from '../../core/base/live-status.ts';
import type { Clock, Log } from '../../core/ports.ts';
import type { Hold } from '../../core/trust/retention.ts';

export interface HoldWatchParts {
  readonly clock: Clock;
  readonly log: Log;
  /** What is retained may be given up now. */
  onDue(): void;
}

/** Tells people what is retained and why, and says when that is over. */
export class HoldWatch {
  readonly #parts: HoldWatchParts;
  #hold: Hold | null = null;
  #cancelTimer: () => void = () => undefined;

  constructor(parts: HoldWatchParts) {
    this.#parts = parts;
  }

  /** What the last build retained; null: nothing. */
  see(hold: Hold | null): void {
    const { clock, log } = this.#parts;
    const before = this.#hold;
    this.#hold = hold;
    this.#cancelTimer();
    this.#cancelTimer = () => undefined;
    if (hold === null) {
      if (before !== null) log.info('hold-ended', this.#endOf(before));
      return;
    }
    if (before?.reason !== hold.reason) log.warn('hold-started', { ...this.#statusOf(hold) });
    const inMs = hold.until === null ? 0 : hold.until - clock.monotonic();
    // What is over and still here waits for a word of the master.
    if (inMs > 0) this.#cancelTimer = clock.after(inMs, () => this.#parts.onDue());
  }

  /** null: nothing is retained. */
  status(): HoldStatus | null {
    return this.#hold === null ? null : this.#statusOf(this.#hold);
  }

  stop(): void {
    this.#cancelTimer();
  }

  #endOf({ reason, since, until, missingTasks }: Hold): Readonly<Record<string, unknown>> {
    const now = this.#parts.clock.monotonic();
    const isOver = until !== null && now >= until;
    const how = isOver ? 'ran-out' : 'cleared';
    return { how, reason, missingTasks, heldSeconds: Math.round((now - since) / 1000) };
  }

  #statusOf({ since, until, share, ...evidence }: Hold): HoldStatus {
    const { clock } = this.#parts;
    const iso = (at: number): string =>
      new Date(clock.now() - clock.monotonic() + at).toISOString();
    return {
      ...evidence,
      since: iso(since),
      until: until === null ? null : iso(until),
      share: Math.round(share * 1_000) / 1_000,
    };
  }
}
