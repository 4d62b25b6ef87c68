import type { NameCount, TopQueries } from '../ports.ts';
import { RCODE } from '../dns/constants.ts';
import type { Query } from '../dns/query.ts';
import { mergedTop, NameSketch } from './name-sketch.ts';

/** One of so many queries is looked at, on average: a list of names needs no more. */
const SAMPLED = 8;

/** Time between two halvings of all counts: a list is about the last two minutes at most. */
const HALVING_MS = 60_000;

/** The two sketches of a thread; goes to it as it is. */
export interface NameBuffers {
  readonly asked: SharedArrayBuffer;
  readonly nxdomain: SharedArrayBuffer;
}

/** Adds the names of one thread's queries. */
export class NameTally {
  readonly #asked: NameSketch;
  readonly #nxdomain: NameSketch;
  #skip = 0;
  #state = 1;

  constructor({ asked, nxdomain }: NameBuffers) {
    this.#asked = new NameSketch(asked);
    this.#nxdomain = new NameSketch(nxdomain);
  }

  /** Takes in an answered query, one of SAMPLED; it must have a readable question. */
  observe(query: Query, rcode: number): void {
    if (--this.#skip > 0) return;
    // Not every eighth: programs ask in rhythms of their own.
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) | 0;
    this.#skip = 1 + ((this.#state >>> 16) % (2 * SAMPLED - 1));
    const { name, nameLength, hash } = query;
    this.#asked.add(name, nameLength, hash);
    if (rcode === RCODE.NXDOMAIN) this.#nxdomain.add(name, nameLength, hash);
  }
}

/** The names of all threads, read and aged by the main thread. Times are monotonic milliseconds. */
export class TopNames {
  readonly #asked: NameSketch[] = [];
  readonly #nxdomain: NameSketch[] = [];
  /** Seconds of queries that the counts stood for at the last halving. */
  #secondsBefore = 0;
  #halvedMs: number;

  constructor(nowMs: number) {
    this.#halvedMs = nowMs;
  }

  /** Room for a thread that begins; one that takes its place goes on with it. */
  addThread(): NameBuffers {
    const buffers = { asked: NameSketch.create(), nxdomain: NameSketch.create() };
    this.#asked.push(new NameSketch(buffers.asked));
    this.#nxdomain.push(new NameSketch(buffers.nxdomain));
    return buffers;
  }

  /** Halves the counts when it is time; to be called every minute, and before reading. */
  age(nowMs: number): void {
    while (nowMs - this.#halvedMs >= HALVING_MS) {
      for (const sketch of [...this.#asked, ...this.#nxdomain]) sketch.halve();
      this.#secondsBefore = (this.#secondsBefore + HALVING_MS / 1000) / 2;
      this.#halvedMs += HALVING_MS;
    }
  }

  /** At most `n` names of each kind. */
  read(n: number, nowMs: number): TopQueries {
    this.age(nowMs);
    const seconds = this.#secondsBefore + (nowMs - this.#halvedMs) / 1000;
    return {
      sinceSeconds: Math.round(seconds),
      names: scaled(mergedTop(this.#asked, n)),
      nxdomain: scaled(mergedTop(this.#nxdomain, n)),
    };
  }
}

function scaled(counts: readonly NameCount[]): NameCount[] {
  return counts.map(({ name, count }) => ({ name, count: count * SAMPLED }));
}
