import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { readToEnd, startApi } from './test-api.ts';
import type { TestApi } from './test-api.ts';

const MIB = 1024 * 1024;

/** More than the socket buffers of both sides take. */
const LARGE = `"${'x'.repeat(16 * MIB)}"`;

const asking = (path: string, times = 1): string =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`.repeat(times);

async function until(condition: () => boolean): Promise<void> {
  const deadline = AbortSignal.timeout(10_000);
  while (!condition()) {
    deadline.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A client that sends `wire` and reads nothing. */
async function nonReader(api: TestApi, wire: string): Promise<Socket> {
  const socket = await api.connect();
  socket.on('error', () => undefined);
  socket.pause();
  socket.write(wire);
  return socket;
}

const EMPTY = { requests: 0, bytes: 0 };

test('a client that pipelines whole zones and does not read holds one copy for all of them', async (t) => {
  const api = await startApi(t);
  api.source.view = () => Promise.resolve(LARGE);
  const before = process.memoryUsage().arrayBuffers;
  const socket = await nonReader(api, asking('/v1/axfr', 8));
  await until(() => api.server.backlog().bytes > 0);
  assert.deepEqual(api.server.backlog(), { requests: 8, bytes: LARGE.length });
  const taken = process.memoryUsage().arrayBuffers - before;
  assert.ok(taken < 2 * LARGE.length, `${taken} bytes`);
  assert.equal((await api.get('/healthz')).body, 'ok');
  socket.destroy();
  await until(() => api.server.backlog().requests === 0);
  assert.deepEqual(api.server.backlog(), EMPTY);
});

test('a client that pipelines more requests than its share is cut, and nothing of it is kept', async (t) => {
  const api = await startApi(t);
  api.source.view = () => Promise.resolve(LARGE);
  const socket = await nonReader(api, asking('/v1/axfr', 900));
  let received = 0;
  socket.on('data', (chunk) => (received += chunk.length)).resume();
  await once(socket, 'close');
  assert.equal(received, 0);
  await until(() => api.server.backlog().requests === 0);
  assert.deepEqual(api.server.backlog(), EMPTY);
  assert.equal((await api.get('/v1/axfr')).body, LARGE);
});

test('large answers beyond the limit are 503, while small ones and shared ones are sent', async (t) => {
  const api = await startApi(t, { undeliveredBytesMax: 40 * MIB });
  const release: (() => void)[] = [];
  api.source.view = ({ kind }) =>
    new Promise((resolve) => {
      const finish = (): void => resolve(LARGE);
      if (kind === 'enumerate') release.push(finish);
      else finish();
    });
  const sockets = [
    await nonReader(api, asking('/v1/axfr')),
    await nonReader(api, asking('/v1/records')),
  ];
  await until(() => api.server.backlog().bytes === 2 * LARGE.length);

  const refused = await api.get('/v1/rejections');
  assert.equal(refused.status, 503);
  assert.equal(refused.headers['retry-after'], '1');
  assert.equal((JSON.parse(refused.body) as { error: { code: string } }).error.code, 'busy');
  for (const path of ['/healthz', '/readyz', '/metrics', '/v1/status', '/v1/hosts/web.mesos']) {
    assert.equal((await api.get(path)).status, 200, path);
  }

  sockets.shift()?.destroy();
  await until(() => api.server.backlog().bytes === LARGE.length);
  sockets.push(await nonReader(api, asking('/v1/enumerate')));
  const shared = api.get('/v1/enumerate');
  await until(() => api.server.backlog().requests === 3);
  for (const finish of release) finish();
  assert.equal((await shared).body, LARGE);
  assert.equal(api.server.backlog().bytes, 2 * LARGE.length);

  for (const socket of sockets) socket.destroy();
  await until(() => api.server.backlog().requests === 0);
  assert.deepEqual(api.server.backlog(), EMPTY);
});

test('an answer larger than the limit goes out alone', async (t) => {
  const api = await startApi(t, { undeliveredBytesMax: MIB });
  api.source.view = () => Promise.resolve(LARGE);
  assert.equal((await api.get('/v1/axfr')).body, LARGE);
  await until(() => api.server.backlog().requests === 0);
  const socket = await nonReader(api, asking('/v1/axfr'));
  await until(() => api.server.backlog().bytes === LARGE.length);
  assert.equal((await api.get('/v1/axfr')).status, 503);
  socket.destroy();
  await until(() => api.server.backlog().requests === 0);
  assert.equal((await api.get('/v1/axfr')).body, LARGE);
});

test('nothing is counted for a client that has gone while its view was rendered', async (t) => {
  const api = await startApi(t);
  const release: (() => void)[] = [];
  api.source.view = () => new Promise((resolve) => release.push(() => resolve(LARGE)));
  const socket = await nonReader(api, asking('/v1/axfr', 3));
  await until(() => release.length > 0);
  assert.deepEqual(api.server.backlog(), { requests: 3, bytes: 0 });
  socket.destroy();
  await until(() => api.server.backlog().requests === 0);
  for (const finish of release) finish();
  assert.equal((await api.get('/healthz')).body, 'ok');
  assert.deepEqual(api.server.backlog().bytes, 0);
});

test('a connection that reads its answers may go on asking past its share in flight', async (t) => {
  const api = await startApi(t, { requestsInFlightMax: 2 });
  const socket = await api.connect();
  for (let round = 0; round < 10; round += 1) {
    socket.write(asking('/healthz'));
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    assert.match(chunk.toString('latin1'), /^HTTP\/1\.1 200 /);
  }
  const answer = readToEnd(socket);
  socket.write(asking('/healthz', 3));
  assert.equal(await answer, '');
});
