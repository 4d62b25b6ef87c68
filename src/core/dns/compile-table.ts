import type { IpAddress } from '../base/address.ts';
import { assert } from '../base/assert.ts';
import {
  AnswerTable,
  HEADER,
  HEADER_WORDS,
  INDEX_WORDS,
  NO_ZONE,
  NODE_WORDS,
  RECORD_HEAD_BYTES,
  RRSET,
  RRSET_WORDS,
  SRV_HEAD_BYTES,
  TABLE_MAGIC,
  ZONE,
  ZONE_WORDS,
} from './answer-table.ts';
import { CLASS, TYPE } from './constants.ts';
import { NO_RECORD, RECORD_KIND, type RecordStore } from './record-store.ts';
import { writeU16, writeU32 } from './wire.ts';
import type { ZoneTerms } from './zone.ts';

/** Pointer to the question's name, the owner of every answer record (RFC 1035 §4.1.4). */
const QUESTION_POINTER = 0xc00c;
/** SOA: two names, then serial, refresh, retry, expire, minimum. */
const SOA_NUMBERS_BYTES = 20;
const A_BYTES = RECORD_HEAD_BYTES + 4;
const AAAA_BYTES = RECORD_HEAD_BYTES + 16;

/** Mark of nodes that were not looked at yet. */
const UNSEEN = -1;
/** Instead of a node that does not exist. */
const NO_NODE = -1;

const align = (bytes: number): number => (bytes + 3) & ~3;

/**
 * Compiles collected records into an answer table with SOA serial 0; `stampSerial` sets the real
 * one. `ready` false makes a table whose zones exist but answer SERVFAIL (before the first state).
 */
export function compileTable(store: RecordStore, terms: ZoneTerms, ready: boolean): AnswerTable {
  return new Compiler(store, terms).compile(ready);
}

/** Sets the SOA serial (RFC 1982) of a table that no other thread has seen yet. */
export function stampSerial(table: AnswerTable, serial: number): void {
  const [header, ...records] = serialOffsets(table);
  table.words[header! >>> 2] = serial;
  for (const offset of records) writeU32(table.bytes, offset, serial);
}

/** Where the serial stands, in ascending order: in the header, then in every SOA record. */
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
  return [4 * HEADER.SERIAL, ...records];
}

interface Apex {
  readonly node: number;
  readonly mname: number;
  readonly rname: number;
  readonly soaBytes: number;
}

/** Records of one node by type: addresses, and record numbers in the store. */
interface NodeRecords {
  readonly ipv4: IpAddress[];
  readonly ipv6: IpAddress[];
  readonly srv: number[];
}

/** Builds one table in two passes: place every node, then write it. */
class Compiler {
  readonly #store: RecordStore;
  readonly #terms: ZoneTerms;
  readonly #apexes: readonly Apex[];
  /** Zone whose apex a node is, by node; few entries. */
  readonly #apexOf: ReadonlyMap<number, number>;
  /** Per node of the store: zone index, and offset in the table, 0 if it is not published. */
  #zone: Uint16Array = new Uint16Array(0);
  #offset: Uint32Array = new Uint32Array(0);
  #words: Uint32Array = new Uint32Array(0);
  #bytes: Uint8Array = new Uint8Array(0);

