import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatUpstreamIdentity } from '../../../src/core/base/upstream.ts';
import type { Config } from '../../../src/core/config/config.ts';
import { configSchema } from '../../../src/core/config/config-schema.ts';
import { parseConfig } from '../../../src/core/config/parse-config.ts';

type Parts = Readonly<Record<string, unknown>>;

function file(parts: Parts): string {
  return JSON.stringify({ cluster: { masters: ['10.0.0.1:5050'] }, ...parts });
}

/** Problems as `severity path: message`. */
function problemsOf(parts: Parts): string[] {
  const { config, problems } = parseConfig(file(parts), '');
  assert.equal(
    config === null,
    problems.some(({ severity }) => severity === 'error'),
  );
  return problems.map(({ severity, path, message }) => `${severity} ${path}: ${message}`);
}

function read(parts: Parts): Config {
  const { config, problems } = parseConfig(file(parts), '');
  assert.deepEqual(problems, []);
  assert.ok(config !== null);
  return config;
}

const dns = (key: string, value: unknown): Parts => ({ dns: { [key]: value } });
const limit = (key: string, value: unknown): Parts => ({ dns: { rateLimit: { [key]: value } } });
const forward = (key: string, value: unknown): Parts => ({ forward: { [key]: value } });
const cache = (key: string, value: unknown): Parts => ({ forward: { cache: { [key]: value } } });

const PIN = 'pin-sha256=qvd4EDdxAJcyrIqzYvJpHCVQi+bFzGFTXXgKXmFSN0o=';
const SECRET = '00112233445566778899AABBCCDDEEff';

describe('good values of the data plane', () => {
  const cases: readonly (readonly [Parts, (config: Config) => unknown, unknown])[] = [
    [dns('udpThreads', 0), (config) => config.dns.udpThreads, 0],
    [dns('udpThreads', 64), (config) => config.dns.udpThreads, 64],
    [dns('udpThreads', 'auto'), (config) => config.dns.udpThreads, 'auto'],
    [
      dns('allow', ['10.1.2.3', '0.0.0.0/0', 'FC00::/7', '::ffff:10.9.0.0/112']),
      (config) => config.dns.allow.map(({ text }) => text),
      ['10.1.2.3/32', '0.0.0.0/0', 'fc00::/7', '10.9.0.0/16'],
    ],
    [dns('serverId', ''), (config) => config.dns.serverId, ''],
    [dns('serverId', ' a~'), (config) => config.dns.serverId, ' a~'],
    [dns('serverId', 'x'.repeat(255)), (config) => config.dns.serverId.length, 255],
    [dns('chaos', true), (config) => config.dns.chaos, true],
    [
      dns('cookieSecret', SECRET),
      ({ dns: { cookieSecret } }) => [...(cookieSecret ?? [])],
      [0, 17, 34, 51, 68, 85, 102, 119, 136, 153, 170, 187, 204, 221, 238, 255],
    ],
    [limit('responsesPerSecond', 0), (config) => config.dns.rateLimit.responsesPerSecond, 0],
    [
      limit('errorsPerSecond', 1_000_000),
      ({ dns: { rateLimit } }) => rateLimit.errorsPerSecond,
      1e6,
    ],
    [limit('exempt', []), (config) => config.dns.rateLimit.exempt, []],
    [forward('allow', ['::1']), ({ forward: { allow } }) => allow[0]?.text, '::1/128'],
    [
      forward('upstreams', ['10.0.0.1', 'tls://10.0.0.1#NS.example', `tls://[::1]:53#${PIN}`]),
      (config) => config.forward.upstreams,
      [
        { address: '10.0.0.1', port: 53 },
        { address: '10.0.0.1', port: 853, tls: { name: 'ns.example', pins: [] } },
        { address: '::1', port: 53, tls: { name: null, pins: [PIN.slice('pin-sha256='.length)] } },
      ],
    ],
    [
      forward('zones', { 'a.example': [`tls://10.0.0.1#ns.example,${PIN}`] }),
      (config) => formatUpstreamIdentity(config.forward.zones[0]!.upstreams[0]!),
      `tls://10.0.0.1:853#ns.example,${PIN}`,
    ],
    [forward('policy', 'round-robin'), (config) => config.forward.policy, 'round-robin'],
    [
      { forward: { timeoutSeconds: 0.1, deadlineSeconds: 0.1 } },
      (config) => config.forward.deadlineMs,
      100,
    ],
    [forward('deadlineSeconds', 60), (config) => config.forward.deadlineMs, 60_000],
    [cache('bytesMax', 0), (config) => config.forward.cache.bytesMax, 0],
    [cache('bytesMax', 1_073_741_824), (config) => config.forward.cache.bytesMax, 2 ** 30],
    [
      { forward: { cache: { ttlSecondsMin: 300, ttlSecondsMax: 300 } } },
      ({ forward: { cache: times } }) => [times.ttlSecondsMin, times.ttlSecondsMax],
      [300, 300],
    ],
    [cache('ttlSecondsMax', 604_800), (config) => config.forward.cache.ttlSecondsMax, 604_800],
    [cache('negativeTtlSecondsMax', 0), ({ forward: f }) => f.cache.negativeTtlSecondsMax, 0],
    [cache('staleSeconds', 0), (config) => config.forward.cache.staleSeconds, 0],
    [cache('prefetch', false), (config) => config.forward.cache.prefetch, false],
    [
      { forward: { blockPrivate: true, blockPrivateExcept: ['Corp.Example.'] } },
      (config) => [config.forward.blockPrivate, config.forward.blockPrivateExcept],
      [true, ['corp.example']],
    ],
    [forward('specialNames', 'forward'), (config) => config.forward.specialNames, 'forward'],
    [forward('privateReverse', 'forward'), (config) => config.forward.privateReverse, 'forward'],
    [{ log: { querySample: 0.25 } }, (config) => config.log.querySample, 0.25],
    [{ log: { querySample: 1 } }, (config) => config.log.querySample, 1],
  ];
  for (const [parts, select, expected] of cases) {
    test(JSON.stringify(parts).slice(0, 90), () => assert.deepEqual(select(read(parts)), expected));
  }
});

