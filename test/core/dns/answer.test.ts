import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import dns2 from 'dns2';
import { parseIpAddress } from '../../../src/core/base/address.ts';
import { seededRandom } from '../../../src/core/base/random.ts';
import { PENDING } from '../../../src/core/dns/answer.ts';
import type { AnswerTable } from '../../../src/core/dns/answer-table.ts';
import { CLASS, EDE, FLAG, RCODE, TYPE, typeMnemonic } from '../../../src/core/dns/constants.ts';
import { hashWireName } from '../../../src/core/dns/name.ts';
import {
  addressRecords,
  buildMessage,
  type ReadMessage,
  readMessage,
  recordText,
  type TestMessage,
  wireName,
} from '../../support/dns-message.ts';
import {
  answer,
  answerBytes,
  answererOf,
  asking,
  type AskingTerms,
  compileZone,
  ip,
  manyAddresses,
  SERIAL,
  TERMS,
  zoneApex,
} from '../../support/small-zone.ts';

const ZONE = compileZone((store) => {
  for (const text of ['10.0.0.2', '10.0.0.1', 'fd00::1']) store.address('web.mesos.', ip(text));
  store.address('six.mesos.', ip('fd00::6'));
  store.address('a.b.mesos.', ip('10.0.0.3'));
  for (const text of ['10.1.0.1', '10.1.0.2', 'fd01::1']) store.address('t1.mesos.', ip(text));
  store.address('t2.mesos.', ip('10.2.0.1'));
  store.service('_web._tcp.mesos.', 't1.mesos.', 8080);
  store.service('_web._tcp.mesos.', 't1.mesos.', 8081);
  store.service('_web._tcp.mesos.', 't2.mesos.', 8080);
  store.service('_far._tcp.mesos.', 'elsewhere.example.test.', 1);
  store.address('ns1.mesos.', ip('10.0.0.53'));
  store.address('ns.example.test.', ip('10.0.0.54'));
});

/** Our own domain, an alias zone and a reverse zone. */
const POINTERS = compileZone(
  (store) => {
    store.address('web.l4lb.mesos.', ip('10.208.3.4'));
    store.address('api.l4lb.mesos.', ip('10.208.3.4'));
    store.pointer('4.3.208.10.in-addr.arpa.', 'web.l4lb.mesos.');
    store.pointer('4.3.208.10.in-addr.arpa.', 'api.l4lb.mesos.');
    store.copyBelow('l4lb.mesos.', 'l4lb.thisdcos.directory.');
  },
  {
    ...TERMS,
    zones: ['mesos.', 'l4lb.thisdcos.directory.', '208.10.in-addr.arpa.'].map((apex) => ({
      ...zoneApex('mesos.'),
      apex,
    })),
  },
);

const SOA = `mesos. 5 SOA ns1.mesos. root.ns1.mesos. ${SERIAL} 60 600 86400 5`;

const ask = (qname: string, qtype: number = TYPE.A, more: Partial<TestMessage> = {}): ReadMessage =>
  answer(ZONE, { qname, qtype, ...more });

const texts = (records: ReadMessage['answer']): string[] => records.map(recordText).sort();

/** Sections of a reply with the rcode, as text. */
function outcome(reply: ReadMessage): Record<string, unknown> {
  const rcode = Object.entries(RCODE).find(([, code]) => code === reply.rcode)?.[0];
  return {
    rcode,
    answer: texts(reply.answer),
    authority: texts(reply.authority),
    additional: texts(reply.additional),
  };
}

const NXDOMAIN = { rcode: 'NXDOMAIN', answer: [], authority: [SOA], additional: [] };
const NODATA = { rcode: 'NOERROR', answer: [], authority: [SOA], additional: [] };
const found = (...records: readonly string[]): Record<string, unknown> => ({
  rcode: 'NOERROR',
  answer: records,
  authority: [],
  additional: [],
});

interface Case {
  readonly what: string;
  readonly qname: string;
  readonly qtype: number;
  readonly expected: Record<string, unknown>;
}

const row = (
  what: string,
  qname: string,
  qtype: number,
  expected: Record<string, unknown>,
): Case => ({ what, qname, qtype, expected });

