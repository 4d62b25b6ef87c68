import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UpstreamOutages } from '../../../src/core/forward/upstream-outage.ts';

function silence(outages: UpstreamOutages, count: number, nowMs = 0): boolean[] {
  return Array.from({ length: count }, () => outages.silent('', nowMs));
}

test('upstreams are out at the twentieth question in a row that ends in silence', () => {
  const outages = new UpstreamOutages();
  assert.ok(!silence(outages, 19).includes(true));
  assert.ok(outages.admits('', 0) && outages.admits('', 0) && !outages.isOut(''));
  assert.deepEqual(silence(outages, 2), [true, false], 'said once');
  assert.ok(outages.isOut(''));
  assert.ok(!outages.isOut('corp'));
});

test('while they are out, one question goes to them every 100 ms', () => {
  const outages = new UpstreamOutages();
  silence(outages, 20);
  const admitted = Array.from({ length: 1_001 }, (_, ms) => outages.admits('', ms));
  assert.equal(admitted.filter(Boolean).length, 11);
  assert.ok(outages.admits('corp', 0));
});

test('any answer ends it', () => {
  const outages = new UpstreamOutages();
  silence(outages, 20);
  assert.ok(outages.answered('', 1));
  assert.ok(!outages.isOut('') && outages.admits('', 1) && outages.admits('', 1));
  assert.ok(!outages.answered('', 1), 'it has ended');
});

test('a silence was long if it was an outage or lasted 2 s', () => {
  const outages = new UpstreamOutages();
  silence(outages, 19, 5_000);
  assert.equal(outages.silentMs('', 6_999), 1_999);
  assert.ok(!outages.answered('', 6_999));
  silence(outages, 1, 5_000);
  silence(outages, 1, 6_900);
  assert.ok(outages.answered('', 7_000));
  assert.equal(outages.silentMs('', 7_000), 0);
});

test('other upstreams are asked as if nothing had been', () => {
  const outages = new UpstreamOutages();
  silence(outages, 20);
  outages.clear();
  assert.ok(!outages.isOut(''));
});

test('upstreams that answered something in the last 2 s are not out, whatever else they leave', () => {
  const outages = new UpstreamOutages();
  for (let second = 0; second < 60; second++) {
    outages.answered('', second * 1_000);
    assert.ok(!silence(outages, 50, second * 1_000 + 999).includes(true));
    assert.ok(!outages.isOut('') && outages.admits('', second * 1_000 + 999));
  }
  assert.deepEqual(silence(outages, 2, 61_000), [true, false]);
  assert.ok(outages.isOut(''));
});
