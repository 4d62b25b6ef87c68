import type { IpAddress } from '../base/address.ts';
import type { ForwardingMethod, Protocol, ServiceSettings } from '../ipvs/table.ts';

/** Everything that has a VIP, sorted by identity. */
export interface VipTable {
  readonly services: readonly VipService[];
  /**
   * Services that a plain task name stands for (HOPLITE_ENDPOINT=vip), by `<label>.<framework>`
   * without the domain.
   */
  readonly plainNames: ReadonlyMap<string, VipService>;
  /** What decides about addresses besides the names: equal on nodes that agree. Hex. */
  readonly digest: string;
}

/** One named service, or one address that was declared as such. */
export interface VipService {
  /** `<name>.<framework>`, or the text of a declared address. */
  readonly identity: string;
  /** Normalised VIP name, such as `dev.teamkafka-1`; null for a declared address. */
  readonly name: string | null;
  /** Sanitised framework name; null for a declared address. */
  readonly framework: string | null;
  /** null: no backend of that family, or no address left in the pool. */
  readonly ipv4: IpAddress | null;
  readonly ipv6: IpAddress | null;
  /** Sorted by protocol, then port. */
  readonly ports: readonly VipPort[];
}

/** One port of a service, balanced over its backends. */
export interface VipPort extends ServiceSettings {
  readonly protocol: Protocol;
  readonly port: number;
  /** Of both families; sorted by address, then port; each address and port once. */
  readonly backends: readonly Backend[];
}

/** Where a task answers behind a VIP. */
export interface Backend {
  readonly address: IpAddress;
  readonly port: number;
  /** 0: unhealthy or being killed. */
  readonly weight: number;
  readonly healthy: boolean;
  readonly state: 'running' | 'killing';
  readonly forwarding: ForwardingMethod;
  /** 0: no limit. */
  readonly upperThreshold: number;
  readonly lowerThreshold: number;
  readonly taskId: string;
  readonly agentId: string;
  /**
   * Where the task's own agent reaches it: IPVS bypasses the port mappings of the node, so the
   * container itself. null: at the same place as others do.
   */
  readonly onAgent: { readonly address: IpAddress; readonly port: number } | null;
}
