import { Counter, Gauge } from 'prom-client';
import type { Registry } from 'prom-client';
import {
  COUNT,
  type Count,
  DnsCounters,
  DURATION_MS_BUCKETS,
  type HistogramCounts,
  SIZE_BYTES_BUCKETS,
} from '../../core/respond/counters.ts';
import { RCODE_LABELS, TYPE_LABELS } from '../../core/respond/labels.ts';
import { ZONE_SLOTS } from '../../core/respond/zone-slots.ts';
import { boundedLabel } from './labels.ts';
import { ReadHistogram, registerReadCounter } from './read-metrics.ts';
import type { Series } from './read-metrics.ts';

/** CoreDNS' buckets, so that its dashboards fit. */
export const REQUEST_SECONDS_BUCKETS: readonly number[] = DURATION_MS_BUCKETS.map(
  (ms) => ms / 1000,
);

/** Reasons are a table in our code and error codes one of the system; few of either occur. */
const REASONS_MAX = 32;

type CountsByLabel = Readonly<Record<string, number>>;

/** What the listeners have counted since the start, by reason or by the system's error code. */
export interface DnsListenerCounts {
  readonly tcpRefused: CountsByLabel;
  readonly tcpClosed: CountsByLabel;
  readonly udpDropped: CountsByLabel;
  readonly udpSendErrors: CountsByLabel;
}

/** Where the counts of DNS answers come from. */
export interface DnsMetricsSource {
  /** The block of every thread there ever was: with one that is gone, its counts would be too. */
  blocks(): readonly DnsCounters[];
  /** Label of a zone slot, such as `mesos.`. */
  zoneName(slot: number): string;
}

/** What the DNS side reports; what answers and threads do is read from their counters. */
export interface DnsMetrics {
  /** Shows sums over all listeners; the caller sees to it that none ever falls. */
  setDnsListenerCounts(counts: DnsListenerCounts): void;
  setDnsTcpConnections(count: number): void;
  /** Of the UDP socket that has the least; null: there is none. */
  setDnsReceiveBuffer(bytes: number | null): void;
}

const PROTOCOLS = [
  { protocol: 0, proto: 'udp' },
  { protocol: 1, proto: 'tcp' },
] as const;

/** CoreDNS writes "1" for IPv4 and "2" for IPv6, the numbers of the IANA address families. */
const FAMILIES = [
  { index: 0, family: '1' },
  { index: 1, family: '2' },
] as const;

type ZoneLabel = Readonly<Record<'zone', string>>;
type SizeLabels = Readonly<Record<'zone' | 'proto', string>>;

/** Reads series from the counters of all threads; only zones that have answered have any. */
class DnsSeries {
  readonly #source: DnsMetricsSource;
  #sum: DnsCounters = DnsCounters.sum([]);

  constructor(source: DnsMetricsSource) {
    this.#source = source;
  }

  /** From now on series are of this moment. */
  update(): void {
    this.#sum = DnsCounters.sum(this.#source.blocks());
  }

  counted(kind: Count): number {
    return this.#sum.counted(kind);
  }

  *requests(): Generator<Series<'zone' | 'proto' | 'family' | 'type', number>> {
    for (const { zone, slot } of this.#zones()) {
      for (const [index, type] of TYPE_LABELS.entries()) {
        for (const { protocol, proto } of PROTOCOLS) {
          for (const { index: i, family } of FAMILIES) {
            const count = this.#sum.requests(slot, index, protocol, i);
            if (count > 0) yield [{ zone, proto, family, type }, count];
          }
        }
      }
    }
  }

  *responses(): Generator<Series<'zone' | 'rcode', number>> {
    for (const { zone, slot } of this.#zones()) {
      for (const [index, rcode] of RCODE_LABELS.entries()) {
        const count = this.#sum.responses(slot, index);
        if (count > 0) yield [{ zone, rcode }, count];
      }
    }
  }

  *seconds(): Generator<readonly [ZoneLabel, HistogramCounts]> {
    for (const { zone, slot } of this.#zones()) {
      const { counts, sum } = this.#sum.durations(slot);
      yield [{ zone }, { counts, sum: sum / 1000 }];
    }
  }

