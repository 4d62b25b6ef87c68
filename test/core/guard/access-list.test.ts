import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type Prefix, prefixAround, prefixContains } from '../../../src/core/base/prefix.ts';
import { parsePrefix } from '../../../src/core/base/prefix.ts';
import { AccessList } from '../../../src/core/guard/access-list.ts';
import type { ClientAddress } from '../../../src/core/guard/client-address.ts';
import { ip } from '../../support/small-zone.ts';

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  assert.ok(parsed !== null, `${text} is a prefix`);
  return parsed;
}

/** An address as it stands in a packet's source: somewhere in a larger buffer. */
function client(text: string): ClientAddress {
  const { family, bytes } = ip(text);
  return { family, bytes: Uint8Array.of(0xaa, 0xbb, ...bytes, 0xcc), offset: 2 };
}

/** An IPv4 address as a socket of both families shows it. */
function mapped(text: string): ClientAddress {
  const bytes = Uint8Array.of(...new Uint8Array(10), 0xff, 0xff, ...ip(text).bytes);
  return { family: 6, bytes, offset: 0 };
}

const PRIVATE = new AccessList(
  ['127.0.0.0/8', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '::1', 'fd00::/8'].map(prefix),
);

describe('R1: who may ask', () => {
  const CASES: readonly (readonly [address: string, allowed: boolean])[] = [
    ['127.0.0.1', true],
    ['127.255.255.255', true],
    ['126.255.255.255', false],
    ['128.0.0.0', false],
    ['10.0.0.0', true],
    ['10.255.255.255', true],
    ['11.0.0.0', false],
    ['9.255.255.255', false],
    ['172.15.255.255', false],
    ['172.16.0.0', true],
    ['172.31.255.255', true],
    ['172.32.0.0', false],
    ['192.168.7.9', true],
    ['0.0.0.0', false],
    ['255.255.255.255', false],
    ['::1', true],
    ['::', false],
    ['::2', false],
    ['fd00::', true],
    ['fdff:ffff::1', true],
    ['fe00::', false],
    ['fc00::1', false],
  ];
  for (const [address, allowed] of CASES) {
    test(`${address} ${allowed ? 'may' : 'may not'}`, () => {
      assert.equal(PRIVATE.allows(client(address)), allowed);
      // The second answer comes from memory.
      assert.equal(PRIVATE.allows(client(address)), allowed);
    });
  }

  test('an IPv4 address that is written as IPv6 counts as IPv4', () => {
    assert.equal(PRIVATE.allows(mapped('10.1.2.3')), true);
    assert.equal(PRIVATE.allows(mapped('127.0.0.1')), true);
    assert.equal(PRIVATE.allows(mapped('8.8.8.8')), false);
    assert.equal(new AccessList([prefix('::/0')]).allows(mapped('10.1.2.3')), false);
    assert.equal(new AccessList([prefix('0.0.0.0/0')]).allows(mapped('8.8.8.8')), true);
  });

  test('addresses in turn are not taken for each other', () => {
    for (let i = 0; i < 4; i++) {
      assert.equal(PRIVATE.allows(client('10.0.0.1')), true);
      assert.equal(PRIVATE.allows(client('8.8.8.8')), false);
      assert.equal(PRIVATE.allows(client('fd00::1')), true);
      assert.equal(PRIVATE.allows(mapped('10.0.0.1')), true);
      assert.equal(PRIVATE.allows(client('2001:db8::1')), false);
    }
  });
});

test('without prefixes nobody may, loopback neither', () => {
  const none = new AccessList([]);
  for (const text of ['127.0.0.1', '0.0.0.0', '::1', '::']) {
    assert.equal(none.allows(client(text)), false);
  }
});

test('one address of 127.0.0.0/8 does not stand for all of it', () => {
  const one = new AccessList([prefix('127.0.0.1')]);
  assert.equal(one.allows(client('127.0.0.1')), true);
  assert.equal(one.allows(client('127.0.0.2')), false);
});

test('a list of 0.0.0.0/0 and ::/0 lets everybody in', () => {
  const all = new AccessList([prefix('0.0.0.0/0'), prefix('::/0')]);
  for (const text of ['0.0.0.0', '8.8.8.8', '127.0.0.1', '::', '::1', 'ffff::1']) {
    assert.equal(all.allows(client(text)), true);
  }
});

test('a list answers as its prefixes do one by one', () => {
  // Few leading bits differ, so that blocks lie in, beside and around one another.
  const octets = (size: number): fc.Arbitrary<Uint8Array> =>
    fc.uint8Array({ minLength: size, maxLength: size }).map((bytes) => bytes.map((b) => b & 0xc1));
  const addresses = fc.oneof(
    octets(4).map((bytes) => ({ family: 4 as const, bytes })),
    octets(16).map((bytes) => ({ family: 6 as const, bytes })),
  );
  const prefixes = fc
    .tuple(addresses, fc.double({ min: 0, max: 1, noNaN: true }))
    .map(([address, share]) => prefixAround(address, Math.round(share * 8 * address.bytes.length)));
  fc.assert(
    fc.property(
      fc.array(prefixes, { maxLength: 12 }),
      fc.array(addresses, { minLength: 1, maxLength: 12 }),
      (list, asked) => {
        const access = new AccessList(list);
        for (const address of asked) {
          const expected = list.some((one) => prefixContains(one, address));
          assert.equal(access.allows({ ...address, offset: 0 }), expected);
        }
      },
    ),
    { numRuns: 500 },
  );
});
