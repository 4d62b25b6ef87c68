import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Resolution } from '../../../src/core/forward/resolution.ts';
import {
  addresses,
  FIRST_ADDRESS,
  isWaiting,
  ResolverRig,
  settled,
  shown,
} from './resolver-rig.ts';

/** The time of one exchange in the settings of the rig. */
const OLD_MS = 2_000;
const GIVEN_UP = 'SERVFAIL 0 too many questions wait; newer ones come first';

function remote(i: number): string {
  return `198.51.100.${i}`;
}

/** Each from a client of its own, one millisecond after the other. */
async function askInTurn(
  rig: ResolverRig,
  names: readonly string[],
): Promise<Promise<Resolution>[]> {
  const all: Promise<Resolution>[] = [];
  for (const [i, name] of names.entries()) {
    all.push(rig.resolve(name, remote(i)));
    await rig.pass(1);
  }
  return all;
}

describe('R4b: where no more questions may wait', () => {
  const limits = { flights: 3 };

  test('the oldest question fails in favour of the newest, and its upstream is not waited for', async () => {
    const rig = new ResolverRig({ limits });
    const [first, second] = await askInTurn(rig, ['a.org.', 'b.org.', 'c.org.']);
    await rig.pass(OLD_MS);
    const newest = rig.resolve('d.org.');
    assert.equal(shown(await first!), GIVEN_UP);
    assert.equal(rig.asks[0]?.signal.aborted, true);
    assert.ok(await isWaiting(second!));
    assert.equal(rig.asks[1]?.signal.aborted, false);
    assert.deepEqual([rig.lastAsk.name, rig.resolver.stats().flights], ['d.org.', 3]);
    rig.lastAsk.answer(addresses('d.org.'));
    assert.equal(shown(await newest), FIRST_ADDRESS);
    assert.equal(rig.count('rejected-oldest'), 1);
  });

  test('none fails before its upstream has had its time: the newest does', async () => {
    const rig = new ResolverRig({ limits });
    const all = await askInTurn(rig, ['a.org.', 'b.org.', 'c.org.']);
    await rig.pass(OLD_MS - 4);
    assert.match(shown(await rig.resolve('d.org.')), /^SERVFAIL 0 too many questions wait for/);
    for (const one of all) assert.ok(await isWaiting(one));
    assert.equal(rig.count('rejected-oldest'), 0);
  });

  test('a question that is asked again is as new as that', async () => {
    const rig = new ResolverRig({ limits });
    const [first, second] = await askInTurn(rig, ['a.org.', 'b.org.', 'c.org.']);
    await rig.pass(OLD_MS);
    const again = rig.resolve('a.org.');
    void rig.resolve('d.org.');
    assert.equal(shown(await second!), GIVEN_UP);
    assert.ok((await isWaiting(first!)) && (await isWaiting(again)));
  });

  test('what was given up may be asked at once, and counts as silence of its upstreams', async () => {
    const rig = new ResolverRig({ limits: { flights: 1 }, config: { deadlineMs: 60_000 } });
    for (let i = 0; i < 21; i++) {
      void rig.resolve(i % 2 === 0 ? 'a.org.' : 'b.org.');
      await rig.pass(OLD_MS);
      assert.equal(rig.asks.length, i + 1);
    }
    assert.deepEqual(rig.logged, ['upstreams-silent']);
  });

  test('a question for upstreams that are out takes the place of none', async () => {
    const zones = [{ zone: 'corp', upstreams: [] }];
    const rig = new ResolverRig({ limits: { flights: 2 }, config: { zones, deadlineMs: 60_000 } });
    for (let i = 0; i < 22; i++) {
      void rig.resolve(`x${i}.corp.`);
      await rig.pass(OLD_MS);
    }
    assert.deepEqual(rig.logged, ['upstreams-silent']);
    const other = rig.resolve('a.org.');
    await rig.pass(OLD_MS);
    const probe = rig.resolve('y.corp.');
    assert.match(shown(await rig.resolve('z.corp.')), /all upstreams have been silent/);
    assert.ok((await isWaiting(other)) && (await isWaiting(probe)));
  });
});

describe('R4b: where no more clients may wait', () => {
  for (const [what, limits] of [
    ['of one address', { perClient: 2 }],
    ['in all', { waiters: 2 }],
  ] as const) {
    test(`${what}, the one that has waited longest fails, and its question goes on`, async () => {
      const rig = new ResolverRig({ limits });
      const first = rig.resolve('a.org.');
      await rig.pass(1);
      const second = rig.resolve('b.org.');
      await rig.pass(OLD_MS - 2);
      assert.match(shown(await rig.resolve('c.org.')), /^SERVFAIL 0 too many /);
      await rig.pass(1);
      const third = rig.resolve('c.org.');
      assert.equal(shown(await first), GIVEN_UP);
      assert.ok((await isWaiting(second)) && (await isWaiting(third)));
      assert.equal(rig.asks[0]?.signal.aborted, false);
      rig.asks[0].answer(addresses('a.org.'));
      await settled();
      assert.equal(shown(await rig.resolve('a.org.')), FIRST_ADDRESS);
    });
  }

  test('of one address, old questions of others keep their place', async () => {
    const rig = new ResolverRig({ limits: { perClient: 1 } });
    const other = rig.resolve('a.org.', remote(1));
    await rig.pass(1);
    const first = rig.resolve('b.org.', remote(2));
    await rig.pass(OLD_MS);
    void rig.resolve('c.org.', remote(2));
    assert.equal(shown(await first), GIVEN_UP);
    assert.ok(await isWaiting(other));
  });
});
