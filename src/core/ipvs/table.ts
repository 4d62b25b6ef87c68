/** Transport protocols that IPVS balances. */
export const PROTOCOLS = ['tcp', 'udp', 'sctp'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** Schedulers of the kernel (net/netfilter/ipvs/ip_vs_*.c), as ipvsadm(8) names them. */
export const SCHEDULERS = [
  'rr',
  'wrr',
  'lc',
  'wlc',
  'lblc',
  'lblcr',
  'dh',
  'sh',
  'mh',
  'sed',
  'nq',
  'fo',
  'ovf',
] as const;
export type Scheduler = (typeof SCHEDULERS)[number];

/** Packet forwarding methods (IP_VS_CONN_F_FWD_MASK in include/uapi/linux/ip_vs.h). */
export const FORWARDING_METHODS = ['masq', 'local', 'tunnel', 'direct', 'bypass'] as const;
export type ForwardingMethod = (typeof FORWARDING_METHODS)[number];

/** Service flags of the schedulers (IP_VS_SVC_F_SCHED1, _SCHED2). */
export const SCHEDULER_FLAG = { FALLBACK: 0x8, PORT: 0x10 } as const;

/** What tells virtual services apart. */
export interface ServiceId {
  readonly protocol: Protocol;
  /** Canonical text, see `IpAddress`. */
  readonly address: string;
  /** 0: all ports of the address that have no service of their own. */
  readonly port: number;
}

/** How a virtual service balances. */
export interface ServiceSettings {
  /** A `Scheduler` if it is ours; others' may have any. */
  readonly scheduler: string;
  /** Bits of SCHEDULER_FLAG. */
  readonly schedulerFlags: number;
  /** Seconds for which a client stays with its backend; 0: each connection is balanced. */
  readonly persistenceSeconds: number;
}

/** One entry of the IPVS table with what it should be. */
export interface VirtualService extends ServiceId, ServiceSettings {
  /** By `destinationKey`. */
  readonly destinations: ReadonlyMap<string, Destination>;
}

/** What tells the destinations of a service apart. */
export interface DestinationId {
  /** Canonical text, see `IpAddress`. */
  readonly address: string;
  readonly port: number;
}

/** A real server of a virtual service. */
export interface Destination extends DestinationId {
  readonly forwarding: ForwardingMethod;
  /** 0: established connections go on, new ones go elsewhere. */
  readonly weight: number;
  /** Connections at which it gets no more; 0: no limit. */
  readonly upperThreshold: number;
  /** Connections at which it gets new ones again. */
  readonly lowerThreshold: number;
}

/** A destination as the kernel has it. */
export interface ObservedDestination extends Destination {
  readonly activeConnections: number;
  readonly inactiveConnections: number;
}

/** A virtual service as the kernel has it. */
export interface ObservedService extends ServiceId, ServiceSettings {
  readonly destinations: ReadonlyMap<string, ObservedDestination>;
}

/** Virtual services of a network namespace by `serviceKey`; those by firewall mark are left out. */
export type IpvsTable<S extends VirtualService = VirtualService> = ReadonlyMap<string, S>;

/** Key of a service in an `IpvsTable`, such as `tcp 10.208.0.1:80`. */
export function serviceKey({ protocol, address, port }: ServiceId): string {
  return `${protocol} ${endpoint(address, port)}`;
}

/** Key of a destination, such as `10.0.0.1:31000` or `[fd00::1]:80`. */
export function destinationKey({ address, port }: DestinationId): string {
  return endpoint(address, port);
}

function endpoint(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
