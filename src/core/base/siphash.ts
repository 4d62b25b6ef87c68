import { assert } from './assert.ts';

/** Octets of a key. */
const SIPHASH_KEY_BYTES = 16;

/**
 * SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash of 64 bits that who has not the key
 * cannot foretell. 64-bit words are kept in two signed halves; hashing allocates nothing.
 */
export class SipHash {
  /** Halves of the last hash. Its octets are those of `low`, then of `high`, little-endian. */
  low = 0;
  high = 0;
  readonly #key: Int32Array;

  constructor(key: Uint8Array) {
    assert(key.length === SIPHASH_KEY_BYTES, 'a key of SipHash has 16 octets');
    this.#key = Int32Array.from([0, 4, 8, 12], (at) => readWord(key, at));
  }

  /** Hashes `length` octets of `bytes` from `offset` on into `low` and `high`. */
  hash(bytes: Uint8Array, offset: number, length: number): void {
    const key = this.#key;
    let v0l = key[0]! ^ 0x70736575;
    let v0h = key[1]! ^ 0x736f6d65;
    let v1l = key[2]! ^ 0x6e646f6d;
    let v1h = key[3]! ^ 0x646f7261;
    let v2l = key[0]! ^ 0x6e657261;
    let v2h = key[1]! ^ 0x6c796765;
    let v3l = key[2]! ^ 0x79746573;
    let v3h = key[3]! ^ 0x74656462;
    // Whole blocks of 8 octets, then what is left with the length, then none: the last four rounds.
    const whole = length >>> 3;
    for (let block = 0; block <= whole + 1; block++) {
      const at = offset + 8 * block;
      let low = 0;
      let high = 0;
      let rounds = 2;
      if (block < whole) {
        low = readWord(bytes, at);
        high = readWord(bytes, at + 4);
      } else if (block === whole) {
        const left = length & 7;
        low = readPart(bytes, at, Math.min(left, 4));
        high = readPart(bytes, at + 4, left - 4) | (length << 24);
      } else {
        v2l ^= 0xff;
        rounds = 4;
      }
      v3l ^= low;
      v3h ^= high;
      for (; rounds > 0; rounds--) {
        let t = (v0l + v1l) | 0;
        v0h = (v0h + v1h + carry(t, v0l)) | 0;
        v0l = t;
        t = (v1l << 13) | (v1h >>> 19);
        v1h = ((v1h << 13) | (v1l >>> 19)) ^ v0h;
        v1l = t ^ v0l;
        t = (v2l + v3l) | 0;
        v2h = (v2h + v3h + carry(t, v2l)) | 0;
        v2l = t;
        t = (v3l << 16) | (v3h >>> 16);
        v3h = ((v3h << 16) | (v3l >>> 16)) ^ v2h;
        v3l = t ^ v2l;
        // The halves of v0 change places here, so what is added to them does, too.
        t = (v0h + v3l) | 0;
        const v0next = (v0l + v3h + carry(t, v0h)) | 0;
        v0l = t;
        v0h = v0next;
        t = (v3l << 21) | (v3h >>> 11);
        v3h = ((v3h << 21) | (v3l >>> 11)) ^ v0h;
        v3l = t ^ v0l;
        t = (v2l + v1l) | 0;
        v2h = (v2h + v1h + carry(t, v2l)) | 0;
        v2l = t;
        t = (v1l << 17) | (v1h >>> 15);
        v1h = ((v1h << 17) | (v1l >>> 15)) ^ v2h;
        v1l = t ^ v2l;
        t = v2l;
        v2l = v2h;
        v2h = t;
      }
      v0l ^= low;
      v0h ^= high;
    }
    this.low = v0l ^ v1l ^ v2l ^ v3l;
    this.high = v0h ^ v1h ^ v2h ^ v3h;
  }
}

/** 1 if adding two 32-bit numbers, of which `addend` is one, went beyond 32 bits to `sum`. */
function carry(sum: number, addend: number): number {
  return sum >>> 0 < addend >>> 0 ? 1 : 0;
}

/** Four octets as a little-endian number. */
function readWord(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

/** Fewer than five octets as a little-endian number; `count` may be negative. */
function readPart(bytes: Uint8Array, at: number, count: number): number {
  let word = 0;
  for (let i = 0; i < count; i++) word |= bytes[at + i]! << (8 * i);
  return word;
}
