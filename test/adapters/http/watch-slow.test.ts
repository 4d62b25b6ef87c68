import assert from 'node:assert/strict';
import { test } from 'node:test';
import { waitUntil } from '../../support/wait-until.ts';
import { changed, heldPicture, idOf, picture, startWatched } from './watch-listener.ts';

/** More than a loopback connection takes while nobody reads. */
const LARGE = 'x'.repeat(1024 * 1024);

test('a client that does not read is cut when what it needs is gone; others are not', async (t) => {
  const watched = await startWatched(t, { eventsMax: 16, eventBytesMax: 64 * LARGE.length });
  const slow = await watched.watch();
  const fast = await watched.watch();
  await slow.has(3);
  await fast.has(3);
  slow.message.pause();
  for (let value = 1; watched.hub.status().closed['behind'] === undefined; value++) {
    assert.ok(value < 64, 'never cut');
    watched.publish(changed('web', LARGE));
    await fast.has(3 + value);
  }
  assert.equal(watched.hub.status().clients, 1);
  slow.message.resume();
  await slow.over();
  assert.equal(slow.message.complete, false);
  const next = fast.events.length + 1;
  watched.publish(changed('web', 'last'));
  assert.equal((await fast.has(next)).at(-1), 'service changed web last');
  const back = await watched.watch('/v1/watch', { 'last-event-id': String(slow.lastId) });
  assert.equal((await back.has(1))[0], 'reset too-old');
});

test('a client that was cut and comes back in time misses nothing', async (t) => {
  const watched = await startWatched(t, { eventsMax: 16 });
  const listener = await watched.watch();
  await listener.has(3);
  const got: string[] = [];
  let lastId = String(listener.lastId);
  listener.leave();
  for (let value = 1; value <= 40; value++) {
    watched.publish(changed('web', value));
    if (value % 10 !== 0) continue;
    const back = await watched.watch('/v1/watch', { 'last-event-id': lastId });
    got.push(...(await back.has(11)).slice(0, 10));
    lastId = String(back.lastId);
    back.leave();
  }
  assert.deepEqual(
    got,
    Array.from({ length: 40 }, (_, index) => `service changed web ${index + 1}`),
  );
});

test('more changes at once than are kept make a new picture on the same connection', async (t) => {
  const watched = await startWatched(t, { eventsMax: 4 });
  const listener = await watched.watch();
  await listener.has(3);
  watched.snapshot = () => Promise.resolve(picture(2, { web: 999 }));
  const burst = Array.from({ length: 1_000 }, (_, value) =>
    changed('web', `${value} ${LARGE.slice(0, 1_000)}`),
  );
  watched.publish(...burst);
  await waitUntil('it is up to date', () => {
    const { told } = listener;
    return told.includes('reset lagging') && told.at(-1) === 'synced';
  });
  const again = listener.told.slice(listener.told.lastIndexOf('reset lagging'));
  assert.deepEqual(again, ['reset lagging', 'service added web 999', 'synced']);
  assert.equal(listener.lastId, idOf(1_001));
  assert.deepEqual(watched.hub.status().closed, {});
});

test('a generation that does not follow the one before makes a new picture for everybody', async (t) => {
  const watched = await startWatched(t);
  const listener = await watched.watch();
  await listener.has(3);
  watched.snapshot = () => Promise.resolve(picture(7, { web: 7 }));
  watched.hub.publish({ generation: 7, previous: 6, events: [changed('web', 7)] });
  assert.deepEqual((await listener.has(6)).slice(3), [
    'reset lagging',
    'service added web 7',
    'synced',
  ]);
  watched.hub.publish({ generation: 8, previous: 7, events: [changed('web', 8)] });
  assert.deepEqual((await listener.has(7)).slice(6), ['service changed web 8']);
  const old = await watched.watch('/v1/watch', { 'last-event-id': idOf(1) });
  assert.equal((await old.has(1))[0], 'reset too-old');
});

test('a picture of a generation that was never published is followed by another one', async (t) => {
  const watched = await startWatched(t);
  watched.snapshot = () => Promise.resolve(picture(2, { web: 'never' }));
  const listener = await watched.watch();
  assert.deepEqual(await listener.has(2), ['reset new', 'service added web never']);
  watched.snapshot = () => Promise.resolve(picture(3, { web: 3 }));
  watched.hub.publish({ generation: 3, previous: 2, events: [changed('web', 3)] });
  assert.deepEqual((await listener.has(5)).slice(2), [
    'reset lagging',
    'service added web 3',
    'synced',
  ]);
});

test('who loses its place again and again while it is given pictures is cut', async (t) => {
  const watched = await startWatched(t, { renewalsMax: 2 });
  let generation = 1;
  watched.snapshot = () => Promise.resolve(picture(1, { web: 0 }));
  const gap = (): void => {
    generation += 2;
    watched.hub.publish({ generation, previous: generation - 1, events: [] });
  };
  const listener = await watched.watch();
  await listener.has(3);
  gap();
  await listener.over();
  assert.equal(watched.asked.length, 1 + 2);
  assert.deepEqual(watched.hub.status().closed, { behind: 1 });
});

