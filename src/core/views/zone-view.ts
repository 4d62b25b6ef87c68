import type { IpAddress } from '../base/address.ts';
import type { RejectionList } from '../base/rejection.ts';
import type { Catalog, CatalogTask } from '../catalog/catalog.ts';
import type { Config } from '../config/config.ts';
import type { NameDefect, OwnerName } from '../dns/name.ts';
import type { RecordStore } from '../dns/record-store.ts';
import type { RecordSink, ZoneTerms } from '../dns/zone.ts';
import {
  agentRecords,
  type ClusterNames,
  frameworkRecords,
  listenerRecords,
  masterRecords,
} from './cluster-records.ts';
import { taskRecords } from './task-records.ts';

/** The part of the configuration that decides which records there are. */
export interface ZoneSettings {
  readonly dns: Pick<Config['dns'], 'domain' | 'soa' | 'srvWeight' | 'ttlSeconds'>;
  readonly names: Config['names'];
  readonly masters: Config['cluster']['masters'];
  /** Addresses under which this server is reached: values of the name server's own records. */
  readonly listenerAddresses: readonly IpAddress[];
}

/** Picks the zone settings out of a configuration. */
export function zoneSettings(
  config: Pick<Config, 'dns' | 'names' | 'cluster'>,
  listenerAddresses: readonly IpAddress[],
): ZoneSettings {
  return {
    dns: config.dns,
    names: config.names,
    masters: config.cluster.masters,
    listenerAddresses,
  };
}

/** SOA and NS data of the zones we answer from, and what their records have in common. */
export function zoneTerms({ dns }: ZoneSettings): ZoneTerms {
  return {
    zones: [{ apex: `${dns.domain}.`, ...dns.soa }],
    ttlSeconds: dns.ttlSeconds,
    srvWeight: dns.srvWeight,
  };
}

/** Every record of the cluster in `store`; what cannot be published is rejected with its origin. */
export function collectRecords(
  catalog: Catalog,
  settings: ZoneSettings,
  rejections: RejectionList,
  store: RecordStore,
): RecordStore {
  let origin = '';
  store.reset((name: OwnerName, defect: NameDefect | 'record-limit') => {
    rejections.add(origin, defect === 'record-limit' ? defect : `name-${defect}`, name);
  });
  emitRecords(catalog, settings, store, rejections, (path) => (origin = path));
  return store;
}

/**
 * Sends every record to `sink`, after telling `from` where in the state the next ones come from.
 * All views go through here, so that they cannot disagree about what is published.
 */
export function emitRecords(
  catalog: Catalog,
  settings: ZoneSettings,
  sink: RecordSink,
  rejections: RejectionList,
  from: (path: string, task: CatalogTask | null) => void,
): void {
  const domain = `${settings.dns.domain}.`;
  const cluster: ClusterNames = {
    domain,
    nameServer: settings.dns.soa.mname,
    listenerAddresses: settings.listenerAddresses,
    masters: settings.masters,
    names: settings.names,
  };
  for (const framework of catalog.frameworks) {
    from(framework.framework.path, null);
    frameworkRecords(framework, catalog.hosts, cluster, sink, rejections);
  }
  from('slaves', null);
  agentRecords(catalog, cluster, sink);
  from('listen', null);
  listenerRecords(cluster, sink);
  from('leader', null);
  masterRecords(catalog, cluster, sink);
  for (const framework of catalog.frameworks) {
    // D14: names of tasks would have an empty label.
    if (framework.name === '') continue;
    for (const task of framework.tasks) {
      from(task.task.path, task);
      taskRecords(task, framework.name, domain, settings.names, sink);
    }
  }
}
