import type { IpAddress } from '../base/address.ts';
import type { IpSource, NamesConfig } from '../config/config.ts';
import type { DiscoveryPort, Task } from '../mesos/snapshot.ts';

/** Addresses of a task and where they were taken from, for `/v1/explain`. */
export interface TaskAddresses {
  readonly addresses: readonly IpAddress[];
  /** Whose addresses they are; `machine`: of the endpoint of a static service. */
  readonly of: 'agent' | 'task' | 'machine';
  /** Why, as a sentence fragment. */
  readonly reason: string;
}

const NOTHING: TaskAddresses = {
  addresses: [],
  of: 'task',
  reason: 'none of the configured sources gave an address',
};

/** The address to publish for a task: per task by its network, or by Mesos-DNS' `IPSources`. */
export function chooseAddresses(
  task: Task,
  agentAddresses: readonly IpAddress[],
  choice: NamesConfig['addresses'],
): TaskAddresses {
  if (choice === 'by-network') return byNetwork(task, agentAddresses);
  for (const source of choice) {
    const addresses = fromSource(task, agentAddresses, source);
    if (addresses.length > 0) return { addresses, ...SOURCES[source] };
  }
  return NOTHING;
}

const SOURCES: Readonly<Record<IpSource, Omit<TaskAddresses, 'addresses'>>> = {
  host: { of: 'agent', reason: 'IPSources: host' },
  docker: { of: 'task', reason: 'IPSources: docker' },
  mesos: { of: 'task', reason: 'IPSources: mesos' },
  netinfo: { of: 'task', reason: 'IPSources: netinfo' },
};

function fromSource(
  task: Task,
  agentAddresses: readonly IpAddress[],
  source: IpSource,
): readonly IpAddress[] {
  switch (source) {
    case 'host':
      return agentAddresses;
    case 'docker':
      return task.dockerAddresses;
    case 'mesos':
      return task.mesosAddresses;
    case 'netinfo':
      return task.networkAddresses;
  }
}

function byNetwork(task: Task, agentAddresses: readonly IpAddress[]): TaskAddresses {
  const agent = (reason: string): TaskAddresses => ({
    addresses: agentAddresses,
    of: 'agent',
    reason,
  });
  if (task.network === 'host') return agent('the task uses the host network');
  if (task.network === 'bridge') return agent('its ports are mapped to ports of the agent');
  const ports = task.discovery?.ports ?? [];
  if (ports.length > 0 && ports.every((port) => port.scope === 'host')) {
    return agent('its ports have network-scope host');
  }
  if (task.networkAddresses.length === 0) return agent('its container network gave no address');
  return {
    addresses: task.networkAddresses,
    of: 'task',
    reason: 'the task has its own address on a container network',
  };
}

/** The addresses of a static service's endpoint, whatever the sources for tasks are. */
export function machineAddresses({ networkAddresses }: Task): TaskAddresses {
  return { addresses: networkAddresses, of: 'machine', reason: 'the services file has it' };
}

/** Where a discovery port is reached. */
export interface PortLocation {
  readonly of: TaskAddresses['of'];
  readonly port: number;
}

/**
 * Port and side of discovery port number `index`. Mesos-DNS pairs the declared number with
 * whatever address was chosen; by network, a port that is reached through the agent gets its host
 * port: that of its port mapping, the number itself if it is one, or the host port of the same
 * position.
 */
export function locatePort(
  task: Task,
  port: DiscoveryPort,
  index: number,
  chosen: TaskAddresses,
  choice: NamesConfig['addresses'],
): PortLocation {
  if (choice !== 'by-network' || chosen.of === 'machine') {
    return { of: chosen.of, port: port.number };
  }
  if (chosen.of === 'task' && port.scope !== 'host') return { of: 'task', port: port.number };
  const { hostPorts } = task;
  const declared = task.discovery?.ports.length ?? 0;
  const { portMappings } = task;
  if (portMappings.some((mapping) => mapping.hostPort === port.number)) {
    return { of: 'agent', port: port.number };
  }
  const mapped = portMappings.find((mapping) => mapping.containerPort === port.number);
  if (mapped !== undefined) return { of: 'agent', port: mapped.hostPort };
  if (hostPorts.includes(port.number)) return { of: 'agent', port: port.number };
  const positional = declared === hostPorts.length ? hostPorts[index] : undefined;
  return { of: 'agent', port: positional ?? port.number };
}
