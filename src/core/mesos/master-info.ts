import { parseHostPort } from '../base/host-port.ts';
import type { HostPort } from '../base/host-port.ts';
import { asObject } from '../base/json.ts';
import { err, ok } from '../base/result.ts';
import type { Result } from '../base/result.ts';
import { parsePid } from './parse-pid.ts';

/**
 * What masters write into ZooKeeper about themselves (src/master/contender/zookeeper.cpp): one node
 * each, whose name ends in a number that grows; the lowest leads.
 */

/** How a node's content is written; by the label in front of the number. */
type Encoding = 'json' | 'protobuf' | 'pid';

/** A node of a master. */
export interface MemberNode {
  readonly name: string;
  readonly sequence: number;
  readonly encoding: Encoding;
}

/** Labels, the newest first: the first that any node has is that of all masters. */
const ENCODINGS: readonly (readonly [Encoding, RegExp])[] = [
  ['json', /^json\.info_(\d{1,15})$/],
  ['protobuf', /^info_(\d{1,15})$/],
  ['pid', /^(\d{1,15})$/],
];

/** Clusters have three, five or seven masters; more are not looked at. */
export const MEMBERS_MAX = 64;

/** Nodes of masters among the children, the leader's first; the rest, such as `log_replicas`, is not ours. */
export function memberNodes(children: readonly string[]): readonly MemberNode[] {
  for (const [encoding, pattern] of ENCODINGS) {
    const nodes = children.flatMap((name) => {
      const digits = pattern.exec(name)?.[1];
      return digits === undefined ? [] : [{ name, sequence: Number(digits), encoding }];
    });
    if (nodes.length === 0) continue;
    return nodes.toSorted((a, b) => a.sequence - b.sequence).slice(0, MEMBERS_MAX);
  }
  return [];
}

/** Address of the master that wrote a node. */
export function parseMasterInfo(encoding: Encoding, content: Uint8Array): Result<HostPort, string> {
  const master = PARSERS[encoding](content);
  return master === null ? err('no address of a master in it') : ok(master);
}

const PARSERS: Readonly<Record<Encoding, (content: Uint8Array) => HostPort | null>> = {
  json: parseJsonInfo,
  protobuf: parseProtobufInfo,
  pid: (content) => parsePid(textOf(content)),
};

/** The fields of `MasterInfo` (mesos.proto) that say where it is. */
interface Info {
  readonly addressIp: unknown;
  readonly addressHostname: unknown;
  readonly addressPort: unknown;
  readonly ip: unknown;
  readonly port: unknown;
}

/** `address` by IP, else by name; else `ip`, which masters before 0.24 had alone. */
function addressOf(info: Info): HostPort | null {
  const { addressIp, addressHostname, addressPort, ip, port } = info;
  return (
    hostPort(addressIp, addressPort) ??
    hostPort(addressHostname, addressPort) ??
    hostPort(ipv4Of(ip), port)
  );
}

function hostPort(host: unknown, port: unknown): HostPort | null {
  if (typeof host !== 'string' || host === '' || typeof port !== 'number') return null;
  const parsed = parseHostPort(host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`, null);
  return parsed.ok ? parsed.value : null;
}

/** In network order, read as a number by a machine with the low octet first (MESOS-1201). */
function ipv4Of(ip: unknown): string | null {
  if (typeof ip !== 'number' || !Number.isInteger(ip) || ip <= 0 || ip > 0xffffffff) return null;
  return [ip & 0xff, (ip >>> 8) & 0xff, (ip >>> 16) & 0xff, ip >>> 24].join('.');
}

function parseJsonInfo(content: Uint8Array): HostPort | null {
  let json: unknown;
  try {
    json = JSON.parse(textOf(content) ?? '');
  } catch {
    return null;
  }
  const info = asObject(json);
  if (info === null) return null;
  const address = asObject(info['address']);
  return addressOf({
    addressIp: address?.['ip'],
    addressHostname: address?.['hostname'],
    addressPort: address?.['port'],
    ip: info['ip'],
    port: info['port'],
  });
}

/** Port of a master that says none (`MasterInfo.port` in mesos.proto). */
const PORT_DEFAULT = 5050;

/** Numbers of the fields in mesos.proto. */
const INFO = { ip: 2, port: 3, address: 7 };
const ADDRESS = { hostname: 1, ip: 2, port: 3 };

function parseProtobufInfo(content: Uint8Array): HostPort | null {
  const info = protobufFields(content);
  if (info === null) return null;
  const inner = info.get(INFO.address);
  const address = inner instanceof Uint8Array ? protobufFields(inner) : null;
  const text = (value: number | Uint8Array | undefined): string | null =>
    value instanceof Uint8Array ? textOf(value) : null;
  return addressOf({
    addressIp: text(address?.get(ADDRESS.ip)),
    addressHostname: text(address?.get(ADDRESS.hostname)),
    addressPort: address?.get(ADDRESS.port),
    ip: info.get(INFO.ip),
    port: info.get(INFO.port) ?? PORT_DEFAULT,
  });
}

/** Fields by number, the last of each: varints as numbers, texts and messages as octets. */
function protobufFields(content: Uint8Array): Map<number, number | Uint8Array> | null {
  const fields = new Map<number, number | Uint8Array>();
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 64; shift += 7) {
      const octet = content[at++];
      if (octet === undefined) return NaN;
      value += (octet & 0x7f) * 2 ** shift;
      if (octet < 0x80) return value;
    }
    return NaN;
  };
  while (at < content.length) {
    const tag = varint();
    const number = Math.floor(tag / 8);
    const wireType = tag % 8;
    if (wireType === 0) {
      const value = varint();
      if (Number.isNaN(value)) return null;
      fields.set(number, value);
      continue;
    }
    const length = wireType === 2 ? varint() : FIXED_OCTETS[wireType];
    if (length === undefined || !(length <= content.length - at)) return null;
    if (wireType === 2) fields.set(number, content.subarray(at, at + length));
    at += length;
  }
  return fields;
}

/** Octets of the wire types of doubles and floats. */
const FIXED_OCTETS: Readonly<Record<number, number>> = { 1: 8, 5: 4 };

function textOf(content: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(content);
  } catch {
    return null;
  }
}
