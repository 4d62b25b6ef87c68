import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../../src/core/base/random.ts';

const draw = (seed: number, count: number): number[] => {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => random());
};

test('a seed gives the numbers of mulberry32, the same ones for ever', () => {
  assert.equal(draw(1, 1)[0], 0.6270739405881613);
  assert.deepEqual(draw(42, 5), draw(42, 5));
  assert.notDeepEqual(draw(42, 5), draw(43, 5));
});

test('the numbers are spread evenly over [0, 1)', () => {
  const bins = new Array<number>(10).fill(0);
  for (const number of draw(7, 10_000)) {
    assert.ok(number >= 0 && number < 1);
    bins[Math.floor(number * 10)]! += 1;
  }
  // Chi-square of 9 degrees of freedom: above 27.9 once in a thousand.
  const chiSquare = bins.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
  assert.ok(chiSquare < 27.9, `chi-square ${chiSquare}`);
});
