import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { SuiteCleanup } from '../support/cleanup.ts';
import { type Cluster, openCluster } from './cluster.ts';
import type { Instance } from './cluster-master.ts';
import { eventually } from './eventually.ts';
import { Hoplite } from './hoplite.ts';
import { weights } from './ipvs-table.ts';
import type { Peer, PeerJob } from './peer.ts';
import type { LoadReport, StreamReport } from './peer-protocol.ts';

/** What one slow processor can carry beside a daemon that starts. */
const REQUESTS_PER_SECOND = 40;

const shared = new SuiteCleanup();
let cluster: Cluster;
let hoplite: Hoplite;
let client: Peer;

before(async () => {
  cluster = await openCluster({ nodes: 2 });
  shared.after(() => cluster.close());
  client = cluster.node(1).peer;
  await cluster.node(1).peer.serveHttp(9001, 'one');
  await cluster.node(2).peer.serveHttp(9001, 'two');
  hoplite = await Hoplite.start(shared, cluster, 1);
});
after(() => shared.run());

const BOTH: readonly Instance[] = [
  { id: '1', node: 1, port: 9001 },
  { id: '2', node: 2, port: 9001 },
];

interface Traffic {
  readonly vip: string;
  readonly key: string;
  readonly load: PeerJob<LoadReport>;
  readonly stream: PeerJob<StreamReport>;
}

/** Publishes a service and begins to use it: requests over kept connections, and a download. */
async function startTraffic(name: string, port: number): Promise<Traffic> {
  cluster.master.set({ name, vips: [`/${name}:${port}`], instances: BOTH });
  const vip = await hoplite.vip(name);
  const stream = await client.stream(`http://${vip}:${port}/stream`);
  const load = await client.load(`http://${vip}:${port}`, REQUESTS_PER_SECOND);
  await eventually('traffic', async () => {
    const [{ pieces }, { requests }] = await Promise.all([stream.look(), load.look()]);
    return pieces > 2 && requests > 10;
  });
  return { vip, key: `tcp ${vip}:${port}`, load, stream };
}

/** Ends the traffic; nothing of it may have failed, and some has come since `before`. */
async function assertUnharmed({ load, stream }: Traffic): Promise<void> {
  const before = { load: await load.look(), stream: await stream.look() };
  await eventually('more traffic', async () => {
    const [{ pieces }, { requests }] = await Promise.all([stream.look(), load.look()]);
    return pieces > before.stream.pieces && requests > before.load.requests;
  });
  const { failures, requests } = await load.stop();
  assert.deepEqual(failures, [], `failures of ${requests} requests`);
  assert.equal((await stream.stop()).broken, null);
}

/** A right table is not changed. */
async function assertNothingToDo(): Promise<void> {
  const { kernel } = await hoplite.synced();
  assert.equal(kernel.changes, 0, 'changes made since the start');
  assert.deepEqual(await hoplite.plan(), []);
}

test('IPVS c.1: traffic goes on over a restart, which changes nothing in the kernel', async () => {
  const traffic = await startTraffic('restart', 8201);
  const table = weights(cluster.node(1).table());
  await hoplite.stop();
  assert.deepEqual(weights(cluster.node(1).table()), table, 'the kernel is left as it is');
  hoplite = await Hoplite.start(shared, cluster, 1);
  await assertNothingToDo();
  assert.equal(await hoplite.vip('restart'), traffic.vip);
  await assertUnharmed(traffic);
});

test('IPVS c.1: kill -9 of the daemon fails no request, and it adopts what it finds', async () => {
  const traffic = await startTraffic('killed', 8202);
  await hoplite.stop('SIGKILL', hoplite.daemonProcess());
  hoplite = await Hoplite.start(shared, cluster, 1);
  await assertNothingToDo();
  await assertUnharmed(traffic);
});

test('kill -9 of the process that was started ends all others, and traffic goes on', async () => {
  const traffic = await startTraffic('keeper', 8208);
  await hoplite.stop('SIGKILL');
  hoplite = await Hoplite.start(shared, cluster, 1);
  await assertNothingToDo();
  await assertUnharmed(traffic);
});

