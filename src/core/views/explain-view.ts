import type { IpAddress } from '../base/address.ts';
import { RejectionList } from '../base/rejection.ts';
import type { Catalog, CatalogTask } from '../catalog/catalog.ts';
import type { AnswerTable } from '../dns/answer-table.ts';
import { TYPE } from '../dns/constants.ts';
import { formatWireName, type OwnerName, parseWireName } from '../dns/name.ts';
import type { RecordSink } from '../dns/zone.ts';
import { explainVip, type ExplainedVip } from './explain-vip.ts';
import type { Alias } from './served-zones.ts';
import {
  addressTexts,
  findNode,
  nodeName,
  nodePointers,
  nodeServices,
  zoneOfName,
} from './table-records.ts';
import { emitRecords, type NamedCluster, type ZoneSettings, zonesOf } from './zone-view.ts';

/** Most tasks listed for one name; a service of thousands needs no longer explanation. */
const SOURCES_MAX = 100;

interface ExplainedSource {
  /** Where in the state. */
  readonly path: string;
  readonly records: string[];
  /** Why its records are not in the answer. */
  readonly leftOut?: string;
  readonly task?: {
    readonly id: string;
    readonly name: string;
    readonly agent: string;
    readonly healthy: boolean;
    readonly network: string;
    readonly addressOf: 'agent' | 'task' | 'machine';
    readonly reason: string;
  };
}

interface ExplainedAnswer {
  readonly A: string[];
  readonly AAAA: string[];
  readonly SRV: string[];
  /** Only where there are any: reverse names have nothing else. */
  readonly PTR?: string[];
}

/**
 * Body of `/v1/explain` for a name that we answer: what it answers, and which task, VIP or part of
 * the cluster every record comes from, with the reason for the address.
 */
export function explainView(
  table: AnswerTable,
  cluster: NamedCluster,
  settings: ZoneSettings,
  name: string,
): unknown {
  const wire = parseWireName(name);
  const owner = wire === null ? name : formatWireName(wire);
  const node = wire === null ? 0 : findNode(table, wire);
  const answer = node === 0 ? null : answerOf(table, node);
  // Record generators write names without the escapes of presentation form.
  const plainOwner = node === 0 ? owner : nodeName(table, node);
  const zones = zonesOf(settings);
  const original = originalName(plainOwner, zones.aliases);
  const { sources, total } = sourcesOf(cluster, settings, original);
  const vip = explainVip(cluster, zones, original);
  return {
    name: owner,
    zone: wire === null ? null : zoneOfName(table, wire),
    exists: node !== 0,
    outcome: outcome(answer, vip),
    answer,
    ttlSeconds: settings.dns.ttlSeconds,
    sources,
    sourcesNotShown: total - sources.length,
    ...(vip === null ? {} : { vip }),
  };
}

function answerOf(table: AnswerTable, node: number): ExplainedAnswer {
  const pointers = nodePointers(table, node);
  return {
    A: addressTexts(table, node, TYPE.A),
    AAAA: addressTexts(table, node, TYPE.AAAA),
    SRV: nodeServices(table, node).map(({ target, port }) => `${target}:${port}`),
    ...(pointers.length === 0 ? {} : { PTR: pointers }),
  };
}

/** Names below alias domains are those of our own domain over again. */
function originalName(owner: OwnerName, aliases: readonly Alias[]): OwnerName {
  const alias = aliases.find(({ to }) => owner.endsWith(`.${to}`));
  return alias === undefined ? owner : owner.slice(0, -alias.to.length) + alias.from;
}

const RECORD_TYPES = ['A', 'AAAA', 'SRV', 'PTR'] as const;

function outcome(answer: ExplainedAnswer | null, vip: ExplainedVip | null): string {
  if (answer === null) {
    return vip?.addresses.every(({ programmed }) => programmed === false) === true
      ? 'its VIP is not programmed on this node, so the name does not exist (NXDOMAIN)'
      : 'the name does not exist (NXDOMAIN)';
  }
  const counts = RECORD_TYPES.flatMap((type) => {
    const count = answer[type]?.length ?? 0;
    return count === 0 ? [] : [`${count} ${type}`];
  });
  return counts.length === 0
    ? 'there are only names below it (NODATA for every type)'
    : counts.join(', ');
}

/** Runs the record generators again and keeps what they make for one name. */
function sourcesOf(
  cluster: NamedCluster,
  settings: ZoneSettings,
  owner: OwnerName,
): { sources: ExplainedSource[]; total: number } {
  const all = collectSources(cluster, settings, owner);
  const paths = new Set(all.map(({ path }) => path));
  const addLeftOut = (other: NamedCluster, leftOut: string): void => {
    for (const source of collectSources(other, settings, owner)) {
      if (source.task === undefined || paths.has(source.path)) continue;
      paths.add(source.path);
      all.push({ ...source, leftOut });
    }
  };
  const withoutVips = { ...cluster, vips: { ...cluster.vips, plainNames: NO_PLAIN_NAMES } };
  addLeftOut(withoutVips, 'a VIP has this name (HOPLITE_ENDPOINT=vip)');
  const avoided = { ...withoutVips, catalog: onlyAvoided(cluster.catalog) };
  addLeftOut(avoided, 'unhealthy, while a healthy task has this name');
  return { sources: all.slice(0, SOURCES_MAX), total: all.length };
}

const NO_PLAIN_NAMES: NamedCluster['vips']['plainNames'] = new Map();

/** The tasks that are left out of shared names, as if they were not. */
function onlyAvoided(catalog: Catalog): Catalog {
  return {
    ...catalog,
    frameworks: catalog.frameworks.map((framework) => ({
      ...framework,
      tasks: framework.tasks
        .filter((entry) => entry.avoided)
        .map((entry) => ({ ...entry, avoided: false })),
    })),
  };
}

function collectSources(
  cluster: NamedCluster,
  settings: ZoneSettings,
  owner: OwnerName,
): ExplainedSource[] {
  const sources: ExplainedSource[] = [];
  let path = '';
  let task: CatalogTask | null = null;
  let current: ExplainedSource | null = null;
  const add = (record: string): boolean => {
    if (current === null) {
      current = { path, records: [], ...(task === null ? {} : { task: explainTask(task) }) };
      sources.push(current);
    }
    current.records.push(record);
    return true;
  };
  const sink: RecordSink = {
    address: (name: OwnerName, address: IpAddress) =>
      name === owner && add(`${address.family === 4 ? 'A' : 'AAAA'} ${address.text}`),
    service: (name: OwnerName, target: OwnerName, port: number) =>
      name === owner && add(`SRV ${target}:${port}`),
    pointer: (name: OwnerName, target: OwnerName) => name === owner && add(`PTR ${target}`),
  };
  emitRecords(cluster, settings, sink, new RejectionList(), (from, entry) => {
    path = from;
    task = entry;
    current = null;
  });
  return sources;
}

function explainTask({ task, chosen }: CatalogTask): ExplainedSource['task'] & object {
  return {
    id: task.id,
    name: task.name,
    agent: task.agentId,
    healthy: task.healthy,
    network: task.network,
    addressOf: chosen.of,
    reason: chosen.reason,
  };
}
