import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { SuiteCleanup } from '../support/cleanup.ts';
import { type Cluster, openCluster } from './cluster.ts';
import type { Instance } from './cluster-master.ts';
import { eventually } from './eventually.ts';
import { Hoplite } from './hoplite.ts';
import type { Destination } from './ipvs-table.ts';

/** Of the second node alone; the first one has the default, which no test waits for. */
const SHORT_DRAIN_SECONDS = 3;

const shared = new SuiteCleanup();
let cluster: Cluster;
let patient: Hoplite;
let hasty: Hoplite;

before(async () => {
  cluster = await openCluster({ nodes: 2 });
  shared.after(() => cluster.close());
  await cluster.node(1).peer.serveHttp(9001, 'one');
  await cluster.node(2).peer.serveHttp(9001, 'two');
  const kernel = { drainSeconds: SHORT_DRAIN_SECONDS };
  [patient, hasty] = await Promise.all([
    Hoplite.start(shared, cluster, 1),
    Hoplite.start(shared, cluster, 2, { kernel }),
  ]);
});
after(() => shared.run());

const ONE: Instance = { id: '1', node: 1, port: 9001 };
const TWO: Instance = { id: '2', node: 2, port: 9001 };
const DESTINATION: Readonly<Record<string, string>> = {
  one: '10.9.0.1:9001',
  two: '10.9.0.2:9001',
};

/** What a node's kernel has of a backend, by the name that it answers with. */
function backend({ node }: Hoplite, key: string, name: string): Destination | undefined {
  return node
    .table()
    .get(key)
    ?.destinations.get(DESTINATION[name] ?? '');
}

/** Instances of both backends, of which the named one is in another state. */
function withState(name: string, state: string): Instance[] {
  return [ONE, TWO].map((one) => {
    return one.node === (name === 'one' ? 1 : 2) ? { ...one, state } : one;
  });
}

function without(name: string): Instance[] {
  return name === 'one' ? [TWO] : [ONE];
}

test('IPVS c.3: a task that is killed keeps its download and gets nothing new', async () => {
  const app = { name: 'drained', vips: ['/drained:8301'], instances: [ONE, TWO] };
  cluster.master.set(app);
  const vip = await patient.vip('drained');
  const key = `tcp ${vip}:8301`;
  const { peer } = patient.node;
  const stream = await peer.stream(`http://${vip}:8301/stream`);
  const old = await eventually('the first piece', async () => (await stream.look()).name);
  const other = old === 'one' ? 'two' : 'one';
  cluster.master.scale('drained', withState(old, 'TASK_KILLING'));
  await patient.holds('the weight 0', () => backend(patient, key, old)?.weight === 0);
  assert.deepEqual(await peer.texts(`http://${vip}:8301`, 3), [other, other, other]);
  cluster.master.scale('drained', without(old));
  await patient.reports('a backend that drains', ({ kernel }) => kernel.draining === 1);
  assert.equal(backend(patient, key, old)?.weight, 0);
  assert.deepEqual(await patient.plan(), [], 'a drain is as it should be');
  const { pieces } = await stream.look();
  await eventually('more of the download', async () => (await stream.look()).pieces > pieces + 5);
  assert.equal((await stream.stop()).broken, null);
  await patient.holds('the end of the drain', () => backend(patient, key, old) === undefined);
  await patient.reports('no drain', ({ kernel }) => kernel.draining === 0);
  assert.deepEqual(await peer.texts(`http://${vip}:8301`, 2), [other, other]);
});

test('a removed backend whose connections do not end is deleted at the deadline', async () => {
  cluster.master.set({ name: 'deadline', vips: ['/deadline:8302'], instances: [ONE, TWO] });
  const vip = await hasty.vip('deadline');
  const key = `tcp ${vip}:8302`;
  const stream = await hasty.node.peer.stream(`http://${vip}:8302/stream`);
  const old = await eventually('the first piece', async () => (await stream.look()).name);
  cluster.master.scale('deadline', without(old));
  await hasty.holds('the weight 0', () => backend(hasty, key, old)?.weight === 0);
  const start = performance.now();
  await hasty.holds('its deletion', () => backend(hasty, key, old) === undefined);
  const seconds = (performance.now() - start) / 1_000;
  // It is looked for once a second, and the start was seen late rather than early.
  const atLeast = SHORT_DRAIN_SECONDS - 1.5;
  assert.ok(seconds > atLeast, `deleted after ${seconds.toFixed(1)} s`);
  await stream.stop();
});

