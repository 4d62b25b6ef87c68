import type { Prefix } from '../base/prefix.ts';
import type { Upstream } from '../base/upstream.ts';
import { prefixListType, upstreamType } from './address-type.ts';
import type { ForwardConfig, ForwardZone } from './config.ts';
import { NEAR_CLIENTS } from './native-dns-keys.ts';
import type { NativeKey, NativeSection } from './native-key.ts';
import {
  booleanType,
  DURATION_SECONDS_MIN,
  durationType,
  forwardZonesType,
  integerType,
  listType,
  wordOrListType,
  wordType,
  zoneNameType,
} from './value-type.ts';

/** Keys of the section `forward` with the types of their values once they are read. */
export interface ForwardValues {
  readonly 'forward.enabled': boolean;
  readonly 'forward.upstreams': 'system' | readonly Upstream[];
  readonly 'forward.zones': readonly ForwardZone[];
  readonly 'forward.allow': readonly Prefix[];
  readonly 'forward.policy': ForwardConfig['policy'];
  readonly 'forward.timeoutSeconds': number;
  readonly 'forward.deadlineSeconds': number;
  readonly 'forward.cache.bytesMax': number;
  readonly 'forward.cache.ttlSecondsMin': number;
  readonly 'forward.cache.ttlSecondsMax': number;
  readonly 'forward.cache.negativeTtlSecondsMax': number;
  readonly 'forward.cache.staleSeconds': number;
  readonly 'forward.cache.prefetch': boolean;
  readonly 'forward.blockPrivate': boolean;
  readonly 'forward.blockPrivateExcept': readonly string[];
  readonly 'forward.specialNames': ForwardConfig['specialNames'];
  readonly 'forward.privateReverse': ForwardConfig['privateReverse'];
}

/** Clients give up after some seconds; a minute is generous to slow links. */
export const FORWARD_TIMEOUT_SECONDS_MAX = 60;
/** The cache is no place to keep a copy of the internet; the node has other work for its memory. */
const CACHE_BYTES_MAX = 2 ** 30;
/** Whoever gives a TTL of seconds wants changes to be seen; minutes of delay break what relies on it. */
const TTL_SECONDS_MIN_MAX = 300;
/** A week: the most that RFC 8767 §4 has records kept for, and stale ones after them. */
const KEPT_SECONDS_MAX = 604_800;
/** More than a day has been found to be problematic (RFC 2308 §5). */
const NEGATIVE_TTL_SECONDS_MAX = 86_400;

const upstreamsType = listType(upstreamType);
const exchangeType = durationType(DURATION_SECONDS_MIN, FORWARD_TIMEOUT_SECONDS_MAX);

/** The objects that hold the keys of `FORWARD_KEYS`. */
export const FORWARD_SECTIONS: Readonly<Record<'forward' | 'forward.cache', NativeSection>> = {
  forward: { description: 'What happens to names outside the zone.' },
  'forward.cache': { description: 'What is kept of the answers of resolvers, and how long.' },
};

/** The keys of forwarding, in the order of the schema and of `check-config`. */
export const FORWARD_KEYS: { readonly [P in keyof ForwardValues]: NativeKey<ForwardValues[P]> } = {
  'forward.enabled': {
    description: 'false: names outside the zone are refused.',
    type: booleanType,
    default: true,
    of: (config) => config.forward.enabled,
  },
  'forward.upstreams': {
    description:
      'Resolvers in order (default port 53), over TLS as tls://10.0.0.53#its.name or tls://10.0.0.53#pin-sha256=… (default port 853); system: /etc/resolv.conf, less where hoplite listens.',
    type: wordOrListType('system', upstreamsType),
    default: 'system',
    of: (config) => config.forward.upstreams,
  },
  'forward.zones': {
    description: 'Zones with resolvers of their own; the longest match wins.',
    type: forwardZonesType(upstreamsType),
    default: [],
    of: (config) => config.forward.zones,
  },
  'forward.allow': {
    description:
      'Prefixes of clients whose names outside the zone are looked up; default: loopback, RFC 1918, link-local and unique local addresses.',
    type: prefixListType,
    default: NEAR_CLIENTS,
    of: (config) => config.forward.allow,
  },
  'forward.policy': {
    description:
      'race: the two best resolvers, the second a moment later; sequential: in the order given; round-robin: each in turn is the first.',
    type: wordType('race', 'sequential', 'round-robin'),
    default: 'race',
    of: (config) => config.forward.policy,
  },
  'forward.timeoutSeconds': {
    description: 'Seconds that one resolver gets for one answer.',
    type: exchangeType,
    default: 2000,
    of: (config) => config.forward.timeoutMs,
  },
  'forward.deadlineSeconds': {
    description: 'Seconds that a query of a client may take in all; programs give up after 5.',
    type: exchangeType,
    default: 4000,
    of: (config) => config.forward.deadlineMs,
  },
  'forward.cache.bytesMax': {
    description: 'Memory for answers of resolvers in bytes; 0: nothing is kept.',
    type: integerType(0, CACHE_BYTES_MAX),
    default: 33_554_432,
    of: (config) => config.forward.cache.bytesMax,
  },
  'forward.cache.ttlSecondsMin': {
    description: 'Answers are kept for at least so long, even if their TTL is less.',
    type: integerType(0, TTL_SECONDS_MIN_MAX),
    default: 0,
    of: (config) => config.forward.cache.ttlSecondsMin,
  },
  'forward.cache.ttlSecondsMax': {
    description: 'Answers are kept for at most so long, even if their TTL is more.',
    type: integerType(1, KEPT_SECONDS_MAX),
    default: 86_400,
    of: (config) => config.forward.cache.ttlSecondsMax,
  },
  'forward.cache.negativeTtlSecondsMax': {
    description:
      'How long at most it is kept that a name does not exist (RFC 2308); 900, since names are often asked for just before they are made.',
    type: integerType(0, NEGATIVE_TTL_SECONDS_MAX),
    default: 900,
    of: (config) => config.forward.cache.negativeTtlSecondsMax,
  },
  'forward.cache.staleSeconds': {
    description:
      'How long after its end an answer may be given while no resolver answers (RFC 8767); 0: not at all.',
    type: integerType(0, KEPT_SECONDS_MAX),
    default: 86_400,
    of: (config) => config.forward.cache.staleSeconds,
  },
  'forward.cache.prefetch': {
    description: 'Whether answers that are asked for often are renewed before they end.',
    type: booleanType,
    default: true,
    of: (config) => config.forward.cache.prefetch,
  },
  'forward.blockPrivate': {
    description: 'Whether private addresses are taken out of answers of resolvers (DNS rebinding).',
    type: booleanType,
    default: false,
    of: (config) => config.forward.blockPrivate,
  },
  'forward.blockPrivateExcept': {
    description: 'Zones whose names may have private addresses although blockPrivate is true.',
    type: listType(zoneNameType, { lengthMin: 0 }),
    default: [],
    of: (config) => config.forward.blockPrivateExcept,
  },
  'forward.specialNames': {
    description:
      'local: names for special use (RFC 6761: localhost, invalid, onion and others) are answered here; forward: like all other names.',
    type: wordType('local', 'forward'),
    default: 'local',
    of: (config) => config.forward.specialNames,
  },
  'forward.privateReverse': {
    description:
      'local: reverse names of private addresses that nobody serves do not exist (RFC 6303); forward: resolvers are asked.',
    type: wordType('local', 'forward'),
    default: 'local',
    of: (config) => config.forward.privateReverse,
  },
};
