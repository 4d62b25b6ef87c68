import { formatHostPort } from '../base/host-port.ts';
import type { Agent, ClusterSnapshot, Framework, Task } from '../mesos/snapshot.ts';
import { frameworkKey, taskKey } from '../mesos/task-key.ts';

/** A believed task that a candidate does not mention. */
export interface AbsentTask {
  /** Of `taskKey`; keys of agents and frameworks have no line feed. */
  readonly key: string;
  /** Of `frameworkKey`. */
  readonly framework: string;
  readonly task: Task;
  /** It was being killed: its end was announced. */
  readonly isKilling: boolean;
}

/** A believed agent that a candidate does not list as registered. */
export interface AbsentAgent {
  /** Other than that of a framework with the same id. */
  readonly key: string;
  readonly agent: Agent;
  /** Running tasks of the candidate on this agent, which have no address without it. */
  readonly strandedTasks: number;
}

/** A believed framework that a candidate does not list, or lists without its scheduler. */
export interface AbsentFramework {
  readonly key: string;
  readonly framework: Framework;
}

/** What was believed and is not in a candidate. */
export interface Absence {
  readonly tasks: readonly AbsentTask[];
  readonly agents: readonly AbsentAgent[];
  readonly frameworks: readonly AbsentFramework[];
}

/** Nothing is missing. */
export function isNothing({ tasks, agents, frameworks }: Absence): boolean {
  return tasks.length + agents.length + frameworks.length === 0;
}

/** Running tasks that nobody could reach any more. */
export function missingTasks({ tasks, agents }: Absence): number {
  let missing = agents.reduce((sum, { strandedTasks }) => sum + strandedTasks, 0);
  for (const { isKilling } of tasks) if (!isKilling) missing++;
  return missing;
}

/** The part whose keys pass. */
export function filterAbsence(absence: Absence, passes: (key: string) => boolean): Absence {
  const isIn = ({ key }: { readonly key: string }): boolean => passes(key);
  return {
    tasks: absence.tasks.filter(isIn),
    agents: absence.agents.filter(isIn),
    frameworks: absence.frameworks.filter(isIn),
  };
}

/** Keys of all that is missing. */
export function absentKeys({ tasks, agents, frameworks }: Absence): string[] {
  return [...tasks, ...agents, ...frameworks].map(({ key }) => key);
}

/** A candidate by the keys of what is in it. */
export class CandidateIndex {
  readonly snapshot: ClusterSnapshot;
  readonly agents: ReadonlyMap<string, Agent>;
  readonly recovering: ReadonlySet<string>;
  /** By `frameworkKey`; of several with one key the first. */
  readonly frameworks: ReadonlyMap<string, Framework>;
  /** There is no task in any phase. */
  readonly hasNoTasks: boolean;
  readonly #frameworks = new Map<string, Framework[]>();
  /** Tasks of any phase by framework and id, made for what is looked up. */
  readonly #tasks = new Map<string, ReadonlyMap<string, Task>>();

  constructor(snapshot: ClusterSnapshot) {
    this.snapshot = snapshot;
    this.agents = new Map(snapshot.agents.map((agent) => [agent.id, agent]));
    this.recovering = new Set(snapshot.recovering);
    const first = new Map<string, Framework>();
    let hasNoTasks = true;
    for (const framework of snapshot.frameworks) {
      const key = frameworkKey(framework);
      const others = this.#frameworks.get(key);
      if (others === undefined) {
        first.set(key, framework);
        this.#frameworks.set(key, [framework]);
      } else others.push(framework);
      const { tasks, killing, pending } = framework;
      hasNoTasks &&= tasks.length + killing.length + pending.length === 0;
    }
    this.frameworks = first;
    this.hasNoTasks = hasNoTasks;
  }

