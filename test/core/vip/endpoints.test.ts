import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Task } from '../../../src/core/mesos/snapshot.ts';
import {
  backendLines,
  build,
  type BuiltVips,
  buildTasks,
  codes,
  framework,
  inContainer,
  port,
  prefix,
  task,
} from './vip-cluster.ts';

const AUTO = { config: { auto: true } };

/** Task `number` of app `name`, in a container at 9.0.1.(number), with these ports. */
function app(
  name: string,
  number: number,
  ports: Task['discoveryPorts'],
  more: Partial<Task> = {},
): Task {
  return task(`t${number}`, ports, { name, ...inContainer(`9.0.1.${number}`), ...more });
}

/** `<plain name> = <identity>` of each plain name that stands for a service. */
function plain({ table }: BuiltVips): string[] {
  return [...table.plainNames].map(([name, { identity }]) => `${name} = ${identity}`);
}

test('with vip.auto every service has a VIP under its name for each of its ports', () => {
  const ports = [port(80), port(53, [], { protocol: 'tcp,udp' })];
  const built = buildTasks([app('My.App', 1, ports), app('My.App', 2, ports)], AUTO);
  assert.deepEqual(backendLines(built), [
    'my-app.marathon tcp 53 -> 9.0.1.1:53 9.0.1.2:53',
    'my-app.marathon tcp 80 -> 9.0.1.1:80 9.0.1.2:80',
    'my-app.marathon udp 53 -> 9.0.1.1:53 9.0.1.2:53',
  ]);
  assert.deepEqual([codes(built), plain(built)], [[], []]);
});

test('without vip.auto a port without labels has no VIP, and is not looked at', () => {
  const built = buildTasks([app('web', 1, [port(80), port(0), port(81, [], { protocol: '?' })])]);
  assert.deepEqual([built.table.services, built.rejections], [[], []]);
});

test('the discovery name goes before the task name', () => {
  const ports = [port(80)];
  const built = buildTasks([app('web', 1, ports, { discovery: { name: 'Shop', ports } })], AUTO);
  assert.deepEqual(backendLines(built), ['shop.marathon tcp 80 -> 9.0.1.1:80']);
});

test('vip.auto wants the same port numbers of all running instances', () => {
  const built = buildTasks(
    [
      app('web', 1, [port(80), port(81)]),
      app('web', 2, [port(80)]),
      app('db', 3, [port(81), port(80)]),
      app('db', 4, [port(80), port(81)]),
    ],
    AUTO,
  );
  assert.deepEqual(backendLines(built), [
    'db.marathon tcp 80 -> 9.0.1.3:80 9.0.1.4:80',
    'db.marathon tcp 81 -> 9.0.1.3:81 9.0.1.4:81',
  ]);
  assert.deepEqual(codes(built), []);
});

test('tasks that are killed have no say about ports, but are drained', () => {
  const dying = [app('web', 3, [port(80), port(99)])];
  const built = build([framework('marathon', [app('web', 1, [port(80)])], dying)], AUTO);
  assert.deepEqual(backendLines(built), ['web.marathon tcp 80 -> 9.0.1.1:80 9.0.1.3:80']);
  const last = build([framework('marathon', [], dying)], AUTO);
  assert.deepEqual(backendLines(last), [
    'web.marathon tcp 80 -> 9.0.1.3:80',
    'web.marathon tcp 99 -> 9.0.1.3:99',
  ]);
});

test('a declared VIP goes before vip.auto, even a bad one', () => {
  const ports = [port(80, ['VIP_0=/shop:8080']), port(81, ['VIP_0=bad']), port(82)];
  const built = buildTasks([app('web', 1, ports)], AUTO);
  assert.deepEqual(backendLines(built), [
    'shop.marathon tcp 8080 -> 9.0.1.1:80',
    'web.marathon tcp 82 -> 9.0.1.1:82',
  ]);
  assert.deepEqual(codes(built), ['vip-label-malformed']);
});

test('with vip.auto a mapped port is reached at the agent under its own number', () => {
  const one = app('web', 1, [port(80)], {
    network: 'bridge',
    portMappings: [{ protocol: '', containerPort: 80, hostPort: 31_000 }],
  });
  assert.deepEqual(backendLines(buildTasks([one], AUTO)), [
    'web.marathon tcp 80 -> 10.0.0.1:31000',
  ]);
});

test('a task without a name that can be asked for has no automatic VIP', () => {
  assert.deepEqual(buildTasks([app('日本', 1, [port(80)])], AUTO).table.services, []);
});

