import { assert } from '../base/assert.ts';
import type { Query } from '../dns/query.ts';
import {
  STORED,
  STORED_WORDS,
  storedKey,
  storedNameAt,
  storedNameLength,
} from '../dns/stored-reply.ts';

/**
 * Replies of upstreams in shared memory, for the threads that answer.
 *
 * ```
 * header   HEADER_WORDS words, see HEADER
 * slots    1 word each: offset in octets of a reply (0: empty), by hash of its question
 * replies  one after the other, layout STORED; only ever added to
 * ```
 * One thread writes. It copies a reply behind the last one and only then stores its offset, so a
 * reader that finds the offset finds the whole reply; what was replaced stays as it was for those
 * who read it still. Slots do not become empty again, so a search may end at an empty one.
 */
const HEADER = { MAGIC: 0, SLOTS: 1, USED_SLOTS: 2, END: 3 } as const;
const HEADER_WORDS = 4;
const MAGIC = 0x686f_7032;

/** One address of a short name takes so much, others more: half of the slots stay empty. */
const REPLY_BYTES_MIN = 80;
/**
 * Slots that are looked at for one question. Where half of them are empty, runs are shorter; names
 * that were made to have equal hashes cost no more than this, and push each other out.
 */
const PROBES_MAX = 32;
const PROBE_FACTOR = 0x9e3779b1;

/** Finds stored replies, counts how often they are given, and adds them; cheap to make. */
export class HotReplies {
  readonly buffer: SharedArrayBuffer;
  readonly words: Uint32Array;
  readonly bytes: Uint8Array;
  readonly #mask: number;

  /** `buffer` is from `create`. */
  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.words = new Uint32Array(buffer);
    this.bytes = new Uint8Array(buffer);
    assert(this.words[HEADER.MAGIC] === MAGIC, 'not a buffer of replies');
    this.#mask = this.words[HEADER.SLOTS]! - 1;
  }

  /** An empty buffer of about `bytes` octets, 4 KiB at least. */
  static create(bytes: number): SharedArrayBuffer {
    const size = Math.max(4096, bytes & ~3);
    const slots = 2 ** Math.ceil(Math.log2((2 * size) / REPLY_BYTES_MIN));
    const buffer = new SharedArrayBuffer(size);
    const words = new Uint32Array(buffer);
    words[HEADER.MAGIC] = MAGIC;
    words[HEADER.SLOTS] = slots;
    words[HEADER.END] = 4 * (HEADER_WORDS + slots);
    return buffer;
  }

  /** Different questions that are in it. */
  get count(): number {
    return this.words[HEADER.USED_SLOTS]!;
  }

  /** Octets that are taken, of `words.byteLength`. */
  get usedBytes(): number {
    return this.words[HEADER.END]!;
  }

  /**
   * Offset in octets of the reply to a query with these KEY_FLAG bits, whether it has ended or not;
   * 0 if there is none. Allocates nothing.
   */
  find(query: Query, flags: number): number {
    const { words } = this;
    const { hash, name } = query;
    const key = storedKey(query.nameLength, flags, query.qtype);
    const start = probeStart(key, hash);
    for (let i = 0; i < PROBES_MAX; i++) {
      const at = Atomics.load(words, HEADER_WORDS + ((start + i) & this.#mask));
      if (at === 0) return 0;
      if (this.#answers(at, key, hash, name, 0)) return at;
    }
    return 0;
  }

  /** Times the reply at an offset was given. */
  hits(at: number): number {
    return this.words[(at >>> 2) + STORED.HITS]!;
  }

  /** Counts that it was given; two threads that do so at once may count one. */
  countHit(at: number): void {
    const word = (at >>> 2) + STORED.HITS;
    this.words[word] = this.words[word]! + 1;
  }

  /**
   * Adds a reply, in place of an earlier one to the same question; false if there is no room for
   * it. Only for the thread that writes.
   */
  put(reply: Uint32Array): boolean {
    const { words } = this;
    const bytes = reply.byteLength;
    assert(reply[STORED.BYTES] === bytes && bytes >= 4 * STORED_WORDS, 'a reply is whole');
    const at = words[HEADER.END]!;
    if (at + bytes > words.byteLength) return false;
    const slot = this.#slotFor(reply);
    if (slot === 0) return false;
    words.set(reply, at >>> 2);
    words[HEADER.END] = at + bytes;
    if (words[slot] === 0) words[HEADER.USED_SLOTS] = words[HEADER.USED_SLOTS]! + 1;
    Atomics.store(words, slot, at);
    return true;
  }

  /** Word index of the slot that the reply belongs in, 0 if too many are taken. */
  #slotFor(reply: Uint32Array): number {
    const { words } = this;
    const key = reply[STORED.KEY]!;
    const hash = reply[STORED.HASH]!;
    const bytes = new Uint8Array(reply.buffer, reply.byteOffset, reply.byteLength);
    const start = probeStart(key, hash);
    let first = 0;
    for (let i = 0; i < PROBES_MAX; i++) {
      const slot = HEADER_WORDS + ((start + i) & this.#mask);
      const at = words[slot]!;
      if (at === 0) return 2 * this.count < words[HEADER.SLOTS]! ? slot : 0;
      if (this.#answers(at, key, hash, bytes, storedNameAt(0))) return slot;
      // Where no slot is left, the reply that ends first gives way.
      if (first === 0 || this.#expiresAt(at) < this.#expiresAt(words[first]!)) first = slot;
    }
    return first;
  }

  #expiresAt(at: number): number {
    return this.words[(at >>> 2) + STORED.EXPIRES_AT]!;
  }

  /** Whether the reply at an offset has this key and hash, and the name at `name[offset]`. */
  #answers(at: number, key: number, hash: number, name: Uint8Array, offset: number): boolean {
    const { words, bytes } = this;
    const word = at >>> 2;
    if (words[word + STORED.HASH] !== hash || words[word + STORED.KEY] !== key) return false;
    const length = storedNameLength(words, at);
    const stored = storedNameAt(at);
    for (let i = 0; i < length; i++) if (bytes[stored + i] !== name[offset + i]) return false;
    return true;
  }
}

/** Where the search for a question starts, before it is cut to the number of slots. */
function probeStart(key: number, hash: number): number {
  const mixed = Math.imul(hash ^ Math.imul(key, PROBE_FACTOR), PROBE_FACTOR);
  return mixed ^ (mixed >>> 16);
}
