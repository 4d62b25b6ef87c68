import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FLAG, TYPE } from '../../../src/core/dns/constants.ts';
import { judgeReply } from '../../../src/core/forward/upstream-verdict.ts';
import type { UpstreamVerdict } from '../../../src/core/forward/upstream-verdict.ts';
import { addressRecords, buildMessage, wireName } from '../../support/dns-message.ts';
import type { TestMessage, TestRecord } from '../../support/dns-message.ts';

const QNAME = 'www.some.example.';
const QUERY = buildMessage({ qname: QNAME });

const judge = (parts: Partial<TestMessage>, query = QUERY): UpstreamVerdict =>
  judgeReply(query, buildMessage({ qname: QNAME, flags: FLAG.QR, ...parts }));

const NS: TestRecord = { name: 'example.', type: TYPE.NS, rdata: wireName('ns.example.') };
const SOA: TestRecord = {
  name: 'example.',
  type: TYPE.SOA,
  rdata: Buffer.concat([wireName('ns.example.'), wireName('a.example.'), Buffer.alloc(20)]),
};
const ALIAS: TestRecord = { name: QNAME, type: TYPE.CNAME, rdata: wireName('a.example.') };

test('answers and denials are answers, with or without SOA', () => {
  for (const parts of [
    { answer: addressRecords(QNAME, 1) },
    { answer: [ALIAS], authority: [NS] },
    { authority: [SOA] },
    { authority: [NS, SOA] },
    { flags: FLAG.QR | 3 },
    { flags: FLAG.QR | 3, authority: [NS] },
    { flags: FLAG.QR | 6 },
    {},
    { flags: FLAG.QR | FLAG.AA, authority: [NS] },
  ]) {
    assert.equal(judge(parts).fault, null, JSON.stringify(parts));
  }
});

test('a referral is lame, and nothing to pass on, if recursion was wanted', () => {
  const { fault, worth, excusable } = judge({ authority: [NS] });
  assert.deepEqual([fault, worth, excusable], ['lame', 0, false]);
  const query = buildMessage({ qname: QNAME, flags: 0 });
  assert.equal(judge({ authority: [NS] }, query).fault, null);
});

test('other codes are faults: truncated before SERVFAIL, REFUSED, NOTIMP, FORMERR, the rest', () => {
  const verdicts = [FLAG.TC, FLAG.TC | 3, 2, 5, 4, 1, 9].map((flags) =>
    judge({ flags: FLAG.QR | flags }),
  );
  assert.deepEqual(
    verdicts.map(({ fault }) => fault),
    ['truncated', 'truncated', 'servfail', 'refused', 'notimp', 'formerr', 'rcode-9'],
  );
  const worths = verdicts.map(({ worth }) => worth);
  assert.deepEqual(
    worths,
    [...worths].sort((a, b) => b - a),
  );
  assert.ok(worths.every((worth) => worth > 0));
});

test('only what the name may be to blame for is excusable', () => {
  const excusable = [FLAG.TC, 1, 2, 4, 5, 9].filter(
    (flags) => judge({ flags: FLAG.QR | flags }).excusable,
  );
  assert.deepEqual(excusable, [FLAG.TC, 2]);
});

test('old servers say FORMERR or NOTIMP to OPT, odd ones BADVERS', () => {
  assert.deepEqual(
    [0, 1, 2, 3, 4, 5].filter((rcode) => judge({ flags: FLAG.QR | rcode }).doubtsOpt),
    [1, 4],
  );
});

test('the upper half of the code stands in OPT, and such a reply is for us alone', () => {
  // The builder writes the version word; the octet before it is the upper half of the code.
  const withUpper = (upper: number): UpstreamVerdict =>
    judge({ opt: { size: 1232, version: upper << 8 } });
  assert.equal(withUpper(0).fault, null);
  assert.deepEqual(withUpper(1), { fault: 'badvers', worth: 0, excusable: false, doubtsOpt: true });
  assert.equal(withUpper(2).fault, 'rcode-32');
  assert.equal(withUpper(2).worth, 0);
});

test('what cannot be read is malformed', () => {
  const reply = buildMessage({ qname: QNAME, flags: FLAG.QR });
  reply[7] = 1;
  assert.equal(judgeReply(QUERY, reply).fault, 'malformed');
});
