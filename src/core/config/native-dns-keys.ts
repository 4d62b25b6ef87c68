import type { Prefix } from '../base/prefix.ts';
import { anyPrefixType, knownPrefix, PREFIXES_MAX, prefixListType } from './address-type.ts';
import type { SocketAddress } from './config.ts';
import type { NativeKey, NativeSection } from './native-key.ts';
import {
  asciiType,
  booleanType,
  hexSecretType,
  integerType,
  listType,
  soaNameType,
  socketAddressType,
  wordOrIntegerType,
  zoneNameType,
} from './value-type.ts';

/** Keys of the section `dns` with the types of their values once they are read. */
export interface DnsValues {
  readonly 'dns.enabled': boolean;
  readonly 'dns.domain': string;
  readonly 'dns.listen': readonly SocketAddress[];
  readonly 'dns.ttlSeconds': number;
  readonly 'dns.negativeTtlSeconds': number;
  readonly 'dns.srvWeight': number;
  readonly 'dns.udpPayloadSize': number;
  readonly 'dns.recursionAvailable': boolean;
  readonly 'dns.truncateBit': boolean;
  readonly 'dns.udpThreads': 'auto' | number;
  readonly 'dns.allow': readonly Prefix[];
  readonly 'dns.serverId': string;
  readonly 'dns.chaos': boolean;
  readonly 'dns.cookieSecret': Uint8Array;
  readonly 'dns.rateLimit.responsesPerSecond': number;
  readonly 'dns.rateLimit.errorsPerSecond': number;
  readonly 'dns.rateLimit.exempt': readonly Prefix[];
  readonly 'dns.soa.mname': string;
  readonly 'dns.soa.rname': string;
  readonly 'dns.soa.refreshSeconds': number;
  readonly 'dns.soa.retrySeconds': number;
  readonly 'dns.soa.expireSeconds': number;
}

/** TTLs (RFC 2181 §8) and SOA timers have 31 bits. */
export const DNS_SECONDS_MAX: number = 2 ** 31 - 1;
/** Each thread has a socket and a stack of its own; larger machines have other work as well. */
const UDP_THREADS_MAX = 64;
/** `id.server` is one character-string (RFC 1035 §3.3). */
const SERVER_ID_OCTETS_MAX = 255;
/** A key of SipHash-2-4 (RFC 9018 §4.4). */
const COOKIE_SECRET_OCTETS = 16;
/** As many as one thread can answer, so more is the same as no limit. */
const PER_SECOND_MAX = 1_000_000;

/** Every address there is. */
export const EVERYONE: readonly Prefix[] = ['0.0.0.0/0', '::/0'].map(knownPrefix);

/** Networks that no router of the internet passes on: whoever has such an address is ours. */
export const NEAR_CLIENTS: readonly Prefix[] = [
  '127.0.0.0/8',
  '::1/128',
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '169.254.0.0/16',
  'fc00::/7',
  'fe80::/10',
].map(knownPrefix);

const dnsSeconds = integerType(0, DNS_SECONDS_MAX);
const perSecondType = integerType(0, PER_SECOND_MAX);

/** The objects that hold the keys of `DNS_KEYS`. */
export const DNS_SECTIONS: Readonly<Record<'dns' | 'dns.rateLimit' | 'dns.soa', NativeSection>> = {
  dns: { description: 'The zone and the DNS server.' },
  'dns.rateLimit': {
    description: 'How much is answered over UDP, so that forged queries hurt nobody.',
  },
  'dns.soa': { description: 'Fields of the SOA record of the zone (RFC 1035 §3.3.13).' },
};

