import type { TaskEnds, WantedTasks } from '../mesos/ended-tasks.ts';
import type { ClusterSnapshot } from '../mesos/snapshot.ts';
import { type Absence, type CandidateIndex, replacedAgents } from './absence.ts';

/** Without agents that are no more, or that another has replaced, and without what they ran. */
export function withoutRemoved(
  absence: Absence,
  before: ClusterSnapshot,
  index: CandidateIndex,
  agentRemoved: (agentId: string) => boolean,
): Absence {
  const removed = new Set(replacedAgents(before, absence.agents, index));
  const ids = new Set(absence.agents.map(({ agent }) => agent.id));
  // An agent that never was in a list may be reported all the same.
  for (const { task } of absence.tasks) ids.add(task.agentId);
  for (const id of ids) if (agentRemoved(id)) removed.add(id);
  if (removed.size === 0) return absence;
  return {
    tasks: absence.tasks.filter(({ task }) => !removed.has(task.agentId)),
    agents: absence.agents.filter(({ agent }) => !removed.has(agent.id)),
    frameworks: absence.frameworks,
  };
}

/** Without what the master says has ended; asks for that only if it could matter. */
export function withoutEnded(
  absence: Absence,
  index: CandidateIndex,
  ends: (missing: WantedTasks) => TaskEnds,
): Absence {
  if (absence.tasks.length + absence.frameworks.length === 0) return absence;
  const { ended, lost, frameworks } = ends(
    new Map(absence.tasks.map(({ key, task }) => [key, task.agentId])),
  );
  if (ended.size + lost.size + frameworks.size === 0) return absence;
  const hasEnded = (key: string, framework: string, agentId: string): boolean =>
    ended.has(key) ||
    (frameworks.has(framework) && !index.frameworks.has(framework)) ||
    (lost.has(key) && index.agents.get(agentId)?.active === true);
  return {
    tasks: absence.tasks.filter(
      ({ key, framework, task }) => !hasEnded(key, framework, task.agentId),
    ),
    agents: absence.agents,
    frameworks: absence.frameworks.filter(
      ({ key }) => !frameworks.has(key) || index.frameworks.has(key),
    ),
  };
}
