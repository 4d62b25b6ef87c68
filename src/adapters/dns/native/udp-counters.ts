/**
 * Places of the counts that one thread keeps of one socket. Doubles hold 2^53, which no socket
 * reaches; only that thread writes them, and an aligned double is read and written whole by the
 * processors that this runs on.
 */
export const COUNTER = {
  RECEIVED: 0,
  /** Met with silence: `silenceCounter` of datagram-silence.ts gives one of these four. */
  SHORT: 1,
  RESPONSE: 2,
  SOURCE_PORT: 3,
  SOURCE_ADDRESS: 4,
  /** The send queue was full. */
  UNSENT: 5,
  SENT: 6,
  SOCKET_ERRORS: 7,
  /** From here on failed answers by error number. */
  SEND_ERRORS: 8,
} as const;

/** Linux' numbers end at 133 (`<asm-generic/errno.h>`); higher ones are counted in the last place. */
const ERRNO_MAX = 134;
const COUNTERS = COUNTER.SEND_ERRORS + ERRNO_MAX + 1;

/** Zeroed counts that threads share. */
export function createCounters(): SharedArrayBuffer {
  return new SharedArrayBuffer(COUNTERS * Float64Array.BYTES_PER_ELEMENT);
}

/** Place of the count of answers that failed with `errno`. */
export function sendErrorCounter(errno: number): number {
  return COUNTER.SEND_ERRORS + Math.min(errno, ERRNO_MAX);
}

/** The sum of several threads' counts, and how often which error number occurred. */
export interface CounterSums {
  readonly counts: Float64Array;
  readonly sendErrors: ReadonlyMap<number, number>;
}

/** Sums what the threads of a listener have counted. */
export function sumCounters(buffers: readonly SharedArrayBuffer[]): CounterSums {
  const counts = new Float64Array(COUNTERS);
  for (const buffer of buffers) {
    for (const [i, count] of new Float64Array(buffer).entries()) counts[i]! += count;
  }
  const sendErrors = new Map<number, number>();
  for (let errno = 0; errno <= ERRNO_MAX; errno++) {
    const count = counts[COUNTER.SEND_ERRORS + errno]!;
    if (count > 0) sendErrors.set(errno, count);
  }
  return { counts, sendErrors };
}
