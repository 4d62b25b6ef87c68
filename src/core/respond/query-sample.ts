import { assert } from '../base/assert.ts';
import { hashWireName } from '../dns/name.ts';
import { COUNT, type DnsCounters } from './counters.ts';

/** Why a query is logged; both may be true at once. */
export const CHOSEN = {
  NO: 0,
  /** For the log of the daemon, by the configured share. */
  SAMPLED: 1,
  /** Somebody asked for queries of this name. */
  ASKED: 2,
} as const;

/** Words of the control block: share in parts of ALL, and whether a hash of a name is looked for. */
const SHARE = 0;
const ASKING = 1;
const HASH = 2;
const WORDS = 4;

/** The share of all queries; a small integer to the engine, sums of two included. */
const ALL = 2 ** 29;

/** Queries a second that one thread reports; a person reads no more, and the main thread has other
 * work. A whole second's worth may come at once. */
const REPORTS_PER_SECOND = 100;

/** What the main thread tells all threads to choose. */
export class SampleControl {
  readonly #words: Int32Array;

  /** Nothing is chosen. */
  static create(): SharedArrayBuffer {
    return new SharedArrayBuffer(4 * WORDS);
  }

  constructor(buffer: SharedArrayBuffer) {
    this.#words = new Int32Array(buffer);
  }

  /** `share` of all queries, 0 to 1. */
  sample(share: number): void {
    assert(share >= 0 && share <= 1, 'a share is between 0 and 1');
    Atomics.store(this.#words, SHARE, Math.round(share * ALL));
  }

  /** Queries of a lower-case wire name from now on; null: of none. Replaces the name before. */
  ask(qname: Uint8Array | null): void {
    if (qname !== null) {
      Atomics.store(this.#words, HASH, hashWireName(qname, 0, qname.length) | 0);
    }
    Atomics.store(this.#words, ASKING, qname === null ? 0 : 1);
  }
}

/** Chooses the queries of one thread that are logged, without allocating. */
export class QuerySample {
  readonly #words: Int32Array;
  readonly #counters: DnsCounters;
  /** Share that has come together since the last sampled query. */
  #share = 0;
  /** Reports that may be made, as of `#filledMs`. */
  #reports = REPORTS_PER_SECOND;
  #filledMs = 0;

  /** `control` is a `SampleControl`'s; what is left out is counted in the thread's block. */
  constructor(control: SharedArrayBuffer, counters: DnsCounters) {
    this.#words = new Int32Array(control);
    this.#counters = counters;
  }

  /**
   * Bits of CHOSEN for one query. `hash` is `hashWireName` of its name; as names can share one,
   * whoever asked has to compare. `nowMs` is monotonic.
   */
  choose(hash: number, nowMs: number): number {
    const words = this.#words;
    let chosen: number = CHOSEN.NO;
    this.#share += words[SHARE]!;
    if (this.#share >= ALL) {
      this.#share -= ALL;
      chosen = CHOSEN.SAMPLED;
    }
    if (words[ASKING] !== 0 && words[HASH] === (hash | 0)) chosen |= CHOSEN.ASKED;
    return chosen === CHOSEN.NO ? CHOSEN.NO : this.#limited(chosen, nowMs);
  }

  #limited(chosen: number, nowMs: number): number {
    const refill = ((nowMs - this.#filledMs) * REPORTS_PER_SECOND) / 1000;
    this.#reports = Math.min(REPORTS_PER_SECOND, this.#reports + refill);
    this.#filledMs = nowMs;
    if (this.#reports < 1) {
      this.#counters.count(COUNT.QUERY_LOG_LEFT_OUT);
      return CHOSEN.NO;
    }
    this.#reports--;
    return chosen;
  }
}
