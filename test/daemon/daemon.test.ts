import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { syncBuiltinESMExports } from 'node:module';
import os, { networkInterfaces, type NetworkInterfaceInfo, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { DaemonError } from '../../src/core/base/daemon-error.ts';
import { RCODE, TYPE } from '../../src/core/dns/constants.ts';
import { DnsListeners } from '../../src/daemon/dns/dns-listeners.ts';
import { ManualClock } from '../adapters/manual-clock.ts';
import { buildMessage } from '../support/dns-message.ts';
import {
  closedPair,
  isQuestion,
  openTcpClient,
  openUpstream,
  questionsTo,
} from '../support/dns-peer.ts';
import { daemonConfig } from '../support/daemon-config.ts';
import { advanceToPoll, startDaemon } from '../support/running-daemon.ts';
import {
  clusterState,
  cuts,
  framework,
  hangs,
  says,
  type ScriptedMaster,
  startMaster,
  task,
} from '../support/scripted-master.ts';
import { inTime, waitUntil } from '../support/wait-until.ts';

/** A stop that takes longer is a bug, and systemd would not wait for ever either. */
const STOP_DEADLINE_MS = 5_000;

const stateWith = (master: ScriptedMaster, ...names: readonly string[]) =>
  clusterState(master, {
    frameworks: [
      framework(
        'marathon',
        names.map((name) => task(name)),
      ),
    ],
  });

async function startServingMaster(t: TestContext): Promise<ScriptedMaster> {
  const master = await startMaster(t);
  master.answer = says(stateWith(master, 'web'));
  return master;
}

const cluster = (master: ScriptedMaster) => ({ cluster: { masters: [master.text] } });

/** What keeps this process alive: kinds such as `UDPWrap`, the test runner's own included. */
const openHandles = (): string[] => process.getActiveResourcesInfo();

/** Waits until nothing is open that was not open before. */
async function assertNothingMore(before: readonly string[]): Promise<void> {
  const count = (kinds: readonly string[], kind: string): number =>
    kinds.filter((one) => one === kind).length;
  await waitUntil('nothing is left', () => {
    const now = openHandles();
    return now.every((kind) => count(now, kind) <= count(before, kind));
  });
}

describe('the start of the daemon', () => {
  test('serves DNS without HTTP', async (t) => {
    const http = { enabled: false };
    const daemon = await startDaemon(
      t,
      daemonConfig({ ...cluster(await startServingMaster(t)), http }),
    );
    assert.deepEqual(await daemon.answers('web.marathon.mesos.'), ['A 10.0.0.1']);
    assert.deepEqual(
      daemon.status().listeners.map(({ protocol }) => protocol),
      ['udp', 'tcp'],
    );
  });

  test('serves HTTP without DNS', async (t) => {
    const dns = { enabled: false };
    const daemon = await startDaemon(
      t,
      daemonConfig({ ...cluster(await startServingMaster(t)), dns }),
    );
    assert.deepEqual(daemon.daemon.dnsAddresses(), []);
    assert.deepEqual(await daemon.json('/v1/hosts/web.marathon.mesos'), [
      { host: 'web.marathon.mesos.', ip: '10.0.0.1' },
    ]);
  });

  test('fails if the HTTP port is taken, and leaves nothing behind', async (t) => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    t.after(() => taken.close());
    const address = taken.address();
    const port = address !== null && typeof address === 'object' ? address.port : 0;
    const free = await closedPair();
    const before = openHandles();
    const config = daemonConfig({
      cluster: { masters: ['127.0.0.1:1'] },
      dns: { listen: [`127.0.0.1:${free.port}`] },
      http: { listen: `127.0.0.1:${port}` },
    });
    await assert.rejects(
      startDaemon(t, config),
      (error: unknown) => error instanceof DaemonError && error.code === 'listen-failed',
    );
    await assertNothingMore(before);
    const again = createSocket('udp4').bind(free.port, '127.0.0.1');
    await once(again, 'listening');
    again.close();
  });
});

