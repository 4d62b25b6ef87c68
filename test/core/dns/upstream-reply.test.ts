import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FLAG, RCODE, TYPE } from '../../../src/core/dns/constants.ts';
import { checkUpstreamReply } from '../../../src/core/dns/upstream-reply.ts';
import type { ReplyVerdict } from '../../../src/core/dns/upstream-reply.ts';
import { addressRecords, buildMessage, u16 } from '../../support/dns-message.ts';
import type { TestMessage } from '../../support/dns-message.ts';

const QUESTION: TestMessage = { id: 0x4242, qname: 'Web.Example.', qtype: TYPE.A };
const QUERY = buildMessage(QUESTION);
const REPLY: TestMessage = {
  ...QUESTION,
  flags: FLAG.QR | FLAG.RD | FLAG.RA,
  answer: addressRecords('web.example.', 2),
  opt: { size: 1232 },
};

interface Case {
  readonly name: string;
  readonly reply: Uint8Array;
  readonly verdict: ReplyVerdict;
}

const header = (flags: number, counts: readonly number[]): Uint8Array =>
  u16(0x4242, flags, ...counts);

const CASES: readonly Case[] = [
  { name: 'the answer', reply: buildMessage(REPLY), verdict: 'ok' },
  { name: 'compressed owners', reply: buildMessage(REPLY, true), verdict: 'ok' },
  { name: 'another id', reply: buildMessage({ ...REPLY, id: 0x4243 }), verdict: 'wrong-id' },
  { name: 'a query', reply: QUERY, verdict: 'not-a-response' },
  {
    name: 'another opcode',
    reply: buildMessage({ ...REPLY, flags: FLAG.QR | 0x2000 }),
    verdict: 'not-a-response',
  },
  {
    name: 'another name',
    reply: buildMessage({ ...REPLY, qname: 'web.exampla.' }),
    verdict: 'wrong-question',
  },
  {
    name: 'a longer name',
    reply: buildMessage({ ...REPLY, qname: 'web.example.net.' }),
    verdict: 'wrong-question',
  },
  {
    name: 'another type',
    reply: buildMessage({ ...REPLY, qtype: TYPE.AAAA }),
    verdict: 'wrong-question',
  },
  {
    name: 'a type that differs like a letter in case',
    reply: buildMessage({ ...REPLY, qtype: TYPE.A | 0x4100 }),
    verdict: 'wrong-question',
  },
  {
    name: 'another class',
    reply: buildMessage({ ...REPLY, qclass: 3 }),
    verdict: 'wrong-question',
  },
  {
    name: 'the name in other case',
    reply: buildMessage({ ...REPLY, qname: 'wEB.eXAMPLE.' }),
    verdict: 'ok',
  },
  { name: 'no octets', reply: new Uint8Array(0), verdict: 'not-a-response' },
  { name: 'half a header', reply: QUERY.subarray(0, 11), verdict: 'not-a-response' },
  {
    name: 'a bare FORMERR',
    reply: header(FLAG.QR | RCODE.FORMERR, [0, 0, 0, 0]),
    verdict: 'ok',
  },
  {
    name: 'a bare NOERROR',
    reply: header(FLAG.QR, [0, 0, 0, 0]),
    verdict: 'wrong-question',
  },
  {
    name: 'a bare NXDOMAIN',
    reply: header(FLAG.QR | RCODE.NXDOMAIN, [0, 0, 0, 0]),
    verdict: 'wrong-question',
  },
  {
    name: 'two questions',
    reply: header(FLAG.QR, [2, 0, 0, 0]),
    verdict: 'wrong-question',
  },
  {
    name: 'records that are not there',
    reply: Uint8Array.of(...buildMessage({ ...REPLY, answer: [] }).fill(0xff, 6, 8)),
    verdict: 'malformed',
  },
  {
    name: 'a record whose data is cut',
    reply: buildMessage({ ...REPLY, opt: { size: 512, options: new Uint8Array(40) } }).subarray(
      0,
      -1,
    ),
    verdict: 'malformed',
  },
];

for (const { name, reply, verdict } of CASES) {
  test(`a reply that is ${name} is ${verdict}`, () => {
    assert.equal(checkUpstreamReply(QUERY, reply), verdict);
    assert.equal(checkUpstreamReply(Buffer.from(QUERY), Buffer.from(reply)), verdict);
  });
}

test('with 0x20 the case of the name must be the same', () => {
  const other = buildMessage({ ...REPLY, qname: 'web.example.' });
  assert.equal(checkUpstreamReply(QUERY, other, 'any'), 'ok');
  assert.equal(checkUpstreamReply(QUERY, other, 'exact'), 'wrong-question');
  assert.equal(checkUpstreamReply(QUERY, buildMessage(REPLY), 'exact'), 'ok');
});

test('no octets after our id make the check throw or take long', () => {
  const head = fc.constantFrom(QUERY.subarray(0, 2), QUERY.subarray(0, 0));
  fc.assert(
    fc.property(head, fc.uint8Array({ maxLength: 600 }), (start, rest) => {
      assert.ok(checkUpstreamReply(QUERY, Buffer.concat([start, rest])).length > 0);
    }),
    { numRuns: 2000 },
  );
});

test('no changed octet of a good reply makes the check throw', () => {
  const good = buildMessage(REPLY, true);
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.nat(255), (index, octet) => {
      const reply = Uint8Array.from(good);
      reply[index] = octet;
      assert.ok(checkUpstreamReply(QUERY, reply).length > 0);
    }),
    { numRuns: 2000 },
  );
});

test('64 KiB of records without data are walked in one go', () => {
  const count = Math.floor((65_535 - QUERY.length) / 11);
  const records = Buffer.alloc(count * 11);
  const reply = Buffer.concat([header(FLAG.QR, [1, 0, 0, count]), QUERY.subarray(12), records]);
  const startedAt = performance.now();
  assert.equal(checkUpstreamReply(QUERY, reply), 'ok');
  assert.ok(performance.now() - startedAt < 250);
});
