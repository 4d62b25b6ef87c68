import { assert } from '../base/assert.ts';
import type { RateLimitConfig } from '../config/config.ts';
import { AccessList, ipv4Offset } from './access-list.ts';
import type { ClientAddress } from './client-address.ts';

/** What a reply says, as far as its rate is concerned. */
export const RESPONSE_KIND = {
  /** Records; limited for each name by itself. */
  ANSWER: 0,
  /** No records: limited for all names together, since a flood can make up new ones without end. */
  NEGATIVE: 1,
  /** The request was malformed or unknown. */
  ERROR: 2,
} as const;

export type ResponseKind = (typeof RESPONSE_KIND)[keyof typeof RESPONSE_KIND];

/** What becomes of a reply. */
export const LIMIT = {
  SEND: 0,
  /** An empty reply with TC goes instead: a real client asks again over TCP. */
  TRUNCATE: 1,
  DROP: 2,
} as const;

export type Limit = (typeof LIMIT)[keyof typeof LIMIT];

/** How much may go out at once after a pause: what one second allows, as in BIND. */
const BURST_SECONDS = 1;

/** One in so many limited answers is truncated instead of dropped: `slip` of BIND. */
const SLIP = 2;

/**
 * Buckets of one limiter, a power of two: 13 octets each, 832 KiB per thread. Memory must not grow
 * with the number of networks, which an attacker can forge.
 */
const BUCKETS = 1 << 16;
/** Buckets of a set: those that one key can be in. */
const WAYS = 4;

/** What one reply takes from a bucket that `rate` units go into every millisecond. */
const REPLY = 1000;

/**
 * One client is a network as one site has it (RFC 6177), IPv4 /24 or IPv6 /56 as in BIND: all but
 * the last octet of the first word or of the second.
 */
const NETWORK_MASK = ~0xff;

/** Tells an IPv6 network from an IPv4 one, in the octet that the mask clears. */
const IPV6_KEY = 0x80;

/** Words that are hashed, and rounds behind them as in HalfSipHash-1-3. */
const KEY_WORDS = 3;
const FINAL_ROUNDS = 3;

/**
 * Limits how many replies over UDP go to one client network, so that forged requests cannot make us
 * flood somebody (response rate limiting, as in BIND). A bucket holds the time at which it is full
 * again: `rate` replies a second fill it, and it takes one second's worth.
 *
 * The buckets are a table of sets. A new key takes over the fullest bucket of its set with what is
 * left in it, so no key ever gets more than its rate, whatever others do; and it gets less only where
 * four others use up their buckets in the same set.
 */
export class RateLimiter {
  readonly #rate: number;
  readonly #exempt: AccessList;
  /** Per bucket: hash of its key, when it is full again in units, limited replies so far. */
  readonly #tags = new Int32Array(BUCKETS);
  readonly #fullAt = new Float64Array(BUCKETS);
  readonly #limited = new Uint8Array(BUCKETS);
  /** All error replies to all clients. */
  readonly #errorRate: number;
  #errorsFullAt = 0;
  readonly #seed: number;
  /** The key that was hashed last: network, its rest with family and kind, name. */
  readonly #key = new Int32Array(KEY_WORDS);
  #hash = 0;
  #tag = 0;

  /** `seed`: 32 bits that nobody outside knows, or keys that share a set could be found. */
  constructor(config: RateLimitConfig, seed: number) {
    const { responsesPerSecond, errorsPerSecond } = config;
    assert(responsesPerSecond >= 0 && errorsPerSecond >= 0, 'rates are checked with the file');
    this.#rate = responsesPerSecond;
    this.#errorRate = errorsPerSecond;
    this.#exempt = new AccessList(config.exempt);
    this.#seed = seed | 0;
  }

