import assert from 'node:assert/strict';
import { type Rejection, RejectionList } from '../../src/core/base/rejection.ts';
import { buildCatalog, type Catalog, type HostAddresses } from '../../src/core/catalog/catalog.ts';
import type { HostPort, NamesConfig, SoaConfig, VipConfig } from '../../src/core/config/config.ts';
import type { AnswerTable } from '../../src/core/dns/answer-table.ts';
import { compileTable } from '../../src/core/dns/compile-table.ts';
import { RecordStore } from '../../src/core/dns/record-store.ts';
import { parseState } from '../../src/core/mesos/parse-state.ts';
import type { ClusterSnapshot } from '../../src/core/mesos/snapshot.ts';
import { parsePrefix, type Prefix } from '../../src/core/base/prefix.ts';
import { buildVipTable } from '../../src/core/vip/build-vip-table.ts';
import type { VipTable } from '../../src/core/vip/vip-table.ts';
import { zoneFile } from '../../src/core/views/zone-file.ts';
import type { ProgrammedVips } from '../../src/core/views/vip-records.ts';
import {
  collectRecords,
  type NamedCluster,
  type ZoneSettings,
  zoneTerms,
} from '../../src/core/views/zone-view.ts';
import { ip } from './small-zone.ts';

/** A JSON object as a master writes it; tests leave out, replace and spoil members. */
export type Json = Record<string, unknown>;

/** The leader of every state here, unless it says otherwise. */
export const LEADER = 'master@10.0.0.100:5050';

export function agentId(number: number): string {
  return `5c3e2d0a-7b1f-S${number}`;
}

/** Agent `number`, at 10.0.0.(number + 1):5051. */
export function agent(number: number, more: Json = {}): Json {
  const hostname = `10.0.0.${number + 1}`;
  return {
    id: agentId(number),
    hostname,
    pid: `slave(1)@${hostname}:5051`,
    active: true,
    resources: { ports: '[31000-32000]' },
    ...more,
  };
}

/** A running status; `networks` are its `network_infos`. */
export function running(networks: readonly unknown[] = [], more: Json = {}): Json {
  const container_status = { network_infos: networks };
  return { state: 'TASK_RUNNING', timestamp: 1_500_000_000.5, container_status, ...more };
}

/** One of a status' `network_infos`, as Mesos 1.x writes it; `name` only of named networks. */
export function network(addresses: readonly string[], name?: string): Json {
  return {
    ip_addresses: addresses.map((ip_address) => ({
      protocol: ip_address.includes(':') ? 'IPv6' : 'IPv4',
      ip_address,
    })),
    ...(name === undefined ? {} : { name }),
  };
}

/** A port of a DiscoveryInfo; `scope` is Marathon's label `network-scope`. */
export function port(number: number, protocol: string, name?: string, scope?: string): Json {
  const labels = scope === undefined ? {} : { labels: [{ key: 'network-scope', value: scope }] };
  return { number, protocol, ...(name === undefined ? {} : { name }), labels };
}

/** One label as Mesos writes it. */
export function label(key: string, value: string): Json {
  return { key, value };
}

/** A port with more labels, such as `{ VIP_0: '/web:80' }`. */
export function labelled(entry: Json, more: Readonly<Record<string, string>>): Json {
  const { labels = [] } = (entry['labels'] ?? {}) as { labels?: readonly unknown[] };
  const added = Object.entries(more).map(([key, value]) => label(key, value));
  return { ...entry, labels: { labels: [...labels, ...added] } };
}

/** A port mapping of a container. */
export function portMapping(hostPort: number, containerPort: number, protocol?: string): Json {
  const mapping = { host_port: hostPort, container_port: containerPort };
  return protocol === undefined ? mapping : { ...mapping, protocol };
}

export function discovery(name: string, ...ports: readonly Json[]): Json {
  return { visibility: 'FRAMEWORK', name, ports: ports.length === 0 ? {} : { ports } };
}

/** A task on agent 0 whose hash is `iffe9`, without ports, health check or container. */
export function task(name: string, more: Json = {}): Json {
  return {
    id: 'test',
    name,
    framework_id: 'F',
    executor_id: '',
    slave_id: agentId(0),
    state: 'TASK_RUNNING',
    resources: { cpus: 0.1, mem: 16 },
    statuses: [running([network(['10.0.0.1'])])],
    ...more,
  };
}

/** A task that ran, with the addresses of `task`, and is being killed: the last status has none. */
export function killingTask(name: string, more: Json = {}): Json {
  const statuses = [
    running([network(['10.0.0.1'])]),
    { state: 'TASK_KILLING', timestamp: 1_500_000_009.5 },
  ];
  return task(name, { state: 'TASK_KILLING', statuses, ...more });
}

