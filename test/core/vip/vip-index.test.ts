import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RejectionList } from '../../../src/core/base/rejection.ts';
import type { VipConfig } from '../../../src/core/config/config.ts';
import type { Task } from '../../../src/core/mesos/snapshot.ts';
import { VipIndex } from '../../../src/core/vip/vip-index.ts';
import type { VipService } from '../../../src/core/vip/vip-table.ts';
import type { VipTask } from '../../../src/core/vip/vip-task.ts';
import { agent, NAMES, port, prefix, task, VIP } from './vip-cluster.ts';

const AGENTS = { agents: [agent(0), agent(1)], hosts: new Map() };

function running(one: Task): VipTask {
  return { task: one, framework: 'marathon', labels: [one.name], state: 'running' };
}

/** Task `id` with one discovery port. */
function declaring(id: string, labels: readonly string[], more: Partial<Task> = {}): VipTask {
  return running(task(id, [port(31_000, labels)], more));
}

function indexOf(tasks: readonly VipTask[], config: Partial<VipConfig> = {}): VipIndex {
  const index = new VipIndex({ ...VIP, ...config }, NAMES, 'mesos');
  index.reset(AGENTS, tasks, new RejectionList());
  return index;
}

const identities = (services: readonly VipService[]): string[] =>
  services.map(({ identity }) => identity);

test('a task that declares the same in a new version leaves the table as it is', () => {
  const old = declaring('a', ['VIP_0=/web:80']);
  const index = indexOf([old, declaring('b', ['VIP_0=/db:80'])]);
  const { table } = index;
  const update = index.update([old], [declaring('a', ['VIP_0=/web:80'])], new RejectionList());
  assert.deepEqual(update?.changed, []);
  assert.deepEqual(update.before, []);
  assert.equal(index.table, table);
});

test('only the service of the changed task is another object', () => {
  const old = declaring('a', ['VIP_0=/web:80']);
  const index = indexOf([old, declaring('b', ['VIP_0=/db:80'])]);
  const [db, web] = index.table.services;
  const ill = declaring('a', ['VIP_0=/web:80'], { healthy: false });
  const update = index.update([old], [ill], new RejectionList());
  assert.deepEqual(identities(update?.changed ?? []), ['web.marathon']);
  assert.deepEqual(update?.before, [web]);
  const [dbNow, webNow] = index.table.services;
  assert.equal(dbNow, db);
  assert.deepEqual(
    webNow?.ports[0]?.backends.map(({ weight }) => weight),
    [0],
  );
});

test('a declared address that comes moves who was there, and moves it back when it goes', () => {
  const web = declaring('a', ['VIP_0=/web:80']);
  const index = indexOf([web], { pool: [prefix('10.208.0.0/30')] });
  const before = index.table.services[0]?.ipv4?.text;
  assert.ok(before !== undefined);
  const squatter = declaring('b', [`VIP_0=${before}:80`]);
  const came = index.update([], [squatter], new RejectionList());
  assert.deepEqual(identities(came?.changed ?? []).sort(), [before, 'web.marathon']);
  assert.notEqual(index.table.services[1]?.ipv4?.text, before);
  const went = index.update([squatter], [], new RejectionList());
  assert.deepEqual(identities(went?.changed ?? []), ['web.marathon']);
  assert.deepEqual(identities(went?.before ?? []).sort(), [before, 'web.marathon']);
  assert.equal(index.table.services[0]?.ipv4?.text, before);
});

test('a service that gets an address at last is no longer reported', () => {
  const first = declaring('a', ['VIP_0=/web:80']);
  const second = declaring('b', ['VIP_0=/db:80']);
  const pool = { pool: [prefix('10.208.0.1/32')] };
  const index = new VipIndex({ ...VIP, ...pool }, NAMES, 'mesos');
  const rejections = new RejectionList();
  index.reset(AGENTS, [first, second], rejections);
  assert.deepEqual(
    rejections.items.map(({ code }) => code),
    ['vip-pool-exhausted'],
  );
  const [lucky, other] =
    rejections.items[0]?.path.startsWith(first.task.path) === true
      ? [second, first]
      : [first, second];
  const later = new RejectionList();
  const update = index.update([lucky], [], later);
  assert.deepEqual([...(update?.lookedAt ?? [])], [other]);
  assert.deepEqual(later.items, []);
  assert.notEqual(index.table.services[0]?.ipv4, null);
});

test('a disagreeing instance takes the automatic VIP from all, and gives it back as it goes', () => {
  const auto = { auto: true };
  const tasks = ['a', 'b'].map((id) => declaring(id, []));
  const index = indexOf(tasks, auto);
  assert.deepEqual(identities(index.table.services), ['web.marathon']);
  const odd = running(task('c', [port(31_001)]));
  const came = index.update([], [odd], new RejectionList());
  assert.deepEqual(identities(came?.before ?? []), ['web.marathon']);
  assert.deepEqual(index.table.services, []);
  index.update([odd], [], new RejectionList());
  assert.deepEqual(index.table, indexOf(tasks, auto).table);
});

test('what is cut off a task with very many ports does not depend on its instances', () => {
  const auto = { auto: true };
  const numbers = Array.from({ length: 300 }, (_, i) => 1_000 + i);
  const ports = [...numbers.map((number) => port(number)), port(80, ['VIP_0=/late:80'])];
  const many = running(task('a', ports));
  const index = indexOf([many], auto);
  assert.equal(index.table.services[0]?.ports.length, 256);
  const odd = running(task('b', [port(1)]));
  index.update([], [odd], new RejectionList());
  assert.deepEqual(index.table, indexOf([many, odd], auto).table);
  assert.deepEqual(index.table.services, []);
});

test('an index asks to be made anew if more than a quarter of many tasks changed', () => {
  const tasks = Array.from({ length: 400 }, (_, i) => declaring(`t${i}`, [`VIP_0=/app${i}:80`]));
  const index = indexOf(tasks);
  assert.equal(index.update(tasks.slice(0, 101), [], new RejectionList()), null);
  assert.equal(index.update(tasks.slice(0, 100), [], new RejectionList())?.before.length, 100);
  assert.deepEqual(index.table, indexOf(tasks.slice(100)).table);
});

test('without VIPs an index is empty whatever comes', () => {
  const index = indexOf([declaring('a', ['VIP_0=/web:80'])], { enabled: false });
  const update = index.update([], [declaring('b', ['VIP_0=/db:80'])], new RejectionList());
  assert.deepEqual(update?.changed, []);
  assert.deepEqual(index.table.services, []);
});
