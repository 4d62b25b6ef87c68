import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  equalIgnoringCase,
  expandName,
  lowerOctet,
  readU16,
  readU32,
  skipName,
  writeU16,
  writeU32,
} from '../../../src/core/dns/wire.ts';
import { wireNames } from '../../support/arbitraries.ts';

const bytes = (...parts: readonly (number | string)[]): Uint8Array =>
  new Uint8Array(
    Buffer.concat(
      parts.map((part) => (typeof part === 'number' ? Buffer.from([part]) : Buffer.from(part))),
    ),
  );

test('numbers are written in network order and read back', () => {
  const buffer = new Uint8Array(8);
  writeU16(buffer, 1, 0xfe01);
  writeU32(buffer, 4, 0xfedc_ba98);
  assert.deepEqual([...buffer], [0, 0xfe, 0x01, 0, 0xfe, 0xdc, 0xba, 0x98]);
  assert.equal(readU16(buffer, 1), 0xfe01);
  assert.equal(readU32(buffer, 4), 0xfedc_ba98);
});

test('only ASCII capitals have a lower case (RFC 4343 §3)', () => {
  const changed = Array.from({ length: 256 }, (_, octet) => octet).filter(
    (octet) => lowerOctet(octet) !== octet,
  );
  assert.equal(String.fromCharCode(...changed), 'ABCDEFGHIJKLMNOPQRSTUVWXYZ');
  assert.equal(lowerOctet(0x41), 0x61);
  assert.ok(equalIgnoringCase(bytes('xWEB'), 1, bytes('web'), 0, 3));
  assert.ok(!equalIgnoringCase(bytes('@'), 0, bytes('`'), 0, 1));
  assert.ok(!equalIgnoringCase(Uint8Array.of(0xc0), 0, Uint8Array.of(0xe0), 0, 1));
});

/** A name in a message of these bytes, from offset 12: where it ends, and what it is. */
const NAMES: readonly (readonly [what: string, Uint8Array, end: number, name: string | null])[] = [
  ['the root', bytes(0), 13, '00'],
  ['labels and the root', bytes(3, 'wEb', 0, 'x'), 17, '0377456200'],
  ['a name without end', bytes(3, 'web'), -1, null],
  ['a label that runs over the end', bytes(4, 'web'), -1, null],
  ['nothing', bytes(), -1, null],
  ['a label of 64 octets', bytes(64, 'a'.repeat(64), 0), -1, null],
  ['a label of type 10', bytes(0x80, 'web', 0), -1, null],
  ['a pointer cut in half', bytes(0xc0), -1, null],
  ['a pointer to itself', bytes(0xc0, 12), -1, null],
  ['a pointer forward', bytes(0xc0, 14, 3, 'web', 0), -1, null],
  ['a pointer into the header', bytes(0xc0, 4), -1, null],
  ['a label and a pointer to it', bytes(1, 'a', 0xc0, 12), -1, null],
];

for (const [what, tail, end, name] of NAMES) {
  test(`a name that is ${what} ${end < 0 ? 'is malformed' : `ends at ${end}`}`, () => {
    const message = bytes('\u0000'.repeat(12), ...tail);
    assert.equal(skipName(message, 12, message.length), end);
    const expanded = expandName(message, 12, message.length);
    assert.equal(expanded === null ? null : Buffer.from(expanded).toString('hex'), name);
  });
}

test('pointers that go backwards are followed', () => {
  // 12: b. 15: a + pointer to 12. 19: pointer to 15.
  const message = bytes('\u0000'.repeat(12), 1, 'b', 0, 1, 'a', 0xc0, 12, 0xc0, 15);
  assert.deepEqual(expandName(message, 15, message.length), bytes(1, 'a', 1, 'b', 0));
  assert.deepEqual(expandName(message, 19, message.length), bytes(1, 'a', 1, 'b', 0));
  assert.equal(skipName(message, 19, message.length), 21);
});

test('a chain of pointers is followed only so far', () => {
  const chain = (pointers: number): Uint8Array | null => {
    const links = Array.from({ length: pointers }, (_, i) => {
      const target = i === 0 ? 12 : 11 + 2 * i;
      return [0xc0 | (target >>> 8), target & 0xff];
    });
    const message = bytes('\u0000'.repeat(12), 0, ...links.flat());
    return expandName(message, message.length - 2, message.length);
  };
  assert.deepEqual(chain(127), bytes(0));
  assert.equal(chain(128), null);
});

test('a name of 255 octets is read, one of 256 is not', () => {
  const label = bytes(63, 'a'.repeat(63));
  const header = '\u0000'.repeat(12);
  const longest = bytes(header, ...label, ...label, ...label, 61, 'a'.repeat(61), 0);
  assert.equal(skipName(longest, 12, longest.length), longest.length);
  assert.equal(expandName(longest, 12, longest.length)?.length, 255);
  const longer = bytes(header, ...label, ...label, ...label, 62, 'a'.repeat(62), 0);
  assert.equal(skipName(longer, 12, longer.length), -1);
  assert.equal(expandName(longer, 12, longer.length), null);
});

test('a name that pointers make longer than 255 octets is not read', () => {
  const part = bytes(63, 'a'.repeat(63), 63, 'a'.repeat(63));
  const message = bytes('\u0000'.repeat(12), ...part, 0, ...part, 0xc0, 12);
  assert.equal(expandName(message, 12 + part.length + 1, message.length), null);
});

test('any name without pointers is expanded to itself', () => {
  fc.assert(
    fc.property(wireNames, (name) => {
      const message = bytes('\u0000'.repeat(12), ...name, 'rest');
      assert.equal(skipName(message, 12, message.length), 12 + name.length);
      assert.deepEqual(expandName(message, 12, 12 + name.length), name);
      assert.equal(skipName(message, 12, 11 + name.length), -1);
    }),
  );
});

test('any bytes are skipped and expanded without reading outside', () => {
  const octets = fc.uint8Array({ minLength: 12, maxLength: 400 });
  const few = fc.array(fc.constantFrom(0, 1, 2, 12, 14, 63, 0xc0, 0xc1), { maxLength: 60 });
  fc.assert(
    fc.property(
      fc.oneof(
        octets,
        few.map((list) => Uint8Array.from(list)),
      ),
      fc.nat(400),
      (message, at) => {
        const end = skipName(message, at, message.length);
        assert.ok(end === -1 || (end > at && end <= message.length));
        const name = expandName(message, at, message.length);
        if (name !== null) assert.ok(name.length <= 255 && end !== -1);
      },
    ),
    { numRuns: 2000 },
  );
});
