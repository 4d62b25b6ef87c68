import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { after, before, suite, test } from 'node:test';
import { systemClock } from '../../src/adapters/clock.ts';
import { ZookeeperSession } from '../../src/adapters/zookeeper/session.ts';
import { formatHostPort } from '../../src/core/base/host-port.ts';
import type { HostPort, ZookeeperConfig } from '../../src/core/config/config.ts';
import { FrameSplitter } from '../../src/core/zookeeper/frame-splitter.ts';
import { decodeConnect } from '../../src/core/zookeeper/message.ts';
import type { SessionKey } from '../../src/core/zookeeper/message.ts';
import { MasterDetector } from '../../src/daemon/leader/master-detector.ts';
import { SuiteCleanup } from '../support/cleanup.ts';
import type { Cleanup } from '../support/cleanup.ts';
import { missingTools } from '../support/tools.ts';
import { eventually, GRANTED_MS, startZookeeper, ZookeeperWriter } from '../support/zookeeper.ts';
import type { ZookeeperServer } from '../support/zookeeper.ts';

const quiet = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/** What a detector has said, each as `leader of masters`. */
interface Detection {
  readonly detector: MasterDetector;
  readonly said: readonly string[];
}

function detect(t: Cleanup, config: Partial<ZookeeperConfig>): Detection {
  const full: ZookeeperConfig = { servers: [], path: '/mesos', auth: null, ...config };
  const said: string[] = [];
  const parts = { clock: systemClock, random: Math.random };
  const detector = new MasterDetector(full, {
    ...parts,
    log: quiet,
    openSession: (events) => new ZookeeperSession(full, { ...parts, events }),
    onChange: ({ leader, masters }) => {
      const all = masters.map(({ port }) => port).join(' ');
      said.push(`${leader?.port ?? 'nobody'} of ${all}`);
    },
  });
  t.after(() => detector.close());
  detector.start();
  return { detector, said };
}

/** What a master writes, as recorded from 1.12. */
function masterInfo(port: number): string {
  return JSON.stringify({
    address: { hostname: '127.0.0.1', ip: '127.0.0.1', port },
    capabilities: [{ type: 'AGENT_UPDATE' }],
    hostname: '127.0.0.1',
    id: '66060fd8-59c0-4c7d-8ecb-b7324e79aad5',
    ip: 16_777_343,
    pid: `master@127.0.0.1:${port}`,
    port,
    version: '1.12.0',
  });
}

/** A master that has entered itself; it leaves with `close`. */
async function enter(
  t: Cleanup,
  servers: readonly ZookeeperServer[],
  port: number,
  folder = '/mesos',
): Promise<ZookeeperWriter> {
  const master = await ZookeeperWriter.open(t, servers);
  await master.make('/mesos');
  await master.enter(folder, 'json.info_', masterInfo(port));
  return master;
}

/** Passes on what goes to a server, and listens for the session that it grants. */
async function startTap(
  t: Cleanup,
  to: HostPort,
): Promise<{ address: HostPort; sessions: SessionKey[] }> {
  const sessions: SessionKey[] = [];
  const open = new Set<Socket>();
  const tap = createServer((client) => {
    const server = connect(to);
    const splitter = new FrameSplitter();
    let isFirst = true;
    server.on('data', (chunk) => {
      const frames = splitter.push(chunk);
      if (isFirst && frames.ok && frames.value.length > 0) {
        isFirst = false;
        const granted = decodeConnect(frames.value[0]!);
        if (granted.ok && granted.value !== null) sessions.push(granted.value.session);
      }
    });
    for (const [from, other] of [
      [client, server],
      [server, client],
    ] as const) {
      open.add(from);
      from.on('error', () => other.destroy());
      from.on('close', () => open.delete(from));
      from.pipe(other);
    }
  });
  await new Promise<void>((resolve) => tap.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of open) socket.destroy();
    tap.close();
  });
  return { address: { host: '127.0.0.1', port: (tap.address() as AddressInfo).port }, sessions };
}

const skip = missingTools('zkServer.sh');

