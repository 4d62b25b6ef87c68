import { parseIpAddress } from '../base/address.ts';
import { parseHostPort } from '../base/host-port.ts';
import type { HostPort } from '../base/host-port.ts';
import type { Config, DnsConfig, HttpConfig, IpSource } from './config.ts';
import type { ClusterConfig, MasterAuth, MasterTls, ZookeeperConfig } from './config.ts';
import { parseSoaName, parseZoneName } from './config-name.ts';
import { capped, warnZeroTtl } from './config-warning.ts';
import type { JsonObject } from './json-text.ts';
import {
  readMesosDnsFile,
  SOA_NAME_DEFAULTS,
  ZK_DETECTION_SECONDS_DEFAULT,
} from './mesos-dns-file.ts';
import type { MesosDnsFile } from './mesos-dns-file.ts';
import { readForwarding } from './mesos-dns-forwarding.ts';
import { DNS_SECONDS_MAX, EVERYONE } from './native-dns-keys.ts';
import {
  nativeDefault,
  POLL_INTERVAL_SECONDS_MAX,
  REQUEST_TIMEOUT_SECONDS_MAX,
} from './native-keys.ts';
import { ALIAS_DOMAIN_DEFAULT } from './native-vip-rules.ts';
import { quote } from './problem-list.ts';
import type { ProblemList } from './problem-list.ts';
import { LIST_LENGTH_MAX } from './value-type.ts';
import { parseZookeeperUrl } from './zookeeper-url.ts';

/** Mesos-DNS has no VIPs: a file that was written for it must not change the kernel. */
const WITHOUT_VIPS: Pick<Config, 'vip' | 'kernel'> = {
  vip: {
    enabled: false,
    pool: nativeDefault('vip.pool'),
    poolIpv6: [],
    exclude: [],
    ranges: [],
    aliasDomains: [ALIAS_DOMAIN_DEFAULT],
    auto: false,
    scheduler: nativeDefault('vip.scheduler'),
  },
  kernel: {
    enabled: false,
    interface: nativeDefault('kernel.interface'),
    nodeAddress: { ipv4: null, ipv6: null },
    reconcileIntervalMs: nativeDefault('kernel.reconcileIntervalSeconds'),
    drainMs: nativeDefault('kernel.drainSeconds'),
    sysctls: 'set',
    snat: false,
  },
};

/** What Mesos-DNS has no keys for; seen only in how soon a change is there, and in what is believed. */
const WITHOUT_LIVE_KEYS = {
  events: {
    follow: nativeDefault('cluster.events.follow'),
    agentsMax: nativeDefault('cluster.events.agentsMax'),
  },
  trust: {
    lossShare: nativeDefault('cluster.trust.maxLossPercent'),
    holdMs: nativeDefault('cluster.trust.holdSeconds'),
  },
  servicesFile: null,
  savedState: null,
  marathon: null,
} satisfies Partial<ClusterConfig>;

/** What Mesos-DNS has no keys for: it answered everyone, in class IN alone; the rest is not seen. */
const DNS_WITHOUT_KEYS = {
  udpThreads: nativeDefault('dns.udpThreads'),
  allow: EVERYONE,
  serverId: nativeDefault('dns.serverId'),
  chaos: false,
  cookieSecret: null,
  rateLimit: {
    responsesPerSecond: nativeDefault('dns.rateLimit.responsesPerSecond'),
    errorsPerSecond: nativeDefault('dns.rateLimit.errorsPerSecond'),
    exempt: nativeDefault('dns.rateLimit.exempt'),
  },
} satisfies Partial<DnsConfig>;

/**
 * Reads a Mesos-DNS `config.json` with the defaults and rules of Mesos-DNS, but for its defects:
 * what made it crash or mislead is refused. Null if `problems` got errors.
 */
export function readMesosDnsConfig(
  root: JsonObject,
  file: string,
  problems: ProblemList,
): Config | null {
  const values = readMesosDnsFile(root, problems);
  if (!values.dnson && !values.httpon) {
    problems.error('', 'dnson and httpon are both false; at least one must be true');
  }
  const masters = readMasters(values, problems);
  const dns = readDns(values, problems);
  const forward = readForwarding(values, dns, problems);
  const config: Config = {
    format: 'mesos-dns',
    file,
    cluster: {
      masters,
      zookeeper: readZookeeper(values, problems),
      ...WITHOUT_LIVE_KEYS,
      ...readPolling(values, problems),
      stateBytesMax: nativeDefault('cluster.stateBytesMax'),
      tls: readTls(values, problems),
      auth: readAuth(values, problems),
    },
    dns,
    names: {
      labels: values.EnforceRFC952 ? 'rfc952' : 'rfc1123',
      addresses: readIpSources(values, problems),
      unhealthy: 'publish',
      inactive: 'publish',
      locations: false,
    },
    ...WITHOUT_VIPS,
    forward,
    http: readHttp(values, problems),
    log: { level: 'info', querySample: 0 },
  };
  return problems.hasErrors ? null : config;
}

