import assert from 'node:assert/strict';
import { test } from 'node:test';
import dns2 from 'dns2';
import fc from 'fast-check';
import { FLAG, RCODE, TYPE } from '../../../src/core/dns/constants.ts';
import { fitReply } from '../../../src/core/dns/fit-reply.ts';
import {
  addressRecords,
  buildMessage,
  ipv4,
  readMessage,
  u16,
  wireName,
} from '../../support/dns-message.ts';
import type { ReadRecord, TestMessage, TestRecord } from '../../support/dns-message.ts';

const ANSWERED = FLAG.QR | FLAG.RD | FLAG.RA | FLAG.AD;

/** Cuts a reply that can be read. */
function fit(reply: Uint8Array, limitBytes: number): Uint8Array {
  const fitted = fitReply(reply, limitBytes);
  assert.ok(fitted !== null);
  assert.ok(fitted.length <= limitBytes, `${fitted.length} octets`);
  return fitted;
}

const big = (count: number, rest: Partial<TestMessage> = {}): TestMessage => ({
  id: 0x7777,
  flags: ANSWERED,
  qname: 'big40.example.',
  answer: addressRecords('big40.example.', count),
  ...rest,
});

test('a reply that fits is handed on as it is, unread', () => {
  const garbage = new Uint8Array(512).fill(0xff);
  assert.equal(fitReply(garbage, 512), garbage);
  assert.equal(fitReply(new Uint8Array(0), 512)?.length, 0);
});

test('40 uncompressed addresses are cut to 512 octets with TC, the rest of the head stays', () => {
  const reply = readMessage(fit(buildMessage(big(40)), 512));
  assert.equal(reply.id, 0x7777);
  assert.equal(reply.flags, ANSWERED | FLAG.TC);
  assert.equal(reply.qname, 'big40.example.');
  // 12 header + 19 question + 16 for each record whose owner is a pointer.
  assert.equal(reply.answer.length, Math.floor((512 - 31) / 16));
});

test('75 addresses fit whole into 1232 octets once their owners are compressed, 80 do not', () => {
  const upstream = buildMessage(big(80));
  assert.ok(upstream.length > 1232);
  const cut = readMessage(fit(upstream, 1232));
  assert.equal(cut.answer.length, Math.floor((1232 - 31) / 16));
  assert.ok(cut.tc);
  const whole = readMessage(fit(buildMessage(big(75)), 1232));
  assert.equal(whole.answer.length, 75);
  assert.equal(whole.tc, false);
  assert.deepEqual(whole, readMessage(buildMessage(big(75))));
});

test('over TCP 65,535 octets are cut to nothing', () => {
  const upstream = buildMessage(big(40));
  assert.equal(fitReply(upstream, 65_535), upstream);
});

test('an independent decoder reads the cut reply', () => {
  const packet = dns2.Packet.parse(Buffer.from(fit(buildMessage(big(40)), 512)));
  assert.equal(packet.header.tc, 1);
  assert.deepEqual(
    packet.answers.map(({ name, address }) => `${name} ${address}`),
    Array.from({ length: 30 }, (_, i) => `big40.example 203.0.113.${i + 1}`),
  );
});

test('OPT stays when records are cut, without its options only if there is no room', () => {
  const options = Buffer.concat([u16(10, 8), Buffer.alloc(8, 7)]);
  const kept = readMessage(fit(buildMessage(big(40, { opt: { size: 1232, options } })), 512));
  assert.deepEqual(kept.opt, { size: 1232, options: options.toString('hex') });
  assert.equal(kept.answer.length, Math.floor((512 - 31 - 11 - 12) / 16));
  const padding = Buffer.concat([u16(12, 500), Buffer.alloc(500)]);
  const bare = readMessage(
    fit(buildMessage(big(40, { opt: { size: 1232, options: padding } })), 512),
  );
  assert.deepEqual(bare.opt, { size: 1232, options: '' });
  assert.equal(bare.answer.length, Math.floor((512 - 31 - 11) / 16));
});

test('additional records go first and without TC, a whole RRset at a time', () => {
  const glue = [...addressRecords('x.example.', 3), ...addressRecords('y.example.', 20)];
  const reply = readMessage(fit(buildMessage(big(20, { additional: glue })), 512));
  assert.deepEqual([reply.tc, reply.trailing], [false, 0]);
  assert.equal(reply.answer.length, 20);
  assert.deepEqual(
    reply.additional.map(({ name }) => name),
    ['x.example.', 'x.example.', 'x.example.'],
  );
});

test('authority is cut before the answer, with TC', () => {
  const ns = Array.from({ length: 30 }, (_, i) => ({
    name: 'example.',
    type: TYPE.NS,
    rdata: wireName(`ns${i}.example.`),
  }));
  const reply = readMessage(fit(buildMessage(big(20, { authority: ns })), 512));
  assert.ok(reply.tc);
  assert.equal(reply.answer.length, 20);
  assert.ok(reply.authority.length > 0 && reply.authority.length < 30);
  assert.equal(reply.authority[0]?.data, 'ns0.example.');
});

