import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_ENDS } from '../../../src/core/mesos/ended-tasks.ts';
import type { ClusterSnapshot } from '../../../src/core/mesos/snapshot.ts';
import {
  type Believed,
  type HoldReason,
  Retention,
  type Testimony,
} from '../../../src/core/trust/retention.ts';
import {
  agent,
  agentIds,
  cluster,
  ended,
  framework,
  lost,
  on,
  runningIds,
  said,
  task,
  tasks,
  tornDown,
} from './told-cluster.ts';

const HOLD_SECONDS = 600;
const SETTINGS = { lossShare: 0.2, holdMs: 1_000 * HOLD_SECONDS };
const TEN = tasks(10);
const FULL = cluster([framework('marathon', TEN)]);
const EMPTY = cluster([], []);
const NEW_LEADER = { isNewLeader: true };

/** A daemon that believes `first`, told at second 0. */
function believing(first: ClusterSnapshot, settings = SETTINGS): Retention {
  const retention = new Retention(settings);
  assert.equal(retention.believe(first, said(0)).hold, null);
  return retention;
}

/** `FULL` without these tasks. */
function without(...ids: readonly string[]): ClusterSnapshot {
  return cluster([
    framework(
      'marathon',
      TEN.filter(({ id }) => !ids.includes(id)),
    ),
  ]);
}

test('the first state is believed whatever it says', () => {
  const { snapshot, hold } = new Retention(SETTINGS).believe(EMPTY, said(0, NEW_LEADER));
  assert.equal(snapshot, EMPTY);
  assert.equal(hold, null);
});

test('a complete state of a new leader is believed as it is', () => {
  const retention = believing(FULL);
  const again = cluster([framework('marathon', tasks(10))]);
  assert.equal(retention.believe(again, said(1, NEW_LEADER)).snapshot, again);
  assert.equal(retention.until, null);
});

interface DoubtCase {
  readonly what: string;
  readonly candidate: ClusterSnapshot;
  readonly more?: Partial<Testimony>;
  /** null: believed at once. */
  readonly reason: HoldReason | null;
}

const TWO_AGENTS = [agent(0), agent(1)];
const ALL_BUT_S2 = TEN.filter(({ agentId }) => agentId !== 'S2');

const DOUBTS: readonly DoubtCase[] = [
  {
    what: 'a new leader without agents',
    candidate: EMPTY,
    more: NEW_LEADER,
    reason: 'leader-changed',
  },
  {
    what: 'a new leader that lacks one agent with one task in ten',
    candidate: cluster([framework('marathon', on('S0', TEN))], [agent(0)]),
    more: NEW_LEADER,
    reason: 'leader-changed',
  },
  {
    what: 'a new leader whose agents are back without one task in ten',
    candidate: without('t3'),
    more: NEW_LEADER,
    reason: null,
  },
  { what: 'an empty state of the same leader', candidate: EMPTY, reason: 'cluster-empty' },
  {
    what: 'agents without a single task',
    candidate: cluster([framework('marathon', [])]),
    reason: 'cluster-empty',
  },
  { what: 'agents without a framework', candidate: cluster([]), reason: 'cluster-empty' },
  { what: 'three tasks in ten gone', candidate: without('t0', 't1', 't2'), reason: 'tasks-lost' },
  {
    what: 'an agent gone with three tasks in ten',
    candidate: cluster([framework('marathon', ALL_BUT_S2)], TWO_AGENTS),
    reason: 'agents-missing',
  },
  { what: 'two tasks in ten gone', candidate: without('t0', 't1'), reason: null },
  {
    what: 'tasks without the agents they run on',
    candidate: cluster([framework('marathon', TEN)], [agent(0)]),
    reason: 'agents-missing',
  },
  {
    what: 'three tasks in ten that have ended',
    candidate: without('t0', 't1', 't2'),
    more: ended('t0', 't1', 't2'),
    reason: null,
  },
  {
    what: 'a framework with all tasks that is torn down',
    candidate: cluster([]),
    more: tornDown('marathon'),
    reason: null,
  },
  {
    what: 'an agent with three tasks in ten that the master removed',
    candidate: cluster([framework('marathon', ALL_BUT_S2)], TWO_AGENTS),
    more: { agentRemoved: (id) => id === 'S2' },
    reason: null,
  },
  {
    what: 'an agent that registered anew under another id',
    candidate: cluster(
      [framework('marathon', ALL_BUT_S2)],
      [...TWO_AGENTS, agent(2, { id: 'S3' })],
    ),
    reason: null,
  },
  {
    what: 'three lost tasks whose agent is back',
    candidate: without('t2', 't5', 't8'),
    more: lost('t2', 't5', 't8'),
    reason: null,
  },
  {
    what: 'three lost tasks whose agent is away',
    candidate: cluster(
      [framework('marathon', ALL_BUT_S2)],
      [...TWO_AGENTS, agent(2, { active: false })],
    ),
    more: lost('t2', 't5', 't8'),
    reason: 'tasks-lost',
  },
  {
    what: 'idle agents gone',
    candidate: cluster([framework('marathon', TEN)]),
    reason: null,
  },
];

