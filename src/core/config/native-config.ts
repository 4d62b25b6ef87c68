import { assert } from '../base/assert.ts';
import type { ClusterConfig, Config, DnsConfig, ForwardConfig } from './config.ts';
import { warnZeroTtl } from './config-warning.ts';
import type { JsonNode, JsonObject } from './json-text.ts';
import { checkLeaderSource, readAuth, readMarathon, readTls } from './native-cluster-rules.ts';
import type { NativeKey } from './native-key.ts';
import { checkForwarding } from './native-forward-rules.ts';
import { NATIVE_KEYS, NATIVE_PATHS, NATIVE_SECTIONS, sectionOf } from './native-keys.ts';
import type { NativePath, NativeValues } from './native-keys.ts';
import { checkVips, defaultAliasDomains } from './native-vip-rules.ts';
import { nearestKey } from './nearest-key.ts';
import { describeKind, memberPath } from './problem-list.ts';
import type { ProblemList } from './problem-list.ts';

/** Key that editors use to find the schema; allowed and ignored. */
const SCHEMA_KEY = '$schema';

/** Keys of the file itself: what tells the native format from that of Mesos-DNS. */
export const NATIVE_TOP_LEVEL_KEYS: readonly string[] = [
  SCHEMA_KEY,
  ...Object.keys(NATIVE_SECTIONS).filter((path) => path !== '' && sectionOf(path) === ''),
];

/** The values of good keys. */
type Values = Partial<NativeValues>;
/** The same for loops over all keys: each key's type guards what goes into its slot. */
type Slots = Partial<Record<NativePath, unknown>>;

/** What a file says: values of good keys, and which keys and sections it has, good or bad. */
interface NativeFile {
  readonly values: Values;
  readonly present: Set<string>;
}

/** Reads the native format; null if `problems` got errors. `explainKey` may add to unknown keys. */
export function readNativeConfig(
  root: JsonObject,
  file: string,
  problems: ProblemList,
  explainKey: (key: string) => string | null,
): Config | null {
  const content: NativeFile = { values: {}, present: new Set() };
  readSection(root, '', content, problems, explainKey);
  fillDefaults(content, problems);
  checkServers(content.values, problems);
  checkLeaderSource(content, problems);
  const access = {
    auth: readAuth('cluster', content, problems),
    tls: readTls('cluster', content, problems),
    marathon: readMarathon(content, problems),
  };
  checkForwarding(content.values, problems);
  checkVips(content.values, problems);
  warnZeroTtl(content.values['dns.ttlSeconds'], 'dns.ttlSeconds', problems);
  if (problems.hasErrors) return null;
  const { auth } = access;
  assert(auth !== null, 'without problems there is an authorisation');
  return buildConfig(content.values, file, { ...access, auth });
}

function readSection(
  section: JsonObject,
  path: string,
  content: NativeFile,
  problems: ProblemList,
  explainKey: (key: string) => string | null,
): void {
  for (const member of section.members) {
    const at = memberPath(path, member.key);
    if (content.present.has(at)) {
      problems.error(at, 'is given twice; remove one of them');
      continue;
    }
    content.present.add(at);
    // A key with a dot in it is no path: `{"dns.domain": …}` is unknown like any other.
    const known = member.key.includes('.') ? '' : at;
    if (at === SCHEMA_KEY) {
      if (member.value.kind !== 'string') problems.error(at, 'expected the address of a schema');
    } else if (known !== '' && Object.hasOwn(NATIVE_SECTIONS, known)) {
      if (member.value.kind === 'object') {
        readSection(member.value, at, content, problems, explainKey);
      } else {
        problems.error(at, `expected an object, found ${describeKind(member.value)}`);
        // One problem is enough: the keys that should be in it are not reported as missing.
        for (const key of NATIVE_PATHS) if (key.startsWith(`${at}.`)) content.present.add(key);
      }
    } else if (isNativePath(known)) {
      readValue(known, member.value, content.values, problems);
    } else {
      const reason = path === '' ? explainKey(member.key) : null;
      const advice = reason ?? (problems.isFull ? '' : suggest(path, member.key));
      problems.error(at, `is not a key of the configuration${advice}`);
    }
  }
}

function readValue(path: NativePath, node: JsonNode, values: Values, problems: ProblemList): void {
  const slots: Slots = values;
  const value = NATIVE_KEYS[path].type.read(node, path, problems);
  if (value !== undefined) slots[path] = value;
}

function isNativePath(path: string): path is NativePath {
  return Object.hasOwn(NATIVE_KEYS, path);
}

/** The nearest key in the same section, else the same key in another one. */
function suggest(section: string, key: string): string {
  const paths = [...NATIVE_PATHS, ...Object.keys(NATIVE_SECTIONS).filter((path) => path !== '')];
  const siblings = paths.filter((path) => sectionOf(path) === section);
  const lastPart = (path: string): string => path.slice(path.lastIndexOf('.') + 1);
  const near = nearestKey(key, siblings.map(lastPart));
  const elsewhere = paths.find((path) => lastPart(path).toLowerCase() === key.toLowerCase());
  const suggestion = near ?? elsewhere;
  return suggestion === undefined ? '; remove it' : `; did you mean "${suggestion}"?`;
}

function fillDefaults({ values, present }: NativeFile, problems: ProblemList): void {
  const slots: Slots = values;
  for (const path of NATIVE_PATHS) {
    if (present.has(path)) continue;
    const { default: value }: NativeKey<unknown> = NATIVE_KEYS[path];
    if (value !== undefined) slots[path] = value;
  }
  if (!present.has('vip.aliasDomains')) {
    slots['vip.aliasDomains'] = defaultAliasDomains(values, problems);
  }
}

