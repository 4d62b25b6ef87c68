import { parseIpAddress } from '../base/address.ts';
import { formatHostPort, formatSocketAddress, parseHostPort } from '../base/host-port.ts';
import type { HostPort } from '../base/host-port.ts';
import type { ForwardZone, SocketAddress } from './config.ts';
import { NAME_LENGTH_MAX, parseSoaName, parseZoneName } from './config-name.ts';
import { SOA_NAME_PATTERN, ZONE_NAME_PATTERN } from './config-name.ts';
import type { Json, JsonNode } from './json-text.ts';
import { describeFound, describeKind, describeNode, memberPath } from './problem-list.ts';
import type { ProblemList } from './problem-list.ts';

/** A JSON Schema (2020-12), or a part of one. */
export type JsonSchema = Readonly<Record<string, Json>>;

/**
 * How one kind of value is read from the native format, written back and described. `read` reports
 * what is wrong and returns undefined; `read` of what `write` gives is the value again, but for
 * secrets, which are written masked.
 */
export interface ValueType<T> {
  readonly schema: JsonSchema;
  read(node: JsonNode, path: string, problems: ProblemList): T | undefined;
  write(value: T): Json;
}

/** What stands in place of a secret wherever a configuration is shown. */
export const MASK = '********';

/** An empty secret is shown as it is: that nothing is set is worth seeing. */
export function mask(secret: string): string {
  return secret === '' ? '' : MASK;
}

/** Long enough for a path (PATH_MAX of Linux) or a token. */
export const TEXT_LENGTH_MAX = 4096;
/** More masters, listeners or resolvers than this are a mistake of a template. */
export const LIST_LENGTH_MAX = 64;
/** A duration of less would be a busy loop, or a deadline that no network meets. */
export const DURATION_SECONDS_MIN = 0.1;
/** Each zone costs a comparison per forwarded question. */
export const FORWARD_ZONES_MAX = 1000;

export const booleanType: ValueType<boolean> = {
  schema: { type: 'boolean' },
  read(node, path, problems) {
    if (node.kind === 'boolean') return node.value;
    problems.error(path, `expected true or false, found ${describeNode(node)}`);
    return undefined;
  },
  write: (value) => value,
};

/** A whole number in bounds. */
export function integerType(minimum: number, maximum: number): ValueType<number> {
  return {
    schema: { type: 'integer', minimum, maximum },
    read(node, path, problems) {
      if (node.kind === 'number' && Number.isInteger(node.value)) {
        if (node.value >= minimum && node.value <= maximum) return node.value;
      }
      const expected = `expected a whole number from ${minimum} to ${maximum}`;
      problems.error(path, `${expected}, found ${describeNode(node)}`);
      return undefined;
    },
    write: (value) => value,
  };
}

/** A word that stands for something, or a whole number in bounds. */
export function wordOrIntegerType<W extends string>(
  word: W,
  minimum: number,
  maximum: number,
): ValueType<W | number> {
  return {
    schema: { anyOf: [{ const: word }, { type: 'integer', minimum, maximum }] },
    read(node, path, problems) {
      if (node.kind === 'string' && node.value === word) return word;
      if (node.kind === 'number' && Number.isInteger(node.value)) {
        if (node.value >= minimum && node.value <= maximum) return node.value;
      }
      const expected = `expected "${word}" or a whole number from ${minimum} to ${maximum}`;
      problems.error(path, `${expected}${describeFound(node)}`);
      return undefined;
    },
    write: (value) => value,
  };
}

/** A part of a whole, 0 to 1. */
export const shareType: ValueType<number> = {
  schema: { type: 'number', minimum: 0, maximum: 1 },
  read(node, path, problems) {
    if (node.kind === 'number' && node.value >= 0 && node.value <= 1) return node.value;
    problems.error(path, `expected a number from 0 to 1, found ${describeNode(node)}`);
    return undefined;
  },
  write: (value) => value,
};

/** Whole percents in the file; a share between 0 and 1 in the `Config`. */
export const percentType: ValueType<number> = {
  schema: { type: 'integer', minimum: 0, maximum: 100 },
  read(node, path, problems) {
    const percent = integerType(0, 100).read(node, path, problems);
    return percent === undefined ? undefined : percent / 100;
  },
  write: (share) => Math.round(share * 100),
};

/** Seconds in the file, fractions allowed; whole milliseconds in the `Config`. */
export function durationType(minimum: number, maximum: number): ValueType<number> {
  return {
    schema: { type: 'number', minimum, maximum },
    read(node, path, problems) {
      if (node.kind === 'number' && node.value >= minimum && node.value <= maximum) {
        return Math.round(node.value * 1000);
      }
      const expected = `expected a number of seconds from ${minimum} to ${maximum}`;
      problems.error(path, `${expected}, found ${describeNode(node)}`);
      return undefined;
    },
    write: (ms) => ms / 1000,
  };
}

