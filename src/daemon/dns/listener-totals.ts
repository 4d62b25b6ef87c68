import type { TcpListener } from '../../adapters/dns/tcp-listener.ts';
import type { UdpListener } from '../../adapters/dns/udp-listener.ts';
import type { DnsListenerCounts } from '../../adapters/metrics/dns-metrics.ts';

type Counts = Record<string, number>;
type Totals = Readonly<Record<keyof DnsListenerCounts, Counts>>;

const noTotals = (): Totals => ({
  tcpRefused: {},
  tcpClosed: {},
  udpDropped: {},
  udpSendErrors: {},
});

/** Sums the counts of all listeners there ever were, so that no sum falls when one is closed. */
export class ListenerTotals {
  readonly #udp = new Set<UdpListener>();
  readonly #tcp = new Set<TcpListener>();
  readonly #gone = noTotals();

  /** The same listener, counted from now on. */
  addUdp(listener: UdpListener): UdpListener {
    this.#udp.add(listener);
    return {
      address: listener.address,
      receiveBufferBytes: listener.receiveBufferBytes,
      stats: () => listener.stats(),
      close: async (deadline) => {
        await listener.close(deadline);
        if (this.#udp.delete(listener)) addUdpStats(this.#gone, listener);
      },
    };
  }

  /** The same listener, counted from now on. */
  addTcp(listener: TcpListener): TcpListener {
    this.#tcp.add(listener);
    return {
      address: listener.address,
      stats: () => listener.stats(),
      close: async (graceMs) => {
        await listener.close(graceMs);
        if (this.#tcp.delete(listener)) addTcpStats(this.#gone, listener);
      },
    };
  }

  read(): DnsListenerCounts {
    const sums = noTotals();
    for (const kind of Object.keys(sums) as (keyof Totals)[]) add(sums[kind], this.#gone[kind]);
    for (const listener of this.#udp) addUdpStats(sums, listener);
    for (const listener of this.#tcp) addTcpStats(sums, listener);
    return sums;
  }

  /** Of the UDP socket that has the least; null: there is none. */
  receiveBufferBytes(): number | null {
    const sizes = [...this.#udp].map(({ receiveBufferBytes }) => receiveBufferBytes);
    return sizes.length === 0 ? null : Math.min(...sizes);
  }
}

function addUdpStats(sums: Totals, listener: UdpListener): void {
  const { dropped, sendErrors } = listener.stats();
  add(sums.udpDropped, dropped);
  add(sums.udpSendErrors, sendErrors);
}

function addTcpStats(sums: Totals, listener: TcpListener): void {
  const { refused, closed } = listener.stats();
  add(sums.tcpRefused, refused);
  add(sums.tcpClosed, closed);
}

function add(sums: Counts, counts: Readonly<Counts>): void {
  for (const [key, count] of Object.entries(counts)) sums[key] = (sums[key] ?? 0) + count;
}
