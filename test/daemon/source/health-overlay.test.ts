import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ALIVE,
  app,
  appTask,
  deploying,
  FAILED,
  UNKNOWN,
} from '../../core/marathon/marathon-apps.ts';
import { appsBody, bodyOf, OverlayRig, unreachable } from './scripted-marathon.ts';
import { settled } from './scripted-streams.ts';

const MINUTE = 60_000;

/** An overlay that has been told of a task that is alive and one that is not. */
async function told(): Promise<OverlayRig> {
  const rig = new OverlayRig();
  rig.start();
  await rig.answer(appsBody({ a: ALIVE, b: FAILED }));
  return rig;
}

/** Lets every request fail, for so long; answers what is asked meanwhile. */
async function failFor(rig: OverlayRig, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 500) {
    rig.clock.advance(500);
    await rig.fail();
  }
}

test('before the start there is nothing, and nothing is asked', () => {
  const { overlay, requests, buses, clock } = new OverlayRig();
  assert.deepEqual(overlay.status(), {
    state: 'off',
    reason: null,
    instance: null,
    tasks: 0,
    unhealthy: 0,
    notReady: 0,
    lastSuccessAt: null,
    consecutiveFailures: 0,
    fetches: 0,
    rejections: 0,
    bus: 'off',
    events: 0,
  });
  assert.equal(requests.length + buses.length + clock.pending, 0);
});

test('Marathon is asked at the start, and what it says counts', async () => {
  const rig = new OverlayRig();
  rig.start();
  rig.overlay.start();
  assert.equal(rig.requests.length, 1);
  assert.equal(rig.overlay.status().state, 'away');
  assert.deepEqual(rig.changes, []);
  await rig.answer(appsBody({ a: ALIVE, b: FAILED }));
  assert.deepEqual(rig.changes, [{ a: 'healthy', b: 'unhealthy' }]);
  const { state, reason, instance, tasks, unhealthy, notReady, lastSuccessAt } =
    rig.overlay.status();
  assert.deepEqual(
    { state, reason, instance, tasks, unhealthy, notReady, lastSuccessAt },
    {
      state: 'ok',
      reason: null,
      instance: '10.0.0.9:8080',
      tasks: 2,
      unhealthy: 1,
      notReady: 0,
      lastSuccessAt: '2026-01-01T00:00:00.000Z',
    },
  );
  assert.equal(rig.events('marathon-health').length, 1);
});

test('it is asked again every 30 s, and only what has changed is told', async () => {
  const rig = await told();
  assert.equal(rig.untilNext(), 30_000);
  await rig.answer(appsBody({ b: FAILED, a: ALIVE }));
  assert.equal(rig.changes.length, 1);
  assert.equal(rig.untilNext(), 30_000);
  await rig.answer(appsBody({ a: FAILED, b: FAILED }));
  assert.deepEqual(rig.changes.at(-1), { a: 'unhealthy', b: 'unhealthy' });
  assert.equal(rig.events('marathon-health').length, 1);
});

test('while tasks are not ready it is asked every 5 s, as no event says that they are', async () => {
  const rig = new OverlayRig();
  rig.start();
  const deployment = (ready: boolean): string =>
    JSON.stringify({ apps: [app([appTask('a', [])], deploying(['a', ready]))] });
  await rig.answer(bodyOf(deployment(false)));
  assert.equal(rig.overlay.status().notReady, 1);
  assert.equal(rig.untilNext(), 5_000);
  await rig.answer(bodyOf(deployment(true)));
  assert.equal(rig.untilNext(), 30_000);
});

// Events

test('events make it ask again, once for several that come together', async () => {
  const rig = await told();
  rig.clock.advance(10_000);
  rig.openBus();
  assert.equal(rig.untilNext(), 100);
  await rig.answer(appsBody({ a: ALIVE }));
  rig.clock.advance(10_000);
  rig.send('status_update_event', 'instance_health_changed_event');
  rig.clock.advance(50);
  rig.send('deployment_info');
  assert.equal(rig.untilNext(), 50);
  await rig.answer(appsBody({ a: ALIVE }));
  assert.equal(rig.untilNext(), 30_000);
  assert.equal(rig.overlay.status().events, 3);
  assert.equal(rig.overlay.status().bus, 'following');
});