for (const { what, candidate, more, reason } of DOUBTS) {
  test(`${what}: ${reason === null ? 'believed at once' : `held, ${reason}`}`, () => {
    const idle = [agent(7), agent(8)];
    const first =
      what === 'idle agents gone' ? cluster(FULL.frameworks, [...FULL.agents, ...idle]) : FULL;
    const retention = believing(first);
    const { snapshot, hold } = retention.believe(candidate, said(1, more));
    assert.equal(hold?.reason ?? null, reason);
    if (reason === null) {
      assert.equal(snapshot, candidate);
      assert.equal(retention.until, null);
    } else {
      const expected = [...new Set([...runningIds(FULL), ...runningIds(candidate)])].sort();
      assert.deepEqual(runningIds(snapshot), expected);
      assert.deepEqual(agentIds(snapshot), ['S0', 'S1', 'S2']);
      assert.equal(snapshot.taskCount, expected.length);
    }
  });
}

/** Ten tasks, two of them on S2. */
const TWO_ON_S2 = TEN.map((one, i) => ({ ...one, agentId: i < 2 ? 'S2' : 'S0' }));

for (const [recovering, reason] of [
  [[], null],
  [['S2'], 'agents-missing'],
  // The registry lists one whose id could not be read.
  [[''], 'agents-missing'],
] as const) {
  test(`an agent gone with two tasks in ten while ${recovering.length} are to register`, () => {
    const retention = believing(cluster([framework('marathon', TWO_ON_S2)]));
    const left = framework('marathon', on('S0', TWO_ON_S2));
    const candidate = cluster([left], TWO_AGENTS, recovering);
    const { snapshot, hold } = retention.believe(candidate, said(1));
    assert.equal(hold?.reason ?? null, reason);
    assert.equal(runningIds(snapshot).length, reason === null ? 8 : 10);
  });
}

test('a framework that is there is not torn down', () => {
  const { snapshot } = believing(FULL).believe(
    cluster([framework('marathon', on('S0', TEN))], [agent(0)]),
    said(1, { ...NEW_LEADER, ...tornDown('marathon') }),
  );
  assert.deepEqual(runningIds(snapshot), runningIds(FULL));
});

test('of two frameworks that cannot be told apart one gets what is retained', () => {
  const twins = [framework('marathon', on('S0', TEN)), framework('marathon', [])];
  const { snapshot } = believing(FULL).believe(cluster(twins, [agent(0)]), said(1, NEW_LEADER));
  assert.deepEqual(runningIds(snapshot), runningIds(FULL));
});

test('a hold says what it is about', () => {
  const { hold } = believing(FULL).believe(
    cluster([framework('marathon', on('S0', TEN))], [agent(0)]),
    said(5, NEW_LEADER),
  );
  assert.deepEqual(hold, {
    reason: 'leader-changed',
    since: 5_000,
    until: 605_000,
    missingTasks: 6,
    missingAgents: 2,
    knownTasks: 10,
    share: 0.6,
    examples: ['t1', 't2', 't4', 't5', 't7'],
  });
});

test('retained tasks stand in the framework that the candidate has', () => {
  const chronos = framework('chronos', tasks(1, 'c'));
  const marathon = framework('marathon', on('S0', TEN));
  const candidate = cluster([chronos, marathon], [agent(0)]);
  const { snapshot } = believing(FULL).believe(candidate, said(1, NEW_LEADER));
  assert.equal(snapshot.frameworks[0], chronos, 'nothing is added to it');
  assert.deepEqual(
    snapshot.frameworks.map(({ name, tasks: all }) => [name, all.length]),
    [
      ['chronos', 1],
      ['marathon', 10],
    ],
  );
});

test('what is retained has paths of its own', () => {
  const retention = believing(FULL);
  const { snapshot } = retention.believe(EMPTY, said(1, NEW_LEADER));
  assert.equal(snapshot.frameworks[0]?.path, 'retained.frameworks[marathon]');
  assert.equal(snapshot.frameworks[0].tasks[0]?.path, 'retained.frameworks[marathon].tasks[t0]');
  assert.equal(snapshot.agents[0]?.path, 'retained.slaves[S0]');
  const later = retention.believe(cluster([], []), said(2)).snapshot;
  assert.equal(later.frameworks[0]?.tasks[0], snapshot.frameworks[0].tasks[0], 'the same object');
});

