import type { HostPort } from '../base/host-port.ts';
import type { ForwardZone, IpSource, LogLevel, SocketAddress } from './config.ts';
import type { NativeKey, NativeSection } from './native-key.ts';
import { VIP_KEYS, VIP_SECTIONS } from './native-vip-keys.ts';
import type { VipValues } from './native-vip-keys.ts';
import {
  booleanType,
  durationType,
  forwardZonesType,
  hostPortType,
  integerType,
  listType,
  secretType,
  soaNameType,
  socketAddressType,
  textType,
  wordOrListType,
  wordType,
  zoneNameType,
} from './value-type.ts';
import type { JsonSchema } from './value-type.ts';

/** Every key of the native format with the type of its value once it is read. */
export interface NativeValues extends VipValues {
  readonly 'cluster.masters': readonly HostPort[];
  readonly 'cluster.pollIntervalSeconds': number;
  readonly 'cluster.requestTimeoutSeconds': number;
  readonly 'cluster.stateBytesMax': number;
  readonly 'cluster.tls.caFile': string;
  readonly 'cluster.tls.certFile': string;
  readonly 'cluster.tls.keyFile': string;
  readonly 'cluster.auth.kind': 'none' | 'basic' | 'iam';
  readonly 'cluster.auth.principal': string;
  readonly 'cluster.auth.secret': string;
  readonly 'cluster.auth.configFile': string;
  readonly 'dns.enabled': boolean;
  readonly 'dns.domain': string;
  readonly 'dns.listen': readonly SocketAddress[];
  readonly 'dns.ttlSeconds': number;
  readonly 'dns.negativeTtlSeconds': number;
  readonly 'dns.srvWeight': number;
  readonly 'dns.udpPayloadSize': number;
  readonly 'dns.recursionAvailable': boolean;
  readonly 'dns.truncateBit': boolean;
  readonly 'dns.soa.mname': string;
  readonly 'dns.soa.rname': string;
  readonly 'dns.soa.refreshSeconds': number;
  readonly 'dns.soa.retrySeconds': number;
  readonly 'dns.soa.expireSeconds': number;
  readonly 'names.labels': 'rfc1123' | 'rfc952';
  readonly 'names.addresses': 'by-network' | readonly IpSource[];
  readonly 'names.unhealthy': 'avoid' | 'publish';
  readonly 'names.inactive': 'publish' | 'omit';
  readonly 'names.locations': boolean;
  readonly 'forward.enabled': boolean;
  readonly 'forward.upstreams': 'system' | readonly SocketAddress[];
  readonly 'forward.zones': readonly ForwardZone[];
  readonly 'forward.timeoutSeconds': number;
  readonly 'http.enabled': boolean;
  readonly 'http.listen': HostPort;
  readonly 'http.enumeration': boolean;
  readonly 'log.level': LogLevel;
}

export type NativePath = keyof NativeValues;

/** TTLs (RFC 2181 §8) and SOA timers have 31 bits. */
export const DNS_SECONDS_MAX: number = 2 ** 31 - 1;
/** A cluster that is asked less than daily is not being watched. */
export const POLL_INTERVAL_SECONDS_MAX = 86_400;
/** A state that takes an hour to send is older than anything it says. */
export const REQUEST_TIMEOUT_SECONDS_MAX = 3600;
/** Clients give up after some seconds; a minute is generous to slow links. */
export const FORWARD_TIMEOUT_SECONDS_MAX = 60;
/** Less would be a busy loop, or a deadline that no network meets. */
const DURATION_SECONDS_MIN = 0.1;
/** Smallest state that a master with one agent sends. */
const STATE_BYTES_MIN = 4096;
/** The body becomes one string, and V8's hold no more characters. */
const STATE_BYTES_MAX = 2 ** 29 - 24;

const dnsSeconds = integerType(0, DNS_SECONDS_MAX);
const upstreamsType = listType(socketAddressType(53, 1));

const AUTH_RULES: JsonSchema = {
  oneOf: [
    {
      properties: { kind: { const: 'none' }, principal: false, secret: false, configFile: false },
    },
    {
      properties: { kind: { const: 'basic' }, configFile: false },
      required: ['kind', 'principal', 'secret'],
    },
    {
      properties: { kind: { const: 'iam' }, principal: false, secret: false },
      required: ['kind', 'configFile'],
    },
  ],
};

/** The objects of the native format; '' is the file itself. */
export const NATIVE_SECTIONS: Readonly<Record<string, NativeSection>> = {
  '': { description: 'Configuration of one hoplite daemon.' },
  cluster: { description: 'The Mesos cluster that is published.' },
  'cluster.tls': {
    description:
      'Present, even empty: the masters are asked over HTTPS and their certificates verified.',
    rules: { dependentRequired: { certFile: ['keyFile'], keyFile: ['certFile'] } },
    of: (config) => config.cluster.tls !== null,
  },
  'cluster.auth': {
    description: 'How requests to the master are authorised.',
    rules: AUTH_RULES,
  },
  dns: { description: 'The zone and the DNS server.' },
  'dns.soa': { description: 'Fields of the SOA record of the zone (RFC 1035 §3.3.13).' },
  names: { description: 'Which names and addresses tasks get.' },
  ...VIP_SECTIONS,
  forward: { description: 'What happens to names outside the zone.' },
  http: { description: 'The HTTP API.' },
  log: { description: 'The log on standard output.' },
};

