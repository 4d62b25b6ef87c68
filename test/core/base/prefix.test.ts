import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseIpAddress } from '../../../src/core/base/address.ts';
import type { IpAddress } from '../../../src/core/base/address.ts';
import {
  coveringPrefix,
  isSubPrefix,
  parsePrefix,
  type Prefix,
  prefixAddress,
  prefixAround,
  prefixContains,
  prefixesOverlap,
  prefixSize,
} from '../../../src/core/base/prefix.ts';

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  assert.ok(parsed !== null, `${text} is a prefix`);
  return parsed;
}

function address(text: string): IpAddress {
  const parsed = parseIpAddress(text);
  assert.ok(parsed !== null, `${text} is an address`);
  return parsed;
}

describe('a prefix is read', () => {
  const good: readonly (readonly [text: string, canonical: string])[] = [
    ['10.208.0.0/12', '10.208.0.0/12'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['192.168.1.1/32', '192.168.1.1/32'],
    ['192.168.1.1', '192.168.1.1/32'],
    ['128.0.0.0/1', '128.0.0.0/1'],
    ['FD00:0:0::/48', 'fd00::/48'],
    ['::/0', '::/0'],
    ['fd00::1', 'fd00::1/128'],
    ['fd00::8000:0:0:0/65', 'fd00::8000:0:0:0/65'],
    ['::ffff:10.0.0.0/104', '10.0.0.0/8'],
    ['::ffff:10.0.0.1', '10.0.0.1/32'],
  ];
  for (const [text, canonical] of good) {
    test(`${text} as ${canonical}`, () => assert.equal(parsePrefix(text)?.text, canonical));
  }
});

describe('what is no prefix is refused', () => {
  const bad = [
    '',
    '/8',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/08',
    '10.0.0.0/8 ',
    '10.0.0.0/+8',
    '10.0.0.0/1e1',
    '10.0.0.0/8/8',
    '10.0.0.0/255.0.0.0',
    '10/8',
    '10.0.0.0.0/8',
    'fd00::/129',
    '[fd00::]/48',
    'fe80::%eth0/64',
    '::ffff:10.0.0.0/8',
    'ten/8',
  ];
  for (const text of bad) {
    test(JSON.stringify(text), () => {
      assert.equal(parsePrefix(text), null);
      assert.equal(coveringPrefix(text), null);
    });
  }
});

describe('bits beyond the length are refused, and the block that was meant is known', () => {
  const cases: readonly (readonly [text: string, meant: string])[] = [
    ['10.208.0.1/12', '10.208.0.0/12'],
    ['10.224.0.0/11', '10.224.0.0/11'],
    ['10.255.255.255/0', '0.0.0.0/0'],
    ['192.168.1.1/31', '192.168.1.0/31'],
    ['192.168.1.129/25', '192.168.1.128/25'],
    ['fd00::1/48', 'fd00::/48'],
    ['fd00:0:0:1::/63', 'fd00::/63'],
  ];
  for (const [text, meant] of cases) {
    test(text, () => {
      assert.equal(coveringPrefix(text)?.text, meant);
      assert.equal(parsePrefix(text)?.text ?? null, text === meant ? meant : null);
    });
  }
});

describe('an address lies in a prefix', () => {
  const cases: readonly (readonly [prefix: string, address: string, isInside: boolean])[] = [
    ['10.208.0.0/12', '10.208.0.0', true],
    ['10.208.0.0/12', '10.223.255.255', true],
    ['10.208.0.0/12', '10.224.0.0', false],
    ['10.208.0.0/12', '10.207.255.255', false],
    ['0.0.0.0/0', '255.255.255.255', true],
    ['0.0.0.0/0', 'fd00::1', false],
    ['::/0', '10.0.0.1', false],
    ['10.0.0.1/32', '10.0.0.1', true],
    ['10.0.0.1/32', '10.0.0.0', false],
    ['fd00::/121', 'fd00::7f', true],
    ['fd00::/121', 'fd00::80', false],
  ];
  for (const [block, text, isInside] of cases) {
    test(`${text} ${isInside ? 'in' : 'not in'} ${block}`, () => {
      assert.equal(prefixContains(prefix(block), address(text)), isInside);
    });
  }
});

test('prefixes overlap if one lies in the other', () => {
  const [pool, inside, beside] = [
    prefix('10.208.0.0/12'),
    prefix('10.210.0.0/16'),
    prefix('10.0.0.0/12'),
  ];
  assert.ok(isSubPrefix(inside, pool) && isSubPrefix(pool, pool) && !isSubPrefix(pool, inside));
  assert.ok(prefixesOverlap(pool, inside) && prefixesOverlap(inside, pool));
  assert.ok(
    !prefixesOverlap(pool, beside) && !prefixesOverlap(prefix('0.0.0.0/0'), prefix('::/0')),
  );
});

test('a prefix has its addresses in order, the largest ones the first 2^48', () => {
  const pool = prefix('10.208.0.0/12');
  assert.equal(prefixSize(pool), 1_048_576);
  assert.equal(prefixAddress(pool, 0).text, '10.208.0.0');
  assert.equal(prefixAddress(pool, 257).text, '10.208.1.1');
  assert.equal(prefixAddress(pool, 1_048_575).text, '10.223.255.255');
  assert.equal(prefixSize(prefix('10.0.0.1/32')), 1);
  const large = prefix('fd12:3456:789a::/48');
  assert.equal(prefixSize(large), 2 ** 48);
  assert.equal(prefixAddress(large, 2 ** 48 - 1).text, 'fd12:3456:789a::ffff:ffff:ffff');
});

test('an address beyond a prefix is a defect of the caller', () => {
  assert.throws(() => prefixAddress(prefix('10.0.0.0/30'), 4));
  assert.throws(() => prefixAddress(prefix('10.0.0.0/30'), -1));
  assert.throws(() => prefixAround(address('10.0.0.1'), 33));
});

const anyAddress: fc.Arbitrary<IpAddress> = fc
  .oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }).map((octets) => octets.join('.')),
    fc.ipV6(),
    // Neighbours, so that blocks meet at all.
    fc.integer({ min: 0, max: 255 }).map((octet) => `10.0.0.${octet}`),
  )
  .map((text) => parseIpAddress(text))
  .filter((parsed) => parsed !== null);

