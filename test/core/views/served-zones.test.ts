import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VipConfig } from '../../../src/core/config/config.ts';
import { ALIAS_DOMAINS_MAX, servedZones } from '../../../src/core/views/served-zones.ts';
import { settings } from '../../support/state-builder.ts';

const vip = (change: Partial<VipConfig>): VipConfig =>
  settings({ vip: { enabled: true, pool: [], ...change } }).vip;

const apexes = (domain: string, config: VipConfig, hasLocations = true): readonly string[] =>
  servedZones(domain, config, hasLocations).apexes;

test('our own domain comes first, then alias domains, then the reverse zones of the pools', () => {
  const { pool } = settings().vip;
  const config = vip({ pool, aliasDomains: ['thisdcos.directory', 'prod.test'] });
  const list = apexes('mesos', config);
  assert.deepEqual(list.slice(0, 6), [
    'mesos.',
    'l4lb.thisdcos.directory.',
    'dcos.thisdcos.directory.',
    'l4lb.prod.test.',
    'dcos.prod.test.',
    '208.10.in-addr.arpa.',
  ]);
  assert.equal(list.length, 5 + 16);
});

test('without location names there is no zone for them', () => {
  const config = vip({ aliasDomains: ['thisdcos.directory'] });
  assert.deepEqual(apexes('mesos', config, false), ['mesos.', 'l4lb.thisdcos.directory.']);
});

test('without VIPs there is our own domain and nothing else', () => {
  const { pool } = settings().vip;
  const config = vip({ enabled: false, pool, aliasDomains: ['thisdcos.directory'] });
  const served = servedZones('mesos', config, true);
  assert.deepEqual([served.apexes, served.aliases], [['mesos.'], []]);
});

test('an alias inside our own domain, or of itself, makes no zone of its own', () => {
  const config = vip({ aliasDomains: ['old.mesos', 'mesos'] });
  const { aliases } = servedZones('mesos', config, false);
  assert.deepEqual(apexes('mesos', config, false), ['mesos.']);
  assert.deepEqual(aliases, [{ from: 'l4lb.mesos.', to: 'l4lb.old.mesos.' }]);
});

test('a domain inside an alias zone keeps its zone, and comes first', () => {
  const config = vip({ aliasDomains: ['test'] });
  assert.deepEqual(apexes('mesos.l4lb.test', config, false), ['mesos.l4lb.test.', 'l4lb.test.']);
});

test('zones in zones of other aliases are part of those', () => {
  const config = vip({ aliasDomains: ['test', 'l4lb.test', 'test'] });
  assert.deepEqual(apexes('mesos', config, false), ['mesos.', 'l4lb.test.']);
});

test('aliases beyond the bound are not served', () => {
  const aliasDomains = Array.from({ length: 40 }, (_, i) => `a${i}.test`);
  assert.equal(apexes('mesos', vip({ aliasDomains }), false).length, 1 + ALIAS_DOMAINS_MAX);
});
