import { JsonScanError, JsonScanner, type WantedMembers } from '../base/json-scanner.ts';
import { asObject, isAbsent } from '../base/json.ts';
import type { RejectionList } from '../base/rejection.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { HostPort } from '../config/config.ts';
import { parsePid } from './parse-pid.ts';
import { mentionsVipPort } from './parse-labels.ts';
import { AddressCache, parseTask } from './parse-task.ts';
import type { Agent, ClusterSnapshot, Framework, Task } from './snapshot.ts';

/** Tasks of one framework, as a snapshot parts them. */
export type FrameworkTasks = Pick<Framework, 'tasks' | 'killing' | 'pending'>;

const NO_TASKS: FrameworkTasks = { tasks: [], killing: [], pending: [] };
/** Members of frameworks, agents and tasks that names and VIPs need. */
const FRAMEWORK_KEYS: ReadonlySet<string> = new Set(['id', 'name', 'pid', 'hostname', 'active']);
const AGENT_KEYS: WantedMembers = {
  id: 'value',
  pid: 'value',
  hostname: 'value',
  active: 'value',
};
/** Members of a task's `container`, which v0 and v1 write alike. */
export const CONTAINER_KEYS: WantedMembers = {
  type: 'word',
  docker: { network: 'word', port_mappings: 'value' },
  network_infos: 'value',
};
const TASK_KEYS: WantedMembers = {
  id: 'value',
  name: 'value',
  slave_id: 'value',
  state: 'word',
  resources: { ports: 'value' },
  statuses: 'value',
  discovery: 'value',
  labels: mentionsVipPort,
  container: CONTAINER_KEYS,
  health_check: 'presence',
};

/**
 * Reads the body of a master's `GET /master/state` (src/master/http.cpp, Mesos 0.28 to 1.12). The
 * error says why this is no state of a leading master; anything smaller loses only itself and is
 * added to `rejections`. One pass over the bytes, one task at a time: the whole state as objects
 * would be ten times its size.
 */
export function parseState(
  body: Uint8Array | string,
  rejections: RejectionList,
): Result<ClusterSnapshot, string> {
  const reader = new StateReader(rejections);
  const broken = scanMembers(body, (key, scanner) => {
    reader.member(key, scanner);
  });
  return broken === null ? reader.snapshot(null) : err(broken);
}

/**
 * Calls `member` for each member of the object that a body is; returns what is wrong with it as
 * JSON, null if nothing is.
 */
export function scanMembers(
  body: Uint8Array | string,
  member: (key: string, scanner: JsonScanner) => void,
): string | null {
  try {
    const scanner = new JsonScanner(typeof body === 'string' ? Buffer.from(body) : body);
    scanner.object((key) => {
      member(key, scanner);
    });
    scanner.end();
  } catch (error) {
    if (error instanceof JsonScanError || error instanceof SyntaxError) {
      return `not JSON: ${error.message}`;
    }
    throw error;
  }
  return null;
}

/** Collects the parts of a state; of members that come twice the last counts, as in JSON.parse. */
export class StateReader {
  readonly #rejections: RejectionList;
  readonly #addresses = new AddressCache();
  #leader: unknown;
  #id: unknown;
  #pid: unknown;
  #recovering: readonly string[] = [];
  #agents: Agent[] | null = null;
  #frameworks: Framework[] | null = null;

  constructor(rejections: RejectionList) {
    this.#rejections = rejections;
  }

  /** Reads or skips one member of the state. */
  member(key: string, scanner: JsonScanner): void {
    if (key === 'leader') this.#leader = scanner.value();
    else if (key === 'pid') this.#pid = scanner.value();
    else if (key === 'id') this.#id = scanner.value();
    else if (key === 'slaves') this.#agents = this.#readAgents(scanner);
    else if (key === 'recovered_slaves') this.#recovering = readIds(scanner);
    else if (key === 'frameworks') this.#frameworks = this.#readFrameworks(scanner);
    else scanner.skip();
  }

