import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { SuiteCleanup } from '../support/cleanup.ts';
import { type Cluster, type ClusterNode, openCluster } from './cluster.ts';
import { Hoplite } from './hoplite.ts';

// A node without a firewall and one with, both with hoplite as it is by default.
const shared = new SuiteCleanup();
let cluster: Cluster;
let open: Hoplite;
let guarded: Hoplite;

before(async () => {
  cluster = await openCluster({ nodes: 2 });
  shared.after(() => cluster.close());
  await cluster.node(1).peer.serveHttp(9001, 'one');
  await cluster.node(2).peer.serveHttp(9001, 'two');
  for (const rule of FIREWALL) cluster.node(2).run('iptables', ...rule);
  [open, guarded] = await Promise.all([
    Hoplite.start(shared, cluster, 1),
    Hoplite.start(shared, cluster, 2),
  ]);
});
after(() => shared.run());

/** Of a host that lets in what it asked for, itself, and who asks hoplite or its backend. */
const FIREWALL: readonly (readonly string[])[] = [
  ['-P', 'INPUT', 'DROP'],
  ['-A', 'INPUT', '-m', 'conntrack', '--ctstate', 'ESTABLISHED,RELATED', '-j', 'ACCEPT'],
  ['-A', 'INPUT', '-i', 'lo', '-j', 'ACCEPT'],
  ['-A', 'INPUT', '-p', 'udp', '--dport', '53', '-j', 'ACCEPT'],
  ['-A', 'INPUT', '-p', 'tcp', '--dport', '8123', '-j', 'ACCEPT'],
  ['-A', 'INPUT', '-p', 'tcp', '--dport', '9001', '-j', 'ACCEPT'],
];

/** A service with a backend on each node, balanced in turn. */
async function publish(hoplite: Hoplite, name: string, port: number): Promise<string> {
  const instances = [1, 2].map((node) => ({ id: String(node), node, port: 9001 }));
  const labels = { HOPLITE_SCHEDULER: 'rr' };
  cluster.master.set({ name, vips: [`/${name}:${port}`], labels, instances });
  return `http://${await hoplite.vip(name)}:${port}/`;
}

function sysctl(node: ClusterNode, name: string): string {
  return node.run('cat', `/proc/sys/net/${name}`).trim();
}

test('IPVS c.22: connections take no entry of the table that firewalls and NAT use', async () => {
  const { node } = open;
  const url = await publish(open, 'untracked', 8921);
  assert.equal(sysctl(node, 'ipv4/vs/conntrack'), '1', 'as hoplite sets it');
  const stream = await node.peer.stream(`${url}stream`);
  const texts = await node.peer.texts(url, 20);
  assert.deepEqual([...new Set(texts)].sort(), ['one', 'two']);
  assert.equal(sysctl(node, 'netfilter/nf_conntrack_count'), '0');
  assert.equal((await stream.stop()).broken, null);
});

test('IPVS c.32: behind a firewall that tracks connections a VIP is reached', async () => {
  const url = await publish(guarded, 'guarded', 8922);
  const { node } = guarded;
  assert.equal(sysctl(node, 'ipv4/vs/conntrack'), '1', 'as hoplite sets it');
  await node.peer.serveHttp(9002, 'not for others');
  const ask = `curl -sS -m 1 http://${node.address}:9002/ 2>/dev/null || echo kept out`;
  assert.equal(open.node.run('sh', '-c', ask), 'kept out\n');
  const texts = await node.peer.texts(url, 4);
  assert.deepEqual(texts.sort(), ['one', 'one', 'two', 'two']);
  assert.notEqual(sysctl(node, 'netfilter/nf_conntrack_count'), '0', 'they are tracked');
});
