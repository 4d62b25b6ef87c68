import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { TestContext } from 'node:test';
import type { SessionEvents } from '../../../src/adapters/zookeeper/session.ts';
import { DaemonError } from '../../../src/core/base/daemon-error.ts';
import { formatHostPort } from '../../../src/core/base/host-port.ts';
import type { HostPort, ZookeeperConfig } from '../../../src/core/config/config.ts';
import { MasterDetector } from '../../../src/daemon/leader/master-detector.ts';
import type { EnsembleSession } from '../../../src/daemon/leader/master-detector.ts';
import { ManualClock } from '../../adapters/manual-clock.ts';
import { waitUntil } from '../../support/wait-until.ts';

const SERVER: HostPort = { host: '10.0.0.9', port: 2181 };

/** An ensemble in memory whose nodes a test changes. */
class ScriptedSession implements EnsembleSession {
  /** Children of `/mesos` with their content; null: there is no `/mesos`. */
  nodes: Map<string, string> | null = new Map();
  /** Fails every question. */
  error: DaemonError | null = null;
  /** While set, answers wait for it. */
  hold: Promise<void> | null = null;
  connected = false;
  closed = false;
  readonly asked: string[] = [];
  readonly #events: SessionEvents;

  constructor(events: SessionEvents) {
    this.#events = events;
  }

  start(): void {
    this.connect();
  }

  connect(): void {
    this.connected = true;
    this.#events.onConnected();
  }

  change(nodes: Readonly<Record<string, string>> | null): void {
    this.nodes = nodes === null ? null : new Map(Object.entries(nodes));
    this.#events.onChanged('/mesos');
  }

  lose(message = 'it is silent'): void {
    this.connected = false;
    this.#events.onDisconnected(new DaemonError('zookeeper-unreachable', message));
  }

  fail(rounds: number): void {
    const error = new DaemonError('zookeeper-unreachable', `round ${rounds}`);
    this.#events.onUnreachable(error, rounds);
  }

  status(): ReturnType<EnsembleSession['status']> {
    return { server: this.connected ? SERVER : null, sessionMs: this.connected ? 4_000 : null };
  }

  children(path: string): Promise<readonly string[] | null> {
    return this.#answer(`children ${path}`, () => this.nodes && [...this.nodes.keys()]);
  }

  data(path: string): Promise<Uint8Array | null> {
    const name = path.slice(path.lastIndexOf('/') + 1);
    return this.#answer(`data ${path}`, () => {
      const text = this.nodes?.get(name);
      return text === undefined ? null : new TextEncoder().encode(text);
    });
  }

  exists(path: string): Promise<boolean> {
    return this.#answer(`exists ${path}`, () => this.nodes !== null);
  }

  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }

  async #answer<T>(question: string, look: () => T): Promise<T> {
    this.asked.push(question);
    const answer = look();
    await this.hold;
    if (this.error !== null) throw this.error;
    if (!this.connected) throw new DaemonError('zookeeper-unreachable', 'not connected');
    return answer;
  }
}

interface Rig {
  readonly detector: MasterDetector;
  readonly session: ScriptedSession;
  readonly clock: ManualClock;
  /** Each as `leader: masters`. */
  readonly said: string[];
  readonly logged: string[];
}

const info = (host: string): string => JSON.stringify({ address: { ip: host, port: 5050 } });

/** Waits until all that can go on without the clock has gone on. */
async function settle(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}

function rig(
  t: TestContext,
  nodes: Readonly<Record<string, string>> | null,
  config: Partial<ZookeeperConfig> = {},
): Rig {
  const clock = new ManualClock();
  const said: string[] = [];
  const logged: string[] = [];
  const note = (event: string): void => void logged.push(event);
  const sessions: ScriptedSession[] = [];
  const detector = new MasterDetector(
    { servers: [SERVER], path: '/mesos', auth: { user: 'u', password: 'hidden' }, ...config },
    {
      clock,
      random: () => 0.5,
      log: { debug: note, info: note, warn: note, error: note },
      openSession: (events) => {
        sessions.push(new ScriptedSession(events));
        return sessions[0]!;
      },
      onChange: ({ leader, masters }) => {
        const who = leader === null ? 'nobody' : formatHostPort(leader);
        said.push(`${who}: ${masters.map(({ host }) => host).join(' ')}`);
      },
    },
  );
  const opened = sessions[0]!;
  opened.nodes = nodes === null ? null : new Map(Object.entries(nodes));
  detector.start();
  t.after(async () => {
    await detector.close();
    assert.ok(opened.closed);
    assert.equal(clock.pending, 0);
  });
  return { detector, session: opened, clock, said, logged };
}

