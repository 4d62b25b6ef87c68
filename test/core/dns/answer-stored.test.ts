import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { NO_ZONE } from '../../../src/core/dns/answer-table.ts';
import { type Answerer, PENDING } from '../../../src/core/dns/answer.ts';
import { EDE, FLAG, OPTION, RCODE, TYPE } from '../../../src/core/dns/constants.ts';
import { locateRecords } from '../../../src/core/dns/message-layout.ts';
import { STORED, STORED_WORDS } from '../../../src/core/dns/stored-reply.ts';
import {
  addressRecords,
  buildMessage,
  readEdnsOptions,
  type ReadMessage,
  readMessage,
  type TestMessage,
  type TestRecord,
  wireName,
} from '../../support/dns-message.ts';
import { answererOf, asking, compileZone, ip } from '../../support/small-zone.ts';

const QNAME = 'www.example.';
const STORED_AT = 1000;

interface Entry extends Partial<TestMessage> {
  /** AD, TC and rcode. */
  readonly stored?: number;
  readonly ede?: number;
}

/** A stored reply somewhere in a larger buffer, and the octet where it begins. */
function store({ stored = 0, ede = 0, ...message }: Entry): { words: Uint32Array; at: number } {
  const bytes = buildMessage({ qname: QNAME, ...message }, true);
  const layout = locateRecords(bytes);
  assert.ok(layout !== null);
  const { questionEnd, records } = layout;
  const body = bytes.slice(questionEnd);
  const align = (size: number): number => (size + 3) & ~3;
  const name = wireName(QNAME);
  const head = 4 * STORED_WORDS;
  const ttls = head + align(name.length);
  const start = ttls + align(2 * records.length);
  const size = start + align(body.length);
  const at = 4 * 7;
  const memory = new Uint8Array(new SharedArrayBuffer(at + size + 4)).fill(0xee);
  memory.set(name, at + head);
  memory.set(body, at + start);
  const offsets = Uint16Array.from(records, ({ fields }) => fields + 4 - questionEnd);
  memory.set(new Uint8Array(offsets.buffer), at + ttls);
  const words = new Uint32Array(memory.buffer);
  const { answer = [], authority = [], additional = [] } = message;
  const fields: Partial<Record<keyof typeof STORED, number>> = {
    BYTES: size,
    KEY: name.length | (TYPE.A << 16),
    STORED_AT,
    FLAGS: stored,
    ANSWER_AUTHORITY: (answer.length << 16) | authority.length,
    ADDITIONAL: additional.length,
    BODY_BYTES: body.length,
    EDE: ede,
  };
  for (const [field, value] of Object.entries(fields)) {
    words[at / 4 + STORED[field as keyof typeof STORED]] = value;
  }
  return { words, at };
}

interface Given {
  readonly query?: Partial<TestMessage>;
  readonly overTcp?: boolean;
  readonly nowSeconds?: number;
  readonly staleTtl?: number;
}

interface Replied extends ReadMessage {
  readonly octets: number;
  readonly answerer: Answerer;
}

function give(entry: Entry, given: Given = {}): Replied {
  const { query = {}, overTcp = false, nowSeconds = STORED_AT, staleTtl = 0 } = given;
  const packet = buildMessage({ qname: QNAME, ...query });
  const { words, at } = store(entry);
  const answerer = answererOf();
  const out = new Uint8Array(overTcp ? 65_535 : 1232);
  assert.equal(answerer.begin(packet, packet.length, asking({ overTcp }), out), PENDING);
  const bytes = new Uint8Array(words.buffer);
  const length = answerer.answerStored(words, bytes, at, nowSeconds, staleTtl);
  assert.ok(length <= answerer.replyBytesMax);
  const message = readMessage(out.slice(0, length));
  assert.equal(message.trailing, 0);
  return { ...message, octets: length, answerer };
}

const EDNS = { opt: { size: 1232 } };
const addresses = (count: number, name = QNAME): TestRecord[] => addressRecords(name, count);
const soa: TestRecord = {
  name: 'example.',
  type: TYPE.SOA,
  ttl: 600,
  rdata: Buffer.concat([wireName('ns.'), wireName('root.'), Buffer.alloc(20, 1)]),
};

