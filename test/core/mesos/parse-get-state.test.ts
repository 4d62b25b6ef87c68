import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Rejection, RejectionList } from '../../../src/core/base/rejection.ts';
import { parseAnyState, parseGetState } from '../../../src/core/mesos/parse-get-state.ts';
import { parseState } from '../../../src/core/mesos/parse-state.ts';
import type { ClusterSnapshot, Framework, Task } from '../../../src/core/mesos/snapshot.ts';
import { clusters, spoiled, stateOf } from '../../support/arbitraries.ts';
import { getStateOf } from '../../support/operator-state.ts';
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
  network,
  port,
  portMapping,
  running,
  task,
} from '../../support/state-builder.ts';

const ASKED = { host: '10.0.0.100', port: 5050 };

interface Read {
  readonly snapshot: ClusterSnapshot;
  readonly rejections: readonly Rejection[];
}

function readText(text: string): Read {
  const rejections = new RejectionList();
  const result = parseGetState(text, ASKED, rejections);
  assert.ok(result.ok, result.ok ? '' : result.error);
  return { snapshot: result.value, rejections: rejections.items };
}

const read = (body: unknown): Read => readText(JSON.stringify(body));

/** The snapshot of a `/state`, which must be good. */
function v0Snapshot(text: string): ClusterSnapshot {
  const rejections = new RejectionList();
  const result = parseState(text, rejections);
  assert.ok(result.ok, result.ok ? '' : result.error);
  assert.deepEqual(rejections.items, []);
  return result.value;
}

/** A GET_STATE answer with these parts; `tasks` are of the framework `F`, named marathon. */
function answer(parts: { tasks?: unknown; frameworks?: unknown; agents?: unknown } = {}): Json {
  const { tasks = [], frameworks = [v1Framework('marathon', 'F')], agents = [] } = parts;
  return {
    type: 'GET_STATE',
    get_state: { get_tasks: { tasks }, get_frameworks: { frameworks }, get_agents: { agents } },
  };
}

function v1Framework(name: unknown, id: string, more: Json = {}): Json {
  return { framework_info: { user: 'root', name, id: { value: id }, hostname: '' }, ...more };
}

function v1Task(name: string, more: Json = {}): Json {
  return {
    name,
    task_id: { value: `id-${name}` },
    framework_id: { value: 'F' },
    agent_id: { value: agentId(0) },
    state: 'TASK_RUNNING',
    statuses: [running([network(['10.0.0.1'])])],
    ...more,
  };
}

/** The first task of an answer with this one, which is read without rejections but `rejected`. */
function good(more: Json, rejected: readonly string[] = []): Task {
  const { snapshot, rejections } = read(answer({ tasks: [v1Task('web', more)] }));
  assert.deepEqual(
    rejections.map(({ path, code, value }) => `${path} ${code} ${value}`),
    rejected.map((text) => `get_state.get_tasks.tasks[0]${text}`),
  );
  const parsed = snapshot.frameworks[0]?.tasks[0];
  assert.ok(parsed !== undefined, 'the task is kept');
  return parsed;
}

// Both forms of one cluster.

const byId = (a: { id: string }, b: { id: string }): number => (a.id < b.id ? -1 : 1);

/** What both forms know: without paths, in an order of its own, without pids of frameworks. */
function comparable({ frameworks, agents, ...rest }: ClusterSnapshot): unknown {
  const withoutPath = <T extends { path: string }>(entry: T): T => ({ ...entry, path: '' });
  const tasks = (list: readonly Task[]): Task[] => list.map(withoutPath).sort(byId);
  const order = (entry: Framework): string => JSON.stringify([entry.name, tasks(entry.tasks)]);
  return {
    ...rest,
    masterId: '',
    agents: agents.map(withoutPath).sort(byId),
    frameworks: frameworks
      .map((entry) => ({
        ...withoutPath(entry),
        id: '',
        endpoint: null,
        tasks: tasks(entry.tasks),
        killing: tasks(entry.killing),
        pending: tasks(entry.pending),
      }))
      .sort((a, b) => (order(a) < order(b) ? -1 : 1)),
  };
}

