import type { Agent, ClusterSnapshot, Framework, Task } from '../mesos/snapshot.ts';
import { frameworkKey } from '../mesos/task-key.ts';
import type { Absence } from './absence.ts';

/** Where paths of retained entries begin: the state they are from is not the one that is served. */
const RETAINED = 'retained';

/**
 * The candidate with what is retained behind its own. What was retained before stays the same object,
 * and so do frameworks that nothing is added to.
 */
export function retainedSnapshot(
  candidate: ClusterSnapshot,
  { tasks, agents, frameworks }: Absence,
): ClusterSnapshot {
  const additions = new Map<string, Additions>();
  let taskCount = candidate.taskCount;
  for (const { framework, task, isKilling } of tasks) {
    let lists = additions.get(framework);
    if (lists === undefined) additions.set(framework, (lists = new Additions()));
    (isKilling ? lists.killing : lists.tasks).push(retainedTask(framework, task));
    if (!isKilling) taskCount++;
  }
  const before = new Map(frameworks.map(({ key, framework }) => [key, framework]));
  const merged: Framework[] = [];
  for (const framework of candidate.frameworks) {
    const key = frameworkKey(framework);
    merged.push(withRetained(framework, before.get(key), additions.get(key)));
    before.delete(key);
    additions.delete(key);
  }
  for (const [key, framework] of before) {
    const { tasks: running, killing } = additions.get(key) ?? new Additions();
    const path = `${RETAINED}.frameworks[${key}]`;
    merged.push({ ...framework, path, tasks: running, killing, pending: [] });
  }
  return {
    ...candidate,
    frameworks: merged,
    agents:
      agents.length === 0
        ? candidate.agents
        : [...candidate.agents, ...agents.map(({ agent }) => retainedAgent(agent))],
    taskCount,
  };
}

/** Retained tasks of one framework. */
class Additions {
  readonly tasks: Task[] = [];
  readonly killing: Task[] = [];
}

/** `before` of a framework that is there without its scheduler. */
function withRetained(
  framework: Framework,
  before: Framework | undefined,
  additions: Additions | undefined,
): Framework {
  if (before === undefined && additions === undefined) return framework;
  return {
    ...framework,
    active: framework.active || (before?.active ?? false),
    endpoint: framework.endpoint ?? before?.endpoint ?? null,
    tasks: additions === undefined ? framework.tasks : [...framework.tasks, ...additions.tasks],
    killing:
      additions === undefined ? framework.killing : [...framework.killing, ...additions.killing],
  };
}

function retainedTask(framework: string, task: Task): Task {
  if (task.path.startsWith(RETAINED)) return task;
  return { ...task, path: `${RETAINED}.frameworks[${framework}].tasks[${task.id}]` };
}

function retainedAgent(agent: Agent): Agent {
  if (agent.path.startsWith(RETAINED)) return agent;
  return { ...agent, path: `${RETAINED}.slaves[${agent.id}]` };
}
