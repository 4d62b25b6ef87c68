import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parsePrefix } from '../../../src/core/base/prefix.ts';
import type { Config } from '../../../src/core/config/config.ts';
import { parseConfig } from '../../../src/core/config/parse-config.ts';
import { PROBLEMS_MAX } from '../../../src/core/config/problem-list.ts';
import { NEAR_NETWORKS } from './near-networks.ts';

const MASTERS = { masters: ['10.0.0.1:5050'] };

/** A native file that is good but for what `parts` says. */
function file(parts: Record<string, unknown> = {}): string {
  return JSON.stringify({ cluster: MASTERS, ...parts });
}

function read(parts: Record<string, unknown> = {}): Config {
  const { config, problems } = parseConfig(file(parts), '/etc/hoplite.json');
  assert.deepEqual(problems, []);
  assert.ok(config !== null);
  return config;
}

const prefixes = (...texts: readonly string[]): unknown[] => texts.map((text) => parsePrefix(text));

/** Problems as `severity path: message`. */
function problemsOf(text: string): string[] {
  const { config, problems } = parseConfig(text, '/etc/hoplite.json');
  assert.equal(
    config === null,
    problems.some((problem) => problem.severity === 'error'),
  );
  return problems.map(({ severity, path, message }) => `${severity} ${path}: ${message}`);
}

function assertProblems(found: readonly string[], expected: readonly RegExp[]): void {
  assert.equal(found.length, expected.length, found.join('\n'));
  for (const [i, pattern] of expected.entries()) assert.match(found[i]!, pattern);
}

test('only the masters or ZooKeeper are required; the rest has defaults', () => {
  assert.deepEqual(read(), {
    format: 'native',
    file: '/etc/hoplite.json',
    cluster: {
      masters: [{ host: '10.0.0.1', port: 5050 }],
      zookeeper: null,
      events: { follow: 'auto', agentsMax: 500 },
      trust: { lossShare: 0.2, holdMs: 600_000 },
      servicesFile: null,
      savedState: null,
      marathon: null,
      pollIntervalMs: 30_000,
      requestTimeoutMs: 20_000,
      stateBytesMax: 268_435_456,
      tls: null,
      auth: { kind: 'none' },
    },
    dns: {
      enabled: true,
      domain: 'mesos',
      listen: [{ address: '127.0.0.1', port: 53 }],
      ttlSeconds: 5,
      srvWeight: 1,
      soa: {
        mname: 'ns1.mesos.',
        rname: 'root.ns1.mesos.',
        refreshSeconds: 60,
        retrySeconds: 600,
        expireSeconds: 86_400,
        minimumSeconds: 5,
      },
      udpPayloadSize: 1232,
      recursionAvailable: true,
      truncateBit: true,
      udpThreads: 'auto',
      allow: prefixes('0.0.0.0/0', '::/0'),
      serverId: 'hostname',
      chaos: false,
      cookieSecret: null,
      rateLimit: {
        responsesPerSecond: 1000,
        errorsPerSecond: 100,
        exempt: prefixes(...NEAR_NETWORKS),
      },
    },
    names: {
      labels: 'rfc1123',
      addresses: 'by-network',
      unhealthy: 'avoid',
      inactive: 'publish',
      locations: true,
    },
    vip: {
      enabled: true,
      pool: [parsePrefix('10.208.0.0/12')],
      poolIpv6: [],
      exclude: [],
      ranges: [],
      aliasDomains: ['thisdcos.directory'],
      auto: false,
      scheduler: 'wlc',
    },
    kernel: {
      enabled: true,
      interface: 'hoplite0',
      nodeAddress: { ipv4: null, ipv6: null },
      reconcileIntervalMs: 30_000,
      drainMs: 300_000,
      sysctls: 'set',
      snat: false,
    },
    forward: {
      enabled: true,
      upstreams: 'system',
      zones: [],
      allow: prefixes(...NEAR_NETWORKS),
      policy: 'race',
      timeoutMs: 2000,
      deadlineMs: 4000,
      cache: {
        bytesMax: 33_554_432,
        ttlSecondsMin: 0,
        ttlSecondsMax: 86_400,
        negativeTtlSecondsMax: 900,
        staleSeconds: 86_400,
        prefetch: true,
      },
      blockPrivate: false,
      blockPrivateExcept: [],
      specialNames: 'local',
      privateReverse: 'local',
    },
    http: { enabled: true, listen: { host: '127.0.0.1', port: 8123 }, enumeration: true },
    log: { level: 'info', querySample: 0 },
  });
});

