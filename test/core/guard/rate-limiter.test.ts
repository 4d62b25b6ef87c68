import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parsePrefix, type Prefix } from '../../../src/core/base/prefix.ts';
import { seededRandom } from '../../../src/core/base/random.ts';
import type { RateLimitConfig } from '../../../src/core/config/config.ts';
import type { ClientAddress } from '../../../src/core/guard/client-address.ts';
import {
  LIMIT,
  type Limit,
  RateLimiter,
  RESPONSE_KIND,
  type ResponseKind,
} from '../../../src/core/guard/rate-limiter.ts';
import { ip } from '../../support/small-zone.ts';

const { ANSWER, NEGATIVE, ERROR } = RESPONSE_KIND;
const SEED = 0x5eed_1234;
const NAME = 0x1111_2222;
/** A node that has been up for a while. */
const NOW = 4_000_000;

function client(text: string): ClientAddress {
  const { family, bytes } = ip(text);
  return { family, bytes: Uint8Array.of(0xaa, ...bytes), offset: 1 };
}

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  assert.ok(parsed !== null, `${text} is a prefix`);
  return parsed;
}

function limiter(config: Partial<RateLimitConfig> = {}, seed = SEED): RateLimiter {
  return new RateLimiter(
    { responsesPerSecond: 10, errorsPerSecond: 0, exempt: [], ...config },
    seed,
  );
}

/** What a limiter says to `count` equal replies at one moment. */
function verdicts(
  limits: RateLimiter,
  from: string,
  count: number,
  kind: ResponseKind = ANSWER,
  name = NAME,
  nowMs = NOW,
): Limit[] {
  const address = client(from);
  return Array.from({ length: count }, () => limits.verdict(address, kind, name, nowMs));
}

const sent = (limits: readonly Limit[]): number =>
  limits.filter((limit) => limit === LIMIT.SEND).length;

describe('R2: equal answers to one network', () => {
  test('one second of them goes out at once, and then every second one is cut', () => {
    assert.deepEqual(verdicts(limiter({ responsesPerSecond: 3 }), '192.0.2.1', 8), [
      ...[LIMIT.SEND, LIMIT.SEND, LIMIT.SEND],
      ...[LIMIT.DROP, LIMIT.TRUNCATE, LIMIT.DROP, LIMIT.TRUNCATE, LIMIT.DROP],
    ]);
  });

  test('they go on at the rate, and a pause does not save up more than one second', () => {
    const limits = limiter();
    assert.equal(sent(verdicts(limits, '192.0.2.1', 50)), 10);
    assert.equal(sent(verdicts(limits, '192.0.2.1', 50, ANSWER, NAME, NOW + 99)), 0);
    assert.equal(sent(verdicts(limits, '192.0.2.1', 50, ANSWER, NAME, NOW + 100)), 1);
    assert.equal(sent(verdicts(limits, '192.0.2.1', 50, ANSWER, NAME, NOW + 450)), 3);
    assert.equal(sent(verdicts(limits, '192.0.2.1', 50, ANSWER, NAME, NOW + 3_600_000)), 10);
  });

  test('addresses of one /24 or one /56 count together, others do not', () => {
    const limits = limiter();
    assert.equal(sent(verdicts(limits, '192.0.2.1', 10)), 10);
    assert.equal(sent(verdicts(limits, '192.0.2.255', 10)), 0);
    assert.equal(sent(verdicts(limits, '192.0.3.1', 10)), 10);
    assert.equal(sent(verdicts(limits, '2001:db8:0:aa00::1', 10)), 10);
    assert.equal(sent(verdicts(limits, '2001:db8:0:aaff:ffff::1', 10)), 0);
    assert.equal(sent(verdicts(limits, '2001:db8:0:ab00::1', 10)), 10);
    assert.equal(sent(verdicts(limits, '2001:db9:0:aa00::1', 10)), 10);
  });

  test('an IPv4 address that is written as IPv6 counts with its network', () => {
    const limits = limiter();
    assert.equal(sent(verdicts(limits, '192.0.2.1', 10)), 10);
    const bytes = Uint8Array.of(...new Uint8Array(10), 0xff, 0xff, 192, 0, 2, 9);
    const limit = limits.verdict({ family: 6, bytes, offset: 0 }, ANSWER, NAME, NOW);
    assert.notEqual(limit, LIMIT.SEND);
  });

  test('answers are counted by name, all that is not there together', () => {
    const limits = limiter();
    assert.equal(sent(verdicts(limits, '192.0.2.1', 10, ANSWER, 1)), 10);
    assert.equal(sent(verdicts(limits, '192.0.2.1', 10, ANSWER, 2)), 10);
    assert.equal(sent(verdicts(limits, '192.0.2.1', 5, NEGATIVE, 1)), 5);
    assert.equal(sent(verdicts(limits, '192.0.2.1', 10, NEGATIVE, 2)), 5);
    assert.equal(sent(verdicts(limits, '192.0.2.1', 5, ERROR, 1)), 5);
    assert.equal(sent(verdicts(limits, '192.0.2.1', 10, ERROR, 2)), 5);
  });

  test('one a second is the least', () => {
    const limits = limiter({ responsesPerSecond: 1 });
    assert.equal(sent(verdicts(limits, '192.0.2.1', 3)), 1);
    assert.equal(sent(verdicts(limits, '192.0.2.1', 3, ANSWER, NAME, NOW + 999)), 0);
    assert.equal(sent(verdicts(limits, '192.0.2.1', 3, ANSWER, NAME, NOW + 1000)), 1);
  });

  test('a rate of 0 limits nothing', () => {
    const limits = limiter({ responsesPerSecond: 0 });
    for (const kind of [ANSWER, NEGATIVE, ERROR]) {
      assert.equal(sent(verdicts(limits, '192.0.2.1', 1000, kind)), 1000);
    }
  });
});

