import type { Forwarder as AnyForwarder } from '../../adapters/dns/forwarder.ts';
import type { Clock } from '../../core/ports.ts';

/** The part of a forwarder that is left of one. */
type Forwarder = Pick<AnyForwarder, 'inflight' | 'close'>;

/**
 * Forwarders of an earlier configuration: the queries in them end as they began, and no new ones
 * come. Each is closed when the last can be over.
 */
export class RetiredForwarders {
  readonly #clock: Clock;
  /** With what calls off their end. */
  readonly #forwarders = new Map<Forwarder, () => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `deadlineMs`: no query in it takes longer. */
  add(forwarder: Forwarder, deadlineMs: number): void {
    const cancel = this.#clock.after(deadlineMs, () => {
      this.#forwarders.delete(forwarder);
      forwarder.close();
    });
    this.#forwarders.set(forwarder, cancel);
  }

  /** Queries under way. */
  get inflight(): number {
    return [...this.#forwarders.keys()].reduce((sum, { inflight }) => sum + inflight, 0);
  }

  close(): void {
    for (const [forwarder, cancel] of this.#forwarders) {
      cancel();
      forwarder.close();
    }
    this.#forwarders.clear();
  }
}
