import { parseIpAddress } from '../base/address.ts';
import { formatHostPort } from '../base/host-port.ts';
import type { JsonScanner, WantedMembers } from '../base/json-scanner.ts';
import { asArray, asObject, isAbsent, type JsonObject } from '../base/json.ts';
import type { RejectionList } from '../base/rejection.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { HostPort } from '../config/config.ts';
import { mentionsVipPort } from './parse-labels.ts';
import { parsePid } from './parse-pid.ts';
import {
  CONTAINER_KEYS,
  countEntries,
  countTasks,
  parseAgent,
  parseFramework,
  scanMembers,
  StateReader,
} from './parse-state.ts';
import { AddressCache, isKilling, parseTask } from './parse-task.ts';
import type { Agent, ClusterSnapshot, Framework, Task } from './snapshot.ts';

/** Port of agents that say none (src/slave/flags.cpp). */
const AGENT_PORT = 5051;

const FRAMEWORK_KEYS: WantedMembers = {
  framework_info: { id: 'value', name: 'value', hostname: 'value' },
  active: 'value',
};
const AGENT_KEYS: WantedMembers = {
  agent_info: { id: 'value', hostname: 'value', port: 'value' },
  pid: 'value',
  active: 'value',
};
const TASK_KEYS: WantedMembers = {
  task_id: 'value',
  name: 'value',
  framework_id: 'value',
  agent_id: 'value',
  state: 'word',
  resources: 'value',
  statuses: 'value',
  discovery: 'value',
  labels: mentionsVipPort,
  container: CONTAINER_KEYS,
  health_check: 'presence',
};

/**
 * Reads a master's answer to the operator API's GET_STATE, or the SUBSCRIBED event, which holds the
 * same (include/mesos/v1/master/master.proto). It does not say who leads: only a leading master
 * gives it, and `leader` is where it was asked. Its objects are turned into those of `/state`, which
 * share one set of rules; rejections below a task therefore name members as `/state` does.
 */
export function parseGetState(
  body: Uint8Array | string,
  leader: HostPort,
  rejections: RejectionList,
): Result<ClusterSnapshot, string> {
  const reader = new GetStateReader(rejections);
  const broken = scanMembers(body, (key, scanner) => {
    if (!reader.member(key, scanner)) scanner.skip();
  });
  return broken === null ? reader.snapshot(leader) : err(broken);
}

/**
 * Reads a saved answer of either kind: a master's `/state`, or what `parseGetState` reads, which
 * gets `fallbackLeader`, as does a `/state` without a `leader` (cut by hand, or of a master that does
 * not lead). The body with a `get_state` or `subscribed` is of the second kind.
 */
export function parseAnyState(
  body: Uint8Array | string,
  fallbackLeader: HostPort,
  rejections: RejectionList,
): Result<ClusterSnapshot, string> {
  const getState = new GetStateReader(rejections);
  const state = new StateReader(rejections);
  const broken = scanMembers(body, (key, scanner) => {
    if (!getState.member(key, scanner)) state.member(key, scanner);
  });
  if (broken !== null) return err(broken);
  return getState.hasState ? getState.snapshot(fallbackLeader) : state.snapshot(fallbackLeader);
}

/** What is known of a framework before its tasks are attached. */
interface FrameworkEntry {
  readonly value: unknown;
  readonly path: string;
}

interface TaskLists {
  readonly tasks: Task[];
  readonly killing: Task[];
}

/** Collects the parts of a GET_STATE answer; of members that come twice the last counts. */
class GetStateReader {
  readonly #rejections: RejectionList;
  readonly #addresses = new AddressCache();
  /** By framework id: the tasks come before the frameworks. null: there is no task block. */
  #tasks: Map<string, TaskLists> | null = null;
  #frameworks: readonly FrameworkEntry[] | null = null;
  #agents: readonly Agent[] | null = null;
  #recovering = 0;
  /** A `get_state` or `subscribed` was there, however good. */
  #hasState = false;

  constructor(rejections: RejectionList) {
    this.#rejections = rejections;
  }

  get hasState(): boolean {
    return this.#hasState;
  }

