import type { HostPort } from '../base/host-port.ts';
import type { EventsConfig, ZookeeperConfig } from './config.ts';
import type { NativeKey, NativeSection } from './native-key.ts';
import {
  durationType,
  hostPortType,
  integerType,
  listType,
  percentType,
  secretType,
  textType,
  wordType,
} from './value-type.ts';
import type { JsonSchema } from './value-type.ts';
import { zookeeperUrlType } from './zookeeper-url.ts';

/** Keys of `cluster` about leader, events, trust and further sources, as they are once read. */
export interface ClusterValues {
  readonly 'cluster.zookeeper': ZookeeperConfig;
  readonly 'cluster.events.follow': EventsConfig['follow'];
  readonly 'cluster.events.agentsMax': number;
  readonly 'cluster.trust.maxLossPercent': number;
  readonly 'cluster.trust.holdSeconds': number;
  readonly 'cluster.servicesFile': string;
  readonly 'cluster.savedState': string;
  readonly 'cluster.marathon.instances': readonly HostPort[];
  readonly 'cluster.marathon.framework': string;
  readonly 'cluster.marathon.tls.caFile': string;
  readonly 'cluster.marathon.tls.certFile': string;
  readonly 'cluster.marathon.tls.keyFile': string;
  readonly 'cluster.marathon.auth.kind': 'none' | 'basic' | 'iam';
  readonly 'cluster.marathon.auth.principal': string;
  readonly 'cluster.marathon.auth.secret': string;
  readonly 'cluster.marathon.auth.configFile': string;
}

/** As many as the registry of Mesos keeps (`registry_max_agent_count`). */
const AGENTS_MAX = 102_400;
/** Who holds a state for longer than a day wants it held for good. */
const HOLD_SECONDS_MAX = 86_400;
/** Where Marathon listens unless told otherwise. */
const MARATHON_PORT = 8080;

/** Which keys belong to which kind of authorisation. */
export const AUTH_RULES: JsonSchema = {
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

/** A client certificate is nothing without its key. */
export const TLS_RULES: JsonSchema = {
  dependentRequired: { certFile: ['keyFile'], keyFile: ['certFile'] },
};

type SectionPath =
  | 'cluster.events'
  | 'cluster.trust'
  | 'cluster.marathon'
  | 'cluster.marathon.tls'
  | 'cluster.marathon.auth';

/** The objects that hold the keys of `CLUSTER_KEYS`. */
export const CLUSTER_SECTIONS: Readonly<Record<SectionPath, NativeSection>> = {
  'cluster.events': { description: 'The event stream of the leading master.' },
  'cluster.trust': { description: 'When a state of the cluster is held back and not believed.' },
  'cluster.marathon': {
    description: 'Present: Marathon is asked for health checks that Mesos does not know of.',
    rules: { required: ['instances'] },
    of: (config) => config.cluster.marathon !== null,
  },
  'cluster.marathon.tls': {
    description: 'Present, even empty: Marathon is asked over HTTPS and its certificates verified.',
    rules: TLS_RULES,
    of: (config) => (config.cluster.marathon?.tls ?? null) !== null,
  },
  'cluster.marathon.auth': {
    description: 'How requests to Marathon are authorised.',
    rules: AUTH_RULES,
  },
};

/** The keys of these sections, in the order of the schema and of `check-config`. */
export const CLUSTER_KEYS: { readonly [P in keyof ClusterValues]: NativeKey<ClusterValues[P]> } = {
  'cluster.zookeeper': {
    description:
      'Where masters elect their leader, zk://[user:password@]host[:port],…/path; comes before masters; a password stands here in clear, so let only the daemon read this file.',
    type: zookeeperUrlType,
    of: (config) => config.cluster.zookeeper ?? undefined,
  },
  'cluster.events.follow': {
    description:
      'Whether the event stream of the leader is followed; auto: in clusters of up to agentsMax agents.',
    type: wordType('auto', 'always', 'never'),
    default: 'auto',
    of: (config) => config.cluster.events.follow,
  },
  'cluster.events.agentsMax': {
    description:
      'Largest cluster in which auto follows events: every node is a subscriber, and a master throws the oldest out after 1,000.',
    type: integerType(1, AGENTS_MAX),
    default: 500,
    of: (config) => config.cluster.events.agentsMax,
  },
  'cluster.trust.maxLossPercent': {
    description:
      'A state in which more than this share of the endpoints is gone at once is held back; 100: none is.',
    type: percentType,
    default: 0.2,
    of: (config) => config.cluster.trust.lossShare,
  },
  'cluster.trust.holdSeconds': {
    description: 'How long a state is held back at most.',
    type: durationType(0, HOLD_SECONDS_MAX),
    default: 600_000,
    of: (config) => config.cluster.trust.holdMs,
  },
  'cluster.servicesFile': {
    description: 'JSON file with services outside of Mesos, which is watched for changes.',
    type: textType(1),
    of: (config) => config.cluster.servicesFile ?? undefined,
  },
  'cluster.savedState': {
    description:
      'File that keeps the last state for a start without a master; "": none; default: last-state in the directory that systemd names in STATE_DIRECTORY, if it does.',
    type: textType(0),
    of: (config) => config.cluster.savedState ?? undefined,
  },
  'cluster.marathon.instances': {
    description:
      'Instances of Marathon as host:port (default port 8080), asked in this order until one answers.',
    type: listType(hostPortType(MARATHON_PORT, 1)),
    of: (config) => config.cluster.marathon?.instances,
  },
  'cluster.marathon.framework': {
    description: 'Name with which this Marathon is registered at the masters.',
    type: textType(1),
    default: 'marathon',
    of: (config) => config.cluster.marathon?.framework,
  },
  'cluster.marathon.tls.caFile': {
    description: 'PEM file of the authorities that sign Marathon; default: those of the system.',
    type: textType(1),
    of: (config) => config.cluster.marathon?.tls?.caFile ?? undefined,
  },
  'cluster.marathon.tls.certFile': {
    description: 'PEM file of the client certificate; needs keyFile.',
    type: textType(1),
    of: (config) => config.cluster.marathon?.tls?.certFile ?? undefined,
  },
  'cluster.marathon.tls.keyFile': {
    description: 'PEM file of the key to certFile.',
    type: textType(1),
    of: (config) => config.cluster.marathon?.tls?.keyFile ?? undefined,
  },
  'cluster.marathon.auth.kind': {
    description:
      'none, basic (HTTP Basic with principal and secret) or iam (DC/OS service account).',
    type: wordType('none', 'basic', 'iam'),
    default: 'none',
    of: (config) => config.cluster.marathon?.auth.kind,
  },
  'cluster.marathon.auth.principal': {
    description: 'Principal for kind basic.',
    type: textType(0),
    of: ({ cluster: { marathon } }) =>
      marathon?.auth.kind === 'basic' ? marathon.auth.principal : undefined,
  },
  'cluster.marathon.auth.secret': {
    description:
      'Secret for kind basic; it stands here in clear, so let only the daemon read this file.',
    type: secretType,
    of: ({ cluster: { marathon } }) =>
      marathon?.auth.kind === 'basic' ? marathon.auth.secret : undefined,
  },
  'cluster.marathon.auth.configFile': {
    description: 'JSON file with uid, private_key and login_endpoint for kind iam.',
    type: textType(1),
    of: ({ cluster: { marathon } }) =>
      marathon?.auth.kind === 'iam' ? marathon.auth.configFile : undefined,
  },
};
