import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ForwardConfig } from '../../../src/core/config/config.ts';
import { FLAG, RCODE, TYPE } from '../../../src/core/dns/constants.ts';
import { NEVER, STORED } from '../../../src/core/dns/stored-reply.ts';
import { parseWireName } from '../../../src/core/dns/name.ts';
import { packReply, packRules, type PackRules } from '../../../src/core/forward/pack-reply.ts';
import type { ForwardQuestion } from '../../../src/core/forward/resolution.ts';
import {
  addressRecords,
  buildMessage,
  ipv4,
  recordText,
  u16,
  wireName,
} from '../../support/dns-message.ts';
import type { TestMessage, TestRecord } from '../../support/dns-message.ts';
import { lifetimeOf, readStored, ttlsOfStored, PACK_RULES } from '../../support/stored-reply.ts';

const ANSWERED = FLAG.QR | FLAG.RD | FLAG.RA;
const NOW = 1_000_000;
const NSEC = 47;
const DNAME = 39;

function question(name: string, rest: Partial<ForwardQuestion> = {}): ForwardQuestion {
  const qname = parseWireName(name);
  assert.ok(qname !== null);
  const flags = { dnssecOk: false, checkingDisabled: false, recursionDesired: true };
  return { qname, qtype: TYPE.A, ...flags, ...rest };
}

/** What becomes of a reply to `www.example.` A. */
function pack(
  message: Partial<TestMessage>,
  rest: Partial<ForwardQuestion> = {},
  rules: Partial<PackRules> = {},
): Uint32Array | null {
  const asked = question('www.example.', rest);
  const reply = buildMessage({
    flags: ANSWERED,
    qname: 'wWw.eXample.',
    qtype: asked.qtype,
    ...message,
  });
  return packReply(asked, reply, { ...PACK_RULES, ...rules }, NOW);
}

function packed(...parameters: Parameters<typeof pack>): Uint32Array {
  const stored = pack(...parameters);
  assert.ok(stored !== null, 'the reply is of use');
  return stored;
}

const address = (name: string, text: string, ttl = 300): TestRecord => ({
  name,
  type: TYPE.A,
  ttl,
  rdata: ipv4(text),
});
const alias = (name: string, target: string, ttl = 300): TestRecord => ({
  name,
  type: TYPE.CNAME,
  ttl,
  rdata: wireName(target),
});
const soa = (name: string, ttl: number, minimum: number): TestRecord => ({
  name,
  type: TYPE.SOA,
  ttl,
  rdata: Buffer.concat([
    wireName('ns.example.'),
    wireName('root.'),
    u16(0, 1, 0, 2, 0, 3, 0, 4, 0, minimum),
  ]),
});
const nameServer = (name: string, target: string): TestRecord => ({
  name,
  type: TYPE.NS,
  rdata: wireName(target),
});
const signature = (name: string, covered: number): TestRecord => ({
  name,
  type: TYPE.RRSIG,
  rdata: Buffer.concat([u16(covered), Buffer.alloc(16), wireName('example.'), Buffer.alloc(8, 7)]),
});
const service = (name: string, target: string, type: number = TYPE.SRV): TestRecord => ({
  name,
  type,
  rdata: Buffer.concat([u16(1, 2, 80), wireName(target)]),
});

/** Owners and types of a section. */
const outline = (records: readonly { readonly name: string; readonly type: number }[]): string[] =>
  records.map(({ name, type }) => `${name} ${type}`);

test('an answer is carried with its question, time, rcode, AD and TTL', () => {
  const stored = packed(
    { flags: ANSWERED | FLAG.AA | FLAG.AD, answer: [address('www.example.', '192.0.2.1', 60)] },
    { checkingDisabled: true },
  );
  const reply = readStored(stored);
  assert.equal(reply.qname, 'www.example.');
  assert.deepEqual(reply.answer.map(recordText), ['www.example. 60 A 192.0.2.1']);
  assert.equal(reply.trailing, 0);
  assert.equal(stored[STORED.FLAGS], FLAG.AD | RCODE.NOERROR);
  assert.equal(stored[STORED.BYTES], stored.byteLength);
  assert.equal((stored[STORED.KEY]! >>> 8) & 0xff, 2 | 4);
  assert.deepEqual(
    [stored[STORED.STORED_AT], stored[STORED.EXPIRES_AT], stored[STORED.PREFETCH_AT]],
    [NOW, NOW + 60, NOW + 54],
  );
  assert.deepEqual([stored[STORED.HITS], stored[STORED.EDE]], [0, 0]);
});

