import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadNativeUdp } from '../../../src/adapters/dns/native/native-udp.ts';
import { FLAG, RCODE, TYPE, typeMnemonic } from '../../../src/core/dns/constants.ts';
import { COUNT } from '../../../src/core/respond/counters.ts';
import {
  addressRecords,
  buildMessage,
  ednsOption,
  ipv4,
  type ReadMessage,
  readMessage,
  recordText,
  type TestMessage,
  type TestRecord,
  u16,
  wireName,
} from '../../support/dns-message.ts';
import {
  frame,
  isQuestion,
  openTcpClient,
  questionsTo,
  type ReceivedQuery,
  type ScriptedUpstream,
} from '../../support/dns-peer.ts';
import { recordText as dataText, recordTexts } from '../../support/record-text.ts';
import { waitUntil } from '../../support/wait-until.ts';
import {
  answerTo,
  namesAsked,
  openPlane,
  type PlaneRig,
  startUpstream,
  textOf,
  versionTable,
} from './plane-rig.ts';

const native = await loadNativeUdp();
/** With a thread where there can be one: it has the last word over UDP. */
const dns = { udpThreads: native.ok ? 1 : 0 };

const DNSSEC_OK = 0x8000;
const CLIENT_SUBNET = 8;
const COOKIE = 10;
const PADDING = 12;

type Cleanup = Parameters<typeof openPlane>[0];
type Script = Parameters<typeof startUpstream>[1];

async function planeBefore(
  t: Cleanup,
  script?: Script,
): Promise<{ rig: PlaneRig; upstream: ScriptedUpstream }> {
  const upstream = await startUpstream(t, script);
  const forward = { upstreams: [textOf(upstream.address)] };
  return { rig: await openPlane(t, { dns, forward }), upstream };
}

/** The reply to a query with these sections. */
function replyTo({ message }: ReceivedQuery, sections: Partial<TestMessage>): Uint8Array {
  const { id, qname, qtype } = readMessage(message);
  const question = { id, qname: qname ?? '', qtype: qtype ?? 0 };
  return buildMessage({ flags: FLAG.QR | FLAG.RA, ...question, ...sections });
}

test('C11: options of a client reach no upstream, nor its network the answer', async (t) => {
  const { rig, upstream } = await planeBefore(t);
  const subnet = ednsOption(CLIENT_SUBNET, Uint8Array.of(0, 1, 24, 0, 192, 0, 2));
  const cookie = ednsOption(COOKIE, new Uint8Array(8).fill(7));
  const options = Buffer.concat([subnet, cookie, ednsOption(PADDING, new Uint8Array(40))]);
  for (const overTcp of [false, true]) {
    const qname = overTcp ? 'tcp.example.' : 'udp.example.';
    const reply = await rig.ask({ qname, opt: { size: 1232, options } }, overTcp);
    assert.deepEqual([reply.rcode, reply.answer.length], [RCODE.NOERROR, 1]);
    // Ours has the cookie and nothing else.
    assert.match(reply.opt?.options ?? '', /^000a0018(07){8}.{32}$/);
  }
  const asked = questionsTo(upstream).map(({ message }) => readMessage(message).opt);
  assert.deepEqual(asked, [
    { size: 1232, options: '' },
    { size: 1232, options: '' },
  ]);
});

/** Types with names in their data are written without compression, as RFC 3597 has it. */
const ANY_TYPES: readonly (readonly [type: number, rdata: Uint8Array])[] = [
  [TYPE.HTTPS, Buffer.concat([u16(1), wireName('svc.example.'), u16(1, 3), Buffer.from('\x02h2')])],
  [TYPE.CAA, Buffer.concat([Buffer.from([0, 5]), Buffer.from('issueca.example')])],
  [
    TYPE.NAPTR,
    Buffer.concat([u16(100, 10), Buffer.from('\x01S\x07SIP+D2U\x00'), wireName('_Sip.example.')]),
  ],
  [
    46,
    Buffer.concat([
      u16(1, 0x0d02, 0, 300, 0x7fff, 0, 0x7000, 0, 4711),
      wireName('Example.'),
      Buffer.alloc(64, 0xa5),
    ]),
  ],
  [43, Buffer.concat([u16(4711, 0x0d02), Buffer.alloc(32, 0x5a)])],
  [52, Buffer.concat([Buffer.from([3, 1, 1]), Buffer.alloc(32, 0xff)])],
  [29, Uint8Array.from({ length: 16 }, (_, i) => i)],
  [65_280, Uint8Array.from({ length: 700 }, (_, i) => i * 7)],
];