test('HOPLITE_ENDPOINT=dnsrr: the port has no VIP, declared or automatic', () => {
  const ports = [port(80, ['VIP_0=bad', 'HOPLITE_ENDPOINT=dnsrr']), port(81)];
  const built = buildTasks([app('web', 1, ports)], AUTO);
  assert.deepEqual(backendLines(built), ['web.marathon tcp 81 -> 9.0.1.1:81']);
  assert.deepEqual(codes(built), []);
});

test('HOPLITE_ENDPOINT=vip: the plain name stands for the declared VIP', () => {
  const ports = [port(80, ['VIP_0=/shop:8080', 'HOPLITE_ENDPOINT=vip'])];
  const built = buildTasks([app('web', 1, ports), app('web', 2, [port(80, ['VIP_0=/shop:8080'])])]);
  assert.deepEqual(plain(built), ['web.marathon = shop.marathon']);
  assert.equal(built.table.plainNames.get('web.marathon'), built.table.services[0]);
});

test('HOPLITE_ENDPOINT=vip without a VIP label declares one under the name of the task', () => {
  const built = buildTasks([app('web', 1, [port(80, ['HOPLITE_ENDPOINT=vip']), port(81)])]);
  assert.deepEqual(backendLines(built), ['web.marathon tcp 80 -> 9.0.1.1:80']);
  assert.deepEqual(plain(built), ['web.marathon = web.marathon']);
});

test('a plain name of several VIPs stands for the first of them with an address', () => {
  const ports = [port(80, ['VIP_0=b:80', 'VIP_1=a:80', 'HOPLITE_ENDPOINT=vip'])];
  const built = buildTasks([app('web', 1, ports)]);
  assert.deepEqual(plain(built), ['web.marathon = a.marathon']);
  const none = buildTasks([app('web', 1, ports)], { config: { pool: [] } });
  assert.deepEqual(plain(none), []);
  assert.deepEqual(codes(none), ['vip-pool-exhausted', 'vip-pool-exhausted']);
  const declared = [port(80, ['VIP_0=10.208.0.9:80', 'HOPLITE_ENDPOINT=vip'])];
  assert.deepEqual(plain(buildTasks([app('web', 1, declared)])), ['web.marathon = 10.208.0.9']);
});

test('every text that a task name starts with stands for the VIP', () => {
  const ports = [port(80, ['VIP_0=a:80', 'HOPLITE_ENDPOINT=vip'])];
  const built = buildTasks([app('x', 1, ports, { discovery: { name: 'my_app', ports } })]);
  assert.deepEqual(plain(built), ['my-app.marathon = a.marathon', 'my_app.marathon = a.marathon']);
});

test('a killed task gives no plain name', () => {
  const dying = app('web', 1, [port(80, ['VIP_0=a:80', 'HOPLITE_ENDPOINT=vip'])]);
  assert.deepEqual(plain(build([framework('marathon', [], [dying])])), []);
});

test('a task has at most 256 VIPs', () => {
  const ports = Array.from({ length: 10 }, (_, p) =>
    port(
      80 + p,
      Array.from({ length: 32 }, (_, i) => `VIP_${i}=web-${p}-${i}:80`),
    ),
  );
  const built = buildTasks([app('web', 1, ports)]);
  assert.equal(built.table.services.length, 256);
  assert.deepEqual(codes(built), ['vip-too-many-labels', 'vip-too-many-labels']);
});

test('a VIP port has at most 10,000 backends', () => {
  const vip = [port(80, ['VIP_0=web:80'])];
  const tasks = Array.from({ length: 10_001 }, (_, i) =>
    task(`t${i}`, vip, inContainer(`9.${1 + (i >>> 16)}.${(i >>> 8) & 255}.${i & 255}`)),
  );
  const built = buildTasks(tasks, { config: { ranges: [prefix('192.168.0.0/16')] } });
  const [only] = built.table.services[0]?.ports ?? [];
  assert.equal(only?.backends.length, 10_000);
  assert.equal(only.backends.at(-1)?.address.text, '9.1.39.15');
  assert.deepEqual(codes(built), ['vip-too-many-backends']);
});

test('one task serves a VIP at 16 addresses at most', () => {
  const addresses = Array.from({ length: 20 }, (_, i) => `9.0.2.${i + 1}`);
  const built = buildTasks([task('a', [port(80, ['VIP_0=web:80'])], inContainer(...addresses))]);
  assert.equal(built.table.services[0]?.ports[0]?.backends.length, 16);
});
