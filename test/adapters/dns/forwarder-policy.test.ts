import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UpstreamState } from '../../../src/adapters/dns/forwarder.ts';
import { RCODE } from '../../../src/core/dns/constants.ts';
import type { ReceivedQuery, Script } from '../../support/dns-peer.ts';
import { until } from '../../support/dns-peer.ts';
import { inTime } from '../../support/wait-until.ts';
import { TIMEOUT_MS, addresses, asked, openRig, silent, withRcode } from './forwarder-rig.ts';
import type { Rig, Upstream } from './forwarder-rig.ts';

const ANSWERED = 'rcode 0, 1 records';

/** Replies when it is told to. */
function holding(): { script: Script; release: () => void } {
  let held: [ReceivedQuery, (message: Uint8Array) => void] | null = null;
  return {
    script: (query, reply) => void (held = [query, reply]),
    release: () => addresses(1)(...(held ?? assert.fail('nobody asked'))),
  };
}

const received = (upstreams: readonly Upstream[]): number[] =>
  upstreams.map((upstream) => upstream.received.length);

/** How an upstream is doing. */
function stateOf({ forwarder }: Rig, { address }: Upstream): UpstreamState {
  const state = forwarder.health().find(({ to }) => to === `127.0.0.1:${address.port}`);
  return state ?? assert.fail('it has been asked');
}

async function openThree(rig: Rig): Promise<Upstream[]> {
  return [
    await rig.upstream(addresses(1)),
    await rig.upstream(addresses(1)),
    await rig.upstream(addresses(1)),
  ];
}

/** Has an upstream answer alone after so much time, which is its round-trip time then. */
async function measure({ clock, outcome }: Rig, upstream: Upstream, rttMs: number): Promise<void> {
  const { script } = upstream;
  const { script: hold, release } = holding();
  upstream.script = hold;
  const before = upstream.received.length;
  const answer = outcome([upstream]);
  await asked(upstream, before + 1);
  clock.advance(rttMs);
  release();
  assert.equal(await answer, ANSWERED);
  upstream.script = script;
}

test('race: of unknown upstreams two are asked at once', async (t) => {
  const rig = openRig(t, { policy: 'race' });
  const upstreams = await openThree(rig);
  for (const upstream of upstreams) upstream.script = silent;
  const answer = rig.outcome(upstreams);
  await until(() => upstreams[1]!.received.length === 1, 'the second query');
  assert.deepEqual(received(upstreams), [1, 1, 0]);
  rig.clock.advance(400);
  await asked(upstreams[2]!, 1);
  rig.clock.advance(TIMEOUT_MS);
  assert.equal(await answer, 'upstream-timeout');
});

for (const [rttMs, headStartMs] of [
  [0, 5],
  [2, 5],
  [30, 60],
  [150, 200],
] as const) {
  test(`race: an upstream that takes ${rttMs} ms has a head start of ${headStartMs} ms`, async (t) => {
    const rig = openRig(t, { policy: 'race' });
    const [fast, slow] = [await rig.upstream(silent), await rig.upstream(addresses(1))];
    await measure(rig, fast, rttMs);
    await measure(rig, slow, 300);
    assert.deepEqual(received([fast, slow]), [1, 1]);
    const answer = rig.outcome([slow, fast]);
    await asked(fast, 2);
    rig.clock.advance(headStartMs - 1);
    assert.equal(slow.received.length, 1);
    rig.clock.advance(1);
    assert.equal(await answer, ANSWERED);
    assert.deepEqual(received([fast, slow]), [2, 2]);
  });
}

test('race: while the best answers, nobody else is asked', async (t) => {
  const rig = openRig(t, { policy: 'race' });
  const upstreams = await openThree(rig);
  await measure(rig, upstreams[0]!, 30);
  await measure(rig, upstreams[1]!, 10);
  await measure(rig, upstreams[2]!, 20);
  for (let i = 0; i < 50; i++) assert.equal(await rig.outcome(upstreams), ANSWERED);
  assert.deepEqual(received(upstreams), [1, 51, 1]);
});

test('race: after a minute the others are measured again, beside a query', async (t) => {
  const rig = openRig(t, { policy: 'race' });
  const [best, far] = [await rig.upstream(addresses(1)), await rig.upstream(addresses(1))];
  await measure(rig, best, 10);
  await measure(rig, far, 50);
  rig.clock.advance(60_000);
  const { script, release } = holding();
  far.script = script;
  assert.equal(await rig.outcome([best, far]), ANSWERED);
  await asked(far, 2);
  assert.equal(await rig.outcome([best, far]), ANSWERED);
  assert.deepEqual(received([best, far]), [3, 2], 'one look at a time');
  // Its answer is heard though the client has one long since.
  rig.clock.advance(2);
  release();
  await until(() => stateOf(rig, far).rttMs === 50 + (2 - 50) / 8, 'the new time');
});

