import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ReplyCache } from '../../src/adapters/reply-cache.ts';
import { STORED, STORED_WORDS } from '../../src/core/dns/stored-reply.ts';

/** Octets of an entry with a key of one letter. */
const ENTRY_BYTES = 4 * STORED_WORDS + 1 + 700;

/** A reply of no records that is kept for a minute. */
function reply(lifetime = 60, words: number = STORED_WORDS): Uint32Array {
  const stored = new Uint32Array(words);
  stored[STORED.BYTES] = stored.byteLength;
  stored[STORED.STORED_AT] = 1000;
  stored[STORED.EXPIRES_AT] = 1000 + lifetime;
  return stored;
}

test('a reply is kept, replaced and deleted by its key', () => {
  const cache = new ReplyCache(1 << 20);
  const [first, second] = [reply(), reply()];
  assert.equal(cache.get('a'), undefined);
  cache.set('a', first);
  assert.equal(cache.get('a'), first);
  assert.equal(cache.bytes, ENTRY_BYTES);
  cache.set('a', second);
  assert.equal(cache.peek('a'), second);
  assert.deepEqual([cache.entries, cache.bytes], [1, ENTRY_BYTES]);
  cache.delete('a');
  assert.equal(cache.get('a'), undefined);
  assert.deepEqual([cache.entries, cache.bytes, cache.evictions], [0, 0, 0]);
});

test('the reply that was used least lately makes room', () => {
  const cache = new ReplyCache(3 * ENTRY_BYTES);
  for (const key of ['a', 'b', 'c']) cache.set(key, reply());
  cache.get('a');
  cache.peek('b');
  cache.set('d', reply());
  assert.deepEqual(
    ['a', 'b', 'c', 'd'].map((key) => cache.peek(key) !== undefined),
    [true, false, true, true],
  );
  assert.equal(cache.evictions, 1);
});

test('a reply without a lifetime is not kept and ends the one before', () => {
  const cache = new ReplyCache(1 << 20);
  cache.set('a', reply());
  cache.set('a', reply(0));
  assert.equal(cache.get('a'), undefined);
});

test('a reply larger than the memory is not kept and ends the one before', () => {
  const cache = new ReplyCache(2 * ENTRY_BYTES);
  cache.set('a', reply());
  cache.set('b', reply());
  cache.set('a', reply(60, ENTRY_BYTES));
  assert.equal(cache.get('a'), undefined);
  assert.notEqual(cache.get('b'), undefined);
});

test('flushing takes out what matches and says how much that was', () => {
  const cache = new ReplyCache(1 << 20);
  for (const key of ['aa', 'ab', 'bb']) cache.set(key, reply());
  assert.equal(
    cache.flush((key) => key.startsWith('a')),
    2,
  );
  assert.equal(cache.entries, 1);
  assert.equal(
    cache.flush(() => true),
    1,
  );
  assert.deepEqual([cache.entries, cache.bytes, cache.evictions], [0, 0, 0]);
});

test('with less memory the replies used last stay', () => {
  const cache = new ReplyCache(4 * ENTRY_BYTES);
  for (const key of ['a', 'b', 'c', 'd']) cache.set(key, reply());
  cache.get('a');
  cache.resize(2 * ENTRY_BYTES);
  assert.deepEqual(
    ['a', 'b', 'c', 'd'].map((key) => cache.peek(key) !== undefined),
    [true, false, false, true],
  );
  assert.equal(cache.evictions, 2);
  cache.resize(3 * ENTRY_BYTES);
  cache.set('e', reply());
  assert.deepEqual([cache.entries, cache.evictions], [3, 2]);
  cache.set('f', reply());
  assert.equal(cache.peek('d'), undefined, 'the order of use outlives a change of size');
});

test('without memory nothing is kept', () => {
  const cache = new ReplyCache(0);
  cache.set('a', reply());
  assert.equal(cache.get('a'), undefined);
  assert.equal(cache.peek('a'), undefined);
  assert.equal(
    cache.flush(() => true),
    0,
  );
  assert.deepEqual([cache.entries, cache.bytes], [0, 0]);
  cache.resize(1 << 20);
  cache.set('a', reply());
  assert.notEqual(cache.get('a'), undefined);
  cache.resize(0);
  assert.equal(cache.get('a'), undefined);
});

test('law: it never takes more than its memory, and what it has is what was set last', () => {
  const step = fc.record({
    key: fc.constantFrom('a', 'b', 'cc', 'ddd', 'eeee'),
    words: fc.integer({ min: STORED_WORDS, max: 400 }),
    lifetime: fc.nat(2),
  });
  fc.assert(
    fc.property(fc.array(step), fc.integer({ min: 1, max: 6000 }), (steps, bytesMax) => {
      const cache = new ReplyCache(bytesMax);
      const last = new Map<string, Uint32Array>();
      for (const { key, words, lifetime } of steps) {
        const stored = reply(lifetime, words);
        cache.set(key, stored);
        last.set(key, stored);
        assert.ok(cache.bytes <= bytesMax);
        const isKept = lifetime > 0 && stored.byteLength + key.length + 700 <= bytesMax;
        assert.equal(cache.get(key), isKept ? stored : undefined);
        for (const [other, value] of last) {
          const there = cache.peek(other);
          assert.ok(there === undefined || there === value);
        }
      }
    }),
  );
});
