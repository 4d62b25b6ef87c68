import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Histogram, Registry } from 'prom-client';
import { createMetrics } from '../../src/adapters/metrics.ts';
import type { Metrics } from '../../src/adapters/metrics.ts';
import type { UpstreamState } from '../../src/adapters/metrics/forward-metrics.ts';
import { ReadHistogram } from '../../src/adapters/metrics/read-metrics.ts';
import type { KernelStatus, Status, TrafficCounters } from '../../src/core/ports.ts';
import {
  COUNT,
  type Count,
  DnsCounters,
  type HistogramCounts,
} from '../../src/core/respond/counters.ts';
import { ZoneSlots } from '../../src/core/respond/zone-slots.ts';
import { STATUS } from './http/test-api.ts';

/** Metrics of a daemon with two threads. */
interface Measured extends Metrics {
  readonly blocks: readonly [DnsCounters, DnsCounters];
  /** One exchange, counted by the first thread unless told. */
  observe(exchange: Exchange, thread?: 0 | 1): void;
}

interface Exchange {
  readonly protocol: 0 | 1;
  readonly family: 0 | 1;
  readonly zone: string;
  readonly qtype: number;
  readonly rcode: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly durationMs: number;
}

const newBlock = (): DnsCounters => new DnsCounters(DnsCounters.create());

function create(): Measured {
  const blocks = [newBlock(), newBlock()] as const;
  const zones = new ZoneSlots();
  const metrics = createMetrics({
    version: '1.2.3',
    nodeVersion: 'v20.20.2',
    dns: { blocks: () => blocks, zoneName: (slot) => zones.nameOf(slot) },
  });
  const observe: Measured['observe'] = (o, thread = 0) => {
    const slot = o.zone === '.' ? 0 : zones.slotsOf([o.zone])[0]!;
    blocks[thread].observe(
      slot,
      o.protocol,
      o.family,
      o.qtype,
      o.rcode,
      o.requestBytes,
      o.responseBytes,
      o.durationMs,
    );
  };
  return { ...metrics, blocks, observe };
}

const QUERY: Exchange = {
  protocol: 0,
  family: 0,
  zone: 'mesos.',
  qtype: 1,
  rcode: 0,
  requestBytes: 40,
  responseBytes: 120,
  durationMs: 0.3,
};

const NO_COUNTS = { tcpRefused: {}, tcpClosed: {}, udpDropped: {}, udpSendErrors: {} };

type Samples = ReadonlyMap<string, number>;

