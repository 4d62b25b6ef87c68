import { setTimeout as delay } from 'node:timers/promises';

/** A guest has one slow processor; what takes longer does not happen. */
const DEADLINE_MS = 30_000;
/** Between two looks, and at least as long as one took: what is waited for needs the processor. */
const STEP_MS = 50;

/**
 * Looks until there is something to see (neither false, null nor undefined), and returns it. After
 * the deadline it fails with what `describe` says of how things stand.
 */
export async function eventually<T>(
  what: string,
  look: () => T | Promise<T>,
  options: { readonly deadlineMs?: number; readonly describe?: () => unknown } = {},
): Promise<Exclude<T, false | null | undefined>> {
  const { deadlineMs = DEADLINE_MS, describe = () => '' } = options;
  const end = performance.now() + deadlineMs;
  for (;;) {
    const start = performance.now();
    const seen = await look();
    if (seen !== false && seen !== null && seen !== undefined) {
      return seen as Exclude<T, false | null | undefined>;
    }
    if (performance.now() > end) {
      const state = await describe();
      const text = typeof state === 'string' ? state : JSON.stringify(state, null, 1);
      throw new Error(`not within ${deadlineMs / 1_000} s: ${what}\n${text}`);
    }
    await delay(Math.max(STEP_MS, performance.now() - start));
  }
}