  /** `fallbackLeader` stands in for a leader that the state does not name. */
  snapshot(fallbackLeader: HostPort | null): Result<ClusterSnapshot, string> {
    const [agents, frameworks] = [this.#agents, this.#frameworks];
    // S11: an answer that lacks the lists says nothing about the cluster.
    if (agents === null || frameworks === null) {
      return err('the state has no `frameworks` and `slaves` lists');
    }
    const leader = parsePid(this.#leader) ?? fallbackLeader;
    if (leader === null) return err('the state names no usable `leader`');
    return ok({
      leader,
      masterId: typeof this.#id === 'string' ? this.#id : '',
      fromLeader: this.#pid === this.#leader,
      frameworks,
      agents,
      recovering: this.#recovering,
      taskCount: countTasks(frameworks),
    });
  }

  #readAgents(scanner: JsonScanner): Agent[] | null {
    const agents: Agent[] = [];
    const isList = scanner.array((i) => {
      const agent = parseAgent(scanner.pick(AGENT_KEYS), `slaves[${i}]`, this.#rejections);
      if (agent !== null) agents.push(agent);
    });
    return isList ? agents : null;
  }

  #readFrameworks(scanner: JsonScanner): Framework[] | null {
    const frameworks: Framework[] = [];
    const isList = scanner.array((i) => {
      const framework = this.#readFramework(scanner, `frameworks[${i}]`);
      if (framework !== null) frameworks.push(framework);
    });
    return isList ? frameworks : null;
  }

  #readFramework(scanner: JsonScanner, path: string): Framework | null {
    if (scanner.kind() !== 'object') {
      return parseFramework(scanner.value(), path, NO_TASKS, this.#rejections);
    }
    const members: Record<string, unknown> = {};
    let tasks = NO_TASKS;
    scanner.object((key) => {
      if (key === 'tasks') tasks = this.#readTasks(scanner, `${path}.tasks`);
      else if (FRAMEWORK_KEYS.has(key)) members[key] = scanner.value();
      else scanner.skip();
    });
    return parseFramework(members, path, tasks, this.#rejections);
  }

  #readTasks(scanner: JsonScanner, path: string): FrameworkTasks {
    if (scanner.kind() !== 'array') {
      const value = scanner.value();
      if (!isAbsent(value)) this.#rejections.add(path, 'tasks-malformed', value);
      return NO_TASKS;
    }
    const lists = new TaskLists();
    scanner.array((i) => {
      const value = scanner.pick(TASK_KEYS);
      const task = parseTask(value, `${path}[${i}]`, this.#addresses, this.#rejections);
      if (task !== null) lists.add(task);
    });
    return lists;
  }
}

/** Tasks of one framework while they are read. */
export class TaskLists implements FrameworkTasks {
  readonly tasks: Task[] = [];
  readonly killing: Task[] = [];
  readonly pending: Task[] = [];

  add(task: Task): void {
    if (task.phase === 'running') this.tasks.push(task);
    else if (task.phase === 'killing') this.killing.push(task);
    else this.pending.push(task);
  }
}

const ID_KEYS: WantedMembers = { id: 'value' };

/**
 * Ids of the agents in the list here, v0's texts or v1's `{value: text}`; none if it is no list. An
 * entry without one still counts, as ''.
 */
export function readIds(scanner: JsonScanner): string[] {
  const ids: string[] = [];
  scanner.array(() => {
    const id = asObject(scanner.pick(ID_KEYS))?.['id'];
    const text = asObject(id)?.['value'] ?? id;
    ids.push(typeof text === 'string' ? text : '');
  });
  return ids;
}

/** Running tasks of all frameworks. */
export function countTasks(frameworks: readonly Framework[]): number {
  return frameworks.reduce((sum, framework) => sum + framework.tasks.length, 0);
}

/** Reads one entry of `slaves`; null and a rejection if it has no usable id or address. */
export function parseAgent(value: unknown, path: string, rejections: RejectionList): Agent | null {
  const agent = asObject(value);
  const id = agent?.['id'];
  if (agent === null || typeof id !== 'string') {
    rejections.add(path, 'agent-malformed', value);
    return null;
  }
  const endpoint = parsePid(agent['pid']);
  if (endpoint === null) {
    rejections.add(`${path}.pid`, 'pid-malformed', agent['pid']);
    return null;
  }
  const hostname = agent['hostname'];
  return {
    path,
    id,
    hostname: typeof hostname === 'string' ? hostname : '',
    endpoint,
    active: agent['active'] !== false,
  };
}

/** Reads one entry of `frameworks`, apart from its tasks; null and a rejection without a name. */
export function parseFramework(
  value: unknown,
  path: string,
  { tasks, killing, pending }: FrameworkTasks,
  rejections: RejectionList,
): Framework | null {
  const framework = asObject(value);
  const name = framework?.['name'];
  if (framework === null || typeof name !== 'string') {
    rejections.add(path, 'framework-malformed', value);
    return null;
  }
  const pid = framework['pid'];
  const endpoint = isAbsent(pid) ? null : parsePid(pid);
  if (!isAbsent(pid) && endpoint === null) rejections.add(`${path}.pid`, 'pid-malformed', pid);
  const { id, hostname } = framework;
  return {
    path,
    id: typeof id === 'string' ? id : '',
    name,
    endpoint,
    hostname: typeof hostname === 'string' ? hostname : '',
    active: framework['active'] !== false,
    tasks,
    killing,
    pending,
  };
}