test('owners that are the question point at it, whatever their case', () => {
  const stored = packed({ answer: addressRecords('WWW.exaMPLE.', 3) });
  assert.equal(stored[STORED.BODY_BYTES], 3 * 16);
  assert.deepEqual(
    new Set(readStored(stored).answer.map(({ name }) => name)),
    new Set(['www.example.']),
  );
});

test('aliases are followed, and put in the order in which they lead on', () => {
  const stored = packed({
    answer: [
      address('c.cdn.', '192.0.2.3'),
      alias('B.cdn.', 'c.cdn.'),
      alias('www.example.', 'b.cdn.'),
      address('c.cdn.', '192.0.2.4'),
    ],
  });
  assert.deepEqual(readStored(stored).answer.map(recordText), [
    'www.example. 300 CNAME b.cdn.',
    'B.cdn. 300 CNAME c.cdn.',
    'c.cdn. 300 A 192.0.2.3',
    'c.cdn. 300 A 192.0.2.4',
  ]);
});

test('a DNAME record stays with the alias that was made from it', () => {
  const dname = { name: 'example.', type: DNAME, rdata: wireName('net.') };
  const foreign = { name: 'other.', type: DNAME, rdata: wireName('net.') };
  const stored = packed({
    answer: [foreign, dname, alias('www.example.', 'www.net.'), address('www.net.', '192.0.2.1')],
  });
  assert.deepEqual(outline(readStored(stored).answer), [
    'example. 39',
    'www.example. 5',
    'www.net. 1',
  ]);
});

test('records off the chain, of other zones and of names that nothing points to are left out', () => {
  const stored = packed({
    answer: [
      address('web.marathon.mesos.', '203.0.113.9'),
      alias('www.example.', 'a.example.'),
      alias('www.example.', 'second.example.'),
      address('a.example.', '192.0.2.1'),
      { name: 'a.example.', type: TYPE.TXT, rdata: Uint8Array.of(0) },
    ],
    authority: [nameServer('example.', 'ns.example.'), nameServer('mesos.', 'evil.example.')],
    additional: [
      address('ns.example.', '192.0.2.53'),
      address('evil.example.', '192.0.2.66'),
      address('web.marathon.mesos.', '203.0.113.9'),
    ],
  });
  const reply = readStored(stored);
  assert.deepEqual(outline(reply.answer), ['www.example. 5', 'a.example. 1']);
  assert.deepEqual(outline(reply.authority), ['example. 2']);
  assert.deepEqual(outline(reply.additional), ['ns.example. 1']);
});

test('addresses of the targets of SRV and HTTPS records are kept', () => {
  const https = {
    name: 'www.example.',
    type: TYPE.HTTPS,
    rdata: Buffer.concat([u16(1), wireName('.')]),
  };
  for (const [qtype, answer, target] of [
    [TYPE.SRV, service('www.example.', 'Host.example.'), 'host.example.'],
    [TYPE.HTTPS, https, 'www.example.'],
  ] as const) {
    const stored = packed(
      { answer: [answer], additional: [address(target, '192.0.2.1'), address('x.', '192.0.2.2')] },
      { qtype },
    );
    assert.deepEqual(outline(readStored(stored).additional), [`${target} 1`]);
  }
});

test('records of class CH are no answer', () => {
  const reply = buildMessage({
    flags: ANSWERED,
    qname: 'www.example.',
    answer: addressRecords('www.example.', 2),
  });
  const second = 12 + 13 + 4 + 27;
  assert.equal(reply[second + 13 + 3], 1, 'the class of the second record');
  reply[second + 13 + 3] = 3;
  const stored = packReply(question('www.example.'), reply, PACK_RULES, NOW);
  assert.ok(stored !== null);
  assert.deepEqual(outline(readStored(stored).answer), ['www.example. 1']);
});

test('signatures and proofs come only with DO', () => {
  const message: Partial<TestMessage> = {
    answer: [
      alias('www.example.', 'a.example.'),
      signature('www.example.', TYPE.CNAME),
      address('a.example.', '192.0.2.1'),
      signature('a.example.', TYPE.A),
      signature('a.example.', TYPE.TXT),
    ],
    authority: [
      nameServer('example.', 'ns.example.'),
      signature('example.', TYPE.NS),
      { name: 'z.example.', type: NSEC, rdata: Buffer.concat([wireName('zz.example.'), u16(1)]) },
      signature('z.example.', NSEC),
    ],
    additional: [address('ns.example.', '192.0.2.53'), signature('ns.example.', TYPE.A)],
  };
  const plain = readStored(packed(message));
  assert.deepEqual([plain.answer, plain.authority, plain.additional].map(outline), [
    ['www.example. 5', 'a.example. 1'],
    ['example. 2'],
    ['ns.example. 1'],
  ]);
  const signed = readStored(packed(message, { dnssecOk: true }));
  assert.deepEqual([signed.answer, signed.authority, signed.additional].map(outline), [
    ['www.example. 5', 'www.example. 46', 'a.example. 1', 'a.example. 46'],
    ['example. 2', 'example. 46', 'z.example. 47', 'z.example. 46'],
    ['ns.example. 1', 'ns.example. 46'],
  ]);
});

