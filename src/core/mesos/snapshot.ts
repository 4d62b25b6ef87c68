import type { IpAddress } from '../base/address.ts';
import type { HostPort } from '../config/config.ts';

/** What the leading master said at one time, as far as we use it. */
export interface ClusterSnapshot {
  /** From the state's `leader`, `master@host:port`. */
  readonly leader: HostPort;
  /** The answering master says that it leads itself: its `pid` is the `leader`. */
  readonly fromLeader: boolean;
  readonly frameworks: readonly Framework[];
  readonly agents: readonly Agent[];
  /** Running tasks of all frameworks. */
  readonly taskCount: number;
}

export interface Framework {
  /** Where in the state, such as `frameworks[0]`. */
  readonly path: string;
  readonly name: string;
  /** Scheduler's libprocess address; null for HTTP schedulers, which have no `pid`. */
  readonly endpoint: HostPort | null;
  /** Host the scheduler said it runs on; may be empty. */
  readonly hostname: string;
  readonly active: boolean;
  /** Tasks in TASK_RUNNING, in the state's order. */
  readonly tasks: readonly Task[];
}

export interface Agent {
  readonly path: string;
  readonly id: string;
  readonly endpoint: HostPort;
  readonly active: boolean;
}

/** How a task is reached, from its container and port declarations. */
export type TaskNetwork = 'host' | 'bridge' | 'container';

export interface Task {
  readonly path: string;
  readonly id: string;
  readonly name: string;
  readonly agentId: string;
  /** Host ports of `resources.ports`, ranges expanded. */
  readonly hostPorts: readonly number[];
  /** null unless the task has a discovery name: without one Mesos-DNS ignores the block. */
  readonly discovery: Discovery | null;
  /** `network_infos` addresses of the newest TASK_RUNNING status. */
  readonly networkAddresses: readonly IpAddress[];
  /** Address in status label `Docker.NetworkSettings.IPAddress`. */
  readonly dockerAddresses: readonly IpAddress[];
  /** Address in status label `MesosContainerizer.NetworkSettings.IPAddress`. */
  readonly mesosAddresses: readonly IpAddress[];
  readonly network: TaskNetwork;
  readonly portMappings: readonly PortMapping[];
  /** false: a health check failed, or one is declared and has no result yet. */
  readonly healthy: boolean;
}

/** DiscoveryInfo of mesos.proto. */
export interface Discovery {
  readonly name: string;
  readonly ports: readonly DiscoveryPort[];
}

export interface DiscoveryPort {
  readonly number: number;
  /** '' when the port has no name. */
  readonly name: string;
  /** Free text such as `tcp`, `udp` or `tcp,udp`; '' stands for tcp and udp. */
  readonly protocol: string;
  /** Label `network-scope`: whose port `number` is; null without the label. */
  readonly scope: 'host' | 'container' | null;
}

export interface PortMapping {
  readonly hostPort: number;
  readonly containerPort: number;
}
