import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { AnswerTable } from '../../../src/core/dns/answer-table.ts';
import {
  FLAG,
  MESSAGE_BYTES_MAX,
  OPT_BYTES,
  RCODE,
  TYPE,
} from '../../../src/core/dns/constants.ts';
import {
  buildMessage,
  type ReadMessage,
  readMessage,
  recordText,
  type TestMessage,
  wireName,
} from '../../support/dns-message.ts';
import {
  answerBytes,
  type AskingTerms,
  compileZone,
  ip,
  manyAddresses,
  TERMS,
  zoneApex,
} from '../../support/small-zone.ts';

/** 16 octets on the wire: records of 16 octets fill 512 exactly, 12 + 20 + 30 x 16. */
const QNAME = 'eightlet.mesos.';

const addresses = (count: number, name = QNAME): AnswerTable =>
  compileZone((store) => {
    for (const address of manyAddresses(count)) store.address(name, address);
  });

interface Sized extends ReadMessage {
  readonly octets: number;
}

function ask(table: AnswerTable, query: Partial<TestMessage>, asking: AskingTerms = {}): Sized {
  const bytes = answerBytes(table, buildMessage({ qname: QNAME, ...query }), asking);
  assert.ok(typeof bytes !== 'string');
  return { ...readMessage(bytes), octets: bytes.length };
}

describe('how much a client gets', () => {
  const head = 12 + wireName(QNAME).length + 4;
  const fitting = (limit: number): number => Math.floor((limit - head) / 16);

  const CASES: readonly (readonly [
    what: string,
    Partial<TestMessage>,
    AskingTerms,
    limit: number,
  ])[] = [
    ['without EDNS over UDP', {}, {}, 512],
    ['with EDNS', { opt: { size: 1232 } }, {}, 1232],
    ['with a smaller EDNS size', { opt: { size: 700 } }, {}, 700],
    ['with an EDNS size below 512', { opt: { size: 100 } }, {}, 512],
    ['with a larger EDNS size than ours', { opt: { size: 4096 } }, {}, 1232],
    ['with an EDNS size of 65,535', { opt: { size: 65_535 } }, { udpPayloadSize: 1400 }, 1400],
  ];

  const table = addresses(200);

  for (const [what, query, asking, limit] of CASES) {
    test(`C4, D08: a client ${what} gets records up to ${limit} octets, and TC`, () => {
      const reply = ask(table, query, asking);
      const opt = reply.opt === null ? 0 : OPT_BYTES;
      assert.ok(reply.octets <= limit);
      assert.equal(reply.answer.length, fitting(limit - opt));
      assert.equal(reply.octets, head + 16 * reply.answer.length + opt);
      assert.ok(reply.tc);
    });
  }

  test('D08: an answer of exactly 512 octets is whole, without TC', () => {
    const reply = ask(addresses(30), {});
    assert.deepEqual([reply.octets, reply.answer.length, reply.tc], [512, 30, false]);
  });

  test('D08: one record more is cut to exactly 512 octets, with TC', () => {
    const reply = ask(addresses(31), {});
    assert.deepEqual([reply.octets, reply.answer.length, reply.tc], [512, 30, true]);
  });

  test('over TCP the size of EDNS does not matter', () => {
    const reply = ask(table, { opt: { size: 512 } }, { overTcp: true });
    assert.deepEqual([reply.answer.length, reply.tc], [200, false]);
  });

  test('D27: without the truncate bit records are cut all the same', () => {
    const reply = ask(table, {}, { truncateBit: false });
    assert.deepEqual([reply.octets, reply.tc], [512, false]);
  });

  test('cut or not, the records of a rotated answer are all different', () => {
    const reply = ask(table, {}, { random: () => 0.95 });
    const texts = reply.answer.map(recordText);
    assert.equal(new Set(texts).size, 30);
    assert.ok(texts[0]?.endsWith(' 10.1.0.190') && texts[10]?.endsWith(' 10.1.0.0'));
  });
});

describe('5,000 addresses', () => {
  const table = addresses(5000);

  test('over TCP come as far as 65,535 octets allow, with TC', () => {
    const reply = ask(table, {}, { overTcp: true });
    assert.equal(reply.answer.length, Math.floor((MESSAGE_BYTES_MAX - 32) / 16));
    assert.ok(reply.tc && reply.octets <= MESSAGE_BYTES_MAX);
    assert.equal(new Set(reply.answer.map(({ data }) => data)).size, reply.answer.length);
  });

  test('4,093 of them and OPT come whole over TCP', () => {
    const reply = ask(addresses(4093), { opt: { size: 1232 } }, { overTcp: true });
    assert.deepEqual([reply.answer.length, reply.tc], [4093, false]);
    assert.equal(reply.opt?.size, 1232);
  });

  test('over UDP come as few as a client can take', () => {
    assert.equal(ask(table, {}).answer.length, 30);
  });
});