  /** The task in any phase; `framework` is a `frameworkKey`. */
  task(framework: string, taskId: string): Task | undefined {
    let tasks = this.#tasks.get(framework);
    if (tasks === undefined) {
      tasks = tasksById(this.#frameworks.get(framework) ?? []);
      this.#tasks.set(framework, tasks);
    }
    return tasks.get(taskId);
  }

  /** The agent is there and has told the master which tasks it runs. */
  isRegistered(agentId: string): boolean {
    return this.agents.has(agentId) && !this.recovering.has(agentId);
  }
}

function tasksById(frameworks: readonly Framework[]): ReadonlyMap<string, Task> {
  const tasks = new Map<string, Task>();
  for (const framework of frameworks) {
    for (const list of [framework.tasks, framework.killing, framework.pending]) {
      for (const task of list) tasks.set(task.id, task);
    }
  }
  return tasks;
}

/**
 * Looks tasks up that mostly come in the order of a candidate's list, since a master keeps its order:
 * then the place behind the last one or the next saves an index of 10,000 tasks.
 */
class OrderedLookup {
  readonly #key: string;
  readonly #candidate: CandidateIndex;
  readonly #tasks: readonly Task[];
  #at = 0;

  constructor(key: string, candidate: CandidateIndex) {
    this.#key = key;
    this.#candidate = candidate;
    this.#tasks = candidate.frameworks.get(key)?.tasks ?? [];
  }

  find(taskId: string): Task | undefined {
    for (const at of [this.#at, this.#at + 1]) {
      const task = this.#tasks[at];
      if (task?.id !== taskId) continue;
      this.#at = at + 1;
      return task;
    }
    return this.#candidate.task(this.#key, taskId);
  }
}

/** Compares what is believed with a candidate. */
export function findAbsence(before: ClusterSnapshot, candidate: CandidateIndex): Absence {
  const stranded = new Map<string, number>();
  for (const { id } of before.agents) if (!candidate.agents.has(id)) stranded.set(id, 0);
  const tasks: AbsentTask[] = [];
  const frameworks: AbsentFramework[] = [];
  for (const framework of before.frameworks) {
    const key = frameworkKey(framework);
    const now = candidate.frameworks.get(key);
    // A stream replaces only what it changes.
    if (now === framework && stranded.size === 0) continue;
    if (now === undefined || isSilent(framework, now)) {
      frameworks.push({ key, framework });
    }
    const lookup = new OrderedLookup(key, candidate);
    for (const task of framework.tasks) {
      const told = lookup.find(task.id);
      if (told === undefined) tasks.push(absentTask(key, task, false));
      else if (told.phase === 'running') {
        const count = stranded.get(told.agentId);
        if (count !== undefined) stranded.set(told.agentId, count + 1);
      }
    }
    for (const task of framework.killing) {
      if (candidate.task(key, task.id) === undefined) tasks.push(absentTask(key, task, true));
    }
  }
  const agents: AbsentAgent[] = [];
  for (const agent of before.agents) {
    const strandedTasks = stranded.get(agent.id);
    if (strandedTasks === undefined) continue;
    agents.push({ key: `agent ${agent.id}`, agent, strandedTasks });
  }
  return { tasks, agents, frameworks };
}

function absentTask(framework: string, task: Task, isKilling: boolean): AbsentTask {
  return { key: taskKey(framework, task.id), framework, task, isKilling };
}

/**
 * A new leader knows a framework from its agents before the scheduler is back: inactive, and without
 * the scheduler's address.
 */
export function isSilent(before: Framework, now: Framework): boolean {
  return before.active && !now.active;
}

/**
 * Ids of absent agents whose place another has taken: one that was not there before has registered
 * with the same address. What the old one ran is over. Where agents share an address (each calls
 * itself 127.0.0.1), it says nothing.
 */
export function replacedAgents(
  before: ClusterSnapshot,
  absent: readonly AbsentAgent[],
  candidate: CandidateIndex,
): ReadonlySet<string> {
  const replaced = new Set<string>();
  if (absent.length === 0) return replaced;
  const known = new Set<string>();
  const places = new Map<string, number>();
  for (const { id, endpoint } of before.agents) {
    known.add(id);
    const place = formatHostPort(endpoint);
    places.set(place, (places.get(place) ?? 0) + 1);
  }
  const taken = new Set<string>();
  for (const { id, endpoint } of candidate.snapshot.agents) {
    if (!known.has(id)) taken.add(formatHostPort(endpoint));
  }
  if (taken.size === 0) return replaced;
  for (const { agent } of absent) {
    const place = formatHostPort(agent.endpoint);
    if (taken.has(place) && places.get(place) === 1) replaced.add(agent.id);
  }
  return replaced;
}
