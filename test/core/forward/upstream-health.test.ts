import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { SocketAddress } from '../../../src/core/config/config.ts';
import { UpstreamHealth } from '../../../src/core/forward/upstream-health.ts';
import type { UpstreamCondition } from '../../../src/core/forward/upstream-health.ts';

const at = (last: number): SocketAddress => ({ address: `10.0.0.${last}`, port: 53 });
const [ONE, TWO, THREE] = [at(1), at(2), at(3)];

const conditionOf = (health: UpstreamHealth, { address }: SocketAddress): UpstreamCondition =>
  health.conditions().find(({ to }) => to === `${address}:53`) ?? assert.fail('it is known');

function kill(health: UpstreamHealth, upstream: SocketAddress, now: number): void {
  for (let i = 0; i < 3; i++) health.failed(upstream, 'timeout', now);
}

test('the round-trip time is a mean in which the last one counts an eighth', () => {
  const health = new UpstreamHealth();
  assert.equal(health.rttMs(ONE), null);
  health.answered(ONE, 80, 0);
  assert.equal(health.rttMs(ONE), 80);
  health.answered(ONE, 0, 0);
  assert.equal(health.rttMs(ONE), 70);
  health.answered(ONE, null, 0);
  assert.equal(health.rttMs(ONE), 70);
});

test('upstreams rank by their time, unknown ones first, equals in order', () => {
  const health = new UpstreamHealth();
  health.answered(ONE, 30, 0);
  health.answered(TWO, 10, 0);
  assert.deepEqual(health.rank([ONE, TWO, THREE], 0), [THREE, TWO, ONE]);
  health.answered(THREE, 10, 0);
  assert.deepEqual(health.rank([ONE, THREE, TWO], 0), [THREE, TWO, ONE]);
});

test('a failure counts like 200 ms, and half as much every ten seconds', () => {
  const health = new UpstreamHealth();
  health.answered(ONE, 10, 0);
  health.answered(TWO, 70, 0);
  health.failed(ONE, 'servfail', 0);
  assert.deepEqual(health.rank([ONE, TWO], 0), [TWO, ONE]);
  assert.deepEqual(health.rank([ONE, TWO], 17_000), [TWO, ONE]);
  assert.deepEqual(health.rank([ONE, TWO], 18_000), [ONE, TWO]);
});

test('three failures in a row are death, an answer is life', () => {
  const health = new UpstreamHealth();
  health.failed(ONE, 'timeout', 0);
  health.failed(ONE, 'timeout', 0);
  health.answered(ONE, 5, 0);
  health.failed(ONE, 'timeout', 0);
  health.failed(ONE, 'refused', 1);
  assert.ok(!health.isDead(ONE));
  health.failed(ONE, 'unreachable', 2);
  assert.ok(health.isDead(ONE));
  assert.deepEqual(conditionOf(health, ONE), {
    to: '10.0.0.1:53',
    rttMs: 5,
    failing: true,
    lastFailure: { reason: 'unreachable', at: 2 },
  });
  health.answered(TWO, 5_000, 2);
  assert.deepEqual(health.rank([ONE, TWO], 2), [TWO, ONE], 'the dead come last');
  health.answered(ONE, 5, 3);
  assert.ok(!health.isDead(ONE));
});

test('silence when another one answered makes an upstream slower, and 400 ms of it are a failure', () => {
  const health = new UpstreamHealth();
  health.unanswered(ONE, 10, 0);
  assert.equal(health.rttMs(ONE), 20);
  health.unanswered(ONE, 5, 0);
  assert.equal(health.rttMs(ONE), 20, 'it may have been about to answer');
  health.unanswered(ONE, 50, 0);
  assert.equal(health.rttMs(ONE), 30);
  assert.equal(conditionOf(health, ONE).lastFailure, null);
  health.unanswered(ONE, 400, 7);
  assert.deepEqual(conditionOf(health, ONE).lastFailure, { reason: 'timeout', at: 7 });
});

