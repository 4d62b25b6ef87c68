import type { Random } from '../base/random.ts';
import {
  type AnswerTable,
  NO_ZONE,
  RECORD_HEAD_BYTES,
  RRSET,
  RRSET_WORDS,
  SRV_HEAD_BYTES,
  ZONE,
} from './answer-table.ts';
import {
  EDE,
  FLAG,
  HEADER_BYTES,
  MESSAGE_BYTES_MAX,
  OPCODE_MASK,
  OPT_BYTES,
  RCODE,
  TYPE,
  UDP_PLAIN_BYTES_MAX,
} from './constants.ts';
import { FORM, isServedClass, Query } from './query.ts';
import { writeU16, writeU32 } from './wire.ts';

/** Verdicts of `Answerer.answer` besides a length. */
export const DROP = 0;
export const FORWARD = -1;

export interface AnswerSettings {
  /** Largest UDP answer and the size we announce (RFC 6891 §6.2.3). */
  readonly udpPayloadSize: number;
  /** RA bit of answers from our zones. */
  readonly recursionAvailable: boolean;
  /** TC bit of cut answers. */
  readonly truncateBit: boolean;
}

/** Extended error option: code, length, info code (RFC 8914 §2). */
const EDE_BYTES = 6;
const EDE_OPTION = 15;
/** Compression pointers reach the first 16 KiB of a message (RFC 1035 §4.1.4). */
const POINTER_MAX = 0x3fff;

/**
 * Answers queries from an answer table, byte for byte, without allocating. One per thread: the
 * parsed query and the write position are kept between calls.
 */
export class Answerer {
  /** The query of the last `answer` call. */
  readonly query: Query = new Query();
  /** Zone index that answered last, NO_ZONE for refusals and forwarded names. */
  zone: number = NO_ZONE;
  /** Response code of the last reply, extended ones whole: the header has only its low 4 bits. */
  rcode: number = RCODE.NOERROR;
  readonly #settings: AnswerSettings;
  readonly #random: Random;
  #out: Uint8Array = new Uint8Array(0);
  #at = 0;
  /** Answers must end here: the client's limit less our OPT record. */
  #limit = 0;
  #answers = 0;
  #authority = 0;
  #additional = 0;

  constructor(settings: AnswerSettings, random: Random) {
    this.#settings = settings;
    this.#random = random;
  }

  /**
   * Writes the answer to `length` octets of `message` into `out` (at least 65,535 octets) and
   * returns its length; DROP for what gets no reply, FORWARD for good questions outside our zones.
   */
  answer(
    table: AnswerTable,
    message: Uint8Array,
    length: number,
    overTcp: boolean,
    out: Uint8Array,
  ): number {
    const query = this.query;
    this.zone = NO_ZONE;
    const form = query.parse(message, length);
    if (form === FORM.DROP) return DROP;
    this.#begin(message, overTcp, out);
    if (form === FORM.FORMERR) return this.#finish(RCODE.FORMERR, 0);
    if (form === FORM.NOTIMP) return this.#finish(RCODE.NOTIMP, 0);
    if (query.ednsVersion > 0) return this.#finish(RCODE.BADVERS, 0);
    if (!isServedClass(query.qclass)) return this.#finish(RCODE.REFUSED, 0);
    const refusal = metaTypeRcode(query.qtype);
    if (refusal !== RCODE.NOERROR) return this.#finish(refusal, 0);
    const node = table.find(query.name, 0, query.nameLength, query.hash);
    const zone = node === 0 ? table.zoneOf(query.name, query.nameLength) : table.zoneIndex(node);
    if (zone === NO_ZONE) return FORWARD;
    this.zone = zone;
    if (!table.ready) return this.#finish(RCODE.SERVFAIL, 0, EDE.NOT_READY);
    return this.#answerFromZone(table, node, zone);
  }

  /** Refusal or failure of a good question outside our zones: AA and RA clear. */
  fail(
    message: Uint8Array,
    length: number,
    rcode: number,
    ede: number,
    overTcp: boolean,
    out: Uint8Array,
  ): number {
    this.query.parse(message, length);
    this.#begin(message, overTcp, out);
    return this.#finish(rcode, 0, ede);
  }

