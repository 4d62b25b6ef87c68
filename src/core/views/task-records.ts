import { protocolLabels, TCP_AND_UDP } from '../catalog/labels.ts';
import { locatePort } from '../catalog/task-addresses.ts';
import type { CatalogTask } from '../catalog/catalog.ts';
import { label } from '../catalog/labels.ts';
import type { NamesConfig } from '../config/config.ts';
import { LABEL_BYTES_MAX } from '../dns/constants.ts';
import type { OwnerName } from '../dns/name.ts';
import type { RecordSink } from '../dns/zone.ts';
import { hasPointers, taskPointers } from './task-pointers.ts';
import type { StandIns } from './vip-records.ts';

/** What names of a framework's tasks end in, from the dot behind their label on. */
export interface TaskTails {
  /** Sanitised framework name. */
  readonly framework: string;
  readonly own: string;
  readonly onAgent: string;
}

/** `framework` is sanitised, `domain` ends in a dot. */
export function taskTails(framework: string, domain: OwnerName): TaskTails {
  // `join` makes one flat text; parts put together otherwise are walked for every name.
  const own = ['', framework, domain].join('.');
  return { framework, own, onAgent: ['', framework, 'slave', domain].join('.') };
}

/**
 * Makes every record of a task in Mesos-DNS' order (records/generator.go, taskContextRecord), and
 * the PTR records that Mesos-DNS does not have. A plain name in `standIns` gets no address: a VIP has
 * it.
 */
export function taskRecords(
  entry: CatalogTask,
  { framework, own, onAgent }: TaskTails,
  config: NamesConfig,
  standIns: StandIns,
  sink: RecordSink,
): void {
  let canonical = '';
  for (const text of entry.labels) {
    canonical = canonicalLabel(text, entry.suffix);
    const isPlain = standIns.size === 0 || !standIns.has(`${text}.${framework}`);
    addressRecords(entry, text, canonical, own, onAgent, isPlain, sink);
    portRecords(entry, text, canonical + onAgent, own, onAgent, sink);
    discoveryRecords(entry, text, canonical, own, onAgent, config, sink);
  }
  // The last label is the sanitised one, which is a host name for everybody; one name is enough.
  if (hasPointers(config)) taskPointers(entry, canonical + own, sink);
}

/**
 * `<label>-<hash>-<agent>`. A label too long for that is cut, and the hash kept: Mesos-DNS
 * publishes 64 octets and more, which no message can carry (D12).
 */
export function canonicalLabel(text: string, suffix: string): string {
  const lastLabel = text.slice(text.lastIndexOf('.') + 1);
  const room = LABEL_BYTES_MAX - suffix.length - 1;
  const excess = lastLabel.length - room;
  if (excess <= 0 || room <= 0) return `${text}-${suffix}`;
  return `${text.slice(0, text.length - excess)}-${suffix}`;
}

function addressRecords(
  { chosen, agentAddresses, avoided }: CatalogTask,
  text: string,
  canonical: string,
  own: string,
  onAgent: string,
  isPlain: boolean,
  sink: RecordSink,
): void {
  for (const address of chosen.addresses) {
    if (isPlain && !avoided) sink.address(text + own, address);
    sink.address(canonical + own, address);
  }
  for (const address of agentAddresses) {
    if (!avoided) sink.address(text + onAgent, address);
    sink.address(canonical + onAgent, address);
  }
}

/** One SRV per host port and protocol; a task with a discovery name has them below `slave` only. */
function portRecords(
  { task, avoided }: CatalogTask,
  text: string,
  target: string,
  own: string,
  onAgent: string,
  sink: RecordSink,
): void {
  if (avoided) return;
  const tails = task.discovery === null ? [onAgent, own] : [onAgent];
  for (const port of task.hostPorts) {
    for (const tail of tails) {
      for (const protocol of TCP_AND_UDP) {
        sink.service(`_${text}._${protocol}${tail}`, target, port);
      }
    }
  }
}

function discoveryRecords(
  entry: CatalogTask,
  text: string,
  canonical: string,
  own: string,
  onAgent: string,
  config: NamesConfig,
  sink: RecordSink,
): void {
  const { task, chosen, avoided } = entry;
  if (task.discovery === null || avoided) return;
  for (const [i, port] of task.discovery.ports.entries()) {
    const location = locatePort(task, port, i, chosen, config.addresses);
    // Where the canonical name stands for the agent already, it is the better known target.
    const target = canonical + (location.of === chosen.of ? own : onAgent);
    const protocols = protocolLabels(port.protocol, config.labels);
    const owner = (protocol: string): string => `_${text}._${protocol}${own}`;
    for (const protocol of protocols) sink.service(owner(protocol), target, location.port);
    const portLabel = label(port.name, config.labels);
    if (portLabel === '') continue;
    for (const protocol of protocols) {
      sink.service(`_${portLabel}.${owner(protocol)}`, target, location.port);
    }
  }
}