const SAMPLE = /^([a-z][a-z0-9_]*(?:\{(?:[a-z]+="[^"\n]*",?)+\})?) (\S+)$/;

/** Samples by name and labels, labels in the order of the text; fails on text that is none. */
async function scrape(metrics: Metrics): Promise<Samples> {
  const samples = new Map<string, number>();
  for (const line of (await metrics.promText()).split('\n')) {
    if (line === '' || line.startsWith('# ')) continue;
    const match = SAMPLE.exec(line);
    assert.ok(match, `not a sample: ${line}`);
    assert.ok(!samples.has(match[1]!), `twice: ${line}`);
    samples.set(match[1]!, Number(match[2]));
  }
  return samples;
}

const seriesOf = (samples: Samples, name: string): string[] =>
  [...samples.keys()].filter((key) => key === name || key.startsWith(`${name}{`));

test('a DNS exchange is counted by zone, protocol, family, type and response code', async () => {
  const metrics = create();
  metrics.observe(QUERY);
  metrics.observe(QUERY, 1);
  metrics.observe({ ...QUERY, protocol: 1, family: 1, qtype: 33, rcode: 3 });
  metrics.observe({ ...QUERY, zone: '.', qtype: 28, rcode: 2 });
  const samples = await scrape(metrics);
  const requests = 'hoplite_dns_requests_total';
  assert.equal(samples.get(`${requests}{zone="mesos.",proto="udp",family="1",type="A"}`), 2);
  assert.equal(samples.get(`${requests}{zone="mesos.",proto="tcp",family="2",type="SRV"}`), 1);
  assert.equal(samples.get(`${requests}{zone=".",proto="udp",family="1",type="AAAA"}`), 1);
  assert.equal(seriesOf(samples, requests).length, 3);
  const responses = 'hoplite_dns_responses_total';
  assert.equal(samples.get(`${responses}{zone="mesos.",rcode="NOERROR"}`), 2);
  assert.equal(samples.get(`${responses}{zone="mesos.",rcode="NXDOMAIN"}`), 1);
  assert.equal(samples.get(`${responses}{zone=".",rcode="SERVFAIL"}`), 1);
});

test('DNS durations fall into buckets of 0.25 ms doubling, sizes into theirs', async () => {
  const metrics = create();
  for (const durationMs of [0.1, 0.25, 0.3, 1e9]) metrics.observe({ ...QUERY, durationMs });
  const samples = await scrape(metrics);
  const seconds = 'hoplite_dns_request_duration_seconds';
  const buckets = seriesOf(samples, `${seconds}_bucket`);
  assert.deepEqual(
    buckets.map((key) => /le="([^"]*)"/.exec(key)?.[1]),
    [...Array.from({ length: 16 }, (_, power) => String(0.00025 * 2 ** power)), '+Inf'],
  );
  assert.deepEqual(
    buckets.map((key) => samples.get(key)),
    [2, ...Array<number>(15).fill(3), 4],
  );
  assert.equal(samples.get(`${seconds}_count{zone="mesos."}`), 4);
  assert.ok(Math.abs(samples.get(`${seconds}_sum{zone="mesos."}`)! - 1_000_000.00065) < 1e-3);
  const labels = 'zone="mesos.",proto="udp"';
  assert.equal(samples.get(`hoplite_dns_request_size_bytes_sum{${labels}}`), 160);
  assert.equal(samples.get(`hoplite_dns_response_size_bytes_bucket{le="128",${labels}}`), 4);
  assert.equal(samples.get(`hoplite_dns_response_size_bytes_bucket{le="64",${labels}}`), 0);
});

test('no question a client can ask makes the DNS metrics grow without end', async () => {
  const metrics = create();
  for (let qtype = 0; qtype < 65_536; qtype++) {
    metrics.observe({ ...QUERY, qtype, rcode: qtype % 4096 });
  }
  const samples = await scrape(metrics);
  const types = seriesOf(samples, 'hoplite_dns_requests_total');
  assert.ok(types.length <= 30, `${types.length} types`);
  const other = 'hoplite_dns_requests_total{zone="mesos.",proto="udp",family="1",type="other"}';
  assert.equal(samples.get(other), 65_536 - (types.length - 1));
  assert.ok(seriesOf(samples, 'hoplite_dns_responses_total').length <= 20);
});

test('zones, upstreams and reasons past their bound share one label', async () => {
  const metrics = create();
  for (let n = 0; n < 500; n++) {
    metrics.observe({ ...QUERY, zone: `zone${n}.` });
    metrics.observeForward({ to: `10.0.${n >> 8}.${n & 255}:53`, rcode: 0, durationMs: 1 });
    metrics.countForwardFailure('10.0.0.0:53', `reason${n}`);
  }
  const codes = Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`E${n}`, 1]));
  metrics.setDnsListenerCounts({ ...NO_COUNTS, udpSendErrors: codes });
  const samples = await scrape(metrics);
  assert.equal(seriesOf(samples, 'hoplite_dns_request_duration_seconds_count').length, 63);
  assert.equal(samples.get('hoplite_dns_request_duration_seconds_count{zone="other"}'), 438);
  assert.equal(samples.get('hoplite_forward_requests_total{to="other",rcode="NOERROR"}'), 436);
  assert.equal(seriesOf(samples, 'hoplite_forward_failures_total').length, 33);
  assert.equal(samples.get('hoplite_dns_udp_send_errors_total{code="other"}'), 468);
});

