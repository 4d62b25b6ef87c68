import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { SuiteCleanup } from '../support/cleanup.ts';
import { type Cluster, openCluster } from './cluster.ts';
import { Hoplite } from './hoplite.ts';
import { describeDeploy, rollingDeploy } from './rolling-deploy.ts';

/** bench/rolling-deploy.ts asks for more of both. */
const RATE = Number(process.env['HOPLITE_DEPLOY_RATE'] ?? 60);
const DOWNLOAD_SECONDS = Number(process.env['HOPLITE_DEPLOY_SECONDS'] ?? 12);

const shared = new SuiteCleanup();
let cluster: Cluster;
let hoplite: Hoplite;

before(async () => {
  cluster = await openCluster({ nodes: 2 });
  shared.after(() => cluster.close());
  hoplite = await Hoplite.start(shared, cluster, 1);
});
after(() => shared.run());

test('a rolling deploy fails no request and breaks no download', async (t) => {
  const report = await rollingDeploy(cluster, hoplite, {
    name: 'deployed',
    vipPort: 8801,
    firstPort: 9800,
    ratePerSecond: RATE,
    downloadSeconds: DOWNLOAD_SECONDS,
  });
  const text = describeDeploy(report);
  t.diagnostic(text);
  assert.deepEqual(report.load.failures, [], text);
  assert.equal(report.download.broken, null, text);
  assert.ok(report.requestsPerSecond > RATE / 2, text);
  // Which of them depends on whose connections the client happened to use.
  assert.ok(
    report.answered.some((id) => id.startsWith('new')),
    text,
  );
});
