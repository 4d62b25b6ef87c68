import { RejectionList } from './base/rejection.ts';
import { buildCatalog, type Catalog, type HostAddresses } from './catalog/catalog.ts';
import type { AnswerTable } from './dns/answer-table.ts';
import { sameRecords } from './dns/compare-tables.ts';
import { compileTable, stampSerial, TableBuilder } from './dns/compile-table.ts';
import type { ClusterSnapshot } from './mesos/snapshot.ts';
import { RecordStore } from './dns/record-store.ts';
import type { ProgrammedVips } from './views/vip-records.ts';
import { collectRecords, zoneTerms, type ZoneSettings } from './views/zone-view.ts';
import { vipTasks } from './vip/build-vip-table.ts';
import { type VipChanges, VipIndex } from './vip/vip-index.ts';
import type { VipTable } from './vip/vip-table.ts';
import type { VipTask } from './vip/vip-task.ts';

/** What we serve until the next one: everything derives from one snapshot. */
export interface Generation {
  readonly snapshot: ClusterSnapshot;
  readonly hosts: HostAddresses;
  readonly vips: VipTable;
  /** The VIPs that have names in the table. */
  readonly programmed: ProgrammedVips;
  readonly table: AnswerTable;
  /** What the snapshot and its names lost. */
  readonly rejections: RejectionList;
  /** The records differ from those of the generation before. */
  readonly changed: boolean;
  /** What became different in `vips` since the generation before; null: look at all. */
  readonly vipChanges: VipChanges | null;
}

/** Parts of a snapshot that could not be read, found before the generation is built. */
export interface ReadSnapshot {
  readonly snapshot: ClusterSnapshot;
  readonly rejections: RejectionList;
}

/** What a generation is made of. */
export interface GenerationInput {
  /** The table that is served: decides about the serial. */
  readonly previous: AnswerTable | null;
  readonly read: ReadSnapshot;
  readonly hosts: HostAddresses;
  readonly settings: ZoneSettings;
  readonly nowSeconds: number;
  /** The VIPs that the kernel balances, and that so may have names; null: all of them. */
  readonly programmed: ProgrammedVips;
}

/** What making a generation lost, besides what reading the snapshot did. */
export interface OwnRejections {
  readonly vips: RejectionList;
  readonly names: RejectionList;
}

/** A generation with what the next one can be made from. */
export interface WholeGeneration {
  readonly generation: Generation;
  readonly catalog: Catalog;
  readonly vipTasks: readonly VipTask[];
  readonly vipIndex: VipIndex;
  readonly tables: TableBuilder;
  readonly rejections: OwnRejections;
}

/**
 * The one step from a snapshot to what is served; pure. The SOA serial is the time of the last
 * change, and always grows, so that secondaries and people can see whether anything happened.
 * `scratch` lends its memory: a caller that builds again and again saves allocating it. `spareBytes`
 * is room in the table for later generations, given the number of records.
 */
export function wholeGeneration(
  input: GenerationInput,
  scratch: RecordStore,
  spareBytes: (records: number) => number,
): WholeGeneration {
  const { previous, read, hosts, settings, nowSeconds, programmed } = input;
  const { dns, names, vip } = settings;
  const { snapshot } = read;
  const own = { vips: new RejectionList(), names: new RejectionList() };
  const catalog = buildCatalog(snapshot, hosts, names, own.names);
  const vipIndex = new VipIndex(vip, names, dns.domain);
  const tasks = vipTasks(catalog);
  vipIndex.reset({ agents: snapshot.agents, hosts }, tasks, own.vips);
  const vips = vipIndex.table;
  const store = collectRecords({ catalog, vips, programmed }, settings, own.names, scratch);
  const tables = new TableBuilder(store, zoneTerms(settings));
  const table = tables.compile(true, spareBytes(store.recordCount));
  const rejections = allRejections(read, own);
  const parts = { snapshot, hosts, vips, programmed, rejections, vipChanges: null };
  const rest = { catalog, vipTasks: tasks, vipIndex, tables, rejections: own };
  if (previous !== null && sameRecords(previous, table)) {
    tables.forget();
    return { ...rest, generation: { ...parts, table: previous, changed: false } };
  }
  stampSerial(table, nextSerial(previous?.serial ?? 0, nowSeconds));
  return { ...rest, generation: { ...parts, table, changed: true } };
}

/** The generation that follows from a snapshot, in memory of its own. */
export function nextGeneration(
  previous: AnswerTable | null,
  read: ReadSnapshot,
  hosts: HostAddresses,
  settings: ZoneSettings,
  nowSeconds: number,
  programmed: ProgrammedVips = null,
): Generation {
  const input = { previous, read, hosts, settings, nowSeconds, programmed };
  return wholeGeneration(input, new RecordStore(() => undefined), () => 0).generation;
}

/** What reading the snapshot lost, and what making a generation of it did. */
export function allRejections(read: ReadSnapshot, own: OwnRejections): RejectionList {
  const rejections = new RejectionList();
  rejections.addAll(read.rejections);
  rejections.addAll(own.names);
  rejections.addAll(own.vips);
  return rejections;
}

/** Table for the time before the first good state: our zones answer SERVFAIL. */
export function unreadyTable(settings: ZoneSettings): AnswerTable {
  return compileTable(new RecordStore(() => undefined), zoneTerms(settings), false);
}

/** The time of a change, and always greater. Serial arithmetic is modulo 2^32 (RFC 1982 §3.1). */
export function nextSerial(previous: number, nowSeconds: number): number {
  return Math.max(nowSeconds, previous + 1) >>> 0;
}
