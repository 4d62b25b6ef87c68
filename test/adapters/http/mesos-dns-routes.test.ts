import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CONFIG, SECRET, VIEWS, startApi } from './test-api.ts';
import type { TestReply } from './test-api.ts';

function jsonOf(reply: TestReply): unknown {
  assert.equal(reply.status, 200, reply.body);
  assert.equal(reply.headers['content-type'], 'application/json');
  return JSON.parse(reply.body);
}

function refused(reply: TestReply, text: string): void {
  assert.equal(`${reply.status}`, text.slice(0, 3), reply.body);
  assert.equal(reply.body, text);
  assert.match(reply.headers['content-type'] ?? '', /^text\/plain\b/);
}

test('/v1/version names Mesos-DNS as the service and hoplite as the version', async (t) => {
  const api = await startApi(t);
  assert.deepEqual(jsonOf(await api.get('/v1/version')), {
    Service: 'Mesos-DNS',
    URL: 'https://github.com/mesosphere/mesos-dns',
    Version: '1.2.3',
  });
});

test('H01: /v1/config shows no secret, even if the view it is given has one', async (t) => {
  const api = await startApi(t);
  const reply = await api.get('/v1/config');
  assert.deepEqual(jsonOf(reply), {
    RefreshSeconds: 30,
    KeyFile: '/etc/key.pem',
    Masters: null,
    MesosCredentials: { Principal: 'mesos-dns', Secret: '********' },
  });
  assert.ok(!reply.body.includes(SECRET));
});

test('/v1/hosts lists every address of a name, IPv4 before IPv6', async (t) => {
  const api = await startApi(t);
  assert.deepEqual(jsonOf(await api.get('/v1/hosts/dualstack.marathon.mesos')), [
    { host: 'dualstack.marathon.mesos.', ip: '9.0.7.1' },
    { host: 'dualstack.marathon.mesos.', ip: 'fd01:d::7' },
  ]);
});

test('a name is decoded from its %XX form', async (t) => {
  const api = await startApi(t);
  assert.deepEqual(jsonOf(await api.get('/v1/hosts/sp%20ace.marathon.mesos')), [
    { host: 'sp ace.marathon.mesos.', ip: '9.1.1.5' },
  ]);
});

test('H02: what is not a name has the empty result and is not an error', async (t) => {
  const api = await startApi(t);
  const strange = [
    '.*',
    '.',
    '..',
    '...',
    '%00',
    '%20',
    '%2F',
    '*',
    '%F0%9F%A6%84',
    'a'.repeat(3000),
  ];
  for (const name of strange) {
    assert.deepEqual(jsonOf(await api.get(`/v1/hosts/${name}`)), [{ host: '', ip: '' }], name);
    assert.deepEqual(
      jsonOf(await api.get(`/v1/services/${name}`)),
      [{ service: '', host: '', ip: '', port: '' }],
      name,
    );
  }
});

test('H03: a name without addresses is a list with one object of empty texts', async (t) => {
  const api = await startApi(t);
  assert.deepEqual(jsonOf(await api.get('/v1/hosts/nobody.mesos')), [{ host: '', ip: '' }]);
  assert.deepEqual(jsonOf(await api.get('/v1/services/_nobody._tcp.mesos.')), [
    { service: '', host: '', ip: '', port: '' },
  ]);
});

test('H11: /v1/services lists every address of every target, the port as text', async (t) => {
  const api = await startApi(t);
  const service = '_MultiIP._tcp.marathon.mesos.';
  const host = 'multiip-jez1e-s0.marathon.mesos.';
  assert.deepEqual(jsonOf(await api.get(`/v1/services/${service}`)), [
    { service, host, ip: '9.1.2.1', port: '110' },
    { service, host, ip: '9.1.2.2', port: '110' },
    { service, host, ip: 'fd01:e::2', port: '110' },
  ]);
});

