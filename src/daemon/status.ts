import { formatSocketAddress } from '../core/base/host-port.ts';
import type { Config } from '../core/config/config.ts';
import type {
  Clock,
  GenerationStatus,
  ListenerStatus,
  SourceStatus,
  Status,
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
  generation(): GenerationStatus | null;
  listeners(): readonly ListenerStatus[];
  /** Whether every configured address is served; of a wildcard, one of its addresses. */
  listening(): boolean;
  /** Upstreams of names outside all zones, as known now. */
  upstreams(): readonly string[];
}

/** A state older than this many polls is worth a warning. */
const STALE_POLLS = 3;

/**
 * The daemon's condition. `ready` means that our names are answered: an old state or a closed
 * address of a wildcard degrades, but a node must not lose its resolver because of that.
 */
export function statusOf(parts: StatusParts): Status {
  const config = parts.config();
  const source = parts.source();
  const generation = parts.generation();
  const listeners = parts.listeners();
  const closed = listeners.filter((listener) => !listener.open);
  const ready = generation !== null && parts.listening();
  const reasons = [
    ...closed.map(
      (listener) =>
        `listener ${listener.protocol} ${formatSocketAddress(listener)} is not open: ${listener.error ?? ''}`,
    ),
    ...sourceReasons(source, generation),
  ];
  const { zones, enabled } = config.forward;
  return {
    version: parts.version,
    node: parts.node,
    startedAt: new Date(parts.startedAt.now).toISOString(),
    uptimeSeconds: Math.round((parts.clock.monotonic() - parts.startedAt.monotonic) / 1000),
    ready,
    summary: summary(source, generation, reasons, enabled),
    reasons,
    source,
    generation,
    listeners,
    forwarding: {
      enabled,
      upstreams: parts.upstreams(),
      zones: Object.fromEntries(
        zones.map(({ zone, upstreams }) => [zone, upstreams.map(formatSocketAddress)]),
      ),
    },
  };
}

function sourceReasons(source: SourceStatus, generation: GenerationStatus | null): string[] {
  // The error of a failure that is over explains nothing.
  const failed = source.consecutiveFailures > 0 && source.lastError !== null;
  const error = failed ? `: ${source.lastError.message}` : '';
  if (generation === null) return [`no state of the cluster yet${error}`];
  const stale = (source.ageSeconds ?? 0) > STALE_POLLS * source.pollIntervalSeconds;
  if (!stale) return [];
  return [
    `the state is ${Math.round(source.ageSeconds ?? 0)} s old, ` +
      `${source.consecutiveFailures} polls failed${error}`,
  ];
}

function summary(
  source: SourceStatus,
  generation: GenerationStatus | null,
  reasons: readonly string[],
  forwards: boolean,
): string {
  if (generation === null) {
    const others = forwards ? 'forwarded' : 'refused';
    return `Waiting for the first state: own names get SERVFAIL, others are ${others}.`;
  }
  const facts =
    `Serving ${generation.names} names of ${generation.tasks} tasks ` +
    `from ${source.leader ?? 'unknown'}, state ${Math.round(source.ageSeconds ?? 0)} s old`;
  const trouble = reasons.length > 0 ? `; ${reasons[0]!}` : '';
  return `${facts}, ${generation.rejections} rejections${trouble}.`;
}