  *sizes(of: 'requestSizes' | 'responseSizes'): Generator<readonly [SizeLabels, HistogramCounts]> {
    for (const { zone, slot } of this.#zones()) {
      for (const { protocol, proto } of PROTOCOLS) {
        yield [{ zone, proto }, this.#sum[of](slot, protocol)];
      }
    }
  }

  *#zones(): Generator<{ readonly zone: string; readonly slot: number }> {
    for (let slot = 0; slot < ZONE_SLOTS; slot++) {
      const answered = this.#sum.durations(slot).counts.some((count) => count > 0);
      if (answered) yield { zone: this.#source.zoneName(slot), slot };
    }
  }
}

function registerExchanges(series: DnsSeries, registry: Registry): void {
  registerReadCounter(
    {
      name: 'hoplite_dns_requests_total',
      help: 'DNS queries that were answered; family 1 is IPv4, 2 is IPv6, as in CoreDNS.',
      labelNames: ['zone', 'proto', 'family', 'type'],
      registry,
    },
    () => series.requests(),
  );
  registerReadCounter(
    {
      name: 'hoplite_dns_responses_total',
      help: 'DNS answers by response code.',
      labelNames: ['zone', 'rcode'],
      registry,
    },
    () => series.responses(),
  );
  new ReadHistogram(
    {
      name: 'hoplite_dns_request_duration_seconds',
      help: 'Time from reading a query to sending its answer.',
      labelNames: ['zone'],
      buckets: REQUEST_SECONDS_BUCKETS,
      registry,
    },
    () => series.seconds(),
  );
  const sizes = (
    name: string,
    help: string,
    of: 'requestSizes' | 'responseSizes',
  ): ReadHistogram<'zone' | 'proto'> =>
    new ReadHistogram(
      { name, help, labelNames: ['zone', 'proto'], buckets: SIZE_BYTES_BUCKETS, registry },
      () => series.sizes(of),
    );
  sizes('hoplite_dns_request_size_bytes', 'Size of DNS queries.', 'requestSizes');
  sizes('hoplite_dns_response_size_bytes', 'Size of DNS answers.', 'responseSizes');
}

/** A counter with one series per kind, all of them there from the start. */
interface KindCounter {
  readonly name: string;
  readonly help: string;
  /** '': the counter has no label, and one kind. */
  readonly label: string;
  readonly kinds: readonly (readonly [value: string, kind: Count])[];
}

const KIND_COUNTERS: readonly KindCounter[] = [
  {
    name: 'hoplite_dns_cache_hits_total',
    help: 'Answers from stored replies of upstreams; negative ones say that there is nothing.',
    label: 'type',
    kinds: [
      ['positive', COUNT.CACHE_HIT],
      ['negative', COUNT.CACHE_HIT_NEGATIVE],
    ],
  },
  {
    name: 'hoplite_dns_cache_misses_total',
    help: 'Questions for upstreams that had no stored reply.',
    label: '',
    kinds: [['', COUNT.CACHE_MISS]],
  },
  {
    name: 'hoplite_dns_cache_stale_total',
    help: 'Answers from stored replies past their end, as no upstream had another (RFC 8767).',
    label: '',
    kinds: [['', COUNT.CACHE_STALE]],
  },
  {
    name: 'hoplite_dns_cache_prefetch_total',
    help: 'Stored replies that were asked for anew before their end.',
    label: '',
    kinds: [['', COUNT.CACHE_PREFETCH]],
  },
  {
    name: 'hoplite_dns_rate_limited_total',
    help: 'Answers over UDP that the rate limit held back, by what was sent instead.',
    label: 'action',
    kinds: [
      ['truncated', COUNT.LIMITED_TRUNCATED],
      ['dropped', COUNT.LIMITED_DROPPED],
      ['badcookie', COUNT.LIMITED_BADCOOKIE],
    ],
  },
  {
    name: 'hoplite_dns_access_refused_total',
    help: 'Queries of clients that may not ask, at all or for names outside our zones.',
    label: '',
    kinds: [['', COUNT.ACCESS_REFUSED]],
  },
  {
    name: 'hoplite_dns_cookies_total',
    help: 'Queries with a cookie (RFC 7873): without a server cookie, with ours, with another.',
    label: 'kind',
    kinds: [
      ['client', COUNT.COOKIE_CLIENT_ONLY],
      ['valid', COUNT.COOKIE_VALID],
      ['invalid', COUNT.COOKIE_INVALID],
    ],
  },
  {
    name: 'hoplite_dns_query_log_left_out_total',
    help: 'Queries that were chosen for the query log when it was full.',
    label: '',
    kinds: [['', COUNT.QUERY_LOG_LEFT_OUT]],
  },
];

function registerKinds(series: DnsSeries, registry: Registry): void {
  for (const { name, help, label, kinds } of KIND_COUNTERS) {
    registerReadCounter<string>(
      { name, help, labelNames: label === '' ? [] : [label], registry },
      () =>
        kinds.map(([value, kind]) => [
          label === '' ? {} : { [label]: value },
          series.counted(kind),
        ]),
    );
  }
}

/** Registers a counter with one label; the returned function sets all its series. */
function createSetCounter(
  name: string,
  help: string,
  label: 'reason' | 'code',
  registry: Registry,
): (counts: CountsByLabel) => void {
  const counter = new Counter({ name, help, labelNames: [label], registers: [registry] });
  const bounded = boundedLabel(REASONS_MAX);
  return (counts) => {
    counter.reset();
    for (const [key, count] of Object.entries(counts)) {
      counter.inc({ [label]: bounded(key) }, count);
    }
  };
}

function createListenerCounters(registry: Registry): (counts: DnsListenerCounts) => void {
  const setTcpRefused = createSetCounter(
    'hoplite_dns_tcp_refused_total',
    'DNS connections over TCP that were refused, by the cap that was reached.',
    'reason',
    registry,
  );
  const setTcpClosed = createSetCounter(
    'hoplite_dns_tcp_closed_total',
    'DNS connections over TCP that ended, by reason.',
    'reason',
    registry,
  );
  const setUdpDropped = createSetCounter(
    'hoplite_dns_udp_dropped_total',
    'UDP datagrams that got no answer, and answers that could not be queued (unsent).',
    'reason',
    registry,
  );
  const setUdpSendErrors = createSetCounter(
    'hoplite_dns_udp_send_errors_total',
    'DNS answers over UDP that the system refused to send, by its error code.',
    'code',
    registry,
  );
  return ({ tcpRefused, tcpClosed, udpDropped, udpSendErrors }) => {
    setTcpRefused(tcpRefused);
    setTcpClosed(tcpClosed);
    setUdpDropped(udpDropped);
    setUdpSendErrors(udpSendErrors);
  };
}

function createReceiveBufferGauge(registry: Registry): (bytes: number | null) => void {
  const receiveBuffer = new Gauge({
    name: 'hoplite_dns_udp_receive_buffer_bytes',
    help: 'Receive buffer that the system gave the DNS sockets over UDP; the smallest of them.',
    registers: [registry],
  });
  receiveBuffer.remove();
  return (bytes) => {
    if (bytes === null) receiveBuffer.remove();
    else receiveBuffer.set(bytes);
  };
}

/**
 * Registers the `hoplite_dns_*` metrics; names and labels follow CoreDNS'. `readCounters` takes over
 * what the threads have counted; it belongs before each scrape.
 */
export function createDnsMetrics(
  registry: Registry,
  source: DnsMetricsSource,
): DnsMetrics & { readCounters(): void } {
  const series = new DnsSeries(source);
  registerExchanges(series, registry);
  registerKinds(series, registry);
  const tcpConnections = new Gauge({
    name: 'hoplite_dns_tcp_connections',
    help: 'Open DNS connections over TCP.',
    registers: [registry],
  });
  return {
    readCounters: () => series.update(),
    setDnsListenerCounts: createListenerCounters(registry),
    setDnsTcpConnections: (count) => tcpConnections.set(count),
    setDnsReceiveBuffer: createReceiveBufferGauge(registry),
  };
}
