import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { TaskHealth } from '../../../src/core/marathon/task-health.ts';
import { withHealth } from '../../../src/core/marathon/with-health.ts';
import type { ClusterSnapshot, Task } from '../../../src/core/mesos/snapshot.ts';
import {
  discovery,
  framework,
  type Json,
  labelled,
  masterState,
  port,
  running,
  snapshotOf,
  task,
} from '../../support/state-builder.ts';

/** A task of its own id; `more` may say that Mesos finds it unhealthy. */
function named(id: string, name: string, more: Json = {}): Json {
  return task(name, { id, ...more });
}

/** One behind VIPs. */
function balanced(id: string, name: string, ...vips: readonly string[]): Json {
  const ports = vips.map((vip, i) => labelled(port(80 + i, 'tcp'), { VIP_0: vip }));
  return named(id, name, { discovery: discovery(name, ...ports) });
}

const SICK: Json = { statuses: [running([], { healthy: false })] };

function cluster(tasks: readonly Json[], others: readonly Json[] = []): ClusterSnapshot {
  return snapshotOf(masterState([framework('marathon', tasks), framework('other', others)]));
}

function lay(
  snapshot: ClusterSnapshot,
  health: Readonly<Record<string, TaskHealth>>,
): ClusterSnapshot {
  return withHealth(snapshot, 'marathon', new Map(Object.entries(health)));
}

function tasksOf({ frameworks }: ClusterSnapshot): readonly Task[] {
  return frameworks.flatMap(({ tasks }) => tasks);
}

/** Ids of healthy tasks. */
function healthy(snapshot: ClusterSnapshot): string[] {
  return tasksOf(snapshot).flatMap(({ id, healthy: is }) => (is ? [id] : []));
}

test('a task that Marathon finds fault with is unhealthy', () => {
  const snapshot = cluster(['a', 'b', 'c', 'd'].map((id) => named(id, 'web')));
  const laid = lay(snapshot, { a: 'unhealthy', b: 'not-ready', c: 'healthy' });
  assert.deepEqual(healthy(laid), ['c', 'd']);
});

test('a task that Mesos finds fault with stays unhealthy', () => {
  const snapshot = cluster([named('a', 'web', SICK), named('b', 'web')]);
  assert.deepEqual(healthy(lay(snapshot, { a: 'healthy', b: 'healthy' })), ['b']);
});

test('what does not differ is the same object', () => {
  const snapshot = cluster([named('a', 'web'), named('b', 'web')], [named('c', 'db')]);
  assert.equal(lay(snapshot, {}), snapshot);
  assert.equal(lay(snapshot, { a: 'healthy', z: 'unhealthy' }), snapshot);
  const laid = lay(snapshot, { a: 'unhealthy' });
  assert.notEqual(laid, snapshot);
  assert.equal(laid.agents, snapshot.agents);
  assert.equal(laid.frameworks[1], snapshot.frameworks[1]);
  assert.equal(laid.frameworks[0]?.tasks[1], snapshot.frameworks[0]?.tasks[1]);
  assert.deepEqual(laid.frameworks[0]?.tasks[0], { ...tasksOf(snapshot)[0], healthy: false });
});

test('a task that stays unhealthy stays the same object', () => {
  const snapshot = cluster([named('a', 'web'), named('b', 'web'), named('c', 'web')]);
  const first = lay(snapshot, { a: 'unhealthy' });
  const second = lay(snapshot, { a: 'not-ready', b: 'unhealthy' });
  assert.equal(tasksOf(first)[0], tasksOf(second)[0]);
});

test('tasks of other frameworks are not Marathon’s', () => {
  const snapshot = cluster([named('x', 'web')], [named('a', 'web'), named('b', 'web')]);
  assert.equal(lay(snapshot, { a: 'unhealthy' }), snapshot);
});

test('of frameworks with the same name all are Marathon’s', () => {
  const twice = ['a', 'b'].map((id) => framework('marathon', [named(id, 'web')]));
  assert.deepEqual(healthy(lay(snapshotOf(masterState(twice)), { a: 'unhealthy' })), ['b']);
});

