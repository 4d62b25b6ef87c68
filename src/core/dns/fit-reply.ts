import { assert } from '../base/assert.ts';
import { FLAG, HEADER_BYTES, OPT_BYTES, TYPE, UDP_PLAIN_BYTES_MAX } from './constants.ts';
import { COUNT, FIELD, SECTION, locateRecords } from './message-layout.ts';
import type { MessageLayout, RecordSpan } from './message-layout.ts';
import { rdataNames } from './rdata-names.ts';
import { expandName, readU16, skipName, writeU16 } from './wire.ts';

/** A pointer has 14 bits (RFC 1035 §4.1.4); names further behind cannot be pointed at. */
const POINTER_TARGET_MAX = 0x3fff;
const SECTION_COUNTS = [COUNT.ANSWER, COUNT.AUTHORITY, COUNT.ADDITIONAL] as const;

/**
 * An upstream's reply as it fits a client that takes `limitBytes`, at least 512: itself if it fits,
 * unread. Otherwise names are compressed anew; if that is not enough, RRsets at the end of the
 * additional section go, and then records from the end of authority and answer, with TC set
 * (RFC 2181 §9). Id, rcode, other flags, question and OPT stay. Null if the reply is malformed.
 */
export function fitReply(reply: Uint8Array, limitBytes: number): Uint8Array | null {
  assert(limitBytes >= UDP_PLAIN_BYTES_MAX, 'every client takes 512 octets');
  if (reply.length <= limitBytes) return reply;
  const layout = locateRecords(reply);
  if (layout === null) return null;
  const isAdditional = (type: number) => (record: RecordSpan) =>
    record.section === SECTION.ADDITIONAL && recordType(reply, record) === type;
  const opt = layout.records.find(isAdditional(TYPE.OPT)) ?? null;
  if (opt !== null && reply[opt.owner] !== 0) return null;
  const records = layout.records.filter((record) => !isAdditional(TYPE.OPT)(record));

  const optBytes = fittingOptBytes(layout, opt, limitBytes);
  const writer = new ReplyWriter(limitBytes - optBytes);
  writer.copy(reply, 0, HEADER_BYTES);
  if (!copyQuestion(writer, reply, layout)) return null;
  // A signature covers the message as it is (RFC 8945 §5.3), so none of a signed one is kept.
  const signed = records.some(isAdditional(TYPE.TSIG));
  const outcome = signed ? NOTHING_FITS : writeRecords(writer, reply, records);
  return outcome === null ? null : complete(writer, outcome, reply, opt, optBytes);
}

interface Fit {
  /** Records in the answer, authority and additional section, without OPT. */
  readonly counts: readonly [number, number, number];
  /** Records of the answer or authority section are missing. */
  readonly truncated: boolean;
}

const NOTHING_FITS: Fit = { counts: [0, 0, 0], truncated: true };

function recordType(message: Uint8Array, record: RecordSpan): number {
  return readU16(message, record.fields + FIELD.TYPE);
}

/** Octets of OPT that go into the reply: without its options if they leave no room for a question. */
function fittingOptBytes(
  layout: MessageLayout,
  opt: RecordSpan | null,
  limitBytes: number,
): number {
  if (opt === null) return 0;
  const whole = opt.end - opt.owner;
  return layout.questionEnd + whole <= limitBytes ? whole : OPT_BYTES;
}

function copyQuestion(writer: ReplyWriter, reply: Uint8Array, layout: MessageLayout): boolean {
  if (layout.questionEnd === HEADER_BYTES) return true;
  const nameEnd = layout.questionEnd - 4;
  const qname = expandName(reply, HEADER_BYTES, nameEnd);
  if (qname === null) return false;
  writer.name(qname, true);
  writer.copy(reply, nameEnd, layout.questionEnd);
  return true;
}

/** Writes records until one does not fit; null if one cannot be read. */
function writeRecords(
  writer: ReplyWriter,
  reply: Uint8Array,
  records: readonly RecordSpan[],
): Fit | null {
  const counts: [number, number, number] = [0, 0, 0];
  let rrset = '';
  let rrsetStart = 0;
  let rrsetFirst = 0;
  for (const record of records) {
    const owner = expandName(reply, record.owner, record.fields);
    if (owner === null) return null;
    const start = writer.length;
    const typeAndClass = reply.subarray(record.fields, record.fields + FIELD.TTL);
    const key = `${record.section} ${nameKey(owner, 0)} ${typeAndClass.join('.')}`;
    if (key !== rrset) {
      rrset = key;
      rrsetStart = start;
      rrsetFirst = counts[record.section];
    }
    if (!writeRecord(writer, reply, record, owner)) return null;
    if (!writer.overflown) {
      counts[record.section]++;
      continue;
    }
    const truncated = record.section !== SECTION.ADDITIONAL;
    writer.cut(truncated ? start : rrsetStart);
    // RFC 2181 §9: without TC, no part of an RRset.
    if (!truncated) counts[SECTION.ADDITIONAL] = rrsetFirst;
    return { counts, truncated };
  }
  return { counts, truncated: false };
}

