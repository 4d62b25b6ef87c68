import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mesosDnsConfigView } from '../../../src/core/config/mesos-dns-view.ts';
import { parseConfig } from '../../../src/core/config/parse-config.ts';

function view(file: Record<string, unknown>): Record<string, unknown> {
  const { config, problems } = parseConfig(JSON.stringify(file), '/etc/hoplite/config.json');
  assert.ok(config !== null, JSON.stringify(problems));
  return mesosDnsConfigView(config, { soaSerial: 1_700_000_000 });
}

test('a Mesos-DNS file is shown in the order and spelling of Mesos-DNS', () => {
  const shown = view({ masters: ['10.0.0.1:5050'], zoneResolvers: { a: ['10.0.0.9', '::1'] } });
  assert.equal(
    JSON.stringify(shown),
    JSON.stringify({
      RefreshSeconds: 60,
      Port: 53,
      Timeout: 5,
      StateTimeoutSeconds: 300,
      ZkDetectionTimeout: 30,
      HttpPort: 8123,
      TTL: 60,
      SRVRecordDefaultWeight: 1,
      SOASerial: 1_700_000_000,
      SOARefresh: 60,
      SOARetry: 600,
      SOAExpire: 86_400,
      SOAMinttl: 60,
      SOAMname: 'ns1.mesos.',
      SOARname: 'root.ns1.mesos.',
      Masters: ['10.0.0.1:5050'],
      ZoneResolvers: { a: ['10.0.0.9', '::1'] },
      Resolvers: ['8.8.8.8'],
      IPSources: ['netinfo', 'mesos', 'host'],
      Zk: '',
      Domain: 'mesos',
      File: '/etc/hoplite/config.json',
      Listener: '0.0.0.0',
      HTTPListener: '0.0.0.0',
      RecurseOn: true,
      DnsOn: true,
      HttpOn: true,
      ExternalOn: true,
      EnforceRFC952: false,
      SetTruncateBit: true,
      EnumerationOn: true,
      MesosHTTPSOn: false,
      CACertFile: '',
      CertFile: '',
      KeyFile: '',
      MesosCredentials: { Principal: '', Secret: '' },
      IAMConfigFile: '',
      MesosAuthentication: '',
    }),
  );
});

test('a native file is shown as near as Mesos-DNS can say it', () => {
  const shown = view({
    cluster: {
      masters: ['[2001:db8::1]:5051'],
      pollIntervalSeconds: 0.5,
      tls: { caFile: '/ca.pem' },
      auth: { kind: 'iam', configFile: '/iam.json' },
    },
    dns: { listen: ['10.0.0.2:5353', '127.0.0.1'] },
    forward: { timeoutSeconds: 1.5, zones: { a: ['[::1]:5300'] } },
    http: { listen: 'localhost:80' },
  });
  const expected = {
    RefreshSeconds: 1,
    Timeout: 2,
    Port: 5353,
    Listener: '10.0.0.2',
    HttpPort: 80,
    HTTPListener: 'localhost',
    TTL: 5,
    Masters: ['[2001:db8::1]:5051'],
    Resolvers: [],
    ZoneResolvers: { a: ['[::1]:5300'] },
    IPSources: ['by-network'],
    MesosHTTPSOn: true,
    CACertFile: '/ca.pem',
    IAMConfigFile: '/iam.json',
    MesosAuthentication: 'iam',
  };
  for (const [key, value] of Object.entries(expected)) assert.deepEqual(shown[key], value, key);
});

test('H01: the secret is masked', () => {
  const { MesosCredentials: credentials } = view({
    masters: ['10.0.0.1:5050'],
    mesosAuthentication: 'basic',
    mesosCredentials: { principal: 'dns', secret: 'hunter2' },
  });
  assert.deepEqual(credentials, { Principal: 'dns', Secret: '********' });
});

test('H01: ZooKeeper is shown as it is used, with the password masked', () => {
  const shown = view({ zk: 'zk://dns:hunter2@ZK1,10.0.0.2:2182/mesos/' });
  assert.deepEqual(
    [shown['Zk'], shown['Masters']],
    ['zk://dns:********@zk1:2181,10.0.0.2:2182/mesos', []],
  );
});