const CASES: readonly Case[] = [
  row(
    'a name has all its addresses',
    'web.mesos.',
    TYPE.A,
    found('web.mesos. 60 A 10.0.0.1', 'web.mesos. 60 A 10.0.0.2'),
  ),
  row(
    'A10: a name has its IPv6 address',
    'web.mesos.',
    TYPE.AAAA,
    found('web.mesos. 60 AAAA fd00:0000:0000:0000:0000:0000:0000:0001'),
  ),
  row('A4: a name without IPv6 address exists', 'a.b.mesos.', TYPE.AAAA, NODATA),
  row('A4: a name without IPv4 address exists', 'six.mesos.', TYPE.A, NODATA),
  row('D03: a name without services exists', 'web.mesos.', TYPE.SRV, NODATA),
  row('A3: a name that is not there does not exist', 'no.mesos.', TYPE.A, NXDOMAIN),
  row('A3: nor for IPv6', 'no.mesos.', TYPE.AAAA, NXDOMAIN),
  row('D03: nor for services', '_no._tcp.mesos.', TYPE.SRV, NXDOMAIN),
  row('D05: the SOA of a negative answer is owned by the apex', 'x.y.z.mesos.', TYPE.A, NXDOMAIN),
  row('D01: the apex exists', 'mesos.', TYPE.A, NODATA),
  row('D02: a name between names exists', 'b.mesos.', TYPE.A, NODATA),
  row('D02: so does a protocol', '_tcp.mesos.', TYPE.SRV, NODATA),
  row('a name below a name with an address does not exist', 'x.web.mesos.', TYPE.A, NXDOMAIN),
  row('a star is a label like any other', '*.mesos.', TYPE.A, NXDOMAIN),
  row('D10: nothing is cut out of a name', 'web.*.mesos.', TYPE.A, NXDOMAIN),
  row('D04: SOA of another name than the apex is no data', 'web.mesos.', TYPE.SOA, NODATA),
  row('D04: NS of a name that is not there does not exist', 'no.mesos.', TYPE.NS, NXDOMAIN),
  row('D21: DS is answered from the zone', 'web.mesos.', TYPE.DS, NODATA),
  row('A2: the apex has its SOA', 'mesos.', TYPE.SOA, found(SOA.replace(' 5 ', ' 60 '))),
];

for (const { what, qname, qtype, expected } of CASES) {
  test(`${what}: ${qname} ${typeMnemonic(qtype)}`, () => {
    assert.deepEqual(outcome(ask(qname, qtype)), expected);
  });
}

for (const qtype of [
  5, 12, 15, 16, 35, 43, 46, 48, 64, 65, 99, 128, 248, 256, 257, 65_280, 65_535,
]) {
  test(`A13: type ${typeMnemonic(qtype)} of a name is no data, of none does not exist`, () => {
    assert.deepEqual(outcome(ask('web.mesos.', qtype)), NODATA);
    assert.deepEqual(outcome(ask('no.mesos.', qtype)), NXDOMAIN);
  });
}

test('A2: the apex has its name server, with the addresses of that', () => {
  assert.deepEqual(outcome(ask('mesos.', TYPE.NS)), {
    ...found('mesos. 60 NS ns1.mesos.'),
    additional: ['ns1.mesos. 60 A 10.0.0.53'],
  });
});

test('A8, D11: a service has all addresses of all targets, each once', () => {
  assert.deepEqual(outcome(ask('_web._tcp.mesos.', TYPE.SRV)), {
    rcode: 'NOERROR',
    answer: [
      '_web._tcp.mesos. 60 SRV 0 1 8080 t1.mesos.',
      '_web._tcp.mesos. 60 SRV 0 1 8080 t2.mesos.',
      '_web._tcp.mesos. 60 SRV 0 1 8081 t1.mesos.',
    ],
    authority: [],
    additional: [
      't1.mesos. 60 A 10.1.0.1',
      't1.mesos. 60 A 10.1.0.2',
      't1.mesos. 60 AAAA fd01:0000:0000:0000:0000:0000:0000:0001',
      't2.mesos. 60 A 10.2.0.1',
    ],
  });
});

test('A8: each target is added once, whichever record the rotation puts first', () => {
  for (const drawn of [0, 0.4, 0.99]) {
    const query = { qname: '_web._tcp.mesos.', qtype: TYPE.SRV };
    const reply = answer(ZONE, query, { random: () => drawn });
    assert.equal(reply.additional.length, 4, `drawn ${drawn}`);
  }
});