describe('a generation worker that dies', () => {
  test('costs nothing but time: names stay, and the serial goes on', async (t) => {
    const workers: Worker[] = [];
    const remember = (worker: Worker): void => void workers.push(worker);
    process.on('worker', remember);
    t.after(() => process.off('worker', remember));
    const master = await startServingMaster(t);
    const clock = new ManualClock();
    // The only worker is that of generations.
    const config = daemonConfig({ ...cluster(master), dns: { udpThreads: 0 } });
    const daemon = await startDaemon(t, config, { clock });
    const { serial = 0 } = daemon.status().generation ?? {};
    master.answer = cuts;
    await workers[0]?.terminate();
    await waitUntil('a poll at once', () => daemon.status().source.consecutiveFailures === 1);

    assert.deepEqual(await daemon.answers('web.marathon.mesos.'), ['A 10.0.0.1']);
    assert.equal((await daemon.http('/v1/axfr')).status, 503);
    master.answer = says(stateWith(master, 'web', 'api'));
    advanceToPoll(daemon, clock);
    await waitUntil('the next generation', () => daemon.status().generation?.serial !== serial);
    assert.equal(workers.length, 2);
    assert.deepEqual(await daemon.answers('api.marathon.mesos.'), ['A 10.0.0.1']);
    const [soa] = (await daemon.ask('mesos.', TYPE.SOA)).answer;
    assert.ok(soa !== undefined);
    assert.ok((daemon.status().generation?.serial ?? 0) > serial);
    assert.equal((await daemon.http('/v1/axfr')).status, 200);
  });
});

describe('upstreams of the system', () => {
  test('are read from the file, and again when it has changed', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'hoplite-resolv-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const resolvConf = join(folder, 'resolv.conf');
    writeFileSync(resolvConf, 'nameserver 127.0.0.98\n');
    const clock = new ManualClock();
    const config = daemonConfig({
      ...cluster(await startServingMaster(t)),
      forward: { upstreams: 'system' },
    });
    const daemon = await startDaemon(t, config, { clock, resolvConf });
    const upstreams = (): readonly string[] => daemon.status().forwarding.upstreams;
    assert.deepEqual(upstreams(), ['127.0.0.98:53']);
    writeFileSync(resolvConf, 'nameserver 127.0.0.97\nnameserver 127.0.0.98\n');
    clock.advance(5_000);
    // Nobody listens there; on the way to find that out the file is looked at.
    assert.equal((await daemon.ask('outside.example.')).rcode, RCODE.SERVFAIL);
    assert.deepEqual(upstreams(), ['127.0.0.97:53', '127.0.0.98:53']);
    rmSync(resolvConf);
    clock.advance(5_000);
    await daemon.ask('outside.example.');
    assert.deepEqual(upstreams(), ['127.0.0.97:53', '127.0.0.98:53'], 'what was known stays');
    const events = daemon.logged.map(({ event }) => event);
    assert.ok(events.includes('upstreams-unreadable'));
  });
});

const OUTWARD = Object.values(networkInterfaces())
  .flatMap((entries) => entries ?? [])
  .find(({ family, internal }) => family === 'IPv4' && !internal);

test(
  'the records of the name server follow the addresses of a wildcard',
  { skip: OUTWARD === undefined && 'needs an address besides loopback' },
  async (t) => {
    const loopback: NetworkInterfaceInfo = {
      ...{ address: '127.0.0.1', netmask: '255.0.0.0', cidr: '127.0.0.1/8' },
      ...{ family: 'IPv4', internal: true, mac: '00:00:00:00:00:00' },
    };
    let interfaces: readonly NetworkInterfaceInfo[] = [loopback];
    t.mock.method(os, 'networkInterfaces', () => ({ all: interfaces }));
    syncBuiltinESMExports();
    t.after(() => {
      t.mock.restoreAll();
      syncBuiltinESMExports();
    });
    const clock = new ManualClock();
    const master = await startServingMaster(t);
    const config = daemonConfig({ ...cluster(master), dns: { listen: ['0.0.0.0:0'] } });
    const daemon = await startDaemon(t, config, { clock });
    assert.deepEqual(await daemon.answers('ns1.mesos.'), []);
    interfaces = [loopback, OUTWARD!];
    clock.advance(30_000);
    await waitUntil('the record', async () => {
      const answers = await daemon.answers('ns1.mesos.');
      return answers.join() === `A ${OUTWARD!.address}`;
    });
  },
);

