import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { nearestKey } from '../../../src/core/config/nearest-key.ts';

const KEYS = ['refreshSeconds', 'ttl', 'port', 'listener', 'resolvers', 'zoneResolvers'];

describe('nearestKey', () => {
  const cases: readonly (readonly [string, string | undefined])[] = [
    ['refreshSecond', 'refreshSeconds'],
    ['refreshsecs', 'refreshSeconds'],
    ['tll', 'ttl'],
    ['refresh', 'refreshSeconds'],
    ['ZONE', 'zoneResolvers'],
    ['refre', undefined],
    ['PORTS', 'port'],
    ['resolver', 'resolvers'],
    ['zoneResolver', 'zoneResolvers'],
    ['listner', 'listener'],
    ['email', undefined],
    ['', undefined],
    ['x', undefined],
    ['r'.repeat(100_000), undefined],
  ];
  for (const [typed, expected] of cases) {
    test(`"${typed.slice(0, 20)}" is ${expected ?? 'near nothing'}`, () => {
      assert.equal(nearestKey(typed, KEYS), expected);
    });
  }
});
