import type { ForwardEvents } from '../../adapters/metrics/forward-metrics.ts';
import { COUNT, type Count } from '../../core/respond/counters.ts';
import type { DnsTallies } from './dns-tallies.ts';
import type { ForwardRejectLog } from './forward-reject-log.ts';
import type { ResolverEvent } from './resolver-parts.ts';

/** Where events of the resolver are counted, besides its own totals. */
const EVENT_COUNTS: Readonly<Partial<Record<ResolverEvent, Count>>> = {
  'hit-positive': COUNT.CACHE_HIT,
  'hit-negative': COUNT.CACHE_HIT_NEGATIVE,
  'miss-positive': COUNT.CACHE_MISS,
  'miss-negative': COUNT.CACHE_MISS,
  'miss-failure': COUNT.CACHE_MISS,
  stale: COUNT.CACHE_STALE,
  prefetch: COUNT.CACHE_PREFETCH,
};

/** Counts what becomes of questions, and logs those that are turned away. */
export function resolverObserver(to: {
  readonly metrics: ForwardEvents;
  readonly tallies: DnsTallies;
  readonly rejectLog: ForwardRejectLog;
}): (event: ResolverEvent) => void {
  return (event) => {
    const count = EVENT_COUNTS[event];
    if (count !== undefined) to.tallies.counters.count(count);
    if (event === 'coalesced') to.metrics.countForwardCoalesced();
    if (!event.startsWith('rejected-')) return;
    to.metrics.countForwardReject();
    to.rejectLog.add(event);
  };
}