test('a duration that is not a number does not spoil the sum', async () => {
  const metrics = create();
  metrics.observe({ ...QUERY, durationMs: Number.NaN });
  metrics.observe({ ...QUERY, durationMs: -5 });
  metrics.observe({ ...QUERY, durationMs: 1000 });
  const samples = await scrape(metrics);
  assert.equal(samples.get('hoplite_dns_request_duration_seconds_sum{zone="mesos."}'), 1);
  assert.equal(samples.get('hoplite_dns_request_duration_seconds_count{zone="mesos."}'), 3);
});

test('a histogram that is read at the scrape says the same as one of prom-client', async () => {
  const value = fc.oneof(
    fc.constantFrom(0, 1, 2, 4, 8, 9),
    fc.double({ min: 0, max: 20, noNaN: true }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(value), fc.array(value), async (first, second) => {
      const options = { name: 'sizes', help: 'Sizes.', labelNames: ['zone'] as const };
      const [ours, theirs] = [new Registry(), new Registry()];
      const buckets = [1, 2, 4, 8];
      const reference = new Histogram({ ...options, buckets, registers: [theirs] });
      const zones = [['a', first] as const, ['b', second] as const];
      for (const [zone, values] of zones) {
        reference.zero({ zone });
        for (const each of values) reference.observe({ zone }, each);
      }
      const counted = (values: readonly number[]): HistogramCounts => {
        const bounds = [0, ...buckets, Infinity];
        const isIn = (each: number, i: number): boolean =>
          (i === 0 || each > bounds[i]!) && each <= bounds[i + 1]!;
        return {
          counts: [...buckets, 0].map((_, i) => values.filter((each) => isIn(each, i)).length),
          sum: values.reduce((sum, each) => sum + each, 0),
        };
      };
      new ReadHistogram({ ...options, buckets, registry: ours }, () =>
        zones.map(([zone, values]) => [{ zone }, counted(values)] as const),
      );
      assert.equal(await ours.metrics(), await theirs.metrics());
    }),
    { numRuns: 100 },
  );
});

const STATUS_SAMPLES: Readonly<Record<string, number>> = {
  hoplite_ready: 1,
  hoplite_source_age_seconds: 4,
  hoplite_source_consecutive_failures: 0,
  hoplite_source_state_bytes: 1_114_112,
  hoplite_source_events_following: 1,
  hoplite_source_events_total: 4_321,
  hoplite_source_event_stream_reconnects_total: 2,
  hoplite_source_zookeeper_connected: 1,
  hoplite_marathon_up: 1,
  hoplite_hold_active: 1,
  hoplite_hold_missing_tasks: 12,
  hoplite_hold_missing_agents: 2,
  hoplite_generation_services: 5,
  hoplite_generation_serial: 1795252234,
  hoplite_generation_names: 1842,
  hoplite_generation_records: 5120,
  hoplite_generation_tasks: 411,
  hoplite_generation_agents: 40,
  hoplite_generation_frameworks: 3,
  hoplite_generation_rejections: 2,
  hoplite_vip_services: 120,
  hoplite_ipvs_vips: 121,
  hoplite_ipvs_services: 150,
  hoplite_ipvs_destinations: 900,
  hoplite_ipvs_weight_zero_destinations: 12,
  hoplite_ipvs_draining_destinations: 3,
  hoplite_ipvs_sysctls_wrong: 1,
  hoplite_kernel_process_restarts_total: 1,
  'hoplite_kernel_state{state="synced"}': 1,
  'hoplite_kernel_state{state="degraded"}': 0,
};

test('S06: the age of the state and the readiness are read from the status at each scrape', async () => {
  const metrics = create();
  let status: Status = STATUS;
  metrics.readStatusFrom(() => status);
  for (const [name, value] of Object.entries(STATUS_SAMPLES)) {
    assert.equal((await scrape(metrics)).get(name), value, name);
  }
  status = { ...STATUS, ready: false, source: { ...STATUS.source, ageSeconds: 400 } };
  const samples = await scrape(metrics);
  assert.equal(samples.get('hoplite_ready'), 0);
  assert.equal(samples.get('hoplite_source_age_seconds'), 400);
});

