import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { TaskEnds } from '../../../src/core/mesos/ended-tasks.ts';
import { frameworkKey, taskKey } from '../../../src/core/mesos/task-key.ts';
import type { Agent, ClusterSnapshot, Task } from '../../../src/core/mesos/snapshot.ts';
import { Retention, type Testimony } from '../../../src/core/trust/retention.ts';
import { agent, cluster, framework, runningIds, said, task } from './told-cluster.ts';

const HOLD_MS = 10_000;
const SETTINGS = { lossShare: 0.2, holdMs: HOLD_MS };
const PHASES = ['running', 'killing', 'pending'] as const;

const agents: fc.Arbitrary<Agent[]> = fc
  .subarray([0, 1, 2, 3])
  .map((numbers) => numbers.map((number) => agent(number)));

const someTasks: fc.Arbitrary<Task[]> = fc.uniqueArray(
  fc
    .record({
      number: fc.nat(11),
      phase: fc.constantFrom('running', ...PHASES),
      agentId: fc.constantFrom('S0', 'S1', 'S2', 'S3'),
      healthy: fc.boolean(),
    })
    .map(({ number, ...more }) => task(`t${number}`, more)),
  { selector: ({ id }) => id, maxLength: 12 },
);

const frameworks = fc
  .subarray(['marathon', 'chronos'])
  .chain((names) =>
    fc.tuple(...names.map((name) => fc.tuple(fc.constant(name), someTasks, fc.boolean()))),
  )
  .map((all) =>
    all.map(([name, tasks, active]) => {
      const [running, killing, pending] = PHASES.map((phase) =>
        tasks.filter((one) => one.phase === phase),
      );
      return { ...framework(name, running!, killing), pending: pending!, active };
    }),
  );

const candidates: fc.Arbitrary<ClusterSnapshot> = fc
  .tuple(frameworks, agents, fc.subarray(['S0', 'S1', 'S2', 'S3']))
  .map(([all, some, recovering]) => {
    const listed = new Set(some.map(({ id }) => id));
    return cluster(
      all,
      some,
      recovering.filter((id) => !listed.has(id)),
    );
  });

const keys = fc
  .tuple(fc.constantFrom('marathon', 'chronos'), fc.nat(11))
  .map(([name, number]) => taskKey(name, `t${number}`));

/** Something that a master says, and how much later than what it said before. */
interface Saying {
  readonly candidate: ClusterSnapshot;
  readonly afterMs: number;
  readonly isNewLeader: boolean;
  readonly ended: readonly string[];
  readonly removed: readonly string[];
}

const sayings: fc.Arbitrary<Saying[]> = fc.array(
  fc.record({
    candidate: candidates,
    afterMs: fc.nat(HOLD_MS / 2),
    isNewLeader: fc.boolean(),
    ended: fc.array(keys, { maxLength: 3 }),
    removed: fc.array(fc.constantFrom('S0', 'S3'), { maxLength: 1 }),
  }),
  { minLength: 2, maxLength: 12 },
);

function testimonyOf({ isNewLeader, ended, removed }: Saying, nowMs: number): Testimony {
  const ends = (missing: ReadonlyMap<string, string>): TaskEnds => ({
    ended: new Set(ended.filter((key) => missing.has(key))),
    lost: new Set(),
    frameworks: new Set(),
  });
  return { nowMs, isNewLeader, ends, agentRemoved: (id) => removed.includes(id) };
}

/** Tasks of a snapshot by key, those that do not run yet only if asked for. */
function tasksOf(snapshot: ClusterSnapshot, withPending = false): Map<string, Task> {
  return new Map(
    snapshot.frameworks.flatMap((one) =>
      [...one.tasks, ...one.killing, ...(withPending ? one.pending : [])].map(
        (each): [string, Task] => [taskKey(frameworkKey(one), each.id), each],
      ),
    ),
  );
}

/** Tells a history and looks at what is believed after each saying. */
function tell(
  history: readonly Saying[],
  look: (step: {
    readonly retention: Retention;
    readonly snapshot: ClusterSnapshot;
    readonly before: ClusterSnapshot | null;
    readonly saying: Saying;
    readonly nowMs: number;
  }) => void,
): void {
  const retention = new Retention(SETTINGS);
  let nowMs = 0;
  for (const saying of history) {
    nowMs += saying.afterMs;
    const before = retention.believed;
    const { snapshot } = retention.believe(saying.candidate, testimonyOf(saying, nowMs));
    look({ retention, snapshot, before, saying, nowMs });
  }
}

function law(name: string, check: (history: readonly Saying[]) => void): void {
  test(name, () => {
    fc.assert(fc.property(sayings, check), { numRuns: 500 });
  });
}

