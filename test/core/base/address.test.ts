import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  isLinkLocal,
  isLoopback,
  isUnspecified,
  parseIpAddress,
} from '../../../src/core/base/address.ts';

/** Text to canonical text; null: no address. */
const VECTORS: readonly (readonly [string, string | null])[] = [
  ['0.0.0.0', '0.0.0.0'],
  ['10.0.0.1', '10.0.0.1'],
  ['255.255.255.255', '255.255.255.255'],
  ['9.0.14.01', null],
  ['00.0.0.0', null],
  ['256.1.1.1', null],
  ['1.2.3', null],
  ['1.2.3.4.5', null],
  ['1.2.3.', null],
  ['.1.2.3', null],
  ['1..2.3', null],
  ['1.2.3.4 ', null],
  ['1.2.3.-4', null],
  ['1.2.3.4:80', null],
  ['1.2.3.4/32', null],
  ['0x7f.0.0.1', null],
  ['4294967296.0.0.1', null],
  ['', null],
  [':', null],
  ['::', '::'],
  ['::1', '::1'],
  ['1::', '1::'],
  [':::', null],
  ['1:::2', null],
  ['::1::', null],
  [':1', null],
  ['1:2:3:4:5:6:7', null],
  ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
  ['1:2:3:4:5:6:7:8:9', null],
  ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
  ['1:2:3:4::5:6:7:8', null],
  ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
  ['12345::', null],
  ['g::', null],
  ['[::1]', null],
  ['::1/128', null],
  ['fe80::1%eth0', null],
  ['fe80::1%', null],
  // RFC 5952 §4.1 to §4.3
  ['2001:0DB8:0000:0000:0000:0000:0002:0001', '2001:db8::2:1'],
  ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
  ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
  ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
  // IPv4 inside IPv6
  ['::ffff:1.2.3.4', '1.2.3.4'],
  ['::FFFF:c0a8:0001', '192.168.0.1'],
  ['0:0:0:0:0:ffff:10.0.0.1', '10.0.0.1'],
  ['::ffff:0:1.2.3.4', '::ffff:0:102:304'],
  ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ['::1.2.3.4', '::102:304'],
  ['::1.2.3.04', null],
  ['1.2.3.4::', null],
  ['::1.2.3.4:5', null],
  ['1:2:3:4:5:6:7:1.2.3.4', null],
];

const octet = fc.integer({ min: 0, max: 255 });
const group = fc.integer({ min: 0, max: 0xffff });
/** Groups with long runs of zeros, so that `::` has something to do. */
const groups = fc.array(fc.oneof(fc.constant(0), group), { minLength: 8, maxLength: 8 });
const almostAddress = fc.oneof(
  fc.ipV4(),
  fc.ipV4Extended(),
  fc.ipV6(),
  fc.stringMatching(/^[0-9a-f:.%]{0,20}$/),
  fc.string(),
);

describe('parseIpAddress', () => {
  for (const [text, canonical] of VECTORS) {
    test(`"${text}" is ${canonical ?? 'no address'}`, () => {
      assert.equal(parseIpAddress(text)?.text ?? null, canonical);
    });
  }

  test('accepts what node:net accepts, but for zone ids', () => {
    fc.assert(
      fc.property(almostAddress, (text) => {
        const expected = isIP(text) !== 0 && !text.includes('%');
        assert.equal(parseIpAddress(text) !== null, expected);
      }),
      { numRuns: 2000 },
    );
  });

  test('IPv4 octets and text are those that were written', () => {
    fc.assert(
      fc.property(fc.tuple(octet, octet, octet, octet), (octets) => {
        const address = parseIpAddress(octets.join('.'));
        assert.equal(address?.family, 4);
        assert.deepEqual([...address.bytes], octets);
        assert.equal(address.text, octets.join('.'));
      }),
    );
  });

  test('IPv6 octets are those that were written, and the text is that of the URL standard', () => {
    fc.assert(
      fc.property(groups, (written) => {
        const text = written.map((value) => value.toString(16).toUpperCase()).join(':');
        const address = parseIpAddress(text);
        if (address?.family !== 6) {
          assert.ok(written.slice(0, 6).join() === '0,0,0,0,0,65535');
          return;
        }
        const octets = written.flatMap((value) => [value >>> 8, value & 0xff]);
        assert.deepEqual([...address.bytes], octets);
        assert.equal(`[${address.text}]`, new URL(`http://[${text}]/`).hostname);
        assert.deepEqual(parseIpAddress(address.text), address);
      }),
    );
  });
});

describe('kinds of addresses', () => {
  const kinds = [
    ['127.0.0.1', 'loopback'],
    ['127.255.0.9', 'loopback'],
    ['128.0.0.1', 'other'],
    ['::1', 'loopback'],
    ['::ffff:127.0.0.1', 'loopback'],
    ['::2', 'other'],
    ['1::1', 'other'],
    ['0.0.0.0', 'unspecified'],
    ['::', 'unspecified'],
    ['::ffff:0.0.0.0', 'unspecified'],
    ['0.0.0.1', 'other'],
    ['169.254.0.1', 'link-local'],
    ['169.253.0.1', 'other'],
    ['fe80::1', 'link-local'],
    ['febf::1', 'link-local'],
    ['fec0::1', 'other'],
    ['10.0.0.1', 'other'],
  ] as const;
  for (const [text, kind] of kinds) {
    test(`${text} is ${kind}`, () => {
      const address = parseIpAddress(text)!;
      assert.equal(isLoopback(address), kind === 'loopback');
      assert.equal(isUnspecified(address), kind === 'unspecified');
      assert.equal(isLinkLocal(address), kind === 'link-local');
    });
  }
});
