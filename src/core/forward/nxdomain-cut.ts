import { FLAG, RCODE, RCODE_MASK, TYPE } from '../dns/constants.ts';
import { hashWireName } from '../dns/name.ts';
import { NEVER, STORED, STORED_WORDS, storedKey, wholeWords } from '../dns/stored-reply.ts';
import { storedBodyAt, storedNameAt, storedNameLength, storedTtlsAt } from '../dns/stored-reply.ts';
import { readU16, writeU16 } from '../dns/wire.ts';
import type { ForwardQuestion } from './resolution.ts';

/** From the TTL of a record back to its type, on to its length and its data (RFC 1035 §3.2.1). */
const TYPE_BEFORE_TTL = 4;
const DATA_BEHIND_TTL = 6;
/** Serial, refresh, retry, expire and minimum of a SOA record. */
const SOA_NUMBERS_BYTES = 20;
/** A compression pointer has 14 bits. */
const POINTER_MAX = 0x3fff;

/**
 * The answer to a question about a name below one that does not exist: the same denial (RFC 8020
 * §2). `denial` is the stored NXDOMAIN of a parent of `question.qname`. null if it is not of the
 * plain kind, one SOA record and nothing else: with an alias in it, it denies another name.
 */
export function replyBelow(denial: Uint32Array, question: ForwardQuestion): Uint32Array | null {
  if ((denial[STORED.FLAGS]! & RCODE_MASK) !== RCODE.NXDOMAIN) return null;
  if (denial[STORED.ANSWER_AUTHORITY] !== 1 || denial[STORED.ADDITIONAL] !== 0) return null;
  const { qname, qtype } = question;
  const flags = (denial[STORED.KEY]! >>> 8) & 0xff;
  const shift = qname.length - storedNameLength(denial, 0);
  const nameAt = storedNameAt(0);
  const ttlsAt = nameAt + wholeWords(qname.length);
  const from = new Uint8Array(denial.buffer, denial.byteOffset, denial.byteLength);
  // Offsets in the body and the body itself stay as they are, but for pointers.
  const rest = from.subarray(storedTtlsAt(denial, 0), denial[STORED.BYTES]);
  const reply = new Uint32Array((ttlsAt + rest.length) / 4);
  const out = new Uint8Array(reply.buffer);
  reply.set(denial.subarray(0, STORED_WORDS));
  out.set(qname, nameAt);
  out.set(rest, ttlsAt);
  reply[STORED.BYTES] = out.length;
  reply[STORED.HASH] = hashWireName(qname, 0, qname.length);
  reply[STORED.KEY] = storedKey(qname.length, flags, qtype);
  reply[STORED.PREFETCH_AT] = NEVER;
  reply[STORED.FLAGS] = denial[STORED.FLAGS]! & ~FLAG.AD;
  reply[STORED.HITS] = 0;
  const bodyAt = storedBodyAt(reply, 0);
  const ttlAt = bodyAt + new Uint16Array(reply.buffer, ttlsAt, 1)[0]!;
  return movePointers(out, bodyAt, ttlAt, shift) ? reply : null;
}

/**
 * Longer by `shift`, the question moves every name behind its own labels, and with them what
 * pointers to its parents point at. False if that cannot be said, or not in a pointer.
 */
function movePointers(out: Uint8Array, bodyAt: number, ttlAt: number, shift: number): boolean {
  if (readU16(out, ttlAt - TYPE_BEFORE_TTL) !== TYPE.SOA) return false;
  if (movePointer(out, bodyAt, shift) !== ttlAt - TYPE_BEFORE_TTL) return false;
  const data = ttlAt + DATA_BEHIND_TTL;
  const rname = movePointer(out, data, shift);
  const numbers = rname < 0 ? -1 : movePointer(out, rname, shift);
  return numbers === data + readU16(out, data - 2) - SOA_NUMBERS_BYTES;
}

/** Moves the pointer that a name ends with, if it does; returns the end of the name or -1. */
function movePointer(out: Uint8Array, nameAt: number, shift: number): number {
  let at = nameAt;
  while (at < out.length) {
    const length = out[at]!;
    if (length === 0) return at + 1;
    if (length < 0xc0) {
      at += 1 + length;
      continue;
    }
    const target = (readU16(out, at) & POINTER_MAX) + shift;
    if (target > POINTER_MAX) return -1;
    writeU16(out, at, 0xc000 | target);
    return at + 2;
  }
  return -1;
}
