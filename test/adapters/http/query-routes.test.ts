import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { networkInterfaces } from 'node:os';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { isLocalClient } from '../../../src/adapters/http/local-client.ts';
import { QueryWatch } from '../../../src/core/respond/query-watch.ts';
import { CONFIG, RECORD, TOP, readToEnd, startApi } from './test-api.ts';
import type { TestApi, TestReply } from './test-api.ts';
import { skipLacking } from '../../support/tools.ts';

const LOG = '/v1/queries/log?name=web.marathon.mesos';

const json = ({ body }: TestReply): unknown => JSON.parse(body);

const codeOf = ({ body }: TestReply): string =>
  (JSON.parse(body) as { error: { code: string } }).error.code;

const linesOf = (body: string): unknown[] =>
  body
    .trim()
    .split('\n')
    .map((line): unknown => JSON.parse(line));

/** Has queries watched one at a time, as the daemon does; `current` is what is watched now. */
class Watching {
  readonly asked: (readonly [name: string, seconds: number])[] = [];
  current: QueryWatch | null = null;
  #onBegin: (() => void) | null = null;

  constructor(api: TestApi) {
    api.source.logQueries = (name, seconds) => {
      if (this.current !== null) return null;
      this.asked.push([name, seconds]);
      this.current = new QueryWatch(name, () => (this.current = null));
      this.#onBegin?.();
      return this.current;
    };
  }

