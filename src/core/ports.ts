import type {
  EventStreamStatus,
  HoldStatus,
  MarathonStatus,
  PropagationStatus,
  ServicesFileStatus,
  ZookeeperStatus,
} from './base/live-status.ts';
import type { Prefix } from './base/prefix.ts';
import type { Config } from './config/config.ts';
import type { TrafficCounters } from './ipvs/ipvs-message.ts';
import type { KernelChange, ObservedKernel } from './ipvs/plan.ts';
import type { ServiceId } from './ipvs/table.ts';

/** What the daemon needs from the outside world, as types; adapters implement them. */

export type * from './base/live-status.ts';
export type { TrafficCounters };

/** Time as a value: tests pass a clock that they move by hand. */
export interface Clock {
  /** Wall-clock milliseconds since the epoch; for timestamps shown to people and SOA serials. */
  now(): number;
  /** Monotonic milliseconds; for durations and ages. */
  monotonic(): number;
  /** Calls `callback` once after `delayMs`; the returned function cancels it. */
  after(delayMs: number, callback: () => void): () => void;
}

/** Facts attached to a log line. Secrets never go in here. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Structured log: `event` is a stable kebab-case name, fields say the rest. */
export interface Log {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

/** Views that the generation worker renders on demand. */
export type ViewRequest =
  | { readonly kind: 'axfr' }
  | { readonly kind: 'enumerate' }
  /** DC/OS `/v1/records`: `[{name, host, rtype}]`. */
  | { readonly kind: 'records' }
  | { readonly kind: 'rejections' }
  /** DC/OS `/v1/vips`, with weights and health. */
  | { readonly kind: 'vips' }
  /** The kernel as observed, with counters and drift; from the kernel process. */
  | { readonly kind: 'ipvs' }
  /** What would be changed now to make the kernel right; from the kernel process. */
  | { readonly kind: 'ipvs-plan' }
  /** Why a name resolves as it does. `name` is presentation form, any case, final dot optional. */
  | { readonly kind: 'explain'; readonly name: string };

/** What a watcher wants to hear of; null: of all. */
export interface WatchFilter {
  readonly kind: WatchEvent['kind'] | null;
  /** Of a service or VIP, in lower case. */
  readonly name: string | null;
}

/** A change of one service or VIP. */
export interface WatchEvent {
  readonly kind: 'service' | 'vip';
  /** `<label>.<framework>` of a service, the identity of a VIP. */
  readonly name: string;
  /** JSON of it, without line breaks. */
  readonly text: string;
}

/** What a generation changed for those who watch. */
export interface WatchUpdate {
  /** Number of the generation; it grows with each that is built, also when the worker died. */
  readonly generation: number;
  /** Number of the one that `events` lead from; null: they lead from none, and there are none. */
  readonly previous: number | null;
  readonly events: readonly WatchEvent[];
}

/** Where a watcher's first picture comes from. */
export interface WatchSource {
  /**
   * Text of `watchSnapshot` for the generation built last. Rejects with a `DaemonError` when the
   * worker cannot answer.
   */
  snapshot(filter: WatchFilter): Promise<string>;
}

/** Those who watch, and why others do not any more. */
export interface WatchStatus {
  readonly clients: number;
  /** Changes that were published since the start. */
  readonly events: number;
  /** Clients that were let go since the start, by reason. */
  readonly closed: Readonly<Record<string, number>>;
}

/** `/v1/hosts`: one address of a name. `host` is lower case with final dot. */
export interface HostAnswer {
  readonly host: string;
  readonly ip: string;
}

/** `/v1/services`: one address of one target of an SRV name. `host` as in DNS, with final dot. */
export interface ServiceAnswer {
  readonly host: string;
  readonly ip: string;
  readonly port: number;
}

/** A change that the kernel refused. */
export interface ChangeFailure {
  readonly change: KernelChange;
  /** Symbol of the errno, such as `EPERM`. */
  readonly errno: string;
  /** What it means and what to do about it. */
  readonly message: string;
}

/** One sysctl that matters to IPVS. */
export interface SysctlStatus {
  readonly name: string;
  /** null: the kernel does not have it. */
  readonly value: string | null;
  readonly wanted: string;
  readonly ok: boolean;
}

/**
 * The kernel of this node: IPVS, the VIPs' routes and what belongs to them. All methods reject with
 * `DaemonError` `kernel-…` when they cannot do anything at all.
 */
export interface Kernel {
  /** Finds IPVS and the interface, makes the interface if need be; again after each failure. */
  prepare(): Promise<void>;
  /**
   * Changes nothing. Thresholds of the destinations of `exact` are as the kernel has them; of
   * others they may be given as 0, as asking for all of them takes seconds in a large table.
   */
  observe(exact?: readonly ServiceId[]): Promise<ObservedKernel>;
  /** Makes changes in their order; one that fails does not keep the next from being made. */
  apply(changes: readonly KernelChange[]): Promise<readonly ChangeFailure[]>;
  /** Source address of packets towards an address; null: there is no route to it. */
  sourceAddress(towards: string): Promise<string | null>;
  /** Counters by `serviceKey`. */
  counters(): Promise<ReadonlyMap<string, TrafficCounters>>;
  /** Sets or only reads the sysctls. */
  sysctls(mode: 'set' | 'report'): Promise<readonly SysctlStatus[]>;
  /** Makes exactly the SNAT rules of these blocks of VIPs; null: removes them. */
  setSnat(prefixes: readonly Prefix[] | null): Promise<void>;
  /** Deletes the interface and all routes on it. */
  removeInterface(): Promise<void>;
  close(): void;
}

/** The file that the served state is written to, for a start without a master. */
export interface SavedStateStatus {
  readonly path: string;
  /** When the state in it was told by a master; null: there is none, or it cannot be used. */
  readonly takenAt: string | null;
  /** Why it could not be written the last time; null: it could, or was not tried yet. */
  readonly error: string | null;
}

export interface SourceStatus {
  /** `host:port` of the leading master that the served generation came from. */
  readonly leader: string | null;
  /** `file`: it was saved before the start, and no master has answered since; null: none yet. */
  readonly from: 'master' | 'file' | null;
  /** Age of the served state in seconds; null before the first good one. */
  readonly ageSeconds: number | null;
  readonly lastSuccessAt: string | null;
  readonly lastAttemptAt: string | null;
  readonly consecutiveFailures: number;
  readonly lastError: {
    readonly code: string;
    readonly message: string;
    readonly at: string;
  } | null;
  readonly pollIntervalSeconds: number;
  readonly polls: number;
  readonly events: EventStreamStatus;
  /** null: the configuration names no ensemble. */
  readonly zookeeper: ZookeeperStatus | null;
  /** null: all that is served is what the master says. */
  readonly hold: HoldStatus | null;
}

export interface GenerationStatus {
  /** SOA serial; moves only when the data changed. */
  readonly serial: number;
  readonly publishedAt: string;
  readonly changedAt: string;
  readonly names: number;
  readonly records: number;
  readonly frameworks: number;
  readonly agents: number;
  readonly tasks: number;
  /** Services from outside of Mesos. */
  readonly services: number;
  readonly rejections: number;
  readonly stateBytes: number;
  readonly parseMs: number;
  readonly buildMs: number;
  readonly tableBytes: number;
}

/** How the kernel of this node stands to what it should hold. Times are ISO 8601 in UTC. */
export interface KernelStatus {
  /** `starting`: not compared yet; `synced`: as it should be; `degraded`: see `reasons`. */
  readonly state: 'off' | 'starting' | 'synced' | 'degraded';
  /** What is wrong and what to do about it, worst first. */
  readonly reasons: readonly string[];
  readonly lastSyncAt: string | null;
  /** Duration of the last comparison with its changes, milliseconds. */
  readonly syncMs: number | null;
  /** VIP addresses that packets are balanced for. */
  readonly programmed: number;
  readonly services: number;
  readonly destinations: number;
  /** Destinations that get no new connections. */
  readonly weightZero: number;
  /** Removed destinations whose connections go on. */
  readonly draining: number;
  /** Changes made since the kernel process started. */
  readonly changes: number;
  /** Changes among them that undid what somebody else had done. */
  readonly driftRepaired: number;
  /** Refused changes and failed requests since the kernel process started, by errno symbol. */
  readonly errors: Readonly<Record<string, number>>;
  /** Source addresses of local clients. */
  readonly source: { readonly ipv4: string | null; readonly ipv6: string | null };
  readonly sysctls: readonly SysctlStatus[];
  /** Times the kernel process was started again. */
  readonly restarts: number;
}

export interface VipStatus {
  readonly enabled: boolean;
  /** Services with a VIP, and how many of the pool's addresses they take. */
  readonly services: number;
  /** Fingerprint of pool, exclusions and algorithm: equal on nodes that agree on addresses. */
  readonly digest: string;
}

export interface ListenerStatus {
  readonly address: string;
  readonly port: number;
  readonly protocol: 'udp' | 'tcp' | 'http';
  readonly open: boolean;
  /** Why it is not open; null when it is. */
  readonly error: string | null;
}

/** How UDP is answered. */
export interface UdpStatus {
  /** 0: by the main thread. */
  readonly threads: number;
  /** Why there are no threads; null if there are, or none were wanted. */
  readonly problem: string | null;
  /** Times a thread died and was started again. */
  readonly restarts: number;
  /** Nice value of the threads, the highest one should they differ; null: none has started. */
  readonly threadNice: number | null;
}

/** What is thought of one upstream. */
export interface UpstreamStatus {
  /** `address:port`. */
  readonly to: string;
  /** Smoothed time of an exchange; null: none has been measured. */
  readonly rttMs: number | null;
  /** Several failures in a row: no client waits for it. */
  readonly failing: boolean;
  readonly lastFailure: { readonly reason: string; readonly at: string } | null;
  /** It sends our questions back to us, and is not asked. */
  readonly disabled: boolean;
}

/** Answers of upstreams that are kept, and totals since the start. */
export interface CacheStatus {
  readonly entries: number;
  readonly bytes: number;
  /** Entries that the UDP threads answer from. */
  readonly hotEntries: number;
  /** Without those of the UDP threads. */
  readonly hits: number;
  readonly misses: number;
  readonly stale: number;
  readonly prefetches: number;
  /** Questions that are with upstreams, and the clients that wait for them. */
  readonly flights: number;
  readonly waiters: number;
}

/** The part of the status that comes from the DNS side. */
export interface DnsStatus {
  readonly udp: UdpStatus;
  /** Upstreams of names outside all zones, as known now. */
  readonly upstreams: readonly string[];
  readonly health: readonly UpstreamStatus[];
  /** Upstreams that are not asked since they ask us. */
  readonly looping: readonly string[];
  readonly cache: CacheStatus;
}

/** Body of `/v1/status`. Times are ISO 8601 in UTC. */
export interface Status {
  readonly version: string;
  readonly node: string;
  readonly startedAt: string;
  readonly uptimeSeconds: number;
  /** Own zones are answered: listeners are open and there is a generation, of whatever age. */
  readonly ready: boolean;
  /** One sentence for people. */
  readonly summary: string;
  /** Why it is not ready or degraded, worst first; empty when all is well. */
  readonly reasons: readonly string[];
  readonly source: SourceStatus;
  readonly propagation: PropagationStatus;
  /** null: there is no file of services. */
  readonly servicesFile: ServicesFileStatus | null;
  /** null: Marathon is not asked. */
  readonly marathon: MarathonStatus | null;
  /** null: there is no HTTP. */
  readonly watch: WatchStatus | null;
  /** null: nothing is saved. */
  readonly savedState: SavedStateStatus | null;
  readonly generation: GenerationStatus | null;
  readonly listeners: readonly ListenerStatus[];
  readonly vips: VipStatus;
  readonly kernel: KernelStatus;
  readonly udp: UdpStatus;
  readonly forwarding: {
    readonly enabled: boolean;
    readonly upstreams: readonly string[];
    /** Those that have been asked. */
    readonly health: readonly UpstreamStatus[];
    readonly cache: CacheStatus;
    readonly zones: Readonly<Record<string, readonly string[]>>;
  };
}

/** A name in presentation form, and about how often it was asked for. */
export interface NameCount {
  readonly name: string;
  readonly count: number;
}

/** The names that were asked for most lately, the first most of all. */
export interface TopQueries {
  /** Seconds of queries that the counts stand for. */
  readonly sinceSeconds: number;
  readonly names: readonly NameCount[];
  /** The same of the names that do not exist. */
  readonly nxdomain: readonly NameCount[];
}

/** One answered query as it is logged. */
export interface QueryRecord {
  /** Presentation form, lower case, final dot. */
  readonly name: string;
  /** Mnemonic, such as `A`. */
  readonly type: string;
  readonly rcode: string;
  /** Address without port. */
  readonly client: string;
  readonly protocol: 'udp' | 'tcp';
  /** Of the answer. */
  readonly bytes: number;
  readonly durationUs: number;
}

/** What the HTTP API works with; nothing in it can change what is served. */
export interface ApiSource {
  config(): Config;
  status(): Status;
  /** Every address of a name, A then AAAA; empty when there is none. */
  hosts(name: string): readonly HostAnswer[];
  /** Every address of every target of an SRV name; empty when there is none. */
  services(name: string): readonly ServiceAnswer[];
  /** JSON text. Rejects with a `DaemonError` when the worker cannot answer. */
  view(request: ViewRequest): Promise<string>;
  /** At most `n` names of each kind. */
  topQueries(n: number): TopQueries;
  /**
   * Queries of a name as they are answered, for so many seconds; `return()` of its iterator ends it
   * at once, even while `next()` waits. null: another one is under way.
   */
  logQueries(name: string, seconds: number): AsyncIterable<QueryRecord> | null;
  /** Forgets answers of upstreams, of a name and those below it or of all (null); how many. */
  flushCache(name: string | null): number;
}