test('kill -9 of the kernel process alone fails no request, and it is started again', async () => {
  const traffic = await startTraffic('helper', 8203);
  const { restarts } = (await hoplite.synced()).kernel;
  const pid = hoplite.kernelProcess();
  assert.ok(pid !== null, 'there is a kernel process');
  process.kill(pid, 'SIGKILL');
  // Names answer without it.
  assert.deepEqual(await hoplite.resolve('helper.marathon.l4lb.mesos'), [traffic.vip]);
  await hoplite.reports('another kernel process', ({ kernel }) => kernel.restarts > restarts);
  await assertNothingToDo();
  assert.deepEqual(await hoplite.resolve('helper.marathon.l4lb.mesos'), [traffic.vip]);
  cluster.master.scale('helper', [{ id: '1', node: 1, port: 9001 }]);
  await hoplite.holds('changes by the new process', (table) => {
    return table.get(traffic.key)?.destinations.get('10.9.0.2:9001')?.weight === 0;
  });
  await assertUnharmed(traffic);
});

test('IPVS c.6: what changed while it was down is adopted, and a weight of 0 set right', async () => {
  cluster.master.set({ name: 'adopted', vips: ['/adopted:8204'], instances: BOTH });
  const key = `tcp ${await hoplite.vip('adopted')}:8204`;
  const service = key.slice('tcp '.length);
  const { node } = hoplite;
  await hoplite.stop('SIGKILL');
  node.run('ipvsadm', '-e', '-t', service, '-r', '10.9.0.1:9001', '-m', '-w', '0');
  cluster.master.scale('adopted', [
    { id: '1', node: 1, port: 9001 },
    { id: '3', node: 2, port: 9002 },
  ]);
  cluster.master.set({ name: 'later', vips: ['/later:8205'], instances: BOTH });
  hoplite = await Hoplite.start(shared, cluster, 1);
  // Without connections the removed one goes at the next comparison.
  await hoplite.holds('the new backends', (table) => {
    const found = Object.entries(weights(table)[key] ?? {}).sort();
    return found.join(' ') === '10.9.0.1:9001,1 10.9.0.2:9002,1';
  });
  const later = `tcp ${await hoplite.vip('later')}:8205`;
  assert.deepEqual(weights(node.table())[later], { '10.9.0.1:9001': 1, '10.9.0.2:9001': 1 });
});

test('IPVS c.31: started without a master, it leaves the kernel as it is', async () => {
  const traffic = await startTraffic('alone', 8206);
  await hoplite.stop();
  const { node } = hoplite;
  const table = weights(node.table());
  const routes = node.run('ip', 'route', 'show', 'table', 'local');
  cluster.master.setDown(true);
  hoplite = await Hoplite.start(shared, cluster, 1, { unsynced: true });
  await hoplite.reports('failed polls', ({ source }) => source.consecutiveFailures > 2);
  assert.deepEqual(weights(node.table()), table);
  assert.equal(node.run('ip', 'route', 'show', 'table', 'local'), routes);
  cluster.master.setDown(false);
  await assertNothingToDo();
  assert.deepEqual(weights(node.table()), table);
  await assertUnharmed(traffic);
});

test('kill -9 in the middle of programming leaves nothing that a restart cannot mend', async () => {
  const { node } = hoplite;
  const before = node.table().size;
  const count = 300;
  for (let i = 0; i < count; i++) {
    cluster.master.set({ name: `many-${i}`, vips: [`/many-${i}:8207`], instances: BOTH });
  }
  // Fine steps, since programming takes a fraction of a second.
  const end = performance.now() + 30_000;
  while (node.table().size === before) {
    assert.ok(performance.now() < end, 'programming begins');
    await new Promise((resolve) => setImmediate(resolve));
  }
  const kernel = hoplite.kernelProcess();
  if (kernel !== null) process.kill(kernel, 'SIGKILL');
  await hoplite.stop('SIGKILL', hoplite.daemonProcess());
  hoplite = await Hoplite.start(shared, cluster, 1);
  const services = [...node.table()].filter(([key]) => key.endsWith(':8207'));
  assert.equal(services.length, count);
  assert.ok(services.every(([, { destinations }]) => destinations.size === BOTH.length));
  assert.deepEqual(await hoplite.plan(), []);
  const vip = await hoplite.vip('many-299');
  assert.match((await client.texts(`http://${vip}:8207`)).join(), /^(one|two)$/);
});