test('A8: targets are not compressed (RFC 2782)', () => {
  const bytes = answerBytes(ZONE, buildMessage({ qname: '_far._tcp.mesos.', qtype: TYPE.SRV }));
  assert.ok(typeof bytes !== 'string');
  const target = wireName('elsewhere.example.test.');
  assert.equal(bytes.length, 12 + 17 + 4 + 12 + 6 + target.length);
  assert.deepEqual(bytes.slice(-target.length), new Uint8Array(target));
});

describe('flags', () => {
  const flagsOf = (flags: number, asking: AskingTerms = {}, qname = 'web.mesos.'): number =>
    answer(ZONE, { qname, flags }, asking).flags;

  test('A1: answers are authoritative, negative ones too', () => {
    for (const qname of ['web.mesos.', 'no.mesos.', 'b.mesos.']) {
      assert.equal(flagsOf(0, {}, qname) & FLAG.AA, FLAG.AA);
    }
  });

  test('A1: RD is copied, RA is set as the server is', () => {
    assert.equal(flagsOf(FLAG.RD), FLAG.QR | FLAG.AA | FLAG.RD | FLAG.RA);
    assert.equal(flagsOf(0), FLAG.QR | FLAG.AA | FLAG.RA);
    assert.equal(flagsOf(FLAG.RD, { recursionAvailable: false }), FLAG.QR | FLAG.AA | FLAG.RD);
  });

  test('B7, B8: CD is copied; AD, Z, TC and an rcode are not', () => {
    assert.equal(flagsOf(FLAG.CD), FLAG.QR | FLAG.AA | FLAG.RA | FLAG.CD);
    const meaningless = FLAG.AD | 0x40 | FLAG.TC | FLAG.AA | FLAG.RA | 0x0f;
    assert.equal(flagsOf(meaningless), FLAG.QR | FLAG.AA | FLAG.RA);
  });
});

describe('names', () => {
  test('A6, D09: letter case is kept in the question and so in the owners', () => {
    const reply = ask('wEb.MESOS.');
    assert.equal(reply.qname, 'wEb.MESOS.');
    assert.deepEqual(texts(reply.answer), ['wEb.MESOS. 60 A 10.0.0.1', 'wEb.MESOS. 60 A 10.0.0.2']);
    assert.equal(ask('x.MeSoS.').authority[0]?.name, 'MeSoS.');
    assert.equal(ask('_WEB._TCP.mesos.', TYPE.SRV).additional[0]?.name, 't1.mesos.');
  });

  const LOOKALIKES: readonly (readonly [what: string, qname: Uint8Array])[] = [
    ['with a dot in a label', Buffer.from('\u0003a.b\u0005mesos\u0000', 'latin1')],
    ['with a NUL', Buffer.from('\u0004web\u0000\u0005mesos\u0000', 'latin1')],
    ['with a space', Buffer.from('\u0004web \u0005mesos\u0000', 'latin1')],
    ['with a letter written as an escape', Buffer.from('\u0006\\119eb\u0005mesos\u0000', 'latin1')],
    [
      'that differs in bit 6 of an octet that is no letter',
      Buffer.from([1, 0x5b, 5, ...Buffer.from('mesos'), 0]),
    ],
  ];

  for (const [what, qname] of LOOKALIKES) {
    test(`A7: a name ${what} is another name`, () => {
      assert.equal(answer(ZONE, { qname }).rcode, RCODE.NXDOMAIN);
    });
  }

  test('A7: the longest name below the apex gets an answer', () => {
    const qname = `${`${'a'.repeat(63)}.`.repeat(3)}${'a'.repeat(55)}.mesos.`;
    assert.equal(wireName(qname).length, 255);
    assert.deepEqual(outcome(ask(qname)), NXDOMAIN);
  });

  const OUTSIDE = ['notmesos.', 'mesos.example.', 'esos.', '.', 'example.test.', 'xmesos.'];

  for (const qname of OUTSIDE) {
    test(`${qname} is outside the zone and forwarded`, () => {
      assert.equal(answerBytes(ZONE, buildMessage({ qname })), 'forward');
    });
  }

  test('a name outside the zone is forwarded though the table knows it', () => {
    for (const qname of ['ns.example.test.', 'x.ns.example.test.']) {
      assert.equal(answerBytes(ZONE, buildMessage({ qname })), 'forward');
    }
  });

  test('a label that only ends like the apex is outside', () => {
    // One label `x\5mesos`: its last octets are those of the apex.
    const qname = Buffer.from([7, 0x78, 5, ...Buffer.from('mesos'), 0]);
    assert.equal(answerBytes(ZONE, buildMessage({ qname })), 'forward');
  });
});

