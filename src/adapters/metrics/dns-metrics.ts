import { Counter, Gauge, exponentialBuckets } from 'prom-client';
import type { Registry } from 'prom-client';
import type { DnsObservation } from '../../core/ports.ts';
import { OTHER, TYPE_LABELS, boundedLabel, rcodeLabel, typeIndex } from './labels.ts';
import { HistogramTally, createCounterTally } from './tally.ts';
import type { CounterCell, CounterTally, HistogramCell } from './tally.ts';

/** 0.25 ms doubling, 16 buckets: CoreDNS' buckets, so that its dashboards fit. */
export const REQUEST_SECONDS_BUCKETS: readonly number[] = exponentialBuckets(0.00025, 2, 16);

/** Message sizes: RFC 1035 and RFC 9715 limits, common EDNS sizes, the end of a TCP message. */
const SIZE_BYTES_BUCKETS: readonly number[] = [
  64, 128, 256, 512, 1232, 1452, 4096, 8192, 16384, 32768, 65535,
];

/** Zones are ours, from the configuration; a reload may add some, but never without end. */
const ZONES_MAX = 64;

/** Reasons are a table in our code and error codes one of the system; few of either occur. */
const REASONS_MAX = 32;

interface ZoneCells {
  /** The label, which is `other` for zones past the bound. */
  readonly zone: string;
  /** By `(typeIndex * 2 + protocol) * 2 + family`; filled when first asked for. */
  readonly requests: (CounterCell | undefined)[];
  readonly responses: Map<string, CounterCell>;
  readonly seconds: HistogramCell;
  readonly requestBytes: readonly [udp: HistogramCell, tcp: HistogramCell];
  readonly responseBytes: readonly [udp: HistogramCell, tcp: HistogramCell];
}

type CountsByLabel = Readonly<Record<string, number>>;

/** What the listeners have counted since the start, by reason or by the system's error code. */
export interface DnsListenerCounts {
  readonly tcpRefused: CountsByLabel;
  readonly tcpClosed: CountsByLabel;
  readonly udpDropped: CountsByLabel;
  readonly udpSendErrors: CountsByLabel;
}

/** What the DNS side reports. */
export interface DnsMetrics {
  /** Counts one exchange; adds to a handful of numbers and allocates nothing after the first. */
  observeDns(observation: DnsObservation): void;
  /** Shows sums over all listeners; the caller sees to it that none ever falls. */
  setDnsListenerCounts(counts: DnsListenerCounts): void;
  setDnsTcpConnections(count: number): void;
}

type SizeTally = HistogramTally<'zone' | 'proto'>;

interface DnsTallies {
  readonly requests: CounterTally<'zone' | 'proto' | 'family' | 'type'>;
  readonly responses: CounterTally<'zone' | 'rcode'>;
  readonly seconds: HistogramTally<'zone'>;
  readonly requestBytes: SizeTally;
  readonly responseBytes: SizeTally;
}

function createTallies(registry: Registry): DnsTallies {
  return {
    requests: createCounterTally({
      name: 'hoplite_dns_requests_total',
      help: 'DNS queries that were answered; family 1 is IPv4, 2 is IPv6, as in CoreDNS.',
      labelNames: ['zone', 'proto', 'family', 'type'],
      registry,
    }),
    responses: createCounterTally({
      name: 'hoplite_dns_responses_total',
      help: 'DNS answers by response code.',
      labelNames: ['zone', 'rcode'],
      registry,
    }),
    seconds: new HistogramTally({
      name: 'hoplite_dns_request_duration_seconds',
      help: 'Time from reading a query to sending its answer.',
      labelNames: ['zone'],
      buckets: REQUEST_SECONDS_BUCKETS,
      registry,
    }),
    requestBytes: new HistogramTally({
      name: 'hoplite_dns_request_size_bytes',
      help: 'Size of DNS queries.',
      labelNames: ['zone', 'proto'],
      buckets: SIZE_BYTES_BUCKETS,
      registry,
    }),
    responseBytes: new HistogramTally({
      name: 'hoplite_dns_response_size_bytes',
      help: 'Size of DNS answers.',
      labelNames: ['zone', 'proto'],
      buckets: SIZE_BYTES_BUCKETS,
      registry,
    }),
  };
}

function newZoneCells(zone: string, tallies: DnsTallies): ZoneCells {
  const sizes = (tally: SizeTally): readonly [HistogramCell, HistogramCell] => [
    tally.cell({ zone, proto: 'udp' }),
    tally.cell({ zone, proto: 'tcp' }),
  ];
  return {
    zone,
    requests: [],
    responses: new Map(),
    seconds: tallies.seconds.cell({ zone }),
    requestBytes: sizes(tallies.requestBytes),
    responseBytes: sizes(tallies.responseBytes),
  };
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

/** Registers the `hoplite_dns_*` metrics; names and labels follow CoreDNS'. */
export function createDnsMetrics(registry: Registry): DnsMetrics {
  const tallies = createTallies(registry);
  const cellsByZone = new Map<string, ZoneCells>();

  const zoneCells = (name: string): ZoneCells => {
    let cells = cellsByZone.get(name);
    if (cells === undefined) {
      const zone = cellsByZone.size < ZONES_MAX ? name : OTHER;
      cells = cellsByZone.get(zone) ?? newZoneCells(zone, tallies);
      cellsByZone.set(zone, cells);
    }
    return cells;
  };

  const requestCell = (cells: ZoneCells, o: DnsObservation): CounterCell => {
    const type = typeIndex(o.qtype);
    const index = (type * 2 + (o.protocol === 'tcp' ? 1 : 0)) * 2 + (o.family === 6 ? 1 : 0);
    return (cells.requests[index] ??= tallies.requests.cell({
      zone: cells.zone,
      proto: o.protocol,
      // CoreDNS writes "1" for IPv4 and "2" for IPv6, the numbers of the IANA address families.
      family: o.family === 6 ? '2' : '1',
      type: TYPE_LABELS[type] ?? OTHER,
    }));
  };

  const responseCell = (cells: ZoneCells, o: DnsObservation): CounterCell => {
    const rcode = rcodeLabel(o.rcode);
    let cell = cells.responses.get(rcode);
    if (cell === undefined) {
      cell = tallies.responses.cell({ zone: cells.zone, rcode });
      cells.responses.set(rcode, cell);
    }
    return cell;
  };

  const tcpConnections = new Gauge({
    name: 'hoplite_dns_tcp_connections',
    help: 'Open DNS connections over TCP.',
    registers: [registry],
  });

  return {
    observeDns(o) {
      const cells = zoneCells(o.zone);
      const protocol = o.protocol === 'tcp' ? 1 : 0;
      requestCell(cells, o).count++;
      responseCell(cells, o).count++;
      cells.seconds.observe(o.durationMs / 1000);
      cells.requestBytes[protocol].observe(o.requestBytes);
      cells.responseBytes[protocol].observe(o.responseBytes);
    },
    setDnsListenerCounts: createListenerCounters(registry),
    setDnsTcpConnections: (count) => tcpConnections.set(count),
  };
}
