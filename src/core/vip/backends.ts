import { type IpAddress, isUnspecified, parseIpAddress } from '../base/address.ts';
import { type Prefix, prefixContains } from '../base/prefix.ts';
import type { RejectionList } from '../base/rejection.ts';
import { addressesOf, type HostAddresses } from '../catalog/catalog.ts';
import type { VipConfig } from '../config/config.ts';
import type { Agent, Task } from '../mesos/snapshot.ts';
import { compareAddresses, compareText } from '../base/order.ts';
import { vipPrefixes } from './pool.ts';
import type { TaskPort } from './task-ports.ts';
import type { Backend } from './vip-table.ts';

/** Where a port of a task is reached. */
export type BackendPlace = Pick<Backend, 'address' | 'port' | 'onAgent'>;

/**
 * Addresses of one task that serve a VIP. More would be one task with more shares than others, and
 * addresses times labels of a hostile task.
 */
const ADDRESSES_PER_TASK_MAX = 16;

/** The agents that tasks run on, and what is known of their host names. */
export interface AgentPlaces {
  readonly agents: readonly Agent[];
  readonly hosts: HostAddresses;
}

/** Knows the agents' addresses, and which addresses cannot be those of a backend. */
export class BackendPlaces {
  readonly #agents = new Map<string, readonly IpAddress[]>();
  /** Texts of all addresses of agents, usable or not. */
  readonly #agentTexts = new Set<string>();
  readonly #ours: readonly Prefix[];
  readonly #excluded: readonly Prefix[];
  #rejections: RejectionList;
  /** Texts of bad addresses that have been reported of agents. */
  readonly #reportedOfAgents = new Set<string>();
  /** The same of the task that was looked at last. */
  #reported: { readonly of: string; readonly texts: Set<string> } = { of: '', texts: new Set() };

  constructor({ agents, hosts }: AgentPlaces, config: VipConfig, rejections: RejectionList) {
    this.#ours = vipPrefixes(config);
    this.#excluded = config.exclude;
    this.#rejections = rejections;
    for (const agent of agents) {
      const addresses = agentAddresses(agent, hosts);
      for (const { text } of addresses) this.#agentTexts.add(text);
      const usable = addresses.filter((one) => this.#isUsableOfAgent(one, agent.path));
      this.#agents.set(agent.id, usable.length === addresses.length ? addresses : usable);
    }
  }

  /** Where bad addresses are reported from now on: of each task for itself, once per address. */
  reportTo(rejections: RejectionList): void {
    this.#rejections = rejections;
    this.#reported = { of: '', texts: new Set() };
  }

  /** Addresses of an agent, at most one of each family; null: no such agent. */
  agent(agentId: string): readonly IpAddress[] | null {
    return this.#agents.get(agentId) ?? null;
  }

  /** Whether some agent has an address, which then cannot be a VIP: the agent would lose it. */
  isAgent(address: IpAddress): boolean {
    return this.#agentTexts.has(address.text);
  }

  /** Whether a task's only address is that of its agent: it runs in the host network. */
  isOnAgent(task: Task): boolean {
    const [own, second] = task.networkAddresses;
    if (own === undefined) return task.network === 'host';
    if (second !== undefined) return false;
    return this.agent(task.agentId)?.some(({ text }) => text === own.text) ?? false;
  }

  /**
   * Everywhere a port is reached: with a host port at the agent, else at every address of the
   * task. Empty: there is no usable address.
   */
  of(task: Task, port: TaskPort): readonly BackendPlace[] {
    if (port.hostPort !== null) return this.#throughAgent(task, port, port.hostPort);
    const number = port.port;
    if (number === null) return [];
    return this.#own(task).map((address) => ({ address, port: number, onAgent: null }));
  }

  #throughAgent(task: Task, { port }: TaskPort, hostPort: number): readonly BackendPlace[] {
    // Docker's own proxy and rules make the host port reachable on the agent too, and a container
    // that dials itself needs them.
    const containers = port === null || task.isDocker ? [] : this.#containers(task);
    return (this.agent(task.agentId) ?? []).map((address) => {
      const container = containers.find(({ family }) => family === address.family);
      const onAgent =
        container === undefined || port === null ? null : { address: container, port };
      return { address, port: hostPort, onAgent };
    });
  }

