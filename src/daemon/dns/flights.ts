import type { ForwardQuestion, Resolution } from '../../core/forward/resolution.ts';

/** How many questions may be under way, and how many clients may wait for them. */
export interface FlightLimits {
  /**
   * Questions with upstreams at once, each with sockets and two messages. Upstreams that leave more
   * than this unanswered are broken, and waiting clients help nobody.
   */
  readonly flights: number;
  /** Clients that wait in all, each with its packet: some megabytes. */
  readonly waiters: number;
  /** Of one address: a program that looks up the whole of its log asks some tens at once. */
  readonly perClient: number;
  /** Of loopback addresses together: all programs of the node ask from there. */
  readonly local: number;
  /** Flights that no client waits for: a tenth, so that clients always find room. */
  readonly prefetches: number;
}

export const FLIGHT_LIMITS: FlightLimits = {
  flights: 1_000,
  waiters: 4_000,
  perClient: 250,
  local: 3_500,
  prefetches: 100,
};

/** Which limit keeps a client from waiting. */
export type FlightRefusal = 'flights' | 'waiters' | 'client';

/** A client that waits for a flight. */
export interface Waiter {
  readonly flight: Flight;
  readonly share: string;
  /** Monotonic milliseconds. */
  readonly since: number;
  readonly settle: (resolution: Resolution) => void;
}

/** One question that is with the upstreams, and who waits for the answer. */
export interface Flight {
  readonly key: string;
  readonly question: ForwardQuestion;
  readonly startedAt: number;
  /** When somebody asked for it last. */
  askedAt: number;
  readonly isPrefetch: boolean;
  readonly waiters: Set<Waiter>;
  /** Ends the question to the upstreams. */
  readonly abandoned: AbortController;
  /** The reply that has ended and may stand in for an answer that does not come (RFC 8767). */
  stale: Uint32Array | null;
  /** false: the answer goes to the waiters alone, since the cache was flushed meanwhile. */
  isStorable: boolean;
  isLanded: boolean;
  /** Cancel the timers. */
  cancelStale: (() => void) | null;
  cancelEnd: (() => void) | null;
}

/** Share of loopback clients, which are one; no address looks like this. */
const LOCAL_SHARE = 'local';
const LOOPBACK = /^(::ffff:)?127\.|^::1$/;

/**
 * Flights with their waiters, within `FlightLimits`. Where there is no room, the oldest give way to
 * the newest, if they are old. Decides nothing else.
 */
export class Flights {
  readonly #limits: FlightLimits;
  readonly #byKey = new Map<string, Flight>();
  /** Also those that `detach` took out of `#byKey`; last those that were asked for last. */
  readonly #all = new Set<Flight>();
  /** The newest last. */
  readonly #waiters = new Set<Waiter>();
  readonly #waitersByShare = new Map<string, Set<Waiter>>();
  #prefetches = 0;

  constructor(limits: FlightLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#all.size;
  }

  get waiters(): number {
    return this.#waiters.size;
  }

  all(): readonly Flight[] {
    return [...this.#all];
  }

  find(key: string): Flight | undefined {
    return this.#byKey.get(key);
  }

  /**
   * What keeps this client from waiting for a flight, be it a new one or not; null: nothing, once
   * `flightInTheWay` and `waiterInTheWay` are gone. Those from before `oldMs` may give way.
   */
  objection(client: string, isNew: boolean, oldMs: number): FlightRefusal | null {
    const flight = isNew ? this.flightInTheWay() : null;
    if (flight !== null && flight.askedAt > oldMs) return 'flights';
    const waiter = this.waiterInTheWay(client);
    if (waiter === null || waiter.since <= oldMs) return null;
    return this.#isShareFull(shareOf(client)) ? 'client' : 'waiters';
  }

  /** The flight that nobody has asked for for the longest time, if there is no room for another. */
  flightInTheWay(): Flight | null {
    return this.#all.size < this.#limits.flights ? null : first(this.#all);
  }

  /** Who has waited longest of those who leave this client no room; null: there is room. */
  waiterInTheWay(client: string): Waiter | null {
    const share = shareOf(client);
    if (this.#isShareFull(share)) return first(this.#waitersByShare.get(share) ?? this.#waiters);
    return this.#waiters.size < this.#limits.waiters ? null : first(this.#waiters);
  }

  #isShareFull(share: string): boolean {
    const { local, perClient } = this.#limits;
    const waiting = this.#waitersByShare.get(share)?.size ?? 0;
    return waiting >= (share === LOCAL_SHARE ? local : perClient);
  }

  /** Whether there is room for a flight without a waiter. */
  admitsPrefetch(): boolean {
    const { flights, prefetches } = this.#limits;
    return this.#prefetches < prefetches && this.#all.size < flights;
  }

  start(key: string, question: ForwardQuestion, startedAt: number, isPrefetch: boolean): Flight {
    const flight: Flight = {
      key,
      question,
      startedAt,
      askedAt: startedAt,
      isPrefetch,
      waiters: new Set(),
      abandoned: new AbortController(),
      stale: null,
      isStorable: true,
      isLanded: false,
      cancelStale: null,
      cancelEnd: null,
    };
    this.#byKey.set(key, flight);
    this.#all.add(flight);
    if (isPrefetch) this.#prefetches++;
    return flight;
  }

  /** There is room: `objection` had none. */
  wait(flight: Flight, client: string, nowMs: number): Promise<Resolution> {
    flight.askedAt = nowMs;
    if (this.#all.delete(flight)) this.#all.add(flight);
    const share = shareOf(client);
    const sharing = this.#waitersByShare.get(share) ?? new Set();
    this.#waitersByShare.set(share, sharing);
    return new Promise((settle) => {
      const waiter: Waiter = { flight, share, since: nowMs, settle };
      for (const waiting of [flight.waiters, sharing, this.#waiters]) waiting.add(waiter);
    });
  }

  /** Gives one of those who wait its answer. */
  dismiss(waiter: Waiter, resolution: Resolution): void {
    const { flight, share, settle } = waiter;
    const sharing = this.#waitersByShare.get(share)!;
    for (const waiting of [flight.waiters, sharing, this.#waiters]) waiting.delete(waiter);
    if (sharing.size === 0) this.#waitersByShare.delete(share);
    settle(resolution);
  }

  /** Gives all who wait their answer; the flight may go on. Returns how many they were. */
  settle(flight: Flight, resolution: Resolution): number {
    const waiters = [...flight.waiters];
    for (const waiter of waiters) this.dismiss(waiter, resolution);
    return waiters.length;
  }

  /** The flight is over; its waiters are settled before or after. */
  land(flight: Flight): void {
    flight.isLanded = true;
    flight.cancelStale?.();
    flight.cancelEnd?.();
    this.#all.delete(flight);
    if (this.#byKey.get(flight.key) === flight) this.#byKey.delete(flight.key);
    if (flight.isPrefetch) this.#prefetches--;
  }

  /** Nobody joins the flight any more, and nothing of it is kept; its waiters go on waiting. */
  detach(flight: Flight): void {
    flight.isStorable = false;
    flight.stale = null;
    flight.cancelStale?.();
    if (this.#byKey.get(flight.key) === flight) this.#byKey.delete(flight.key);
  }
}

function first<T>(set: ReadonlySet<T>): T | null {
  const [item] = set;
  return item ?? null;
}

function shareOf(client: string): string {
  return LOOPBACK.test(client) ? LOCAL_SHARE : client;
}
