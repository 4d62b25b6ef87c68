import { type IpAddress, parseIpAddress } from '../base/address.ts';
import { asArray, asObject, isAbsent, type JsonObject } from '../base/json.ts';
import type { RejectionList } from '../base/rejection.ts';
import { parsePorts } from './parse-ports.ts';
import type { Discovery, DiscoveryPort, PortMapping, Task, TaskNetwork } from './snapshot.ts';

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
/**
 * Every port of a DiscoveryInfo makes records per protocol, twice if it is named: with these limits
 * one task stays far below what a generation may have, so that it cannot cost others their names.
 */
const DISCOVERY_PORTS_MAX = 256;
/** Room for all protocols there are in one text such as `tcp,udp`. */
const PROTOCOL_LENGTH_MAX = 64;
const DOCKER_LABEL = 'Docker.NetworkSettings.IPAddress';
const MESOS_LABEL = 'MesosContainerizer.NetworkSettings.IPAddress';

/**
 * Reads one entry of a framework's `tasks`. Returns null for tasks that are not TASK_RUNNING and
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
  if (task['state'] !== 'TASK_RUNNING') return null;
  const { id, name, slave_id: agentId } = task;
  if (typeof id !== 'string' || typeof name !== 'string' || typeof agentId !== 'string') {
    const member = typeof id !== 'string' ? 'id' : typeof name !== 'string' ? 'name' : 'slave_id';
    rejections.add(`${path}.${member}`, 'task-malformed', task[member]);
    return null;
  }
  const status = newestRunning(task['statuses']);
  const networkInfos = asArray(asObject(status?.['container_status'])?.['network_infos']) ?? NONE;
  const container = asObject(task['container']);
  const portMappings = parsePortMappings(container, networkInfos);
  return {
    path,
    id,
    name,
    agentId,
    hostPorts: hostPorts(task, path, rejections),
    discovery: parseDiscovery(task['discovery'], `${path}.discovery`, rejections),
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

/** TASK_RUNNING status with the greatest timestamp (0 if it has none), the first of equals. */
function newestRunning(statuses: unknown): JsonObject | null {
  let newest: JsonObject | null = null;
  let newestTime = -1;
  for (const value of asArray(statuses) ?? NONE) {
    const status = asObject(value);
    if (status?.['state'] !== 'TASK_RUNNING') continue;
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
  const found: IpAddress[] = [];
  for (const value of infos) {
    const info = asObject(value);
    const list = asArray(info?.['ip_addresses']) ?? NONE;
    const entries = list.length > 0 ? list : [info];
    for (const entry of entries) {
      const text = asObject(entry)?.['ip_address'];
      if (isAbsent(text)) continue;
      const address = addresses.parse(text);
      if (address === null) rejections.add(`${path}.statuses`, 'address-malformed', text);
      else if (!found.some((known) => known.text === address.text)) found.push(address);
    }
  }
  return found.length > 0 ? found : NONE;
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

function parseDiscovery(value: unknown, path: string, rejections: RejectionList): Discovery | null {
  if (isAbsent(value)) return null;
  const discovery = asObject(value);
  const name = discovery?.['name'];
  if (discovery === null || (!isAbsent(name) && typeof name !== 'string')) {
    rejections.add(path, 'discovery-malformed', value);
    return null;
  }
  if (isAbsent(name) || name === '') return null;
  const list = asObject(discovery['ports'])?.['ports'];
  const ports: DiscoveryPort[] = [];
  const entries = asArray(list) ?? NONE;
  for (const [i, entry] of entries.slice(0, DISCOVERY_PORTS_MAX).entries()) {
    const port = parseDiscoveryPort(entry, `${path}.ports.ports[${i}]`, rejections);
    if (port !== null) ports.push(port);
  }
  if (entries.length > DISCOVERY_PORTS_MAX) {
    rejections.add(`${path}.ports.ports[${DISCOVERY_PORTS_MAX}]`, 'too-many-ports', entries.length);
  }
  return { name, ports };
}

function parseDiscoveryPort(
  value: unknown,
  path: string,
  rejections: RejectionList,
): DiscoveryPort | null {
  const port = asObject(value);
  // Mesos-DNS takes a missing number as 0.
  const number = port?.['number'] ?? 0;
  const name = port?.['name'] ?? '';
  const protocol = port?.['protocol'] ?? '';
  if (port === null || typeof name !== 'string' || typeof protocol !== 'string') {
    rejections.add(path, 'port-malformed', value);
    return null;
  }
  if (protocol.length > PROTOCOL_LENGTH_MAX) {
    rejections.add(`${path}.protocol`, 'port-malformed', protocol);
    return null;
  }
  if (typeof number !== 'number' || !Number.isInteger(number) || number < 0 || number > 65_535) {
    rejections.add(`${path}.number`, 'port-out-of-range', number);
    return null;
  }
  return { number, name, protocol, scope: networkScope(port) };
}

/** Marathon labels each discovery port `network-scope`; labels are `{labels: [{key, value}]}`. */
function networkScope(port: JsonObject): DiscoveryPort['scope'] {
  for (const value of asArray(asObject(port['labels'])?.['labels']) ?? NONE) {
    const label = asObject(value);
    if (label?.['key'] !== 'network-scope') continue;
    if (label['value'] === 'host' || label['value'] === 'container') return label['value'];
  }
  return null;
}

/** Docker has them in `container.docker`, Mesos in `network_infos` of the container or status. */
function parsePortMappings(
  container: JsonObject | null,
  statusInfos: readonly unknown[],
): readonly PortMapping[] {
  const lists = [
    asObject(container?.['docker'])?.['port_mappings'],
    ...[...(asArray(container?.['network_infos']) ?? NONE), ...statusInfos].map(
      (info) => asObject(info)?.['port_mappings'],
    ),
  ];
  const mappings: PortMapping[] = [];
  for (const entry of lists.flatMap((list) => asArray(list) ?? NONE)) {
    const mapping = asObject(entry);
    const [hostPort, containerPort] = [mapping?.['host_port'], mapping?.['container_port']];
    if (isPort(hostPort) && isPort(containerPort)) mappings.push({ hostPort, containerPort });
  }
  return mappings.length > 0 ? mappings : NONE;
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
  const infos = [...(asArray(container?.['network_infos']) ?? NONE), ...statusInfos];
  return infos.some((info) => typeof asObject(info)?.['name'] === 'string') ? 'container' : 'host';
}
