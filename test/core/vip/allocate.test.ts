import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { IpAddress } from '../../../src/core/base/address.ts';
import { type Prefix, prefixContains } from '../../../src/core/base/prefix.ts';
import { allocate, allocationDigest, claimsOf } from '../../../src/core/vip/allocate.ts';
import { AddressPool } from '../../../src/core/vip/pool.ts';
import { ip, prefix } from './vip-cluster.ts';

function prefixes(...texts: readonly string[]): Prefix[] {
  return texts.map(prefix);
}

/** Address texts by name; null where the pool was exhausted. */
function allocation(
  names: Iterable<string>,
  pool: AddressPool,
  reserved: readonly IpAddress[] = [],
): Map<string, string | null> {
  const claims = claimsOf(names);
  const addresses = allocate(claims, pool, reserved);
  return new Map(claims.map(({ identity }, i) => [identity, addresses[i]?.text ?? null]));
}

const names = fc.uniqueArray(
  fc.integer({ min: 0, max: 9999 }).map((n) => `app-${n}.marathon`),
  {
    maxLength: 60,
  },
);

/** Pools in which names collide, with exclusions; those of IPv6 have no addresses to avoid inside. */
const pools = fc
  .constantFrom(
    { pool: ['10.208.0.0/26'], exclude: [] },
    { pool: ['10.208.0.0/26', '10.209.1.192/26'], exclude: ['10.208.0.16/28'] },
    { pool: ['10.208.0.0/24', '10.208.0.0/25'], exclude: ['10.208.0.0/30', '10.208.0.2/31'] },
    { pool: ['10.208.0.0/29', '10.208.2.0/28', '10.208.1.0/27'], exclude: ['10.208.2.7/32'] },
    { pool: ['fd01:c::/122'], exclude: ['fd01:c::20/123'] },
    { pool: ['fd01:c::/48'], exclude: ['fd00::/15', 'fd01:c::/112'] },
    { pool: ['10.208.0.0/28'], exclude: ['10.0.0.0/8'] },
    { pool: [], exclude: [] },
  )
  .map(({ pool, exclude }) => ({
    pool: new AddressPool(prefixes(...pool), prefixes(...exclude)),
    inside: prefixes(...pool),
    outside: prefixes(...exclude),
  }));

const reservations = fc
  .array(fc.integer({ min: 0, max: 63 }), { maxLength: 10 })
  .map((octets) => octets.map((octet) => ip(`10.208.0.${octet}`)));

test('allocation does not depend on the order of names, pools and exclusions', () => {
  fc.assert(
    fc.property(
      names.chain((list) =>
        fc.tuple(
          fc.constant(list),
          fc.shuffledSubarray(list, { minLength: list.length, maxLength: list.length }),
        ),
      ),
      fc.shuffledSubarray(['10.208.0.0/27', '10.209.0.0/27', '10.210.0.0/28'], { minLength: 3 }),
      ([list, shuffled], texts) => {
        const exclude = ['10.209.0.8/30', '10.208.0.4/30'];
        const one = new AddressPool(
          prefixes('10.208.0.0/27', '10.209.0.0/27', '10.210.0.0/28'),
          prefixes(...exclude),
        );
        const other = new AddressPool(prefixes(...texts), prefixes(...exclude.reverse()));
        const sorted = (map: Map<string, string | null>): unknown => [...map].sort();
        assert.deepEqual(sorted(allocation(list, one)), sorted(allocation(shuffled, other)));
        assert.equal(allocationDigest([one]), allocationDigest([other]));
      },
    ),
  );
});

test('every address is one of the pool, given once, not excluded, reserved or odd', () => {
  fc.assert(
    fc.property(names, pools, reservations, (list, { pool, inside, outside }, reserved) => {
      const given = [...allocation(list, pool, reserved).values()].filter((one) => one !== null);
      assert.equal(new Set(given).size, given.length);
      for (const text of given) {
        const address = ip(text);
        assert.ok(inside.some((one) => prefixContains(one, address)));
        assert.ok(!outside.some((one) => prefixContains(one, address)));
        assert.ok(!reserved.some((one) => one.text === text));
        if (address.family === 4) assert.doesNotMatch(text, /\.(?:0|255)$/);
        else assert.doesNotMatch(text, /::$/);
      }
    }),
  );
});

