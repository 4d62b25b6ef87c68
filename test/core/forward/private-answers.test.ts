import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIpAddress } from '../../../src/core/base/address.ts';
import { FLAG, RCODE, TYPE } from '../../../src/core/dns/constants.ts';
import { parseWireName } from '../../../src/core/dns/name.ts';
import { LEADS_HOME, STORED } from '../../../src/core/dns/stored-reply.ts';
import { packReply } from '../../../src/core/forward/pack-reply.ts';
import { buildMessage, u16, wireName } from '../../support/dns-message.ts';
import type { TestMessage, TestRecord } from '../../support/dns-message.ts';
import { isMesosName, lifetimeOf, readStored } from '../../support/stored-reply.ts';

const FILTERED = 17;

function bytesOf(text: string): Uint8Array {
  const mapped = /^::ffff:(.*)$/.exec(text)?.[1];
  const bytes = parseIpAddress(mapped ?? text)?.bytes;
  assert.ok(bytes !== undefined, text);
  return mapped === undefined ? bytes : Buffer.concat([new Uint8Array(10), u16(0xffff), bytes]);
}

function address(name: string, text: string, ttl = 300): TestRecord {
  return { name, type: text.includes(':') ? TYPE.AAAA : TYPE.A, ttl, rdata: bytesOf(text) };
}

/** What a client gets for `rebind.example.` with private addresses taken out. */
function pack(
  message: Partial<TestMessage>,
  qtype: number,
  exempt: readonly string[] = [],
): Uint32Array {
  const qname = parseWireName('rebind.example.');
  assert.ok(qname !== null);
  const reply = { flags: FLAG.QR | FLAG.AD, qname: 'rebind.example.', qtype, ...message };
  const flags = { dnssecOk: false, checkingDisabled: false, recursionDesired: true };
  const stored = packReply(
    { qname, qtype, ...flags },
    buildMessage(reply),
    {
      ttlSecondsMin: 0,
      ttlSecondsMax: 86_400,
      negativeTtlSecondsMax: 60,
      prefetch: true,
      blockPrivate: true,
      blockPrivateExcept: exempt.map((zone) => parseWireName(zone) ?? new Uint8Array(0)),
      isOwnName: isMesosName,
    },
    1000,
  );
  assert.ok(stored !== null);
  return stored;
}

const PRIVATE = [
  '0.0.0.0',
  '0.1.2.3',
  '10.0.0.1',
  '10.255.255.255',
  '100.64.0.1',
  '100.127.255.255',
  '127.0.0.1',
  '169.254.169.254',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.1.1',
  '::',
  '::1',
  'fc00::1',
  'fdff::1',
  'fe80::1',
  'febf::1',
  'fec0::1',
  '::ffff:10.0.0.1',
  '::ffff:127.0.0.1',
  '::a00:1',
  '64:ff9b::a00:1',
];

const PUBLIC = [
  '1.1.1.1',
  '9.255.255.255',
  '11.0.0.0',
  '100.63.255.255',
  '100.128.0.0',
  '126.255.255.255',
  '128.0.0.0',
  '169.253.0.1',
  '172.15.255.255',
  '172.32.0.0',
  '192.167.0.1',
  '192.169.0.1',
  '2001:db8::1',
  'fbff::1',
  'fe7f::1',
  'ff02::1',
  '::ffff:1.1.1.1',
  '::101:101',
  '64:ff9b::101:101',
  '64:ff9b:0:1::a00:1',
];

for (const [kind, texts] of [
  ['private', PRIVATE],
  ['public', PUBLIC],
] as const) {
  for (const text of texts) {
    test(`${text} is ${kind}`, () => {
      const record = address('rebind.example.', text);
      const kept = readStored(pack({ answer: [record] }, record.type)).answer.length;
      assert.equal(kept, kind === 'public' ? 1 : 0);
    });
  }
}

test('an answer of private addresses alone is NODATA that is said to be filtered', () => {
  const stored = pack(
    {
      answer: [
        { name: 'rebind.example.', type: TYPE.CNAME, rdata: wireName('a.example.') },
        address('a.example.', '10.0.0.1', 40),
        address('a.example.', '10.0.0.2', 30),
      ],
      authority: [{ name: 'example.', type: TYPE.NS, rdata: wireName('ns.example.') }],
    },
    TYPE.A,
  );
  const reply = readStored(stored);
  assert.deepEqual([reply.rcode, reply.answer, reply.authority], [0, [], []]);
  assert.equal(stored[STORED.BODY_BYTES], 0);
  assert.equal(stored[STORED.EDE], FILTERED);
  assert.equal(stored[STORED.FLAGS], 0, 'what is left was not found to be authentic');
  assert.equal(lifetimeOf(stored), 30);
});

