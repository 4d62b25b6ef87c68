import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parsePrefix } from '../../../src/core/base/prefix.ts';
import type { Config } from '../../../src/core/config/config.ts';
import { parseConfig } from '../../../src/core/config/parse-config.ts';
import { NEAR_NETWORKS } from './near-networks.ts';

const MASTERS = ['10.0.0.1:5050'];
const EVERYONE = [parsePrefix('0.0.0.0/0'), parsePrefix('::/0')];

/** A Mesos-DNS file that is good but for what `parts` says. */
function file(parts: Record<string, unknown>): string {
  return JSON.stringify({ masters: MASTERS, ...parts });
}

function readText(text: string): Config {
  const { config, problems } = parseConfig(text, '/etc/mesos-dns/config.json');
  assert.deepEqual(problems, []);
  assert.ok(config !== null);
  assert.equal(config.format, 'mesos-dns');
  return config;
}

function read(parts: Record<string, unknown> = {}): Config {
  return readText(file(parts));
}

/** Problems as `severity path: message`. */
function problemsOf(text: string): string[] {
  const { config, problems } = parseConfig(text, '');
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

test('a file with masters alone gets the defaults of Mesos-DNS', () => {
  assert.deepEqual(read(), {
    format: 'mesos-dns',
    file: '/etc/mesos-dns/config.json',
    cluster: {
      masters: [{ host: '10.0.0.1', port: 5050 }],
      zookeeper: null,
      events: { follow: 'auto', agentsMax: 500 },
      trust: { lossShare: 0.2, holdMs: 600_000 },
      servicesFile: null,
      savedState: null,
      marathon: null,
      pollIntervalMs: 60_000,
      requestTimeoutMs: 300_000,
      stateBytesMax: 268_435_456,
      tls: null,
      auth: { kind: 'none' },
    },
    dns: {
      enabled: true,
      domain: 'mesos',
      listen: [{ address: '0.0.0.0', port: 53 }],
      ttlSeconds: 60,
      srvWeight: 1,
      soa: {
        mname: 'ns1.mesos.',
        rname: 'root.ns1.mesos.',
        refreshSeconds: 60,
        retrySeconds: 600,
        expireSeconds: 86_400,
        minimumSeconds: 60,
      },
      udpPayloadSize: 1232,
      recursionAvailable: true,
      truncateBit: true,
      udpThreads: 'auto',
      allow: EVERYONE,
      serverId: 'hostname',
      chaos: false,
      cookieSecret: null,
      rateLimit: {
        responsesPerSecond: 1000,
        errorsPerSecond: 100,
        exempt: NEAR_NETWORKS.map(parsePrefix),
      },
    },
    names: {
      labels: 'rfc1123',
      addresses: ['netinfo', 'mesos', 'host'],
      unhealthy: 'publish',
      inactive: 'publish',
      locations: false,
    },
    vip: {
      enabled: false,
      pool: [parsePrefix('10.208.0.0/12')],
      poolIpv6: [],
      exclude: [],
      ranges: [],
      aliasDomains: ['thisdcos.directory'],
      auto: false,
      scheduler: 'wlc',
    },
    kernel: {
      enabled: false,
      interface: 'hoplite0',
      nodeAddress: { ipv4: null, ipv6: null },
      reconcileIntervalMs: 30_000,
      drainMs: 300_000,
      sysctls: 'set',
      snat: false,
    },
    forward: {
      enabled: true,
      upstreams: [{ address: '8.8.8.8', port: 53 }],
      zones: [],
      allow: EVERYONE,
      policy: 'sequential',
      timeoutMs: 5000,
      deadlineMs: 5000,
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
    },
    http: { enabled: true, listen: { host: '0.0.0.0', port: 8123 }, enumeration: true },
    log: { level: 'info', querySample: 0 },
  });
});

describe('each key means what it means in Mesos-DNS', () => {
  const cases: readonly (readonly [
    Record<string, unknown>,
    (config: Config) => unknown,
    unknown,
  ])[] = [
    [{ refreshSeconds: 30 }, ({ cluster }) => cluster.pollIntervalMs, 30_000],
    [{ stateTimeoutSeconds: 10 }, ({ cluster }) => cluster.requestTimeoutMs, 10_000],
    [{ zkDetectionTimeout: -1, SOASerial: 7, File: '/x' }, ({ format }) => format, 'mesos-dns'],
    [{ ttl: 10 }, ({ dns }) => [dns.ttlSeconds, dns.soa.minimumSeconds], [10, 60]],
    [
      { domain: 'DC1.Mesos' },
      ({ dns }) => [dns.domain, dns.soa.mname],
      ['dc1.mesos', 'ns1.mesos.'],
    ],
    [
      { listener: '10.0.0.2', port: 5353 },
      ({ dns }) => dns.listen,
      [{ address: '10.0.0.2', port: 5353 }],
    ],
    [{ listener: '::', port: 0 }, ({ dns }) => dns.listen, [{ address: '::', port: 0 }]],
    [
      { HTTPListener: 'node-1', httpport: 80 },
      ({ http }) => http.listen,
      { host: 'node-1', port: 80 },
    ],
    [{ HTTPListener: '::1' }, ({ http }) => http.listen, { host: '::1', port: 8123 }],
    [{ HTTPListener: '' }, ({ http }) => http.listen.host, '0.0.0.0'],
    [{ dnson: false }, ({ dns, http }) => [dns.enabled, http.enabled], [false, true]],
    [{ httpon: false }, ({ dns, http }) => [dns.enabled, http.enabled], [true, false]],
    [
      { externalon: false },
      ({ dns, forward }) => [forward.enabled, dns.recursionAvailable],
      [false, true],
    ],
    [
      { recurseon: false },
      ({ dns, forward }) => [forward.enabled, dns.recursionAvailable],
      [true, false],
    ],
    [
      { resolvers: ['10.0.0.53:5353', '::1', '[2001:DB8::1]:55', '2001:db8::1'] },
      ({ forward }) => forward.upstreams,
      [
        { address: '10.0.0.53', port: 5353 },
        { address: '::1', port: 53 },
        { address: '2001:db8::1', port: 55 },
        { address: '2001:db8::1', port: 53 },
      ],
    ],
    [{ resolvers: [], timeout: 0 }, ({ forward }) => forward.upstreams, 'system'],
    [{ timeout: 0 }, ({ forward }) => forward.timeoutMs, 5000],
    [{ timeout: 2 }, ({ forward }) => forward.timeoutMs, 2000],
    [
      { timeout: 2, resolvers: ['10.0.0.53', '10.0.1.53'] },
      ({ forward }) => [forward.policy, forward.deadlineMs],
      ['sequential', 4000],
    ],
    [
      { zoneResolvers: { a: ['10.0.0.1', '10.0.0.2', '10.0.0.3'] } },
      ({ forward }) => forward.deadlineMs,
      15_000,
    ],
    [{ resolvers: [], timeout: 2 }, ({ forward }) => forward.deadlineMs, 6000],
    [
      { timeout: 40, resolvers: ['10.0.0.53', '10.0.1.53'] },
      ({ forward }) => [forward.timeoutMs, forward.deadlineMs],
      [40_000, 60_000],
    ],
    [
      { externalon: false, resolvers: ['10.0.0.9'], timeout: 1 },
      ({ forward }) => [forward.allow, forward.cache.staleSeconds, forward.privateReverse],
      [EVERYONE, 0, 'forward'],
    ],
    [
      { zoneResolvers: { weave: ['10.0.0.1:53'], 'corp.example': ['10.0.0.2'] } },
      ({ forward }) => forward.zones,
      [
        { zone: 'corp.example', upstreams: [{ address: '10.0.0.2', port: 53 }] },
        { zone: 'weave', upstreams: [{ address: '10.0.0.1', port: 53 }] },
      ],
    ],
    [{ IPSources: ['docker', 'host'] }, ({ names }) => names.addresses, ['docker', 'host']],
    [{ EnforceRFC952: true }, ({ names }) => names.labels, 'rfc952'],
    [{ EnumerationOn: false }, ({ http }) => http.enumeration, false],
    [{ SRVRecordDefaultWeight: 65535 }, ({ dns }) => dns.srvWeight, 65535],
    [
      { SOAMname: 'NS.example...', SOARname: 'root@example' },
      ({ dns }) => [dns.soa.mname, dns.soa.rname],
      ['ns.example.', 'root.example.'],
    ],
    [
      { SOARefresh: 1, SOARetry: 2, SOAExpire: 3 },
      ({ dns: { soa } }) => [soa.refreshSeconds, soa.retrySeconds, soa.expireSeconds],
      [1, 2, 3],
    ],
    [
      { MesosHTTPSOn: true, CACertFile: 'ca', CertFile: 'c', KeyFile: 'k' },
      ({ cluster }) => cluster.tls,
      { caFile: 'ca', certFile: 'c', keyFile: 'k' },
    ],
    [
      { mesosAuthentication: 'basic', mesosCredentials: { principal: 'p', secret: 's' } },
      ({ cluster }) => cluster.auth,
      { kind: 'basic', principal: 'p', secret: 's' },
    ],
    [
      { mesosAuthentication: 'iam', IAMConfigFile: '/iam' },
      ({ cluster }) => cluster.auth,
      { kind: 'iam', configFile: '/iam' },
    ],
    [
      { externalon: false, resolvers: ['10.0.0.53'] },
      ({ forward }) => forward.upstreams,
      [{ address: '10.0.0.53', port: 53 }],
    ],
  ];
  for (const [parts, select, expected] of cases) {
    test(JSON.stringify(parts), () => assert.deepEqual(select(read(parts)), expected));
  }
});

test('empty names of the SOA record are the defaults', () => {
  const { config } = parseConfig(file({ SOAMname: '', SOARname: '' }), '');
  const { mname, rname } = config?.dns.soa ?? {};
  assert.deepEqual([mname, rname], ['ns1.mesos.', 'root.ns1.mesos.']);
});

describe('everyone may look up every name, as with Mesos-DNS', () => {
  const open = /^warning listener: 203\.0\.113\.5 is a public address, and everyone who reaches it/;
  const cases: readonly (readonly [Record<string, unknown>, readonly RegExp[]])[] = [
    [{ listener: '203.0.113.5' }, [open]],
    [{ listener: '203.0.113.5', externalon: false }, []],
    [{ listener: '203.0.113.5', dnson: false }, []],
    [{ listener: '0.0.0.0' }, []],
    [{ listener: '10.0.0.5' }, []],
    [{ listener: '127.0.0.1' }, []],
    [{ listener: '::' }, []],
  ];
  for (const [parts, expected] of cases) {
    test(JSON.stringify(parts), () => assertProblems(problemsOf(file(parts)), expected));
  }
});

describe('the file is read as Go reads it', () => {
  test('keys match without regard to case', () => {
    const config = readText(
      '{"MASTERS": ["a:1"], "TTL": 5, "HttpPort": 80, "ipsources": ["host"], "soamname": "x"}',
    );
    assert.equal(config.dns.ttlSeconds, 5);
    assert.equal(config.http.listen.port, 80);
    assert.deepEqual(config.names.addresses, ['host']);
    assert.equal(config.dns.soa.mname, 'x.');
  });

  test('one known key in any case makes a Mesos-DNS file', () => {
    assertProblems(problemsOf('{"REFRESHSECONDS": 5}'), [/^error masters: is missing or empty/]);
    assertProblems(problemsOf('{"nonsense": 5}'), [
      /^error nonsense: is not a key of the configuration/,
      /^error cluster\.masters: is missing/,
    ]);
  });

  const duplicates: readonly (readonly [string, (config: Config | null) => unknown, unknown])[] = [
    ['"ttl": 1, "TTL": 2, "ttl": 3', (config) => config?.dns.ttlSeconds, 3],
    ['"ttl": 1, "ttl": 3, "Ttl": 2', (config) => config?.dns.ttlSeconds, 2],
    ['"ttl": 7, "ttl": null', (config) => config?.dns.ttlSeconds, 7],
    [
      '"zoneResolvers": {"a": ["::1"]}, "ZONERESOLVERS": {"b": ["::2"]}',
      (config) => config?.forward.zones.map(({ zone }) => zone),
      ['a', 'b'],
    ],
    [
      '"zoneResolvers": {"a": ["::1"]}, "zoneResolvers": null',
      (config) => config?.forward.zones,
      [],
    ],
    [
      '"mesosAuthentication": "basic", "mesosCredentials": {"principal": "p", "SECRET": "s"}, "mesosCredentials": {"secret": "t"}',
      (config) => config?.cluster.auth,
      { kind: 'basic', principal: 'p', secret: 't' },
    ],
  ];
  for (const [members, select, expected] of duplicates) {
    test(`of duplicates the last one counts, with a warning: ${members}`, () => {
      const { config, problems } = parseConfig(`{"masters": ["a:1"], ${members}}`, '');
      assert.deepEqual(select(config), expected);
      assert.ok(problems.length > 0);
      for (const problem of problems) {
        assert.equal(problem.severity, 'warning');
        assert.match(problem.message, /given more than once; the last one counts/);
      }
    });
  }

  test('null keeps the default of a scalar and empties a list', () => {
    const config = read({ ttl: null, domain: null, dnson: null, resolvers: null, timeout: null });
    assert.deepEqual(config, read({ resolvers: [] }));
    const credentials = { principal: null, secret: null };
    assert.deepEqual(read({ mesosCredentials: credentials }), read());
    assert.deepEqual(read({ mesosCredentials: null }), read());
    assertProblems(problemsOf(file({ IPSources: null })), [
      /^error IPSources: expected at least one/,
    ]);
  });

  const wrongTypes: readonly (readonly [string, RegExp])[] = [
    ['"ttl": "60"', /^error ttl: expected a whole number .* found a string/],
    ['"ttl": 60.0', /^error ttl: expected a whole number .* found 60\.0/],
    ['"ttl": 6e1', /^error ttl: expected a whole number .* found 6e1/],
    ['"ttl": 2147483648', /^error ttl: expected a whole number from -2147483648 to 2147483647/],
    ['"port": 9223372036854775808', /^error port: expected a whole number/],
    ['"SRVRecordDefaultWeight": 65536', /^error SRVRecordDefaultWeight: .* from 0 to 65535/],
    ['"SRVRecordDefaultWeight": -1', /^error SRVRecordDefaultWeight: .* from 0 to 65535/],
    ['"SOARefresh": -1', /^error SOARefresh: expected a whole number from 0 to 4294967295/],
    ['"dnson": "true"', /^error dnson: expected true or false, found a string/],
    ['"domain": 5', /^error domain: expected a string .* found 5/],
    ['"resolvers": "8.8.8.8"', /^error resolvers: expected a list of strings, found a string/],
    ['"resolvers": [8]', /^error resolvers\[0\]: expected a string .* found 8/],
    ['"zoneResolvers": []', /^error zoneResolvers: expected an object of lists, found a list/],
    ['"zoneResolvers": {"a": "::1"}', /^error zoneResolvers\.a: expected a list of strings/],
    ['"mesosCredentials": "p:s"', /^error mesosCredentials: expected .* found a string/],
    ['"mesosCredentials": {"secret": 77}', /^error mesosCredentials\.secret: .* found a number$/],
    ['"File": {}', /^error File: expected a string/],
  ];
  for (const [member, expected] of wrongTypes) {
    test(`a wrong type is an error: ${member}`, () => {
      const found = problemsOf(`{"masters": ["a:1"], ${member}}`);
      assert.match(found[0] ?? 'no problem', expected);
    });
  }

  test('comments and trailing text are errors', () => {
    assertProblems(problemsOf('{"masters": ["a:1"] /* the first */}'), [
      /not JSON at 1:21 .*comments/,
    ]);
    assertProblems(problemsOf('{"masters": ["a:1"]}}'), [/not JSON at 1:21/]);
  });
});

describe('the rules of Mesos-DNS are kept', () => {
  const cases: readonly (readonly [Record<string, unknown>, readonly RegExp[]])[] = [
    [{ masters: [] }, [/^error masters: is missing or empty/]],
    [{ masters: ['10.0.0.1'] }, [/^error masters\[0\]: expected a port, as in 10\.0\.0\.1:5050/]],
    [{ masters: ['10.0.0.1:0'] }, [/^error masters\[0\]: expected a port from 1/]],
    [{ masters: [null] }, [/^error masters\[0\]: expected host:port/]],
    [
      { masters: ['[2001:db8::1]:5050', '[2001:DB8:0::1]:5050'] },
      [/^error masters\[1\]: "\[2001:DB8:0::1\]:5050" is listed twice/],
    ],
    [
      { stateTimeoutSeconds: 0 },
      [/^error stateTimeoutSeconds: expected 1 or more seconds, found 0/],
    ],
    [{ domain: 'under_score' }, [/^error domain: expected labels/]],
    [{ domain: 'mesos.' }, [/^error domain: expected labels/]],
    [{ domain: '' }, [/^error domain: expected labels/]],
    [{ domain: 'a'.repeat(64) }, [/^error domain: expected labels of at most 63/]],
    [{ port: -1 }, [/^error port: expected a port from 0/]],
    [{ httpport: 65536 }, [/^error httpport: expected a port from 0/]],
    [{ dnson: false, httpon: false }, [/^error : dnson and httpon are both false/]],
    [{ resolvers: ['dns.google'] }, [/^error resolvers\[0\]: expected an IP address/]],
    [{ resolvers: [''] }, [/^error resolvers\[0\]: expected an IP address/]],
    [{ resolvers: ['8.8.8.8:0'] }, [/^error resolvers\[0\]/]],
    [
      { resolvers: ['8.8.8.8', '8.8.8.8:53'] },
      [/^error resolvers\[1\]: "8\.8\.8\.8:53" is listed t/],
    ],
    [{ zoneResolvers: { a: [] } }, [/^error zoneResolvers\.a: expected a list of 1/]],
    [{ zoneResolvers: { '': ['::1'] } }, [/^error zoneResolvers\[""\]: expected a domain name/]],
    [{ zoneResolvers: { mesos: ['::1'] } }, [/^error zoneResolvers\.mesos: is the own domain/]],
    [{ zoneResolvers: { 'a.mesos': ['::1'] } }, [/^error zoneResolvers.*: is inside mesos/]],
    [
      { domain: 'dc.mesos', zoneResolvers: { mesos: ['::1'] } },
      [/^error zoneResolvers\.mesos: contains the own domain dc\.mesos/],
    ],
    [{ domain: 'dc.mesos', zoneResolvers: { 'acdc.mesos': ['::1'] } }, []],
    [
      { zoneResolvers: { 'abc.com': ['::1'], com: ['::1'] } },
      [/^error zoneResolvers\["abc\.com"\]: is inside com/],
    ],
    [{ zoneResolvers: { 'abc.com': ['::1'], 'bc.com': ['::1'] } }, []],
    [{ timeout: -1 }, [/^error timeout: expected 0 or more/]],
    [{ IPSources: [] }, [/^error IPSources: expected at least one/]],
    [{ IPSources: ['Host'] }, [/^error IPSources\[0\]: expected one of .* found "Host"/]],
    [{ IPSources: ['rkt'] }, [/^error IPSources\[0\]: expected one of/]],
    [{ IPSources: ['host', 'host'] }, [/^error IPSources\[1\]: "host" is listed twice/]],
    [{ SOAMname: '@' }, [/^error SOAMname: expected a domain name/]],
    [{ SOARname: '.' }, [/^error SOARname: expected a domain name/]],
    [{ MesosHTTPSOn: true, CertFile: 'c' }, [/^error KeyFile: is missing/]],
    [
      { mesosAuthentication: 'Basic' },
      [/^error mesosAuthentication: expected "", "basic" or "iam"/],
    ],
    [{ mesosAuthentication: 'basic' }, [/^error mesosCredentials: expected a principal/]],
    [{ mesosAuthentication: 'iam' }, [/^error IAMConfigFile: is missing/]],
  ];
  for (const [parts, expected] of cases) {
    test(JSON.stringify(parts).slice(0, 90), () => {
      assertProblems(problemsOf(file(parts)), expected);
    });
  }

  test('resolvers are not checked where nothing is forwarded', () => {
    const text = file({ externalon: false, resolvers: ['nonsense'], zoneResolvers: { mesos: [] } });
    assertProblems(problemsOf(text), [
      /^warning resolvers\[0\]: is not valid, and not used either/,
    ]);
    const { config } = parseConfig(text, '');
    assert.deepEqual(config?.forward.upstreams, 'system');
  });
});

describe('what has no effect is a warning', () => {
  const cases: readonly (readonly [Record<string, unknown>, RegExp])[] = [
    [{ ns: 'ns1' }, /^warning ns: is not a key of Mesos-DNS, no effect$/],
    [{ refreshSecond: 5 }, /^warning refreshSecond: .*did you mean "refreshSeconds"\?/],
    [{ ipsource: ['host'] }, /^warning ipsource: .*did you mean "IPSources"\?/],
    [
      { zk: 'zk://zk1:2181/mesos', zkDetectionTimeout: 5 },
      /^warning zkDetectionTimeout: has no effect: without a leader .* does not exit$/,
    ],
    [{ ttl: 0 }, /^warning ttl: 0 forbids/],
    [{ SOAMname: '' }, /^warning SOAMname: is empty; ns1\.mesos is used instead$/],
    [{ SOARname: '' }, /^warning SOARname: is empty; root\.ns1\.mesos is used instead$/],
    [{ mesosCredentials: { principal: 'p' } }, /^warning mesosCredentials: has no effect/],
    [{ IAMConfigFile: '/iam' }, /^warning IAMConfigFile: has no effect/],
    [{ CACertFile: '/ca' }, /^warning CACertFile: has no effect/],
    [
      { listener: '127.0.0.1', resolvers: ['127.0.0.1'] },
      /^warning resolvers\[0\]: sends questions b/,
    ],
    [
      { mesosAuthentication: 'basic', mesosCredentials: { principal: 'p', secret: 's', x: 1 } },
      /^warning mesosCredentials: has a key besides/,
    ],
  ];
  for (const [parts, expected] of cases) {
    test(JSON.stringify(parts), () => assertProblems(problemsOf(file(parts)), [expected]));
  }

  const capped: readonly (readonly [string, number, (config: Config) => number, number])[] = [
    ['refreshSeconds', 100_000, ({ cluster }) => cluster.pollIntervalMs, 86_400_000],
    ['stateTimeoutSeconds', 4000, ({ cluster }) => cluster.requestTimeoutMs, 3_600_000],
    ['timeout', 300, ({ forward }) => forward.timeoutMs, 60_000],
    ['SOAExpire', 4_294_967_295, ({ dns }) => dns.soa.expireSeconds, 2_147_483_647],
  ];
  for (const [key, value, select, expected] of capped) {
    test(`${key} ${value} is brought within our bounds`, () => {
      const { config, problems } = parseConfig(file({ [key]: value }), '');
      assert.match(problems[0]?.message ?? '', /is more than \d+, which is used instead/);
      assert.ok(config !== null);
      assert.equal(select(config), expected);
    });
  }
});

test('neither masters nor ZooKeeper is an error that says what to add', () => {
  assertProblems(problemsOf('{"ttl": 5}'), [
    /^error masters: is missing or empty; list the masters, .* or set "zk"$/,
  ]);
});

test('S08: ZooKeeper is taken over, beside masters or alone', () => {
  const zk = 'zk://user:hunter2@zk1:2181,zk2/mesos';
  const zookeeper = {
    servers: [
      { host: 'zk1', port: 2181 },
      { host: 'zk2', port: 2181 },
    ],
    path: '/mesos',
    auth: { user: 'user', password: 'hunter2' },
  };
  const beside = read({ zk });
  assert.deepEqual(beside.cluster.zookeeper, zookeeper);
  assert.equal(beside.cluster.masters.length, 1);
  const alone = read({ zk, masters: [] });
  assert.deepEqual(alone.cluster.zookeeper, zookeeper);
  assert.deepEqual(alone.cluster.masters, []);
});

test('S01: a listener that is no address is refused instead of crashing later', () => {
  for (const listener of ['localhost', '', 'junk', '[::1]', '10.0.0.1:53', 'fe80::1%eth0']) {
    assertProblems(problemsOf(file({ listener })), [/^error listener: expected an IP address/]);
  }
});

test('S03: refreshSeconds must be more than 0', () => {
  for (const refreshSeconds of [0, -5]) {
    assertProblems(problemsOf(file({ refreshSeconds })), [
      /^error refreshSeconds: expected 1 or more seconds/,
    ]);
  }
});

test('S13: https without CACertFile is verified with the roots of the system', () => {
  assert.deepEqual(read({ MesosHTTPSOn: true }).cluster.tls, {
    caFile: null,
    certFile: null,
    keyFile: null,
  });
});

test('S14: values of zk that are no ZooKeeper address are refused, with masters too', () => {
  for (const zk of ['file:///etc/zk', '10.0.0.1:5050', 'master@10.0.0.1:5050']) {
    const expected = /^error zk: expected "zk:\/\/host:port/;
    assertProblems(problemsOf(JSON.stringify({ zk })), [expected]);
    assertProblems(problemsOf(file({ zk })), [expected]);
  }
});

test('S15: a zone that is the domain in other letters is refused', () => {
  for (const [domain, zone] of [
    ['MESOS', 'mesos'],
    ['mesos', 'MESOS'],
  ] as const) {
    assertProblems(problemsOf(file({ domain, zoneResolvers: { [zone]: ['::1'] } })), [
      /^error zoneResolvers\.mesos: is the own domain mesos/,
    ]);
  }
});

test('D06: SOAMinttl is the SOA minimum', () => {
  const { dns } = read({ ttl: 60, SOAMinttl: 7 });
  assert.equal(dns.soa.minimumSeconds, 7);
  assert.equal(dns.ttlSeconds, 60);
});

test('D27: SetTruncateBit concerns the own zone', () => {
  assert.equal(read({ SetTruncateBit: false }).dns.truncateBit, false);
});

test('D28: a negative ttl is refused', () => {
  assertProblems(problemsOf(file({ ttl: -1 })), [
    /^error ttl: expected 0 or more seconds, found -1/,
  ]);
});

test('D29: zone keys are compared without case', () => {
  const zones = read({ zoneResolvers: { 'Corp.EXAMPLE': ['10.0.0.2'] } }).forward.zones;
  assert.equal(zones[0]?.zone, 'corp.example');
  assertProblems(problemsOf(file({ zoneResolvers: { a: ['::1'], A: ['::2'] } })), [
    /^error zoneResolvers\.A: the zone a is given twice/,
  ]);
});
