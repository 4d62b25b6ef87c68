import type { Clock } from '../../core/ports.ts';

/** Notices when nothing was heard for a while. Owns one timer, however much is heard. */
export class SilenceWatch {
  readonly #clock: Clock;
  readonly #onSilence: () => void;
  #limitMs: number;
  /** Monotonic milliseconds; null before the first time. */
  #heardAt: number | null = null;
  #cancelTimer: (() => void) | null = null;

  /** Watches from the first `heard()` on; calls `onSilence` once. */
  constructor(clock: Clock, limitMs: number, onSilence: () => void) {
    this.#clock = clock;
    this.#limitMs = limitMs;
    this.#onSilence = onSilence;
  }

  heard(): void {
    this.#heardAt = this.#clock.monotonic();
    if (this.#cancelTimer === null) this.#arm(this.#limitMs);
  }

  /** Another limit, which counts from when something was heard last. */
  setLimit(limitMs: number): void {
    this.#limitMs = limitMs;
    if (this.#cancelTimer === null) return;
    this.#cancelTimer();
    this.#look();
  }

  stop(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = () => undefined;
  }

  #arm(delayMs: number): void {
    this.#cancelTimer = this.#clock.after(delayMs, () => this.#look());
  }

  #look(): void {
    const heardAt = this.#heardAt;
    if (heardAt === null) return;
    const leftMs = heardAt + this.#limitMs - this.#clock.monotonic();
    if (leftMs > 0) {
      this.#arm(leftMs);
      return;
    }
    this.stop();
    this.#onSilence();
  }
}