for (const apexes of [
  ['mesos.', 'b.a.mesos.', 'l4lb.test.'],
  ['l4lb.test.', 'b.a.mesos.', 'mesos.'],
]) {
  test(`zones within zones answer for themselves, declared as ${apexes.join(', ')}`, () => {
    const table = compileZone(
      (store) => {
        store.address('w.mesos.', ip('10.0.0.1'));
        store.address('w.b.a.mesos.', ip('10.0.0.2'));
      },
      { ...TERMS, zones: apexes.map(zoneApex) },
    );
    const apexOf = (qname: string): [number, string | undefined] => {
      const { rcode, authority } = answer(table, { qname, qtype: TYPE.TXT });
      return [rcode, authority[0]?.name];
    };
    assert.deepEqual(apexOf('w.mesos.'), [RCODE.NOERROR, 'mesos.']);
    assert.deepEqual(apexOf('no.mesos.'), [RCODE.NXDOMAIN, 'mesos.']);
    assert.deepEqual(apexOf('a.mesos.'), [RCODE.NOERROR, 'mesos.']);
    assert.deepEqual(apexOf('c.a.mesos.'), [RCODE.NXDOMAIN, 'mesos.']);
    assert.deepEqual(apexOf('b.a.mesos.'), [RCODE.NOERROR, 'b.a.mesos.']);
    assert.deepEqual(apexOf('no.b.a.mesos.'), [RCODE.NXDOMAIN, 'b.a.mesos.']);
    assert.deepEqual(apexOf('xb.a.mesos.'), [RCODE.NXDOMAIN, 'mesos.']);
    assert.deepEqual(apexOf('no.l4lb.test.'), [RCODE.NXDOMAIN, 'l4lb.test.']);
    assert.equal(answerBytes(table, buildMessage({ qname: 'test.' })), 'forward');
  });
}

describe('ANY', () => {
  test('A12, D20: one RRset of a name (RFC 8482)', () => {
    assert.deepEqual(outcome(ask('web.mesos.', TYPE.ANY)), {
      ...found('web.mesos. 60 A 10.0.0.1', 'web.mesos. 60 A 10.0.0.2'),
    });
    assert.equal(ask('_web._tcp.mesos.', TYPE.ANY).answer[0]?.type, TYPE.SRV);
    assert.equal(ask('mesos.', TYPE.ANY).answer[0]?.type, TYPE.NS);
  });

  test('D20: one SOA where there is nothing', () => {
    assert.deepEqual(outcome(ask('b.mesos.', TYPE.ANY)), NODATA);
    assert.deepEqual(outcome(ask('no.mesos.', TYPE.ANY)), NXDOMAIN);
  });

  test('class ANY is answered like class IN', () => {
    assert.equal(ask('web.mesos.', TYPE.A, { qclass: CLASS.ANY }).answer.length, 2);
  });
});

test('a name can be answered with the records of another, as below a wildcard', () => {
  const answerer = answererOf();
  const out = new Uint8Array(1232);
  const packet = buildMessage({ qname: 'x.y.web.mesos.' });
  assert.equal(answerer.begin(packet, packet.length, asking(), out), PENDING);
  const owner = wireName('web.mesos.');
  const node = ZONE.find(owner, 0, owner.length, hashWireName(owner, 0, owner.length));
  const reply = readMessage(out.slice(0, answerer.answerFrom(ZONE, node)));
  assert.deepEqual(texts(reply.answer), [
    'x.y.web.mesos. 60 A 10.0.0.1',
    'x.y.web.mesos. 60 A 10.0.0.2',
  ]);
});

