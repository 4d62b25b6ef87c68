import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { ClusterConfig, Config, MasterAuth } from '../../../src/core/config/config.ts';
import { mesosDnsConfigView } from '../../../src/core/config/mesos-dns-view.ts';
import { formatNativeConfig } from '../../../src/core/config/native-text.ts';
import { parseConfig } from '../../../src/core/config/parse-config.ts';
import { MASK } from '../../../src/core/config/value-type.ts';
import { anyConfig, mesosDnsFile, secret } from './config-arbitrary.ts';

function masked(auth: MasterAuth): MasterAuth {
  return auth.kind === 'basic' ? { ...auth, secret: auth.secret && MASK } : auth;
}

/** What a translation cannot keep: the origin, and the secret. */
function withoutOriginAndSecret(config: Config): Config {
  const { auth, marathon, zookeeper } = config.cluster;
  const cluster: ClusterConfig = {
    ...config.cluster,
    auth: masked(auth),
    marathon: marathon && { ...marathon, auth: masked(marathon.auth) },
    zookeeper: zookeeper && {
      ...zookeeper,
      auth: zookeeper.auth && { ...zookeeper.auth, password: MASK },
    },
  };
  return { ...config, format: 'native', file: '', cluster };
}

/** The native form with the secret of cookies put back: the mask in its place is refused. */
function nativeText(config: Config): string {
  const text = formatNativeConfig(config);
  const { cookieSecret } = config.dns;
  if (cookieSecret === null) return text;
  const { problems } = parseConfig(text, '');
  assert.ok(problems.some(({ path }) => path === 'dns.cookieSecret'));
  const file = JSON.parse(text) as { dns: object };
  const digits = Buffer.from(cookieSecret).toString('hex');
  return JSON.stringify({ ...file, dns: { ...file.dns, cookieSecret: digits } });
}

function assertRoundTrip(config: Config): void {
  const { config: again, problems } = parseConfig(nativeText(config), '');
  const errors = problems.filter(({ severity }) => severity === 'error');
  assert.deepEqual(errors, []);
  assert.deepEqual(again, withoutOriginAndSecret(config));
}

describe('laws of the configuration', () => {
  test('any configuration reads back from its native form', () => {
    fc.assert(
      fc.property(anyConfig, (config) => assertRoundTrip(config)),
      { numRuns: 300 },
    );
  });

  test('what a Mesos-DNS file says reads back from its native form', () => {
    let good = 0;
    fc.assert(
      fc.property(mesosDnsFile, (file) => {
        const { config } = parseConfig(JSON.stringify(file), '/etc/config.json');
        if (config === null) return;
        good++;
        assertRoundTrip(config);
      }),
      { numRuns: 500 },
    );
    assert.ok(good > 250, `only ${good} of 500 files were good`);
  });

  test('the view of a Mesos-DNS file is a Mesos-DNS file of the same meaning', () => {
    fc.assert(
      fc.property(mesosDnsFile, (file) => {
        const { config } = parseConfig(JSON.stringify(file), '');
        if (config === null) return;
        const view = mesosDnsConfigView(config, { soaSerial: 1 });
        const { config: again } = parseConfig(JSON.stringify(view), '');
        assert.ok(again !== null);
        assert.deepEqual(withoutOriginAndSecret(again), withoutOriginAndSecret(config));
      }),
      { numRuns: 300 },
    );
  });

  test('no text makes the parser throw, and without a configuration there is an error', () => {
    const json = fc.json();
    const shaped = fc
      .dictionary(
        fc.constantFrom(
          'cluster',
          'dns',
          'names',
          'vip',
          'kernel',
          'forward',
          'http',
          'log',
          'masters',
          'ttl',
          'zk',
        ),
        fc.oneof(
          fc.jsonValue(),
          fc.dictionary(
            fc.constantFrom(
              'masters',
              'auth',
              'tls',
              'soa',
              'zones',
              'listen',
              'domain',
              'pool',
              'nodeAddress',
              'rateLimit',
              'allow',
              'cache',
              'udpThreads',
              'cookieSecret',
              'zookeeper',
              'events',
              'trust',
              'marathon',
              'x',
            ),
            fc.jsonValue(),
          ),
        ),
      )
      .map((value) => JSON.stringify(value));
    fc.assert(
      fc.property(fc.oneof(fc.string(), json, shaped), (text) => {
        const { config, problems } = parseConfig(text, '');
        const hasError = problems.some(({ severity }) => severity === 'error');
        assert.equal(config === null, hasError);
        for (const { message } of problems) assert.ok(message.length > 0 && message.length < 400);
      }),
      { numRuns: 3000 },
    );
  });

  test('no value in the place of a key makes the parser throw or accept nonsense', () => {
    fc.assert(
      fc.property(anyConfig, fc.nat(), fc.jsonValue(), (config, at, value) => {
        const file = JSON.parse(nativeText(config)) as Record<string, object>;
        const sections = Object.values(file);
        const section = sections[at % sections.length] as Record<string, unknown>;
        const keys = Object.keys(section);
        section[keys[at % keys.length]!] = value;
        const { config: damaged } = parseConfig(JSON.stringify(file), '');
        if (damaged !== null) assertRoundTrip(damaged);
      }),
      { numRuns: 1000 },
    );
  });

  test('H01: no secret is in any problem, view or translation', () => {
    const damage = fc.constantFrom(
      'none',
      'type',
      'kind',
      'syntax',
      'zk',
      'master',
      'unknown',
      'cookie',
    );
    fc.assert(
      fc.property(secret, damage, fc.boolean(), (hidden, kind, isNative) => {
        const text = damagedFile(hidden, kind, isNative);
        const { config, problems } = parseConfig(text, '');
        const shown = [JSON.stringify(problems)];
        if (config !== null) {
          shown.push(formatNativeConfig(config));
          shown.push(JSON.stringify(mesosDnsConfigView(config, { soaSerial: 1 })));
        }
        for (const output of shown) assert.ok(!output.includes('s3cr3t'), output);
      }),
      { numRuns: 500 },
    );
  });
});

/** A file with a secret in it that is good, or bad in a way that could show the secret. */
function damagedFile(hidden: string, damage: string, isNative: boolean): string {
  const masters = [damage === 'master' ? `user:${hidden}@10.0.0.1:5050` : '10.0.0.1:5050'];
  const value = damage === 'type' ? [hidden] : hidden;
  const badly = damage === 'zk' ? 'zk1:x' : 'zk1:2181';
  const ensemble = `zk://user:${damage === 'zk' ? hidden : encodeURIComponent(hidden)}@${badly}/mesos`;
  const kind = damage === 'kind' ? 'iam' : 'basic';
  const file = isNative
    ? {
        cluster: {
          masters,
          auth: { kind, principal: 'p', secret: value },
          zookeeper: ensemble,
          marathon: { instances: masters, auth: { kind, principal: 'p', secret: value } },
        },
        ...(damage === 'cookie' ? { dns: { cookieSecret: hidden } } : {}),
      }
    : {
        masters,
        mesosAuthentication: kind,
        mesosCredentials: { principal: 'p', secret: value },
        zk: ensemble,
      };
  const text = JSON.stringify(damage === 'unknown' ? { ...file, pasword: hidden } : file);
  return damage === 'syntax' ? text.replace(JSON.stringify(hidden), hidden) : text;
}