function readMasters(values: MesosDnsFile, problems: ProblemList): readonly HostPort[] {
  if (values.zk === '' && values.masters.length === 0) {
    const advice = 'list the masters, as in ["10.0.0.1:5050"], or set "zk"';
    problems.error('masters', `is missing or empty; ${advice}`);
  }
  if (values.masters.length > LIST_LENGTH_MAX) {
    problems.error('masters', `has more than ${LIST_LENGTH_MAX} entries`);
    return [];
  }
  const masters: HostPort[] = [];
  for (const [i, text] of values.masters.entries()) {
    const path = `masters[${i}]`;
    const parsed = parseHostPort(text, null);
    if (!parsed.ok) {
      problems.error(path, `expected ${parsed.error}, found ${quote(text)}`);
      continue;
    }
    const { host, port } = parsed.value;
    const isKnown = masters.some((master) => master.host === host && master.port === port);
    if (isKnown) problems.error(path, `${quote(text)} is listed twice; remove one of them`);
    masters.push(parsed.value);
  }
  return masters;
}

function readZookeeper(values: MesosDnsFile, problems: ProblemList): ZookeeperConfig | null {
  const { zk, zkDetectionTimeout } = values;
  if (zk === '') return null;
  if (zkDetectionTimeout !== ZK_DETECTION_SECONDS_DEFAULT) {
    const message = 'has no effect: without a leader hoplite goes on with what it knows';
    problems.warning('zkDetectionTimeout', `${message} and does not exit`);
  }
  const parsed = parseZookeeperUrl(zk);
  if (parsed.ok) return parsed.value;
  const why = zk.startsWith('zk://') ? '' : '; other forms gave Mesos-DNS wrong addresses';
  problems.error('zk', `expected ${parsed.error}${why}`);
  return null;
}

function readPolling(
  values: MesosDnsFile,
  problems: ProblemList,
): { readonly pollIntervalMs: number; readonly requestTimeoutMs: number } {
  const seconds = (key: 'refreshSeconds' | 'stateTimeoutSeconds', maximum: number): number => {
    const value = values[key];
    if (value > 0) return capped(value, maximum, key, problems);
    problems.error(key, `expected 1 or more seconds, found ${value}`);
    return 1;
  };
  return {
    pollIntervalMs: 1000 * seconds('refreshSeconds', POLL_INTERVAL_SECONDS_MAX),
    requestTimeoutMs: 1000 * seconds('stateTimeoutSeconds', REQUEST_TIMEOUT_SECONDS_MAX),
  };
}

function readDns(values: MesosDnsFile, problems: ProblemList): DnsConfig {
  if (values.ttl < 0) problems.error('ttl', `expected 0 or more seconds, found ${values.ttl}`);
  warnZeroTtl(values.ttl, 'ttl', problems);
  const listener = parseIpAddress(values.listener);
  if (listener === null) {
    problems.error('listener', `expected an IP address, found ${quote(values.listener)}`);
  }
  const soaSeconds = (key: 'SOARefresh' | 'SOARetry' | 'SOAExpire' | 'SOAMinttl'): number =>
    capped(values[key], DNS_SECONDS_MAX, key, problems);
  return {
    enabled: values.dnson,
    domain: readDomain(values.domain, problems),
    listen: [{ address: listener?.text ?? '', port: readPort('port', values.port, problems) }],
    ttlSeconds: values.ttl,
    srvWeight: values.SRVRecordDefaultWeight,
    soa: {
      mname: readSoaName('SOAMname', values, problems),
      rname: readSoaName('SOARname', values, problems),
      refreshSeconds: soaSeconds('SOARefresh'),
      retrySeconds: soaSeconds('SOARetry'),
      expireSeconds: soaSeconds('SOAExpire'),
      minimumSeconds: soaSeconds('SOAMinttl'),
    },
    udpPayloadSize: 1232,
    recursionAvailable: values.recurseon,
    truncateBit: values.SetTruncateBit,
    ...DNS_WITHOUT_KEYS,
  };
}

/** As Mesos-DNS: no underscore, no final dot; and labels that fit into a message. */
function readDomain(text: string, problems: ProblemList): string {
  const domain = /_|\.$/.test(text) ? null : parseZoneName(text);
  if (domain !== null) return domain;
  const expected = 'expected labels of at most 63 letters, digits and hyphens, joined by dots';
  problems.error('domain', `${expected}, found ${quote(text)}`);
  return '';
}

