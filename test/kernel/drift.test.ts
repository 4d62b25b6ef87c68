import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { SuiteCleanup } from '../support/cleanup.ts';
import { type Cluster, type ClusterNode, openCluster } from './cluster.ts';
import type { Instance } from './cluster-master.ts';
import { eventually } from './eventually.ts';
import { Hoplite } from './hoplite.ts';
import { weights } from './ipvs-table.ts';

const shared = new SuiteCleanup();
let cluster: Cluster;
let node: ClusterNode;
let hoplite: Hoplite;

before(async () => {
  cluster = await openCluster({ nodes: 2 });
  shared.after(() => cluster.close());
  await cluster.node(1).peer.serveHttp(9001, 'one');
  await cluster.node(2).peer.serveHttp(9001, 'two');
  node = cluster.node(2);
  // Others' things are there before it starts.
  for (const command of FOREIGN) node.run(...command);
  // Its address is found by its route, since it changes.
  hoplite = await Hoplite.start(shared, cluster, 2, { kernel: { nodeAddress: {} } });
});
after(() => shared.run());

const BOTH: readonly Instance[] = [
  { id: '1', node: 1, port: 9001 },
  { id: '2', node: 2, port: 9001 },
];
const HEALTHY = { '10.9.0.1:9001': 1, '10.9.0.2:9001': 1 };

/** What somebody else may have set up, outside of the pool. */
const FOREIGN: readonly (readonly [string, ...string[]])[] = [
  ['ipvsadm', '-A', '-t', '192.168.7.7:80', '-s', 'rr'],
  ['ipvsadm', '-a', '-t', '192.168.7.7:80', '-r', '10.9.0.1:9001', '-m', '-w', '7'],
  ['ipvsadm', '-A', '-u', '192.168.7.7:53', '-s', 'wlc', '-p', '300'],
  ['ipvsadm', '-A', '-t', '10.207.255.255:80', '-s', 'sh'],
  ['ipvsadm', '-A', '-f', '7', '-s', 'lc'],
  ['ipvsadm', '-a', '-f', '7', '-r', '10.9.0.1:9001', '-m'],
  ['ip', 'link', 'add', 'other0', 'type', 'dummy'],
  ['ip', 'link', 'set', 'other0', 'up'],
  ['ip', 'address', 'add', '192.168.7.7/32', 'dev', 'other0'],
  ['ip', 'route', 'add', 'local', '192.168.8.8/32', 'dev', 'other0', 'src', '10.9.0.2'],
];

/** All of that as the kernel shows it. */
function foreign(): string {
  const saved = node.run('ipvsadm', '-S', '-n').split('\n');
  const routes = node.run('ip', 'route', 'show', 'table', 'all').split('\n');
  const addresses = node.run('ip', '-brief', 'address', 'show', 'dev', 'other0');
  const isForeign = (line: string): boolean => /192\.168\.|10\.207\.| -f 7 /.test(line);
  return [...saved, ...routes].filter(isForeign).concat(addresses).join('\n');
}

async function publish(name: string, port: number): Promise<{ vip: string; key: string }> {
  cluster.master.set({ name, vips: [`/${name}:${port}`], instances: BOTH });
  const vip = await hoplite.vip(name);
  return { vip, key: `tcp ${vip}:${port}` };
}

const DRIFTS: readonly (readonly [what: string, drift: (service: string) => readonly string[]])[] =
  [
    ['a deleted destination', (service) => ['-d', '-t', service, '-r', '10.9.0.1:9001']],
    ['a weight', (service) => ['-e', '-t', service, '-r', '10.9.0.1:9001', '-m', '-w', '5']],
    ['a scheduler', (service) => ['-E', '-t', service, '-s', 'sh']],
    ['a foreign destination', (service) => ['-a', '-t', service, '-r', '10.9.0.9:1', '-m']],
    ['a deleted service', (service) => ['-D', '-t', service]],
  ];