test('tasks come back with their agents, one agent after the other', () => {
  const retention = believing(FULL);
  retention.believe(EMPTY, said(1, NEW_LEADER));
  const first = cluster([framework('marathon', on('S0', TEN))], [agent(0)], ['S1', 'S2']);
  assert.equal(retention.believe(first, said(2)).hold?.missingTasks, 6);
  const second = cluster(
    [framework('marathon', [...on('S0', TEN), ...on('S1', TEN)])],
    [agent(0), agent(1)],
    ['S2'],
  );
  const { snapshot, hold } = retention.believe(second, said(3));
  assert.equal(hold?.missingTasks, 3);
  assert.equal(hold.since, 1_000, 'they went missing with the leader');
  assert.deepEqual(runningIds(snapshot), runningIds(FULL));
  assert.equal(retention.believe(FULL, said(4)).snapshot, FULL);
  assert.equal(retention.until, null);
});

test('a task that came back changed is the one that came back', () => {
  const retention = believing(FULL);
  retention.believe(EMPTY, said(1, NEW_LEADER));
  const sick = task('t1', { agentId: 'S0', healthy: false });
  const { snapshot } = retention.believe(
    cluster([framework('marathon', [sick])], [agent(0)]),
    said(2),
  );
  const found = snapshot.frameworks.flatMap((one) => one.tasks).filter(({ id }) => id === 't1');
  assert.deepEqual(found, [sick]);
});

test('a task that is back in another phase is not retained as running', () => {
  for (const phase of ['killing', 'pending'] as const) {
    const retention = believing(FULL);
    const back = { ...framework('marathon', []), [phase]: [task('t0', { phase })] };
    const { snapshot } = retention.believe(cluster([back], [agent(0)]), said(1, NEW_LEADER));
    assert.ok(!runningIds(snapshot).includes('t0'), phase);
    assert.equal(snapshot.taskCount, 9);
  }
});

test('an agent that is back without a task ends it once few are missing', () => {
  const retention = believing(FULL);
  retention.believe(EMPTY, said(1, NEW_LEADER));
  // t0 died during the failover.
  const s0 = on('S0', TEN).filter(({ id }) => id !== 't0');
  const many = cluster([framework('marathon', s0)], [agent(0)]);
  assert.ok(runningIds(retention.believe(many, said(2)).snapshot).includes('t0'));
  const few = cluster([framework('marathon', [...s0, ...on('S1', TEN), task('t2')])]);
  const { snapshot } = retention.believe(few, said(3));
  assert.ok(runningIds(snapshot).includes('t0'), 't0, t5 and t8 are three in ten');
  const all = without('t0');
  assert.equal(retention.believe(all, said(4)).snapshot, all);
});

test('while something is retained, what else goes missing is, for as long', () => {
  const retention = believing(FULL);
  const failover = cluster([framework('marathon', ALL_BUT_S2)], TWO_AGENTS, ['S2']);
  retention.believe(failover, said(1, NEW_LEADER));
  const one = cluster([framework('marathon', on('S0', TEN))], [agent(0)]);
  const { snapshot, hold } = retention.believe(one, said(100));
  assert.deepEqual(runningIds(snapshot), runningIds(FULL));
  assert.equal(hold?.missingTasks, 6);
});

test('the end of a task counts while others are retained', () => {
  const retention = believing(FULL);
  retention.believe(EMPTY, said(1, NEW_LEADER));
  const { snapshot } = retention.believe(EMPTY, said(2, ended('t4', 't5')));
  assert.deepEqual(
    runningIds(snapshot),
    runningIds(FULL).filter((id) => id !== 't4' && id !== 't5'),
  );
  const later = retention.believe(EMPTY, said(3)).snapshot;
  assert.deepEqual(runningIds(later), runningIds(snapshot), 'and is not forgotten');
});

test('a hold runs out by a candidate of that time, and does not begin again', () => {
  const retention = believing(FULL);
  retention.believe(EMPTY, said(1, NEW_LEADER));
  assert.equal(retention.until, 601_000);
  assert.deepEqual(runningIds(retention.believe(EMPTY, said(600.9)).snapshot), runningIds(FULL));
  const { snapshot, hold } = retention.believe(EMPTY, said(601));
  assert.equal(snapshot, EMPTY);
  assert.equal(hold, null);
  assert.equal(retention.until, null);
  const again = cluster([], []);
  assert.equal(retention.believe(again, said(602, NEW_LEADER)).snapshot, again);
});

