import { formatIpAddress, type IpAddress, parseIpAddress } from './address.ts';
import { assert } from './assert.ts';

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

/** Bits in front of an IPv4 address that is written as IPv6, `::ffff:10.0.0.1`. */
const MAPPED_BITS = 96;

/** Reads `address/length`; a bare address is a block of one. Null for anything else. */
export function parsePrefix(text: string): Prefix | null {
  const notation = readNotation(text);
  if (notation === null) return null;
  const { address, length } = notation;
  const prefix = prefixAround(address, length);
  return sameBits(prefix.bytes, address.bytes, 8 * address.bytes.length) ? prefix : null;
}

/**
 * The block that `address/length` lies in: what was meant where `parsePrefix` refuses a text for
 * its bits beyond the length. Null for what has no such form.
 */
export function coveringPrefix(text: string): Prefix | null {
  const notation = readNotation(text);
  return notation === null ? null : prefixAround(notation.address, notation.length);
}

/** The block of `length` leading bits that an address lies in. */
export function prefixAround(
  { family, bytes }: Pick<IpAddress, 'family' | 'bytes'>,
  length: number,
): Prefix {
  assert(length >= 0 && length <= 8 * bytes.length, 'a prefix is no longer than an address');
  const network = bytes.map((octet, i) => octet & octetMask(length - 8 * i));
  return { family, bytes: network, length, text: `${formatIpAddress(network)}/${length}` };
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
  assert(index >= 0 && index < prefixSize(prefix), 'the block has an address of that number');
  const bytes = Uint8Array.from(prefix.bytes);
  let rest = index;
  for (let i = bytes.length - 1; rest > 0; i--) {
    bytes[i] = bytes[i]! | (rest % 256);
    rest = Math.floor(rest / 256);
  }
  return { family: prefix.family, bytes, text: formatIpAddress(bytes) };
}

function readNotation(text: string): { address: IpAddress; length: number } | null {
  const slash = text.indexOf('/');
  const address = parseIpAddress(slash < 0 ? text : text.slice(0, slash));
  if (address === null) return null;
  const bits = 8 * address.bytes.length;
  if (slash < 0) return { address, length: bits };
  const lengthText = text.slice(slash + 1);
  if (!/^(?:0|[1-9]\d{0,2})$/.test(lengthText)) return null;
  // The length counts the bits that are written, not those of the address that is meant.
  const isMapped = address.family === 4 && text.includes(':');
  const length = Number(lengthText) - (isMapped ? MAPPED_BITS : 0);
  return length >= 0 && length <= bits ? { address, length } : null;
}

/** The first `count` bits of an octet; all of them from 8 on, none below 1. */
function octetMask(count: number): number {
  return 0xff & ~(0xff >>> Math.min(8, Math.max(0, count)));
}

function sameBits(a: Uint8Array, b: Uint8Array, length: number): boolean {
  const whole = length >>> 3;
  for (let i = 0; i < whole; i++) if (a[i] !== b[i]) return false;
  const rest = length & 7;
  return rest === 0 || (a[whole]! ^ b[whole]!) >>> (8 - rest) === 0;
}
