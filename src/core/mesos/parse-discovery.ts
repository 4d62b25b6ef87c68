import { asArray, asObject, isAbsent } from '../base/json.ts';
import type { RejectionList } from '../base/rejection.ts';
import { parsePortLabels } from './parse-labels.ts';
import { append } from '../base/short-list.ts';
import type { Discovery, DiscoveryPort } from './snapshot.ts';

export interface ParsedDiscovery {
  /** null without a name; has the same list of ports. */
  readonly discovery: Discovery | null;
  readonly ports: readonly DiscoveryPort[];
}

const NONE: readonly never[] = [];
const NOTHING: ParsedDiscovery = { discovery: null, ports: NONE };
/**
 * Every port of a DiscoveryInfo makes records per protocol, twice if it is named: with these limits
 * one task stays far below what a generation may have, so that it cannot cost others their names.
 */
const DISCOVERY_PORTS_MAX = 256;
/** Room for all protocols there are in one text such as `tcp,udp`. */
const PROTOCOL_LENGTH_MAX = 64;

/**
 * Reads a task's `discovery` (DiscoveryInfo of mesos.proto). A name that is no text and bad ports
 * are rejected alone.
 */
export function parseDiscovery(
  value: unknown,
  path: string,
  rejections: RejectionList,
): ParsedDiscovery {
  if (isAbsent(value)) return NOTHING;
  const block = asObject(value);
  const name = block?.['name'];
  if (block === null || (!isAbsent(name) && typeof name !== 'string')) {
    rejections.add(path, 'discovery-malformed', value);
  }
  if (block === null) return NOTHING;
  const ports = parseDiscoveryPorts(asObject(block['ports'])?.['ports'], path, rejections);
  const discovery = typeof name === 'string' && name !== '' ? { name, ports } : null;
  return { discovery, ports };
}

function parseDiscoveryPorts(
  value: unknown,
  path: string,
  rejections: RejectionList,
): readonly DiscoveryPort[] {
  const entries = asArray(value);
  if (entries === null || entries.length === 0) return NONE;
  let ports: DiscoveryPort[] | null = null;
  const count = Math.min(entries.length, DISCOVERY_PORTS_MAX);
  for (let i = 0; i < count; i++) {
    const port = parseDiscoveryPort(entries[i], i, `${path}.ports.ports[${i}]`, rejections);
    if (port !== null) ports = append(ports, port);
  }
  if (entries.length > count) {
    rejections.add(`${path}.ports.ports[${count}]`, 'too-many-ports', entries.length);
  }
  return ports ?? NONE;
}

function parseDiscoveryPort(
  value: unknown,
  index: number,
  path: string,
  rejections: RejectionList,
): DiscoveryPort | null {
  const port = asObject(value);
  // Mesos-DNS takes a missing number as 0.
  const number = port?.['number'] ?? 0;
  const name = port?.['name'] ?? '';
  const protocol = port?.['protocol'] ?? '';
  if (port === null || typeof name !== 'string' || typeof protocol !== 'string') {
    rejections.add(path, 'port-malformed', value);
    return null;
  }
  if (protocol.length > PROTOCOL_LENGTH_MAX) {
    rejections.add(`${path}.protocol`, 'port-malformed', protocol);
    return null;
  }
  if (typeof number !== 'number' || !Number.isInteger(number) || number < 0 || number > 65_535) {
    rejections.add(`${path}.number`, 'port-out-of-range', number);
    return null;
  }
  const { scope, labels } = parsePortLabels(port['labels'], path, rejections);
  return { number, name, protocol, scope, index, labels };
}
