import { setTimeout as delay } from 'node:timers/promises';

/** Long enough for a loaded machine; a test that waits so long has failed. */
const DEADLINE_MS = 10_000;
/** Between two looks: short beside everything that is waited for, and no busy loop. */
const STEP_MS = 2;

/**
 * Looks until there is something to see (neither false, null nor undefined) and returns it; fails
 * after a deadline. For what no event announces.
 */
export async function waitUntil<T>(
  what: string,
  look: () => T | Promise<T>,
  deadlineMs: number = DEADLINE_MS,
): Promise<Exclude<T, false | null | undefined>> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    const seen = await look();
    if (seen !== false && seen !== null && seen !== undefined) {
      return seen as Exclude<T, false | null | undefined>;
    }
    if (performance.now() > end) throw new Error(`not in time: ${what}`);
    await delay(STEP_MS);
  }
}

/** The promise's value, or a failure if it takes longer than the deadline. */
export async function inTime<T>(
  what: string,
  promise: Promise<T>,
  deadlineMs?: number,
): Promise<T> {
  const cancel = new AbortController();
  const late = delay(deadlineMs ?? DEADLINE_MS, undefined, { signal: cancel.signal }).then(() => {
    throw new Error(`not in time: ${what}`);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    cancel.abort();
    late.catch(() => undefined);
  }
}
