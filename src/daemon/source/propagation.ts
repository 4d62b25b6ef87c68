import type { LatencyStatus, PropagationStatus } from '../../core/base/live-status.ts';
import { RecentValues } from '../../core/base/recent-values.ts';
import type { Clock } from '../../core/ports.ts';

/** What the time is counted from: the status of a task, or the arrival of the event that told it. */
export type PropagationFrom = 'status' | 'event';
/** Where the change has arrived. */
export type PropagationTo = 'table' | 'kernel';

export interface PropagationParts {
  readonly clock: Clock;
  /** Told of every measurement, in milliseconds. */
  observe(from: PropagationFrom, to: PropagationTo, ms: number): void;
}

/** When something happened. */
interface Beginning {
  /** Monotonic milliseconds. */
  readonly arrivedAt: number;
  /** Wall-clock milliseconds of the task's status; null: it has no time. */
  readonly statusAt: number | null;
}

/** Enough for a p99 that ten values decide. */
const VALUES_MAX = 1_024;
/** Updates that the kernel process has not answered; it takes milliseconds, or it hangs. */
const PENDING_MAX = 256;

/** Measures how long changes take from the event that tells them to names and kernel. */
export class Propagation {
  readonly #parts: PropagationParts;
  readonly #values = {
    event: { table: new RecentValues(VALUES_MAX), kernel: new RecentValues(VALUES_MAX) },
    status: { table: new RecentValues(VALUES_MAX), kernel: new RecentValues(VALUES_MAX) },
  };
  /** The first change that no build has shown yet. */
  #next: Beginning | null = null;
  /** By the number of the update, in their order. */
  readonly #pending = new Map<number, Beginning>();

  constructor(parts: PropagationParts) {
    this.#parts = parts;
  }

  /** Events of which the first arrived then changed something; `statusTime` in Unix seconds. */
  changed(arrivedAt: number, statusTime: number | null): void {
    const statusAt = statusTime === null ? null : 1_000 * statusTime;
    this.#next ??= { arrivedAt, statusAt };
  }

  /** What has been told will not be built. */
  forget(): void {
    this.#next = null;
  }

  /**
   * A build with all changes so far is published: whether names changed, and the number of the
   * update that the kernel process got; null: none.
   */
  published(namesChanged: boolean, kernelUpdate: number | null): void {
    const beginning = this.#next;
    this.#next = null;
    if (beginning === null) return;
    if (namesChanged) this.#observe(beginning, 'table');
    if (kernelUpdate === null) return;
    this.#pending.set(kernelUpdate, beginning);
    if (this.#pending.size > PENDING_MAX) this.#pending.delete([...this.#pending.keys()][0]!);
  }

  /** The kernel is as the updates up to this number want it; `isGood` false: not all of it. */
  acknowledged(kernelUpdate: number, isGood: boolean): void {
    for (const [number, beginning] of this.#pending) {
      if (number > kernelUpdate) return;
      this.#pending.delete(number);
      if (isGood) this.#observe(beginning, 'kernel');
    }
  }

  status(): PropagationStatus {
    const { event, status } = this.#values;
    return {
      event: { table: latencyOf(event.table), kernel: latencyOf(event.kernel) },
      status: { table: latencyOf(status.table), kernel: latencyOf(status.kernel) },
    };
  }

  #observe({ arrivedAt, statusAt }: Beginning, to: PropagationTo): void {
    const { clock } = this.#parts;
    this.#add('event', to, clock.monotonic() - arrivedAt);
    // Clocks of agents may be ahead of ours.
    if (statusAt !== null) this.#add('status', to, Math.max(0, clock.now() - statusAt));
  }

  #add(from: PropagationFrom, to: PropagationTo, ms: number): void {
    this.#values[from][to].add(ms);
    this.#parts.observe(from, to, ms);
  }
}

function latencyOf(values: RecentValues): LatencyStatus {
  const rounded = (ms: number | null): number | null =>
    ms === null ? null : Math.round(10 * ms) / 10;
  return {
    count: values.count,
    lastMs: rounded(values.last),
    p50Ms: rounded(values.quantile(0.5)),
    p99Ms: rounded(values.quantile(0.99)),
  };
}