test('what is filtered is kept no longer than a denial', () => {
  const stored = pack({ answer: [address('rebind.example.', '10.0.0.1', 3600)] }, TYPE.A);
  assert.equal(lifetimeOf(stored), 60);
});

test('public addresses beside private ones stay, without AD and with the reason', () => {
  const stored = pack(
    { answer: ['10.0.0.1', '1.1.1.1', '::1'].map((text) => address('rebind.example.', text)) },
    TYPE.ANY,
  );
  assert.deepEqual(
    readStored(stored).answer.map(({ data }) => data),
    ['01010101'],
  );
  assert.deepEqual([stored[STORED.FLAGS], stored[STORED.EDE]], [0, FILTERED]);
});

test('names in an exempt zone may have private addresses, names that only lead there may not', () => {
  const answer = [address('rebind.example.', '10.0.0.1')];
  const kept = (exempt: readonly string[], message: Partial<TestMessage> = { answer }): number =>
    readStored(pack(message, TYPE.A, exempt)).answer.length;
  assert.equal(kept(['corp.', 'example.']), 1);
  assert.equal(kept(['rebind.example.']), 1);
  assert.equal(kept(['xample.']), 0);
  assert.equal(kept(['a.rebind.example.']), 0);
  const alias = { name: 'rebind.example.', type: TYPE.CNAME, rdata: wireName('host.corp.') };
  assert.equal(kept(['corp.'], { answer: [alias, address('host.corp.', '10.0.0.1')] }), 0);
});

test('D14b: a name leads to one of ours only if it may have private addresses', () => {
  const alias = { name: 'rebind.example.', type: TYPE.CNAME, rdata: wireName('web.mesos.') };
  const message = { flags: FLAG.QR | RCODE.NXDOMAIN, answer: [{ ...alias, ttl: 20 }] };
  const guarded = pack(message, TYPE.A);
  assert.deepEqual(
    [guarded[STORED.FLAGS], guarded[STORED.BODY_BYTES], guarded[STORED.EDE]],
    [RCODE.NOERROR, 0, FILTERED],
  );
  assert.equal(lifetimeOf(guarded), 20);
  const exempt = pack(message, TYPE.A, ['example.']);
  assert.deepEqual([exempt[STORED.FLAGS], exempt[STORED.EDE]], [LEADS_HOME, 0]);
});

const hints = (...parameters: readonly Uint8Array[]): TestRecord => ({
  name: 'rebind.example.',
  type: TYPE.HTTPS,
  rdata: Buffer.concat([u16(1), wireName('.'), ...parameters]),
});
const ALPN = Buffer.concat([u16(1, 3), Buffer.from([2, 0x68, 0x32])]);
const hint4 = (...texts: readonly string[]): Uint8Array =>
  Buffer.concat([u16(4, 4 * texts.length), ...texts.map(bytesOf)]);
const hint6 = (...texts: readonly string[]): Uint8Array =>
  Buffer.concat([u16(6, 16 * texts.length), ...texts.map(bytesOf)]);

for (const [name, record, kept] of [
  ['public hints', hints(ALPN, hint4('1.1.1.1'), hint6('2001:db8::1')), true],
  ['no parameters', hints(), true],
  ['a private IPv4 hint', hints(ALPN, hint4('1.1.1.1', '192.168.0.1')), false],
  ['a private IPv6 hint', hints(hint6('fd00::1')), false],
  ['parameters that are cut', hints(u16(4, 400)), false],
] as const) {
  test(`an HTTPS record with ${name} is ${kept ? 'kept' : 'taken out'}`, () => {
    const stored = pack({ answer: [record] }, TYPE.HTTPS);
    assert.equal(readStored(stored).answer.length, kept ? 1 : 0);
  });
}

test('private addresses of targets are taken out, too', () => {
  const rdata = Buffer.concat([u16(1, 2, 80), wireName('a.')]);
  const stored = pack(
    {
      answer: [{ name: 'rebind.example.', type: TYPE.SRV, rdata }],
      additional: [address('a.', '10.0.0.1'), address('a.', '1.1.1.1')],
    },
    TYPE.SRV,
  );
  assert.deepEqual(
    readStored(stored).additional.map(({ data }) => data),
    ['01010101'],
  );
});