  begun(): Promise<void> {
    return new Promise((resolve) => (this.#onBegin = resolve));
  }
}

/** An answer whose header has come, its body not. */
async function open(t: TestContext, api: TestApi, path: string): Promise<http.IncomingMessage> {
  const sent = http.request({ host: '127.0.0.1', port: api.port, path, agent: false }).end();
  t.after(() => sent.destroy());
  const [message] = (await once(sent, 'response')) as [http.IncomingMessage];
  return message.setEncoding('utf8');
}

test('/v1/queries/top has as many names as were asked for, 20 unless told', async (t) => {
  const api = await startApi(t);
  const asked: number[] = [];
  const top = api.source.topQueries;
  api.source.topQueries = (n) => {
    asked.push(n);
    return top(n);
  };
  assert.deepEqual(json(await api.get('/v1/queries/top')), TOP);
  const one = json(await api.get('/v1/queries/top?n=1')) as typeof TOP;
  assert.deepEqual(one.names, TOP.names.slice(0, 1));
  assert.deepEqual(asked, [20, 1]);
});

test('a number that is none, or out of bounds, is 400 and asks for nothing', async (t) => {
  const api = await startApi(t);
  api.source.topQueries = () => assert.fail('asked');
  api.source.logQueries = () => assert.fail('asked');
  for (const n of ['0', '101', '-1', '1.5', '1e1', '', 'x', '99999999999999999999', '%31%00']) {
    const reply = await api.get(`/v1/queries/top?n=${n}`);
    assert.deepEqual([reply.status, codeOf(reply)], [400, 'bad-parameter'], n);
  }
  for (const seconds of ['0', '61', 'ten']) {
    assert.equal((await api.get(`${LOG}&seconds=${seconds}`)).status, 400, seconds);
  }
});

test('names that were asked for are turned off with the other lists of names', async (t) => {
  const api = await startApi(t);
  const enumeration = false;
  api.source.current.config = { ...CONFIG, http: { ...CONFIG.http, enumeration } };
  assert.equal((await api.get('/v1/queries/top')).status, 404);
});

test('/v1/queries/log sends each query as a line when it comes, and ends with the time', async (t) => {
  const api = await startApi(t);
  const watching = new Watching(api);
  const message = await open(t, api, '/v1/queries/log?name=Web.Marathon.mesos&seconds=60');
  assert.equal(message.statusCode, 200);
  assert.equal(message.headers['content-type'], 'application/x-ndjson');
  assert.equal(message.headers['cache-control'], 'no-store');
  assert.deepEqual(watching.asked, [['web.marathon.mesos.', 60]]);
  watching.current!.offer(RECORD);
  const [first] = (await once(message, 'data')) as [string];
  assert.deepEqual(linesOf(first), [RECORD]);
  watching.current!.offer({ ...RECORD, name: 'other.mesos.' });
  watching.current!.offer({ ...RECORD, type: 'AAAA' });
  watching.current!.end();
  let rest = '';
  for await (const chunk of message) rest += String(chunk);
  assert.deepEqual(linesOf(rest), [{ ...RECORD, type: 'AAAA' }]);
});

test('/v1/queries/log takes 10 seconds unless told, and needs a name', async (t) => {
  const api = await startApi(t);
  const watching = new Watching(api);
  for (const query of ['', '?name=', '?name=a..b', `?name=${'x'.repeat(64)}`, '?seconds=1']) {
    const reply = await api.get(`/v1/queries/log${query}`);
    assert.deepEqual([reply.status, codeOf(reply)], [400, 'bad-parameter'], query);
  }
  assert.deepEqual(watching.asked, []);
  await open(t, api, LOG);
  assert.deepEqual(watching.asked, [['web.marathon.mesos.', 10]]);
});

test('a second watcher is 429, until the first has gone', async (t) => {
  const api = await startApi(t);
  const watching = new Watching(api);
  const first = await open(t, api, LOG);
  const busy = await api.get(LOG);
  assert.deepEqual([busy.status, codeOf(busy)], [429, 'busy']);
  assert.ok(Number(busy.headers['retry-after']) > 0);
  const watch = watching.current!;
  const gone = new Promise<void>((resolve) => {
    const end = watch.end.bind(watch);
    watch.end = () => {
      end();
      resolve();
    };
  });
  first.destroy();
  await gone;
  assert.equal((await open(t, api, LOG)).statusCode, 200);
  assert.deepEqual(api.logged, []);
});

test('no more than 1,000 lines are sent, and the rest is not waited for', async (t) => {
  const api = await startApi(t);
  const watching = new Watching(api);
  const message = await open(t, api, LOG);
  const watch = watching.current!;
  let body = '';
  message.on('data', (chunk: string) => {
    body += chunk;
    watch.offer(RECORD);
    watch.offer(RECORD);
  });
  watch.offer(RECORD);
  await once(message, 'end');
  assert.equal(linesOf(body).length, 1000);
  assert.equal(watching.current, null);
});

test('HEAD of the query log says what GET would, and watches nothing', async (t) => {
  const api = await startApi(t);
  const watching = new Watching(api);
  const reply = await api.request('HEAD', LOG);
  assert.equal(reply.status, 200);
  assert.equal(reply.headers['content-type'], 'application/x-ndjson');
  assert.equal(watching.current, null);
});

test('a source that fails while it is watched cuts the answer and is logged', async (t) => {
  const api = await startApi(t);
  api.source.logQueries = () => ({
    [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new Error('gone')) }),
  });
  const message = await open(t, api, LOG);
  await assert.rejects(once(message.resume(), 'end'));
  assert.deepEqual(
    api.logged.map(({ event }) => event),
    ['http-lines-failed'],
  );
  assert.equal((await api.get('/healthz')).status, 200);
});