test('names in data that were compressed are expanded for SRV and compressed again for MX', () => {
  const records: TestRecord[] = [
    { name: 'a.example.', type: TYPE.MX, rdata: Buffer.concat([u16(10), u16(0xc00c)]) },
    { name: 'a.example.', type: TYPE.SRV, rdata: Buffer.concat([u16(1, 2, 80), u16(0xc00c)]) },
    { name: 'a.example.', type: TYPE.HTTPS, rdata: Buffer.concat([u16(1), wireName('.')]) },
  ];
  const filler = addressRecords('a.example.', 30);
  const message: TestMessage = { flags: ANSWERED, qname: 'a.example.', answer: records };
  const upstream = buildMessage({ ...message, answer: [...records, ...filler] });
  const fitted = fit(upstream, 512 + 64);
  const reply = readMessage(fitted);
  assert.deepEqual(
    reply.answer.slice(0, 3).map(({ data }) => data),
    ['000a a.example.', '000100020050 a.example.', '000100'],
  );
  const hex = Buffer.from(fitted).toString('hex');
  assert.ok(hex.includes('0004000ac00c'), 'MX is a pointer');
  assert.ok(hex.includes(`0011000100020050${Buffer.from(wireName('a.example.')).toString('hex')}`));
});

test('the case of names is kept when they are compressed', () => {
  const answer = [
    ...addressRecords('BIG40.example.', 1),
    ...addressRecords('big40.EXAMPLE.', 1),
    ...addressRecords('big40.example.', 40),
  ];
  const reply = readMessage(fit(buildMessage(big(0, { answer })), 512));
  assert.deepEqual(
    reply.answer.slice(0, 3).map(({ name }) => name),
    ['BIG40.example.', 'big40.EXAMPLE.', 'big40.example.'],
  );
});

test('names behind the first 16 KiB are not pointed at', () => {
  const answer = Array.from({ length: 1500 }, (_, i) => ({
    name: `n${i >> 1}.zone${i >> 1}.example.`,
    type: TYPE.TXT,
    rdata: Buffer.from([15, ...Buffer.from('fifteen letters')]),
  }));
  const upstream = buildMessage({ flags: ANSWERED, qname: 'example.', answer });
  const fitted = fit(upstream, upstream.length - 1);
  assert.ok(fitted.length > 0x8000);
  assert.deepEqual(readMessage(fitted).answer, readMessage(upstream).answer);
});

test('of a signed reply that is too large nothing is kept but the question', () => {
  const tsig: TestRecord = { name: 'key.', type: TYPE.TSIG, rdata: new Uint8Array(40) };
  const reply = readMessage(fit(buildMessage(big(40, { additional: [tsig] })), 512));
  assert.deepEqual([reply.tc, reply.answer, reply.additional], [true, [], []]);
});

test('replies that cannot be decoded are null, not an exception', () => {
  const good = buildMessage(big(60));
  const broken = (change: (reply: Uint8Array) => void): Uint8Array => {
    const reply = Uint8Array.from(good);
    change(reply);
    return reply;
  };
  const firstOwner = 12 + wireName('big40.example.').length + 4;
  const cases = {
    'all counts 65535': broken((reply) => reply.fill(0xff, 4, 12)),
    'a pointer to itself': broken((reply) => reply.set(u16(0xc000 | firstOwner), firstOwner)),
    'a label type that does not exist': broken((reply) =>
      reply.fill(0x80, firstOwner, firstOwner + 1),
    ),
    'two questions': broken((reply) => reply.set(u16(2), 4)),
    'an SRV record of two octets': buildMessage(
      big(40, {
        answer: [{ name: 'x.', type: TYPE.SRV, rdata: u16(1) }, ...addressRecords('x.', 40)],
      }),
    ),
    'a NAPTR record whose strings are cut': buildMessage(
      big(40, {
        answer: [
          { name: 'x.', type: TYPE.NAPTR, rdata: Uint8Array.of(0, 1, 0, 1, 1, 65, 200, 1) },
          ...addressRecords('x.', 40),
        ],
      }),
    ),
  };
  for (const [name, reply] of Object.entries(cases)) assert.equal(fitReply(reply, 512), null, name);
});

test('64 KiB of pointer chains are read only as far as the limit goes', () => {
  // Pointers to pointers, and as many records as fit whose owners are the longest chain.
  const question = wireName('x.');
  const start = 12 + question.length + 4;
  const links = Math.floor((0x3f00 - start - 11) / 2);
  const chain = Buffer.concat(
    Array.from({ length: links }, (_, i) =>
      u16(0xc000 | (i === 0 ? 12 : start + 11 + 2 * (i - 1))),
    ),
  );
  const last = start + 11 + 2 * (links - 1);
  const owner = Buffer.concat([u16(0xc000 | last, TYPE.TXT, 1, 0, 0, 0)]);
  const count = Math.floor((65_535 - start - 11 - chain.length) / owner.length);
  const reply = Buffer.concat([
    u16(1, FLAG.QR, 1, count + 1, 0, 0),
    question,
    u16(TYPE.TXT, 1),
    Buffer.concat([Buffer.from([0]), u16(TYPE.TXT, 1, 0, 0, chain.length), chain]),
    ...Array.from({ length: count }, () => owner),
  ]);
  const startedAt = performance.now();
  fitReply(reply, 1232);
  const tookMs = performance.now() - startedAt;
  assert.ok(tookMs < 1000, `${tookMs.toFixed(0)} ms`);
});

