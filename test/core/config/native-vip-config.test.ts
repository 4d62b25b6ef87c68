import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Config } from '../../../src/core/config/config.ts';
import { parseConfig } from '../../../src/core/config/parse-config.ts';

type Parts = Readonly<Record<string, unknown>>;

/** A native file with VIPs that is good but for what `parts` says. */
const file = (parts: Parts): string =>
  JSON.stringify({ cluster: { masters: ['192.0.2.1'] }, ...parts });

function read(parts: Parts): Config {
  const { config, problems } = parseConfig(file(parts), '');
  assert.deepEqual(problems, []);
  assert.ok(config !== null);
  return config;
}

/** Problems as `severity path: message`. */
function problemsOf(parts: Parts): string[] {
  const { config, problems } = parseConfig(file(parts), '');
  const hasError = problems.some(({ severity }) => severity === 'error');
  assert.equal(config === null, hasError);
  return problems.map(({ severity, path, message }) => `${severity} ${path}: ${message}`);
}

function assertProblems(parts: Parts, expected: readonly RegExp[]): void {
  const found = problemsOf(parts);
  assert.equal(found.length, expected.length, found.join('\n'));
  for (const [i, pattern] of expected.entries()) assert.match(found[i]!, pattern);
}

describe('settings of VIPs and the kernel are read', () => {
  const cases: readonly (readonly [string, Parts, (config: Config) => unknown, unknown])[] = [
    [
      'prefixes in canonical text',
      { vip: { pool: ['172.20.0.0/16', '192.168.4.0/30'], poolIpv6: ['FD12:0::/48'] } },
      ({ vip }) => [...vip.pool, ...vip.poolIpv6].map(({ text }) => text),
      ['172.20.0.0/16', '192.168.4.0/30', 'fd12::/48'],
    ],
    [
      'an exclusion and a range may be one address, of either family',
      {
        vip: {
          poolIpv6: ['fd12::/112'],
          exclude: ['10.208.0.1', 'fd12::1/128'],
          ranges: ['203.0.113.7', '2001:db8::/32'],
        },
      },
      ({ vip }) => [...vip.exclude, ...vip.ranges].map(({ text }) => text),
      ['10.208.0.1/32', 'fd12::1/128', '203.0.113.7/32', '2001:db8::/32'],
    ],
    [
      'no pool at all where ranges take the declared addresses',
      { vip: { pool: [], ranges: ['10.1.0.0/16'] } },
      ({ vip }) => vip.pool,
      [],
    ],
    [
      'no pool at all where there are no VIPs',
      { vip: { enabled: false, pool: [] } },
      ({ vip, kernel }) => [vip.enabled, kernel.enabled],
      [false, true],
    ],
    [
      'alias domains in lower case without final dot',
      { vip: { aliasDomains: ['ThisDcos.directory.', 'thisdcos.global'] } },
      ({ vip }) => vip.aliasDomains,
      ['thisdcos.directory', 'thisdcos.global'],
    ],
    [
      'no alias domain inside the own one',
      { dns: { domain: 'directory' } },
      ({ vip }) => vip.aliasDomains,
      [],
    ],
    [
      'an own domain inside an alias domain',
      { dns: { domain: 'mesos.thisdcos.directory' } },
      ({ vip }) => vip.aliasDomains,
      ['thisdcos.directory'],
    ],
    [
      'a parent of an alias domain that is forwarded: the longest match wins',
      { forward: { zones: { directory: ['192.0.2.53'] } } },
      ({ vip }) => vip.aliasDomains,
      ['thisdcos.directory'],
    ],
    [
      'an alias domain that nothing uses is no one else’s business',
      { vip: { enabled: false, aliasDomains: ['a.mesos'] } },
      ({ vip }) => vip.aliasDomains,
      ['a.mesos'],
    ],
    [
      'every scheduler of the kernel',
      { vip: { scheduler: 'mh', auto: true } },
      ({ vip }) => [vip.scheduler, vip.auto],
      ['mh', true],
    ],
    [
      'one address of the node, the other is found',
      { kernel: { nodeAddress: { ipv6: '2001:DB8::7' } } },
      ({ kernel }) => kernel.nodeAddress,
      { ipv4: null, ipv6: '2001:db8::7' },
    ],
    [
      'seconds as milliseconds',
      { kernel: { reconcileIntervalSeconds: 1.5, drainSeconds: 0 } },
      ({ kernel }) => [kernel.reconcileIntervalMs, kernel.drainMs],
      [1500, 0],
    ],
    [
      'what is done besides IPVS',
      { kernel: { sysctls: 'report', snat: true, interface: 'vip.0-a_b@15chr' } },
      ({ kernel }) => [kernel.sysctls, kernel.snat, kernel.interface],
      ['report', true, 'vip.0-a_b@15chr'],
    ],
  ];
  for (const [name, parts, select, expected] of cases) {
    test(name, () => assert.deepEqual(select(read(parts)), expected));
  }
});