test('Mesos 1.12 says the same of a cluster in GET_STATE as in /state', () => {
  const state = v0Snapshot(readProjectFile('test/fixtures/mesos-1.12-small-state.json'));
  const body = readProjectFile('test/fixtures/mesos-1.12-small-get-state.json');
  const rejections = new RejectionList();
  const result = parseAnyState(body, state.leader, rejections);
  assert.ok(result.ok);
  assert.deepEqual(rejections.items, []);
  assert.deepEqual([result.value.agents.length, result.value.taskCount], [2, 15]);
  assert.deepEqual(comparable(result.value), comparable(state));
  const bridge = result.value.frameworks[1]?.tasks.find(({ name }) => name === 'bridge.prod');
  assert.deepEqual([bridge?.isDocker, bridge?.hostPorts], [true, [32_001]]);
  assert.deepEqual(bridge?.discoveryPorts[0]?.labels, [{ key: 'VIP_0', value: '/bridge.prod:80' }]);
});

test('a SUBSCRIBED event says what GET_STATE says', () => {
  const body = readProjectFile('test/fixtures/mesos-1.12-small-get-state.json');
  const { get_state } = JSON.parse(body) as Json;
  const event = { type: 'SUBSCRIBED', subscribed: { heartbeat_interval_seconds: 15, get_state } };
  const { snapshot, rejections } = read(event);
  assert.deepEqual(rejections, []);
  assert.deepEqual(comparable(snapshot), comparable(readText(body).snapshot));
  assert.equal(snapshot.agents[0]?.path, 'subscribed.get_state.get_agents.agents[0]');
});

/** What only VIPs need, added to tasks of clusters that only need names. */
const extras = fc.constantFrom<Json>(
  {},
  { labels: [label('team', 'x'), label('VIP_PORT0', 'tcp://old:80')] },
  { labels: [] },
  { container: { type: 'DOCKER', docker: { port_mappings: [portMapping(31_000, 80, 'TCP')] } } },
  { statuses: [running([], { labels: [label('Docker.NetworkSettings.IPAddress', '9.0.0.9')] })] },
  { discovery: discovery('web', labelled(port(80, 'tcp'), { VIP_0: '/web:80' })) },
  { discovery: { ports: { ports: [labelled(port(80, 'udp'), { HOPLITE_WEIGHT: '2' })] } } },
  { state: 'TASK_KILLING' },
  { state: 'TASK_FAILED' },
  { health_check: { type: 'HTTP' } },
);
const states = fc
  .tuple(clusters, fc.array(extras, { minLength: 15, maxLength: 15 }))
  .map(([cluster, more]) => {
    let next = 0;
    const frameworks = cluster.frameworks.map(({ entry, tasks }) => ({
      entry,
      tasks: tasks.map((plain) => {
        const id = `task-${next}`;
        return { ...plain, ...more[next++], id };
      }),
    }));
    return stateOf({ ...cluster, frameworks });
  });

test('any cluster is the same in both forms', () => {
  fc.assert(
    fc.property(states, (state) => {
      const { snapshot, rejections } = read(getStateOf(state));
      assert.deepEqual(rejections, []);
      assert.deepEqual(comparable(snapshot), comparable(v0Snapshot(JSON.stringify(state))));
    }),
    { numRuns: 300 },
  );
});

// Parts of the answer.

test('the leader is whom was asked; recovered agents are counted', () => {
  const state = masterState([], { recovered_slaves: [agent(7), agent(8)] });
  const { snapshot } = read(getStateOf(state));
  assert.deepEqual([snapshot.leader, snapshot.fromLeader], [ASKED, true]);
  assert.equal(snapshot.recovering.length, 2);
});

test('lists that are empty may be missing, as before Mesos 1.10', () => {
  const get_state = { get_tasks: {}, get_executors: {}, get_frameworks: {}, get_agents: {} };
  const { snapshot, rejections } = read({ type: 'GET_STATE', get_state });
  assert.deepEqual([snapshot.agents, snapshot.frameworks, rejections], [[], [], []]);
  assert.deepEqual([snapshot.taskCount, snapshot.recovering], [0, []]);
});

test("tasks of an agent's answer that was given its agent are read too", () => {
  const { get_state } = answer({ agents: [info('10.0.0.1')] }) as { get_state: Json };
  const launched = {
    launched_tasks: [v1Task('web'), v1Task('off', { task_id: 7 })],
    terminated_tasks: [v1Task('gone')],
  };
  const { snapshot, rejections } = read({ get_state: { ...get_state, get_tasks: launched } });
  assert.deepEqual(
    snapshot.frameworks.map(({ tasks }) => tasks.map(({ name }) => name)),
    [['web']],
  );
  assert.deepEqual(
    rejections.map(({ path, code }) => `${path} ${code}`),
    ['get_state.get_tasks.launched_tasks[1].id task-malformed'],
  );
});