suite('one ZooKeeper server', { skip }, () => {
  const shared = new SuiteCleanup();
  let servers: readonly ZookeeperServer[];
  before(async () => {
    servers = await startZookeeper(shared, 1);
  });
  after(() => shared.run());

  test('the leader is found when it comes, changes when it goes, and is nobody after the last', async (t) => {
    const { detector, said } = detect(t, { servers: [servers[0]!.address] });
    await eventually('word of no master', () => said.length === 1);
    const first = await enter(t, servers, 5001);
    await eventually('the first master', () => said.at(-1) === '5001 of 5001');
    const second = await enter(t, servers, 5002);
    await eventually('the second master', () => said.at(-1) === '5001 of 5001 5002');
    await first.close();
    await eventually('the next leader', () => said.at(-1) === '5002 of 5002');
    assert.equal(detector.status().leader, '127.0.0.1:5002');
    await second.close();
    await eventually('no master', () => said.at(-1) === 'nobody of ');
    assert.deepEqual(said, [
      'nobody of ',
      '5001 of 5001',
      '5001 of 5001 5002',
      '5002 of 5002',
      'nobody of ',
    ]);
  });

  test('S10: the time that the server grants is kept to, not the one that was asked for', async (t) => {
    const master = await enter(t, servers, 5001);
    const { detector, said } = detect(t, { servers: [servers[0]!.address] });
    await eventually('the leader', () => said.length === 1);
    assert.equal(detector.status().sessionMs, GRANTED_MS);
    const start = systemClock.monotonic();
    await eventually('three times the granted time', () => {
      assert.equal(detector.status().connected, true);
      return systemClock.monotonic() - start > 3 * GRANTED_MS;
    });
    assert.equal(detector.status().lastError, null);
    assert.deepEqual(said, ['5001 of 5001']);
    await master.close();
  });

  test('an expired session is followed by a new one that sees what changes', async (t) => {
    const tap = await startTap(t, servers[0]!.address);
    const master = await enter(t, servers, 5001);
    const { detector, said } = detect(t, { servers: [tap.address] });
    await eventually('the leader', () => said.length === 1);
    // Whoever has the key can move the session away, and end it.
    const thief = await ZookeeperWriter.open(t, servers, tap.sessions[0]);
    await thief.close();
    await eventually('another session', () => tap.sessions.length > 1);
    await eventually('the connection', () => detector.status().connected);
    assert.notEqual(tap.sessions.at(-1)?.id, tap.sessions[0]?.id);
    await master.close();
    await eventually('the change', () => said.at(-1) === 'nobody of ');
    assert.deepEqual(said, ['5001 of 5001', 'nobody of ']);
  });

  test('a server that hangs is noticed within the session; the leader stays until it wakes', async (t) => {
    const master = await enter(t, servers, 5001);
    const { detector, said } = detect(t, { servers: [servers[0]!.address] });
    await eventually('the leader', () => said.length === 1);
    const start = systemClock.monotonic();
    servers[0]!.signal('SIGSTOP');
    try {
      await eventually('the loss', () => !detector.status().connected);
      assert.ok(systemClock.monotonic() - start < 3 * GRANTED_MS);
      const { leader, lastError } = detector.status();
      assert.equal(leader, '127.0.0.1:5001');
      assert.match(lastError?.message ?? '', /^ZooKeeper 127\.0\.0\.1:\d+: it is silent$/);
    } finally {
      servers[0]!.signal('SIGCONT');
    }
    await eventually('the connection', () => detector.status().connected);
    await master.close();
    const next = await enter(t, servers, 5002);
    await eventually('the next leader', () => said.at(-1) === '5002 of 5002');
    await next.close();
  });

  test('S09: a node that only some may read is read with the credentials of the URL', async (t) => {
    const admin = await ZookeeperWriter.open(t, servers);
    const auth = { user: 'dns', password: 'pä:ss' };
    await admin.make('/open');
    await admin.make('/open/masters', auth);
    const outside = detect(t, { servers: [servers[0]!.address], path: '/open/masters' });
    await eventually('the refusal', () => outside.detector.status().lastError);
    const { lastError, leader } = outside.detector.status();
    assert.equal(lastError?.code, 'zookeeper-refused');
    assert.match(lastError.message, /no permission \(-102\) for \/open\/masters$/);
    assert.equal(leader, null);
    const inside = detect(t, { servers: [servers[0]!.address], path: '/open/masters', auth });
    await eventually('word of no master', () => inside.said.at(-1) === 'nobody of ');
    assert.equal(inside.detector.status().lastError, null);
  });

  test('a leader that does not say where it is leads nowhere, and the others are known', async (t) => {
    const writer = await ZookeeperWriter.open(t, servers);
    await writer.make('/odd');
    await writer.make('/odd/log_replicas');
    const { detector, said } = detect(t, { servers: [servers[0]!.address], path: '/odd' });
    await writer.enter('/odd', 'json.info_', '{"id": "junk"}');
    await writer.enter('/odd', 'json.info_', masterInfo(5002));
    await eventually('the member', () => said.at(-1) === 'nobody of 5002');
    assert.equal(detector.status().lastError?.code, 'zookeeper-invalid');
    assert.match(detector.status().lastError?.message ?? '', /\/odd\/json\.info_0000000001 has/);
  });
});

suite('an ensemble of three ZooKeeper servers', { skip }, () => {
  const shared = new SuiteCleanup();
  let servers: readonly ZookeeperServer[];
  before(async () => {
    servers = await startZookeeper(shared, 3);
  });
  after(() => shared.run());

  test('one member, then two, then all are gone and back: the leader stays until the next is elected', async (t) => {
    const { detector, said } = detect(t, { servers: servers.map(({ address }) => address) });
    const connectedTo = (): ZookeeperServer | undefined =>
      servers.find(({ address }) => formatHostPort(address) === detector.status().server);
    await enter(t, servers, 5001);
    await eventually('the leader', () => said.at(-1) === '5001 of 5001');

    const lost = await eventually('the server', connectedTo);
    await lost.kill();
    const rest = servers.filter((server) => server !== lost);
    // The master's own session may be on the server that is gone: it is over then, or not.
    await enter(t, rest, 5002);
    await eventually('a master with one gone', () => said.at(-1)?.includes('5002'));

    const second = await eventually('the next server', connectedTo);
    assert.notEqual(second, lost);
    const before = said.length;
    const { leader } = detector.status();
    await second.kill();
    await eventually('the loss of the quorum', () => !detector.status().connected);
    assert.equal(detector.status().leader, leader);
    assert.equal(said.length, before);

    lost.start();
    await enter(t, [lost], 5003);
    await eventually('a master with a quorum again', () => said.at(-1)?.includes('5003'));

    const known = detector.status().leader;
    await Promise.all(servers.map((server) => server.kill()));
    await eventually('the loss of all', () => !detector.status().connected);
    assert.equal(detector.status().leader, known);
    for (const server of servers) server.start();
    await enter(t, servers, 5004);
    await eventually('the leader after all were gone', () => said.at(-1) === '5004 of 5004');
    const { connected, servers: all } = detector.status();
    assert.deepEqual([connected, all.length], [true, 3]);
  });
});
