/**
 * What `/v1/watch` tells about services and VIPs, as plain values: whatever is equal here is no
 * change to those who watch. They are rendered once, when a generation is built, and compared by
 * `watch-changes.ts`.
 */
import type { IpAddress } from '../base/address.ts';
import { compareText } from '../base/order.ts';
import { addressesOf, type Catalog, type CatalogTask } from '../catalog/catalog.ts';
import { protocolLabels, TCP_AND_UDP } from '../catalog/labels.ts';
import { chooseAddresses, locatePort } from '../catalog/task-addresses.ts';
import type { NamesConfig } from '../config/config.ts';
import type { WatchFilter } from '../ports.ts';
import type { Backend, VipPort, VipService, VipTable } from '../vip/vip-table.ts';
import { taskLabel } from '../vip/vip-task.ts';
import { type ProgrammedVips, vipName } from './vip-records.ts';
import type { VipsViewBackend } from './vips-view.ts';

/** One port of an endpoint. */
export interface WatchPort {
  /** '' when the port has no name. */
  readonly name: string;
  /** Such as `tcp`; both where the task does not say. */
  readonly protocols: readonly string[];
  readonly port: number;
  /** Which addresses it is reached at: `addresses` or `agentAddresses`. */
  readonly on: 'task' | 'agent';
}

/** One task of a service. */
export interface WatchEndpoint {
  readonly taskId: string;
  /** Agent id. */
  readonly agent: string;
  /** Those of the plain name. */
  readonly addresses: readonly string[];
  readonly agentAddresses: readonly string[];
  readonly ports: readonly WatchPort[];
  readonly healthy: boolean;
  readonly state: 'running' | 'killing';
}

/** All tasks that share a plain name. */
export interface ServiceState {
  /** `<label>.<framework>`, without the domain. */
  readonly name: string;
  readonly fqdn: string;
  /** Sorted by task id. */
  readonly endpoints: readonly WatchEndpoint[];
}

/** One address of a VIP. */
export interface WatchVipAddress {
  readonly address: string;
  /** null: hoplite does not program the kernel, so it does not know. */
  readonly programmed: boolean | null;
}

/** One port of a VIP; `backend` as in `/v1/vips`, of both families. */
export interface WatchVipPort {
  readonly protocol: string;
  readonly port: number;
  readonly scheduler: string;
  readonly persistenceSeconds: number;
  readonly backend: readonly VipsViewBackend[];
}

/** A VIP with all its addresses and ports. */
export interface VipState {
  /** `<name>.<framework>`, or the text of a declared address. */
  readonly identity: string;
  readonly name: string | null;
  readonly fqdn: string | null;
  /** None if the pool has no address left. */
  readonly addresses: readonly WatchVipAddress[];
  readonly ports: readonly WatchVipPort[];
}

/** Everything that is watched: services by name, VIPs by identity. */
export interface WatchStates {
  readonly services: ReadonlyMap<string, ServiceState>;
  readonly vips: ReadonlyMap<string, VipState>;
}

/** What states depend on besides the cluster; `domain` is without final dot. */
export interface WatchSettings {
  readonly names: NamesConfig;
  readonly domain: string;
}

/** A task with the addresses that it was given; every `CatalogTask` is one. */
export type EndpointTask = Pick<CatalogTask, 'task' | 'chosen' | 'agentAddresses'>;

/**
 * Tasks of a catalog by the name of their service, those that are being killed among them; without
 * those that have no plain name.
 */
export function serviceTasks(catalog: Catalog, names: NamesConfig): Map<string, EndpointTask[]> {
  const found = new Map<string, EndpointTask[]>();
  const add = (label: string, framework: string, entry: EndpointTask): void => {
    if (label === '' || framework === '') return;
    const name = `${label}.${framework}`;
    const tasks = found.get(name);
    if (tasks === undefined) found.set(name, [entry]);
    else tasks.push(entry);
  };
  let agents: ReadonlyMap<string, readonly IpAddress[]> | null = null;
  for (const { framework, name, tasks } of catalog.frameworks) {
    // The last label is the sanitised one, which every task has.
    for (const entry of tasks) add(entry.labels.at(-1) ?? '', name, entry);
    for (const task of framework.killing) {
      agents ??= agentAddresses(catalog);
      const own = agents.get(task.agentId);
      if (own === undefined) continue;
      const chosen = chooseAddresses(task, own, names.addresses);
      add(taskLabel(task, names), name, { task, chosen, agentAddresses: own });
    }
  }
  return found;
}

