import type { Clock } from '../core/ports.ts';

/** Node's timers keep a delay in a signed 32-bit integer and fire at once beyond it. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/**
 * `performance.now()` counts from the start of its thread; with this it is the system's monotonic
 * clock, the same in all threads, so that one can say when what another has stored ends.
 */
const THREAD_START_MS = Number(process.hrtime.bigint()) / 1e6 - performance.now();

/**
 * The machine's clock. Its timers keep the process alive on purpose: whoever starts one owns it and
 * cancels it at stop, so that a forgotten timer shows as a process that does not end.
 */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => THREAD_START_MS + performance.now(),
  after(delayMs, callback) {
    const due = performance.now() + delayMs;
    let timer: NodeJS.Timeout;
    const arm = (remainingMs: number): void => {
      timer =
        remainingMs > TIMER_MS_MAX
          ? setTimeout(() => arm(due - performance.now()), TIMER_MS_MAX)
          : setTimeout(callback, Math.max(0, remainingMs));
    };
    arm(delayMs);
    return () => clearTimeout(timer);
  },
};
