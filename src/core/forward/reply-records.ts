import { CLASS, FLAG, OPTION, RCODE_MASK, TYPE } from '../dns/constants.ts';
import { FIELD, SECTION, locateRecords } from '../dns/message-layout.ts';
import type { RecordSpan, Section } from '../dns/message-layout.ts';
import { expandName, readU16, readU32 } from '../dns/wire.ts';
import { type ReplyName, replyName } from './reply-name.ts';

/** A record of class IN in an upstream's reply; offsets are octets of the message. */
export interface ReplyRecord {
  readonly section: Section;
  readonly owner: ReplyName;
  readonly type: number;
  /** Of an RRSIG the type of the records that it signs, of all others their own. */
  readonly signedType: number;
  /** With the top bit set it is 0 (RFC 2181 §8). */
  readonly ttlSeconds: number;
  /** Start of type, class, TTL and length. */
  readonly fields: number;
  /** Start of the data. */
  readonly rdata: number;
  readonly end: number;
}

/** Whether a record is an RRSIG (RFC 4034 §3). */
export function isSignature({ type }: ReplyRecord): boolean {
  return type === TYPE.RRSIG;
}

/** What an upstream said, read once. */
export interface UpstreamReply {
  readonly message: Uint8Array;
  /** All 12 bits (RFC 6891 §6.1.3). */
  readonly rcode: number;
  readonly truncated: boolean;
  readonly authenticData: boolean;
  /** Its first extended error (RFC 8914), 0 for none. */
  readonly ede: number;
  readonly records: readonly ReplyRecord[];
}

/** Types from TKEY to ANY are questions and transactions, not data (RFC 6895 §3.1). */
const META_TYPE = { MIN: 249, MAX: 255 } as const;
const TTL_SECONDS_MAX = 0x7fff_ffff;

/**
 * Reads a reply of any octets; null if a section is cut or the owner of a record is no name. The
 * data of records is not looked at. OPT, TSIG and records of other classes are not among `records`.
 */
export function readReply(message: Uint8Array): UpstreamReply | null {
  const layout = locateRecords(message);
  if (layout === null) return null;
  const flags = readU16(message, 2);
  const records: ReplyRecord[] = [];
  // Most owners are one pointer, and most of these point at the question.
  const byPointer = new Map<number, ReplyName>();
  let opt: RecordSpan | null = null;
  for (const span of layout.records) {
    const type = readU16(message, span.fields + FIELD.TYPE);
    if (type === TYPE.OPT) {
      if (span.section === SECTION.ADDITIONAL) opt ??= span;
      continue;
    }
    if (type >= META_TYPE.MIN && type <= META_TYPE.MAX) continue;
    if (readU16(message, span.fields + FIELD.CLASS) !== CLASS.IN) continue;
    const owner = readOwner(message, span, byPointer);
    if (owner === null) return null;
    records.push(readRecord(message, span, type, owner));
  }
  return {
    message,
    rcode: (flags & RCODE_MASK) | (opt === null ? 0 : message[opt.fields + FIELD.TTL]! << 4),
    truncated: (flags & FLAG.TC) !== 0,
    authenticData: (flags & FLAG.AD) !== 0,
    ede: opt === null ? 0 : extendedError(message, opt.rdata, opt.end),
    records,
  };
}

function readOwner(
  message: Uint8Array,
  { owner, fields }: RecordSpan,
  byPointer: Map<number, ReplyName>,
): ReplyName | null {
  const pointer = fields - owner === 2 ? readU16(message, owner) : 0;
  const known = byPointer.get(pointer);
  if (known !== undefined) return known;
  const bytes = expandName(message, owner, fields);
  if (bytes === null) return null;
  const name = replyName(bytes);
  if (pointer >= 0xc000) byPointer.set(pointer, name);
  return name;
}

function readRecord(
  message: Uint8Array,
  { section, fields, rdata, end }: RecordSpan,
  type: number,
  owner: ReplyName,
): ReplyRecord {
  const ttl = readU32(message, fields + FIELD.TTL);
  return {
    section,
    owner,
    type,
    signedType: type === TYPE.RRSIG && end - rdata >= 2 ? readU16(message, rdata) : type,
    ttlSeconds: ttl > TTL_SECONDS_MAX ? 0 : ttl,
    fields,
    rdata,
    end,
  };
}

/** Code of the first extended error among the options of OPT (RFC 8914 §2). */
function extendedError(message: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at + 4 <= end) {
    const length = readU16(message, at + 2);
    const next = at + 4 + length;
    if (next > end) return 0;
    if (readU16(message, at) === OPTION.EDE && length >= 2) return readU16(message, at + 4);
    at = next;
  }
  return 0;
}
