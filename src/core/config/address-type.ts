import {
  type IpAddress,
  isLinkLocal,
  isLoopback,
  isUnspecified,
  parseIpAddress,
} from '../base/address.ts';
import { assert } from '../base/assert.ts';
import { coveringPrefix, isSubPrefix, parsePrefix, type Prefix } from '../base/prefix.ts';
import { formatUpstreamIdentity, parseUpstream, type Upstream } from '../base/upstream.ts';
import { describeFound, quote } from './problem-list.ts';
import { listType } from './value-type.ts';
import type { JsonSchema, ValueType } from './value-type.ts';

/** Which blocks of one address family are good. */
export interface PrefixBounds {
  readonly lengthMin: number;
  readonly lengthMax: number;
  /** Blocks of which one has to hold it; absent: any place will do. */
  readonly inside?: readonly Prefix[];
  /** Where `inside` is defined. */
  readonly source?: string;
}

/** Bounds by family; a family without any is refused. */
export type PrefixFamilies = Readonly<Partial<Record<'ipv4' | 'ipv6', PrefixBounds>>>;

const IPV4_PATTERN = '[0-9]{1,3}(?:\\.[0-9]{1,3}){3}';
/** What IPv6 texts are made of, with an embedded dotted quad or without. */
const IPV6_PATTERN = '[0-9A-Fa-f]*:[0-9A-Fa-f:.]*';
/** `ffff:` six times and `255.255.255.255`. */
const ADDRESS_LENGTH_MAX = 45;

/** A block that stands in our own code. */
export function knownPrefix(text: string): Prefix {
  const prefix = parsePrefix(text);
  assert(prefix !== null, `${text} is a prefix`);
  return prefix;
}

/** An address block in CIDR notation; a bare address is a block of one. */
export function prefixType(families: PrefixFamilies): ValueType<Prefix> {
  const example = families.ipv4 === undefined ? 'fd12:3456:789a::/64' : '10.208.0.0/12';
  return {
    schema: prefixSchema(families),
    read(node, path, problems) {
      const text = node.kind === 'string' ? node.value : '';
      const meant = coveringPrefix(text);
      const bounds = meant === null ? undefined : families[familyOf(meant)];
      if (meant === null || bounds === undefined) {
        const expected = `expected ${familyNames(families)} prefix such as ${example}`;
        problems.error(path, `${expected}${describeFound(node)}`);
        return undefined;
      }
      const problem = prefixProblem(text, meant, bounds);
      if (problem === null) return meant;
      problems.error(path, problem);
      return undefined;
    },
    write: (prefix) => prefix.text,
  };
}

function prefixSchema(families: PrefixFamilies): JsonSchema {
  const patterns: string[] = [];
  if (families.ipv4 !== undefined) patterns.push(`${IPV4_PATTERN}(?:/[0-9]{1,2})?`);
  if (families.ipv6 !== undefined) patterns.push(`${IPV6_PATTERN}(?:/[0-9]{1,3})?`);
  return {
    type: 'string',
    maxLength: ADDRESS_LENGTH_MAX + '/128'.length,
    pattern: `^(?:${patterns.join('|')})$`,
  };
}

function familyOf({ family }: { readonly family: 4 | 6 }): 'ipv4' | 'ipv6' {
  return family === 4 ? 'ipv4' : 'ipv6';
}

function familyNames({ ipv4, ipv6 }: PrefixFamilies): string {
  if (ipv4 !== undefined && ipv6 !== undefined) return 'an IPv4 or IPv6';
  return ipv4 === undefined ? 'an IPv6' : 'an IPv4';
}