describe('D2: a type', () => {
  for (const [type, rdata] of ANY_TYPES) {
    test(`${typeMnemonic(type)} passes octet for octet, and again from the cache`, async (t) => {
      const name = 'any.example.';
      const { rig, upstream } = await planeBefore(t, (query, reply) => {
        reply(
          isQuestion(query) ? replyTo(query, { answer: [{ name, type, rdata }] }) : answerTo(query),
        );
      });
      const hex = Buffer.from(rdata).toString('hex');
      for (const overTcp of [false, true, false, false]) {
        const question = { qname: name, qtype: type, opt: { size: 1232, flags: DNSSEC_OK } };
        const { answer } = await rig.ask(question, overTcp);
        assert.deepEqual(
          answer.map(({ type: given, data }) => [given, data]),
          [[type, hex]],
        );
      }
      assert.equal(questionsTo(upstream).length, 1);
    });
  }
});

test('D7: DO and CD are asked as the client does, AD and signatures are for those who want them', async (t) => {
  const name = 'signed.example.';
  const signature: TestRecord = {
    name,
    type: 46,
    rdata: Buffer.concat([
      u16(TYPE.A, 0x0d02, 0, 300, 0x7fff, 0, 0x7000, 0, 1),
      wireName('example.'),
      Buffer.alloc(64, 1),
    ]),
  };
  const { rig, upstream } = await planeBefore(t, (query, reply) => {
    const { edns } = readMessage(query.message);
    const signatures = edns !== null && (edns.flags & DNSSEC_OK) !== 0 ? [signature] : [];
    const answer = [...addressRecords(name, 1), ...signatures];
    reply(replyTo(query, { flags: FLAG.QR | FLAG.RA | FLAG.AD, answer }));
  });
  const cases = [
    { flags: FLAG.RD, isAuthentic: false, records: 1 },
    { flags: FLAG.RD | FLAG.AD, isAuthentic: true, records: 1 },
    { flags: FLAG.RD, opt: { size: 1232 }, isAuthentic: false, records: 1 },
    { flags: FLAG.RD, opt: { size: 1232, flags: DNSSEC_OK }, isAuthentic: true, records: 2 },
    { flags: FLAG.RD | FLAG.CD, isAuthentic: false, records: 1 },
  ];
  for (const { isAuthentic, records, ...message } of cases) {
    for (let time = 0; time < 3; time++) {
      const reply = await rig.ask({ qname: name, ...message });
      assert.equal((reply.flags & FLAG.AD) !== 0, isAuthentic, JSON.stringify(message));
      assert.equal(reply.flags & FLAG.CD, message.flags & FLAG.CD);
      assert.equal(reply.answer.length, records);
    }
  }
  const asked = questionsTo(upstream).map(({ message }) => {
    const { flags, edns } = readMessage(message);
    return [(flags & FLAG.CD) !== 0, edns?.flags];
  });
  assert.deepEqual(asked, [
    [false, 0],
    [false, DNSSEC_OK],
    [true, 0],
  ]);
});

describe('D11: names for special use', () => {
  const NAMES = [
    ...['localhost', 'db.localhost', 'invalid', 'a.invalid', 'local', 'printer.local'],
    ...['onion', 'a.onion', 'alt', 'a.alt', 'home.arpa', 'nas.home.arpa'],
    ...['resolver.arpa', '_dns.resolver.arpa'],
  ].map((name) => `${name}.`);
  const IPV4 = [
    ...['0.0.0.0', '0.1.2.3', '10.1.2.3', '127.0.0.1', '127.1.2.3', '169.254.1.2'],
    ...['172.16.0.1', '172.31.255.254', '192.168.1.1', '100.64.0.1', '100.127.255.254'],
    ...['192.0.2.1', '198.51.100.1', '203.0.113.1', '255.255.255.255'],
  ].map((address) => `${address.split('.').reverse().join('.')}.in-addr.arpa.`);
  const nibbles = (start: string, fill = '0'): string =>
    `${Array.from(start.padEnd(32, fill)).reverse().join('.')}.ip6.arpa.`;
  const IPV6 = [
    ...[nibbles(''), nibbles('1'.padStart(32, '0')), nibbles('fd12', '3'), nibbles('fe80', 'f')],
    ...[nibbles('febf', 'f'), nibbles('20010db8', 'a')],
  ];

  test('are answered here, whatever the type: no upstream hears of any', async (t) => {
    const { rig, upstream } = await planeBefore(t);
    for (const qname of [...NAMES, ...IPV4, ...IPV6]) {
      for (const qtype of [TYPE.A, TYPE.AAAA, TYPE.PTR, TYPE.HTTPS]) {
        const { rcode, answer, authority } = await rig.ask({ qname, qtype });
        const isKnown = rcode === RCODE.NOERROR || rcode === RCODE.NXDOMAIN;
        assert.ok(isKnown, `${qname} ${qtype}: ${rcode}`);
        assert.equal(answer.length > 0, authority.length === 0, `${qname} ${qtype} has an SOA`);
      }
    }
    assert.deepEqual(namesAsked(upstream), []);
    await rig.ask({ qname: 'test.' });
    assert.deepEqual(namesAsked(upstream), ['test.'], 'the upstream is there');
  });
});

