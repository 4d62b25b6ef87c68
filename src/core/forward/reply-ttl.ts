import { NEVER } from '../dns/stored-reply.ts';

/** Bounds of lifetimes, seconds. */
export interface TtlRules {
  readonly ttlSecondsMin: number;
  readonly ttlSecondsMax: number;
  readonly negativeTtlSecondsMax: number;
  /** Replies that are asked for are renewed before they end. */
  readonly prefetch: boolean;
}

/** Below this there is nothing to be won: the last tenth is less than a second. */
const PREFETCH_SECONDS_MIN = 10;
const PREFETCH_SHARE = 0.9;

/** How long a record counts, and what clients are told. */
export function keptTtl(ttlSeconds: number, rules: TtlRules): number {
  return Math.min(rules.ttlSecondsMax, Math.max(rules.ttlSecondsMin, ttlSeconds));
}

/** How long a denial counts whose SOA record has this TTL and this MINIMUM field (RFC 2308 §5). */
export function denialTtl(ttlSeconds: number, soaMinimum: number, rules: TtlRules): number {
  return Math.min(ttlSeconds, soaMinimum, rules.negativeTtlSecondsMax, rules.ttlSecondsMax);
}

/** When a reply that is kept for `lifetime` seconds is to be renewed; NEVER if it is not. */
export function prefetchTime(storedAt: number, lifetime: number, rules: TtlRules): number {
  if (!rules.prefetch || lifetime < PREFETCH_SECONDS_MIN) return NEVER;
  return storedAt + Math.floor(PREFETCH_SHARE * lifetime);
}
