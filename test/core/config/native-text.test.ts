import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatNativeConfig } from '../../../src/core/config/native-text.ts';
import { parseConfig } from '../../../src/core/config/parse-config.ts';
import { NEAR_NETWORKS } from './near-networks.ts';

function translate(file: Record<string, unknown>): Record<string, Record<string, unknown>> {
  const { config } = parseConfig(JSON.stringify({ masters: ['10.0.0.1:5050'], ...file }), '');
  assert.ok(config !== null);
  return JSON.parse(formatNativeConfig(config)) as Record<string, Record<string, unknown>>;
}

test('a Mesos-DNS file is translated key by key', () => {
  const native = translate({
    refreshSeconds: 30,
    resolvers: [],
    zoneResolvers: { Corp: ['10.1.1.1'] },
    IPSources: ['host'],
    SetTruncateBit: false,
  });
  assert.deepEqual(Object.keys(native), [
    'cluster',
    'dns',
    'names',
    'vip',
    'kernel',
    'forward',
    'http',
    'log',
  ]);
  assert.deepEqual(native['cluster'], {
    masters: ['10.0.0.1:5050'],
    pollIntervalSeconds: 30,
    requestTimeoutSeconds: 300,
    stateBytesMax: 268_435_456,
    auth: { kind: 'none' },
    events: { follow: 'auto', agentsMax: 500 },
    trust: { maxLossPercent: 20, holdSeconds: 600 },
  });
  assert.deepEqual(native['dns'], {
    enabled: true,
    domain: 'mesos',
    listen: ['0.0.0.0:53'],
    ttlSeconds: 60,
    negativeTtlSeconds: 60,
    srvWeight: 1,
    udpPayloadSize: 1232,
    recursionAvailable: true,
    truncateBit: false,
    udpThreads: 'auto',
    allow: ['0.0.0.0/0', '::/0'],
    serverId: 'hostname',
    chaos: false,
    rateLimit: {
      responsesPerSecond: 1000,
      errorsPerSecond: 100,
      exempt: NEAR_NETWORKS,
    },
    soa: {
      mname: 'ns1.mesos.',
      rname: 'root.ns1.mesos.',
      refreshSeconds: 60,
      retrySeconds: 600,
      expireSeconds: 86_400,
    },
  });
  assert.deepEqual(native['names'], {
    labels: 'rfc1123',
    addresses: ['host'],
    unhealthy: 'publish',
    inactive: 'publish',
    locations: false,
  });
  assert.deepEqual(native['vip'], {
    enabled: false,
    pool: ['10.208.0.0/12'],
    poolIpv6: [],
    exclude: [],
    ranges: [],
    aliasDomains: ['thisdcos.directory'],
    auto: false,
    scheduler: 'wlc',
  });
  assert.deepEqual(native['kernel'], {
    enabled: false,
    interface: 'hoplite0',
    reconcileIntervalSeconds: 30,
    drainSeconds: 300,
    sysctls: 'set',
    snat: false,
  });
  assert.deepEqual(native['forward'], {
    enabled: true,
    upstreams: 'system',
    zones: { corp: ['10.1.1.1:53'] },
    allow: ['0.0.0.0/0', '::/0'],
    policy: 'sequential',
    timeoutSeconds: 5,
    deadlineSeconds: 15,
    cache: {
      bytesMax: 33_554_432,
      ttlSecondsMin: 0,
      ttlSecondsMax: 86_400,
      negativeTtlSecondsMax: 900,
      staleSeconds: 0,
      prefetch: true,
    },
    blockPrivate: false,
    blockPrivateExcept: [],
    specialNames: 'forward',
    privateReverse: 'forward',
  });
  assert.deepEqual(native['log'], { level: 'info', querySample: 0 });
});

test('HTTPS without files is an empty section, and a secret is masked', () => {
  const { cluster } = translate({
    MesosHTTPSOn: true,
    mesosAuthentication: 'basic',
    mesosCredentials: { principal: 'dns', secret: 'hunter2' },
  });
  assert.deepEqual(cluster?.['tls'], {});
  assert.deepEqual(cluster['auth'], { kind: 'basic', principal: 'dns', secret: '********' });
});

test('an empty secret is shown as empty', () => {
  const { cluster } = translate({
    mesosAuthentication: 'basic',
    mesosCredentials: { principal: 'dns' },
  });
  assert.deepEqual(cluster?.['auth'], { kind: 'basic', principal: 'dns', secret: '' });
});

test('addresses of the node that are given make a section', () => {
  const file = {
    cluster: { masters: ['10.0.0.1'] },
    kernel: { nodeAddress: { ipv4: '10.0.0.7' } },
  };
  const { config } = parseConfig(JSON.stringify(file), '');
  assert.ok(config !== null);
  const { kernel } = JSON.parse(formatNativeConfig(config)) as typeof file;
  assert.deepEqual(kernel.nodeAddress, { ipv4: '10.0.0.7' });
});

test('the secret of cookies is masked, and absent if there is none', () => {
  const shown = (dns: object): object => {
    const text = JSON.stringify({ cluster: { masters: ['10.0.0.1'] }, dns });
    const { config } = parseConfig(text, '');
    assert.ok(config !== null);
    return (JSON.parse(formatNativeConfig(config)) as { dns: object }).dns;
  };
  const hidden = '00112233445566778899aabbccddeeff';
  assert.equal(Reflect.get(shown({ cookieSecret: hidden }), 'cookieSecret'), '********');
  assert.ok(!('cookieSecret' in shown({})));
});