describe('refusals', () => {
  const empty = (rcode: string): Record<string, unknown> => ({
    rcode,
    answer: [],
    authority: [],
    additional: [],
  });

  for (const qclass of [0, 2, CLASS.CH, 4, CLASS.NONE, 65_535]) {
    test(`A14, D18: class ${qclass} is refused, in the zone and outside`, () => {
      for (const qname of ['web.mesos.', 'version.bind.']) {
        const reply = ask(qname, TYPE.TXT, { qclass });
        assert.deepEqual(outcome(reply), empty('REFUSED'));
        assert.equal(reply.flags & (FLAG.AA | FLAG.RA), 0);
        assert.equal(reply.qname, qname);
      }
    });
  }

  const META: readonly (readonly [qtype: number, rcode: string])[] = [
    [TYPE.OPT, 'FORMERR'],
    [TYPE.TKEY, 'NOTIMP'],
    [TYPE.TSIG, 'NOTIMP'],
    [TYPE.MAILA, 'NOTIMP'],
    [TYPE.MAILB, 'NOTIMP'],
    [TYPE.AXFR, 'REFUSED'],
    [TYPE.IXFR, 'REFUSED'],
  ];

  for (const [qtype, rcode] of META) {
    test(`A13, D24: a question for ${typeMnemonic(qtype)} is answered ${rcode}`, () => {
      for (const overTcp of [false, true]) {
        for (const qname of ['mesos.', 'no.mesos.', 'example.']) {
          assert.deepEqual(outcome(answer(ZONE, { qname, qtype }, { overTcp })), empty(rcode));
        }
      }
    });
  }

  test('B3, D19: another operation gets NOTIMP with its opcode and RD, without a question', () => {
    for (let opcode = 1; opcode < 16; opcode++) {
      const flags = (opcode << 11) | FLAG.RD;
      const reply = answer(ZONE, { qname: 'mesos.', flags, id: 0xabcd });
      assert.deepEqual([reply.id, reply.qname], [0xabcd, null]);
      assert.equal(reply.flags, FLAG.QR | (opcode << 11) | FLAG.RD | RCODE.NOTIMP);
    }
  });

  test('B5: a query that cannot be read gets FORMERR with its id and nothing else', () => {
    const query = buildMessage({ qname: 'mesos.', id: 0x5555 });
    const bytes = answerBytes(ZONE, query.slice(0, 20));
    assert.ok(typeof bytes !== 'string');
    assert.deepEqual(Buffer.from(bytes).toString('hex'), '555580010000000000000000');
  });

  test('B1, B5: a reply or a piece of a header gets nothing', () => {
    assert.equal(answerBytes(ZONE, buildMessage({ qname: 'mesos.', flags: FLAG.QR })), 'drop');
    assert.equal(answerBytes(ZONE, buildMessage({ qname: 'mesos.' }).slice(0, 11)), 'drop');
  });
});

describe('before the first state', () => {
  const UNREADY = compileZone(() => undefined, TERMS, false);

  test('A15, S17: names of the zone fail, none is denied', () => {
    for (const qname of ['mesos.', 'web.mesos.', '_web._tcp.mesos.']) {
      const reply = answer(UNREADY, { qname, opt: { size: 1232 } });
      assert.deepEqual([reply.rcode, reply.authority.length], [RCODE.SERVFAIL, 0]);
      assert.equal(reply.opt?.options, `000f0002000${EDE.NOT_READY.toString(16)}`);
      assert.equal(answer(UNREADY, { qname }).opt, null);
    }
  });

  test('S17: names outside are forwarded', () => {
    assert.equal(answerBytes(UNREADY, buildMessage({ qname: 'example.' })), 'forward');
  });
});

