import type { JsonScanner } from '../base/json-scanner.ts';
import { asObject } from '../base/json.ts';
import type { RejectionList } from '../base/rejection.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { HostPort } from '../config/config.ts';
import {
  countTasks,
  parseAgent,
  parseFramework,
  readIds,
  scanMembers,
  StateReader,
  TaskLists,
} from './parse-state.ts';
import { AddressCache, parseTask } from './parse-task.ts';
import type { Agent, ClusterSnapshot, Framework } from './snapshot.ts';
import {
  AGENT_KEYS,
  FRAMEWORK_KEYS,
  idOf,
  TASK_KEYS,
  toV0Agent,
  toV0Framework,
  toV0Task,
} from './v1-objects.ts';

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

/** Collects the parts of a GET_STATE answer; of members that come twice the last counts. */
export class GetStateReader {
  readonly #rejections: RejectionList;
  readonly #addresses = new AddressCache();
  /** By framework id: the tasks come before the frameworks. null: there is no task block. */
  #tasks: Map<string, TaskLists> | null = null;
  #frameworks: readonly FrameworkEntry[] | null = null;
  #agents: readonly Agent[] | null = null;
  #recovering: readonly string[] = [];
  #heartbeat: unknown;
  /** A `get_state` or `subscribed` was there, however good. */
  #hasState = false;

  constructor(rejections: RejectionList) {
    this.#rejections = rejections;
  }

  get hasState(): boolean {
    return this.#hasState;
  }

  /** Of SUBSCRIBED; null: it does not say. */
  get heartbeatSeconds(): number | null {
    const seconds = this.#heartbeat;
    return typeof seconds === 'number' && seconds > 0 ? seconds : null;
  }

  /** Reads one member of the body; false, and nothing read, if it is of no interest. */
  member(key: string, scanner: JsonScanner): boolean {
    if (key !== 'get_state' && key !== 'subscribed') return false;
    this.#hasState = true;
    if (key === 'get_state') this.#readState(scanner, 'get_state');
    else this.#readSubscribed(scanner);
    return true;
  }

  #readSubscribed(scanner: JsonScanner): void {
    scanner.object((key) => {
      if (key === 'get_state') this.#readState(scanner, 'subscribed.get_state');
      else if (key === 'heartbeat_interval_seconds') this.#heartbeat = scanner.value();
      else scanner.skip();
    });
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
      masterId: '',
      fromLeader: true,
      frameworks,
      agents,
      recovering: this.#recovering,
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
        lists ?? new TaskLists(),
        this.#rejections,
      );
      if (typeof id === 'string') tasks.delete(id);
      if (framework !== null) frameworks.push(framework);
    }
    for (const [id, lists] of tasks) {
      for (const task of [...lists.tasks, ...lists.killing, ...lists.pending]) {
        this.#rejections.add(`${task.path}.framework_id`, 'framework-unknown', id);
      }
    }
    return frameworks;
  }

  #readState(scanner: JsonScanner, path: string): void {
    this.#tasks = this.#frameworks = this.#agents = null;
    this.#recovering = [];
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
    if (lists === undefined) known.set(frameworkId, (lists = new TaskLists()));
    lists.add(task);
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
    this.#recovering = [];
    const recovered = (): void => {
      this.#recovering = readIds(scanner);
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
