import type { HostPort } from '../base/host-port.ts';
import type { Prefix } from '../base/prefix.ts';

export type { HostPort };

/** A socket address with a numeric IP: `address` is IPv4 or IPv6 text without brackets. */
export interface SocketAddress {
  readonly address: string;
  readonly port: number;
}

/** How requests to the master are authorised. */
export type MasterAuth =
  | { readonly kind: 'none' }
  | { readonly kind: 'basic'; readonly principal: string; readonly secret: string }
  /** DC/OS IAM service account; the file holds `uid`, `private_key` and `login_endpoint`. */
  | { readonly kind: 'iam'; readonly configFile: string };

/** HTTPS to the master. Certificates are always verified: with `caFile`, or the system's roots. */
export interface MasterTls {
  readonly caFile: string | null;
  readonly certFile: string | null;
  readonly keyFile: string | null;
}

/** The ensemble in which masters elect their leader. */
export interface ZookeeperConfig {
  /** Members, port 2181 unless they say another; at least one. */
  readonly servers: readonly HostPort[];
  /** Node below which masters enter themselves, such as `/mesos`; no final slash, `/` for the root. */
  readonly path: string;
  /** Digest authentication; null: none. */
  readonly auth: { readonly user: string; readonly password: string } | null;
}

/** The master's event stream, SUBSCRIBE of the operator API. */
export interface EventsConfig {
  /** `auto`: while the cluster has `agentsMax` agents at most, since every node is a subscriber. */
  readonly follow: 'auto' | 'always' | 'never';
  readonly agentsMax: number;
}

/** When a state is held back instead of believed. */
export interface TrustConfig {
  /** Endpoints that may vanish at once, as a share between 0 and 1 of those there were. */
  readonly lossShare: number;
  /** How long a state is held back at most. */
  readonly holdMs: number;
}

/** Marathon's API, for health that Mesos does not know of. */
export interface MarathonConfig {
  /** Marathon's instances, asked in this order until one answers; at least one. */
  readonly instances: readonly HostPort[];
  readonly tls: MasterTls | null;
  readonly auth: MasterAuth;
  /** Name of the framework whose tasks these are. */
  readonly framework: string;
}

export interface ClusterConfig {
  /** Masters to ask, in order; at least one, unless ZooKeeper says who they are. */
  readonly masters: readonly HostPort[];
  /** null: the leader is found by asking masters. */
  readonly zookeeper: ZookeeperConfig | null;
  readonly events: EventsConfig;
  readonly trust: TrustConfig;
  /** File with services from outside of Mesos; null: none. */
  readonly servicesFile: string | null;
  /** File of the last state; '': none; null: `last-state` in the service manager's directory. */
  readonly savedState: string | null;
  /** null: health is what Mesos says. */
  readonly marathon: MarathonConfig | null;
  readonly pollIntervalMs: number;
  /** Deadline of one whole state request, body included. */
  readonly requestTimeoutMs: number;
  /** A longer state body is refused. */
  readonly stateBytesMax: number;
  /** null: plain HTTP. */
  readonly tls: MasterTls | null;
  readonly auth: MasterAuth;
}

export interface SoaConfig {
  /** Primary name server: owner of the listener's address record. Presentation form, final dot. */
  readonly mname: string;
  /** Mailbox of the zone's keeper in domain-name form, final dot. */
  readonly rname: string;
  readonly refreshSeconds: number;
  readonly retrySeconds: number;
  readonly expireSeconds: number;
  /** How long resolvers may remember that a name or type does not exist (RFC 2308). */
  readonly minimumSeconds: number;
}

export interface DnsConfig {
  readonly enabled: boolean;
  /** Zone served, lower case, without final dot. */
  readonly domain: string;
  /** UDP and TCP on each. A wildcard address stands for every address of the node. */
  readonly listen: readonly SocketAddress[];
  readonly ttlSeconds: number;
  readonly srvWeight: number;
  readonly soa: SoaConfig;
  /** Largest UDP answer we send and the size we announce (RFC 6891); RFC 9715 says 1232. */
  readonly udpPayloadSize: number;
  /** RA bit of answers inside the domain. */
  readonly recursionAvailable: boolean;
  /** TC bit of cut answers inside the domain; false only to mimic `SetTruncateBit: false`. */
  readonly truncateBit: boolean;
  /** Threads that answer over UDP; 0: the main thread does; `auto`: one less than CPUs, 1 to 4. */
  readonly udpThreads: 'auto' | number;
  /** Who gets answers at all; all others are refused. */
  readonly allow: readonly Prefix[];
  /** Name of this server in NSID (RFC 5001) and `id.server`; '' for none, `hostname` for the node's. */
  readonly serverId: string;
  /** Whether `version.bind`, `id.server` and their like of class CH are answered (RFC 4892). */
  readonly chaos: boolean;
  /** 16 octets that server cookies are made with (RFC 9018); null: drawn at every start. */
  readonly cookieSecret: Uint8Array | null;
  readonly rateLimit: RateLimitConfig;
}

/** Limits of answers over UDP to one network (IPv4 /24, IPv6 /56), per UDP thread. */
export interface RateLimitConfig {
  /** Equal answers a second; 0: no limit. */
  readonly responsesPerSecond: number;
  /** Answers to malformed and unknown requests a second, to all clients together; 0: no limit. */
  readonly errorsPerSecond: number;
  /** Clients that are never limited. */
  readonly exempt: readonly Prefix[];
}

/** Where Mesos-DNS takes a task's address from, in `IPSources`. */
export type IpSource = 'host' | 'docker' | 'mesos' | 'netinfo';

