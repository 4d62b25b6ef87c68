import { assert } from '../base/assert.ts';
import { formatWireName, hashWireName } from '../dns/name.ts';
import type { NameCount } from '../ports.ts';

/**
 * The names that a thread meets most, in shared memory of constant size: Space-Saving (Metwally,
 * Agrawal, El Abbadi 2005). One thread adds; any thread reads, without locks.
 *
 * ```
 * header  2 words, see EPOCH and AGED
 * words   one of each kind per slot: hash, count, error, octets of the name
 * names   NAME_ROOM octets per slot
 * ```
 * A new name takes the place of the one with the least count, and its count, of which nothing is
 * known to be its own: the slot's error. So every name with more than 1 of SKETCH_SLOTS of all adds
 * is there, and its share is between `count - error` and `count`.
 *
 * All counts are halved whenever the main thread moves the epoch, so that what is long ago fades.
 */

/** Names that are kept; what asks less than 1 of 256 of the queries is not worth a list. */
export const SKETCH_SLOTS = 256;

/** Octets of a name (RFC 1035 §2.3.4), rounded up. */
const NAME_ROOM = 256;

/** Header words: how often counts should have been halved, and how often they have been. */
const EPOCH = 0;
const AGED = 1;

const HASHES = 2;
const COUNTS = HASHES + SKETCH_SLOTS;
const ERRORS = COUNTS + SKETCH_SLOTS;
const LENGTHS = ERRORS + SKETCH_SLOTS;
const NAMES = 4 * (LENGTHS + SKETCH_SLOTS);
const BYTES = NAMES + SKETCH_SLOTS * NAME_ROOM;

/** Chains of the index; four times the slots keep them short. */
const CHAINS = 4 * SKETCH_SLOTS;
const NONE = -1;

/** Halving more often leaves nothing. */
const HALVINGS_MAX = 31;

/** Counts the names that are added most. */
export class NameSketch {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  /** Slots as a binary heap, the least count first; and where in it each slot is. */
  readonly #heap: Int16Array = Int16Array.from({ length: SKETCH_SLOTS }, (_, slot) => slot);
  readonly #place: Int16Array = Int16Array.from(this.#heap);
  /** First slot of each chain, and the slot behind each slot. */
  readonly #first: Int16Array = new Int16Array(CHAINS).fill(NONE);
  readonly #next: Int16Array = new Int16Array(SKETCH_SLOTS).fill(NONE);

  /** A sketch without names. */
  static create(): SharedArrayBuffer {
    return new SharedArrayBuffer(BYTES);
  }

  /** To read a sketch, or to add to it in the place of the thread that did so before. */
  constructor(buffer: SharedArrayBuffer) {
    assert(buffer.byteLength === BYTES, 'not a name sketch');
    const words = new Int32Array(buffer);
    this.#words = words;
    this.#bytes = new Uint8Array(buffer);
    this.#heap.sort((a, b) => words[COUNTS + a]! - words[COUNTS + b]!);
    for (const [place, slot] of this.#heap.entries()) {
      this.#place[slot] = place;
      if (words[LENGTHS + slot] !== 0) this.#link(slot, words[HASHES + slot]!);
    }
  }

  /** Counts a lower-case wire name of `length` octets; `hash` is its `hashWireName`. */
  add(name: Uint8Array, length: number, hash: number): void {
    const words = this.#words;
    if (words[EPOCH] !== words[AGED]) this.#age();
    let slot = this.#find(name, length, hash | 0);
    if (slot === NONE) slot = this.#replace(name, length, hash | 0);
    words[COUNTS + slot]!++;
    this.#sink(slot);
  }