/** One word of a fixed set. */
export function wordType<W extends string>(...words: readonly W[]): ValueType<W> {
  return {
    schema: { enum: words },
    read(node, path, problems) {
      const word = words.find((candidate) => node.kind === 'string' && node.value === candidate);
      if (word !== undefined) return word;
      const choices = words.map((candidate) => `"${candidate}"`).join(', ');
      problems.error(
        path,
        `expected ${words.length > 1 ? 'one of ' : ''}${choices}${describeFound(node)}`,
      );
      return undefined;
    },
    write: (value) => value,
  };
}

/** Any text with at least `lengthMin` characters. */
export function textType(lengthMin: 0 | 1): ValueType<string> {
  return {
    schema: { type: 'string', minLength: lengthMin, maxLength: TEXT_LENGTH_MAX },
    read(node, path, problems) {
      if (node.kind === 'string' && node.value.length >= lengthMin) {
        if (node.value.length <= TEXT_LENGTH_MAX) return node.value;
      }
      const expected = lengthMin === 0 ? 'a text' : 'a text that is not empty';
      problems.error(path, `expected ${expected}, at most ${TEXT_LENGTH_MAX} characters`);
      return undefined;
    },
    write: (value) => value,
  };
}

/** Text that is never shown. */
export const secretType: ValueType<string> = {
  schema: { type: 'string', maxLength: TEXT_LENGTH_MAX, writeOnly: true },
  read(node, path, problems) {
    if (node.kind === 'string' && node.value.length <= TEXT_LENGTH_MAX) return node.value;
    problems.error(path, `expected a text of at most ${TEXT_LENGTH_MAX} characters`);
    return undefined;
  },
  write: mask,
};

/** Octets as hexadecimal digits that are never shown. */
export function hexSecretType(octets: number): ValueType<Uint8Array> {
  const pattern = `^[0-9A-Fa-f]{${2 * octets}}$`;
  const digits = new RegExp(pattern);
  return {
    schema: { type: 'string', pattern, writeOnly: true },
    read(node, path, problems) {
      if (node.kind === 'string' && digits.test(node.value)) {
        const { value } = node;
        return Uint8Array.from({ length: octets }, (_, i) =>
          Number.parseInt(value.slice(2 * i, 2 * i + 2), 16),
        );
      }
      problems.error(path, `expected a text of exactly ${2 * octets} hexadecimal digits`);
      return undefined;
    },
    write: () => MASK,
  };
}

/** Printable ASCII, so that characters are octets; may be empty. */
export function asciiType(lengthMax: number): ValueType<string> {
  const pattern = `^[ -~]{0,${lengthMax}}$`;
  const printable = new RegExp(pattern);
  return {
    schema: { type: 'string', pattern },
    read(node, path, problems) {
      if (node.kind === 'string' && printable.test(node.value)) return node.value;
      const expected = `expected a text of at most ${lengthMax} printable ASCII characters`;
      problems.error(path, `${expected}${describeFound(node)}`);
      return undefined;
    },
    write: (value) => value,
  };
}

/** Name of a zone: lower case, without final dot. */
export const zoneNameType: ValueType<string> = parsedType(
  parseZoneName,
  'a domain name (labels of at most 63 letters, digits, hyphens and underscores)',
  { type: 'string', maxLength: NAME_LENGTH_MAX + 1, pattern: ZONE_NAME_PATTERN },
  (name) => name,
);

/** Name in an SOA record: lower case, with final dot. */
export const soaNameType: ValueType<string> = parsedType(
  parseSoaName,
  'a domain name (a mailbox has a dot in place of the @)',
  { type: 'string', maxLength: NAME_LENGTH_MAX + 1, pattern: SOA_NAME_PATTERN },
  (name) => name,
);

/** `host:port`; the host may be a name. */
export function hostPortType(defaultPort: number, portMin: 0 | 1): ValueType<HostPort> {
  return {
    schema: { type: 'string', minLength: 1 },
    read(node, path, problems) {
      const text = node.kind === 'string' ? node.value : null;
      const parsed = text === null ? null : parseHostPort(text, defaultPort, portMin);
      if (parsed?.ok) return parsed.value;
      problems.error(
        path,
        `expected ${parsed === null ? 'host:port' : parsed.error}${describeFound(node)}`,
      );
      return undefined;
    },
    write: formatHostPort,
  };
}

/** `address:port`; names are refused, since they cannot be looked up before DNS is there. */
export function socketAddressType(defaultPort: number, portMin: 0 | 1): ValueType<SocketAddress> {
  return {
    schema: { type: 'string', minLength: 1 },
    read(node, path, problems) {
      const text = node.kind === 'string' ? node.value : null;
      const parsed = text === null ? null : parseSocketAddress(text, defaultPort, portMin);
      if (parsed !== null) return parsed;
      const range = `with a port from ${portMin} to 65535 or without (${defaultPort})`;
      problems.error(path, `expected an IP address ${range}${describeFound(node)}`);
      return undefined;
    },
    write: formatSocketAddress,
  };
}

