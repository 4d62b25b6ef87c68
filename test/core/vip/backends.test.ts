import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Task } from '../../../src/core/mesos/snapshot.ts';
import {
  agent,
  backendLines,
  buildTasks,
  codes,
  inContainer,
  ip,
  onlyBackend,
  port,
  prefix,
  task,
} from './vip-cluster.ts';

const VIP_80 = ['VIP_0=/web:80'];

const mapping = (
  containerPort: number,
  hostPort: number,
  protocol = 'tcp',
): Task['portMappings'][number] => ({ protocol, containerPort, hostPort });

interface Mode {
  readonly name: string;
  readonly task: Task;
  /** What others send to. */
  readonly backend: string;
  /** What the task's own agent sends to, if it is another place. */
  readonly onAgent?: string;
}

const bridged: Partial<Task> = {
  network: 'bridge',
  networkAddresses: [ip('172.17.0.2')],
  portMappings: [mapping(8080, 31_000)],
};
const withMapping: Partial<Task> = {
  ...inContainer('9.0.1.2'),
  portMappings: [mapping(8080, 31_000)],
};
const hostScope = port(31_000, VIP_80, { scope: 'host' });

const MODES: readonly Mode[] = [
  { name: 'HOST', task: task('a', [port(31_000, VIP_80)]), backend: '10.0.0.1:31000' },
  {
    name: 'HOST with a port that says so',
    task: task('a', [hostScope]),
    backend: '10.0.0.1:31000',
  },
  {
    name: 'HOST without an address of its own',
    task: task('a', [port(31_000, VIP_80)], { networkAddresses: [] }),
    backend: '10.0.0.1:31000',
  },
  {
    name: 'BRIDGE of Docker',
    task: task('a', [port(8080, VIP_80)], { ...bridged, isDocker: true }),
    backend: '10.0.0.1:31000',
  },
  {
    name: 'BRIDGE of Docker by its host port',
    task: task('a', [hostScope], { ...bridged, isDocker: true }),
    backend: '10.0.0.1:31000',
  },
  {
    name: 'BRIDGE of Mesos',
    task: task('a', [port(8080, VIP_80)], bridged),
    backend: '10.0.0.1:31000',
    onAgent: '172.17.0.2:8080',
  },
  {
    name: 'a pod by its host port',
    task: task('a', [hostScope], bridged),
    backend: '10.0.0.1:31000',
    onAgent: '172.17.0.2:8080',
  },
  {
    name: 'CONTAINER',
    task: task('a', [port(8080, VIP_80)], inContainer('9.0.1.2')),
    backend: '9.0.1.2:8080',
  },
  {
    name: 'CONTAINER with a mapped host port',
    task: task('a', [port(8080, VIP_80)], withMapping),
    backend: '10.0.0.1:31000',
    onAgent: '9.0.1.2:8080',
  },
  {
    name: 'CONTAINER of Docker with a mapped host port',
    task: task('a', [port(8080, VIP_80)], { ...withMapping, isDocker: true }),
    backend: '10.0.0.1:31000',
  },
  {
    name: 'CONTAINER with another port mapped',
    task: task('a', [port(9090, VIP_80)], withMapping),
    backend: '9.0.1.2:9090',
  },
  {
    name: 'CONTAINER with the port mapped for udp only',
    task: task('a', [port(8080, VIP_80)], {
      ...withMapping,
      portMappings: [mapping(8080, 31_000, 'udp')],
    }),
    backend: '9.0.1.2:8080',
  },
  {
    name: 'CONTAINER with a host port that is not mapped',
    task: task('a', [hostScope], inContainer('9.0.1.2')),
    backend: '10.0.0.1:31000',
  },
  {
    name: 'VIP_PORT of the second host port',
    task: task('a', [], {
      hostPorts: [31_000, 31_001],
      vipPortLabels: [{ index: '1', value: 'tcp://web:80' }],
    }),
    backend: '10.0.0.1:31001',
  },
  {
    name: 'VIP_PORT of a mapped host port',
    task: task('a', [], {
      ...bridged,
      hostPorts: [31_000],
      vipPortLabels: [{ index: '0', value: 'tcp:///web:80' }],
    }),
    backend: '10.0.0.1:31000',
    onAgent: '172.17.0.2:8080',
  },
];

