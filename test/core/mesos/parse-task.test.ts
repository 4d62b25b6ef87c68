import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Rejection, RejectionList } from '../../../src/core/base/rejection.ts';
import { AddressCache, parseTask, taskPhase } from '../../../src/core/mesos/parse-task.ts';
import type { Task } from '../../../src/core/mesos/snapshot.ts';
import {
  agentId,
  type Json,
  killingTask,
  network,
  portMapping,
  running,
  task,
} from '../../support/state-builder.ts';

function read(value: unknown): { task: Task | null; rejections: readonly Rejection[] } {
  const rejections = new RejectionList();
  const parsed = parseTask(value, 'tasks[7]', new AddressCache(), rejections);
  return { task: parsed, rejections: rejections.items };
}

/** A task that can be read, without rejections unless the test says so. */
function good(more: Json, rejected: readonly Rejection[] = []): Task {
  const { task: parsed, rejections } = read(task('web', more));
  assert.ok(parsed !== null, 'the task is kept');
  assert.deepEqual(rejections, rejected);
  return parsed;
}

const KILLING = { state: 'TASK_KILLING', timestamp: 1_600_000_000 };

const texts = (addresses: readonly { text: string }[]): string[] =>
  addresses.map(({ text }) => text);

test('a plain task on the host network is read with all its parts', () => {
  assert.deepEqual(good({ resources: { ports: '[31000-31001]' }, statuses: [] }), {
    path: 'tasks[7]',
    phase: 'running',
    id: 'test',
    name: 'web',
    agentId: agentId(0),
    hostPorts: [31_000, 31_001],
    discovery: null,
    discoveryPorts: [],
    vipPortLabels: [],
    isDocker: false,
    container: { dockerNetwork: '', isNamed: false, portMappings: [], hasHealthCheck: false },
    networkAddresses: [],
    dockerAddresses: [],
    mesosAddresses: [],
    network: 'host',
    portMappings: [],
    healthy: true,
  });
});

const OTHER_STATES = [
  ...['TASK_ERROR', 'TASK_DROPPED', 'TASK_UNREACHABLE', 'TASK_UNKNOWN', 'TASK_FINISHED'],
  ...['TASK_FAILED', 'TASK_KILLED', 'TASK_LOST', 'TASK_GONE', 'task_running', '', 1, null],
];
for (const state of OTHER_STATES) {
  test(`a task in state ${JSON.stringify(state)} is left out silently`, () => {
    assert.deepEqual(read(task('web', { state, id: 1 })), { task: null, rejections: [] });
  });
}

const UNUSABLE: readonly (readonly [what: string, value: unknown, path: string, shown: string])[] =
  [
    ['that is no object', 'web', 'tasks[7]', 'web'],
    ['that is null', null, 'tasks[7]', 'null'],
    ['that is a list', [1], 'tasks[7]', '[1]'],
    ['without id', task('web', { id: undefined }), 'tasks[7].id', 'null'],
    ['with a number as id', task('web', { id: 5 }), 'tasks[7].id', '5'],
    ['with a number as name', task('web', { name: 5 }), 'tasks[7].name', '5'],
    ['without agent', task('web', { slave_id: null }), 'tasks[7].slave_id', 'null'],
  ];

for (const [what, value, path, shown] of UNUSABLE) {
  test(`S02: a task ${what} loses only itself`, () => {
    const rejections = [{ path, code: 'task-malformed', value: shown }];
    assert.deepEqual(read(value), { task: null, rejections });
  });
}

test('bad parts of ports are rejected with their path, the good ones stay', () => {
  const path = 'tasks[7].resources.ports';
  const { hostPorts } = good({ resources: { ports: '[31000-31000, 31001, 1-70000]' } }, [
    { path, code: 'ports-malformed', value: '31001' },
    { path, code: 'port-out-of-range', value: '1-70000' },
  ]);
  assert.deepEqual(hostPorts, [31_000]);
});

test('S01: ports that are no text are rejected, the task stays', () => {
  const rejected = { path: 'tasks[7].resources.ports', code: 'ports-malformed', value: '31000' };
  assert.deepEqual(good({ resources: { ports: 31_000 } }, [rejected]).hostPorts, []);
});

for (const resources of [undefined, null, [], {}, { ports: null }]) {
  test(`a task with resources ${resources === undefined ? '(none)' : JSON.stringify(resources)} has no host ports`, () => {
    assert.deepEqual(good({ resources }).hostPorts, []);
  });
}

// Which status counts.

test('the running status with the greatest timestamp decides, not the first or last', () => {
  const at = (timestamp: unknown, address: string): Json =>
    running([network([address])], { timestamp });
  const statuses = [
    { ...at(99, '10.9.9.1'), state: 'TASK_STARTING' },
    at(10, '10.9.9.2'),
    at(30, '10.9.9.3'),
    at(30, '10.9.9.4'),
    at('50', '10.9.9.5'),
    at(20, '10.9.9.6'),
    'TASK_RUNNING',
    null,
  ];
  assert.deepEqual(texts(good({ statuses }).networkAddresses), ['10.9.9.3']);
});