test('events that say nothing about health change nothing', async () => {
  const rig = await told();
  rig.openBus();
  rig.clock.advance(10_000);
  await rig.answer(appsBody({ a: ALIVE }));
  rig.send('event_stream_attached', 'api_post_event', 'message');
  assert.equal(rig.untilNext(), 30_000);
});

test('however many events come, it is asked every 2 s at most', async () => {
  const rig = await told();
  const asked = rig.requests.length;
  rig.openBus();
  for (let ms = 0; ms < 20_000; ms += 50) {
    rig.send('status_update_event');
    rig.clock.advance(50);
    await rig.answer(appsBody({ a: ALIVE }));
  }
  assert.equal(rig.requests.length - asked, 10);
});

test('a Marathon that takes long to answer is asked less', async () => {
  const rig = new OverlayRig();
  rig.start();
  rig.openBus();
  rig.clock.advance(2_500);
  await rig.answer(appsBody({ a: ALIVE }));
  // 25 s after the last request began.
  assert.equal(rig.untilNext(), 22_500);
});

test('an event while it is being asked makes it ask again', async () => {
  const rig = await told();
  rig.openBus();
  rig.clock.advance(2_000);
  assert.equal(rig.requests.length, 2);
  rig.send('status_update_event');
  rig.clock.advance(MINUTE);
  assert.equal(rig.requests.length, 2, 'one request at a time');
  await rig.answer(appsBody({ a: ALIVE }));
  rig.clock.advance(MINUTE);
  assert.equal(rig.requests.length, 3);
});

