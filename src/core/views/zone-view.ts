import type { IpAddress } from '../base/address.ts';
import type { RejectionList } from '../base/rejection.ts';
import type { Catalog, CatalogTask } from '../catalog/catalog.ts';
import type { Config } from '../config/config.ts';
import type { NameDefect, OwnerName } from '../dns/name.ts';
import type { RecordStore } from '../dns/record-store.ts';
import type { RecordSink, ZoneTerms } from '../dns/zone.ts';
import type { VipService, VipTable } from '../vip/vip-table.ts';
import {
  agentRecords,
  type ClusterNames,
  frameworkRecords,
  listenerRecords,
  masterRecords,
} from './cluster-records.ts';
import { locationRecords, type LocationTails, locationTails } from './location-records.ts';
import { type ServedZones, servedZones } from './served-zones.ts';
import { taskRecords, type TaskTails, taskTails } from './task-records.ts';
import {
  programmedAddresses,
  type ProgrammedVips,
  type StandIns,
  standIns,
  vipRecords,
} from './vip-records.ts';

/** The part of the configuration that decides which records there are. */
export interface ZoneSettings {
  readonly dns: Pick<Config['dns'], 'domain' | 'soa' | 'srvWeight' | 'ttlSeconds'>;
  readonly names: Config['names'];
  readonly vip: Config['vip'];
  readonly masters: Config['cluster']['masters'];
  /** Addresses under which this server is reached: values of the name server's own records. */
  readonly listenerAddresses: readonly IpAddress[];
}

/** Picks the zone settings out of a configuration. */
export function zoneSettings(
  config: Pick<Config, 'dns' | 'names' | 'vip' | 'cluster'>,
  listenerAddresses: readonly IpAddress[],
): ZoneSettings {
  return {
    dns: config.dns,
    names: config.names,
    vip: config.vip,
    masters: config.cluster.masters,
    listenerAddresses,
  };
}

/** The zones that we answer from by these settings. */
export function zonesOf({ dns, names, vip }: ZoneSettings): ServedZones {
  return servedZones(dns.domain, vip, names.locations);
}

/** SOA and NS data of the zones we answer from, and what their records have in common. */
export function zoneTerms(settings: ZoneSettings): ZoneTerms {
  const { dns } = settings;
  return {
    zones: zonesOf(settings).apexes.map((apex) => ({ apex, ...dns.soa })),
    ttlSeconds: dns.ttlSeconds,
    srvWeight: dns.srvWeight,
  };
}

/** A cluster with everything that names are made of. */
export interface NamedCluster {
  readonly catalog: Catalog;
  readonly vips: VipTable;
  readonly programmed: ProgrammedVips;
}

/** Every record of the cluster in `store`; what cannot be published is rejected with its origin. */
export function collectRecords(
  cluster: NamedCluster,
  settings: ZoneSettings,
  rejections: RejectionList,
  store: RecordStore,
): RecordStore {
  let origin = '';
  store.reset((name: OwnerName, defect: NameDefect | 'record-limit') => {
    rejections.add(origin, defect === 'record-limit' ? defect : `name-${defect}`, name);
  });
  emitRecords(cluster, settings, store, rejections, (path) => (origin = path));
  for (const { from, to } of zonesOf(settings).aliases) {
    origin = 'vip.aliasDomains';
    store.copyBelow(from, to);
  }
  return store;
}

/**
 * Sends every record to `sink`, after telling `from` where in the state the next ones come from;
 * not those below alias domains, which are copies of others. All views go through here, so that
 * they cannot disagree about what is published.
 */
export function emitRecords(
  named: NamedCluster,
  settings: ZoneSettings,
  sink: RecordSink,
  rejections: RejectionList,
  from: (path: string, task: CatalogTask | null) => void,
): void {
  const { catalog, vips, programmed } = named;
  const emitter = new RecordEmitter(settings);
  const { cluster } = emitter;
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
  const replaced = standIns(vips, programmed);
  for (const { name, tasks } of catalog.frameworks) {
    for (const task of tasks) {
      from(task.task.path, task);
      emitter.task(task, name, replaced, sink);
    }
  }
  for (const service of vips.services) {
    from(`vips.${service.identity}`, null);
    emitter.service(service, programmed, sink);
  }
  for (const [name, service] of replaced) {
    from(`vips.${service.identity}`, null);
    emitter.standIn(name, service, programmed, sink);
  }
}

/** Makes the records of single tasks and VIPs. */
export class RecordEmitter {
  readonly cluster: ClusterNames;
  readonly #settings: ZoneSettings;
  readonly #zones: ServedZones;
  /** What names of a framework's tasks end in, by its sanitised name. */
  readonly #tails = new Map<
    string,
    { readonly tasks: TaskTails; readonly locations: LocationTails | null }
  >();

  constructor(settings: ZoneSettings) {
    this.#settings = settings;
    this.#zones = zonesOf(settings);
    this.cluster = {
      domain: this.#zones.domain,
      nameServer: settings.dns.soa.mname,
      listenerAddresses: settings.listenerAddresses,
      masters: settings.masters,
      names: settings.names,
    };
  }

  /** `framework` is the sanitised name of the task's framework. */
  task(task: CatalogTask, framework: string, replaced: StandIns, sink: RecordSink): void {
    // D14: names of tasks would have an empty label.
    if (framework === '') return;
    const { tasks, locations } = this.#tailsOf(framework);
    taskRecords(task, tasks, this.#settings.names, replaced, sink);
    if (locations !== null) locationRecords(task, locations, sink);
  }

  service(service: VipService, programmed: ProgrammedVips, sink: RecordSink): void {
    vipRecords(service, this.#zones.domain, this.#zones.reverse, programmed, sink);
  }

  /** Addresses of a VIP at a plain name `<label>.<framework>`. */
  standIn(name: string, service: VipService, programmed: ProgrammedVips, sink: RecordSink): void {
    const owner = `${name}.${this.#zones.domain}`;
    for (const address of programmedAddresses(service, programmed)) sink.address(owner, address);
  }

  #tailsOf(framework: string): {
    readonly tasks: TaskTails;
    readonly locations: LocationTails | null;
  } {
    let tails = this.#tails.get(framework);
    if (tails === undefined) {
      const { domain } = this.#zones;
      const locations = this.#settings.names.locations ? locationTails(framework, domain) : null;
      tails = { tasks: taskTails(framework, domain), locations };
      this.#tails.set(framework, tails);
    }
    return tails;
  }
}
