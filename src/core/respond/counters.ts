import { assert } from '../base/assert.ts';
import { MESSAGE_BYTES_MAX } from '../dns/constants.ts';
import { RCODE_LABELS, TYPE_LABELS, rcodeIndex, typeIndex } from './labels.ts';
import { ZONE_SLOTS } from './zone-slots.ts';

/**
 * What one thread has answered, in shared memory: the thread alone adds to its block, the main
 * thread reads all blocks and adds them up when it is scraped. Nothing waits and nothing is locked.
 *
 * ```
 * ZONE_SLOTS times ZONE_VALUES doubles:
 *   requests     by (type * 2 + protocol) * 2 + family
 *   responses    by response code
 *   durations    counts by bucket, then the sum in milliseconds
 *   sizes        the same four times, sums in octets: requests over UDP, over TCP, responses …
 * COUNTS doubles by COUNT
 * ```
 * Doubles, since a 32-bit count is full after half a day of a busy node; an aligned double is read
 * and written whole by every processor that Node runs on.
 */

/** Upper bounds in milliseconds: 0.25 doubling, 16 buckets, as CoreDNS has them. */
export const DURATION_MS_BUCKETS: readonly number[] = Array.from(
  { length: 16 },
  (_, i) => 0.25 * 2 ** i,
);

/** Upper bounds in octets: RFC 1035 and RFC 9715 limits, common EDNS sizes, the end of a message. */
export const SIZE_BYTES_BUCKETS: readonly number[] = [
  64,
  128,
  256,
  512,
  1232,
  1452,
  4096,
  8192,
  16384,
  32768,
  MESSAGE_BYTES_MAX,
];

/** What is counted besides requests and their answers. */
export const COUNT = {
  /** Answers from stored replies of upstreams, by whether they hold records that were asked for. */
  CACHE_HIT: 0,
  CACHE_HIT_NEGATIVE: 1,
  /** Questions for upstreams that had no stored reply. */
  CACHE_MISS: 2,
  /** Hits whose reply had ended, and no upstream had another (RFC 8767). */
  CACHE_STALE: 3,
  CACHE_PREFETCH: 4,
  /** Answers over UDP that the rate limit let out in another form, or not at all. */
  LIMITED_TRUNCATED: 5,
  LIMITED_DROPPED: 6,
  LIMITED_BADCOOKIE: 7,
  /** Questions of clients that may not ask, at all or for names outside our zones. */
  ACCESS_REFUSED: 8,
  /** Queries with a cookie option (RFC 7873): without a server cookie, with ours, with another. */
  COOKIE_CLIENT_ONLY: 9,
  COOKIE_VALID: 10,
  COOKIE_INVALID: 11,
  /** Queries that were chosen for the query log when it was full. */
  QUERY_LOG_LEFT_OUT: 12,
} as const;

/** A value of `COUNT`. */
export type Count = (typeof COUNT)[keyof typeof COUNT];

/** Room for what is counted one day; the size of a block follows. */
const COUNTS = 16;

const DURATION_COUNTS = DURATION_MS_BUCKETS.length + 1;
const SIZE_COUNTS = SIZE_BYTES_BUCKETS.length;

const REQUESTS = 0;
const RESPONSES = REQUESTS + 4 * TYPE_LABELS.length;
const DURATIONS = RESPONSES + RCODE_LABELS.length;
const SIZES = DURATIONS + DURATION_COUNTS + 1;
/** Values of one histogram of sizes, its sum included. */
const SIZE_VALUES = SIZE_COUNTS + 1;
/** Whole cache lines, so that zones share none. */
const ZONE_VALUES = 8 * Math.ceil((SIZES + 4 * SIZE_VALUES) / 8);
const REST = ZONE_SLOTS * ZONE_VALUES;
const VALUES = REST + COUNTS;

/** Bucket by size in steps of four octets: all bounds but the last are multiples of four. */
const BUCKET_BY_QUAD: Uint8Array = Uint8Array.from(
  { length: Math.ceil(MESSAGE_BYTES_MAX / 4) + 1 },
  (_, quad) => SIZE_BYTES_BUCKETS.findIndex((bound) => quad <= Math.ceil(bound / 4)),
);

