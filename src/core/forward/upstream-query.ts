import { CLASS, FLAG, HEADER_BYTES, OPT_BYTES, TYPE } from '../dns/constants.ts';
import { COUNT, locateRecords, questionEnd } from '../dns/message-layout.ts';
import { readU16, writeU16 } from '../dns/wire.ts';
import type { ForwardQuestion } from './resolution.ts';

/** The largest datagram that we take from an upstream: no path cuts it in pieces (RFC 9715 §3.1). */
const UPSTREAM_PAYLOAD_BYTES = 1232;

/** DO in the second half of an OPT record's TTL (RFC 3225 §3). */
const DNSSEC_OK = 0x8000;
/** Offset of that half in an OPT record. */
const OPT_FLAGS = 7;

/**
 * The query for a question: id 0, class IN, an OPT record of our own and nothing else of the
 * client's, so neither its cookie nor its network (RFC 7871 §12.1). AD says that we want to hear
 * whether the data is validated (RFC 6840 §5.7), which costs nothing and makes one reply good for
 * clients that want to know and clients that do not.
 */
export function buildUpstreamQuery(question: ForwardQuestion): Uint8Array {
  const { qname, qtype } = question;
  const fields = HEADER_BYTES + qname.length;
  const out = new Uint8Array(fields + 4 + OPT_BYTES);
  const flags =
    FLAG.AD | (question.recursionDesired ? FLAG.RD : 0) | (question.checkingDisabled ? FLAG.CD : 0);
  writeU16(out, 2, flags);
  writeU16(out, COUNT.QUESTION, 1);
  writeU16(out, COUNT.ADDITIONAL, 1);
  out.set(qname, HEADER_BYTES);
  writeU16(out, fields, qtype);
  writeU16(out, fields + 2, CLASS.IN);
  const opt = fields + 4;
  writeU16(out, opt + 1, TYPE.OPT);
  writeU16(out, opt + 3, UPSTREAM_PAYLOAD_BYTES);
  if (question.dnssecOk) writeU16(out, opt + OPT_FLAGS, DNSSEC_OK);
  return out;
}

/** Whether a query that we built has its OPT record. */
export function hasOpt(query: Uint8Array): boolean {
  return readU16(query, COUNT.ADDITIONAL) > 0;
}

/** A copy of a query for a server that does not know EDNS; nor does it know AD, which came later. */
export function withoutOpt(query: Uint8Array): Uint8Array {
  const out = new Uint8Array(query.subarray(0, questionEnd(query)));
  writeU16(out, 2, readU16(out, 2) & ~FLAG.AD);
  writeU16(out, COUNT.ADDITIONAL, 0);
  return out;
}

/**
 * Turns letters of the question's name into capitals where `bits` has ones, in place: as many more
 * bits that a forger has to guess as the name has letters ("0x20"). One octet of `bits` is enough
 * for eight octets of the name.
 */
export function mixCase(query: Uint8Array, bits: Uint8Array): void {
  const end = questionEnd(query) - 4;
  for (let at = HEADER_BYTES; at < end; at++) {
    const octet = query[at]!;
    const i = at - HEADER_BYTES;
    // Length octets are below `a`.
    if (octet >= 0x61 && octet <= 0x7a && ((bits[i >>> 3]! >>> (i & 7)) & 1) === 1) {
      query[at] = octet - 0x20;
    }
  }
}

/**
 * The upstream's reply with the id and the question of `query`, letter for letter; all the rest stays
 * as it is. `reply` passed `checkUpstreamReply`, or would but for a cut that TC announces: of such a
 * one only the header is kept. Neither argument is changed.
 */
export function withQuestionOf(query: Uint8Array, reply: Uint8Array): Uint8Array {
  const end = questionEnd(query);
  // An error without a question has no records but OPT (`checkUpstreamReply` sees to it).
  const isBare = readU16(reply, COUNT.QUESTION) === 0 || locateRecords(reply) === null;
  const out = isBare ? new Uint8Array(end) : new Uint8Array(reply);
  if (isBare) {
    out.set(reply.subarray(0, 4), 0);
    writeU16(out, COUNT.QUESTION, 1);
  }
  out.set(query.subarray(0, 2), 0);
  out.set(query.subarray(HEADER_BYTES, end), HEADER_BYTES);
  return out;
}
