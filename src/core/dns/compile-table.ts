import { assert } from '../base/assert.ts';
import {
  AnswerTable,
  DELETED,
  HEADER,
  HEADER_WORDS,
  NO_ZONE,
  PAGE_BITS,
  PAGE_SLOTS,
  RRSET,
  SLOT_WORDS,
  TABLE_MAGIC,
  ZONE,
  ZONE_WORDS,
} from './answer-table.ts';
import { TYPE } from './constants.ts';
import { PublishedNames } from './published-names.ts';
import type { RecordStore } from './record-store.ts';
import { align, SOA_NUMBERS_BYTES, TableWriter } from './table-writer.ts';
import { writeU32 } from './wire.ts';
import type { ZoneTerms } from './zone.ts';

/** Slots in use, deleted ones included, beyond which looking for a name would take long. */
const SLOTS_FULL = 0.75;

/**
 * Compiles collected records into an answer table with SOA serial 0; `stampSerial` sets the real
 * one. `ready` false makes a table whose zones exist but answer SERVFAIL (before the first state).
 */
export function compileTable(store: RecordStore, terms: ZoneTerms, ready: boolean): AnswerTable {
  return new TableBuilder(store, terms).compile(ready, 0);
}

/** Sets the SOA serial (RFC 1982) of a table that no other thread has seen yet. */
export function stampSerial(table: AnswerTable, serial: number): void {
  const [header, ...records] = serialOffsets(table);
  table.words[header! >>> 2] = serial;
  for (const offset of records) writeU32(table.bytes, offset, serial);
}

/** Where the serial stands: in the header, then in ascending order in every SOA record. */
export function serialOffsets(table: AnswerTable): number[] {
  const ends: number[] = [];
  for (let i = 0; i < table.zoneCount; i++) {
    const zone = table.zoneAt(i);
    const soa = table.rrset(table.words[zone + ZONE.APEX_NODE]!, TYPE.SOA);
    ends.push(
      table.words[zone + ZONE.NEGATIVE_SOA]! + table.words[zone + ZONE.NEGATIVE_SOA_BYTES]!,
    );
    ends.push(table.words[soa + RRSET.DATA]! + table.words[soa + RRSET.DATA_BYTES]!);
  }
  const records = ends.map((end) => end - SOA_NUMBERS_BYTES).sort((a, b) => a - b);
  return [4 * (table.root + HEADER.SERIAL), ...records];
}

/** Where the parts of a generation go, in octets. */
interface Layout {
  readonly root: number;
  readonly zones: number;
  readonly soas: number;
  readonly pages: number;
  readonly end: number;
}

/**
 * Makes tables of one store: whole ones, and small changes of the last one, which cost what has
 * changed. Whoever reads an earlier generation is not disturbed by a later one in the same buffer.
 */
export class TableBuilder {
  readonly #store: RecordStore;
  readonly #terms: ZoneTerms;
  readonly #writer: TableWriter;
  #names: PublishedNames;
  #table: AnswerTable | null = null;
  /** By node of the store: its offset in the table, 0 for none. */
  #offset: Uint32Array = new Uint32Array(0);
  #nodeCount = 0;
  #slotsUsed = 0;
  /** Where the next octets go. */
  #end = 0;

  constructor(store: RecordStore, terms: ZoneTerms) {
    this.#store = store;
    this.#terms = terms;
    this.#writer = new TableWriter(store, terms);
    this.#names = this.#publishedNames();
  }

