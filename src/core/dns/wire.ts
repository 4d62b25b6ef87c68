import { HEADER_BYTES, LABEL_BYTES_MAX, NAME_BYTES_MAX } from './constants.ts';

/** A name has at most 127 labels: more pointers than that lead from pointer to pointer. */
const POINTERS_MAX = 127;

/** Reads a 16-bit number in network byte order; the caller has checked the bounds. */
export function readU16(bytes: Uint8Array, offset: number): number {
  return (bytes[offset]! << 8) | bytes[offset + 1]!;
}

/** Reads a 32-bit unsigned number in network byte order; the caller has checked the bounds. */
export function readU32(bytes: Uint8Array, offset: number): number {
  return ((readU16(bytes, offset) << 16) | readU16(bytes, offset + 2)) >>> 0;
}

/** Writes a 16-bit number in network byte order. */
export function writeU16(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 8;
  bytes[offset + 1] = value;
}

/** Writes a 32-bit number in network byte order. */
export function writeU32(bytes: Uint8Array, offset: number, value: number): void {
  writeU16(bytes, offset, value >>> 16);
  writeU16(bytes, offset + 2, value & 0xffff);
}

/**
 * Offset behind the name that starts at `offset`, or -1 if it does not end before `end`.
 * A compression pointer ends the name and is not followed (RFC 1035 §4.1.4).
 */
export function skipName(bytes: Uint8Array, offset: number, end: number): number {
  let at = offset;
  while (at < end) {
    const length = bytes[at]!;
    if (length === 0) return at + 1 - offset > NAME_BYTES_MAX ? -1 : at + 1;
    if (length >= 0xc0) {
      if (at + 2 > end || at - offset >= NAME_BYTES_MAX) return -1;
      // Strictly backwards, as far as one pointer shows it: no name leads to itself.
      const target = ((length & 0x3f) << 8) | bytes[at + 1]!;
      return target >= HEADER_BYTES && target < offset ? at + 2 : -1;
    }
    if (length > LABEL_BYTES_MAX) return -1;
    at += 1 + length;
  }
  return -1;
}

/**
 * The name at `offset` without compression, case kept, or null if it is malformed. Pointers must
 * go strictly backwards, so the work is bounded by the length of the message.
 */
export function expandName(bytes: Uint8Array, offset: number, end: number): Uint8Array | null {
  const out = new Uint8Array(NAME_BYTES_MAX);
  let used = 0;
  let at = offset;
  let limit = end;
  let floor = offset;
  let pointers = 0;
  for (;;) {
    if (at >= limit) return null;
    const length = bytes[at]!;
    if (length >= 0xc0) {
      if (at + 1 >= limit) return null;
      const target = ((length & 0x3f) << 8) | bytes[at + 1]!;
      if (target < HEADER_BYTES || target >= floor || ++pointers > POINTERS_MAX) return null;
      limit = floor;
      floor = target;
      at = target;
      continue;
    }
    if (length > LABEL_BYTES_MAX || at + 1 + length > limit) return null;
    if (used + 1 + length > NAME_BYTES_MAX - (length === 0 ? 0 : 1)) return null;
    for (let i = 0; i <= length; i++) out[used++] = bytes[at + i]!;
    if (length === 0) return out.slice(0, used);
    at += 1 + length;
  }
}

/** ASCII lower case of one octet; other octets are themselves (RFC 4343 §3). */
export function lowerOctet(octet: number): number {
  return octet >= 0x41 && octet <= 0x5a ? octet + 0x20 : octet;
}

/**
 * True if two stretches of bytes are equal but for ASCII case. Comparing length octets as if they
 * were letters is harmless: they are below `A`.
 */
export function equalIgnoringCase(
  a: Uint8Array,
  aOffset: number,
  b: Uint8Array,
  bOffset: number,
  length: number,
): boolean {
  for (let i = 0; i < length; i++) {
    if (lowerOctet(a[aOffset + i]!) !== lowerOctet(b[bOffset + i]!)) return false;
  }
  return true;
}