describe('D14: an upstream that says more than it was asked', () => {
  test('teaches us nothing about names of ours or of others', async (t) => {
    const stray = (name: string): TestRecord => ({ name, type: TYPE.A, rdata: ipv4('6.6.6.6') });
    const { rig, upstream } = await planeBefore(t, (query, reply) => {
      const name = readMessage(query.message).qname ?? '';
      if (name.toLowerCase() !== 'evil.example.') {
        reply(answerTo(query));
        return;
      }
      const lies = ['web.mesos.', 'new.mesos.', 'bank.example.'].map(stray);
      const ns = { name: 'example.', type: TYPE.NS, rdata: wireName('bank.example.') };
      reply(
        replyTo(query, {
          answer: [...addressRecords(name, 1), ...lies],
          authority: [ns, ...lies],
          additional: lies,
        }),
      );
    });
    for (const overTcp of [false, true, false]) {
      const { answer, authority, additional } = await rig.ask({ qname: 'evil.example.' }, overTcp);
      assert.deepEqual(recordTexts(answer), ['A 203.0.113.1']);
      const others = [...authority, ...additional].map(({ name }) => name);
      assert.ok(!others.some((name) => name.endsWith('mesos.')), others.join(' '));
      assert.deepEqual(recordTexts((await rig.ask({ qname: 'web.mesos.' }, overTcp)).answer), [
        'A 10.1.0.1',
      ]);
      assert.equal((await rig.ask({ qname: 'new.mesos.' }, overTcp)).rcode, RCODE.NXDOMAIN);
      const bank = await rig.ask({ qname: 'bank.example.' }, overTcp);
      assert.deepEqual(recordTexts(bank.answer), ['A 203.0.113.1']);
    }
    assert.deepEqual(namesAsked(upstream), ['evil.example.', 'bank.example.']);
  });
});

