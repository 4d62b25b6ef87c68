import type { Config } from './config.ts';
import { formatHostPort } from '../base/host-port.ts';
import { formatUpstream } from '../base/upstream.ts';
import type { Upstream } from '../base/upstream.ts';
import { mask } from './value-type.ts';
import { formatZookeeperUrl } from './zookeeper-url.ts';

/**
 * Body of `GET /v1/config` in the order and spelling of Mesos-DNS, for its clients. What Mesos-DNS
 * cannot express is shown as near as it goes: the first listener, whole seconds. Secrets are
 * masked. `soaSerial` is the serial of the served zone.
 */
export function mesosDnsConfigView(
  config: Config,
  extras: { readonly soaSerial: number },
): Record<string, unknown> {
  const { cluster, dns, names, forward, http } = config;
  const { auth, tls } = cluster;
  const listener = dns.listen[0];
  return {
    RefreshSeconds: Math.ceil(cluster.pollIntervalMs / 1000),
    Port: listener?.port ?? 0,
    Timeout: Math.ceil(forward.timeoutMs / 1000),
    StateTimeoutSeconds: Math.ceil(cluster.requestTimeoutMs / 1000),
    // The default of Mesos-DNS; here nothing ends when ZooKeeper knows no leader.
    ZkDetectionTimeout: 30,
    HttpPort: http.listen.port,
    TTL: dns.ttlSeconds,
    SRVRecordDefaultWeight: dns.srvWeight,
    SOASerial: extras.soaSerial,
    SOARefresh: dns.soa.refreshSeconds,
    SOARetry: dns.soa.retrySeconds,
    SOAExpire: dns.soa.expireSeconds,
    SOAMinttl: dns.soa.minimumSeconds,
    SOAMname: dns.soa.mname,
    SOARname: dns.soa.rname,
    Masters: cluster.masters.map(formatHostPort),
    ZoneResolvers: Object.fromEntries(
      forward.zones.map(({ zone, upstreams }) => [zone, upstreams.map(formatResolver)]),
    ),
    Resolvers: forward.upstreams === 'system' ? [] : forward.upstreams.map(formatResolver),
    IPSources: names.addresses === 'by-network' ? [names.addresses] : [...names.addresses],
    Zk: cluster.zookeeper === null ? '' : formatZookeeperUrl(cluster.zookeeper),
    Domain: dns.domain,
    File: config.file,
    Listener: listener?.address ?? '',
    HTTPListener: http.listen.host,
    RecurseOn: dns.recursionAvailable,
    DnsOn: dns.enabled,
    HttpOn: http.enabled,
    ExternalOn: forward.enabled,
    EnforceRFC952: names.labels === 'rfc952',
    SetTruncateBit: dns.truncateBit,
    EnumerationOn: http.enumeration,
    MesosHTTPSOn: tls !== null,
    CACertFile: tls?.caFile ?? '',
    CertFile: tls?.certFile ?? '',
    KeyFile: tls?.keyFile ?? '',
    MesosCredentials: {
      Principal: auth.kind === 'basic' ? auth.principal : '',
      Secret: auth.kind === 'basic' ? mask(auth.secret) : '',
    },
    IAMConfigFile: auth.kind === 'iam' ? auth.configFile : '',
    MesosAuthentication: auth.kind === 'none' ? '' : auth.kind,
  };
}

/** The default port is left out, as operators write it. */
function formatResolver(upstream: Upstream): string {
  const isPlain = upstream.port === 53 && upstream.tls === undefined;
  return isPlain ? upstream.address : formatUpstream(upstream);
}