  /** Reads one member of the body; false, and nothing read, if it is of no interest. */
  member(key: string, scanner: JsonScanner): boolean {
    if (key !== 'get_state' && key !== 'subscribed') return false;
    this.#hasState = true;
    if (key === 'get_state') this.#readState(scanner, 'get_state');
    else {
      scanner.object((inner) => {
        if (inner === 'get_state') this.#readState(scanner, 'subscribed.get_state');
        else scanner.skip();
      });
    }
    return true;
  }

  snapshot(leader: HostPort): Result<ClusterSnapshot, string> {
    const [tasks, entries, agents] = [this.#tasks, this.#frameworks, this.#agents];
    // An agent's GET_STATE has tasks and frameworks too, but no agents.
    if (tasks === null || entries === null || agents === null) {
      return err('the answer has no `get_tasks`, `get_frameworks` and `get_agents`');
    }
    const frameworks = this.#attach(entries, new Map(tasks));
    return ok({
      leader,
      fromLeader: true,
      frameworks,
      agents,
      recoveringAgents: this.#recovering,
      taskCount: countTasks(frameworks),
    });
  }

  /** Frameworks with their tasks; tasks of no framework are rejected. */
  #attach(entries: readonly FrameworkEntry[], tasks: Map<string, TaskLists>): Framework[] {
    const frameworks: Framework[] = [];
    for (const { value, path } of entries) {
      const id = idOf(asObject(asObject(value)?.['framework_info'])?.['id']);
      const lists = typeof id === 'string' ? tasks.get(id) : undefined;
      const framework = parseFramework(
        toV0Framework(value),
        path,
        lists ?? { tasks: [], killing: [] },
        this.#rejections,
      );
      if (typeof id === 'string') tasks.delete(id);
      if (framework !== null) frameworks.push(framework);
    }
    for (const [id, lists] of tasks) {
      for (const task of [...lists.tasks, ...lists.killing]) {
        this.#rejections.add(`${task.path}.framework_id`, 'framework-unknown', id);
      }
    }
    return frameworks;
  }

  #readState(scanner: JsonScanner, path: string): void {
    this.#tasks = this.#frameworks = this.#agents = null;
    this.#recovering = 0;
    scanner.object((key) => {
      if (key === 'get_tasks') this.#readTasks(scanner, `${path}.get_tasks`);
      else if (key === 'get_frameworks') this.#readFrameworks(scanner, `${path}.get_frameworks`);
      else if (key === 'get_agents') this.#readAgents(scanner, `${path}.get_agents`);
      else scanner.skip();
    });
  }

  #readTasks(scanner: JsonScanner, path: string): void {
    const known = new Map<string, TaskLists>();
    const task =
      (list: string) =>
      (i: number): void => {
        this.#readTask(scanner.pick(TASK_KEYS), `${path}.${list}[${i}]`, known);
      };
    // What an agent's GET_STATE calls them: dcos-net saves one with the agent added as `get_agents`.
    const launched = (): void => {
      scanner.array(task('launched_tasks'));
    };
    const isBlock = readBlock(scanner, 'tasks', { launched_tasks: launched }, task('tasks'));
    this.#tasks = isBlock ? known : null;
  }

  #readTask(value: unknown, path: string, known: Map<string, TaskLists>): void {
    const task = parseTask(toV0Task(value), path, this.#addresses, this.#rejections);
    if (task === null) return;
    const frameworkId = idOf(asObject(value)?.['framework_id']);
    if (typeof frameworkId !== 'string') {
      this.#rejections.add(`${path}.framework_id`, 'framework-unknown', frameworkId);
      return;
    }
    let lists = known.get(frameworkId);
    if (lists === undefined) known.set(frameworkId, (lists = { tasks: [], killing: [] }));
    (isKilling(value) ? lists.killing : lists.tasks).push(task);
  }

  #readFrameworks(scanner: JsonScanner, path: string): void {
    const entries: FrameworkEntry[] = [];
    const isBlock = readBlock(scanner, 'frameworks', {}, (i) => {
      entries.push({ value: scanner.pick(FRAMEWORK_KEYS), path: `${path}.frameworks[${i}]` });
    });
    this.#frameworks = isBlock ? entries : null;
  }

  #readAgents(scanner: JsonScanner, path: string): void {
    const agents: Agent[] = [];
    this.#recovering = 0;
    const recovered = (): void => {
      this.#recovering = countEntries(scanner);
    };
    const isBlock = readBlock(scanner, 'agents', { recovered_agents: recovered }, (i) => {
      const value = toV0Agent(scanner.pick(AGENT_KEYS));
      const agent = parseAgent(value, `${path}.agents[${i}]`, this.#rejections);
      if (agent !== null) agents.push(agent);
    });
    this.#agents = isBlock ? agents : null;
  }
}

