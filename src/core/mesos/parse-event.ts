import type { JsonScanner, WantedMembers } from '../base/json-scanner.ts';
import { asObject } from '../base/json.ts';
import type { RejectionList } from '../base/rejection.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { HostPort } from '../config/config.ts';
import { GetStateReader } from './parse-get-state.ts';
import { parseAgent, parseFramework, scanMembers, TaskLists } from './parse-state.ts';
import { type AddressCache, parseTask, taskPhase } from './parse-task.ts';
import type { Agent, ClusterSnapshot, Framework, Task, TaskPhase } from './snapshot.ts';
import {
  AGENT_KEYS,
  FRAMEWORK_KEYS,
  idOf,
  TASK_KEYS,
  toV0Agent,
  toV0Framework,
  toV0Status,
  toV0Task,
} from './v1-objects.ts';

/** One event of the operator API's stream, as far as we use it (master.proto, `Event`). */
export type ClusterEvent =
  /** SUBSCRIBED: the whole cluster. */
  | {
      readonly kind: 'snapshot';
      readonly snapshot: ClusterSnapshot;
      /** null: it does not say, and sends none (Mesos before 1.5). */
      readonly heartbeatSeconds: number | null;
    }
  /** TASK_ADDED; `task` is null if it has ended already. */
  | { readonly kind: 'task-added'; readonly key: TaskKey; readonly task: Task | null }
  | TaskUpdate
  /** AGENT_ADDED, for those too that register again. */
  | { readonly kind: 'agent-added'; readonly agent: Agent }
  | { readonly kind: 'agent-removed'; readonly id: string }
  /** FRAMEWORK_ADDED and FRAMEWORK_UPDATED; its tasks come apart. */
  | { readonly kind: 'framework'; readonly framework: Framework }
  | { readonly kind: 'framework-removed'; readonly id: string }
  /** HEARTBEAT, and events of versions to come. */
  | { readonly kind: 'other' };

/** Task ids are unique in a framework alone. */
export interface TaskKey {
  readonly frameworkId: string;
  readonly taskId: string;
}

/** TASK_UPDATED. */
export interface TaskUpdate {
  readonly kind: 'task-updated';
  readonly key: TaskKey;
  /** Of `state`: the agent's latest, not the one that the scheduler has acknowledged. */
  readonly state: string;
  /** null: the task has ended, or nobody knows whether it runs. */
  readonly phase: TaskPhase | null;
  /** As an entry of `statuses` in `/state`. */
  readonly status: unknown;
  /** When the agent saw it, Unix seconds; null if the status does not say. */
  readonly timestamp: number | null;
}

const STATUS_KEYS: WantedMembers = {
  task_id: 'value',
  state: 'word',
  timestamp: 'value',
  healthy: 'value',
  labels: 'value',
  container_status: { network_infos: 'value' },
};
const UPDATE_KEYS: WantedMembers = {
  framework_id: 'value',
  state: 'word',
  status: STATUS_KEYS,
};
const OTHER: ClusterEvent = { kind: 'other' };
/** Events that cannot do without the member named like them, with the code if it is missing. */
const MISSING_CODES: ReadonlyMap<string, string> = new Map([
  ['task_added', 'task-malformed'],
  ['task_updated', 'task-malformed'],
  ['agent_added', 'agent-malformed'],
  ['agent_removed', 'agent-malformed'],
  ['framework_added', 'framework-malformed'],
  ['framework_updated', 'framework-malformed'],
  ['framework_removed', 'framework-malformed'],
]);

/**
 * Reads one record of the stream. `leader` is the master that sent it. The error says why it is no
 * event; an event that we cannot use for what is wrong in it is rejected, and counts as `other`.
 */
export function parseEvent(
  body: Uint8Array,
  leader: HostPort,
  addresses: AddressCache,
  rejections: RejectionList,
): Result<ClusterEvent, string> {
  const reader = new EventReader(leader, addresses, rejections);
  const broken = scanMembers(body, (key, scanner) => {
    reader.member(key, scanner);
  });
  return broken === null ? reader.event() : err(broken);
}

/** Collects the members of an event: the one that is named like its `type` counts. */
class EventReader {
  readonly #leader: HostPort;
  readonly #addresses: AddressCache;
  readonly #rejections: RejectionList;
  readonly #state: GetStateReader;
  #type: unknown = null;
  /** By the member that tells it. */
  readonly #events = new Map<string, ClusterEvent>();

  constructor(leader: HostPort, addresses: AddressCache, rejections: RejectionList) {
    this.#leader = leader;
    this.#addresses = addresses;
    this.#rejections = rejections;
    this.#state = new GetStateReader(rejections);
  }