  /** From the main thread: has the counts halved with the next add, and for readers at once. */
  halve(): void {
    Atomics.add(this.#words, EPOCH, 1);
  }

  /** At most `n` names, those with the most adds first; counts are lower bounds. */
  top(n: number): NameCount[] {
    const halvings = halvingsDue(this.#words);
    const found: NameCount[] = [];
    const name = new Uint8Array(NAME_ROOM);
    for (let slot = 0; slot < SKETCH_SLOTS; slot++) {
      const count = this.#words[COUNTS + slot]! >> halvings;
      const own = count - halvedUp(this.#words[ERRORS + slot]!, halvings);
      if (own > 0 && this.#read(slot, name)) found.push({ name: formatWireName(name), count: own });
    }
    return highest(found, n);
  }

  /** Copies a name out; false if the thread that adds was changing it. */
  #read(slot: number, out: Uint8Array): boolean {
    const hash = this.#words[HASHES + slot]!;
    const length = this.#words[LENGTHS + slot]!;
    const at = NAMES + slot * NAME_ROOM;
    out.set(this.#bytes.subarray(at, at + NAME_ROOM));
    return length > 0 && (hashWireName(out, 0, length) | 0) === hash && out[length - 1] === 0;
  }

  #find(name: Uint8Array, length: number, hash: number): number {
    const words = this.#words;
    let slot = this.#first[hash & (CHAINS - 1)]!;
    while (slot !== NONE) {
      if (words[HASHES + slot] === hash && this.#holds(slot, name, length)) return slot;
      slot = this.#next[slot]!;
    }
    return NONE;
  }

  #holds(slot: number, name: Uint8Array, length: number): boolean {
    if (this.#words[LENGTHS + slot] !== length) return false;
    const at = NAMES + slot * NAME_ROOM;
    for (let i = 0; i < length; i++) if (this.#bytes[at + i] !== name[i]) return false;
    return true;
  }

  /** Puts a name in the place of the one with the least count. */
  #replace(name: Uint8Array, length: number, hash: number): number {
    const words = this.#words;
    const slot = this.#heap[0]!;
    if (words[LENGTHS + slot] !== 0) this.#unlink(slot);
    words[ERRORS + slot] = words[COUNTS + slot]!;
    words[HASHES + slot] = hash;
    words[LENGTHS + slot] = length;
    const at = NAMES + slot * NAME_ROOM;
    for (let i = 0; i < length; i++) this.#bytes[at + i] = name[i]!;
    this.#link(slot, hash);
    return slot;
  }

  #link(slot: number, hash: number): void {
    const chain = hash & (CHAINS - 1);
    this.#next[slot] = this.#first[chain]!;
    this.#first[chain] = slot;
  }

  #unlink(slot: number): void {
    const chain = this.#words[HASHES + slot]! & (CHAINS - 1);
    const after = this.#next[slot]!;
    let before = this.#first[chain]!;
    if (before === slot) {
      this.#first[chain] = after;
      return;
    }
    while (this.#next[before] !== slot) before = this.#next[before]!;
    this.#next[before] = after;
  }

  /** Restores the heap after a count has grown. */
  #sink(slot: number): void {
    const words = this.#words;
    const heap = this.#heap;
    const count = words[COUNTS + slot]!;
    let at = this.#place[slot]!;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= SKETCH_SLOTS) break;
      let below = heap[child]!;
      if (child + 1 < SKETCH_SLOTS && words[COUNTS + heap[child + 1]!]! < words[COUNTS + below]!) {
        child++;
        below = heap[child]!;
      }
      if (words[COUNTS + below]! >= count) break;
      heap[at] = below;
      this.#place[below] = at;
      at = child;
    }
    heap[at] = slot;
    this.#place[slot] = at;
  }

  /** Halving keeps the order, and so the heap. */
  #age(): void {
    const words = this.#words;
    const epoch = words[EPOCH]!;
    const halvings = halvingsDue(words);
    for (let slot = 0; slot < SKETCH_SLOTS; slot++) {
      words[COUNTS + slot] = words[COUNTS + slot]! >> halvings;
      words[ERRORS + slot] = halvedUp(words[ERRORS + slot]!, halvings);
    }
    words[AGED] = epoch;
  }
}

function halvingsDue(words: Int32Array): number {
  return Math.min(words[EPOCH]! - words[AGED]!, HALVINGS_MAX);
}

/** Rounded up, so that a count less its error stays a lower bound. */
function halvedUp(error: number, halvings: number): number {
  return Math.ceil(error / 2 ** halvings);
}

/** The `n` highest counts, equal ones by name. */
function highest(counts: NameCount[], n: number): NameCount[] {
  counts.sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1));
  return counts.slice(0, n);
}

/** What several sketches say together. A name that one of them has lost counts that much less. */
export function mergedTop(sketches: readonly NameSketch[], n: number): NameCount[] {
  const total = new Map<string, number>();
  for (const sketch of sketches) {
    for (const { name, count } of sketch.top(SKETCH_SLOTS)) {
      total.set(name, (total.get(name) ?? 0) + count);
    }
  }
  return highest(
    Array.from(total, ([name, count]) => ({ name, count })),
    n,
  );
}