test('a running status without a timestamp counts as time 0', () => {
  const undated = running([network(['10.9.9.1'])], { timestamp: undefined });
  assert.deepEqual(texts(good({ statuses: [undated] }).networkAddresses), ['10.9.9.1']);
  const dated = running([network(['10.9.9.2'])], { timestamp: 1 });
  assert.deepEqual(texts(good({ statuses: [undated, dated] }).networkAddresses), ['10.9.9.2']);
});

test('a task that is being killed is where its last running status says', () => {
  const { task: parsed, rejections } = read(
    killingTask('web', { statuses: [running([network(['9.0.1.7'])], { healthy: true }), KILLING] }),
  );
  assert.deepEqual(rejections, []);
  assert.deepEqual(texts(parsed?.networkAddresses ?? []), ['9.0.1.7']);
});

test('a task that is being killed and has no running status is where the killing one says', () => {
  const at = (timestamp: number, address: string): Json => ({
    ...running([network([address])], { timestamp }),
    state: 'TASK_KILLING',
  });
  const statuses = [{ ...at(9, '10.9.9.1'), state: 'TASK_STARTING' }, at(2, '10.9.9.2')];
  const { networkAddresses } = good({ state: 'TASK_KILLING', statuses });
  assert.deepEqual(texts(networkAddresses), ['10.9.9.2']);
});

test('a running task is never where a killing status says', () => {
  const statuses = [{ ...running([network(['10.9.9.1'])]), state: 'TASK_KILLING' }];
  assert.deepEqual(texts(good({ statuses }).networkAddresses), []);
});

test('S02: a task that is being killed and has no id is rejected as a running one is', () => {
  const rejections = [{ path: 'tasks[7].id', code: 'task-malformed', value: '5' }];
  assert.deepEqual(read(killingTask('web', { id: 5 })), { task: null, rejections });
});

test('a state says whether a task runs, will run, or is being killed; of others nobody knows', () => {
  const phases = ['TASK_STAGING', 'TASK_STARTING', 'TASK_RUNNING', 'TASK_KILLING'].map(taskPhase);
  assert.deepEqual(phases, ['pending', 'pending', 'running', 'killing']);
  for (const state of ['TASK_KILLED', 'TASK_LOST', 'TASK_UNREACHABLE', 'toString', 7, null]) {
    assert.equal(taskPhase(state), null);
  }
});

test('a task that does not run yet is known, but not where it is', () => {
  const statuses = [{ ...running([network(['10.9.9.1'])]), state: 'TASK_STARTING' }];
  const { phase, networkAddresses } = good({ state: 'TASK_STARTING', statuses });
  assert.deepEqual([phase, networkAddresses], ['pending', []]);
});

// Addresses.

test('all addresses of all networks are read in order, each once', () => {
  const statuses = [
    running([network(['9.0.1.7', 'fd01:b::1:8000:5'], 'dcos'), network(['9.0.2.8', '9.0.1.7'])]),
  ];
  assert.deepEqual(texts(good({ statuses }).networkAddresses), [
    '9.0.1.7',
    'fd01:b::1:8000:5',
    '9.0.2.8',
  ]);
});

test('the legacy member ip_address counts only without ip_addresses', () => {
  const statuses = [
    running([
      { ip_address: '9.0.1.1' },
      { ip_address: '9.0.1.2', ip_addresses: [] },
      { ip_address: '9.0.1.3', ...network(['9.0.1.4']) },
      { ip_address: null },
      {},
      'net',
    ]),
  ];
  assert.deepEqual(texts(good({ statuses }).networkAddresses), ['9.0.1.1', '9.0.1.2', '9.0.1.4']);
});

for (const value of ['9.0.14.01', 'fe80::1%eth0', '', '9.0.1', 7, {}]) {
  test(`the address ${JSON.stringify(value)} is rejected, its neighbour stays`, () => {
    const statuses = [running([network(['9.0.1.1']), { ip_address: value }])];
    const shown = typeof value === 'string' ? value : JSON.stringify(value);
    const rejected = { path: 'tasks[7].statuses', code: 'address-malformed', value: shown };
    assert.deepEqual(texts(good({ statuses }, [rejected]).networkAddresses), ['9.0.1.1']);
  });
}

test('an IPv4-mapped address is an IPv4 address', () => {
  const statuses = [running([network(['::ffff:9.0.1.1'])])];
  const [address] = good({ statuses }).networkAddresses;
  assert.deepEqual([address?.family, address?.text], [4, '9.0.1.1']);
});

test('addresses of the two IP labels are read, other labels and values that are none are not', () => {
  const label = (key: string, value: unknown): Json => ({ key, value });
  const labels = [
    label('Docker.NetworkSettings.IPAddress', '172.17.0.2'),
    label('Docker.NetworkSettings.IPAddress', 'none'),
    label('MesosContainerizer.NetworkSettings.IPAddress', '192.168.0.2'),
    label('docker.networksettings.ipaddress', '172.17.0.9'),
    label('VIP_0', '10.1.1.1'),
    'label',
  ];
  const { dockerAddresses, mesosAddresses } = good({ statuses: [running([], { labels })] });
  assert.deepEqual(texts(dockerAddresses), ['172.17.0.2']);
  assert.deepEqual(texts(mesosAddresses), ['192.168.0.2']);
});