test('a client whose new picture cannot be had is cut, so that it comes back', async (t) => {
  const watched = await startWatched(t);
  const listener = await watched.watch();
  await listener.has(3);
  watched.snapshot = () => Promise.reject(new Error('gone'));
  watched.hub.publish({ generation: 9, previous: 8, events: [] });
  await listener.over();
  assert.deepEqual(watched.hub.status().closed, { failed: 1 });
});

test('a client that leaves while its new picture is rendered is forgotten', async (t) => {
  const watched = await startWatched(t);
  const listener = await watched.watch();
  await listener.has(3);
  const { promise, resolve } = heldPicture();
  watched.snapshot = () => promise;
  watched.hub.publish({ generation: 9, previous: 8, events: [] });
  await waitUntil('it is asked for', () => watched.asked.length === 2);
  listener.leave();
  await waitUntil('it left', () => watched.hub.status().clients === 0);
  resolve(picture(9, { web: 9 }));
  await promise;
  assert.equal(watched.clock.pending, 0);
});

test('pictures that nobody reads are bounded for all clients together', async (t) => {
  const watched = await startWatched(t, { snapshotBytesMax: 10 * LARGE.length });
  const many = Object.fromEntries(Array.from({ length: 16 }, (_, n) => [`s${n}`, LARGE]));
  watched.snapshot = () => Promise.resolve(picture(1, many));
  const slow = await watched.watch();
  slow.message.pause();
  assert.equal((await watched.api.get('/v1/watch?kind=service')).status, 503);
  assert.equal(watched.hub.status().clients, 1);
  watched.snapshot = () => Promise.resolve(picture(1, { web: 0 }));
  slow.leave();
  await waitUntil('it left', () => watched.hub.status().clients === 0);
  assert.deepEqual(watched.hub.status().closed, { stalled: 1 });
  assert.deepEqual((await (await watched.watch()).has(3)).at(-1), 'synced');
});

test('a large picture arrives whole at a client that reads slowly', async (t) => {
  const watched = await startWatched(t);
  const many = Object.fromEntries(
    Array.from({ length: 2_000 }, (_, n) => [`s${n}`, LARGE.slice(0, 4_000)]),
  );
  watched.snapshot = () => Promise.resolve(picture(1, many));
  const slow = await watched.watch();
  slow.message.pause();
  watched.publish(changed('s0', 1));
  watched.clock.advance(60_000);
  slow.message.resume();
  const told = await slow.has(2_003);
  assert.deepEqual(
    slow.events.slice(1, 2_001).map(({ data }) => (data as { name: string }).name),
    Object.keys(many),
  );
  assert.deepEqual(told.slice(2_001), ['service changed s0 1', 'synced']);
});

test('a client that reads nothing for too long is cut, changes or not', async (t) => {
  const watched = await startWatched(t, {}, { stallTimeoutMs: 200 });
  const many = Object.fromEntries(Array.from({ length: 16 }, (_, n) => [`s${n}`, LARGE]));
  watched.snapshot = () => Promise.resolve(picture(1, many));
  const slow = await watched.watch();
  slow.message.pause();
  await waitUntil('it is cut', () => {
    watched.clock.advance(15_000);
    return watched.hub.status().clients === 0;
  });
  assert.deepEqual(watched.hub.status().closed, { stalled: 1 });
});

test('a client that leaves while it waits for its first picture leaves nothing behind', async (t) => {
  const watched = await startWatched(t, { clientsMax: 1, snapshotBytesMax: 1 });
  const { promise, resolve } = heldPicture();
  watched.snapshot = () => promise;
  const socket = await watched.api.connect();
  socket.write('GET /v1/watch HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
  await waitUntil('it waits', () => watched.asked.length === 1);
  socket.destroy();
  // Another request shows that the server has seen the first one go.
  assert.equal((await watched.api.get('/healthz')).status, 200);
  resolve(picture(1, { web: 0 }));
  await waitUntil('its place is free', () => !watched.hub.isWatched);
  assert.deepEqual(await (await watched.watch()).has(3), [
    'reset new',
    'service added web 0',
    'synced',
  ]);
  assert.deepEqual(watched.api.logged, []);
});

test('who begins while somebody reads the same picture gets that one, and the changes since', async (t) => {
  const watched = await startWatched(t, { eventsMax: 2 });
  const many = Object.fromEntries(Array.from({ length: 16 }, (_, n) => [`s${n}`, LARGE]));
  watched.snapshot = () => Promise.resolve(picture(1, many));
  const slow = await watched.watch();
  slow.message.pause();
  watched.publish(changed('s0', 1));
  const second = await watched.watch();
  const told = await second.has(19);
  assert.deepEqual(told.slice(-2), ['service changed s0 1', 'synced']);
  assert.equal(watched.asked.length, 1);
  watched.publish(changed('s0', 2), changed('s0', 3));
  // Changes since then are not kept any more.
  watched.snapshot = () => Promise.resolve(picture(3, { s0: 3 }));
  assert.deepEqual(await (await watched.watch()).has(3), [
    'reset new',
    'service added s0 3',
    'synced',
  ]);
  assert.equal(watched.asked.length, 2);
});
