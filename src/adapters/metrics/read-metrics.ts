import { Counter, Gauge, Histogram } from 'prom-client';
import type { Registry } from 'prom-client';
import type { HistogramCounts } from '../../core/respond/counters.ts';

/**
 * Metrics whose values lie elsewhere and are only looked at when a scrape asks for them. For what
 * is counted on the hot path: prom-client builds a label hash with every call, 1.5 µs for one answer.
 */

type Labels<L extends string> = Readonly<Record<L, string>>;

/** One time series as it stands. */
export type Series<L extends string, V> = readonly [labels: Labels<L>, value: V];

interface MetricOptions<L extends string> {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly L[];
  readonly registry: Registry;
}

/** Registers a counter that has the series of `read`, whose values never fall. */
export function registerReadCounter<L extends string>(
  options: MetricOptions<L>,
  read: () => Iterable<Series<L, number>>,
): void {
  const { name, help, labelNames, registry } = options;
  new Counter<L>({
    name,
    help,
    labelNames,
    registers: [registry],
    collect() {
      this.reset();
      for (const [labels, value] of read()) this.inc(labels, value);
    },
  });
}

/** Registers a gauge that has the series of `read`; null: the value is not known, no series. */
export function registerReadGauge<L extends string>(
  options: MetricOptions<L>,
  read: () => Iterable<Series<L, number | null>>,
): void {
  const { name, help, labelNames, registry } = options;
  new Gauge<L>({
    name,
    help,
    labelNames,
    registers: [registry],
    collect() {
      this.reset();
      // After a reset, a gauge without labels has the value 0.
      if (labelNames.length === 0) this.remove();
      for (const [labels, value] of read()) if (value !== null) this.set(labels, value);
    },
  });
}

interface Sample {
  readonly metricName: string;
  readonly labels: Record<string, string>;
  /** prom-client merges these in its JSON form and expects the object to be there. */
  readonly sharedLabels: Record<string, string>;
  readonly value: number;
}

/** A histogram that has the series of `read`; counts are as `HistogramCounts` has them. */
export class ReadHistogram<L extends string> extends Histogram<L> {
  readonly #options: MetricOptions<L>;
  readonly #bounds: readonly number[];
  readonly #read: () => Iterable<Series<L, HistogramCounts>>;

  constructor(
    options: MetricOptions<L> & { readonly buckets: readonly number[] },
    read: () => Iterable<Series<L, HistogramCounts>>,
  ) {
    super({
      name: options.name,
      help: options.help,
      labelNames: options.labelNames,
      buckets: [...options.buckets],
      registers: [options.registry],
    });
    this.#options = options;
    this.#bounds = options.buckets;
    this.#read = read;
  }

  /** prom-client's registry and its `get()` read this instead of the base class's own values. */
  getForPromString(): Promise<unknown> {
    const { name, help } = this.#options;
    const values: Sample[] = [];
    const add = (suffix: string, labels: Record<string, string>, value: number): void => {
      values.push({ metricName: name + suffix, labels, sharedLabels: {}, value });
    };
    for (const [labels, { counts, sum }] of this.#read()) {
      let total = 0;
      for (const [index, bound] of this.#bounds.entries()) {
        total += counts[index] ?? 0;
        add('_bucket', { le: String(bound), ...labels }, total);
      }
      total += counts[this.#bounds.length] ?? 0;
      add('_bucket', { le: '+Inf', ...labels }, total);
      add('_sum', { ...labels }, sum);
      add('_count', { ...labels }, total);
    }
    return Promise.resolve({ name, help, type: 'histogram', aggregator: 'sum', values });
  }
}
