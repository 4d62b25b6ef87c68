import { RejectionList } from './base/rejection.ts';
import { buildCatalog, type HostAddresses } from './catalog/catalog.ts';
import type { AnswerTable } from './dns/answer-table.ts';
import { sameRecords } from './dns/compare-tables.ts';
import { compileTable, stampSerial } from './dns/compile-table.ts';
import type { ClusterSnapshot } from './mesos/snapshot.ts';
import { RecordStore } from './dns/record-store.ts';
import type { ProgrammedVips } from './views/vip-records.ts';
import { collectRecords, zoneTerms, type ZoneSettings } from './views/zone-view.ts';
import { buildVipTable } from './vip/build-vip-table.ts';
import type { VipTable } from './vip/vip-table.ts';

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
}

/** Parts of a snapshot that could not be read, found before the generation is built. */
export interface ReadSnapshot {
  readonly snapshot: ClusterSnapshot;
  readonly rejections: RejectionList;
}

/**
 * The one step from a snapshot to what is served; pure. The SOA serial is the time of the last
 * change, and always grows, so that secondaries and people can see whether anything happened.
 * `programmed` says which VIPs the kernel balances, and so may have names; null: all of them.
 * `scratch` lends its memory: a caller that builds again and again saves allocating it.
 */
export function nextGeneration(
  previous: AnswerTable | null,
  read: ReadSnapshot,
  hosts: HostAddresses,
  settings: ZoneSettings,
  nowSeconds: number,
  programmed: ProgrammedVips = null,
  scratch: RecordStore = new RecordStore(() => undefined),
): Generation {
  const rejections = new RejectionList();
  rejections.addAll(read.rejections);
  const { dns, names, vip } = settings;
  const catalog = buildCatalog(read.snapshot, hosts, names, rejections);
  const vips = buildVipTable(catalog, vip, names, dns.domain, rejections);
  const cluster = { catalog, vips, programmed };
  const store = collectRecords(cluster, settings, rejections, scratch);
  const table = compileTable(store, zoneTerms(settings), true);
  const parts = { snapshot: read.snapshot, hosts, vips, programmed, rejections };
  if (previous !== null && sameRecords(previous, table)) {
    return { ...parts, table: previous, changed: false };
  }
  stampSerial(table, nextSerial(previous?.serial ?? 0, nowSeconds));
  return { ...parts, table, changed: true };
}

/** Table for the time before the first good state: our zones answer SERVFAIL. */
export function unreadyTable(settings: ZoneSettings): AnswerTable {
  return compileTable(new RecordStore(() => undefined), zoneTerms(settings), false);
}

/** Serial arithmetic is modulo 2^32 (RFC 1982 §3.1). */
function nextSerial(previous: number, nowSeconds: number): number {
  return Math.max(nowSeconds, previous + 1) >>> 0;
}
