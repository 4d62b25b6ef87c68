import { assert } from '../../core/base/assert.ts';

/** Most messages are queries of less than this. */
const FIRST_CAPACITY_BYTES = 512;
const EMPTY = new Uint8Array(0);

/**
 * Splits a TCP stream into messages, each behind a length of two octets (RFC 1035 §4.2.2). A
 * message that came in one piece is a view of the piece. One in many pieces is gathered in a buffer
 * that grows with what has come, not with what the length claims: every octet is copied a bounded
 * number of times, and a client that claims 64 KiB does not get them.
 */
export class FrameReader {
  #chunk: Uint8Array = EMPTY;
  #at = 0;
  /** Octets of the length that have been read. */
  #lengthOctets = 0;
  #length = 0;
  #gathered: Uint8Array = EMPTY;
  #gatheredBytes = 0;

  /** Takes the next piece of the stream; the piece before must have been read to its end. */
  push(chunk: Uint8Array): void {
    assert(this.#at === this.#chunk.length, 'the stream is read in order');
    this.#chunk = chunk;
    this.#at = 0;
  }

  /** True if the first octets of a message have been read but not all of it. */
  get partial(): boolean {
    return this.#lengthOctets > 0;
  }

  /** The next message, possibly empty, or null if more octets must come first. */
  next(): Uint8Array | null {
    while (this.#lengthOctets < 2) {
      if (this.#at === this.#chunk.length) return this.#starve();
      this.#length = (this.#length << 8) | this.#chunk[this.#at++]!;
      this.#lengthOctets++;
    }
    const missing = this.#length - this.#gatheredBytes;
    const end = Math.min(this.#at + missing, this.#chunk.length);
    const piece = this.#chunk.subarray(this.#at, end);
    this.#at = end;
    if (piece.length === missing && this.#gatheredBytes === 0) return this.#complete(piece);
    this.#gather(piece);
    if (piece.length < missing) return this.#starve();
    return this.#complete(this.#gathered.subarray(0, this.#length));
  }

  #gather(piece: Uint8Array): void {
    const needed = this.#gatheredBytes + piece.length;
    if (needed > this.#gathered.length) {
      const doubled = Math.max(FIRST_CAPACITY_BYTES, needed, this.#gathered.length * 2);
      const grown = new Uint8Array(Math.min(doubled, this.#length));
      grown.set(this.#gathered.subarray(0, this.#gatheredBytes), 0);
      this.#gathered = grown;
    }
    this.#gathered.set(piece, this.#gatheredBytes);
    this.#gatheredBytes = needed;
  }

  #complete(message: Uint8Array): Uint8Array {
    this.#lengthOctets = 0;
    this.#length = 0;
    this.#gathered = EMPTY;
    this.#gatheredBytes = 0;
    return message;
  }

  /** Lets go of the piece, which is read. */
  #starve(): null {
    this.#chunk = EMPTY;
    this.#at = 0;
    return null;
  }
}
