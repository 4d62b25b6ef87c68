import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { SuiteCleanup } from '../support/cleanup.ts';
import { type Cluster, openCluster } from './cluster.ts';
import { Hoplite } from './hoplite.ts';

const shared = new SuiteCleanup();
let cluster: Cluster;

before(async () => {
  cluster = await openCluster({ nodes: 1 });
  shared.after(() => cluster.close());
  await cluster.node(1).peer.serveHttp(9001, 'one');
  const instances = [{ id: '1', node: 1, port: 9001 }];
  cluster.master.set({ name: 'web', vips: ['/web:8601'], instances });
});
after(() => shared.run());

/** A program for an ordinary user with a few capabilities; the first is for reading our files. */
function asNobody(...capabilities: readonly string[]): string[] {
  const list = ['dac_read_search', ...capabilities].map((name) => `+${name}`).join();
  const user = ['--reuid', '65534', '--regid', '65534', '--clear-groups'];
  return ['setpriv', ...user, `--inh-caps=-all,${list}`, `--ambient-caps=${list}`];
}

test('IPVS c.18: without CAP_NET_ADMIN names are answered and the reason is told', async (t) => {
  // What port 53 needs, and nothing more.
  const through = asNobody('net_bind_service');
  const hoplite = await Hoplite.start(t, cluster, 1, { through, unsynced: true });
  const { kernel, ready, reasons } = await hoplite.reports(
    'its reason',
    ({ generation, kernel }) => {
      return generation !== null && kernel.state === 'degraded';
    },
  );
  assert.match(kernel.reasons.join('\n'), /CAP_NET_ADMIN/);
  assert.match(reasons.join('\n'), /CAP_NET_ADMIN/);
  assert.ok(ready);
  assert.equal(await hoplite.httpStatus('/readyz'), 200);
  assert.deepEqual(await hoplite.resolve('web.marathon.mesos'), ['10.9.0.1']);
  assert.deepEqual(await hoplite.resolve('web.marathon.l4lb.mesos'), []);
  assert.equal(hoplite.node.table().size, 0);
  await hoplite.stop();
});

test('IPVS c.18: CAP_NET_ADMIN is all that an ordinary user needs', async (t) => {
  const through = asNobody('net_bind_service', 'net_admin');
  const hoplite = await Hoplite.start(t, cluster, 1, { through });
  const vip = await hoplite.vip('web');
  assert.deepEqual(await hoplite.node.peer.texts(`http://${vip}:8601`), ['one']);
  await hoplite.stop();
});