  constructor(store: RecordStore, terms: ZoneTerms) {
    this.#store = store;
    this.#terms = terms;
    this.#apexes = terms.zones.map((zone) => {
      const [node, mname, rname] = [zone.apex, zone.mname, zone.rname].map((name) =>
        store.node(name),
      ) as [number, number, number];
      assert(Math.min(node, mname, rname) >= 0, 'zone names come from a checked configuration');
      const names = store.nameLength[mname]! + store.nameLength[rname]!;
      return { node, mname, rname, soaBytes: RECORD_HEAD_BYTES + names + SOA_NUMBERS_BYTES };
    });
    this.#apexOf = new Map(this.#apexes.map((apex, zone) => [apex.node, zone]));
  }

  compile(ready: boolean): AnswerTable {
    const published = this.#publish();
    const zonesAt = HEADER_WORDS * 4;
    const negativeAt = zonesAt + this.#apexes.length * ZONE_WORDS * 4;
    const slotsAt = this.#apexes.reduce((at, apex) => at + align(apex.soaBytes), negativeAt);
    const slotCount = 2 ** Math.max(3, Math.ceil(Math.log2(published.length * 1.5 + 1)));
    const nodesAt = slotsAt + slotCount * 8;
    let end = nodesAt;
    for (const node of published) {
      this.#offset[node] = end;
      end += this.#nodeBytes(node);
    }
    const buffer = new SharedArrayBuffer(end);
    this.#words = new Uint32Array(buffer);
    this.#bytes = new Uint8Array(buffer);
    this.#words.set(
      [TABLE_MAGIC, end, ready ? 1 : 0, 0, slotCount - 1, slotsAt, this.#apexes.length, zonesAt],
      HEADER.MAGIC,
    );
    this.#words.set(
      [published.length, this.#store.recordCount, nodesAt, end, this.#terms.ttlSeconds],
      HEADER.NODE_COUNT,
    );
    for (const node of published) {
      this.#writeSlot(node, slotsAt >>> 2, slotCount - 1);
      this.#writeNode(node);
    }
    this.#writeZones(zonesAt, negativeAt);
    return new AnswerTable(buffer);
  }

  /**
   * Nodes to publish: those with records, the apexes, and the empty non-terminals between. A name
   * with records below it exists, whether or not it has records itself (RFC 8020 §2).
   */
  #publish(): number[] {
    const store = this.#store;
    const published: number[] = [];
    /** Zone by node; UNSEEN until the node was looked at. */
    const zones: number[] = new Array<number>(store.nodeCount).fill(UNSEEN);
    const zoneSizes = this.#apexes.map((apex) => store.nameLength[apex.node]!);
    for (const apex of this.#apexes) {
      zones[apex.node] = this.#apexOf.get(apex.node)!;
      published.push(apex.node);
    }
    const collected = store.nodeCount;
    const path: number[] = [];
    const climb = (start: number): void => {
      let depth = 0;
      let node = start;
      while (zones[node] === UNSEEN) {
        zones[node] = NO_ZONE;
        path[depth++] = node;
        const parent = this.#parent(node, zoneSizes);
        if (parent === NO_NODE) break;
        node = parent;
        if (node === zones.length) zones.push(UNSEEN);
      }
      const zone = zones[node]!;
      for (let i = 0; i < depth; i++) {
        const member = path[i]!;
        zones[member] = zone;
        // Outside our zones nothing is answered, so there is nothing between names either.
        if (zone !== NO_ZONE || store.firstRecord[member] !== NO_RECORD) published.push(member);
      }
    };
    for (let start = 0; start < collected; start++) {
      if (store.firstRecord[start] !== NO_RECORD) climb(start);
    }
    // A zone within a zone: the names between their apexes exist too.
    for (const apex of this.#apexes) {
      const parent = this.#parent(apex.node, zoneSizes);
      if (parent === zones.length) zones.push(UNSEEN);
      if (parent !== NO_NODE) climb(parent);
    }
    this.#zone = Uint16Array.from(zones, (zone) => (zone === UNSEEN ? NO_ZONE : zone));
    this.#offset = new Uint32Array(store.nodeCount);
    return published;
  }

  /** Node one label up; NO_NODE if that is shorter than every apex, and so in no zone. */
  #parent(node: number, zoneSizes: readonly number[]): number {
    const store = this.#store;
    const label = store.names[store.nameAt[node]!]!;
    const rest = store.nameLength[node]! - label - 1;
    if (label === 0 || !zoneSizes.some((size) => rest >= size)) return NO_NODE;
    return store.ancestor(node, label + 1);
  }

  #nodeBytes(node: number): number {
    const store = this.#store;
    let [ipv4, ipv6, srv, srvData] = [0, 0, 0, 0];
    for (let r = store.firstRecord[node]!; r !== NO_RECORD; r = store.nextRecord[r]!) {
      const kind = store.kind[r];
      if (kind === RECORD_KIND.A) ipv4++;
      else if (kind === RECORD_KIND.AAAA) ipv6++;
      else {
        srv++;
        srvData += RECORD_HEAD_BYTES + SRV_HEAD_BYTES + store.nameLength[store.target[r]!]!;
      }
    }
    let size = 4 * NODE_WORDS + align(store.nameLength[node]!);
    if (ipv4 > 0) size += 4 * RRSET_WORDS + ipv4 * A_BYTES;
    if (ipv6 > 0) size += 4 * RRSET_WORDS + ipv6 * AAAA_BYTES;
    if (srv > 0) size += 4 * (RRSET_WORDS + INDEX_WORDS * srv) + align(srvData);
    const zone = this.#apexOf.get(node);
    if (zone !== undefined) {
      const apex = this.#apexes[zone]!;
      const ns = RECORD_HEAD_BYTES + store.nameLength[apex.mname]!;
      size += 4 * (2 * RRSET_WORDS + INDEX_WORDS) + align(ns) + align(apex.soaBytes);
    }
    return size;
  }

  #collect(node: number): NodeRecords {
    const store = this.#store;
    const sets: NodeRecords = { ipv4: [], ipv6: [], srv: [] };
    for (let r = store.firstRecord[node]!; r !== NO_RECORD; r = store.nextRecord[r]!) {
      const kind = store.kind[r];
      if (kind === RECORD_KIND.SRV) sets.srv.push(r);
      else if (kind === RECORD_KIND.A) sets.ipv4.push(store.addresses[store.value[r]!]!);
      else sets.ipv6.push(store.addresses[store.value[r]!]!);
    }
    return sets;
  }

  #writeSlot(node: number, slots: number, mask: number): void {
    const hash = this.#store.hash[node]! >>> 0;
    let slot = hash & mask;
    while (this.#words[slots + 2 * slot + 1] !== 0) slot = (slot + 1) & mask;
    this.#words[slots + 2 * slot] = hash;
    this.#words[slots + 2 * slot + 1] = this.#offset[node]!;
  }

  #writeNode(node: number): void {
    const store = this.#store;
    const sets = this.#collect(node);
    const zone = this.#apexOf.get(node);
    const count =
      Number(sets.ipv4.length > 0) +
      Number(sets.ipv6.length > 0) +
      Number(sets.srv.length > 0) +
      (zone === undefined ? 0 : 2);
    const offset = this.#offset[node]!;
    const nameAt = offset + 4 * (NODE_WORDS + RRSET_WORDS * count);
    let at = align(this.#copyName(node, nameAt));
    let header = (offset >>> 2) + NODE_WORDS;
    const put = (type: number, members: number, data: number, end: number, index = 0): void => {
      const words = this.#words;
      words[header + RRSET.TYPE] = type;
      words[header + RRSET.COUNT] = members;
      words[header + RRSET.DATA] = data;
      words[header + RRSET.DATA_BYTES] = end - data;
      words[header + RRSET.INDEX] = index;
      header += RRSET_WORDS;
      at = align(end);
    };
    const { ipv4, ipv6, srv } = sets;
    if (ipv4.length > 0) put(TYPE.A, ipv4.length, at, this.#writeAddresses(TYPE.A, ipv4, at));
    if (ipv6.length > 0) put(TYPE.AAAA, ipv6.length, at, this.#writeAddresses(TYPE.AAAA, ipv6, at));
    if (srv.length > 0) {
      const index = at;
      const data = at + 4 * INDEX_WORDS * srv.length;
      put(TYPE.SRV, srv.length, data, this.#writeServices(srv, index, data), index);
    }
    if (zone !== undefined) {
      const index = at;
      const data = at + 4 * INDEX_WORDS;
      put(TYPE.NS, 1, data, this.#writeNs(this.#apexes[zone]!, index, data), index);
      put(TYPE.SOA, 1, at, this.#writeSoa(zone, this.#terms.ttlSeconds, at));
    }
    this.#words[offset >>> 2] = store.nameLength[node]! | (this.#zone[node]! << 8) | (count << 24);
    this.#words[(offset >>> 2) + 1] = at - offset;
  }

  #copyName(node: number, at: number): number {
    const store = this.#store;
    const from = store.nameAt[node]!;
    const length = store.nameLength[node]!;
    for (let i = 0; i < length; i++) this.#bytes[at + i] = store.names[from + i]!;
    return at + length;
  }

  #writeHead(at: number, type: number, ttlSeconds: number, rdataBytes: number): number {
    const bytes = this.#bytes;
    writeU16(bytes, at, QUESTION_POINTER);
    writeU16(bytes, at + 2, type);
    writeU16(bytes, at + 4, CLASS.IN);
    writeU32(bytes, at + 6, ttlSeconds);
    writeU16(bytes, at + 10, rdataBytes);
    return at + RECORD_HEAD_BYTES;
  }

  #writeAddresses(type: number, addresses: IpAddress[], start: number): number {
    let at = start;
    if (addresses.length > 1) addresses.sort(byBytes);
    for (const { bytes } of addresses) {
      at = this.#writeHead(at, type, this.#terms.ttlSeconds, bytes.length);
      for (let i = 0; i < bytes.length; i++) this.#bytes[at + i] = bytes[i]!;
      at += bytes.length;
    }
    return at;
  }

  /** Targets stay uncompressed (RFC 2782); equal targets stand side by side. */
  #writeServices(records: number[], index: number, start: number): number {
    const store = this.#store;
    if (records.length > 1) records.sort((a, b) => this.#compareServices(a, b));
    let at = start;
    let entry = index >>> 2;
    for (const record of records) {
      const target = store.target[record]!;
      this.#words[entry] = at;
      this.#words[entry + 1] = this.#offset[target]!;
      entry += INDEX_WORDS;
      const rdataBytes = SRV_HEAD_BYTES + store.nameLength[target]!;
      at = this.#writeHead(at, TYPE.SRV, this.#terms.ttlSeconds, rdataBytes);
      writeU16(this.#bytes, at, 0);
      writeU16(this.#bytes, at + 2, this.#terms.srvWeight);
      writeU16(this.#bytes, at + 4, store.value[record]!);
      at = this.#copyName(target, at + SRV_HEAD_BYTES);
    }
    return at;
  }

  /** By target name, then port: the order must not depend on that of the tasks. */
  #compareServices(a: number, b: number): number {
    const { target, value, nameAt, nameLength, names } = this.#store;
    const [targetA, targetB] = [target[a]!, target[b]!];
    if (targetA === targetB) return value[a]! - value[b]!;
    const [atA, atB] = [nameAt[targetA]!, nameAt[targetB]!];
    const length = Math.min(nameLength[targetA]!, nameLength[targetB]!);
    for (let i = 0; i < length; i++) {
      const difference = names[atA + i]! - names[atB + i]!;
      if (difference !== 0) return difference;
    }
    return nameLength[targetA]! - nameLength[targetB]!;
  }

  #writeNs(apex: Apex, index: number, at: number): number {
    this.#words[index >>> 2] = at;
    this.#words[(index >>> 2) + 1] = this.#offset[apex.mname]!;
    const rdataBytes = this.#store.nameLength[apex.mname]!;
    return this.#copyName(
      apex.mname,
      this.#writeHead(at, TYPE.NS, this.#terms.ttlSeconds, rdataBytes),
    );
  }

  #writeSoa(zone: number, ttlSeconds: number, start: number): number {
    const { mname, rname, soaBytes } = this.#apexes[zone]!;
    const { refreshSeconds, retrySeconds, expireSeconds, minimumSeconds } =
      this.#terms.zones[zone]!;
    let at = this.#writeHead(start, TYPE.SOA, ttlSeconds, soaBytes - RECORD_HEAD_BYTES);
    at = this.#copyName(rname, this.#copyName(mname, at));
    for (const number of [0, refreshSeconds, retrySeconds, expireSeconds, minimumSeconds]) {
      writeU32(this.#bytes, at, number);
      at += 4;
    }
    return at;
  }

  #writeZones(zonesAt: number, negativeAt: number): void {
    let at = negativeAt;
    for (const [i, apex] of this.#apexes.entries()) {
      const word = (zonesAt >>> 2) + i * ZONE_WORDS;
      // RFC 2308 §3: the TTL of a negative answer's SOA is the smaller of its own and MINIMUM.
      const ttl = Math.min(this.#terms.ttlSeconds, this.#terms.zones[i]!.minimumSeconds);
      const end = this.#writeSoa(i, ttl, at);
      this.#words[word + ZONE.APEX_NODE] = this.#offset[apex.node]!;
      this.#words[word + ZONE.NEGATIVE_SOA] = at;
      this.#words[word + ZONE.NEGATIVE_SOA_BYTES] = end - at;
      at = align(end);
    }
  }
}

function byBytes(a: IpAddress, b: IpAddress): number {
  for (let i = 0; i < a.bytes.length; i++) {
    const difference = a.bytes[i]! - b.bytes[i]!;
    if (difference !== 0) return difference;
  }
  return 0;
}
