import { assert } from './assert.ts';

/** The last values of a measurement, for quantiles; what is older is forgotten. */
export class RecentValues {
  readonly #values: Float64Array;
  #count = 0;

  /** Memory for so many values. */
  constructor(max: number) {
    assert(max >= 1, 'there is room for a value');
    this.#values = new Float64Array(max);
  }

  /** Values so far, forgotten ones among them. */
  get count(): number {
    return this.#count;
  }

  /** null: there is none yet. */
  get last(): number | null {
    if (this.#count === 0) return null;
    return this.#values[(this.#count - 1) % this.#values.length] ?? null;
  }

  add(value: number): void {
    this.#values[this.#count++ % this.#values.length] = value;
  }

  /** The smallest value that the share `q` (0 to 1) of what is kept does not exceed; null: none yet. */
  quantile(q: number): number | null {
    const kept = Math.min(this.#count, this.#values.length);
    if (kept === 0) return null;
    const sorted = this.#values.slice(0, kept).sort();
    return sorted[Math.max(0, Math.ceil(q * kept) - 1)] ?? null;
  }
}