const { get_state: GOOD } = answer() as { get_state: Json };
const NO_STATES: readonly (readonly [what: string, body: unknown])[] = [
  ['is null', null],
  ['is empty', {}],
  ['has null for the state', { get_state: null }],
  ['is an event without a state', { type: 'SUBSCRIBED', subscribed: {} }],
  ['has no agents, like that of an agent', { get_state: { ...GOOD, get_agents: undefined } }],
  ['has no tasks', { get_state: { ...GOOD, get_tasks: undefined } }],
  ['has no frameworks', { get_state: { ...GOOD, get_frameworks: null } }],
  ['has a number for tasks', answer({ tasks: 7 })],
  ['has an object for agents', answer({ agents: {} })],
  ['has a text for frameworks', answer({ frameworks: 'x' })],
];

for (const [what, body] of NO_STATES) {
  test(`S11: an answer that ${what} is no state`, () => {
    const result = parseGetState(JSON.stringify(body), ASKED, new RejectionList());
    assert.ok(!result.ok, 'the answer is refused');
    assert.match(result.error, /`get_tasks`, `get_frameworks` and `get_agents`/);
  });
}

test('of a state that comes twice the last counts', () => {
  const first = answer({ tasks: [v1Task('a')] });
  const text = `{"get_state":${JSON.stringify(first['get_state'])},"get_state":{}}`;
  assert.ok(!parseGetState(text, ASKED, new RejectionList()).ok);
});

test('tasks come to their frameworks by id; those of no framework are rejected', () => {
  const tasks = [
    v1Task('a', { framework_id: { value: 'G' } }),
    v1Task('b', { framework_id: { value: 'H' } }),
    v1Task('c'),
    v1Task('d', { framework_id: {} }),
    v1Task('e', { framework_id: { value: 'H' }, state: 'TASK_FAILED' }),
    v1Task('f', { state: 'TASK_KILLING' }),
  ];
  const frameworks = [v1Framework('x', 'F'), v1Framework('x', 'G'), v1Framework('y', 'I')];
  const { snapshot, rejections } = read(answer({ tasks, frameworks }));
  const names = (list: readonly Task[]): string[] => list.map(({ name }) => name);
  assert.deepEqual(
    snapshot.frameworks.map((entry) => [entry.name, names(entry.tasks), names(entry.killing)]),
    [
      ['x', ['c'], ['f']],
      ['x', ['a'], []],
      ['y', [], []],
    ],
  );
  assert.equal(snapshot.taskCount, 2);
  const path = (i: number): string => `get_state.get_tasks.tasks[${i}].framework_id`;
  assert.deepEqual(rejections, [
    { path: path(3), code: 'framework-unknown', value: 'null' },
    { path: path(1), code: 'framework-unknown', value: 'H' },
  ]);
});

test('S18: an inactive framework is read and marked', () => {
  const frameworks = [v1Framework('a', 'F', { active: false }), v1Framework('b', 'G')];
  assert.deepEqual(
    read(answer({ frameworks })).snapshot.frameworks.map(({ active }) => active),
    [false, true],
  );
});

for (const bad of [7, 'marathon', null, {}, v1Framework(7, 'F'), { framework_info: [] }]) {
  test(`S02: the framework ${JSON.stringify(bad)} loses only itself`, () => {
    const frameworks = [v1Framework('a', 'F'), bad, v1Framework('c', 'G')];
    const { snapshot, rejections } = read(answer({ frameworks }));
    assert.deepEqual(
      rejections.map(({ path, code }) => `${path} ${code}`),
      ['get_state.get_frameworks.frameworks[1] framework-malformed'],
    );
    assert.deepEqual(
      snapshot.frameworks.map(({ name }) => name),
      ['a', 'c'],
    );
  });
}

// Agents.

const info = (hostname: unknown, more: Json = {}): Json => ({
  agent_info: { id: { value: 'S' }, hostname, ...more },
});
const AGENTS: readonly (readonly [what: string, entry: Json, endpoint: string | null])[] = [
  ['with a pid', { ...info('10.0.0.9'), pid: 'slave(1)@10.0.0.1:5052' }, '10.0.0.1 5052'],
  ['without one, but an address', info('10.0.0.9', { port: 15_051 }), '10.0.0.9 15051'],
  ['without one, but an IPv6 address', info('FD00::1', { port: 15_051 }), 'fd00::1 15051'],
  ['without a port either', info('10.0.0.9'), '10.0.0.9 5051'],
  ['with a port that is none', info('10.0.0.9', { port: 70_000 }), '10.0.0.9 5051'],
  ['with a bad pid and an address', { ...info('10.0.0.9'), pid: 'x' }, '10.0.0.9 5051'],
  ['with only a name', info('agent9.example.test', { port: 5051 }), null],
  ['with a bad pid and only a name', { ...info('agent9'), pid: 'x' }, null],
  ['with nothing', info(undefined), null],
];