describe('values are normalised', () => {
  const cases: readonly (readonly [
    string,
    Record<string, unknown>,
    (config: Config) => unknown,
    unknown,
  ])[] = [
    [
      'masters get the port of Mesos, names lower case',
      { cluster: { masters: ['Master-1', '[2001:DB8::1]:5051', '2001:db8::2'] } },
      (config) => config.cluster.masters.map(({ host, port }) => `${host} ${port}`),
      ['master-1 5050', '2001:db8::1 5051', '2001:db8::2 5050'],
    ],
    [
      'seconds become milliseconds, fractions too',
      { cluster: { ...MASTERS, pollIntervalSeconds: 1.5, requestTimeoutSeconds: 0.25 } },
      ({ cluster }) => [cluster.pollIntervalMs, cluster.requestTimeoutMs],
      [1500, 250],
    ],
    [
      'the domain is lower case without final dot, and the SOA names follow it',
      { dns: { domain: 'Prod_1.Example.' } },
      ({ dns }) => [dns.domain, dns.soa.mname, dns.soa.rname],
      ['prod_1.example', 'ns1.prod_1.example.', 'root.ns1.prod_1.example.'],
    ],
    [
      'SOA names end in a dot',
      { dns: { soa: { mname: 'NS.example', rname: 'dns+mesos.example.' } } },
      ({ dns }) => [dns.soa.mname, dns.soa.rname],
      ['ns.example.', 'dns+mesos.example.'],
    ],
    [
      'the negative TTL is the SOA minimum',
      { dns: { negativeTtlSeconds: 30 } },
      ({ dns }) => dns.soa.minimumSeconds,
      30,
    ],
    [
      'listeners get the port of DNS, and may leave the choice to the system',
      { dns: { listen: ['0.0.0.0', '[::]:0', '::ffff:10.0.0.1'] } },
      ({ dns }) => dns.listen.map(({ address, port }) => `${address} ${port}`),
      ['0.0.0.0 53', ':: 0', '10.0.0.1 53'],
    ],
    [
      'the HTTP listener may be a name',
      { http: { listen: 'localhost:0' } },
      ({ http }) => http.listen,
      { host: 'localhost', port: 0 },
    ],
    [
      'RA follows forwarding',
      { forward: { enabled: false } },
      ({ dns }) => dns.recursionAvailable,
      false,
    ],
    [
      'RA can be set',
      { forward: { enabled: false }, dns: { recursionAvailable: true } },
      ({ dns }) => dns.recursionAvailable,
      true,
    ],
    [
      'tls turns HTTPS on by its presence alone',
      { cluster: { ...MASTERS, tls: {} } },
      ({ cluster }) => cluster.tls,
      { caFile: null, certFile: null, keyFile: null },
    ],
    [
      'basic authorisation',
      { cluster: { ...MASTERS, auth: { kind: 'basic', principal: 'dns', secret: 's3' } } },
      ({ cluster }) => cluster.auth,
      { kind: 'basic', principal: 'dns', secret: 's3' },
    ],
    [
      'iam authorisation',
      { cluster: { ...MASTERS, auth: { kind: 'iam', configFile: '/etc/iam.json' } } },
      ({ cluster }) => cluster.auth,
      { kind: 'iam', configFile: '/etc/iam.json' },
    ],
    [
      'ZooKeeper instead of masters',
      { cluster: { zookeeper: 'zk://dns:p%40ss@ZK1,[2001:DB8::1]:2182/mesos//' } },
      ({ cluster }) => [cluster.masters, cluster.zookeeper],
      [
        [],
        {
          servers: [
            { host: 'zk1', port: 2181 },
            { host: '2001:db8::1', port: 2182 },
          ],
          path: '/mesos',
          auth: { user: 'dns', password: 'p@ss' },
        },
      ],
    ],
    [
      'events, trust and the services file',
      {
        cluster: {
          ...MASTERS,
          events: { follow: 'always', agentsMax: 20 },
          trust: { maxLossPercent: 7, holdSeconds: 60 },
          servicesFile: '/etc/hoplite/services.json',
        },
      },
      ({ cluster: { events, trust, servicesFile } }) => [events, trust, servicesFile],
      [
        { follow: 'always', agentsMax: 20 },
        { lossShare: 0.07, holdMs: 60_000 },
        '/etc/hoplite/services.json',
      ],
    ],
    [
      'Marathon with its own authorisation, over HTTPS by the presence of tls',
      {
        cluster: {
          ...MASTERS,
          marathon: {
            instances: ['Marathon-1'],
            tls: {},
            auth: { kind: 'basic', principal: 'dns', secret: 's3' },
          },
        },
      },
      ({ cluster }) => cluster.marathon,
      {
        instances: [{ host: 'marathon-1', port: 8080 }],
        tls: { caFile: null, certFile: null, keyFile: null },
        auth: { kind: 'basic', principal: 'dns', secret: 's3' },
        framework: 'marathon',
      },
    ],
    [
      'address sources of Mesos-DNS',
      { names: { addresses: ['netinfo', 'docker', 'host'] } },
      ({ names }) => names.addresses,
      ['netinfo', 'docker', 'host'],
    ],
    [
      'forward zones are lower case and sorted; a parent of the domain is allowed',
      {
        dns: { domain: 'dc1.mesos' },
        forward: {
          upstreams: ['10.0.0.53'],
          zones: { 'Z.example': ['::1'], mesos: ['1.1.1.1:5'] },
        },
      },
      ({ forward }) => [forward.upstreams, forward.zones],
      [
        [{ address: '10.0.0.53', port: 53 }],
        [
          { zone: 'mesos', upstreams: [{ address: '1.1.1.1', port: 5 }] },
          { zone: 'z.example', upstreams: [{ address: '::1', port: 53 }] },
        ],
      ],
    ],
    [
      '$schema is allowed',
      { $schema: './hoplite.schema.json' },
      (config) => config.format,
      'native',
    ],
  ];
  for (const [name, parts, select, expected] of cases) {
    test(name, () => assert.deepEqual(select(read(parts)), expected));
  }
});

