import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Rejection, RejectionList } from '../../../src/core/base/rejection.ts';
import { parseState } from '../../../src/core/mesos/parse-state.ts';
import type { ClusterSnapshot } from '../../../src/core/mesos/snapshot.ts';
import { anyState } from '../../support/arbitraries.ts';
import { readProjectFile } from '../../support/project.ts';
import {
  agent,
  agentId,
  discovery,
  framework,
  type Json,
  killingTask,
  label,
  labelled,
  masterState,
  port,
  portMapping,
  task,
} from '../../support/state-builder.ts';

interface Read {
  readonly snapshot: ClusterSnapshot;
  readonly rejections: readonly Rejection[];
}

function readText(text: string): Read {
  const rejections = new RejectionList();
  const result = parseState(text, rejections);
  assert.ok(result.ok, result.ok ? '' : result.error);
  return { snapshot: result.value, rejections: rejections.items };
}

const read = (state: unknown): Read => readText(JSON.stringify(state));

function errorOf(text: string): string {
  const result = parseState(text, new RejectionList());
  assert.ok(!result.ok, 'the state is refused');
  return result.error;
}

test('a state is read as leader, agents and frameworks with their running tasks', () => {
  const state = masterState([
    framework('marathon', [task('web'), task('gone', { state: 'TASK_FINISHED' })]),
    framework('chronos', [], { pid: 'scheduler-1@10.0.0.51:9090', active: false, hostname: 7 }),
  ]);
  const { snapshot, rejections } = read(state);
  assert.deepEqual(rejections, []);
  assert.deepEqual(snapshot.leader, { host: '10.0.0.100', port: 5050 });
  assert.deepEqual([snapshot.fromLeader, snapshot.taskCount], [true, 1]);
  assert.deepEqual(snapshot.recovering, []);
  assert.deepEqual(snapshot.agents, [
    {
      path: 'slaves[0]',
      id: agentId(0),
      hostname: '10.0.0.1',
      endpoint: { host: '10.0.0.1', port: 5051 },
      active: true,
    },
    {
      path: 'slaves[1]',
      id: agentId(1),
      hostname: '10.0.0.2',
      endpoint: { host: '10.0.0.2', port: 5051 },
      active: true,
    },
  ]);
  const [marathon, chronos] = snapshot.frameworks;
  assert.deepEqual(
    marathon?.tasks.map(({ path, name }) => [path, name]),
    [['frameworks[0].tasks[0]', 'web']],
  );
  assert.deepEqual(
    { ...marathon, tasks: [] },
    {
      path: 'frameworks[0]',
      id: 'F-marathon',
      name: 'marathon',
      endpoint: null,
      hostname: '10.0.0.50',
      active: true,
      tasks: [],
      killing: [],
      pending: [],
    },
  );
  assert.deepEqual(chronos, {
    path: 'frameworks[1]',
    id: 'F-chronos',
    name: 'chronos',
    endpoint: { host: '10.0.0.51', port: 9090 },
    hostname: '',
    active: false,
    tasks: [],
    killing: [],
    pending: [],
  });
});

const LISTS = '{"leader":"master@10.0.0.1:5050","slaves":[],"frameworks":[]}';

for (const text of ['', '"x', '{', '<html>', '[1,', `${LISTS}]`, LISTS.slice(0, -1), "{'a':1}"]) {
  test(`a body that is not JSON is refused: ${text || '(empty)'}`, () => {
    assert.match(errorOf(text), /^not JSON: ./);
  });
}

const NO_LISTS: readonly (readonly [what: string, state: unknown])[] = [
  ['is null', null],
  ['is a list', []],
  ['is a number', 5],
  ['is a text', 'state'],
  ['is an empty object', {}],
  ['has no agents', masterState([], { slaves: undefined })],
  ['has null for agents', masterState([], { slaves: null })],
  ['has no frameworks', masterState([], { frameworks: undefined })],
  ['has an object for frameworks', masterState([], { frameworks: {} })],
];

for (const [what, state] of NO_LISTS) {
  test(`S11: a body that ${what} is no state`, () => {
    assert.match(errorOf(JSON.stringify(state)), /no `frameworks` and `slaves` lists/);
  });
}

for (const leader of [undefined, null, '', 'master', 'master@', 'master@10.0.0.1', 5]) {
  test(`a state with the leader ${leader === undefined ? '(none)' : JSON.stringify(leader)} is refused`, () => {
    assert.match(errorOf(JSON.stringify(masterState([], { leader }))), /no usable `leader`/);
  });
}

