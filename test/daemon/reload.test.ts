import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { FLAG, RCODE, TYPE } from '../../src/core/dns/constants.ts';
import { keepFixedSettings } from '../../src/daemon/reload.ts';
import type { Config } from '../../src/core/config/config.ts';
import { ManualClock } from '../adapters/manual-clock.ts';
import { goodFiles } from '../adapters/mesos/loopback-master.ts';
import { addressRecords, buildMessage, readMessage } from '../support/dns-message.ts';
import {
  isQuestion,
  openUpstream,
  questionsTo,
  type ReceivedQuery,
  type ScriptedUpstream,
} from '../support/dns-peer.ts';
import { daemonConfig } from '../support/daemon-config.ts';
import { type RunningDaemon, startDaemon } from '../support/running-daemon.ts';
import {
  clusterState,
  framework,
  hangs,
  says,
  type ScriptedMaster,
  startMaster,
  task,
} from '../support/scripted-master.ts';
import { inTime, waitUntil } from '../support/wait-until.ts';

type Parts = Readonly<Record<string, object>>;

/** A daemon that serves web.marathon.mesos, and how to reload it with other settings. */
async function startServing(t: TestContext, parts: Parts = {}, clock = new ManualClock()) {
  const master = await startServingMaster(t, 'web');
  const wanted = (changes: Parts) =>
    daemonConfig({ cluster: { masters: [master.text] }, ...parts, ...changes });
  const daemon = await startDaemon(t, wanted({}), { clock });
  const reload = (changes: Parts): Promise<readonly string[]> => reloadTo(daemon, wanted(changes));
  return { daemon, master, clock, reload };
}

const reloadTo = ({ daemon }: RunningDaemon, config: Config): Promise<readonly string[]> =>
  daemon.reload(config, goodFiles(config.cluster));

async function startServingMaster(t: TestContext, name: string): Promise<ScriptedMaster> {
  const master = await startMaster(t);
  const frameworks = [framework('marathon', [task(name)])];
  master.answer = says(clusterState(master, { frameworks }));
  return master;
}

const answerTo = ({ message }: ReceivedQuery): Uint8Array => {
  const { id, qname } = readMessage(message);
  return buildMessage({
    id,
    flags: FLAG.QR,
    qname: qname ?? '',
    answer: addressRecords(qname ?? '', 1),
  });
};

async function startUpstream(
  t: TestContext,
  script: Parameters<typeof openUpstream>[0] = (query, reply) => reply(answerTo(query)),
): Promise<ScriptedUpstream> {
  const upstream = await openUpstream(script);
  t.after(() => upstream.close());
  return upstream;
}

const forwardTo = ({ address: { address, port } }: ScriptedUpstream): Parts => ({
  forward: { upstreams: [`${address}:${port}`] },
});

async function ttlOf(daemon: RunningDaemon): Promise<number | undefined> {
  return (await daemon.ask('web.marathon.mesos.')).answer[0]?.ttl;
}

