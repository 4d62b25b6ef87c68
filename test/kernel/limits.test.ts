import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { SuiteCleanup } from '../support/cleanup.ts';
import { type Cluster, type ClusterNode, openCluster } from './cluster.ts';
import type { App, Instance } from './cluster-master.ts';
import { eventually } from './eventually.ts';
import { Hoplite } from './hoplite.ts';

const BACKENDS = 2_000;
const FIRST_PORT = 20_000;

const shared = new SuiteCleanup();
let cluster: Cluster;
let node: ClusterNode;
let hoplite: Hoplite;

before(async () => {
  cluster = await openCluster({ nodes: 1 });
  shared.after(() => cluster.close());
  node = cluster.node(1);
  await node.peer.serveHttp(9001, 'one');
  hoplite = await Hoplite.start(shared, cluster, 1);
});
after(() => shared.run());

test('IPVS c.27: a backend at its upper threshold refuses, and has room when one ends', async () => {
  const app: App = {
    name: 'narrow',
    vips: ['/narrow:8911'],
    labels: { HOPLITE_UPPER_THRESHOLD: '1' },
    instances: [{ id: '1', node: 1, port: 9001 }],
  };
  cluster.master.set(app);
  const url = `http://${await hoplite.vip('narrow')}:8911/`;
  // The end of a connection counts too while it may still get a late packet: for two minutes if
  // it was closed, but as long as is said here if it is only forgotten.
  node.run('ipvsadm', '--set', '3', '0', '0');
  try {
    assert.equal((await node.peer.getAndKeep(url)).text, 'one');
    const [second] = await node.peer.get(url);
    assert.equal(second?.text, 'error: ECONNREFUSED');
    assert.ok(second.ms < 1_000, `refused after ${second.ms} ms`);
    assert.equal((await node.peer.getAgain(url)).text, 'one', 'the first one goes on');
    await eventually('an answer to another client', async () => {
      return (await node.peer.texts(url))[0] === 'one';
    });
  } finally {
    node.run('ipvsadm', '--set', '900', '0', '0');
  }
});

test('IPVS c.27: a higher threshold lets clients in at once, without a drift', async () => {
  const app: App = {
    name: 'widened',
    vips: ['/widened:8912'],
    labels: { HOPLITE_UPPER_THRESHOLD: '1' },
    instances: [{ id: '1', node: 1, port: 9001 }],
  };
  cluster.master.set(app);
  const url = `http://${await hoplite.vip('widened')}:8912/`;
  const stream = await node.peer.stream(`${url}stream`);
  await eventually('the first piece', async () => (await stream.look()).name);
  assert.deepEqual(await node.peer.texts(url), ['error: ECONNREFUSED']);
  cluster.master.set({ ...app, labels: { HOPLITE_UPPER_THRESHOLD: '100' } });
  await eventually('an answer', async () => (await node.peer.texts(url))[0] === 'one');
  assert.equal((await stream.stop()).broken, null);
  assert.deepEqual(await hoplite.plan(), []);
});

test(`IPVS c.21: of ${BACKENDS} backends of a service one that changes is one change`, async (t) => {
  const instances = Array.from({ length: BACKENDS }, (_, index): Instance => {
    return { id: String(index), node: 1, port: FIRST_PORT + index };
  });
  const start = performance.now();
  cluster.master.set({ name: 'wide', vips: ['/wide:8913'], instances });
  const key = `tcp ${await hoplite.vip('wide')}:8913`;
  await hoplite.holds('all backends', (table) => {
    const all = [...(table.get(key)?.destinations.values() ?? [])];
    return all.length === BACKENDS && all.every(({ weight }) => weight === 1);
  });
  const { kernel } = await hoplite.reports('them', ({ kernel }) => {
    return kernel.state === 'synced' && kernel.destinations > BACKENDS;
  });
  const seconds = ((performance.now() - start) / 1_000).toFixed(1);
  t.diagnostic(`programmed after ${seconds} s; last comparison ${kernel.syncMs} ms`);
  const changed = instances.map((one) => (one.id === '7' ? { ...one, healthy: false } : one));
  cluster.master.scale('wide', changed);
  const isRight = (weight: number, name: string): boolean =>
    weight === (name === `10.9.0.1:${FIRST_PORT + 7}` ? 0 : 1);
  await hoplite.holds('one weight of 0', (table) => {
    const all = [...(table.get(key)?.destinations ?? [])];
    return all.length === BACKENDS && all.every(([name, { weight }]) => isRight(weight, name));
  });
  const after = await hoplite.reports('the change', ({ kernel }) => kernel.weightZero === 1);
  assert.equal(after.kernel.changes, kernel.changes + 1);
  assert.equal(after.kernel.driftRepaired, kernel.driftRepaired);
});
