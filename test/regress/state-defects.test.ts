import assert from 'node:assert/strict';
import { syncBuiltinESMExports } from 'node:module';
import os from 'node:os';
import { describe, test, type TestContext } from 'node:test';
import { FLAG, RCODE, TYPE } from '../../src/core/dns/constants.ts';
import { CertificateFolder } from '../adapters/mesos/certificates.ts';
import { startMaster as startHttpsMaster } from '../adapters/mesos/loopback-master.ts';
import { ManualClock } from '../adapters/manual-clock.ts';
import { addressRecords, buildMessage, readMessage } from '../support/dns-message.ts';
import { openUpstream, questionsTo } from '../support/dns-peer.ts';
import { daemonConfig, mesosDnsConfig } from '../support/daemon-config.ts';
import { advanceToPoll, type RunningDaemon, startDaemon } from '../support/running-daemon.ts';
import {
  agent,
  clusterState,
  framework,
  hangs,
  redirects,
  says,
  saysText,
  type ScriptedMaster,
  startMaster,
  type StatePart,
  task,
} from '../support/scripted-master.ts';
import { missingTools } from '../support/tools.ts';
import { inTime, waitUntil } from '../support/wait-until.ts';

const POLL_SECONDS = 30;
const TIMEOUT_SECONDS = 20;
/** Longer than any pause between two polls. */
const BEAT_MS = 1_100 * POLL_SECONDS;

const marathon = (...tasks: readonly StatePart[]): StatePart => ({
  frameworks: [framework('marathon', tasks)],
});

const clusterOf = (...masters: readonly ScriptedMaster[]): StatePart => ({
  cluster: {
    masters: masters.map(({ text }) => text),
    pollIntervalSeconds: POLL_SECONDS,
    requestTimeoutSeconds: TIMEOUT_SECONDS,
  },
});

/** A daemon on one master that answers with a cluster of these parts. */
async function startOn(t: TestContext, parts: StatePart): Promise<RunningDaemon> {
  const master = await startMaster(t);
  master.answer = says(clusterState(master, parts));
  return startDaemon(t, daemonConfig(clusterOf(master)));
}

/** A daemon that serves web.marathon.mesos, and the clock and master it goes by. */
async function startServing(
  t: TestContext,
): Promise<{ daemon: RunningDaemon; master: ScriptedMaster; clock: ManualClock }> {
  const master = await startMaster(t);
  const clock = new ManualClock();
  master.answer = says(clusterState(master, marathon(task('web'))));
  const daemon = await startDaemon(t, daemonConfig(clusterOf(master)), { clock });
  return { daemon, master, clock };
}

async function nextFailure({ daemon, clock }: { daemon: RunningDaemon; clock: ManualClock }) {
  const before = daemon.status().source.consecutiveFailures;
  advanceToPoll(daemon, clock);
  await waitUntil('a failed poll', () => daemon.status().source.consecutiveFailures > before);
}

async function rejections(daemon: RunningDaemon): Promise<string[]> {
  const body = (await daemon.json('/v1/rejections')) as {
    rejections: { path: string; code: string }[];
  };
  return body.rejections.map(({ path, code }) => `${path} ${code}`).sort();
}

