import { asArray, asObject, isAbsent, type JsonObject } from '../base/json.ts';
import type { RejectionList } from '../base/rejection.ts';
import { err, ok, type Result } from '../base/result.ts';
import { parsePid } from './parse-pid.ts';
import { AddressCache, parseTask } from './parse-task.ts';
import type { Agent, ClusterSnapshot, Framework, Task } from './snapshot.ts';

/**
 * Reads the body of a master's `GET /master/state` (src/master/http.cpp, Mesos 0.28 to 1.12). The
 * error says why this is no state of a leading master; anything smaller loses only itself and is
 * added to `rejections`.
 */
export function parseState(
  text: string,
  rejections: RejectionList,
): Result<ClusterSnapshot, string> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return err(`not JSON: ${error instanceof Error ? error.message : 'unreadable'}`);
  }
  return snapshotFromState(value, rejections);
}

/** Like `parseState`, for JSON that is parsed already. */
export function snapshotFromState(
  value: unknown,
  rejections: RejectionList,
): Result<ClusterSnapshot, string> {
  const state = asObject(value);
  const frameworkList = asArray(state?.['frameworks']);
  const agentList = asArray(state?.['slaves']);
  // S11: an answer that lacks the lists says nothing about the cluster.
  if (state === null || frameworkList === null || agentList === null) {
    return err('the state has no `frameworks` and `slaves` lists');
  }
  const leader = parsePid(state['leader']);
  if (leader === null) return err('the state names no usable `leader`');
  const agents: Agent[] = [];
  for (const [i, entry] of agentList.entries()) {
    const agent = parseAgent(entry, `slaves[${i}]`, rejections);
    if (agent !== null) agents.push(agent);
  }
  const addresses = new AddressCache();
  const frameworks: Framework[] = [];
  for (const [i, entry] of frameworkList.entries()) {
    const framework = parseFramework(entry, `frameworks[${i}]`, addresses, rejections);
    if (framework !== null) frameworks.push(framework);
  }
  const taskCount = frameworks.reduce((sum, framework) => sum + framework.tasks.length, 0);
  const fromLeader = state['pid'] === state['leader'];
  return ok({ leader, fromLeader, frameworks, agents, taskCount });
}

function parseAgent(value: unknown, path: string, rejections: RejectionList): Agent | null {
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
  return { path, id, endpoint, active: agent['active'] !== false };
}

function parseFramework(
  value: unknown,
  path: string,
  addresses: AddressCache,
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
  const hostname = framework['hostname'];
  return {
    path,
    name,
    endpoint,
    hostname: typeof hostname === 'string' ? hostname : '',
    active: framework['active'] !== false,
    tasks: parseTasks(framework, path, addresses, rejections),
  };
}

function parseTasks(
  framework: JsonObject,
  path: string,
  addresses: AddressCache,
  rejections: RejectionList,
): readonly Task[] {
  const list = framework['tasks'];
  if (isAbsent(list)) return [];
  const entries = asArray(list);
  if (entries === null) {
    rejections.add(`${path}.tasks`, 'tasks-malformed', list);
    return [];
  }
  const tasks: Task[] = [];
  for (let i = 0; i < entries.length; i++) {
    const task = parseTask(entries[i], `${path}.tasks[${i}]`, addresses, rejections);
    if (task !== null) tasks.push(task);
  }
  return tasks;
}
