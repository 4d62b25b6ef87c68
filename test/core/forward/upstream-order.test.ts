import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SocketAddress } from '../../../src/core/config/config.ts';
import { UpstreamHealth } from '../../../src/core/forward/upstream-health.ts';
import { orderUpstreams } from '../../../src/core/forward/upstream-order.ts';

const at = (last: number): SocketAddress => ({ address: `10.0.0.${last}`, port: 53 });
const [ONE, TWO, THREE] = [at(1), at(2), at(3)];
const ALL = [ONE, TWO, THREE];

function kill(health: UpstreamHealth, upstream: SocketAddress): void {
  for (let i = 0; i < 3; i++) health.failed(upstream, 'timeout', 0);
}

/** All three have answered, in 30, 10 and 20 ms. */
function measured(): UpstreamHealth {
  const health = new UpstreamHealth();
  for (const [upstream, rttMs] of [
    [ONE, 30],
    [TWO, 10],
    [THREE, 20],
  ] as const) {
    health.answered(upstream, rttMs, 0);
  }
  return health;
}

test('in a race the fastest is the first, and has twice its time as a head start', () => {
  assert.deepEqual(orderUpstreams('race', ALL, measured(), 0), {
    upstreams: [TWO, THREE, ONE],
    living: 3,
    headStartMs: 20,
    look: null,
  });
});

test('a head start is at least 5 and at most 200 ms, and none for an unknown one', () => {
  const headStart = (rttMs: number | null): number => {
    const health = new UpstreamHealth();
    health.answered(ONE, rttMs, 0);
    return orderUpstreams('race', [ONE], health, 0).headStartMs;
  };
  assert.deepEqual([null, 0, 2, 3, 100, 101, 4_000].map(headStart), [0, 5, 5, 6, 200, 200, 200]);
});

test('in sequence the order stays, but for the dead', () => {
  const health = measured();
  assert.deepEqual(orderUpstreams('sequential', ALL, health, 0), {
    upstreams: ALL,
    living: 3,
    headStartMs: 400,
    look: null,
  });
  kill(health, ONE);
  const order = orderUpstreams('sequential', ALL, health, 0);
  assert.deepEqual([order.upstreams, order.living], [[TWO, THREE, ONE], 2]);
});

test('with turns each is the first in its turn', () => {
  const health = measured();
  const firsts = [1, 2, 3, 4].map(() => orderUpstreams('round-robin', ALL, health, 0).upstreams[0]);
  assert.deepEqual(firsts, [ONE, TWO, THREE, ONE]);
});

for (const policy of ['sequential', 'round-robin', 'race'] as const) {
  test(`${policy}: a dead one is looked at beside a living one, and not asked twice`, () => {
    const health = measured();
    kill(health, THREE);
    const order = orderUpstreams(policy, ALL, health, 1_000);
    assert.equal(order.look, THREE);
    assert.deepEqual(new Set(order.upstreams), new Set([ONE, TWO]));
    assert.equal(order.living, 2);
    assert.equal(orderUpstreams(policy, ALL, health, 1_000).look, null);
  });

  test(`${policy}: if all are dead all are asked, two of them at once`, () => {
    const health = measured();
    for (const upstream of ALL) kill(health, upstream);
    const order = orderUpstreams(policy, ALL, health, 60_000);
    assert.deepEqual(new Set(order.upstreams), new Set(ALL));
    assert.deepEqual([order.living, order.headStartMs, order.look], [3, 0, null]);
  });
}

test('a race measures the others again, one a time; others have no use for that', () => {
  const health = measured();
  assert.equal(orderUpstreams('sequential', ALL, health, 60_000).look, null);
  const { look, living, upstreams } = orderUpstreams('race', ALL, health, 60_000);
  assert.deepEqual([look, living, upstreams], [THREE, 2, [TWO, ONE]]);
  assert.equal(orderUpstreams('race', ALL, health, 60_000).look, ONE);
});

test('nobody can be asked of nobody', () => {
  const order = orderUpstreams('race', [], new UpstreamHealth(), 0);
  assert.deepEqual([order.upstreams, order.look], [[], null]);
});