for (const { name, task: one, backend, onAgent } of MODES) {
  test(`${name} is reached at ${backend}, on its own agent at ${onAgent ?? 'the same'}`, () => {
    const built = buildTasks([one]);
    assert.deepEqual(codes(built), []);
    assert.deepEqual(backendLines(built), [`web.marathon tcp 80 -> ${backend}`]);
    const local = onlyBackend(built).onAgent;
    assert.equal(local === null ? undefined : `${local.address.text}:${local.port}`, onAgent);
  });
}

test('a container with several addresses is reached at each', () => {
  const built = buildTasks([task('a', [port(80, VIP_80)], inContainer('9.0.1.3', '9.0.1.2'))]);
  assert.deepEqual(backendLines(built), ['web.marathon tcp 80 -> 9.0.1.2:80 9.0.1.3:80']);
});

test('declarations of one port in the host network are one port with all VIPs and options', () => {
  const one = task('a', [port(31_000, ['VIP_0=/web:80', 'HOPLITE_WEIGHT=5'])], {
    hostPorts: [31_000],
    vipPortLabels: [{ index: '0', value: 'tcp://old:81' }],
  });
  const built = buildTasks([one]);
  const weights = built.table.services.map(({ ports }) => ports[0]?.backends[0]?.weight);
  assert.deepEqual(backendLines(built), [
    'old.marathon tcp 81 -> 10.0.0.1:31000',
    'web.marathon tcp 80 -> 10.0.0.1:31000',
  ]);
  assert.deepEqual(weights, [5, 5]);
});

test('a legacy label of no port, or of another scheme, loses only itself', () => {
  const labels = [
    ['0', 'udp://web:80'],
    ['1', 'tcp://past:80'],
    ['-1', 'tcp://negative:80'],
    ['x', 'tcp://word:80'],
    ['', 'tcp://none:80'],
    ['0', 'http://web:80'],
    ['0', 'web:80'],
    ['0', 'tcp://:80'],
  ] as const;
  const built = buildTasks([
    task('a', [], {
      hostPorts: [31_000],
      vipPortLabels: labels.map(([index, value]) => ({ index, value })),
    }),
  ]);
  assert.deepEqual(backendLines(built), ['web.marathon udp 80 -> 10.0.0.1:31000']);
  assert.deepEqual(codes(built), [
    'vip-port-index',
    'vip-port-index',
    'vip-port-index',
    'vip-port-index',
    'vip-port-scheme',
    'vip-port-scheme',
    'vip-name-empty',
  ]);
});

test('a task on a container network without an address loses only its own VIPs', () => {
  const built = buildTasks([
    task('a', [port(80, VIP_80)], inContainer()),
    task('b', [port(80, VIP_80)], inContainer('9.0.1.2')),
  ]);
  assert.deepEqual(backendLines(built), ['web.marathon tcp 80 -> 9.0.1.2:80']);
  assert.deepEqual(built.rejections, [
    {
      path: 'tasks.a.discovery.ports.ports[0].labels.VIP_0',
      code: 'vip-no-address',
      value: 'a',
    },
  ]);
});

const V6_POOL = { poolIpv6: [prefix('fd01:c::/64')] };

test('IPv6 backends of names count only where there are IPv6 VIPs', () => {
  const tasks = [task('a', [port(80, VIP_80)], inContainer('9.0.1.2', 'fd00::2'))];
  const ipv4 = buildTasks(tasks);
  assert.deepEqual(backendLines(ipv4), ['web.marathon tcp 80 -> 9.0.1.2:80']);
  assert.equal(ipv4.table.services[0]?.ipv6, null);
  const both = buildTasks(tasks, { config: V6_POOL });
  assert.deepEqual(backendLines(both), ['web.marathon tcp 80 -> 9.0.1.2:80 [fd00::2]:80']);
  assert.match(both.table.services[0]?.ipv6?.text ?? '', /^fd01:c::/);
});

test('a service has an address of a family only if it has a backend of it', () => {
  const tasks = [task('a', [port(80, VIP_80)], inContainer('fd00::2'))];
  const [service] = buildTasks(tasks, { config: V6_POOL }).table.services;
  assert.ok(service !== undefined);
  assert.equal(service.ipv4, null);
  assert.notEqual(service.ipv6, null);
  const without = buildTasks(tasks);
  assert.deepEqual([without.table.services, without.rejections], [[], []]);
});