function checkServers(values: Values, problems: ProblemList): void {
  if (values['dns.enabled'] === false && values['http.enabled'] === false) {
    problems.error('', 'dns.enabled and http.enabled are both false; at least one must be true');
  }
}

/** What is read from several keys at once. */
type Access = Pick<ClusterConfig, 'auth' | 'tls' | 'marathon'>;

/** The value of a key; asserts that it has one. */
type Get = <P extends NativePath>(path: P) => NativeValues[P];

function buildConfig(values: Values, file: string, access: Access): Config {
  const get: Get = (path) => {
    const value = values[path];
    assert(value !== undefined, `${path} has a value or a problem`);
    return value;
  };
  return {
    format: 'native',
    file,
    cluster: buildCluster(get, values, access),
    dns: buildDns(get, values),
    names: {
      labels: get('names.labels'),
      addresses: get('names.addresses'),
      unhealthy: get('names.unhealthy'),
      inactive: get('names.inactive'),
      locations: get('names.locations'),
    },
    vip: {
      enabled: get('vip.enabled'),
      pool: get('vip.pool'),
      poolIpv6: get('vip.poolIpv6'),
      exclude: get('vip.exclude'),
      ranges: get('vip.ranges'),
      aliasDomains: get('vip.aliasDomains'),
      auto: get('vip.auto'),
      scheduler: get('vip.scheduler'),
    },
    kernel: {
      enabled: get('kernel.enabled'),
      interface: get('kernel.interface'),
      nodeAddress: {
        ipv4: values['kernel.nodeAddress.ipv4'] ?? null,
        ipv6: values['kernel.nodeAddress.ipv6'] ?? null,
      },
      reconcileIntervalMs: get('kernel.reconcileIntervalSeconds'),
      drainMs: get('kernel.drainSeconds'),
      sysctls: get('kernel.sysctls'),
      snat: get('kernel.snat'),
    },
    forward: buildForward(get),
    http: {
      enabled: get('http.enabled'),
      listen: get('http.listen'),
      enumeration: get('http.enumeration'),
    },
    log: { level: get('log.level'), querySample: get('log.querySample') },
  };
}

function buildCluster(get: Get, values: Values, access: Access): ClusterConfig {
  return {
    masters: values['cluster.masters'] ?? [],
    zookeeper: values['cluster.zookeeper'] ?? null,
    events: {
      follow: get('cluster.events.follow'),
      agentsMax: get('cluster.events.agentsMax'),
    },
    trust: {
      lossShare: get('cluster.trust.maxLossPercent'),
      holdMs: get('cluster.trust.holdSeconds'),
    },
    servicesFile: values['cluster.servicesFile'] ?? null,
    savedState: values['cluster.savedState'] ?? null,
    pollIntervalMs: get('cluster.pollIntervalSeconds'),
    requestTimeoutMs: get('cluster.requestTimeoutSeconds'),
    stateBytesMax: get('cluster.stateBytesMax'),
    ...access,
  };
}

function buildDns(get: Get, values: Values): DnsConfig {
  const domain = get('dns.domain');
  return {
    enabled: get('dns.enabled'),
    domain,
    listen: get('dns.listen'),
    ttlSeconds: get('dns.ttlSeconds'),
    srvWeight: get('dns.srvWeight'),
    soa: {
      mname: values['dns.soa.mname'] ?? `ns1.${domain}.`,
      rname: values['dns.soa.rname'] ?? `root.ns1.${domain}.`,
      refreshSeconds: get('dns.soa.refreshSeconds'),
      retrySeconds: get('dns.soa.retrySeconds'),
      expireSeconds: get('dns.soa.expireSeconds'),
      minimumSeconds: get('dns.negativeTtlSeconds'),
    },
    udpPayloadSize: get('dns.udpPayloadSize'),
    recursionAvailable: values['dns.recursionAvailable'] ?? get('forward.enabled'),
    truncateBit: get('dns.truncateBit'),
    udpThreads: get('dns.udpThreads'),
    allow: get('dns.allow'),
    serverId: get('dns.serverId'),
    chaos: get('dns.chaos'),
    cookieSecret: values['dns.cookieSecret'] ?? null,
    rateLimit: {
      responsesPerSecond: get('dns.rateLimit.responsesPerSecond'),
      errorsPerSecond: get('dns.rateLimit.errorsPerSecond'),
      exempt: get('dns.rateLimit.exempt'),
    },
  };
}

function buildForward(get: Get): ForwardConfig {
  return {
    enabled: get('forward.enabled'),
    upstreams: get('forward.upstreams'),
    zones: get('forward.zones'),
    allow: get('forward.allow'),
    policy: get('forward.policy'),
    timeoutMs: get('forward.timeoutSeconds'),
    deadlineMs: get('forward.deadlineSeconds'),
    cache: {
      bytesMax: get('forward.cache.bytesMax'),
      ttlSecondsMin: get('forward.cache.ttlSecondsMin'),
      ttlSecondsMax: get('forward.cache.ttlSecondsMax'),
      negativeTtlSecondsMax: get('forward.cache.negativeTtlSecondsMax'),
      staleSeconds: get('forward.cache.staleSeconds'),
      prefetch: get('forward.cache.prefetch'),
    },
    blockPrivate: get('forward.blockPrivate'),
    blockPrivateExcept: get('forward.blockPrivateExcept'),
    specialNames: get('forward.specialNames'),
    privateReverse: get('forward.privateReverse'),
  };
}