// Where Marathon leaves no choice

test('when Marathon finds fault with every instance, health is what Mesos says', () => {
  const snapshot = cluster([named('a', 'web'), named('b', 'web'), named('c', 'web', SICK)]);
  assert.equal(lay(snapshot, { a: 'unhealthy', b: 'not-ready', c: 'unhealthy' }), snapshot);
});

test('a service that is left alone keeps no other one from being told apart', () => {
  const snapshot = cluster([named('a', 'web'), named('b', 'db'), named('c', 'db')]);
  assert.deepEqual(healthy(lay(snapshot, { a: 'unhealthy', b: 'unhealthy' })), ['a', 'c']);
});

test('a VIP that several apps share has one healthy backend left if any has', () => {
  const snapshot = cluster([balanced('a', 'green', '/web:80'), balanced('b', 'blue', '/web:80')]);
  assert.deepEqual(healthy(lay(snapshot, { a: 'unhealthy' })), ['b']);
  assert.equal(lay(snapshot, { a: 'unhealthy', b: 'unhealthy' }), snapshot);
});

test('tasks of other frameworks stand in for none of Marathon’s', () => {
  const others = [balanced('c', 'web', '/web:80'), named('d', 'db')];
  const snapshot = cluster([balanced('a', 'web', '/web:80'), named('b', 'db')], others);
  assert.equal(lay(snapshot, { a: 'unhealthy', b: 'unhealthy' }), snapshot);
});

test('the last healthy backend of one VIP stays, though another VIP has more', () => {
  const tasks = [balanced('a', 'x', '/one:80', '/two:80'), balanced('b', 'y', '/two:80')];
  const snapshot = cluster(tasks);
  assert.equal(lay(snapshot, { a: 'unhealthy' }), snapshot);
});

test('a label VIP_PORT0 declares a VIP as well', () => {
  const labels = [{ key: 'VIP_PORT0', value: 'tcp://web:80' }];
  const snapshot = cluster([named('a', 'x', { labels }), named('b', 'y', { labels })]);
  assert.deepEqual(healthy(lay(snapshot, { a: 'unhealthy' })), ['b']);
});

const verdict = fc.constantFrom<TaskHealth>('healthy', 'unhealthy', 'not-ready');

test('whatever Marathon says, no VIP and no name without a VIP loses its last healthy task', () => {
  const member = fc.record({
    vips: fc.subarray(['/a:80', '/b:80']),
    name: fc.constantFrom('x', 'y'),
    sick: fc.boolean(),
    verdict: fc.option(verdict),
  });
  fc.assert(
    fc.property(fc.array(member, { maxLength: 8 }), (members) => {
      const tasks = members.map(({ vips, name, sick }, i) => ({
        ...balanced(`t${i}`, name, ...vips),
        ...(sick ? SICK : {}),
      }));
      const snapshot = cluster(tasks);
      const said = members.flatMap(({ verdict: one }, i) =>
        one === null ? [] : [[`t${i}`, one] as const],
      );
      const laid = lay(snapshot, Object.fromEntries(said));
      const places = (one: ClusterSnapshot): Set<string> =>
        new Set(
          tasksOf(one).flatMap(({ name, healthy: is, discoveryPorts }) => {
            const vips = discoveryPorts.flatMap(({ labels }) => labels.map(({ value }) => value));
            return is ? (vips.length > 0 ? vips : [name]) : [];
          }),
        );
      assert.deepEqual(places(laid), places(snapshot));
      // Nobody becomes healthy, and nobody of whom Marathon thinks well unhealthy.
      for (const [i, { healthy: is }] of tasksOf(laid).entries()) {
        const was = tasksOf(snapshot)[i]?.healthy;
        const faultless = (members[i]?.verdict ?? 'healthy') === 'healthy';
        assert.ok(is === was || (was === true && !faultless));
      }
    }),
  );
});
