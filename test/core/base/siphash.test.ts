import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SipHash } from '../../../src/core/base/siphash.ts';

/** `vectors_sip64` of the reference implementation: the hashes of 0, 1, 2, ... octets. */
const VECTORS = [
  ['310e0edd47db6f72', 'fd67dc93c539f874', '5a4fa9d909806c0d', '2d7efbd796666785'],
  ['b7877127e09427cf', '8da699cd64557618', 'cee3fe586e46c9cb', '37d1018bf50002ab'],
  ['6224939a79f5f593', 'b0e4a90bdf82009e', 'f3b9dd94c5bb5d7a', 'a7ad6b22462fb3f4'],
  ['fbe50e86bc8f1e75', '903d84c02756ea14', 'eef27a8e90ca23f7', 'e545be4961ca29a1'],
].flat();

const KEY = Uint8Array.from({ length: 16 }, (_, i) => i);

/** The octets of a hash, as the paper orders them. */
function octets({ low, high }: SipHash): string {
  const bytes = Buffer.alloc(8);
  bytes.writeInt32LE(low, 0);
  bytes.writeInt32LE(high, 4);
  return bytes.toString('hex');
}

function hashOf(bytes: Uint8Array, offset = 0, length = bytes.length): string {
  const hash = new SipHash(KEY);
  hash.hash(bytes, offset, length);
  return octets(hash);
}

for (const [length, expected] of VECTORS.entries()) {
  test(`SipHash-2-4 of ${length} octets is that of the reference`, () => {
    assert.equal(hashOf(Uint8Array.from({ length }, (_, i) => i)), expected);
  });
}

test('SipHash-2-4 of 63 octets is that of the reference', () => {
  assert.equal(hashOf(Uint8Array.from({ length: 63 }, (_, i) => i)), '724506eb4c328a95');
});

test('what stands before and behind the octets does not matter, nor what was hashed before', () => {
  const bytes = Buffer.alloc(64, 0xff);
  for (let i = 0; i < 15; i++) bytes[7 + i] = i;
  assert.equal(hashOf(bytes, 7, 15), VECTORS[15]);
  const hash = new SipHash(KEY);
  hash.hash(bytes, 0, 64);
  hash.hash(bytes, 7, 15);
  assert.equal(octets(hash), VECTORS[15]);
});

test('another key gives another hash', () => {
  const hash = new SipHash(KEY.map((octet) => octet ^ 1));
  hash.hash(new Uint8Array(0), 0, 0);
  assert.notEqual(octets(hash), VECTORS[0]);
});

test('a key of another size is refused', () => {
  assert.throws(() => new SipHash(new Uint8Array(15)), /16 octets/);
});
