import { isKeyIn } from './question-key.ts';

/**
 * How long a failure answers a question in place of the upstreams: first and longest, milliseconds.
 * RFC 9520 §3.2 asks for 1 s at least and allows 5 min. Half a minute keeps an unanswerable question
 * to two packets a minute, and a name whose servers are back is never away for longer than that.
 */
const FAILURE_HOLD_MS = { FIRST: 1_000, MAX: 30_000 } as const;

/** The same where a stale reply stands in meanwhile (RFC 8767 §5, "failure recheck timer"). */
const STALE_HOLD_MS = 30_000;

/**
 * Failures remembered, with some 500 octets each. When every question times out after 4 s, with
 * 1,000 of them under way, 7,500 fail within the longest hold.
 */
const FAILURES_MAX = 10_000;
/** Texts name each upstream with what it did; a client's log shows the first few. */
const TEXT_LENGTH_MAX = 200;

/** A question that no upstream could answer. Times are monotonic milliseconds. */
export interface Failure {
  /** Why, for people. */
  readonly text: string;
  /** Forward zone whose upstreams were silent; null if one said that it has no answer. */
  readonly silentZone: string | null;
  /** Until then nobody is asked. */
  readonly until: number;
  /** How long the failure counts, from its start. */
  readonly holdMs: number;
}

/** Which questions failed lately, so that asking again does not hit the upstreams (RFC 9520). */
export class FailureMemory {
  readonly #failures = new Map<string, Failure>();
  readonly #max: number;

  constructor(max: number = FAILURES_MAX) {
    this.#max = max;
  }

  get size(): number {
    return this.#failures.size;
  }

  /** The failure that still answers the question with this `questionKey`. */
  find(key: string, nowMs: number): Failure | null {
    const failure = this.#failures.get(key);
    return failure !== undefined && nowMs < failure.until ? failure : null;
  }

  /** It failed, again perhaps: each time counts twice as long, unless there is a stale reply. */
  add(
    key: string,
    cause: { readonly text: string; readonly silentZone: string | null },
    nowMs: number,
    hasStale: boolean,
  ): void {
    const { silentZone } = cause;
    const last = this.#failures.get(key);
    // The one before was long ago: what was wrong then is not what is wrong now.
    const again = last !== undefined && nowMs < last.until + FAILURE_HOLD_MS.MAX;
    const doubled = again ? 2 * last.holdMs : FAILURE_HOLD_MS.FIRST;
    const holdMs = hasStale ? STALE_HOLD_MS : Math.min(doubled, FAILURE_HOLD_MS.MAX);
    const text = cause.text.slice(0, TEXT_LENGTH_MAX);
    // Taken out first, so that the map stands in the order of the last failures.
    this.#failures.delete(key);
    this.#failures.set(key, { text, silentZone, until: nowMs + holdMs, holdMs });
    if (this.#failures.size > this.#max) this.forget(this.#failures.keys().next().value!);
  }

  /** The question was answered. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  /** The upstreams of a zone are back: what they were silent about can be asked. */
  forgetSilence(zone: string): void {
    for (const [key, { silentZone }] of [...this.#failures]) {
      if (silentZone === zone) this.#failures.delete(key);
    }
  }

  /** Forgets the failures of a name and those below it, or all. */
  flush(qname: Uint8Array | null): void {
    if (qname === null) this.#failures.clear();
    for (const key of [...this.#failures.keys()]) {
      if (qname !== null && isKeyIn(key, qname)) this.#failures.delete(key);
    }
  }
}
