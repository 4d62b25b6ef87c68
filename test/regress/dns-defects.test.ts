import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { FLAG, RCODE, TYPE } from '../../src/core/dns/constants.ts';
import { SuiteCleanup } from '../support/cleanup.ts';
import { buildMessage, readMessage, type ReadMessage } from '../support/dns-message.ts';
import { mesosDnsConfig } from '../support/daemon-config.ts';
import { recordTexts, soaNumbers } from '../support/record-text.ts';
import { type RunningDaemon, startDaemon } from '../support/running-daemon.ts';
import {
  agent,
  clusterState,
  discovery,
  framework,
  says,
  startMaster,
  statuses,
  task,
} from '../support/scripted-master.ts';

/** With the rest of the message 16 octets a record fill 512 exactly: 48 + 29 * 16. */
const FULL = 'fifteen-letters';
const OVERFULL = 'fifteen-numbers';
/** With hash and agent this makes a label of 64 octets. */
const LONG = 'e'.repeat(55);
const TTL_SECONDS = 60;
const NEGATIVE_TTL_SECONDS = 17;

const addresses = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => `9.9.0.${i + 1}`);

const MARATHON = framework('marathon', [
  task('Simple'),
  task('multi', {
    discovery: discovery('multiip', { number: 110, name: 'pop', protocol: 'tcp' }),
    statuses: statuses('9.1.2.1', '9.1.2.2', 'fd01:e::2'),
  }),
  task(FULL, { statuses: statuses(...addresses(29)) }),
  task(OVERFULL, { statuses: statuses(...addresses(30)) }),
  ...[1, 2, 3, 4, 5, 6, 7].map((i) =>
    task('spread', { id: `spread.${i}`, resources: { ports: `[3100${i}-3100${i}]` } }),
  ),
  task(LONG),
  task('raw', { discovery: discovery('under_score', { number: 1, protocol: 'tcp' }) }),
  task('cased', { discovery: discovery('Mixed_Case', { number: 1, protocol: 'tcp' }) }),
  task('foreign', { discovery: discovery('zürich', { number: 1, protocol: 'tcp' }) }),
  task('wrapped', {
    discovery: discovery(
      'ports',
      { number: 70_000, protocol: 'tcp' },
      { number: -1, protocol: 'tcp' },
      { number: 80, protocol: 'tcp' },
    ),
  }),
  task('two', { discovery: discovery('both', { number: 53, protocol: 'tcp,udp' }) }),
]);

const RESERVED = ['leader', 'master', 'master0', 'slave', 'ns1'].map((name, i) =>
  framework(name, [], { hostname: `10.0.9.${i + 1}`, pid: `scheduler@10.0.9.${i + 1}:9090` }),
);

