import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import { exponentialBuckets } from 'prom-client';
import type { Status } from '../core/ports.ts';
import { REQUEST_SECONDS_BUCKETS, createDnsMetrics } from './metrics/dns-metrics.ts';
import type { DnsMetrics } from './metrics/dns-metrics.ts';
import { createKernelMetrics } from './metrics/kernel-metrics.ts';
import type { KernelMetrics } from './metrics/kernel-metrics.ts';
import { boundedLabel, rcodeLabel } from './metrics/labels.ts';
import { createStatusGauges } from './metrics/status-gauges.ts';

/** One exchange with an upstream that brought an answer. `to` is `address:port`. */
export interface ForwardObservation {
  readonly to: string;
  readonly rcode: number;
  readonly durationMs: number;
}

/** What the forwarder reports. */
export interface ForwardMetrics {
  observeForward(observation: ForwardObservation): void;
  /** An exchange without a usable answer; `reason` such as `timeout`. */
  countForwardFailure(to: string, reason: string): void;
  setForwardInflight(count: number): void;
  /** A query that was turned away because too many were under way, at all or for one question. */
  countForwardReject(): void;
}

/** What the poller, the publisher and the reloader report. */
export interface SourceMetrics {
  /** `result` is `success` or the code of the error. */
  observePoll(result: string, durationMs: number): void;
  /** `phase` such as `parse` or `build`. */
  observeBuild(phase: string, durationMs: number): void;
  countGeneration(): void;
  countConfigReload(result: 'success' | 'failure'): void;
}

/** Everything the daemon measures, over a registry of its own; durations come in milliseconds. */
export interface Metrics extends DnsMetrics, ForwardMetrics, SourceMetrics, KernelMetrics {
  /** One HTTP answer; `route` is a path of the route table or `other`. */
  observeHttp(route: string, code: number): void;
  /** From now on each scrape asks `read` for what the status gauges show. */
  readStatusFrom(read: () => Status): void;
  /** The Prometheus text exposition; its media type is `contentType`. */
  promText(): Promise<string>;
  readonly contentType: string;
}

// Label values come from the configuration and from tables of ours; the bounds guard against
// mistakes, and against reloads that name new upstreams for ever.
const UPSTREAMS_MAX = 64;
const REASONS_MAX = 32;

/** 5 ms doubling to 41 s: a state request takes from milliseconds to its deadline. */
const POLL_SECONDS_BUCKETS = exponentialBuckets(0.005, 2, 14);

/** 1 ms doubling to 8 s: a build takes from a few names to the largest clusters there are. */
const BUILD_SECONDS_BUCKETS = exponentialBuckets(0.001, 2, 14);

function createForwardMetrics(registry: Registry): ForwardMetrics {
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
    help: 'Queries that were not forwarded: too many under way, at all or for one question.',
    registers,
  });
  const upstream = boundedLabel(UPSTREAMS_MAX);
  const reasonLabel = boundedLabel(REASONS_MAX);
  return {
    observeForward({ to, rcode, durationMs }) {
      requests.inc({ to: upstream(to), rcode: rcodeLabel(rcode) });
      seconds.observe({ to: upstream(to) }, durationMs / 1000);
    },
    countForwardFailure: (to, reason) =>
      failures.inc({ to: upstream(to), reason: reasonLabel(reason) }),
    setForwardInflight: (count) => inflight.set(count),
    countForwardReject: () => rejects.inc(),
  };
}

function createSourceMetrics(registry: Registry): SourceMetrics {
  const registers = [registry];
  const polls = new Counter({
    name: 'hoplite_source_polls_total',
    help: 'State requests to the masters by result.',
    labelNames: ['result'],
    registers,
  });
  const pollSeconds = new Histogram({
    name: 'hoplite_source_poll_duration_seconds',
    help: 'Time of one state request, body included.',
    buckets: POLL_SECONDS_BUCKETS,
    registers,
  });
  const buildSeconds = new Histogram({
    name: 'hoplite_generation_build_duration_seconds',
    help: 'Time to make a generation, by phase.',
    labelNames: ['phase'],
    buckets: BUILD_SECONDS_BUCKETS,
    registers,
  });
  const generations = new Counter({
    name: 'hoplite_generations_published_total',
    help: 'Generations that went into service.',
    registers,
  });
  const reloads = new Counter({
    name: 'hoplite_config_reloads_total',
    help: 'Configuration reloads by result.',
    labelNames: ['result'],
    registers,
  });
  const resultLabel = boundedLabel(REASONS_MAX);
  const phaseLabel = boundedLabel(REASONS_MAX);
  return {
    observePoll(result, durationMs) {
      polls.inc({ result: resultLabel(result) });
      pollSeconds.observe(durationMs / 1000);
    },
    observeBuild: (phase, durationMs) =>
      buildSeconds.observe({ phase: phaseLabel(phase) }, durationMs / 1000),
    countGeneration: () => generations.inc(),
    countConfigReload: (result) => reloads.inc({ result }),
  };
}

/**
 * Creates every metric of the daemon (`hoplite_*`, with CoreDNS' names and labels where it has the
 * same thing) and Node's own ones (`process_*`, `nodejs_*`, event-loop lag among them).
 */
export function createMetrics(options: {
  readonly version: string;
  readonly nodeVersion: string;
}): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: 'hoplite_build_info',
    help: 'Always 1; the labels say what runs.',
    labelNames: ['version', 'nodeversion'],
    registers: [registry],
  }).set({ version: options.version, nodeversion: options.nodeVersion }, 1);
  const http = new Counter({
    name: 'hoplite_http_requests_total',
    help: 'HTTP answers by route and status code.',
    labelNames: ['route', 'code'],
    registers: [registry],
  });
  const showStatus = createStatusGauges(registry);
  const kernel = createKernelMetrics(registry);
  let readStatus: (() => Status) | null = null;
  return {
    ...createDnsMetrics(registry),
    ...createForwardMetrics(registry),
    ...createSourceMetrics(registry),
    observeKernel: (...report) => kernel.observeKernel(...report),
    observeHttp: (route, code) => http.inc({ route, code }),
    readStatusFrom: (read) => {
      readStatus = read;
    },
    promText: () => {
      const status = readStatus?.();
      if (status !== undefined) {
        showStatus(status);
        kernel.showKernel(status.kernel);
      }
      return registry.metrics();
    },
    contentType: registry.contentType,
  };
}
