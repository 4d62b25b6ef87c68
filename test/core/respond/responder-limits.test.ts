import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { knownPrefix } from '../../../src/core/config/address-type.ts';
import type { RateLimitConfig } from '../../../src/core/config/config.ts';
import { CLASS, OPTION, RCODE, TYPE } from '../../../src/core/dns/constants.ts';
import { COUNT } from '../../../src/core/respond/counters.ts';
import { buildMessage, ednsOption, type TestMessage } from '../../support/dns-message.ts';
import { compileZone, manyAddresses, SETTINGS } from '../../support/small-zone.ts';
import {
  cookieOf,
  INSIDE,
  MESOS_SLOT,
  OUTSIDE,
  Rig,
  storedAddresses,
  STRANGER,
} from './responder-rig.ts';

const CLIENT_COOKIE = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);

/** Two replies at once; then one every half second. */
const TWO: RateLimitConfig = { responsesPerSecond: 2, errorsPerSecond: 0, exempt: [] };

const withCookie = (cookie: Uint8Array, qname = 'web.mesos.', size = 1232): TestMessage => ({
  qname,
  opt: { size, options: ednsOption(OPTION.COOKIE, cookie) },
});

/** What becomes of `count` equal questions, such as `answer`, `tc`, `badcookie` or `drop`. */
function fates(rig: Rig, message: TestMessage, count: number, overTcp = false): string[] {
  return Array.from({ length: count }, () => {
    const outcome = rig.ask(message, { overTcp });
    if (typeof outcome === 'string') return outcome;
    if (outcome.edns?.rcode === RCODE.BADCOOKIE) return 'badcookie';
    if (outcome.rcode !== RCODE.NOERROR) return `rcode ${outcome.rcode}`;
    return outcome.tc && outcome.answer.length === 0 ? 'tc' : 'answer';
  });
}

