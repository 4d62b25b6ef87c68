import { Counter } from 'prom-client';
import type { Registry } from 'prom-client';
import type { TrafficCounters } from '../../core/ports.ts';
import { OTHER } from '../../core/respond/labels.ts';

/** VIP ports with series of their own, three each; all others are summed under `other`. */
const SERIES_MAX = 1_000;

/** VIP ports that are followed at all; far more than a cluster has, and 4 MB. */
const FOLLOWED_MAX = 20_000;

type Labels = Readonly<Record<'vip' | 'protocol' | 'port', string>>;

const OTHERS: Labels = { vip: OTHER, protocol: OTHER, port: OTHER };

/** `tcp 10.208.0.1:80` as labels; null for a catch-all service, which takes no connections. */
function labelsOf(serviceKey: string): Labels | null {
  const space = serviceKey.indexOf(' ');
  const colon = serviceKey.lastIndexOf(':');
  const port = serviceKey.slice(colon + 1);
  if (port === '0') return null;
  const vip = serviceKey.slice(space + 1, colon).replace(/^\[|\]$/g, '');
  return { vip, protocol: serviceKey.slice(0, space), port };
}

/** What the metrics show of `TrafficCounters`. */
type Totals = readonly [connections: number, bytesIn: number, bytesOut: number];

interface Followed {
  /** As the kernel said last. */
  last: Totals;
  /** Dumps in a row that it was missing from. */
  missed: number;
  /** Sums of all that was added, and their labels; null: they are part of `other`. */
  readonly own: { readonly labels: Labels; total: Totals } | null;
}

/** A dump may lack a service that others change at the same time; it is not gone because of that. */
const MISSED_MAX = 1;

const NOTHING: Totals = [0, 0, 0];

function totalsOf({ connections, bytesIn, bytesOut }: TrafficCounters): Totals {
  return [connections, bytesIn, bytesOut];
}

function sum(a: Totals, b: Totals): Totals {
  return [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
}

/** A count that fell began anew: the service was made again, or somebody zeroed it. */
function growth(last: Totals, now: Totals): Totals {
  const grown = (i: 0 | 1 | 2): number => (now[i] < last[i] ? now[i] : now[i] - last[i]);
  return [grown(0), grown(1), grown(2)];
}

/** The kernel's counts made into ones that never fall, with a bound on the number of series. */
class TrafficTotals {
  readonly #followed = new Map<string, Followed>();
  #ownCount = 0;
  #others: Totals | null = null;

  /** Takes a whole table in; what has left the kernel loses its series. */
  update(counters: ReadonlyMap<string, TrafficCounters>): void {
    for (const [key, followed] of this.#followed) {
      followed.missed = counters.has(key) ? 0 : followed.missed + 1;
      if (followed.missed <= MISSED_MAX) continue;
      this.#followed.delete(key);
      if (followed.own !== null) this.#ownCount--;
    }
    // So that the busiest ones get series, when there are more than can have some.
    const fresh: [key: string, labels: Labels, now: Totals][] = [];
    for (const [key, counts] of counters) {
      const now = totalsOf(counts);
      const followed = this.#followed.get(key);
      if (followed === undefined) {
        const labels = labelsOf(key);
        if (labels !== null) fresh.push([key, labels, now]);
      } else {
        this.#add(followed, growth(followed.last, now));
        followed.last = now;
      }
    }
    fresh.sort((a, b) => b[2][0] - a[2][0]);
    for (const [key, labels, now] of fresh) {
      if (this.#followed.size >= FOLLOWED_MAX) return;
      const isOwn = this.#ownCount < SERIES_MAX;
      if (isOwn) this.#ownCount++;
      const followed = { last: now, missed: 0, own: isOwn ? { labels, total: NOTHING } : null };
      this.#followed.set(key, followed);
      this.#add(followed, now);
    }
  }

  /** Every series with its value. */
  *series(): Generator<readonly [Labels, Totals]> {
    for (const { own } of this.#followed.values()) {
      if (own !== null) yield [own.labels, own.total];
    }
    if (this.#others !== null) yield [OTHERS, this.#others];
  }

  #add({ own }: Followed, grown: Totals): void {
    if (own === null) this.#others = sum(this.#others ?? NOTHING, grown);
    else own.total = sum(own.total, grown);
  }
}

/**
 * Registers the traffic counters of VIPs; the returned function takes the kernel's counters by
 * `serviceKey`, all that there are. They outlive the kernel process and this one.
 */
export function createVipTraffic(
  registry: Registry,
): (counters: ReadonlyMap<string, TrafficCounters>) => void {
  const totals = new TrafficTotals();
  const show = (name: string, help: string, index: 0 | 1 | 2): void => {
    new Counter({
      name,
      help,
      labelNames: ['vip', 'protocol', 'port'],
      registers: [registry],
      collect() {
        this.reset();
        for (const [labels, values] of totals.series()) this.inc(labels, values[index]);
      },
    });
  };
  show('hoplite_vip_connections_total', 'Connections to a VIP through this node.', 0);
  show('hoplite_vip_received_bytes_total', 'Bytes from clients to a VIP through this node.', 1);
  show(
    'hoplite_vip_sent_bytes_total',
    'Bytes from a VIP to clients through this node; 0 where backends answer directly.',
    2,
  );
  return (counters) => totals.update(counters);
}
