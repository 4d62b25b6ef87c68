import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIpAddress } from '../../../src/core/base/address.ts';
import { sameValue } from '../../../src/core/base/same-value.ts';

const EQUAL: readonly (readonly [what: string, a: unknown, b: unknown])[] = [
  ['numbers', 1, 1],
  ['nothing and nothing', null, null],
  ['objects whatever the order of their members', { a: 1, b: [2] }, { b: [2], a: 1 }],
  ['addresses', parseIpAddress('fd00::1'), parseIpAddress('FD00::1')],
  ['what differs in its path alone', { path: 'x', a: 1 }, { path: 'y', a: 1 }],
  [
    'what is deep down',
    { a: [{ b: { c: [1, { d: null }] } }] },
    { a: [{ b: { c: [1, { d: null }] } }] },
  ],
];

for (const [what, a, b] of EQUAL) {
  test(`equal are ${what}`, () => {
    assert.equal(sameValue(a, b), true);
    assert.equal(sameValue(b, a), true);
  });
}

const DIFFERENT: readonly (readonly [what: string, a: unknown, b: unknown])[] = [
  ['numbers', 1, 2],
  ['a number and its text', 1, '1'],
  ['null and an empty object', null, {}],
  ['a missing member and an undefined one', {}, { a: undefined }],
  ['members of other names', { a: 1 }, { b: 1 }],
  ['a list and a longer one', [1], [1, 2]],
  ['a list and an object', [1], { 0: 1 }],
  ['addresses', parseIpAddress('10.0.0.1'), parseIpAddress('10.0.0.2')],
  ['an own member and an inherited one', { toString: 1 }, {}],
];

for (const [what, a, b] of DIFFERENT) {
  test(`different are ${what}`, () => {
    assert.equal(sameValue(a, b), false);
    assert.equal(sameValue(b, a), false);
  });
}
