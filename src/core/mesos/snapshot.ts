import type { IpAddress } from '../base/address.ts';
import type { HostPort } from '../config/config.ts';

/** What the leading master said at one time, as far as we use it. */
export interface ClusterSnapshot {
  /** From the state's `leader`, `master@host:port`. */
  readonly leader: HostPort;
  /** Id of the master's run, another after every start; '' if it does not say. */
  readonly masterId: string;
  /** The answering master says that it leads itself: its `pid` is the `leader`. */
  readonly fromLeader: boolean;
  readonly frameworks: readonly Framework[];
  readonly agents: readonly Agent[];
  /** Ids of agents of the registry that have not registered again since the last failover. */
  readonly recovering: readonly string[];
  /** Running tasks of all frameworks. */
  readonly taskCount: number;
}

export interface Framework {
  /** Where in the state, such as `frameworks[0]`. */
  readonly path: string;
  /** Framework id; '' in a state that was cut by hand. */
  readonly id: string;
  readonly name: string;
  /** Scheduler's libprocess address; null for HTTP schedulers, which have no `pid`. */
  readonly endpoint: HostPort | null;
  /** Host the scheduler said it runs on; may be empty. */
  readonly hostname: string;
  readonly active: boolean;
  /** Not of Mesos: its tasks have no agents, and their network addresses are those of their machines. */
  readonly isStatic?: true;
  /** Tasks in TASK_RUNNING, in the state's order. */
  readonly tasks: readonly Task[];
  /** Tasks in TASK_KILLING: they have no names any more, but may still hold connections. */
  readonly killing: readonly Task[];
  /** Tasks that do not run yet: what is known of them before an event says that they do. */
  readonly pending: readonly Task[];
}

export interface Agent {
  readonly path: string;
  readonly id: string;
  /** What the agent calls itself: a name or an address; may be empty. */
  readonly hostname: string;
  readonly endpoint: HostPort;
  readonly active: boolean;
}

/** How a task is reached, from its container and port declarations. */
export type TaskNetwork = 'host' | 'bridge' | 'container';

/** TASK_RUNNING, TASK_KILLING, or any state before (mesos.proto, TaskState). */
export type TaskPhase = 'pending' | 'running' | 'killing';

/** What a task's network and health follow from, besides its status. */
export interface TaskContainer {
  /** `container.docker.network`, such as `HOST`; '' without. */
  readonly dockerNetwork: string;
  /** A network of the container has a name. */
  readonly isNamed: boolean;
  readonly portMappings: readonly PortMapping[];
  readonly hasHealthCheck: boolean;
}

export interface Task {
  readonly path: string;
  readonly phase: TaskPhase;
  readonly id: string;
  readonly name: string;
  readonly agentId: string;
  /** Host ports of `resources.ports`, ranges expanded. */
  readonly hostPorts: readonly number[];
  /** null unless the task has a discovery name: without one Mesos-DNS ignores the block. */
  readonly discovery: Discovery | null;
  /** Ports of the DiscoveryInfo, whether it has a name or not. */
  readonly discoveryPorts: readonly DiscoveryPort[];
  /** Task labels `VIP_PORT<n>`, with which early Minuteman declared VIPs. */
  readonly vipPortLabels: readonly VipPortLabel[];
  /** Runs in Docker's own containerizer (`container.type`). */
  readonly isDocker: boolean;
  readonly container: TaskContainer;
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
  /** Position in the state's list. */
  readonly index: number;
  /** Labels that declare VIPs or how to balance: keys beginning with `VIP`, `vip` or `HOPLITE_`. */
  readonly labels: readonly PortLabel[];
}

/** One label of a port, as it is written. */
export interface PortLabel {
  readonly key: string;
  readonly value: string;
}

/** `VIP_PORT<index>=<value>`: `value` is `tcp://name:port` or `udp://…`. */
export interface VipPortLabel {
  /** Digits behind `VIP_PORT`, as they are written: an index into `hostPorts` if all is well. */
  readonly index: string;
  readonly value: string;
}

export interface PortMapping {
  /** Lower case; '' when the state has none. */
  readonly protocol: string;
  readonly hostPort: number;
  readonly containerPort: number;
}
