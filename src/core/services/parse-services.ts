import { type IpAddress, isLoopback, isUnspecified, parseIpAddress } from '../base/address.ts';
import { parseHostPort } from '../base/host-port.ts';
import { dottedLabels, label } from '../catalog/labels.ts';
import type { ConfigProblem } from '../config/config.ts';
import type { JsonNode } from '../config/json-text.ts';
import { parseJson } from '../config/json-text.ts';
import { describeFound, describeKind, type ProblemList } from '../config/problem-list.ts';
import { booleanType, integerType, type ValueType, zoneNameType } from '../config/value-type.ts';
import { parsePort } from './parse-port.ts';
import { ServicesFields, ServicesProblems } from './services-fields.ts';
import {
  placeText,
  STATIC_FRAMEWORK,
  type StaticEndpoint,
  type StaticPort,
  type StaticService,
} from './static-service.ts';

/** What a services file says, and what is to be said about it. */
export interface ParsedServices {
  /** Those that are good; null: it is no services file, and what was known before should stay. */
  readonly services: readonly StaticService[] | null;
  readonly problems: readonly ConfigProblem[];
}

/** As many as a large cluster has apps: more belong where they are registered by themselves. */
export const SERVICES_MAX = 10_000;
/** Of one service; an answer over UDP has room for some dozens. */
export const ENDPOINTS_MAX = 1_000;
/** Of all services: several times the tasks of a large cluster, each with records of its own. */
export const ALL_ENDPOINTS_MAX = 50_000;
/** Of one endpoint: no program listens on more that deserve a name. */
export const PORTS_MAX = 64;
/** As labels `HOPLITE_WEIGHT` of tasks. */
const WEIGHT_MAX = 65_535;

const TOP_KEYS = ['$schema', 'services'];
const SERVICE_KEYS = ['name', 'framework', 'ports', 'endpoints'];
const ENDPOINT_KEYS = ['address', 'host', 'ports', 'weight', 'healthy'];

const weightType = integerType(0, WEIGHT_MAX);

/**
 * Reads a services file strictly. An entry (service, endpoint, port) that has anything wrong in it is
 * left out, and nothing else with it. Never throws; every problem has its place.
 */
export function parseServices(text: string): ParsedServices {
  const problems = new ServicesProblems();
  const services = readServices(text, problems);
  return { services, problems: problems.all() };
}

function readServices(text: string, problems: ProblemList): readonly StaticService[] | null {
  const json = parseJson(text);
  if (!json.ok) {
    const { line, column, message } = json.error;
    problems.error('', `is not JSON at ${line}:${column} (line:column): ${message}`);
    return null;
  }
  const root = json.value;
  if (root.kind !== 'object') {
    problems.error('', `expected a JSON object, found ${describeKind(root)}`);
    return null;
  }
  const fields = new ServicesFields(root, '', TOP_KEYS, problems);
  const list = root.members.find(({ key }) => key === 'services')?.value;
  if (list?.kind !== 'array') {
    const found = list === undefined ? '' : describeFound(list);
    problems.error('services', `expected a list of services${found}`);
    return null;
  }
  const reader = new ServicesReader(problems);
  for (const { node, path } of fields.elements('services', SERVICES_MAX, null)) {
    reader.add(node, path);
  }
  return reader.services;
}

/** Reads services one by one and knows what came before. */
class ServicesReader {
  readonly services: StaticService[] = [];
  readonly #problems: ProblemList;
  /** Paths of services by what their names begin with. */
  readonly #paths = new Map<string, string>();
  #room = ALL_ENDPOINTS_MAX;

  constructor(problems: ProblemList) {
    this.#problems = problems;
  }

