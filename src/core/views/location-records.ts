import type { IpAddress } from '../base/address.ts';
import type { CatalogTask } from '../catalog/catalog.ts';
import type { OwnerName } from '../dns/name.ts';
import type { RecordSink } from '../dns/zone.ts';
import type { Task } from '../mesos/snapshot.ts';
import { LOCATION_SUBTREE } from './served-zones.ts';

/**
 * DC/OS' location names of a running task, whatever its health (dcos_dns_mesos.erl):
 * `<task>.<framework>.{agentip,containerip,autoip}.dcos.<domain>`. `framework` is sanitised.
 */
export function locationRecords(
  { task, labels, agentAddresses }: CatalogTask,
  framework: string,
  domain: OwnerName,
  sink: RecordSink,
): void {
  // The last one is the sanitised label; the first may be the discovery name as it is.
  const label = labels.at(-1) ?? '';
  if (label === '') return;
  const own = task.networkAddresses;
  const onHost = own.length === 0 && task.network === 'host';
  const tail = `${LOCATION_SUBTREE}.${domain}`;
  const add = (kind: string, addresses: readonly IpAddress[]): void => {
    if (addresses.length === 0) return;
    const owner = `${label}.${framework}.${kind}.${tail}`;
    for (const address of addresses) sink.address(owner, address);
  };
  add('agentip', agentAddresses);
  add('containerip', onHost ? agentAddresses : own);
  add('autoip', own.length === 0 || hasHostPort(task) ? agentAddresses : own);
}

/** Whether a port of the task is one of its agent. */
function hasHostPort(task: Task): boolean {
  return (
    task.network === 'host' ||
    task.portMappings.length > 0 ||
    (task.network === 'bridge' && task.hostPorts.length > 0) ||
    task.vipPortLabels.length > 0 ||
    task.discoveryPorts.some(({ scope }) => scope === 'host')
  );
}