/** Reads `address`, `address:port` or `[v6]:port`; null if it is anything else. */
export function parseSocketAddress(
  text: string,
  defaultPort: number,
  portMin: 0 | 1,
): SocketAddress | null {
  const parsed = parseHostPort(text, defaultPort, portMin);
  if (!parsed.ok || parseIpAddress(parsed.value.host) === null) return null;
  return { address: parsed.value.host, port: parsed.value.port };
}

/** Different values, one or more unless told; two are the same if they are written the same. */
export function listType<T>(
  item: ValueType<T>,
  { lengthMin = 1, lengthMax = LIST_LENGTH_MAX }: { lengthMin?: number; lengthMax?: number } = {},
): ValueType<readonly T[]> {
  return {
    schema: {
      type: 'array',
      items: item.schema,
      ...(lengthMin === 0 ? {} : { minItems: lengthMin }),
      maxItems: lengthMax,
      uniqueItems: true,
    },
    read(node, path, problems) {
      if (node.kind !== 'array') {
        problems.error(path, `expected a list, found ${describeKind(node)}`);
        return undefined;
      }
      const count = node.items.length;
      if (count < lengthMin || count > lengthMax) {
        const expected = `expected a list of ${lengthMin} to ${lengthMax} entries`;
        problems.error(path, `${expected}, found ${count}`);
        return undefined;
      }
      return readItems(item, node.items, path, problems);
    },
    write: (values) => values.map((value) => item.write(value)),
  };
}

function readItems<T>(
  type: ValueType<T>,
  nodes: readonly JsonNode[],
  path: string,
  problems: ProblemList,
): readonly T[] | undefined {
  const values: T[] = [];
  const firstIndex = new Map<string, number>();
  for (const [i, node] of nodes.entries()) {
    const value = type.read(node, `${path}[${i}]`, problems);
    if (value === undefined) continue;
    values.push(value);
    const identity = JSON.stringify(type.write(value));
    const first = firstIndex.get(identity);
    if (first === undefined) firstIndex.set(identity, i);
    else problems.error(`${path}[${i}]`, `is the same as ${path}[${first}]; remove one of them`);
  }
  return firstIndex.size === nodes.length ? values : undefined;
}

/** A word that stands for something, or a list. */
export function wordOrListType<W extends string, T>(
  word: W,
  list: ValueType<readonly T[]>,
): ValueType<W | readonly T[]> {
  return {
    schema: { anyOf: [{ const: word }, list.schema] },
    read(node, path, problems) {
      if (node.kind === 'array') return list.read(node, path, problems);
      if (node.kind === 'string' && node.value === word) return word;
      problems.error(path, `expected "${word}" or a list${describeFound(node)}`);
      return undefined;
    },
    write: (value) => (typeof value === 'string' ? value : list.write(value)),
  };
}

/** Zone names, each with its resolvers; sorted by name, since the order says nothing. */
export function forwardZonesType(
  upstreams: ValueType<readonly SocketAddress[]>,
): ValueType<readonly ForwardZone[]> {
  return {
    schema: {
      type: 'object',
      propertyNames: zoneNameType.schema,
      additionalProperties: upstreams.schema,
      maxProperties: FORWARD_ZONES_MAX,
    },
    read(node, path, problems) {
      if (node.kind !== 'object' || node.members.length > FORWARD_ZONES_MAX) {
        const expected = `expected an object of at most ${FORWARD_ZONES_MAX} zones`;
        problems.error(path, `${expected}, as in {"corp.example": ["10.1.1.1:53"]}`);
        return undefined;
      }
      const zones = new Map<string, ForwardZone>();
      for (const { key, value } of node.members) {
        const at = memberPath(path, key);
        const zone = zoneNameType.read({ kind: 'string', value: key }, at, problems);
        const resolvers = upstreams.read(value, at, problems);
        if (zone === undefined || resolvers === undefined) continue;
        if (zones.has(zone)) problems.error(at, `the zone ${zone} is given twice; remove one`);
        zones.set(zone, { zone, upstreams: resolvers });
      }
      return sortZones([...zones.values()]);
    },
    write: (zones) =>
      Object.fromEntries(zones.map(({ zone, upstreams: list }) => [zone, upstreams.write(list)])),
  };
}

/** By name, so that equal configurations are equal values. */
export function sortZones(zones: readonly ForwardZone[]): readonly ForwardZone[] {
  return zones.toSorted((a, b) => (a.zone < b.zone ? -1 : 1));
}

function parsedType(
  parse: (text: string) => string | null,
  expected: string,
  schema: JsonSchema,
  write: (value: string) => string,
): ValueType<string> {
  return {
    schema,
    read(node, path, problems) {
      const value = node.kind === 'string' ? parse(node.value) : null;
      if (value !== null) return value;
      problems.error(path, `expected ${expected}${describeFound(node)}`);
      return undefined;
    },
    write,
  };
}