test('race: a best upstream that falls silent is not waited for again and again', async (t) => {
  const rig = openRig(t, { policy: 'race' });
  const upstreams = await openThree(rig);
  for (const [i, upstream] of upstreams.entries()) await measure(rig, upstream, 4 + i);
  const killed = upstreams[0]!;
  killed.script = silent;
  const first = rig.outcome(upstreams);
  await asked(killed, 2);
  rig.clock.advance(20);
  assert.equal(await first, ANSWERED);
  // Its silence made it the slowest: of 300 queries one has waited.
  for (let i = 1; i < 300; i++) {
    rig.clock.advance(10);
    assert.equal(await inTime('an answer at once', rig.outcome(upstreams)), ANSWERED);
  }
  assert.equal(killed.received.length, 2);
});

test('sequential: a dead one is left out after three failures, and taken back when it answers', async (t) => {
  const rig = openRig(t);
  const { clock, outcome } = rig;
  const upstreams = await openThree(rig);
  const [killed, second, third] = upstreams as [Upstream, Upstream, Upstream];
  killed.script = silent;
  for (let i = 1; i <= 3; i++) {
    const answer = outcome(upstreams);
    // The second datagram is the first one again.
    await asked(killed, 2 * i - 1);
    clock.advance(400);
    assert.equal(await answer, ANSWERED);
    await asked(killed, 2 * i);
  }
  assert.deepEqual(received(upstreams), [6, 3, 0]);
  assert.ok(stateOf(rig, killed).failing);
  for (let i = 0; i < 20; i++) assert.equal(await outcome(upstreams), ANSWERED);
  assert.deepEqual(received(upstreams), [6, 23, 0]);

  killed.script = addresses(1);
  clock.advance(1_000);
  assert.equal(await outcome(upstreams), ANSWERED);
  await until(() => !stateOf(rig, killed).failing, 'it is back');
  const before = received(upstreams);
  for (let i = 0; i < 5; i++) assert.equal(await outcome(upstreams), ANSWERED);
  assert.deepEqual(received(upstreams), [before[0]! + 5, before[1], 0]);
  assert.equal(third.received.length, 0);
  assert.ok(second.received.length <= 24);
});

test('a dead upstream is looked at by one query at a time, for which no client waits', async (t) => {
  const rig = openRig(t);
  const { clock } = rig;
  const [dead, good] = [await rig.upstream(silent), await rig.upstream(addresses(1))];
  const ask = async (): Promise<void> => {
    assert.equal(await inTime('an answer at once', rig.outcome([dead, good])), ANSWERED);
  };
  for (let i = 1; i <= 3; i++) {
    const answer = rig.outcome([dead, good]);
    await asked(dead, 2 * i - 1);
    clock.advance(400);
    assert.equal(await answer, ANSWERED);
    await asked(dead, 2 * i);
  }
  let seen = 6;
  for (const intervalMs of [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]) {
    clock.advance(intervalMs - 1);
    await ask();
    assert.equal(clock.pending, 0, 'no look is under way');
    clock.advance(1);
    await ask();
    await asked(dead, ++seen);
    await ask();
    assert.equal(dead.received.length, seen);
    clock.advance(400);
    await asked(dead, ++seen);
    clock.advance(TIMEOUT_MS - 400);
    const now = new Date(clock.now()).toISOString();
    await until(() => stateOf(rig, dead).lastFailure?.at === now, 'the end of the look');
  }
});

test('all dead, then back: all are tried, and the first query after that is answered', async (t) => {
  for (const policy of ['race', 'sequential', 'round-robin'] as const) {
    const rig = openRig(t, { policy });
    const upstreams = await openThree(rig);
    for (const upstream of upstreams) upstream.script = silent;
    for (let round = 1; round <= 4; round++) {
      const before = received(upstreams);
      const isTried = (i: number): boolean => upstreams[i]!.received.length > before[i]!;
      const answer = rig.outcome(upstreams);
      for (let tried = 0; tried < 3; tried++) {
        await until(() => [0, 1, 2].filter(isTried).length > tried, 'one more is tried');
        rig.clock.advance(400);
      }
      rig.clock.advance(TIMEOUT_MS);
      assert.equal(await answer, 'upstream-timeout');
    }
    assert.ok(rig.forwarder.health().every(({ failing }) => failing));
    for (const upstream of upstreams) upstream.script = addresses(1);
    const startedAt = rig.clock.monotonic();
    assert.equal(await rig.outcome(upstreams), ANSWERED);
    assert.equal(rig.clock.monotonic(), startedAt);
  }
});

