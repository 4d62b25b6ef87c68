import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RejectionList } from '../../../src/core/base/rejection.ts';
import {
  addressesOf,
  buildCatalog,
  type Catalog,
  type HostAddresses,
  hostNames,
} from '../../../src/core/catalog/catalog.ts';
import type { NamesConfig } from '../../../src/core/config/config.ts';
import { ip } from '../../support/small-zone.ts';
import {
  agent,
  agentId,
  discovery,
  framework,
  type Json,
  masterState,
  publish,
  running,
  settings,
  snapshotOf,
  task,
} from '../../support/state-builder.ts';

const NO_HOSTS: HostAddresses = new Map();

function build(state: Json, names: Partial<NamesConfig> = {}, hosts = NO_HOSTS): Catalog {
  return buildCatalog(snapshotOf(state), hosts, settings({ names }).names, new RejectionList());
}

/** Labels and suffix of every task. */
function names(state: Json, config: Partial<NamesConfig> = {}): string[] {
  return build(state, config).frameworks.flatMap(({ name, tasks }) =>
    tasks.map(({ labels, suffix }) => `${labels.join(' ')} ${suffix} ${name}`),
  );
}

const of = (...tasks: readonly unknown[]): Json => masterState([framework('marathon', tasks)]);

const LABELS: readonly (readonly [what: string, entry: Json, expected: string])[] = [
  ['its sanitised task name', task('Web_1'), 'web-1 iffe9-s0 marathon'],
  [
    'its discovery name instead of its task name',
    task('internal', { discovery: discovery('web') }),
    'web iffe9-s0 marathon',
  ],
  [
    'its discovery name raw and sanitised',
    task('x', { discovery: discovery('web.prod') }),
    'web.prod web-prod iffe9-s0 marathon',
  ],
  [
    'a raw discovery name with a space',
    task('x', { discovery: discovery('sp ace') }),
    'sp ace space iffe9-s0 marathon',
  ],
  ['the tail of its agent id', task('web', { slave_id: agentId(1) }), 'web iffe9-s1 marathon'],
];

for (const [what, entry, expected] of LABELS) {
  test(`a task is named by ${what}`, () => {
    assert.deepEqual(names(of(entry)), [expected]);
  });
}

for (const raw of [
  'Mixed_Case',
  'ünï',
  'a..b',
  '.a',
  'a.',
  'l'.repeat(64),
  'tab\there',
  '*',
  'a.*',
]) {
  test(`D15: the raw discovery name ${JSON.stringify(raw)} nobody can ask for is not used`, () => {
    const [first] = build(of(task('x', { discovery: discovery(raw) }))).frameworks;
    const labels = first?.tasks[0]?.labels ?? [];
    assert.equal(labels.length, 1);
    assert.notEqual(labels[0], raw);
  });
}

test('an agent id without a dash is its own tail, in lower case', () => {
  const state = masterState([framework('marathon', [task('web', { slave_id: 'AgentX' })])], {
    slaves: [agent(0, { id: 'AgentX' })],
  });
  assert.deepEqual(names(state), ['web iffe9-agentx marathon']);
});

test('RFC 952 labels are used when the configuration says so', () => {
  const state = masterState([framework('2nd.marathon', [task('123numeric')])]);
  assert.deepEqual(names(state, { labels: 'rfc952' }), ['numeric iffe9-s0 nd.marathon']);
});

test('D14: a framework whose name sanitises to nothing is rejected with its path', () => {
  const state = masterState([framework('marathon', []), framework('...', [task('web')])]);
  const { rejections, records } = publish(state);
  assert.deepEqual(rejections, [{ path: 'frameworks[1].name', code: 'name-empty', value: '...' }]);
  assert.ok(!records.some((record) => record.includes('web')));
});

test('a task of an agent that the state does not have is rejected with its path', () => {
  const state = of(task('a'), task('b', { slave_id: 'nowhere-S7' }));
  const { rejections, records } = publish(state);
  assert.deepEqual(rejections, [
    { path: 'frameworks[0].tasks[1].slave_id', code: 'agent-unknown', value: 'nowhere-S7' },
  ]);
  assert.ok(records.includes('a.marathon.mesos. IN A 10.0.0.1'));
});

// Health.

const sick = (name: string, id: string): Json =>
  task(name, { id, statuses: [running([], { healthy: false })] });