describe('the additional section', () => {
  const SRV = '_s._tcp.mesos.';

  const address = (target: number, i: number): string =>
    `10.${2 + (target >>> 8)}.${target & 255}.${i}`;

  /** `targets` services, the addresses of target `t` given by `count(t)`. */
  const services = (targets: number, count: (target: number) => number): AnswerTable =>
    compileZone((store) => {
      for (let t = 0; t < targets; t++) {
        const name = `t${String(t).padStart(3, '0')}.mesos.`;
        store.service(SRV, name, 80);
        for (let i = 0; i < count(t); i++) store.address(name, ip(address(t, i)));
      }
    });

  const query = { qname: SRV, qtype: TYPE.SRV };
  const fixed = { random: () => 0 };

  test('D08: is left out without TC where only the answers fit', () => {
    // A service takes 18 octets and its target of 12.
    const reply = ask(
      services(15, () => 2),
      query,
      fixed,
    );
    assert.deepEqual([reply.answer.length, reply.tc], [15, false]);
    assert.ok(reply.octets <= 512 && reply.octets > 512 - 32);
    assert.equal(reply.additional.length % 2, 0);
    assert.ok(reply.additional.length < 30);
  });

  test('has whole RRsets only (RFC 2181 §9)', () => {
    const table = services(2, (target) => (target === 0 ? 20 : 10));
    const reply = ask(table, query, fixed);
    const owners = reply.additional.map(({ name }) => name);
    assert.deepEqual(new Set(owners), new Set(['t000.mesos.']));
    assert.equal(owners.length, 20);
    assert.equal(reply.tc, false);
    const none = ask(
      services(2, () => 30),
      query,
      fixed,
    );
    assert.deepEqual([none.answer.length, none.additional.length, none.tc], [2, 0, false]);
  });

  test('is not begun when the answers were cut', () => {
    const reply = ask(
      services(100, () => 1),
      query,
      fixed,
    );
    assert.deepEqual([reply.tc, reply.additional.length], [true, 0]);
    assert.equal(reply.answer.length, Math.floor((512 - 12 - 15 - 4) / 30));
  });

  test('leaves room for OPT', () => {
    for (const size of [512, 600, 700, 1232]) {
      const reply = ask(
        services(12, () => 3),
        { ...query, opt: { size } },
        fixed,
      );
      assert.ok(reply.octets <= size);
      assert.equal(reply.opt?.size, 1232);
    }
  });

  test('is found again by owners in full where a pointer does not reach (16 KiB)', () => {
    const table = services(640, (target) => 1 + (target % 2));
    const reply = ask(table, query, { ...fixed, overTcp: true });
    assert.deepEqual([reply.answer.length, reply.tc], [640, false]);
    // 640 answers of 30 octets end behind 16 KiB, and all the addresses are there.
    assert.ok(31 + 640 * 30 > 0x3fff);
    assert.deepEqual(
      reply.additional.map(recordText),
      Array.from({ length: 640 }, (_, t) => t).flatMap((t) =>
        Array.from(
          { length: 1 + (t % 2) },
          (_, i) => `t${String(t).padStart(3, '0')}.mesos. 60 A ${address(t, i)}`,
        ),
      ),
    );
  });

  test('stops at 65,535 octets over TCP', () => {
    const reply = ask(
      services(1000, () => 3),
      query,
      { ...fixed, overTcp: true },
    );
    assert.deepEqual([reply.answer.length, reply.tc], [1000, false]);
    assert.ok(reply.octets <= MESSAGE_BYTES_MAX && reply.octets > MESSAGE_BYTES_MAX - 100);
    assert.equal(reply.additional.length % 3, 0);
  });
});

describe('names so long that hardly anything fits', () => {
  const long = `${`${'a'.repeat(63)}.`.repeat(3)}${'a'.repeat(55)}.mesos.`;

  test('a service with the longest target does not fit into 512 octets: TC and no answer', () => {
    const target = `b${long.slice(1)}`;
    const table = compileZone((store) => {
      store.service(long, target, 80);
      store.address(target, ip('10.0.0.1'));
    });
    const query = { qname: long, qtype: TYPE.SRV };
    const cut = ask(table, query);
    assert.deepEqual([cut.answer.length, cut.additional.length, cut.tc], [0, 0, true]);
    const whole = ask(table, { ...query, opt: { size: 1232 } });
    assert.deepEqual([whole.answer.length, whole.additional.length, whole.tc], [1, 1, false]);
  });

  test('an SOA that does not fit is left out of a negative answer, with TC', () => {
    const mname = `n${long.slice(1)}`;
    const zone = { ...zoneApex('mesos.'), mname, rname: mname };
    const table = compileZone(() => undefined, { ...TERMS, zones: [zone] });
    const reply = ask(table, { qname: 'no.mesos.' });
    assert.deepEqual([reply.rcode, reply.authority.length, reply.tc], [RCODE.NXDOMAIN, 0, true]);
    assert.equal(reply.flags & FLAG.AA, FLAG.AA);
    const whole = ask(table, { qname: 'no.mesos.', opt: { size: 1232 } });
    assert.deepEqual([whole.authority.length, whole.tc], [1, false]);
  });
});
