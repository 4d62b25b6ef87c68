import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Config } from '../../../src/core/config/config.ts';
import { responderSettings } from '../../../src/daemon/dns/responder-settings.ts';
import { daemonConfig, mesosDnsConfig } from '../../support/daemon-config.ts';

const NODE = { hostname: 'node-1', version: '1.2.3', tcpIdleMs: 10_000 };

function trusted(config: Config): string[] {
  return responderSettings(config, NODE, ['mesos.']).trusted.map(({ text }) => text);
}

test('R3: clients that may forward, and those that are not limited, get large answers', () => {
  const parts = {
    cluster: { masters: ['10.0.0.1:5050'] },
    forward: { allow: ['203.0.113.0/24'] },
    dns: { rateLimit: { exempt: ['198.51.100.0/24'] } },
  };
  assert.deepEqual(trusted(daemonConfig(parts)), ['203.0.113.0/24', '198.51.100.0/24']);
});

test('R3: where everyone may forward, as with a Mesos-DNS file, only those who are not limited do', () => {
  const config = mesosDnsConfig({ masters: ['10.0.0.1:5050'], resolvers: ['10.0.0.53'] });
  assert.deepEqual(
    config.forward.allow.map(({ text }) => text),
    ['0.0.0.0/0', '::/0'],
  );
  assert.ok(trusted(config).includes('10.0.0.0/8'));
  assert.ok(!trusted(config).some((text) => text.endsWith('/0')));
});