describe('D14b: a name outside that is an alias of one of ours', () => {
  const MESOS_SOA: TestRecord = {
    name: 'mesos.',
    type: TYPE.SOA,
    ttl: 900,
    rdata: Buffer.concat([wireName('ns.evil.'), wireName('root.evil.'), Buffer.alloc(20, 1)]),
  };
  const ALIASES: ReadonlyMap<string, string> = new Map([
    ['www.corp.example.', 'web.mesos.'],
    ['far.corp.example.', 'www.corp.example.'],
    ['gone.corp.example.', 'gone.web.mesos.'],
    ['lie.corp.example.', 'web.mesos.'],
    ['dcos.corp.example.', 'web.dcos.'],
  ]);

  /** An upstream that does not know our zones, and says lies of them for `lie.corp.example.` */
  function outsider(query: ReceivedQuery, reply: (message: Uint8Array) => void): void {
    const qname = (readMessage(query.message).qname ?? '').toLowerCase();
    if (!ALIASES.has(qname)) {
      reply(answerTo(query));
      return;
    }
    const answer: TestRecord[] = [];
    for (let name: string | undefined = qname; name !== undefined;) {
      const target = ALIASES.get(name);
      if (target !== undefined) answer.push({ name, type: TYPE.CNAME, rdata: wireName(target) });
      name = target;
    }
    if (qname.startsWith('lie.')) {
      const lie = { name: 'web.mesos.', type: TYPE.A, rdata: ipv4('6.6.6.6') };
      reply(replyTo(query, { answer: [...answer, lie], authority: [lie], additional: [lie] }));
      return;
    }
    const flags = FLAG.QR | FLAG.RA | RCODE.NXDOMAIN;
    reply(replyTo(query, { flags, answer, authority: [MESOS_SOA] }));
  }

  const dataOf = ({ answer }: ReadMessage): string[] => answer.map(dataText);

  /** Over TCP, from the upstream, from the cache of the main thread and by the UDP thread. */
  async function everyWay(rig: PlaneRig, message: TestMessage): Promise<ReadMessage[]> {
    const replies: ReadMessage[] = [];
    for (const overTcp of [false, true, false, false, true]) {
      replies.push(await rig.ask(message, overTcp));
    }
    return replies;
  }

  test('has what our zone has of it, whoever answers', async (t) => {
    const { rig, upstream } = await planeBefore(t, outsider);
    for (const [qname, way] of [
      ['www.corp.example.', ['CNAME web.mesos.']],
      ['far.corp.example.', ['CNAME www.corp.example.', 'CNAME web.mesos.']],
      ['lie.corp.example.', ['CNAME web.mesos.']],
    ] as const) {
      for (const reply of await everyWay(rig, { qname })) {
        assert.deepEqual(dataOf(reply), [...way, 'A 10.1.0.1']);
        assert.equal(reply.answer.at(-1)?.name, 'web.mesos.');
        assert.deepEqual([reply.rcode, reply.flags & FLAG.AA, reply.tc], [0, 0, false]);
        assert.deepEqual([reply.authority, reply.additional], [[], []]);
      }
      assert.deepEqual(dataOf(await rig.ask({ qname: 'web.mesos.' })), ['A 10.1.0.1']);
    }
    assert.equal(namesAsked(upstream).length, 3);
    const hits = rig.counted(COUNT.CACHE_HIT);
    assert.ok(hits.at(-1)! >= 3, `the last thread has answered, too: ${hits.join(' ')}`);
  });

  test('is denied as our zone does it', async (t) => {
    const { rig, upstream } = await planeBefore(t, outsider);
    for (const [qname, qtype, rcode] of [
      ['gone.corp.example.', TYPE.A, RCODE.NXDOMAIN],
      ['www.corp.example.', TYPE.AAAA, RCODE.NOERROR],
    ] as const) {
      for (const reply of await everyWay(rig, { qname, qtype })) {
        assert.deepEqual([reply.rcode, reply.answer.length], [rcode, 1]);
        assert.equal(reply.flags & FLAG.AA, 0);
        assert.match(reply.authority.map(recordText).join(), /^mesos\. 5 SOA ns1\.mesos\. /);
      }
    }
    assert.equal(namesAsked(upstream).length, 2);
  });

  test('follows our zone while the alias is cached, and zones that come and go', async (t) => {
    const { rig, upstream } = await planeBefore(t, outsider);
    const qname = 'www.corp.example.';
    for (let version = 1; version < 5; version++) {
      rig.plane.publish(versionTable(version));
      for (const reply of await everyWay(rig, { qname })) {
        assert.deepEqual(dataOf(reply), ['CNAME web.mesos.', `A 10.1.0.${version}`]);
      }
    }
    assert.equal(namesAsked(upstream).length, 1);
    const outside = { qname: 'dcos.corp.example.' };
    for (const reply of await everyWay(rig, outside)) assert.equal(reply.rcode, RCODE.NXDOMAIN);
    rig.plane.publish(versionTable(7, 'dcos.'));
    for (const reply of await everyWay(rig, outside)) {
      assert.deepEqual(dataOf(reply), ['CNAME web.dcos.', 'A 10.1.0.7']);
    }
    for (const reply of await everyWay(rig, { qname })) assert.equal(reply.rcode, RCODE.NXDOMAIN);
    rig.plane.publish(versionTable(8));
    for (const reply of await everyWay(rig, { qname })) {
      assert.deepEqual(dataOf(reply), ['CNAME web.mesos.', 'A 10.1.0.8']);
    }
  });
});

describe('D15: search lists', () => {
  test('cost no upstream anything: what ends in our zone is denied from memory, for its short TTL', async (t) => {
    const { rig, upstream } = await planeBefore(t);
    for (const name of ['www.example.org', 'db', 'a.b.c.d.e', 'xn--bcher-kva.example']) {
      for (const suffix of ['mesos.', 'marathon.mesos.', 'web.mesos.']) {
        const { rcode, flags, authority } = await rig.ask({ qname: `${name}.${suffix}` });
        assert.deepEqual([rcode, flags & FLAG.AA], [RCODE.NXDOMAIN, FLAG.AA]);
        const [soa] = authority.map(recordText);
        assert.match(soa ?? '', /^mesos\. 5 SOA /);
      }
    }
    assert.deepEqual(namesAsked(upstream), []);
  });
});

test('T2: on one connection what is known here overtakes what waits for an upstream', async (t) => {
  let release = (): void => undefined;
  const { rig, upstream } = await planeBefore(t, (query, reply) => {
    if (isQuestion(query)) release = () => reply(answerTo(query));
    else reply(answerTo(query));
  });
  const client = await openTcpClient(rig.address);
  t.after(() => client.socket.destroy());
  const slow = frame(buildMessage({ id: 1, qname: 'slow.example.' }));
  const own = [2, 3, 4].map((id) => frame(buildMessage({ id, qname: 'web.mesos.' })));
  client.socket.write(Buffer.concat([slow, ...own]));
  const ids = (messages: readonly Uint8Array[]): number[] =>
    messages.map((message) => readMessage(message).id);
  assert.deepEqual(ids(await client.messages(3)), [2, 3, 4]);
  await waitUntil('the question', () => questionsTo(upstream).length === 1);
  assert.deepEqual(ids(client.received), [2, 3, 4]);
  release();
  assert.deepEqual(ids(await client.messages(4)), [2, 3, 4, 1]);
  assert.equal(readMessage(client.received[3]!).answer.length, 1);
});
