import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import { exponentialBuckets } from 'prom-client';
import type { Status } from '../core/ports.ts';
import { createDnsMetrics } from './metrics/dns-metrics.ts';
import type { DnsMetrics, DnsMetricsSource } from './metrics/dns-metrics.ts';
import { createForwardMetrics } from './metrics/forward-metrics.ts';
import type { ForwardMetrics } from './metrics/forward-metrics.ts';
import { createKernelMetrics } from './metrics/kernel-metrics.ts';
import type { KernelMetrics } from './metrics/kernel-metrics.ts';
import { boundedLabel } from './metrics/labels.ts';
import { createStatusGauges } from './metrics/status-gauges.ts';
import { createWatchMetrics } from './metrics/watch-metrics.ts';
import type { WatchMetrics } from './metrics/watch-metrics.ts';

/** What the source, the publisher and the reloader report. */
export interface SourceMetrics {
  /** `result` is `success` or the code of the error. */
  observePoll(result: string, durationMs: number): void;
  /** `phase` such as `parse` or `build`. */
  observeBuild(phase: string, durationMs: number): void;
  countGeneration(): void;
  /** A change has come `from` its beginning `to` where it counts. */
  observePropagation(from: 'status' | 'event', to: 'table' | 'kernel', durationMs: number): void;
  countConfigReload(result: 'success' | 'failure'): void;
}

/** Everything the daemon measures, over a registry of its own; durations come in milliseconds. */
export interface Metrics
  extends DnsMetrics, ForwardMetrics, SourceMetrics, KernelMetrics, WatchMetrics {
  /** One HTTP answer; `route` is a path of the route table or `other`. */
  observeHttp(route: string, code: number): void;
  /** From now on each scrape asks `read` for what the status gauges show. */
  readStatusFrom(read: () => Status): void;
  /** The Prometheus text exposition; its media type is `contentType`. */
  promText(): Promise<string>;
  readonly contentType: string;
}

/** Results and phases are tables of ours: the bound guards against mistakes. */
const REASONS_MAX = 32;

/** 5 ms doubling to 41 s: a state request takes from milliseconds to its deadline. */
const POLL_SECONDS_BUCKETS = exponentialBuckets(0.005, 2, 14);

/** 1 ms doubling to 8 s: a build takes from a few names to the largest clusters there are. */
const BUILD_SECONDS_BUCKETS = exponentialBuckets(0.001, 2, 14);

/** 1 ms doubling to 33 s: from an event to the table takes milliseconds, a poll half a minute. */
const PROPAGATION_SECONDS_BUCKETS = exponentialBuckets(0.001, 2, 16);

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
  const propagation = new Histogram({
    name: 'hoplite_propagation_seconds',
    help: 'Time of a change from its beginning to names or kernel.',
    labelNames: ['from', 'to'],
    buckets: PROPAGATION_SECONDS_BUCKETS,
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
    observePropagation: (from, to, durationMs) =>
      propagation.observe({ from, to }, durationMs / 1000),
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
  readonly dns: DnsMetricsSource;
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
  const dns = createDnsMetrics(registry, options.dns);
  let readStatus: (() => Status) | null = null;
  return {
    ...dns,
    ...createForwardMetrics(registry),
    ...createSourceMetrics(registry),
    ...createWatchMetrics(registry),
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
      dns.readCounters();
      return registry.metrics();
    },
    contentType: registry.contentType,
  };
}