/** Mesos-DNS takes an empty name, which is no sensible SOA: its default is used. */
function readSoaName(
  key: 'SOAMname' | 'SOARname',
  values: MesosDnsFile,
  problems: ProblemList,
): string {
  const fallback = SOA_NAME_DEFAULTS[key];
  const text = values[key] === '' ? fallback : values[key];
  if (values[key] === '') problems.warning(key, `is empty; ${fallback} is used instead`);
  const name = parseSoaName(
    (key === 'SOARname' ? text.replaceAll('@', '.') : text).replace(/\.+$/, ''),
  );
  if (name !== null) return name;
  problems.error(key, `expected a domain name, found ${quote(text)}`);
  return '';
}

function readPort(key: string, port: number, problems: ProblemList): number {
  if (port >= 0 && port <= 65535) return port;
  problems.error(key, `expected a port from 0 (chosen by the system) to 65535, found ${port}`);
  return 0;
}

function readHttp(values: MesosDnsFile, problems: ProblemList): HttpConfig {
  const port = readPort('httpport', values.httpport, problems);
  // Go listens on every address when the host is empty.
  const host = values.HTTPListener === '' ? '0.0.0.0' : values.HTTPListener;
  const listen = parseHostPort(host.includes(':') ? `[${host}]` : host, port, 0);
  if (!listen.ok) {
    problems.error('HTTPListener', `expected an IP address or a host name, found ${quote(host)}`);
  }
  return {
    enabled: values.httpon,
    listen: listen.ok ? listen.value : { host: '', port },
    enumeration: values.EnumerationOn,
  };
}

const IP_SOURCES: readonly IpSource[] = ['host', 'docker', 'mesos', 'netinfo'];

function readIpSources(values: MesosDnsFile, problems: ProblemList): readonly IpSource[] {
  const sources: IpSource[] = [];
  if (values.IPSources.length === 0) problems.error('IPSources', 'expected at least one source');
  for (const [i, text] of values.IPSources.slice(0, LIST_LENGTH_MAX).entries()) {
    const path = `IPSources[${i}]`;
    const source = IP_SOURCES.find((candidate) => candidate === text);
    if (source === undefined) {
      const expected = IP_SOURCES.map((candidate) => `"${candidate}"`).join(', ');
      problems.error(path, `expected one of ${expected}, found ${quote(text)}`);
    } else if (sources.includes(source)) {
      problems.error(path, `"${source}" is listed twice; remove one of them`);
    } else {
      sources.push(source);
    }
  }
  return sources;
}

function readTls(values: MesosDnsFile, problems: ProblemList): MasterTls | null {
  const { CACertFile, CertFile, KeyFile } = values;
  if ((CertFile === '') !== (KeyFile === '')) {
    const missing = CertFile === '' ? 'CertFile' : 'KeyFile';
    problems.error(missing, 'is missing; CertFile and KeyFile are given both or not at all');
  }
  if (!values.MesosHTTPSOn) {
    for (const key of ['CACertFile', 'CertFile', 'KeyFile'] as const) {
      if (values[key] !== '') problems.warning(key, 'has no effect without "MesosHTTPSOn": true');
    }
    return null;
  }
  return { caFile: CACertFile || null, certFile: CertFile || null, keyFile: KeyFile || null };
}

function readAuth(values: MesosDnsFile, problems: ProblemList): MasterAuth {
  const { mesosAuthentication: kind, mesosCredentials, IAMConfigFile } = values;
  const { principal, secret } = mesosCredentials;
  const hasCredentials = principal !== '' || secret !== '';
  if (kind !== 'basic' && hasCredentials) {
    problems.warning('mesosCredentials', 'has no effect without "mesosAuthentication": "basic"');
  }
  if (kind !== 'iam' && IAMConfigFile !== '') {
    problems.warning('IAMConfigFile', 'has no effect without "mesosAuthentication": "iam"');
  }
  if (kind === 'basic') {
    if (!hasCredentials) problems.error('mesosCredentials', 'expected a principal and a secret');
    return { kind, principal, secret };
  }
  if (kind === 'iam') {
    if (IAMConfigFile === '') problems.error('IAMConfigFile', 'is missing; "iam" needs it');
    return { kind, configFile: IAMConfigFile };
  }
  if (kind !== '') {
    problems.error('mesosAuthentication', `expected "", "basic" or "iam", found ${quote(kind)}`);
  }
  return { kind: 'none' };
}
