import { assert } from '../base/assert.ts';
import { TYPE } from './constants.ts';
import { hashWireName } from './name.ts';

/**
 * The compiled answers of one generation in a shared buffer, read by every thread that answers. The
 * buffer may hold several generations: a later one is written behind those before, points to what it
 * has in common with them, and does not change them.
 *
 * ```
 * header    HEADER_WORDS words, see HEADER: the root of a generation
 * zones     ZONE_WORDS words each
 * pages     word index of every page of slots
 * slots     2 words each, PAGE_SLOTS in a page: `hashWireName` of the owner name, byte offset of its
 *           node (0: never used, DELETED: no more)
 * nodes     a word: name length | zone index << 8 | RRset count << 24
 *           RRSET_WORDS words per RRset, see RRSET
 *           owner name in lower-case wire form, padded with zeros to a word
 *           per RRset its resource records as they go into an answer, the owner being a pointer to
 *           the question (c0 0c), padded to a word; before those of types with a target, an index
 *           of 2 words per record: offset, `hashWireName` of the target
 * ```
 * Words are 32 bits in host order; records are in network order. Offsets count bytes from the
 * start of the buffer.
 */
export const HEADER = {
  MAGIC: 0,
  /** Octets of the buffer. */
  BYTES: 1,
  READY: 2,
  SERIAL: 3,
  SLOT_MASK: 4,
  /** Word index of the pages' list. */
  PAGES: 5,
  ZONE_COUNT: 6,
  /** Word index of the zones. */
  ZONES: 7,
  NODE_COUNT: 8,
  RECORD_COUNT: 9,
  TTL: 10,
  /** Octets of the longest apex: a longer name is none. */
  APEX_BYTES_MAX: 11,
  /**
   * From then on the records are old: whole seconds of the system's monotonic clock, 0 for never. The
   * one word that changes while a table is read.
   */
  STALE_AT: 12,
  /** Where the next generation may write, in octets. */
  END: 13,
} as const;

export const HEADER_WORDS = 16;
export const TABLE_MAGIC = 0x686f_7032;

/** log2 of PAGE_SLOTS: a changed name costs a page, a generation the list of all pages. */
export const PAGE_BITS = 7;
export const PAGE_SLOTS: number = 1 << PAGE_BITS;
export const SLOT_WORDS = 2;
/** Instead of a node in a slot whose name is gone: names behind it are still looked for. */
export const DELETED = 1;

/** Words of a zone: node of the apex, and the SOA record that negative answers carry. */
export const ZONE = { APEX_NODE: 0, NEGATIVE_SOA: 1, NEGATIVE_SOA_BYTES: 2 } as const;
export const ZONE_WORDS = 4;

/** Words of an RRset. INDEX is 0 where all records have equal length. */
export const RRSET = { TYPE: 0, COUNT: 1, DATA: 2, DATA_BYTES: 3, INDEX: 4 } as const;
export const RRSET_WORDS = 5;
/** Words of a node before its RRsets. */
export const NODE_WORDS = 1;
export const INDEX_WORDS = 2;

/**
 * Zone index of a node outside every zone of ours. With PTR records it is a stray name, which is
 * answered; all others are kept for the HTTP API alone.
 */
export const NO_ZONE = 0xffff;

/** Owner pointer, type, class, TTL and length: where the data of a stored record starts. */
export const RECORD_HEAD_BYTES = 12;
/** Priority, weight and port of an SRV record stand before its target. */
export const SRV_HEAD_BYTES = 6;

/** What of a table goes to other threads. */
export interface SharedTable {
  readonly buffer: SharedArrayBuffer;
  /** Word index of the generation's header. */
  readonly root: number;
}

/** Reads a compiled table. Cheap to make: one per thread and generation. */
export class AnswerTable implements SharedTable {
  readonly buffer: SharedArrayBuffer;
  /** Word index of the generation's header. */
  readonly root: number;
  readonly words: Uint32Array;
  readonly bytes: Uint8Array;
  readonly #mask: number;
  readonly #pages: number;

  constructor(buffer: SharedArrayBuffer, root = 0) {
    this.buffer = buffer;
    this.root = root;
    this.words = new Uint32Array(buffer);
    this.bytes = new Uint8Array(buffer);
    assert(this.words[root + HEADER.MAGIC] === TABLE_MAGIC, 'not an answer table');
    assert(this.words[root + HEADER.BYTES] === buffer.byteLength, 'answer table is cut off');
    this.#mask = this.words[root + HEADER.SLOT_MASK]!;
    this.#pages = this.words[root + HEADER.PAGES]!;
  }

  /** The same table as another thread has it. */
  static of({ buffer, root }: SharedTable): AnswerTable {
    return new AnswerTable(buffer, root);
  }

  get shared(): SharedTable {
    return { buffer: this.buffer, root: this.root };
  }

  /** A word of the header, by a constant of HEADER. */
  header(word: number): number {
    return this.words[this.root + word]!;
  }

  /** False until the first good state: our zones exist, their content is unknown. */
  get ready(): boolean {
    return this.header(HEADER.READY) === 1;
  }

  /** The master has not been heard for too long; `nowSeconds` is monotonic. */
  isStale(nowSeconds: number): boolean {
    const staleAt = this.header(HEADER.STALE_AT);
    return staleAt !== 0 && nowSeconds >= staleAt;
  }

  /** Says when the records will be old; for the one thread that publishes the table. */
  setStaleAt(seconds: number): void {
    Atomics.store(this.words, this.root + HEADER.STALE_AT, Math.floor(seconds));
  }

  get serial(): number {
    return this.header(HEADER.SERIAL);
  }

  get zoneCount(): number {
    return this.header(HEADER.ZONE_COUNT);
  }