const label63 = 'a'.repeat(63);

describe('a bad value is an error that says what is expected', () => {
  const cases: readonly (readonly [Record<string, unknown>, RegExp])[] = [
    [{ cluster: {} }, /^error cluster\.masters: is missing; list the masters/],
    [
      { cluster: { zookeeper: 'http://zk1/mesos' } },
      /^error cluster\.zookeeper: expected "zk:\/\/host:port,…\/path"$/,
    ],
    [
      { cluster: { ...MASTERS, marathon: {} } },
      /^error cluster\.marathon\.instances: is missing; list the instances/,
    ],
    [
      { cluster: { ...MASTERS, marathon: { instances: ['m1'], auth: { kind: 'iam' } } } },
      /^error cluster\.marathon\.auth\.configFile: is missing; kind "iam" needs it/,
    ],
    [
      { cluster: { ...MASTERS, marathon: { instances: ['m1'], tls: { keyFile: 'k' } } } },
      /^error cluster\.marathon\.tls\.certFile: is missing/,
    ],
    [
      { cluster: { ...MASTERS, trust: { maxLossPercent: 101 } } },
      /^error cluster\.trust\.maxLossPercent: expected a whole number from 0 to 100, found 101/,
    ],
    [{ cluster: 5 }, /^error cluster: expected an object, found a number/],
    [{ cluster: { masters: [] } }, /masters: expected a list of 1 to 64 entries, found 0/],
    [{ cluster: { masters: '10.0.0.1:5050' } }, /masters: expected a list, found a string/],
    [{ cluster: { masters: ['10.0.0.1:0'] } }, /masters\[0\]: expected a port from 1 to 65535/],
    [{ cluster: { masters: ['10.0.0.1:65536'] } }, /masters\[0\]: expected a port.*"10\.0\.0\.1:6/],
    [{ cluster: { masters: ['zk://zk1:2181/mesos'] } }, /masters\[0\]: expected host:port/],
    [
      { cluster: { masters: ['10.0.0.1', '[::ffff:10.0.0.1]:5050'] } },
      /masters\[1\]: is the same as cluster\.masters\[0\]/,
    ],
    [{ cluster: { ...MASTERS, pollIntervalSeconds: 0 } }, /seconds from 0\.1 to 86400, found 0/],
    [{ cluster: { ...MASTERS, pollIntervalSeconds: 1e9 } }, /from 0\.1 to 86400, found 1000000000/],
    [{ cluster: { ...MASTERS, requestTimeoutSeconds: '5' } }, /from 0\.1 to 3600, found a string/],
    [{ cluster: { ...MASTERS, stateBytesMax: 1 } }, /stateBytesMax: expected a whole number from/],
    [{ cluster: { ...MASTERS, tls: null } }, /cluster\.tls: expected an object, found null/],
    [{ cluster: { ...MASTERS, tls: { caFile: '' } } }, /tls\.caFile: expected a text/],
    [{ cluster: { ...MASTERS, tls: { certFile: 'c' } } }, /tls\.keyFile: is missing; certFile and/],
    [{ cluster: { ...MASTERS, tls: { keyFile: 'k' } } }, /tls\.certFile: is missing; certFile and/],
    [
      { cluster: { ...MASTERS, auth: { kind: 'ldap' } } },
      /one of "none", "basic", "iam", found "ld/,
    ],
    [
      { cluster: { ...MASTERS, auth: { principal: 'p' } } },
      /principal: means nothing with kind "n/,
    ],
    [
      { cluster: { ...MASTERS, auth: { kind: 'basic', principal: 'p' } } },
      /auth\.secret: is missing; kind "basic" needs it/,
    ],
    [
      { cluster: { ...MASTERS, auth: { kind: 'basic', principal: '', secret: '' } } },
      /cluster\.auth: principal and secret are both empty/,
    ],
    [
      { cluster: { ...MASTERS, auth: { kind: 'iam' } } },
      /auth\.configFile: is missing; kind "iam"/,
    ],
    [
      { cluster: { ...MASTERS, auth: { kind: 'iam', configFile: 'f', secret: 's' } } },
      /auth\.secret: means nothing with kind "iam"/,
    ],
    [{ dns: { enabled: 'yes' } }, /dns\.enabled: expected true or false, found a string/],
    [{ dns: { enabled: null } }, /dns\.enabled: expected true or false, found null/],
    [{ dns: { domain: '' } }, /dns\.domain: expected a domain name .*, found ""/],
    [{ dns: { domain: '.' } }, /dns\.domain: expected a domain name/],
    [{ dns: { domain: 'a..b' } }, /dns\.domain: expected a domain name/],
    [{ dns: { domain: 'a b' } }, /dns\.domain: expected a domain name/],
    [{ dns: { domain: `${label63}a` } }, /dns\.domain: expected a domain name/],
    [
      { dns: { domain: [label63, label63, label63, label63].join('.') } },
      /dns\.domain: expected a/,
    ],
    [{ dns: { listen: ['localhost:53'] } }, /listen\[0\]: expected an IP address .*"localhost:53"/],
    [{ dns: { listen: ['fe80::1%eth0'] } }, /listen\[0\]: expected an IP address/],
    [{ dns: { listen: ['::1', '[0:0::1]:53'] } }, /listen\[1\]: is the same as dns\.listen\[0\]/],
    [
      { dns: { ttlSeconds: -1 } },
      /ttlSeconds: expected a whole number from 0 to 2147483647, found -1/,
    ],
    [
      { dns: { ttlSeconds: 2147483648 } },
      /ttlSeconds: expected a whole number from 0 to 2147483647/,
    ],
    [{ dns: { ttlSeconds: 1.5 } }, /ttlSeconds: expected a whole number .*, found 1\.5/],
    [{ dns: { udpPayloadSize: 511 } }, /udpPayloadSize: expected a whole number from 512 to 4096/],
    [{ dns: { udpPayloadSize: 4097 } }, /udpPayloadSize: expected a whole number from 512 to 4096/],
    [{ dns: { srvWeight: 65536 } }, /srvWeight: expected a whole number from 0 to 65535/],
    [{ dns: { soa: { mname: 'a..b' } } }, /dns\.soa\.mname: expected a domain name/],
    [{ dns: { soa: { rname: 'root@mesos' } } }, /soa\.rname: .*a dot in place of the @/],
    [{ names: { addresses: 'netinfo' } }, /addresses: expected "by-network" or a list, found "net/],
    [
      { names: { addresses: ['rkt'] } },
      /addresses\[0\]: expected one of "host", "docker", "mesos"/,
    ],
    [{ names: { addresses: ['host', 'host'] } }, /addresses\[1\]: is the same as/],
    [{ forward: { upstreams: [] } }, /upstreams: expected a list of 1 to 64/],
    [{ forward: { upstreams: ['dns.google'] } }, /upstreams\[0\]: expected an IP address/],
    [
      { forward: { upstreams: ['8.8.8.8:0'] } },
      /upstreams\[0\]: expected an IP address with a port/,
    ],
    [{ forward: { zones: { 'a..b': ['1.1.1.1'] } } }, /zones\["a\.\.b"\]: expected a domain name/],
    [{ forward: { zones: { a: [] } } }, /forward\.zones\.a: expected a list of 1 to 64/],
    [{ forward: { zones: { mesos: ['1.1.1.1'] } } }, /zones\.mesos: is the own domain mesos/],
    [
      { forward: { zones: { 'Sub.Mesos': ['1.1.1.1'] } } },
      /zones.*: is inside the own domain mesos/,
    ],
    [{ forward: { zones: { a: ['::1'], A: ['::1'] } } }, /zones\.A: the zone a is given twice/],
    [
      { forward: { timeoutSeconds: 0 } },
      /timeoutSeconds: expected a number of seconds from 0\.1 to/,
    ],
    [{ http: { listen: '8123' } }, /http\.listen: expected an IP address or a host name/],
    [{ log: { level: 'loud' } }, /level: expected one of "trace", .*found "loud"/],
    [
      { dns: { enabled: false }, http: { enabled: false } },
      /^error : dns\.enabled and http\.enabled/,
    ],
    [{ $schema: 1 }, /\$schema: expected the address/],
  ];
  for (const [parts, expected] of cases) {
    test(JSON.stringify(parts).slice(0, 90), () => {
      assertProblems(problemsOf(file(parts)), [expected]);
    });
  }
});

describe('unknown keys are errors', () => {
  const cases: readonly (readonly [Record<string, unknown>, RegExp])[] = [
    [{ dns: { tllSeconds: 5 } }, /dns\.tllSeconds: is not a key.*did you mean "ttlSeconds"/],
    [{ dns: { TTLSECONDS: 5 } }, /did you mean "ttlSeconds"/],
    [{ dns: { ttl: 5 } }, /dns\.ttl: is not a key.*did you mean "ttlSeconds"/],
    [{ forwards: {} }, /^error forwards: .*did you mean "forward"/],
    [{ pollIntervalSeconds: 5 }, /did you mean "cluster\.pollIntervalSeconds"/],
    [{ dns: { nonsense: 1 } }, /dns\.nonsense: is not a key of the configuration; remove it/],
    [{ 'dns.domain': 'x' }, /\["dns\.domain"\]: is not a key/],
    [{ dns: { 'soa.mname': 'x' } }, /dns\["soa\.mname"\]: is not a key/],
    [{ ['__proto__']: {} }, /__proto__: is not a key/],
    [{ constructor: {} }, /constructor: is not a key/],
    [{ dns: { '': 1 } }, /dns\[""\]: is not a key/],
    [
      { refreshSeconds: 5 },
      /refreshSeconds: is not a key .* of Mesos-DNS; a file has the keys of one/,
    ],
  ];
  for (const [parts, expected] of cases) {
    test(JSON.stringify(parts), () => {
      const members = Object.entries({ cluster: MASTERS, ...parts }).map(
        ([key, value]) => `${JSON.stringify(key)}: ${JSON.stringify(value)}`,
      );
      assertProblems(problemsOf(`{${members.join(',')}}`), [expected]);
    });
  }
});

describe('warnings do not stop the start', () => {
  const cases: readonly (readonly [Record<string, unknown>, readonly RegExp[]])[] = [
    [{ dns: { ttlSeconds: 0 } }, [/^warning dns\.ttlSeconds: 0 forbids/]],
    [
      { forward: { upstreams: ['8.8.8.8', '127.0.0.1'] } },
      [
        /^warning forward\.upstreams\[1\]: sends questions back to the own listener 127\.0\.0\.1:53/,
      ],
    ],
    [
      { dns: { listen: ['[::]:53'] }, forward: { zones: { a: ['127.0.0.9', '::1', '0.0.0.0'] } } },
      [/zones\.a\[0\]: sends/, /zones\.a\[1\]: sends/, /zones\.a\[2\]: sends/],
    ],
    [{ dns: { listen: ['0.0.0.0'] }, forward: { upstreams: ['::1', '127.0.0.1:5353'] } }, []],
    [{ forward: { enabled: false, upstreams: ['127.0.0.1'] } }, []],
  ];
  for (const [parts, expected] of cases) {
    test(JSON.stringify(parts), () => assertProblems(problemsOf(file(parts)), expected));
  }
});

test('all problems are reported at once, in the order of the file', () => {
  const text = `{
    "cluster": { "masters": ["10.0.0.1:0"], "auth": { "kind": "iam" } },
    "dns": { "ttlSeconds": -1, "ttl": 5, "domain": "a_b..c" },
    "forward": { "zones": { "x": [] } },
    "log": { "level": 7 }
  }`;
  assertProblems(problemsOf(text), [
    /cluster\.masters\[0\]: expected a port/,
    /dns\.ttlSeconds: expected/,
    /dns\.ttl: is not a key/,
    /dns\.domain: expected/,
    /forward\.zones\.x: expected/,
    /log\.level: expected/,
    /cluster\.auth\.configFile: is missing/,
  ]);
});

test('a key that is given twice is an error', () => {
  const text = '{"cluster": {"masters": ["a"]}, "dns": {"domain": "a", "domain": "b"}, "dns": {}}';
  assertProblems(problemsOf(text), [
    /^error dns\.domain: is given twice/,
    /^error dns: is given twice/,
  ]);
});

test('what is no JSON object is refused with the place', () => {
  assertProblems(problemsOf(''), [/^error : is not JSON at 1:1 \(line:column\)/]);
  assertProblems(problemsOf('{\n "cluster": {,}\n}'), [/is not JSON at 2:14 /]);
  assertProblems(problemsOf('[]'), [/^error : expected a JSON object, found a list/]);
  assertProblems(problemsOf('"cluster"'), [/expected a JSON object, found a string/]);
});

test('an empty object is taken as a native file without masters', () => {
  assertProblems(problemsOf('{}'), [/^error cluster\.masters: is missing/]);
});

test('the list of problems is bounded', () => {
  const unknown = Array.from({ length: 5000 }, (_, i) => [`key${i}`, i]);
  const found = problemsOf(file(Object.fromEntries(unknown) as Record<string, unknown>));
  assert.equal(found.length, PROBLEMS_MAX + 1);
  assert.match(found.at(-1)!, /^error : 4900 more problems are not shown/);
});