test('what there is no value for yet is absent instead of 0', async () => {
  const metrics = create();
  assert.equal((await scrape(metrics)).has('hoplite_ready'), false);
  let status: Status = STATUS;
  metrics.readStatusFrom(() => status);
  await scrape(metrics);
  status = {
    ...STATUS,
    ready: false,
    source: { ...STATUS.source, ageSeconds: null },
    generation: null,
  };
  const samples = await scrape(metrics);
  assert.equal(samples.get('hoplite_ready'), 0);
  for (const name of Object.keys(STATUS_SAMPLES)) {
    const missing = name.startsWith('hoplite_generation_') || /_(age_seconds|bytes)$/.test(name);
    assert.equal(samples.has(name), !missing, name);
  }
});

test('forwarding, polls, generations, reloads and HTTP answers are counted', async () => {
  const metrics = create();
  metrics.observeForward({ to: '10.0.0.2:53', rcode: 3, durationMs: 12 });
  metrics.countForwardFailure('10.0.0.2:53', 'timeout');
  metrics.setForwardInflight(7);
  metrics.countForwardReject();
  metrics.countForwardCoalesced();
  metrics.observePoll('success', 80);
  metrics.observePoll('master-timeout', 10_000);
  metrics.observeBuild('parse', 8);
  metrics.countGeneration();
  metrics.countConfigReload('failure');
  metrics.setDnsListenerCounts({ ...NO_COUNTS, tcpRefused: { total: 9 } });
  metrics.setDnsListenerCounts({
    tcpRefused: { total: 10, 'per-client': 0 },
    tcpClosed: { idle: 4 },
    udpDropped: { short: 5 },
    udpSendErrors: { EPERM: 6 },
  });
  metrics.setDnsTcpConnections(3);
  metrics.observeHttp('/v1/hosts/:host', 200);
  const samples = await scrape(metrics);
  const expected: Readonly<Record<string, number>> = {
    'hoplite_build_info{version="1.2.3",nodeversion="v20.20.2"}': 1,
    'hoplite_forward_requests_total{to="10.0.0.2:53",rcode="NXDOMAIN"}': 1,
    'hoplite_forward_request_duration_seconds_sum{to="10.0.0.2:53"}': 0.012,
    'hoplite_forward_failures_total{to="10.0.0.2:53",reason="timeout"}': 1,
    hoplite_forward_inflight: 7,
    hoplite_forward_rejects_total: 1,
    hoplite_forward_coalesced_total: 1,
    'hoplite_source_polls_total{result="success"}': 1,
    'hoplite_source_polls_total{result="master-timeout"}': 1,
    hoplite_source_poll_duration_seconds_count: 2,
    hoplite_source_poll_duration_seconds_sum: 10.08,
    'hoplite_generation_build_duration_seconds_sum{phase="parse"}': 0.008,
    hoplite_generations_published_total: 1,
    'hoplite_config_reloads_total{result="failure"}': 1,
    'hoplite_dns_tcp_refused_total{reason="total"}': 10,
    'hoplite_dns_tcp_refused_total{reason="per-client"}': 0,
    'hoplite_dns_tcp_closed_total{reason="idle"}': 4,
    'hoplite_dns_udp_dropped_total{reason="short"}': 5,
    'hoplite_dns_udp_send_errors_total{code="EPERM"}': 6,
    hoplite_dns_tcp_connections: 3,
    'hoplite_http_requests_total{route="/v1/hosts/:host",code="200"}': 1,
  };
  for (const [name, value] of Object.entries(expected)) {
    assert.equal(samples.get(name), value, name);
  }
});

