import { assert } from '../base/assert.ts';
import { hashWireName } from './name.ts';

/**
 * The compiled answers of one generation in one shared buffer, read by every thread that answers.
 *
 * ```
 * header    16 words, see HEADER
 * zones     ZONE_WORDS words each
 * slots     2 words each: `hashWireName` of the owner name, byte offset of its node (0: empty)
 * nodes     2 words: name length | zone index << 8 | RRset count << 24, bytes of the whole node
 *           RRSET_WORDS words per RRset, see RRSET
 *           owner name in lower-case wire form, padded with zeros to a word
 *           per RRset its resource records as they go into an answer, the owner being a pointer to
 *           the question (c0 0c), padded to a word; before those of types with a target, an index
 *           of 2 words per record: offset, target node
 * ```
 * Words are 32 bits in host order; records are in network order. Offsets count bytes from the
 * start of the buffer.
 */
export const HEADER = {
  MAGIC: 0,
  BYTES: 1,
  READY: 2,
  SERIAL: 3,
  SLOT_MASK: 4,
  SLOTS: 5,
  ZONE_COUNT: 6,
  ZONES: 7,
  NODE_COUNT: 8,
  RECORD_COUNT: 9,
  /** First node; nodes follow one another up to HEADER.NODES_END. */
  NODES: 10,
  NODES_END: 11,
  TTL: 12,
  /** Octets of the longest apex: a longer name is none. */
  APEX_BYTES_MAX: 13,
  /**
   * From then on the records are old: whole seconds of the system's monotonic clock, 0 for never. The
   * one word that changes while a table is read.
   */
  STALE_AT: 14,
} as const;

export const HEADER_WORDS = 16;
export const TABLE_MAGIC = 0x686f_7031;

/** Words of a zone: node of the apex, and the SOA record that negative answers carry. */
export const ZONE = { APEX_NODE: 0, NEGATIVE_SOA: 1, NEGATIVE_SOA_BYTES: 2 } as const;
export const ZONE_WORDS = 4;

/** Words of an RRset. INDEX is 0 where all records have equal length. */
export const RRSET = { TYPE: 0, COUNT: 1, DATA: 2, DATA_BYTES: 3, INDEX: 4 } as const;
export const RRSET_WORDS = 5;
/** Words of a node before its RRsets. */
export const NODE_WORDS = 2;
export const INDEX_WORDS = 2;

/** Zone index of a node outside every zone of ours: kept for the HTTP API, never answered. */
export const NO_ZONE = 0xffff;

/** Owner pointer, type, class, TTL and length: where the data of a stored record starts. */
export const RECORD_HEAD_BYTES = 12;
/** Priority, weight and port of an SRV record stand before its target. */
export const SRV_HEAD_BYTES = 6;

/** Reads a compiled table. Cheap to make: one per thread and generation. */
export class AnswerTable {
  readonly buffer: SharedArrayBuffer;
  readonly words: Uint32Array;
  readonly bytes: Uint8Array;

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.words = new Uint32Array(buffer);
    this.bytes = new Uint8Array(buffer);
    assert(this.words[HEADER.MAGIC] === TABLE_MAGIC, 'not an answer table');
    assert(this.words[HEADER.BYTES] === buffer.byteLength, 'answer table is cut off');
  }

  /** False until the first good state: our zones exist, their content is unknown. */
  get ready(): boolean {
    return this.words[HEADER.READY] === 1;
  }

  /** The master has not been heard for too long; `nowSeconds` is monotonic. */
  isStale(nowSeconds: number): boolean {
    const staleAt = this.words[HEADER.STALE_AT]!;
    return staleAt !== 0 && nowSeconds >= staleAt;
  }

  /** Says when the records will be old; for the one thread that publishes the table. */
  setStaleAt(seconds: number): void {
    Atomics.store(this.words, HEADER.STALE_AT, Math.floor(seconds));
  }

  get serial(): number {
    return this.words[HEADER.SERIAL]!;
  }

  get zoneCount(): number {
    return this.words[HEADER.ZONE_COUNT]!;
  }

  /** Node of a lower-case wire name, 0 if there is none. */
  find(name: Uint8Array, offset: number, length: number, hash: number): number {
    const { words, bytes } = this;
    const mask = words[HEADER.SLOT_MASK]!;
    const slots = words[HEADER.SLOTS]! >>> 2;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const node = words[slots + 2 * slot + 1]!;
      if (node === 0) return 0;
      if (words[slots + 2 * slot] !== hash || this.nameLength(node) !== length) continue;
      const stored = this.nameOffset(node);
      let i = 0;
      while (i < length && bytes[stored + i] === name[offset + i]) i++;
      if (i === length) return node;
    }
  }

  /** The same for a name that starts at a word of its own and has zeros up to the end of its last. */
  findWords(name: Uint32Array, length: number, hash: number): number {
    const { words } = this;
    const mask = words[HEADER.SLOT_MASK]!;
    const slots = words[HEADER.SLOTS]! >>> 2;
    const nameWords = (length + 3) >>> 2;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const node = words[slots + 2 * slot + 1]!;
      if (node === 0) return 0;
      if (words[slots + 2 * slot] !== hash) continue;
      const head = words[node >>> 2]!;
      if ((head & 0xff) !== length) continue;
      const stored = (node >>> 2) + NODE_WORDS + RRSET_WORDS * (head >>> 24);
      let i = 0;
      while (i < nameWords && words[stored + i] === name[i]) i++;
      if (i === nameWords) return node;
    }
  }

  /**
   * Index of the innermost zone that a lower-case wire name of `length` octets is in, or NO_ZONE:
   * that of its nearest parent which exists. The work does not grow with the number of zones.
   */
  zoneOf(name: Uint8Array, length: number): number {
    const longest = this.words[HEADER.APEX_BYTES_MAX]!;
    for (let at = 0; at < length; at += 1 + name[at]!) {
      const size = length - at;
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

  rrsetCount(node: number): number {
    return this.words[node >>> 2]! >>> 24;
  }

  /** Offset of the node that follows. */
  nextNode(node: number): number {
    return node + this.words[(node >>> 2) + 1]!;
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
    return (this.words[HEADER.ZONES]! >>> 2) + ZONE_WORDS * i;
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
    const index = this.words[rrset + RRSET.INDEX]!;
    return index === 0 ? 0 : this.words[(index >>> 2) + INDEX_WORDS * i + 1]!;
  }
}
