import type { QueryRecord } from '../ports.ts';

/** Records that wait to be read; whoever wants more has to read on. */
const WAITING_MAX = 1_000;

const END: IteratorReturnResult<undefined> = { done: true, value: undefined };

/**
 * The queries of one name as they are answered, for one reader. Ends when it is told to, or when the
 * reader stops; `onEnd` is called once then.
 */
export class QueryWatch implements AsyncIterableIterator<QueryRecord, undefined> {
  readonly #name: string;
  readonly #onEnd: () => void;
  readonly #waiting: QueryRecord[] = [];
  #wanted: ((result: IteratorResult<QueryRecord, undefined>) => void) | null = null;
  #ended = false;

  /** `name` in the presentation form that records have. */
  constructor(name: string, onEnd: () => void) {
    this.#name = name;
    this.#onEnd = onEnd;
  }

  /** Takes a record in; those of other names, and those that find no room, are left out. */
  offer(record: QueryRecord): void {
    if (this.#ended || record.name !== this.#name) return;
    if (this.#wanted !== null) {
      const give = this.#wanted;
      this.#wanted = null;
      give({ done: false, value: record });
    } else if (this.#waiting.length < WAITING_MAX) {
      this.#waiting.push(record);
    }
  }

  /** No more records come; those that wait can still be read. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#wanted?.(END);
    this.#wanted = null;
    this.#onEnd();
  }

  /** The next record; one call at a time. */
  next(): Promise<IteratorResult<QueryRecord, undefined>> {
    const value = this.#waiting.shift();
    if (value !== undefined) return Promise.resolve({ done: false, value });
    if (this.#ended) return Promise.resolve(END);
    return new Promise((resolve) => (this.#wanted = resolve));
  }

  /** The reader stops; whoever waits for a record is told that there is none. */
  return(): Promise<IteratorResult<QueryRecord, undefined>> {
    this.#waiting.length = 0;
    this.end();
    return Promise.resolve(END);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