const TWO = { 'json.info_0000000002': info('10.0.0.2'), 'json.info_0000000001': info('10.0.0.1') };

describe('what ZooKeeper says of the masters', () => {
  test('the leader comes first', async (t) => {
    const { detector, session, said, logged } = rig(t, { ...TWO, log_replicas: '' });
    await settle();
    assert.deepEqual(said, ['10.0.0.1:5050: 10.0.0.1 10.0.0.2']);
    assert.deepEqual(session.asked, [
      'children /mesos',
      'data /mesos/json.info_0000000001',
      'data /mesos/json.info_0000000002',
    ]);
    assert.deepEqual(detector.status(), {
      connected: true,
      server: '10.0.0.9:2181',
      servers: ['10.0.0.9:2181'],
      sessionMs: 4_000,
      lastError: null,
      leader: '10.0.0.1:5050',
      since: '2026-01-01T00:00:00.000Z',
    });
    assert.deepEqual(logged, ['zookeeper-connected', 'leader-detected']);
  });

  test('a change that changes nothing is not told', async (t) => {
    const { session, said } = rig(t, TWO);
    await settle();
    session.change({ ...TWO, log_replicas: '' });
    await settle();
    assert.equal(said.length, 1);
  });

  test('a member that comes or goes is told, and the leader is since when it led', async (t) => {
    const { detector, session, clock, said } = rig(t, TWO);
    await settle();
    clock.advance(5_000);
    session.change({ ...TWO, 'json.info_0000000003': info('10.0.0.3') });
    await settle();
    assert.equal(detector.status().since, '2026-01-01T00:00:00.000Z');
    session.change({ 'json.info_0000000003': info('10.0.0.3') });
    await settle();
    assert.equal(detector.status().since, '2026-01-01T00:00:05.000Z');
    assert.deepEqual(said.slice(1), [
      '10.0.0.1:5050: 10.0.0.1 10.0.0.2 10.0.0.3',
      '10.0.0.3:5050: 10.0.0.3',
    ]);
  });

  test('a master that has entered itself twice is one', async (t) => {
    const { said } = rig(t, { ...TWO, 'json.info_0000000003': info('10.0.0.1') });
    await settle();
    assert.deepEqual(said, ['10.0.0.1:5050: 10.0.0.1 10.0.0.2']);
  });

  test('nobody leads when none is there, or no such path', async (t) => {
    const none = rig(t, { log_replicas: '' });
    const nowhere = rig(t, null);
    await settle();
    assert.deepEqual(none.said, ['nobody: ']);
    assert.deepEqual(nowhere.said, ['nobody: ']);
    assert.deepEqual(none.logged.at(-1), 'leader-none');
    nowhere.session.change(TWO);
    await settle();
    assert.equal(nowhere.said.length, 2);
  });

  test('a leader whose node makes no sense leads nowhere', async (t) => {
    const { detector, said, logged } = rig(t, { ...TWO, 'json.info_0000000000': '{' });
    await settle();
    assert.deepEqual(said, ['nobody: 10.0.0.1 10.0.0.2']);
    assert.equal(detector.status().lastError?.code, 'zookeeper-invalid');
    assert.ok(logged.includes('member-unreadable'));
  });

  test('the root is a path', async (t) => {
    const { session } = rig(t, TWO, { path: '/' });
    await settle();
    assert.equal(session.asked[1], 'data /json.info_0000000001');
  });
});