test('what the threads have counted besides answers is summed', async () => {
  const metrics = create();
  const [first, second] = metrics.blocks;
  const counts: readonly (readonly [series: string, kind: Count])[] = [
    ['hoplite_dns_cache_hits_total{type="positive"}', COUNT.CACHE_HIT],
    ['hoplite_dns_cache_hits_total{type="negative"}', COUNT.CACHE_HIT_NEGATIVE],
    ['hoplite_dns_cache_misses_total', COUNT.CACHE_MISS],
    ['hoplite_dns_cache_stale_total', COUNT.CACHE_STALE],
    ['hoplite_dns_cache_prefetch_total', COUNT.CACHE_PREFETCH],
    ['hoplite_dns_rate_limited_total{action="truncated"}', COUNT.LIMITED_TRUNCATED],
    ['hoplite_dns_rate_limited_total{action="dropped"}', COUNT.LIMITED_DROPPED],
    ['hoplite_dns_rate_limited_total{action="badcookie"}', COUNT.LIMITED_BADCOOKIE],
    ['hoplite_dns_access_refused_total', COUNT.ACCESS_REFUSED],
    ['hoplite_dns_cookies_total{kind="client"}', COUNT.COOKIE_CLIENT_ONLY],
    ['hoplite_dns_cookies_total{kind="valid"}', COUNT.COOKIE_VALID],
    ['hoplite_dns_cookies_total{kind="invalid"}', COUNT.COOKIE_INVALID],
    ['hoplite_dns_query_log_left_out_total', COUNT.QUERY_LOG_LEFT_OUT],
  ];
  assert.equal(counts.length, Object.keys(COUNT).length);
  const before = await scrape(metrics);
  for (const [series] of counts) assert.equal(before.get(series), 0, series);
  for (const [i, [, kind]] of counts.entries()) {
    for (let n = 0; n <= i; n++) first.count(kind);
    second.count(kind);
  }
  const after = await scrape(metrics);
  for (const [i, [series]] of counts.entries()) assert.equal(after.get(series), i + 2, series);
});

test('upstreams, the cache and the UDP sockets are absent until something is known', async () => {
  const metrics = create();
  const names = [
    'hoplite_forward_upstream_rtt_seconds',
    'hoplite_forward_upstream_up',
    'hoplite_dns_cache_entries',
    'hoplite_dns_cache_bytes',
    'hoplite_dns_udp_receive_buffer_bytes',
  ];
  const before = await scrape(metrics);
  for (const name of names) assert.deepEqual(seriesOf(before, name), [], name);
  let upstreams: readonly UpstreamState[] = [
    { to: '10.0.0.2:53', rttMs: 12.5, up: true },
    { to: '10.0.0.3:53', rttMs: null, up: false },
  ];
  metrics.readForwardFrom(() => ({ upstreams, cacheEntries: 7, cacheBytes: 4096 }));
  metrics.setDnsReceiveBuffer(212_992);
  const samples = await scrape(metrics);
  assert.deepEqual(
    names.flatMap((name) => seriesOf(samples, name).map((key) => [key, samples.get(key)])),
    [
      ['hoplite_forward_upstream_rtt_seconds{to="10.0.0.2:53"}', 0.0125],
      ['hoplite_forward_upstream_up{to="10.0.0.2:53"}', 1],
      ['hoplite_forward_upstream_up{to="10.0.0.3:53"}', 0],
      ['hoplite_dns_cache_entries', 7],
      ['hoplite_dns_cache_bytes', 4096],
      ['hoplite_dns_udp_receive_buffer_bytes', 212_992],
    ],
  );
  upstreams = Array.from({ length: 500 }, (_, n) => ({ to: `u${n}`, rttMs: 1, up: true }));
  metrics.setDnsReceiveBuffer(null);
  const later = await scrape(metrics);
  assert.equal(seriesOf(later, 'hoplite_forward_upstream_up').length, 64);
  assert.equal(later.has('hoplite_dns_udp_receive_buffer_bytes'), false);
});