  /**
   * Decides on one reply and counts it. `nameHash` tells names of answers apart; `nowMs` is
   * monotonic. Errors are never truncated: there may be no question to repeat.
   */
  verdict(client: ClientAddress, kind: ResponseKind, nameHash: number, nowMs: number): Limit {
    if (this.#rate === 0 && (this.#errorRate === 0 || kind !== RESPONSE_KIND.ERROR)) {
      return LIMIT.SEND;
    }
    if (this.#exempt.allows(client)) return LIMIT.SEND;
    const limit =
      this.#rate === 0 ? LIMIT.SEND : this.#takeFromNetwork(client, kind, nameHash, nowMs);
    // First its own network: whoever is limited there takes nothing from the others.
    if (kind !== RESPONSE_KIND.ERROR) return limit;
    return limit === LIMIT.SEND && this.#takeFromErrors(nowMs) ? LIMIT.SEND : LIMIT.DROP;
  }

  #takeFromErrors(nowMs: number): boolean {
    if (this.#errorRate === 0) return true;
    const now = nowMs * this.#errorRate;
    if (this.#errorsFullAt - now > roomBefore(this.#errorRate)) return false;
    this.#errorsFullAt = Math.max(this.#errorsFullAt, now) + REPLY;
    return true;
  }

  #takeFromNetwork(
    client: ClientAddress,
    kind: ResponseKind,
    nameHash: number,
    nowMs: number,
  ): Limit {
    this.#hashKey(client, kind, nameHash);
    const bucket = this.#bucket();
    const now = nowMs * this.#rate;
    const fullAt = this.#fullAt[bucket]!;
    if (fullAt - now <= roomBefore(this.#rate)) {
      this.#fullAt[bucket] = Math.max(fullAt, now) + REPLY;
      return LIMIT.SEND;
    }
    const limited = (this.#limited[bucket]! + 1) % SLIP;
    this.#limited[bucket] = limited;
    return limited === 0 ? LIMIT.TRUNCATE : LIMIT.DROP;
  }

  /** The bucket of the key hashed last. */
  #bucket(): number {
    const first = (this.#hash & (BUCKETS / WAYS - 1)) * WAYS;
    let fullest = first;
    for (let bucket = first; bucket < first + WAYS; bucket++) {
      if (this.#tags[bucket] === this.#tag) return bucket;
      if (this.#fullAt[bucket]! < this.#fullAt[fullest]!) fullest = bucket;
    }
    this.#tags[fullest] = this.#tag;
    return fullest;
  }

  #hashKey(client: ClientAddress, kind: ResponseKind, nameHash: number): void {
    const key = this.#key;
    const { bytes, offset } = client;
    const ipv4 = ipv4Offset(client);
    if (ipv4 >= 0) {
      key[0] = readWord(bytes, ipv4) & NETWORK_MASK;
      key[1] = kind;
    } else {
      key[0] = readWord(bytes, offset);
      key[1] = (readWord(bytes, offset + 4) & NETWORK_MASK) | IPV6_KEY | kind;
    }
    key[2] = kind === RESPONSE_KIND.ANSWER ? nameHash : 0;
    this.#mix();
  }

  /** HalfSipHash-1-3 of the key, which is short enough to go without its length. */
  #mix(): void {
    let v0 = this.#seed;
    let v1 = Math.imul(this.#seed, 0x9e37_79b1) ^ 0x2545_f491;
    let v2 = 0x6c79_6765 ^ v0;
    let v3 = 0x7465_6462 ^ v1;
    for (let i = 0; i < KEY_WORDS + FINAL_ROUNDS; i++) {
      const word = i < KEY_WORDS ? this.#key[i]! : 0;
      v3 ^= word;
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      v0 ^= word;
      if (i === KEY_WORDS - 1) v2 ^= 0xff;
    }
    this.#hash = v1 ^ v3;
    this.#tag = v0 ^ v2;
  }
}

/** Units that a bucket may lack before one more reply empties it. */
function roomBefore(rate: number): number {
  return Math.max(0, BURST_SECONDS * rate - 1) * REPLY;
}

function readWord(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}
