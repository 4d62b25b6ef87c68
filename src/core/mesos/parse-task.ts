import { type IpAddress, parseIpAddress } from '../base/address.ts';
import { asArray, asObject, isAbsent, type JsonObject } from '../base/json.ts';
import type { RejectionList } from '../base/rejection.ts';
import { parseDiscovery } from './parse-discovery.ts';
import { parseVipPortLabels } from './parse-labels.ts';
import { parsePorts } from './parse-ports.ts';
import { sameValue } from '../base/same-value.ts';
import { append } from '../base/short-list.ts';
import type { PortMapping, Task, TaskContainer, TaskNetwork, TaskPhase } from './snapshot.ts';

/** Parses address texts once: 100,000 tasks share a few thousand addresses. */
export class AddressCache {
  readonly #known = new Map<string, IpAddress | null>();

  get size(): number {
    return this.#known.size;
  }

  clear(): void {
    this.#known.clear();
  }

  parse(text: unknown): IpAddress | null {
    if (typeof text !== 'string') return null;
    let address = this.#known.get(text);
    if (address === undefined) {
      address = parseIpAddress(text);
      this.#known.set(text, address);
    }
    return address;
  }
}

const NONE: readonly never[] = [];
/** Of tasks without a container of their own, which most of a cluster may be. */
const COMMAND: TaskContainer = {
  dockerNetwork: '',
  isNamed: false,
  portMappings: NONE,
  hasHealthCheck: false,
};
const CHECKED_COMMAND: TaskContainer = { ...COMMAND, hasHealthCheck: true };
/** The longest name of /etc/protocols is half as long; a longer text is no protocol. */
const PROTOCOL_LENGTH_MAX = 32;
const DOCKER_LABEL = 'Docker.NetworkSettings.IPAddress';
const MESOS_LABEL = 'MesosContainerizer.NetworkSettings.IPAddress';

/** Phases by `state`; tasks in any other have ended, or nobody knows whether they run. */
const PHASES: ReadonlyMap<unknown, TaskPhase> = new Map<unknown, TaskPhase>([
  ['TASK_STAGING', 'pending'],
  ['TASK_STARTING', 'pending'],
  ['TASK_RUNNING', 'running'],
  ['TASK_KILLING', 'killing'],
]);

/** Where a task in a state is on its way; null: it has ended, or nobody knows whether it runs. */
export function taskPhase(state: unknown): TaskPhase | null {
  return PHASES.get(state) ?? null;
}

/**
 * Reads one entry of a framework's `tasks`. Returns null for tasks that have ended or are lost, and
 * for those without id, name or agent, which are rejected; bad parts of a good task lose only
 * themselves.
 */
export function parseTask(
  value: unknown,
  path: string,
  addresses: AddressCache,
  rejections: RejectionList,
): Task | null {
  const task = asObject(value);
  if (task === null) {
    rejections.add(path, 'task-malformed', value);
    return null;
  }
  const { state } = task;
  const phase = taskPhase(state);
  if (phase === null) return null;
  const { id, name, slave_id: agentId } = task;
  if (typeof id !== 'string' || typeof name !== 'string' || typeof agentId !== 'string') {
    const member = typeof id !== 'string' ? 'id' : typeof name !== 'string' ? 'name' : 'slave_id';
    rejections.add(`${path}.${member}`, 'task-malformed', task[member]);
    return null;
  }
  const status =
    phase === 'pending'
      ? null
      : (newestStatus(task['statuses'], 'TASK_RUNNING') ?? newestStatus(task['statuses'], state));
  const container = asObject(task['container']);
  const spec = parseContainer(container, 'health_check' in task);
  const { discovery, ports } = parseDiscovery(task['discovery'], `${path}.discovery`, rejections);
  return {
    path,
    phase,
    id,
    name,
    agentId,
    hostPorts: hostPorts(task, path, rejections),
    discovery,
    discoveryPorts: ports,
    vipPortLabels: parseVipPortLabels(task['labels'], path, rejections),
    isDocker: container?.['type'] === 'DOCKER',
    container: spec,
    ...statusParts(status, spec, path, addresses, rejections),
  };
}

/** The members of a task that its status decides. */
type StatusParts = Pick<
  Task,
  'networkAddresses' | 'dockerAddresses' | 'mesosAddresses' | 'network' | 'portMappings' | 'healthy'
>;

/**
 * A task after a status update, with the status as an entry of `statuses` in `/state`. Of a task that
 * is being killed the running status goes on telling where it is.
 */
export function updatedTask(
  task: Task,
  phase: TaskPhase,
  status: unknown,
  addresses: AddressCache,
  rejections: RejectionList,
): Task {
  const entry = asObject(status);
  const tells =
    entry?.['state'] === 'TASK_RUNNING' || (phase === 'killing' && task.phase === 'pending');
  if (!tells || phase === 'pending') return task.phase === phase ? task : { ...task, phase };
  const parts = statusParts(entry, task.container, task.path, addresses, rejections);
  const updated = { ...task, phase, ...parts };
  // A failing health check repeats itself at every interval.
  return sameValue(updated, task) ? task : updated;
}

