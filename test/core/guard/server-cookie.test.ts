import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { COOKIE_BYTES, ServerCookies } from '../../../src/core/guard/server-cookie.ts';
import { clientAt } from '../../support/small-zone.ts';

const SECRET = 'e5e973e5a6b2a43f48e7dc849e37bfcf';
const CLIENT_COOKIE = '2464c4abcf10c957';
const CLIENT = '198.51.100.100';
const MADE_AT = 1_559_731_985;

const cookiesOf = (secret = SECRET): ServerCookies => new ServerCookies(Buffer.from(secret, 'hex'));

/** Client and server cookie, written behind octets that are not ours. */
function write(secret: string, clientCookie: string, client: string, nowSeconds: number): string {
  const message = Buffer.from(`ffffff${clientCookie}`, 'hex');
  const out = Buffer.alloc(5 + COOKIE_BYTES + 1, 0xdd);
  cookiesOf(secret).write(out, 5, message, 3, clientAt(client), nowSeconds);
  assert.equal(out.readUInt8(4), 0xdd);
  assert.equal(out.readUInt8(5 + COOKIE_BYTES), 0xdd);
  return out.toString('hex', 5, 5 + COOKIE_BYTES);
}

function check(cookie: string, nowSeconds: number, client = CLIENT, secret = SECRET): boolean {
  const message = Buffer.from(`eeee${cookie}eeee`, 'hex');
  const length = cookie.length / 2;
  return cookiesOf(secret).check(message, 2, length, clientAt(client), nowSeconds);
}

const GOOD = `${CLIENT_COOKIE}010000005cf79f111f8130c3eee29480`;

describe('RFC 9018, appendix A', () => {
  const IPV6 = '2001:db8:220:1:59de:d0f4:8769:82b8';
  const ROLLED = '445536bcd2513298075a5d379663c962';
  const WRITTEN: readonly (readonly [string, string, string, string, number, string])[] = [
    ['A.1', SECRET, CLIENT_COOKIE, CLIENT, MADE_AT, '010000005cf79f111f8130c3eee29480'],
    ['A.2', SECRET, CLIENT_COOKIE, CLIENT, 1_559_734_385, '010000005cf7a871d4a564a1442aca77'],
    [
      'A.3',
      SECRET,
      'fc93fc62807ddb86',
      '203.0.113.203',
      1_559_734_700,
      '010000005cf7a9acf73a7810aca2381e',
    ],
    ['A.4', ROLLED, '22681ab97d52c298', IPV6, 1_559_741_961, '010000005cf7c609a6bb79d16625507a'],
  ];

  for (const [name, secret, clientCookie, client, now, expected] of WRITTEN) {
    test(`${name}: the cookie for ${client} is that of the RFC, and good`, () => {
      const cookie = write(secret, clientCookie, client, now);
      assert.equal(cookie, clientCookie + expected);
      assert.ok(check(cookie, now, client, secret));
    });
  }

  test('A.3: reserved octets are hashed as they are', () => {
    const cookie = 'fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5';
    assert.ok(check(cookie, 0x5cf7_8f71 + 60, '203.0.113.203'));
  });

  test('A.4: a cookie of an earlier secret is good for that alone', () => {
    const cookie = '22681ab97d52c298010000005cf7c57926556bd0934c72f8';
    const now = 0x5cf7_c579 + 60;
    assert.ok(check(cookie, now, IPV6, 'dd3bdf9344b678b185a6f5cb60fca715'));
    assert.ok(!check(cookie, now, IPV6, ROLLED));
  });
});

describe('a cookie (RFC 9018 §4.3)', () => {
  const AGES: readonly (readonly [seconds: number, good: boolean, due: boolean])[] = [
    [-301, false, false],
    [-300, true, false],
    [0, true, false],
    [1800, true, false],
    [1801, true, true],
    [3600, true, true],
    [3601, false, true],
    [2 ** 31, false, false],
  ];

  for (const [age, good, due] of AGES) {
    test(`of ${age} seconds is ${good ? 'good' : 'not good'}${due ? ', and due' : ''}`, () => {
      assert.equal(check(GOOD, MADE_AT + age), good);
      const message = Buffer.from(GOOD, 'hex');
      assert.equal(cookiesOf().isDue(message, 0, MADE_AT + age), due);
    });
  }

  test('stays good when the 32 bits of its time run over', () => {
    const madeAt = 2 ** 32 - 10;
    const cookie = write(SECRET, CLIENT_COOKIE, CLIENT, madeAt);
    assert.ok(check(cookie, madeAt + 60));
    assert.ok(!check(cookie, madeAt + 3601));
  });

  test('is not good for another client, nor for another client cookie', () => {
    assert.ok(!check(GOOD, MADE_AT, '198.51.100.101'));
    assert.ok(!check(`00${GOOD.slice(2)}`, MADE_AT));
  });

  test('of another version or length is not good', () => {
    const octets = Buffer.from(GOOD, 'hex');
    octets[8] = 2;
    assert.ok(!check(octets.toString('hex'), MADE_AT));
    assert.ok(!check(GOOD.slice(0, -2), MADE_AT));
    assert.ok(!check(`${GOOD}00`, MADE_AT));
    assert.ok(!check(CLIENT_COOKIE, MADE_AT));
  });

  test('with any bit changed is not good', () => {
    fc.assert(
      fc.property(fc.nat(8 * COOKIE_BYTES - 1), (bit) => {
        const octets = Buffer.from(GOOD, 'hex');
        octets[bit >>> 3]! ^= 1 << (bit & 7);
        assert.ok(!check(octets.toString('hex'), MADE_AT));
      }),
      { numRuns: 300 },
    );
  });

  test('is good for whom it was made, for an hour', () => {
    const octets = (size: number): fc.Arbitrary<string> =>
      fc
        .uint8Array({ minLength: size, maxLength: size })
        .map((bytes) => Buffer.from(bytes).toString('hex'));
    const terms = fc.record({
      secret: octets(16),
      clientCookie: octets(8),
      client: fc.oneof(fc.ipV4(), fc.ipV6()),
      madeAt: fc.nat(2 ** 31 - 1),
      age: fc.integer({ min: -300, max: 3600 }),
    });
    fc.assert(
      fc.property(terms, ({ secret, clientCookie, client, madeAt, age }) => {
        const cookie = write(secret, clientCookie, client, madeAt);
        assert.ok(check(cookie, madeAt + age, client, secret));
      }),
      { numRuns: 300 },
    );
  });
});