/** The keys of the native format, in the order of the schema and of `check-config`. */
export const NATIVE_KEYS: { readonly [P in NativePath]: NativeKey<NativeValues[P]> } = {
  'cluster.masters': {
    description: 'Masters as host:port (default port 5050), asked in this order for the leader.',
    type: listType(hostPortType(5050, 1)),
    required: true,
    of: (config) => config.cluster.masters,
  },
  'cluster.pollIntervalSeconds': {
    description: 'Seconds between two reads of the cluster state.',
    type: durationType(DURATION_SECONDS_MIN, POLL_INTERVAL_SECONDS_MAX),
    default: 30_000,
    of: (config) => config.cluster.pollIntervalMs,
  },
  'cluster.requestTimeoutSeconds': {
    description: 'Seconds that one read of the state may take, body included.',
    type: durationType(DURATION_SECONDS_MIN, REQUEST_TIMEOUT_SECONDS_MAX),
    default: 20_000,
    of: (config) => config.cluster.requestTimeoutMs,
  },
  'cluster.stateBytesMax': {
    description: 'A state with more bytes (after decompression) is refused.',
    type: integerType(STATE_BYTES_MIN, STATE_BYTES_MAX),
    default: 268_435_456,
    of: (config) => config.cluster.stateBytesMax,
  },
  'cluster.tls.caFile': {
    description: 'PEM file of the authorities that sign the masters; default: those of the system.',
    type: textType(1),
    of: (config) => config.cluster.tls?.caFile ?? undefined,
  },
  'cluster.tls.certFile': {
    description: 'PEM file of the client certificate; needs keyFile.',
    type: textType(1),
    of: (config) => config.cluster.tls?.certFile ?? undefined,
  },
  'cluster.tls.keyFile': {
    description: 'PEM file of the key to certFile.',
    type: textType(1),
    of: (config) => config.cluster.tls?.keyFile ?? undefined,
  },
  'cluster.auth.kind': {
    description:
      'none, basic (HTTP Basic with principal and secret) or iam (DC/OS service account).',
    type: wordType('none', 'basic', 'iam'),
    default: 'none',
    of: ({ cluster: { auth } }) => auth.kind,
  },
  'cluster.auth.principal': {
    description: 'Principal for kind basic.',
    type: textType(0),
    of: ({ cluster: { auth } }) => (auth.kind === 'basic' ? auth.principal : undefined),
  },
  'cluster.auth.secret': {
    description:
      'Secret for kind basic; it stands here in clear, so let only the daemon read this file.',
    type: secretType,
    of: ({ cluster: { auth } }) => (auth.kind === 'basic' ? auth.secret : undefined),
  },
  'cluster.auth.configFile': {
    description: 'JSON file with uid, private_key and login_endpoint for kind iam.',
    type: textType(1),
    of: ({ cluster: { auth } }) => (auth.kind === 'iam' ? auth.configFile : undefined),
  },
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
  'names.labels': {
    description: 'rfc1123: labels of up to 63 characters; rfc952: 24, starting with a letter.',
    type: wordType('rfc1123', 'rfc952'),
    default: 'rfc1123',
    of: (config) => config.names.labels,
  },
  'names.addresses': {
    description:
      'by-network: the address that reaches the task, by its network; a list: the first source that yields one, as IPSources of Mesos-DNS.',
    type: wordOrListType('by-network', listType(wordType('host', 'docker', 'mesos', 'netinfo'))),
    default: 'by-network',
    of: (config) => config.names.addresses,
  },
  'names.unhealthy': {
    description:
      'avoid: unhealthy tasks are left out while a healthy one has the same name; publish: health is not looked at.',
    type: wordType('avoid', 'publish'),
    default: 'avoid',
    of: (config) => config.names.unhealthy,
  },
  'names.inactive': {
    description: 'Whether frameworks and agents that the master calls inactive keep their records.',
    type: wordType('publish', 'omit'),
    default: 'publish',
    of: (config) => config.names.inactive,
  },
  'names.locations': {
    description:
      'Whether tasks have the location names of DC/OS: <task>.<framework>.agentip.dcos.<domain>, containerip and autoip.',
    type: booleanType,
    default: true,
    of: (config) => config.names.locations,
  },
  ...VIP_KEYS,
  'forward.enabled': {
    description: 'false: names outside the zone are refused.',
    type: booleanType,
    default: true,
    of: (config) => config.forward.enabled,
  },
  'forward.upstreams': {
    description:
      'Resolvers in order (default port 53); system: /etc/resolv.conf, less where hoplite listens.',
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
  'forward.timeoutSeconds': {
    description: 'Seconds that one resolver gets for one answer.',
    type: durationType(DURATION_SECONDS_MIN, FORWARD_TIMEOUT_SECONDS_MAX),
    default: 2000,
    of: (config) => config.forward.timeoutMs,
  },
  'http.enabled': {
    description: 'Whether the HTTP API is served.',
    type: booleanType,
    default: true,
    of: (config) => config.http.enabled,
  },
  'http.listen': {
    description: 'host:port of the HTTP API (default port 8123; 0: chosen by the system).',
    type: hostPortType(8123, 0),
    default: { host: '127.0.0.1', port: 8123 },
    of: (config) => config.http.listen,
  },
  'http.enumeration': {
    description: 'Whether /v1/enumerate and /v1/axfr exist.',
    type: booleanType,
    default: true,
    of: (config) => config.http.enumeration,
  },
  'log.level': {
    description: 'Least severe level that is written.',
    type: wordType('trace', 'debug', 'info', 'warn', 'error'),
    default: 'info',
    of: (config) => config.log.level,
  },
};

/** The paths in table order. */
export const NATIVE_PATHS: readonly NativePath[] = Object.keys(NATIVE_KEYS) as NativePath[];

/** Path of the section that holds a key or section: `dns.soa.mname` is in `dns.soa`. */
export function sectionOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('.')));
}