const names = fc.constantFrom(
  'a.example.',
  'b.a.example.',
  'www.example.net.',
  'x.',
  '.',
  'A.example.',
);

const record: fc.Arbitrary<TestRecord> = fc
  .record({
    name: names,
    target: names,
    kind: fc.nat(5),
    ttl: fc.nat(0xffff_ffff),
    text: fc.uint8Array({ maxLength: 60 }),
  })
  .map(({ name, target, kind, ttl, text }) => {
    const target_ = wireName(target);
    const [type, rdata] = (
      [
        [TYPE.A, ipv4('192.0.2.1')],
        [TYPE.NS, target_],
        [TYPE.SOA, Buffer.concat([target_, target_, Buffer.alloc(20, 1)])],
        [TYPE.SRV, Buffer.concat([u16(1, 2, 3), target_])],
        [TYPE.MX, Buffer.concat([u16(1), target_])],
        [TYPE.TXT, Buffer.concat([Buffer.from([text.length]), text])],
      ] as const
    )[kind] ?? [TYPE.A, ipv4('192.0.2.1')];
    return { name, type, ttl, rdata };
  });

const section = fc.array(record, { maxLength: 25 });

const message: fc.Arbitrary<TestMessage> = fc.record(
  {
    id: fc.nat(0xffff),
    flags: fc.constantFrom(
      FLAG.QR,
      ANSWERED,
      FLAG.QR | FLAG.AA | RCODE.NXDOMAIN,
      FLAG.QR | FLAG.TC,
    ),
    qname: names,
    answer: section,
    authority: section,
    additional: section,
    opt: fc.record({
      size: fc.nat(0xffff),
      options: fc.constantFrom(new Uint8Array(0), u16(3, 0)),
    }),
  },
  { requiredKeys: ['id', 'flags', 'qname'] },
);

const isPrefix = (part: readonly ReadRecord[], whole: readonly ReadRecord[]): void =>
  assert.deepEqual(part, whole.slice(0, part.length));

test('law: what fits decodes, keeps the head, and is a prefix that is cut only where it must be', () => {
  fc.assert(
    fc.property(
      message,
      fc.boolean(),
      fc.integer({ min: 512, max: 2000 }),
      (m, compress, limit) => {
        const upstream = buildMessage(m, compress);
        const before = readMessage(upstream);
        const after = readMessage(fit(upstream, limit));
        const flags = after.tc ? before.flags | FLAG.TC : before.flags;
        const none = { answer: [], authority: [], additional: [], tc: null };
        assert.deepEqual({ ...after, ...none }, { ...before, flags, ...none });
        isPrefix(after.answer, before.answer);
        isPrefix(after.authority, before.authority);
        isPrefix(after.additional, before.additional);
        const lost = [
          before.answer.length - after.answer.length,
          before.authority.length - after.authority.length,
        ];
        assert.equal(after.tc, before.tc || lost.some((n) => n > 0));
        if (lost[0] !== 0) assert.equal(after.authority.length, 0);
        if (lost.some((n) => n > 0)) assert.equal(after.additional.length, 0);
      },
    ),
    { numRuns: 500 },
  );
});

test('law: one octet less than a fitted reply needs means one record less', () => {
  fc.assert(
    fc.property(message, (m) => {
      const upstream = buildMessage(m);
      fc.pre(upstream.length > 600);
      const smaller = fit(upstream, Math.max(512, upstream.length - 1));
      fc.pre(smaller.length > 512);
      const least = fit(smaller, smaller.length - 1);
      assert.ok(least.length < smaller.length);
      const count = (bytes: Uint8Array): number => {
        const { answer, authority, additional } = readMessage(bytes);
        return answer.length + authority.length + additional.length;
      };
      assert.ok(count(least) < count(smaller), 'the fitted reply was as short as it can be');
    }),
    { numRuns: 300 },
  );
});

test('law: no octets make it throw, whatever the limit', () => {
  const octets = fc.uint8Array({ minLength: 513, maxLength: 1500, size: 'max' });
  fc.assert(
    fc.property(octets, fc.integer({ min: 512, max: 1400 }), (reply, limit) => {
      const fitted = fitReply(reply, limit);
      assert.ok(fitted === null || fitted.length <= limit);
    }),
    { numRuns: 1000 },
  );
  const good = buildMessage(big(60, { opt: { size: 1232 } }));
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.nat(255), (index, octet) => {
      const reply = Uint8Array.from(good);
      reply[index] = octet;
      const fitted = fitReply(reply, 512);
      if (fitted !== null) readMessage(fitted);
    }),
    { numRuns: 2000 },
  );
});