/** The keys of the zone and the DNS server, in the order of the schema and of `check-config`. */
export const DNS_KEYS: { readonly [P in keyof DnsValues]: NativeKey<DnsValues[P]> } = {
  'dns.enabled': {
    description: 'Whether DNS is served.',
    type: booleanType,
    default: true,
    of: (config) => config.dns.enabled,
  },
  'dns.domain': {
    description: 'Zone that holds all names of the cluster.',
    type: zoneNameType,
    default: 'mesos',
    of: (config) => config.dns.domain,
  },
  'dns.listen': {
    description:
      'Addresses to answer on, UDP and TCP (default port 53; 0: chosen by the system); 0.0.0.0 and :: stand for every address of the node.',
    type: listType(socketAddressType(53, 0)),
    default: [{ address: '127.0.0.1', port: 53 }],
    of: (config) => config.dns.listen,
  },
  'dns.ttlSeconds': {
    description: 'Lifetime of every record in the caches of resolvers.',
    type: dnsSeconds,
    default: 5,
    of: (config) => config.dns.ttlSeconds,
  },
  'dns.negativeTtlSeconds': {
    description: 'How long resolvers may remember that a name does not exist (RFC 2308).',
    type: dnsSeconds,
    default: 5,
    of: (config) => config.dns.soa.minimumSeconds,
  },
  'dns.srvWeight': {
    description: 'Weight of every SRV record.',
    type: integerType(0, 65535),
    default: 1,
    of: (config) => config.dns.srvWeight,
  },
  'dns.udpPayloadSize': {
    description: 'Largest answer over UDP; 1232 bytes pass everywhere unfragmented (RFC 9715).',
    type: integerType(512, 4096),
    default: 1232,
    of: (config) => config.dns.udpPayloadSize,
  },
  'dns.recursionAvailable': {
    description: 'RA bit of answers inside the zone; default: as forward.enabled.',
    type: booleanType,
    of: (config) => config.dns.recursionAvailable,
  },
  'dns.truncateBit': {
    description:
      'TC bit of answers that were cut; false hides the rest from clients, as SetTruncateBit of Mesos-DNS does.',
    type: booleanType,
    default: true,
    of: (config) => config.dns.truncateBit,
  },
  'dns.udpThreads': {
    description:
      'Threads that answer over UDP; auto: one less than CPUs, 1 to 4; 0: none but the main one.',
    type: wordOrIntegerType('auto', 0, UDP_THREADS_MAX),
    default: 'auto',
    of: (config) => config.dns.udpThreads,
  },
  'dns.allow': {
    description: 'Prefixes of clients that get answers at all; all others are refused.',
    type: prefixListType,
    default: EVERYONE,
    of: (config) => config.dns.allow,
  },
  'dns.serverId': {
    description:
      'What NSID (RFC 5001) and id.server say; hostname: the name of the node; empty: nothing.',
    type: asciiType(SERVER_ID_OCTETS_MAX),
    default: 'hostname',
    of: (config) => config.dns.serverId,
  },
  'dns.chaos': {
    description:
      'Whether version.bind, id.server and their like of class CH are answered (RFC 4892).',
    type: booleanType,
    default: false,
    of: (config) => config.dns.chaos,
  },
  'dns.cookieSecret': {
    description:
      'Secret of server cookies (RFC 9018), 32 hexadecimal digits, the same where servers share an address; default: drawn at every start.',
    type: hexSecretType(COOKIE_SECRET_OCTETS),
    of: (config) => config.dns.cookieSecret ?? undefined,
  },
  'dns.rateLimit.responsesPerSecond': {
    description:
      'Equal answers a second by UDP to one network (IPv4 /24, IPv6 /56) and thread; 0: no limit.',
    type: perSecondType,
    default: 1000,
    of: (config) => config.dns.rateLimit.responsesPerSecond,
  },
  'dns.rateLimit.errorsPerSecond': {
    description:
      'Answers to malformed and unknown requests a second by UDP and thread, to all clients together; 0: no limit.',
    type: perSecondType,
    default: 100,
    of: (config) => config.dns.rateLimit.errorsPerSecond,
  },
  'dns.rateLimit.exempt': {
    description:
      'Prefixes of clients that are never limited; default: loopback and private networks, whose addresses nobody outside can be attacked with.',
    type: listType(anyPrefixType, { lengthMin: 0, lengthMax: PREFIXES_MAX }),
    default: NEAR_CLIENTS,
    of: (config) => config.dns.rateLimit.exempt,
  },
  'dns.soa.mname': {
    description: 'Primary name server of the zone; default: ns1.<domain>.',
    type: soaNameType,
    of: (config) => config.dns.soa.mname,
  },
  'dns.soa.rname': {
    description: 'Mailbox of the keeper with a dot for the @; default: root.ns1.<domain>.',
    type: soaNameType,
    of: (config) => config.dns.soa.rname,
  },
  'dns.soa.refreshSeconds': {
    description: 'Refresh interval of secondary servers.',
    type: dnsSeconds,
    default: 60,
    of: (config) => config.dns.soa.refreshSeconds,
  },
  'dns.soa.retrySeconds': {
    description: 'Retry interval of secondary servers.',
    type: dnsSeconds,
    default: 600,
    of: (config) => config.dns.soa.retrySeconds,
  },
  'dns.soa.expireSeconds': {
    description: 'When secondary servers stop answering without a refresh.',
    type: dnsSeconds,
    default: 86_400,
    of: (config) => config.dns.soa.expireSeconds,
  },
};
