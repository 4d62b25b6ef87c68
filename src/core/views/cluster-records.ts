import { type IpAddress } from '../base/address.ts';
import type { RejectionList } from '../base/rejection.ts';
import {
  addressesOf,
  type Catalog,
  type CatalogFramework,
  type HostAddresses,
} from '../catalog/catalog.ts';
import type { HostPort, NamesConfig } from '../config/config.ts';
import type { OwnerName } from '../dns/name.ts';
import type { RecordSink } from '../dns/zone.ts';
import { LOCATION_SUBTREE } from './served-zones.ts';

/** What the cluster's own names are made of, besides the catalog. */
export interface ClusterNames {
  /** With final dot. */
  readonly domain: OwnerName;
  /** Owner of the listeners' addresses, with final dot. */
  readonly nameServer: OwnerName;
  readonly listenerAddresses: readonly IpAddress[];
  readonly masters: readonly HostPort[];
  readonly names: NamesConfig;
}

/**
 * Names that belong to the cluster itself: a framework that sanitises to one of them must not add
 * its address there (D13).
 */
function isReserved(owner: OwnerName, { domain, nameServer }: ClusterNames): boolean {
  if (owner === nameServer) return true;
  const first = owner.slice(0, owner.length - domain.length - 1);
  return /^(?:leader|slave|master\d*)$/.test(first);
}

/** `<framework>.<domain>` and, with a `pid`, `_framework._tcp.<framework>.<domain>`. */
export function frameworkRecords(
  { framework, name }: CatalogFramework,
  hosts: HostAddresses,
  cluster: ClusterNames,
  sink: RecordSink,
  rejections: RejectionList,
): void {
  if (name === '' || (!framework.active && cluster.names.inactive === 'omit')) return;
  const owner = `${name}.${cluster.domain}`;
  if (isReserved(owner, cluster)) {
    rejections.add(`${framework.path}.name`, 'name-reserved', framework.name);
    return;
  }
  const host = framework.endpoint?.host ?? framework.hostname;
  for (const address of addressesOf(host, hosts)) sink.address(owner, address);
  if (framework.endpoint !== null) {
    sink.service(`_framework._tcp.${owner}`, owner, framework.endpoint.port);
  }
}

/** `slave.<domain>` and `_slave._tcp.<domain>`: all agents. */
export function agentRecords(catalog: Catalog, cluster: ClusterNames, sink: RecordSink): void {
  const owner = `slave.${cluster.domain}`;
  for (const agent of catalog.snapshot.agents) {
    if (!agent.active && cluster.names.inactive === 'omit') continue;
    for (const address of addressesOf(agent.endpoint.host, catalog.hosts)) {
      sink.address(owner, address);
    }
    sink.service(`_slave._tcp.${cluster.domain}`, owner, agent.endpoint.port);
  }
}

/** The name server's own addresses. */
export function listenerRecords(cluster: ClusterNames, sink: RecordSink): void {
  for (const address of cluster.listenerAddresses) sink.address(cluster.nameServer, address);
}

/**
 * `leader`, `master` and `masterN`. Masters are numbered in list order; one whose addresses are
 * all known already takes no number, unless it is the leader; a leader outside the list comes
 * last (records/generator.go, masterRecord). DC/OS has `leader` and `master` among the location
 * names too.
 */
export function masterRecords(catalog: Catalog, cluster: ClusterNames, sink: RecordSink): void {
  const { domain, masters } = cluster;
  const { leader } = catalog.snapshot;
  const leaderAddresses = addressesOf(leader.host, catalog.hosts);
  const tails = cluster.names.locations ? [domain, `${LOCATION_SUBTREE}.${domain}`] : [domain];
  const add = (name: string, address: IpAddress): void => {
    for (const tail of tails) sink.address(`${name}.${tail}`, address);
  };
  for (const address of leaderAddresses) {
    add('leader', address);
    add('master', address);
  }
  for (const protocol of ['tcp', 'udp']) {
    sink.service(`_leader._${protocol}.${domain}`, `leader.${domain}`, leader.port);
  }
  let number = 0;
  const addNumbered = (addresses: readonly IpAddress[]): void => {
    for (const address of addresses) sink.address(`master${number}.${domain}`, address);
    number++;
  };
  const leaderTexts = new Set(leaderAddresses.map((address) => address.text));
  const known = new Set(leaderTexts);
  let leaderNumbered = false;
  for (const master of masters) {
    const addresses = addressesOf(master.host, catalog.hosts);
    // A master may be listed by name, while the state names the leader by address.
    const isLeader =
      master.port === leader.port &&
      (master.host === leader.host || addresses.some((address) => leaderTexts.has(address.text)));
    const isNew = addresses.some((address) => !known.has(address.text));
    if (isLeader ? leaderNumbered : !isNew) continue;
    leaderNumbered ||= isLeader;
    for (const address of addresses) {
      known.add(address.text);
      add('master', address);
    }
    addNumbered(addresses);
  }
  if (!leaderNumbered) addNumbered(leaderAddresses);
}
