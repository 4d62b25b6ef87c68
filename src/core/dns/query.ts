import {
  CLASS,
  FLAG,
  HEADER_BYTES,
  NAME_BYTES_MAX,
  TYPE,
  UDP_PLAIN_BYTES_MAX,
  OPCODE_MASK,
  RECORD_BYTES_MIN,
} from './constants.ts';
import { hashWireName } from './name.ts';
import { lowerOctet, readU16, skipName } from './wire.ts';

/** What to do with a received message, by its form alone. */
export const FORM = {
  /** A question we can look up. */
  GOOD: 0,
  /** Not a query, or too short to answer: no reply at all (RFC 1035 §4.1.1, two servers must not
   * answer each other for ever). */
  DROP: 1,
  /** Cannot be decoded; the header can. */
  FORMERR: 2,
  /** An operation we do not have (RFC 1035 §4.1.1 opcode). */
  NOTIMP: 3,
} as const;

export type Form = (typeof FORM)[keyof typeof FORM];

/** Name of one octet, type and class. */
const QUESTION_BYTES_MIN = 5;

/**
 * A parsed query. One object is used again for every packet, so that the hot path allocates
 * nothing; the fields are those of the last `parse`.
 */
export class Query {
  flags = 0;
  qtype = 0;
  qclass = 0;
  /** Octets of the qname on the wire, root label included. */
  nameLength = 0;
  /** Lower-case copy of the qname; `nameLength` octets of it count. */
  readonly name: Uint8Array = new Uint8Array(NAME_BYTES_MAX + 1);
  /** `hashWireName` of the lower-case qname. */
  hash = 0;
  /** End of the question section, 0 if there is no readable question. */
  questionEnd = 0;
  /** An OPT record was there (RFC 6891). */
  edns = false;
  ednsVersion = 0;
  /** DNSSEC OK (RFC 3225). */
  dnssecOk = false;
  /** What the client can take over UDP: 512 without EDNS (RFC 6891 §6.2.3). */
  udpPayloadSize: number = UDP_PLAIN_BYTES_MAX;

  /** Reads `length` octets of `message`. Work is bounded by the length; never throws. */
  parse(message: Uint8Array, length: number): Form {
    this.questionEnd = 0;
    this.edns = false;
    this.ednsVersion = 0;
    this.dnssecOk = false;
    this.udpPayloadSize = UDP_PLAIN_BYTES_MAX;
    this.flags = 0;
    if (length < HEADER_BYTES) return FORM.DROP;
    this.flags = readU16(message, 2);
    if ((this.flags & FLAG.QR) !== 0) return FORM.DROP;
    if ((this.flags & OPCODE_MASK) !== 0) return FORM.NOTIMP;
    // RFC 9619: exactly one question.
    if (readU16(message, 4) !== 1) return FORM.FORMERR;
    const records = readU16(message, 6) + readU16(message, 8) + readU16(message, 10);
    if (HEADER_BYTES + QUESTION_BYTES_MIN + records * RECORD_BYTES_MIN > length) {
      return FORM.FORMERR;
    }
    const nameEnd = this.#parseName(message, length);
    if (nameEnd < 0 || nameEnd + 4 > length) return FORM.FORMERR;
    this.qtype = readU16(message, nameEnd);
    this.qclass = readU16(message, nameEnd + 2);
    this.questionEnd = nameEnd + 4;
    if (records === 0) return FORM.GOOD;
    return this.#parseRecords(message, length) ? FORM.GOOD : FORM.FORMERR;
  }

  /** Copies the qname in lower case, hashes it; returns its end or -1. No pointers: nothing stands
   * before the first question that one could point at. */
  #parseName(message: Uint8Array, length: number): number {
    const name = this.name;
    let at = 0;
    for (;;) {
      if (HEADER_BYTES + at >= length || at >= NAME_BYTES_MAX) return -1;
      const labelLength = message[HEADER_BYTES + at]!;
      if (labelLength > 63 || HEADER_BYTES + at + labelLength >= length) return -1;
      if (at + labelLength >= NAME_BYTES_MAX) return -1;
      const labelEnd = at + labelLength;
      name[at] = labelLength;
      for (at++; at <= labelEnd; at++) {
        name[at] = lowerOctet(message[HEADER_BYTES + at]!);
      }
      if (labelLength === 0) break;
    }
    this.nameLength = at;
    this.hash = hashWireName(name, 0, at);
    return HEADER_BYTES + at;
  }

  /** Walks the sections behind the question; only OPT matters, and only one (RFC 6891 §6.1.1). */
  #parseRecords(message: Uint8Array, length: number): boolean {
    const beforeAdditional = readU16(message, 6) + readU16(message, 8);
    const total = beforeAdditional + readU16(message, 10);
    let at = this.questionEnd;
    for (let i = 0; i < total; i++) {
      const owner = at;
      at = skipName(message, at, length);
      if (at < 0 || at + 10 > length) return false;
      const type = readU16(message, at);
      const rdata = at + 10;
      const end = rdata + readU16(message, at + 8);
      if (end > length) return false;
      if (type === TYPE.OPT) {
        if (this.edns || i < beforeAdditional || message[owner] !== 0) return false;
        if (!optionsAreWhole(message, rdata, end)) return false;
        this.edns = true;
        this.udpPayloadSize = Math.max(UDP_PLAIN_BYTES_MAX, readU16(message, at + 2));
        this.ednsVersion = message[at + 5]!;
        this.dnssecOk = (message[at + 6]! & 0x80) !== 0;
      }
      at = end;
    }
    return true;
  }
}

/** Options must fill the OPT record exactly (RFC 6891 §6.1.2). */
function optionsAreWhole(message: Uint8Array, start: number, end: number): boolean {
  let at = start;
  while (at < end) {
    if (at + 4 > end) return false;
    at += 4 + readU16(message, at + 2);
  }
  return at === end;
}

/** True for the classes whose questions we look up; D18: all others are refused. */
export function isServedClass(qclass: number): boolean {
  return qclass === CLASS.IN || qclass === CLASS.ANY;
}
