import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { TestContext } from 'node:test';
import { ZookeeperSession } from '../../../src/adapters/zookeeper/session.ts';
import { codeOf } from '../../../src/core/base/daemon-error.ts';
import { formatHostPort } from '../../../src/core/base/host-port.ts';
import { seededRandom } from '../../../src/core/base/random.ts';
import type { ZookeeperConfig } from '../../../src/core/config/config.ts';
import { inTime, waitUntil } from '../../support/wait-until.ts';
import { ManualClock } from '../manual-clock.ts';
import { changeEvent, childrenBody, startScriptedServer } from './scripted-ensemble.ts';
import type { ScriptedServer, ServerScript } from './scripted-ensemble.ts';

interface Rig {
  readonly session: ZookeeperSession;
  readonly clock: ManualClock;
  /** What the session has told, such as `connected`, `changed /mesos`, `disconnected …`. */
  readonly told: string[];
}

/** A session that is closed with the test, and then has left no timer. */
function start(
  t: TestContext,
  servers: readonly Pick<ScriptedServer, 'address'>[],
  auth: ZookeeperConfig['auth'] = null,
): Rig {
  const clock = new ManualClock();
  const told: string[] = [];
  const session = new ZookeeperSession(
    { servers: servers.map(({ address }) => address), path: '/mesos', auth },
    {
      clock,
      random: seededRandom(1),
      events: {
        onConnected: () => told.push('connected'),
        onChanged: (path) => told.push(`changed ${path}`),
        onDisconnected: (error) => told.push(`disconnected ${error.message}`),
        onUnreachable: (error, rounds) => told.push(`unreachable ${rounds} ${error.code}`),
      },
    },
  );
  t.after(async () => {
    await session.close();
    assert.equal(clock.pending, 0);
  });
  session.start();
  return { session, clock, told };
}

async function startOne(
  t: TestContext,
  changes: Partial<ServerScript> = {},
): Promise<Rig & { server: ScriptedServer }> {
  const server = await startScriptedServer(t, changes);
  const rig = start(t, [server]);
  await waitUntil('the connection', () => rig.told.includes('connected'));
  return { ...rig, server };
}

const connections = ({ told }: Rig): number => told.filter((one) => one === 'connected').length;

