import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { FLAG, RCODE, TYPE } from '../../src/core/dns/constants.ts';
import { SuiteCleanup } from '../support/cleanup.ts';
import {
  addressRecords,
  buildMessage,
  readMessage,
  type TestMessage,
} from '../support/dns-message.ts';
import {
  openUpstream,
  type ReceivedQuery,
  type Script,
  type ScriptedUpstream,
} from '../support/dns-peer.ts';
import { daemonConfig, mesosDnsConfig } from '../support/daemon-config.ts';
import { type RunningDaemon, startDaemon } from '../support/running-daemon.ts';
import {
  clusterState,
  framework,
  says,
  type ScriptedMaster,
  startMaster,
  statuses,
  task,
} from '../support/scripted-master.ts';

/** The reply that an upstream sends to a query, with its id and question. */
function replyTo({ message }: ReceivedQuery, parts: Partial<TestMessage>): Uint8Array {
  const { id, qname, qtype } = readMessage(message);
  return buildMessage({
    id,
    flags: FLAG.QR | FLAG.RD | FLAG.RA,
    qname: qname ?? '',
    qtype: qtype ?? 0,
    ...parts,
  });
}

const NOT_FOUND = FLAG.QR | FLAG.RD | FLAG.RA | RCODE.NXDOMAIN;
const CUT = FLAG.QR | FLAG.RD | FLAG.RA | FLAG.TC;

/** What an upstream answers over UDP and TCP, by the first label of the question. */
const REPLIES: Readonly<
  Record<string, (qname: string) => { udp: Partial<TestMessage>; tcp?: Partial<TestMessage> }>
> = {
  large: (qname) => ({ udp: { answer: addressRecords(qname, 40) } }),
  larger: (qname) => ({
    udp: { flags: CUT, opt: { size: 4096 } },
    tcp: { answer: addressRecords(qname, 200), opt: { size: 4096 } },
  }),
  cut: () => ({ udp: { flags: CUT } }),
  outside: (qname) => ({ udp: { answer: addressRecords(qname, 1) } }),
};

const upstreamScript: Script = (query, reply) => {
  const qname = readMessage(query.message).qname ?? '';
  const parts = REPLIES[qname.split('.')[0]?.toLowerCase() ?? '']?.(qname)[query.protocol];
  if (parts !== undefined) reply(replyTo(query, parts));
};

/** An upstream that gives every query the same response code. */
const saysCode =
  (rcode: number): Script =>
  (query, reply) =>
    reply(replyTo(query, { flags: FLAG.QR | FLAG.RD | FLAG.RA | rcode }));

/** How often an upstream has been asked, but for the probes for loops, which come when they like. */
const questionsTo = ({ received }: ScriptedUpstream): number =>
  received.filter(({ message }) => {
    const qname = readMessage(message).qname ?? '';
    return !qname.toLowerCase().startsWith('hoplite-loop-');
  }).length;

const addressText = ({ address, port }: ScriptedUpstream['address']): string =>
  `${address}:${port}`;

