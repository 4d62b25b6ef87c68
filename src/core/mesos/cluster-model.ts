import type { RejectionList } from '../base/rejection.ts';
import { sameValue } from '../base/same-value.ts';
import type { HostPort } from '../config/config.ts';
import type { ClusterEvent, TaskKey, TaskUpdate } from './parse-event.ts';
import { countTasks, TaskLists } from './parse-state.ts';
import { type AddressCache, updatedTask } from './parse-task.ts';
import type { Agent, ClusterSnapshot, Framework, Task } from './snapshot.ts';
import { frameworkKey, taskKey } from './task-key.ts';

/** What an event did to the model. */
export type Outcome =
  | 'unchanged'
  | 'changed'
  /** It speaks of what we never heard of: a state has to be fetched. */
  | 'unknown';

/**
 * States in which a task has ended for good and by somebody's will or fault (mesos.proto). TASK_LOST,
 * TASK_UNREACHABLE and TASK_UNKNOWN say no more than that the master does not hear of it.
 */
const ENDED: ReadonlySet<string> = new Set([
  'TASK_FINISHED',
  'TASK_FAILED',
  'TASK_KILLED',
  'TASK_ERROR',
  'TASK_DROPPED',
  'TASK_GONE',
  'TASK_GONE_BY_OPERATOR',
]);

/** How many ended tasks and removed agents are remembered: those of some minutes on large clusters. */
const ENDED_MAX = 20_000;
/** Frameworks that were torn down: even where each job has its own, those of some minutes. */
const TORN_DOWN_MAX = 1_000;

/** The cluster as the master's stream of events tells it, in any order. */
export class ClusterModel {
  #snapshot: ClusterSnapshot;
  /** By framework id, their task lists empty. */
  readonly #frameworks = new Map<string, Framework>();
  readonly #agents = new Map<string, Agent>();
  /** By framework id and task id; those of frameworks that are not known yet wait here. */
  readonly #tasks = new Map<string, { readonly frameworkId: string; readonly task: Task }>();
  readonly #recovering = new Set<string>();
  /** Tasks that have ended and agents that have left, the oldest first. */
  readonly #ended = new Set<string>();
  readonly #tornDown = new Set<string>();
  #isCurrent = true;

  /** Starts from a whole state. */
  constructor(snapshot: ClusterSnapshot) {
    this.#snapshot = snapshot;
    this.reset(snapshot);
  }

