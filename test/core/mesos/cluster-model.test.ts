import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RejectionList } from '../../../src/core/base/rejection.ts';
import { ClusterModel, type Outcome } from '../../../src/core/mesos/cluster-model.ts';
import { parseEvent } from '../../../src/core/mesos/parse-event.ts';
import { AddressCache } from '../../../src/core/mesos/parse-task.ts';
import type { ClusterSnapshot, Framework, Task } from '../../../src/core/mesos/snapshot.ts';
import { taskKey } from '../../../src/core/mesos/task-key.ts';
import { type Json, network } from '../../support/state-builder.ts';
import { agent, cluster, framework, runningIds, task, tasks } from '../trust/told-cluster.ts';

const LEADER = { host: '10.0.0.100', port: 5050 };

/** A model with what a test does to it. */
class Told {
  readonly model: ClusterModel;
  readonly #addresses = new AddressCache();
  readonly #rejections = new RejectionList();

  constructor(snapshot: ClusterSnapshot) {
    this.model = new ClusterModel(snapshot);
  }

  event(type: string, members: Json): Outcome {
    const text = JSON.stringify({ type, [type.toLowerCase()]: members });
    const parsed = parseEvent(Buffer.from(text), LEADER, this.#addresses, this.#rejections);
    assert.ok(parsed.ok);
    assert.equal(this.#rejections.total, 0);
    return this.model.apply(parsed.value, this.#addresses, this.#rejections);
  }

  added(id: string, state = 'TASK_RUNNING', more: Json = {}): Outcome {
    const task_id = { value: id };
    const ids = { task_id, framework_id: { value: 'marathon' }, agent_id: { value: 'S0' } };
    return this.event('TASK_ADDED', { task: { name: 'web', ...ids, state, ...more } });
  }

  /** The status has that state too, unless `status` says otherwise. */
  updated(id: string, state: string, status: Json = {}): Outcome {
    const whole = { task_id: { value: id }, state, timestamp: 1, ...status };
    const framework_id = { value: 'marathon' };
    return this.event('TASK_UPDATED', { framework_id, state, status: whole });
  }

  framework(id: string, more: Json = {}): Outcome {
    const framework_info = { id: { value: id }, name: id, hostname: '', ...more };
    return this.event('FRAMEWORK_UPDATED', { framework: { framework_info, active: true } });
  }

  agentAdded(number: number, more: Json = {}): Outcome {
    const { id, hostname, endpoint } = agent(number);
    const agent_info = { id: { value: id }, hostname, port: endpoint.port };
    const pid = `slave(1)@${endpoint.host}:${endpoint.port}`;
    return this.event('AGENT_ADDED', { agent: { agent_info, pid, active: true, ...more } });
  }

  agentRemoved(id: string): Outcome {
    return this.event('AGENT_REMOVED', { agent_id: { value: id } });
  }

  frameworkRemoved(id: string): Outcome {
    return this.event('FRAMEWORK_REMOVED', { framework_info: { id: { value: id } } });
  }

  get snapshot(): ClusterSnapshot {
    return this.model.snapshot();
  }

  get running(): string[] {
    return runningIds(this.snapshot);
  }

  /** The task in any phase. */
  task(id: string): Task {
    const lists = ({ tasks: all, killing, pending }: Framework): readonly Task[] =>
      [all, killing, pending].flat();
    const found = this.snapshot.frameworks.flatMap(lists).filter((one) => one.id === id);
    assert.equal(found.length, 1, `${id} is there once`);
    return found[0]!;
  }
}

const at = (...addresses: readonly string[]): Json => ({
  container_status: { network_infos: [network(addresses)] },
});
const addressesOf = ({ networkAddresses }: Task): string[] =>
  networkAddresses.map(({ text }) => text);
const marathon = (...all: readonly Task[]): Told => new Told(cluster([framework('marathon', all)]));

test('a task comes, starts, runs and is counted when it runs', () => {
  const told = marathon();
  assert.equal(told.added('a', 'TASK_STAGING'), 'changed');
  assert.equal(told.updated('a', 'TASK_STARTING', at('10.0.0.1')), 'unchanged');
  assert.deepEqual([told.running, told.snapshot.taskCount], [[], 0]);
  assert.equal(told.updated('a', 'TASK_RUNNING', at('172.17.0.2')), 'changed');
  assert.deepEqual([told.running, told.snapshot.taskCount], [['a'], 1]);
  assert.deepEqual(addressesOf(told.task('a')), ['172.17.0.2']);
});

test('a task may come before its framework and its agent', () => {
  const told = new Told(cluster([], []));
  assert.equal(told.added('a'), 'changed');
  assert.deepEqual([told.running, told.snapshot.taskCount], [[], 0]);
  assert.equal(told.framework('marathon'), 'changed');
  assert.deepEqual(told.running, ['a']);
  assert.equal(told.agentAdded(0), 'changed');
  assert.deepEqual(
    told.snapshot.agents.map(({ id }) => id),
    ['S0'],
  );
});

test('a task that is added again is the same, or another in its place', () => {
  const told = marathon();
  told.added('a', 'TASK_RUNNING', { statuses: [{ state: 'TASK_RUNNING', ...at('10.0.0.7') }] });
  const before = told.snapshot;
  const statuses = [{ state: 'TASK_RUNNING', ...at('10.0.0.7') }];
  assert.equal(told.added('a', 'TASK_RUNNING', { statuses }), 'unchanged');
  assert.equal(told.snapshot, before);
  assert.equal(told.added('a', 'TASK_RUNNING', { agent_id: { value: 'S1' } }), 'changed');
  assert.deepEqual([told.running, told.task('a').agentId], [['a'], 'S1']);
});

test('a health check that goes on failing changes nothing', () => {
  const told = marathon(task('a'));
  assert.equal(told.updated('a', 'TASK_RUNNING', { healthy: false }), 'changed');
  assert.equal(told.task('a').healthy, false);
  const before = told.snapshot;
  for (const timestamp of [2, 3, 4]) {
    assert.equal(told.updated('a', 'TASK_RUNNING', { healthy: false, timestamp }), 'unchanged');
  }
  assert.equal(told.snapshot, before);
  assert.equal(told.updated('a', 'TASK_RUNNING', { healthy: true }), 'changed');
  assert.equal(told.task('a').healthy, true);
});

test('the state of the task beats that of the status, which is acknowledged later', () => {
  const told = marathon(task('a'));
  assert.equal(told.updated('a', 'TASK_KILLED', { state: 'TASK_RUNNING' }), 'changed');
  assert.deepEqual(told.running, []);
  told.added('b', 'TASK_STAGING');
  told.updated('b', 'TASK_RUNNING', { state: 'TASK_STARTING', ...at('10.0.0.1') });
  assert.deepEqual([told.running, addressesOf(told.task('b'))], [['b'], []]);
});

test('a task that is being killed keeps its addresses, and has names no more', () => {
  const told = marathon();
  told.added('a', 'TASK_STAGING');
  told.updated('a', 'TASK_RUNNING', at('10.0.0.7'));
  assert.equal(told.updated('a', 'TASK_KILLING'), 'changed');
  assert.deepEqual([told.running, told.snapshot.frameworks[0]?.killing.length], [[], 1]);
  assert.deepEqual(addressesOf(told.task('a')), ['10.0.0.7']);
  assert.equal(told.updated('a', 'TASK_KILLED'), 'changed');
  assert.equal(told.snapshot.frameworks[0]?.killing.length, 0);
});

test('a task that runs does not go back to its start because a stream is behind', () => {
  const told = marathon(task('a', { healthy: false }));
  const before = told.snapshot;
  assert.equal(told.added('a', 'TASK_STAGING'), 'unchanged');
  assert.equal(told.updated('a', 'TASK_STARTING'), 'unchanged');
  assert.equal(told.snapshot, before);
  const pending = [task('a', { phase: 'pending' })];
  const old = cluster([{ ...framework('marathon', []), pending }]);
  told.model.reset(old, true);
  assert.deepEqual(told.running, ['a']);
  // What was fetched is not behind: what came since is applied to it.
  told.model.reset(old);
  assert.deepEqual(told.running, []);
});

test('a task starts anew on another agent under the same id', () => {
  const told = marathon(task('a'));
  assert.equal(told.added('a', 'TASK_STAGING', { agent_id: { value: 'S1' } }), 'changed');
  assert.deepEqual([told.running, told.task('a').phase], [[], 'pending']);
});

for (const state of ['TASK_FINISHED', 'TASK_FAILED', 'TASK_KILLED', 'TASK_ERROR', 'TASK_GONE']) {
  test(`${state} is the end of a task`, () => {
    const told = marathon(task('a'));
    assert.equal(told.updated('a', state), 'changed');
    assert.deepEqual(told.running, []);
    assert.ok(told.model.hasEnded(taskKey('marathon', 'a')));
    assert.equal(told.updated('a', state), 'unchanged');
  });
}

for (const state of ['TASK_LOST', 'TASK_UNREACHABLE', 'TASK_UNKNOWN']) {
  test(`${state} takes a task away, but is no end of it`, () => {
    const told = marathon(task('a'));
    assert.equal(told.updated('a', state), 'changed');
    assert.deepEqual(told.running, []);
    assert.equal(told.model.hasEnded(taskKey('marathon', 'a')), false);
    assert.equal(told.added('a'), 'changed');
    assert.deepEqual(told.running, ['a']);
  });
}

test('a task that is added after its end has not ended', () => {
  const told = marathon(task('a'));
  told.updated('a', 'TASK_FAILED');
  told.added('a');
  assert.equal(told.model.hasEnded(taskKey('marathon', 'a')), false);
});

test('the end of a task that is not known is news once, for who retains it', () => {
  const told = marathon();
  assert.equal(told.updated('a', 'TASK_FAILED'), 'changed');
  assert.equal(told.updated('a', 'TASK_FAILED'), 'unchanged');
  assert.equal(told.updated('b', 'TASK_LOST'), 'unchanged');
});

test('an update of a task that was never told of asks for a state', () => {
  const told = marathon(task('a'));
  const before = told.snapshot;
  assert.equal(told.updated('b', 'TASK_RUNNING'), 'unknown');
  assert.equal(told.updated('b', 'TASK_KILLING'), 'unknown');
  assert.equal(told.snapshot, before);
});

test('tasks of two frameworks may have one id', () => {
  const both = ['marathon', 'chronos'].map((name) => framework(name, [task('a')]));
  const told = new Told(cluster(both));
  told.updated('a', 'TASK_FAILED');
  assert.deepEqual(told.running, ['a']);
  assert.equal(told.snapshot.frameworks[1]?.tasks.length, 1);
  assert.equal(told.model.hasEnded(taskKey('chronos', 'a')), false);
});

test('a framework that is torn down takes its tasks with it', () => {
  const all = [framework('marathon', tasks(3)), framework('chronos', [task('c')])];
  const told = new Told(cluster(all));
  assert.equal(told.frameworkRemoved('marathon'), 'changed');
  assert.deepEqual([told.running, told.snapshot.frameworks.length], [['c'], 1]);
  assert.deepEqual([...told.model.tornDown], ['marathon']);
  assert.equal(told.frameworkRemoved('marathon'), 'unchanged');
  told.framework('marathon');
  assert.deepEqual([...told.model.tornDown], []);
});

test('an agent that leaves is no more, even one that was not known; one that registers is', () => {
  const told = marathon(task('a'));
  assert.equal(told.agentRemoved('S0'), 'changed');
  assert.equal(told.agentRemoved('S0'), 'unchanged');
  assert.equal(told.agentRemoved('S7'), 'changed');
  assert.ok(told.model.hasLeft('S0') && told.model.hasLeft('S7'));
  assert.deepEqual(
    told.snapshot.agents.map(({ id }) => id),
    ['S1', 'S2'],
  );
  assert.equal(told.agentAdded(0), 'changed');
  assert.equal(told.model.hasLeft('S0'), false);
});

test('an agent that registers again is where it says now, and is awaited no more', () => {
  const told = new Told(cluster([], [agent(0)], ['S0', 'S1']));
  assert.equal(told.agentAdded(0), 'changed');
  assert.deepEqual(told.snapshot.recovering, ['S1']);
  assert.equal(told.agentAdded(0), 'unchanged');
  assert.equal(told.agentAdded(0, { pid: 'slave(1)@10.9.9.9:5051' }), 'changed');
  assert.deepEqual(
    told.snapshot.agents.map(({ endpoint }) => endpoint.host),
    ['10.9.9.9'],
  );
  assert.equal(told.agentRemoved('S1'), 'changed');
  assert.deepEqual(told.snapshot.recovering, []);
});

const ENDPOINT = { host: '10.0.0.50', port: 31_000 };
const libprocess: Framework = { ...framework('marathon', []), endpoint: ENDPOINT };

test('a stream does not say where a scheduler without HTTP is: it is where it was', () => {
  const told = new Told(cluster([libprocess]));
  assert.equal(told.framework('marathon'), 'unchanged');
  told.model.reset(cluster([framework('marathon', [task('a')])]), true);
  assert.deepEqual(told.snapshot.frameworks[0]?.endpoint, ENDPOINT);
  assert.deepEqual(told.running, ['a']);
});

test('a scheduler that has moved, or that a state has without an address, is not where it was', () => {
  const told = new Told(cluster([libprocess]));
  assert.equal(told.framework('marathon', { hostname: 'm2.example.com' }), 'changed');
  assert.equal(told.snapshot.frameworks[0]?.endpoint, null);
  const other = new Told(cluster([libprocess]));
  other.model.reset(cluster([framework('marathon', [])]));
  assert.equal(other.snapshot.frameworks[0]?.endpoint, null);
});

test('a state takes the place of all that was there, and what it has has not ended', () => {
  const told = marathon(task('a'), task('b'));
  told.updated('a', 'TASK_FAILED');
  told.updated('b', 'TASK_FAILED');
  told.agentRemoved('S0');
  const next = cluster([framework('chronos', [task('c')]), framework('marathon', [task('a')])]);
  told.model.reset(next);
  assert.deepEqual(told.running, ['a', 'c']);
  const ended = ['a', 'b'].map((id) => told.model.hasEnded(taskKey('marathon', id)));
  assert.deepEqual([ended, told.model.hasLeft('S0')], [[false, true], false]);
});

test('entries that have one id all the same both count', () => {
  const twice = [framework('marathon', [task('a'), task('a')]), framework('marathon', [task('b')])];
  assert.equal(new Told(cluster(twice)).snapshot.taskCount, 3);
});

test('what has ended is forgotten in the end, the oldest first', () => {
  const told = marathon();
  const { model } = told;
  const addresses = new AddressCache();
  for (let i = 0; i < 20_001; i++) {
    const key = { frameworkId: 'marathon', taskId: `t${i}` };
    const parts = { state: 'TASK_FAILED', phase: null, status: null, timestamp: null };
    model.apply({ kind: 'task-updated', key, ...parts }, addresses, new RejectionList());
  }
  assert.equal(model.hasEnded(taskKey('marathon', 't0')), false);
  assert.ok(model.hasEnded(taskKey('marathon', 't1')));
  for (let i = 0; i < 1_001; i++) told.frameworkRemoved(`F${i}`);
  assert.equal(model.tornDown.size, 1_000);
  assert.equal(model.tornDown.has('F0'), false);
});

test('heartbeats and the like change nothing', () => {
  const told = marathon(task('a'));
  const before = told.snapshot;
  assert.equal(told.event('HEARTBEAT', {}), 'unchanged');
  assert.equal(told.snapshot, before);
});