test('the text holds the metrics of Node too, event-loop lag among them', async () => {
  const metrics = create();
  const samples = await scrape(metrics);
  assert.ok(samples.has('nodejs_eventloop_lag_p99_seconds'));
  assert.ok(samples.has('process_resident_memory_bytes'));
  assert.equal(metrics.contentType, 'text/plain; version=0.0.4; charset=utf-8');
});

test('two sets of metrics do not share a registry', async () => {
  const [first, second] = [create(), create()];
  first.countGeneration();
  assert.equal((await scrape(second)).get('hoplite_generations_published_total'), 0);
});

test('a kernel that is left alone has a state and no sizes', async () => {
  const metrics = create();
  let status: Status = STATUS;
  metrics.readStatusFrom(() => status);
  await scrape(metrics);
  status = {
    ...STATUS,
    vips: { ...STATUS.vips, enabled: false },
    kernel: { ...STATUS.kernel, state: 'off' },
  };
  const samples = await scrape(metrics);
  assert.equal(samples.get('hoplite_kernel_state{state="off"}'), 1);
  assert.equal(samples.get('hoplite_kernel_state{state="synced"}'), 0);
  assert.equal(samples.has('hoplite_ipvs_services'), false);
  assert.equal(samples.has('hoplite_vip_services'), false);
});

const report = (parts: Partial<KernelStatus>): KernelStatus => ({
  ...STATUS.kernel,
  changes: 0,
  driftRepaired: 0,
  errors: {},
  restarts: 0,
  ...parts,
});

test('changes, repairs and errors grow on over restarts of the kernel process', async () => {
  const metrics = create();
  const counts = async (): Promise<(number | undefined)[]> => {
    const samples = await scrape(metrics);
    return [
      samples.get('hoplite_ipvs_changes_total'),
      samples.get('hoplite_ipvs_drift_repaired_total'),
      samples.get('hoplite_ipvs_errors_total{errno="EPERM"}'),
    ];
  };
  assert.deepEqual(await counts(), [0, 0, undefined]);
  metrics.observeKernel(report({ changes: 100, driftRepaired: 2, errors: { EPERM: 3 } }));
  metrics.observeKernel(report({ changes: 110, driftRepaired: 2, errors: { EPERM: 3 } }));
  assert.deepEqual(await counts(), [110, 2, 3]);
  // The new process has done more than the old one ever said.
  metrics.observeKernel(report({ changes: 200, restarts: 1 }));
  assert.deepEqual(await counts(), [310, 2, 3]);
  metrics.observeKernel(report({ changes: 205, errors: { EPERM: 1 }, restarts: 1 }));
  assert.deepEqual(await counts(), [315, 2, 4]);
  // A count that falls for another reason does not make ours fall.
  metrics.observeKernel(report({ changes: 1, driftRepaired: 1, restarts: 1 }));
  assert.deepEqual(await counts(), [316, 3, 4]);
});

test('errno labels are bounded', async () => {
  const metrics = create();
  const errors = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`E${n}`, 1]));
  metrics.observeKernel(report({ errors }));
  const samples = await scrape(metrics);
  assert.equal(seriesOf(samples, 'hoplite_ipvs_errors_total').length, 33);
  assert.equal(samples.get('hoplite_ipvs_errors_total{errno="other"}'), 68);
});

test('each comparison with the kernel is observed once, however often it is reported', async () => {
  const metrics = create();
  const first = report({ lastSyncAt: '2026-11-21T09:00:00.000Z', syncMs: 40 });
  metrics.observeKernel(report({ lastSyncAt: null, syncMs: null }));
  metrics.observeKernel(first);
  metrics.observeKernel({ ...first, draining: 1 });
  metrics.observeKernel({ ...first, lastSyncAt: '2026-11-21T09:00:30.000Z', syncMs: 60 });
  const samples = await scrape(metrics);
  assert.equal(samples.get('hoplite_ipvs_sync_duration_seconds_count'), 2);
  assert.ok(Math.abs(samples.get('hoplite_ipvs_sync_duration_seconds_sum')! - 0.1) < 1e-9);
});

