import assert from 'node:assert/strict';
import type { RequestListener, ServerResponse } from 'node:http';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import {
  createMarathonClient,
  loadMarathonFiles,
} from '../../../src/adapters/mesos/marathon-client.ts';
import type {
  EventBusHandlers,
  MarathonClient,
} from '../../../src/adapters/mesos/marathon-client.ts';
import type { HostPort, MarathonConfig } from '../../../src/core/config/config.ts';
import type { ErrorCode } from '../../../src/core/base/daemon-error.ts';
import { missingTools } from '../../support/tools.ts';
import { inTime, waitUntil } from '../../support/wait-until.ts';
import { ManualClock } from '../manual-clock.ts';
import { CertificateFolder } from './certificates.ts';
import {
  daemonError,
  deferred,
  NEVER,
  startMaster,
  startRawMaster,
  startSilentServer,
  textOf,
} from './loopback-master.ts';

const APPS = '{"apps":[]}';
const TIMEOUT_MS = 5_000;

function marathonConfig(
  instances: readonly HostPort[],
  changes: Partial<MarathonConfig> = {},
): MarathonConfig {
  return { instances, tls: null, auth: { kind: 'none' }, framework: 'marathon', ...changes };
}

interface Rig {
  readonly client: MarathonClient;
  readonly clock: ManualClock;
}

/** A client with a clock that stands still, closed at the end of the test. */
function startMarathonClient(
  t: TestContext,
  instances: readonly HostPort[],
  changes: Partial<MarathonConfig> = {},
): Rig {
  const config = marathonConfig(instances, changes);
  const files = loadMarathonFiles(config);
  assert.ok(files.ok);
  const clock = new ManualClock();
  const client = createMarathonClient(config, {
    clock,
    userAgent: 'hoplite/0.0.0',
    files: files.value,
    timeoutMs: TIMEOUT_MS,
    bodyBytesMax: 1_000,
  });
  t.after(() => client.close());
  return { client, clock };
}

const answerApps: RequestListener = (_request, response) => response.end(APPS);

// Apps

test('apps are asked for with tasks, deployments and readiness', async (t) => {
  const marathon = await startMaster(t, answerApps);
  const { client } = startMarathonClient(t, [marathon], {
    auth: { kind: 'basic', principal: 'hoplite', secret: 'sesame' },
  });
  const body = await client.fetchApps(NEVER);
  assert.equal(textOf({ ...body, durationMs: 0 }), APPS);
  assert.equal(body.answeredBy.port, marathon.port);
  const [request] = marathon.requests;
  assert.equal(
    request?.url,
    '/v2/apps?embed=apps.tasks&embed=apps.deployments&embed=apps.readiness',
  );
  assert.equal(request.headers['user-agent'], 'hoplite/0.0.0');
  const encoded = Buffer.from('hoplite:sesame').toString('base64');
  assert.equal(request.headers.authorization, `Basic ${encoded}`);
});

test('compressed apps are read', async (t) => {
  const marathon = await startMaster(t, (_request, response) => {
    response.setHeader('content-encoding', 'gzip');
    response.end(gzipSync(APPS));
  });
  const { client } = startMarathonClient(t, [marathon]);
  assert.equal(textOf({ ...(await client.fetchApps(NEVER)), durationMs: 0 }), APPS);
});

test('instances are asked in order until one answers, and that one first from then on', async (t) => {
  const failing = await startMaster(t, (_request, response) => {
    response.statusCode = 503;
    response.end();
  });
  const good = await startMaster(t, answerApps);
  const last = await startMaster(t, answerApps);
  const { client } = startMarathonClient(t, [failing, good, last]);
  assert.equal((await client.fetchApps(NEVER)).answeredBy.port, good.port);
  assert.equal((await client.fetchApps(NEVER)).answeredBy.port, good.port);
  assert.deepEqual(
    [failing, good, last].map(({ requests }) => requests.length),
    [1, 2, 0],
  );
});

const REFUSALS: readonly (readonly [
  what: string,
  answer: (response: ServerResponse) => void,
  code: ErrorCode,
  message: RegExp,
])[] = [
  ['401', (response) => response.writeHead(401).end('who?'), 'marathon-auth', /refused.*401/],
  ['403', (response) => response.writeHead(403).end(), 'marathon-auth', /403/],
  ['503', (response) => response.writeHead(503).end(), 'marathon-status', /status 503/],
  [
    'a long list',
    (response) => response.end('x'.repeat(1_001)),
    'marathon-invalid',
    /list of apps has more than 1000 bytes/,
  ],
  [
    'a long list in few bytes',
    (response) => {
      response.setHeader('content-encoding', 'gzip');
      response.end(gzipSync('x'.repeat(100_000)));
    },
    'marathon-invalid',
    /list of apps has more than 1000 bytes/,
  ],
  [
    'broken gzip',
    (response) => {
      response.setHeader('content-encoding', 'gzip');
      response.end(APPS);
    },
    'marathon-invalid',
    /gzip data is broken/,
  ],
  [
    'an answer that is cut',
    (response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('{"apps"');
      setImmediate(() => response.destroy());
    },
    'marathon-unreachable',
    /before the answer was complete/,
  ],
  [
    'a redirect to itself',
    (response) => response.writeHead(302, { location: '/v2/apps' }).end(),
    'marathon-invalid',
    /redirect refused/,
  ],
];

