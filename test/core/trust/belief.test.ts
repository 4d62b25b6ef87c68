import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RejectionList } from '../../../src/core/base/rejection.ts';
import type { Outcome } from '../../../src/core/mesos/cluster-model.ts';
import type { ClusterEvent } from '../../../src/core/mesos/parse-event.ts';
import { AddressCache } from '../../../src/core/mesos/parse-task.ts';
import type { ClusterSnapshot, Task } from '../../../src/core/mesos/snapshot.ts';
import { Belief, OutrunError } from '../../../src/core/trust/belief.ts';
import type { HoldReason } from '../../../src/core/trust/retention.ts';
import * as told from './told-cluster.ts';

const BODY = Buffer.from('{}');

function snapshot(agents: readonly string[]): ClusterSnapshot {
  return {
    leader: { host: '10.0.0.100', port: 5050 },
    masterId: 'run-1',
    fromLeader: true,
    frameworks: [],
    agents: agents.map(agent),
    recovering: [],
    taskCount: 0,
  };
}

function agent(id: string): ClusterSnapshot['agents'][number] {
  return {
    path: id,
    id,
    hostname: id,
    endpoint: { host: '10.0.0.1', port: 5051 },
    active: true,
  };
}

/** A belief that trusts whatever it hears, and what the test does with it. */
function start(): {
  readonly joins: (...ids: readonly string[]) => void;
  /** A state of these agents that was asked for when there were so many events. */
  readonly state: (asked: number, ...ids: readonly string[]) => void;
  readonly agents: () => readonly string[] | undefined;
} {
  const belief = new Belief({ lossShare: 1, holdMs: 0 }, new AddressCache());
  const rejections = new RejectionList();
  return {
    joins(...ids) {
      for (const id of ids) {
        const event: ClusterEvent = { kind: 'agent-added', agent: agent(id) };
        belief.takeEvent(event, rejections);
      }
    },
    state(asked, ...ids) {
      const candidate = { snapshot: snapshot(ids), body: BODY, asked, beginsStream: false };
      belief.accept(candidate, rejections);
    },
    agents: () => belief.snapshot?.agents.map(({ id }) => id),
  };
}

test('what happened since a state was asked for is repeated when it comes, however many came before it', () => {
  const { joins, state, agents } = start();
  state(0, 'S0');
  joins('S1');
  // Asked for at 1, when there was S1, and overtaken by three others.
  joins('S2', 'S3');
  for (const asked of [3, 3, 3]) state(asked, 'S0', 'S1', 'S2', 'S3');
  state(1, 'S0', 'S1');
  assert.deepEqual(agents(), ['S0', 'S1', 'S2', 'S3']);
});

test('a state is refused that misses events which are remembered no more', () => {
  const { joins, state, agents } = start();
  state(0, 'S0');
  joins('S1', 'S2');
  for (const asked of [2, 2, 2, 2]) state(asked, 'S0', 'S1', 'S2');
  assert.throws(() => state(1, 'S0', 'S1'), OutrunError);
  assert.deepEqual(agents(), ['S0', 'S1', 'S2']);
  state(2, 'S0');
  assert.deepEqual(agents(), ['S0']);
});

// What a master says and tells, by time in seconds.

const NONE = Buffer.from('{}');

/** A belief that doubts as the daemon does by default. */
class Told {
  readonly belief = new Belief({ lossShare: 0.2, holdMs: 600_000 }, new AddressCache());
  readonly #rejections = new RejectionList();

