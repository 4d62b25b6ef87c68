/**
 * Jute, the encoding of ZooKeeper (src/java/main/org/apache/jute/BinaryInputArchive.java): integers
 * in network order, texts and buffers behind their length in octets, lists behind their count.
 */

/** Writes one frame: what is written, behind its length. */
export class JuteWriter {
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(64);
  #view: DataView = new DataView(this.#bytes.buffer);
  /** The first four octets are the length. */
  #length = 4;

  int(value: number): this {
    const start = this.#grow(4);
    this.#view.setInt32(start, value);
    return this;
  }

  long(value: bigint): this {
    const start = this.#grow(8);
    this.#view.setBigInt64(start, value);
    return this;
  }

  bool(value: boolean): this {
    const start = this.#grow(1);
    this.#view.setUint8(start, value ? 1 : 0);
    return this;
  }

  buffer(value: Uint8Array): this {
    this.int(value.length);
    const start = this.#grow(value.length);
    this.#bytes.set(value, start);
    return this;
  }

  text(value: string): this {
    return this.buffer(new TextEncoder().encode(value));
  }

  /** The frame, ready to be sent. */
  frame(): Uint8Array<ArrayBuffer> {
    this.#view.setInt32(0, this.#length - 4);
    return this.#bytes.subarray(0, this.#length);
  }

  /** Makes room, perhaps in other memory, and returns where it starts. */
  #grow(octets: number): number {
    const start = this.#length;
    this.#length += octets;
    if (this.#length > this.#bytes.length) {
      const bytes = new Uint8Array(2 * this.#length);
      bytes.set(this.#bytes);
      this.#bytes = bytes;
      this.#view = new DataView(bytes.buffer);
    }
    return start;
  }
}

/**
 * Reads a body from outside. What is not there reads as nothing and makes `ok` false for good, so
 * that one look at the end tells whether all that was read is true.
 */
export class JuteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset = 0;
  #ok = true;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Whether everything that was read was there. */
  get ok(): boolean {
    return this.#ok;
  }

  /** What has not been read. */
  rest(): Uint8Array {
    return this.#bytes.subarray(this.#offset);
  }

  int(): number {
    return this.#has(4) ? this.#view.getInt32(this.#advance(4)) : 0;
  }

  long(): bigint {
    return this.#has(8) ? this.#view.getBigInt64(this.#advance(8)) : 0n;
  }

  /** A part of the bytes, not a copy; length -1 is null in Java and empty here. */
  buffer(): Uint8Array {
    const length = this.int();
    if (length === -1 || !this.#has(length)) return new Uint8Array();
    const start = this.#advance(length);
    return this.#bytes.subarray(start, start + length);
  }

  text(): string {
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(this.buffer());
    } catch {
      this.#ok = false;
      return '';
    }
  }

  texts(): string[] {
    const count = this.int();
    // Each has a length of four octets: a larger count is a lie that would cost memory.
    if (count === -1 || !this.#has(4 * count)) return [];
    const values: string[] = [];
    for (let i = 0; i < count && this.#ok; i++) values.push(this.text());
    return values;
  }

  #has(octets: number): boolean {
    this.#ok &&= octets >= 0 && octets <= this.#bytes.length - this.#offset;
    return this.#ok;
  }

  #advance(octets: number): number {
    const start = this.#offset;
    this.#offset += octets;
    return start;
  }
}
