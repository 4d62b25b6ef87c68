import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VipTable } from '../../../src/core/vip/vip-table.ts';
import {
  DesiredUpdates,
  type DesiringGeneration,
} from '../../../src/daemon/kernel/desired-updates.ts';
import type { DesiredUpdate } from '../../../src/daemon/kernel/kernel-protocol.ts';
import { agent, build, framework, port, task } from '../../core/vip/vip-cluster.ts';

const NOBODY: readonly string[] = [];
const START = 1_000;
const HOLD_SECONDS = 600;

/** One VIP, `web`. */
const { table: WEB } = build([
  framework('marathon', [task('web.1', [port(80, ['VIP_0=/web:80'])])]),
]);
const NO_VIPS: VipTable = { services: [], plainNames: new Map(), digest: '' };

interface Cluster {
  readonly agents: number;
  readonly leader?: string;
  readonly recovering?: number;
}

function generation(
  { agents, leader = '10.0.0.9', recovering = 0 }: Cluster,
  vips = NO_VIPS,
): DesiringGeneration {
  return {
    snapshot: {
      leader: { host: leader, port: 5050 },
      masterId: '',
      fromLeader: true,
      frameworks: [],
      agents: Array.from({ length: agents }, (_, i) => agent(i)),
      recovering: Array.from({ length: recovering }, (_, i) => `R${i}`),
      taskCount: 0,
    },
    vips,
    vipChanges: null,
  };
}

function read(bytes: Uint8Array | null): DesiredUpdate {
  assert.ok(bytes !== null, 'there is something to tell');
  return JSON.parse(new TextDecoder().decode(bytes)) as DesiredUpdate;
}

/** Whether removals are allowed after each of the clusters, which come a minute apart. */
function trust(...clusters: readonly Cluster[]): boolean[] {
  const updates = new DesiredUpdates();
  let mayRemove = false;
  return clusters.map((cluster, i) => {
    const bytes = updates.next(generation(cluster), NOBODY, START + 60 * i);
    if (bytes !== null) mayRemove = read(bytes).mayRemove;
    return mayRemove;
  });
}

test('the first update is whole, the next tell of differences, and none of nothing', () => {
  const updates = new DesiredUpdates();
  const first = read(updates.next(generation({ agents: 3 }, WEB), NOBODY, START));
  assert.deepEqual([first.isWhole, first.services.length, first.towards], [true, 1, '10.0.0.9']);
  assert.equal(updates.next(generation({ agents: 3 }, WEB), NOBODY, START), null);
  const gone = read(updates.next(generation({ agents: 3 }), NOBODY, START));
  assert.deepEqual([gone.isWhole, gone.services.length, gone.removed.length], [false, 0, 1]);
  const whole = read(updates.whole(generation({ agents: 3 }, WEB), NOBODY));
  assert.deepEqual([whole.isWhole, whole.services.length], [true, 1]);
});

test('A16c: by a state of before the start nothing is removed or changed, until a master tells', () => {
  const updates = new DesiredUpdates();
  const cluster = generation({ agents: 3 }, WEB);
  const saved = read(updates.next(cluster, NOBODY, START, true));
  assert.deepEqual([saved.isWhole, saved.mayRemove, saved.additionsOnly], [true, false, true]);
  const again = read(updates.whole(cluster, NOBODY));
  assert.deepEqual([again.mayRemove, again.additionsOnly], [false, true]);
  const told = read(updates.next(cluster, NOBODY, START));
  assert.deepEqual([told.isWhole, told.services], [false, []]);
  assert.deepEqual([told.mayRemove, told.additionsOnly], [true, false]);
});

test('A16c: agents of before the start are waited for after a change of leader', () => {
  const updates = new DesiredUpdates();
  updates.next(generation({ agents: 9 }, WEB), NOBODY, START, true);
  const next = read(updates.next(generation({ agents: 2, leader: '10.0.0.8' }), NOBODY, START));
  assert.deepEqual([next.mayRemove, next.additionsOnly], [false, false]);
});

test('the way to a leader that is known by name cannot be asked for', () => {
  const named = generation({ agents: 1, leader: 'leader.mesos' });
  assert.equal(read(new DesiredUpdates().next(named, NOBODY, START)).towards, null);
});

test('IPVS c.31: a cluster without agents, or that waits for some, removes nothing', () => {
  assert.deepEqual(trust({ agents: 0 }), [false]);
  assert.deepEqual(trust({ agents: 3, recovering: 1 }, { agents: 3 }), [false, true]);
});

test('after a change of leader nothing is removed until as many agents are back', () => {
  const next = { leader: '10.0.0.8' };
  assert.deepEqual(
    trust({ agents: 9 }, { agents: 1, ...next }, { agents: 8, ...next }, { agents: 9, ...next }),
    [true, false, false, true],
  );
  assert.deepEqual(trust({ agents: 9 }, { agents: 9, ...next }), [true, true]);
});

test('a master that started anew, and lost most agents, is not believed either', () => {
  assert.deepEqual(trust({ agents: 9 }, { agents: 4 }, { agents: 9 }), [true, false, true]);
  assert.deepEqual(trust({ agents: 9 }, { agents: 5 }), [true, true], 'some may go for good');
});

test('agents that do not come back are given up as the master gives them up', () => {
  const updates = new DesiredUpdates();
  updates.next(generation({ agents: 9 }), NOBODY, START);
  const left = generation({ agents: 1 });
  assert.equal(read(updates.next(left, NOBODY, START + 1)).mayRemove, false);
  assert.equal(updates.next(left, NOBODY, START + HOLD_SECONDS), null);
  assert.equal(read(updates.next(left, NOBODY, START + 1 + HOLD_SECONDS)).mayRemove, true);
});