test('a backend that comes back while it drains is used again', async () => {
  cluster.master.set({ name: 'flapping', vips: ['/flapping:8303'], instances: [ONE, TWO] });
  const vip = await patient.vip('flapping');
  const key = `tcp ${vip}:8303`;
  const stream = await patient.node.peer.stream(`http://${vip}:8303/stream`);
  const old = await eventually('the first piece', async () => (await stream.look()).name);
  cluster.master.scale('flapping', without(old));
  await patient.holds('the weight 0', () => backend(patient, key, old)?.weight === 0);
  cluster.master.scale('flapping', [ONE, TWO]);
  await patient.holds('its weight again', () => backend(patient, key, old)?.weight === 1);
  assert.equal((await stream.stop()).broken, null);
});

test('a service that is removed drains too, and its name is gone at once', async () => {
  cluster.master.set({ name: 'removed', vips: ['/removed:8304'], instances: [ONE] });
  const vip = await patient.vip('removed');
  const key = `tcp ${vip}:8304`;
  const stream = await patient.node.peer.stream(`http://${vip}:8304/stream`);
  await eventually('the first piece', async () => (await stream.look()).name);
  cluster.master.remove('removed');
  await patient.holds('the weight 0', () => backend(patient, key, 'one')?.weight === 0);
  assert.deepEqual(await patient.resolve('removed.marathon.l4lb.mesos'), []);
  const { pieces } = await stream.look();
  await eventually('more of the download', async () => (await stream.look()).pieces > pieces + 5);
  assert.equal((await stream.stop()).broken, null);
  await patient.holds('nothing of the VIP', (table) => {
    return ![...table.keys()].some((name) => name.includes(` ${vip}:`));
  });
  assert.doesNotMatch(patient.node.run('ip', 'route', 'show', 'table', 'local'), new RegExp(vip));
});

test('IPVS c.12: datagrams go to another backend as soon as theirs is removed', async () => {
  await cluster.node(1).peer.serveUdp(9301, 'one');
  await cluster.node(2).peer.serveUdp(9301, 'two');
  const both = [ONE, TWO].map((one) => ({ ...one, port: 9301 }));
  cluster.master.set({
    name: 'datagrams',
    vips: ['/datagrams:8305'],
    protocol: 'udp',
    instances: both,
  });
  const vip = await patient.vip('datagrams');
  const flow = await patient.node.peer.udp(vip, 8305);
  const old = await eventually('an answer', async () => (await flow.look()).last);
  cluster.master.scale(
    'datagrams',
    both.filter(({ node }) => node !== (old === 'one' ? 1 : 2)),
  );
  const key = `udp ${vip}:8305`;
  const destination = `10.9.0.${old === 'one' ? 1 : 2}:9301`;
  const seen: number[] = [];
  await patient.holds('its deletion', (table) => {
    const weight = table.get(key)?.destinations.get(destination)?.weight;
    if (weight !== undefined) seen.push(weight);
    return weight === undefined;
  });
  assert.ok(!seen.includes(0), 'datagrams would go to a weight of 0 for ever');
  await eventually('answers of the other', async () => (await flow.look()).last !== old);
  const { lost, sent } = await flow.stop();
  assert.equal(lost, 0, `lost of ${sent}`);
});

test('IPVS c.7: a persistent client leaves a backend that drains', async () => {
  const labels = { HOPLITE_PERSISTENCE: '300', HOPLITE_SCHEDULER: 'rr' };
  const app = { name: 'sticky', vips: ['/sticky:8306'], labels, instances: [ONE, TWO] };
  cluster.master.set(app);
  const vip = await patient.vip('sticky');
  const key = `tcp ${vip}:8306`;
  const { peer } = patient.node;
  const [old = '', ...others] = await peer.texts(`http://${vip}:8306`, 4);
  assert.deepEqual(others, [old, old, old]);
  assert.match(patient.node.table().get(key)?.flags ?? '', /^persistent /);
  cluster.master.scale('sticky', withState(old, 'TASK_KILLING'));
  await patient.holds('the weight 0', () => backend(patient, key, old)?.weight === 0);
  const other = old === 'one' ? 'two' : 'one';
  assert.deepEqual(await peer.texts(`http://${vip}:8306`, 2), [other, other]);
});