  /** A poll's state; `asked`: the events there were when it was asked for. */
  poll(
    state: ClusterSnapshot,
    { asked = this.belief.count, body = NONE }: { asked?: number; body?: Buffer } = {},
  ): void {
    this.belief.accept({ snapshot: state, body, asked, beginsStream: false }, this.#rejections);
  }

  /** A stream that begins. */
  subscribed(state: ClusterSnapshot): void {
    this.belief.beginStream(state);
    const asked = this.belief.count;
    this.belief.accept(
      { snapshot: state, body: NONE, asked, beginsStream: true },
      this.#rejections,
    );
  }

  event(event: ClusterEvent): Outcome {
    return this.belief.takeEvent(event, this.#rejections);
  }

  ends(id: string, state = 'TASK_FAILED'): Outcome {
    const key = { frameworkId: 'marathon', taskId: id };
    const parts = { state, phase: null, status: null, timestamp: null };
    return this.event({ kind: 'task-updated', key, ...parts });
  }

  starts(one: Task): Outcome {
    const key = { frameworkId: 'marathon', taskId: one.id };
    return this.event({ kind: 'task-added', key, task: one });
  }

  /** Ids of running tasks, and why some of them are retained. */
  believed(seconds: number): [string, HoldReason | undefined] {
    const believed = this.belief.believe(1_000 * seconds);
    assert.ok(believed !== null);
    return [told.runningIds(believed.snapshot).join(' '), believed.hold?.reason];
  }
}

const marathon = (...all: readonly Task[]): ClusterSnapshot =>
  told.cluster([told.framework('marathon', all)]);
const FIVE = told.tasks(5);
const ALL = 't0 t1 t2 t3 t4';

test('before anything is told there is nothing to serve, and events ask for a state', () => {
  const { belief } = new Told();
  assert.deepEqual([belief.believe(0), belief.snapshot, belief.isSaved], [null, null, true]);
  assert.equal(new Told().starts(told.task('a')), 'unknown');
});

test('what a slow state says is corrected by the events that came while it was fetched', () => {
  const one = new Told();
  one.poll(marathon(...FIVE));
  one.believed(0);
  const asked = one.belief.count;
  one.ends('t0');
  one.starts(told.task('t5'));
  one.poll(marathon(...FIVE), { asked });
  assert.deepEqual(one.believed(1), ['t1 t2 t3 t4 t5', undefined]);
});

test('a state that was asked for before a stream began does not undo what the stream told', () => {
  const one = new Told();
  one.poll(marathon(...FIVE));
  one.believed(0);
  const asked = one.belief.count;
  // t0 ended while there was no stream, of which no event tells.
  one.subscribed(marathon(...FIVE.slice(1), told.task('t5')));
  one.ends('t1');
  one.believed(1);
  one.poll(marathon(...FIVE), { asked });
  assert.equal(one.believed(2)[0], 't2 t3 t4 t5');
});

test('a stream that begins again may be of a leader that knows nothing yet: nothing is lost', () => {
  const one = new Told();
  one.subscribed(marathon(...FIVE));
  assert.deepEqual(one.believed(0), [ALL, undefined]);
  one.subscribed(told.cluster([], [], ['S0', 'S1', 'S2']));
  assert.deepEqual(one.believed(1), [ALL, 'leader-changed']);
  // The agents are back, and bring what they run; t4 ended meanwhile.
  for (const task of FIVE.slice(0, 4)) one.starts(task);
  for (const number of [0, 1, 2]) one.event({ kind: 'agent-added', agent: told.agent(number) });
  assert.deepEqual(one.believed(2), [ALL, 'leader-changed'], 'whose tasks they are is not told');
  one.event({ kind: 'framework', framework: told.framework('marathon', []) });
  assert.deepEqual(one.believed(3), ['t0 t1 t2 t3', undefined]);
});

test('another leader, or a leader that started anew, is new; a stream that begins has no id', () => {
  const all = FIVE.map((task, i) => ({ ...task, agentId: i === 0 ? 'S0' : 'S1' }));
  const gone = marathon(...all.slice(1));
  const changed = (before: Partial<ClusterSnapshot>, after: Partial<ClusterSnapshot>): unknown => {
    const one = new Told();
    one.poll({ ...marathon(...all), ...before });
    one.believed(0);
    // t0 is not there, on an agent that is not there either.
    one.poll({ ...gone, agents: gone.agents.slice(1), ...after });
    return one.believed(1)[1];
  };
  assert.equal(changed({ masterId: 'a' }, { masterId: 'a' }), undefined);
  assert.equal(changed({ masterId: 'a' }, { masterId: 'b' }), 'leader-changed');
  assert.equal(changed({ masterId: '' }, { masterId: 'b' }), undefined);
  const leader = { host: 'm1.example.com', port: 5050 };
  assert.equal(changed({ masterId: 'a' }, { masterId: 'a', leader }), undefined, 'another name');
  assert.equal(changed({ masterId: 'a' }, { masterId: '', leader }), 'leader-changed');
  assert.equal(changed({}, { leader: { host: '10.0.0.101', port: 5050 } }), 'leader-changed');
});

test('a master that is dialled by a name is the one that a state knows by its address', () => {
  const one = new Told();
  const run = { masterId: 'a' };
  const all = FIVE.map((task, i) => ({ ...task, agentId: i === 0 ? 'S0' : 'S1' }));
  one.poll({ ...marathon(...all), ...run });
  one.believed(0);
  one.subscribed({ ...marathon(...all), leader: { host: 'm1.example.com', port: 5050 } });
  one.believed(1);
  const rest = marathon(...all.slice(1));
  one.poll({ ...rest, ...run, agents: rest.agents.slice(1) });
  assert.deepEqual(one.believed(2), ['t1 t2 t3 t4', undefined]);
});

test('what the body of a state or an event says has ended is not retained', () => {
  const ended = {
    frameworks: [
      { id: 'marathon', completed_tasks: [{ id: 't0', slave_id: 'S0', state: 'TASK_FAILED' }] },
    ],
  };
  const one = new Told();
  one.poll(marathon(...FIVE));
  one.believed(0);
  one.poll(told.cluster([], []), { body: Buffer.from(JSON.stringify(ended)) });
  assert.deepEqual(one.believed(1), ['t1 t2 t3 t4', 'cluster-empty']);
  assert.equal(one.ends('t1'), 'changed');
  assert.deepEqual(one.believed(2), ['t2 t3 t4', 'cluster-empty']);
  assert.equal(one.ends('t2', 'TASK_LOST'), 'unchanged');
  assert.equal(one.event({ kind: 'agent-removed', id: 'S0' }), 'changed');
  assert.deepEqual(one.believed(3), ['t2 t4', 'cluster-empty']);
});

test('a framework that an event said is torn down is not retained', () => {
  const one = new Told();
  one.poll(marathon(...FIVE));
  one.believed(0);
  one.subscribed(told.cluster([]));
  assert.deepEqual(one.believed(1), [ALL, 'leader-changed']);
  assert.equal(one.event({ kind: 'framework-removed', id: 'marathon' }), 'changed');
  assert.deepEqual(one.believed(2), ['', undefined]);
});

test('what is retained runs out, and is retained beyond a change of the settings', () => {
  const one = new Told();
  one.poll(marathon(...FIVE));
  one.believed(0);
  one.subscribed(told.cluster([], []));
  assert.deepEqual(one.believed(1), [ALL, 'leader-changed']);
  assert.equal(one.belief.until, 601_000);
  one.belief.configure({ lossShare: 0.9, holdMs: 60_000 });
  one.poll(told.cluster([], []));
  assert.deepEqual(one.believed(2), [ALL, 'leader-changed']);
  assert.equal(one.belief.until, 62_000);
  one.poll(told.cluster([], []));
  assert.deepEqual(one.believed(62), ['', undefined]);
});

test('a saved state is served until a master speaks, and then doubted like any other', () => {
  const one = new Told();
  one.belief.acceptSaved(marathon(...FIVE), -10_000);
  assert.equal(one.belief.isSaved, true);
  assert.deepEqual(one.believed(0), [ALL, undefined]);
  one.poll(told.cluster([], [], ['S0', 'S1', 'S2']));
  assert.equal(one.belief.isSaved, false);
  assert.deepEqual(one.believed(1), [ALL, 'cluster-empty']);
  assert.equal(one.belief.until, 590_000, 'its age counts');
});

test('more events than are remembered while a state is fetched outrun it', () => {
  const one = new Told();
  one.poll(marathon(...FIVE));
  const asked = one.belief.count;
  for (let i = 0; i < 200_000; i++) one.event({ kind: 'other' });
  assert.throws(() => one.poll(marathon(), { asked }), OutrunError);
  assert.deepEqual(one.believed(1), [ALL, undefined]);
  one.poll(marathon(...FIVE.slice(1)));
  assert.deepEqual(one.believed(2), ['t1 t2 t3 t4', undefined]);
});