for (const [what, answer, code, message] of REFUSALS) {
  test(`Marathon that answers with ${what} is ${code}`, async (t) => {
    const marathon = await startMaster(t, (_request, response) => answer(response));
    const { client } = startMarathonClient(t, [marathon]);
    const where = new RegExp(`^Marathon 127\\.0\\.0\\.1:${marathon.port}: `);
    await assert.rejects(client.fetchApps(NEVER), daemonError(code, message));
    await assert.rejects(client.fetchApps(NEVER), daemonError(code, where));
  });
}

test('what is not HTTP is marathon-unreachable', async (t) => {
  const marathon = await startRawMaster(t, (socket) => socket.end('220 mail\r\n'));
  const { client } = startMarathonClient(t, [marathon]);
  await assert.rejects(client.fetchApps(NEVER), daemonError('marathon-unreachable', /not HTTP/));
});

test('a secret that Marathon repeats is not told on', async (t) => {
  const marathon = await startMaster(t, (request, response) =>
    response.writeHead(401).end(`no: ${request.headers.authorization}`),
  );
  const { client } = startMarathonClient(t, [marathon], {
    auth: { kind: 'basic', principal: 'hoplite', secret: 'sesame' },
  });
  await assert.rejects(client.fetchApps(NEVER), (error: Error) => !error.message.includes('aG9w'));
});

test('an instance that says nothing gets its time and no more, then the next is asked', async (t) => {
  const silent = await startSilentServer(t);
  const good = await startMaster(t, answerApps);
  const { client, clock } = startMarathonClient(t, [silent, good]);
  const fetched = client.fetchApps(NEVER);
  await silent.accepted;
  clock.advance(TIMEOUT_MS);
  assert.equal((await inTime('the second instance', fetched)).answeredBy.port, good.port);
});

test('a request ends with its signal, with the reason of that', async (t) => {
  const silent = await startSilentServer(t);
  const { client, clock } = startMarathonClient(t, [silent, silent]);
  const stop = new AbortController();
  const fetched = client.fetchApps(stop.signal);
  await silent.accepted;
  stop.abort(new Error('enough'));
  await assert.rejects(inTime('the end', fetched), /enough/);
  await waitUntil('no timer is left', () => clock.pending === 0);
});

// Events

interface Heard {
  readonly handlers: EventBusHandlers;
  readonly opened: number[];
  readonly types: string[];
}

function listener(): Heard {
  const opened: number[] = [];
  const types: string[] = [];
  return {
    opened,
    types,
    handlers: {
      onOpen: ({ port }) => opened.push(port),
      onEvent: (type) => types.push(type),
    },
  };
}

/** Begins an event stream as Marathon does. */
function openBus(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream;charset=utf-8' });
  response.flushHeaders();
}

test('types of events are told as they come', async (t) => {
  const bus = deferred<ServerResponse>();
  const marathon = await startMaster(t, (_request, response) => {
    openBus(response);
    bus.resolve(response);
  });
  const { client } = startMarathonClient(t, [marathon]);
  const { handlers, opened, types } = listener();
  const ended = client.followEvents(NEVER, handlers);
  const response = await bus.promise;
  response.write('event: status_update_event\r\ndata: {}\r\n\r\n\r\nevent: deployment_');
  await waitUntil('the first event', () => types.length === 1);
  response.write('info\r\ndata: {}\r\n\r\n');
  await waitUntil('the second event', () => types.length === 2);
  response.end();
  await assert.rejects(ended, daemonError('marathon-unreachable', /^Marathon .*closed/));
  assert.deepEqual(opened, [marathon.port]);
  assert.deepEqual(types, ['status_update_event', 'deployment_info']);
  const [request] = marathon.requests;
  assert.equal(request?.headers.accept, 'text/event-stream');
  assert.match(
    request.url ?? '',
    /^\/v2\/events\?plan-format=light&event_type=status_update_event&/,
  );
});

