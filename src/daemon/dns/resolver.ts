import type { ForwardConfig } from '../../core/config/config.ts';
import { EDE, RCODE } from '../../core/dns/constants.ts';
import { ForwardZones } from '../../core/dns/forward-zones.ts';
import { STORED, storedNameLength } from '../../core/dns/stored-reply.ts';
import { FailureMemory } from '../../core/forward/failure-memory.ts';
import { replyBelow } from '../../core/forward/nxdomain-cut.ts';
import { packRules } from '../../core/forward/pack-reply.ts';
import { isKeyIn, parentKey, questionKey } from '../../core/forward/question-key.ts';
import type { ForwardQuestion, Resolution } from '../../core/forward/resolution.ts';
import { UpstreamOutages } from '../../core/forward/upstream-outage.ts';
import type { CacheStatus } from '../../core/ports.ts';
import { type Flight, FLIGHT_LIMITS, type FlightLimits, Flights } from './flights.ts';
import { HotPublisher } from './hot-publisher.ts';
import type { ResolverEvent, ResolverParts } from './resolver-parts.ts';
import type { AskSettings, FailureResolution, Outcome } from './upstream-outcome.ts';
import {
  askUpstreams,
  BROKEN,
  failed,
  GIVEN_UP,
  OVERDUE,
  wholeSeconds,
} from './upstream-outcome.ts';

/**
 * How long a client waits before it gets a stale reply. RFC 8767 §5 has 1.8 s, for stubs far away;
 * ours sit on the node and often ask for several names in a row, and an upstream that works has
 * answered by then.
 */
const STALE_AFTER_MS = 400;
/** Demands from which on a reply is worth renewing. */
const PREFETCH_HITS_MIN = 2;
/** Parents that are looked at for an NXDOMAIN: more than most names have, and few look-ups. */
const PARENTS_MAX = 8;
/** What is beyond the deadline for upstreams before a flight ends in any case. */
const OVERDUE_MS = 1_000;
/** Replies for the UDP threads: a quarter of the cache's memory, in bounds that fit any node. */
const HOT_BYTES = { SHARE: 1 / 4, MIN: 65_536, MAX: 16_777_216 } as const;

const CLOSED = failed(RCODE.SERVFAIL, EDE.NOT_READY, 'this server is stopping');

const REJECTED = {
  flights: failed(RCODE.SERVFAIL, EDE.OTHER, 'too many questions wait for upstreams'),
  waiters: failed(RCODE.SERVFAIL, EDE.OTHER, 'too many clients wait for upstreams'),
  client: failed(RCODE.SERVFAIL, EDE.OTHER, 'too many questions of this client wait for upstreams'),
  outage: failed(RCODE.SERVFAIL, EDE.NO_REACHABLE_AUTHORITY, 'all upstreams have been silent'),
} as const;

/**
 * Answers questions outside our zones: from memory, or by asking upstreams, once for all who ask
 * the same. Stands between `DnsService` and the forwarder.
 */
export class Resolver {
  readonly #parts: ResolverParts;
  readonly #flights: Flights;
  readonly #failures = new FailureMemory();
  readonly #outages = new UpstreamOutages();
  readonly #hot: HotPublisher;
  readonly #totals = new Map<ResolverEvent, number>();
  #config: ForwardConfig;
  #asking: AskSettings;
  #zones: ForwardZones;
  #closed = false;

  constructor(parts: ResolverParts, config: ForwardConfig, limits: FlightLimits = FLIGHT_LIMITS) {
    this.#parts = parts;
    this.#config = config;
    this.#asking = this.#askSettings(config);
    this.#zones = new ForwardZones(config.zones);
    this.#flights = new Flights(limits);
    const publish = (replies: SharedArrayBuffer): void => parts.publishReplies(replies);
    this.#hot = new HotPublisher({ clock: parts.clock, publish }, hotBytes(config));
  }

  /** The buffer of `HotReplies` to begin with; later ones go to `publishReplies`. */
  get hotReplies(): SharedArrayBuffer {
    return this.#hot.buffer;
  }

