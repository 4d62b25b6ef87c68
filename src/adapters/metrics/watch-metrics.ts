import type { Registry } from 'prom-client';
import type { WatchStatus } from '../../core/ports.ts';
import { registerReadCounter, registerReadGauge } from './read-metrics.ts';

/** Metrics of `/v1/watch`. */
export interface WatchMetrics {
  /** Where a scrape reads; until then the metrics have no series. */
  readWatchFrom(read: () => WatchStatus): void;
}

/** Registers the metrics. */
export function createWatchMetrics(registry: Registry): WatchMetrics {
  let read: (() => WatchStatus) | null = null;
  const status = (): WatchStatus[] => (read === null ? [] : [read()]);
  registerReadGauge(
    {
      name: 'hoplite_watch_clients',
      help: 'Clients of /v1/watch.',
      labelNames: [],
      registry,
    },
    () => status().map(({ clients }) => [{}, clients] as const),
  );
  registerReadCounter(
    {
      name: 'hoplite_watch_events_total',
      help: 'Changes of services and VIPs that were published to clients of /v1/watch.',
      labelNames: [],
      registry,
    },
    () => status().map(({ events }) => [{}, events] as const),
  );
  registerReadCounter(
    {
      name: 'hoplite_watch_closed_total',
      help: 'Clients of /v1/watch that were let go, by reason.',
      labelNames: ['reason'],
      registry,
    },
    () =>
      status().flatMap(({ closed }) =>
        Object.entries(closed).map(([reason, count]) => [{ reason }, count] as const),
      ),
  );
  return {
    readWatchFrom: (source) => {
      read = source;
    },
  };
}