test('/v1/hosts/:host/ports is not implemented, in the words of Mesos-DNS', async (t) => {
  const api = await startApi(t);
  const reply = await api.get('/v1/hosts/web.marathon.mesos/ports');
  assert.equal(reply.status, 501);
  assert.equal(reply.body, 'To be implemented...');
  assert.match(reply.headers['content-type'] ?? '', /^text\/plain\b/);
});

test('/v1/axfr, /v1/enumerate and /v1/records pass on the text of the view', async (t) => {
  const api = await startApi(t);
  for (const kind of ['axfr', 'enumerate', 'records'] as const) {
    const reply = await api.get(`/v1/${kind}`);
    jsonOf(reply);
    assert.equal(reply.body, VIEWS[kind]);
  }
});

test('without enumeration /v1/axfr and /v1/enumerate do not exist, from one reload to the next', async (t) => {
  const api = await startApi(t);
  for (const path of ['/v1/axfr', '/v1/enumerate']) {
    api.source.current.config = { ...CONFIG, http: { ...CONFIG.http, enumeration: false } };
    refused(await api.get(path), '404: Page Not Found');
    refused(await api.request('POST', path), '404: Page Not Found');
    refused(await api.request('OPTIONS', path), '404: Page Not Found');
    api.source.current.config = CONFIG;
    assert.equal((await api.get(path)).status, 200);
  }
});

test('without enumeration /v1/records, which lists the zone too, does not exist either', async (t) => {
  const api = await startApi(t);
  assert.equal((await api.get('/v1/records')).status, 200);
  api.source.current.config = { ...CONFIG, http: { ...CONFIG.http, enumeration: false } };
  assert.equal((await api.get('/v1/records')).status, 404);
});

test('one trailing slash and any query make no difference', async (t) => {
  const api = await startApi(t);
  const plain = await api.get('/v1/hosts/web.marathon.mesos');
  for (const suffix of ['/', '?', '?pretty=1', '/?a=%zz&a=//b', '?__proto__=1']) {
    const reply = await api.get(`/v1/hosts/web.marathon.mesos${suffix}`);
    assert.equal(reply.status, 200, suffix);
    assert.equal(reply.body, plain.body, suffix);
  }
});

test('paths are case-sensitive, and unknown ones are 404 in the words of Mesos-DNS', async (t) => {
  const api = await startApi(t);
  for (const path of ['/V1/version', '/v1/Version', '/v1', '/v1/hosts', '/v1/hosts/', '/nope']) {
    refused(await api.get(path), '404: Page Not Found');
    refused(await api.request('POST', path, {}, 'x'), '404: Page Not Found');
  }
});

test('double slashes are redirected to the cleaned path with its query', async (t) => {
  const api = await startApi(t);
  const cases = [
    ['//v1/version', '/v1/version'],
    ['/v1//hosts///web.marathon.mesos', '/v1/hosts/web.marathon.mesos'],
    ['/v1/version//', '/v1/version/'],
    ['//nope?next=//a', '/nope?next=//a'],
  ] as const;
  for (const [path, location] of cases) {
    const reply = await api.get(path);
    assert.equal(reply.status, 301, path);
    assert.equal(reply.headers.location, location, path);
  }
});

test('a redirect cannot lead to another site', async (t) => {
  const api = await startApi(t);
  for (const path of [
    '//evil.example/',
    '////evil.example',
    '//\\evil.example',
    '//\\\\evil.example',
  ]) {
    const { location = '' } = (await api.get(path)).headers;
    assert.equal(new URL(location, 'http://ours.example/').origin, 'http://ours.example', path);
  }
});

test('a bad escape is 400', async (t) => {
  const api = await startApi(t);
  for (const name of ['%', '%zz', '%2', 'a%c3%28']) {
    refused(await api.get(`/v1/hosts/${name}`), '400: Bad Request');
  }
  assert.deepEqual(api.counted, Array<string>(4).fill('other 400'));
});