describe('the rate of replies over UDP', () => {
  test('is limited: every second one too many is cut, the others are dropped', () => {
    const rig = new Rig({ rateLimit: TWO });
    assert.deepEqual(fates(rig, { qname: 'web.mesos.' }, 6), [
      ...['answer', 'answer'],
      ...['drop', 'tc', 'drop', 'tc'],
    ]);
    assert.equal(rig.counters.counted(COUNT.LIMITED_DROPPED), 2);
    assert.equal(rig.counters.counted(COUNT.LIMITED_TRUNCATED), 2);
    assert.equal(rig.sent.length, 4, 'what is dropped is no reply');
    rig.nowMs += 500;
    assert.deepEqual(fates(rig, { qname: 'web.mesos.' }, 1), ['answer']);
  });

  test('is limited for names that do not exist together, and apart from others', () => {
    const rig = new Rig({ rateLimit: TWO });
    assert.deepEqual(fates(rig, { qname: 'a.mesos.' }, 1), ['rcode 3']);
    assert.deepEqual(fates(rig, { qname: 'b.mesos.' }, 1), ['rcode 3']);
    assert.deepEqual(fates(rig, { qname: 'c.mesos.' }, 1), ['drop']);
    assert.deepEqual(fates(rig, { qname: 'web.mesos.' }, 1), ['answer']);
  });

  test('is limited for refusals, too', () => {
    const rig = new Rig({ rateLimit: TWO, forwards: false });
    assert.deepEqual(fates(rig, { qname: 'outside.example.' }, 3), ['rcode 5', 'rcode 5', 'drop']);
  });

  test('is limited for malformed requests of all clients, which are never cut', () => {
    const rateLimit = { responsesPerSecond: 0, errorsPerSecond: 2, exempt: [] };
    const rig = new Rig({ rateLimit });
    const message = new Uint8Array(12);
    const outcomes = ['10.0.0.1', '10.9.0.1', '10.8.0.1', '10.7.0.1'].map((from) =>
      rig.handle(message, { from }),
    );
    assert.deepEqual(
      outcomes.map((outcome) => (typeof outcome === 'string' ? outcome : outcome.rcode)),
      [RCODE.FORMERR, RCODE.FORMERR, 'drop', 'drop'],
    );
    assert.deepEqual(fates(rig, { qname: 'web.mesos.' }, 3), ['answer', 'answer', 'answer']);
  });

  test('B6: a flood of garbage gets as many errors a second as are allowed, whoever sends it', () => {
    const rig = new Rig({ rateLimit: { responsesPerSecond: 0, errorsPerSecond: 100, exempt: [] } });
    const garbage = [
      new Uint8Array(12),
      Uint8Array.of(1, 2, 0x28, 0, 0, 1, 0, 0, 0, 0, 0, 0),
      buildMessage({ qname: 'web.mesos.', opt: { size: 1232, version: 1 } }),
      buildMessage({ qname: 'web.mesos.', qtype: TYPE.TKEY }),
    ];
    const seconds = [0, 0, 0, 0];
    for (let i = 0; i < 40_000; i++) {
      rig.nowMs = 60_000 + i / 10;
      const message = garbage[i % garbage.length]!;
      const outcome = rig.handle(message, { from: `10.${i % 200}.${i % 7}.1` });
      if (outcome !== 'drop') seconds[Math.floor(i / 10_000)]!++;
    }
    // What was saved up before goes out at once, in the first second.
    assert.deepEqual(seconds, [199, 100, 100, 100]);
  });

  test('is not limited for clients that are exempt', () => {
    const exempt = [knownPrefix('10.0.0.0/24')];
    const rig = new Rig({ rateLimit: { ...TWO, exempt } });
    assert.deepEqual(new Set(fates(rig, { qname: 'web.mesos.' }, 9)), new Set(['answer']));
    const others = [1, 2, 3].map(() => rig.ask({ qname: 'web.mesos.' }, { from: '10.0.1.1' }));
    assert.equal(others[2], 'drop');
  });

  test('asks clients with a cookie to come back with ours instead of over TCP', () => {
    const rig = new Rig({ rateLimit: TWO });
    assert.deepEqual(fates(rig, withCookie(CLIENT_COOKIE), 4), [
      ...['answer', 'answer', 'drop'],
      'badcookie',
    ]);
    assert.equal(rig.counters.counted(COUNT.LIMITED_BADCOOKIE), 1);
    assert.equal(rig.counters.counted(COUNT.LIMITED_TRUNCATED), 0);
    assert.equal(rig.counters.counted(COUNT.COOKIE_CLIENT_ONLY), 3);
  });

  test('is not limited for clients with a valid cookie, and is for all with a forged one', () => {
    const rig = new Rig({ rateLimit: TWO });
    const cookie = cookieOf(rig.answer(withCookie(CLIENT_COOKIE)));
    assert.equal(cookie.length, 24);
    assert.deepEqual(new Set(fates(rig, withCookie(cookie), 9)), new Set(['answer']));
    assert.equal(rig.counters.counted(COUNT.COOKIE_VALID), 9);
    const forged = Uint8Array.from(cookie);
    forged[23]! ^= 1;
    assert.deepEqual(fates(rig, withCookie(forged), 3), ['answer', 'drop', 'badcookie']);
    assert.equal(rig.counters.counted(COUNT.COOKIE_INVALID), 2);
  });

  test('does not count cookies of another address, nor old ones', () => {
    const rig = new Rig({ rateLimit: TWO });
    const cookie = cookieOf(rig.answer(withCookie(CLIENT_COOKIE)));
    rig.answer(withCookie(cookie), { from: '10.0.0.2' });
    assert.equal(rig.counters.counted(COUNT.COOKIE_INVALID), 1);
    rig.wallSeconds += 7_200;
    rig.nowMs += 1_000;
    rig.answer(withCookie(cookie));
    assert.equal(rig.counters.counted(COUNT.COOKIE_INVALID), 2);
    const renewed = cookieOf(rig.answer(withCookie(cookie)));
    assert.notDeepEqual(renewed, cookie);
  });

  test('is not limited over TCP, where nothing can be forged', () => {
    const rig = new Rig({ rateLimit: TWO });
    assert.deepEqual(new Set(fates(rig, { qname: 'web.mesos.' }, 9, true)), new Set(['answer']));
    assert.deepEqual(fates(rig, { qname: 'web.mesos.' }, 3), ['answer', 'answer', 'drop']);
  });

  test('counts when a reply goes out, not when its question came', () => {
    const rig = new Rig({ rateLimit: TWO });
    const qname = 'outside.example.';
    assert.equal(rig.ask({ qname }), 'forward');
    // Meanwhile somebody else gets the answer to the same.
    rig.nowMs += 4_000;
    const reply = storedAddresses(qname, 54);
    rig.hot.put(reply);
    assert.deepEqual(fates(rig, { qname }, 1), ['answer']);
    rig.nowMs += 600;
    const resumed = rig.resume({ kind: 'reply', reply, stale: false });
    assert.deepEqual([resumed.tc, resumed.answer.length], [false, 1]);
  });

  test('is that of whole networks: IPv4 /24 and IPv6 /56', () => {
    const rig = new Rig({ rateLimit: TWO });
    const ask = (from: string): string => {
      const outcome = rig.ask({ qname: 'web.mesos.' }, { from });
      return typeof outcome === 'string' ? outcome : 'answer';
    };
    assert.deepEqual(['10.0.5.1', '10.0.5.2', '10.0.5.3', '10.0.6.1'].map(ask), [
      ...['answer', 'answer'],
      ...['drop', 'answer'],
    ]);
    assert.deepEqual(['fd00::1', 'fd00::2', 'fd00:0:0:ff::3', 'fd00:0:0:100::1'].map(ask), [
      ...['answer', 'answer'],
      ...['drop', 'answer'],
    ]);
  });
});

