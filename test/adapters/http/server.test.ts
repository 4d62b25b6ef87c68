import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { createHttpServer } from '../../../src/adapters/http/server.ts';
import type { HttpServer } from '../../../src/adapters/http/server.ts';
import { DaemonError } from '../../../src/core/base/daemon-error.ts';
import type { HostPort } from '../../../src/core/config/config.ts';
import type { ApiSource } from '../../../src/core/ports.ts';
import { readToEnd, startApi } from './test-api.ts';

const ignore = (): void => undefined;

function serverOn(listen: HostPort): HttpServer {
  return createHttpServer({
    source: {} as ApiSource,
    metrics: {
      observeHttp: ignore,
      promText: () => Promise.resolve(''),
      contentType: 'text/plain',
    },
    log: { debug: ignore, info: ignore, warn: ignore, error: ignore },
    version: '1.2.3',
    listen,
    configView: () => ({}),
  });
}

async function listenFailure(listen: HostPort): Promise<DaemonError> {
  const server = serverOn(listen);
  const error: unknown = await server.listen().then(
    () => assert.fail('it listens'),
    (reason: unknown) => reason,
  );
  await server.close(0);
  assert.ok(error instanceof DaemonError);
  assert.equal(error.code, 'listen-failed');
  return error;
}

test('a port in use is reported with its address and how to find who has it', async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  t.after(() => other.close());
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  const { message } = await listenFailure({ host: '127.0.0.1', port });
  assert.ok(message.includes(`127.0.0.1:${port}`), message);
  assert.ok(message.includes(`ss -ltnp 'sport = :${port}'`), message);
  assert.ok(message.includes('http.listen'), message);
});

test('an address that the node does not have is reported as that', async () => {
  const { message } = await listenFailure({ host: '192.0.2.1', port: 8123 });
  assert.match(message, /no interface of this node has the address 192\.0\.2\.1/);
});

test('a privileged port is reported with the capability that it takes', async (t) => {
  const { Server } = await import('node:net');
  // Tests may run as root, so the refusal of the kernel is played.
  t.mock.method(Server.prototype, 'listen', function (this: InstanceType<typeof Server>) {
    const refusal = Object.assign(new Error('listen EACCES'), { code: 'EACCES' });
    process.nextTick(() => this.emit('error', refusal));
    return this;
  });
  const { message } = await listenFailure({ host: '::1', port: 80 });
  assert.match(message, /^cannot serve HTTP on \[::1\]:80: .*CAP_NET_BIND_SERVICE/);
});

test('the address in use is returned, IPv6 without brackets', async (t) => {
  const server = serverOn({ host: '::1', port: 0 });
  t.after(() => server.close(0));
  const { address, port } = await server.listen();
  assert.equal(address, '::1');
  assert.ok(port > 0);
});

test('close lets an answer under way finish, ends its connection, and takes no new one', async (t) => {
  const api = await startApi(t);
  let finish: (text: string) => void = ignore;
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
  const closed = api.server.close(60_000);
  await assert.rejects(api.connect(), { code: 'ECONNREFUSED' });
  finish('{"late":true}');
  assert.match(await answer, /^HTTP\/1\.1 200 OK\r\n.*connection: close.*\{"late":true\}$/is);
  await closed;
});

test('close cuts what is still open after the deadline', async (t) => {
  const api = await startApi(t);
  api.source.view = () => new Promise(() => undefined);
  const waiting = await api.connect();
  const idle = await api.connect();
  waiting.write('GET /v1/axfr HTTP/1.1\r\nHost: x\r\n\r\n');
  idle.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(idle, 'data');
  const ends = [readToEnd(waiting), readToEnd(idle)];
  await api.server.close(20);
  assert.deepEqual(await Promise.all(ends), ['', '']);
});

test('close can be called twice, and before listen', async (t) => {
  const api = await startApi(t);
  await Promise.all([api.server.close(0), api.server.close(0)]);
  await serverOn({ host: '127.0.0.1', port: 0 }).close(0);
});

test('nothing is left open after close', async (t) => {
  const count = (): number =>
    process.getActiveResourcesInfo().filter((name) => /TCPServer|Timeout/.test(name)).length;
  const api = await startApi(t);
  await api.get('/v1/axfr');
  // A view that never comes: its client is cut, and must not leave the deadline running.
  const stuck = await api.connect();
  const asked = new Promise<void>((resolve) => {
    api.source.view = () => {
      resolve();
      return new Promise(() => undefined);
    };
  });
  stuck.write('GET /v1/records HTTP/1.1\r\nHost: x\r\n\r\n');
  await asked;
  await Promise.all([readToEnd(stuck), api.server.close(10)]);
  assert.equal(count(), 0);
});