test('S01: a leader that is a name is kept as a name', () => {
  const { snapshot } = read(masterState([], { leader: 'master@Zoo1.example.test:5050' }));
  assert.deepEqual(snapshot.leader, { host: 'zoo1.example.test', port: 5050 });
});

test('a master whose pid is not the leader is not the leader', () => {
  assert.equal(read(masterState([], { pid: 'master@10.0.0.101:5050' })).snapshot.fromLeader, false);
  assert.equal(read(masterState([], { pid: undefined })).snapshot.fromLeader, false);
});

/** Bad entries beside good ones, and what is said about them. */
const SPOILED: readonly (readonly [string, Json, Rejection])[] = [
  [
    'S01: an agent without pid',
    masterState([], { slaves: [agent(0), agent(1, { pid: undefined }), agent(2)] }),
    { path: 'slaves[1].pid', code: 'pid-malformed', value: 'null' },
  ],
  [
    'S02: an agent with a bad pid',
    masterState([], { slaves: [agent(0), agent(1, { pid: 'x@y@z:1' }), agent(2)] }),
    { path: 'slaves[1].pid', code: 'pid-malformed', value: 'x@y@z:1' },
  ],
  [
    'S02: an agent that is a number',
    masterState([], { slaves: [agent(0), 7, agent(2)] }),
    { path: 'slaves[1]', code: 'agent-malformed', value: '7' },
  ],
  [
    'S02: an agent whose id is a number',
    masterState([], { slaves: [agent(0), { id: 7 }, agent(2)] }),
    { path: 'slaves[1]', code: 'agent-malformed', value: '{"id":7}' },
  ],
];

for (const [what, state, rejection] of SPOILED) {
  test(`${what} loses only itself`, () => {
    const { snapshot, rejections } = read(state);
    assert.deepEqual(rejections, [rejection]);
    assert.deepEqual(
      snapshot.agents.map(({ path }) => path),
      ['slaves[0]', 'slaves[2]'],
    );
  });
}

for (const bad of [7, 'marathon', null, [], { name: 7 }, {}]) {
  test(`S02: the framework ${JSON.stringify(bad)} loses only itself`, () => {
    const { snapshot, rejections } = read(
      masterState([framework('a', []), bad, framework('c', [])]),
    );
    const value = typeof bad === 'string' ? bad : JSON.stringify(bad);
    assert.deepEqual(rejections, [{ path: 'frameworks[1]', code: 'framework-malformed', value }]);
    assert.deepEqual(
      snapshot.frameworks.map(({ path, name }) => `${path} ${name}`),
      ['frameworks[0] a', 'frameworks[2] c'],
    );
  });
}

for (const pid of ['', 'scheduler', 'a@b@10.0.0.1:1', 5]) {
  test(`S02: a framework with the pid ${JSON.stringify(pid)} keeps its tasks`, () => {
    const { snapshot, rejections } = read(masterState([framework('a', [task('web')], { pid })]));
    const [rejected] = rejections;
    assert.deepEqual([rejections.length, rejected?.path], [1, 'frameworks[0].pid']);
    assert.equal(rejected?.code, 'pid-malformed');
    assert.equal(snapshot.frameworks[0]?.endpoint, null);
    assert.equal(snapshot.taskCount, 1);
  });
}

test('tasks that are being killed are kept apart and not counted', () => {
  const tasks = [task('a'), killingTask('b'), task('c'), task('d', { state: 'TASK_KILLED' })];
  const { snapshot, rejections } = read(masterState([framework('x', tasks)]));
  assert.deepEqual([rejections, snapshot.taskCount], [[], 2]);
  const [parsed] = snapshot.frameworks;
  assert.deepEqual(
    [parsed?.tasks, parsed?.killing].map((list) =>
      list?.map(({ path, name }) => `${path} ${name}`),
    ),
    [['frameworks[0].tasks[0] a', 'frameworks[0].tasks[2] c'], ['frameworks[0].tasks[1] b']],
  );
});

const RECOVERED: readonly (readonly [what: string, recovered: unknown, count: number])[] = [
  ['missing', undefined, 0],
  ['null', null, 0],
  ['an empty list', [], 0],
  ['two agents', [agent(2), agent(3)], 2],
  ['a list of anything', [7, null, 'x'], 3],
  ['a number', 7, 0],
];

for (const [what, recovered_slaves, count] of RECOVERED) {
  test(`with ${what} for recovered agents ${count} of them are awaited`, () => {
    const { snapshot, rejections } = read(masterState([], { recovered_slaves }));
    assert.deepEqual([snapshot.recovering.length, rejections], [count, []]);
  });
}