describe('the stop of the daemon', () => {
  test('with clients that hang ends in time and leaves nothing open', async (t) => {
    const before = openHandles();
    const master = await startServingMaster(t);
    const upstream = await openUpstream(() => undefined);
    const daemon = await startDaemon(
      t,
      daemonConfig({
        ...cluster(master),
        forward: { upstreams: [`127.0.0.1:${upstream.address.port}`], timeoutSeconds: 60 },
      }),
    );
    master.answer = hangs;

    const idle = await openTcpClient(daemon.dns);
    const waiting = await openTcpClient(daemon.dns);
    const query = buildMessage({ qname: 'outside.example.' });
    waiting.socket.write(Buffer.concat([Buffer.from([0, query.length]), query]));
    const web = connect(daemon.httpPort, '127.0.0.1');
    await once(web, 'connect');
    web.on('error', () => undefined);
    web.write('GET /v1/status HTTP/1.1\r\nhost: x\r\n');
    const udp = createSocket('udp4');
    udp.send(query, daemon.dns.port, daemon.dns.address);
    await waitUntil('both questions', () => questionsTo(upstream).length === 2);

    const start = performance.now();
    await inTime('the stop', daemon.daemon.stop(), STOP_DEADLINE_MS);
    assert.ok(performance.now() - start < STOP_DEADLINE_MS);
    await waitUntil('the connections end', () => idle.ended && waiting.ended && web.closed);
    const late = connect(daemon.dns.port, daemon.dns.address);
    await assert.rejects(once(late, 'connect'), /ECONNREFUSED/);

    for (const socket of [idle.socket, waiting.socket, web] as Socket[]) socket.destroy();
    udp.close();
    await Promise.all([upstream.close(), master.close()]);
    await assertNothingMore(before);
  });

  test('lets an answer over TCP that comes during the stop through', async (t) => {
    let answer = (): void => undefined;
    const upstream = await openUpstream((query, reply) => {
      const bytes = new Uint8Array(query.message);
      bytes[2] = 0x81;
      if (isQuestion(query)) answer = () => reply(bytes);
    });
    t.after(() => upstream.close());
    const config = daemonConfig({
      ...cluster(await startServingMaster(t)),
      forward: { upstreams: [`127.0.0.1:${upstream.address.port}`] },
    });
    const daemon = await startDaemon(t, config);
    const reply = daemon.ask('outside.example.', TYPE.A, { overTcp: true });
    await waitUntil('the question', () => questionsTo(upstream).length === 1);
    const stopped = daemon.daemon.stop();
    answer();
    assert.equal((await reply).rcode, RCODE.NOERROR);
    await inTime('the stop', stopped, STOP_DEADLINE_MS);
  });

  test('goes on when a part cannot be closed, and says so', async (t) => {
    const before = openHandles();
    const master = await startServingMaster(t);
    const daemon = await startDaemon(t, daemonConfig(cluster(master)));
    const closed = t.mock.method(DnsListeners.prototype, 'close', () =>
      Promise.reject(new Error('the socket is gone')),
    );
    assert.equal(await daemon.daemon.stop(), false);
    const [call] = closed.mock.calls;
    closed.mock.restore();
    await (call?.this as DnsListeners).close(0);
    const errors = daemon.logged.filter(({ event }) => event === 'stop-failed');
    assert.equal(errors.length, 1);
    assert.match(JSON.stringify(errors[0]), /the socket is gone/);
    await master.close();
    await assertNothingMore(before);
  });

  test('can be asked for twice', async (t) => {
    const daemon = await startDaemon(t, daemonConfig(cluster(await startServingMaster(t))));
    const first = daemon.daemon.stop();
    assert.equal(daemon.daemon.stop(), first);
    assert.equal(await inTime('the stop', first, STOP_DEADLINE_MS), true);
  });

  test('before the first state, while the master hangs, takes no time', async (t) => {
    const config = daemonConfig(cluster(await startMaster(t)));
    const daemon = await startDaemon(t, config, { unready: true });
    await inTime('the stop', daemon.daemon.stop(), 1_000);
  });
});