test('who asks for signatures, aliases or everything gets them as they are', () => {
  const answer = [
    alias('www.example.', 'a.'),
    signature('www.example.', TYPE.CNAME),
    address('a.', '192.0.2.1'),
  ];
  const outlineOf = (qtype: number): string[] =>
    outline(readStored(packed({ answer }, { qtype })).answer);
  assert.deepEqual(outlineOf(TYPE.RRSIG), ['www.example. 46']);
  assert.deepEqual(outlineOf(TYPE.CNAME), ['www.example. 5']);
  assert.deepEqual(outlineOf(TYPE.ANY), ['www.example. 5', 'www.example. 46']);
});

test('the data of an unknown type is carried octet for octet', () => {
  const rdata = Uint8Array.from({ length: 256 }, (_, i) => i);
  const stored = packed(
    { answer: [{ name: 'www.example.', type: 65_280, rdata }] },
    { qtype: 65_280 },
  );
  assert.equal(readStored(stored).answer[0]?.data, Buffer.from(rdata).toString('hex'));
});

test('names in SRV data are written in full, in MX data as pointers', () => {
  const rdata = Buffer.concat([u16(1, 2, 80), u16(0xc00c)]);
  const srv = packed(
    { answer: [{ name: 'www.example.', type: TYPE.SRV, rdata }] },
    { qtype: TYPE.SRV },
  );
  assert.equal(srv[STORED.BODY_BYTES], 12 + 6 + 13);
  const mx = packed(
    {
      answer: [
        {
          name: 'www.example.',
          type: TYPE.MX,
          rdata: Buffer.concat([u16(1), wireName('www.example.')]),
        },
      ],
    },
    { qtype: TYPE.MX },
  );
  assert.equal(mx[STORED.BODY_BYTES], 12 + 2 + 2);
});

test('OPT and TSIG are taken out, the extended error of the upstream is kept', () => {
  const options = Buffer.concat([u16(10, 8), Buffer.alloc(8), u16(15, 6, 22), Buffer.from('late')]);
  const stored = packed({
    answer: addressRecords('www.example.', 1),
    additional: [{ name: 'key.', type: TYPE.TSIG, rdata: new Uint8Array(20) }],
    opt: { size: 1232, options },
  });
  assert.equal(stored[STORED.ADDITIONAL], 0);
  assert.equal(stored[STORED.EDE], 22);
});

test('whoever asks for everything gets data, not transactions', () => {
  const rdata = new Uint8Array(20);
  const answer = [TYPE.OPT, TYPE.TSIG, TYPE.TKEY, TYPE.ANY].map((type) => ({
    name: 'www.example.',
    type,
    rdata,
  }));
  const stored = packed({ answer: [...answer, www(300)] }, { qtype: TYPE.ANY });
  assert.deepEqual(outline(readStored(stored).answer), ['www.example. 1']);
});

test('an option that is longer than OPT is no extended error', () => {
  const stored = packed({
    answer: addressRecords('www.example.', 1),
    opt: { size: 1232, options: u16(15, 9, 22) },
  });
  assert.equal(stored[STORED.EDE], 0);
});

interface Lifetime {
  readonly name: string;
  readonly message: Partial<TestMessage>;
  readonly rules?: Partial<PackRules>;
  readonly seconds: number;
  readonly ttls: readonly number[];
}

const www = (ttl: number): TestRecord => address('www.example.', '192.0.2.1', ttl);

