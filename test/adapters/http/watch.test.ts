import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DaemonError } from '../../../src/core/base/daemon-error.ts';
import { waitUntil } from '../../support/wait-until.ts';
import { CONFIG, startApi } from './test-api.ts';
import { changed, EPOCH, heldPicture, idOf, picture, startWatched } from './watch-listener.ts';

const codeOf = (body: string): string =>
  (JSON.parse(body) as { error: { code: string } }).error.code;

const BEGINNING = ['reset new', 'service added web 0', 'synced'];

test('who begins gets a reset, a whole picture, and then changes with ids as they come', async (t) => {
  const watched = await startWatched(t);
  const listener = await watched.watch();
  const { statusCode, headers } = listener.message;
  assert.equal(statusCode, 200);
  assert.equal(headers['content-type'], 'text/event-stream');
  assert.equal(headers['cache-control'], 'no-store');
  assert.equal(headers['x-accel-buffering'], 'no');
  assert.deepEqual(await listener.has(3), BEGINNING);
  assert.equal(listener.retry, '2000');
  watched.publish(changed('web', 1), changed('db', 1, 'vip'));
  watched.publish();
  watched.publish(changed('web', 2));
  assert.deepEqual((await listener.has(6)).slice(3), [
    'service changed web 1',
    'vip changed db 1',
    'service changed web 2',
  ]);
  const ids = listener.events.map(({ id }) => id);
  assert.deepEqual(ids, ['', null, idOf(1), idOf(2), idOf(3), idOf(4)]);
  assert.deepEqual(watched.asked, [{ kind: null, name: null }]);
  assert.equal(watched.hub.status().clients, 1);
});

test('changes that a picture has already are not told again, however early it comes', async (t) => {
  const watched = await startWatched(t);
  // The worker has built generation 2, which is not in service yet.
  watched.snapshot = () => Promise.resolve(picture(2, { web: 1 }));
  const listener = await watched.watch();
  assert.deepEqual(await listener.has(2), ['reset new', 'service added web 1']);
  watched.publish(changed('web', 1));
  watched.publish(changed('web', 2));
  assert.deepEqual(await listener.has(4), [
    'reset new',
    'service added web 1',
    'synced',
    'service changed web 2',
  ]);
});

test('changes that a picture has not yet are told after it, however late it comes', async (t) => {
  const watched = await startWatched(t);
  watched.snapshot = () => {
    // In service before the picture arrives.
    watched.publish(changed('web', 1));
    watched.publish(changed('web', 2));
    return Promise.resolve(picture(2, { web: 1 }));
  };
  const listener = await watched.watch();
  assert.deepEqual(await listener.has(4), [
    'reset new',
    'service added web 1',
    'service changed web 2',
    'synced',
  ]);
});

test('who comes back with its last id gets what it missed, and nothing else', async (t) => {
  const watched = await startWatched(t);
  const first = await watched.watch();
  await first.has(3);
  watched.publish(changed('web', 1));
  await first.has(4);
  const lastId = String(first.lastId);
  first.leave();
  watched.publish(changed('web', 2), changed('db', 1));
  watched.publish(changed('web', 3));
  const missed = [
    'service changed web 2',
    'service changed db 1',
    'service changed web 3',
    'synced',
  ];
  const headers = { 'last-event-id': lastId };
  assert.deepEqual(await (await watched.watch('/v1/watch', headers)).has(4), missed);
  assert.deepEqual(await (await watched.watch(`/v1/watch?since=${lastId}`)).has(4), missed);
  const both = await watched.watch(`/v1/watch?since=${idOf(1)}`, { 'last-event-id': idOf(5) });
  assert.deepEqual(await both.has(1), ['synced'], 'the header goes before the URL');
  assert.equal(watched.asked.length, 1);
});

