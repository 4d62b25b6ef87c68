import type { HostPort } from '../../core/config/config.ts';
import type { StreamRecord } from '../../core/mesos/record-io.ts';
import type { Clock } from '../../core/ports.ts';
import type { EventsReport } from '../generation-protocol.ts';

/** Records that went to the worker together. */
export interface EventBatch {
  readonly streamId: number;
  /** When the first of them arrived, monotonic milliseconds. */
  readonly arrivedAt: number;
}

export interface EventIntakeParts {
  readonly clock: Clock;
  /** Does work when all that was asked for before is done. */
  run(work: () => Promise<void>): Promise<void>;
  /** Gives records of a stream from `leader` to the worker. */
  events(records: Uint8Array<ArrayBuffer>[][], leader: HostPort): Promise<EventsReport>;
  /** So many records, of so many bytes together, have been dealt with. */
  acknowledge(streamId: number, records: number, bytes: number): void;
  /** What a batch did; called within `run`. Does not reject. */
  onReport(batch: EventBatch, report: EventsReport): Promise<void>;
  /** The worker could not take a batch. */
  onFailure(streamId: number, error: unknown): void;
}

interface Waiting {
  readonly streamId: number;
  readonly leader: HostPort;
  readonly record: StreamRecord;
  readonly arrivedAt: number;
}

/**
 * At most so much goes to the worker at once, besides a first record of any size: some 10 ms of its
 * time, in which it builds nothing. What waits besides is bounded by the event stream.
 */
const BATCH_RECORDS_MAX = 1_024;
const BATCH_BYTES_MAX = 4 * 1_048_576;

/**
 * Collects the events that arrive in one turn of the event loop or while the worker has other things
 * to do, so that many cost it hardly more than one.
 */
export class EventIntake {
  readonly #parts: EventIntakeParts;
  #waiting: Waiting[] = [];
  #isDue = false;
  #turn: NodeJS.Immediate | null = null;

  constructor(parts: EventIntakeParts) {
    this.#parts = parts;
  }

  /** Takes an event of a stream from `leader`. */
  offer(streamId: number, leader: HostPort, record: StreamRecord): void {
    const arrivedAt = this.#parts.clock.monotonic();
    this.#waiting.push({ streamId, leader, record, arrivedAt });
    this.#plan();
  }

  /** Forgets what has not been dealt with: it is void. */
  clear(): void {
    this.#waiting = [];
  }

  /** Takes nothing on any more. */
  stop(): void {
    this.clear();
    if (this.#turn !== null) clearImmediate(this.#turn);
  }

  #plan(): void {
    if (this.#isDue || this.#waiting.length === 0) return;
    this.#isDue = true;
    this.#turn = setImmediate(() => {
      this.#turn = null;
      void this.#parts.run(() => this.#drain());
    });
  }

  async #drain(): Promise<void> {
    this.#isDue = false;
    const batch = this.#takeBatch();
    const [first] = batch;
    this.#plan();
    if (first === undefined) return;
    const { streamId, leader, arrivedAt } = first;
    const records = batch.map(({ record }) => [...record.chunks]);
    const bytes = batch.reduce((sum, { record }) => sum + record.bytes, 0);
    try {
      const report = await this.#parts.events(records, leader);
      this.#parts.acknowledge(streamId, batch.length, bytes);
      await this.#parts.onReport({ streamId, arrivedAt }, report);
    } catch (error) {
      this.#parts.onFailure(streamId, error);
    }
  }

  /** The first that wait, of one stream. */
  #takeBatch(): Waiting[] {
    const streamId = this.#waiting[0]?.streamId;
    let [count, bytes] = [0, 0];
    for (const { streamId: id, record } of this.#waiting) {
      bytes += record.bytes;
      const isFull = count >= BATCH_RECORDS_MAX || (count > 0 && bytes > BATCH_BYTES_MAX);
      if (id !== streamId || isFull) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }
}
