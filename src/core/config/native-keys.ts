import { assert } from '../base/assert.ts';
import type { HostPort } from '../base/host-port.ts';
import type { IpSource, LogLevel } from './config.ts';
import { AUTH_RULES, CLUSTER_KEYS, CLUSTER_SECTIONS, TLS_RULES } from './native-cluster-keys.ts';
import type { ClusterValues } from './native-cluster-keys.ts';
import { DNS_KEYS, DNS_SECTIONS } from './native-dns-keys.ts';
import type { DnsValues } from './native-dns-keys.ts';
import { FORWARD_KEYS, FORWARD_SECTIONS } from './native-forward-keys.ts';
import type { ForwardValues } from './native-forward-keys.ts';
import type { NativeKey, NativeSection } from './native-key.ts';
import { VIP_KEYS, VIP_SECTIONS } from './native-vip-keys.ts';
import type { VipValues } from './native-vip-keys.ts';
import {
  booleanType,
  DURATION_SECONDS_MIN,
  durationType,
  hostPortType,
  integerType,
  listType,
  secretType,
  shareType,
  textType,
  wordOrListType,
  wordType,
} from './value-type.ts';

/** Every key of the native format with the type of its value once it is read. */
export interface NativeValues extends ClusterValues, DnsValues, VipValues, ForwardValues {
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
  readonly 'names.labels': 'rfc1123' | 'rfc952';
  readonly 'names.addresses': 'by-network' | readonly IpSource[];
  readonly 'names.unhealthy': 'avoid' | 'publish';
  readonly 'names.inactive': 'publish' | 'omit';
  readonly 'names.locations': boolean;
  readonly 'http.enabled': boolean;
  readonly 'http.listen': HostPort;
  readonly 'http.enumeration': boolean;
  readonly 'log.level': LogLevel;
  readonly 'log.querySample': number;
}

export type NativePath = keyof NativeValues;

/** A cluster that is asked less than daily is not being watched. */
export const POLL_INTERVAL_SECONDS_MAX = 86_400;
/** A state that takes an hour to send is older than anything it says. */
export const REQUEST_TIMEOUT_SECONDS_MAX = 3600;
/** Smallest state that a master with one agent sends. */
const STATE_BYTES_MIN = 4096;
/** The body becomes one string, and V8's hold no more characters. */
const STATE_BYTES_MAX = 2 ** 29 - 24;

/** The objects of the native format; '' is the file itself. */
export const NATIVE_SECTIONS: Readonly<Record<string, NativeSection>> = {
  '': { description: 'Configuration of one hoplite daemon.', rules: { required: ['cluster'] } },
  cluster: {
    description: 'The Mesos cluster that is published.',
    rules: { anyOf: [{ required: ['masters'] }, { required: ['zookeeper'] }] },
  },
  'cluster.tls': {
    description:
      'Present, even empty: the masters are asked over HTTPS and their certificates verified.',
    rules: TLS_RULES,
    of: (config) => config.cluster.tls !== null,
  },
  'cluster.auth': {
    description: 'How requests to the master are authorised.',
    rules: AUTH_RULES,
  },
  ...CLUSTER_SECTIONS,
  ...DNS_SECTIONS,
  names: { description: 'Which names and addresses tasks get.' },
  ...VIP_SECTIONS,
  ...FORWARD_SECTIONS,
  http: { description: 'The HTTP API.' },
  log: { description: 'The log on standard output.' },
};

/** The keys of the native format, in the order of the schema and of `check-config`. */
export const NATIVE_KEYS: { readonly [P in NativePath]: NativeKey<NativeValues[P]> } = {
  'cluster.masters': {
    description:
      'Masters as host:port (default port 5050), asked in this order for the leader; beside cluster.zookeeper used while that does not answer.',
    type: listType(hostPortType(5050, 1)),
    of: ({ cluster: { masters } }) => (masters.length > 0 ? masters : undefined),
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
  ...CLUSTER_KEYS,
  ...DNS_KEYS,
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
  ...FORWARD_KEYS,
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
  'log.querySample': {
    description: 'Share of queries that are written to the log, 0 (none) to 1 (all).',
    type: shareType,
    default: 0,
    of: (config) => config.log.querySample,
  },
};

/** The paths in table order. */
export const NATIVE_PATHS: readonly NativePath[] = Object.keys(NATIVE_KEYS) as NativePath[];

/** The value of a key that a file leaves out; asserts that it does not depend on others. */
export function nativeDefault<P extends NativePath>(path: P): NativeValues[P] {
  const { default: value } = NATIVE_KEYS[path];
  assert(value !== undefined, `${path} has a default`);
  return value;
}

/** Path of the section that holds a key or section: `dns.soa.mname` is in `dns.soa`. */
export function sectionOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('.')));
}