const anyPrefix: fc.Arbitrary<Prefix> = fc
  .tuple(anyAddress, fc.double({ min: 0, max: 1, noNaN: true }))
  .map(([near, part]) => prefixAround(near, Math.round(part * 8 * near.bytes.length)));

/** Blocks of ::/96 and shorter hold addresses that are IPv4 in another spelling. */
const holdsMapped = (block: Prefix): boolean => prefixesOverlap(block, MAPPED);
const MAPPED: Prefix = {
  family: 6,
  bytes: Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 0, 0, 0, 0]),
  length: 96,
  text: '::ffff:0:0/96',
};

/** The bits of an address as text: the obvious way to say what a prefix means. */
const bitsOf = ({ bytes }: { readonly bytes: Uint8Array }): string =>
  [...bytes].map((octet) => octet.toString(2).padStart(8, '0')).join('');

describe('laws of prefixes', () => {
  test('the text of a prefix reads back as the prefix', () => {
    fc.assert(
      fc.property(anyPrefix, (block) => {
        assert.deepEqual(parsePrefix(block.text), block);
      }),
    );
  });

  test('no text makes the reader throw, and what it takes is canonical', () => {
    const text = fc.oneof(
      fc.string(),
      fc
        .tuple(fc.oneof(fc.ipV4(), fc.ipV6()), fc.integer({ min: -1, max: 130 }))
        .map((parts) => parts.join('/')),
    );
    fc.assert(
      fc.property(text, (anything) => {
        const block = parsePrefix(anything);
        if (block !== null) assert.deepEqual(block, coveringPrefix(block.text));
      }),
    );
  });

  test('an address lies in a prefix if and only if it begins with its bits', () => {
    fc.assert(
      fc.property(anyPrefix, anyAddress, (block, other) => {
        const begins = bitsOf(other).startsWith(bitsOf(block).slice(0, block.length));
        assert.equal(prefixContains(block, other), block.family === other.family && begins);
      }),
    );
  });

  test('the prefix around an address contains it, at every length', () => {
    fc.assert(
      fc.property(anyAddress, (one) => {
        for (let length = 0; length <= 8 * one.bytes.length; length++) {
          const block = prefixAround(one, length);
          assert.ok(prefixContains(block, one));
          assert.ok(!bitsOf(block).slice(length).includes('1'));
        }
      }),
      { numRuns: 20 },
    );
  });

  test('address number n of a prefix lies in it, n above its first', () => {
    fc.assert(
      fc.property(
        anyPrefix,
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (block, part) => {
          fc.pre(!holdsMapped(block));
          const index = Math.floor(part * prefixSize(block));
          const found = prefixAddress(block, index);
          assert.ok(prefixContains(block, found));
          assert.deepEqual(parseIpAddress(found.text), found);
          const distance = BigInt(`0b${bitsOf(found)}`) - BigInt(`0b${bitsOf(block)}`);
          assert.equal(distance, BigInt(index));
        },
      ),
    );
  });

  test('overlap is symmetric, and means that an address is in both', () => {
    fc.assert(
      fc.property(anyPrefix, anyPrefix, (a, b) => {
        const overlap = prefixesOverlap(a, b);
        assert.equal(prefixesOverlap(b, a), overlap);
        const common = Math.min(a.length, b.length);
        const sameStart = bitsOf(a).slice(0, common) === bitsOf(b).slice(0, common);
        assert.equal(overlap, a.family === b.family && sameStart);
        assert.equal(isSubPrefix(a, b) && isSubPrefix(b, a), a.text === b.text);
      }),
    );
  });
});