describe('B6: error replies', () => {
  test('they are limited for all clients together', () => {
    const limits = limiter({ responsesPerSecond: 0, errorsPerSecond: 20 });
    let count = 0;
    for (let i = 0; i < 100; i++) count += sent(verdicts(limits, `198.51.${i}.1`, 3, ERROR));
    assert.equal(count, 20);
    assert.equal(sent(verdicts(limits, '198.51.100.1', 100, ERROR, NAME, NOW + 500)), 10);
    assert.equal(sent(verdicts(limits, '198.51.100.1', 100, ANSWER)), 100);
  });

  test('they are dropped and never cut: there may be no question to repeat', () => {
    for (const config of [{ errorsPerSecond: 2 }, { responsesPerSecond: 2 }]) {
      const limits = verdicts(limiter(config), '192.0.2.1', 20, ERROR);
      assert.equal(sent(limits), 2);
      assert.ok(!limits.includes(LIMIT.TRUNCATE));
    }
  });

  test('a network that is limited by itself leaves the others their share', () => {
    const limits = limiter({ responsesPerSecond: 5, errorsPerSecond: 8 });
    assert.equal(sent(verdicts(limits, '192.0.2.1', 1000, ERROR)), 5);
    assert.equal(sent(verdicts(limits, '192.0.3.1', 1000, ERROR)), 3);
  });
});

test('exempt clients are never limited, and take nothing from others', () => {
  const exempt = ['127.0.0.0/8', '10.0.0.0/8', 'fd00::/8'].map(prefix);
  const limits = limiter({ responsesPerSecond: 1, errorsPerSecond: 1, exempt });
  for (const from of ['127.0.0.1', '10.1.2.3', 'fd00::1']) {
    for (const kind of [ANSWER, NEGATIVE, ERROR]) {
      assert.equal(sent(verdicts(limits, from, 500, kind)), 500);
    }
  }
  assert.equal(sent(verdicts(limits, '192.0.2.1', 1, ERROR)), 1);
});

/** One reply that is asked about, `afterMs` behind the one before. */
interface Step {
  readonly network: number;
  readonly kind: ResponseKind;
  readonly name: number;
  readonly afterMs: number;
}

const STEPS: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    network: fc.nat(3),
    kind: fc.constantFrom(ANSWER, NEGATIVE, ERROR),
    name: fc.nat(2),
    afterMs: fc.oneof(
      fc.constant(0),
      fc.nat(30),
      fc.nat(3000),
      fc.double({ min: 0, max: 5, noNaN: true }),
    ),
  }),
  { maxLength: 400 },
);

