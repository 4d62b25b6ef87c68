import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Config } from '../../../src/core/config/config.ts';
import { DaemonError } from '../../../src/core/base/daemon-error.ts';
import { CONFIG, VIEWS, startApi } from './test-api.ts';

interface ErrorBody {
  readonly error: { readonly code: string; readonly message: string };
}

const KERNEL_PATHS = ['/v1/ipvs', '/v1/ipvs/plan'];

test('/v1/vips passes the view on, with an entity tag of its bytes', async (t) => {
  const api = await startApi(t);
  const first = await api.get('/v1/vips');
  assert.deepEqual([first.status, first.body], [200, VIEWS.vips]);
  assert.equal(first.headers['content-type'], 'application/json');
  assert.equal(first.headers['cache-control'], 'no-cache');
  assert.match(String(first.headers.etag), /^"[A-Za-z0-9+/=]+"$/);
  assert.equal((await api.get('/v1/vips')).headers.etag, first.headers.etag);
  const head = await api.request('HEAD', '/v1/vips');
  assert.deepEqual([head.status, head.headers.etag], [200, first.headers.etag]);
  api.source.view = () => Promise.resolve('[]');
  assert.notEqual((await api.get('/v1/vips')).headers.etag, first.headers.etag);
  assert.deepEqual(api.source.asked[0], { kind: 'vips' });
});

test('a client that has the VIPs already gets 304 without a body', async (t) => {
  const api = await startApi(t);
  const etag = String((await api.get('/v1/vips')).headers.etag);
  for (const known of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
    const reply = await api.get('/v1/vips', { 'if-none-match': known });
    assert.deepEqual([reply.status, reply.body, reply.headers.etag], [304, '', etag], known);
    assert.equal(reply.headers['content-type'], undefined, known);
  }
  for (const known of ['"other"', etag.slice(0, -2), 'web*', '']) {
    const reply = await api.get('/v1/vips', { 'if-none-match': known });
    assert.deepEqual([reply.status, reply.body], [200, VIEWS.vips], known);
  }
  assert.deepEqual(api.counted.toSorted().slice(-1), ['/v1/vips 304']);
});

test('an answer without an entity tag is never 304', async (t) => {
  const api = await startApi(t);
  api.source.view = () => Promise.reject(new DaemonError('worker-failed', 'no generation yet'));
  for (const path of ['/v1/vips', '/v1/status', '/healthz']) {
    const reply = await api.get(path, { 'if-none-match': '*' });
    assert.equal(reply.status, path === '/v1/vips' ? 503 : 200, path);
    assert.equal(reply.headers.etag, undefined, path);
    assert.equal(reply.headers['cache-control'], 'no-store', path);
  }
});

test('/v1/ipvs and /v1/ipvs/plan pass on what the kernel process says', async (t) => {
  const api = await startApi(t);
  assert.equal((await api.get('/v1/ipvs')).body, VIEWS.ipvs);
  assert.equal((await api.get('/v1/ipvs/plan')).body, VIEWS['ipvs-plan']);
  assert.deepEqual(api.source.asked, [{ kind: 'ipvs' }, { kind: 'ipvs-plan' }]);
});

test('without the kernel process they are 503 with the reason', async (t) => {
  const api = await startApi(t);
  api.source.view = () => Promise.reject(new DaemonError('kernel-process', 'it ended with 134'));
  for (const path of KERNEL_PATHS) {
    const reply = await api.get(path);
    assert.deepEqual([reply.status, reply.headers['retry-after']], [503, '1'], path);
    const { error } = JSON.parse(reply.body) as ErrorBody;
    assert.equal(error.code, 'kernel-process', path);
    assert.match(error.message, /^it ended with 134 \(/, path);
  }
});

for (const [setting, off] of [
  ['kernel.enabled', { kernel: { ...CONFIG.kernel, enabled: false } }],
  ['vip.enabled', { vip: { ...CONFIG.vip, enabled: false } }],
] as const satisfies readonly (readonly [string, Partial<Config>])[]) {
  test(`with ${setting} false there is no kernel to show: 404 says which setting`, async (t) => {
    const api = await startApi(t);
    api.source.current.config = { ...CONFIG, ...off };
    for (const path of KERNEL_PATHS) {
      const reply = await api.get(path);
      assert.equal(reply.status, 404, path);
      const { error } = JSON.parse(reply.body) as ErrorBody;
      assert.equal(error.code, 'kernel-off', path);
      assert.ok(error.message.startsWith(`${setting} is false`), error.message);
    }
    assert.deepEqual(api.source.asked, []);
    assert.equal((await api.get('/v1/vips')).status, 200);
  });
}

test('/v1/vips is turned off together with the other lists', async (t) => {
  const api = await startApi(t);
  api.source.current.config = { ...CONFIG, http: { ...CONFIG.http, enumeration: false } };
  assert.equal((await api.get('/v1/vips')).status, 404);
  assert.equal((await api.get('/v1/records')).status, 404);
});