describe('EDNS (RFC 6891)', () => {
  const PLAIN = { size: 1232 };

  test('C1, D07: OPT is in the reply if it is in the query, with our size', () => {
    for (const qname of ['web.mesos.', 'no.mesos.', 'b.mesos.']) {
      const reply = answer(ZONE, { qname, opt: { size: 4096 } }, { udpPayloadSize: 1400 });
      assert.deepEqual(reply.opt, { size: 1400, options: '' });
      assert.equal(ask(qname).opt, null);
    }
  });

  test('C1: OPT is in refusals too', () => {
    assert.ok(ask('web.mesos.', TYPE.A, { qclass: CLASS.CH, opt: PLAIN }).opt !== null);
    assert.ok(ask('web.mesos.', TYPE.AXFR, { opt: PLAIN }).opt !== null);
    const twice = { name: '.', type: TYPE.OPT, rdata: new Uint8Array(0) };
    const formerr = ask('web.mesos.', TYPE.A, { additional: [twice], opt: PLAIN });
    assert.deepEqual([formerr.rcode, formerr.opt?.size], [RCODE.FORMERR, 1232]);
  });

  test('C2, D07: another version is refused with BADVERS and our version 0', () => {
    for (const version of [1, 2, 255]) {
      const reply = ask('web.mesos.', TYPE.A, { opt: { size: 1232, version } });
      assert.deepEqual(reply.edns, { rcode: RCODE.BADVERS, version: 0, flags: 0 });
      assert.deepEqual([reply.rcode, reply.answer.length], [0, 0]);
    }
  });

  test('C5: DO is echoed, other flags and options are not', () => {
    const options = Buffer.from('000a0008aabbccddeeff0011', 'hex');
    for (const [flags, echoed] of [
      [0x8000, 0x8000],
      [0x7fff, 0],
      [0, 0],
    ] as const) {
      const reply = ask('web.mesos.', TYPE.A, { opt: { size: 1232, flags, options } });
      assert.deepEqual(reply.edns, { rcode: 0, version: 0, flags: echoed });
      assert.equal(reply.opt?.options, '');
    }
  });
});

test('B8: records in a query change nothing, over UDP and TCP alike', () => {
  const records = addressRecords('web.mesos.', 1);
  const message = { qname: 'web.mesos.', answer: records, authority: records, additional: records };
  for (const overTcp of [false, true]) {
    const plain = answerBytes(ZONE, buildMessage({ qname: 'web.mesos.' }), { overTcp });
    assert.deepEqual(answerBytes(ZONE, buildMessage(message), { overTcp }), plain);
  }
});

describe('rotation', () => {
  const FIVE = compileZone((store) => {
    for (const address of manyAddresses(5)) store.address('five.mesos.', address);
  });
  const expected = manyAddresses(5).map(({ text }) => text);
  const addresses = (records: ReadMessage['answer']): string[] =>
    records.map((record) => recordText(record).split(' ')[3] ?? '');

  test('A19: every address comes first equally often, and the others follow in a ring', () => {
    const random = seededRandom(2026);
    const counts = new Array<number>(5).fill(0);
    for (let i = 0; i < 5000; i++) {
      const order = addresses(answer(FIVE, { qname: 'five.mesos.' }, { random }).answer);
      const first = expected.indexOf(order[0] ?? '');
      counts[first]! += 1;
      assert.deepEqual(order, [...expected.slice(first), ...expected.slice(0, first)]);
    }
    // Chi-square of 4 degrees of freedom: above 18.5 once in a thousand.
    const chiSquare = counts.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
    assert.ok(chiSquare < 18.5, `first came ${counts.join(', ')}`);
  });

  test('A19: services are rotated too, their targets with them', () => {
    const firsts = new Set(
      [0, 0.34, 0.67].map((drawn) => {
        const query = { qname: '_web._tcp.mesos.', qtype: TYPE.SRV };
        const [first] = answer(ZONE, query, { random: () => drawn }).answer;
        return first?.data;
      }),
    );
    assert.equal(firsts.size, 3);
  });
});

