import assert from 'node:assert/strict';
import { test } from 'node:test';

const FUZZ_SECONDS = process.env['FUZZ_SECONDS'];

/**
 * Runs a simulation with other seeds for FUZZ_SECONDS. Not a test that is skipped: without time for
 * it there is nothing that could pass or fail.
 */
export function testOtherHistories(simulate: (seed: number) => Promise<unknown>): void {
  if (FUZZ_SECONDS === undefined) return;
  test('the same for as many other histories as FUZZ_SECONDS allow', async (t) => {
    const end = performance.now() + 1_000 * Number(FUZZ_SECONDS);
    const first = Math.floor(Math.random() * 2 ** 31);
    let runs = 0;
    while (performance.now() < end) await simulate(first + runs++);
    assert.ok(runs > 0, `FUZZ_SECONDS is a number above 0: ${FUZZ_SECONDS}`);
    t.diagnostic(`${runs} histories`);
  });
}
