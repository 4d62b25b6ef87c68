import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** `gc` as V8 gives it to scripts. */
type Collect = (options?: { readonly type: 'minor' }) => void;

/** Shared memory that may wait for a whole collection when packets come without a pause. */
const REPLACED_MAX = 4;

/**
 * Frees shared memory that was replaced. V8 does not count it as a thread's own and collects only
 * because of what a thread allocates: one that allocates nothing would keep every table that it was
 * ever given.
 */
export class Collector {
  readonly #collect: Collect;
  #replaced = 0;

  constructor() {
    setFlagsFromString('--expose-gc');
    this.#collect = runInNewContext('gc') as Collect;
  }

  /** A reference to shared memory was dropped: takes well under a millisecond, or a few of them. */
  onReplaced(): void {
    // Finds what was young until now, which is nearly always all.
    if (++this.#replaced < REPLACED_MAX) this.#collect({ type: 'minor' });
    else this.onIdle();
  }

  /** There is time. */
  onIdle(): void {
    if (this.#replaced === 0) return;
    this.#replaced = 0;
    this.#collect();
  }
}
