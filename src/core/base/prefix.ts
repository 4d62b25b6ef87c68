import { formatIpAddress, type IpAddress, parseIpAddress } from './address.ts';

/** An address block in CIDR notation (RFC 4632); all bits beyond the length are zero. */
export interface Prefix {
  readonly family: 4 | 6;
  /** Network byte order: 4 or 16 octets. */
  readonly bytes: Uint8Array;
  /** Leading bits that all addresses share: 0 to 32 or 128. */
  readonly length: number;
  /** Canonical text such as `10.208.0.0/12`. */
  readonly text: string;
}

/** Numbers stay exact below 2^53; no pool needs more addresses than this. */
const SIZE_BITS_MAX = 48;

/** Reads `address/length`; a bare address is a block of one. Null for anything else. */
export function parsePrefix(text: string): Prefix | null {
  const slash = text.indexOf('/');
  const address = parseIpAddress(slash < 0 ? text : text.slice(0, slash));
  if (address === null) return null;
  const bits = 8 * address.bytes.length;
  const lengthText = slash < 0 ? String(bits) : text.slice(slash + 1);
  if (!/^(?:0|[1-9]\d{0,2})$/.test(lengthText)) return null;
  const length = Number(lengthText);
  if (length > bits) return null;
  const { family, bytes } = address;
  for (let bit = length; bit < bits; bit++) {
    if ((bytes[bit >>> 3]! >>> (7 - (bit & 7))) & 1) return null;
  }
  return { family, bytes, length, text: `${address.text}/${length}` };
}

/** Whether an address lies in a block. */
export function prefixContains(
  prefix: Prefix,
  address: Pick<IpAddress, 'family' | 'bytes'>,
): boolean {
  return prefix.family === address.family && sameBits(prefix.bytes, address.bytes, prefix.length);
}

/** Whether all of `inner` lies in `outer`. */
export function isSubPrefix(inner: Prefix, outer: Prefix): boolean {
  return inner.length >= outer.length && prefixContains(outer, inner);
}

/** Whether two blocks share an address. */
export function prefixesOverlap(a: Prefix, b: Prefix): boolean {
  return isSubPrefix(a, b) || isSubPrefix(b, a);
}

/** Addresses in a block, at most 2^48: of larger ones only the first are counted. */
export function prefixSize(prefix: Prefix): number {
  return 2 ** Math.min(SIZE_BITS_MAX, 8 * prefix.bytes.length - prefix.length);
}

/** Address number `index` of a block, from 0 to `prefixSize` - 1. */
export function prefixAddress(prefix: Prefix, index: number): IpAddress {
  const bytes = Uint8Array.from(prefix.bytes);
  let rest = index;
  for (let i = bytes.length - 1; rest > 0; i--) {
    bytes[i] = bytes[i]! | (rest % 256);
    rest = Math.floor(rest / 256);
  }
  return { family: prefix.family, bytes, text: formatIpAddress(bytes) };
}

function sameBits(a: Uint8Array, b: Uint8Array, length: number): boolean {
  const whole = length >>> 3;
  for (let i = 0; i < whole; i++) if (a[i] !== b[i]) return false;
  const rest = length & 7;
  return rest === 0 || (a[whole]! ^ b[whole]!) >>> (8 - rest) === 0;
}
