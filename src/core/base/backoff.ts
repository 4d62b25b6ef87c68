import { assert } from './assert.ts';
import type { Random } from './random.ts';

/** How long to wait between attempts that fail. */
export interface Backoff {
  /** Delay after the first failure, in milliseconds. */
  readonly firstMs: number;
  /** Upper bound of every delay, in milliseconds. */
  readonly maxMs: number;
}

/**
 * Delay before retry number `attempt` (0 is the first retry): doubles up to the bound, of which
 * the upper half is drawn at random so that the nodes of a cluster do not retry in step.
 */
export function backoffMs(backoff: Backoff, attempt: number, random: Random): number {
  assert(attempt >= 0, 'attempts count from 0');
  const ceiling = Math.min(backoff.maxMs, backoff.firstMs * 2 ** Math.min(attempt, 30));
  return Math.round(ceiling / 2 + (ceiling / 2) * random());
}
