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
  ip,
  onlyBackend,
  port,
  prefix,
  task,
  weightLines,
} from './vip-cluster.ts';

/** A task in a container at 9.0.1.(number), port 80, whose port has these labels. */
function web(number: number, labels: readonly string[], more: Partial<Task> = {}): Task {
  return task(`t${number}`, [port(80, labels)], { ...inContainer(`9.0.1.${number}`), ...more });
}

const VIP_80 = ['VIP_0=/web:80'];

test('all spellings of a name are one service, and no error', () => {
  const spellings = ['/web', 'web', '/Web', '//web', '/we/b', 'w_e_b'.replaceAll('_', '/')];
  const built = buildTasks(spellings.map((name, i) => web(i + 1, [`VIP_0=${name}:80`])));
  assert.equal(built.table.services.length, 1);
  assert.equal(built.table.services[0]?.ports[0]?.backends.length, spellings.length);
  assert.deepEqual(codes(built), []);
});

test('blue and green of several frameworks of one name share their VIPs', () => {
  const built = build([
    framework('marathon', [web(1, VIP_80, { name: 'blue' })]),
    framework('Marathon', [web(2, VIP_80, { name: 'green' })]),
    framework('other', [web(3, VIP_80)]),
  ]);
  assert.deepEqual(backendLines(built), [
    'web.marathon tcp 80 -> 9.0.1.1:80 9.0.1.2:80',
    'web.other tcp 80 -> 9.0.1.3:80',
  ]);
});

test('names that are one in DNS are one service', () => {
  const built = build([
    framework('c', [web(1, ['VIP_0=a.b:80'])]),
    framework('b.c', [web(2, ['VIP_0=a:80'])]),
  ]);
  assert.deepEqual(backendLines(built), ['a.b.c tcp 80 -> 9.0.1.1:80 9.0.1.2:80']);
  const [service] = built.table.services;
  assert.deepEqual([service?.name, service?.framework], ['a', 'b.c']);
});

test('a port may have several VIPs, and one of them twice', () => {
  const built = buildTasks([
    web(1, ['VIP_0=/web:80', 'VIP_1=/web:81', 'vip2=api:80', 'VIP=WEB:80', 'VIP_3=10.208.0.9:80']),
  ]);
  assert.deepEqual(backendLines(built), [
    '10.208.0.9 tcp 80 -> 9.0.1.1:80',
    'api.marathon tcp 80 -> 9.0.1.1:80',
    'web.marathon tcp 80 -> 9.0.1.1:80',
    'web.marathon tcp 81 -> 9.0.1.1:80',
  ]);
  assert.deepEqual(codes(built), []);
});

test('tcp, udp and sctp of one name are ports of one service', () => {
  const ports = ['TCP', 'udp', 'Sctp', ''].map((protocol, i) => port(80 + i, VIP_80, { protocol }));
  const built = buildTasks([task('a', ports, inContainer('9.0.1.1'))]);
  assert.equal(built.table.services.length, 1);
  assert.deepEqual(backendLines(built), [
    'web.marathon sctp 80 -> 9.0.1.1:82',
    'web.marathon tcp 80 -> 9.0.1.1:80 9.0.1.1:83',
    'web.marathon udp 80 -> 9.0.1.1:81',
  ]);
});

test('a port of another protocol, or of number 0, loses only its own VIPs', () => {
  const built = buildTasks([
    task(
      'a',
      [
        port(80, VIP_80, { protocol: 'udp,tcp' }),
        port(81, VIP_80, { protocol: 'http' }),
        port(0, VIP_80),
        port(82, VIP_80),
        port(0, [], { protocol: 'odd' }),
      ],
      inContainer('9.0.1.1'),
    ),
  ]);
  assert.deepEqual(backendLines(built), ['web.marathon tcp 80 -> 9.0.1.1:82']);
  const path = 'tasks.a.discovery.ports';
  assert.deepEqual(built.rejections, [
    { path: `${path}.ports[0].protocol`, code: 'vip-protocol', value: 'udp,tcp' },
    { path: `${path}.ports[1].protocol`, code: 'vip-protocol', value: 'http' },
    { path: `${path}.ports[2].number`, code: 'vip-port-number', value: '0' },
  ]);
});

test('a bad label loses only itself, and says where it stands', () => {
  const built = buildTasks([web(1, ['VIP_0=web', 'VIP_1=/%:80', 'VIP_2=web:0', 'VIP_3=web:80'])]);
  assert.deepEqual(backendLines(built), ['web.marathon tcp 80 -> 9.0.1.1:80']);
  const path = 'tasks.t1.discovery.ports.ports[0].labels';
  assert.deepEqual(built.rejections, [
    { path: `${path}.VIP_0`, code: 'vip-label-malformed', value: 'web' },
    { path: `${path}.VIP_1`, code: 'vip-name-empty', value: '/%:80' },
    { path: `${path}.VIP_2`, code: 'vip-port-out-of-range', value: 'web:0' },
  ]);
});

