import { formatSocketAddress } from '../core/base/host-port.ts';
import { formatUpstream } from '../core/base/upstream.ts';
import type { Config } from '../core/config/config.ts';
import type {
  Clock,
  DnsStatus,
  GenerationStatus,
  HoldStatus,
  KernelStatus,
  ListenerStatus,
  MarathonStatus,
  PropagationStatus,
  SavedStateStatus,
  ServicesFileStatus,
  SourceStatus,
  Status,
  VipStatus,
  WatchStatus,
  ZookeeperStatus,
} from '../core/ports.ts';

/** What a status is put together from. */
export interface StatusParts {
  readonly clock: Clock;
  readonly version: string;
  readonly node: string;
  /** Wall-clock and monotonic milliseconds of the start. */
  readonly startedAt: { readonly now: number; readonly monotonic: number };
  config(): Config;
  source(): SourceStatus;
  propagation(): PropagationStatus;
  /** null: there is no file of services. */
  servicesFile(): ServicesFileStatus | null;
  /** null: Marathon is not asked. */
  marathon(): MarathonStatus | null;
  /** null: there is no HTTP. */
  watch(): WatchStatus | null;
  /** null: nothing is saved. */
  savedState(): SavedStateStatus | null;
  generation(): GenerationStatus | null;
  /** null before the first generation. */
  vips(): VipStatus | null;
  kernel(): KernelStatus;
  listeners(): readonly ListenerStatus[];
  /** Whether every configured address is served; of a wildcard, one of its addresses. */
  listening(): boolean;
  dns(): DnsStatus;
}

/** A state older than this many polls is worth a warning. */
const STALE_POLLS = 3;

/**
 * The daemon's condition. `ready` means that our names are answered: an old state, a closed address
 * of a wildcard or a kernel without IPVS degrades, but a node must not lose its resolver because of
 * that.
 */
export function statusOf(parts: StatusParts): Status {
  const config = parts.config();
  const source = parts.source();
  const savedState = parts.savedState();
  const servicesFile = parts.servicesFile();
  const marathon = parts.marathon();
  const generation = parts.generation();
  const vips = parts.vips() ?? { enabled: config.vip.enabled, services: 0, digest: '' };
  const kernel = parts.kernel();
  const dns = parts.dns();
  const listeners = parts.listeners();
  const closed = listeners.filter((listener) => !listener.open);
  const ready = generation !== null && parts.listening();
  const reasons = [
    ...closed.map(
      (listener) =>
        `listener ${listener.protocol} ${formatSocketAddress(listener)} is not open: ${listener.error ?? ''}`,
    ),
    ...sourceReasons(source, generation),
    ...zookeeperReasons(source.zookeeper),
    ...dns.looping.map((to) => `upstream ${to} sends our questions back to us and is not asked`),
    // A node that has only names to serve lacks nothing.
    ...(kernel.state === 'degraded' && vips.services > 0 ? kernel.reasons : []),
    ...(servicesFile?.problem ? [`the file ${servicesFile.path} ${servicesFile.problem}`] : []),
    ...(marathon?.reason ? [`health is not what Marathon says now: ${marathon.reason}`] : []),
    ...(savedState?.error ? [`the state is not saved: ${savedState.error}`] : []),
  ];
  const { zones, enabled } = config.forward;
  return {
    version: parts.version,
    node: parts.node,
    startedAt: new Date(parts.startedAt.now).toISOString(),
    uptimeSeconds: Math.round((parts.clock.monotonic() - parts.startedAt.monotonic) / 1000),
    ready,
    summary: summary({ source, generation, vips, reasons, forwards: enabled }),
    reasons,
    source,
    propagation: parts.propagation(),
    servicesFile,
    marathon,
    watch: parts.watch(),
    savedState,
    generation,
    listeners,
    vips,
    kernel,
    udp: dns.udp,
    forwarding: {
      enabled,
      upstreams: dns.upstreams,
      health: dns.health,
      cache: dns.cache,
      zones: Object.fromEntries(
        zones.map(({ zone, upstreams }) => [zone, upstreams.map(formatUpstream)]),
      ),
    },
  };
}

function sourceReasons(source: SourceStatus, generation: GenerationStatus | null): string[] {
  // The error of a failure that is over explains nothing.
  const failed = source.consecutiveFailures > 0 && source.lastError !== null;
  const error = failed ? `: ${source.lastError.message}` : '';
  if (generation === null) return [`no state of the cluster yet${error}`];
  const age = `${Math.round(source.ageSeconds ?? 0)} s old`;
  if (source.from === 'file') {
    return [`no master has answered since the start; the state is a saved one, ${age}${error}`];
  }
  const held = holdReasons(source.hold);
  const stale = (source.ageSeconds ?? 0) > STALE_POLLS * source.pollIntervalSeconds;
  if (!stale) return held;
  return [`the state is ${age}, ${source.consecutiveFailures} polls failed${error}`, ...held];
}

function zookeeperReasons(zookeeper: ZookeeperStatus | null): string[] {
  // Before the first connection there is nothing to complain of.
  if (zookeeper === null || zookeeper.connected || zookeeper.lastError === null) return [];
  const stays = zookeeper.leader === null ? '' : `; ${zookeeper.leader} counts as leader`;
  return [`ZooKeeper does not answer: ${zookeeper.lastError.message}${stays}`];
}

function holdReasons(hold: HoldStatus | null): string[] {
  if (hold === null) return [];
  const { reason, missingTasks, missingAgents, knownTasks, until } = hold;
  const what = `${missingTasks} of ${knownTasks} tasks and ${missingAgents} agents`;
  const end = until ?? 'it shows tasks again';
  return [`the master does not show ${what} any more (${reason}); they are kept until ${end}`];
}

interface SummaryParts {
  readonly source: SourceStatus;
  readonly generation: GenerationStatus | null;
  readonly vips: VipStatus;
  readonly reasons: readonly string[];
  readonly forwards: boolean;
}

function summary({ source, generation, vips, reasons, forwards }: SummaryParts): string {
  if (generation === null) {
    const others = forwards ? 'forwarded' : 'refused';
    return `Waiting for the first state: own names get SERVFAIL, others are ${others}.`;
  }
  const balanced = vips.enabled ? ` and ${vips.services} VIPs` : '';
  const facts =
    `Serving ${generation.names} names of ${generation.tasks} tasks${balanced} ` +
    `from ${source.leader ?? 'unknown'}, state ${Math.round(source.ageSeconds ?? 0)} s old`;
  const trouble = reasons.length > 0 ? `; ${reasons[0]!}` : '';
  return `${facts}, ${generation.rejections} rejections${trouble}.`;
}