function prefixProblem(text: string, prefix: Prefix, bounds: PrefixBounds): string | null {
  const { lengthMin, lengthMax, inside = [], source = '' } = bounds;
  if (parsePrefix(text) === null) {
    return `${quote(text)} has bits beyond its length; did you mean ${quote(prefix.text)}?`;
  }
  if (inside.length > 0 && !inside.some((block) => isSubPrefix(prefix, block))) {
    const blocks = inside.map((block) => block.text).join(', ');
    return `expected a prefix inside ${inside.length > 1 ? 'one of ' : ''}${blocks} (${source}), found ${quote(text)}`;
  }
  if (prefix.length >= lengthMin && prefix.length <= lengthMax) return null;
  return `expected a length from /${lengthMin} to /${lengthMax}, found ${quote(text)}`;
}

/** Looking one up costs the logarithm of their number; more come from a loop in a template. */
export const PREFIXES_MAX = 1000;

/** Any prefix there is, from all addresses to one. */
export const anyPrefixType: ValueType<Prefix> = prefixType({
  ipv4: { lengthMin: 0, lengthMax: 32 },
  ipv6: { lengthMin: 0, lengthMax: 128 },
});

/** Whom something is for; an empty list would be for nobody, which is said by other keys. */
export const prefixListType: ValueType<readonly Prefix[]> = listType(anyPrefixType, {
  lengthMax: PREFIXES_MAX,
});

/** A resolver, over UDP and TCP or over TLS; texts are those of `parseUpstream`. */
export const upstreamType: ValueType<Upstream> = {
  schema: { type: 'string', minLength: 1 },
  read(node, path, problems) {
    const parsed = parseUpstream(node.kind === 'string' ? node.value : '');
    if (parsed.ok) return parsed.value;
    problems.error(path, `expected ${parsed.error}${describeFound(node)}`);
    return undefined;
  },
  write: formatUpstreamIdentity,
};

/** Address of one family that packets between nodes can carry; the value is its canonical text. */
export function nodeAddressType(family: 4 | 6): ValueType<string> {
  const pattern = family === 4 ? IPV4_PATTERN : IPV6_PATTERN;
  return {
    schema: { type: 'string', maxLength: ADDRESS_LENGTH_MAX, pattern: `^${pattern}$` },
    read(node, path, problems) {
      const address = node.kind === 'string' ? parseIpAddress(node.value) : null;
      if (address?.family === family && isNodeAddress(address)) return address.text;
      const expected = `expected an IPv${family} address of this node that other nodes reach`;
      problems.error(path, `${expected}${describeFound(node)}`);
      return undefined;
    },
    write: (text) => text,
  };
}

function isNodeAddress(address: IpAddress): boolean {
  return !(
    isLoopback(address) ||
    isUnspecified(address) ||
    isLinkLocal(address) ||
    isMulticast(address)
  );
}

/** 224.0.0.0/4 (RFC 5771), with what is above it, or ff00::/8 (RFC 4291 §2.7). */
function isMulticast({ family, bytes: [first = 0] }: IpAddress): boolean {
  return family === 4 ? first >= 224 : first === 0xff;
}

/**
 * Names that a network interface may have (dev_valid_name of the kernel: 15 octets, no slash,
 * colon or blank), less those that mean something else: `%` is a number to be filled in, `all` and
 * `default` are sysctls, and `lo` must keep its routes.
 */
const INTERFACE_PATTERN = '^(?!(?:\\.{1,2}|lo|all|default)$)[!-$&-.0-9;-~]{1,15}$';
const INTERFACE_NAME = new RegExp(INTERFACE_PATTERN);

/** Name of a network interface that may be made. */
export const interfaceNameType: ValueType<string> = {
  schema: { type: 'string', pattern: INTERFACE_PATTERN },
  read(node, path, problems) {
    if (node.kind === 'string' && INTERFACE_NAME.test(node.value)) return node.value;
    const expected = 'expected the name of a network interface of our own';
    const rule = '1 to 15 characters without / : % or blanks, not lo, all or default';
    problems.error(path, `${expected} (${rule})${describeFound(node)}`);
    return undefined;
  },
  write: (name) => name,
};
