import { Counter, Gauge } from 'prom-client';
import type { Registry } from 'prom-client';
import type { Status } from '../../core/ports.ts';

interface StatusCounter {
  readonly name: string;
  readonly help: string;
  readonly value: (status: Status) => number;
}

const STATUS_COUNTERS: readonly StatusCounter[] = [
  {
    name: 'hoplite_source_events_total',
    help: "Events of the master's stream, heartbeats among them.",
    value: ({ source }) => source.events.records,
  },
  {
    name: 'hoplite_source_event_stream_reconnects_total',
    help: 'Event streams after the first one.',
    value: ({ source }) => source.events.reconnects,
  },
];

interface StatusGauge {
  readonly name: string;
  readonly help: string;
  /** null: there is nothing to say yet, and the series is absent rather than a misleading 0. */
  readonly value: (status: Status) => number | null;
}

const STATUS_GAUGES: readonly StatusGauge[] = [
  {
    name: 'hoplite_ready',
    help: '1 while own zones are answered.',
    value: (status) => (status.ready ? 1 : 0),
  },
  {
    name: 'hoplite_source_age_seconds',
    help: 'Age of the served cluster state.',
    value: (status) => status.source.ageSeconds,
  },
  {
    name: 'hoplite_source_consecutive_failures',
    help: 'Polls that failed since the last good one.',
    value: (status) => status.source.consecutiveFailures,
  },
  {
    name: 'hoplite_source_state_bytes',
    help: 'Size of the served cluster state.',
    value: (status) => status.generation?.stateBytes ?? null,
  },
  {
    name: 'hoplite_source_events_following',
    help: '1 while an event stream of the leading master is followed.',
    value: ({ source }) => (source.events.state === 'following' ? 1 : 0),
  },
  {
    name: 'hoplite_source_zookeeper_connected',
    help: '1 while a ZooKeeper server answers.',
    value: ({ source: { zookeeper } }) => (zookeeper === null ? null : zookeeper.connected ? 1 : 0),
  },
  {
    name: 'hoplite_marathon_up',
    help: '1 while the health that Marathon knows of is up to date.',
    value: ({ marathon }) => (marathon === null ? null : marathon.state === 'ok' ? 1 : 0),
  },
  {
    name: 'hoplite_hold_active',
    help: '1 while something is served that the master does not mention; /v1/status says why.',
    value: ({ source }) => (source.hold === null ? 0 : 1),
  },
  {
    name: 'hoplite_hold_missing_tasks',
    help: 'Running tasks that are served and the master does not mention.',
    value: ({ source }) => source.hold?.missingTasks ?? 0,
  },
  {
    name: 'hoplite_hold_missing_agents',
    help: 'Agents that are served and the master does not mention.',
    value: ({ source }) => source.hold?.missingAgents ?? 0,
  },
  {
    name: 'hoplite_generation_serial',
    help: 'SOA serial of the served generation.',
    value: (status) => status.generation?.serial ?? null,
  },
  {
    name: 'hoplite_generation_names',
    help: 'Names in the served generation.',
    value: (status) => status.generation?.names ?? null,
  },
  {
    name: 'hoplite_generation_records',
    help: 'Resource records in the served generation.',
    value: (status) => status.generation?.records ?? null,
  },
  {
    name: 'hoplite_generation_tasks',
    help: 'Tasks in the served generation.',
    value: (status) => status.generation?.tasks ?? null,
  },
  {
    name: 'hoplite_generation_agents',
    help: 'Agents in the served generation.',
    value: (status) => status.generation?.agents ?? null,
  },
  {
    name: 'hoplite_generation_frameworks',
    help: 'Frameworks in the served generation.',
    value: (status) => status.generation?.frameworks ?? null,
  },
  {
    name: 'hoplite_generation_services',
    help: 'Services from outside of Mesos in the served generation.',
    value: (status) => status.generation?.services ?? null,
  },
  {
    name: 'hoplite_generation_rejections',
    help: 'Pieces of the cluster state that were left out; /v1/rejections lists them.',
    value: (status) => status.generation?.rejections ?? null,
  },
  {
    name: 'hoplite_vip_services',
    help: 'Services that have a VIP in the served generation.',
    value: (status) => (status.vips.enabled ? status.vips.services : null),
  },
];

/** Registers the gauges and counters that mirror `Status`; the returned function sets them all from one. */
export function createStatusGauges(registry: Registry): (status: Status) => void {
  const gauges = STATUS_GAUGES.map(({ name, help, value }) => {
    const gauge = new Gauge({ name, help, registers: [registry] });
    gauge.remove();
    return { gauge, value };
  });
  const counters = STATUS_COUNTERS.map(({ name, help, value }) => {
    return { counter: new Counter({ name, help, registers: [registry] }), value };
  });
  return (status) => {
    for (const { counter, value } of counters) {
      counter.reset();
      counter.inc(value(status));
    }
    for (const { gauge, value } of gauges) {
      const current = value(status);
      if (current === null) gauge.remove();
      else gauge.set(current);
    }
  };
}