describe('a session with ZooKeeper', () => {
  test('asks for 10 s, and knows what it gets and from whom', async (t) => {
    const { session, server } = await startOne(t);
    assert.deepEqual(server.hellos, [
      { lastZxid: 0n, timeoutMs: 10_000, session: 0n, password: new Uint8Array(16) },
    ]);
    assert.deepEqual(session.status(), { server: server.address, sessionMs: 6_000 });
  });

  test('reads nodes, and says what is not there', async (t) => {
    const { session, server } = await startOne(t, {
      errorOf: (path) => (path === '/no' ? -101 : 0),
    });
    assert.deepEqual(await session.children('/mesos'), ['json.info_1']);
    assert.equal(await session.children('/no'), null);
    assert.equal(await session.data('/no'), null);
    assert.equal(await session.exists('/no'), false);
    assert.equal(await session.exists('/mesos'), true);
    assert.deepEqual(server.asked, [
      '8 /mesos watch',
      '8 /no watch',
      '4 /no',
      '3 /no watch',
      '3 /mesos watch',
    ]);
  });

  test('tells of what is watched and changes', async (t) => {
    const { server, told } = await startOne(t);
    server.send(changeEvent('/mesos'));
    await waitUntil('the change', () => told.includes('changed /mesos'));
  });

  test('sends credentials before anything else', async (t) => {
    const server = await startScriptedServer(t);
    const { session, told } = start(t, [server], { user: 'dns', password: 's:3' });
    await waitUntil('the connection', () => told.includes('connected'));
    await session.children('/mesos');
    assert.deepEqual(server.asked, ['auth digest dns:s:3', '8 /mesos watch']);
  });

  test('a refusal is an error that says why', async (t) => {
    const { session } = await startOne(t, { errorOf: () => -102 });
    await assert.rejects(session.children('/mesos'), (error) => {
      assert.equal(codeOf(error), 'zookeeper-refused');
      assert.match(String(error), /no permission \(-102\) for \/mesos$/);
      return true;
    });
  });

  test('an answer that makes no sense is an error', async (t) => {
    const { session } = await startOne(t, { bodyOf: () => Uint8Array.of(0x7f, 0, 0, 0) });
    await assert.rejects(session.children('/mesos'), (error) => {
      return codeOf(error) === 'zookeeper-invalid';
    });
  });

  test('S10: pings come at a third of the granted time', async (t) => {
    const { server, clock, told } = await startOne(t);
    for (let beat = 1; beat <= 4; beat++) {
      clock.advance(1_999);
      assert.equal(server.asked.length, beat - 1);
      clock.advance(1);
      await waitUntil('the ping', () => server.asked.length === beat);
    }
    assert.deepEqual(server.asked, ['ping', 'ping', 'ping', 'ping']);
    assert.deepEqual(told, ['connected']);
  });

  test('a server that is silent for two thirds of the time is given up, and asked again', async (t) => {
    const rig = await startOne(t, { answers: false });
    rig.clock.advance(3_999);
    assert.deepEqual(rig.told, ['connected']);
    rig.clock.advance(1);
    assert.match(rig.told[1] ?? '', /^disconnected ZooKeeper 127\.0\.0\.1:\d+: it is silent$/);
    assert.equal(rig.session.status().server, null);
    rig.clock.advance(10_000);
    await waitUntil('the connection', () => connections(rig) === 2);
  });

  test('goes on with the same session, and with what it has seen', async (t) => {
    const rig = await startOne(t);
    await rig.session.children('/mesos');
    rig.server.cut();
    await waitUntil('the loss', () => rig.told.length > 1);
    rig.clock.advance(10_000);
    await waitUntil('the connection', () => connections(rig) === 2);
    const { session, lastZxid, password } = rig.server.hellos[1]!;
    assert.deepEqual([session, lastZxid, password[0]], [0x77n, 5n, 9]);
  });

  test('a question that is under way when the connection goes is answered by an error', async (t) => {
    const { session, server } = await startOne(t, { answers: false });
    const answer = session.children('/mesos');
    await waitUntil('the question', () => server.asked.length === 1);
    server.cut();
    await assert.rejects(answer, (error) => codeOf(error) === 'zookeeper-unreachable');
    await assert.rejects(session.children('/mesos'), /not connected/);
  });

  test('after an expiry there is a new session at once', async (t) => {
    const rig = await startOne(t);
    rig.server.script.grant = 0;
    rig.server.cut();
    await waitUntil('the loss', () => rig.told.length > 1);
    rig.clock.advance(10_000);
    await waitUntil('the expiry', () => rig.session.status().sessionMs === null);
    rig.server.script.grant = 6_000;
    rig.server.script.session = 0x78n;
    await waitUntil('the connection', () => {
      rig.clock.advance(1);
      return connections(rig) === 2;
    });
    assert.deepEqual(
      rig.server.hellos.map(({ session }) => session),
      [0n, 0x77n, 0n],
    );
    const words = rig.told.map((one) => one.split(' ')[0]);
    assert.deepEqual(words, ['connected', 'disconnected', 'unreachable', 'connected']);
  });

  test('a server that calls every session expired is not asked without end', async (t) => {
    const server = await startScriptedServer(t, { grant: 0 });
    const { clock, told } = start(t, [server]);
    await waitUntil('the first round', () => told.length === 1);
    clock.advance(200);
    assert.equal(server.hellos.length, 1);
    assert.deepEqual(told, ['unreachable 1 zookeeper-unreachable']);
  });

  test('after a minute without any server nothing of before counts', async (t) => {
    const rig = await startOne(t);
    await rig.session.children('/mesos');
    rig.server.script.grant = 'close';
    rig.server.cut();
    await waitUntil('the loss', () => rig.told.length > 1);
    const { hellos } = rig.server;
    const start = rig.clock.monotonic();
    await waitUntil('a new session', () => {
      rig.clock.advance(1_000);
      return hellos.length > 1 && hellos.at(-1)?.session === 0n;
    });
    assert.ok(rig.clock.monotonic() - start >= 60_000);
    assert.equal(hellos.at(-1)?.lastZxid, 0n);
    for (const { session, lastZxid } of hellos.slice(1, -1)) {
      assert.deepEqual([session, lastZxid], [0x77n, 5n]);
    }
  });
});

