import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { SuiteCleanup } from '../support/cleanup.ts';
import { type Cluster, openCluster } from './cluster.ts';
import { Hoplite } from './hoplite.ts';

// Modules belong to the whole kernel, so that this runs in a guest alone.
const shared = new SuiteCleanup();
let cluster: Cluster;

before(async () => {
  cluster = await openCluster({ nodes: 1 });
  shared.after(() => cluster.close());
  await cluster.node(1).peer.serveHttp(9001, 'one');
});
after(() => shared.run());

/** Makes modprobe miss a module, as on a machine that does not have it. */
function hideModule(name: string): () => void {
  const file = join('/run/hidden', name);
  writeFileSync(file, '');
  return () => rmSync(file, { force: true });
}

function publish(name: string, port: number, scheduler: string): void {
  cluster.master.set({
    name,
    vips: [`/${name}:${port}`],
    labels: { HOPLITE_SCHEDULER: scheduler },
    instances: [{ id: '1', node: 1, port: 9001 }],
  });
}

/** Unloads IPVS, which nobody uses. */
function unloadIpvs(): void {
  const modules = execFileSync('lsmod', { encoding: 'utf8' });
  const users = [...modules.matchAll(/^(ip_vs_\w+) /gm)].map(([, name = '']) => name);
  execFileSync('rmmod', [...users, 'ip_vs']);
}

test('IPVS c.16: without ip_vs names are answered, and VIPs come with the module', async (t) => {
  unloadIpvs();
  const show = hideModule('net-pf-16-proto-16-family-IPVS');
  const showToo = hideModule('ip_vs');
  t.after(() => [show, showToo].forEach((undo) => undo()));
  publish('late', 8501, 'rr');
  const hoplite = await Hoplite.start(t, cluster, 1, { unsynced: true });
  const { kernel, ready, reasons } = await hoplite.reports(
    'its reason',
    ({ generation, kernel }) => {
      return generation !== null && kernel.state === 'degraded';
    },
  );
  assert.match(kernel.reasons.join('\n'), /ip_vs/);
  assert.match(reasons.join('\n'), /ip_vs/);
  assert.ok(ready);
  assert.equal(await hoplite.httpStatus('/readyz'), 200);
  assert.deepEqual(await hoplite.resolve('late.marathon.mesos'), ['10.9.0.1']);
  assert.deepEqual(await hoplite.resolve('late.marathon.l4lb.mesos'), []);
  show();
  showToo();
  const vip = await hoplite.vip('late');
  assert.deepEqual(await hoplite.node.peer.texts(`http://${vip}:8501`), ['one']);
  assert.deepEqual((await hoplite.synced()).kernel.reasons, []);
  await hoplite.stop();
});

test('IPVS c.16: a scheduler that the kernel lacks takes only its own service away', async (t) => {
  const show = hideModule('ip_vs_mh');
  t.after(show);
  publish('usual', 8502, 'rr');
  publish('exotic', 8503, 'mh');
  const hoplite = await Hoplite.start(t, cluster, 1, { unsynced: true });
  const vip = await hoplite.vip('usual');
  assert.deepEqual(await hoplite.node.peer.texts(`http://${vip}:8502`), ['one']);
  const { kernel } = await hoplite.reports('its reason', (status) => {
    return status.kernel.state === 'degraded';
  });
  assert.match(kernel.reasons.join('\n'), /\bmh\b|ip_vs_mh/);
  assert.deepEqual(await hoplite.resolve('exotic.marathon.mesos'), ['10.9.0.1']);
  assert.deepEqual(await hoplite.resolve('exotic.marathon.l4lb.mesos'), []);
  show();
  const exotic = await hoplite.vip('exotic');
  assert.deepEqual(await hoplite.node.peer.texts(`http://${exotic}:8503`), ['one']);
  await hoplite.synced();
  await hoplite.stop();
});

test('IPVS c.17: after ip_vs was unloaded and loaded again, all comes back', async (t) => {
  const hoplite = await Hoplite.start(t, cluster, 1);
  // The kernel lets go of a module only when its tables are empty.
  for (const name of ['late', 'usual', 'exotic']) cluster.master.remove(name);
  await hoplite.holds('nothing', (table) => table.size === 0);
  await hoplite.synced();
  unloadIpvs();
  publish('again', 8504, 'rr');
  const vip = await hoplite.vip('again');
  assert.deepEqual(await hoplite.node.peer.texts(`http://${vip}:8504`), ['one']);
  const { kernel } = await hoplite.synced();
  assert.equal(kernel.restarts, 0);
  for (const { name, ok, value } of kernel.sysctls) {
    assert.ok(ok, `${name} is ${value} after the module was loaded again`);
  }
  await hoplite.stop();
});