export interface NamesConfig {
  /** Label length and first-character rules: 63 characters, or 24 starting with a letter. */
  readonly labels: 'rfc1123' | 'rfc952';
  /** Per task by its network, or the first source of a list that yields an address. */
  readonly addresses: 'by-network' | readonly IpSource[];
  /** `avoid`: unhealthy tasks are left out while a healthy one has the same name. */
  readonly unhealthy: 'avoid' | 'publish';
  /** Own records of frameworks and agents that the master calls inactive. */
  readonly inactive: 'publish' | 'omit';
  /** DC/OS' location names: `<task>.<framework>.{agentip,containerip,autoip}.dcos.<domain>`. */
  readonly locations: boolean;
}

export interface VipConfig {
  /** false: no VIP is allocated, and no name of one is answered. */
  readonly enabled: boolean;
  /** Prefixes that names get their IPv4 addresses from; inside RFC 1918. */
  readonly pool: readonly Prefix[];
  /** Prefixes that names get their IPv6 addresses from (RFC 4193); empty: no IPv6 VIPs. */
  readonly poolIpv6: readonly Prefix[];
  /** Parts of the pools that are never handed out. */
  readonly exclude: readonly Prefix[];
  /** Where VIPs that are declared by address may lie, besides the pools. */
  readonly ranges: readonly Prefix[];
  /** Domains under which VIP and location names answer too, lower case, without final dot. */
  readonly aliasDomains: readonly string[];
  /** Every service whose ports have the same numbers on all instances gets a VIP. */
  readonly auto: boolean;
  /** Scheduler of VIPs that declare none. */
  readonly scheduler: string;
}

export interface KernelConfig {
  /** false: nothing of the kernel is touched, and VIP names answer always. */
  readonly enabled: boolean;
  /** Dummy interface that carries the routes of VIPs. */
  readonly interface: string;
  /** Source addresses of local clients; null: that of the route towards the leading master. */
  readonly nodeAddress: { readonly ipv4: string | null; readonly ipv6: string | null };
  /** Time between two comparisons with the kernel. */
  readonly reconcileIntervalMs: number;
  /** How long connections to a removed backend may go on. */
  readonly drainMs: number;
  /** Whether IPVS sysctls are set, or only reported. */
  readonly sysctls: 'set' | 'report';
  /** SNAT rules for clients in containers of this node and for backends that dial themselves. */
  readonly snat: boolean;
}

export interface ForwardZone {
  /** Lower case, without final dot. */
  readonly zone: string;
  readonly upstreams: readonly SocketAddress[];
}

export interface ForwardConfig {
  /** false: names outside the domain are refused. */
  readonly enabled: boolean;
  /** `system`: the nameservers of /etc/resolv.conf except addresses where hoplite itself listens. */
  readonly upstreams: 'system' | readonly SocketAddress[];
  /** Zones with upstreams of their own; the longest match wins. */
  readonly zones: readonly ForwardZone[];
  /** Whose names outside the domain are looked up; all others are refused. */
  readonly allow: readonly Prefix[];
  /**
   * `race`: the two best by latency and failures, the second a moment after the first;
   * `sequential`: in the order given; `round-robin`: each in turn is the first.
   */
  readonly policy: 'race' | 'sequential' | 'round-robin';
  /** Time one upstream gets for one exchange. */
  readonly timeoutMs: number;
  /** Time a client's query may take in all. */
  readonly deadlineMs: number;
  readonly cache: ForwardCacheConfig;
  /** Private addresses in answers from upstreams are taken out (DNS rebinding). */
  readonly blockPrivate: boolean;
  /** Zones whose names may have private addresses nevertheless; lower case, without final dot. */
  readonly blockPrivateExcept: readonly string[];
  /** Whether names for special use (RFC 6761: localhost, invalid, onion, …) are answered here. */
  readonly specialNames: 'local' | 'forward';
  /** The same for reverse zones of private addresses (RFC 6303). */
  readonly privateReverse: 'local' | 'forward';
}

export interface ForwardCacheConfig {
  /** Memory for answers of upstreams, octets; 0: nothing is kept. */
  readonly bytesMax: number;
  /** Answers count as good for at least and at most so long, whatever their TTL. */
  readonly ttlSecondsMin: number;
  readonly ttlSecondsMax: number;
  /** How long at most it is remembered that a name or type does not exist (RFC 2308 §5). */
  readonly negativeTtlSecondsMax: number;
  /** How long after its end an answer may be given when no upstream answers (RFC 8767); 0: not. */
  readonly staleSeconds: number;
  /** Whether answers that are asked for often are renewed before they end. */
  readonly prefetch: boolean;
}

export interface HttpConfig {
  readonly enabled: boolean;
  readonly listen: HostPort;
  /** `/v1/enumerate` and `/v1/axfr` exist. */
  readonly enumeration: boolean;
}

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';

/** Everything the daemon needs to know; every field present, units in the names. */
export interface Config {
  /** Which door the file came through. */
  readonly format: 'native' | 'mesos-dns';
  /** Absolute path of the file, '' when there is none (demo). */
  readonly file: string;
  readonly cluster: ClusterConfig;
  readonly dns: DnsConfig;
  readonly names: NamesConfig;
  readonly vip: VipConfig;
  readonly kernel: KernelConfig;
  readonly forward: ForwardConfig;
  readonly http: HttpConfig;
  readonly log: {
    readonly level: LogLevel;
    /** Share of queries that are logged, 0 to 1. */
    readonly querySample: number;
  };
}

/** One thing wrong with a configuration file. */
export interface ConfigProblem {
  /** `error` stops the start; `warning` is printed and logged. */
  readonly severity: 'error' | 'warning';
  /** Where, such as `cluster.masters[1]`; '' for the file as a whole. */
  readonly path: string;
  /** What is there and what is expected, as one sentence that says what to do. */
  readonly message: string;
}