function statusParts(
  status: JsonObject | null,
  container: TaskContainer,
  path: string,
  addresses: AddressCache,
  rejections: RejectionList,
): StatusParts {
  const infos = asArray(asObject(status?.['container_status'])?.['network_infos']) ?? NONE;
  const portMappings = withStatusMappings(container.portMappings, infos);
  return {
    networkAddresses: networkAddresses(infos, addresses, path, rejections),
    dockerAddresses: labelAddresses(status, DOCKER_LABEL, addresses),
    mesosAddresses: labelAddresses(status, MESOS_LABEL, addresses),
    network: taskNetwork(container, infos, portMappings),
    portMappings,
    healthy:
      typeof status?.['healthy'] === 'boolean' ? status['healthy'] : !container.hasHealthCheck,
  };
}

function parseContainer(container: JsonObject | null, hasHealthCheck: boolean): TaskContainer {
  if (container === null) return hasHealthCheck ? CHECKED_COMMAND : COMMAND;
  const network = asObject(container['docker'])?.['network'];
  return {
    dockerNetwork: typeof network === 'string' ? network : '',
    isNamed: (asArray(container['network_infos']) ?? NONE).some(hasName),
    portMappings: parsePortMappings(container),
    hasHealthCheck,
  };
}

function hostPorts(task: JsonObject, path: string, rejections: RejectionList): readonly number[] {
  const text = asObject(task['resources'])?.['ports'];
  if (isAbsent(text)) return NONE;
  if (typeof text !== 'string') {
    rejections.add(`${path}.resources.ports`, 'ports-malformed', text);
    return NONE;
  }
  const { ports, rejected } = parsePorts(text);
  for (const { code, value } of rejected) rejections.add(`${path}.resources.ports`, code, value);
  return ports;
}

/**
 * Status of a state with the greatest timestamp (0 if it has none), the first of equals. Of a task
 * that is being killed the running one tells where it is: the later one may lack the addresses.
 */
function newestStatus(statuses: unknown, state: unknown): JsonObject | null {
  let newest: JsonObject | null = null;
  let newestTime = -1;
  for (const value of asArray(statuses) ?? NONE) {
    const status = asObject(value);
    if (status === null || status['state'] !== state) continue;
    const time = status['timestamp'] ?? 0;
    if (typeof time !== 'number' || !(time > newestTime)) continue;
    newest = status;
    newestTime = time;
  }
  return newest;
}

/** Addresses in order; an entry with `ip_addresses` ignores its own `ip_address` of Mesos 0.25. */
function networkAddresses(
  infos: readonly unknown[],
  addresses: AddressCache,
  path: string,
  rejections: RejectionList,
): readonly IpAddress[] {
  let found = null as IpAddress[] | null;
  for (const value of infos) {
    const info = asObject(value);
    const list = asArray(info?.['ip_addresses']) ?? NONE;
    const entries = list.length > 0 ? list : [info];
    for (const entry of entries) {
      const text = asObject(entry)?.['ip_address'];
      if (isAbsent(text)) continue;
      const address = addresses.parse(text);
      if (address === null) rejections.add(`${path}.statuses`, 'address-malformed', text);
      else if (found?.some((known) => known.text === address.text) !== true) {
        found = append(found, address);
      }
    }
  }
  return found ?? NONE;
}

/** Status labels are a list in every version of `/state`. */
function labelAddresses(
  status: JsonObject | null,
  key: string,
  addresses: AddressCache,
): readonly IpAddress[] {
  const labels = asArray(status?.['labels']);
  if (labels === null || labels.length === 0) return NONE;
  const found: IpAddress[] = [];
  for (const value of labels) {
    const label = asObject(value);
    if (label?.['key'] !== key) continue;
    const address = addresses.parse(label['value']);
    if (address !== null) found.push(address);
  }
  return found;
}

/** Docker has them in `container.docker`, Mesos in `network_infos` of the container or status. */
function parsePortMappings(container: JsonObject): readonly PortMapping[] {
  const mappings: PortMapping[] = [];
  addPortMappings(asObject(container['docker'])?.['port_mappings'], mappings);
  for (const info of asArray(container['network_infos']) ?? NONE) {
    addPortMappings(asObject(info)?.['port_mappings'], mappings);
  }
  return mappings.length > 0 ? mappings : NONE;
}

function withStatusMappings(
  known: readonly PortMapping[],
  statusInfos: readonly unknown[],
): readonly PortMapping[] {
  const mappings: PortMapping[] = [];
  for (const info of statusInfos) addPortMappings(asObject(info)?.['port_mappings'], mappings);
  return mappings.length > 0 ? [...known, ...mappings] : known;
}

function addPortMappings(list: unknown, mappings: PortMapping[]): void {
  for (const entry of asArray(list) ?? NONE) {
    const mapping = asObject(entry);
    const [hostPort, containerPort] = [mapping?.['host_port'], mapping?.['container_port']];
    if (!isPort(hostPort) || !isPort(containerPort)) continue;
    mappings.push({ protocol: mappingProtocol(mapping?.['protocol']), hostPort, containerPort });
  }
}

function mappingProtocol(value: unknown): string {
  return typeof value === 'string' && value.length <= PROTOCOL_LENGTH_MAX
    ? value.toLowerCase()
    : '';
}

function isPort(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= 65_535;
}

function taskNetwork(
  { dockerNetwork, isNamed }: TaskContainer,
  statusInfos: readonly unknown[],
  portMappings: readonly PortMapping[],
): TaskNetwork {
  if (dockerNetwork === 'HOST') return 'host';
  if (dockerNetwork === 'BRIDGE' || portMappings.length > 0) return 'bridge';
  if (dockerNetwork === 'USER') return 'container';
  return isNamed || statusInfos.some(hasName) ? 'container' : 'host';
}

function hasName(info: unknown): boolean {
  return typeof asObject(info)?.['name'] === 'string';
}
