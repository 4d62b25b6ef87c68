import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RejectionList } from '../../../src/core/base/rejection.ts';
import { endedTasks } from '../../../src/core/mesos/ended-tasks.ts';
import { parseState } from '../../../src/core/mesos/parse-state.ts';
import type { ClusterSnapshot } from '../../../src/core/mesos/snapshot.ts';
import { type Believed, Retention } from '../../../src/core/trust/retention.ts';
import { readProjectFile } from '../../support/project.ts';
import { agentIds, runningIds, said } from './told-cluster.ts';

const SETTINGS = { lossShare: 0.2, holdMs: 600_000 };

function fixture(name: string): string {
  return readProjectFile(`test/fixtures/trust/mesos-1.12-${name}`);
}

function lines<T>(name: string): T[] {
  return fixture(name)
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as T);
}

/** One answer that differed from the one before, of one of three masters asked every 200 ms. */
interface PollLine {
  readonly t_ms: number;
  readonly port?: number;
  readonly req?: string;
  readonly status?: number;
  readonly leader?: string;
  readonly slaves?: readonly boolean[];
  readonly recovered_slaves?: number;
  readonly frameworks?: readonly { active: boolean; recovered: boolean; tasks: string[] }[];
}

interface State {
  leader: string;
  pid: string;
  slaves: object[];
  recovered_slaves: object[];
  frameworks: { active: boolean; tasks: object[] }[];
}

/**
 * The body of a recorded answer: of one that shows the cluster, the leader's state as it was recorded,
 * of an empty one that of a master without its registry.
 */
function bodyOf(line: PollLine): string {
  const { leader, slaves = [], frameworks = [], recovered_slaves: recovering = 0 } = line;
  const full = JSON.parse(fixture('leader-state.json')) as State;
  const state = JSON.parse(fixture('no-registry-state.json')) as State;
  assert.ok(leader !== undefined);
  state.leader = state.pid = leader;
  state.slaves = full.slaves.slice(0, slaves.length);
  state.recovered_slaves = full.slaves.slice(0, recovering);
  state.frameworks = full.frameworks
    .slice(0, frameworks.length)
    .map((one, i) => ({ ...one, active: frameworks[i]!.active }));
  for (const [i, { tasks }] of frameworks.entries()) {
    assert.equal(state.frameworks[i]?.tasks.length, tasks.length);
  }
  return JSON.stringify(state);
}

interface Step extends Believed {
  readonly name: string;
  readonly candidate: ClusterSnapshot;
}

function snapshotOf(body: string): ClusterSnapshot {
  const result = parseState(body, new RejectionList());
  assert.ok(result.ok);
  return result.value;
}

/**
 * Follows the recorded answers as a daemon would that polls as often: each state is heard again until
 * the next answer of that master.
 */
function follow(name: string): Step[] {
  const retention = new Retention(SETTINGS);
  const steps: Step[] = [];
  let leader = '';
  for (const line of lines<PollLine>(name)) {
    if (line.req !== 'GET /master/state' || line.status !== 200) continue;
    const body = bodyOf(line);
    const candidate = snapshotOf(body);
    const testimony = {
      nowMs: line.t_ms,
      isNewLeader: leader !== '' && leader !== line.leader,
      ends: (missing: ReadonlyMap<string, string>) => endedTasks(body, missing),
      agentRemoved: () => false,
    };
    leader = line.leader ?? '';
    const believed = retention.believe(candidate, testimony);
    steps.push({ name: `${line.t_ms} ms`, candidate, ...believed });
  }
  return steps;
}

function assertNothingLost(steps: readonly Step[]): void {
  const first = steps[0]!;
  assert.equal(runningIds(first.snapshot).length, 3);
  for (const { name, snapshot } of steps) {
    assert.deepEqual(runningIds(snapshot), runningIds(first.snapshot), name);
    assert.deepEqual(agentIds(snapshot), agentIds(first.snapshot), name);
    assert.deepEqual(
      snapshot.frameworks.map(({ name: text, active }) => [text, active]),
      [['marathon', true]],
      name,
    );
  }
}

test('60 s of the bytes real masters gave in a failover: not one name lost', () => {
  const steps = follow('failover-poll.jsonl');
  assertNothingLost(steps);
  assert.deepEqual(
    steps.map(({ name, candidate, hold }) => [name, candidate.taskCount, hold?.reason]),
    [
      ['43 ms', 3, undefined],
      ['7763 ms', 0, 'leader-changed'],
      // The agent is back, the scheduler is not.
      ['8643 ms', 3, 'leader-changed'],
      ['9728 ms', 3, undefined],
    ],
  );
  assert.equal(steps.at(-1)?.snapshot, steps.at(-1)?.candidate);
});

test('a master without its registry answers with an empty cluster: not one name lost', () => {
  const steps = follow('no-quorum-poll.jsonl');
  assertNothingLost(steps);
  assert.deepEqual(
    steps.map(({ candidate, hold }) => [candidate.agents.length, hold?.reason]),
    [
      [1, undefined],
      [0, 'leader-changed'],
    ],
  );
});

test('what is retained is what was there, but for where it stood', () => {
  const before = snapshotOf(fixture('leader-state.json'));
  const retention = new Retention(SETTINGS);
  retention.believe(before, said(0));
  const empty = snapshotOf(fixture('no-registry-state.json'));
  const { snapshot } = retention.believe(empty, said(1, { isNewLeader: true }));
  const bare = (value: ClusterSnapshot): unknown =>
    JSON.parse(
      JSON.stringify([value.frameworks, value.agents], (key, one: unknown) =>
        key === 'path' ? undefined : one,
      ),
    );
  assert.deepEqual(bare(snapshot), bare(before));
});

interface EventState {
  readonly step: string;
  readonly state: State;
}

/** Follows the states that were recorded beside the event stream, 10 s apart. */
function followEvents(): Step[] {
  const retention = new Retention(SETTINGS);
  return lines<EventState>('event-states.jsonl').map(({ step, state }, i) => {
    const body = JSON.stringify(state);
    const candidate = snapshotOf(body);
    const ends = (missing: ReadonlyMap<string, string>): ReturnType<typeof endedTasks> =>
      endedTasks(body, missing);
    return { name: step, candidate, ...retention.believe(candidate, said(10 * i, { ends })) };
  });
}

test('everyday changes of a cluster are believed at once', () => {
  const steps = followEvents();
  assert.equal(steps.length, 19);
  const held = steps.filter(({ hold }) => hold !== null).map(({ name }) => name);
  assert.deepEqual(held, ['15-agent2-disconnected', '16-agent2-unreachable']);
  for (const { candidate, snapshot, hold } of steps) {
    if (hold === null) assert.equal(snapshot, candidate);
  }
});

test('a third of the tasks that is lost with its agent is retained until the agent is back', () => {
  const steps = followEvents();
  const [before, , unreachable, back] = steps.slice(14);
  assert.deepEqual(
    [unreachable?.hold?.reason, unreachable?.hold?.missingTasks, unreachable?.hold?.missingAgents],
    ['tasks-lost', 4, 1],
  );
  assert.deepEqual(runningIds(unreachable!.snapshot), runningIds(before!.snapshot));
  const moved = unreachable!.snapshot.frameworks.find(({ name }) => name === 'chronos');
  assert.deepEqual(
    moved?.tasks.map(({ agentId }) => agentId.slice(-3)),
    ['-S0', '-S0'],
    'what was started again elsewhere is where it is now',
  );
  assert.equal(back?.snapshot, back?.candidate);
});