  event(): Result<ClusterEvent, string> {
    if (typeof this.#type !== 'string') return err('the event has no `type`');
    const key = this.#type.toLowerCase();
    if (key !== 'subscribed') {
      const event = this.#events.get(key);
      const code = MISSING_CODES.get(key);
      if (event === undefined && code !== undefined) this.#rejections.add(key, code, null);
      return ok(event ?? OTHER);
    }
    const snapshot = this.#state.snapshot(this.#leader);
    if (!snapshot.ok) return snapshot;
    const { heartbeatSeconds } = this.#state;
    return ok({ kind: 'snapshot', snapshot: snapshot.value, heartbeatSeconds });
  }

  member(key: string, scanner: JsonScanner): void {
    if (key === 'type') this.#type = scanner.value();
    else if (key === 'subscribed') this.#state.member(key, scanner);
    else {
      const event = this.#read(key, scanner);
      if (event === null) scanner.skip();
      else this.#events.set(key, event);
    }
  }

  /** null, and nothing read: the member is of no interest. */
  #read(key: string, scanner: JsonScanner): ClusterEvent | null {
    switch (key) {
      case 'task_added':
        return this.#taskAdded(scanner.pick({ task: TASK_KEYS }), `${key}.task`);
      case 'task_updated':
        return this.#taskUpdated(scanner.pick(UPDATE_KEYS), key);
      case 'agent_added':
        return this.#agentAdded(scanner.pick({ agent: AGENT_KEYS }), `${key}.agent`);
      case 'agent_removed':
        return this.#agentRemoved(scanner.pick({ agent_id: 'value' }), `${key}.agent_id`);
      case 'framework_added':
      case 'framework_updated':
        return this.#framework(scanner.pick({ framework: FRAMEWORK_KEYS }), `${key}.framework`);
      case 'framework_removed': {
        const removed = scanner.pick({ framework_info: { id: 'value' } });
        return this.#frameworkRemoved(removed, `${key}.framework_info.id`);
      }
      default:
        return null;
    }
  }

  #taskAdded(value: unknown, path: string): ClusterEvent {
    const added = asObject(asObject(value)?.['task']);
    const key = this.#taskKey(added?.['framework_id'], added?.['task_id'], path);
    if (key === null) return OTHER;
    const where = `${path}(${key.frameworkId}/${key.taskId})`;
    const task = parseTask(toV0Task(added), where, this.#addresses, this.#rejections);
    return { kind: 'task-added', key, task };
  }

  #taskUpdated(value: unknown, path: string): ClusterEvent {
    const update = asObject(value);
    const status = asObject(update?.['status']);
    const key = this.#taskKey(update?.['framework_id'], status?.['task_id'], path);
    const state = update?.['state'];
    if (key === null) return OTHER;
    if (typeof state !== 'string') {
      this.#rejections.add(`${path}.state`, 'task-malformed', state);
      return OTHER;
    }
    const timestamp = status?.['timestamp'];
    return {
      kind: 'task-updated',
      key,
      state,
      phase: taskPhase(state),
      status: toV0Status(status),
      timestamp: typeof timestamp === 'number' ? timestamp : null,
    };
  }

  #taskKey(framework: unknown, task: unknown, path: string): TaskKey | null {
    const [frameworkId, taskId] = [idOf(framework), idOf(task)];
    if (typeof frameworkId === 'string' && typeof taskId === 'string') {
      return { frameworkId, taskId };
    }
    this.#rejections.add(path, 'task-malformed', task);
    return null;
  }

  #agentAdded(value: unknown, path: string): ClusterEvent {
    const agent = parseAgent(toV0Agent(asObject(value)?.['agent']), path, this.#rejections);
    return agent === null ? OTHER : { kind: 'agent-added', agent };
  }

  #agentRemoved(value: unknown, path: string): ClusterEvent {
    const id = idOf(asObject(value)?.['agent_id']);
    if (typeof id === 'string') return { kind: 'agent-removed', id };
    this.#rejections.add(path, 'agent-malformed', id);
    return OTHER;
  }

  #framework(value: unknown, path: string): ClusterEvent {
    const entry = toV0Framework(asObject(value)?.['framework']);
    const framework = parseFramework(entry, path, new TaskLists(), this.#rejections);
    if (framework === null) return OTHER;
    if (framework.id !== '') return { kind: 'framework', framework };
    this.#rejections.add(`${path}.framework_info.id`, 'framework-malformed', framework.id);
    return OTHER;
  }

  #frameworkRemoved(value: unknown, path: string): ClusterEvent {
    const id = idOf(asObject(asObject(value)?.['framework_info'])?.['id']);
    if (typeof id === 'string') return { kind: 'framework-removed', id };
    this.#rejections.add(path, 'framework-malformed', id);
    return OTHER;
  }
}
