import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FLAG, RCODE, TYPE } from '../../../src/core/dns/constants.ts';
import { hashWireName } from '../../../src/core/dns/name.ts';
import { NEVER, STORED } from '../../../src/core/dns/stored-reply.ts';
import { replyBelow } from '../../../src/core/forward/nxdomain-cut.ts';
import { packReply } from '../../../src/core/forward/pack-reply.ts';
import { storedName } from '../../../src/core/forward/question-key.ts';
import type { ForwardQuestion } from '../../../src/core/forward/resolution.ts';
import { messageOf, nxdomain, question } from '../../daemon/dns/resolver-rig.ts';
import { buildMessage, type TestMessage, wireName } from '../../support/dns-message.ts';
import { PACK_RULES } from '../../support/stored-reply.ts';

function pack(asked: ForwardQuestion, message: TestMessage): Uint32Array {
  const reply = packReply(asked, buildMessage(message), PACK_RULES, 1_000);
  assert.ok(reply !== null);
  return reply;
}

test('a denial answers names below with the same record, whatever the names are', () => {
  const label = fc.stringMatching(/^[a-z0-9_-]{1,20}$/);
  const labels = (min: number): fc.Arbitrary<string> =>
    fc
      .array(label, { minLength: min, maxLength: 3 })
      .map((all) => all.map((l) => `${l}.`).join(''));
  fc.assert(
    fc.property(labels(1), labels(1), labels(0), (below, denied, zone) => {
      const name = `${denied}${zone}`;
      const denial = pack(question(name), nxdomain(name, zone === '' ? '.' : zone, 60));
      const asked = question(`${below}${name}`, { qtype: TYPE.AAAA });
      const reply = replyBelow(denial, asked);
      assert.ok(reply !== null);
      const message = messageOf(reply);
      assert.deepEqual(message.authority, messageOf(denial).authority);
      assert.equal(message.qname, `${below}${name}`);
      assert.equal(message.trailing, 0);
      assert.deepEqual(storedName(reply), asked.qname);
      assert.equal(reply[STORED.HASH], hashWireName(asked.qname, 0, asked.qname.length));
      assert.equal(reply[STORED.BYTES], reply.byteLength);
    }),
  );
});

test('it ends when the denial ends, is not renewed and claims no proof', () => {
  const message = nxdomain('a.org.', 'org.', 60);
  const proven = { ...message, flags: FLAG.QR | FLAG.AD | RCODE.NXDOMAIN };
  const denial = pack(question('a.org.'), proven);
  assert.notEqual(denial[STORED.FLAGS]! & FLAG.AD, 0);
  denial[STORED.HITS] = 7;
  const reply = replyBelow(denial, question('b.a.org.'));
  assert.ok(reply !== null);
  const fields = [STORED.EXPIRES_AT, STORED.PREFETCH_AT, STORED.FLAGS, STORED.HITS] as const;
  assert.deepEqual(
    fields.map((field) => reply[field]),
    [1_060, NEVER, RCODE.NXDOMAIN, 0],
  );
});

const soa = nxdomain('a.org.', 'org.').authority![0]!;
const OTHERS: readonly (readonly [what: string, message: Partial<TestMessage>])[] = [
  ['NODATA', { flags: FLAG.QR }],
  [
    'a denial behind an alias',
    { answer: [{ name: 'a.org.', type: TYPE.CNAME, rdata: wireName('b.org.') }] },
  ],
  ['a denial without SOA', { authority: [] }],
  ['two records', { authority: [soa, { name: 'org.', type: TYPE.NS, rdata: wireName('b.org.') }] }],
  ['another record', { authority: [{ name: 'org.', type: TYPE.NS, rdata: wireName('b.org.') }] }],
];

for (const [what, message] of OTHERS) {
  test(`${what} says nothing about names below`, () => {
    const denial = pack(question('a.org.'), { ...nxdomain('a.org.', 'org.'), ...message });
    assert.equal(replyBelow(denial, question('b.a.org.')), null);
  });
}

test('a SOA record of a strange form is left alone', () => {
  const denial = pack(question('a.org.'), nxdomain('a.org.', 'org.'));
  const bytes = new Uint8Array(denial.buffer);
  for (let i = 4 * 12; i < bytes.length; i++) {
    const before = bytes[i]!;
    for (const octet of [0, 1, 63, 0xc0, 0xff]) {
      bytes[i] = octet;
      // Never out of bounds, and never with an exception.
      replyBelow(denial, question('b.a.org.'));
    }
    bytes[i] = before;
  }
  assert.ok(replyBelow(denial, question('b.a.org.')) !== null);
});
