import type { IpAddress } from '../base/address.ts';
import { RejectionList } from '../base/rejection.ts';
import type { Catalog, CatalogTask } from '../catalog/catalog.ts';
import type { AnswerTable } from '../dns/answer-table.ts';
import { TYPE } from '../dns/constants.ts';
import { formatWireName, type OwnerName, parseWireName } from '../dns/name.ts';
import type { RecordSink } from '../dns/zone.ts';
import { addressTexts, findNode, nodeName, nodeServices } from './table-records.ts';
import { emitRecords, type ZoneSettings } from './zone-view.ts';

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
    readonly addressOf: 'agent' | 'task';
    readonly reason: string;
  };
}

/**
 * Body of `/v1/explain` for a name in our zones: what it answers, and which task or part of the
 * cluster every record comes from, with the reason for the address.
 */
export function explainView(
  table: AnswerTable,
  catalog: Catalog,
  settings: ZoneSettings,
  name: string,
): unknown {
  const wire = parseWireName(name);
  const owner = wire === null ? name : formatWireName(wire);
  const node = wire === null ? 0 : findNode(table, wire);
  const answer =
    node === 0
      ? null
      : {
          A: addressTexts(table, node, TYPE.A),
          AAAA: addressTexts(table, node, TYPE.AAAA),
          SRV: nodeServices(table, node).map(({ target, port }) => `${target}:${port}`),
        };
  // Record generators write names without the escapes of presentation form.
  const plainOwner = node === 0 ? owner : nodeName(table, node);
  const { sources, total } = sourcesOf(catalog, settings, plainOwner);
  return {
    name: owner,
    zone: `${settings.dns.domain}.`,
    exists: node !== 0,
    outcome: outcome(node, answer),
    answer,
    ttlSeconds: settings.dns.ttlSeconds,
    sources,
    sourcesNotShown: total - sources.length,
  };
}

function outcome(
  node: number,
  answer: { A: string[]; AAAA: string[]; SRV: string[] } | null,
): string {
  if (node === 0 || answer === null) return 'the name does not exist (NXDOMAIN)';
  const types = Object.entries(answer).filter(([, values]) => values.length > 0);
  if (types.length === 0) return 'there are only names below it (NODATA for every type)';
  return types.map(([type, values]) => `${values.length} ${type}`).join(', ');
}

/** Runs the record generators again and keeps what they make for one name. */
function sourcesOf(
  catalog: Catalog,
  settings: ZoneSettings,
  owner: OwnerName,
): { sources: ExplainedSource[]; total: number } {
  const published = collectSources(catalog, settings, owner);
  const paths = new Set(published.map(({ path }) => path));
  const leftOut = collectSources(onlyAvoided(catalog), settings, owner)
    .filter(({ path, task }) => task !== undefined && !paths.has(path))
    .map((source) => ({ ...source, leftOut: 'unhealthy, while a healthy task has this name' }));
  const all = [...published, ...leftOut];
  return { sources: all.slice(0, SOURCES_MAX), total: all.length };
}

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
  catalog: Catalog,
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
  };
  emitRecords(catalog, settings, sink, new RejectionList(), (from, entry) => {
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