const traffic = (connections: number, bytesIn = 0, bytesOut = 0): TrafficCounters => ({
  connections,
  packetsIn: 0,
  packetsOut: 0,
  bytesIn,
  bytesOut,
});

const connectionsOf = (vip: string, protocol = 'tcp', port = '80'): string =>
  `hoplite_vip_connections_total{vip="${vip}",protocol="${protocol}",port="${port}"}`;

test('traffic is counted by VIP, protocol and port; catch-all services have none', async () => {
  const metrics = create();
  const counters = new Map([
    ['tcp 10.208.0.1:80', traffic(5, 600, 7000)],
    ['udp [fd01:c::1]:53', traffic(8, 90, 10)],
    ['tcp 10.208.0.1:0', traffic(0)],
  ]);
  metrics.observeKernel(report({}), counters);
  // A report without counters says nothing about them.
  metrics.observeKernel(report({}));
  const samples = await scrape(metrics);
  assert.equal(samples.get(connectionsOf('10.208.0.1')), 5);
  assert.equal(samples.get(connectionsOf('fd01:c::1', 'udp', '53')), 8);
  assert.equal(seriesOf(samples, 'hoplite_vip_connections_total').length, 2);
  const labels = 'vip="10.208.0.1",protocol="tcp",port="80"';
  assert.equal(samples.get(`hoplite_vip_received_bytes_total{${labels}}`), 600);
  assert.equal(samples.get(`hoplite_vip_sent_bytes_total{${labels}}`), 7000);
});

test('traffic grows on when the kernel counts anew, and goes with its service', async () => {
  const metrics = create();
  const see = async (entries: Readonly<Record<string, number>>): Promise<Samples> => {
    const counters = Object.entries(entries).map(
      ([vip, count]) => [`tcp ${vip}:80`, traffic(count)] as const,
    );
    metrics.observeKernel(report({}), new Map(counters));
    return scrape(metrics);
  };
  await see({ '10.208.0.1': 100, '10.208.0.2': 1 });
  const zeroed = await see({ '10.208.0.1': 30, '10.208.0.2': 1 });
  assert.equal(zeroed.get(connectionsOf('10.208.0.1')), 130);
  // Missing from one dump only: a race with other changes.
  const raced = await see({ '10.208.0.1': 31 });
  assert.equal(raced.get(connectionsOf('10.208.0.2')), 1);
  const back = await see({ '10.208.0.1': 32, '10.208.0.2': 4 });
  assert.equal(back.get(connectionsOf('10.208.0.2')), 4);
  await see({ '10.208.0.1': 32 });
  const gone = await see({ '10.208.0.1': 32 });
  assert.equal(gone.has(connectionsOf('10.208.0.2')), false);
});

test('the busiest VIPs have series of their own, all others share one that never falls', async () => {
  const metrics = create();
  const counters = new Map<string, TrafficCounters>();
  for (let n = 0; n < 1500; n++) {
    counters.set(`tcp 10.208.${n >> 8}.${n & 255}:80`, traffic(n));
  }
  metrics.observeKernel(report({}), counters);
  const samples = await scrape(metrics);
  const series = seriesOf(samples, 'hoplite_vip_connections_total');
  assert.equal(series.length, 1001);
  assert.equal(samples.get(connectionsOf('10.208.5.219')), 1499);
  const others = connectionsOf('other', 'other', 'other');
  assert.equal(samples.get(others), (499 * 500) / 2);
  // One of the shared ones overtakes all: it stays where it is, and one that leaves takes nothing.
  counters.set('tcp 10.208.0.1:80', traffic(10_001)).delete('tcp 10.208.0.2:80');
  metrics.observeKernel(report({}), counters);
  metrics.observeKernel(report({}), counters);
  const later = await scrape(metrics);
  assert.equal(later.get(others), (499 * 500) / 2 + 10_000);
  assert.equal(seriesOf(later, 'hoplite_vip_connections_total').length, 1001);
});
