import type { RejectionList } from '../base/rejection.ts';
import { type Protocol, PROTOCOLS } from '../ipvs/table.ts';
import type { DiscoveryPort, PortLabel, PortMapping, Task } from '../mesos/snapshot.ts';
import { append } from '../base/short-list.ts';
import { isVipKey } from './vip-label.ts';

/** One port of a task as all its declarations together describe it. */
export interface TaskPort {
  readonly protocol: Protocol;
  /** Port of the task's own address; null if only the host port is known. */
  readonly port: number | null;
  /** Port of the agent that leads to it; null if none does. */
  readonly hostPort: number | null;
  /** Numbers under which the DiscoveryInfo declares it. */
  readonly numbers: readonly number[];
  /** Values of its VIP labels. */
  readonly vips: readonly LabelText[];
  /** Its labels `HOPLITE_…`. */
  readonly options: readonly PortLabel[];
  /** Who declares something about it first; null: only a mapping, which declares nothing. */
  readonly origin: Origin | null;
}

/** Where in the state a declaration stands; made into a path only if something is wrong with it. */
export interface Origin {
  readonly task: Task;
  /** null: a label of the task. */
  readonly port: DiscoveryPort | null;
  /** Of a label; '' for the port as such. */
  readonly key: string;
}

/** A label's value and where it stands. */
export interface LabelText {
  readonly value: string;
  readonly origin: Origin;
}

/** Such as `frameworks[0].tasks[1].discovery.ports.ports[0].labels.VIP_0`. */
export function pathOf({ task, port, key }: Origin): string {
  const labels = key === '' ? '' : `.labels.${key}`;
  return port === null
    ? `${task.path}${labels}`
    : `${task.path}.discovery.ports.ports[${port.index}]${labels}`;
}

/**
 * Port mappings looked at per task. Nobody maps more ports than PORTS_PER_TASK_MAX of
 * `resources.ports`, and a short hostile task must not cost more than a long honest one.
 */
const PORT_MAPPINGS_MAX = 4_096;

/** Whether a task declares anything about VIPs; most do not, and are done with here. */
export function declaresVips(task: Task, auto: boolean): boolean {
  if (task.vipPortLabels.length > 0) return true;
  for (const { labels } of task.discoveryPorts) if (auto || labels.length > 0) return true;
  return false;
}

/**
 * Ports of a task that declare something; with `auto` every discovery port does. Mappings,
 * `VIP_PORT<n>` labels and discovery ports are one port if protocol and port or host port are the
 * same, as in DC/OS. `onAgent`: the task's only address is its agent's, so both kinds of ports are.
 */
export function taskPorts(
  task: Task,
  auto: boolean,
  onAgent: boolean,
  rejections: RejectionList,
): readonly TaskPort[] {
  const merger = new PortMerger();
  for (const mapping of inOrder(task.portMappings)) addMapping(merger, mapping);
  addLegacyLabels(merger, task, rejections);
  for (const port of task.discoveryPorts) {
    if (auto || port.labels.length > 0) addDiscoveryPort(merger, task, port, rejections);
  }
  const canCollapse = onAgent && (merger.ports.length > 1 || merger.ports[0]?.port === null);
  const ports: readonly TaskPort[] = canCollapse ? collapse(merger.ports) : merger.ports;
  return task.portMappings.length === 0 ? ports : ports.filter(({ origin }) => origin !== null);
}

/** tcp, udp or sctp in any case; '' is tcp. Null for anything else. */
function protocolOf(text: string): Protocol | null {
  if (text === 'tcp' || text === '') return 'tcp';
  const lower = text.toLowerCase();
  return PROTOCOLS.find((protocol) => protocol === lower) ?? null;
}

/** All protocols in a text such as `tcp,udp`, for ports whose VIPs nobody spelled out. */
function protocolsIn(text: string): readonly Protocol[] {
  const single = protocolOf(text);
  if (single !== null) return [single];
  const words = text.toLowerCase().split(/[,\s/|+]+/);
  return PROTOCOLS.filter((protocol) => words.includes(protocol));
}

/** Several ways to one port are equally good; the least does not depend on the state's order. */
function inOrder(mappings: readonly PortMapping[]): readonly PortMapping[] {
  if (mappings.length <= 1) return mappings;
  return mappings
    .slice(0, PORT_MAPPINGS_MAX)
    .sort((a, b) => a.containerPort - b.containerPort || a.hostPort - b.hostPort);
}

function addMapping(merger: PortMerger, mapping: PortMapping): void {
  const protocol = protocolOf(mapping.protocol);
  if (protocol !== null) merger.port(protocol, mapping.containerPort, mapping.hostPort);
}

