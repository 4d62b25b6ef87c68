import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ROUTES } from '../../../src/adapters/http/routes.ts';
import { DaemonError } from '../../../src/core/base/daemon-error.ts';
import { SECRET, STATUS, VIEWS, startApi } from './test-api.ts';

interface ErrorBody {
  readonly error: { readonly code: string; readonly message: string };
}

test('/v1/status is the status of the source', async (t) => {
  const api = await startApi(t);
  const reply = await api.get('/v1/status');
  assert.equal(reply.headers['content-type'], 'application/json');
  assert.deepEqual(JSON.parse(reply.body), STATUS);
});

test('H06: there are routes for liveness, readiness and metrics', async (t) => {
  const api = await startApi(t);
  const health = await api.get('/healthz');
  assert.deepEqual([health.status, health.body], [200, 'ok']);
  const ready = await api.get('/readyz');
  assert.deepEqual([ready.status, ready.body], [200, 'ready\n']);
  const metrics = await api.get('/metrics');
  assert.deepEqual([metrics.status, metrics.body], [200, 'hoplite_ready 1\n']);
  assert.equal(metrics.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
});

test('/readyz is 503 with one reason a line, and /healthz stays 200', async (t) => {
  const api = await startApi(t);
  api.source.current.status = {
    ...STATUS,
    ready: false,
    reasons: ['no master answers', 'state\r\nis 400 s old'],
  };
  const reply = await api.get('/readyz');
  assert.deepEqual([reply.status, reply.body], [503, 'no master answers\nstate is 400 s old\n']);
  assert.equal((await api.get('/healthz')).status, 200);
});

test('/readyz gives the summary when there is no reason', async (t) => {
  const api = await startApi(t);
  api.source.current.status = { ...STATUS, ready: false, reasons: [], summary: 'Starting.' };
  assert.equal((await api.get('/readyz')).body, 'Starting.\n');
});

test('/readyz names what is degraded while it is ready', async (t) => {
  const api = await startApi(t);
  api.source.current.status = { ...STATUS, reasons: ['TCP is not open on ::1'] };
  const reply = await api.get('/readyz');
  assert.deepEqual([reply.status, reply.body], [200, 'ready\nTCP is not open on ::1\n']);
});

test('/v1/explain asks for the decoded name as it was given', async (t) => {
  const api = await startApi(t);
  assert.equal((await api.get('/v1/explain/Web.%6Darathon.mesos.')).body, VIEWS.explain);
  assert.deepEqual(api.source.asked, [{ kind: 'explain', name: 'Web.marathon.mesos.' }]);
});

test('a view that the worker cannot render is 503 with the code and what to do', async (t) => {
  const api = await startApi(t);
  api.source.view = () => Promise.reject(new DaemonError('worker-failed', 'no generation yet'));
  const paths = ['/v1/axfr', '/v1/enumerate', '/v1/records', '/v1/rejections', '/v1/explain/x'];
  for (const path of paths) {
    const reply = await api.get(path);
    assert.equal(reply.status, 503, path);
    assert.equal(reply.headers['content-type'], 'application/json', path);
    assert.equal(reply.headers['retry-after'], '1', path);
    const { error } = JSON.parse(reply.body) as ErrorBody;
    assert.equal(error.code, 'worker-failed', path);
    assert.match(error.message, /^no generation yet \(/, path);
  }
});

test('an unexpected error is logged, and its answer has neither stack nor secret', async (t) => {
  const api = await startApi(t);
  api.source.view = () => Promise.reject(new Error(`login with ${SECRET} failed`));
  api.source.hosts = () => {
    throw new TypeError(`cannot read ${SECRET}`);
  };
  const view = await api.get('/v1/rejections');
  const hosts = await api.get('/v1/hosts/web.marathon.mesos');
  assert.deepEqual([view.status, hosts.status], [503, 500]);
  for (const { body } of [view, hosts]) {
    assert.equal((JSON.parse(body) as ErrorBody).error.code, 'internal');
    assert.doesNotMatch(body, /hunter2|TypeError|\bat \w+|\.js|\.ts/);
  }
  assert.deepEqual(
    api.logged.map(({ event }) => event),
    ['http-view-failed', 'http-request-failed'],
  );
});

test('other methods on our own routes are 405 as a JSON error with Allow', async (t) => {
  const api = await startApi(t);
  for (const path of ['/v1/status', '/metrics', '/', '/v1/records']) {
    const reply = await api.request('DELETE', path);
    assert.equal(reply.status, 405, path);
    assert.equal(reply.headers.allow, 'GET, HEAD, OPTIONS', path);
    assert.equal((JSON.parse(reply.body) as ErrorBody).error.code, 'method-not-allowed', path);
  }
});

test('the index lists every route and can run nothing', async (t) => {
  const api = await startApi(t);
  const { body, headers } = await api.get('/');
  for (const { path } of ROUTES) if (path !== '/') assert.ok(body.includes(path), path);
  assert.match(String(headers['content-security-policy']), /^default-src 'none';/);
  assert.doesNotMatch(body, /<script|<style|style=|src=|https?:/);
});

test('no answer of any route holds the secret of the configuration', async (t) => {
  const api = await startApi(t);
  for (const { path } of ROUTES) {
    const reply = await api.get(path.replace(/:\w+/, 'web.marathon.mesos'));
    assert.ok(!reply.body.includes(SECRET), path);
    assert.ok(!JSON.stringify(reply.headers).includes(SECRET), path);
  }
  assert.ok(!JSON.stringify(api.logged).includes(SECRET));
});

test('answers are counted by route and code, unknown paths under one label', async (t) => {
  const api = await startApi(t);
  await api.get('/v1/hosts/web.marathon.mesos');
  await api.get('/v1/hosts/other.marathon.mesos');
  await api.request('DELETE', '/healthz');
  await api.get('/wp-login.php');
  assert.deepEqual(api.counted, [
    '/v1/hosts/:host 200',
    '/v1/hosts/:host 200',
    '/healthz 405',
    'other 404',
  ]);
});
