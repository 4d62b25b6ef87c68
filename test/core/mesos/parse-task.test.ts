import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Rejection, RejectionList } from '../../../src/core/base/rejection.ts';
import { AddressCache, parseTask } from '../../../src/core/mesos/parse-task.ts';
import type { Task } from '../../../src/core/mesos/snapshot.ts';
import {
  agentId,
  discovery,
  type Json,
  network,
  port,
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

const texts = (addresses: readonly { text: string }[]): string[] =>
  addresses.map(({ text }) => text);

test('a plain task on the host network is read with all its parts', () => {
  assert.deepEqual(good({ resources: { ports: '[31000-31001]' }, statuses: [] }), {
    path: 'tasks[7]',
    id: 'test',
    name: 'web',
    agentId: agentId(0),
    hostPorts: [31_000, 31_001],
    discovery: null,
    networkAddresses: [],
    dockerAddresses: [],
    mesosAddresses: [],
    network: 'host',
    portMappings: [],
    healthy: true,
  });
});

for (const state of ['TASK_STAGING', 'TASK_STARTING', 'TASK_KILLING', 'TASK_UNREACHABLE', '', 1]) {
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

// Discovery.

test('discovery is read with name, ports, protocols and scopes', () => {
  const more = {
    discovery: discovery(
      'web.prod',
      port(31_000, 'tcp', 'http', 'host'),
      port(8080, 'tcp,udp', undefined, 'container'),
      port(0, ''),
      { number: 53 },
      {},
      port(9, 'tcp', 'x', 'elsewhere'),
    ),
  };
  assert.deepEqual(good(more).discovery, {
    name: 'web.prod',
    ports: [
      { number: 31_000, name: 'http', protocol: 'tcp', scope: 'host' },
      { number: 8080, name: '', protocol: 'tcp,udp', scope: 'container' },
      { number: 0, name: '', protocol: '', scope: null },
      { number: 53, name: '', protocol: '', scope: null },
      { number: 0, name: '', protocol: '', scope: null },
      { number: 9, name: 'x', protocol: 'tcp', scope: null },
    ],
  });
});

for (const value of [undefined, null, {}, { name: '' }, { name: null, ports: {} }]) {
  test(`discovery ${value === undefined ? '(none)' : JSON.stringify(value)} counts as none`, () => {
    assert.equal(good({ discovery: value }).discovery, null);
  });
}

for (const value of ['web', 5, [], { name: 5 }]) {
  test(`discovery ${JSON.stringify(value)} is rejected, the task stays`, () => {
    const shown = typeof value === 'string' ? value : JSON.stringify(value);
    const path = 'tasks[7].discovery';
    const rejected = { path, code: 'discovery-malformed', value: shown };
    assert.equal(good({ discovery: value }, [rejected]).discovery, null);
  });
}

for (const number of [-1, 65_536, 70_000, 80.5, '80', true, []]) {
  test(`D16: the discovery port ${JSON.stringify(number)} is rejected, its neighbour stays`, () => {
    const ports = [port(80, 'tcp'), { number, protocol: 'tcp' }];
    const path = 'tasks[7].discovery.ports.ports[1].number';
    const shown = typeof number === 'string' ? number : JSON.stringify(number);
    const more = { discovery: { name: 'web', ports: { ports } } };
    const parsed = good(more, [{ path, code: 'port-out-of-range', value: shown }]);
    assert.deepEqual(
      parsed.discovery?.ports.map((found) => found.number),
      [80],
    );
  });
}

for (const entry of [80, null, 'http', { number: 80, name: 7 }, { number: 80, protocol: {} }]) {
  test(`the discovery port entry ${JSON.stringify(entry)} is rejected, the rest stays`, () => {
    const path = 'tasks[7].discovery.ports.ports[0]';
    const shown = typeof entry === 'string' ? entry : JSON.stringify(entry);
    const more = { discovery: { name: 'web', ports: { ports: [entry, port(81, 'udp')] } } };
    const parsed = good(more, [{ path, code: 'port-malformed', value: shown }]);
    assert.equal(parsed.discovery?.ports.length, 1);
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

test('of a DiscoveryInfo with more ports than anybody has, the first 256 are kept', () => {
  const ports = Array.from({ length: 300 }, (_, i) => port(i, 'tcp'));
  const { ports: kept } = good({ discovery: discovery('web', ...ports) }, [
    { path: 'tasks[7].discovery.ports.ports[256]', code: 'too-many-ports', value: '300' },
  ]).discovery ?? { ports: [] };
  assert.equal(kept.length, 256);
});

test('a port with thousands of protocols is left out, the others stay', () => {
  const hostile = port(1, Array.from({ length: 9_999 }, (_, i) => `p${i}`).join());
  const path = 'tasks[7].discovery.ports.ports[0].protocol';
  const { task: parsed, rejections } = read(
    task('web', { discovery: discovery('web', hostile, port(2, 'tcp,udp')) }),
  );
  assert.deepEqual(
    parsed?.discovery?.ports.map(({ number }) => number),
    [2],
  );
  assert.deepEqual(
    rejections.map((rejection) => [rejection.path, rejection.code]),
    [[path, 'port-malformed']],
  );
});