for (const [what, entry, endpoint] of AGENTS) {
  test(`an agent ${what} is ${endpoint === null ? 'rejected' : `at ${endpoint}`}`, () => {
    const { snapshot, rejections } = read(answer({ agents: [entry] }));
    assert.deepEqual(
      snapshot.agents.map((known) => `${known.endpoint.host} ${known.endpoint.port}`),
      endpoint === null ? [] : [endpoint],
    );
    assert.deepEqual(
      rejections.map(({ path, code }) => `${path} ${code}`),
      endpoint === null ? ['get_state.get_agents.agents[0].pid pid-malformed'] : [],
    );
  });
}

for (const bad of [7, null, {}, { agent_info: {} }, { agent_info: { id: { value: 7 } } }]) {
  test(`S02: the agent ${JSON.stringify(bad)} loses only itself`, () => {
    const { snapshot, rejections } = read(answer({ agents: [info('10.0.0.1'), bad] }));
    assert.equal(snapshot.agents.length, 1);
    assert.deepEqual(
      rejections.map(({ path, code }) => `${path} ${code}`),
      ['get_state.get_agents.agents[1] agent-malformed'],
    );
  });
}

// Tasks.

const ports = (...ranges: readonly unknown[]): Json => ({
  name: 'ports',
  type: 'RANGES',
  ranges: { range: ranges },
});

test('host ports are those of all ranges of all port resources, in order', () => {
  const resources = [
    ports({ begin: 31_005, end: 31_006 }),
    { name: 'cpus', type: 'SCALAR', scalar: { value: 1 } },
    ports({ begin: 31_001, end: 31_001 }, { begin: 31_000, end: 31_000 }),
    { ...ports({ begin: 1, end: 9 }), revocable: {} },
    { name: 'ports', type: 'RANGES', ranges: {} },
    { name: 'ports', type: 'RANGES' },
    7,
  ];
  assert.deepEqual(good({ resources }).hostPorts, [31_005, 31_006, 31_001, 31_000]);
});

for (const resources of [undefined, null, [], {}, 'x', [null]]) {
  test(`a task with resources ${JSON.stringify(resources)} has no host ports`, () => {
    assert.deepEqual(good({ resources }).hostPorts, []);
  });
}

test('a bad port range loses only itself', () => {
  const range = (begin: unknown, end: unknown): Json => ({ begin, end });
  const bad = [null, range('1', 2), range(1, null), range(1.5, 2), range(-1, 2), range(1, 70_000)];
  const resources = [ports(range(31_000, 31_000), ...bad, range(31_001, 31_001))];
  const { hostPorts } = good({ resources }, [
    '.resources.ports ports-malformed range',
    '.resources.ports ports-malformed range',
    '.resources.ports ports-malformed range',
    '.resources.ports ports-malformed 1.5-2',
    '.resources.ports ports-malformed -1-2',
    '.resources.ports port-out-of-range 1-70000',
  ]);
  assert.deepEqual(hostPorts, [31_000, 31_001]);
});

const BAD_TASKS: readonly (readonly [what: string, bad: unknown, path: string])[] = [
  ['that is a number', 7, ''],
  ['that is null', null, ''],
  ['without an id', v1Task('x', { task_id: undefined }), '.id'],
  ['with a number for an id', v1Task('x', { task_id: { value: 7 } }), '.id'],
  ['without an agent', v1Task('x', { agent_id: {} }), '.slave_id'],
  ['without a name', v1Task('x', { name: undefined }), '.name'],
];

for (const [what, bad, member] of BAD_TASKS) {
  test(`S02: a task ${what} loses only itself`, () => {
    const tasks = [v1Task('a'), bad, v1Task('c')];
    const { snapshot, rejections } = read(answer({ tasks }));
    assert.equal(snapshot.taskCount, 2);
    assert.deepEqual(
      rejections.map(({ path, code }) => `${path} ${code}`),
      [`get_state.get_tasks.tasks[1]${member} task-malformed`],
    );
  });
}