/** A framework over HTTP: it has no `pid`. */
export function framework(name: string, tasks: readonly unknown[], more: Json = {}): Json {
  return { id: `F-${name}`, name, hostname: '10.0.0.50', active: true, tasks, ...more };
}

/** Two agents and what else is given. */
export function masterState(frameworks: readonly unknown[], more: Json = {}): Json {
  return { leader: LEADER, pid: LEADER, slaves: [agent(0), agent(1)], frameworks, ...more };
}

/** A state with these tasks of `marathon`. */
export function marathonState(...tasks: readonly unknown[]): Json {
  return masterState([framework('marathon', tasks, { hostname: '' })]);
}

/** What a test's settings differ in. */
export interface SettingsChange {
  readonly names?: Partial<NamesConfig>;
  readonly vip?: Partial<VipConfig>;
  readonly domain?: string;
  readonly soa?: Partial<SoaConfig>;
  readonly masters?: readonly HostPort[];
  readonly listeners?: readonly string[];
}

const NAMES: NamesConfig = {
  labels: 'rfc1123',
  addresses: 'by-network',
  unhealthy: 'publish',
  inactive: 'publish',
  locations: false,
};

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  assert.ok(parsed !== null, `${text} is a prefix`);
  return parsed;
}

const VIP: VipConfig = {
  enabled: false,
  pool: [prefix('10.208.0.0/12')],
  poolIpv6: [],
  exclude: [],
  ranges: [],
  aliasDomains: [],
  auto: false,
  scheduler: 'wlc',
};

/** Settings without VIPs and location names, unless `change` wants them. */
export function settings(change: SettingsChange = {}): ZoneSettings {
  const soa: SoaConfig = {
    mname: 'ns1.mesos.',
    rname: 'root.ns1.mesos.',
    refreshSeconds: 60,
    retrySeconds: 600,
    expireSeconds: 86_400,
    minimumSeconds: 5,
    ...change.soa,
  };
  return {
    dns: { domain: change.domain ?? 'mesos', soa, srvWeight: 1, ttlSeconds: 60 },
    names: { ...NAMES, ...change.names },
    vip: { ...VIP, ...change.vip },
    masters: change.masters ?? [],
    listenerAddresses: (change.listeners ?? []).map(ip),
  };
}

/** The snapshot of a state that can be read. */
export function snapshotOf(
  state: unknown,
  rejections: RejectionList = new RejectionList(),
): ClusterSnapshot {
  const result = parseState(JSON.stringify(state), rejections);
  assert.ok(result.ok, result.ok ? '' : result.error);
  return result.value;
}

/** A state and everything that becomes of it. */
export interface Published {
  readonly settings: ZoneSettings;
  readonly catalog: Catalog;
  readonly vips: VipTable;
  readonly cluster: NamedCluster;
  readonly table: AnswerTable;
  readonly rejections: readonly Rejection[];
  /** Records but SOA and NS, such as `web.marathon.mesos. IN A 10.0.0.1`, in canonical order. */
  readonly records: readonly string[];
}

export function publish(
  state: unknown,
  change: SettingsChange = {},
  hosts: HostAddresses = new Map(),
  programmed: ProgrammedVips = null,
): Published {
  const rejections = new RejectionList();
  const zone = settings(change);
  const catalog = buildCatalog(snapshotOf(state, rejections), hosts, zone.names, rejections);
  const vips = buildVipTable(catalog, zone.vip, zone.names, zone.dns.domain, rejections);
  const cluster = { catalog, vips, programmed };
  const store = collectRecords(cluster, zone, rejections, new RecordStore(() => undefined));
  const table = compileTable(store, zoneTerms(zone), true);
  const records = zoneRecords({ table, settings: zone });
  const made = { settings: zone, catalog, vips, cluster, table, records };
  return { ...made, rejections: rejections.items };
}

/** Records but SOA and NS of one of the zones, our own domain unless another apex is given. */
export function zoneRecords(
  { table, settings: zone }: Pick<Published, 'table' | 'settings'>,
  apex?: string,
): string[] {
  return zoneFile(table, zone, apex).trimEnd().split('\n').slice(3);
}

/** What tasks of `marathon` add to the records of the cluster. */
export function taskRecords(tasks: readonly unknown[], change: SettingsChange = {}): string[] {
  const others = new Set(publish(marathonState(), change).records);
  const { records } = publish(marathonState(...tasks), change);
  return records.filter((record) => !others.has(record));
}
