/** Words that the main thread and one UDP thread share. */
const MAIL = 0;
const STOP = 1;
const UNANSWERED = 2;
const WORDS = 3;

/**
 * How long a thread may wait for packets or in a pause: publications and a stop that no packet
 * brings to its notice are noticed after this time.
 */
export const WAKE_MS = 500;
/**
 * Queries that one thread may have handed to the main thread and that are not answered yet. Each
 * holds about a kilobyte there. More than the clients that may wait for upstreams in all: of those,
 * the resolver lets old ones give way to new ones, which this thread can only turn away.
 */
export const UNANSWERED_MAX = 5_000;

/**
 * How the main thread is heard by a UDP thread, which looks into shared memory between two batches
 * because it never returns to its event loop. Each side makes one of these of the same memory.
 */
export class ThreadControl {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;
  #seen = -1;

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(WORDS * 4)) {
    this.memory = memory;
    this.#words = new Int32Array(memory);
  }

  /** Main: a message was posted before this call. */
  announceMail(): void {
    Atomics.add(this.#words, MAIL, 1);
    Atomics.notify(this.#words, MAIL);
  }

  /** Main: the thread ends after the batch that it is in. */
  stop(): void {
    Atomics.store(this.#words, STOP, 1);
    this.announceMail();
  }

  /** Main: so many handed-over queries wait no longer. */
  settle(count: number): void {
    Atomics.sub(this.#words, UNANSWERED, count);
  }

  /** Main, while no thread runs: the number of handed-over queries that wait. */
  recount(unanswered: number): void {
    Atomics.store(this.#words, UNANSWERED, unanswered);
  }

  /** Both: handed-over queries that wait. */
  get unanswered(): number {
    return Atomics.load(this.#words, UNANSWERED);
  }

  /** Thread: whether it is to end. */
  get isStopped(): boolean {
    return Atomics.load(this.#words, STOP) !== 0;
  }

  /** Thread: whether there may be messages; true once for each announcement, and at the start. */
  takeMail(): boolean {
    const mail = Atomics.load(this.#words, MAIL);
    if (mail === this.#seen) return false;
    this.#seen = mail;
    return true;
  }

  /** Thread: whether one more query may be handed over, besides `collected` that wait for it. */
  hasRoom(collected: number): boolean {
    return this.unanswered + collected < UNANSWERED_MAX;
  }

  /** Thread: so many queries are about to be handed over. */
  handOver(count: number): void {
    Atomics.add(this.#words, UNANSWERED, count);
  }

  /** Thread: sleeps until there is mail, at most `ms`. */
  pause(ms: number): void {
    Atomics.wait(this.#words, MAIL, this.#seen, ms);
  }
}