/** All services of a catalog. */
export function serviceStates(
  catalog: Catalog,
  settings: WatchSettings,
): ReadonlyMap<string, ServiceState> {
  const states = new Map<string, ServiceState>();
  for (const [name, tasks] of serviceTasks(catalog, settings.names)) {
    states.set(name, serviceState(name, tasks, settings));
  }
  return states;
}

/** One service; the order of `tasks` does not matter. */
export function serviceState(
  name: string,
  tasks: readonly EndpointTask[],
  { names, domain }: WatchSettings,
): ServiceState {
  const endpoints = tasks.map((entry) => endpointOf(entry, names));
  endpoints.sort((a, b) => compareText(a.taskId, b.taskId) || compareText(a.agent, b.agent));
  return { name, fqdn: `${name}.${domain}`, endpoints };
}

/** All VIPs of a table. */
export function vipStates(
  { services }: VipTable,
  domain: string,
  programmed: ProgrammedVips,
): ReadonlyMap<string, VipState> {
  return new Map(
    services.map((service) => [service.identity, vipState(service, domain, programmed)]),
  );
}

/** One VIP; `domain` is without final dot. */
export function vipState(
  service: VipService,
  domain: string,
  programmed: ProgrammedVips,
): VipState {
  const addresses: WatchVipAddress[] = [];
  for (const address of [service.ipv4, service.ipv6]) {
    if (address === null) continue;
    const isProgrammed = programmed === null ? null : programmed.has(address.text);
    addresses.push({ address: address.text, programmed: isProgrammed });
  }
  return {
    identity: service.identity,
    name: service.name,
    fqdn: vipName(service, domain),
    addresses,
    ports: service.ports.map(portState),
  };
}

/**
 * Everything that passes `filter`, for the reader in `src/adapters/http/watch-hub.ts`: a line with
 * the number of the generation, then for each service and VIP a line `<kind> <JSON of a change>`.
 */
export function watchSnapshot(
  generation: number,
  { services, vips }: WatchStates,
  filter: WatchFilter,
): string {
  const lines = [String(generation)];
  const add = (kind: 'service' | 'vip', states: ReadonlyMap<string, unknown>): void => {
    if (filter.kind !== null && filter.kind !== kind) return;
    for (const [name, value] of states) {
      if (filter.name !== null && filter.name !== name.toLowerCase()) continue;
      lines.push(`${kind} ${JSON.stringify({ change: 'added', name, value })}`);
    }
  };
  add('service', services);
  add('vip', vips);
  return `${lines.join('\n')}\n`;
}

function agentAddresses({ snapshot, hosts }: Catalog): Map<string, readonly IpAddress[]> {
  return new Map(
    snapshot.agents.map((agent) => [agent.id, addressesOf(agent.endpoint.host, hosts)]),
  );
}

function endpointOf(entry: EndpointTask, names: NamesConfig): WatchEndpoint {
  const { task, chosen, agentAddresses: own } = entry;
  return {
    taskId: task.id,
    agent: task.agentId,
    addresses: chosen.addresses.map(textOf),
    agentAddresses: own.map(textOf),
    ports: portsOf(entry, names),
    healthy: task.healthy,
    state: task.phase === 'killing' ? 'killing' : 'running',
  };
}

/** The ports that SRV records are made of: those of the DiscoveryInfo, else the agent's. */
function portsOf({ task, chosen }: EndpointTask, names: NamesConfig): WatchPort[] {
  const declared = task.discovery?.ports ?? [];
  if (declared.length === 0) {
    const on = chosen.of === 'machine' ? 'task' : 'agent';
    return task.hostPorts.map((port) => ({ name: '', protocols: TCP_AND_UDP, port, on }));
  }
  return declared.map((port, index) => {
    const location = locatePort(task, port, index, chosen, names.addresses);
    return {
      name: port.name,
      protocols: protocolLabels(port.protocol, names.labels),
      port: location.port,
      on: location.of === 'agent' ? 'agent' : 'task',
    };
  });
}

function portState(port: VipPort): WatchVipPort {
  return {
    protocol: port.protocol,
    port: port.port,
    scheduler: port.scheduler,
    persistenceSeconds: port.persistenceSeconds,
    backend: port.backends.map(backendState),
  };
}

function backendState(backend: Backend): VipsViewBackend {
  return {
    ip: backend.address.text,
    port: backend.port,
    weight: backend.weight,
    healthy: backend.healthy,
    state: backend.state,
    taskId: backend.taskId,
    agent: backend.agentId,
  };
}

function textOf({ text }: IpAddress): string {
  return text;
}