  /**
   * Takes over a whole state. The stream does not say where schedulers without HTTP are, so if the
   * state is of a stream that is kept. What has ended is remembered.
   */
  reset(snapshot: ClusterSnapshot, isOfStream = false): void {
    const before = isOfStream ? new Map(this.#frameworks) : null;
    const tasksBefore = isOfStream ? new Map(this.#tasks) : null;
    this.#frameworks.clear();
    this.#agents.clear();
    this.#tasks.clear();
    this.#recovering.clear();
    for (const agent of snapshot.agents) {
      this.#agents.set(agent.id, agent);
      this.#ended.delete(agent.id);
    }
    for (const id of snapshot.recovering) this.#recovering.add(id);
    for (const { tasks, killing, pending, ...rest } of snapshot.frameworks) {
      const frameworkId = freeKey(this.#frameworks, frameworkKey(rest));
      const endpoint = endpointOf(rest, before?.get(frameworkId));
      this.#tornDown.delete(frameworkId);
      const framework = { ...rest, endpoint, tasks: [], killing: [], pending: [] };
      this.#frameworks.set(frameworkId, framework);
      for (const list of [tasks, killing, pending]) {
        for (const task of list) {
          const text = freeKey(this.#tasks, taskKey(frameworkId, task.id));
          const known = tasksBefore?.get(text)?.task;
          this.#ended.delete(text);
          this.#tasks.set(text, { frameworkId, task: isBehind(task, known) ? known : task });
        }
      }
    }
    this.#snapshot = snapshot;
    this.#isCurrent = false;
  }

  /** Changes what an event says; a whole state is for `reset`. */
  apply(event: ClusterEvent, addresses: AddressCache, rejections: RejectionList): Outcome {
    const outcome = this.#apply(event, addresses, rejections);
    if (outcome === 'changed') this.#isCurrent = false;
    return outcome;
  }

  /** The state that all of it makes. */
  snapshot(): ClusterSnapshot {
    if (this.#isCurrent) return this.#snapshot;
    const lists = new Map<string, TaskLists>();
    for (const id of this.#frameworks.keys()) lists.set(id, new TaskLists());
    for (const { frameworkId, task } of this.#tasks.values()) lists.get(frameworkId)?.add(task);
    const frameworks = [...this.#frameworks].map(([key, framework]): Framework => {
      const { tasks, killing, pending } = lists.get(key) ?? new TaskLists();
      return { ...framework, tasks, killing, pending };
    });
    this.#snapshot = {
      ...this.#snapshot,
      frameworks,
      agents: [...this.#agents.values()],
      recovering: [...this.#recovering],
      taskCount: countTasks(frameworks),
    };
    this.#isCurrent = true;
    return this.#snapshot;
  }

  /** Whether an event said that a task has ended for good; by `taskKey`. */
  hasEnded(key: string): boolean {
    return this.#ended.has(key);
  }

  /** Ids of frameworks that an event said are no more. */
  get tornDown(): ReadonlySet<string> {
    return this.#tornDown;
  }

  /** Whether an event said that an agent has left. */
  hasLeft(agentId: string): boolean {
    return this.#ended.has(agentId);
  }

  #apply(event: ClusterEvent, addresses: AddressCache, rejections: RejectionList): Outcome {
    switch (event.kind) {
      case 'task-added':
        return this.#addTask(event.key, event.task);
      case 'task-updated':
        return this.#updateTask(event, addresses, rejections);
      case 'agent-added':
        return this.#addAgent(event.agent);
      case 'agent-removed':
        return this.#removeAgent(event.id);
      case 'framework':
        return this.#putFramework(event.framework);
      case 'framework-removed':
        return this.#removeFramework(event.id);
      case 'snapshot':
        this.reset(event.snapshot, true);
        return 'changed';
      case 'other':
        return 'unchanged';
    }
  }

  #putTask(key: TaskKey, task: Task): void {
    const text = taskKey(key.frameworkId, key.taskId);
    this.#ended.delete(text);
    this.#tasks.set(text, { frameworkId: key.frameworkId, task });
  }

  #addTask(key: TaskKey, task: Task | null): Outcome {
    if (task === null) return this.#removeTask(key);
    const known = this.#tasks.get(taskKey(key.frameworkId, key.taskId))?.task;
    if (isBehind(task, known) || sameValue(known, task)) return 'unchanged';
    this.#putTask(key, task);
    return 'changed';
  }

  #removeTask(key: TaskKey): Outcome {
    return this.#tasks.delete(taskKey(key.frameworkId, key.taskId)) ? 'changed' : 'unchanged';
  }

  #updateTask(update: TaskUpdate, addresses: AddressCache, rejections: RejectionList): Outcome {
    const { key, state, phase, status } = update;
    if (phase === null) {
      // Of a task that is not here it is news too: it may be retained elsewhere.
      const isNews = ENDED.has(state) && this.#remember(taskKey(key.frameworkId, key.taskId));
      const removed = this.#removeTask(key);
      return isNews ? 'changed' : removed;
    }
    const known = this.#tasks.get(taskKey(key.frameworkId, key.taskId));
    if (known === undefined) return 'unknown';
    const task = updatedTask(known.task, phase, status, addresses, rejections);
    if (task === known.task || isBehind(task, known.task)) return 'unchanged';
    this.#putTask(key, task);
    return 'changed';
  }

  #addAgent(agent: Agent): Outcome {
    this.#ended.delete(agent.id);
    const wasAwaited = this.#recovering.delete(agent.id);
    if (!wasAwaited && sameValue(this.#agents.get(agent.id), agent)) return 'unchanged';
    this.#agents.set(agent.id, agent);
    return 'changed';
  }

  #removeAgent(id: string): Outcome {
    const isNews = this.#remember(id);
    this.#recovering.delete(id);
    return this.#agents.delete(id) || isNews ? 'changed' : 'unchanged';
  }

  #putFramework(framework: Framework): Outcome {
    const known = this.#frameworks.get(framework.id);
    const updated = { ...framework, endpoint: endpointOf(framework, known) };
    this.#tornDown.delete(framework.id);
    if (sameValue(known, updated)) return 'unchanged';
    this.#frameworks.set(framework.id, updated);
    return 'changed';
  }

  /** With its tasks, which the master kills at that (master.cpp, removeFramework). */
  #removeFramework(id: string): Outcome {
    for (const [text, { frameworkId }] of this.#tasks) {
      if (frameworkId === id) this.#tasks.delete(text);
    }
    const isNews = addNewest(this.#tornDown, id, TORN_DOWN_MAX);
    return this.#frameworks.delete(id) || isNews ? 'changed' : 'unchanged';
  }

  /** Whether it is news. */
  #remember(text: string): boolean {
    return addNewest(this.#ended, text, ENDED_MAX);
  }
}

/** Adds a text behind all others, and drops the first of too many; whether it was not there. */
function addNewest(texts: Set<string>, text: string, max: number): boolean {
  const isNews = !texts.delete(text);
  texts.add(text);
  const [oldest] = texts;
  if (texts.size > max && oldest !== undefined) texts.delete(oldest);
  return isNews;
}

/** Where a scheduler is, as a stream has it: it does not say, so where it was unless it has moved. */
function endpointOf(
  { endpoint, hostname }: Pick<Framework, 'endpoint' | 'hostname'>,
  known: Framework | undefined,
): HostPort | null {
  if (endpoint !== null || known?.hostname !== hostname) return endpoint;
  return known.endpoint;
}

/**
 * A task that runs does not go back: a stream that says so is behind a state that was fetched, and will
 * come to it.
 */
function isBehind(task: Task, known: Task | undefined): known is Task {
  const isSame = known?.agentId === task.agentId;
  return isSame && task.phase === 'pending' && known.phase !== 'pending';
}

/** Ids are unique in what masters say; of two that are equal all the same both count. */
function freeKey(taken: ReadonlyMap<string, unknown>, key: string): string {
  let free = key;
  // Line feeds are in no id.
  for (let n = taken.size; taken.has(free); n++) free = `${key}\n${n}`;
  return free;
}
