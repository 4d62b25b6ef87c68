import type { ServerResponse } from 'node:http';
import type { WatchFilter } from '../../core/ports.ts';
import type { WatchLimits } from './watch-limits.ts';
import type { WatchPicture } from './watch-pictures.ts';
import { frameOf, passes } from './watch-ring.ts';
import type { ResetReason, WatchRing } from './watch-ring.ts';

const NEWLINE = 10;
const SPACE = 32;
const FRAME_END = Buffer.from('\n\n');

/**
 * Where a client is: `waiting` for its picture to be rendered, in the middle of its `picture`, or
 * `live`, having had all changes up to its place.
 */
type Phase = 'waiting' | 'picture' | 'live';

/** One connection that watches. It keeps a place in the ring, and nothing of what it has yet to read. */
export class WatchClient {
  readonly response: ServerResponse;
  readonly filter: WatchFilter;
  /** New pictures since it was last up to date. */
  renewals = 0;
  readonly #limits: Pick<WatchLimits, 'partBytes'>;
  readonly #ring: WatchRing;
  #phase: Phase = 'waiting';
  #picture: WatchPicture | null = null;
  /** Where the next line of its picture begins. */
  #offset = 0;
  /** Number of the last change that it was sent, or that does not concern it. */
  #place = 0;
  #isSynced = false;
  #isBlocked = false;

  constructor(
    response: ServerResponse,
    filter: WatchFilter,
    ring: WatchRing,
    limits: Pick<WatchLimits, 'partBytes'>,
  ) {
    this.response = response;
    this.filter = filter;
    this.#ring = ring;
    this.#limits = limits;
  }

  /** It has not read what it was sent. */
  get isBlocked(): boolean {
    return this.#isBlocked;
  }

  /** It has been sent everything there is. */
  get isUpToDate(): boolean {
    return this.#phase === 'live' && this.#place === this.#ring.sequence;
  }

  /** What it reads now; null: it has read all of it, or has none yet. */
  get picture(): WatchPicture | null {
    return this.#picture;
  }

  /** Goes on after a change that is kept. */
  resume(place: number): void {
    this.#phase = 'live';
    this.#place = place;
  }

  /** Drops its picture, and sends nothing but heartbeats until there is another. */
  wait(): void {
    this.#phase = 'waiting';
    this.#picture = null;
  }

  /** Begins a picture. */
  show(picture: WatchPicture, reason: ResetReason): void {
    this.#phase = 'picture';
    this.#isSynced = false;
    this.#picture = picture;
    this.#offset = picture.start;
    // Without a value it makes browsers forget the id that they had.
    this.write(`id:\n${frameOf('reset', null, JSON.stringify({ reason }))}`);
  }

  write(bytes: Buffer | string): void {
    if (!this.response.write(bytes)) this.#isBlocked = true;
  }

  /** It has read what it was sent. */
  drained(): void {
    this.#isBlocked = false;
  }

  /** A comment, and the id up to which it has had everything, as few changes may pass its filter. */
  heartbeat(): void {
    if (this.#isBlocked) return;
    const id = this.#isSynced ? `id: ${this.#ring.id(this.#place)}\n` : '';
    this.write(`: heartbeat\n${id}\n`);
  }

  /** Sends what it takes now; false: what it would need next is lost. */
  pump(): boolean {
    while (!this.#isBlocked) {
      if (!this.#findPlace()) return false;
      const part = this.#phase === 'picture' ? this.#nextOfPicture() : this.#nextChanges();
      if (part.length === 0) break;
      this.write(part.length === 1 ? part[0]! : Buffer.concat(part));
    }
    return this.#phase !== 'live' || this.#ring.has(this.#place);
  }

  /** After the picture of a generation that is published come the changes that are not in it. */
  #findPlace(): boolean {
    const picture = this.#picture;
    if (picture === null || this.#offset < picture.text.length) return true;
    if (this.#ring.generation < picture.generation) return true;
    const place = this.#ring.sequenceOf(picture.generation);
    if (place === null) return false;
    this.#picture = null;
    this.resume(place);
    return true;
  }

  #nextOfPicture(): Buffer[] {
    const parts: Buffer[] = [];
    const picture = this.#picture;
    if (picture === null) return parts;
    const { text } = picture;
    for (let bytes = 0; this.#offset < text.length && bytes < this.#limits.partBytes;) {
      const space = text.indexOf(SPACE, this.#offset);
      const end = text.indexOf(NEWLINE, space);
      const kind = text.toString('latin1', this.#offset, space);
      parts.push(Buffer.from(`event: ${kind}\ndata: `), text.subarray(space + 1, end), FRAME_END);
      bytes += end - this.#offset;
      this.#offset = end + 1;
    }
    return parts;
  }

  #nextChanges(): Buffer[] {
    const parts: Buffer[] = [];
    if (this.#phase !== 'live') return parts;
    for (let bytes = 0; bytes < this.#limits.partBytes; this.#place++) {
      const event = this.#ring.after(this.#place);
      if (event === undefined) break;
      if (!passes(this.filter, event)) continue;
      parts.push(event.frame);
      bytes += event.frame.length;
    }
    if (!this.#isSynced && this.isUpToDate) {
      this.#isSynced = true;
      this.renewals = 0;
      parts.push(Buffer.from(frameOf('synced', this.#ring.id(this.#place), '{}')));
    }
    return parts;
  }
}