const LIFETIMES: readonly Lifetime[] = [
  { name: 'the least TTL', message: { answer: [www(300), www(20)] }, seconds: 20, ttls: [300, 20] },
  {
    name: 'an alias ends before its target',
    message: { answer: [alias('www.example.', 'a.', 5), address('a.', '192.0.2.1', 300)] },
    seconds: 5,
    ttls: [5, 300],
  },
  {
    name: 'an address beside the answer ends first',
    message: {
      answer: [www(300)],
      authority: [nameServer('example.', 'ns.example.')],
      additional: [address('ns.example.', '192.0.2.53', 7)],
    },
    seconds: 7,
    ttls: [300, 300, 7],
  },
  { name: 'TTL 0', message: { answer: [www(0)] }, seconds: 0, ttls: [0] },
  {
    name: 'TTL 0 and a minimum',
    message: { answer: [www(0)] },
    rules: { ttlSecondsMin: 5 },
    seconds: 5,
    ttls: [5],
  },
  {
    name: 'TTL 2^31 - 1',
    message: { answer: [www(0x7fff_ffff)] },
    seconds: 86_400,
    ttls: [86_400],
  },
  { name: 'TTL 2^31', message: { answer: [www(0x8000_0000)] }, seconds: 0, ttls: [0] },
  {
    name: 'NXDOMAIN by the MINIMUM field',
    message: { flags: ANSWERED | RCODE.NXDOMAIN, authority: [soa('example.', 3600, 60)] },
    seconds: 60,
    ttls: [60],
  },
  {
    name: 'NODATA by the TTL of the SOA record',
    message: { authority: [soa('example.', 30, 3600)] },
    rules: { ttlSecondsMin: 100 },
    seconds: 30,
    ttls: [30],
  },
  {
    name: 'a denial by the bound',
    message: { authority: [soa('.', 7200, 3600)] },
    seconds: 900,
    ttls: [900],
  },
  {
    name: 'a denial behind an alias',
    message: { answer: [alias('www.example.', 'a.net.', 40)], authority: [soa('net.', 60, 60)] },
    seconds: 40,
    ttls: [40, 60],
  },
  {
    name: 'NXDOMAIN beside an answer',
    message: { flags: ANSWERED | RCODE.NXDOMAIN, answer: [www(300)] },
    seconds: 0,
    ttls: [300],
  },
  { name: 'a denial without SOA', message: {}, seconds: 0, ttls: [] },
  {
    name: 'a denial with the SOA of another zone',
    message: { authority: [soa('net.', 60, 60)] },
    seconds: 0,
    ttls: [],
  },
  {
    name: 'an alias to nowhere',
    message: { answer: [alias('www.example.', 'a.net.', 40)] },
    seconds: 0,
    ttls: [40],
  },
  {
    name: 'SERVFAIL',
    message: { flags: ANSWERED | RCODE.SERVFAIL, authority: [soa('example.', 60, 60)] },
    seconds: 0,
    ttls: [60],
  },
  {
    name: 'a truncated reply',
    message: { flags: ANSWERED | FLAG.TC, answer: [www(300)] },
    seconds: 0,
    ttls: [300],
  },
];

for (const { name, message, rules, seconds, ttls } of LIFETIMES) {
  test(`lifetime: ${name} gives ${seconds} s`, () => {
    const stored = packed(message, {}, rules);
    assert.equal(lifetimeOf(stored), seconds);
    assert.deepEqual(ttlsOfStored(stored), ttls);
  });
}

test('replies are renewed in the last tenth of their life, if there is time for it', () => {
  const prefetchAt = (ttl: number, rules: Partial<PackRules> = {}): number =>
    packed({ answer: [www(ttl)] }, {}, rules)[STORED.PREFETCH_AT]!;
  assert.equal(prefetchAt(10), NOW + 9);
  assert.equal(prefetchAt(9), NEVER);
  assert.equal(prefetchAt(300, { prefetch: false }), NEVER);
});

test('TC, REFUSED and other codes are passed on', () => {
  assert.equal(packed({ flags: ANSWERED | FLAG.TC })[STORED.FLAGS], FLAG.TC);
  assert.equal(packed({ flags: ANSWERED | RCODE.REFUSED })[STORED.FLAGS], RCODE.REFUSED);
});

test('an error that is a bare header is passed on', () => {
  const stored = packReply(
    question('www.example.'),
    u16(1, FLAG.QR | RCODE.FORMERR, 0, 0, 0, 0),
    PACK_RULES,
    NOW,
  );
  assert.ok(stored !== null);
  assert.equal(stored[STORED.FLAGS], RCODE.FORMERR);
  assert.equal(stored[STORED.BODY_BYTES], 0);
});

test('an extended response code becomes SERVFAIL', () => {
  const reply = buildMessage({ flags: ANSWERED, qname: 'www.example.', opt: { size: 1232 } });
  reply[reply.length - 6] = 1; // BADVERS
  const stored = packReply(question('www.example.'), reply, PACK_RULES, NOW);
  assert.ok(stored !== null);
  assert.equal(stored[STORED.FLAGS], RCODE.SERVFAIL);
  assert.equal(lifetimeOf(stored), 0);
});