/**
 * Calls `element` for each entry of list `list` in the object here and `others` for its other
 * members. False if here is no such block: no object, or what should be the list is none. Mesos
 * before 1.10 leaves empty lists out.
 */
function readBlock(
  scanner: JsonScanner,
  list: string,
  others: Readonly<Record<string, () => void>>,
  element: (index: number) => void,
): boolean {
  let isList = true;
  const isObject = scanner.object((key) => {
    if (key === list) isList = scanner.array(element);
    else if (Object.hasOwn(others, key)) others[key]?.();
    else scanner.skip();
  });
  return isObject && isList;
}

/** Text of an id, `{value: text}` in v1; whatever else stands there is for the rules of v0. */
function idOf(value: unknown): unknown {
  const id = asObject(value);
  return id === null ? value : id['value'];
}

function toV0Framework(value: unknown): unknown {
  const framework = asObject(value);
  const info = asObject(framework?.['framework_info']);
  if (framework === null || info === null) return value;
  return { name: info['name'], hostname: info['hostname'], active: framework['active'] };
}

/** An agent whose `pid` is no use is still reached where it says it runs, if that is an address. */
function toV0Agent(value: unknown): unknown {
  const agent = asObject(value);
  const info = asObject(agent?.['agent_info']);
  if (agent === null || info === null) return value;
  const { hostname, port } = info;
  let { pid } = agent;
  const address = typeof hostname === 'string' ? parseIpAddress(hostname) : null;
  if (address !== null && parsePid(pid) === null) {
    const isPort = typeof port === 'number' && Number.isInteger(port) && port > 0 && port <= 65_535;
    pid = `slave@${formatHostPort({ host: address.text, port: isPort ? port : AGENT_PORT })}`;
  }
  return { id: idOf(info['id']), hostname, pid, active: agent['active'] };
}

function toV0Task(value: unknown): unknown {
  const task = asObject(value);
  if (task === null) return value;
  return {
    ...task,
    id: idOf(task['task_id']),
    slave_id: idOf(task['agent_id']),
    resources: { ports: portsText(task['resources']) },
    labels: labelList(task['labels']),
    statuses: asArray(task['statuses'])?.map(toV0Status),
  };
}

function toV0Status(value: unknown): unknown {
  const status = asObject(value);
  return status === null ? value : { ...status, labels: labelList(status['labels']) };
}

/** v1 has labels as `{labels: […]}` everywhere, v0 as a list in tasks and statuses. */
function labelList(value: unknown): unknown {
  return asObject(value)?.['labels'];
}

/** Port ranges of a Resource list as `/state` prints them, but in the order they come. */
function portsText(resources: unknown): string | undefined {
  const ranges: string[] = [];
  for (const value of asArray(resources) ?? []) {
    const resource = asObject(value);
    // `/state` sums revocable resources up under other names.
    if (resource?.['name'] !== 'ports' || !isAbsent(resource['revocable'])) continue;
    const list = asObject(resource['ranges'])?.['range'];
    for (const entry of asArray(list) ?? []) ranges.push(rangeText(asObject(entry)));
  }
  return ranges.length > 0 ? `[${ranges.join(', ')}]` : undefined;
}

function rangeText(range: JsonObject | null): string {
  const [begin, end] = [range?.['begin'], range?.['end']];
  return typeof begin === 'number' && typeof end === 'number' ? `${begin}-${end}` : 'range';
}