test('an id that is too old, of another process, or none at all begins anew', async (t) => {
  const watched = await startWatched(t, { eventsMax: 2 });
  for (let value = 1; value <= 4; value++) watched.publish(changed('web', value));
  const reasons: readonly (readonly [string, string])[] = [
    [idOf(2), 'too-old'],
    [idOf(0), 'too-old'],
    [idOf(6), 'unknown-id'],
    [idOf(999_999_999_999_999), 'unknown-id'],
    ['fedcba9876543210-5', 'unknown-id'],
    ['-', 'unknown-id'],
    [EPOCH, 'unknown-id'],
    [`${EPOCH}-`, 'unknown-id'],
    [`${EPOCH}--1`, 'unknown-id'],
    [`${EPOCH}-05`, 'unknown-id'],
    [`${EPOCH}-5 `.repeat(500), 'unknown-id'],
    [`${EPOCH}-1e0`, 'unknown-id'],
    ['\u00ff\u00fe', 'unknown-id'],
    ['', 'new'],
  ];
  for (const [id, reason] of reasons) {
    const listener = await watched.watch('/v1/watch', { 'last-event-id': id });
    const [reset] = await listener.has(3);
    assert.equal(reset, `reset ${reason}`, id);
    listener.leave();
  }
  const kept = await watched.watch('/v1/watch', { 'last-event-id': idOf(3) });
  assert.deepEqual(await kept.has(3), ['service changed web 3', 'service changed web 4', 'synced']);
});

test('a filter leaves out everything else, and ids go on all the same', async (t) => {
  const watched = await startWatched(t);
  const listeners = await Promise.all([
    watched.watch('/v1/watch?kind=vip'),
    watched.watch('/v1/watch?service=Web.Marathon'),
    watched.watch('/v1/watch?service=web.marathon&kind=vip'),
  ]);
  for (const listener of listeners) await listener.has(3);
  assert.deepEqual(watched.asked, [
    { kind: 'vip', name: null },
    { kind: null, name: 'web.marathon' },
    { kind: 'vip', name: 'web.marathon' },
  ]);
  watched.publish(
    changed('web.marathon', 1),
    changed('db.marathon', 1, 'vip'),
    changed('db.marathon', 1),
    changed('web.marathon', 2, 'vip'),
    changed('db.marathon', 2),
  );
  const [vips, web, webVip] = listeners;
  assert.deepEqual((await vips.has(5)).slice(3), [
    'vip changed db.marathon 1',
    'vip changed web.marathon 2',
  ]);
  assert.deepEqual((await web.has(5)).slice(3), [
    'service changed web.marathon 1',
    'vip changed web.marathon 2',
  ]);
  assert.deepEqual((await webVip.has(4)).slice(3), ['vip changed web.marathon 2']);
  watched.clock.advance(15_000);
  await waitUntil('heartbeats', () => listeners.every(({ comments }) => comments.length === 1));
  for (const { comments } of listeners) assert.deepEqual(comments, [`: heartbeat\nid: ${idOf(6)}`]);
});

test('parameters that make no sense are 400 and ask for nothing', async (t) => {
  const { api, asked } = await startWatched(t);
  for (const query of ['kind=', 'kind=task', 'kind=VIP', 'service=', 'kind=vip&service=']) {
    const reply = await api.get(`/v1/watch?${query}`);
    assert.deepEqual([reply.status, codeOf(reply.body)], [400, 'bad-parameter'], query);
  }
  assert.deepEqual(asked, []);
});

test('HEAD says what GET would and watches nothing; other methods are 405', async (t) => {
  const { api, asked, hub } = await startWatched(t);
  const head = await api.request('HEAD', '/v1/watch');
  assert.deepEqual([head.status, head.body], [200, '']);
  assert.equal(head.headers['content-type'], 'text/event-stream');
  assert.equal(head.headers['x-accel-buffering'], 'no');
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
    const reply = await api.request(method, '/v1/watch');
    assert.deepEqual([reply.status, reply.headers.allow], [405, 'GET, HEAD, OPTIONS'], method);
  }
  assert.equal((await api.request('OPTIONS', '/v1/watch')).status, 204);
  assert.deepEqual(asked, []);
  assert.deepEqual(hub.status(), { clients: 0, events: 0, closed: {} });
});

test('watching is turned off with the other lists of names, and absent without a hub', async (t) => {
  const { api } = await startWatched(t);
  const enumeration = false;
  api.source.current.config = { ...CONFIG, http: { ...CONFIG.http, enumeration } };
  assert.equal((await api.get('/v1/watch')).status, 404);
  const without = await (await startApi(t)).get('/v1/watch');
  assert.deepEqual([without.status, codeOf(without.body)], [404, 'watch-off']);
});

test('no more clients than may watch; one that leaves makes room', async (t) => {
  const watched = await startWatched(t, { clientsMax: 2 });
  const first = await watched.watch();
  await watched.watch();
  const refused = await watched.api.get('/v1/watch');
  assert.deepEqual([refused.status, codeOf(refused.body)], [503, 'busy']);
  assert.ok(Number(refused.headers['retry-after']) > 0);
  assert.equal((await watched.api.get('/healthz')).status, 200);
  first.leave();
  await waitUntil('one left', () => watched.hub.status().clients === 1);
  assert.deepEqual(await (await watched.watch()).has(3), BEGINNING);
});