  stats(): CacheStatus {
    const { cache } = this.#parts;
    const total = (...events: readonly ResolverEvent[]): number =>
      events.reduce((sum, event) => sum + (this.#totals.get(event) ?? 0), 0);
    return {
      entries: cache.entries,
      bytes: cache.bytes,
      hits: total('hit-positive', 'hit-negative'),
      misses: total('miss-positive', 'miss-negative', 'miss-failure'),
      stale: total('stale'),
      prefetches: total('prefetch'),
      flights: this.#flights.size,
      waiters: this.#flights.waiters,
      hotEntries: this.#hot.size,
    };
  }

  /** Takes over new settings; what other upstreams or other rules have made is thrown away. */
  configure(config: ForwardConfig): void {
    const before = this.#config;
    this.#config = config;
    this.#asking = this.#askSettings(config);
    this.#zones = new ForwardZones(config.zones);
    this.#parts.cache.resize(config.cache.bytesMax);
    if (originOf(config) !== originOf(before)) {
      this.flush(null);
      this.#outages.clear();
    }
    const isEmptied = config.cache.bytesMax === 0 && this.#hot.size > 0;
    if (isEmptied || hotBytes(config) !== hotBytes(before)) this.#hot.clear(hotBytes(config));
  }

  /** An upstream that was down answers again: what failed meanwhile may be asked. */
  upstreamIsBack(): void {
    this.#failures.flush(null);
    this.#outages.clear();
  }

  #askSettings(config: ForwardConfig): AskSettings {
    const rules = packRules(config, (name) => this.#parts.isOwnName(name));
    return { deadlineMs: config.deadlineMs, rules };
  }

  /** Forgets what is known of a name and those below it, or of all; how many replies that were. */
  flush(qname: Uint8Array | null): number {
    const matches = (key: string): boolean => qname === null || isKeyIn(key, qname);
    for (const flight of this.#flights.all()) {
      if (matches(flight.key)) this.#flights.detach(flight);
    }
    this.#failures.flush(qname);
    // All or nothing: those of other names come back when they are asked for again.
    if (this.#hot.some(matches)) this.#hot.clear();
    return this.#parts.cache.flush(matches);
  }

  /** Every waiting client gets SERVFAIL, and so do later ones. */
  close(): void {
    this.#closed = true;
    for (const flight of this.#flights.all()) {
      this.#flights.settle(flight, CLOSED);
      this.#flights.land(flight);
    }
    this.#hot.close();
  }

  /** What becomes of a question of a client, by its address; never rejects. */
  resolve(question: ForwardQuestion, client: string): Promise<Resolution> {
    if (this.#closed) return Promise.resolve(CLOSED);
    const nowMs = this.#parts.clock.monotonic();
    const nowSeconds = wholeSeconds(nowMs);
    const key = questionKey(question);
    const stored = this.#stored(key);
    if (stored !== undefined && nowSeconds < stored[STORED.EXPIRES_AT]!) {
      stored[STORED.HITS] = stored[STORED.HITS]! + 1;
      // Not its first demand: the threads may have it.
      this.#hot.put(key, stored);
      this.#renew(question, key, stored, nowMs);
      return this.#hit(stored);
    }
    const below = this.#denialAbove(question, key, nowSeconds);
    if (below !== null) return this.#hit(below);
    const staleUntil = (stored?.[STORED.EXPIRES_AT] ?? 0) + this.#config.cache.staleSeconds;
    const stale = stored !== undefined && nowSeconds < staleUntil ? stored : null;
    const failure = this.#failures.find(key, nowMs);
    if (failure !== null) {
      this.#count('failure-remembered');
      const known = failed(RCODE.SERVFAIL, EDE.CACHED_ERROR, failure.text);
      return Promise.resolve(this.#insteadOf(known, stale));
    }
    return this.#join(question, key, client, stale, nowMs);
  }

  /**
   * A reader gave a reply that ends soon. It is renewed if it was given often enough; nobody waits
   * for that, and nothing comes of it if there is no room.
   */
  prefetch(question: ForwardQuestion): void {
    const key = questionKey(question);
    const stored = this.#stored(key);
    if (stored !== undefined) this.#renew(question, key, stored, this.#parts.clock.monotonic());
  }

  #renew(question: ForwardQuestion, key: string, stored: Uint32Array, nowMs: number): void {
    if (this.#closed || !this.#config.cache.prefetch) return;
    if (wholeSeconds(nowMs) < stored[STORED.PREFETCH_AT]!) return;
    if (stored[STORED.HITS]! + this.#hot.hits(key) < PREFETCH_HITS_MIN) return;
    if (this.#flights.find(key) !== undefined || !this.#flights.admitsPrefetch()) return;
    if (this.#failures.find(key, nowMs) !== null) return;
    if (this.#outages.isOut(this.#zoneOf(question.qname))) return;
    this.#count('prefetch');
    this.#run(this.#flights.start(key, question, nowMs, true));
  }

  #hit(reply: Uint32Array): Promise<Resolution> {
    this.#count(isNegative(reply) ? 'hit-negative' : 'hit-positive');
    return Promise.resolve({ kind: 'reply', reply, stale: false });
  }

  /** Below a name that does not exist there is none (RFC 8020 §2), seen by the same upstreams. */
  #denialAbove(question: ForwardQuestion, key: string, nowSeconds: number): Uint32Array | null {
    // Validators want the proof for the very name, and without recursion nobody has looked.
    if (question.dnssecOk || !question.recursionDesired) return null;
    let parent = parentKey(key);
    for (let i = 0; i < PARENTS_MAX && parent !== null; i++) {
      const denial = this.#parts.cache.get(parent);
      if (denial !== undefined && nowSeconds < denial[STORED.EXPIRES_AT]!) {
        const reply = replyBelow(denial, question);
        const above = question.qname.subarray(question.qname.length - storedNameLength(denial, 0));
        if (reply !== null && this.#zoneOf(above) === this.#zoneOf(question.qname)) return reply;
      }
      parent = parentKey(parent);
    }
    return null;
  }

  /** Waits for the upstreams, with all others that ask the same. */
  #join(
    question: ForwardQuestion,
    key: string,
    client: string,
    stale: Uint32Array | null,
    nowMs: number,
  ): Promise<Resolution> {
    let flight = this.#flights.find(key);
    const zone = this.#zoneOf(question.qname);
    const staleAt = (flight?.startedAt ?? nowMs) + STALE_AFTER_MS;
    if (stale !== null && nowMs >= staleAt) {
      this.#count('coalesced');
      return Promise.resolve(this.#giveStale(stale));
    }
    const objection =
      this.#flights.objection(client, flight === undefined, nowMs - this.#config.timeoutMs) ??
      (flight === undefined && !this.#outages.admits(zone, nowMs) ? 'outage' : null);
    if (objection !== null) {
      this.#count(`rejected-${objection}`);
      return Promise.resolve(this.#insteadOf(REJECTED[objection], stale));
    }
    this.#makeRoom(client, flight === undefined);
    if (flight === undefined) {
      flight = this.#flights.start(key, question, nowMs, false);
      this.#run(flight);
    } else {
      this.#count('coalesced');
    }
    if (stale !== null) this.#armStale(flight, stale, staleAt - nowMs);
    return this.#flights.wait(flight, client, nowMs);
  }

  /**
   * Under overload the oldest fail in favour of the newest: clients of theirs have mostly given up or
   * asked again, which makes a question new. What has had the time of one exchange alone counts as
   * old, since nothing would be answered if all gave way sooner than upstreams answer.
   */
  #makeRoom(client: string, isNew: boolean): void {
    const flight = isNew ? this.#flights.flightInTheWay() : null;
    if (flight !== null) {
      this.#count('rejected-oldest');
      flight.abandoned.abort();
      this.#land(flight, GIVEN_UP);
    }
    const waiter = this.#flights.waiterInTheWay(client);
    if (waiter === null) return;
    this.#count('rejected-oldest');
    this.#flights.dismiss(waiter, this.#insteadOf(GIVEN_UP.failure, waiter.flight.stale));
  }

  #armStale(flight: Flight, stale: Uint32Array, delayMs: number): void {
    flight.stale = stale;
    flight.cancelStale ??= this.#parts.clock.after(delayMs, () => {
      this.#settle(flight, { kind: 'reply', reply: stale, stale: true });
    });
  }

  /** Asks for the flight's question and lands it, in any case. */
  #run(flight: Flight): void {
    const { clock, log } = this.#parts;
    flight.cancelEnd = clock.after(this.#asking.deadlineMs + OVERDUE_MS, () =>
      this.#land(flight, OVERDUE),
    );
    const { question, startedAt, abandoned } = flight;
    askUpstreams(this.#parts, this.#asking, question, startedAt, abandoned.signal)
      .then((outcome) => this.#land(flight, outcome))
      .catch((err: unknown) => {
        log.error('resolver-failed', { err });
        this.#land(flight, BROKEN);
      });
  }

  #land(flight: Flight, outcome: Outcome): void {
    if (flight.isLanded) return;
    this.#flights.land(flight);
    this.#learn(flight, outcome);
    if (outcome.kind !== 'answer') {
      if (!flight.isPrefetch) this.#count('miss-failure');
      const resolution: Resolution =
        outcome.kind === 'refusal'
          ? { kind: 'reply', reply: outcome.reply, stale: false }
          : outcome.failure;
      const { stale } = flight;
      const standIn: Resolution =
        stale === null ? resolution : { kind: 'reply', reply: stale, stale: true };
      this.#settle(flight, standIn);
      return;
    }
    const { reply } = outcome;
    if (!flight.isPrefetch) this.#count(isNegative(reply) ? 'miss-negative' : 'miss-positive');
    reply[STORED.HITS] = this.#flights.settle(flight, { kind: 'reply', reply, stale: false });
    if (flight.isStorable) this.#store(flight.key, reply);
  }

  /** Draws from an outcome what it says about the question and about the upstreams. */
  #learn({ key, question, stale, isStorable }: Flight, outcome: Outcome): void {
    const nowMs = this.#parts.clock.monotonic();
    const zone = this.#zoneOf(question.qname);
    if (outcome.kind === 'failure' && outcome.cause === 'not-asked') return;
    const isGivenUp = outcome.kind === 'failure' && outcome.cause === 'given-up';
    const isSilent = isGivenUp || (outcome.kind === 'failure' && outcome.cause === 'silence');
    if (isSilent) this.#noteSilence(zone, nowMs);
    else this.#noteAnswer(zone, nowMs);
    if (outcome.kind === 'answer') {
      this.#failures.forget(key);
    } else if (isStorable && !isGivenUp) {
      const text = outcome.kind === 'failure' ? outcome.failure.text : outcome.text;
      const silentZone = isSilent ? zone : null;
      this.#failures.add(key, { text, silentZone }, nowMs, stale !== null);
    }
  }

  #noteSilence(zone: string, nowMs: number): void {
    if (this.#outages.silent(zone, nowMs)) this.#parts.log.warn('upstreams-silent', { zone });
  }

  #noteAnswer(zone: string, nowMs: number): void {
    const silentMs = this.#outages.isOut(zone) ? this.#outages.silentMs(zone, nowMs) : null;
    if (this.#outages.answered(zone, nowMs)) this.#failures.forgetSilence(zone);
    if (silentMs !== null) this.#parts.log.info('upstreams-answer', { zone, silentMs });
  }

  /**
   * What the threads give, the cache sees nobody ask for: where it has had to make room for others,
   * the copy that was kept for the threads counts.
   */
  #stored(key: string): Uint32Array | undefined {
    return this.#parts.cache.get(key) ?? this.#hot.get(key);
  }

  /** Keeps a reply; what was there before is over even if this one has no lifetime. */
  #store(key: string, reply: Uint32Array): void {
    this.#parts.cache.set(key, reply);
    if (this.#hot.get(key) === undefined) return;
    if (reply[STORED.EXPIRES_AT]! > reply[STORED.STORED_AT]!) this.#hot.put(key, reply);
    else this.#hot.forget(key);
  }

  #insteadOf(failure: FailureResolution, stale: Uint32Array | null): Resolution {
    return stale === null ? failure : this.#giveStale(stale);
  }

  #giveStale(reply: Uint32Array): Resolution {
    this.#count('stale');
    return { kind: 'reply', reply, stale: true };
  }

  #settle(flight: Flight, resolution: Resolution): void {
    const count = this.#flights.settle(flight, resolution);
    if (resolution.kind !== 'reply' || !resolution.stale) return;
    for (let i = 0; i < count; i++) this.#count('stale');
  }

  /** Forward zone of a name, '' for none: names of one zone have the same upstreams. */
  #zoneOf(qname: Uint8Array): string {
    return this.#zones.find(qname, qname.length)?.zone ?? '';
  }

  #count(event: ResolverEvent): void {
    this.#totals.set(event, (this.#totals.get(event) ?? 0) + 1);
    this.#parts.observe(event);
  }
}

/** NXDOMAIN or NODATA (RFC 2308 §2). */
function isNegative(reply: Uint32Array): boolean {
  return reply[STORED.ANSWER_AUTHORITY]! >>> 16 === 0;
}

function hotBytes({ cache }: ForwardConfig): number {
  const share = Math.floor(cache.bytesMax * HOT_BYTES.SHARE);
  return Math.min(HOT_BYTES.MAX, Math.max(HOT_BYTES.MIN, share));
}

/** What answers depend on besides the question. */
function originOf(config: ForwardConfig): string {
  const { upstreams, zones, blockPrivate, blockPrivateExcept } = config;
  return JSON.stringify([upstreams, zones, blockPrivate, blockPrivateExcept]);
}
