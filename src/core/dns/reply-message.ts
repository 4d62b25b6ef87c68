import { HEADER_BYTES } from './constants.ts';
import { COUNT } from './message-layout.ts';

const WORD_BYTES = 4;
/** Whether the least significant octet of a word comes first in memory, on this machine. */
const LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

/**
 * A reply that is being written into a buffer of the caller's. One object is used again for every
 * reply; nothing is allocated as long as the buffers are parts of the same memory.
 */
export class ReplyMessage {
  /** The buffer; nothing but the first `at` octets is ours. */
  out: Uint8Array = new Uint8Array(0);
  /** Where writing goes on. */
  at = 0;
  /** Records must end here: the client's limit less our OPT record. */
  limit = 0;
  answers = 0;
  authority = 0;
  additional = 0;
  #questionEnd = HEADER_BYTES;
  /** The memory of `out`, and where in it `out` begins: words are written anywhere by a view. */
  #memory: ArrayBufferLike = new ArrayBuffer(0);
  #view: DataView = new DataView(this.#memory);
  #base = 0;

  /** Starts a reply to `message`, whose question ends at `questionEnd`, 0 if it has none. */
  begin(out: Uint8Array, message: Uint8Array, questionEnd: number, limit: number): void {
    if (out !== this.out) {
      if (out.buffer !== this.#memory) {
        this.#memory = out.buffer;
        this.#view = new DataView(out.buffer);
      }
      this.#base = out.byteOffset;
      this.out = out;
    }
    const end = questionEnd === 0 ? HEADER_BYTES : questionEnd;
    out[0] = message[0]!;
    out[1] = message[1]!;
    // The question goes back as it came: clients check the case of its letters (0x20).
    for (let i = HEADER_BYTES; i < end; i++) out[i] = message[i]!;
    this.#questionEnd = end;
    this.limit = limit;
    this.rewind();
  }

  /** Drops all records. */
  rewind(): void {
    this.at = this.#questionEnd;
    this.answers = 0;
    this.authority = 0;
    this.additional = 0;
  }

  /** True if `size` octets more fit. */
  fits(size: number): boolean {
    return this.at + size <= this.limit;
  }

  /**
   * Copies `size` octets from offset `from` of `bytes` on; the caller has checked that they fit.
   * `words` is the same memory: most of it goes by words.
   */
  copy(words: Uint32Array, bytes: Uint8Array, from: number, size: number): void {
    const { out } = this;
    const end = from + size;
    let to = this.at;
    let at = from;
    for (; (at & 3) !== 0 && at < end; at++) out[to++] = bytes[at]!;
    const view = this.#view;
    const wordsEnd = end >>> 2;
    let place = this.#base + to;
    // Signed numbers fit a register.
    for (let word = at >>> 2; word < wordsEnd; word++, place += WORD_BYTES) {
      view.setInt32(place, words[word]! | 0, LITTLE_ENDIAN);
      at += WORD_BYTES;
    }
    to = place - this.#base;
    for (; at < end; at++) out[to++] = bytes[at]!;
    this.at = to;
  }

  /**
   * Writes the header but for the id. `flags` with response code; `optRecords` go into the
   * additional section behind the records that are there.
   */
  writeHeader(flags: number, optRecords: number): void {
    const view = this.#view;
    const base = this.#base;
    view.setUint16(base + 2, flags);
    view.setUint16(base + COUNT.QUESTION, this.#questionEnd === HEADER_BYTES ? 0 : 1);
    view.setUint16(base + COUNT.ANSWER, this.answers);
    view.setUint16(base + COUNT.AUTHORITY, this.authority);
    view.setUint16(base + COUNT.ADDITIONAL, this.additional + optRecords);
  }
}
