/*
 * Where a datagram was sent to, as a control message (cmsg(3), ip(7), ipv6(7)):
 *
 *  0  cmsg_len    64
 *  8  cmsg_level  32, IPPROTO_IP             IPPROTO_IPV6
 * 12  cmsg_type   32, IP_PKTINFO             IPV6_PKTINFO
 * 16              ipi_ifindex   32           ipi6_addr     16 octets
 * 20              ipi_spec_dst  4 octets
 * 24              ipi_addr      4 octets
 * 32                                         ipi6_ifindex  32
 */

/** Space of the longer of the two, CMSG_SPACE(sizeof(struct in6_pktinfo)). */
export const PACKET_INFO_BYTES = 40;

/** The address of ours that was asked; `ipi_spec_dst` is one even if the query was a broadcast. */
export const LOCAL_IPV4_AT = 20;
export const LOCAL_IPV6_AT = 16;

const IPV4_IFINDEX_AT = 16;
const IPV6_IFINDEX_AT = 32;

/**
 * Makes of the control message that came with a query, at `at`, the one that its answer is sent
 * with: from the address asked, by whatever route leads back. Only link-local IPv6 addresses mean
 * something on one interface alone, and keep it.
 */
export function turnPacketInfo(bytes: Uint8Array, at: number, family: 4 | 6): void {
  if (family === 6 && bytes[at + LOCAL_IPV6_AT] === 0xfe) {
    if ((bytes[at + LOCAL_IPV6_AT + 1]! & 0xc0) === 0x80) return;
  }
  const index = at + (family === 4 ? IPV4_IFINDEX_AT : IPV6_IFINDEX_AT);
  bytes[index] = 0;
  bytes[index + 1] = 0;
  bytes[index + 2] = 0;
  bytes[index + 3] = 0;
}