describe('a stored reply', () => {
  test('A1: is given with its records, not as ours', () => {
    const entry = { answer: addresses(2), authority: [soa], additional: addresses(1, 'ns.') };
    const reply = give(entry);
    assert.equal(reply.flags, FLAG.QR | FLAG.RD | FLAG.RA);
    assert.deepEqual([reply.id, reply.qname], [0x1234, QNAME]);
    const whole = readMessage(buildMessage({ qname: QNAME, ...entry }));
    assert.deepEqual(reply.answer, whole.answer);
    assert.deepEqual(reply.authority, whole.authority);
    assert.deepEqual(reply.additional, whole.additional);
    assert.deepEqual([reply.answerer.rcode, reply.answerer.zone], [RCODE.NOERROR, NO_ZONE]);
  });

  test('A6: has the question as it was asked, and so the owners', () => {
    const reply = give({ answer: addresses(1) }, { query: { qname: 'WWW.exAMPle.' } });
    assert.deepEqual([reply.qname, reply.answer[0]?.name], ['WWW.exAMPle.', 'WWW.exAMPle.']);
  });

  test('has its rcode', () => {
    const reply = give({ stored: RCODE.NXDOMAIN, authority: [soa] });
    assert.deepEqual([reply.rcode, reply.answerer.rcode], [RCODE.NXDOMAIN, RCODE.NXDOMAIN]);
  });

  test('has TC if the upstream had no more', () => {
    const reply = give({ stored: FLAG.TC, answer: addresses(1) });
    assert.deepEqual([reply.answer.length, reply.tc], [1, true]);
  });

  test('D7: has AD for those who set AD or DO, and CD as they do', () => {
    const entry = { stored: FLAG.AD, answer: addresses(1) };
    const flagsOf = (query: Partial<TestMessage>, stored: Entry = entry): number =>
      give(stored, { query }).flags & (FLAG.AD | FLAG.CD);
    assert.equal(flagsOf({}), 0);
    assert.equal(flagsOf({ flags: FLAG.AD }), FLAG.AD);
    assert.equal(flagsOf({ opt: { size: 1232, flags: 0x8000 } }), FLAG.AD);
    assert.equal(flagsOf({ flags: FLAG.AD }, { answer: addresses(1) }), 0);
    assert.equal(flagsOf({ flags: FLAG.CD }), FLAG.CD);
  });

  test('does not depend on what was written before', () => {
    const { words, at } = store({ answer: addresses(2) });
    const zone = compileZone((records) => records.address('web.mesos.', ip('10.0.0.1')));
    const answerer = answererOf();
    const out = new Uint8Array(1232);
    const ours = buildMessage({ qname: 'web.mesos.' });
    assert.equal(answerer.begin(ours, ours.length, asking(), out), PENDING);
    assert.ok(answerer.answerFrom(zone) > 0 && answerer.zone === 0);
    const packet = buildMessage({ qname: QNAME });
    answerer.begin(packet, packet.length, asking(), out);
    const length = answerer.answerStored(words, new Uint8Array(words.buffer), at, STORED_AT, 0);
    const reply = readMessage(out.slice(0, length));
    assert.deepEqual([reply.answer.length, answerer.zone], [2, NO_ZONE]);
  });
});

describe('D6: TTLs of a stored reply', () => {
  const entry = { answer: addresses(1), authority: [soa], additional: addresses(1, 'x.') };
  const ttls = (given: Given): number[] => {
    const { answer, authority, additional } = give(entry, given);
    return [...answer, ...authority, ...additional].map(({ ttl }) => ttl);
  };

  for (const [age, expected] of [
    [-1, [300, 600, 300]],
    [0, [300, 600, 300]],
    [1, [299, 599, 299]],
    [300, [0, 300, 0]],
    [10_000, [0, 0, 0]],
  ] as const) {
    test(`after ${age} seconds are ${expected.join(', ')}`, () => {
      assert.deepEqual(ttls({ nowSeconds: STORED_AT + age }), expected);
    });
  }

  test('D5: of one that has ended are not above the limit, and not counted down', () => {
    assert.deepEqual(ttls({ nowSeconds: STORED_AT + 10_000, staleTtl: 30 }), [30, 30, 30]);
    assert.deepEqual(ttls({ nowSeconds: STORED_AT + 10_000, staleTtl: 400 }), [300, 400, 300]);
  });

  test('stay exact above 2^31', () => {
    const [record] = addresses(1);
    assert.ok(record !== undefined);
    const given = { nowSeconds: STORED_AT + 1 };
    const reply = give({ answer: [{ ...record, ttl: 0xffff_ffff }] }, given);
    assert.equal(reply.answer[0]?.ttl, 0xffff_fffe);
  });
});