describe('a bad value of the data plane is an error that says what is expected', () => {
  const cases: readonly (readonly [Parts, RegExp])[] = [
    [
      dns('udpThreads', 65),
      /^error dns\.udpThreads: expected "auto" or a whole number from 0 to 64, /,
    ],
    [dns('udpThreads', 1.5), /from 0 to 64, found 1\.5$/],
    [dns('udpThreads', 'all'), /from 0 to 64, found "all"$/],
    [dns('allow', []), /^error dns\.allow: expected a list of 1 to 1000 entries, found 0$/],
    [dns('allow', '10.0.0.0/8'), /dns\.allow: expected a list, found a string/],
    [
      dns('allow', ['10.0.0.1/8']),
      /allow\[0\]: .*beyond its length; did you mean "10\.0\.0\.0\/8"\?/,
    ],
    [dns('allow', ['localhost']), /allow\[0\]: expected an IPv4 or IPv6 prefix/],
    [dns('allow', ['::1', '::1/128']), /allow\[1\]: is the same as dns\.allow\[0\]/],
    [dns('serverId', 'x'.repeat(256)), /serverId: expected a text of at most 255 printable ASCII/],
    [dns('serverId', 'knoten-ä'), /serverId: expected a text of at most 255 printable ASCII/],
    [dns('serverId', null), /serverId: .*, found null$/],
    [dns('chaos', 'yes'), /dns\.chaos: expected true or false/],
    [
      dns('cookieSecret', SECRET.slice(1)),
      /cookieSecret: expected a text of exactly 32 hexadecimal/,
    ],
    [dns('cookieSecret', `${SECRET}0`), /cookieSecret: expected a text of exactly 32 hexadecimal/],
    [
      dns('cookieSecret', 'g'.repeat(32)),
      /cookieSecret: expected a text of exactly 32 hexadecimal/,
    ],
    [dns('cookieSecret', ''), /cookieSecret: expected a text of exactly 32 hexadecimal digits$/],
    [dns('cookieSecret', null), /cookieSecret: expected a text of exactly 32 hexadecimal digits$/],
    [dns('rateLimit', 1000), /dns\.rateLimit: expected an object, found a number/],
    [
      limit('responsesPerSecond', 1_000_001),
      /PerSecond: expected a whole number from 0 to 1000000/,
    ],
    [limit('errorsPerSecond', -1), /errorsPerSecond: expected a whole number from 0 to 1000000/],
    [limit('exempt', ['x']), /rateLimit\.exempt\[0\]: expected an IPv4 or IPv6 prefix/],
    [limit('responsePerSecond', 1), /did you mean "responsesPerSecond"/],
    [forward('allow', []), /^error forward\.allow: expected a list of 1 to 1000 entries, found 0$/],
    [forward('upstreams', ['tls://10.0.0.1']), /upstreams\[0\]: expected after # the name in the/],
    [forward('upstreams', ['tls://ns.example#a']), /expected an IP address with .* after tls:/],
    [
      forward('zones', { a: ['tls://10.0.0.1#pin-sha256=x'] }),
      /^error forward\.zones\.a\[0\]: expected 44 characters of base64 after pin-sha256=, found/,
    ],
    [
      { forward: { upstreams: ['tls://10.0.0.1#a'], zones: { x: ['tls://10.0.0.1#b'] } } },
      /^error forward\.zones\.x\[0\]: tls:\/\/10\.0\.0\.1:853#b is tls:\/\/10\.0\.0\.1:853#a elsewhere/,
    ],
    [forward('policy', 'fastest'), /policy: expected one of "race", "sequential", "round-robin"/],
    [
      forward('deadlineSeconds', 0),
      /deadlineSeconds: expected a number of seconds from 0\.1 to 60/,
    ],
    [
      forward('deadlineSeconds', 61),
      /deadlineSeconds: expected a number of seconds from 0\.1 to 60/,
    ],
    [forward('deadlineSecond', 5), /did you mean "deadlineSeconds"/],
    [forward('cache', false), /forward\.cache: expected an object, found true or false/],
    [cache('bytesMax', 2 ** 30 + 1), /bytesMax: expected a whole number from 0 to 1073741824/],
    [cache('ttlSecondsMin', 301), /ttlSecondsMin: expected a whole number from 0 to 300/],
    [cache('ttlSecondsMax', 0), /ttlSecondsMax: expected a whole number from 1 to 604800/],
    [cache('negativeTtlSecondsMax', 86_401), /SecondsMax: expected a whole number from 0 to 86400/],
    [cache('staleSeconds', 604_801), /staleSeconds: expected a whole number from 0 to 604800/],
    [cache('prefetch', 1), /prefetch: expected true or false, found 1/],
    [cache('stale', 1), /forward\.cache\.stale: .*did you mean "staleSeconds"/],
    [
      { forward: { cache: { ttlSecondsMin: 60, ttlSecondsMax: 30 } } },
      /^error forward\.cache\.ttlSecondsMin: 60 is more than forward\.cache\.ttlSecondsMax \(30\)/,
    ],
    [forward('blockPrivateExcept', ['a..b']), /Except\[0\]: expected a domain name/],
    [
      forward('specialNames', 'off'),
      /specialNames: expected one of "local", "forward", found "off"/,
    ],
    [
      forward('privateReverse', true),
      /privateReverse: expected one of "local", "forward", found tr/,
    ],
    [{ log: { querySample: 1.01 } }, /querySample: expected a number from 0 to 1, found 1\.01/],
    [{ log: { querySample: -0.1 } }, /querySample: expected a number from 0 to 1, found -0\.1/],
    [{ log: { querySample: '1' } }, /querySample: expected a number from 0 to 1, found a string/],
  ];
  for (const [parts, expected] of cases) {
    test(JSON.stringify(parts).slice(0, 90), () => {
      const found = problemsOf(parts);
      assert.equal(found.length, 1, found.join('\n'));
      assert.match(found[0]!, expected);
    });
  }

  test('a bad secret of cookies is not shown', () => {
    for (const value of [`${SECRET}0`, SECRET.replace('0', 'x'), [SECRET], { secret: SECRET }]) {
      const found = problemsOf(dns('cookieSecret', value));
      assert.equal(found.length, 1);
      assert.ok(!found[0]!.includes('2233445566'), found[0]);
    }
  });
});

describe('warnings about the data plane do not stop the start', () => {
  const cases: readonly (readonly [Parts, readonly RegExp[]])[] = [
    [
      { forward: { timeoutSeconds: 5 } },
      [/^warning forward\.deadlineSeconds: 4 is less than forward\.timeoutSeconds \(5\)/],
    ],
    [{ forward: { timeoutSeconds: 4 } }, []],
    [
      { forward: { blockPrivateExcept: ['corp.example'] } },
      [/^warning forward\.blockPrivateExcept: has no effect without "blockPrivate": true/],
    ],
    [{ forward: { blockPrivate: true } }, []],
  ];
  for (const [parts, expected] of cases) {
    test(JSON.stringify(parts), () => {
      const found = problemsOf(parts);
      assert.equal(found.length, expected.length, found.join('\n'));
      for (const [i, pattern] of expected.entries()) assert.match(found[i]!, pattern);
    });
  }
});

test('the patterns of the schema take and refuse what the parser does', () => {
  const section = (at: object, key: string): object =>
    Reflect.get(Reflect.get(at, 'properties') as object, key) as object;
  const keys = section(configSchema(), 'dns');
  const pattern = (key: string): RegExp =>
    new RegExp(Reflect.get(section(keys, key), 'pattern') as string);
  const texts = ['', 'a', 'ä', '\n', 'x'.repeat(255), 'x'.repeat(256), SECRET, `${SECRET}\n`];
  for (const key of ['serverId', 'cookieSecret']) {
    for (const text of texts) {
      const isGood = problemsOf(dns(key, text)).length === 0;
      assert.equal(pattern(key).test(text), isGood, `${key} ${JSON.stringify(text)}`);
    }
  }
});
