import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asArray, asObject, isAbsent } from '../../../src/core/base/json.ts';

const VALUES: readonly unknown[] = [{ a: 1 }, {}, [1], [], 'text', '', 0, 1, true, false, null];

test('only objects are objects: no list, no null', () => {
  const objects = VALUES.filter((value) => asObject(value) !== null);
  assert.deepEqual(objects, [{ a: 1 }, {}]);
  assert.equal(asObject(undefined), null);
  const object = { a: 1 };
  assert.equal(asObject(object), object);
});

test('only lists are lists', () => {
  const lists = VALUES.filter((value) => asArray(value) !== null);
  assert.deepEqual(lists, [[1], []]);
  assert.equal(asArray({ length: 1, 0: 'a' }), null);
});

test('missing and null are absent; empty, zero and false are not', () => {
  assert.deepEqual(VALUES.filter(isAbsent), [null]);
  assert.ok(isAbsent(undefined));
});
