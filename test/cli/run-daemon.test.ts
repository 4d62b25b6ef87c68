import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { reload } from '../../src/cli/run-daemon.ts';
import type { Log, LogFields } from '../../src/core/ports.ts';
import { scratchFolder } from '../support/cli-process.ts';

/** Reloads a file with this text into a daemon whose own reload ends as told. */
async function reloaded(t: TestContext, config: object, own: () => Promise<readonly string[]>) {
  const file = join(scratchFolder(t), 'config.json');
  writeFileSync(file, JSON.stringify(config));
  const logged: [string, LogFields | undefined][] = [];
  const write: Log['info'] = (event, fields) => void logged.push([event, fields]);
  let failures = 0;
  const daemon = {
    reload: own,
    countFailedReload: () => {
      failures++;
    },
  };
  await reload(file, daemon, { debug: write, info: write, warn: write, error: write });
  return { file, logged, failures: () => failures };
}

const GOOD = { cluster: { masters: ['10.0.0.1:5050'] } };

describe('the reload of serve', () => {
  test('that the daemon refuses is counted and logged with its error', async (t) => {
    const err = new Error('no memory');
    const { file, logged, failures } = await reloaded(t, GOOD, () => Promise.reject(err));
    assert.deepEqual(logged, [['reload-refused', { file, err }]]);
    assert.equal(failures(), 1);
  });

  test('of a file that names one that is gone does not reach the daemon', async (t) => {
    const cluster = { ...GOOD.cluster, tls: { caFile: '/absent/ca.pem' } };
    const { logged, failures } = await reloaded(t, { cluster }, () => assert.fail('not reached'));
    assert.deepEqual(
      logged.map(([event, fields]) => [event, fields?.['path']]),
      [
        ['config-problem', 'cluster.tls.caFile'],
        ['reload-refused', undefined],
      ],
    );
    assert.equal(failures(), 1);
  });

  test('that is taken over names what waits for a restart', async (t) => {
    const own = () => Promise.resolve(['dns.listen']);
    const { logged, failures } = await reloaded(t, GOOD, own);
    assert.deepEqual(
      logged.map(([event]) => event),
      ['reloaded', 'restart-needed'],
    );
    assert.equal(failures(), 0);
  });
});