test('a server that closes does not begin to watch queries', async (t) => {
  const api = await startApi(t);
  const watching = new Watching(api);
  const socket = await api.connect();
  const begun = watching.begun();
  const answer = readToEnd(socket);
  socket.write(`GET ${LOG} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
  await begun;
  await api.server.close(60_000);
  assert.match(await answer, /^HTTP\/1\.1 200 OK\r\n.*\r\n0\r\n\r\n$/s);
  assert.equal(watching.current, null);
});

test('closing the server ends the query log in good order', async (t) => {
  const api = await startApi(t);
  const watching = new Watching(api);
  const message = await open(t, api, LOG);
  watching.current!.offer(RECORD);
  const [first] = (await once(message, 'data')) as [string];
  const closed = api.server.close(60_000);
  let rest = '';
  for await (const chunk of message) rest += String(chunk);
  assert.deepEqual([linesOf(first), rest], [[RECORD], '']);
  assert.equal(watching.current, null);
  await closed;
});

test('DELETE of the cache flushes one name or all of them, and says how many went', async (t) => {
  const api = await startApi(t);
  const flushed: (string | null)[] = [];
  api.source.flushCache = (name) => flushed.push(name);
  assert.deepEqual(json(await api.request('DELETE', '/v1/cache')), { flushed: 1 });
  const one = await api.request('DELETE', '/v1/cache?name=WWW.example.com');
  assert.deepEqual(json(one), { flushed: 2 });
  assert.deepEqual(flushed, [null, 'www.example.com.']);
  for (const name of ['', 'a..b']) {
    assert.equal((await api.request('DELETE', `/v1/cache?name=${name}`)).status, 400, name);
  }
  assert.equal(flushed.length, 2);
});

test('a DELETE may come with a small body, of any type', async (t) => {
  const api = await startApi(t);
  for (const type of ['application/json', 'text/plain', 'nonsense']) {
    const headers = { 'content-type': type, 'content-length': 2 };
    const reply = await api.request('DELETE', '/v1/cache', headers, '{}');
    assert.equal(reply.status, 200, type);
  }
  const large = await api.request('DELETE', '/v1/cache', { 'content-length': 2000 });
  assert.equal(large.status, 413);
});

test('other methods on the cache are 405, GET and HEAD among them', async (t) => {
  const api = await startApi(t);
  api.source.flushCache = () => assert.fail('flushed');
  for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'PURGE']) {
    const reply = await api.request(method, '/v1/cache');
    assert.equal(reply.status, 405, method);
    assert.equal(reply.headers.allow, 'DELETE, OPTIONS', method);
  }
  const options = await api.request('OPTIONS', '/v1/cache');
  assert.deepEqual([options.status, options.headers.allow], [204, 'DELETE, OPTIONS']);
});

test('a proxy or a browser on this node is 403, with what to do', async (t) => {
  const api = await startApi(t);
  api.source.flushCache = () => assert.fail('flushed');
  api.source.logQueries = () => assert.fail('watched');
  const passedOn = [
    { 'x-forwarded-for': '10.0.0.9' },
    { via: '1.1 proxy' },
    { origin: 'https://evil.example' },
    { 'sec-fetch-site': 'cross-site' },
    { host: 'rebound.evil.example:8123' },
  ];
  for (const headers of passedOn) {
    const shown = JSON.stringify(headers);
    for (const [method, path] of [['DELETE', '/v1/cache'] as const, ['GET', LOG] as const]) {
      const reply = await api.request(method, path, headers);
      assert.deepEqual([reply.status, codeOf(reply)], [403, 'not-local'], `${shown} ${path}`);
      assert.match(reply.body, /127\.0\.0\.1/);
    }
  }
});

test('only loopback addresses with loopback hosts are local', () => {
  for (const client of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1']) {
    assert.ok(isLocalClient(client, {}), client);
    for (const host of ['127.0.0.1', '127.0.0.1:8123', 'localhost', 'LocalHost.:80', '[::1]:1']) {
      assert.ok(isLocalClient(client, { host }), host);
    }
    for (const host of ['', '10.0.0.9', '[::2]', 'localhost.evil.example', 'x@127.0.0.1']) {
      assert.ok(!isLocalClient(client, { host }), host);
    }
  }
  for (const client of ['', '10.0.0.9', '::', '::ffff:10.0.0.9', '128.0.0.1', 'fe80::1']) {
    assert.ok(!isLocalClient(client, { host: '127.0.0.1' }), client);
  }
});

test('a client from another address than loopback is 403', async (t) => {
  const own = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ internal, family }) => !internal && family === 'IPv4');
  if (own === undefined) {
    skipLacking(t, 'an address besides loopback', 'ip address add 192.0.2.1/32 dev eth0');
    return;
  }
  const api = await startApi(t, {}, '0.0.0.0');
  api.source.flushCache = () => assert.fail('flushed');
  const sent = http.request({
    host: own.address,
    port: api.port,
    path: '/v1/cache',
    method: 'DELETE',
  });
  const [message] = (await once(sent.end(), 'response')) as [http.IncomingMessage];
  message.resume();
  assert.equal(message.statusCode, 403);
});
