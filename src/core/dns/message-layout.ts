import { HEADER_BYTES, RECORD_BYTES_MIN } from './constants.ts';
import { readU16, skipName } from './wire.ts';

/** Sections behind the question, in their order (RFC 1035 §4.1). */
export const SECTION = { ANSWER: 0, AUTHORITY: 1, ADDITIONAL: 2 } as const;

export type Section = (typeof SECTION)[keyof typeof SECTION];

/** Where a resource record stands in a message; offsets in octets. */
export interface RecordSpan {
  readonly section: Section;
  /** Start of the owner name. */
  readonly owner: number;
  /** Start of type, class, TTL and length, see `FIELD`. */
  readonly fields: number;
  /** Start of the data. */
  readonly rdata: number;
  readonly end: number;
}

/** Offsets behind the owner name (RFC 1035 §4.1.3). */
export const FIELD = { TYPE: 0, CLASS: 2, TTL: 4, RDLENGTH: 8, RDATA: 10 } as const;

/** Offsets of the section counts in the header (RFC 1035 §4.1.1). */
export const COUNT = { QUESTION: 4, ANSWER: 6, AUTHORITY: 8, ADDITIONAL: 10 } as const;

export interface MessageLayout {
  /** End of the question section. */
  readonly questionEnd: number;
  readonly records: readonly RecordSpan[];
}

/** Offset behind the one question of `message`, or -1 if it is cut or its name is malformed. */
export function questionEnd(message: Uint8Array): number {
  const nameEnd = skipName(message, HEADER_BYTES, message.length);
  return nameEnd >= 0 && nameEnd + 4 <= message.length ? nameEnd + 4 : -1;
}

/**
 * Finds every record of a message with at most one question; null if a section is cut. The work is
 * linear: names are skipped, pointers not followed. Octets behind the last record are left alone.
 */
export function locateRecords(message: Uint8Array): MessageLayout | null {
  if (message.length < HEADER_BYTES) return null;
  const questions = readU16(message, COUNT.QUESTION);
  if (questions > 1) return null;
  const start = questions === 0 ? HEADER_BYTES : questionEnd(message);
  if (start < 0) return null;
  const answerEnd = readU16(message, COUNT.ANSWER);
  const authorityEnd = answerEnd + readU16(message, COUNT.AUTHORITY);
  const total = authorityEnd + readU16(message, COUNT.ADDITIONAL);
  if (start + total * RECORD_BYTES_MIN > message.length) return null;
  const records: RecordSpan[] = [];
  let at = start;
  for (let i = 0; i < total; i++) {
    const fields = skipName(message, at, message.length);
    const rdata = fields + FIELD.RDATA;
    if (fields < 0 || rdata > message.length) return null;
    const end = rdata + readU16(message, fields + FIELD.RDLENGTH);
    if (end > message.length) return null;
    const section =
      i < answerEnd ? SECTION.ANSWER : i < authorityEnd ? SECTION.AUTHORITY : SECTION.ADDITIONAL;
    records.push({ section, owner: at, fields, rdata, end });
    at = end;
  }
  return { questionEnd: start, records };
}