test('clients that wait for their picture take their places', async (t) => {
  const watched = await startWatched(t, { clientsMax: 2 });
  const { promise, resolve } = heldPicture();
  watched.snapshot = () => promise;
  const first = watched.watch();
  await waitUntil('the first waits', () => watched.asked.length === 1);
  const second = watched.watch('/v1/watch?kind=service');
  await waitUntil('the second waits', () => watched.asked.length === 2);
  assert.equal((await watched.api.get('/v1/watch')).status, 503);
  assert.deepEqual([watched.hub.isWatched, watched.hub.status().clients], [true, 0]);
  resolve(picture(1, { web: 0 }));
  assert.deepEqual(await (await first).has(3), BEGINNING);
  assert.deepEqual(await (await second).has(3), BEGINNING);
});

test('a picture that cannot be had is 503 with the reason, and takes no place', async (t) => {
  const watched = await startWatched(t, { clientsMax: 1, viewTimeoutMs: 20 });
  watched.snapshot = () => Promise.reject(new DaemonError('worker-failed', 'no state yet'));
  const failed = await watched.api.get('/v1/watch');
  assert.deepEqual([failed.status, codeOf(failed.body)], [503, 'worker-failed']);
  const { promise, resolve } = heldPicture();
  watched.snapshot = () => promise;
  const late = await watched.api.get('/v1/watch');
  assert.deepEqual([late.status, codeOf(late.body)], [503, 'timeout']);
  resolve(picture(1, {}));
  watched.snapshot = () => Promise.resolve(picture(1, { web: 0 }));
  await waitUntil('the rendering has ended', async () => {
    const listener = await watched.watch();
    return listener.message.statusCode === 200;
  });
});

test('heartbeats come by the clock while somebody watches, and never else', async (t) => {
  const watched = await startWatched(t);
  assert.equal(watched.clock.pending, 0);
  const listener = await watched.watch();
  await listener.has(3);
  for (let count = 1; count <= 3; count++) {
    watched.clock.advance(14_999);
    watched.clock.advance(1);
    await waitUntil('a heartbeat', () => listener.comments.length === count);
  }
  assert.equal(watched.clock.pending, 1);
  listener.leave();
  await waitUntil('it left', () => watched.hub.status().clients === 0);
  assert.equal(watched.clock.pending, 0);
  assert.deepEqual(watched.hub.status().closed, { left: 1 });
});

test('changes have a reader while somebody watches, and a while longer', async (t) => {
  const watched = await startWatched(t, { lingerMs: 1_000 });
  const { clock, hub } = watched;
  assert.equal(hub.isWatched, false);
  const listener = await watched.watch();
  assert.equal(hub.isWatched, true);
  listener.leave();
  await waitUntil('it left', () => hub.status().clients === 0);
  assert.equal(hub.isWatched, true);
  clock.advance(1_000);
  assert.equal(hub.isWatched, false);
});

test('closing the server ends every stream in good order and lets nobody begin', async (t) => {
  const watched = await startWatched(t);
  const listeners = await Promise.all([watched.watch(), watched.watch('/v1/watch?kind=vip')]);
  for (const listener of listeners) await listener.has(3);
  watched.publish(changed('web', 1));
  await watched.api.server.close(60_000);
  for (const listener of listeners) {
    await listener.over();
    assert.equal(listener.message.complete, true, 'not cut');
  }
  assert.deepEqual(listeners[0].told.slice(3), ['service changed web 1']);
  assert.equal(watched.clock.pending, 0);
  assert.deepEqual(watched.hub.status(), { clients: 0, events: 1, closed: { stopping: 2 } });
  const admitted = await watched.hub.admit({ kind: null, name: null }, null);
  assert.deepEqual(admitted.ok || admitted.error.code, 'stopping');
  watched.publish(changed('web', 2));
});

test('who waits for its picture when the server closes is let go', async (t) => {
  const watched = await startWatched(t);
  const { promise, resolve } = heldPicture();
  t.after(() => resolve(''));
  watched.snapshot = () => promise;
  const reply = watched.api.get('/v1/watch');
  await waitUntil('it waits', () => watched.asked.length === 1);
  await watched.api.server.close(60_000);
  assert.deepEqual([(await reply).status, codeOf((await reply).body)], [503, 'stopping']);
});
