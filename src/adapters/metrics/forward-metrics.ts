import { Counter, Gauge, Histogram } from 'prom-client';
import type { Registry } from 'prom-client';
import { rcodeLabel } from '../../core/respond/labels.ts';
import { REQUEST_SECONDS_BUCKETS } from './dns-metrics.ts';
import { boundedLabel } from './labels.ts';
import { registerReadGauge } from './read-metrics.ts';

/** One exchange with an upstream that brought an answer. `to` is `address:port`. */
export interface ForwardObservation {
  readonly to: string;
  readonly rcode: number;
  readonly durationMs: number;
}

/** What is thought of one upstream. */
export interface UpstreamState {
  /** `address:port`. */
  readonly to: string;
  /** Smoothed time of an exchange; null: none has been measured. */
  readonly rttMs: number | null;
  /** false: it is passed over as long as others answer. */
  readonly up: boolean;
}

/** The forwarder as it stands. */
export interface ForwardState {
  readonly upstreams: readonly UpstreamState[];
  /** Stored replies, and the memory that they take. */
  readonly cacheEntries: number;
  readonly cacheBytes: number;
}

/** What the forwarder reports as it happens. */
export interface ForwardEvents {
  observeForward(observation: ForwardObservation): void;
  /** An exchange without a usable answer; `reason` such as `timeout`. */
  countForwardFailure(to: string, reason: string): void;
  /** A query that was turned away because too many were under way, at all or for one question. */
  countForwardReject(): void;
  /** A query that got the answer to an equal one, which was under way already. */
  countForwardCoalesced(): void;
}

/** The same, and how the forwarder stands. */
export interface ForwardMetrics extends ForwardEvents {
  setForwardInflight(count: number): void;
  /** From now on each scrape asks `read` for the upstreams and the cache. */
  readForwardFrom(read: () => ForwardState): void;
}

// Label values come from the configuration and from tables of ours; the bounds guard against
// mistakes, and against reloads that name new upstreams for ever.
const UPSTREAMS_MAX = 64;
const REASONS_MAX = 32;

function registerForwardState(registry: Registry, state: () => ForwardState | null): void {
  const upstreams = (): readonly UpstreamState[] =>
    state()?.upstreams.slice(0, UPSTREAMS_MAX) ?? [];
  registerReadGauge(
    {
      name: 'hoplite_forward_upstream_rtt_seconds',
      help: 'Smoothed time of an exchange with an upstream.',
      labelNames: ['to'],
      registry,
    },
    () => upstreams().map(({ to, rttMs }) => [{ to }, rttMs === null ? null : rttMs / 1000]),
  );
  registerReadGauge(
    {
      name: 'hoplite_forward_upstream_up',
      help: '0 while an upstream is passed over because it does not answer.',
      labelNames: ['to'],
      registry,
    },
    () => upstreams().map(({ to, up }) => [{ to }, up ? 1 : 0]),
  );
  registerReadGauge(
    {
      name: 'hoplite_dns_cache_entries',
      help: 'Stored replies of upstreams.',
      labelNames: [],
      registry,
    },
    () => [[{}, state()?.cacheEntries ?? null]],
  );
  registerReadGauge(
    {
      name: 'hoplite_dns_cache_bytes',
      help: 'Memory that stored replies take.',
      labelNames: [],
      registry,
    },
    () => [[{}, state()?.cacheBytes ?? null]],
  );
}

/** Registers the `hoplite_forward_*` metrics, and how full the cache of upstreams' replies is. */
export function createForwardMetrics(registry: Registry): ForwardMetrics {
  const registers = [registry];
  const requests = new Counter({
    name: 'hoplite_forward_requests_total',
    help: 'Answers of upstreams by response code.',
    labelNames: ['to', 'rcode'],
    registers,
  });
  const seconds = new Histogram({
    name: 'hoplite_forward_request_duration_seconds',
    help: 'Time an upstream took to answer.',
    labelNames: ['to'],
    buckets: [...REQUEST_SECONDS_BUCKETS],
    registers,
  });
  const failures = new Counter({
    name: 'hoplite_forward_failures_total',
    help: 'Exchanges with an upstream that brought no usable answer.',
    labelNames: ['to', 'reason'],
    registers,
  });
  const inflight = new Gauge({
    name: 'hoplite_forward_inflight',
    help: 'Forwarded queries that wait for an upstream.',
    registers,
  });
  const rejects = new Counter({
    name: 'hoplite_forward_rejects_total',
    help: 'Queries that found no room to wait for upstreams, or whose upstreams were all silent.',
    registers,
  });
  const coalesced = new Counter({
    name: 'hoplite_forward_coalesced_total',
    help: 'Queries that got the answer to an equal one, which was under way already.',
    registers,
  });
  const upstream = boundedLabel(UPSTREAMS_MAX);
  const reasonLabel = boundedLabel(REASONS_MAX);
  let readState: (() => ForwardState) | null = null;
  registerForwardState(registry, () => readState?.() ?? null);
  return {
    observeForward({ to, rcode, durationMs }) {
      requests.inc({ to: upstream(to), rcode: rcodeLabel(rcode) });
      seconds.observe({ to: upstream(to) }, durationMs / 1000);
    },
    countForwardFailure: (to, reason) =>
      failures.inc({ to: upstream(to), reason: reasonLabel(reason) }),
    setForwardInflight: (count) => inflight.set(count),
    countForwardReject: () => rejects.inc(),
    countForwardCoalesced: () => coalesced.inc(),
    readForwardFrom: (read) => {
      readState = read;
    },
  };
}