describe('states that stop or mislead Mesos-DNS', () => {
  test('S01: an agent without pid and malformed ports lose only themselves', async (t) => {
    const withoutPid = agent(1, { pid: undefined });
    const daemon = await startOn(t, {
      slaves: [agent(0), withoutPid],
      ...marathon(
        task('web'),
        task('bare', { resources: { ports: '31000-31001' } }),
        task('single', { resources: { ports: '[31000, 31005-31006]' } }),
        task('lost', { slave_id: 'a1b2-S1' }),
      ),
    });
    assert.deepEqual(await daemon.answers('slave.mesos.'), ['A 10.0.0.1']);
    assert.deepEqual(await daemon.answers('web.marathon.mesos.'), ['A 10.0.0.1']);
    assert.deepEqual(await daemon.answers('bare.marathon.mesos.'), ['A 10.0.0.1']);
    const ports = await daemon.answers('_single._tcp.marathon.mesos.', TYPE.SRV);
    assert.deepEqual(
      ports.map((text) => text.split(' ')[1]),
      ['31005', '31006'],
    );
    assert.deepEqual(await rejections(daemon), [
      'frameworks[0].tasks[1].resources.ports ports-malformed',
      'frameworks[0].tasks[2].resources.ports ports-malformed',
      'frameworks[0].tasks[3].slave_id agent-unknown',
      'slaves[1].pid pid-malformed',
    ]);
  });

  test('S01: a leader and masters that are host names are looked up', async (t) => {
    const master = await startMaster(t);
    const pid = `master@localhost:${master.port}`;
    master.answer = says(clusterState({ pid }, marathon(task('web'))));
    const config = daemonConfig({ cluster: { masters: [`localhost:${master.port}`] } });
    const daemon = await startDaemon(t, config);
    assert.ok((await daemon.answers('leader.mesos.')).includes('A 127.0.0.1'));
    assert.ok((await daemon.answers('master0.mesos.')).includes('A 127.0.0.1'));
    assert.deepEqual(await daemon.answers('web.marathon.mesos.'), ['A 10.0.0.1']);
  });

  test('S02: malformed pids and members of a wrong type lose only themselves', async (t) => {
    const daemon = await startOn(t, {
      slaves: [
        agent(0),
        agent(1, { pid: '' }),
        agent(2, { pid: null }),
        agent(3, { pid: 'a@b@c:1' }),
        7,
      ],
      frameworks: [
        framework('marathon', [
          task('web'),
          task('x', { name: 7 }),
          task('y', { statuses: 'none' }),
        ]),
        framework('chronos', [task('job')], { pid: 'nonsense' }),
        framework('odd', [], { tasks: 'none' }),
        framework('number', [], { name: 1 }),
        null,
      ] as StatePart[],
    });
    assert.deepEqual(await daemon.answers('slave.mesos.'), ['A 10.0.0.1']);
    for (const name of ['web.marathon.mesos.', 'y.marathon.mesos.', 'job.chronos.mesos.']) {
      assert.deepEqual(await daemon.answers(name), ['A 10.0.0.1'], name);
    }
    assert.deepEqual(await rejections(daemon), [
      'frameworks[0].tasks[1].name task-malformed',
      'frameworks[1].pid pid-malformed',
      'frameworks[2].tasks tasks-malformed',
      'frameworks[3] framework-malformed',
      'frameworks[4] framework-malformed',
      'slaves[1].pid pid-malformed',
      'slaves[2].pid pid-malformed',
      'slaves[3].pid pid-malformed',
      'slaves[4] agent-malformed',
    ]);
  });

  test('S04: a 500 with a valid state body is refused', async (t) => {
    const { daemon, master, clock } = await startServing(t);
    master.answer = says(clusterState(master), 500);
    await nextFailure({ daemon, clock });
    assert.equal(daemon.status().source.lastError?.code, 'master-status');
    assert.deepEqual(await daemon.answers('web.marathon.mesos.'), ['A 10.0.0.1']);
  });

  for (const way of ['names its leader', 'redirects'] as const) {
    test(`S05: a leader at another port is followed there when a master ${way}`, async (t) => {
      const [follower, leader] = [await startMaster(t), await startMaster(t)];
      const stale = clusterState(leader, { pid: follower.pid, ...marathon(task('old')) });
      follower.answer = way === 'redirects' ? redirects(leader) : says(stale);
      leader.answer = says(clusterState(leader, marathon(task('web'))));
      const daemon = await startDaemon(t, daemonConfig(clusterOf(follower)));
      assert.deepEqual(await daemon.answers('web.marathon.mesos.'), ['A 10.0.0.1']);
      assert.equal((await daemon.ask('old.marathon.mesos.')).rcode, RCODE.NXDOMAIN);
      const [srv = ''] = await daemon.answers('_leader._tcp.mesos.', TYPE.SRV);
      assert.equal(srv, `SRV ${leader.port} leader.mesos.`);
      assert.equal(daemon.status().source.leader, leader.text);
    });
  }

  test('S06: the age of the state is shown, and readiness stays while names are served', async (t) => {
    const { daemon, master, clock } = await startServing(t);
    assert.equal(daemon.status().source.ageSeconds, 0);
    master.answer = saysText('gone', 503);
    clock.advance(BEAT_MS);
    await waitUntil('a failed poll', () => daemon.status().source.consecutiveFailures === 1);
    clock.advance(1_000_000);
    const { ready, source, summary, reasons } = daemon.status();
    assert.equal(source.ageSeconds, (BEAT_MS + 1_000_000) / 1000);
    assert.match(summary, /state 1033 s old/);
    assert.match(reasons[0] ?? '', /^the state is 1033 s old, .* polls failed: .*503/);
    assert.ok(ready);
    const readyz = await daemon.http('/readyz');
    assert.equal(readyz.status, 200);
    assert.match(readyz.body, /^ready\nthe state is 1033 s old/);
    const metrics = (await daemon.http('/metrics')).body;
    assert.match(metrics, /^hoplite_source_age_seconds 1033$/m);
    assert.match(metrics, /^hoplite_ready 1$/m);
    assert.deepEqual(await daemon.answers('web.marathon.mesos.'), ['A 10.0.0.1']);
  });

  test('S07: a master that hangs keeps the next one waiting for one deadline', async (t) => {
    const [dead, alive] = [await startMaster(t), await startMaster(t)];
    alive.answer = says(clusterState(alive, marathon(task('web'))));
    const clock = new ManualClock();
    const config = daemonConfig(clusterOf(dead, alive));
    const daemon = await startDaemon(t, config, { clock, unready: true });
    await waitUntil('the first request', () => dead.requests.length === 1);
    clock.advance(TIMEOUT_SECONDS * 1000);
    await waitUntil('a generation', () => daemon.status().generation !== null);
    assert.equal(daemon.status().source.polls, 1);
    assert.equal(daemon.status().source.leader, alive.text);
  });

  test('S07: a leader that begins to hang is left for the next one', async (t) => {
    const [old, next] = [await startMaster(t), await startMaster(t)];
    old.answer = says(clusterState(old, marathon(task('web'))));
    next.answer = redirects(old);
    const clock = new ManualClock();
    const daemon = await startDaemon(t, daemonConfig(clusterOf(old, next)), { clock });
    old.answer = hangs;
    next.answer = says(clusterState(next, marathon(task('moved'))));
    clock.advance(BEAT_MS);
    await waitUntil('the request that hangs', () => old.requests.length === 2);
    clock.advance(TIMEOUT_SECONDS * 1000);
    await waitUntil('the next leader', () => daemon.status().source.leader === next.text);
    assert.deepEqual(await daemon.answers('moved.marathon.mesos.'), ['A 10.0.0.1']);
  });

  test('S07: a master that hangs does not hold up the stop', async (t) => {
    const { daemon, master, clock } = await startServing(t);
    master.answer = hangs;
    clock.advance(BEAT_MS);
    await waitUntil('the request that hangs', () => master.requests.length === 2);
    await inTime('the stop', daemon.daemon.stop(), 1_000);
  });

  test('S08: masters beside zk are asked at once', async (t) => {
    const master = await startMaster(t);
    master.answer = says(clusterState(master, marathon(task('web'))));
    const config = mesosDnsConfig({ zk: 'zk://127.0.0.1:1/mesos', masters: [master.text] });
    const daemon = await startDaemon(t, config, { clock: new ManualClock() });
    assert.deepEqual(await daemon.answers('web.marathon.mesos.'), ['A 10.0.0.1']);
  });

  test('S11: an answer without the lists of a state changes nothing', async (t) => {
    const { daemon, master, clock } = await startServing(t);
    const { serial } = daemon.status().generation ?? {};
    const { pid } = master;
    for (const state of [
      { pid, leader: pid },
      { pid, leader: pid, frameworks: [] },
      { pid, leader: pid, slaves: [] },
      {},
      [],
      null,
    ]) {
      master.answer = says(state);
      await nextFailure({ daemon, clock });
      assert.equal(daemon.status().source.lastError?.code, 'state-invalid');
      assert.deepEqual(await daemon.answers('web.marathon.mesos.'), ['A 10.0.0.1']);
    }
    assert.equal(daemon.status().generation?.serial, serial);
  });

  test(
    'S13: https to the master is verified without CACertFile',
    { skip: missingTools('openssl') },
    async (t) => {
      const folder = new CertificateFolder();
      t.after(() => folder.remove());
      const authority = folder.authority('authority');
      const { cert, key } = folder.signed('master', authority, 'IP:127.0.0.1');
      const answer = (_request: unknown, response: { end(body: string): void }): void =>
        response.end(JSON.stringify(clusterState({ pid: `master@127.0.0.1:${master.port}` })));
      const master = await startHttpsMaster(t, answer, { tls: { cert, key } });
      const parts = { masters: [`127.0.0.1:${master.port}`], MesosHTTPSOn: true };
      const strict = await startDaemon(t, mesosDnsConfig(parts), { unready: true });
      await waitUntil('a failed poll', () => strict.status().source.consecutiveFailures > 0);
      assert.match(strict.status().source.lastError?.message ?? '', /certificate/);
      assert.equal(master.requests.length, 0);
      const trusting = mesosDnsConfig({ ...parts, CACertFile: authority.certFile });
      assert.ok((await startDaemon(t, trusting)).status().ready);
    },
  );

  test('S16: link-local addresses of the node are not published', async (t) => {
    const face = { netmask: '', mac: '', internal: false, cidr: null };
    t.mock.method(os, 'networkInterfaces', () => ({
      lo: [{ ...face, address: '127.0.0.1', family: 'IPv4', internal: true }],
      eth0: [
        { ...face, address: '10.1.2.3', family: 'IPv4' },
        { ...face, address: 'fe80::42:1', family: 'IPv6', scopeid: 2 },
        { ...face, address: '2001:db8::3', family: 'IPv6', scopeid: 0 },
      ],
    }));
    syncBuiltinESMExports();
    t.after(() => {
      t.mock.restoreAll();
      syncBuiltinESMExports();
    });
    const master = await startMaster(t);
    master.answer = says(clusterState(master));
    // Without DNS nothing is bound to these addresses, and the name server's records stay.
    const dns = { enabled: false, listen: ['[::]:53'] };
    const daemon = await startDaemon(t, daemonConfig({ ...clusterOf(master), dns }));
    assert.deepEqual(await daemon.json('/v1/hosts/ns1.mesos'), [
      { host: 'ns1.mesos.', ip: '10.1.2.3' },
      { host: 'ns1.mesos.', ip: '2001:db8::3' },
    ]);
  });

  test('S17: before the first good state names outside are forwarded and own ones SERVFAIL', async (t) => {
    const upstream = await openUpstream(({ message }, reply) => {
      const { id, qname } = readMessage(message);
      const answer = addressRecords(qname ?? '', 1);
      reply(buildMessage({ id, flags: FLAG.QR, qname: qname ?? '', answer }));
    });
    t.after(() => upstream.close());
    const config = daemonConfig({
      ...clusterOf(await startMaster(t)),
      forward: { upstreams: [`127.0.0.1:${upstream.address.port}`] },
    });
    const daemon = await startDaemon(t, config, { unready: true });
    assert.deepEqual(await daemon.answers('outside.example.'), ['A 203.0.113.1']);
    for (const name of ['mesos.', 'web.marathon.mesos.', 'leader.mesos.']) {
      const reply = await daemon.ask(name, TYPE.A, { edns: 1232 });
      assert.equal(reply.rcode, RCODE.SERVFAIL);
      // Extended error 14, Not Ready (RFC 8914 §4.15).
      assert.equal(reply.opt?.options, '000f0002000e');
    }
    assert.equal((await daemon.http('/readyz')).status, 503);
    assert.equal(questionsTo(upstream).length, 1);
  });

  test('S18: records of inactive frameworks and agents stay or go by names.inactive', async (t) => {
    const master = await startMaster(t);
    const inactive = { active: false, hostname: '10.0.0.101' };
    const frameworks = [framework('marathon', [task('web')]), framework('gone', [], inactive)];
    const slaves = [agent(0), agent(1, { active: false })];
    master.answer = says(clusterState(master, { slaves, frameworks }));
    const [kept, dropped] = await Promise.all(
      ['publish', 'omit'].map((choice) =>
        startDaemon(t, daemonConfig({ ...clusterOf(master), names: { inactive: choice } })),
      ),
    );
    assert.ok(kept !== undefined && dropped !== undefined);
    assert.deepEqual(await kept.answers('gone.mesos.'), ['A 10.0.0.101']);
    assert.deepEqual(await kept.answers('slave.mesos.'), ['A 10.0.0.1', 'A 10.0.0.2']);
    assert.equal((await dropped.ask('gone.mesos.')).rcode, RCODE.NXDOMAIN);
    assert.deepEqual(await dropped.answers('slave.mesos.'), ['A 10.0.0.1']);
    assert.deepEqual(await dropped.answers('marathon.mesos.'), ['A 10.0.0.100']);
  });
});