test('events come from the instance that answered last', async (t) => {
  const failing = await startMaster(t, (_request, response) => response.writeHead(503).end());
  const good = await startMaster(t, (request, response) => {
    if (request.url?.startsWith('/v2/events') === true) openBus(response);
    else response.end(APPS);
  });
  const { client } = startMarathonClient(t, [failing, good]);
  await client.fetchApps(NEVER);
  const stop = new AbortController();
  const { handlers, opened } = listener();
  const ended = client.followEvents(stop.signal, handlers);
  await waitUntil('the stream', () => opened.length === 1);
  assert.deepEqual(opened, [good.port]);
  // The stream takes no request's place.
  await Promise.all([client.fetchApps(NEVER), client.fetchApps(NEVER)]);
  stop.abort(new Error('enough'));
  await assert.rejects(inTime('the end', ended), /enough/);
});

const BUS_REFUSALS: readonly (readonly [
  what: string,
  answer: RequestListener,
  code: ErrorCode,
  message: RegExp,
])[] = [
  ['401', (_request, response) => response.writeHead(401).end(), 'marathon-auth', /401/],
  ['a page', (_request, response) => response.end('<html>'), 'marathon-invalid', /no event stream/],
  [
    'a line without end',
    (_request, response) => {
      openBus(response);
      response.write(`data: ${'x'.repeat(1_100_000)}`);
    },
    'marathon-invalid',
    /line without end/,
  ],
  [
    'a stream that is cut',
    (_request, response) => {
      openBus(response);
      response.write('event: a\n\n', () => response.destroy());
    },
    'marathon-unreachable',
    /event stream ended/,
  ],
];

for (const [what, answer, code, message] of BUS_REFUSALS) {
  test(`an event bus that answers with ${what} is ${code}`, async (t) => {
    const marathon = await startMaster(t, answer);
    const { client, clock } = startMarathonClient(t, [marathon]);
    const ended = client.followEvents(NEVER, listener().handlers);
    await assert.rejects(inTime('the end', ended), daemonError(code, message));
    assert.equal(clock.pending, 0);
  });
}

test('a bus that does not begin in time has ended', async (t) => {
  const silent = await startSilentServer(t);
  const { client, clock } = startMarathonClient(t, [silent]);
  const ended = client.followEvents(NEVER, listener().handlers);
  await silent.accepted;
  clock.advance(TIMEOUT_MS);
  await assert.rejects(ended, daemonError('marathon-unreachable', /no event stream in 5000 ms/));
});

/** A bus that has sent this, and whether it has ended after a minute of silence. */
async function endsInSilence(t: TestContext, sent: string): Promise<boolean> {
  const marathon = await startMaster(t, (_request, response) => {
    openBus(response);
    response.write('event: first\n\n', () => setImmediate(() => response.write(sent)));
  });
  const { client, clock } = startMarathonClient(t, [marathon]);
  const { handlers, types } = listener();
  const stop = new AbortController();
  let end: unknown = null;
  const ended = client.followEvents(stop.signal, handlers).catch((error: unknown) => {
    end = error;
  });
  await waitUntil(
    'what was sent',
    () => types.length > 0 && (sent !== '\r\n' || clock.pending > 0),
  );
  if (sent !== '\r\n') await waitUntil('the second event', () => types.length > 1);
  clock.advance(60_000);
  await new Promise((resolve) => setImmediate(resolve));
  const hasEnded = end !== null;
  stop.abort(new Error('enough'));
  await ended;
  return hasEnded;
}

test('a bus whose heartbeats stop has ended; one that never had any goes on', async (t) => {
  assert.equal(await endsInSilence(t, '\r\n'), true);
  assert.equal(await endsInSilence(t, 'event: second\n\n'), false);
});

// Files

test('problems with files have the names of Marathon’s settings', () => {
  const nowhere = { caFile: '/nowhere/ca.pem', certFile: null, keyFile: null };
  const loaded = loadMarathonFiles(
    marathonConfig([], { tls: nowhere, auth: { kind: 'iam', configFile: '/nowhere/iam.json' } }),
  );
  assert.ok(!loaded.ok);
  assert.deepEqual(
    loaded.error.map(({ path }) => path),
    ['cluster.marathon.tls.caFile', 'cluster.marathon.auth.configFile'],
  );
});

test('Marathon is asked over verified TLS', { skip: missingTools('openssl') }, async (t) => {
  const folder = new CertificateFolder();
  t.after(() => folder.remove());
  const [authority, other] = [folder.authority('authority'), folder.authority('other')];
  const { cert, key } = folder.signed('server', authority, 'IP:127.0.0.1');
  const marathon = await startMaster(t, answerApps, { tls: { cert, key } });
  const tls = (caFile: string): Partial<MarathonConfig> => ({
    tls: { caFile, certFile: null, keyFile: null },
  });
  const { client } = startMarathonClient(t, [marathon], tls(authority.certFile));
  assert.equal((await client.fetchApps(NEVER)).bytes, APPS.length);
  const { client: stranger } = startMarathonClient(t, [marathon], tls(other.certFile));
  await assert.rejects(
    stranger.fetchApps(NEVER),
    daemonError('marathon-unreachable', /certificate/),
  );
});
