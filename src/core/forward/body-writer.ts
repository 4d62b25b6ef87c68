import { HEADER_BYTES, MESSAGE_BYTES_MAX, OPT_BYTES, RECORD_BYTES_MIN } from '../dns/constants.ts';
import { FIELD } from '../dns/message-layout.ts';
import { expandName, readU16, skipName, writeU16, writeU32 } from '../dns/wire.ts';
import { NameTree } from './name-tree.ts';
import { ANY_TAIL, rdataBytes, rdataNames } from './rdata-names.ts';
import type { ReplyRecord } from './reply-records.ts';

/** Type and class behind the name of the question. */
const QUESTION_FIELDS_BYTES = 4;
/** Whoever sends the reply adds an OPT record. */
const BYTES_MAX = MESSAGE_BYTES_MAX - OPT_BYTES;
const RECORDS_MAX = Math.floor(MESSAGE_BYTES_MAX / RECORD_BYTES_MIN);

/** What became of a record: `full` if there was no room, `malformed` if its data cannot be read. */
export type WriteOutcome = 'written' | 'full' | 'malformed';

/**
 * Writes the sections behind the question of a message, names compressed anew. One is used again
 * for every reply, as its buffers are larger than the replies.
 */
export class BodyWriter {
  readonly #bytes = new Uint8Array(MESSAGE_BYTES_MAX);
  readonly #ttls = new Uint16Array(RECORDS_MAX);
  readonly #names = new NameTree(this.#bytes);
  #start = 0;
  #at = 0;
  #records = 0;
  #isFull = false;

  /** Starts a message that asks for `qname`, lower-case wire form. */
  begin(qname: Uint8Array): void {
    this.#bytes.set(qname, HEADER_BYTES);
    this.#start = HEADER_BYTES + qname.length + QUESTION_FIELDS_BYTES;
    this.#at = this.#start;
    this.#records = 0;
    this.#isFull = false;
    this.#names.begin(this.#start);
    this.#names.learn(qname, HEADER_BYTES);
  }

  /** What was written since `begin`; gone at the next one. */
  get body(): Uint8Array {
    return this.#bytes.subarray(this.#start, this.#at);
  }

  /** Where in the body the TTL of each record stands. */
  get ttls(): Uint16Array {
    return this.#ttls.subarray(0, this.#records);
  }

  get records(): number {
    return this.#records;
  }

  /** Adds a record of a message with another TTL; what is not written leaves no trace. */
  record(message: Uint8Array, record: ReplyRecord, ttlSeconds: number): WriteOutcome {
    const start = this.#at;
    this.#name(record.owner.bytes, true);
    this.#copy(message, record.fields, record.rdata);
    const rdata = this.#at;
    const isReadable = this.#data(message, record);
    if (!isReadable || this.#isFull) {
      // Nothing may be written after this: names are remembered that stood behind `start`.
      this.#at = start;
      return isReadable ? 'full' : 'malformed';
    }
    const fields = rdata - FIELD.RDATA;
    writeU32(this.#bytes, fields + FIELD.TTL, ttlSeconds);
    writeU16(this.#bytes, fields + FIELD.RDLENGTH, this.#at - rdata);
    this.#ttls[this.#records] = fields + FIELD.TTL - this.#start;
    this.#records++;
    return 'written';
  }

  /** Drops all records behind the first `count`. Nothing is written after it. */
  cut(count: number): void {
    if (count >= this.#records) return;
    let at = 0;
    if (count > 0) {
      const length = this.#start + this.#ttls[count - 1]! - FIELD.TTL + FIELD.RDLENGTH;
      at = length + 2 + readU16(this.#bytes, length) - this.#start;
    }
    this.#at = this.#start + at;
    this.#records = count;
  }

  /** Writes the data; false if it is not what its type needs. */
  #data(message: Uint8Array, { type, rdata, end }: ReplyRecord): boolean {
    const shape = rdataNames(type);
    if (shape === null) {
      this.#copy(message, rdata, end);
      const needed = rdataBytes(type);
      return needed === null || end - rdata === needed;
    }
    let at = rdata + shape.fixedBytes;
    for (let i = 0; i < shape.strings && at < end; i++) at += 1 + message[at]!;
    if (at > end) return false;
    this.#copy(message, rdata, at);
    for (let i = 0; i < shape.names; i++) {
      const name = expandName(message, at, end);
      if (name === null) return false;
      this.#name(name, shape.compressible);
      at = skipName(message, at, end);
    }
    this.#copy(message, at, end);
    return shape.tailBytes === ANY_TAIL || end - at === shape.tailBytes;
  }

  /** Writes a name, ending it with a pointer where it may and can; others may point to it. */
  #name(name: Uint8Array, compressible: boolean): void {
    const start = this.#at;
    const known = compressible ? this.#names.find(name) : 0;
    if (known === 0) {
      this.#copy(name, 0, name.length);
    } else {
      const labels = name.length - this.#names.foundBytes;
      this.#copy(name, 0, labels);
      this.#reserve(2);
      if (!this.#isFull) writeU16(this.#bytes, this.#at - 2, 0xc000 | known);
    }
    const isKnown = known !== 0 && this.#names.foundBytes === name.length;
    if (!this.#isFull && !isKnown) this.#names.learn(name, start);
  }

  #copy(source: Uint8Array, start: number, end: number): void {
    const to = this.#at;
    this.#reserve(end - start);
    if (this.#isFull) return;
    for (let i = 0; i < end - start; i++) this.#bytes[to + i] = source[start + i]!;
  }

  #reserve(size: number): void {
    if (this.#at + size > BYTES_MAX) this.#isFull = true;
    if (!this.#isFull) this.#at += size;
  }
}
