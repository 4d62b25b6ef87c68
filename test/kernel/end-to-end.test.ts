import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { SuiteCleanup } from '../support/cleanup.ts';
import { type Cluster, openCluster } from './cluster.ts';
import { eventually } from './eventually.ts';
import { Hoplite } from './hoplite.ts';
import type { Peer } from './peer.ts';

// Two nodes with hoplite on each, and a container behind the first one.
const shared = new SuiteCleanup();
let cluster: Cluster;
let first: Hoplite;
let second: Hoplite;
let container: Peer;

before(async () => {
  cluster = await openCluster({ nodes: 2, container: true });
  shared.after(() => cluster.close());
  assert.ok(cluster.container !== null);
  container = cluster.container;
  await cluster.node(1).peer.serveHttp(9001, 'one');
  await cluster.node(2).peer.serveHttp(9001, 'two');
  [first, second] = await Promise.all([
    Hoplite.start(shared, cluster, 1, { kernel: { snat: true } }),
    Hoplite.start(shared, cluster, 2),
  ]);
});
after(() => shared.run());

/** A service with a backend on each node, balanced in turn. */
function publish(name: string, vip: string, labels: Readonly<Record<string, string>> = {}): void {
  cluster.master.set({
    name,
    vips: [vip],
    labels: { HOPLITE_SCHEDULER: 'rr', ...labels },
    instances: [
      { id: '1', node: 1, port: 9001 },
      { id: '2', node: 2, port: 9001 },
    ],
  });
}

test('dig finds the VIP of a service, and curl reaches its backends in turn', async () => {
  publish('web', '/web:8101');
  const vip = await first.vip('web');
  const { node } = first;
  const dug = node.run('dig', '+short', `@${node.address}`, 'web.marathon.l4lb.mesos');
  assert.equal(dug, `${vip}\n`);
  const service = node.run(
    'dig',
    '+short',
    `@${node.address}`,
    '_web._tcp.marathon.l4lb.mesos',
    'SRV',
  );
  assert.match(service, / 8101 web\.marathon\.l4lb\.mesos\.\n$/);
  const url = `http://${vip}:8101/`;
  const answers = node.run(
    'curl',
    '-sS',
    '-H',
    'Connection: close',
    '-w',
    '\n',
    url,
    url,
    url,
    url,
  );
  const [one, two, three, four] = answers.trim().split('\n');
  assert.deepEqual([one, two].sort(), ['one', 'two']);
  assert.deepEqual([three, four], [one, two]);
});

test('a second node has the same VIP and balances it by itself', async () => {
  publish('same', '/same:8102');
  const vip = await first.vip('same');
  assert.equal(await second.vip('same'), vip);
  const texts = await second.node.peer.texts(`http://${vip}:8102`, 4);
  assert.deepEqual(texts.sort(), ['one', 'one', 'two', 'two']);
  const digest = (await first.status()).vips.digest;
  assert.equal((await second.status()).vips.digest, digest);
  const key = `tcp ${vip}:8102`;
  assert.deepEqual([...(first.node.table().get(key)?.destinations.keys() ?? [])].sort(), [
    '10.9.0.1:9001',
    '10.9.0.2:9001',
  ]);
});

test('a service of UDP answers from its VIP', async () => {
  await first.node.peer.serveUdp(9101, 'one');
  await second.node.peer.serveUdp(9101, 'two');
  cluster.master.set({
    name: 'datagrams',
    vips: ['/datagrams:8103'],
    protocol: 'udp',
    instances: [
      { id: '1', node: 1, port: 9101 },
      { id: '2', node: 2, port: 9101 },
    ],
  });
  const vip = await first.vip('datagrams');
  const names = new Set<string>();
  await eventually('answers of both backends', async () => {
    for (const { text } of await first.node.peer.sendUdp(vip, 8103, 2)) names.add(text);
    return names.size === 2;
  });
  assert.deepEqual([...names].sort(), ['one', 'two']);
});

test('an IPv6 VIP answers end to end', async () => {
  cluster.master.set({
    name: 'six',
    vips: ['/six:8104'],
    labels: { HOPLITE_SCHEDULER: 'rr' },
    instances: [
      { id: '1', node: 1, port: 9001, addresses: ['fd09::1'] },
      { id: '2', node: 2, port: 9001, addresses: ['fd09::2'] },
    ],
  });
  const vip = await first.vip('six', 6);
  assert.match(vip, /^fd00:208:/);
  const texts = await first.node.peer.texts(`http://[${vip}]:8104`, 4);
  assert.deepEqual(texts.sort(), ['one', 'one', 'two', 'two']);
  assert.deepEqual(await first.resolve('six.marathon.l4lb.mesos', 4), []);
});

test('with HOPLITE_ENDPOINT=vip the plain name of a service answers with its VIP', async () => {
  publish('plain', '/plain:8105', { HOPLITE_ENDPOINT: 'vip' });
  const vip = await first.vip('plain');
  await eventually('the VIP at the plain name', async () =>
    (await first.resolve('plain.marathon.mesos')).includes(vip),
  );
});

test('IPVS c.9: a container behind a node reaches backends on both nodes', async () => {
  publish('inside', '/inside:8106');
  const vip = await first.vip('inside');
  const texts = await container.texts(`http://${vip}:8106`, 4);
  assert.deepEqual(texts.sort(), ['one', 'one', 'two', 'two']);
});

test('IPVS c.9: a container that is its own backend reaches itself by its VIP', async () => {
  await container.serveHttp(9201, 'container');
  cluster.master.set({
    name: 'mirror',
    vips: ['/mirror:8107'],
    instances: [{ id: '1', node: 1, port: 9201, addresses: ['10.66.0.2'] }],
  });
  const vip = await first.vip('mirror');
  assert.deepEqual(await first.node.peer.texts(`http://${vip}:8107`), ['container']);
  assert.deepEqual(await container.texts(`http://${vip}:8107`), ['container']);
});

test('IPVS c.10: a port of a VIP that no service has reaches no daemon of the node', async () => {
  publish('shy', '/shy:8108');
  const vip = await first.vip('shy');
  await first.node.peer.serveHttp(22, 'daemon of the node');
  assert.deepEqual(await first.node.peer.texts(`http://${first.node.address}:22`), [
    'daemon of the node',
  ]);
  assert.deepEqual(await first.node.peer.texts(`http://${vip}:22`), ['error: ECONNREFUSED']);
  assert.deepEqual(await container.texts(`http://${vip}:22`), ['error: ECONNREFUSED']);
  // What answers DNS at every address of the node does not do so at a VIP.
  const [reply] = await first.node.peer.sendUdp(vip, 53, 1);
  assert.match(reply?.text ?? '', /^error: /);
});

test('IPVS c.11: a service whose backends are all unhealthy refuses at once', async () => {
  publish('ill', '/ill:8109');
  const vip = await first.vip('ill');
  cluster.master.scale('ill', [
    { id: '1', node: 1, port: 9001, healthy: false },
    { id: '2', node: 2, port: 9001, healthy: false },
  ]);
  const key = `tcp ${vip}:8109`;
  await first.holds('no backend with a weight', (table) => {
    const destinations = [...(table.get(key)?.destinations.values() ?? [])];
    return destinations.length === 2 && destinations.every(({ weight }) => weight === 0);
  });
  const [reply] = await first.node.peer.get(`http://${vip}:8109`);
  assert.equal(reply?.text, 'error: ECONNREFUSED');
  assert.ok(reply.ms < 1_000, `refused after ${reply.ms} ms`);
  assert.deepEqual(await first.resolve('ill.marathon.l4lb.mesos'), [vip], 'the name stays');
});