describe('C10: the extended error of a stored reply', () => {
  const edeOf = (entry: Entry, given: Given = {}): string | undefined => {
    const reply = give({ answer: addresses(1), ...entry }, { query: EDNS, ...given });
    return readEdnsOptions(reply.opt?.options ?? '').get(OPTION.EDE);
  };

  test('is the one it is stored with', () => {
    assert.equal(edeOf({ ede: EDE.CACHED_ERROR }), '000d');
    assert.equal(edeOf({}), undefined);
    assert.equal(edeOf({ ede: EDE.CACHED_ERROR }, { query: {} }), undefined);
  });

  test('D5: says so if the reply has ended', () => {
    assert.equal(edeOf({}, { staleTtl: 30 }), '0003');
    assert.equal(edeOf({ stored: RCODE.NXDOMAIN }, { staleTtl: 30 }), '0013');
  });

  test('is left out before any record is', () => {
    const head = 12 + wireName(QNAME).length + 4;
    for (let count = 1; count < 80; count++) {
      const reply = give(
        { answer: addresses(count), ede: EDE.CACHED_ERROR },
        { query: { opt: { size: 1000 } } },
      );
      const needed = head + 16 * count + 11;
      assert.equal(reply.tc, needed > 1000);
      assert.equal(reply.opt?.options !== '', needed + 6 <= 1000);
    }
  });
});

describe('T5: a stored reply that is longer than the client takes', () => {
  test('loses additional records first, without TC', () => {
    const reply = give({
      answer: addresses(20),
      additional: [...addresses(3, 'ns1.'), ...addresses(30, 'ns2.'), ...addresses(1, 'ns3.')],
    });
    assert.deepEqual([reply.answer.length, reply.tc], [20, false]);
    // RFC 2181 §9: no part of an RRset, though some of the second one would fit.
    assert.deepEqual(
      reply.additional.map(({ name }) => name),
      ['ns1.', 'ns1.', 'ns1.'],
    );
  });

  test('has TC when a record of answer or authority is missing', () => {
    const answer = give({ answer: addresses(40) });
    assert.deepEqual([answer.answer.length, answer.tc], [30, true]);
    const authority = give({ answer: addresses(29), authority: [soa] });
    assert.deepEqual([authority.answer.length, authority.authority.length], [29, 0]);
    assert.ok(authority.tc);
  });

  test('is whole over TCP', () => {
    const reply = give({ answer: addresses(3000) }, { overTcp: true });
    assert.deepEqual([reply.answer.length, reply.tc], [3000, false]);
  });

  test('any reply is cut to its first records, with TC iff one of answer or authority is gone', () => {
    const record = fc.record({
      name: fc.constantFrom(QNAME, 'a.b.example.', 'ns.', `${'l'.repeat(63)}.test.`),
      type: fc.constant(TYPE.TXT),
      ttl: fc.nat(2 ** 31 - 1),
      rdata: fc.uint8Array({ maxLength: 90 }),
    });
    const section = fc.array(record, { maxLength: 12 });
    const given = fc.record({
      answer: section,
      authority: section,
      additional: section,
      size: fc.option(fc.integer({ min: 0, max: 1500 })),
      age: fc.nat(2 ** 31),
      ede: fc.constantFrom(0, EDE.CACHED_ERROR),
    });
    fc.assert(
      fc.property(given, ({ size, age, ede, ...sections }) => {
        const query = size === null ? {} : { opt: { size } };
        const reply = give({ ...sections, ede }, { query, nowSeconds: STORED_AT + age });
        const whole = readMessage(buildMessage({ qname: QNAME, ...sections }));
        const aged = [whole.answer, whole.authority, whole.additional].map((records) =>
          records.map((each) => ({ ...each, ttl: Math.max(0, each.ttl - age) })),
        );
        const kept = [reply.answer, reply.authority, reply.additional];
        const count = kept.flat().length;
        assert.deepEqual(kept.flat(), aged.flat().slice(0, count));
        assert.equal(reply.answer.length, Math.min(count, whole.answer.length));
        const [last, next] = [aged.flat()[count - 1], aged.flat()[count]];
        const isInAdditional = count > whole.answer.length + whole.authority.length;
        assert.ok(!isInAdditional || next === undefined || last?.name !== next.name);
        assert.equal(reply.tc, count < whole.answer.length + whole.authority.length);
        assert.equal(reply.opt !== null, size !== null);
      }),
      { numRuns: 500 },
    );
  });
});
