import type { IpAddress } from '../base/address.ts';
import { assert } from '../base/assert.ts';
import type { RejectionList } from '../base/rejection.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { NamesConfig, VipConfig } from '../config/config.ts';
import type { Task } from '../mesos/snapshot.ts';
import { allocate, allocationDigest, claimsOf } from './allocate.ts';
import { AutoPorts, taskLabel } from './auto-ports.ts';
import { BackendPlaces } from './backends.ts';
import { compareText } from '../base/order.ts';
import { append } from '../base/short-list.ts';
import { AddressPool } from './pool.ts';
import { parseScheduler, type SchedulerChoice } from './port-options.ts';
import type { ServiceDraft } from './service-draft.ts';
import { declaresVips, pathOf } from './task-ports.ts';
import { VipCollector } from './vip-collector.ts';
import { vipNameRoom } from './vip-label.ts';
import type { VipPort, VipService, VipTable } from './vip-table.ts';

/** The pools of both families. */
interface Pools {
  readonly ipv4: AddressPool;
  readonly ipv6: AddressPool;
}

/**
 * VIPs of a cluster: which there are, their addresses, and who serves them. Pure, and independent
 * of the order of frameworks, tasks and ports in the state (but where a bound cuts a hostile one).
 * What cannot be used is rejected, and nothing else with it.
 */
export function buildVipTable(
  catalog: Catalog,
  config: VipConfig,
  names: NamesConfig,
  domain: string,
  rejections: RejectionList,
): VipTable {
  const pools = {
    ipv4: new AddressPool(
      config.pool,
      config.exclude.filter(({ family }) => family === 4),
    ),
    ipv6: new AddressPool(
      config.poolIpv6,
      config.exclude.filter(({ family }) => family === 6),
    ),
  };
  const digest = allocationDigest([pools.ipv4, pools.ipv6]);
  if (!config.enabled) return { services: [], plainNames: new Map(), digest };
  const collector = collect(catalog, config, names, domain, rejections);
  const services = finish(collector, pools, config, rejections);
  return {
    services: [...services.values()].sort(compareServices),
    plainNames: plainNames(collector, services),
    digest,
  };
}

function collect(
  catalog: Catalog,
  config: VipConfig,
  names: NamesConfig,
  domain: string,
  rejections: RejectionList,
): VipCollector {
  const auto = config.auto ? new AutoPorts(catalog, names) : null;
  const places = new BackendPlaces(catalog, config, rejections);
  const { identityLengthMax } = vipNameRoom([domain, ...config.aliasDomains]);
  const hasAutoPort = (identity: string, number: number): boolean =>
    auto?.has(identity, number) ?? false;
  const settings = { config, identityLengthMax, hasAutoPort };
  const collector = new VipCollector(settings, places, rejections);
  for (const {
    framework: { killing },
    name: framework,
    tasks,
  } of catalog.frameworks) {
    for (const { task, labels } of tasks) {
      if (!declaresVips(task, config.auto)) continue;
      const label = taskLabel(task, names);
      collector.add({ task, state: 'running', label, framework, plainLabels: labels });
    }
    for (const task of killing) {
      if (!declaresVips(task, config.auto) || !hasAgent(task, places, rejections)) continue;
      const label = taskLabel(task, names);
      collector.add({ task, state: 'killing', label, framework, plainLabels: [] });
    }
  }
  return collector;
}

/** The catalog reports running tasks of unknown agents; those that are killed it does not see. */
function hasAgent(task: Task, places: BackendPlaces, rejections: RejectionList): boolean {
  if (places.agent(task.agentId) !== null) return true;
  rejections.add(`${task.path}.slave_id`, 'agent-unknown', task.agentId);
  return false;
}

/** Settles ports and addresses; by the collector's keys. A bound may have left a service empty. */
function finish(
  { services }: VipCollector,
  pools: Pools,
  config: VipConfig,
  rejections: RejectionList,
): ReadonlyMap<string, VipService> {
  const scheduler = parseScheduler(config.scheduler) ?? { scheduler: config.scheduler, flags: 0 };
  const finished = new Map<string, Writable<VipService>>();
  const declared: IpAddress[] = [];
  const named: Record<4 | 6, string[]> = { 4: [], 6: [] };
  for (const [key, service] of services) {
    const ports = finishPorts(service, scheduler, rejections);
    if (ports.length === 0) continue;
    const { identity, name, framework, address } = service;
    const ipv4 = address?.family === 4 ? address : null;
    const ipv6 = address?.family === 6 ? address : null;
    finished.set(key, { identity, name, framework, ipv4, ipv6, ports });
    if (address !== null) {
      declared.push(address);
      continue;
    }
    if (hasFamily(ports, 4)) named[4].push(key);
    if (hasFamily(ports, 6)) named[6].push(key);
  }
  for (const family of [4, 6] as const) {
    const side = family === 4 ? 'ipv4' : 'ipv6';
    const claims = claimsOf(named[family]);
    const addresses = allocate(claims, pools[side], declared);
    for (const [i, { identity }] of claims.entries()) {
      const service = finished.get(identity);
      assert(service !== undefined, 'only services claim addresses');
      service[side] = addresses[i] ?? null;
      if (service[side] === null) rejectExhausted(services.get(identity), family, rejections);
    }
  }
  return finished;
}

function rejectExhausted(
  service: ServiceDraft | undefined,
  family: 4 | 6,
  rejections: RejectionList,
): void {
  assert(service !== undefined, 'only services claim addresses');
  const value = `${service.identity} (IPv${family})`;
  rejections.add(pathOf(service.origin), 'vip-pool-exhausted', value);
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

function finishPorts(
  service: ServiceDraft,
  scheduler: SchedulerChoice,
  rejections: RejectionList,
): readonly VipPort[] {
  let finished: VipPort[] = [];
  for (const draft of service.ports.all) {
    const port = draft.finish(service, scheduler, rejections);
    if (port.backends.length > 0) finished = append(finished, port);
  }
  if (finished.length === 1) return finished;
  return finished.sort((a, b) => compareText(a.protocol, b.protocol) || a.port - b.port);
}

/** Backends are sorted by family, so that the first and the last tell. */
function hasFamily(ports: readonly VipPort[], family: 4 | 6): boolean {
  for (const { backends } of ports) {
    if (backends.at(family === 4 ? 0 : -1)?.address.family === family) return true;
  }
  return false;
}

/** A plain name of several services stands for the first of them that has an address. */
function plainNames(
  { plainNames }: VipCollector,
  services: ReadonlyMap<string, VipService>,
): ReadonlyMap<string, VipService> {
  const chosen = new Map<string, VipService>();
  for (const name of [...plainNames.keys()].sort(compareText)) {
    const service = [...(plainNames.get(name) ?? [])]
      .map((key) => services.get(key))
      .filter((one) => one !== undefined)
      .filter(({ ipv4, ipv6 }) => ipv4 !== null || ipv6 !== null)
      .sort(compareServices)[0];
    if (service !== undefined) chosen.set(name, service);
  }
  return chosen;
}

/** By identity; a name that reads like a declared address comes behind it. */
function compareServices(a: VipService, b: VipService): number {
  return compareText(a.identity, b.identity) || Number(a.name !== null) - Number(b.name !== null);
}