describe('names outside the own zone', () => {
  const shared = new SuiteCleanup();
  let upstream: ScriptedUpstream;
  let master: ScriptedMaster;
  let daemon: RunningDaemon;

  async function upstreamWith(script: Script): Promise<ScriptedUpstream> {
    const opened = await openUpstream(script);
    shared.after(() => opened.close());
    return opened;
  }

  async function startWith(
    resolvers: readonly ScriptedUpstream[],
    parts: Readonly<Record<string, unknown>> = {},
  ): Promise<RunningDaemon> {
    const config = mesosDnsConfig({
      masters: [master.text],
      resolvers: resolvers.map(({ address }) => addressText(address)),
      timeout: 1,
      ...parts,
    });
    return startDaemon(shared, config);
  }

  before(async () => {
    upstream = await upstreamWith(upstreamScript);
    master = await startMaster(shared);
    const many = task('many', {
      statuses: statuses(...Array.from({ length: 60 }, (_, i) => `9.9.0.${i + 1}`)),
    });
    master.answer = says(clusterState(master, { frameworks: [framework('marathon', [many])] }));
    daemon = await startWith([upstream]);
  });
  after(() => shared.run());

  test('D19: an operation that is not QUERY is not forwarded', async () => {
    const before = questionsTo(upstream);
    for (const opcode of [2, 4, 5]) {
      const reply = await daemon.ask('outside.example.', TYPE.A, { flags: opcode << 11 });
      assert.equal(reply.rcode, RCODE.NOTIMP);
    }
    assert.equal(questionsTo(upstream), before);
  });

  test('D21: DS of a name in the own zone is answered here', async () => {
    const before = questionsTo(upstream);
    for (const [name, rcode] of [
      ['mesos.', RCODE.NOERROR],
      ['many.marathon.mesos.', RCODE.NOERROR],
      ['nothing.mesos.', RCODE.NXDOMAIN],
    ] as const) {
      const reply = await daemon.ask(name, TYPE.DS);
      assert.equal(reply.rcode, rcode);
      assert.deepEqual(
        reply.authority.map(({ name: owner, type }) => [owner, type]),
        [['mesos.', TYPE.SOA]],
      );
    }
    assert.equal(questionsTo(upstream), before);
  });

  test('D22: a reply without OPT is not cut to 512 for a client that takes more', async () => {
    const reply = await daemon.ask('large.example.', TYPE.A, { edns: 4096 });
    assert.equal(reply.answer.length, 40);
    assert.ok(!reply.tc);
    const plain = await daemon.askBytes(buildMessage({ qname: 'large.example.' }));
    assert.ok(plain.length <= 512);
    assert.ok(readMessage(plain).tc);
  });

  test('D22: a truncated reply is fetched over TCP and cut to what the client takes', async () => {
    const message = buildMessage({ qname: 'larger.example.', opt: { size: 1232 } });
    const bytes = await daemon.askBytes(message);
    assert.ok(bytes.length <= 1232);
    const reply = readMessage(bytes);
    assert.equal(reply.rcode, RCODE.NOERROR);
    assert.ok(reply.tc);
    assert.ok(reply.opt !== null, 'the OPT record survives the cut');
    const whole = await daemon.ask('larger.example.', TYPE.A, { overTcp: true });
    assert.equal(whole.answer.length, 200);
    assert.ok(!whole.tc);
  });

  test('D23: SERVFAIL and REFUSED make the next resolver be asked', async () => {
    for (const rcode of [RCODE.SERVFAIL, RCODE.REFUSED]) {
      const second = await startWith([await upstreamWith(saysCode(rcode)), upstream]);
      const reply = await second.ask('outside.example.');
      assert.equal(reply.rcode, RCODE.NOERROR);
      assert.equal(reply.answer.length, 1);
    }
  });

  test('D23: NXDOMAIN is an answer, and the next resolver is not asked', async () => {
    const first = await upstreamWith((query, reply) => reply(replyTo(query, { flags: NOT_FOUND })));
    const asked = await startWith([first, upstream]);
    const before = questionsTo(upstream);
    assert.equal((await asked.ask('outside.example.')).rcode, RCODE.NXDOMAIN);
    assert.equal(questionsTo(upstream), before);
  });

  test('D27: SetTruncateBit false hides TC of own answers only', async () => {
    const silent = await startWith([upstream], { SetTruncateBit: false });
    const own = await silent.ask('many.marathon.mesos.');
    assert.ok(own.answer.length < 60);
    assert.ok(!own.tc);
    assert.ok((await daemon.ask('many.marathon.mesos.')).tc);
    const forwarded = await silent.ask('large.example.');
    assert.ok(forwarded.tc);
  });

  test('D27: TC of an upstream that cannot do better reaches the client', async () => {
    const config = daemonConfig({
      cluster: { masters: [master.text] },
      dns: { truncateBit: false },
      forward: { upstreams: [addressText(upstream.address)], timeoutSeconds: 0.1 },
    });
    const silent = await startDaemon(shared, config);
    assert.ok((await silent.ask('cut.example.')).tc);
  });

  test('D29: zoneResolvers match without regard to case', async () => {
    const consul = await upstreamWith(upstreamScript);
    const zoned = await startWith([upstream], {
      zoneResolvers: { 'Consul.Example': [addressText(consul.address)] },
    });
    const before = questionsTo(upstream);
    for (const name of ['outside.consul.example.', 'OUTSIDE.CONSUL.EXAMPLE.']) {
      assert.equal((await zoned.ask(name)).answer.length, 1);
    }
    assert.ok(questionsTo(consul) > 0);
    assert.equal(questionsTo(upstream), before);
  });
});