test('a bus that ends is followed again, ever later, and what was missed is asked for', async () => {
  const rig = await told();
  const delays: number[] = [];
  for (let i = 0; i < 8; i++) {
    await rig.endBus();
    assert.equal(rig.overlay.status().bus, 'waiting');
    const [begun, start] = [rig.buses.length, rig.clock.monotonic()];
    while (rig.buses.length === begun) rig.clock.advance(10);
    delays.push(rig.clock.monotonic() - start);
    await rig.answer(appsBody({ a: ALIVE, b: FAILED }));
  }
  // Half of 1 s, 2 s, … 60 s, as random numbers are 0.
  assert.deepEqual(delays, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
  assert.equal(rig.events('marathon-events-ended').length, 4);
  rig.openBus();
  assert.ok(rig.untilNext() <= 2_100);
  await rig.answer(appsBody({ a: ALIVE, b: FAILED }));
  rig.clock.advance(2 * MINUTE);
  await rig.endBus();
  const begun = rig.buses.length;
  rig.clock.advance(500);
  assert.equal(rig.buses.length, begun + 1, 'after a good one it is soon');
});

// Trouble

test('when Marathon does not answer, its last answer counts for 5 minutes, and no longer', async () => {
  const rig = await told();
  await failFor(rig, 5 * MINUTE - 500);
  assert.equal(rig.changes.length, 1);
  const { state, reason, consecutiveFailures, tasks } = rig.overlay.status();
  assert.equal(state, 'stale');
  assert.match(reason ?? '', /connection refused/);
  assert.ok(consecutiveFailures > 10);
  assert.equal(tasks, 2);
  await failFor(rig, 500);
  assert.deepEqual(rig.changes.at(-1), {});
  assert.equal(rig.overlay.status().state, 'away');
  assert.equal(rig.overlay.status().tasks, 0);
  assert.equal(rig.events('marathon-health-dropped').length, 1);
  await failFor(rig, 20 * MINUTE);
  assert.equal(rig.changes.length, 2);
});

test('a Marathon that hangs is given up as one that does not answer', async () => {
  const rig = await told();
  rig.clock.advance(5 * MINUTE);
  assert.equal(rig.requests.length, 2);
  assert.equal(rig.overlay.status().state, 'away');
  assert.equal(rig.overlay.status().reason, 'Marathon does not answer');
  assert.deepEqual(rig.changes.at(-1), {});
});

test('it is asked again ever later, up to 30 s, and logged ever less', async () => {
  const rig = await told();
  rig.untilNext();
  const delays: number[] = [];
  for (let i = 0; i < 8; i++) {
    await rig.fail();
    delays.push(rig.untilNext());
  }
  assert.deepEqual(delays, [500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000]);
  const logged = rig.events('marathon-health-failed');
  assert.deepEqual(
    logged.map(({ code, failures }) => [code, failures]),
    [1, 2, 4, 8].map((failures) => ['marathon-unreachable', failures]),
  );
});

test('when Marathon is back everything counts again, and is told', async () => {
  const rig = await told();
  await failFor(rig, 6 * MINUTE);
  rig.untilNext();
  await rig.answer(appsBody({ a: ALIVE, b: FAILED }));
  assert.deepEqual(rig.changes, [
    { a: 'healthy', b: 'unhealthy' },
    {},
    { a: 'healthy', b: 'unhealthy' },
  ]);
  assert.equal(rig.overlay.status().state, 'ok');
  assert.equal(rig.overlay.status().consecutiveFailures, 0);
  assert.equal(rig.events('marathon-health').length, 2);
});

test('a new leader of Marathon that knows no result yet takes health from nobody', async () => {
  const rig = await told();
  await failFor(rig, 10 * MINUTE);
  rig.untilNext();
  await rig.answer(appsBody({ a: UNKNOWN, b: UNKNOWN }));
  assert.deepEqual(rig.changes.at(-1), { a: 'healthy', b: 'unhealthy' });
});

for (const [what, body] of [
  ['no JSON', bodyOf('<html>')],
  ['no apps', bodyOf('{}')],
] as const) {
  test(`an answer with ${what} is no answer`, async () => {
    const rig = await told();
    rig.untilNext();
    await rig.answer(body);
    assert.equal(rig.changes.length, 1);
    assert.equal(rig.overlay.status().state, 'stale');
    assert.equal(rig.events('marathon-health-failed')[0]?.['code'], 'marathon-invalid');
  });
}

test('parts of an answer that make no sense are counted', async () => {
  const rig = new OverlayRig();
  rig.start();
  await rig.answer(bodyOf('{"apps":[1,2]}'));
  assert.equal(rig.overlay.status().state, 'ok');
  assert.equal(rig.overlay.status().rejections, 2);
});

test('a reader that fails is as bad as no answer', async () => {
  const rig = new OverlayRig(() => Promise.reject(unreachable()));
  rig.start();
  await rig.answer(appsBody({ a: ALIVE }));
  assert.equal(rig.overlay.status().state, 'away');
  assert.equal(rig.untilNext(), 500);
});

// The end

test('after the end nothing is asked, told or waited for', async () => {
  const rig = await told();
  rig.openBus();
  rig.clock.advance(2_000);
  const before = rig.requests.length;
  assert.equal(before, 2, 'a request is under way');
  await rig.overlay.stop();
  await settled();
  assert.ok(rig.requests.every(({ signal }) => signal.aborted));
  assert.ok(rig.buses.every(({ signal }) => signal.aborted));
  assert.equal(rig.clock.pending, 0);
  assert.equal(rig.overlay.status().state, 'off');
  assert.equal(rig.overlay.status().bus, 'off');
  rig.send('status_update_event');
  rig.overlay.start();
  rig.clock.advance(10 * MINUTE);
  assert.equal(rig.requests.length, before);
  assert.equal(rig.changes.length, 1);
});

test('it can end between requests, and before it has begun', async () => {
  const rig = await told();
  await rig.endBus();
  await rig.overlay.stop();
  assert.equal(rig.clock.pending, 0);
  const unused = new OverlayRig();
  await unused.overlay.stop();
  unused.overlay.start();
  assert.equal(unused.requests.length + unused.clock.pending, 0);
});

test('an answer that comes after the end is dropped', async () => {
  let read = (): void => undefined;
  const rig = new OverlayRig(
    () =>
      new Promise((resolve) => {
        read = () =>
          resolve({ ok: true, value: { health: new Map([['a', 'healthy']]), rejections: 0 } });
      }),
  );
  rig.start();
  await rig.answer(appsBody({ a: ALIVE }));
  const stopped = rig.overlay.stop();
  read();
  await stopped;
  assert.deepEqual(rig.changes, []);
  assert.equal(rig.clock.pending, 0);
});