describe('a bad value is an error that says what is expected', () => {
  const cases: readonly (readonly [Parts, RegExp])[] = [
    [
      { vip: { pool: ['10.208.0.1/12'] } },
      /^error vip\.pool\[0\]: "10\.208\.0\.1\/12" has bits beyond its length; did you mean "10\.208\.0\.0\/12"\?$/,
    ],
    [{ vip: { pool: '10.208.0.0/12' } }, /^error vip\.pool: expected a list, found a string/],
    [
      { vip: { pool: ['10.208.0.0'] } },
      /expected a length from \/8 to \/30, found "10\.208\.0\.0"/,
    ],
    [{ vip: { pool: ['192.168.0.0/31'] } }, /expected a length from \/8 to \/30/],
    [{ vip: { pool: ['0.0.0.0/0'] } }, /expected a prefix inside one of 10\.0\.0\.0\/8, 172\.16/],
    [{ vip: { pool: ['11.0.0.0/8'] } }, /192\.168\.0\.0\/16 \(RFC 1918\), found "11\.0\.0\.0\/8"/],
    [{ vip: { pool: ['172.0.0.0/8'] } }, /expected a prefix inside/],
    [
      { vip: { pool: ['fd00::/48'] } },
      /expected an IPv4 prefix such as 10\.208\.0\.0\/12, found "f/,
    ],
    [{ vip: { pool: [10] } }, /pool\[0\]: expected an IPv4 prefix .*, found 10/],
    [{ vip: { pool: ['ten'] } }, /pool\[0\]: expected an IPv4 prefix .*, found "ten"/],
    [
      { vip: { pool: ['10.0.0.0/8', '192.168.0.0/24', '10.3.0.0/16'] } },
      /^error vip\.pool\[2\]: 10\.3\.0\.0\/16 overlaps 10\.0\.0\.0\/8 \(vip\.pool\[0\]\); remove one/,
    ],
    [{ vip: { pool: ['10.0.0.0/8', '10.0.0.0/8'] } }, /pool\[1\]: is the same as vip\.pool\[0\]/],
    [{ vip: { pool: [] } }, /^error vip: vip\.pool, vip\.poolIpv6 and vip\.ranges are all empty/],
    [{ vip: { poolIpv6: ['fd00::/47'] } }, /expected a length from \/48 to \/112/],
    [{ vip: { poolIpv6: ['fd00::/113'] } }, /expected a length from \/48 to \/112/],
    [{ vip: { poolIpv6: ['2001:db8::/64'] } }, /inside fc00::\/7 \(RFC 4193\), found "2001:db8::/],
    [{ vip: { poolIpv6: ['10.0.0.0/8'] } }, /expected an IPv6 prefix such as fd12:3456:789a::\/64/],
    [{ vip: { exclude: ['a'] } }, /exclude\[0\]: expected an IPv4 or IPv6 prefix such as 10\.208/],
    [{ vip: { ranges: ['10.0.0.0/7'] } }, /ranges\[0\]: expected a length from \/8 to \/32/],
    [
      { vip: { ranges: ['127.5.0.0/16'] } },
      /overlaps 127\.0\.0\.0\/8, whose addresses cannot be V/,
    ],
    [{ vip: { ranges: ['::1'] } }, /^error vip\.ranges\[0\]: ::1\/128 overlaps ::\/8/],
    [{ vip: { ranges: ['ff02::/16'] } }, /ff02::\/16 overlaps ff00::\/8/],
    [{ vip: { ranges: ['239.0.0.1'] } }, /239\.0\.0\.1\/32 overlaps 224\.0\.0\.0\/3/],
    [
      { vip: { aliasDomains: ['mesos'] } },
      /^error vip\.aliasDomains\[0\]: mesos is the own domain mesos, which has those names anyway/,
    ],
    [{ vip: { aliasDomains: ['x', 'Dc1.Mesos'] } }, /\[1\]: dc1\.mesos is inside the own domain/],
    [{ vip: { aliasDomains: ['a.b', 'b'] } }, /aliasDomains\[0\]: a\.b is inside b; remove one/],
    [
      { vip: { aliasDomains: Array.from({ length: 17 }, (_, i) => `a${i}`) } },
      /aliasDomains: expected a list of 0 to 16 entries, found 17/,
    ],
    [{ vip: { aliasDomains: ['a..b'] } }, /aliasDomains\[0\]: expected a domain name/],
    [
      {
        vip: { aliasDomains: ['dcos.example'] },
        forward: { zones: { 'l4lb.dcos.example': ['192.0.2.53'] } },
      },
      /\[0\]: dcos\.example is answered here, but forward\.zones sends l4lb\.dcos\.example elsewh/,
    ],
    [{ vip: { scheduler: 'random' } }, /scheduler: expected one of "rr", .*found "random"/],
    [{ kernel: { interface: 'sixteen-letters-' } }, /interface: expected the name of a network/],
    [{ kernel: { interface: '' } }, /1 to 15 characters without \/ : % or blanks/],
    [{ kernel: { interface: 'a/b' } }, /kernel\.interface: expected/],
    [{ kernel: { interface: 'a b' } }, /kernel\.interface: expected/],
    [{ kernel: { interface: 'vip%d' } }, /kernel\.interface: expected/],
    [{ kernel: { interface: '..' } }, /kernel\.interface: expected/],
    [{ kernel: { interface: 'lo' } }, /not lo, all or default\), found "lo"/],
    [{ kernel: { interface: 'größe' } }, /kernel\.interface: expected/],
    [{ kernel: { nodeAddress: '10.0.0.1' } }, /nodeAddress: expected an object, found a string/],
    [
      { kernel: { nodeAddress: { ipv4: '2001:db8::1' } } },
      /ipv4: expected an IPv4 address of this/,
    ],
    [{ kernel: { nodeAddress: { ipv4: '127.0.0.1' } } }, /that other nodes reach, found "127\.0\./],
    [{ kernel: { nodeAddress: { ipv4: '0.0.0.0' } } }, /nodeAddress\.ipv4: expected/],
    [{ kernel: { nodeAddress: { ipv4: '224.0.0.1' } } }, /nodeAddress\.ipv4: expected/],
    [{ kernel: { nodeAddress: { ipv4: 'node-7' } } }, /nodeAddress\.ipv4: expected .*"node-7"/],
    [
      { kernel: { nodeAddress: { ipv6: 'fe80::1' } } },
      /ipv6: expected an IPv6 address of this nod/,
    ],
    [{ kernel: { nodeAddress: { ipv6: 'ff02::1' } } }, /nodeAddress\.ipv6: expected/],
    [
      { kernel: { nodeAddress: { ipv4: '10.210.0.1' } } },
      /^error kernel\.nodeAddress\.ipv4: 10\.210\.0\.1 is in 10\.208\.0\.0\/12 \(vip\.pool\[0\]\)/,
    ],
    [{ kernel: { reconcileIntervalSeconds: 0.5 } }, /expected a number of seconds from 1 to 3600/],
    [{ kernel: { drainSeconds: 86_401 } }, /expected a number of seconds from 0 to 86400/],
    [{ kernel: { sysctls: 'ignore' } }, /sysctls: expected one of "set", "report"/],
    [{ kernel: { snat: 'yes' } }, /kernel\.snat: expected true or false/],
    [{ vip: { pools: [] } }, /vip\.pools: is not a key .*did you mean "pool"/],
    [{ vip: { interface: 'a' } }, /vip\.interface: .*did you mean "kernel\.interface"/],
    [{ names: { locations: 1 } }, /names\.locations: expected true or false, found 1/],
  ];
  for (const [parts, expected] of cases) {
    test(JSON.stringify(parts).slice(0, 90), () => assertProblems(parts, [expected]));
  }
});

describe('warnings do not stop the start', () => {
  const cases: readonly (readonly [Parts, readonly RegExp[]])[] = [
    [
      { vip: { exclude: ['192.168.0.0/24'] } },
      [/^warning vip\.exclude\[0\]: 192\.168\.0\.0\/24 is in no pool, so it excludes nothing/],
    ],
    [
      { vip: { pool: ['10.1.0.0/16', '10.2.0.0/16'], exclude: ['10.1.0.0/16'] } },
      [/^warning vip\.exclude\[0\]: 10\.1\.0\.0\/16 leaves nothing of 10\.1\.0\.0\/16 \(vip\.pool/],
    ],
    [
      {
        cluster: { masters: ['master-1', '10.208.0.1'] },
        dns: { listen: ['127.0.0.1', '10.208.0.2'] },
        http: { listen: '10.208.0.3:80' },
        forward: { upstreams: ['10.208.0.4'], zones: { corp: ['10.208.0.5'] } },
      },
      [
        /^warning cluster\.masters\[1\]: 10\.208\.0\.1 is in 10\.208\.0\.0\/12 \(vip\.pool\[0\]\)/,
        /^warning dns\.listen\[1\]: 10\.208\.0\.2 .*; exclude it \(vip\.exclude\), or move the pool/,
        /^warning forward\.upstreams\[0\]: 10\.208\.0\.4 is in/,
        /^warning forward\.zones\.corp\[0\]: 10\.208\.0\.5 is in/,
        /^warning http\.listen: 10\.208\.0\.3 is in/,
      ],
    ],
    [{ vip: { exclude: ['10.208.0.0/16'] }, dns: { listen: ['10.208.0.2'] } }, []],
    [
      { vip: { ranges: ['192.0.2.0/24'], exclude: ['10.208.0.0/16'] } },
      [
        /^warning cluster\.masters\[0\]: 192\.0\.2\.1 .*\(vip\.ranges\[0\]\).*; choose another range/,
      ],
    ],
    [{ vip: { enabled: false }, dns: { listen: ['10.208.0.2'] } }, []],
    [
      {
        forward: {
          zones: {
            '10.in-addr.arpa': ['192.0.2.53'],
            '207.10.in-addr.arpa': ['192.0.2.53'],
            '1.223.10.in-addr.arpa': ['192.0.2.53'],
          },
        },
      },
      [
        /^warning forward\.zones.*1\.223\.10\.in.*: is answered here, since 223\.10\.in-addr\.arpa\. is/,
      ],
    ],
    [
      { forward: { zones: { 'thisdcos.directory': ['192.0.2.53'] } } },
      [/^warning forward\.zones.*: is forwarded, so VIPs have no names under thisdcos\.directory/],
    ],
    [
      {
        vip: { aliasDomains: [] },
        forward: { zones: { 'thisdcos.directory': ['192.0.2.53'] } },
      },
      [],
    ],
  ];
  for (const [parts, expected] of cases) {
    test(JSON.stringify(parts).slice(0, 90), () => assertProblems(parts, expected));
  }
});

test('names of DC/OS are forwarded without a word where there are no VIPs', () => {
  const zones = { 'thisdcos.directory': ['192.0.2.53'] };
  assert.deepEqual(read({ vip: { enabled: false }, forward: { zones } }).vip.aliasDomains, []);
});

test('a file of before VIPs that forwards the names of DC/OS goes on forwarding them', () => {
  const zones = { 'l4lb.thisdcos.directory': ['192.0.2.53'] };
  const { config } = parseConfig(file({ forward: { zones } }), '');
  assert.deepEqual(config?.vip.aliasDomains, []);
  assert.equal(config.forward.zones.length, 1);
});
