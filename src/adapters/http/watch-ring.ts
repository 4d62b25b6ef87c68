import type { WatchFilter, WatchUpdate } from '../../core/ports.ts';
import type { WatchLimits } from './watch-limits.ts';

/** A change as it goes over the wire. */
export interface PublishedEvent {
  readonly generation: number;
  readonly kind: string;
  /** Lower case, to be compared with filters. */
  readonly name: string;
  readonly frame: Buffer;
}

/** Why a client cannot go on where it was. */
export type ResetReason = 'new' | 'unknown-id' | 'too-old' | 'lagging';

/** An id that we gave: the epoch of the process, and the number of a change. */
const ID = /^([0-9a-f]{16})-(0|[1-9][0-9]{0,14})$/;

/** Whether somebody with this filter wants to hear of it. */
export function passes({ kind, name }: WatchFilter, event: PublishedEvent): boolean {
  return (kind === null || kind === event.kind) && (name === null || name === event.name);
}

/** One event of a stream (HTML, server-sent events); `data` has no line breaks. */
export function frameOf(event: string, id: string | null, data: string): string {
  return `${id === null ? '' : `id: ${id}\n`}event: ${event}\ndata: ${data}\n\n`;
}

/**
 * The last changes, numbered from 1 on, with the generation that each belongs to. A number says
 * which changes a client has had; a generation says which of them a snapshot contains.
 */
export class WatchRing {
  readonly #limits: Pick<WatchLimits, 'eventsMax' | 'eventBytesMax'>;
  readonly #epoch: string;
  /** The last of them has the number `#sequence`. */
  #events: PublishedEvent[] = [];
  #bytes = 0;
  #sequence = 0;
  #generation = -1;
  /** Something of this generation, and nothing of later ones, is not kept. */
  #lostThrough = -1;

  /** `epoch`: 16 hexadecimal digits that no other process has drawn. */
  constructor(epoch: string, limits: Pick<WatchLimits, 'eventsMax' | 'eventBytesMax'>) {
    this.#epoch = epoch;
    this.#limits = limits;
  }

  /** Number of the last change. */
  get sequence(): number {
    return this.#sequence;
  }

  /** The generation published last; -1 before the first. */
  get generation(): number {
    return this.#generation;
  }

  /**
   * Adds changes. If they do not lead from what was published last, what is between is lost, and
   * nobody can go on from before.
   */
  add({ generation, previous, events }: WatchUpdate): void {
    if (previous === null || previous !== this.#generation) {
      this.#events = [];
      this.#bytes = 0;
      this.#sequence++;
      this.#lostThrough = generation;
    } else {
      for (const { kind, name, text } of events) {
        this.#sequence++;
        const frame = Buffer.from(frameOf(kind, this.id(this.#sequence), text));
        this.#events.push({ generation, kind, name: name.toLowerCase(), frame });
        this.#bytes += frame.length;
      }
      this.#trim();
    }
    this.#generation = generation;
  }

  /** The change after `sequence`; undefined: there is none, or it is lost. */
  after(sequence: number): PublishedEvent | undefined {
    return this.#events[sequence - this.#firstBefore];
  }

  /** Whether all changes after `sequence` are kept. */
  has(sequence: number): boolean {
    return sequence >= this.#firstBefore && sequence <= this.#sequence;
  }

  /**
   * Number of the last change that a snapshot of `generation` contains; null: changes that it does
   * not contain are lost. The generation has to be published.
   */
  sequenceOf(generation: number): number | null {
    if (generation < this.#lostThrough) return null;
    const later = this.#events.findIndex((event) => event.generation > generation);
    return later < 0 ? this.#sequence : this.#firstBefore + later;
  }

  /** Where a client that had `id` last goes on, or why it cannot. */
  resume(id: string | null): number | ResetReason {
    if (id === null) return 'new';
    const [, epoch, digits] = ID.exec(id) ?? [];
    const sequence = Number(digits);
    if (epoch !== this.#epoch || sequence > this.#sequence) return 'unknown-id';
    return this.has(sequence) ? sequence : 'too-old';
  }

  /** The id of a change. */
  id(sequence: number): string {
    return `${this.#epoch}-${sequence}`;
  }

  /** What is kept. */
  size(): { readonly events: number; readonly bytes: number } {
    return { events: this.#events.length, bytes: this.#bytes };
  }

  /** Number of the change before the first one that is kept. */
  get #firstBefore(): number {
    return this.#sequence - this.#events.length;
  }

  #trim(): void {
    const { eventsMax, eventBytesMax } = this.#limits;
    let dropped = 0;
    while (this.#events.length - dropped > eventsMax || this.#bytes > eventBytesMax) {
      const { frame, generation } = this.#events[dropped++]!;
      this.#bytes -= frame.length;
      this.#lostThrough = generation;
    }
    if (dropped > 0) this.#events = this.#events.slice(dropped);
  }
}