/** One histogram as it stands. */
export interface HistogramCounts {
  /** By bucket, not cumulative; the last is of what exceeds all bounds. */
  readonly counts: readonly number[];
  /** In the unit of the buckets. */
  readonly sum: number;
}

/** The block of one thread. */
export class DnsCounters {
  readonly #values: Float64Array;

  /** A block where nothing is counted yet. */
  static create(): SharedArrayBuffer {
    return new SharedArrayBuffer(8 * VALUES);
  }

  /** What all blocks say together, as a block that is nobody's. */
  static sum(blocks: readonly DnsCounters[]): DnsCounters {
    const sum = new DnsCounters(DnsCounters.create());
    const values = sum.#values;
    for (const block of blocks) {
      for (let i = 0; i < VALUES; i++) values[i]! += block.#values[i]!;
    }
    return sum;
  }

  constructor(buffer: SharedArrayBuffer) {
    assert(buffer.byteLength === 8 * VALUES, 'not a block of counters');
    this.#values = new Float64Array(buffer);
  }

  /**
   * Counts one answer. `protocol` is 0 for UDP, 1 for TCP; `family` 0 for IPv4, 1 for IPv6; sizes
   * are those of DNS messages, at most 65,535 octets.
   */
  observe(
    zoneSlot: number,
    protocol: 0 | 1,
    family: 0 | 1,
    qtype: number,
    rcode: number,
    requestBytes: number,
    responseBytes: number,
    durationMs: number,
  ): void {
    const values = this.#values;
    const zone = zoneSlot * ZONE_VALUES;
    values[zone + REQUESTS + 4 * typeIndex(qtype) + 2 * protocol + family]!++;
    values[zone + RESPONSES + rcodeIndex(rcode)]!++;
    // NaN would spoil the sum for good.
    const duration = durationMs > 0 ? durationMs : 0;
    let bucket = 0;
    for (let bound = 0.25; duration > bound && bucket < DURATION_COUNTS - 1; bound *= 2) bucket++;
    values[zone + DURATIONS + bucket]!++;
    values[zone + DURATIONS + DURATION_COUNTS]! += duration;
    const requests = zone + SIZES + SIZE_VALUES * protocol;
    values[requests + BUCKET_BY_QUAD[(requestBytes + 3) >>> 2]!]!++;
    values[requests + SIZE_COUNTS]! += requestBytes;
    const responses = requests + 2 * SIZE_VALUES;
    values[responses + BUCKET_BY_QUAD[(responseBytes + 3) >>> 2]!]!++;
    values[responses + SIZE_COUNTS]! += responseBytes;
  }

  /** Counts one more of a kind. */
  count(kind: Count): void {
    this.#values[REST + kind]!++;
  }

  counted(kind: Count): number {
    return this.#values[REST + kind]!;
  }

  /** By index of the type label. */
  requests(zoneSlot: number, type: number, protocol: 0 | 1, family: 0 | 1): number {
    return this.#values[zoneSlot * ZONE_VALUES + REQUESTS + 4 * type + 2 * protocol + family]!;
  }

  /** By index of the response code's label. */
  responses(zoneSlot: number, rcode: number): number {
    return this.#values[zoneSlot * ZONE_VALUES + RESPONSES + rcode]!;
  }

  /** In milliseconds. */
  durations(zoneSlot: number): HistogramCounts {
    return this.#histogram(zoneSlot * ZONE_VALUES + DURATIONS, DURATION_COUNTS);
  }

  requestSizes(zoneSlot: number, protocol: 0 | 1): HistogramCounts {
    return this.#histogram(zoneSlot * ZONE_VALUES + SIZES + SIZE_VALUES * protocol, SIZE_COUNTS);
  }

  responseSizes(zoneSlot: number, protocol: 0 | 1): HistogramCounts {
    const at = zoneSlot * ZONE_VALUES + SIZES + SIZE_VALUES * (2 + protocol);
    return this.#histogram(at, SIZE_COUNTS);
  }

  #histogram(at: number, counts: number): HistogramCounts {
    return {
      counts: Array.from(this.#values.subarray(at, at + counts)),
      sum: this.#values[at + counts]!,
    };
  }
}
