import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FLAG, RCODE, TYPE } from '../../../src/core/dns/constants.ts';
import { formatWireName, hashWireName, parseWireName } from '../../../src/core/dns/name.ts';
import {
  LEADS_HOME,
  OWN_NAME,
  OWN_NAME_WORDS,
  STORED,
  storedOwnNameAt,
} from '../../../src/core/dns/stored-reply.ts';
import { expandName } from '../../../src/core/dns/wire.ts';
import { packReply } from '../../../src/core/forward/pack-reply.ts';
import type { ForwardQuestion } from '../../../src/core/forward/resolution.ts';
import {
  addressRecords,
  buildMessage,
  recordText,
  type TestMessage,
  type TestRecord,
  u16,
  wireName,
} from '../../support/dns-message.ts';
import { lifetimeOf, messageOfStored, PACK_RULES, readStored } from '../../support/stored-reply.ts';

const ANSWERED = FLAG.QR | FLAG.RD | FLAG.RA;
const DNAME = 39;

function pack(
  message: Partial<TestMessage>,
  parts: Partial<ForwardQuestion> = {},
): Uint32Array | null {
  const qname = parseWireName('www.corp.example.');
  assert.ok(qname !== null);
  const flags = { dnssecOk: false, checkingDisabled: false, recursionDesired: true };
  const question = { qname, qtype: TYPE.A, ...flags, ...parts };
  const { qtype } = question;
  const reply = buildMessage({ flags: ANSWERED, qname: 'www.corp.example.', qtype, ...message });
  return packReply(question, reply, PACK_RULES, 1_000);
}

function packed(...parameters: Parameters<typeof pack>): Uint32Array {
  const stored = pack(...parameters);
  assert.ok(stored !== null, 'the reply is of use');
  return stored;
}

const alias = (name: string, target: string, ttl = 300): TestRecord => ({
  name,
  type: TYPE.CNAME,
  ttl,
  rdata: wireName(target),
});
const soa: TestRecord = {
  name: 'mesos.',
  type: TYPE.SOA,
  ttl: 7,
  rdata: Buffer.concat([wireName('a.'), wireName('b.'), u16(0, 1, 0, 2, 0, 3, 0, 4, 0, 5)]),
};
const TO_WEB = alias('www.corp.example.', 'Web.Mesos.', 60);

/** The name of ours as the reply has it, and as the message has it where the pointer points. */
function ownNameOf(stored: Uint32Array): [string, string] {
  const own = storedOwnNameAt(stored, 0);
  const lengthPointer = stored[own + OWN_NAME.LENGTH_POINTER]!;
  const start = 4 * (own + OWN_NAME_WORDS);
  const name = new Uint8Array(stored.buffer).slice(start, start + (lengthPointer & 0xffff));
  assert.equal(stored[own + OWN_NAME.HASH], hashWireName(name, 0, name.length));
  const message = messageOfStored(stored);
  const inMessage = expandName(message, lengthPointer >>> 16, message.length);
  assert.ok(inMessage !== null);
  return [formatWireName(name), formatWireName(inMessage)];
}

test('D14b: of what upstreams say on the way to a name of ours, the aliases alone are kept', () => {
  const lies = addressRecords('web.mesos.', 3);
  for (const flags of [RCODE.NOERROR, RCODE.NXDOMAIN, RCODE.SERVFAIL, RCODE.REFUSED]) {
    const stored = packed({
      flags: ANSWERED | FLAG.AD | flags,
      answer: [TO_WEB, ...lies],
      authority: [soa, { name: 'mesos.', type: TYPE.NS, rdata: wireName('web.mesos.') }],
      additional: lies,
      opt: { size: 1232, options: u16(15, 2, 22) },
    });
    const { answer, authority, additional } = readStored(stored);
    assert.deepEqual(answer.map(recordText), ['www.corp.example. 60 CNAME Web.Mesos.']);
    assert.deepEqual([authority, additional], [[], []]);
    assert.equal(stored[STORED.FLAGS], LEADS_HOME, 'neither denied, nor authentic');
    assert.equal(stored[STORED.EDE], 0);
    assert.equal(lifetimeOf(stored), 60);
    assert.equal(stored[STORED.BYTES], stored.byteLength);
    assert.deepEqual(ownNameOf(stored), ['web.mesos.', 'Web.Mesos.']);
  }
});

