import { type IpAddress, parseIpAddress } from '../base/address.ts';
import type { RejectionList } from '../base/rejection.ts';
import type { NamesConfig } from '../config/config.ts';
import { nameDefect, type OwnerName } from '../dns/name.ts';
import type { Agent, ClusterSnapshot, Framework, Task } from '../mesos/snapshot.ts';
import { dottedLabels, label } from './labels.ts';
import { chooseAddresses, machineAddresses, type TaskAddresses } from './task-addresses.ts';
import { taskHash } from './task-hash.ts';

/** Addresses of host names that were looked up; missing: not known yet, empty: none. */
export type HostAddresses = ReadonlyMap<string, readonly IpAddress[]>;

/** A running task with everything its names are made of. */
export interface CatalogTask {
  readonly task: Task;
  /** Labels its names start with: the discovery name as it is and sanitised, or the task name. */
  readonly labels: readonly string[];
  /** `<hash>-<agent>` or `<hash>-static`: makes the canonical name of each label unique. */
  readonly suffix: string;
  readonly chosen: TaskAddresses;
  readonly agentAddresses: readonly IpAddress[];
  /** Left out of the names it shares, because a healthy task has them too. */
  readonly avoided: boolean;
}

export interface CatalogFramework {
  readonly framework: Framework;
  /** Sanitised name; '' if nothing of it is left, then nothing of the framework is published. */
  readonly name: string;
  readonly tasks: readonly CatalogTask[];
}

/** The cluster in the words of names. */
export interface Catalog {
  readonly snapshot: ClusterSnapshot;
  readonly frameworks: readonly CatalogFramework[];
  readonly hosts: HostAddresses;
}

/** Host names in a snapshot that have to be looked up before their addresses are known. */
export function hostNames(
  snapshot: ClusterSnapshot,
  masters: readonly { host: string }[],
): string[] {
  const names = new Set<string>();
  const add = (host: string): void => {
    if (host !== '' && parseIpAddress(host) === null) names.add(host);
  };
  add(snapshot.leader.host);
  for (const master of masters) add(master.host);
  for (const agent of snapshot.agents) add(agent.endpoint.host);
  for (const framework of snapshot.frameworks) add(framework.endpoint?.host ?? framework.hostname);
  return [...names].sort();
}

/** Addresses of a host: itself if it is one, else what the look-up found. */
export function addressesOf(host: string, hosts: HostAddresses): readonly IpAddress[] {
  const known = hosts.get(host);
  if (known !== undefined) return known;
  const address = host === '' ? null : parseIpAddress(host);
  return address === null ? [] : [address];
}

/** Works out names and addresses of all tasks; what cannot be named is rejected. */
export function buildCatalog(
  snapshot: ClusterSnapshot,
  hosts: HostAddresses,
  config: NamesConfig,
  rejections: RejectionList,
): Catalog {
  const agents = new Map<string, { agent: Agent; addresses: readonly IpAddress[] }>();
  for (const agent of snapshot.agents) {
    agents.set(agent.id, { agent, addresses: addressesOf(agent.endpoint.host, hosts) });
  }
  const frameworks = snapshot.frameworks.map((framework): CatalogFramework => {
    const name = dottedLabels(framework.name, config.labels);
    if (name === '') rejections.add(`${framework.path}.name`, 'name-empty', framework.name);
    const tasks: CatalogTask[] = [];
    for (const task of framework.tasks) {
      if (framework.isStatic) {
        tasks.push(staticTask(task, config));
        continue;
      }
      const agent = agents.get(task.agentId);
      if (agent === undefined) {
        rejections.add(`${task.path}.slave_id`, 'agent-unknown', task.agentId);
        continue;
      }
      tasks.push(catalogTask(task, agent.addresses, config));
    }
    return { framework, name, tasks };
  });
  return {
    snapshot,
    frameworks: config.unhealthy === 'avoid' ? avoidUnhealthy(frameworks) : frameworks,
    hosts,
  };
}

/** Names and addresses of one task, as if no other had its names. */
export function catalogTask(
  task: Task,
  agentAddresses: readonly IpAddress[],
  config: NamesConfig,
): CatalogTask {
  const agentTail = task.agentId.slice(task.agentId.lastIndexOf('-') + 1).toLowerCase();
  return {
    task,
    labels: taskLabels(task, config),
    suffix: `${taskHash(task.id)}-${agentTail}`,
    chosen: chooseAddresses(task, agentAddresses, config.addresses),
    agentAddresses,
    avoided: false,
  };
}

/** An endpoint of a static service: no agent is in its names, and none has names for it. */
function staticTask(task: Task, config: NamesConfig): CatalogTask {
  return {
    task,
    labels: taskLabels(task, config),
    suffix: `${taskHash(task.id)}-static`,
    chosen: machineAddresses(task),
    agentAddresses: [],
    avoided: false,
  };
}

/**
 * D15: the discovery name as it is counts only if somebody can ask for it. A name that sanitises to
 * nothing stays, since its canonical and SRV names can be asked for; the plain name is rejected.
 */
function taskLabels(task: Task, config: NamesConfig): readonly string[] {
  const text = task.discovery?.name ?? task.name;
  const clean = label(text, config.labels);
  if (task.discovery === null || text === clean) return [clean];
  // A label `*` would be a wildcard to whoever loads the zone (RFC 4592 §2.1.1).
  const isAskable = nameDefect(`${text}.`) === null && !text.split('.').includes('*');
  return isAskable ? [text, clean] : [clean];
}

/** Marks unhealthy tasks that share a name with a healthy one. */
function avoidUnhealthy(frameworks: readonly CatalogFramework[]): readonly CatalogFramework[] {
  if (frameworks.every((framework) => framework.tasks.every((entry) => entry.task.healthy))) {
    return frameworks;
  }
  const healthy = new Set<OwnerName>();
  for (const { name, tasks } of frameworks) {
    for (const { task, labels, chosen } of tasks) {
      // A healthy task without an address cannot stand in for one that has some.
      if (!task.healthy || chosen.addresses.length === 0) continue;
      for (const text of labels) healthy.add(`${text}.${name}`);
    }
  }
  return frameworks.map((framework) => ({
    ...framework,
    tasks: framework.tasks.map((entry) =>
      entry.task.healthy || !entry.labels.every((text) => healthy.has(`${text}.${framework.name}`))
        ? entry
        : { ...entry, avoided: true },
    ),
  }));
}