test('labels of tasks and statuses are objects, and may be empty', () => {
  const labels = { labels: [label('VIP_PORT0', 'tcp://old:80')] };
  const docker = { labels: [label('Docker.NetworkSettings.IPAddress', '172.17.0.2')] };
  const parsed = good({ labels, statuses: [running([], { labels: docker })] });
  assert.deepEqual(parsed.vipPortLabels, [{ index: '0', value: 'tcp://old:80' }]);
  assert.equal(parsed.dockerAddresses[0]?.text, '172.17.0.2');
  assert.deepEqual(good({ labels: {}, statuses: [running([], { labels: {} })] }).vipPortLabels, []);
});

test('a check that is no health check says nothing about health', () => {
  const status = { check_status: { type: 'COMMAND', command: { exit_code: 7 } } };
  assert.equal(good({ check: {}, statuses: [running([], status)] }).healthy, true);
  assert.equal(good({ health_check: {}, statuses: [running([], status)] }).healthy, false);
});

// Which form a body has.

test('a saved answer is recognised by its members, and only v1 needs to be told the leader', () => {
  const state = masterState([framework('a', [task('web'), killingTask('old')])]);
  const told = { host: 'told.example.test', port: 1 };
  const leaders = [state, getStateOf(state), { subscribed: getStateOf(state) }].map((body) => {
    const rejections = new RejectionList();
    const result = parseAnyState(JSON.stringify(body), told, rejections);
    assert.ok(result.ok && rejections.total === 0);
    assert.deepEqual([result.value.taskCount, result.value.frameworks[0]?.killing.length], [1, 1]);
    return result.value.leader.host;
  });
  assert.deepEqual(leaders, ['10.0.0.100', told.host, told.host]);
});

test('what is neither form is refused with a reason', () => {
  const errorOf = (text: string): string => {
    const result = parseAnyState(text, ASKED, new RejectionList());
    assert.ok(!result.ok, 'the body is refused');
    return result.error;
  };
  assert.match(errorOf('{}'), /no `frameworks` and `slaves` lists/);
  assert.match(errorOf('{"type":"GET_TASKS","get_tasks":{}}'), /`slaves` lists/);
  assert.match(errorOf('{"get_state":{}}'), /`get_agents`/);
  assert.match(errorOf('{"get_state":{'), /^not JSON: ./);
  assert.match(errorOf('Master has not finished recovery'), /^not JSON: ./);
});

// Laws.

test('any JSON value anywhere in an answer is read or refused, never thrown at', () => {
  fc.assert(
    fc.property(spoiled(states.map(getStateOf)), (body) => {
      for (const parse of [parseGetState, parseAnyState]) {
        const result = parse(JSON.stringify(body), ASKED, new RejectionList());
        if (!result.ok) assert.ok(result.error.length > 0);
      }
    }),
    { numRuns: 500 },
  );
});

test('any text is read or refused with a reason, never thrown at', () => {
  const fragment = fc.constantFrom(
    ...['{', '}', '[', ']', ',', ':', '"', '1', 'null', '"get_state"', '"subscribed"', '"tasks"'],
    ...['"get_tasks"', '"get_agents"', '"get_frameworks"', '"agents"', '"frameworks"', '"slaves"'],
  );
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(fragment, { maxLength: 40 }).map((parts) => parts.join('')),
    fc
      .tuple(states.map(getStateOf), fc.double({ min: 0, max: 1, noNaN: true }))
      .map(([state, part]) => JSON.stringify(state).slice(0, part * 4000)),
  );
  fc.assert(
    fc.property(text, (value) => {
      const result = parseAnyState(value, ASKED, new RejectionList());
      if (!result.ok) assert.ok(result.error.length > 0);
    }),
    { numRuns: 500 },
  );
});

test('junk among tasks, frameworks and agents costs the others nothing', () => {
  const junk = fc.array(fc.jsonValue({ maxDepth: 2 }), { maxLength: 3 });
  fc.assert(
    fc.property(states, junk, (state, bad) => {
      const clean = getStateOf(state);
      const dirty = structuredClone(clean) as Record<string, Record<string, Json>>;
      for (const [block, list] of [
        ['get_tasks', 'tasks'],
        ['get_frameworks', 'frameworks'],
        ['get_agents', 'agents'],
      ] as const) {
        const entries = dirty['get_state']?.[block]?.[list] as unknown[];
        for (const value of bad) entries.splice(entries.length >> 1, 0, value);
      }
      assert.deepEqual(comparable(read(dirty).snapshot), comparable(read(clean).snapshot));
    }),
  );
});
