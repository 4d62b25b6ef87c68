/** An IPv4 or IPv6 address. IPv4-mapped IPv6 (`::ffff:1.2.3.4`) is family 4, as in Mesos-DNS. */
export interface IpAddress {
  readonly family: 4 | 6;
  /** Network byte order: 4 or 16 octets. */
  readonly bytes: Uint8Array;
  /** Canonical text: dotted quad, or RFC 5952 without embedded dotted quad. */
  readonly text: string;
}

const DOT = 0x2e;
const ZERO = 0x30;
const GROUPS = 8;
/** `ffff:` six times and `255.255.255.255`: the longest legal text. */
const IPV6_TEXT_LENGTH_MAX = 45;

/**
 * Reads an address strictly (RFC 4291 §2.2): IPv4 as four decimal octets without leading zeros,
 * IPv6 with or without an embedded dotted quad; no zone id, no brackets, no prefix length. Null if
 * the text is anything else.
 */
export function parseIpAddress(text: string): IpAddress | null {
  const quad = parseQuad(text);
  if (quad >= 0) return ipv4(quad, text);
  if (text.length > IPV6_TEXT_LENGTH_MAX || !text.includes(':')) return null;
  const groups = parseGroups(text);
  return groups === null ? null : ipv6(groups);
}

/** Whether traffic to the address stays on the node: 127.0.0.0/8 (RFC 1122 §3.2.1.3) or `::1`. */
export function isLoopback(address: IpAddress): boolean {
  if (address.family === 4) return address.bytes[0] === 127;
  return address.bytes[15] === 1 && address.bytes.subarray(0, 15).every((octet) => octet === 0);
}

/** `0.0.0.0` or `::`: as a listener, every address of the node. */
export function isUnspecified(address: IpAddress): boolean {
  return address.bytes.every((octet) => octet === 0);
}

/** 169.254.0.0/16 (RFC 3927) or fe80::/10 (RFC 4291 §2.5.6): means nothing outside one link. */
export function isLinkLocal(address: IpAddress): boolean {
  const [first = 0, second = 0] = address.bytes;
  if (address.family === 4) return first === 169 && second === 254;
  return first === 0xfe && (second & 0xc0) === 0x80;
}

/** The 32 bits of a dotted quad, or -1. Runs for every address of every state: no allocation. */
function parseQuad(text: string): number {
  let bits = 0;
  let octet = -1;
  let dots = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === DOT) {
      if (octet < 0 || dots === 3) return -1;
      bits = bits * 256 + octet;
      octet = -1;
      dots++;
      continue;
    }
    const digit = code - ZERO;
    // A zero in front means octal to some readers, decimal to others: refused, as Go does.
    if (digit < 0 || digit > 9 || octet === 0) return -1;
    octet = octet < 0 ? digit : octet * 10 + digit;
    if (octet > 255) return -1;
  }
  return dots === 3 && octet >= 0 ? bits * 256 + octet : -1;
}

function ipv4(bits: number, text: string): IpAddress {
  const bytes = new Uint8Array(4);
  bytes[0] = bits >>> 24;
  bytes[1] = bits >>> 16;
  bytes[2] = bits >>> 8;
  bytes[3] = bits;
  return { family: 4, bytes, text };
}

/** The eight groups of an IPv6 text, or null. */
function parseGroups(text: string): number[] | null {
  const halves = text.split('::');
  if (halves.length > 2) return null;
  const compressed = halves.length === 2;
  const head = parseHalf(halves[0] ?? '', !compressed);
  const tail = parseHalf(halves[1] ?? '', true);
  if (head === null || tail === null) return null;
  const missing = GROUPS - head.length - tail.length;
  if (compressed ? missing < 1 : missing !== 0) return null;
  return [...head, ...new Array<number>(missing).fill(0), ...tail];
}

/** The groups on one side of `::`; only the end of the text may be a dotted quad. */
function parseHalf(text: string, isEnd: boolean): number[] | null {
  if (text === '') return [];
  const groups: number[] = [];
  const pieces = text.split(':');
  for (const [i, piece] of pieces.entries()) {
    if (/^[0-9a-f]{1,4}$/i.test(piece)) {
      groups.push(Number.parseInt(piece, 16));
      continue;
    }
    const quad = isEnd && i === pieces.length - 1 ? parseQuad(piece) : -1;
    if (quad < 0) return null;
    groups.push(quad >>> 16, quad & 0xffff);
  }
  return groups;
}

function ipv6(groups: readonly number[]): IpAddress {
  const isMapped = groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0);
  if (isMapped) {
    const bits = (groups[6] ?? 0) * 65536 + (groups[7] ?? 0);
    const octets = [bits >>> 24, (bits >>> 16) & 0xff, (bits >>> 8) & 0xff, bits & 0xff];
    return ipv4(bits, octets.join('.'));
  }
  const bytes = new Uint8Array(16);
  for (const [i, group] of groups.entries()) {
    bytes[2 * i] = group >>> 8;
    bytes[2 * i + 1] = group;
  }
  return { family: 6, bytes, text: formatGroups(groups) };
}

/** RFC 5952 §4: lower case, no leading zeros, the first longest run of two or more zeros as `::`. */
function formatGroups(groups: readonly number[]): string {
  let runStart = -1;
  let runLength = 1;
  for (let i = 0; i < GROUPS; i++) {
    let end = i;
    while (groups[end] === 0) end++;
    if (end - i > runLength) {
      runStart = i;
      runLength = end - i;
    }
    i = Math.max(i, end - 1);
  }
  const hex = groups.map((group) => group.toString(16));
  if (runStart < 0) return hex.join(':');
  return `${hex.slice(0, runStart).join(':')}::${hex.slice(runStart + runLength).join(':')}`;
}

/** Canonical text of 4 or 16 octets in network byte order. */
export function formatIpAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  return formatGroups(
    Array.from({ length: GROUPS }, (_, i) => (bytes[2 * i]! << 8) | bytes[2 * i + 1]!),
  );
}
