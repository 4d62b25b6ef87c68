import { formatUpstream } from '../base/upstream.ts';
import type { Upstream } from '../base/upstream.ts';

/**
 * Silence after which somebody else is asked. Resolvers answer most questions within some tens of
 * milliseconds; programs wait five seconds for us (resolv.conf(5)), and users notice half of one.
 */
export const SILENCE_MS = 400;

/** Weight of a new round-trip time in the mean (RFC 6298 §2.3). */
const RTT_WEIGHT = 1 / 8;
/** One failure makes an upstream look so much slower, and half as much after each half-life. */
const FAILURE_COST_MS = 200;
const FAILURE_HALF_LIFE_MS = 10_000;
/** More failures say nothing new, and would keep it at the end of the queue for minutes. */
const FAILURE_SCORE_MAX = 8;
/** Failures in a row after which an upstream counts as dead. */
const FAILURES_TO_DEATH = 3;
/** First and longest time between two looks whether a dead one lives again. */
const LOOK_MS = 1_000;
const LOOK_MS_MAX = 30_000;
/** Exchanges in a row in which it said nothing before another one answered: worth a look. */
const SILENCES_TO_LOOK = 3;
/** Nobody asks the slower ones while the fastest answer; after that time they are measured again. */
const RTT_AGE_MS_MAX = 60_000;
/** How long a peculiarity is remembered: servers are mended and replaced, but not every minute. */
const QUIRK_MS = 10 * 60_000;
/** Upstreams of the configuration are some; this is for one that is read again for ever. */
const ENTRIES_MAX = 256;

/**
 * What an upstream cannot do: `case`: give the letters of a question back as they came; `opt`:
 * understand EDNS.
 */
export type UpstreamQuirk = 'case' | 'opt';

/** How an upstream is doing; times are monotonic milliseconds. */
export interface UpstreamCondition {
  /** `address:port`, or `tls://address:port`. */
  readonly to: string;
  /** Smoothed; null: not measured. */
  readonly rttMs: number | null;
  /** It counts as dead. */
  readonly failing: boolean;
  readonly lastFailure: { readonly reason: string; readonly at: number } | null;
}

class Entry {
  readonly to: string;
  srttMs: number | null = null;
  failureScore = 0;
  scoredAt = 0;
  failuresInRow = 0;
  silencesInRow = 0;
  heardAt: number;
  looking = false;
  nextLookAt = 0;
  /** Number of the turn in which it was the first; 0: never. */
  turn = 0;
  readonly quirkUntil: Record<UpstreamQuirk, number> = { case: -Infinity, opt: -Infinity };
  lastFailure: UpstreamCondition['lastFailure'] = null;

  constructor(to: string, now: number) {
    this.to = to;
    this.heardAt = now;
  }

  get isDead(): boolean {
    return this.failuresInRow >= FAILURES_TO_DEATH;
  }

  score(now: number): number {
    return this.failureScore * 2 ** ((this.scoredAt - now) / FAILURE_HALF_LIFE_MS);
  }
}

/**
 * What we know of upstreams by asking them. `now` is monotonic milliseconds everywhere. Upstreams
 * are known by `formatUpstream`.
 */
export class UpstreamHealth {
  readonly #entries = new Map<string, Entry>();
  #turns = 0;

  /** It gave an answer; `rttMs` is null if the time says nothing. */
  answered(upstream: Upstream, rttMs: number | null, now: number): void {
    const entry = this.#entry(upstream, now);
    if (rttMs !== null) entry.srttMs = smoothed(entry.srttMs, rttMs);
    entry.failuresInRow = 0;
    entry.silencesInRow = 0;
    entry.heardAt = now;
  }

  /** It gave none, or one that helps nobody; `reason` such as `timeout`. */
  failed(upstream: Upstream, reason: string, now: number): void {
    const entry = this.#entry(upstream, now);
    entry.failureScore = Math.min(FAILURE_SCORE_MAX, entry.score(now) + 1);
    entry.scoredAt = now;
    entry.lastFailure = { reason, at: now };
    entry.failuresInRow++;
    if (entry.failuresInRow === FAILURES_TO_DEATH) entry.nextLookAt = now + LOOK_MS;
  }