  /** Octets that a reply to the last query may have. */
  replyBytesMax(overTcp: boolean): number {
    if (overTcp) return MESSAGE_BYTES_MAX;
    return this.query.edns
      ? Math.min(this.query.udpPayloadSize, this.#settings.udpPayloadSize)
      : UDP_PLAIN_BYTES_MAX;
  }

  #begin(message: Uint8Array, overTcp: boolean, out: Uint8Array): void {
    const { query } = this;
    const end = query.questionEnd === 0 ? HEADER_BYTES : query.questionEnd;
    // The question goes back as it came: clients check the case of its letters (0x20).
    for (let i = 0; i < end; i++) out[i] = message[i]!;
    this.#out = out;
    this.#at = end;
    this.#limit = this.replyBytesMax(overTcp) - (query.edns ? OPT_BYTES : 0);
    this.#answers = 0;
    this.#authority = 0;
    this.#additional = 0;
  }

  #answerFromZone(table: AnswerTable, node: number, zone: number): number {
    const flags = FLAG.AA | (this.#settings.recursionAvailable ? FLAG.RA : 0);
    if (node === 0) return this.#negative(table, zone, RCODE.NXDOMAIN, flags);
    const { qtype } = this.query;
    // RFC 8482 §4.1: ANY gets one RRset, which no attacker can turn into a flood.
    const rrset =
      qtype === TYPE.ANY && table.rrsetCount(node) > 0
        ? table.rrsetAt(node, 0)
        : table.rrset(node, qtype);
    if (rrset === 0) return this.#negative(table, zone, RCODE.NOERROR, flags);
    const whole = this.#writeAnswers(table, rrset);
    const truncated = !whole && this.#settings.truncateBit ? FLAG.TC : 0;
    return this.#finish(RCODE.NOERROR, flags | truncated);
  }