test('a name is rejected if one of its names under the longest domain is too long', () => {
  const around = '_._sctp.marathon.l4lb.thisdcos.directory.'.length + 1;
  const name = (length: number): string => `${'a.'.repeat(length >>> 1)}${'b'.repeat(length & 1)}`;
  const longest = name(255 - around - 1 + ((255 - around) & 1));
  const fitting = longest.replace(/\.$/, '');
  const good = buildTasks([web(1, [`VIP_0=${fitting}:80`])]);
  assert.deepEqual(codes(good), []);
  assert.ok(fitting.length + around <= 255 && fitting.length + around >= 253);
  const bad = buildTasks([web(1, [`VIP_0=${fitting}.ccc:80`])]);
  assert.deepEqual(codes(bad), ['vip-name-too-long']);
  const domain = 'a.very.long.domain.of.a.very.large.company';
  assert.deepEqual(codes(buildTasks([web(1, [`VIP_0=${fitting}:80`])], { domain })), [
    'vip-name-too-long',
  ]);
});

test('a framework of which no name is left has declared addresses only', () => {
  const built = build([framework('%%%', [web(1, ['VIP_0=web:80', 'VIP_1=10.208.0.9:80'])])]);
  assert.deepEqual(backendLines(built), ['10.208.0.9 tcp 80 -> 9.0.1.1:80']);
  assert.deepEqual(codes(built), ['name-empty', 'vip-framework-empty']);
});

test('an address may be declared in the pools and ranges, by several frameworks', () => {
  const config = {
    poolIpv6: [prefix('fd01:c::/64')],
    ranges: [prefix('192.168.7.0/24')],
    exclude: [prefix('10.208.0.0/24')],
  };
  const labels = ['10.208.0.9', '192.168.7.1', 'fd01:c::9', '11.0.0.1', 'fd01:d::1'];
  const one = web(
    1,
    labels.map((address, i) => `VIP_${i}=${address}:80`),
    {
      ...inContainer('9.0.1.1', 'fd00::1'),
    },
  );
  const two = web(2, ['VIP_0=10.208.0.9:80']);
  const built = build([framework('a', [one]), framework('b', [two])], { config });
  assert.deepEqual(backendLines(built), [
    '10.208.0.9 tcp 80 -> 9.0.1.1:80 9.0.1.2:80',
    '192.168.7.1 tcp 80 -> 9.0.1.1:80',
    'fd01:c::9 tcp 80 -> [fd00::1]:80',
  ]);
  assert.deepEqual(codes(built), ['vip-address-outside-pool', 'vip-address-outside-pool']);
  const [explicit, , explicit6] = built.table.services;
  assert.deepEqual([explicit?.name, explicit?.framework, explicit?.ipv6], [null, null, null]);
  assert.equal(explicit?.ipv4?.text, '10.208.0.9');
  assert.equal(explicit6?.ipv6?.text, 'fd01:c::9');
});

test('the address of an agent cannot be declared, since the agent would lose it', () => {
  const config = { ranges: [prefix('10.0.0.0/24')] };
  const declares = web(1, ['VIP_0=10.0.0.1:5051'], inContainer('9.0.1.1'));
  const built = build([framework('a', [declares])], { config });
  assert.deepEqual(backendLines(built), []);
  assert.ok(codes(built).includes('vip-address-taken'));
});

test('a name that reads like a declared address is another service', () => {
  const built = build([framework('1', [web(1, ['VIP_0=10.208.0:80', 'VIP_1=10.208.0.1:81'])])]);
  assert.deepEqual(
    built.table.services.map(({ identity, name }) => [identity, name]),
    [
      ['10.208.0.1', null],
      ['10.208.0.1', '10.208.0'],
    ],
  );
  assert.notEqual(built.table.services[1]?.ipv4?.text, '10.208.0.1');
});

test('weight is what the task is worth: none while it is unhealthy or being killed', () => {
  const labels = ['VIP_0=/web:80', 'HOPLITE_WEIGHT=7'];
  const running = [
    web(1, VIP_80),
    web(2, labels),
    web(3, labels, { healthy: false }),
    web(4, ['VIP_0=/web:80', 'HOPLITE_WEIGHT=0']),
  ];
  const built = build([framework('marathon', running, [web(5, labels)])]);
  assert.deepEqual(weightLines(built), [
    'web.marathon tcp 80 -> 9.0.1.1:80 x1 9.0.1.2:80 x7 9.0.1.3:80 x0 9.0.1.4:80 x0 9.0.1.5:80 x0',
  ]);
  const states = built.table.services[0]?.ports[0]?.backends.map(({ state }) => state);
  assert.deepEqual(states, ['running', 'running', 'running', 'running', 'killing']);
});

test('a service whose last task is being killed keeps its address', () => {
  const alive = build([framework('marathon', [web(1, VIP_80)])]);
  const dying = build([framework('marathon', [], [web(1, VIP_80)])]);
  assert.equal(dying.table.services[0]?.ipv4?.text, alive.table.services[0]?.ipv4?.text);
});

test('a task of an unknown agent has no VIPs, running or being killed', () => {
  const lost = web(1, VIP_80, { agentId: 'S9' });
  const built = build([framework('marathon', [lost], [lost, web(2, [])])]);
  assert.deepEqual(built.table.services, []);
  assert.deepEqual(codes(built), ['agent-unknown', 'agent-unknown']);
});

