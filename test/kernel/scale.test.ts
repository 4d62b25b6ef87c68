import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { SuiteCleanup } from '../support/cleanup.ts';
import { type Cluster, openCluster } from './cluster.ts';
import { eventually } from './eventually.ts';
import { Hoplite } from './hoplite.ts';
import type { Table } from './ipvs-table.ts';

const SERVICES = 5_000;

const shared = new SuiteCleanup();
let cluster: Cluster;
let hoplite: Hoplite;

before(async () => {
  cluster = await openCluster({ nodes: 1 });
  shared.after(() => cluster.close());
  await cluster.node(1).peer.serveHttp(9001, 'one');
  for (let number = 0; number < SERVICES; number++) {
    cluster.master.set({
      name: `many-${number}`,
      vips: [`/many-${number}:8701`],
      instances: [{ id: '1', node: 1, port: 9001 }],
    });
  }
});
after(() => shared.run());

/** Services that have their backend. */
function complete(table: Table): number {
  return [...table].filter(([key, { destinations }]) => {
    return key.endsWith(':8701') && destinations.get('10.9.0.1:9001')?.weight === 1;
  }).length;
}

test(`IPVS c.20: ${SERVICES} services are programmed, each with its name`, async (t) => {
  // The state is megabytes: reading it as often as elsewhere would be all that is done.
  const options = { cluster: { pollIntervalSeconds: 5 } };
  const start = performance.now();
  hoplite = await Hoplite.start(shared, cluster, 1, options);
  const { kernel } = await hoplite.synced();
  const seconds = ((performance.now() - start) / 1_000).toFixed(1);
  t.diagnostic(`from the start of the daemon ${seconds} s; last comparison ${kernel.syncMs} ms`);
  assert.equal(complete(hoplite.node.table()), SERVICES);
  assert.equal(kernel.programmed, SERVICES);
  const { peer } = hoplite.node;
  for (const number of [0, 1_234, SERVICES - 1]) {
    const vip = await hoplite.vip(`many-${number}`);
    assert.deepEqual(await peer.texts(`http://${vip}:8701`), ['one']);
  }
});

test('IPVS c.19: tens of thousands of refused changes do not end the kernel process', async () => {
  const { node } = hoplite;
  const saved = node.run('ipvsadm', '-S', '-n');
  const lines = saved.split('\n').filter((line) => line.includes(':8701'));
  assert.equal(lines.length, 2 * SERVICES);
  for (let round = 0; round < 2; round++) {
    // Somebody else makes the same changes at the same time: whoever is second gets EEXIST.
    node.run('ipvsadm', '-C');
    const args = [`--net=/run/netns/${node.namespace}`, 'ipvsadm', '-R'];
    const rival = spawn('nsenter', args, { stdio: ['pipe', 'ignore', 'ignore'] });
    rival.stdin.on('error', () => undefined).end(`${lines.join('\n')}\n`);
    await once(rival, 'close');
    await hoplite.holds('all services', (table) => complete(table) === SERVICES);
  }
  const { kernel } = await hoplite.synced();
  assert.equal(kernel.restarts, 0);
  // To read 15,000 services for it may take a guest longer than the API waits.
  const isRight = async (): Promise<boolean> => {
    const plan = await hoplite.plan().catch(() => null);
    return plan?.length === 0;
  };
  await eventually('an empty plan', isRight, { deadlineMs: 90_000 });
});
