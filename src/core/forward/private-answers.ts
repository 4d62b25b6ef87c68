import { TYPE } from '../dns/constants.ts';
import { readU16, skipName } from '../dns/wire.ts';
import { isInZone } from './reply-name.ts';
import type { ReplyRecord } from './reply-records.ts';

/** Keys of addresses among the parameters of a service (RFC 9460 §7.3). */
const HINT = { IPV4: 4, IPV6: 6 } as const;
/** Prefixes of 96 bits before an IPv4 address: ::/96, ::ffff:0:0/96 and 64:ff9b::/96 (RFC 6052). */
const MAPPED_WORD = 0xffff;
const NAT64_WORDS = [0x64, 0xff9b] as const;

/**
 * Whether names like `qname` may not have private addresses. The name that was asked for counts,
 * and not the owner of the record: otherwise any name could point to a host of an exempt zone.
 */
export function isGuarded(qname: Uint8Array, exemptZones: readonly Uint8Array[]): boolean {
  return !exemptZones.some((zone) => isInZone(qname, zone));
}

/**
 * Whether a record leads to an address inside: its own, or one of the hints of SVCB and HTTPS. With
 * those, a record whose parameters cannot be read counts as one, too.
 */
export function hasPrivateAddress(message: Uint8Array, record: ReplyRecord): boolean {
  const { type, rdata, end } = record;
  if (type === TYPE.A) return end - rdata === 4 && isPrivateIpv4(message, rdata);
  if (type === TYPE.AAAA) return end - rdata === 16 && isPrivateIpv6(message, rdata);
  if (type !== TYPE.SVCB && type !== TYPE.HTTPS) return false;
  let at = skipName(message, rdata + 2, end);
  if (at < 0) return true;
  while (at < end) {
    const value = at + 4;
    const next = value <= end ? value + readU16(message, at + 2) : end + 1;
    if (next > end) return true;
    const key = readU16(message, at);
    if (key === HINT.IPV4 && someAddress(message, value, next, 4, isPrivateIpv4)) return true;
    if (key === HINT.IPV6 && someAddress(message, value, next, 16, isPrivateIpv6)) return true;
    at = next;
  }
  return false;
}

function someAddress(
  bytes: Uint8Array,
  start: number,
  end: number,
  size: number,
  isPrivate: (bytes: Uint8Array, at: number) => boolean,
): boolean {
  for (let at = start; at + size <= end; at += size) if (isPrivate(bytes, at)) return true;
  return false;
}

/**
 * This network, private use, shared space (RFC 6598), loopback and link-local; see the IANA
 * registry of special-purpose addresses.
 */
function isPrivateIpv4(bytes: Uint8Array, at: number): boolean {
  const first = bytes[at]!;
  const second = bytes[at + 1]!;
  switch (first) {
    case 0:
    case 10:
    case 127:
      return true;
    case 100:
      return (second & 0xc0) === 64;
    case 169:
      return second === 254;
    case 172:
      return (second & 0xf0) === 16;
    case 192:
      return second === 168;
    default:
      return false;
  }
}

/** Unique local, link-local and site-local, and every private IPv4 address in IPv6 form. */
function isPrivateIpv6(bytes: Uint8Array, at: number): boolean {
  const first = readU16(bytes, at);
  // fc00::/7, fe80::/10 and fec0::/10
  if ((first & 0xfe00) === 0xfc00 || (first & 0xff80) === 0xfe80) return true;
  const second = readU16(bytes, at + 2);
  const last = readU16(bytes, at + 10);
  for (let i = 4; i < 10; i += 2) if (readU16(bytes, at + i) !== 0) return false;
  const isNat64 = first === NAT64_WORDS[0] && second === NAT64_WORDS[1] && last === 0;
  const isEmbedded = first === 0 && second === 0 && (last === 0 || last === MAPPED_WORD);
  // The unspecified address and loopback are 0.0.0.0 and 0.0.0.1 in this form.
  return (isNat64 || isEmbedded) && isPrivateIpv4(bytes, at + 12);
}
