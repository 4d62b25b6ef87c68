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

interface Waiter {
  readonly share: string;
  readonly settle: (resolution: Resolution) => void;
}

/** One question that is with the upstreams, and who waits for the answer. */
export interface Flight {
  readonly key: string;
  readonly question: ForwardQuestion;
  readonly startedAt: number;
  readonly isPrefetch: boolean;
  readonly waiters: Waiter[];
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

/** Flights with their waiters, within `FlightLimits`. Decides nothing else. */
export class Flights {
  readonly #limits: FlightLimits;
  readonly #byKey = new Map<string, Flight>();
  /** Also those that `detach` took out of `#byKey`. */
  readonly #all = new Set<Flight>();
  readonly #waitersByShare = new Map<string, number>();
  #waiters = 0;
  #prefetches = 0;

  constructor(limits: FlightLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#all.size;
  }

  get waiters(): number {
    return this.#waiters;
  }

  all(): readonly Flight[] {
    return [...this.#all];
  }

  find(key: string): Flight | undefined {
    return this.#byKey.get(key);
  }

  /** What keeps this client from waiting for a flight, be it a new one or not; null: nothing. */
  objection(client: string, isNew: boolean): FlightRefusal | null {
    if (isNew && this.#all.size >= this.#limits.flights) return 'flights';
    const share = shareOf(client);
    const shareMax = share === LOCAL_SHARE ? this.#limits.local : this.#limits.perClient;
    if ((this.#waitersByShare.get(share) ?? 0) >= shareMax) return 'client';
    return this.#waiters >= this.#limits.waiters ? 'waiters' : null;
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
      isPrefetch,
      waiters: [],
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

  /** `objection` had none. */
  wait(flight: Flight, client: string): Promise<Resolution> {
    const share = shareOf(client);
    this.#waiters++;
    this.#waitersByShare.set(share, (this.#waitersByShare.get(share) ?? 0) + 1);
    return new Promise((settle) => flight.waiters.push({ share, settle }));
  }

  /** Gives all who wait their answer; the flight may go on. Returns how many they were. */
  settle(flight: Flight, resolution: Resolution): number {
    const waiters = flight.waiters.splice(0);
    for (const { share, settle } of waiters) {
      const left = this.#waitersByShare.get(share)! - 1;
      if (left > 0) this.#waitersByShare.set(share, left);
      else this.#waitersByShare.delete(share);
      settle(resolution);
    }
    this.#waiters -= waiters.length;
    return waiters.length;
  }

  /** The flight is over; its waiters have been settled. */
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

function shareOf(client: string): string {
  return LOOPBACK.test(client) ? LOCAL_SHARE : client;
}