test('round-robin: each in turn is the first, the dead are not', async (t) => {
  const rig = openRig(t, { policy: 'round-robin' });
  const upstreams = await openThree(rig);
  for (let i = 0; i < 30; i++) assert.equal(await rig.outcome(upstreams), ANSWERED);
  assert.deepEqual(received(upstreams), [10, 10, 10]);
  upstreams[0]!.script = withRcode(RCODE.REFUSED);
  for (let i = 0; i < 30; i++) assert.equal(await rig.outcome(upstreams), ANSWERED);
  assert.equal(upstreams[0]!.received.length, 13);
});

test('SERVFAIL of all is the fault of the name, of one alone that of the upstream', async (t) => {
  const rig = openRig(t);
  const [first, second] = [
    await rig.upstream(withRcode(RCODE.SERVFAIL)),
    await rig.upstream(withRcode(RCODE.SERVFAIL)),
  ];
  for (let i = 0; i < 5; i++) {
    assert.equal(await rig.outcome([first, second]), 'rcode 2, 0 records');
  }
  for (const upstream of [first, second]) assert.equal(stateOf(rig, upstream).lastFailure, null);
  second.script = addresses(1);
  for (let i = 0; i < 3; i++) assert.equal(await rig.outcome([first, second]), ANSWERED);
  assert.ok(stateOf(rig, first).failing);
  assert.equal(stateOf(rig, first).lastFailure?.reason, 'servfail');
  assert.equal(stateOf(rig, second).lastFailure, null);
});

test('a name that the living cannot resolve is not a reason to wait for the dead', async (t) => {
  const rig = openRig(t);
  const [dead, alive] = [
    await rig.upstream(withRcode(RCODE.REFUSED)),
    await rig.upstream(addresses(1)),
  ];
  for (let i = 0; i < 3; i++) assert.equal(await rig.outcome([dead, alive]), ANSWERED);
  dead.script = silent;
  alive.script = withRcode(RCODE.SERVFAIL);
  assert.equal(await rig.outcome([dead, alive]), 'rcode 2, 0 records');
  assert.equal(rig.clock.monotonic(), 0);
  // With a living one that says nothing at all, there is nothing to lose.
  await alive.close();
  dead.script = addresses(1);
  assert.equal(await rig.outcome([dead, alive]), ANSWERED);
});

test('a look may bring the answer, but the next upstream does not wait for it', async (t) => {
  const rig = openRig(t, { policy: 'race' });
  const upstreams = await openThree(rig);
  const [best, second, old] = upstreams as [Upstream, Upstream, Upstream];
  await measure(rig, old, 300);
  rig.clock.advance(60_000);
  await measure(rig, best, 100);
  await measure(rig, second, 150);
  best.script = withRcode(RCODE.SERVFAIL);
  const { script, release } = holding();
  old.script = script;
  assert.equal(await rig.outcome(upstreams), ANSWERED);
  assert.deepEqual(received(upstreams), [2, 2, 2]);
  rig.clock.advance(1);
  release();
  await until(() => stateOf(rig, old).rttMs !== 300, 'the end of the look');

  rig.clock.advance(60_000);
  for (const upstream of [best, second]) await measure(rig, upstream, 1);
  best.script = withRcode(RCODE.SERVFAIL);
  second.script = withRcode(RCODE.SERVFAIL);
  const answer = rig.outcome(upstreams);
  await asked(old, 3);
  await asked(second, 4);
  release();
  assert.equal(await answer, ANSWERED);
});

test('closing ends looks, too', async (t) => {
  const rig = openRig(t);
  const [dead, good] = [
    await rig.upstream(withRcode(RCODE.REFUSED)),
    await rig.upstream(addresses(1)),
  ];
  for (let i = 0; i < 3; i++) assert.equal(await rig.outcome([dead, good]), ANSWERED);
  dead.script = silent;
  rig.clock.advance(1_000);
  assert.equal(await rig.outcome([dead, good]), ANSWERED);
  await asked(dead, 4);
  assert.ok(rig.clock.pending > 0);
  rig.forwarder.close();
  assert.equal(rig.clock.pending, 0);
});

test('the health of upstreams can be shown, and is forgotten with them', async (t) => {
  const rig = openRig(t);
  const [one, other] = [await rig.upstream(addresses(1)), await rig.upstream(addresses(1))];
  await measure(rig, one, 12);
  await measure(rig, other, 7);
  other.script = withRcode(RCODE.REFUSED);
  rig.clock.advance(60_000 - 19);
  await rig.outcome([other, one]);
  const to = ({ address }: Upstream): string => `127.0.0.1:${address.port}`;
  assert.deepEqual(rig.forwarder.health([to(one)]), [
    { to: to(one), rttMs: 10.5, failing: false, lastFailure: null, disabled: true },
    {
      to: to(other),
      rttMs: 7,
      failing: false,
      lastFailure: { reason: 'refused', at: '2026-01-01T00:01:00.000Z' },
      disabled: false,
    },
  ]);
  rig.forwarder.keep([one.address]);
  assert.deepEqual(
    rig.forwarder.health().map((state) => state.to),
    [to(one)],
  );
});