test('IPVS c.14: what somebody changes by hand is set right within the interval', async (t) => {
  const { vip, key } = await publish('drift', 8401);
  for (const [what, drift] of DRIFTS) {
    await t.test(what, async () => {
      const { driftRepaired } = (await hoplite.synced()).kernel;
      node.run('ipvsadm', ...drift(`${vip}:8401`));
      await hoplite.holds(`the repair of ${what}`, (table) => {
        const service = table.get(key);
        const all = [...(service?.destinations.values() ?? [])];
        const isRight =
          service?.scheduler === 'wlc' && all.every(({ forwarding }) => forwarding === 'Masq');
        // A removed one may be kept until it has no connections, without new ones.
        const { '10.9.0.9:1': strange = 0, ...ours } = weights(table)[key] ?? {};
        return isRight && strange === 0 && JSON.stringify(sorted(ours)) === JSON.stringify(HEALTHY);
      });
      await hoplite.reports('a count', ({ kernel }) => kernel.driftRepaired > driftRepaired);
    });
  }
  assert.deepEqual((await node.peer.texts(`http://${vip}:8401`, 4)).length, 4);
});

function sorted(values: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1)));
}

test('IPVS c.15: the interface and routes come back, and connections survive', async () => {
  const { vip } = await publish('dummy', 8402);
  const stream = await node.peer.stream(`http://${vip}:8402/stream`);
  await eventually('the first piece', async () => (await stream.look()).name);
  const routeOf = (): string => node.run('ip', 'route', 'show', 'table', 'local', vip);
  assert.match(routeOf(), /^local \S+ dev hoplite0 .*src 10\.9\.0\.2/);
  for (const damage of [
    ['link', 'delete', 'hoplite0'],
    ['link', 'set', 'hoplite0', 'down'],
    ['route', 'delete', 'local', vip, 'table', 'local'],
  ]) {
    node.run('ip', ...damage);
    await eventually(`the route after ${damage.join(' ')}`, () => {
      const isUp = /<.*\bUP\b/.test(node.run('ip', 'link', 'show'));
      return isUp && / dev hoplite0 .*src 10\.9\.0\.2/.test(routeOf());
    });
    assert.match((await node.peer.texts(`http://${vip}:8402`)).join(), /^(one|two)$/);
  }
  const { pieces } = await stream.look();
  await eventually('more of the download', async () => (await stream.look()).pieces > pieces);
  assert.equal((await stream.stop()).broken, null);
});

test('IPVS c.28: when the node gets another address, its routes name that one', async () => {
  const { vip } = await publish('moved', 8403);
  // Else the second address of a network goes with the first.
  node.run('sh', '-c', 'echo 1 > /proc/sys/net/ipv4/conf/eth0/promote_secondaries');
  node.run('ip', 'address', 'add', '10.9.0.12/24', 'dev', 'eth0');
  node.run('ip', 'address', 'delete', '10.9.0.2/24', 'dev', 'eth0');
  try {
    await eventually('the new source', () =>
      node.run('ip', 'route', 'show', 'table', 'local', vip).includes(' src 10.9.0.12'),
    );
    const texts = await node.peer.texts(`http://${vip}:8403`, 4);
    assert.ok(texts.includes('one'), texts.join());
  } finally {
    node.run('ip', 'address', 'add', '10.9.0.2/24', 'dev', 'eth0');
    node.run('ip', 'address', 'delete', '10.9.0.12/24', 'dev', 'eth0');
    node.run('ip', 'route', 'replace', 'default', 'via', '10.9.0.254');
  }
  await eventually('the old source', () =>
    / src 10\.9\.0\.2\b/.test(node.run('ip', 'route', 'show', 'table', 'local', vip)),
  );
});

test("others' services, routes and addresses survive all changes", async () => {
  const before = foreign();
  assert.match(before, /192\.168\.7\.7:80 .*-w 7/, 'there is something to survive');
  await publish('brief', 8404);
  cluster.master.remove('brief');
  await hoplite.holds(
    'its end',
    (table) => ![...table.keys()].some((key) => key.endsWith(':8404')),
  );
  await hoplite.synced();
  assert.equal(foreign(), before);
});

test('cleanup removes exactly what is ours', async () => {
  const before = foreign();
  await publish('cleaned', 8405);
  await hoplite.stop();
  assert.ok(weights(node.table()), 'the kernel goes on without the daemon');
  const { status, stdout, stderr } = await hoplite.command('cleanup');
  assert.equal(status, 0, stdout + stderr);
  assert.equal(foreign(), before);
  assert.deepEqual(
    [...node.table().keys()].filter((key) => / 10\.208\.| \[fd00:208:/.test(key)),
    [],
  );
  assert.doesNotMatch(node.run('ip', 'route', 'show', 'table', 'all'), /10\.208\.|fd00:208:/);
  assert.doesNotMatch(node.run('ip', 'link', 'show'), /hoplite0/);
});
