import { parseIpAddress } from '../base/address.ts';
import { formatHostPort } from '../base/host-port.ts';
import type { WantedMembers } from '../base/json-scanner.ts';
import { asArray, asObject, isAbsent, type JsonObject } from '../base/json.ts';
import { mentionsVipPort } from './parse-labels.ts';
import { parsePid } from './parse-pid.ts';
import { CONTAINER_KEYS } from './parse-state.ts';

/** Port of agents that say none (src/slave/flags.cpp). */
const AGENT_PORT = 5051;

/** Members of v1 objects that names and VIPs need. */
export const FRAMEWORK_KEYS: WantedMembers = {
  framework_info: { id: 'value', name: 'value', hostname: 'value' },
  active: 'value',
};
export const AGENT_KEYS: WantedMembers = {
  agent_info: { id: 'value', hostname: 'value', port: 'value' },
  pid: 'value',
  active: 'value',
};
export const TASK_KEYS: WantedMembers = {
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

/** Text of an id, `{value: text}` in v1; whatever else stands there is for the rules of v0. */
export function idOf(value: unknown): unknown {
  const id = asObject(value);
  return id === null ? value : id['value'];
}

/** The Framework of GET_FRAMEWORKS as an entry of `frameworks` in `/state`. */
export function toV0Framework(value: unknown): unknown {
  const framework = asObject(value);
  const info = asObject(framework?.['framework_info']);
  if (framework === null || info === null) return value;
  const { name, hostname } = info;
  return { id: idOf(info['id']), name, hostname, active: framework['active'] };
}

/** The Agent of GET_AGENTS as an entry of `slaves`. One whose `pid` is no use is still reached where it says it runs, if that is an address. */
export function toV0Agent(value: unknown): unknown {
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

/** The Task of GET_TASKS as an entry of `tasks` in `/state`. */
export function toV0Task(value: unknown): unknown {
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

/** A TaskStatus as an entry of `statuses` in `/state`. */
export function toV0Status(value: unknown): unknown {
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