test('every name gets an address while one is free, and the first in order if not', () => {
  const pool = new AddressPool(prefixes('10.208.0.0/26'), prefixes('10.208.0.8/29'));
  // 64 less .0 and the eight excluded.
  const free = 55;
  fc.assert(
    fc.property(names, (list) => {
      const given = [...allocation(list, pool).values()];
      const lucky = given.filter((one) => one !== null);
      assert.equal(lucky.length, Math.min(free, list.length));
      assert.ok(given.slice(0, lucky.length).every((one) => one !== null));
    }),
  );
});

test('a pool far larger than the probes are many is filled to the last address', () => {
  const pool = new AddressPool(prefixes('10.208.0.0/22'), []);
  const many = Array.from({ length: 1100 }, (_, i) => `app-${i}.marathon`);
  const given = [...allocation(many, pool).values()].filter((one) => one !== null);
  assert.equal(new Set(given).size, 4 * 254);
});

test('who stands before a newcomer in the order never moves, and none moves without a collision', () => {
  fc.assert(
    fc.property(names, fc.integer({ min: 10_000 }), pools, (list, number, { pool }) => {
      const newcomer = `app-${number}.marathon`;
      const before = allocation(list, pool);
      const after = allocation([...list, newcomer], pool);
      const order = claimsOf([...list, newcomer]).map(({ identity }) => identity);
      const place = order.indexOf(newcomer);
      const moved = list.filter((name) => before.get(name) !== after.get(name));
      for (const name of moved) assert.ok(order.indexOf(name) > place, `${name} stands behind`);
      const taken = [...before.values()].includes(after.get(newcomer) ?? '');
      if (!taken) assert.deepEqual(moved, []);
      // A chain of collisions: each that moves was pushed out by one before it.
      for (const name of moved) {
        const pusher = order.find((one) => after.get(one) === before.get(name));
        assert.ok(pusher !== undefined && order.indexOf(pusher) < order.indexOf(name));
      }
    }),
  );
});

test('an exclusion moves who was there, and else only those they push', () => {
  const many = Array.from({ length: 100 }, (_, i) => `app-${i}.marathon`);
  const before = allocation(many, new AddressPool(prefixes('10.208.0.0/16'), []));
  const excluded = prefix('10.208.64.0/18');
  const after = allocation(many, new AddressPool(prefixes('10.208.0.0/16'), [excluded]));
  const moved = many.filter((name) => before.get(name) !== after.get(name));
  const there = many.filter((name) => prefixContains(excluded, ip(before.get(name) ?? '')));
  assert.ok(there.length > 10, 'some were there');
  assert.deepEqual(moved, there);
});

/** Other values mean another ALGORITHM_VERSION: nodes of two versions would disagree. */
const GOLDEN = { 'web.marathon': '10.218.46.104', 'db.marathon': '10.220.174.15' };

test('addresses stay what they are from version to version', () => {
  const pool = new AddressPool(prefixes('10.208.0.0/12'), []);
  assert.deepEqual(Object.fromEntries(allocation(['web.marathon', 'db.marathon'], pool)), GOLDEN);
});

test('the digest tells what addresses depend on, and nothing else', () => {
  const digest = (pool: readonly string[], exclude: readonly string[] = []): string =>
    allocationDigest([new AddressPool(prefixes(...pool), prefixes(...exclude))]);
  const plain = digest(['10.208.0.0/12']);
  assert.match(plain, /^[0-9a-f]{64}$/);
  assert.equal(digest(['10.208.0.0/12', '10.208.0.0/16']), plain);
  assert.equal(digest(['10.208.0.0/12'], ['192.168.0.0/16']), plain);
  assert.notEqual(digest(['10.208.0.0/13']), plain);
  assert.notEqual(digest(['10.208.0.0/12'], ['10.208.1.0/24']), plain);
});