  add(node: JsonNode, path: string): void {
    const problems = this.#problems;
    const fields = new ServicesFields(node, path, SERVICE_KEYS, problems);
    const name = fields.read('name', nameType, 'required');
    const framework = fields.read('framework', frameworkType, null) ?? STATIC_FRAMEWORK;
    const shared = readPorts(fields, problems);
    const nodes = fields.elements('endpoints', ENDPOINTS_MAX, 'required');
    if (nodes.length > this.#room) {
      const message = `would be more than ${ALL_ENDPOINTS_MAX} endpoints in all; the rest is left out`;
      problems.error(`${path}.endpoints`, message);
    }
    const counted = nodes.slice(0, this.#room);
    this.#room -= counted.length;
    const seen = new Map<string, string>();
    const endpoints: StaticEndpoint[] = [];
    for (const entry of counted) {
      const endpoint = readEndpoint(entry.node, entry.path, shared, problems);
      if (endpoint !== null && isNew(endpoint, seen, problems)) endpoints.push(endpoint);
    }
    if (name === undefined || !fields.isGood || !this.#isNew(name, framework, fields)) return;
    this.services.push({ path, name, framework, endpoints });
  }

  #isNew(name: string, framework: string, fields: ServicesFields): boolean {
    const identity = `${label(name, 'rfc1123')}.${dottedLabels(framework, 'rfc1123')}`;
    const first = this.#paths.get(identity);
    if (first === undefined) {
      this.#paths.set(identity, fields.path);
      return true;
    }
    fields.fail('name', `is that of ${first}, too; put the endpoints into one service`);
    return false;
  }
}

/** Ports, each protocol and number once; undefined where none are given. */
function readPorts(
  fields: ServicesFields,
  problems: ProblemList,
): readonly StaticPort[] | undefined {
  if (!fields.has('ports')) return undefined;
  const ports: StaticPort[] = [];
  const paths = new Map<string, string>();
  for (const { node, path } of fields.elements('ports', PORTS_MAX, null)) {
    const port = parsePort(node, path, problems);
    if (port === null) continue;
    const key = portText(port);
    const first = paths.get(key);
    if (first !== undefined) {
      problems.error(path, `is the same port as ${first}; remove one of them`);
      continue;
    }
    paths.set(key, path);
    ports.push(port);
  }
  return ports;
}

function readEndpoint(
  node: JsonNode,
  path: string,
  shared: readonly StaticPort[] | undefined,
  problems: ProblemList,
): StaticEndpoint | null {
  if (node.kind === 'string') {
    const place = readPlace(node, path, problems);
    return place === null ? null : { path, place, ports: shared ?? [], healthy: true };
  }
  const fields = new ServicesFields(node, path, ENDPOINT_KEYS, problems);
  const address = fields.read('address', addressType, null);
  const host = fields.read('host', hostType, null);
  if (fields.has('address') && fields.has('host')) {
    fields.fail('host', 'stands beside "address"; remove one of them');
  } else if (!fields.has('address') && !fields.has('host') && fields.isGood) {
    fields.fail('address', 'is missing; a name goes into "host"');
  }
  const ports = readPorts(fields, problems) ?? shared ?? [];
  const weight = fields.read('weight', weightType, null);
  const healthy = fields.read('healthy', booleanType, null) ?? true;
  const place = address ?? host;
  if (place === undefined || !fields.isGood) return null;
  return { path, place, ports: weight === undefined ? ports : weighted(ports, weight), healthy };
}

/** A text in place of an endpoint: an address, or else a name. */
function readPlace(node: JsonNode, path: string, problems: ProblemList): IpAddress | string | null {
  const isAddress = node.kind === 'string' && parseIpAddress(node.value) !== null;
  return (isAddress ? addressType : hostType).read(node, path, problems) ?? null;
}

/** The weight of an endpoint takes the place of that of its ports. */
function weighted(ports: readonly StaticPort[], weight: number): readonly StaticPort[] {
  const key = 'HOPLITE_WEIGHT';
  return ports.map((port) => ({
    ...port,
    labels: [...port.labels.filter((one) => one.key !== key), { key, value: String(weight) }],
  }));
}

/** One process per port: reports an endpoint that has a port of another one before it. */
function isNew(
  endpoint: StaticEndpoint,
  seen: Map<string, string>,
  problems: ProblemList,
): boolean {
  const { path, ports } = endpoint;
  const place = placeText(endpoint);
  const keys = ports.length === 0 ? [place] : ports.map((port) => `${place} ${portText(port)}`);
  for (const key of keys) {
    const first = seen.get(key);
    if (first === undefined) continue;
    problems.error(path, `is at the same place as ${first}; remove one of them`);
    return false;
  }
  for (const key of keys) seen.set(key, path);
  return true;
}

function portText({ number, protocol }: StaticPort): string {
  return `${number}/${protocol}`;
}

/** A name of which something is left in a DNS label. */
const nameType: Pick<ValueType<string>, 'read'> = {
  read(node, path, problems) {
    const name = zoneNameType.read(node, path, problems);
    if (name === undefined || label(name, 'rfc1123') !== '') return name;
    problems.error(path, 'expected at least one letter or digit');
    return undefined;
  },
};

/** Last labels below which the names of VIPs, agents and locations are. */
const SUBTREES = new Set(['slave', 'l4lb', 'dcos']);

const frameworkType: Pick<ValueType<string>, 'read'> = {
  read(node, path, problems) {
    const framework = zoneNameType.read(node, path, problems);
    if (framework === undefined) return undefined;
    const name = dottedLabels(framework, 'rfc1123');
    const last = name.slice(name.lastIndexOf('.') + 1);
    if (name !== '' && !SUBTREES.has(last) && !/^(?:leader|master\d*)$/.test(name)) {
      return framework;
    }
    const why = name === '' ? 'has no letter or digit' : 'is a name of the cluster itself';
    problems.error(path, `${why}; take another one`);
    return undefined;
  },
};

const addressType: Pick<ValueType<IpAddress>, 'read'> = {
  read(node, path, problems) {
    const address = node.kind === 'string' ? parseIpAddress(node.value) : null;
    if (address === null) {
      const found = describeFound(node);
      problems.error(path, `expected an IP address${found}; a name goes into "host"`);
      return undefined;
    }
    if (isUnspecified(address) || isMulticast(address)) {
      problems.error(path, `expected the address of one machine${describeFound(node)}`);
      return undefined;
    }
    if (isLoopback(address)) problems.warning(path, 'is another machine on every node');
    return address;
  },
};

/** RFC 5771, RFC 4291 §2.7, and the broadcast address. */
function isMulticast({ family, bytes }: IpAddress): boolean {
  const first = bytes[0]!;
  if (family === 6) return first === 0xff;
  return (first & 0xf0) === 0xe0 || bytes.every((octet) => octet === 0xff);
}

const hostType: Pick<ValueType<string>, 'read'> = {
  read(node, path, problems) {
    const text = node.kind === 'string' && !node.value.includes(':') ? node.value : '';
    const parsed = parseHostPort(text, 1);
    if (parsed.ok && parseIpAddress(parsed.value.host) === null) return parsed.value.host;
    const isAddress = parsed.ok || (node.kind === 'string' && parseIpAddress(node.value) !== null);
    const advice = isAddress ? '; an address goes into "address"' : '';
    problems.error(path, `expected the name of a host${describeFound(node)}${advice}`);
    return undefined;
  },
};
