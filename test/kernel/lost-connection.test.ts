import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { SuiteCleanup } from '../support/cleanup.ts';
import { type Cluster, type ClusterNode, openCluster } from './cluster.ts';
import type { Instance } from './cluster-master.ts';
import { eventually } from './eventually.ts';
import { Hoplite } from './hoplite.ts';

// Connections that neither side has ended: what matters is that the client learns of it.
const shared = new SuiteCleanup();
let cluster: Cluster;
let node: ClusterNode;
let hoplite: Hoplite;

before(async () => {
  cluster = await openCluster({ nodes: 2 });
  shared.after(() => cluster.close());
  node = cluster.node(1);
  await node.peer.serveHttp(9001, 'one');
  await cluster.node(2).peer.serveHttp(9001, 'two');
  hoplite = await Hoplite.start(shared, cluster, 1, { kernel: { drainSeconds: 1 } });
});
after(() => shared.run());

const ONE: Instance = { id: '1', node: 1, port: 9001 };
const TWO: Instance = { id: '2', node: 2, port: 9001 };

async function publish(name: string, port: number): Promise<{ url: string; key: string }> {
  cluster.master.set({ name, vips: [`/${name}:${port}`], instances: [TWO] });
  const vip = await hoplite.vip(name);
  return { url: `http://${vip}:${port}/`, key: `tcp ${vip}:${port}` };
}

test('IPVS c.5: a client of a host that died is reset once the master drops the task', async () => {
  const { url, key } = await publish('silent', 8901);
  assert.equal((await node.peer.getAndKeep(url)).text, 'two');
  const host = cluster.node(2);
  // Packets to it are lost from now on, and nobody says so.
  host.run('ip', 'link', 'set', 'eth0', 'down');
  try {
    let isOver = false;
    const again = node.peer.getAgain(url).finally(() => (isOver = true));
    cluster.master.scale('silent', [ONE]);
    await hoplite.holds('the weight 0', (table) => {
      return table.get(key)?.destinations.get('10.9.0.2:9001')?.weight === 0;
    });
    assert.ok(!isOver, 'it waits');
    await hoplite.holds('its deletion', (table) => {
      const service = table.get(key);
      return service !== undefined && !service.destinations.has('10.9.0.2:9001');
    });
    assert.equal((await again).text, 'error: ECONNRESET');
    assert.equal((await node.peer.getAndKeep(url)).text, 'one');
  } finally {
    host.run('ip', 'link', 'set', 'eth0', 'up');
  }
});

test('IPVS c.23: a connection that was silent for too long is reset at its next request', async () => {
  const { url, key } = await publish('idle', 8902);
  await eventually('an answer of the host', async () => {
    return (await node.peer.texts(`http://${cluster.node(2).address}:9001/`))[0] === 'two';
  });
  node.run('ipvsadm', '--set', '2', '0', '0');
  try {
    assert.equal((await node.peer.getAndKeep(url)).text, 'two');
    const before = await node.peer.getAgain(url);
    assert.equal(before.text, 'two', 'it is kept while it is used');
    await hoplite.holds('no connection', (table) => {
      return table.get(key)?.destinations.get('10.9.0.2:9001')?.active === 0;
    });
    const { text, ms } = await node.peer.getAgain(url);
    assert.equal(text, 'error: ECONNRESET');
    assert.ok(ms < 1_000, `reset after ${ms} ms`);
    assert.deepEqual(await node.peer.texts(url), ['two']);
  } finally {
    node.run('ipvsadm', '--set', '900', '0', '0');
  }
});