test('a declared address takes only backends of its family', () => {
  const labels = ['VIP_0=fd01:c::5:80', 'VIP_1=10.208.0.5:80'];
  const both = task('a', [port(80, labels)], inContainer('9.0.1.2', 'fd00::2'));
  assert.deepEqual(backendLines(buildTasks([both], { config: V6_POOL })), [
    '10.208.0.5 tcp 80 -> 9.0.1.2:80',
    'fd01:c::5 tcp 80 -> [fd00::2]:80',
  ]);
  const mapped = task('b', [port(8080, labels)], bridged);
  const built = buildTasks([mapped], { config: V6_POOL });
  assert.deepEqual(backendLines(built), ['10.208.0.5 tcp 80 -> 10.0.0.1:31000']);
  assert.deepEqual(codes(built), ['vip-family']);
});

test('an agent is where its host name says if that is an address, else where it was looked up', () => {
  const tasks = [task('a', [port(31_000, VIP_80, { scope: 'host' })], inContainer('9.0.1.2'))];
  const endpoint = { host: 'node', port: 5051 };
  const hosts = new Map([['node', ['10.0.9.1', '10.0.9.2', 'fd00::9', 'fd00::a'].map(ip)]]);
  const named = agent(0, { hostname: '10.0.8.1', endpoint });
  const looked = agent(0, { hostname: 'node.example', endpoint });
  const lines = (one: typeof named): string[] =>
    backendLines(buildTasks(tasks, { agents: [one], hosts, config: V6_POOL }));
  assert.deepEqual(lines(named), ['web.marathon tcp 80 -> 10.0.8.1:31000']);
  assert.deepEqual(lines(looked), ['web.marathon tcp 80 -> 10.0.9.1:31000 [fd00::9]:31000']);
  const unknown = buildTasks(tasks, { agents: [looked] });
  assert.deepEqual(codes(unknown), ['vip-no-address']);
});

test('an address among the VIPs is no backend, and is reported once of each task', () => {
  const ports = [port(80, VIP_80), port(81, ['VIP_0=/web:81'])];
  const built = buildTasks(
    ['a', 'b'].map((id) => task(id, ports, inContainer('10.208.0.9', '9.0.1.2'))),
  );
  assert.deepEqual(backendLines(built), [
    'web.marathon tcp 80 -> 9.0.1.2:80',
    'web.marathon tcp 81 -> 9.0.1.2:81',
  ]);
  assert.deepEqual(built.rejections, [
    { path: 'tasks.a.statuses', code: 'address-in-vip-pool', value: '10.208.0.9' },
    { path: 'tasks.b.statuses', code: 'address-in-vip-pool', value: '10.208.0.9' },
  ]);
});

test('an address among the VIPs that an agent has is reported of the agent alone', () => {
  const config = { ranges: [prefix('10.0.0.0/24')] };
  const tasks = ['a', 'b'].map((id) => task(id, [port(80, VIP_80)]));
  const built = buildTasks(tasks, { agents: [agent(0)], config });
  assert.deepEqual(codes(built), ['address-in-vip-pool', 'vip-no-address', 'vip-no-address']);
  assert.equal(built.rejections[0]?.path, 'slaves[0]');
});

test('an agent among the VIPs is reported even if nothing runs there', () => {
  const config = { ranges: [prefix('10.0.0.0/24')] };
  const built = buildTasks([], { agents: [agent(4)], config });
  assert.deepEqual(built.rejections, [
    { path: 'slaves[4]', code: 'address-in-vip-pool', value: '10.0.0.5' },
  ]);
});

test('a part of the pool that is excluded may hold backends', () => {
  const tasks = [task('a', [port(80, VIP_80)], inContainer('10.208.0.9'))];
  const built = buildTasks(tasks, { config: { exclude: [prefix('10.208.0.0/24')] } });
  assert.deepEqual(backendLines(built), ['web.marathon tcp 80 -> 10.208.0.9:80']);
});

test('addresses that no host has are no backends', () => {
  const bad = ['0.0.0.0', '224.0.0.1', '255.255.255.255', '::', 'ff02::1'];
  const good = ['0.0.0.1', '127.0.0.1', '223.255.255.255', '255.255.255.254', 'fd00::1'];
  const built = buildTasks([task('a', [port(80, VIP_80)], inContainer(...bad, ...good))], {
    config: V6_POOL,
  });
  assert.deepEqual(
    built.table.services[0]?.ports[0]?.backends.map(({ address }) => address.text),
    good,
  );
  assert.deepEqual(
    codes(built),
    bad.map(() => 'vip-backend-address'),
  );
});