  #containers(task: Task): readonly IpAddress[] {
    return this.isOnAgent(task) ? [] : this.#usable(task);
  }

  #own(task: Task): readonly IpAddress[] {
    if (task.networkAddresses.length > 0) return this.#usable(task);
    return task.network === 'host' ? (this.agent(task.agentId) ?? []) : [];
  }

  #usable(task: Task): readonly IpAddress[] {
    const isUsable = (address: IpAddress): boolean => this.#isUsableOfTask(address, task);
    const { networkAddresses: all } = task;
    if (all.length <= ADDRESSES_PER_TASK_MAX && all.every(isUsable)) return all;
    return all.slice(0, ADDRESSES_PER_TASK_MAX).filter(isUsable);
  }

  #isUsableOfAgent(address: IpAddress, path: string): boolean {
    const defect = this.#defectOf(address);
    if (defect === null) return true;
    if (!this.#reportedOfAgents.has(address.text)) {
      this.#reportedOfAgents.add(address.text);
      this.#rejections.add(path, defect, address.text);
    }
    return false;
  }

  #isUsableOfTask(address: IpAddress, { path }: Task): boolean {
    const defect = this.#defectOf(address);
    if (defect === null) return true;
    if (this.#reportedOfAgents.has(address.text)) return false;
    if (this.#reported.of !== path) this.#reported = { of: path, texts: new Set() };
    const { texts } = this.#reported;
    if (!texts.has(address.text)) {
      texts.add(address.text);
      this.#rejections.add(`${path}.statuses`, defect, address.text);
    }
    return false;
  }

  /** Rejection code of an address; an address among VIPs would send IPVS' packets back to itself. */
  #defectOf(address: IpAddress): string | null {
    if (isIn(this.#ours, address) && !isIn(this.#excluded, address)) return 'address-in-vip-pool';
    return isUnicast(address) ? null : 'vip-backend-address';
  }
}

/** What an agent calls itself if that is an address, else the first of each family of its own. */
function agentAddresses(agent: Agent, hosts: HostAddresses): readonly IpAddress[] {
  const named = agent.hostname === '' ? null : parseIpAddress(agent.hostname);
  if (named !== null) return [named];
  const all = addressesOf(agent.endpoint.host, hosts);
  if (all.length <= 1) return all;
  return all.filter(({ family }, i) => all.findIndex((one) => one.family === family) === i);
}

function isIn(prefixes: readonly Prefix[], address: IpAddress): boolean {
  for (const prefix of prefixes) if (prefixContains(prefix, address)) return true;
  return false;
}

/** Not 0.0.0.0, `::`, multicast (RFC 5771, RFC 4291 §2.7) or the limited broadcast address. */
function isUnicast(address: IpAddress): boolean {
  const first = address.bytes[0]!;
  if (first !== 0 && first !== 0xff && (first & 0xf0) !== 0xe0) return true;
  if (isUnspecified(address)) return false;
  if (address.family === 6) return first !== 0xff;
  return (first & 0xf0) !== 0xe0 && address.bytes.some((octet) => octet !== 255);
}

/**
 * Total order of the backends of a port: by address and port, and of those that share both the best
 * first, so that the outcome does not depend on who came first.
 */
export function compareBackends(a: Backend, b: Backend): number {
  return (
    compareAddresses(a.address, b.address) ||
    a.port - b.port ||
    b.weight - a.weight ||
    -compareText(a.state, b.state) ||
    Number(b.healthy) - Number(a.healthy) ||
    compareText(a.taskId, b.taskId) ||
    compareText(a.agentId, b.agentId) ||
    compareText(traits(a), traits(b))
  );
}

function traits({ forwarding, upperThreshold, lowerThreshold, onAgent }: Backend): string {
  const local = onAgent === null ? '' : `${onAgent.address.text} ${onAgent.port}`;
  return `${forwarding} ${upperThreshold} ${lowerThreshold} ${local}`;
}
