import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { backoffMs } from '../../../src/core/base/backoff.ts';

const BACKOFF = { firstMs: 100, maxMs: 1000 };
const LONGEST = 1 - Number.EPSILON;

test('delays double up to the bound', () => {
  const delays = [0, 1, 2, 3, 4, 5].map((attempt) => backoffMs(BACKOFF, attempt, () => LONGEST));
  assert.deepEqual(delays, [100, 200, 400, 800, 1000, 1000]);
});

test('the upper half of a delay is drawn at random', () => {
  assert.equal(
    backoffMs(BACKOFF, 2, () => 0),
    200,
  );
  assert.equal(
    backoffMs(BACKOFF, 2, () => 0.5),
    300,
  );
});

test('any number of attempts stays between half the bound and the bound', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 4, max: Number.MAX_SAFE_INTEGER }),
      fc.double({ min: 0, max: LONGEST, noNaN: true }),
      (attempt, drawn) => {
        const delay = backoffMs(BACKOFF, attempt, () => drawn);
        assert.ok(delay >= 500 && delay <= 1000, `${delay} ms`);
      },
    ),
  );
});

test('a negative attempt is a mistake of the caller', () => {
  assert.throws(() => backoffMs(BACKOFF, -1, () => 0), /attempts count from 0/);
});
