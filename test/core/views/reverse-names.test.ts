import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  parsePrefix,
  type Prefix,
  prefixAddress,
  prefixAround,
  prefixContains,
  prefixSize,
} from '../../../src/core/base/prefix.ts';
import {
  REVERSE_ZONES_MAX,
  reverseName,
  ReverseZones,
} from '../../../src/core/views/reverse-names.ts';
import { ip } from '../../support/small-zone.ts';

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  assert.ok(parsed !== null, text);
  return parsed;
}

const zones = (pools: readonly string[], exclude: readonly string[] = []): ReverseZones =>
  new ReverseZones(pools.map(prefix), exclude.map(prefix));

test('the reverse name of an address is its octets or nibbles from the end on', () => {
  assert.equal(reverseName(ip('10.208.3.4')), '4.3.208.10.in-addr.arpa.');
  // The example of RFC 3596 §2.5.
  assert.equal(
    reverseName(ip('4321:0:1:2:3:4:567:89ab')),
    'b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa.',
  );
});

test('the default pool is covered by sixteen zones', () => {
  const { apexes } = zones(['10.208.0.0/12']);
  assert.deepEqual(
    apexes,
    Array.from({ length: 16 }, (_, i) => `${208 + i}.10.in-addr.arpa.`),
  );
});

const CUTS: readonly (readonly [pool: string, apexes: readonly string[]])[] = [
  ['10.0.0.0/8', ['10.in-addr.arpa.']],
  ['192.168.0.0/16', ['168.192.in-addr.arpa.']],
  ['192.168.4.0/23', ['4.168.192.in-addr.arpa.', '5.168.192.in-addr.arpa.']],
  ['192.168.4.0/24', ['4.168.192.in-addr.arpa.']],
  ['fd00::/8', ['d.f.ip6.arpa.']],
  ['fc00::/7', ['c.f.ip6.arpa.', 'd.f.ip6.arpa.']],
  ['fd01:c::/31', ['c.0.0.0.1.0.d.f.ip6.arpa.', 'd.0.0.0.1.0.d.f.ip6.arpa.']],
  ['fd01:c::/32', ['c.0.0.0.1.0.d.f.ip6.arpa.']],
];

for (const [pool, apexes] of CUTS) {
  test(`the pool ${pool} is covered by ${apexes.join(' and ')}`, () => {
    assert.deepEqual(zones([pool]).apexes, apexes);
  });
}

for (const pool of ['192.168.4.0/25', '192.168.4.4/32', 'fd00::/125', 'fd00::1/128']) {
  test(`a pool as small as ${pool} has no zone, which would claim addresses of others`, () => {
    assert.deepEqual(zones([pool]).apexes, []);
    assert.equal(zones([pool]).ownerName(prefixAddress(prefix(pool), 0)), null);
  });
}

test('a zone of which nothing is ever allocated is left to others', () => {
  const { apexes } = zones(['192.168.4.0/22'], ['192.168.5.0/24', '192.168.6.0/25']);
  assert.deepEqual(
    apexes,
    [4, 6, 7].map((octet) => `${octet}.168.192.in-addr.arpa.`),
  );
});

test('pools that need too many zones have none, and the others keep theirs', () => {
  const many = ['10.0.0.0/9', '192.168.0.0/17', '172.16.0.0/17', '172.17.0.0/24'];
  const { apexes } = zones(many);
  assert.equal(REVERSE_ZONES_MAX, 256);
  assert.equal(apexes.length, 256);
  assert.ok(!apexes.some((apex) => apex.endsWith('.172.in-addr.arpa.')));
});

const pools: fc.Arbitrary<Prefix> = fc.oneof(
  fc
    .record({
      bytes: fc.uint8Array({ minLength: 4, maxLength: 4 }),
      length: fc.integer({ min: 4, max: 32 }),
    })
    .map(({ bytes, length }) => prefixAround({ family: 4, bytes }, length)),
  fc
    .record({
      bytes: fc.uint8Array({ minLength: 16, maxLength: 16 }),
      length: fc.integer({ min: 4, max: 128 }),
    })
    .map(({ bytes, length }) => prefixAround({ family: 6, bytes }, length)),
);

test('all of a pool has names in exactly one of its zones, and nothing besides it', () => {
  const cases = fc.record({
    pool: pools,
    at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    other: fc.oneof(
      fc.ipV4().map((text) => ip(text)),
      fc
        .uint8Array({ minLength: 16, maxLength: 16 })
        .map((bytes) => ({ family: 6 as const, bytes, text: '' })),
    ),
    near: fc.nat(31),
  });
  fc.assert(
    fc.property(cases, ({ pool, at, other, near }) => {
      const reverse = new ReverseZones([pool], []);
      const isCovered = reverse.apexes.length > 0;
      assert.equal(isCovered, pool.length <= (pool.family === 4 ? 24 : 124));
      const address = prefixAddress(pool, Math.floor(at * prefixSize(pool)));
      const name = reverseName(address);
      assert.equal(reverse.ownerName(address), isCovered ? name : null);
      const around = reverse.apexes.filter((apex) => name.endsWith(`.${apex}`));
      assert.equal(around.length, isCovered ? 1 : 0);
      // One bit in front of the pool's end is another block.
      const bytes = Uint8Array.from(address.bytes);
      const bit = Math.max(0, pool.length - 1 - near);
      bytes[bit >>> 3] = bytes[bit >>> 3]! ^ (0x80 >>> (bit & 7));
      for (const stranger of [other, { ...address, bytes }]) {
        if (prefixContains(pool, stranger)) continue;
        assert.equal(reverse.ownerName(stranger), null);
        const suffixes = reverse.apexes.filter((apex) =>
          reverseName(stranger).endsWith(`.${apex}`),
        );
        assert.deepEqual(suffixes, []);
      }
    }),
    { numRuns: 500 },
  );
});