describe('zones besides our own domain', () => {
  const soaOf = (apex: string): string => SOA.replace(/^mesos\./, apex);
  const reverse = soaOf('208.10.in-addr.arpa.');
  const alias = soaOf('l4lb.thisdcos.directory.');
  const name = '4.3.208.10.in-addr.arpa.';
  const negative = (rcode: string, authority: string): Record<string, unknown> => ({
    rcode,
    answer: [],
    authority: [authority],
    additional: [],
  });

  const CASES: readonly (readonly [qname: string, qtype: number, expected: unknown])[] = [
    [name, TYPE.PTR, found(`${name} 60 PTR api.l4lb.mesos.`, `${name} 60 PTR web.l4lb.mesos.`)],
    [name, TYPE.A, negative('NOERROR', reverse)],
    ['3.208.10.in-addr.arpa.', TYPE.PTR, negative('NOERROR', reverse)],
    ['5.3.208.10.in-addr.arpa.', TYPE.PTR, negative('NXDOMAIN', reverse)],
    ['208.10.in-addr.arpa.', TYPE.PTR, negative('NOERROR', reverse)],
    ['web.l4lb.thisdcos.directory.', TYPE.A, found('web.l4lb.thisdcos.directory. 60 A 10.208.3.4')],
    ['no.l4lb.thisdcos.directory.', TYPE.A, negative('NXDOMAIN', alias)],
    ['l4lb.thisdcos.directory.', TYPE.A, negative('NOERROR', alias)],
    ['no.mesos.', TYPE.A, negative('NXDOMAIN', SOA)],
  ];

  for (const [qname, qtype, expected] of CASES) {
    test(`answer ${qname} ${typeMnemonic(qtype)} with their own SOA where there is nothing`, () => {
      const reply = answer(POINTERS, { qname, qtype });
      assert.deepEqual(outcome(reply), expected);
      assert.ok((reply.flags & FLAG.AA) !== 0);
    });
  }

  for (const qname of [
    'thisdcos.directory.',
    '209.10.in-addr.arpa.',
    'in-addr.arpa.',
    'xl4lb.thisdcos.directory.',
  ]) {
    test(`do not claim ${qname}`, () => {
      assert.equal(answerBytes(POINTERS, buildMessage({ qname, qtype: TYPE.PTR })), 'forward');
    });
  }
});

describe('an independent decoder', () => {
  const decode = (qname: string, qtype: number, table: AnswerTable = ZONE): dns2.Packet => {
    const bytes = answerBytes(table, buildMessage({ qname, qtype, id: 0x4242 }));
    assert.ok(typeof bytes !== 'string');
    return dns2.Packet.parse(Buffer.from(bytes));
  };

  test('reads addresses', () => {
    const packet = decode('WEB.mesos.', TYPE.A);
    assert.deepEqual([packet.header.id, packet.header.aa, packet.header.rcode], [0x4242, 1, 0]);
    assert.deepEqual(packet.answers.map(({ name, address, ttl }) => [name, address, ttl]).sort(), [
      ['WEB.mesos', '10.0.0.1', 60],
      ['WEB.mesos', '10.0.0.2', 60],
    ]);
    const [six] = decode('six.mesos.', TYPE.AAAA).answers;
    assert.equal(parseIpAddress(six?.address ?? '')?.text, 'fd00::6');
  });

  test('reads services and the addresses of their targets', () => {
    const packet = decode('_web._tcp.mesos.', TYPE.SRV);
    assert.deepEqual(
      packet.answers
        .map(({ priority, weight, port, target }) => [priority, weight, port, target].join(' '))
        .sort(),
      ['0 1 8080 t1.mesos', '0 1 8080 t2.mesos', '0 1 8081 t1.mesos'],
    );
    assert.deepEqual(packet.additionals.map(({ name }) => name).sort(), [
      't1.mesos',
      't1.mesos',
      't1.mesos',
      't2.mesos',
    ]);
  });

  test('reads the SOA of a name that does not exist', () => {
    const packet = decode('no.mesos.', TYPE.A);
    const [soa] = packet.authorities;
    assert.equal(packet.header.rcode, RCODE.NXDOMAIN);
    assert.deepEqual(
      [soa?.name, soa?.primary, soa?.admin, soa?.serial, soa?.minimum, soa?.ttl],
      ['mesos', 'ns1.mesos', 'root.ns1.mesos', SERIAL, 5, 5],
    );
  });

  test('reads pointers, with nothing in the additional section', () => {
    const packet = decode('4.3.208.10.IN-ADDR.arpa.', TYPE.PTR, POINTERS);
    assert.deepEqual([packet.header.aa, packet.header.rcode], [1, 0]);
    assert.deepEqual(packet.answers.map(({ type, domain }) => [type, domain]).sort(), [
      [TYPE.PTR, 'api.l4lb.mesos'],
      [TYPE.PTR, 'web.l4lb.mesos'],
    ]);
    assert.deepEqual(packet.additionals, []);
  });

  test('reads the name server', () => {
    const [ns] = decode('mesos.', TYPE.NS).answers;
    assert.deepEqual([ns?.name, ns?.ns], ['mesos', 'ns1.mesos']);
  });
});
