import type { ReplyMessage } from './reply-message.ts';
import { STORED, storedBodyAt, storedTtlsAt } from './stored-reply.ts';
import { readU16, readU32, writeU32 } from './wire.ts';

/** TTL and length of a record (RFC 1035 §4.1.3). */
const TTL_BYTES = 4;

/**
 * Writes the records of the stored reply at octet `at`: whole ones from the first on, as many as
 * fit. Their TTLs are less by `ageSeconds`, not below 0; with `staleTtl` above 0 they are as they
 * were, but not above that. False if records of answer or authority are missing; those of the
 * additional section may (RFC 2181 §9).
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
  let kept = total;
  let size = words[head + STORED.BODY_BYTES]!;
  if (!reply.fits(size)) {
    size = 0;
    for (kept = 0; kept < total; kept++) {
      const lengthAt = ttlOffset(words, ttls, kept) + TTL_BYTES;
      const end = lengthAt + 2 + readU16(bytes, body + lengthAt);
      if (!reply.fits(end)) break;
      size = end;
    }
  }
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
  return kept >= answers + authority;
}

/** Where the TTL of record `i` stands in the body: two numbers share a word, in host order. */
function ttlOffset(words: Uint32Array, ttls: number, i: number): number {
  const word = words[ttls + (i >>> 1)]!;
  return (i & 1) === FIRST_HALF ? word & 0xffff : word >>> 16;
}

/** Which of two 16-bit numbers in a word is its low half: the first one on most machines. */
const FIRST_HALF = new Uint16Array(Uint32Array.of(1).buffer)[0] === 1 ? 0 : 1;
