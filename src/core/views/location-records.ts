import type { IpAddress } from '../base/address.ts';
import type { CatalogTask } from '../catalog/catalog.ts';
import type { OwnerName } from '../dns/name.ts';
import type { RecordSink } from '../dns/zone.ts';
import type { Task } from '../mesos/snapshot.ts';
import { LOCATION_SUBTREE } from './served-zones.ts';

/** What location names of a framework's tasks end in, from the dot behind their label on. */
export interface LocationTails {
  readonly agentip: string;
  readonly containerip: string;
  readonly autoip: string;
}

/** `framework` is sanitised, `domain` ends in a dot. */
export function locationTails(framework: string, domain: OwnerName): LocationTails {
  const tail = (kind: string): string => ['', framework, kind, LOCATION_SUBTREE, domain].join('.');
  return { agentip: tail('agentip'), containerip: tail('containerip'), autoip: tail('autoip') };
}

/**
 * DC/OS' location names of a running task, whatever its health (dcos_dns_mesos.erl):
 * `<task>.<framework>.{agentip,containerip,autoip}.dcos.<domain>`.
 */
export function locationRecords(
  { task, labels, agentAddresses }: CatalogTask,
  tails: LocationTails,
  sink: RecordSink,
): void {
  // The last one is the sanitised label; the first may be the discovery name as it is.
  const label = labels.at(-1) ?? '';
  if (label === '') return;
  const own = task.networkAddresses;
  const onHost = own.length === 0 && task.network === 'host';
  const auto = own.length === 0 || hasHostPort(task) ? agentAddresses : own;
  addAll(label + tails.agentip, agentAddresses, sink);
  addAll(label + tails.containerip, onHost ? agentAddresses : own, sink);
  addAll(label + tails.autoip, auto, sink);
}

function addAll(owner: OwnerName, addresses: readonly IpAddress[], sink: RecordSink): void {
  for (const address of addresses) sink.address(owner, address);
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