describe('the size of replies over UDP', () => {
  const size = (rig: Rig, message: TestMessage, from: string): number => {
    const { tc, answer } = rig.answer(message, { from });
    assert.equal(tc, answer.length < 40);
    return rig.sent.at(-1)!;
  };
  const many: TestMessage = { qname: 'many.mesos.', opt: { size: 4096 } };

  test('is 512 octets at most for clients from afar, which may not be who they say', () => {
    const rig = new Rig();
    assert.ok(size(rig, many, INSIDE) > 600);
    const small = size(rig, many, OUTSIDE);
    assert.ok(small > 480 && small <= 512, `${small}`);
    const tcp = rig.answer(many, { from: OUTSIDE, overTcp: true });
    assert.deepEqual([tcp.tc, tcp.answer.length], [false, 40]);
  });

  test('C4: is 1232 octets at most, whatever the client offers and wherever the answer comes from', () => {
    const table = compileZone((store) => {
      for (const address of manyAddresses(300)) store.address('many.mesos.', address);
    });
    const rig = new Rig();
    rig.responder.publishTable(table, Uint8Array.of(MESOS_SLOT));
    rig.hot.put(storedAddresses('stored.example.', 50, 300));
    const reply = storedAddresses('asked.example.', 50, 300);
    for (const offered of [1232, 1233, 4096, 65_535]) {
      for (const name of ['many.mesos.', 'stored.example.', 'asked.example.']) {
        const outcome = rig.ask({ qname: name, opt: { size: offered } });
        assert.ok(outcome !== 'drop');
        const { tc, answer } =
          outcome === 'forward' ? rig.resume({ kind: 'reply', reply, stale: false }) : outcome;
        assert.ok(tc && answer.length > 60, `${name} ${offered}`);
        assert.ok(rig.sent.at(-1)! <= 1232, `${rig.sent.at(-1)!}`);
      }
    }
    const cookie = cookieOf(rig.answer(withCookie(CLIENT_COOKIE)));
    rig.answer(withCookie(cookie, 'many.mesos.', 65_535));
    assert.ok(rig.sent.at(-1)! <= 1232, 'a cookie shows who asks, not which way the answer goes');
  });

  test('is what they ask for when a cookie shows that they are', () => {
    const rig = new Rig();
    const asked = withCookie(CLIENT_COOKIE, 'many.mesos.', 4096);
    assert.ok(size(rig, asked, OUTSIDE) <= 512, 'a client cookie shows nothing');
    const cookie = cookieOf(rig.answer(asked, { from: OUTSIDE }));
    const proven = withCookie(cookie, 'many.mesos.', 4096);
    assert.ok(size(rig, proven, OUTSIDE) > 600);
    const elsewhere = '203.0.113.8';
    assert.ok(size(rig, proven, elsewhere) <= 512, 'it is for one address');
  });

  test('does not depend on whether names outside our zones are looked up', () => {
    const rig = new Rig({ forwards: false });
    assert.ok(size(rig, many, INSIDE) > 600);
    assert.ok(size(rig, many, OUTSIDE) <= 512);
  });
});

test('who may not ask does not hear of the server and its version either', () => {
  const chaos = { id: 'node-1', version: 'hoplite 1' };
  const rig = new Rig({ answer: { ...SETTINGS, chaos } });
  const question = { qname: 'version.bind.', qtype: TYPE.TXT, qclass: CLASS.CH };
  assert.equal(rig.answer(question, { from: OUTSIDE }).answer.length, 1);
  for (const overTcp of [false, true]) {
    const refused = rig.answer(question, { from: STRANGER, overTcp });
    assert.equal(refused.rcode, RCODE.REFUSED);
    assert.equal(refused.answer.length, 0);
  }
  assert.equal(rig.counters.counted(COUNT.ACCESS_REFUSED), 2);
});
