import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RecentValues } from '../../../src/core/base/recent-values.ts';

test('before the first value there is nothing to say', () => {
  const values = new RecentValues(3);
  assert.deepEqual([values.count, values.last, values.quantile(0.5)], [0, null, null]);
});

test('quantiles are of the last values alone, and each is one of them', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1 }),
      fc.integer({ min: 1, max: 9 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (all, max, q) => {
        const values = new RecentValues(max);
        for (const value of all) values.add(value);
        const kept = all.slice(-max);
        const quantile = values.quantile(q) ?? -1;
        assert.ok(kept.includes(quantile));
        const within = kept.filter((value) => value <= quantile).length;
        assert.ok(within >= q * kept.length, 'the share does not exceed it');
        const below = kept.filter((value) => value < quantile).length;
        assert.ok(below < Math.max(1, Math.ceil(q * kept.length)), 'and no smaller one would do');
        assert.deepEqual([values.count, values.last], [all.length, all.at(-1)]);
      },
    ),
  );
});
