import { assert } from '../base/assert.ts';

/** One record. Each piece is alone in its `ArrayBuffer`, which can go to a worker uncopied. */
export interface StreamRecord {
  /** At least one, none empty. */
  readonly chunks: readonly Uint8Array<ArrayBuffer>[];
  /** Length of all pieces together; at least 1. */
  readonly bytes: number;
}

/** Why a stream cannot be read on. */
export interface RecordIoError {
  /** `too-large`: a record of more bytes than allowed; `malformed`: no RecordIO. */
  readonly code: 'too-large' | 'malformed';
  /** Of the octet that is wrong, counted from the beginning of the stream. */
  readonly offset: number;
  /** What was expected, with the place. */
  readonly message: string;
}

const NEWLINE = 0x0a;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;

/** As many as the largest 64-bit length has, which is what Mesos writes. */
const LENGTH_DIGITS_MAX = 20;

/**
 * Most memory that a length can claim before its bytes come. Events are smaller and so are one
 * piece; the snapshot of 80 MB is some 300.
 */
const CHUNK_BYTES = 262_144;

/**
 * Splits a stream in Mesos' RecordIO format (docs/recordio.md of Mesos) into its records:
 *
 *     length in bytes as ASCII decimal digits, "\n", that many bytes; and so on
 *
 * The stream may come in pieces of any size. Every octet is copied once, since the pieces that
 * sockets deliver share buffers with each other. An empty record is an error: no event is empty, and
 * records that cost nothing could not be bounded by their bytes.
 */
export class RecordIoDecoder {
  readonly #recordBytesMax: number;
  /** Octets of the stream that have been read. */
  #offset = 0;
  #records = 0;
  /** Digits of the length that have been read, and what they say. */
  #digits = 0;
  #length = 0;
  /** Bytes of the record that are still to come; 0 while its length is being read. */
  #missing = 0;
  #chunks: Uint8Array<ArrayBuffer>[] = [];
  /** Free bytes at the end of the last piece. */
  #free = 0;
  #error: RecordIoError | null = null;

  /** A record may have `recordBytesMax` bytes at most. */
  constructor(recordBytesMax: number) {
    assert(recordBytesMax >= 1, 'a record has bytes');
    this.#recordBytesMax = recordBytesMax;
  }

  /** Records that are complete. */
  get records(): number {
    return this.#records;
  }

  /** True if the beginning of a record has been read, or of its length, but not all of it. */
  get partial(): boolean {
    return this.#digits > 0 || this.#missing > 0;
  }

  /**
   * Takes the next piece of the stream and calls `onRecord` with each record that it completes.
   * Returns what is wrong with the stream, then and from then on, or null; records before the
   * error are good.
   */
  push(chunk: Uint8Array, onRecord: (record: StreamRecord) => void): RecordIoError | null {
    for (let at = 0; at < chunk.length && this.#error === null;) {
      if (this.#missing === 0) {
        this.#readLengthOctet(chunk[at++]!);
        continue;
      }
      const used = this.#store(chunk, at);
      at += used;
      this.#offset += used;
      if (this.#missing === 0) onRecord(this.#complete());
    }
    return this.#error;
  }

  #readLengthOctet(octet: number): void {
    if (octet >= DIGIT_0 && octet <= DIGIT_9) this.#addDigit(octet - DIGIT_0);
    else if (this.#digits === 0) this.#fail('the length of a record');
    else if (octet !== NEWLINE) this.#fail('a digit or the end of the line');
    else if (this.#length === 0) this.#fail('a record that is not empty');
    else this.#missing = this.#length;
    if (this.#error === null) this.#offset++;
  }

  #addDigit(digit: number): void {
    if (this.#digits === LENGTH_DIGITS_MAX) {
      this.#fail('the end of the line');
      return;
    }
    this.#digits++;
    this.#length = this.#length * 10 + digit;
    if (this.#length > this.#recordBytesMax) this.#failTooLarge();
  }

  /** Copies what belongs to the record and fits into one piece; returns how much that was. */
  #store(source: Uint8Array, from: number): number {
    if (this.#free === 0) {
      this.#free = Math.min(this.#missing, CHUNK_BYTES);
      this.#chunks.push(new Uint8Array(this.#free));
    }
    const chunk = this.#chunks.at(-1)!;
    const part = source.subarray(from, from + this.#free);
    chunk.set(part, chunk.length - this.#free);
    this.#free -= part.length;
    this.#missing -= part.length;
    return part.length;
  }

  #complete(): StreamRecord {
    const record = { chunks: this.#chunks, bytes: this.#length };
    this.#records++;
    this.#chunks = [];
    this.#digits = 0;
    this.#length = 0;
    return record;
  }

  #fail(expected: string): void {
    const message = `expected ${expected} at byte ${this.#offset} of the stream`;
    this.#end({ code: 'malformed', offset: this.#offset, message });
  }

  #failTooLarge(): void {
    const start = this.#offset + 1 - this.#digits;
    const message = `the record at byte ${start} of the stream has more than ${this.#recordBytesMax} bytes`;
    this.#end({ code: 'too-large', offset: this.#offset, message });
  }

  #end(error: RecordIoError): void {
    this.#error = error;
    this.#chunks = [];
    this.#free = 0;
  }
}
