import type { Prefix } from '../base/prefix.ts';
import { SCHEDULERS } from '../ipvs/table.ts';
import { ALIAS_DOMAINS_MAX } from '../views/served-zones.ts';
import { interfaceNameType, knownPrefix, nodeAddressType, prefixType } from './address-type.ts';
import type { NativeKey, NativeSection } from './native-key.ts';
import { booleanType, durationType, listType, wordType, zoneNameType } from './value-type.ts';

/** Keys of the sections `vip` and `kernel` with the types of their values once they are read. */
export interface VipValues {
  readonly 'vip.enabled': boolean;
  readonly 'vip.pool': readonly Prefix[];
  readonly 'vip.poolIpv6': readonly Prefix[];
  readonly 'vip.exclude': readonly Prefix[];
  readonly 'vip.ranges': readonly Prefix[];
  readonly 'vip.aliasDomains': readonly string[];
  readonly 'vip.auto': boolean;
  readonly 'vip.scheduler': string;
  readonly 'kernel.enabled': boolean;
  readonly 'kernel.interface': string;
  readonly 'kernel.nodeAddress.ipv4': string;
  readonly 'kernel.nodeAddress.ipv6': string;
  readonly 'kernel.reconcileIntervalSeconds': number;
  readonly 'kernel.drainSeconds': number;
  readonly 'kernel.sysctls': 'set' | 'report';
  readonly 'kernel.snat': boolean;
}

/** Addresses that no network but one's own routes. */
const RFC1918 = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'].map(knownPrefix);

/** A /30 is the least that has an address between network and broadcast. */
const poolType = prefixType({
  ipv4: { lengthMin: 8, lengthMax: 30, inside: RFC1918, source: 'RFC 1918' },
});

/**
 * A site has a /48 (RFC 4193 §3.1), so a larger pool is partly another's; a smaller one than a /112
 * would be fuller than the IPv4 pool, and VIPs move when names collide.
 */
const poolIpv6Type = prefixType({
  ipv6: { lengthMin: 48, lengthMax: 112, inside: [knownPrefix('fc00::/7')], source: 'RFC 4193' },
});

const declarablePrefixType = prefixType({
  ipv4: { lengthMin: 8, lengthMax: 32 },
  ipv6: { lengthMin: 16, lengthMax: 128 },
});

/** More often would compare without pause; more seldom would leave a repair to chance. */
const RECONCILE_SECONDS_MAX = 3600;
/** A connection that outlives its backend by a day will not end by itself. */
const DRAIN_SECONDS_MAX = 86_400;

/** The objects that hold the keys of `VIP_KEYS`. */
export const VIP_SECTIONS: Readonly<
  Record<'vip' | 'kernel' | 'kernel.nodeAddress', NativeSection>
> = {
  vip: { description: 'Virtual IP addresses of services: which there are, and their names.' },
  kernel: { description: 'What is done in the kernel of this node to balance VIPs (IPVS).' },
  'kernel.nodeAddress': {
    description:
      'Addresses of this node that programs on it have when they dial a VIP; default: that of the route to the leading master.',
    of: ({ kernel: { nodeAddress } }) => nodeAddress.ipv4 !== null || nodeAddress.ipv6 !== null,
  },
};

/** The keys of VIPs and the kernel, in the order of the schema and of `check-config`. */
export const VIP_KEYS: { readonly [P in keyof VipValues]: NativeKey<VipValues[P]> } = {
  'vip.enabled': {
    description: 'false: no VIP is allocated, and no name of one is answered.',
    type: booleanType,
    default: true,
    of: (config) => config.vip.enabled,
  },
  'vip.pool': {
    description:
      'IPv4 prefixes that VIPs are allocated from, inside RFC 1918 and used by nothing else; the same on all nodes.',
    type: listType(poolType, { lengthMin: 0 }),
    default: [knownPrefix('10.208.0.0/12')],
    of: (config) => config.vip.pool,
  },
  'vip.poolIpv6': {
    description: 'IPv6 prefixes for the same, inside fc00::/7 (RFC 4193); empty: no IPv6 VIPs.',
    type: listType(poolIpv6Type, { lengthMin: 0 }),
    default: [],
    of: (config) => config.vip.poolIpv6,
  },
  'vip.exclude': {
    description: 'Parts of the pools that are never allocated; the same on all nodes.',
    type: listType(declarablePrefixType, { lengthMin: 0 }),
    default: [],
    of: (config) => config.vip.exclude,
  },
  'vip.ranges': {
    description: 'Prefixes besides the pools in which VIPs may be declared by address.',
    type: listType(declarablePrefixType, { lengthMin: 0 }),
    default: [],
    of: (config) => config.vip.ranges,
  },
  'vip.aliasDomains': {
    description:
      'Domains under which names of VIPs and locations answer too; default: thisdcos.directory, unless it is in dns.domain or forwarded.',
    type: listType(zoneNameType, { lengthMin: 0, lengthMax: ALIAS_DOMAINS_MAX }),
    of: (config) => config.vip.aliasDomains,
  },
  'vip.auto': {
    description:
      'Whether every service whose ports have the same numbers on all instances gets a VIP, declared or not.',
    type: booleanType,
    default: false,
    of: (config) => config.vip.auto,
  },
  'vip.scheduler': {
    description: 'IPVS scheduler of VIPs whose ports have no label HOPLITE_SCHEDULER.',
    type: wordType(...SCHEDULERS),
    default: 'wlc',
    of: (config) => config.vip.scheduler,
  },
  'kernel.enabled': {
    description: 'false: nothing of the kernel is touched, and names of VIPs answer always.',
    type: booleanType,
    default: true,
    of: (config) => config.kernel.enabled,
  },
  'kernel.interface': {
    description: 'Dummy interface that carries the routes of VIPs; made if it is not there.',
    type: interfaceNameType,
    default: 'hoplite0',
    of: (config) => config.kernel.interface,
  },
  'kernel.nodeAddress.ipv4': {
    description: 'IPv4 address of this node for its own connections to VIPs.',
    type: nodeAddressType(4),
    of: (config) => config.kernel.nodeAddress.ipv4 ?? undefined,
  },
  'kernel.nodeAddress.ipv6': {
    description: 'IPv6 address of this node for its own connections to VIPs.',
    type: nodeAddressType(6),
    of: (config) => config.kernel.nodeAddress.ipv6 ?? undefined,
  },
  'kernel.reconcileIntervalSeconds': {
    description: 'Seconds between two comparisons of the kernel with what it should hold.',
    type: durationType(1, RECONCILE_SECONDS_MAX),
    default: 30_000,
    of: (config) => config.kernel.reconcileIntervalMs,
  },
  'kernel.drainSeconds': {
    description: 'Seconds that TCP connections to a removed backend may go on.',
    type: durationType(0, DRAIN_SECONDS_MAX),
    default: 300_000,
    of: (config) => config.kernel.drainMs,
  },
  'kernel.sysctls': {
    description: 'set: sysctls of IPVS are set where that is safe; report: they are only read.',
    type: wordType('set', 'report'),
    default: 'set',
    of: (config) => config.kernel.sysctls,
  },
  'kernel.snat': {
    description:
      'SNAT rules for clients in containers of this node and for backends that dial their own VIP.',
    type: booleanType,
    default: false,
    of: (config) => config.kernel.snat,
  },
};
