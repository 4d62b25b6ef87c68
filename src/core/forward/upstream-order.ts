import type { Upstream } from '../base/upstream.ts';
import type { ForwardConfig } from '../config/config.ts';
import { SILENCE_MS } from './upstream-health.ts';
import type { UpstreamHealth } from './upstream-health.ts';

/** The least and the most that the first of a race is waited for. */
const HEAD_START_MS_MIN = 5;
const HEAD_START_MS_MAX = 200;

/** Whom to ask for one question, and when. */
export interface AskOrder {
  /** One after the other: the next after each failure. */
  readonly upstreams: readonly Upstream[];
  /** How many of the first are alive; the others are only for when no living one says anything. */
  readonly living: number;
  /** Silence of the first after which the second is asked; `SILENCE_MS` for each later one. */
  readonly headStartMs: number;
  /** To be asked beside the first, and heard to its end; not among `upstreams`. null: nobody. */
  readonly look: Upstream | null;
}

/**
 * The order for one question. `sequential`: as given; `round-robin`: the one whose turn is the
 * longest ago is the first; `race`: the two best, see `headStartMs`. In each of them the dead come
 * last, unless all are dead: then nobody is waited for long. What the order takes from `health`, turn
 * and look, is used up.
 */
export function orderUpstreams(
  policy: ForwardConfig['policy'],
  upstreams: readonly Upstream[],
  health: UpstreamHealth,
  now: number,
): AskOrder {
  const alive = upstreams.filter((upstream) => !health.isDead(upstream));
  if (alive.length === 0) {
    const all = arrange(policy, upstreams, health, now);
    return { upstreams: all, living: all.length, headStartMs: 0, look: null };
  }
  const dead = upstreams.filter((upstream) => health.isDead(upstream));
  const living = arrange(policy, alive, health, now);
  const others = [...living.slice(1), ...health.rank(dead, now)];
  const look = health.takeLook(others, policy === 'race', now);
  const first = living[0]!;
  return {
    upstreams: [first, ...others.filter((upstream) => upstream !== look)],
    living: living.filter((upstream) => upstream !== look).length,
    headStartMs: policy === 'race' ? headStartMs(health.rttMs(first)) : SILENCE_MS,
    look,
  };
}

function arrange(
  policy: ForwardConfig['policy'],
  upstreams: readonly Upstream[],
  health: UpstreamHealth,
  now: number,
): readonly Upstream[] {
  switch (policy) {
    case 'sequential':
      return upstreams;
    case 'round-robin':
      return health.takeTurns(upstreams, now);
    case 'race':
      return health.rank(upstreams, now);
  }
}

/**
 * Head start of the first in a race. Asking two at once would double the packets for nothing, as the
 * first mostly answers in its usual time; twice that is a sign of trouble, and then the second has
 * lost no more than the longest head start. So the worst case is that of a strict race, with half
 * its packets. At once if nothing is known about the first; not below what a thread may be late by.
 */
function headStartMs(rttMs: number | null): number {
  if (rttMs === null) return 0;
  return Math.min(HEAD_START_MS_MAX, Math.max(HEAD_START_MS_MIN, 2 * rttMs));
}