  /** Word index of a slot. */
  slotAt(slot: number): number {
    return this.words[this.#pages + (slot >>> PAGE_BITS)]! + SLOT_WORDS * (slot & (PAGE_SLOTS - 1));
  }

  /** Node of a lower-case wire name, 0 if there is none. */
  find(name: Uint8Array, offset: number, length: number, hash: number): number {
    const { words, bytes } = this;
    const mask = this.#mask;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const at = this.slotAt(slot);
      const node = words[at + 1]!;
      if (node === 0) return 0;
      if (words[at] !== hash || node === DELETED || this.nameLength(node) !== length) continue;
      const stored = this.nameOffset(node);
      let i = 0;
      while (i < length && bytes[stored + i] === name[offset + i]) i++;
      if (i === length) return node;
    }
  }

  /** All nodes, in the order in which they were written; empty non-terminals included. */
  nodes(): Uint32Array {
    const nodes = new Uint32Array(this.header(HEADER.NODE_COUNT));
    let count = 0;
    for (let slot = 0; slot <= this.#mask; slot++) {
      const node = this.words[this.slotAt(slot) + 1]!;
      if (node > DELETED) nodes[count++] = node;
    }
    assert(count === nodes.length, 'every node has a slot');
    return nodes.sort();
  }

  /** The same for a name that starts at a word of its own and has zeros up to the end of its last. */
  findWords(name: Uint32Array, length: number, hash: number): number {
    const { words } = this;
    const mask = this.#mask;
    const nameWords = (length + 3) >>> 2;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const at = this.slotAt(slot);
      const node = words[at + 1]!;
      if (node === 0) return 0;
      if (words[at] !== hash || node === DELETED) continue;
      const head = words[node >>> 2]!;
      if ((head & 0xff) !== length) continue;
      const stored = (node >>> 2) + NODE_WORDS + RRSET_WORDS * (head >>> 24);
      let i = 0;
      while (i < nameWords && words[stored + i] === name[i]) i++;
      if (i === nameWords) return node;
    }
  }

  /**
   * Index of the innermost zone that a lower-case wire name of `length` octets, at `offset`, is in,
   * or NO_ZONE: that of its nearest parent which exists. The work does not grow with the number of
   * zones.
   */
  zoneOf(name: Uint8Array, length: number, offset = 0): number {
    const longest = this.header(HEADER.APEX_BYTES_MAX);
    const end = offset + length;
    for (let at = offset; at < end; at += 1 + name[at]!) {
      const size = end - at;
      if (size > longest) continue;
      const node = this.find(name, at, size, hashWireName(name, at, size));
      if (node !== 0 && this.zoneIndex(node) !== NO_ZONE) return this.zoneIndex(node);
    }
    return NO_ZONE;
  }

  nameLength(node: number): number {
    return this.words[node >>> 2]! & 0xff;
  }

  /** Index of the zone a node belongs to, or NO_ZONE. */
  zoneIndex(node: number): number {
    return (this.words[node >>> 2]! >>> 8) & 0xffff;
  }

  /**
   * Whether a node in no zone is answered all the same: the reverse name of a task. We know a few
   * addresses of a network and cannot claim its reverse zone, so we answer for these names and neither
   * for those above nor for those beside them.
   */
  isStray(node: number): boolean {
    return this.zoneIndex(node) === NO_ZONE && this.rrset(node, TYPE.PTR) !== 0;
  }

  rrsetCount(node: number): number {
    return this.words[node >>> 2]! >>> 24;
  }

  nameOffset(node: number): number {
    return node + 4 * (NODE_WORDS + RRSET_WORDS * this.rrsetCount(node));
  }

  /** Word index of a node's RRset number `i`; add a constant of RRSET. */
  rrsetAt(node: number, i: number): number {
    return (node >>> 2) + NODE_WORDS + RRSET_WORDS * i;
  }

  /** Word index of the RRset of a type, 0 if the node has none. */
  rrset(node: number, type: number): number {
    const end = this.rrsetAt(node, this.rrsetCount(node));
    for (let at = this.rrsetAt(node, 0); at < end; at += RRSET_WORDS) {
      if (this.words[at + RRSET.TYPE] === type) return at;
    }
    return 0;
  }

  /** Word index of zone number `i`; add a constant of ZONE. */
  zoneAt(i: number): number {
    return this.header(HEADER.ZONES) + ZONE_WORDS * i;
  }

  /** Offset of record `i` of an RRset. */
  recordOffset(rrset: number, i: number): number {
    const { words } = this;
    const index = words[rrset + RRSET.INDEX]!;
    if (index !== 0) return words[(index >>> 2) + INDEX_WORDS * i]!;
    const stride = words[rrset + RRSET.DATA_BYTES]! / words[rrset + RRSET.COUNT]!;
    return words[rrset + RRSET.DATA]! + stride * i;
  }

  /** Node of the target of record `i`, 0 if the type has none or the target is not ours. */
  targetNode(rrset: number, i: number): number {
    const { words, bytes } = this;
    const index = words[rrset + RRSET.INDEX]!;
    if (index === 0) return 0;
    const entry = (index >>> 2) + INDEX_WORDS * i;
    const record = words[entry]!;
    const numbers = words[rrset + RRSET.TYPE] === TYPE.SRV ? SRV_HEAD_BYTES : 0;
    const dataBytes =
      (bytes[record + RECORD_HEAD_BYTES - 2]! << 8) | bytes[record + RECORD_HEAD_BYTES - 1]!;
    return this.find(
      bytes,
      record + RECORD_HEAD_BYTES + numbers,
      dataBytes - numbers,
      words[entry + 1]!,
    );
  }
}
