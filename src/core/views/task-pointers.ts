import { type IpAddress, isLinkLocal, isLoopback, isUnspecified } from '../base/address.ts';
import type { CatalogTask } from '../catalog/catalog.ts';
import type { NamesConfig } from '../config/config.ts';
import type { OwnerName } from '../dns/name.ts';
import type { RecordSink } from '../dns/zone.ts';
import { reverseName } from './reverse-names.ts';

/**
 * Whether addresses of tasks have PTR records: where they are chosen per task by its network. A list
 * of sources may give addresses that every node has anew, such as those behind Docker's bridge; and
 * Mesos-DNS, whose files have a list, has no PTR records.
 */
export function hasPointers({ addresses }: Pick<NamesConfig, 'addresses'>): boolean {
  return addresses === 'by-network';
}

/**
 * The PTR records of a task (RFC 1035 §3.3.12): from each address of its own to `canonical`, its name
 * in the domain. Tasks of one pod share an address, and each points to itself (RFC 2181 §10.2). A
 * machine of a static service has its name from the site, as agents do.
 */
export function taskPointers(
  { chosen, agentAddresses }: CatalogTask,
  canonical: OwnerName,
  sink: RecordSink,
): void {
  if (chosen.of !== 'task') return;
  for (const address of chosen.addresses) {
    if (isOwn(address, agentAddresses)) sink.pointer(reverseName(address), canonical);
  }
}

/**
 * An address of the agent has its name from the site's own DNS, which Kerberos and TLS rely on. Those
 * that mean something else on every node are nobody's.
 */
function isOwn(address: IpAddress, agentAddresses: readonly IpAddress[]): boolean {
  if (isLoopback(address) || isUnspecified(address) || isLinkLocal(address)) return false;
  return !agentAddresses.some(({ text }) => text === address.text);
}