describe('a reload', () => {
  test('keeps listeners as they are and names what waits for a restart', () => {
    const running = daemonConfig({ cluster: { masters: ['10.0.0.1'] } });
    const wanted = daemonConfig({
      cluster: { masters: ['10.0.0.2'] },
      dns: { listen: ['127.0.0.2:0'], udpThreads: 7, ttlSeconds: 77, enabled: false },
      http: { listen: '127.0.0.2:0', enumeration: false },
      vip: { enabled: false },
    });
    const { config, fixed } = keepFixedSettings(running, wanted);
    assert.deepEqual(fixed, [
      'dns.enabled',
      'dns.listen',
      'dns.udpThreads',
      'http.listen',
      'vip.enabled',
    ]);
    const { enabled, listen, udpThreads } = config.dns;
    assert.deepEqual([enabled, listen, udpThreads], [true, running.dns.listen, 'auto']);
    assert.equal(config.vip.enabled, true);
    assert.deepEqual(config.http, { ...running.http, enumeration: false });
    assert.deepEqual(config.cluster, wanted.cluster);
    assert.equal(config.dns.ttlSeconds, 77);
    assert.deepEqual(keepFixedSettings(running, running).fixed, []);
  });

  test('keeps the kernel as it is used, and takes all else of VIPs over', () => {
    const cluster = { masters: ['192.0.2.1'] };
    const running = daemonConfig({ cluster });
    const wanted = daemonConfig({
      cluster,
      vip: { pool: ['172.20.0.0/16'], scheduler: 'rr', auto: true },
      kernel: {
        enabled: true,
        interface: 'vips',
        nodeAddress: { ipv4: '192.0.2.7' },
        drainSeconds: 5,
        sysctls: 'report',
        snat: true,
      },
    });
    const { config, fixed } = keepFixedSettings(running, wanted);
    assert.deepEqual(fixed, ['kernel.enabled', 'kernel.interface']);
    assert.deepEqual(config.vip, wanted.vip);
    assert.deepEqual(config.kernel, { ...wanted.kernel, enabled: false, interface: 'hoplite0' });
  });

  test('leaves the sockets alone and reports it', async (t) => {
    const { daemon, reload } = await startServing(t);
    const fixed = await reload({ dns: { listen: ['127.0.0.2:0'] }, http: { enumeration: false } });
    assert.deepEqual(fixed, ['dns.listen']);
    assert.deepEqual(daemon.daemon.dnsAddresses(), [daemon.dns]);
    assert.deepEqual(await daemon.answers('web.marathon.mesos.'), ['A 10.0.0.1']);
    assert.equal((await daemon.http('/v1/enumerate')).status, 404);
    const metrics = (await daemon.http('/metrics')).body;
    assert.match(metrics, /^hoplite_config_reloads_total\{result="success"\} 1$/m);
  });

  test('changes the TTL of what is served, though no master answers', async (t) => {
    const { daemon, master, reload } = await startServing(t);
    assert.equal(await ttlOf(daemon), 5);
    const before = daemon.status().generation?.serial ?? 0;
    master.answer = hangs;
    await reload({ dns: { ttlSeconds: 61 } });
    await waitUntil('the new TTL', async () => (await ttlOf(daemon)) === 61);
    assert.ok((daemon.status().generation?.serial ?? 0) > before);
  });

  test('moves the zone to another domain', async (t) => {
    const { daemon, reload } = await startServing(t);
    await reload({ dns: { domain: 'dcos.example' } });
    await waitUntil('the new zone', async () => {
      const answers = await daemon.answers('web.marathon.dcos.example.');
      return answers.length === 1;
    });
    assert.equal((await daemon.ask('web.marathon.mesos.')).rcode, RCODE.REFUSED);
    const soa = await daemon.ask('dcos.example.', TYPE.SOA);
    assert.match(soa.answer[0]?.data ?? '', /^ns1\.dcos\.example\. /);
  });

  test('before the first state moves the zone that has no answers yet', async (t) => {
    const master = await startMaster(t);
    const cluster = { masters: [master.text] };
    const clock = new ManualClock();
    const daemon = await startDaemon(t, daemonConfig({ cluster }), { clock, unready: true });
    assert.equal((await daemon.ask('web.marathon.mesos.')).rcode, RCODE.SERVFAIL);
    await reloadTo(daemon, daemonConfig({ cluster, dns: { domain: 'dcos' } }));
    assert.equal((await daemon.ask('web.marathon.dcos.')).rcode, RCODE.SERVFAIL);
    assert.equal((await daemon.ask('web.marathon.mesos.')).rcode, RCODE.REFUSED);
  });

  test('changes upstreams, forward zones and whether there are any', async (t) => {
    const [first, second] = [await startUpstream(t), await startUpstream(t)];
    const { daemon, reload } = await startServing(t, forwardTo(first));
    await daemon.ask('outside.example.');
    await reload(forwardTo(second));
    await daemon.ask('outside.example.');
    assert.deepEqual(
      [first, second].map((one) => questionsTo(one).length),
      [1, 1],
    );
    const zones = { 'in.example': [`127.0.0.1:${first.address.port}`] };
    await reload({ forward: { ...forwardTo(second)['forward'], zones } });
    await daemon.ask('web.in.example.');
    assert.deepEqual(
      [first, second].map((one) => questionsTo(one).length),
      [2, 1],
    );
    await reload({ forward: { enabled: false } });
    assert.equal((await daemon.ask('outside.example.')).rcode, RCODE.REFUSED);
    assert.equal(daemon.status().forwarding.enabled, false);
  });

  test('does not fail a question that waits for an upstream', async (t) => {
    let release = (): void => undefined;
    const upstream = await startUpstream(t, (query, reply) => {
      if (isQuestion(query)) release = () => reply(answerTo(query));
    });
    const { daemon, reload } = await startServing(t, forwardTo(upstream));
    const answer = daemon.ask('outside.example.');
    await waitUntil('the question', () => questionsTo(upstream).length === 1);
    await reload({ dns: { ttlSeconds: 9 } });
    release();
    assert.equal((await answer).rcode, RCODE.NOERROR);
  });

  test('changes the level of the log', async (t) => {
    const { daemon, reload } = await startServing(t, { log: { level: 'error' } });
    assert.equal(daemon.logged.length, 0);
    await reload({ log: { level: 'info' }, dns: { ttlSeconds: 9 } });
    await waitUntil('a line', () => daemon.logged.length > 0);
    assert.equal(daemon.logged[0]?.event, 'generation-published');
  });

  test('asks the new masters at once, and polls in the new interval', async (t) => {
    const { daemon, reload, clock } = await startServing(t);
    const other = await startServingMaster(t, 'moved');
    await reload({ cluster: { masters: [other.text], pollIntervalSeconds: 7 } });
    await waitUntil('the new cluster', () => daemon.status().source.leader === other.text);
    assert.deepEqual(await daemon.answers('moved.marathon.mesos.'), ['A 10.0.0.1']);
    assert.equal(daemon.status().source.pollIntervalSeconds, 7);
    const { polls } = daemon.status().source;
    clock.advance(8_000);
    assert.equal(daemon.status().source.polls, polls + 1);
  });

  test('to masters that do not answer keeps what is served', async (t) => {
    const { daemon, reload } = await startServing(t);
    const silent = await startMaster(t);
    await reload({ cluster: { masters: [silent.text] }, dns: { ttlSeconds: 62 } });
    await waitUntil('the new TTL', async () => (await ttlOf(daemon)) === 62);
    await waitUntil('the new master is asked', () => silent.requests.length === 1);
    assert.ok(daemon.status().ready);
  });

  test('while the daemon stops, or after it, does nothing', async (t) => {
    const { daemon, reload, master } = await startServing(t);
    const asked = master.requests.length;
    const stopped = daemon.daemon.stop();
    assert.deepEqual(await reload({ http: { listen: '127.0.0.2:0' } }), []);
    await inTime('the stop', stopped);
    assert.deepEqual(await reload({ http: { listen: '127.0.0.2:0' } }), []);
    assert.equal(master.requests.length, asked);
  });

  test('that is under way when the daemon stops does not hold it up', async (t) => {
    const { daemon, reload } = await startServing(t);
    const reloaded = reload({ dns: { ttlSeconds: 9 } });
    await inTime('the stop', Promise.all([daemon.daemon.stop(), reloaded]));
  });
});