const chain = (links: number): TestRecord[] => [
  alias('www.example.', 'n1.'),
  ...Array.from({ length: links - 1 }, (_, i) => alias(`n${i + 1}.`, `n${i + 2}.`)),
  address(`n${links}.`, '192.0.2.1'),
];

test('16 aliases are followed, 17 are too many', () => {
  assert.equal(readStored(packed({ answer: chain(16) })).answer.length, 17);
  assert.equal(pack({ answer: chain(17) }), null);
});

test('aliases in a circle are an answer that is not kept', () => {
  const answer = [
    alias('www.example.', 'a.'),
    alias('a.', 'WWW.example.'),
    address('b.', '192.0.2.1'),
  ];
  const stored = packed({ answer });
  assert.deepEqual(outline(readStored(stored).answer), ['www.example. 5', 'a. 5']);
  assert.equal(lifetimeOf(stored), 0);
});

interface Useless {
  readonly name: string;
  readonly message: Partial<TestMessage>;
  readonly qtype?: number;
}

const oneRecord = (type: number, ...rdata: readonly Uint8Array[]): Partial<TestMessage> => ({
  answer: [{ name: 'www.example.', type, rdata: Buffer.concat(rdata) }],
});

const USELESS: readonly Useless[] = [
  {
    name: 'an answer to another question',
    message: { answer: addressRecords('other.example.', 2) },
  },
  { name: 'an A record of 3 octets', message: oneRecord(TYPE.A, new Uint8Array(3)) },
  {
    name: 'an AAAA record of 4 octets',
    message: oneRecord(TYPE.AAAA, ipv4('1.1.1.1')),
    qtype: TYPE.AAAA,
  },
  { name: 'an alias without a name', message: oneRecord(TYPE.CNAME) },
  {
    name: 'an alias with octets behind the name',
    message: oneRecord(TYPE.CNAME, wireName('a.'), u16(1)),
  },
  { name: 'a pointer into the header', message: oneRecord(TYPE.CNAME, u16(0xc002)) },
  { name: 'an SRV record of 2 octets', message: oneRecord(TYPE.SRV, u16(1)), qtype: TYPE.SRV },
  {
    name: 'a NAPTR record whose strings are cut',
    message: oneRecord(TYPE.NAPTR, Uint8Array.of(0, 1, 0, 1, 1, 65, 200, 1)),
    qtype: TYPE.NAPTR,
  },
  {
    name: 'a short SOA record',
    message: { authority: [{ name: 'example.', type: TYPE.SOA, rdata: new Uint8Array(9) }] },
  },
];

for (const { name, message, qtype = TYPE.A } of USELESS) {
  test(`${name} is of no use`, () => assert.equal(pack(message, { qtype }), null));
}

test('names behind strings are found', () => {
  const rdata = Buffer.concat([u16(1, 2), Uint8Array.of(1, 65, 0, 2, 66, 67), u16(0xc00c)]);
  const answer = [{ name: 'www.example.', type: TYPE.NAPTR, rdata }];
  const stored = packed({ answer }, { qtype: TYPE.NAPTR });
  assert.equal(stored[STORED.BODY_BYTES], 12 + 4 + 6 + 13, 'the name is written in full');
});

test('no octets at all are of no use', () => {
  assert.equal(packReply(question('.'), new Uint8Array(0), PACK_RULES, NOW), null);
});

test('the rules of a configuration have its bounds, and its zones in wire form', () => {
  const { isOwnName } = PACK_RULES;
  const config: ForwardConfig = {
    enabled: true,
    upstreams: 'system',
    zones: [],
    allow: [],
    policy: 'race',
    timeoutMs: 1000,
    deadlineMs: 4000,
    cache: {
      bytesMax: 0,
      ttlSecondsMin: 1,
      ttlSecondsMax: 2,
      negativeTtlSecondsMax: 3,
      staleSeconds: 4,
      prefetch: true,
    },
    blockPrivate: true,
    blockPrivateExcept: ['corp', 'a.example'],
    specialNames: 'local',
    privateReverse: 'local',
  };
  const rules = packRules(config, isOwnName);
  assert.deepEqual(
    { ...rules, blockPrivateExcept: rules.blockPrivateExcept.map((zone) => Buffer.from(zone)) },
    {
      ttlSecondsMin: 1,
      ttlSecondsMax: 2,
      negativeTtlSecondsMax: 3,
      prefetch: true,
      blockPrivate: true,
      blockPrivateExcept: [wireName('corp.'), wireName('a.example.')],
      isOwnName,
    },
  );
});
