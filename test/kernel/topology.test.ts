import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Cluster, openCluster } from './cluster.ts';
import { weights } from './ipvs-table.ts';

// Shows that the kernel and the cluster of these tests balance at all, without the program.
let cluster: Cluster;
before(async () => {
  cluster = await openCluster({ nodes: 2, container: true });
});
after(() => cluster.close());

test('ipvsadm balances requests of a node over both nodes', async () => {
  const [one, two] = [cluster.node(1), cluster.node(2)];
  await one.peer.serveHttp(8001, 'one');
  await two.peer.serveHttp(8002, 'two');
  assert.deepEqual(await one.peer.texts('http://10.9.0.2:8002'), ['two']);
  one.run('ip', 'route', 'add', 'local', '10.208.0.1/32', 'dev', 'lo', 'src', one.address);
  one.run('ipvsadm', '-A', '-t', '10.208.0.1:80', '-s', 'rr');
  one.run('ipvsadm', '-a', '-t', '10.208.0.1:80', '-r', '10.9.0.1:8001', '-m');
  one.run('ipvsadm', '-a', '-t', '10.208.0.1:80', '-r', '10.9.0.2:8002', '-m', '-w', '1');
  assert.deepEqual(weights(one.table()), {
    'tcp 10.208.0.1:80': { '10.9.0.2:8002': 1, '10.9.0.1:8001': 1 },
  });
  assert.deepEqual((await one.peer.texts('http://10.208.0.1', 4)).sort(), [
    ...['one', 'one'],
    ...['two', 'two'],
  ]);
  assert.equal(two.table().size, 0, 'each node has a table of its own');
});

test('datagrams are balanced, and a table with IPv6 can be read', async () => {
  const [one, two] = [cluster.node(1), cluster.node(2)];
  await two.peer.serveUdp(9001, 'two');
  one.run('ip', '-6', 'route', 'add', 'local', 'fd00:208::1/128', 'dev', 'lo', 'src', one.ipv6);
  one.run('ipvsadm', '-A', '-u', '[fd00:208::1]:53', '-s', 'rr');
  one.run('ipvsadm', '-a', '-u', '[fd00:208::1]:53', '-r', '[fd09::2]:9001', '-m');
  const replies = await one.peer.sendUdp('fd00:208::1', 53, 2);
  assert.deepEqual(
    replies.map(({ text }) => text),
    ['two', 'two'],
  );
  assert.deepEqual(weights(one.table())['udp [fd00:208::1]:53'], { '[fd09::2]:9001': 1 });
});

test('load and a stream report what became of them', async () => {
  const [one, two] = [cluster.node(1), cluster.node(2)];
  await two.peer.serveHttp(8003, 'two');
  const load = await one.peer.load('http://10.9.0.2:8003', 20);
  const stream = await one.peer.stream('http://10.9.0.2:8003/stream');
  const container = await cluster.container?.texts('http://10.66.0.1:8001');
  assert.deepEqual(container, ['one']);
  await two.peer.stopListening(8003);
  assert.deepEqual(await one.peer.texts('http://10.9.0.2:8003'), ['error: ECONNREFUSED']);
  const { requests, failures } = await load.stop();
  assert.ok(requests > 0);
  assert.deepEqual(failures, []);
  const { name, broken } = await stream.stop();
  assert.deepEqual({ name, broken }, { name: 'two', broken: null });
});
