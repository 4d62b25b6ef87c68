import type { RateLimitConfig } from '../config/config.ts';
import { type Answerer, COOKIE, DROP } from '../dns/answer.ts';
import { RCODE } from '../dns/constants.ts';
import { COUNT as COUNT_OFFSET } from '../dns/message-layout.ts';
import { readU16 } from '../dns/wire.ts';
import type { ClientAddress } from '../guard/client-address.ts';
import { LIMIT, RateLimiter, RESPONSE_KIND } from '../guard/rate-limiter.ts';
import { COUNT, type DnsCounters } from './counters.ts';

/** Holds back replies over UDP that go to one network too often, and counts them. One per thread. */
export class ReplyLimiter {
  readonly #limiter: RateLimiter;
  readonly #counters: DnsCounters;

  /** `seed` as `RateLimiter` has it. */
  constructor(config: RateLimitConfig, seed: number, counters: DnsCounters) {
    this.#limiter = new RateLimiter(config, seed);
    this.#counters = counters;
  }

  /** What is sent in place of the reply of `size` octets that was just written into `out`, or DROP. */
  limit(
    answerer: Answerer,
    size: number,
    client: ClientAddress,
    nowMs: number,
    out: Uint8Array,
  ): number {
    // Who has our cookie gets the answers that it asked for: its address is not forged (RFC 7873).
    if (answerer.cookie === COOKIE.VALID) return size;
    const kind = isBadRequest(answerer.rcode)
      ? RESPONSE_KIND.ERROR
      : readU16(out, COUNT_OFFSET.ANSWER) === 0
        ? RESPONSE_KIND.NEGATIVE
        : RESPONSE_KIND.ANSWER;
    const verdict = this.#limiter.verdict(client, kind, answerer.query.hash, nowMs);
    if (verdict === LIMIT.SEND) return size;
    if (verdict === LIMIT.DROP) {
      this.#counters.count(COUNT.LIMITED_DROPPED);
      return DROP;
    }
    if (answerer.cookie === COOKIE.NONE) {
      this.#counters.count(COUNT.LIMITED_TRUNCATED);
      return answerer.truncate();
    }
    this.#counters.count(COUNT.LIMITED_BADCOOKIE);
    return answerer.badCookie();
  }
}

/** Whether a reply is to what no resolver sends: two servers could answer each other so for ever. */
function isBadRequest(rcode: number): boolean {
  switch (rcode) {
    case RCODE.FORMERR:
    case RCODE.NOTIMP:
    case RCODE.NOTAUTH:
    case RCODE.BADVERS:
      return true;
    default:
      return false;
  }
}
