import {
  CLASS,
  FLAG,
  HEADER_BYTES,
  LABEL_BYTES_MAX,
  NAME_BYTES_MAX,
  OPCODE,
  OPTION,
  TYPE,
  UDP_PLAIN_BYTES_MAX,
  OPCODE_MASK,
  RECORD_BYTES_MIN,
} from './constants.ts';
import { DOT, FNV_OFFSET, FNV_PRIME } from './name.ts';
import { lowerOctet, readU16, readU32, skipName } from './wire.ts';

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
  /** Word of a change in a zone, for its secondaries (RFC 1996 §3): we are none. */
  NOTIFY: 4,
  /** No question, but a cookie: the client wants one of ours (RFC 7873 §5.4). */
  COOKIE: 5,
} as const;

export type Form = (typeof FORM)[keyof typeof FORM];

/** A client cookie of 8 octets alone, or a server cookie of 8 to 32 behind it (RFC 7873 §4). */
const CLIENT_COOKIE_BYTES = 8;
const COOKIE_BYTES_MIN = 16;
const COOKIE_BYTES_MAX = 40;

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
  /** The same memory; there are zeros behind the name up to the end of its last word. */
  readonly nameWords: Uint32Array = new Uint32Array(this.name.buffer);
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
  /** Where the client cookie stands, the server cookie behind it if there is one; 0: no cookies. */
  cookieAt = 0;
  /** Octets of both cookies. */
  cookieLength = 0;
  /** The client wants to know which server this is (RFC 5001). */
  nsid = false;
  /** Octets in the tcp-keepalive option, -1 without one (RFC 7828); a query should have none. */
  keepaliveLength = -1;
  /** The message is signed with a key that both sides should know (RFC 8945). */
  tsig = false;

  /** Reads `length` octets of `message`. Work is bounded by the length; never throws. */
  parse(message: Uint8Array, length: number): Form {
    this.#clear();
    if (length < HEADER_BYTES) return FORM.DROP;
    this.flags = readU16(message, 2);
    if ((this.flags & FLAG.QR) !== 0) return FORM.DROP;
    if ((this.flags & OPCODE_MASK) !== OPCODE.QUERY) return this.#parseOther(message, length);
    // RFC 9619: exactly one question.
    const questions = readU16(message, 4);
    if (questions === 1) return this.#parseBody(message, length) ? FORM.GOOD : FORM.FORMERR;
    if (questions > 1 || !this.#parseRecords(message, HEADER_BYTES, length)) return FORM.FORMERR;
    return this.cookieAt === 0 ? FORM.FORMERR : FORM.COOKIE;
  }

  #clear(): void {
    this.flags = 0;
    this.questionEnd = 0;
    this.#clearEdns();
    this.tsig = false;
  }

  #clearEdns(): void {
    this.edns = false;
    this.ednsVersion = 0;
    this.dnssecOk = false;
    this.udpPayloadSize = UDP_PLAIN_BYTES_MAX;
    this.cookieAt = 0;
    this.cookieLength = 0;
    this.nsid = false;
    this.keepaliveLength = -1;
  }

  /**
   * Operations that we do not have. Most have our sections, so their OPT record is looked for; one
   * that has not is answered all the same.
   */
  #parseOther(message: Uint8Array, length: number): Form {
    const readable = readU16(message, 4) === 1 && this.#parseBody(message, length);
    const isNotify = (this.flags & OPCODE_MASK) === OPCODE.NOTIFY;
    if (readable && isNotify && this.qtype === TYPE.SOA && this.qclass === CLASS.IN) {
      return FORM.NOTIFY;
    }
    // Nobody can know what its question means.
    this.questionEnd = 0;
    if (!readable) this.#clearEdns();
    return FORM.NOTIMP;
  }

  /** Reads the one question and what is behind it; false if it cannot be decoded. */
  #parseBody(message: Uint8Array, length: number): boolean {
    const nameEnd = this.#parseName(message, length);
    if (nameEnd < 0 || nameEnd + 4 > length) return false;
    this.qtype = readU16(message, nameEnd);
    this.qclass = readU16(message, nameEnd + 2);
    this.questionEnd = nameEnd + 4;
    return this.#parseRecords(message, this.questionEnd, length);
  }

  /**
   * Copies the qname in lower case and hashes it as `hashWireName` does, in one pass; returns its
   * end or -1. No pointers: nothing stands before the first question that one could point at.
   */
  #parseName(message: Uint8Array, length: number): number {
    const { name } = this;
    let hash = FNV_OFFSET;
    let at = 0;
    for (;;) {
      if (HEADER_BYTES + at >= length || at >= NAME_BYTES_MAX) return -1;
      const labelLength = message[HEADER_BYTES + at]!;
      name[at] = labelLength;
      if (labelLength === 0) break;
      const labelEnd = at + labelLength;
      if (labelLength > LABEL_BYTES_MAX || labelEnd >= NAME_BYTES_MAX) return -1;
      if (HEADER_BYTES + labelEnd >= length) return -1;
      for (at++; at <= labelEnd; at++) {
        const octet = lowerOctet(message[HEADER_BYTES + at]!);
        name[at] = octet;
        hash = Math.imul(hash ^ octet, FNV_PRIME);
      }
      hash = Math.imul(hash ^ DOT, FNV_PRIME);
    }
    this.nameLength = at + 1;
    this.hash = hash >>> 0;
    while ((++at & 3) !== 0) name[at] = 0;
    return HEADER_BYTES + this.nameLength;
  }

  /** Walks the sections from `start` on; only OPT and TSIG matter. False if they are malformed. */
  #parseRecords(message: Uint8Array, start: number, length: number): boolean {
    const beforeAdditional = readU16(message, 6) + readU16(message, 8);
    const total = beforeAdditional + readU16(message, 10);
    // Counts that lie cost nothing.
    if (start + total * RECORD_BYTES_MIN > length) return false;
    let at = start;
    for (let i = 0; i < total; i++) {
      const owner = at;
      at = skipName(message, at, length);
      if (at < 0 || at + 10 > length) return false;
      const type = readU16(message, at);
      const end = at + 10 + readU16(message, at + 8);
      if (end > length) return false;
      if (type === TYPE.OPT) {
        // One, of the root, in the additional section (RFC 6891 §6.1.1).
        if (this.edns || i < beforeAdditional || message[owner] !== 0) return false;
        if (!this.#parseOpt(message, at, end)) return false;
      } else if (type === TYPE.TSIG) {
        // The last of all records (RFC 8945 §5.1).
        if (i < beforeAdditional || i !== total - 1 || !isTsig(message, at, end)) return false;
        this.tsig = true;
      }
      at = end;
    }
    return true;
  }

  /** Reads an OPT record from its type on. */
  #parseOpt(message: Uint8Array, at: number, end: number): boolean {
    this.edns = true;
    this.udpPayloadSize = Math.max(UDP_PLAIN_BYTES_MAX, readU16(message, at + 2));
    this.ednsVersion = message[at + 5]!;
    this.dnssecOk = (message[at + 6]! & 0x80) !== 0;
    // What another version has for options nobody can know (RFC 6891 §6.1.3).
    return this.ednsVersion > 0 || this.#parseOptions(message, at + 10, end);
  }

  /** Options must fill the OPT record exactly (RFC 6891 §6.1.2); unknown ones are passed over. */
  #parseOptions(message: Uint8Array, start: number, end: number): boolean {
    let at = start;
    while (at < end) {
      if (at + 4 > end) return false;
      const size = readU16(message, at + 2);
      const data = at + 4;
      if (data + size > end) return false;
      switch (readU16(message, at)) {
        case OPTION.COOKIE:
          // RFC 7873 §5.2: of several the first counts, and a malformed one is a format error.
          if (this.cookieAt !== 0) break;
          if (!isCookieLength(size)) return false;
          this.cookieAt = data;
          this.cookieLength = size;
          break;
        case OPTION.NSID:
          this.nsid = true;
          break;
        case OPTION.TCP_KEEPALIVE:
          this.keepaliveLength = size;
          break;
        default:
      }
      at = data + size;
    }
    return true;
  }
}

function isCookieLength(size: number): boolean {
  return size === CLIENT_COOKIE_BYTES || (size >= COOKIE_BYTES_MIN && size <= COOKIE_BYTES_MAX);
}

/** Whether a TSIG record, from its type on, is one by its form (RFC 8945 §4.2). */
function isTsig(message: Uint8Array, at: number, end: number): boolean {
  if (readU16(message, at + 2) !== CLASS.ANY || readU32(message, at + 4) !== 0) return false;
  // Behind the name of the algorithm: time signed 6 octets, fudge 2, length of the MAC.
  const macLengthAt = skipName(message, at + 10, end) + 8;
  if (macLengthAt < 8 || macLengthAt + 2 > end) return false;
  // Behind the MAC: original id, error, length of other data.
  const otherLengthAt = macLengthAt + 2 + readU16(message, macLengthAt) + 4;
  if (otherLengthAt + 2 > end) return false;
  return otherLengthAt + 2 + readU16(message, otherLengthAt) === end;
}

/** True for the classes whose questions we look up; D18: all others are refused. */
export function isServedClass(qclass: number): boolean {
  return qclass === CLASS.IN || qclass === CLASS.ANY;
}