test('an agent whose hostname is no text has none', () => {
  const slaves = [agent(0, { hostname: 7 }), agent(1, { hostname: undefined })];
  const { snapshot, rejections } = read(masterState([], { slaves }));
  assert.deepEqual(rejections, []);
  assert.deepEqual(
    snapshot.agents.map(({ hostname }) => hostname),
    ['', ''],
  );
});

test('what declares VIPs is read out of a whole state', () => {
  const ports = [labelled(port(80, 'tcp', 'http', 'host'), { VIP_0: '/web:80' })];
  const labels = [label('team', 'front'), label('VIP_PORT0', 'tcp://old:80')];
  const docker = { network: 'BRIDGE', port_mappings: [portMapping(31_000, 80, 'TCP')] };
  const web = task('web', {
    labels,
    discovery: discovery('web', ...ports),
    container: { type: 'DOCKER', docker },
  });
  const { snapshot, rejections } = read(masterState([framework('a', [task('x'), web])]));
  assert.deepEqual(rejections, []);
  const parsed = snapshot.frameworks[0]?.tasks[1];
  assert.deepEqual(parsed?.vipPortLabels, [{ index: '0', value: 'tcp://old:80' }]);
  assert.deepEqual(parsed.discoveryPorts[0]?.labels, [{ key: 'VIP_0', value: '/web:80' }]);
  assert.deepEqual(parsed.portMappings, [{ protocol: 'tcp', hostPort: 31_000, containerPort: 80 }]);
  assert.equal(parsed.isDocker, true);
});

for (const tasks of ['x', 7, { 0: task('web') }]) {
  test(`a framework whose tasks are ${JSON.stringify(tasks).slice(0, 9)} is kept without`, () => {
    const { snapshot, rejections } = read(masterState([framework('a', [], { tasks })]));
    assert.deepEqual([rejections.length, rejections[0]?.path], [1, 'frameworks[0].tasks']);
    assert.equal(rejections[0]?.code, 'tasks-malformed');
    assert.deepEqual(snapshot.frameworks[0]?.tasks, []);
  });
}

for (const tasks of [undefined, null, []]) {
  test(`a framework whose tasks are ${tasks === undefined ? 'missing' : JSON.stringify(tasks)} has none`, () => {
    const { snapshot, rejections } = read(masterState([framework('a', [], { tasks })]));
    assert.deepEqual([rejections, snapshot.frameworks[0]?.tasks], [[], []]);
  });
}

test('S18: an inactive agent or framework is read and marked', () => {
  const { snapshot } = read(
    masterState([framework('a', [], { active: false })], {
      slaves: [agent(0, { active: false }), agent(1, { active: undefined })],
    }),
  );
  assert.equal(snapshot.frameworks[0]?.active, false);
  assert.deepEqual(
    snapshot.agents.map(({ active }) => active),
    [false, true],
  );
});

test('a task with a health check that has no result yet is not healthy', () => {
  const checked = task('web', { health_check: { type: 'HTTP', port: 80 } });
  const { snapshot } = read(masterState([framework('a', [checked, task('web')])]));
  assert.deepEqual(
    snapshot.frameworks[0]?.tasks.map(({ healthy }) => healthy),
    [false, true],
  );
});

test('an elected master without its registry gives a state of nothing, not an error', () => {
  const { snapshot } = readText(LISTS);
  assert.deepEqual([snapshot.agents, snapshot.frameworks, snapshot.taskCount], [[], [], 0]);
});

test('a state of Mesos 1.12 is read without a rejection', () => {
  const { snapshot, rejections } = readText(
    readProjectFile('test/fixtures/mesos-1.12-small-state.json'),
  );
  assert.deepEqual(rejections, []);
  assert.deepEqual([snapshot.agents.length, snapshot.taskCount], [2, 15]);
  const tasks = snapshot.frameworks.flatMap((entry) => entry.tasks);
  const networks = Object.fromEntries(tasks.map(({ name, network }) => [name, network]));
  assert.equal(networks['web'], 'host');
  assert.equal(networks['hostnet.prod'], 'host');
  assert.equal(networks['bridge.prod'], 'bridge');
  assert.equal(networks['overlay.prod'], 'container');
  const overlay = tasks.find(({ name }) => name === 'overlay.prod');
  // The starting status has the address of the agent, the running one that of the container.
  assert.deepEqual(
    overlay?.networkAddresses.map(({ text }) => text),
    ['9.0.1.7', 'fd01:b::1:8000:5'],
  );
  assert.deepEqual(
    tasks.filter(({ healthy }) => !healthy).map(({ name }) => name),
    ['sick.prod'],
  );
});