describe('answers from the own zone', () => {
  const shared = new SuiteCleanup();
  let daemon: RunningDaemon;

  before(async () => {
    const master = await startMaster(shared);
    const frameworks = [MARATHON, ...RESERVED, framework('日本', [task('lost')])];
    master.answer = says(clusterState(master, { slaves: [agent(0), agent(1)], frameworks }));
    const config = mesosDnsConfig({
      masters: [master.text],
      ttl: TTL_SECONDS,
      SOAMinttl: NEGATIVE_TTL_SECONDS,
    });
    daemon = await startDaemon(shared, config);
  });
  after(() => shared.run());

  /** No answer, and the one SOA of the apex for negative caches (RFC 2308 §3). */
  function assertNegative(reply: ReadMessage, rcode: number): void {
    assert.equal(reply.rcode, rcode);
    assert.deepEqual(reply.answer, []);
    assert.deepEqual(
      reply.authority.map(({ name, type }) => [name, type]),
      [['mesos.', TYPE.SOA]],
    );
    assert.ok((reply.flags & FLAG.AA) !== 0, 'the answer is authoritative');
  }

  test('D01: the apex exists: types that it does not have are NODATA', async () => {
    assertNegative(await daemon.ask('mesos.', TYPE.A), RCODE.NOERROR);
    assertNegative(await daemon.ask('mesos.', TYPE.TXT), RCODE.NOERROR);
  });

  test('D02: a name that only has names below it exists', async () => {
    assert.deepEqual(await daemon.answers('simple.marathon.slave.mesos.'), ['A 10.0.0.1']);
    for (const name of ['marathon.slave.mesos.', '_tcp.marathon.mesos.', '_tcp.mesos.']) {
      assertNegative(await daemon.ask(name), RCODE.NOERROR);
    }
  });

  test('D03: SRV of a name without any is NODATA, of a missing name NXDOMAIN', async () => {
    assertNegative(await daemon.ask('simple.marathon.mesos.', TYPE.SRV), RCODE.NOERROR);
    assertNegative(await daemon.ask('_nothing._tcp.marathon.mesos.', TYPE.SRV), RCODE.NXDOMAIN);
  });

  test('D04: SOA and NS are answers at the apex and nowhere else', async () => {
    const soa = await daemon.ask('mesos.', TYPE.SOA);
    assert.deepEqual(
      soa.answer.map(({ name, ttl }) => [name, ttl]),
      [['mesos.', TTL_SECONDS]],
    );
    assert.match(soa.answer[0]?.data ?? '', /^ns1\.mesos\. root\.ns1\.mesos\. /);
    assert.deepEqual(soa.authority, []);
    const ns = await daemon.ask('mesos.', TYPE.NS);
    assert.deepEqual(recordTexts(ns.answer), ['NS ns1.mesos.']);
    assert.deepEqual(recordTexts(ns.additional), ['A 127.0.0.1']);
    for (const type of [TYPE.SOA, TYPE.NS]) {
      assertNegative(await daemon.ask('simple.marathon.mesos.', type), RCODE.NOERROR);
      assertNegative(await daemon.ask('nothing.mesos.', type), RCODE.NXDOMAIN);
    }
  });

  test('D05: the SOA of a negative answer is owned by the apex, however deep the name', async () => {
    assertNegative(await daemon.ask('a.b.c.d.mesos.', TYPE.A), RCODE.NXDOMAIN);
    assertNegative(await daemon.ask('simple.marathon.mesos.', TYPE.AAAA), RCODE.NOERROR);
  });

  test('D06: the negative TTL is SOAMinttl, not ttl', async () => {
    const [soa] = (await daemon.ask('nothing.mesos.')).authority;
    assert.ok(soa !== undefined);
    assert.equal(soaNumbers(soa)[4], NEGATIVE_TTL_SECONDS);
    assert.equal(soa.ttl, NEGATIVE_TTL_SECONDS);
    assert.equal((await daemon.ask('simple.marathon.mesos.')).answer[0]?.ttl, TTL_SECONDS);
  });

  test('D07: a query with EDNS gets an OPT record and the room it offers', async () => {
    const name = `${OVERFULL}.marathon.mesos.`;
    const plain = await daemon.ask(name);
    assert.equal(plain.opt, null);
    assert.ok(plain.tc);
    const roomy = await daemon.ask(name, TYPE.A, { edns: 1232 });
    assert.equal(roomy.opt?.size, 1232);
    assert.equal(roomy.answer.length, 30);
    assert.ok(!roomy.tc);
    const capped = await daemon.ask(name, TYPE.A, { edns: 65_535 });
    assert.equal(capped.opt?.size, 1232);
  });

  test('D07: an EDNS version that nobody has yet is BADVERS', async () => {
    const query = buildMessage({ qname: 'simple.marathon.mesos.', opt: { size: 1232 } });
    query[query.length - 5] = 1;
    const reply = Buffer.from(await daemon.askBytes(query));
    assert.equal(readMessage(reply).rcode, RCODE.BADVERS & 15);
    assert.equal(reply[reply.length - 6], RCODE.BADVERS >> 4);
    assert.deepEqual(readMessage(reply).answer, []);
  });

  test('D08: additional records that find no room do not set TC', async () => {
    const reply = await daemon.ask('_spread._tcp.marathon.mesos.', TYPE.SRV);
    assert.equal(reply.answer.length, 7);
    assert.ok(reply.additional.length < 7, `${reply.additional.length} additional records`);
    assert.ok(!reply.tc);
    const overTcp = await daemon.ask('_spread._tcp.marathon.mesos.', TYPE.SRV, { overTcp: true });
    assert.equal(overTcp.additional.length, 7);
  });

  test('D08: answers fill the message to its last octet before any is left out', async () => {
    const ask = async (name: string): Promise<Uint8Array> =>
      daemon.askBytes(buildMessage({ qname: `${name}.marathon.mesos.` }));
    const full = await ask(FULL);
    assert.equal(full.length, 512);
    assert.equal(readMessage(full).answer.length, 29);
    assert.ok(!readMessage(full).tc);
    const overfull = await ask(OVERFULL);
    assert.equal(overfull.length, 512);
    assert.equal(readMessage(overfull).answer.length, 29);
    assert.ok(readMessage(overfull).tc);
  });

  test('D09: names come back in the letters of the question', async () => {
    const reply = await daemon.ask('SimPLE.maraTHON.mesos.');
    assert.equal(reply.qname, 'SimPLE.maraTHON.mesos.');
    assert.deepEqual(
      reply.answer.map(({ name }) => name),
      ['SimPLE.maraTHON.mesos.'],
    );
  });

  test('D10: a star in a name is a label like any other', async () => {
    for (const name of ['simple.*.marathon.mesos.', 'simple.*marathon.mesos.', '*.mesos.']) {
      assertNegative(await daemon.ask(name), RCODE.NXDOMAIN);
    }
  });

  test('D11: every address of an SRV target is additional', async () => {
    const reply = await daemon.ask('_multiip._tcp.marathon.mesos.', TYPE.SRV);
    assert.deepEqual(recordTexts(reply.additional), [
      'A 9.1.2.1',
      'A 9.1.2.2',
      'AAAA fd01:000e:0000:0000:0000:0000:0000:0002',
    ]);
  });

  for (const overTcp of [false, true]) {
    const transport = overTcp ? 'TCP' : 'UDP';
    test(`D12: a target that would be too long is cut and keeps its hash, over ${transport}`, async () => {
      const reply = await daemon.ask(`_${LONG}._tcp.marathon.mesos.`, TYPE.SRV, { overTcp });
      const [text = ''] = recordTexts(reply.answer);
      const target = /^SRV 31000 ((e{54}-\w{5}-s0)\.marathon\.slave\.mesos\.)$/.exec(text);
      assert.ok(target !== null, text);
      assert.equal(target[2]?.length, 63);
      assert.deepEqual(await daemon.answers(target[1] ?? ''), ['A 10.0.0.1']);
    });
  }

  test('D13: a framework cannot add itself to a name of the cluster', async () => {
    assert.deepEqual(await daemon.answers('leader.mesos.'), ['A 127.0.0.1']);
    assert.deepEqual(await daemon.answers('master.mesos.'), ['A 127.0.0.1']);
    assert.deepEqual(await daemon.answers('master0.mesos.'), ['A 127.0.0.1']);
    assert.deepEqual(await daemon.answers('slave.mesos.'), ['A 10.0.0.1', 'A 10.0.0.2']);
    assert.deepEqual(await daemon.answers('ns1.mesos.'), ['A 127.0.0.1']);
    assert.deepEqual(await rejected('name-reserved'), [
      'leader',
      'master',
      'master0',
      'slave',
      'ns1',
    ]);
  });

  async function rejected(wanted: string): Promise<string[]> {
    const { rejections } = (await daemon.json('/v1/rejections')) as {
      rejections: { code: string; value: string }[];
    };
    return rejections.filter(({ code }) => code === wanted).map(({ value }) => value);
  }

  test('D14: a framework name of which nothing is left publishes nothing', async () => {
    assert.deepEqual(await rejected('name-empty'), ['日本']);
    const records = (await daemon.json('/v1/records')) as { name: string; host: string }[];
    assert.ok(records.length > 0);
    for (const { name, host } of records) assert.doesNotMatch(`${name} ${host}`, /\.\.|^\.|lost/);
  });

  test('D15: a discovery name is published as it is if it can be asked for', async () => {
    assert.deepEqual(await daemon.answers('under_score.marathon.mesos.'), ['A 10.0.0.1']);
    assert.deepEqual(await daemon.answers('under-score.marathon.mesos.'), ['A 10.0.0.1']);
    assert.deepEqual(await daemon.answers('mixed-case.marathon.mesos.'), ['A 10.0.0.1']);
    assertNegative(await daemon.ask('Mixed_Case.marathon.mesos.'), RCODE.NXDOMAIN);
    assert.deepEqual(await daemon.answers('zrich.marathon.mesos.'), ['A 10.0.0.1']);
    const records = JSON.stringify(await daemon.json('/v1/records'));
    assert.doesNotMatch(records, /Mixed|zürich/);
  });

  test('D16: a discovery port that is no port is left out, the others stay', async () => {
    const answers = await daemon.answers('_ports._tcp.marathon.mesos.', TYPE.SRV);
    assert.equal(answers.length, 1);
    assert.match(answers[0] ?? '', /^SRV 80 /);
    assert.deepEqual(await rejected('port-out-of-range'), ['70000', '-1']);
  });

  test('D17: a protocol of tcp,udp is both', async () => {
    for (const protocol of ['tcp', 'udp']) {
      const answers = await daemon.answers(`_both._${protocol}.marathon.mesos.`, TYPE.SRV);
      assert.equal(answers.length, 1);
      assert.match(answers[0] ?? '', /^SRV 53 /);
    }
    assertNegative(await daemon.ask('_both._tcpudp.marathon.mesos.', TYPE.SRV), RCODE.NXDOMAIN);
  });

  test('D18: only the classes IN and ANY are answered', async () => {
    const ask = (qclass: number): Promise<ReadMessage> =>
      daemon.ask('simple.marathon.mesos.', TYPE.A, { qclass });
    for (const qclass of [3, 4, 254, 0]) {
      const reply = await ask(qclass);
      assert.equal(reply.rcode, RCODE.REFUSED);
      assert.deepEqual([reply.answer, reply.authority], [[], []]);
    }
    assert.deepEqual(recordTexts((await ask(255)).answer), ['A 10.0.0.1']);
  });

  test('D19: an operation that is not QUERY is NOTIMP', async () => {
    for (const opcode of [1, 2, 4, 5, 6, 15]) {
      const flags = opcode << 11;
      const reply = await daemon.ask('simple.marathon.mesos.', TYPE.A, { flags });
      assert.equal(reply.rcode, RCODE.NOTIMP);
      assert.equal((reply.flags >> 11) & 15, opcode);
      assert.deepEqual(reply.answer, []);
    }
  });

  test('D20: ANY gets one RRset and nothing around it', async () => {
    const reply = await daemon.ask('multiip.marathon.mesos.', TYPE.ANY);
    assert.deepEqual(recordTexts(reply.answer), ['A 9.1.2.1', 'A 9.1.2.2']);
    assert.deepEqual([reply.authority, reply.additional], [[], []]);
    assertNegative(await daemon.ask('nothing.mesos.', TYPE.ANY), RCODE.NXDOMAIN);
  });

  test('D24: zone transfers are refused over either transport', async () => {
    for (const overTcp of [false, true]) {
      for (const type of [TYPE.AXFR, TYPE.IXFR]) {
        const reply = await daemon.ask('mesos.', type, { overTcp });
        assert.equal(reply.rcode, RCODE.REFUSED);
        assert.deepEqual(reply.answer, []);
      }
    }
  });

  test('D26: a TC bit in the question is ignored', async () => {
    const flags = FLAG.RD | FLAG.TC;
    const reply = await daemon.ask('simple.marathon.mesos.', TYPE.A, { flags });
    assert.equal(reply.rcode, RCODE.NOERROR);
    assert.deepEqual(recordTexts(reply.answer), ['A 10.0.0.1']);
    assert.ok(!reply.tc);
  });
});