test('H04: HEAD is answered like GET, without the body', async (t) => {
  const api = await startApi(t);
  for (const path of ['/v1/version', '/v1/hosts/nobody.mesos', '/v1/axfr', '/v1/hosts/x/ports']) {
    const [get, head] = [await api.get(path), await api.request('HEAD', path)];
    assert.equal(head.status, get.status, path);
    assert.equal(head.body, '', path);
    for (const name of ['content-type', 'content-length', 'cache-control']) {
      assert.equal(head.headers[name], get.headers[name], `${path} ${name}`);
    }
  }
});

test('H04: OPTIONS says which methods there are', async (t) => {
  const api = await startApi(t);
  for (const path of ['/v1/version', '/v1/hosts/x', '*']) {
    const reply = await api.request('OPTIONS', path);
    assert.equal(reply.status, 204, path);
    const allow = path === '*' ? 'GET, HEAD, DELETE, OPTIONS' : 'GET, HEAD, OPTIONS';
    assert.equal(reply.headers.allow, allow, path);
    assert.equal(reply.body, '', path);
  }
});

test('H04: other methods are 405 with an Allow header, known to fastify or not', async (t) => {
  const api = await startApi(t);
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'TRACE', 'PROPFIND', 'PURGE']) {
    const reply = await api.request(method, '/v1/hosts/web.marathon.mesos');
    refused(reply, '405: Method Not Allowed');
    assert.equal(reply.headers.allow, 'GET, HEAD, OPTIONS', method);
  }
});

test('H05: Accept is matched by media ranges', async (t) => {
  const api = await startApi(t);
  for (const accept of ['application/*', 'application/json', '*/*', 'text/html, */*;q=0.1', '']) {
    assert.equal((await api.get('/v1/version', { accept })).status, 200, accept);
  }
  for (const accept of ['text/html', 'application/xml', 'application/json;q=0, */*', 'json']) {
    refused(await api.get('/v1/version', { accept }), '406: Not Acceptable');
  }
});

test('only the routes of Mesos-DNS insist on JSON being acceptable', async (t) => {
  const api = await startApi(t);
  for (const path of ['/v1/records', '/v1/status', '/healthz', '/metrics', '/']) {
    assert.equal((await api.get(path, { accept: 'image/png' })).status, 200, path);
  }
});

test('a body that is not JSON is 415, a small JSON one is left unread', async (t) => {
  const api = await startApi(t);
  const send = (type: string, body: string): Promise<TestReply> =>
    api.request(
      'GET',
      '/v1/version',
      { 'content-type': type, 'content-length': body.length },
      body,
    );
  refused(await send('text/plain', 'x'), '415: Unsupported Media Type');
  refused(await send('application/jsonp', '{}'), '415: Unsupported Media Type');
  assert.equal((await send('application/json; charset=utf-8', '{"a":')).status, 200);
  const noBody = await api.get('/v1/version', { 'content-type': 'text/plain' });
  assert.equal(noBody.status, 200);
});

test('a body of more than 1 KiB, or of unknown length, is 413 and ends the connection', async (t) => {
  const api = await startApi(t);
  const json = { 'content-type': 'application/json' };
  const large = await api.request('GET', '/v1/version', { ...json, 'content-length': 1025 });
  refused(large, '413: Payload Too Large');
  assert.equal(large.headers.connection, 'close');
  const chunked = await api.request(
    'GET',
    '/v1/version',
    { ...json, 'transfer-encoding': 'chunked' },
    '{}',
  );
  refused(chunked, '413: Payload Too Large');
});

test('every answer forbids caches and guessing, and says nothing of what it runs on', async (t) => {
  const api = await startApi(t);
  for (const path of ['/v1/version', '/nope', '/v1/hosts/%zz', '//v1', '/healthz']) {
    const { headers } = await api.get(path);
    assert.equal(headers['cache-control'], 'no-store', path);
    assert.equal(headers['x-content-type-options'], 'nosniff', path);
    assert.equal(headers['x-powered-by'] ?? headers['server'], undefined, path);
  }
});
