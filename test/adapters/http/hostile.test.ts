import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { readToEnd, startApi } from './test-api.ts';

test('a request target of more than 4 KiB is 414, one of 4 KiB is looked at', async (t) => {
  const api = await startApi(t);
  const path = (length: number): string => `/v1/hosts/${'a'.repeat(length - '/v1/hosts/'.length)}`;
  assert.equal((await api.get(path(4096))).status, 200);
  assert.equal((await api.get(path(4097))).status, 414);
  assert.equal((await api.get(`/nope?${'x'.repeat(5000)}`)).status, 414);
});

test('a request target of 100 KiB is refused before it is read to its end', async (t) => {
  const api = await startApi(t);
  const socket = await api.connect();
  const answer = readToEnd(socket);
  socket.write(`GET /v1/hosts/${'a'.repeat(100_000)} HTTP/1.1\r\nHost: x\r\n\r\n`);
  assert.match(await answer, /^HTTP\/1\.1 431 /);
});

test('10,000 headers are 431', async (t) => {
  const api = await startApi(t);
  const socket = await api.connect();
  const answer = readToEnd(socket);
  const headers = Array.from({ length: 10_000 }, (_, index) => `X-${index}: y\r\n`).join('');
  socket.write(`GET /healthz HTTP/1.1\r\nHost: x\r\n${headers}\r\n`);
  assert.match(await answer, /^HTTP\/1\.1 431 Request Header Fields Too Large\r\n/);
  assert.deepEqual(api.counted, ['other 431']);
  assert.equal((await api.get('/healthz')).status, 200);
});

test('a client that trickles its header is cut with 408', async (t) => {
  const api = await startApi(t, { headersTimeoutMs: 60, checkIntervalMs: 10 });
  const socket = await api.connect();
  const answer = readToEnd(socket);
  socket.write('GET /healthz HTTP/1.1\r\nX-Slow: ');
  const trickle = setInterval(() => socket.write('a'), 5);
  t.after(() => clearInterval(trickle));
  assert.match(await answer, /^HTTP\/1\.1 408 /);
});

test('a client that sends nothing at all is cut too', async (t) => {
  const api = await startApi(t, { headersTimeoutMs: 60, checkIntervalMs: 10 });
  const socket = await api.connect();
  assert.match(await readToEnd(socket), /^HTTP\/1\.1 408 /);
});

test('a body that never ends is cut after its answer', async (t) => {
  const api = await startApi(t, {
    headersTimeoutMs: 60,
    requestTimeoutMs: 60,
    checkIntervalMs: 10,
  });
  const socket = await api.connect();
  const answer = readToEnd(socket);
  socket.write('POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nab');
  assert.match(await answer, /^HTTP\/1\.1 405 /);
});

test('pipelined requests are answered in order', async (t) => {
  const api = await startApi(t);
  const socket = await api.connect();
  const answer = readToEnd(socket);
  const paths = ['/v1/axfr', '/v1/version', '/nope', '//v1', '/v1/hosts/%zz', '/healthz'];
  const requests = paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
  socket.write(`${requests.join('')}GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  const statuses = [...(await answer).matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, status]) => status);
  assert.deepEqual(statuses, ['200', '200', '404', '301', '400', '200', '200']);
});

test('one connection is not answered more than its share of requests', async (t) => {
  const api = await startApi(t, { requestsPerConnectionMax: 5, keepAliveTimeoutMs: 50 });
  const socket = await api.connect();
  const answer = readToEnd(socket);
  socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(500));
  const answered = [...(await answer).matchAll(/HTTP\/1\.1 200 /g)].length;
  assert.equal(answered, 5);
});

test('garbage behind a request that is still being answered is not taken for its answer', async (t) => {
  const api = await startApi(t);
  let finish: (text: string) => void = () => undefined;
  const asked = new Promise<void>((resolve) => {
    api.source.view = () => {
      resolve();
      return new Promise((answer) => (finish = answer));
    };
  });
  const socket = await api.connect();
  const answer = readToEnd(socket);
  socket.write('GET /v1/axfr HTTP/1.1\r\nHost: x\r\n\r\n');
  await asked;
  socket.write('\0\0\0 garbage\r\n\r\n');
  assert.equal(await answer, '');
  finish('{}');
});

test('bytes that are not HTTP are 400 and end the connection', async (t) => {
  const api = await startApi(t);
  const wires = [
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'GET /healthz HTTP/1.1\r\n\r\n',
    'GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
    'GET /healthz HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n',
  ];
  for (const wire of wires) {
    const socket = await api.connect();
    const answer = readToEnd(socket);
    socket.write(Buffer.from(wire, 'latin1'));
    assert.match(await answer, /^HTTP\/1\.1 400 /, JSON.stringify(wire));
  }
});

test('requests in absolute form, as proxies send them, reach their route', async (t) => {
  const api = await startApi(t);
  for (const target of ['http://ours.example:8123/healthz', 'HTTP://x/healthz?a=1']) {
    assert.equal((await api.get(target)).body, 'ok', target);
  }
  assert.match((await api.get('http://ours.example')).body, /<!doctype html>/);
});

test('CONNECT and upgrades lead nowhere', async (t) => {
  const api = await startApi(t);
  const socket = await api.connect();
  const answer = readToEnd(socket);
  socket.write('CONNECT evil.example:443 HTTP/1.1\r\nHost: x\r\n\r\n');
  assert.equal(await answer, '');
  const reply = await api.get('/healthz', { connection: 'Upgrade', upgrade: 'websocket' });
  assert.equal(reply.status, 200);
});

test('connections past the limit are closed, and the others go on', async (t) => {
  const api = await startApi(t, { connectionsMax: 2 });
  const first = await api.connect();
  const ask = async (): Promise<string> => {
    first.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
    const [chunk] = (await once(first, 'data')) as [Buffer];
    return chunk.toString('latin1');
  };
  assert.match(await ask(), /200 OK/);
  const second = await api.connect();
  const third = await api.connect();
  assert.equal(await readToEnd(third), '');
  assert.match(await ask(), /200 OK/);
  second.destroy();
});

test('a client that does not read its answer is cut', async (t) => {
  const api = await startApi(t, { stallTimeoutMs: 100 });
  // More than the socket buffers of both sides take.
  const large = `"${'x'.repeat(64 * 1024 * 1024)}"`;
  api.source.view = () => Promise.resolve(large);
  const socket = await api.connect();
  socket.on('error', () => undefined);
  socket.pause();
  socket.write('GET /v1/axfr HTTP/1.1\r\nHost: x\r\n\r\n');
  const deadline = AbortSignal.timeout(10_000);
  while (!api.counted.includes('/v1/axfr 200')) {
    deadline.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  let received = 0;
  socket.on('data', (chunk) => (received += chunk.length)).resume();
  await once(socket, 'close');
  assert.ok(received < large.length, `${received} bytes`);
});