test('a dead upstream is looked at after 1 s, then at growing intervals, up to 30 s', () => {
  const health = new UpstreamHealth();
  kill(health, ONE, 0);
  let now = 0;
  for (const seconds of [1, 2, 4, 8, 16, 30, 30]) {
    now += 1_000 * seconds;
    assert.equal(health.takeLook([ONE], false, now - 1), null);
    assert.equal(health.takeLook([ONE], false, now), ONE);
    assert.equal(health.takeLook([ONE], false, now + 100_000), null, 'one at a time');
    health.failed(ONE, 'timeout', now);
    health.endLook(ONE, now);
  }
  now += 30_000;
  assert.equal(health.takeLook([ONE], false, now), ONE);
  health.answered(ONE, 1, now);
  health.endLook(ONE, now);
  assert.equal(health.takeLook([ONE], false, now + 1_000), null);
});

test('one that was silent three times in a row is looked at', () => {
  const health = new UpstreamHealth();
  for (let i = 0; i < 2; i++) health.unanswered(ONE, 1, 0);
  assert.equal(health.takeLook([ONE], false, 0), null);
  health.unanswered(ONE, 1, 0);
  assert.equal(health.takeLook([TWO, ONE], false, 0), ONE);
  health.answered(ONE, 1, 0);
  health.endLook(ONE, 0);
  assert.equal(health.takeLook([TWO, ONE], false, 5_000), null);
});

test('times are measured again after a minute, where that is wanted', () => {
  const health = new UpstreamHealth();
  health.answered(ONE, 1, 0);
  assert.equal(health.takeLook([ONE], true, 59_999), null);
  assert.equal(health.takeLook([ONE], false, 60_000), null);
  assert.equal(health.takeLook([ONE], true, 60_000), ONE);
});

test('turns go round, whatever lists they are in', () => {
  const health = new UpstreamHealth();
  const firsts = (lists: SocketAddress[][]): (SocketAddress | undefined)[] =>
    lists.map((list) => health.takeTurns(list, 0)[0]);
  const all = [ONE, TWO, THREE];
  assert.deepEqual(firsts([all, all, all, all]), [ONE, TWO, THREE, ONE]);
  assert.deepEqual(firsts([[ONE, TWO], [ONE, TWO], all]), [TWO, ONE, THREE]);
});

test('what an upstream cannot do is remembered for ten minutes', () => {
  const health = new UpstreamHealth();
  assert.ok(!health.hasQuirk(ONE, 'case', 0));
  health.remember(ONE, 'case', 0);
  assert.ok(health.hasQuirk(ONE, 'case', 599_999));
  assert.ok(!health.hasQuirk(ONE, 'opt', 0));
  assert.ok(!health.hasQuirk(TWO, 'case', 0));
  assert.ok(!health.hasQuirk(ONE, 'case', 600_000));
});

test('upstreams that are not configured any more are forgotten, and there are never many', () => {
  const health = new UpstreamHealth();
  for (let i = 0; i < 1_000; i++) health.answered({ address: '10.0.0.1', port: i }, 1, 0);
  assert.equal(health.conditions().length, 256);
  health.answered(ONE, 1, 0);
  health.keep([ONE, TWO]);
  assert.deepEqual(
    health.conditions().map(({ to }) => to),
    ['10.0.0.1:53'],
  );
});

test('whatever happens, a rank has every upstream once, and the dead last', () => {
  const event = fc.record({
    upstream: fc.constantFrom(ONE, TWO, THREE),
    kind: fc.constantFrom('answered', 'failed', 'unanswered'),
    ms: fc.nat(3_000),
  });
  fc.assert(
    fc.property(fc.array(event), (events) => {
      const health = new UpstreamHealth();
      let now = 0;
      for (const { upstream, kind, ms } of events) {
        now += ms;
        if (kind === 'answered') health.answered(upstream, ms, now);
        else if (kind === 'failed') health.failed(upstream, 'timeout', now);
        else health.unanswered(upstream, ms, now);
      }
      const ranked = health.rank([ONE, TWO, THREE], now);
      assert.deepEqual(new Set(ranked), new Set([ONE, TWO, THREE]));
      const dead = ranked.map((upstream) => health.isDead(upstream));
      assert.deepEqual(dead, [...dead].sort());
    }),
  );
});