  /** It was silent for `elapsedMs` when nobody wanted its answer any more. */
  unanswered(upstream: Upstream, elapsedMs: number, now: number): void {
    if (elapsedMs >= SILENCE_MS) {
      this.failed(upstream, 'timeout', now);
      return;
    }
    const entry = this.#entry(upstream, now);
    entry.silencesInRow++;
    // Where the time that is left is not known, as much again is a fair guess.
    const atLeastMs = 2 * elapsedMs;
    if (atLeastMs > (entry.srttMs ?? -1)) entry.srttMs = smoothed(entry.srttMs, atLeastMs);
  }

  /** The living by latency and failures, unknown ones first and equals in order, then the dead. */
  rank(upstreams: readonly Upstream[], now: number): Upstream[] {
    const cost = (entry: Entry): number => (entry.srttMs ?? 0) + FAILURE_COST_MS * entry.score(now);
    return upstreams
      .map((upstream) => ({ upstream, entry: this.#entry(upstream, now) }))
      .sort(
        (a, b) => Number(a.entry.isDead) - Number(b.entry.isDead) || cost(a.entry) - cost(b.entry),
      )
      .map(({ upstream }) => upstream);
  }

  /** Least recently first; whoever stands in front has had a turn. */
  takeTurns(upstreams: readonly Upstream[], now: number): Upstream[] {
    const turns = upstreams
      .map((upstream) => ({ upstream, entry: this.#entry(upstream, now) }))
      .sort((a, b) => a.entry.turn - b.entry.turn);
    const [first] = turns;
    if (first !== undefined) first.entry.turn = ++this.#turns;
    return turns.map(({ upstream }) => upstream);
  }

  /** Several failures in a row: not to be waited for while there is another one. */
  isDead(upstream: Upstream): boolean {
    return this.#entries.get(formatUpstream(upstream))?.isDead ?? false;
  }

  /** Smoothed round-trip time; null: not known. */
  rttMs(upstream: Upstream): number | null {
    return this.#entries.get(formatUpstream(upstream))?.srttMs ?? null;
  }

  /**
   * One of `upstreams` that should be asked now for what we learn from it, or null: a dead one whose
   * time has come, one that has said nothing of late and, with `alsoOld`, one whose time was measured
   * long ago. It is not given again before `endLook`.
   */
  takeLook(upstreams: readonly Upstream[], alsoOld: boolean, now: number): Upstream | null {
    for (const upstream of upstreams) {
      const entry = this.#entry(upstream, now);
      if (entry.looking || now < entry.nextLookAt) continue;
      const isSilent = entry.isDead || entry.silencesInRow >= SILENCES_TO_LOOK;
      const isOld = alsoOld && now - entry.heardAt >= RTT_AGE_MS_MAX;
      if (!isSilent && !isOld) continue;
      entry.looking = true;
      return upstream;
    }
    return null;
  }

  /** The look is over, and `answered` or `failed` has been told; the next one must wait. */
  endLook(upstream: Upstream, now: number): void {
    const entry = this.#entry(upstream, now);
    const doublings = Math.max(0, entry.failuresInRow - FAILURES_TO_DEATH);
    entry.looking = false;
    entry.nextLookAt = now + Math.min(LOOK_MS_MAX, LOOK_MS * 2 ** doublings);
  }

  remember(upstream: Upstream, quirk: UpstreamQuirk, now: number): void {
    this.#entry(upstream, now).quirkUntil[quirk] = now + QUIRK_MS;
  }

  hasQuirk(upstream: Upstream, quirk: UpstreamQuirk, now: number): boolean {
    return this.#entry(upstream, now).quirkUntil[quirk] > now;
  }

  /** Forgets all others. */
  keep(upstreams: readonly Upstream[]): void {
    const kept = new Set(upstreams.map(formatUpstream));
    for (const to of this.#entries.keys()) if (!kept.has(to)) this.#entries.delete(to);
  }

  /** Those that have been asked. */
  conditions(): UpstreamCondition[] {
    return [...this.#entries.values()].map(({ to, srttMs, isDead, lastFailure }) => ({
      to,
      rttMs: srttMs,
      failing: isDead,
      lastFailure,
    }));
  }

  #entry(upstream: Upstream, now: number): Entry {
    const to = formatUpstream(upstream);
    const known = this.#entries.get(to);
    if (known !== undefined) return known;
    const entry = new Entry(to, now);
    this.#entries.set(to, entry);
    if (this.#entries.size > ENTRIES_MAX) {
      const [oldest] = this.#entries.keys();
      this.#entries.delete(oldest!);
    }
    return entry;
  }
}

function smoothed(meanMs: number | null, sampleMs: number): number {
  return meanMs === null ? sampleMs : meanMs + RTT_WEIGHT * (sampleMs - meanMs);
}
