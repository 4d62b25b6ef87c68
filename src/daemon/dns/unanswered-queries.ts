import type { ThreadControl } from '../../adapters/dns/native/thread-control.ts';

/** Queries that came between two calls of `expire`. */
interface Cohort {
  waiting: number;
  expired: boolean;
}

/**
 * Counts the queries that one UDP thread has handed over and that wait for an answer, and tells it
 * of those that wait no longer. Some are never answered, on purpose: they count until `expire` was
 * called twice, or the thread would hand over nothing more in the end.
 */
export class UnansweredQueries {
  readonly #control: ThreadControl;
  #current: Cohort = { waiting: 0, expired: false };
  #previous: Cohort = { waiting: 0, expired: false };

  constructor(control: ThreadControl) {
    this.#control = control;
  }

  get count(): number {
    return this.#current.waiting + this.#previous.waiting;
  }

  /** A query came; the function returned says that it waits no longer, when called first. */
  add(): () => void {
    const cohort = this.#current;
    cohort.waiting++;
    let settled = false;
    return () => {
      if (settled || cohort.expired) return;
      settled = true;
      cohort.waiting--;
      this.#control.settle(1);
    };
  }

  /** Gives up those that were there at the call before. */
  expire(): void {
    const { waiting } = this.#previous;
    this.#previous.expired = true;
    this.#previous = this.#current;
    this.#current = { waiting: 0, expired: false };
    this.#control.settle(waiting);
  }

  /** The thread is gone: what it counted but could not send does not wait. */
  recount(): void {
    this.#control.recount(this.count);
  }
}
