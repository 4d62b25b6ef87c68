import { NO_ENDS, type TaskEnds } from '../../../src/core/mesos/ended-tasks.ts';
import { taskKey } from '../../../src/core/mesos/task-key.ts';
import type { Agent, ClusterSnapshot, Framework, Task } from '../../../src/core/mesos/snapshot.ts';
import type { Testimony } from '../../../src/core/trust/retention.ts';

/** Agent `number`, at 10.0.0.(number + 1). */
export function agent(number: number, more: Partial<Agent> = {}): Agent {
  const host = `10.0.0.${number + 1}`;
  return {
    path: `slaves[${number}]`,
    id: `S${number}`,
    hostname: host,
    endpoint: { host, port: 5051 },
    active: true,
    ...more,
  };
}

/** A running task on agent 0. */
export function task(id: string, more: Partial<Task> = {}): Task {
  return {
    path: `tasks.${id}`,
    phase: 'running',
    id,
    name: 'web',
    agentId: 'S0',
    hostPorts: [],
    discovery: null,
    discoveryPorts: [],
    vipPortLabels: [],
    isDocker: false,
    container: { dockerNetwork: '', isNamed: false, portMappings: [], hasHealthCheck: false },
    networkAddresses: [],
    dockerAddresses: [],
    mesosAddresses: [],
    network: 'host',
    portMappings: [],
    healthy: true,
    ...more,
  };
}

/** A framework whose id is its name. */
export function framework(
  name: string,
  running: readonly Task[],
  killing: readonly Task[] = [],
): Framework {
  return {
    path: `frameworks.${name}`,
    id: name,
    name,
    endpoint: null,
    hostname: '',
    active: true,
    tasks: running,
    killing,
    pending: [],
  };
}

/** What a master says, unless a test says otherwise: three agents, all of them registered. */
export function cluster(
  frameworks: readonly Framework[],
  agents: readonly Agent[] = [agent(0), agent(1), agent(2)],
  recovering: readonly string[] = [],
): ClusterSnapshot {
  return {
    leader: { host: '10.0.0.100', port: 5050 },
    masterId: '',
    fromLeader: true,
    frameworks,
    agents,
    recovering,
    taskCount: frameworks.reduce((sum, { tasks }) => sum + tasks.length, 0),
  };
}

/** Tasks `<prefix>0` and on, dealt out to three agents. */
export function tasks(count: number, prefix = 't'): Task[] {
  return Array.from({ length: count }, (_, i) => task(`${prefix}${i}`, { agentId: `S${i % 3}` }));
}

/** Tasks of one agent. */
export function on(agentId: string, all: readonly Task[]): Task[] {
  return all.filter((one) => one.agentId === agentId);
}

/** What nobody adds anything to, at a time in seconds. */
export function said(seconds: number, more: Partial<Testimony> = {}): Testimony {
  return {
    nowMs: 1_000 * seconds,
    isNewLeader: false,
    ends: () => NO_ENDS,
    agentRemoved: () => false,
    ...more,
  };
}

/** Tasks of `marathon` that have ended. */
export function ended(...ids: readonly string[]): Partial<Testimony> {
  return { ends: () => ({ ...NO_ENDS, ended: keys(ids) }) };
}

/** Tasks of `marathon` that are lost. */
export function lost(...ids: readonly string[]): Partial<Testimony> {
  return { ends: () => ({ ...NO_ENDS, lost: keys(ids) }) };
}

/** Frameworks that are torn down. */
export function tornDown(...names: readonly string[]): Partial<Testimony> {
  const ends: TaskEnds = { ...NO_ENDS, frameworks: new Set(names) };
  return { ends: () => ends };
}

function keys(ids: readonly string[]): Set<string> {
  return new Set(ids.map((id) => taskKey('marathon', id)));
}

/** Ids of running tasks of all frameworks, in order. */
export function runningIds({ frameworks }: ClusterSnapshot): string[] {
  return frameworks.flatMap((one) => one.tasks.map(({ id }) => id)).sort();
}

/** Ids of agents, in order. */
export function agentIds({ agents }: ClusterSnapshot): string[] {
  return agents.map(({ id }) => id).sort();
}