law('all that a master shows is believed as it says', (history) => {
  tell(history, ({ snapshot, saying: { candidate } }) => {
    const believed = tasksOf(snapshot, true);
    for (const [key, one] of tasksOf(candidate, true)) assert.equal(believed.get(key), one);
    const agentsOf = new Set(snapshot.agents);
    for (const one of candidate.agents) assert.ok(agentsOf.has(one));
    assert.deepEqual(snapshot.recovering, candidate.recovering);
  });
});

law('nothing is believed that no master said', (history) => {
  tell(history, ({ snapshot, before, saying: { candidate } }) => {
    const told = tasksOf(candidate, true);
    const known = before === null ? new Map<string, Task>() : tasksOf(before);
    for (const key of tasksOf(snapshot, true).keys()) {
      assert.ok(told.has(key) || known.has(key), key);
    }
  });
});

law('a snapshot has each thing once, and counts its tasks', (history) => {
  tell(history, ({ snapshot }) => {
    const paths = snapshot.frameworks.flatMap((one) => [
      `${one.path} of ${one.id}`,
      ...[...one.tasks, ...one.killing, ...one.pending].map(({ id }) => `${one.id} ${id}`),
    ]);
    paths.push(...snapshot.agents.map(({ id }) => id));
    assert.equal(new Set(paths).size, paths.length);
    assert.equal(snapshot.taskCount, runningIds(snapshot).length);
    assert.equal(new Set(snapshot.frameworks.map(frameworkKey)).size, snapshot.frameworks.length);
  });
});

law('what is retained has the agent it had, and nothing is retained for too long', (history) => {
  const missingSince = new Map<string, number>();
  tell(history, ({ snapshot, before, saying: { candidate }, nowMs }) => {
    const told = tasksOf(candidate, true);
    const isBlind = told.size === 0 && candidate.agents.length > 0;
    const ids = new Set(snapshot.agents.map(({ id }) => id));
    const hadAgent = new Set(before?.agents.map(({ id }) => id));
    for (const [key, { agentId }] of tasksOf(snapshot)) {
      if (told.has(key)) continue;
      assert.ok(ids.has(agentId) || !hadAgent.has(agentId), `${key} has lost ${agentId}`);
      const missingMs = missingSince.get(key) ?? nowMs;
      missingSince.set(key, missingMs);
      assert.ok(isBlind || nowMs - missingMs < HOLD_MS, `${key} since ${missingMs}`);
    }
    for (const key of told.keys()) missingSince.delete(key);
  });
});

law(
  'what a master says has ended is not retained, nor what ran on an agent it removed',
  (history) => {
    tell(history, ({ snapshot, saying: { candidate, ended, removed } }) => {
      const told = tasksOf(candidate, true);
      for (const [key, { agentId }] of tasksOf(snapshot)) {
        if (!told.has(key)) assert.ok(!ended.includes(key) && !removed.includes(agentId), key);
      }
    });
  },
);

law('hearing the same again changes nothing', (history) => {
  tell(history, ({ retention, snapshot, saying, nowMs }) => {
    const { until } = retention;
    const again = retention.believe(saying.candidate, testimonyOf(saying, nowMs));
    assert.equal(again.snapshot, snapshot);
    assert.equal(retention.until, until);
  });
});

law('it is always known when something is given up, and that it will be', (history) => {
  tell(history, ({ retention, snapshot, saying: { candidate }, nowMs }) => {
    const isBlind = tasksOf(candidate, true).size === 0 && candidate.agents.length > 0;
    if (snapshot === candidate) assert.equal(retention.until, null);
    else if (retention.until !== null) assert.ok(retention.until > nowMs);
    else assert.ok(isBlind);
  });
});

law('a master that says the same for long enough is believed', (history) => {
  const retention = new Retention(SETTINGS);
  let nowMs = 0;
  for (const saying of history) {
    nowMs += saying.afterMs;
    retention.believe(saying.candidate, testimonyOf(saying, nowMs));
  }
  const { candidate } = history.at(-1)!;
  // Each step gives up at least one of the times at which something went missing.
  for (let steps = 0; retention.until !== null; steps++) {
    assert.ok(steps < history.length);
    retention.believe(candidate, { ...said(0), nowMs: retention.until });
  }
  const isBlind = tasksOf(candidate, true).size === 0 && candidate.agents.length > 0;
  assert.ok(retention.believed === candidate || isBlind);
});

law('a complete state is believed as it is, whoever says it', (history) => {
  tell(history, ({ snapshot }) => {
    const retention = new Retention(SETTINGS);
    retention.believe(snapshot, said(0));
    const copy = { ...snapshot };
    assert.equal(retention.believe(copy, said(1, { isNewLeader: true })).snapshot, copy);
  });
});
