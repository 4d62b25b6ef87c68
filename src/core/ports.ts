import type { Prefix } from './base/prefix.ts';
import type { Config } from './config/config.ts';
import type { TrafficCounters } from './ipvs/ipvs-message.ts';
import type { KernelChange, ObservedKernel } from './ipvs/plan.ts';
import type { ServiceId } from './ipvs/table.ts';

/** What the daemon needs from the outside world, as types; adapters implement them. */

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

/** One DNS exchange as it was answered; feeds the request metrics. */
export interface DnsObservation {
  readonly protocol: 'udp' | 'tcp';
  readonly family: 4 | 6;
  /** Our zone that answered, presentation form with final dot; '.' for forwarded names. */
  readonly zone: string;
  readonly qtype: number;
  readonly rcode: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly durationMs: number;
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

export interface SourceStatus {
  /** `host:port` of the leading master that the served generation came from. */
  readonly leader: string | null;
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
  readonly generation: GenerationStatus | null;
  readonly listeners: readonly ListenerStatus[];
  readonly vips: VipStatus;
  readonly kernel: KernelStatus;
  readonly forwarding: {
    readonly enabled: boolean;
    readonly upstreams: readonly string[];
    readonly zones: Readonly<Record<string, readonly string[]>>;
  };
}

/** What the HTTP API reads; nothing in it can change the daemon. */
export interface ApiSource {
  config(): Config;
  status(): Status;
  /** Every address of a name, A then AAAA; empty when there is none. */
  hosts(name: string): readonly HostAnswer[];
  /** Every address of every target of an SRV name; empty when there is none. */
  services(name: string): readonly ServiceAnswer[];
  /** JSON text. Rejects with a `DaemonError` when the worker cannot answer. */
  view(request: ViewRequest): Promise<string>;
}