/** Ids of the tasks that are left out of shared names. */
function avoided(state: Json, unhealthy: NamesConfig['unhealthy']): string[] {
  return build(state, { unhealthy }).frameworks.flatMap(({ tasks }) =>
    tasks.filter((entry) => entry.avoided).map((entry) => entry.task.id),
  );
}

test('an unhealthy task is avoided while a healthy one has the same name', () => {
  const state = of(task('web', { id: 'well' }), sick('web', 'sick'), sick('Web', 'sick2'));
  assert.deepEqual(avoided(state, 'avoid'), ['sick', 'sick2']);
  assert.deepEqual(avoided(state, 'publish'), []);
});

test('an unhealthy task is not avoided if all of its name are unhealthy', () => {
  assert.deepEqual(avoided(of(sick('web', 'a'), sick('web', 'b'), task('db')), 'avoid'), []);
});

test('an unhealthy task stays where the healthy one of its name has no address', () => {
  const hidden = task('web', { id: 'well', slave_id: agentId(7) });
  const state = masterState([framework('marathon', [hidden, sick('web', 'sick')])], {
    slaves: [agent(0), agent(7, { pid: 'slave(1)@unknown.example:5051' })],
  });
  assert.deepEqual(avoided(state, 'avoid'), []);
});

test('names are shared across frameworks that are called the same', () => {
  const twins = masterState([
    framework('marathon', [task('web', { id: 'well' })]),
    framework('Marathon', [sick('web', 'sick')]),
    framework('other', [sick('web', 'alone')]),
  ]);
  assert.deepEqual(avoided(twins, 'avoid'), ['sick']);
});

test('an unhealthy task is avoided only if all its labels have a healthy task', () => {
  const raw = { discovery: discovery('web.prod') };
  const state = of(task('web-prod', { id: 'well' }), { ...sick('x', 'sick'), ...raw });
  assert.deepEqual(avoided(state, 'avoid'), []);
});

// Hosts.

test('an address is its own address, a name has those that were looked up', () => {
  const hosts = new Map([
    ['agent7.example.test', [ip('10.20.0.7'), ip('fd20::7')]],
    ['nobody.example.test', []],
  ]);
  const texts = (host: string): string[] => addressesOf(host, hosts).map(({ text }) => text);
  assert.deepEqual(texts('10.0.0.1'), ['10.0.0.1']);
  assert.deepEqual(texts('fd00::1'), ['fd00::1']);
  assert.deepEqual(texts('agent7.example.test'), ['10.20.0.7', 'fd20::7']);
  assert.deepEqual(texts('nobody.example.test'), []);
  assert.deepEqual(texts('unknown.example.test'), []);
  assert.deepEqual(texts(''), []);
});

test('S12: every host name of a state is listed once for looking up, addresses are not', () => {
  const state = masterState(
    [
      framework('a', [], { pid: 's@Sched.example.test:1', hostname: 'unused.example.test' }),
      framework('b', [], { hostname: 'host.example.test' }),
      framework('c', [], { hostname: '' }),
      framework('d', [], { hostname: '10.0.0.7' }),
    ],
    {
      leader: 'master@zoo.example.test:5050',
      slaves: [agent(0), agent(1, { pid: 'slave(1)@sched.example.test:5051' })],
    },
  );
  assert.deepEqual(
    hostNames(snapshotOf(state), [{ host: 'zoo2.example.test' }, { host: 'fd00::1' }]),
    ['host.example.test', 'sched.example.test', 'zoo.example.test', 'zoo2.example.test'],
  );
});

test('S12: addresses of an agent that is a name come from the look-up', () => {
  const state = masterState([framework('marathon', [task('web')])], {
    slaves: [agent(0, { pid: 'slave(1)@agent7.example.test:5051' })],
  });
  const { records, rejections } = publish(
    state,
    {},
    new Map([['agent7.example.test', [ip('10.20.0.7'), ip('fd20::7')]]]),
  );
  assert.ok(records.includes('web.marathon.mesos. IN A 10.20.0.7'));
  assert.ok(records.includes('slave.mesos. IN AAAA fd20::7'));
  const before = publish(state).records;
  assert.ok(!before.some((record) => record.startsWith('web.')), 'no address is known yet');
  assert.deepEqual(rejections, []);
});
