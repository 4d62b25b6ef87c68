import { type IpAddress, parseIpAddress } from '../base/address.ts';
import { asArray, asObject, isAbsent, type JsonObject } from '../base/json.ts';
import type { RejectionList } from '../base/rejection.ts';
import { parseDiscovery } from './parse-discovery.ts';
import { parseVipPortLabels } from './parse-labels.ts';
import { parsePorts } from './parse-ports.ts';
import { append } from '../base/short-list.ts';
import type { PortMapping, Task, TaskNetwork } from './snapshot.ts';

/** Parses address texts once: 100,000 tasks share a few thousand addresses. */
export class AddressCache {
  readonly #known = new Map<string, IpAddress | null>();

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
/** The longest name of /etc/protocols is half as long; a longer text is no protocol. */
const PROTOCOL_LENGTH_MAX = 32;
const DOCKER_LABEL = 'Docker.NetworkSettings.IPAddress';
const MESOS_LABEL = 'MesosContainerizer.NetworkSettings.IPAddress';

/** Whether an entry of `tasks` is a task that is being killed. */
export function isKilling(value: unknown): boolean {
  return asObject(value)?.['state'] === 'TASK_KILLING';
}

/**
 * Reads one entry of a framework's `tasks`. Returns null for tasks that are neither TASK_RUNNING
 * nor TASK_KILLING and for those without id, name or agent, which are rejected; bad parts of a good
 * task lose only themselves.
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
  if (state !== 'TASK_RUNNING' && state !== 'TASK_KILLING') return null;
  const { id, name, slave_id: agentId } = task;
  if (typeof id !== 'string' || typeof name !== 'string' || typeof agentId !== 'string') {
    const member = typeof id !== 'string' ? 'id' : typeof name !== 'string' ? 'name' : 'slave_id';
    rejections.add(`${path}.${member}`, 'task-malformed', task[member]);
    return null;
  }
  const status =
    newestStatus(task['statuses'], 'TASK_RUNNING') ?? newestStatus(task['statuses'], state);
  const networkInfos = asArray(asObject(status?.['container_status'])?.['network_infos']) ?? NONE;
  const container = asObject(task['container']);
  const portMappings = parsePortMappings(container, networkInfos);
  const { discovery, ports } = parseDiscovery(task['discovery'], `${path}.discovery`, rejections);
  return {
    path,
    id,
    name,
    agentId,
    hostPorts: hostPorts(task, path, rejections),
    discovery,
    discoveryPorts: ports,
    vipPortLabels: parseVipPortLabels(task['labels'], path, rejections),
    isDocker: container?.['type'] === 'DOCKER',
    networkAddresses: networkAddresses(networkInfos, addresses, path, rejections),
    dockerAddresses: labelAddresses(status, DOCKER_LABEL, addresses),
    mesosAddresses: labelAddresses(status, MESOS_LABEL, addresses),
    network: taskNetwork(container, networkInfos, portMappings),
    portMappings,
    healthy:
      typeof status?.['healthy'] === 'boolean' ? status['healthy'] : !('health_check' in task),
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
function newestStatus(statuses: unknown, state: string): JsonObject | null {
  let newest: JsonObject | null = null;
  let newestTime = -1;
  for (const value of asArray(statuses) ?? NONE) {
    const status = asObject(value);
    if (status?.['state'] !== state) continue;
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
function parsePortMappings(
  container: JsonObject | null,
  statusInfos: readonly unknown[],
): readonly PortMapping[] {
  const mappings: PortMapping[] = [];
  addPortMappings(asObject(container?.['docker'])?.['port_mappings'], mappings);
  for (const info of asArray(container?.['network_infos']) ?? NONE) {
    addPortMappings(asObject(info)?.['port_mappings'], mappings);
  }
  for (const info of statusInfos) addPortMappings(asObject(info)?.['port_mappings'], mappings);
  return mappings.length > 0 ? mappings : NONE;
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
  container: JsonObject | null,
  statusInfos: readonly unknown[],
  portMappings: readonly PortMapping[],
): TaskNetwork {
  const dockerNetwork = asObject(container?.['docker'])?.['network'];
  if (dockerNetwork === 'HOST') return 'host';
  if (dockerNetwork === 'BRIDGE' || portMappings.length > 0) return 'bridge';
  if (dockerNetwork === 'USER') return 'container';
  const infos = asArray(container?.['network_infos']) ?? NONE;
  return infos.some(hasName) || statusInfos.some(hasName) ? 'container' : 'host';
}

function hasName(info: unknown): boolean {
  return typeof asObject(info)?.['name'] === 'string';
}