/** `VIP_PORT<n>=tcp://name:port`: n counts the task's host ports. */
function addLegacyLabels(merger: PortMerger, task: Task, rejections: RejectionList): void {
  for (const { index, value } of task.vipPortLabels) {
    const origin = { task, port: null, key: `VIP_PORT${index}` };
    const hostPort = /^\d{1,5}$/.test(index) ? task.hostPorts[Number(index)] : undefined;
    if (hostPort === undefined) {
      rejections.add(pathOf(origin), 'vip-port-index', index);
      continue;
    }
    const scheme = /^(tcp|udp):\/\//.exec(value);
    if (scheme === null) {
      rejections.add(pathOf(origin), 'vip-port-scheme', value);
      continue;
    }
    const port = merger.port(scheme[1] === 'udp' ? 'udp' : 'tcp', null, hostPort);
    port.origin ??= origin;
    port.vips = append(port.vips, { value: value.slice('tcp://'.length), origin });
  }
}

function addDiscoveryPort(
  merger: PortMerger,
  task: Task,
  declared: DiscoveryPort,
  rejections: RejectionList,
): void {
  const origin = { task, port: declared, key: '' };
  const { number, labels } = declared;
  if (number === 0) {
    if (labels.length > 0) rejections.add(`${pathOf(origin)}.number`, 'vip-port-number', number);
    return;
  }
  const single = labels.some(({ key }) => isVipKey(key));
  const protocol = single ? protocolOf(declared.protocol) : null;
  const protocols = protocol !== null ? [protocol] : single ? [] : protocolsIn(declared.protocol);
  if (protocols.length === 0) {
    rejections.add(`${pathOf(origin)}.protocol`, 'vip-protocol', declared.protocol);
  }
  for (const each of protocols) {
    const isHostPort = declared.scope === 'host';
    const port = merger.port(each, isHostPort ? null : number, isHostPort ? number : null);
    port.origin ??= origin;
    port.numbers = append(port.numbers, number);
    for (const label of labels) addLabel(port, label, { task, port: declared, key: label.key });
  }
}

function addLabel(port: PortDraft, label: PortLabel, origin: Origin): void {
  if (!isVipKey(label.key)) port.options = append(port.options, label);
  else port.vips = append(port.vips, { value: label.value, origin });
}

interface PortDraft extends TaskPort {
  numbers: number[];
  vips: LabelText[];
  options: PortLabel[];
  origin: Origin | null;
}

/** Beyond this many an index is faster than looking at each; hardly any task has more ports. */
const INDEXED_FROM = 8;

/** Finds ports by protocol and number of either side. */
class PortMerger {
  ports: PortDraft[] = [];
  #index: Map<string, PortDraft> | null = null;

  /** The port that has one of the numbers, else a new one. */
  port(protocol: Protocol, port: number | null, hostPort: number | null): PortDraft {
    const found = this.#find(protocol, 'port', port) ?? this.#find(protocol, 'hostPort', hostPort);
    if (found !== undefined) return found;
    const made = { protocol, port, hostPort, numbers: [], vips: [], options: [], origin: null };
    this.ports = append(this.ports, made);
    if (this.#index !== null) indexPort(this.#index, made);
    return made;
  }

  #find(protocol: Protocol, side: Side, number: number | null): PortDraft | undefined {
    if (number === null) return undefined;
    if (this.ports.length < INDEXED_FROM) {
      return this.ports.find((one) => one[side] === number && one.protocol === protocol);
    }
    if (this.#index === null) {
      this.#index = new Map();
      for (const port of this.ports) indexPort(this.#index, port);
    }
    return this.#index.get(`${side} ${protocol} ${number}`);
  }
}

type Side = 'port' | 'hostPort';

function indexPort(index: Map<string, PortDraft>, port: PortDraft): void {
  for (const side of ['port', 'hostPort'] as const) {
    const key = `${side} ${port.protocol} ${port[side]}`;
    if (port[side] !== null && !index.has(key)) index.set(key, port);
  }
}

/** Host ports of a task in the host network are its own: one port, under whichever name. */
function collapse(ports: readonly PortDraft[]): readonly TaskPort[] {
  const merger = new PortMerger();
  for (const port of ports) {
    const merged = merger.port(port.protocol, port.hostPort ?? port.port, null);
    merged.numbers.push(...port.numbers);
    merged.vips.push(...port.vips);
    merged.options.push(...port.options);
    merged.origin ??= port.origin;
  }
  return merger.ports;
}
