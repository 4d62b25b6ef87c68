import { type IpAddress, parseIpAddress } from '../../../src/core/base/address.ts';
import { parsePrefix, type Prefix } from '../../../src/core/base/prefix.ts';
import { type Rejection, RejectionList } from '../../../src/core/base/rejection.ts';
import {
  buildCatalog,
  type Catalog,
  type HostAddresses,
} from '../../../src/core/catalog/catalog.ts';
import type { NamesConfig, VipConfig } from '../../../src/core/config/config.ts';
import type {
  Agent,
  ClusterSnapshot,
  DiscoveryPort,
  Framework,
  PortLabel,
  Task,
} from '../../../src/core/mesos/snapshot.ts';
import { buildVipTable } from '../../../src/core/vip/build-vip-table.ts';
import type { Backend, VipService, VipTable } from '../../../src/core/vip/vip-table.ts';

/** An address that a test knows to be one. */
export function ip(text: string): IpAddress {
  const address = parseIpAddress(text);
  if (address === null) throw new Error(`${text} is no address`);
  return address;
}

/** A prefix that a test knows to be one. */
export function prefix(text: string): Prefix {
  const block = parsePrefix(text);
  if (block === null) throw new Error(`${text} is no prefix`);
  return block;
}

/** The settings that hoplite starts with. */
export const VIP: VipConfig = {
  enabled: true,
  pool: [prefix('10.208.0.0/12')],
  poolIpv6: [],
  exclude: [],
  ranges: [],
  aliasDomains: ['thisdcos.directory'],
  auto: false,
  scheduler: 'wlc',
};

/** The same of names. */
export const NAMES: NamesConfig = {
  labels: 'rfc1123',
  addresses: 'by-network',
  unhealthy: 'publish',
  inactive: 'publish',
  locations: false,
};

/** Agent `number` is at 10.0.0.(number + 1), which is also what it calls itself. */
export function agent(number: number, more: Partial<Agent> = {}): Agent {
  const host = `10.0.0.${number + 1}`;
  return {
    path: `slaves[${number}]`,
    id: `S${number}`,
    hostname: host,
    endpoint: { host, port: 5051 },
    active: true,
    ...more,
  };
}

/** A discovery port; `labels` as `KEY=value` texts. */
export function port(
  number: number,
  labels: readonly string[] = [],
  more: Partial<DiscoveryPort> = {},
): DiscoveryPort {
  return {
    number,
    name: '',
    protocol: 'tcp',
    scope: null,
    index: 0,
    labels: labels.map(portLabel),
    ...more,
  };
}

function portLabel(text: string): PortLabel {
  const equals = text.indexOf('=');
  return { key: text.slice(0, equals), value: text.slice(equals + 1) };
}

/** A running task in the host network of agent 0 that knows its address. */
export function task(
  id: string,
  ports: readonly DiscoveryPort[] = [],
  more: Partial<Task> = {},
): Task {
  const discoveryPorts = ports.map((one, index) => ({ ...one, index }));
  return {
    path: `tasks.${id}`,
    phase: 'running',
    id,
    name: 'web',
    agentId: 'S0',
    hostPorts: [],
    discovery: null,
    discoveryPorts,
    vipPortLabels: [],
    isDocker: false,
    container: { dockerNetwork: '', isNamed: false, portMappings: [], hasHealthCheck: false },
    networkAddresses: [ip('10.0.0.1')],
    dockerAddresses: [],
    mesosAddresses: [],
    network: 'host',
    portMappings: [],
    healthy: true,
    ...more,
  };
}

/** What makes a task one with addresses of its own on a container network. */
export function inContainer(...addresses: readonly string[]): Partial<Task> {
  return { network: 'container', networkAddresses: addresses.map(ip) };
}

export function framework(
  name: string,
  tasks: readonly Task[],
  killing: readonly Task[] = [],
): Framework {
  return {
    path: `frameworks.${name}`,
    id: name,
    name,
    endpoint: null,
    hostname: '',
    active: true,
    tasks,
    killing,
    pending: [],
  };
}

/** What a test's cluster differs in. */
export interface ClusterChange {
  readonly config?: Partial<VipConfig>;
  readonly names?: Partial<NamesConfig>;
  readonly agents?: readonly Agent[];
  readonly hosts?: HostAddresses;
  readonly domain?: string;
}

export interface BuiltVips {
  readonly table: VipTable;
  readonly rejections: readonly Rejection[];
}

/** These frameworks as a catalog, with three agents unless the test says otherwise. */
export function catalogOf(
  frameworks: readonly Framework[],
  change: ClusterChange,
  rejections: RejectionList,
): Catalog {
  const snapshot: ClusterSnapshot = {
    leader: { host: '10.0.0.100', port: 5050 },
    masterId: '',
    fromLeader: true,
    frameworks,
    agents: change.agents ?? [agent(0), agent(1), agent(2)],
    recovering: [],
    taskCount: frameworks.reduce((sum, { tasks }) => sum + tasks.length, 0),
  };
  const names = { ...NAMES, ...change.names };
  return buildCatalog(snapshot, change.hosts ?? new Map(), names, rejections);
}

/** The VIPs of these frameworks, with three agents unless the test says otherwise. */
export function build(frameworks: readonly Framework[], change: ClusterChange = {}): BuiltVips {
  const rejections = new RejectionList();
  const catalog = catalogOf(frameworks, change, rejections);
  const table = buildVipTable(
    catalog,
    { ...VIP, ...change.config },
    { ...NAMES, ...change.names },
    change.domain ?? 'mesos',
    rejections,
  );
  return { table, rejections: rejections.items };
}

/** The VIPs of tasks of `marathon`. */
export function buildTasks(tasks: readonly Task[], change: ClusterChange = {}): BuiltVips {
  return build([framework('marathon', tasks)], change);
}

/** Lines such as `web.marathon tcp 80 -> 10.0.0.1:31000`, without addresses of VIPs. */
export function backendLines({ table }: BuiltVips): string[] {
  return lines(table.services, ({ address, port }) => endpoint(address, port));
}

/** The same with the weight of each backend behind its address. */
export function weightLines({ table }: BuiltVips): string[] {
  return lines(table.services, (one) => `${endpoint(one.address, one.port)} x${one.weight}`);
}

function lines(services: readonly VipService[], show: (backend: Backend) => string): string[] {
  return services.flatMap(({ identity, ports }) =>
    ports.map(({ protocol, port, backends }) => {
      const shown = backends.map(show).join(' ');
      return `${identity} ${protocol} ${port} -> ${shown}`;
    }),
  );
}

function endpoint(address: IpAddress, port: number): string {
  return address.family === 6 ? `[${address.text}]:${port}` : `${address.text}:${port}`;
}

/** Codes of what was rejected, in order. */
export function codes({ rejections }: BuiltVips): string[] {
  return rejections.map(({ code }) => code);
}

/** The only backend of the only port of the only service. */
export function onlyBackend({ table }: BuiltVips): Backend {
  const [backend, ...others] = table.services.flatMap(({ ports }) =>
    ports.flatMap(({ backends }) => backends),
  );
  if (backend === undefined || others.length > 0) throw new Error('there is not just one backend');
  return backend;
}