  /** The whole store, with `spareBytes` of room for later generations. */
  compile(ready: boolean, spareBytes: number): AnswerTable {
    const store = this.#store;
    this.#names = this.#publishedNames();
    store.touched.clear();
    const nodes = this.#names.publishAll();
    const { apexes } = this.#writer;
    const slotCount = Math.max(PAGE_SLOTS, 2 ** Math.ceil(Math.log2(nodes.length * 1.5 + 1)));
    const layout = this.#layout(0, slotCount);
    const slotsAt = layout.end;
    this.#offset = new Uint32Array(store.nodeCount);
    this.#end = slotsAt + slotCount * SLOT_WORDS * 4;
    for (const [i, node] of nodes.entries()) {
      this.#offset[node] = this.#end;
      this.#end += this.#writer.nodeBytes(node, apexes[i] ?? null);
    }
    const buffer = new SharedArrayBuffer(this.#end + align(spareBytes));
    const words = new Uint32Array(buffer);
    this.#writer.into(buffer);
    for (let page = 0; page < slotCount >>> PAGE_BITS; page++) {
      words[(layout.pages >>> 2) + page] = (slotsAt >>> 2) + page * PAGE_SLOTS * SLOT_WORDS;
    }
    this.#nodeCount = nodes.length;
    this.#slotsUsed = nodes.length;
    for (const [i, node] of nodes.entries()) {
      writeSlot(words, slotsAt >>> 2, slotCount - 1, store.hash[node]!, this.#offset[node]!);
      const apexOf = i < apexes.length ? i : NO_ZONE;
      this.#writer.writeNode(node, this.#offset[node]!, this.#names.zoneOf(node), apexOf);
    }
    this.#writeRoot(words, layout, slotCount - 1, ready);
    this.#table = new AnswerTable(buffer, layout.root >>> 2);
    return this.#table;
  }

  /**
   * The last table with what the store's revisions touched since, with serial 0; null, and the table
   * has to be compiled, if there is no room for that.
   */
  extend(): AnswerTable | null {
    const before = this.#table;
    if (before === null) return null;
    const { written, gone } = this.#names.revise(this.#store.touched);
    this.#store.touched.clear();
    this.#growOffsets();
    const { apexes } = this.#writer;
    const apexNodes = apexes.map(({ node }) => node);
    const apexSet = new Set(apexNodes);
    // Every apex is written: its SOA has the serial.
    const nodes = [...apexNodes, ...written.filter((node) => !apexSet.has(node))];
    const mask = before.header(HEADER.SLOT_MASK);
    const layout = this.#layout(this.#end, mask + 1);
    let size = layout.end - this.#end;
    for (const [i, node] of nodes.entries()) {
      size += this.#writer.nodeBytes(node, apexes[i] ?? null);
    }
    // A page each at most; one more where looking for a free slot goes on into the next.
    size += (nodes.length + gone.length + 1) * PAGE_SLOTS * SLOT_WORDS * 4;
    const slotsFull = SLOTS_FULL * (mask + 1);
    if (this.#end + size > before.bytes.length || this.#slotsUsed + nodes.length > slotsFull) {
      this.#table = null;
      return null;
    }
    const { words } = before;
    words.copyWithin(
      layout.pages >>> 2,
      before.header(HEADER.PAGES),
      before.header(HEADER.PAGES) + ((mask + 1) >>> PAGE_BITS),
    );
    const slots = new SlotRevision(words, layout.pages >>> 2, mask, layout.end);
    for (const node of gone) {
      slots.remove(this.#store.hash[node]!, this.#offset[node]!);
      this.#offset[node] = 0;
      this.#nodeCount--;
    }
    for (const [i, node] of nodes.entries()) {
      const offset = slots.claim(this.#writer.nodeBytes(node, apexes[i] ?? null));
      const apexOf = i < apexes.length ? i : NO_ZONE;
      this.#writer.writeNode(node, offset, this.#names.zoneOf(node), apexOf);
      if (this.#offset[node] === 0) {
        this.#nodeCount++;
        this.#slotsUsed += slots.insert(this.#store.hash[node]!, offset);
      } else slots.replace(this.#store.hash[node]!, this.#offset[node]!, offset);
      this.#offset[node] = offset;
    }
    this.#end = slots.end;
    this.#writeRoot(words, layout, mask, true);
    this.#table = new AnswerTable(before.buffer, layout.root >>> 2);
    return this.#table;
  }

  /** Lets go of the last table, which nobody is to see; the next one has to be compiled. */
  forget(): void {
    this.#table = null;
  }

  #publishedNames(): PublishedNames {
    const apexes = this.#writer.apexes.map(({ node }) => node);
    return new PublishedNames(this.#store, apexes);
  }

  #layout(root: number, slotCount: number): Layout {
    const { apexes } = this.#writer;
    const zones = root + HEADER_WORDS * 4;
    const soas = zones + apexes.length * ZONE_WORDS * 4;
    const pages = apexes.reduce((at, { soaBytes }) => at + align(soaBytes), soas);
    return { root, zones, soas, pages, end: pages + (slotCount >>> PAGE_BITS) * 4 };
  }

  #growOffsets(): void {
    if (this.#offset.length >= this.#store.nodeCount) return;
    const larger = new Uint32Array(2 * this.#store.nodeCount);
    larger.set(this.#offset);
    this.#offset = larger;
  }

  #writeRoot(words: Uint32Array, layout: Layout, mask: number, ready: boolean): void {
    const { apexes } = this.#writer;
    const { nameLength, recordCount } = this.#store;
    const root = layout.root >>> 2;
    const apexBytesMax = Math.max(0, ...apexes.map(({ node }) => nameLength[node]!));
    const header = [
      [HEADER.MAGIC, TABLE_MAGIC],
      [HEADER.BYTES, words.byteLength],
      [HEADER.READY, ready ? 1 : 0],
      [HEADER.SERIAL, 0],
      [HEADER.SLOT_MASK, mask],
      [HEADER.PAGES, layout.pages >>> 2],
      [HEADER.ZONE_COUNT, apexes.length],
      [HEADER.ZONES, layout.zones >>> 2],
      [HEADER.NODE_COUNT, this.#nodeCount],
      [HEADER.RECORD_COUNT, recordCount],
      [HEADER.TTL, this.#terms.ttlSeconds],
      [HEADER.APEX_BYTES_MAX, apexBytesMax],
      [HEADER.STALE_AT, 0],
      [HEADER.END, this.#end],
    ] as const;
    for (const [word, value] of header) words[root + word] = value;
    this.#writer.writeZones(layout.zones, layout.soas, (node) => this.#offset[node]!);
  }
}

/** Writes a name's slot in pages that stand one behind the other. */
function writeSlot(
  words: Uint32Array,
  slots: number,
  mask: number,
  hash: number,
  node: number,
): void {
  let slot = (hash >>> 0) & mask;
  while (words[slots + SLOT_WORDS * slot + 1] !== 0) slot = (slot + 1) & mask;
  words[slots + SLOT_WORDS * slot] = hash;
  words[slots + SLOT_WORDS * slot + 1] = node;
}

/** Changes slots of a new generation: in copies of the pages of the one before. */
class SlotRevision {
  #end: number;
  readonly #words: Uint32Array;
  readonly #pages: number;
  readonly #mask: number;
  /** Pages from here on are copies already; in words. */
  readonly #copies: number;

  constructor(words: Uint32Array, pages: number, mask: number, end: number) {
    this.#words = words;
    this.#pages = pages;
    this.#mask = mask;
    this.#copies = end >>> 2;
    this.#end = end;
  }

  /** Where the next octets go. */
  get end(): number {
    return this.#end;
  }

  /** Takes octets for something else; where they begin. */
  claim(bytes: number): number {
    const at = this.#end;
    this.#end += bytes;
    return at;
  }

  /** Takes a slot for a new node; 1 if it was never used, else 0. */
  insert(hash: number, node: number): number {
    for (let slot = hash & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const held = this.#words[this.#at(slot) + 1]!;
      if (held > DELETED) continue;
      this.#set(slot, hash, node);
      return held === 0 ? 1 : 0;
    }
  }

  replace(hash: number, before: number, node: number): void {
    this.#set(this.#slotOf(hash, before), hash, node);
  }

  remove(hash: number, before: number): void {
    this.#set(this.#slotOf(hash, before), hash, DELETED);
  }

  #slotOf(hash: number, node: number): number {
    for (let slot = hash & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const held = this.#words[this.#at(slot) + 1]!;
      if (held === node) return slot;
      assert(held !== 0, 'a node that is replaced has a slot');
    }
  }

  #at(slot: number): number {
    return (
      this.#words[this.#pages + (slot >>> PAGE_BITS)]! + SLOT_WORDS * (slot & (PAGE_SLOTS - 1))
    );
  }

  #set(slot: number, hash: number, node: number): void {
    const words = this.#words;
    const entry = this.#pages + (slot >>> PAGE_BITS);
    const page = words[entry]!;
    if (page < this.#copies) {
      const copy = this.claim(PAGE_SLOTS * SLOT_WORDS * 4) >>> 2;
      words.copyWithin(copy, page, page + PAGE_SLOTS * SLOT_WORDS);
      words[entry] = copy;
    }
    const at = this.#at(slot);
    words[at] = hash;
    words[at + 1] = node;
  }
}