test('no key gets more than rate times time and one burst, in any window', () => {
  fc.assert(
    fc.property(STEPS, fc.integer({ min: 1, max: 40 }), fc.integer(), (steps, rate, seed) => {
      const limits = limiter({ responsesPerSecond: rate }, seed);
      const sends = new Map<string, number[]>();
      let nowMs = NOW;
      for (const { network, kind, name, afterMs } of steps) {
        nowMs += afterMs;
        const limit = limits.verdict(client(`192.0.${network}.7`), kind, name, nowMs);
        if (limit !== LIMIT.SEND) continue;
        const key = `${network} ${kind} ${kind === ANSWER ? name : ''}`;
        sends.set(key, [...(sends.get(key) ?? []), nowMs]);
      }
      for (const times of sends.values()) {
        for (const [first, from] of times.entries()) {
          for (let last = first; last < times.length; last++) {
            const allowed = rate + ((times[last]! - from) * rate) / 1000;
            assert.ok(last - first + 1 <= allowed + 1e-6, `${last - first + 1} > ${allowed}`);
          }
        }
      }
    }),
  );
});

test('a key gets its whole rate as long as few others are there', () => {
  fc.assert(
    fc.property(STEPS, fc.integer({ min: 1, max: 40 }), (steps, rate) => {
      const limits = limiter({ responsesPerSecond: rate });
      const left = new Map<string, { tokens: number; at: number }>();
      let nowMs = NOW;
      for (const { network, kind, name, afterMs } of steps) {
        nowMs += Math.floor(afterMs);
        const key = `${network} ${kind} ${kind === ANSWER ? name : ''}`;
        const bucket = left.get(key) ?? { tokens: rate * 1000, at: nowMs };
        const tokens = Math.min(rate * 1000, bucket.tokens + (nowMs - bucket.at) * rate);
        const isSent = tokens >= 1000;
        left.set(key, { tokens: isSent ? tokens - 1000 : tokens, at: nowMs });
        const limit = limits.verdict(client(`192.0.${network}.7`), kind, name, nowMs);
        assert.equal(limit === LIMIT.SEND, isSent);
      }
    }),
  );
});

describe('when more keys come than there are buckets', () => {
  /** Answers under `count` names to one network, each as often as the rate allows and once more. */
  function flood(limits: RateLimiter, count: number, nowMs: number): void {
    const from = client('203.0.113.9');
    const random = seededRandom(7);
    for (let i = 0; i < count; i++) {
      const name = Math.floor(random() * 2 ** 32);
      for (let n = 0; n < 6; n++) limits.verdict(from, ANSWER, name, nowMs);
    }
  }

  test('the flood of one network under 5,000 names leaves others what is theirs', () => {
    const limits = limiter({ responsesPerSecond: 5 });
    flood(limits, 5_000, NOW);
    let short = 0;
    for (let i = 0; i < 2_000; i++) {
      const from = `172.16.${i >>> 4}.${(i & 15) << 4}`;
      if (sent(verdicts(limits, from, 5, ANSWER, i)) < 5) short++;
    }
    assert.ok(short <= 2, `${short} of 2000 got less`);
  });

  test('a key whose bucket was taken does not get a new burst', () => {
    const limits = limiter({ responsesPerSecond: 5 });
    assert.equal(sent(verdicts(limits, '192.0.2.1', 50)), 5);
    flood(limits, 200_000, NOW);
    assert.equal(sent(verdicts(limits, '192.0.2.1', 50)), 0);
    assert.ok(sent(verdicts(limits, '192.0.2.1', 50, ANSWER, NAME, NOW + 200)) <= 1);
  });

  test('one second later all is as before', () => {
    const limits = limiter({ responsesPerSecond: 5 });
    flood(limits, 200_000, NOW);
    assert.equal(sent(verdicts(limits, '192.0.2.1', 50, ANSWER, NAME, NOW + 1000)), 5);
  });

  test('which keys share buckets depends on the seed', () => {
    const shortWith = (seed: number): string => {
      const limits = limiter({ responsesPerSecond: 5 }, seed);
      flood(limits, 40_000, NOW);
      const short: number[] = [];
      for (let i = 0; i < 500; i++) {
        if (sent(verdicts(limits, `172.16.${i & 255}.1`, 5, ANSWER, i)) < 5) short.push(i);
      }
      assert.ok(short.length > 5, 'the flood is large enough for some to meet it');
      return short.join();
    };
    assert.notEqual(shortWith(1), shortWith(2));
    assert.equal(shortWith(1), shortWith(1));
  });
});
