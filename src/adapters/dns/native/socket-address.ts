import { formatIpAddress, type IpAddress } from '../../../core/base/address.ts';
import type { SocketAddress } from '../../../core/config/config.ts';
import { readU16, writeU16 } from '../../../core/dns/wire.ts';
import type { DnsClient } from '../query-handler.ts';
import { AF_INET, AF_INET6 } from './linux-constants.ts';

/*
 * struct sockaddr_in (netinet/in.h)      struct sockaddr_in6
 *  0  sin_family  16, host order          0  sin6_family    16, host order
 *  2  sin_port    16, network order       2  sin6_port      16, network order
 *  4  sin_addr    4 octets                4  sin6_flowinfo  32
 *  8  sin_zero    8 octets                8  sin6_addr      16 octets
 *                                        24  sin6_scope_id  32, host order
 */
const SOCKADDR_IN_BYTES = 16;
export const SOCKADDR_IN6_BYTES = 28;
export const PORT_AT = 2;
export const IPV4_AT = 4;
export const IPV6_AT = 8;
const SCOPE_ID_AT = 24;

/** A `sockaddr_in` or `sockaddr_in6` for the kernel. */
export function encodeSocketAddress({ family, bytes }: IpAddress, port: number): Uint8Array {
  const encoded = new Uint8Array(family === 4 ? SOCKADDR_IN_BYTES : SOCKADDR_IN6_BYTES);
  encoded[0] = family === 4 ? AF_INET : AF_INET6;
  writeU16(encoded, PORT_AT, port);
  encoded.set(bytes, family === 4 ? IPV4_AT : IPV6_AT);
  return encoded;
}

/** Octets of a structure that the kernel filled in. */
export function socketAddressBytes(encoded: Uint8Array): 16 | 28 {
  return encoded[0] === AF_INET6 ? SOCKADDR_IN6_BYTES : SOCKADDR_IN_BYTES;
}

/** Address and port of a structure that the kernel filled in. */
export function decodeSocketAddress(encoded: Uint8Array): SocketAddress {
  const isIpv6 = encoded[0] === AF_INET6;
  const at = isIpv6 ? IPV6_AT : IPV4_AT;
  return {
    address: formatIpAddress(encoded.subarray(at, at + (isIpv6 ? 16 : 4))),
    port: readU16(encoded, PORT_AT),
  };
}

/** Who sent a datagram; the zone of a link-local IPv6 address is the number of its interface. */
export function decodeClient(encoded: Uint8Array): DnsClient {
  const { address, port } = decodeSocketAddress(encoded);
  if (encoded[0] !== AF_INET6) return { protocol: 'udp', family: 4, address, port };
  const view = new DataView(encoded.buffer, encoded.byteOffset, encoded.byteLength);
  const scope = view.getUint32(SCOPE_ID_AT, true);
  return {
    protocol: 'udp',
    family: 6,
    address: scope === 0 ? address : `${address}%${scope}`,
    port,
  };
}
