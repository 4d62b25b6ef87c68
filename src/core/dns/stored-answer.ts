import { HEADER_BYTES } from './constants.ts';
import type { ReplyMessage } from './reply-message.ts';
import { STORED, storedBodyAt, storedNameLength, storedTtlsAt } from './stored-reply.ts';
import { readU16, readU32, writeU32 } from './wire.ts';

/** TTL and length of a record (RFC 1035 §4.1.3). */
const TTL_BYTES = 4;
/** Type and class stand before it. */
const TYPE_BEFORE_TTL = 4;
/** Type and class behind the name of a question. */
const QUESTION_FIELDS_BYTES = 4;
/** A compression pointer (RFC 1035 §4.1.4). */
const POINTER = 0xc000;

/**
 * Writes the records of the stored reply at octet `at`: whole ones from the first on, as many as
 * fit. Their TTLs are less by `ageSeconds`, not below 0; with `staleTtl` above 0 they are as they
 * were, but not above that. False if records of answer or authority are missing; whole RRsets of
 * the additional section may (RFC 2181 §9).
 */
export function writeStoredRecords(
  reply: ReplyMessage,
  words: Uint32Array,
  bytes: Uint8Array,
  at: number,
  ageSeconds: number,
  staleTtl: number,
): boolean {
  const head = at >>> 2;
  const answers = words[head + STORED.ANSWER_AUTHORITY]! >>> 16;
  const authority = words[head + STORED.ANSWER_AUTHORITY]! & 0xffff;
  const total = answers + authority + words[head + STORED.ADDITIONAL]!;
  const ttls = storedTtlsAt(words, at) >>> 2;
  const body = storedBodyAt(words, at);
  const whole = words[head + STORED.BODY_BYTES]!;
  const required = answers + authority;
  const kept = reply.fits(whole) ? total : fittingRecords(reply, words, bytes, at, required, total);
  const size = kept === total ? whole : recordEnd(words, bytes, at, kept - 1);
  const start = reply.at;
  reply.copy(words, bytes, body, size);
  for (let i = 0; i < kept; i++) {
    const offset = ttlOffset(words, ttls, i);
    const stored = readU32(bytes, body + offset);
    const ttl = staleTtl > 0 ? Math.min(stored, staleTtl) : Math.max(0, stored - ageSeconds);
    writeU32(reply.out, start + offset, ttl);
  }
  reply.answers = Math.min(kept, answers);
  reply.authority = Math.min(kept - reply.answers, authority);
  reply.additional = kept - reply.answers - reply.authority;
  return kept >= required;
}

/** How many records fit; of those beyond `required`, the additional ones, whole RRsets alone. */
function fittingRecords(
  reply: ReplyMessage,
  words: Uint32Array,
  bytes: Uint8Array,
  at: number,
  required: number,
  total: number,
): number {
  let kept = 0;
  while (kept < total && reply.fits(recordEnd(words, bytes, at, kept))) kept++;
  while (kept > required && isSameSet(words, bytes, at, kept - 1)) kept--;
  return kept;
}

/**
 * Whether record `i` and the next are of one RRset. Equal owners are equal octets, or the second is a
 * pointer to the first; others count as different.
 */
function isSameSet(words: Uint32Array, bytes: Uint8Array, at: number, i: number): boolean {
  const body = storedBodyAt(words, at);
  const ttls = storedTtlsAt(words, at) >>> 2;
  const start = recordEnd(words, bytes, at, i - 1);
  const inMessage = HEADER_BYTES + storedNameLength(words, at) + QUESTION_FIELDS_BYTES + start;
  const first = body + start;
  const second = body + recordEnd(words, bytes, at, i);
  const firstType = body + ttlOffset(words, ttls, i) - TYPE_BEFORE_TTL;
  const secondType = body + ttlOffset(words, ttls, i + 1) - TYPE_BEFORE_TTL;
  if (readU16(bytes, firstType) !== readU16(bytes, secondType)) return false;
  if (readU16(bytes, second) === (POINTER | inMessage)) return true;
  const size = firstType - first;
  if (secondType - second !== size) return false;
  for (let j = 0; j < size; j++) if (bytes[first + j] !== bytes[second + j]) return false;
  return true;
}

/** Where record `i` ends in the body; 0 for the one before the first. */
function recordEnd(words: Uint32Array, bytes: Uint8Array, at: number, i: number): number {
  if (i < 0) return 0;
  const lengthAt = ttlOffset(words, storedTtlsAt(words, at) >>> 2, i) + TTL_BYTES;
  return lengthAt + 2 + readU16(bytes, storedBodyAt(words, at) + lengthAt);
}

/** Where the TTL of record `i` stands in the body: two numbers share a word, in host order. */
function ttlOffset(words: Uint32Array, ttls: number, i: number): number {
  const word = words[ttls + (i >>> 1)]!;
  return (i & 1) === FIRST_HALF ? word & 0xffff : word >>> 16;
}

/** Which of two 16-bit numbers in a word is its low half: the first one on most machines. */
const FIRST_HALF = new Uint16Array(Uint32Array.of(1).buffer)[0] === 1 ? 0 : 1;
