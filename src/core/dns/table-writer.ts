import type { IpAddress } from '../base/address.ts';
import { assert } from '../base/assert.ts';
import { compareAddresses } from '../base/order.ts';
import {
  INDEX_WORDS,
  NO_ZONE,
  NODE_WORDS,
  RECORD_HEAD_BYTES,
  RRSET,
  RRSET_WORDS,
  SRV_HEAD_BYTES,
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
export const SOA_NUMBERS_BYTES = 20;
const A_BYTES: number = RECORD_HEAD_BYTES + 4;
const AAAA_BYTES: number = RECORD_HEAD_BYTES + 16;

/** Octets up to the next word. */
export const align = (bytes: number): number => (bytes + 3) & ~3;

/** The apex of a zone, its names being nodes of the store. */
export interface Apex {
  readonly node: number;
  readonly mname: number;
  readonly rname: number;
  readonly soaBytes: number;
}

/** Records of one node by type: addresses, and numbers in the store. */
interface NodeRecords {
  readonly ipv4: IpAddress[];
  readonly ipv6: IpAddress[];
  readonly srv: number[];
  readonly ptr: number[];
}

/** Writes nodes and zones of one store into the memory of a table. */
export class TableWriter {
  /** By zone. */
  readonly apexes: readonly Apex[];
  readonly #store: RecordStore;
  readonly #terms: ZoneTerms;
  #words: Uint32Array = new Uint32Array(0);
  #bytes: Uint8Array = new Uint8Array(0);
  /** Where the next RRset of the node goes: word of its description, offset of its data. */
  #rrsetAt = 0;
  #at = 0;

  constructor(store: RecordStore, terms: ZoneTerms) {
    this.#store = store;
    this.#terms = terms;
    this.apexes = terms.zones.map((zone) => {
      const [node, mname, rname] = [zone.apex, zone.mname, zone.rname].map((name) =>
        store.node(name),
      ) as [number, number, number];
      assert(Math.min(node, mname, rname) >= 0, 'zone names come from a checked configuration');
      const names = store.nameLength[mname]! + store.nameLength[rname]!;
      return { node, mname, rname, soaBytes: RECORD_HEAD_BYTES + names + SOA_NUMBERS_BYTES };
    });
  }

  /** Where to write from now on. */
  into(buffer: SharedArrayBuffer): void {
    this.#words = new Uint32Array(buffer);
    this.#bytes = new Uint8Array(buffer);
  }

  /** Octets of a node, a whole number of words; `apex` if it is one. */
  nodeBytes(node: number, apex: Apex | null): number {
    const { firstRecord, nextRecord, kind, target, nameLength } = this.#store;
    let [ipv4, ipv6, srv, srvData, ptr, ptrData] = [0, 0, 0, 0, 0, 0];
    for (let r = firstRecord[node]!; r !== NO_RECORD; r = nextRecord[r]!) {
      if (kind[r] === RECORD_KIND.A) ipv4++;
      else if (kind[r] === RECORD_KIND.AAAA) ipv6++;
      else if (kind[r] === RECORD_KIND.SRV) {
        srv++;
        srvData += RECORD_HEAD_BYTES + SRV_HEAD_BYTES + nameLength[target[r]!]!;
      } else {
        ptr++;
        ptrData += RECORD_HEAD_BYTES + nameLength[target[r]!]!;
      }
    }
    let size = 4 * NODE_WORDS + align(nameLength[node]!);
    if (ipv4 > 0) size += 4 * RRSET_WORDS + ipv4 * A_BYTES;
    if (ipv6 > 0) size += 4 * RRSET_WORDS + ipv6 * AAAA_BYTES;
    if (srv > 0) size += 4 * (RRSET_WORDS + INDEX_WORDS * srv) + align(srvData);
    if (ptr > 0) size += 4 * (RRSET_WORDS + INDEX_WORDS * ptr) + align(ptrData);
    if (apex !== null) {
      const ns = RECORD_HEAD_BYTES + nameLength[apex.mname]!;
      size += 4 * (2 * RRSET_WORDS + INDEX_WORDS) + align(ns) + align(apex.soaBytes);
    }
    return size;
  }

  #collect(node: number): NodeRecords {
    const { firstRecord, nextRecord, kind, value, addresses } = this.#store;
    const sets: NodeRecords = { ipv4: [], ipv6: [], srv: [], ptr: [] };
    for (let r = firstRecord[node]!; r !== NO_RECORD; r = nextRecord[r]!) {
      if (kind[r] === RECORD_KIND.A) sets.ipv4.push(addresses[value[r]!]!);
      else if (kind[r] === RECORD_KIND.AAAA) sets.ipv6.push(addresses[value[r]!]!);
      else if (kind[r] === RECORD_KIND.SRV) sets.srv.push(r);
      else sets.ptr.push(r);
    }
    return sets;
  }

  /** Writes a node at `offset`. `zone`: index of the one it is in; `apexOf`: of the one whose apex it is. */
  writeNode(node: number, offset: number, zone: number, apexOf: number): void {
    const first = this.#store.firstRecord[node]!;
    const isSmall = first === NO_RECORD || this.#store.nextRecord[first] === NO_RECORD;
    if (apexOf === NO_ZONE && isSmall) {
      this.#beginNode(node, offset, zone, first === NO_RECORD ? 0 : 1);
      this.#writeSmallNode(first);
    } else {
      this.#writeSets(node, offset, zone, apexOf);
    }
  }

  #writeSets(node: number, offset: number, zone: number, apexOf: number): void {
    const { ipv4, ipv6, srv, ptr } = this.#collect(node);
    let count = apexOf === NO_ZONE ? 0 : 2;
    for (const set of [ipv4, ipv6, srv, ptr]) if (set.length > 0) count++;
    this.#beginNode(node, offset, zone, count);
    if (ipv4.length > 0) this.#putAddresses(TYPE.A, ipv4);
    if (ipv6.length > 0) this.#putAddresses(TYPE.AAAA, ipv6);
    if (srv.length > 0) this.#putTargets(TYPE.SRV, srv);
    if (ptr.length > 0) this.#putTargets(TYPE.PTR, ptr);
    if (apexOf === NO_ZONE) return;
    const index = this.#at;
    const data = index + 4 * INDEX_WORDS;
    this.#put(TYPE.NS, 1, data, this.#writeNs(this.apexes[apexOf]!, index, data), index);
    this.#put(TYPE.SOA, 1, this.#at, this.#writeSoa(apexOf, this.#terms.ttlSeconds, this.#at), 0);
  }

  /** Most names have one record, or are between others and have none: no lists for them. */
  #writeSmallNode(record: number): void {
    if (record === NO_RECORD) return;
    const kind = this.#store.kind[record];
    if (kind === RECORD_KIND.SRV) this.#putTarget(TYPE.SRV, record);
    else if (kind === RECORD_KIND.PTR) this.#putTarget(TYPE.PTR, record);
    else {
      const { family, bytes } = this.#store.addresses[this.#store.value[record]!]!;
      const type = family === 4 ? TYPE.A : TYPE.AAAA;
      this.#put(type, 1, this.#at, this.#writeAddress(type, bytes, this.#at), 0);
    }
  }

  /** Writes what stands before the data of a node's RRsets. */
  #beginNode(node: number, offset: number, zone: number, rrsets: number): void {
    const nameBytes = this.#store.nameLength[node]!;
    this.#words[offset >>> 2] = nameBytes | (zone << 8) | (rrsets << 24);
    this.#rrsetAt = (offset >>> 2) + NODE_WORDS;
    this.#at = align(this.#copyName(node, offset + 4 * (NODE_WORDS + RRSET_WORDS * rrsets)));
  }

  #put(type: number, members: number, data: number, end: number, index: number): void {
    const words = this.#words;
    const header = this.#rrsetAt;
    words[header + RRSET.TYPE] = type;
    words[header + RRSET.COUNT] = members;
    words[header + RRSET.DATA] = data;
    words[header + RRSET.DATA_BYTES] = end - data;
    words[header + RRSET.INDEX] = index;
    this.#rrsetAt = header + RRSET_WORDS;
    this.#at = align(end);
  }

  #putAddresses(type: number, addresses: IpAddress[]): void {
    this.#put(type, addresses.length, this.#at, this.#writeAddresses(type, addresses, this.#at), 0);
  }

  #putTargets(type: number, records: number[]): void {
    const index = this.#at;
    const data = index + 4 * INDEX_WORDS * records.length;
    if (records.length > 1) records.sort((a, b) => this.#compareTargets(a, b));
    let at = data;
    for (const [i, record] of records.entries()) {
      at = this.#writeTarget(type, record, index + 4 * INDEX_WORDS * i, at);
    }
    this.#put(type, records.length, data, at, index);
  }

  #putTarget(type: number, record: number): void {
    const index = this.#at;
    const data = index + 4 * INDEX_WORDS;
    this.#put(type, 1, data, this.#writeTarget(type, record, index, data), index);
  }

  #copyName(node: number, at: number): number {
    const { names, nameAt, nameLength } = this.#store;
    const bytes = this.#bytes;
    const from = nameAt[node]!;
    const length = nameLength[node]!;
    for (let i = 0; i < length; i++) bytes[at + i] = names[from + i]!;
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
    if (addresses.length > 1) addresses.sort(compareAddresses);
    for (const { bytes } of addresses) at = this.#writeAddress(type, bytes, at);
    return at;
  }

  #writeAddress(type: number, address: Uint8Array, start: number): number {
    const at = this.#writeHead(start, type, this.#terms.ttlSeconds, address.length);
    const bytes = this.#bytes;
    for (let i = 0; i < address.length; i++) bytes[at + i] = address[i]!;
    return at + address.length;
  }

  /**
   * Writes an SRV or PTR record and its entry in the index. Targets stay uncompressed: SRV's must
   * (RFC 2782), PTR's may, and so their bytes do not depend on where they go.
   */
  #writeTarget(type: number, record: number, entry: number, start: number): number {
    const store = this.#store;
    const target = store.target[record]!;
    this.#words[entry >>> 2] = start;
    this.#words[(entry >>> 2) + 1] = store.hash[target]!;
    const numbersBytes = type === TYPE.SRV ? SRV_HEAD_BYTES : 0;
    const rdataBytes = numbersBytes + store.nameLength[target]!;
    const at = this.#writeHead(start, type, this.#terms.ttlSeconds, rdataBytes);
    if (type === TYPE.SRV) {
      writeU16(this.#bytes, at, 0);
      writeU16(this.#bytes, at + 2, this.#terms.srvWeight);
      writeU16(this.#bytes, at + 4, store.value[record]!);
    }
    return this.#copyName(target, at + numbersBytes);
  }

  /**
   * By target name, then port: equal targets stand side by side, and the order does not depend on
   * that of the tasks.
   */
  #compareTargets(a: number, b: number): number {
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
    this.#words[(index >>> 2) + 1] = this.#store.hash[apex.mname]!;
    const rdataBytes = this.#store.nameLength[apex.mname]!;
    return this.#copyName(
      apex.mname,
      this.#writeHead(at, TYPE.NS, this.#terms.ttlSeconds, rdataBytes),
    );
  }

  #writeSoa(zone: number, ttlSeconds: number, start: number): number {
    const { mname, rname, soaBytes } = this.apexes[zone]!;
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

  /**
   * Writes the zones at `zonesAt` and from `soaAt` on the SOA records of their negative answers;
   * `offsetOf` says where apexes are. All offsets are octets.
   */
  writeZones(zonesAt: number, soaAt: number, offsetOf: (node: number) => number): void {
    let at = soaAt;
    for (const [i, apex] of this.apexes.entries()) {
      const word = (zonesAt >>> 2) + i * ZONE_WORDS;
      // RFC 2308 §3: the TTL of a negative answer's SOA is the smaller of its own and MINIMUM.
      const ttl = Math.min(this.#terms.ttlSeconds, this.#terms.zones[i]!.minimumSeconds);
      const end = this.#writeSoa(i, ttl, at);
      this.#words[word + ZONE.APEX_NODE] = offsetOf(apex.node);
      this.#words[word + ZONE.NEGATIVE_SOA] = at;
      this.#words[word + ZONE.NEGATIVE_SOA_BYTES] = end - at;
      at = align(end);
    }
  }
}