  /** NXDOMAIN or NODATA with the apex SOA, from which resolvers take the TTL (RFC 2308). */
  #negative(table: AnswerTable, zone: number, rcode: number, flags: number): number {
    const at = table.zoneAt(zone);
    const apexBytes = table.nameLength(table.words[at + ZONE.APEX_NODE]!);
    const size = table.words[at + ZONE.NEGATIVE_SOA_BYTES]!;
    if (this.#at + size > this.#limit) return this.#finish(rcode, flags | FLAG.TC);
    this.#copy(table.bytes, table.words[at + ZONE.NEGATIVE_SOA]!, size);
    // The owner is the apex, which ends the qname.
    const pointer = HEADER_BYTES + this.query.nameLength - apexBytes;
    writeU16(this.#out, this.#at - size, 0xc000 | pointer);
    this.#authority = 1;
    return this.#finish(rcode, flags);
  }

  /** Writes an RRset from a random record on, round robin; false if not all of it fits. */
  #writeAnswers(table: AnswerTable, rrset: number): boolean {
    const { words } = table;
    const count = words[rrset + RRSET.COUNT]!;
    const type = words[rrset + RRSET.TYPE]!;
    const first = count > 1 ? Math.floor(this.#random() * count) : 0;
    const dataEnd = words[rrset + RRSET.DATA]! + words[rrset + RRSET.DATA_BYTES]!;
    const start = this.#at;
    for (let i = 0; i < count; i++) {
      const record = first + i < count ? first + i : first + i - count;
      const from = table.recordOffset(rrset, record);
      const to = record + 1 < count ? table.recordOffset(rrset, record + 1) : dataEnd;
      if (this.#at + to - from > this.#limit) return false;
      this.#copy(table.bytes, from, to - from);
      this.#answers++;
    }
    const targetOffset = type === TYPE.SRV ? RECORD_HEAD_BYTES + SRV_HEAD_BYTES : RECORD_HEAD_BYTES;
    if (type === TYPE.SRV || type === TYPE.NS) {
      this.#writeTargets(table, rrset, first, count, start, targetOffset);
    }
    return true;
  }

  /**
   * Additional section: all addresses of every target (RFC 2782), whole RRsets as far as they fit.
   * Leaving some out does not set TC: nothing that was asked for is missing (RFC 2181 §9).
   */
  #writeTargets(
    table: AnswerTable,
    rrset: number,
    first: number,
    count: number,
    start: number,
    targetOffset: number,
  ): void {
    let answerAt = start;
    let previous = 0;
    let opening = 0;
    for (let i = 0; i < count; i++) {
      const record = first + i < count ? first + i : first + i - count;
      const target = table.targetNode(rrset, record);
      const ownerAt = answerAt + targetOffset;
      answerAt = this.#recordEnd(answerAt);
      // Equal targets stand side by side; rotation can only part the first group.
      if (target === 0 || target === previous || target === opening) continue;
      if (i === 0) opening = target;
      previous = target;
      const sets = table.rrsetCount(target);
      for (let s = 0; s < sets; s++) {
        const set = table.rrsetAt(target, 0) + s * RRSET_WORDS;
        const type = table.words[set + RRSET.TYPE]!;
        if (type !== TYPE.A && type !== TYPE.AAAA) continue;
        if (!this.#writeAdditional(table, set, target, ownerAt)) return;
      }
    }
  }

  #writeAdditional(table: AnswerTable, set: number, target: number, ownerAt: number): boolean {
    const count = table.words[set + RRSET.COUNT]!;
    const size = table.words[set + RRSET.DATA_BYTES]!;
    const stride = size / count;
    const owned = ownerAt <= POINTER_MAX;
    const ownerBytes = owned ? 2 : table.nameLength(target);
    if (this.#at + size + count * (ownerBytes - 2) > this.#limit) return false;
    for (let i = 0, from = table.words[set + RRSET.DATA]!; i < count; i++, from += stride) {
      if (owned) {
        writeU16(this.#out, this.#at, 0xc000 | ownerAt);
        this.#at += 2;
      } else {
        this.#copy(table.bytes, table.nameOffset(target), ownerBytes);
      }
      this.#copy(table.bytes, from + 2, stride - 2);
    }
    this.#additional += count;
    return true;
  }

  /** End of a record that we wrote with a pointer as its owner. */
  #recordEnd(at: number): number {
    return at + RECORD_HEAD_BYTES + ((this.#out[at + 10]! << 8) | this.#out[at + 11]!);
  }

  #copy(from: Uint8Array, offset: number, size: number): void {
    const out = this.#out;
    const at = this.#at;
    for (let i = 0; i < size; i++) out[at + i] = from[offset + i]!;
    this.#at = at + size;
  }

  /** Writes the header and our OPT record; returns the length of the message. */
  #finish(rcode: number, flags: number, ede = 0): number {
    const { query } = this;
    const out = this.#out;
    this.rcode = rcode;
    // Mesos-DNS clears RD where it could not read the message; scripts compare whole headers.
    const copied = rcode === RCODE.FORMERR ? OPCODE_MASK : OPCODE_MASK | FLAG.RD | FLAG.CD;
    const kept = query.flags & copied;
    writeU16(out, 2, FLAG.QR | kept | flags | (rcode & 0x0f));
    writeU16(out, 4, query.questionEnd === 0 ? 0 : 1);
    writeU16(out, 6, this.#answers);
    writeU16(out, 8, this.#authority);
    writeU16(out, 10, this.#additional + (query.edns ? 1 : 0));
    if (query.edns) this.#writeOpt(rcode, ede);
    return this.#at;
  }

  /** OPT goes into every reply to a query that had one (RFC 6891 §6.1.1). */
  #writeOpt(rcode: number, ede: number): void {
    const out = this.#out;
    const at = this.#at;
    out[at] = 0;
    writeU16(out, at + 1, TYPE.OPT);
    writeU16(out, at + 3, this.#settings.udpPayloadSize);
    writeU32(out, at + 5, ((rcode >>> 4) << 24) | (this.query.dnssecOk ? 0x8000 : 0));
    writeU16(out, at + 9, ede === 0 ? 0 : EDE_BYTES);
    this.#at = at + OPT_BYTES;
    if (ede === 0) return;
    writeU16(out, this.#at, EDE_OPTION);
    writeU16(out, this.#at + 2, 2);
    writeU16(out, this.#at + 4, ede);
    this.#at += EDE_BYTES;
  }
}

/** Rcode of question types that no zone can answer (RFC 6895 §3.1), NOERROR for all others. */
function metaTypeRcode(qtype: number): number {
  switch (qtype) {
    case TYPE.OPT:
      return RCODE.FORMERR;
    case TYPE.TKEY:
    case TYPE.TSIG:
    case TYPE.MAILA:
    case TYPE.MAILB:
      return RCODE.NOTIMP;
    // D24: zone transfers are refused, over either transport.
    case TYPE.AXFR:
    case TYPE.IXFR:
      return RCODE.REFUSED;
    default:
      return RCODE.NOERROR;
  }
}