test('a state of Mesos 0.28 is read without a rejection', () => {
  const { snapshot, rejections } = readText(readProjectFile('test/fixtures/mesos-0.28-state.json'));
  assert.deepEqual(rejections, []);
  const [marathon] = snapshot.frameworks;
  assert.deepEqual(marathon?.endpoint, { host: '10.1.0.1', port: 39_001 });
  assert.deepEqual(
    snapshot.agents.map(({ active }) => active),
    [true, false],
  );
  assert.deepEqual(
    marathon.tasks.map(({ name, network, networkAddresses: [address] }) => [
      name,
      network,
      address?.text,
    ]),
    [
      ['cart.shop', 'bridge', '172.17.0.2'],
      ['db.shop', 'container', '192.168.0.10'],
      ['batch.shop', 'host', undefined],
    ],
  );
  assert.deepEqual(
    marathon.tasks[0]?.dockerAddresses.map(({ text }) => text),
    ['172.17.0.2'],
  );
});

// Laws.

test('any text is read or refused with a reason, never thrown at', () => {
  const fragment = fc.constantFrom(
    ...['{', '}', '[', ']', ',', ':', '"', '\\', '1', '-', 'null', ' ', '\u0000', '"leader"'],
    ...['"frameworks"', '"slaves"', '"tasks"', '"pid"', '"master@1.2.3.4:5"', '"\\ud800"'],
  );
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(fragment, { maxLength: 40 }).map((parts) => parts.join('')),
    fc
      .tuple(anyState, fc.double({ min: 0, max: 1, noNaN: true }))
      .map(([state, part]) => JSON.stringify(state).slice(0, part * 4000)),
  );
  fc.assert(
    fc.property(text, (value) => {
      const result = parseState(value, new RejectionList());
      if (!result.ok) assert.ok(result.error.length > 0);
    }),
    { numRuns: 1000 },
  );
});

test('any JSON value anywhere in a state is read or refused, never thrown at', () => {
  fc.assert(
    fc.property(anyState, (state) => {
      const result = parseState(JSON.stringify(state), new RejectionList());
      if (!result.ok) assert.ok(result.error.length > 0);
    }),
    { numRuns: 500 },
  );
});

test('nesting of any depth is read or refused, never thrown at', () => {
  for (const depth of [10, 150, 250, 100_000]) {
    const deep = `${'['.repeat(depth)}${']'.repeat(depth)}`;
    for (const key of ['slaves', 'frameworks', 'leader', 'flags', 'tasks']) {
      const text = JSON.stringify(masterState([framework('a', ['DEEP'])]));
      const spoiled =
        key === 'tasks'
          ? text.replace('"DEEP"', deep)
          : text.replace('{', `{"${key}":${deep},"x":"`).replace(`"x":"`, '"x":1,');
      const result = parseState(spoiled, new RejectionList());
      assert.ok(result.ok || result.error.length > 0);
    }
  }
});

test('members that nobody reads and white space change nothing', () => {
  const noise = fc.dictionary(
    fc.string({ unit: 'grapheme', maxLength: 5 }).map((key) => `x-${key}`),
    fc.jsonValue({ maxDepth: 3 }),
    { maxKeys: 3 },
  );
  fc.assert(
    fc.property(noise, noise, noise, fc.nat(3), (first, second, third, indent) => {
      const plain = masterState([framework('a', [task('web')])]);
      const noisy = {
        ...first,
        ...masterState([{ ...second, ...framework('a', [{ ...third, ...task('web') }]) }], {
          slaves: [agent(0), agent(1)].map((entry) => ({ ...third, ...entry, ...first })),
        }),
        ...second,
      };
      assert.deepEqual(readText(JSON.stringify(noisy, null, indent)), read(plain));
    }),
  );
});

test('escapes in keys and values change nothing', () => {
  const state = masterState([framework('mära"thon', [task('wéb\\')])]);
  const escaped = JSON.stringify(state).replace(/"(?:[^"\\]|\\.)*"/g, (quoted) => {
    const codes = Array.from(JSON.parse(quoted) as string, (character) =>
      character.charCodeAt(0).toString(16).padStart(4, '0'),
    );
    return `"${codes.map((code) => `\\u${code}`).join('')}"`;
  });
  assert.deepEqual(readText(escaped), read(state));
  assert.equal(read(state).snapshot.frameworks[0]?.name, 'mära"thon');
});