// How it is reached.

const docker = (kind: string, more: Json = {}): Json => ({
  container: { type: 'DOCKER', docker: { image: 'busybox', network: kind, ...more } },
});
const named = { network_infos: [{ name: 'dcos', labels: {} }] };
const mapping = { host_port: 31_000, container_port: 8080, protocol: 'tcp' };

const NETWORKS: readonly (readonly [what: string, more: Json, network: Task['network']])[] = [
  ['without container', {}, 'host'],
  ['with a Mesos container on the host network', { container: { type: 'MESOS' } }, 'host'],
  ['in Docker HOST', docker('HOST'), 'host'],
  ['in Docker HOST, whatever else it says', docker('HOST', { port_mappings: [mapping] }), 'host'],
  ['in Docker BRIDGE', docker('BRIDGE'), 'bridge'],
  ['in Docker NONE', docker('NONE'), 'host'],
  ['in Docker USER', docker('USER'), 'container'],
  ['in Docker USER with port mappings', docker('USER', { port_mappings: [mapping] }), 'bridge'],
  ['on a CNI network', { container: { type: 'MESOS', ...named } }, 'container'],
  [
    'on a CNI network with port mappings',
    { container: { network_infos: [{ name: 'mesos-bridge', port_mappings: [mapping] }] } },
    'bridge',
  ],
  [
    'whose status names a network',
    { statuses: [running([network(['9.0.1.1'], 'dcos')])] },
    'container',
  ],
  ['whose status has an address only', { statuses: [running([network(['9.0.1.1'])])] }, 'host'],
  ['with nonsense as container', { container: ['x'] }, 'host'],
];

for (const [what, more, expected] of NETWORKS) {
  test(`a task ${what} is reached by way of: ${expected}`, () => {
    assert.equal(good(more).network, expected);
  });
}

test('port mappings are found in docker, in the container and in the status; bad ones are not', () => {
  const at = (host: unknown, container: unknown): Json => ({
    host_port: host,
    container_port: container,
  });
  const { portMappings } = good({
    container: {
      docker: { port_mappings: [at(31_000, 80), at(0, 81), at(31_001, 70_000), at('1', 2), null] },
      network_infos: [{ port_mappings: [at(31_002, 82)] }, { port_mappings: 'x' }],
    },
    statuses: [running([{ port_mappings: [at(31_003, 83), {}] }])],
  });
  assert.deepEqual(
    portMappings.map(({ hostPort, containerPort }) => [hostPort, containerPort]),
    [
      [31_000, 80],
      [31_002, 82],
      [31_003, 83],
    ],
  );
});

const PROTOCOLS: readonly (readonly [written: unknown, protocol: string])[] = [
  ['tcp', 'tcp'],
  ['UDP', 'udp'],
  ['', ''],
  [undefined, ''],
  [null, ''],
  [7, ''],
  ['x'.repeat(33), ''],
];

for (const [written, protocol] of PROTOCOLS) {
  test(`a port mapping whose protocol is ${written === undefined ? 'missing' : JSON.stringify(written)} has the protocol '${protocol}'`, () => {
    const mappings = [{ ...portMapping(31_000, 80), protocol: written }];
    assert.deepEqual(good(docker('BRIDGE', { port_mappings: mappings })).portMappings, [
      { protocol, hostPort: 31_000, containerPort: 80 },
    ]);
  });
}

for (const [type, isDocker] of [
  ['DOCKER', true],
  ['MESOS', false],
  ['docker', false],
  [7, false],
] as const) {
  test(`a container of type ${type} ${isDocker ? 'runs' : 'does not run'} in Docker`, () => {
    assert.equal(good({ container: { type } }).isDocker, isDocker);
  });
}

// Health.

const CHECK = { health_check: { type: 'HTTP' } };
const HEALTH: readonly (readonly [what: string, more: Json, healthy: boolean])[] = [
  ['without a health check', {}, true],
  ['whose check has not run yet', CHECK, false],
  ['whose check passes', { ...CHECK, statuses: [running([], { healthy: true })] }, true],
  ['whose check fails', { ...CHECK, statuses: [running([], { healthy: false })] }, false],
  ['whose executor says it fails', { statuses: [running([], { healthy: false })] }, false],
  ['whose check says no yes or no', { ...CHECK, statuses: [running([], { healthy: 1 })] }, false],
];

for (const [what, more, healthy] of HEALTH) {
  test(`a task ${what} is ${healthy ? 'healthy' : 'unhealthy'}`, () => {
    assert.equal(good(more).healthy, healthy);
  });
}

test('an address is parsed once, however often it comes', () => {
  const cache = new AddressCache();
  const address = cache.parse('10.0.0.1');
  assert.equal(cache.parse('10.0.0.1'), address);
  assert.equal(cache.parse('10.0.0.256'), null);
  assert.equal(cache.parse('10.0.0.256'), null);
  assert.equal(cache.parse(10), null);
});