describe('changes while it is read', () => {
  test('many are looked at once', async (t) => {
    const { session, said } = rig(t, TWO);
    await settle();
    session.asked.length = 0;
    let release = (): void => undefined;
    session.hold = new Promise((resolve) => (release = resolve));
    for (let i = 3; i < 30; i++) session.change({ [`json.info_${i}`]: info(`10.0.0.${i}`) });
    session.hold = null;
    release();
    await settle();
    const looks = session.asked.filter((question) => question.startsWith('children'));
    assert.equal(looks.length, 2);
    assert.equal(said.at(-1), '10.0.0.29:5050: 10.0.0.29');
  });

  test('a node that goes in between is no error: it is looked again', async (t) => {
    const { session, said, detector } = rig(t, TWO);
    await settle();
    let release = (): void => undefined;
    session.hold = new Promise((resolve) => (release = resolve));
    session.change({ 'json.info_1': info('10.0.0.7') });
    // The list has been read by now, and what is in it has not.
    session.nodes = new Map([['json.info_2', info('10.0.0.8')]]);
    session.hold = null;
    release();
    await settle();
    assert.equal(said.at(-1), '10.0.0.8:5050: 10.0.0.8');
    assert.ok(!said.some((one) => one.includes('10.0.0.7')));
    assert.equal(detector.status().lastError, null);
  });
});

describe('ZooKeeper away', () => {
  test('the last leader stays, and the status says so', async (t) => {
    const { detector, session, said, logged } = rig(t, TWO);
    await settle();
    session.lose();
    session.fail(1);
    await settle();
    assert.equal(said.length, 1);
    const { connected, server, leader, lastError } = detector.status();
    assert.deepEqual([connected, server, leader], [false, null, '10.0.0.1:5050']);
    assert.equal(lastError?.code, 'zookeeper-unreachable');
    assert.ok(logged.includes('zookeeper-lost'));
  });

  test('what it says when it is back is told if it is something else', async (t) => {
    const { session, said } = rig(t, TWO);
    await settle();
    session.lose();
    session.connect();
    await settle();
    assert.equal(said.length, 1);
    session.lose();
    session.nodes = new Map([['json.info_9', info('10.0.0.9')]]);
    session.connect();
    await settle();
    assert.equal(said.at(-1), '10.0.0.9:5050: 10.0.0.9');
  });

  test('a loss while it is read leaves what was known', async (t) => {
    const { session, said, logged } = rig(t, TWO);
    await settle();
    let release = (): void => undefined;
    session.hold = new Promise((resolve) => (release = resolve));
    session.change({});
    session.lose();
    session.hold = null;
    release();
    await settle();
    assert.equal(said.length, 1);
    assert.ok(!logged.includes('leader-unknown'));
    session.connect();
    await settle();
    assert.equal(said.at(-1), 'nobody: ');
  });

  test('failures do not flood the log', async (t) => {
    const { session, logged } = rig(t, TWO);
    await settle();
    for (let rounds = 1; rounds <= 100; rounds++) session.fail(rounds);
    const count = logged.filter((event) => event === 'zookeeper-unreachable').length;
    assert.equal(count, 7);
  });
});

describe('a refusal', () => {
  test('leaves what was known, is told once, and tried again', async (t) => {
    const { detector, session, clock, said, logged } = rig(t, TWO);
    await settle();
    session.error = new DaemonError('zookeeper-refused', 'no permission');
    session.change({});
    await settle();
    assert.equal(said.length, 1);
    assert.equal(detector.status().lastError?.code, 'zookeeper-refused');
    for (let attempt = 0; attempt < 5; attempt++) {
      assert.equal(clock.pending, 1);
      clock.advance(30_000);
      await settle();
    }
    assert.equal(logged.filter((event) => event === 'leader-unknown').length, 1);
    session.error = null;
    clock.advance(30_000);
    await waitUntil('the leader', () => said.length === 2);
    assert.equal(clock.pending, 0);
  });

  test('no password is in the status or the log', async (t) => {
    const { detector, logged } = rig(t, TWO);
    await settle();
    assert.doesNotMatch(JSON.stringify([detector.status(), logged]), /hidden/);
  });
});