test('of two tasks at one address and port the better one counts', () => {
  const at = { networkAddresses: [ip('9.0.1.1')] };
  const tasks = [web(1, VIP_80, { ...at, healthy: false }), web(3, VIP_80, at), web(2, VIP_80, at)];
  for (const order of [tasks, tasks.toReversed()]) {
    const backend = onlyBackend(buildTasks(order));
    assert.deepEqual([backend.taskId, backend.weight], ['t2', 1]);
  }
});

test('thresholds and forwarding are those of the port', () => {
  const labels = ['HOPLITE_UPPER_THRESHOLD=9', 'HOPLITE_LOWER_THRESHOLD=5'];
  const built = buildTasks([web(1, [...VIP_80, ...labels, 'HOPLITE_FORWARDING=direct'])]);
  const { upperThreshold, lowerThreshold, forwarding } = onlyBackend(built);
  assert.deepEqual([upperThreshold, lowerThreshold, forwarding], [9, 5, 'direct']);
});

test('direct and tunnel need the VIP port at the backend', () => {
  for (const method of ['direct', 'tunnel']) {
    const built = buildTasks([web(1, ['VIP_0=/web:8080', `HOPLITE_FORWARDING=${method}`])]);
    assert.equal(onlyBackend(built).forwarding, 'masq');
    assert.deepEqual(codes(built), ['vip-forwarding']);
  }
});

/** Scheduler, flags and persistence of the only port. */
function balancing({ table }: BuiltVips): unknown[] {
  const [only] = table.services[0]?.ports ?? [];
  return [only?.scheduler, only?.schedulerFlags, only?.persistenceSeconds];
}

test('scheduler and persistence are what a task declares, else the defaults', () => {
  const labels = [...VIP_80, 'HOPLITE_SCHEDULER=mh,port', 'HOPLITE_PERSISTENCE=300'];
  assert.deepEqual(balancing(buildTasks([web(1, VIP_80)])), ['wlc', 0, 0]);
  assert.deepEqual(balancing(buildTasks([web(1, VIP_80), web(2, labels)])), ['mh', 0x10, 300]);
  const config = { scheduler: 'rr' };
  assert.deepEqual(balancing(buildTasks([web(1, VIP_80)], { config })), ['rr', 0, 0]);
});

test('if tasks disagree the running one of the least id decides, and it is reported once', () => {
  const declares = (number: number, scheduler: string): Task =>
    web(number, [...VIP_80, `HOPLITE_SCHEDULER=${scheduler}`]);
  const running = [declares(3, 'sh'), declares(2, 'rr'), declares(5, 'rr'), declares(4, 'lc')];
  for (const order of [running, running.toReversed()]) {
    const built = build([framework('marathon', order, [declares(1, 'mh')])]);
    assert.deepEqual(balancing(built), ['rr', 0, 0]);
    assert.deepEqual(built.rejections, [
      {
        path: 'tasks.t3.discovery.ports.ports[0].labels.HOPLITE_SCHEDULER',
        code: 'vip-option-conflict',
        value: 'web.marathon:80/tcp sh',
      },
    ]);
  }
});

test('what a killed task declares counts while none runs', () => {
  const dying = web(1, [...VIP_80, 'HOPLITE_SCHEDULER=mh']);
  assert.deepEqual(balancing(build([framework('marathon', [], [dying])])), ['mh', 0, 0]);
  const built = build([framework('marathon', [web(2, VIP_80)], [dying])]);
  assert.deepEqual(balancing(built), ['wlc', 0, 0]);
});

test('a bad option loses only itself', () => {
  const built = buildTasks([web(1, [...VIP_80, 'HOPLITE_WEIGHT=x', 'HOPLITE_COLOUR=red'])]);
  assert.equal(onlyBackend(built).weight, 1);
  assert.deepEqual(codes(built).sort(), ['hoplite-label-unknown', 'hoplite-label-value']);
});

test('VIPs that are switched off are none', () => {
  const built = buildTasks([web(1, ['VIP_0=bad'])], { config: { enabled: false } });
  assert.deepEqual([built.table.services, built.rejections], [[], []]);
});

test('an exhausted pool leaves the last in order without an address, and reports them', () => {
  const tasks = [1, 2, 3, 4, 5].map((number) => web(number, [`VIP_0=web-${number}:80`]));
  const built = buildTasks(tasks, { config: { pool: [prefix('10.208.0.4/30')] } });
  const given = built.table.services.map(({ ipv4 }) => ipv4).filter((one) => one !== null);
  assert.equal(given.length, 4);
  assert.deepEqual(codes(built), ['vip-pool-exhausted']);
});

test('a declared address is not handed out to a name', () => {
  const config = { pool: [prefix('10.208.0.4/31')] };
  const built = buildTasks([web(1, ['VIP_0=10.208.0.4:80', 'VIP_1=web:80'])], { config });
  assert.equal(built.table.services[1]?.ipv4?.text, '10.208.0.5');
});