test('D14b: the first name of ours on the way ends it', () => {
  const stored = packed({
    answer: [
      alias('web.mesos.', 'evil.example.'),
      alias('b.example.', 'web.mesos.', 90),
      alias('www.corp.example.', 'b.example.', 400),
      ...addressRecords('evil.example.', 1),
    ],
  });
  assert.deepEqual(readStored(stored).answer.map(recordText), [
    'www.corp.example. 400 CNAME b.example.',
    'b.example. 90 CNAME web.mesos.',
  ]);
  assert.equal(lifetimeOf(stored), 90);
  assert.deepEqual(ownNameOf(stored), ['web.mesos.', 'web.mesos.']);
});

test('D14b: so does a DNAME that leads into our zone, with its signatures where they are wanted', () => {
  const signature = (name: string, type: number): TestRecord => ({
    name,
    type: TYPE.RRSIG,
    rdata: Buffer.concat([u16(type), Buffer.alloc(16), wireName('example.'), Buffer.alloc(40, 7)]),
  });
  const dname = { name: 'corp.example.', type: DNAME, rdata: wireName('marathon.mesos.') };
  const answer = [
    dname,
    signature('corp.example.', DNAME),
    alias('www.corp.example.', 'www.marathon.mesos.'),
    signature('www.corp.example.', TYPE.CNAME),
  ];
  for (const dnssecOk of [false, true]) {
    const stored = packed({ answer }, { dnssecOk });
    const types = readStored(stored).answer.map(({ type }) => type);
    const signed = [DNAME, TYPE.RRSIG, TYPE.CNAME, TYPE.RRSIG];
    assert.deepEqual(types, dnssecOk ? signed : [DNAME, TYPE.CNAME]);
    assert.deepEqual(ownNameOf(stored), ['www.marathon.mesos.', 'www.marathon.mesos.']);
  }
});

test('D14b: a question for the alias itself, and one for all types, has its answer in it', () => {
  for (const qtype of [TYPE.CNAME, TYPE.ANY]) {
    const stored = packed({ qtype, answer: [TO_WEB] }, { qtype });
    assert.equal(stored[STORED.FLAGS], RCODE.NOERROR);
    assert.equal(readStored(stored).answer.length, 1);
  }
});

test('D14b: aliases of other names are no concern of ours', () => {
  for (const target of ['web.example.', 'xmesos.', 'mesos.example.']) {
    const answer = [alias('www.corp.example.', target), ...addressRecords(target, 1)];
    const stored = packed({ answer });
    assert.equal(stored[STORED.FLAGS], RCODE.NOERROR);
    assert.equal(readStored(stored).answer.length, 2);
  }
});

test('D14b: aliases that were cut off are not kept, and those beyond all pointers are of no use', () => {
  const cut = packed({ flags: ANSWERED | FLAG.TC, answer: [TO_WEB] });
  assert.deepEqual([cut[STORED.FLAGS], lifetimeOf(cut)], [LEADS_HOME | FLAG.TC, 0]);
  const signature = {
    name: 'www.corp.example.',
    type: TYPE.RRSIG,
    rdata: Buffer.concat([u16(TYPE.CNAME), Buffer.alloc(0x4000, 1)]),
  };
  const far = [alias('www.corp.example.', 'b.example.'), signature, alias('b.example.', 'mesos.')];
  assert.equal(pack({ answer: far }, { dnssecOk: true }), null);
  assert.ok(pack({ answer: far }) !== null);
});