test('a second failover during a hold has its own time', () => {
  const retention = believing(FULL);
  const withoutS2 = cluster([framework('marathon', ALL_BUT_S2)], TWO_AGENTS);
  retention.believe(withoutS2, said(1, NEW_LEADER));
  const { hold } = retention.believe(EMPTY, said(599, NEW_LEADER));
  assert.deepEqual([hold?.since, hold?.until], [1_000, 1_199_000]);
  assert.equal(retention.until, 601_000, 'then S2 is given up');
  const { snapshot } = retention.believe(EMPTY, said(601));
  assert.deepEqual(runningIds(snapshot), runningIds(withoutS2));
  assert.deepEqual(agentIds(snapshot), ['S0', 'S1']);
  assert.equal(retention.until, 1_199_000);
});

test('a retained task keeps its agent, however long that is gone', () => {
  const retention = believing(FULL);
  const stranded = cluster([framework('marathon', TEN)], TWO_AGENTS);
  retention.believe(stranded, said(1, NEW_LEADER));
  retention.believe(EMPTY, said(300, NEW_LEADER));
  const { snapshot } = retention.believe(EMPTY, said(700));
  assert.deepEqual(agentIds(snapshot), ['S0', 'S1', 'S2']);
  assert.equal(retention.until, 900_000);
  assert.equal(retention.believe(EMPTY, said(900)).snapshot, EMPTY);
});

test('a cluster whose agents show no task is not believed however long that lasts', () => {
  const retention = believing(FULL);
  const blind = cluster([]);
  const { hold } = retention.believe(blind, said(1));
  assert.equal(hold?.until, null);
  assert.equal(retention.until, null);
  const { snapshot } = retention.believe(blind, said(10 * HOLD_SECONDS));
  assert.deepEqual(runningIds(snapshot), runningIds(FULL));
  const emptied = retention.believe(blind, said(10 * HOLD_SECONDS + 1, tornDown('marathon')));
  assert.equal(emptied.snapshot, blind, 'the master says what became of them');
});

test('a cluster that shows tasks again after that is believed', () => {
  const retention = believing(FULL);
  retention.believe(cluster([]), said(1));
  const other = cluster([framework('chronos', tasks(2, 'c'))]);
  assert.equal(retention.believe(other, said(HOLD_SECONDS + 1)).snapshot, other);
});

test('a framework without tasks keeps its names through a failover', () => {
  const first = cluster([framework('marathon', TEN), framework('idle', [])]);
  const retention = believing(first);
  const { snapshot } = retention.believe(FULL, said(1, NEW_LEADER));
  assert.deepEqual(
    snapshot.frameworks.map(({ name }) => name),
    ['marathon', 'idle'],
  );
  assert.equal(retention.believe(first, said(2)).snapshot, first);
});

test('a framework that waits for its scheduler keeps the address of that', () => {
  const endpoint = { host: '10.0.0.50', port: 8080 };
  const marathon = { ...framework('marathon', TEN), endpoint };
  const retention = believing(cluster([marathon]));
  const recovered = cluster([{ ...framework('marathon', TEN), active: false }]);
  const { snapshot, hold } = retention.believe(recovered, said(1, NEW_LEADER));
  assert.deepEqual(
    snapshot.frameworks.map((one) => [one.active, one.endpoint]),
    [[true, endpoint]],
  );
  assert.equal(hold?.missingTasks, 0);
  const back = cluster([marathon]);
  assert.equal(retention.believe(back, said(2)).snapshot, back);
});

test('a scheduler that disconnects from the same leader is inactive at once', () => {
  const retention = believing(FULL);
  const quiet = cluster([{ ...framework('marathon', TEN), active: false }]);
  assert.equal(retention.believe(quiet, said(1)).snapshot, quiet);
});

test('agents without tasks keep their names until they register', () => {
  const retention = believing(cluster([framework('marathon', on('S0', TEN))]));
  const candidate = cluster([framework('marathon', on('S0', TEN))], [agent(0)]);
  const { snapshot } = retention.believe(candidate, said(1, NEW_LEADER));
  assert.deepEqual(agentIds(snapshot), ['S0', 'S1', 'S2']);
  const removed = { agentRemoved: (id: string): boolean => id === 'S1' };
  assert.deepEqual(agentIds(retention.believe(candidate, said(2, removed)).snapshot), ['S0', 'S2']);
});