/** False if the data cannot be read. */
function writeRecord(
  writer: ReplyWriter,
  reply: Uint8Array,
  record: RecordSpan,
  owner: Uint8Array,
): boolean {
  writer.name(owner, true);
  writer.copy(reply, record.fields, record.rdata);
  const rdataStart = writer.length;
  if (!writeRdata(writer, reply, record)) return false;
  if (!writer.overflown) {
    writeU16(writer.bytes, rdataStart - 2, writer.length - rdataStart);
  }
  return true;
}

function writeRdata(writer: ReplyWriter, reply: Uint8Array, record: RecordSpan): boolean {
  const { rdata, end } = record;
  const shape = rdataNames(recordType(reply, record));
  if (shape === null || rdata === end) {
    writer.copy(reply, rdata, end);
    return true;
  }
  let at = rdata + shape.fixedBytes;
  for (let i = 0; i < shape.strings && at < end; i++) at += 1 + reply[at]!;
  if (at > end) return false;
  writer.copy(reply, rdata, at);
  for (let i = 0; i < shape.names; i++) {
    const name = expandName(reply, at, end);
    if (name === null) return false;
    writer.name(name, shape.compressible);
    at = skipName(reply, at, end);
  }
  writer.copy(reply, at, end);
  return true;
}

function complete(
  writer: ReplyWriter,
  fit: Fit,
  reply: Uint8Array,
  opt: RecordSpan | null,
  optBytes: number,
): Uint8Array {
  const out = new Uint8Array(writer.length + optBytes);
  out.set(writer.bytes.subarray(0, writer.length), 0);
  if (opt !== null) {
    out.set(reply.subarray(opt.owner, opt.owner + optBytes), writer.length);
    writeU16(out, out.length - optBytes + OPT_BYTES - 2, optBytes - OPT_BYTES);
  }
  SECTION_COUNTS.forEach((offset, section) => writeU16(out, offset, fit.counts[section] ?? 0));
  if (opt !== null) writeU16(out, COUNT.ADDITIONAL, fit.counts[SECTION.ADDITIONAL] + 1);
  if (fit.truncated) writeU16(out, 2, readU16(out, 2) | FLAG.TC);
  return out;
}

/** The wire name from `offset` on as a key of a map: one character per octet, case kept. */
function nameKey(name: Uint8Array, offset: number): string {
  return String.fromCharCode(...name.subarray(offset));
}

/** Writes a message of limited length; what goes beyond is dropped and remembered. */
class ReplyWriter {
  readonly bytes: Uint8Array;
  length = 0;
  overflown = false;
  /** Where names stand already. Case is kept, so that the client sees what the upstream wrote. */
  readonly #offsets = new Map<string, number>();

  constructor(limitBytes: number) {
    this.bytes = new Uint8Array(limitBytes);
  }

  copy(source: Uint8Array, start: number, end: number): void {
    if (this.length + end - start > this.bytes.length) this.overflown = true;
    if (this.overflown) return;
    this.bytes.set(source.subarray(start, end), this.length);
    this.length += end - start;
  }

  /**
   * Writes an uncompressed wire name, ending it with a pointer where it may. A name that is
   * written in full costs a map entry per label, and no more labels than octets are written.
   */
  name(name: Uint8Array, compressible: boolean): void {
    if (!compressible) {
      this.copy(name, 0, name.length);
      return;
    }
    let at = 0;
    while (name[at] !== 0 && !this.overflown) {
      const key = nameKey(name, at);
      const known = this.#offsets.get(key);
      if (known !== undefined) {
        this.copy(Uint8Array.of(0xc0 | (known >>> 8), known & 0xff), 0, 2);
        return;
      }
      if (this.length <= POINTER_TARGET_MAX) this.#offsets.set(key, this.length);
      const labelEnd = at + 1 + name[at]!;
      this.copy(name, at, labelEnd);
      at = labelEnd;
    }
    this.copy(name, at, at + 1);
  }

  /** Drops everything from `length` on. Nothing is written after it that could point there. */
  cut(length: number): void {
    this.length = length;
    this.overflown = false;
  }
}