describe('an ensemble', () => {
  test('the next server is asked at once, and a pause comes after the last', async (t) => {
    const servers = await Promise.all([1, 2, 3].map(() => startScriptedServer(t)));
    for (const { script } of servers) script.grant = 'close';
    const { clock, told } = start(t, servers);
    const asked = (): number => servers.reduce((sum, { hellos }) => sum + hellos.length, 0);
    await waitUntil('the first round', () => {
      clock.advance(0);
      return told.length === 1;
    });
    assert.equal(asked(), 3);
    assert.deepEqual(
      servers.map(({ hellos }) => hellos.length),
      [1, 1, 1],
    );
    clock.advance(249);
    assert.equal(clock.pending, 1);
    clock.advance(251);
    await waitUntil('the second round', () => {
      clock.advance(0);
      return told.length === 2;
    });
    assert.deepEqual(told, [
      'unreachable 1 zookeeper-unreachable',
      'unreachable 2 zookeeper-unreachable',
    ]);
    assert.equal(asked(), 6);
  });

  test('a server that takes connections and says nothing is left for the next', async (t) => {
    const servers = await Promise.all([1, 2].map(() => startScriptedServer(t, { grant: null })));
    const rig = start(t, servers);
    const first = await waitUntil('the first attempt', () =>
      servers.find(({ hellos }) => hellos.length === 1),
    );
    const second = servers.find((server) => server !== first)!;
    second.script.grant = 6_000;
    rig.clock.advance(5_000);
    await waitUntil('the connection', () => {
      rig.clock.advance(0);
      return rig.told.includes('connected');
    });
    assert.equal(formatHostPort(rig.session.status().server!), formatHostPort(second.address));
  });

  test('a server that grants sessions and hangs up makes no busy loop', async (t) => {
    const { server, told, clock } = await startOne(t);
    server.cut();
    await waitUntil('the loss', () => told.length > 1);
    assert.match(told.at(-1) ?? '', /^unreachable 1/);
    clock.advance(249);
    assert.equal(server.hellos.length, 1);
  });
});

describe('hostile servers', () => {
  const hostile: readonly (readonly [string, Uint8Array])[] = [
    ['a frame that is too long', Uint8Array.of(0x7f, 0xff, 0xff, 0xff)],
    ['a reply that ends early', Uint8Array.of(0, 0, 0, 2, 1, 1)],
    [
      'an answer to no question',
      Uint8Array.of(0, 0, 0, 16, 0, 0, 0, 99, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0),
    ],
    ['an event without a path', changeEvent('/mesos').slice(0, -3)],
  ];
  for (const [name, octets] of hostile) {
    test(`${name} ends the connection`, async (t) => {
      const { server, told } = await startOne(t);
      const frame = octets.slice();
      if (name.startsWith('an event')) frame[3] = frame.length - 4;
      server.send(frame);
      await waitUntil('the loss', () => told.length > 1);
      assert.match(told[1] ?? '', /^disconnected ZooKeeper 127\.0\.0\.1:\d+ sent /);
    });
  }

  test('a first word that is no session ends the connection', async (t) => {
    const server = await startScriptedServer(t, { grant: null });
    const { told } = start(t, [server]);
    await waitUntil('the hello', () => server.hellos.length === 1);
    server.send(Uint8Array.of(0, 0, 0, 1, 7));
    await waitUntil('the failure', () => told.length > 0);
    assert.deepEqual(told, ['unreachable 1 zookeeper-invalid']);
  });

  test('nobody listens', async (t) => {
    const server = await startScriptedServer(t);
    await server.stop();
    const { told } = start(t, [server]);
    await waitUntil('the failure', () => told.length > 0);
    assert.deepEqual(told, ['unreachable 1 zookeeper-unreachable']);
  });
});

describe('the end of a session', () => {
  test('is told to the server, which need not wait for it to expire', async (t) => {
    const { session, server, told } = await startOne(t);
    await inTime('the end', session.close());
    assert.deepEqual(server.asked, ['close']);
    assert.deepEqual(told, ['connected']);
    assert.equal(session.status().server, null);
  });

  test('does not wait for a server that hangs', async (t) => {
    const { session, server, clock } = await startOne(t, { bodyOf: () => childrenBody() });
    for (const socket of server.open) socket.pause();
    const end = session.close();
    clock.advance(1_000);
    await inTime('the end', end);
  });

  test('may come from who hears that the connection is lost', async (t) => {
    const server = await startScriptedServer(t);
    const clock = new ManualClock();
    let end: Promise<void> | null = null;
    const heard: string[] = [];
    const session = new ZookeeperSession(
      { servers: [server.address], path: '/mesos', auth: null },
      {
        clock,
        random: seededRandom(1),
        events: {
          onConnected: () => server.cut(),
          onChanged: () => heard.push('changed'),
          onDisconnected: () => {
            end = session.close();
          },
          onUnreachable: () => undefined,
        },
      },
    );
    session.start();
    await waitUntil('the loss', () => end !== null);
    await inTime('the end', Promise.resolve(end));
    assert.equal(clock.pending, 0);
    assert.deepEqual(heard, []);
  });

  test('comes at any time: while connecting, and between two attempts', async (t) => {
    const silent = await startScriptedServer(t, { grant: null });
    const connecting = start(t, [silent]);
    await waitUntil('the hello', () => silent.hellos.length === 1);
    await inTime('the end', connecting.session.close());
    const closing = await startScriptedServer(t, { grant: 'close' });
    const waiting = start(t, [closing]);
    await waitUntil('the failure', () => waiting.told.length > 0);
    await inTime('the end', waiting.session.close());
    assert.equal(waiting.clock.pending, 0);
  });
});