test('killed tasks that are gone start no hold, and are retained in one as killed', () => {
  const killing = tasks(6, 'k').map((one) => ({ ...one, phase: 'killing' as const }));
  const first = cluster([framework('marathon', TEN, killing)]);
  assert.equal(believing(first).believe(FULL, said(1)).snapshot, FULL);
  const { snapshot, hold } = believing(first).believe(EMPTY, said(1, NEW_LEADER));
  assert.deepEqual([snapshot.frameworks[0]?.killing.length, snapshot.taskCount], [6, 10]);
  assert.deepEqual([hold?.missingTasks, hold?.share], [10, 1]);
});

test('agents that share an address do not replace each other', () => {
  const here = { endpoint: { host: '127.0.0.1', port: 5051 } };
  const agents = [agent(0, here), agent(1, here), agent(2, here)];
  const retention = believing(cluster([framework('marathon', TEN)], agents));
  const candidate = cluster(
    [framework('marathon', ALL_BUT_S2)],
    [agents[0]!, agents[1]!, agent(3, here)],
  );
  assert.equal(retention.believe(candidate, said(1)).hold?.missingTasks, 3);
});

test('tasks of two frameworks with the same id are two tasks', () => {
  const first = cluster([framework('marathon', tasks(3)), framework('chronos', tasks(3))]);
  const candidate = cluster([framework('chronos', tasks(3))]);
  const { snapshot } = believing(first).believe(candidate, said(1));
  assert.deepEqual(runningIds(snapshot), ['t0', 't0', 't1', 't1', 't2', 't2']);
});

test('frameworks without an id are told apart by name', () => {
  const anonymous = { ...framework('marathon', TEN), id: '' };
  const candidate = cluster([{ ...anonymous, tasks: on('S0', TEN) }], [agent(0)]);
  const { snapshot } = believing(cluster([anonymous])).believe(candidate, said(1, NEW_LEADER));
  assert.deepEqual(runningIds(snapshot), runningIds(FULL));
});

test('ends are asked for only of a candidate that is doubted, and of what is missing', () => {
  const asked: (readonly string[])[] = [];
  const asking: Partial<Testimony> = {
    ends: (missing) => {
      asked.push([...missing].map(([key, agentId]) => `${key} ${agentId}`));
      return NO_ENDS;
    },
  };
  const retention = believing(FULL);
  retention.believe(without('t1'), said(1, asking));
  assert.deepEqual(asked, []);
  retention.believe(cluster([framework('marathon', on('S0', TEN).concat(on('S1', TEN)))]), {
    ...said(2, asking),
  });
  assert.deepEqual(asked, [['marathon\nt2 S2', 'marathon\nt5 S2', 'marathon\nt8 S2']]);
});

for (const off of [
  { lossShare: 1, holdMs: SETTINGS.holdMs },
  { lossShare: 0.2, holdMs: 0 },
]) {
  test(`nothing is retained with ${JSON.stringify(off)}`, () => {
    assert.equal(believing(FULL, off).believe(EMPTY, said(1, NEW_LEADER)).snapshot, EMPTY);
  });
}

test('a saved state is retained for as long as it would have been', () => {
  const savedMs = -200_000;
  const retention = new Retention(SETTINGS);
  retention.reset({ snapshot: FULL, savedMs });
  assert.equal(retention.believed, FULL);
  const { snapshot, hold } = retention.believe(EMPTY, said(1, NEW_LEADER));
  assert.deepEqual(runningIds(snapshot), runningIds(FULL));
  assert.deepEqual([hold?.since, hold?.until], [savedMs, 400_000]);
  assert.equal(retention.believe(EMPTY, said(400)).snapshot, EMPTY);
});

test('a saved state of long ago is no reason to doubt', () => {
  const retention = new Retention(SETTINGS);
  retention.reset({ snapshot: FULL, savedMs: -SETTINGS.holdMs });
  for (const candidate of [EMPTY, cluster([])]) {
    assert.equal(retention.believe(candidate, said(0, NEW_LEADER)).snapshot, candidate);
  }
});

test('after a reset the next state is believed', () => {
  const retention = believing(FULL);
  retention.believe(EMPTY, said(1, NEW_LEADER));
  retention.reset();
  assert.equal(retention.until, null);
  assert.equal(retention.believe(EMPTY, said(2)).snapshot, EMPTY);
});

test('the same candidate again gives the same snapshot', () => {
  const retention = believing(FULL);
  const once: Believed = retention.believe(EMPTY, said(1, NEW_LEADER));
  const twice = retention.believe(EMPTY, said(2));
  assert.equal(twice.snapshot, once.snapshot);
  assert.deepEqual(twice.hold, once.hold);
});
