/**
 * Numbers of the Linux socket interface, equal on x86-64 and arm64. Headers: `<bits/socket.h>` (AF,
 * SOCK, MSG, SHUT), `<asm-generic/socket.h>` (SO), `<linux/in.h>` (IP), `<linux/in6.h>` (IPV6).
 */

export const AF_INET = 2;
export const AF_INET6 = 10;

export const SOCK_DGRAM = 2;
export const SOCK_CLOEXEC = 0x80000;

export const SOL_SOCKET = 1;
export const SO_SNDBUF = 7;
export const SO_RCVBUF = 8;
export const SO_REUSEPORT = 15;
export const SO_RCVTIMEO = 20;
export const SO_MEMINFO = 55;
/** `SO_MEMINFO` gives nine 32-bit words (`<linux/sock_diag.h>`); this one counts lost datagrams. */
export const SK_MEMINFO_VARS = 9;
export const SK_MEMINFO_DROPS = 8;

export const IPPROTO_IP = 0;
export const IP_PKTINFO = 8;
export const IP_MTU_DISCOVER = 10;

export const IPPROTO_IPV6 = 41;
export const IPV6_MTU_DISCOVER = 23;
export const IPV6_V6ONLY = 26;
export const IPV6_RECVPKTINFO = 49;

/** Values of both `MTU_DISCOVER` options. */
export const PMTUDISC_DONT = 0;
export const PMTUDISC_OMIT = 5;

export const MSG_DONTWAIT = 0x40;
export const MSG_WAITFORONE = 0x10000;

export const SHUT_RD = 0;

/** `<asm-generic/poll.h>`; errors and hang-ups are reported without being asked for. */
export const POLLIN = 1;

/** `<asm-generic/errno-base.h>`. */
export const EINTR = 4;
export const EAGAIN = 11;

/** Fields of `struct msghdr` (sendmsg(2)) on 64-bit systems, in 32-bit words. */
export const MSGHDR = {
  NAME: 0,
  NAME_LENGTH: 2,
  IOV: 4,
  IOV_COUNT: 6,
  CONTROL: 8,
  CONTROL_LENGTH: 10,
} as const;
