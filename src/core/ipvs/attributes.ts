/** Numbers of the IPVS netlink interface (include/uapi/linux/ip_vs.h) and what they stand for. */
import type { ForwardingMethod, Protocol } from './table.ts';

/** Name of the generic netlink family. */
export const IPVS_FAMILY = 'IPVS';

export const IPVS_COMMAND = {
  NEW_SERVICE: 1,
  SET_SERVICE: 2,
  DELETE_SERVICE: 3,
  GET_SERVICE: 4,
  NEW_DESTINATION: 5,
  SET_DESTINATION: 6,
  DELETE_DESTINATION: 7,
  GET_DESTINATION: 8,
  GET_INFO: 15,
} as const;

/** Attributes of a message. */
export const IPVS_ATTRIBUTE = { SERVICE: 1, DESTINATION: 2 } as const;

/** Attributes in SERVICE. */
export const SERVICE_ATTRIBUTE = {
  FAMILY: 1,
  PROTOCOL: 2,
  ADDRESS: 3,
  PORT: 4,
  SCHEDULER: 6,
  FLAGS: 7,
  TIMEOUT: 8,
  NETMASK: 9,
  STATS: 10,
  STATS64: 12,
} as const;

/** Attributes in DESTINATION. */
export const DESTINATION_ATTRIBUTE = {
  ADDRESS: 1,
  PORT: 2,
  FORWARDING: 3,
  WEIGHT: 4,
  UPPER_THRESHOLD: 5,
  LOWER_THRESHOLD: 6,
  FAMILY: 11,
} as const;

/** Attributes in STATS and STATS64. */
export const STATS_ATTRIBUTE = {
  CONNECTIONS: 1,
  PACKETS_IN: 2,
  PACKETS_OUT: 3,
  BYTES_IN: 4,
  BYTES_OUT: 5,
} as const;

/** Bits of a service's FLAGS; those of the schedulers are in SCHEDULER_FLAG. */
export const SERVICE_FLAG = { PERSISTENT: 0x1, HASHED: 0x2, ONE_PACKET: 0x4 } as const;

/** IP protocol numbers. */
export const PROTOCOL_NUMBER: Readonly<Record<Protocol, number>> = { tcp: 6, udp: 17, sctp: 132 };

/** IP_VS_CONN_F_FWD_MASK. */
export const FORWARDING_NUMBER: Readonly<Record<ForwardingMethod, number>> = {
  masq: 0,
  local: 1,
  tunnel: 2,
  direct: 3,
  bypass: 4,
};
