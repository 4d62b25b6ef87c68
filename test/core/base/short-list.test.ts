import assert from 'node:assert/strict';
import { test } from 'node:test';
import { append } from '../../../src/core/base/short-list.ts';

test('a list begins as nothing and grows by one item at its end', () => {
  const one = append<number>(null, 7);
  assert.deepEqual(one, [7]);
  assert.equal(append(one, 8), one);
  assert.deepEqual(one, [7, 8]);
});

test('an empty list is as good as none', () => {
  assert.deepEqual(append<number>([], 7), [7]);
});
