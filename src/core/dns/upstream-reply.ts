import { FLAG, HEADER_BYTES, OPCODE_MASK, RCODE, RCODE_MASK } from './constants.ts';
import { COUNT, locateRecords, questionEnd } from './message-layout.ts';
import { equalIgnoringCase, readU16 } from './wire.ts';

/**
 * What a datagram on an upstream's socket is. Only `ok` and `malformed` come from someone who knew
 * the id and the question; the others are strays and forgeries to be ignored.
 */
export type ReplyVerdict = 'ok' | 'wrong-id' | 'not-a-response' | 'wrong-question' | 'malformed';

/** Errors that some servers send as a bare header, having failed to read the question. */
const BARE_RCODES: ReadonlySet<number> = new Set([
  RCODE.FORMERR,
  RCODE.SERVFAIL,
  RCODE.NOTIMP,
  RCODE.REFUSED,
]);

/**
 * Whether `reply` answers `query` (RFC 5452 §9.1): id, QR, opcode, question name, type and class,
 * then the structure of all sections. `query` is as it was sent, with one readable question;
 * `reply` is any octets. `exact` also compares the case of the name (0x20).
 */
export function checkUpstreamReply(
  query: Uint8Array,
  reply: Uint8Array,
  nameCase: 'any' | 'exact' = 'any',
): ReplyVerdict {
  if (reply.length < HEADER_BYTES) return 'not-a-response';
  if (readU16(reply, 0) !== readU16(query, 0)) return 'wrong-id';
  const flags = readU16(reply, 2);
  if ((flags & FLAG.QR) === 0) return 'not-a-response';
  if ((flags & OPCODE_MASK) !== (readU16(query, 2) & OPCODE_MASK)) return 'not-a-response';
  const questions = readU16(reply, COUNT.QUESTION);
  if (questions === 0) {
    if (!isBareError(reply, flags)) return 'wrong-question';
  } else if (questions !== 1 || !isSameQuestion(query, reply, nameCase)) {
    return 'wrong-question';
  }
  return locateRecords(reply) === null ? 'malformed' : 'ok';
}

function isBareError(reply: Uint8Array, flags: number): boolean {
  const records = readU16(reply, COUNT.ANSWER) + readU16(reply, COUNT.AUTHORITY);
  return records === 0 && BARE_RCODES.has(flags & RCODE_MASK);
}

/** The first name of a message cannot be compressed, so equal questions have equal lengths. */
function isSameQuestion(query: Uint8Array, reply: Uint8Array, nameCase: 'any' | 'exact'): boolean {
  const end = questionEnd(query);
  if (end < 0 || end > reply.length || end !== questionEnd(reply)) return false;
  const nameEnd = end - 4;
  for (let i = nameCase === 'exact' ? HEADER_BYTES : nameEnd; i < end; i++) {
    if (query[i] !== reply[i]) return false;
  }
  return equalIgnoringCase(query, HEADER_BYTES, reply, HEADER_BYTES, nameEnd - HEADER_BYTES);
}
