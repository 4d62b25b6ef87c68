import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StateFile } from '../../src/adapters/state-file.ts';
import { ok } from '../../src/core/base/result.ts';
import { ClusterIntake, type IntakeBelief } from '../../src/daemon/cluster-intake.ts';
import type { BuildOf, EventsReport, ReadReport } from '../../src/daemon/generation-protocol.ts';
import { KeptState } from '../../src/daemon/kept-state.ts';
import { recordedCluster } from '../support/recorded-cluster.ts';
import {
  agent,
  agentId,
  framework,
  type Json,
  LEADER,
  masterState,
  settings,
  task,
} from '../support/state-builder.ts';
import { runningIds } from '../core/trust/told-cluster.ts';

const HOST = { host: '10.0.0.100', port: 5050 };
const HOLD_MS = 600_000;
const SAVED_AT = 1_700_000_000_000;

/** Saved states are what `saved` says; nothing is written. */
function intakeOf(saved: Json | null = null): Intake {
  return new Intake(saved);
}

class Intake {
  readonly intake: ClusterIntake;
  readonly #terms = {
    ...{ zone: settings(), pollIntervalMs: 30_000, kernel: false },
    ...{ marathonFramework: 'marathon', trust: { lossShare: 0.2, holdMs: HOLD_MS } },
  };

  constructor(saved: Json | null) {
    const body = Buffer.from(JSON.stringify(saved));
    const file = {
      header: {
        ...{ kind: 'state', takenAt: SAVED_AT, leader: HOST, agents: 2 },
        ...{ bytes: body.length, digest: 'x' },
      },
      body,
    } as const satisfies StateFile;
    const kept = new KeptState({
      digestOf: () => Promise.resolve('x'),
      write: () => Promise.reject(new Error('nothing is written here')),
      read: () => Promise.resolve(saved === null ? null : ok(file)),
    });
    this.intake = new ClusterIntake(this.#terms, kept);
  }

  read(state: Json, asked = 0): ReadReport {
    // Bodies come in pieces.
    const body = Buffer.from(JSON.stringify(state));
    const chunks = [body.subarray(0, 7), body.subarray(7)];
    return this.intake.readState({ chunks, keep: false, asked });
  }

  events(...records: readonly string[]): EventsReport {
    const bytes = records.map((record) => [Buffer.from(record)]);
    return this.intake.takeEvents({ records: bytes, leader: HOST });
  }

  believe(of: BuildOf, seconds = 0): IntakeBelief {
    return this.intake.believe(of, 1_000 * seconds, SAVED_AT + 1_000 * seconds);
  }

  ids(of: BuildOf, seconds = 0): string[] {
    return runningIds(this.believe(of, seconds).snapshot);
  }

  trust(lossShare: number): void {
    this.intake.configure({ ...this.#terms, trust: { lossShare, holdMs: HOLD_MS } });
  }
}

const web = (id: string, more: Json = {}): Json => task('web', { id, ...more });
const stateOf = (...tasks: readonly Json[]): Json =>
  masterState([framework('marathon', tasks, { id: 'F', hostname: '' })]);

const says = (type: string, members: Json): string =>
  JSON.stringify({ type, [type.toLowerCase()]: members });

const ids = (id: string): Json => ({ framework_id: { value: 'F' }, task_id: { value: id } });
const added = (id: string): string => {
  const agent_id = { value: agentId(0) };
  return says('TASK_ADDED', { task: { ...ids(id), agent_id, name: 'web', state: 'TASK_RUNNING' } });
};
const updated = (id: string, state: string, timestamp = 1_500_000_000): string => {
  const { framework_id, task_id } = ids(id);
  return says('TASK_UPDATED', { framework_id, state, status: { task_id, state, timestamp } });
};
const agentAdded = (id: string, host: string): string =>
  says('AGENT_ADDED', {
    agent: { agent_info: { id: { value: id }, hostname: host }, pid: `slave(1)@${host}:5051` },
  });
const subscribed = (agents: readonly string[], more: Json = {}): string =>
  says('SUBSCRIBED', {
    get_state: {
      get_tasks: {},
      get_frameworks: {},
      get_agents: {
        agents: agents.map((host) => ({
          agent_info: { id: { value: host }, hostname: host },
          pid: `slave(1)@${host}:5051`,
        })),
      },
    },
    ...more,
  });

test('a state that was read is served once it is built', () => {
  const one = intakeOf();
  const { leader, fromLeader, agents, hostNames, stateBytes } = one.read(stateOf(web('a')));
  assert.deepEqual([leader, fromLeader, agents, hostNames], [HOST, true, 2, []]);
  assert.ok(stateBytes > 500);
  assert.throws(() => one.believe('believed'), /the state is gone/);
  const { snapshot, read, isSaved, hold } = one.believe('read');
  assert.deepEqual(
    [runningIds(snapshot), read.rejections.total, isSaved, hold],
    [['a'], 0, false, null],
  );
});

test('what cannot be read is refused and changes nothing', () => {
  const one = intakeOf();
  one.read(stateOf(web('a')));
  one.believe('read');
  assert.throws(() => one.read({ leader: LEADER }), /no `frameworks` and `slaves`/);
  assert.throws(() => one.believe('read'), /the state is gone/);
  assert.deepEqual(one.ids('believed'), ['a']);
});

test('a worker that has read nothing builds nothing', () => {
  for (const of of ['read', 'saved', 'believed'] as const) {
    assert.throws(() => intakeOf().believe(of), /the state is gone/);
  }
});

test('events change what is believed, and say what they did', () => {
  const one = intakeOf();
  one.read(stateOf(web('a')));
  one.believe('read');
  const nothing = one.events('{"type":"HEARTBEAT"}', updated('a', 'TASK_STARTING', 5));
  assert.deepEqual([nothing.outcome, nothing.count, nothing.statusTime], ['unchanged', 2, null]);
  const something = one.events(
    added('b'),
    updated('a', 'TASK_FAILED', 7),
    updated('a', 'TASK_FAILED', 9),
  );
  assert.deepEqual([something.outcome, something.count, something.statusTime], ['changed', 5, 7]);
  assert.deepEqual([something.hostNames, something.read, something.invalid], [null, null, null]);
  assert.deepEqual(one.ids('believed'), ['b']);
});

test('events that speak of what is not known ask for a state, whatever else they do', () => {
  const one = intakeOf();
  one.read(stateOf(web('a')));
  one.believe('read');
  assert.equal(one.events(updated('x', 'TASK_RUNNING'), added('b')).outcome, 'unknown');
  assert.deepEqual(one.ids('believed'), ['a', 'b']);
});

test('records behind one that is no event are not looked at', () => {
  const one = intakeOf();
  one.read(stateOf(web('a')));
  one.believe('read');
  const report = one.events(added('b'), '{"type":', added('c'));
  assert.match(report.invalid ?? '', /not JSON/);
  assert.equal(report.count, 1);
  assert.deepEqual(one.ids('believed'), ['a', 'b']);
});

test('events that came while a state was fetched are repeated on it', () => {
  const one = intakeOf();
  one.read(stateOf(web('a')));
  one.believe('read');
  const { count } = one.events(updated('x', 'TASK_FAILED'));
  one.events(added('b'), updated('a', 'TASK_FAILED'));
  one.read(stateOf(web('a')), count);
  assert.deepEqual(one.ids('read'), ['b']);
});

test('a stream begins with a state, which is served with what follows it at once', () => {
  const one = intakeOf();
  const { records } = recordedCluster();
  const [first, ...rest] = records;
  const report = one.events(first!, ...rest.slice(0, 12));
  assert.deepEqual([report.heartbeatSeconds, report.read?.agents, report.count], [15, 2, 13]);
  assert.deepEqual(report.read?.leader, HOST);
  assert.equal(report.read.fromLeader, true);
  const names = one
    .believe('read')
    .snapshot.frameworks.flatMap(({ tasks }) => tasks.map((t) => t.name));
  assert.ok(names.includes('new.evt') && !names.includes('sick.prod'));
});

test('a stream that begins again with an empty cluster takes nothing away', () => {
  const one = intakeOf();
  one.read(stateOf(web('a')));
  one.believe('read');
  const report = one.events(subscribed([], { heartbeat_interval_seconds: 2 }));
  assert.deepEqual([report.heartbeatSeconds, report.read?.agents], [2, 0]);
  const { snapshot, hold } = one.believe('read', 1);
  assert.deepEqual([runningIds(snapshot), hold?.reason], [['a'], 'leader-changed']);
});

test('names of hosts are those of the stream, of the events behind it, and of what is retained', () => {
  const one = intakeOf();
  const named = agent(0, { pid: 'slave(1)@old.example.com:5051' });
  const before = one.read({ ...stateOf(web('a')), slaves: [named] });
  assert.deepEqual(before.hostNames, ['old.example.com']);
  one.believe('read');
  const next = agentAdded('S9', 'next.example.com');
  const report = one.events(subscribed(['new.example.com']), next);
  assert.deepEqual(report.read?.hostNames, ['new.example.com']);
  const all = ['new.example.com', 'next.example.com', 'old.example.com'];
  assert.deepEqual(report.hostNames, all);
  one.believe('read', 1);
  const later = one.events(agentAdded('S10', 'third.example.com'));
  assert.deepEqual(later.hostNames, [...all, 'third.example.com']);
});

test('a hold runs out by what a master says, and not while it is silent', () => {
  const one = intakeOf();
  one.read(stateOf(web('a')));
  one.believe('read');
  one.events(subscribed([]));
  one.believe('read', 1);
  assert.deepEqual(one.ids('believed', 700), ['a'], 'nothing was heard since');
  one.events('{"type":"HEARTBEAT"}');
  assert.deepEqual(one.ids('believed', 701), []);
});

test('other limits of trust hold from then on', () => {
  const one = intakeOf();
  one.read(stateOf(web('a')));
  one.believe('read');
  one.trust(1);
  one.read(stateOf());
  assert.deepEqual(one.ids('read', 1), []);
});

test('a saved state is served at its age, until a master is heard', async () => {
  const one = intakeOf(stateOf(web('a')));
  const { agents } = await one.intake.load({ path: '/state', bytesMax: 1_000_000 });
  assert.equal(agents, 2);
  const { snapshot, isSaved } = one.believe('saved', 60);
  assert.deepEqual([runningIds(snapshot), isSaved], [['a'], true]);
  assert.deepEqual(one.ids('believed', 61), ['a']);
  one.read(masterState([], { slaves: [] }));
  const { hold, isSaved: stillSaved } = one.believe('read', 62);
  assert.deepEqual([hold?.since, stillSaved], [0, false], 'it counts from when it was saved');
});

test('what could not be read is told of with what is believed', () => {
  const one = intakeOf();
  one.read(stateOf(web('a'), { ...web('b'), id: 7 }));
  assert.equal(one.believe('read').read.rejections.total, 1);
  one.events(says('TASK_ADDED', {}));
  assert.equal(one.believe('believed').read.rejections.total, 2);
  one.read(stateOf(web('a')), 1);
  assert.equal(one.believe('read').read.rejections.total, 0);
});
