import type { Clock } from '../../core/ports.ts';

/** What ends a piece of work early. */
export interface WorkLimits {
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** Made at the deadline; what `withDeadline` then rejects with. */
  readonly timeoutError: () => Error;
  /** Any of these ends the work too, with its own reason. */
  readonly signals: readonly AbortSignal[];
}

/** Waits for `promise`, but not longer than until `signal` aborts; rejects with its reason then. */
export async function untilAborted<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  let release = (): void => undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
    release = () => signal.removeEventListener('abort', abort);
  });
  try {
    return await Promise.race([aborted, promise]);
  } catch (error) {
    // What fails because of the abort must not hide its reason.
    signal.throwIfAborted();
    throw error;
  } finally {
    release();
  }
}

/**
 * Runs `work` until it settles, a signal aborts or the deadline passes, whichever is first. Rejects
 * at once at the end even if the work is slow to notice (undici tells a request of an abort only
 * when it has a connection). Leaves no timer or listener behind.
 */
export async function withDeadline<T>(
  limits: WorkLimits,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  for (const signal of limits.signals) signal.throwIfAborted();
  const controller = new AbortController();
  const releases = limits.signals.map((signal) => {
    const abort = (): void => controller.abort(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    return () => signal.removeEventListener('abort', abort);
  });
  releases.push(
    limits.clock.after(limits.timeoutMs, () => controller.abort(limits.timeoutError())),
  );
  try {
    return await untilAborted(controller.signal, work(controller.signal));
  } finally {
    for (const release of releases) release();
  }
}
