import type { WatchFilter } from '../../core/ports.ts';

const NEWLINE = 10;

/** A rendered picture; nobody changes it. */
export interface WatchPicture {
  /** Text of `watchSnapshot` in UTF-8. */
  readonly text: Buffer;
  readonly generation: number;
  /** Where its lines begin. */
  readonly start: number;
}

/** Reads the first line of `watchSnapshot`. */
export function pictureFrom(text: Buffer): WatchPicture {
  const end = text.indexOf(NEWLINE);
  return { text, generation: Number(text.toString('latin1', 0, end)), start: end + 1 };
}

interface Held {
  readonly key: string;
  holders: number;
}

/** The pictures that clients read at the moment; each counts once, however many read it. */
export class WatchPictures {
  readonly #bytesMax: number;
  readonly #held = new Map<WatchPicture, Held>();
  /** The newest one of each filter. */
  readonly #newest = new Map<string, WatchPicture>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** One that somebody reads already, for another reader; null: there is none. */
  share(filter: WatchFilter, isGood: (generation: number) => boolean): WatchPicture | null {
    const picture = this.#newest.get(keyOf(filter));
    const held = picture && this.#held.get(picture);
    if (picture === undefined || held === undefined || !isGood(picture.generation)) return null;
    held.holders++;
    return picture;
  }

  /** A new one for a first reader; null: there is no room for it now. */
  add(filter: WatchFilter, text: Buffer): WatchPicture | null {
    // Those who waited for one rendering have the same bytes.
    const key = keyOf(filter);
    const newest = this.#newest.get(key);
    if (newest?.text === text) return this.share(filter, () => true);
    // One that is larger than the limit goes out alone; otherwise nobody could have it.
    if (this.#bytes > 0 && this.#bytes + text.length > this.#bytesMax) return null;
    const picture = pictureFrom(text);
    this.#bytes += text.length;
    this.#held.set(picture, { key, holders: 1 });
    this.#newest.set(key, picture);
    return picture;
  }

  /** A reader has had it, or has gone. */
  release(picture: WatchPicture): void {
    const held = this.#held.get(picture);
    if (held === undefined || --held.holders > 0) return;
    this.#held.delete(picture);
    this.#bytes -= picture.text.length;
    if (this.#newest.get(held.key) === picture) this.#newest.delete(held.key);
  }
}

function keyOf({ kind, name }: WatchFilter): string {
  return JSON.stringify([kind, name]);
}
