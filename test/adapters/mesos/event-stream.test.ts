import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import type { HostPort } from '../../../src/core/config/config.ts';
import { recordedStream, recordIo } from '../../support/recorded-stream.ts';
import { waitUntil } from '../../support/wait-until.ts';
import {
  recordedRedirect,
  recordedResponse,
  startMaster,
  startRawMaster,
  startSilentServer,
} from './loopback-master.ts';
import { endOf, startStreamMaster, StreamListener, subscribe } from './stream-listener.ts';

const SECRET = 'correct horse battery staple';
const SNAPSHOT = '{"type":"SUBSCRIBED"}';
const HEARTBEAT = '{"type":"HEARTBEAT"}';

function startRecorded(t: TestContext, bytes: Buffer): Promise<HostPort> {
  return startRawMaster(t, (socket) => socket.end(bytes));
}

// What is heard

test('the stream of a real master arrives record by record', async (t) => {
  const master = await startRawMaster(t, (socket) =>
    socket.write(recordedResponse('event-stream')),
  );
  const { listener } = subscribe(t, master);
  await listener.heard(88);
  assert.deepEqual(listener.texts, recordedStream('event-stream').records);
  assert.deepEqual(listener.openedBy, [master]);
});

test('the stream of a real master arrives octet by octet too', async (t) => {
  const { body, records } = recordedStream('event-stream-cut');
  const master = await startStreamMaster(t);
  const { listener } = subscribe(t, master);
  const stream = await master.stream;
  for (const octet of body) stream.write(Uint8Array.of(octet));
  await listener.heard(records.length);
  assert.deepEqual(listener.texts, records);
});

test('a subscription is asked for as Mesos wants it, uncompressed', async (t) => {
  let body = '';
  const master = await startMaster(t, (request, response) => {
    request.on('data', (bytes: Buffer) => (body += bytes.toString()));
    request.on('end', () => response.write(recordIo(SNAPSHOT)));
  });
  const { listener } = subscribe(t, master);
  await listener.heard(1);
  const { method, url, headers } = master.requests[0]!;
  assert.equal(`${method ?? ''} ${url ?? ''} ${body}`, 'POST /api/v1 {"type":"SUBSCRIBE"}');
  assert.deepEqual(
    { ...headers },
    {
      host: `127.0.0.1:${master.port}`,
      connection: 'close',
      'content-type': 'application/json',
      'content-length': '20',
      accept: 'application/json',
      'user-agent': 'hoplite/0.0.0',
    },
  );
});

test('a stream takes no connection from another one to the same master', async (t) => {
  const master = await startMaster(t, (_request, response) => {
    response.write(recordIo(SNAPSHOT));
  });
  const { client, listener } = subscribe(t, master);
  await listener.heard(1);
  const second = new StreamListener();
  const abort = new AbortController();
  const { host, port } = master;
  const subscription = client.subscribe({ host, port }, abort.signal, second);
  await second.heard(1);
  abort.abort();
  assert.equal((await endOf({ subscription })).code, 'stopped');
});

// Redirects and credentials

test('a real non-leader leads to the leader, with method and body', async (t) => {
  const leader = await startMaster(t, (_request, response) => {
    response.write(recordIo(SNAPSHOT));
  });
  const redirect = recordedRedirect('subscribe-redirect-of-non-leader', leader);
  const { listener } = subscribe(t, await startRecorded(t, redirect));
  await listener.heard(1);
  const { method, url } = leader.requests[0]!;
  assert.equal(`${method ?? ''} ${url ?? ''}`, 'POST /master/api/v1');
  assert.deepEqual(listener.openedBy, [{ host: '127.0.0.1', port: leader.port }]);
});

test('who led to the end of a stream is told', async (t) => {
  const leader = await startMaster(t, (_request, response) => response.end(recordIo(SNAPSHOT)));
  const redirect = recordedRedirect('subscribe-redirect-of-non-leader', leader);
  const { subscription } = subscribe(t, await startRecorded(t, redirect));
  const { message, answeredBy } = await endOf({ subscription });
  assert.deepEqual(answeredBy, { host: '127.0.0.1', port: leader.port });
  assert.match(message, new RegExp(`^master 127.0.0.1:${leader.port}: `));
});

test('masters that call each other the leader are a circle and no leader', async (t) => {
  const master: HostPort = await startRawMaster(t, (socket) =>
    socket.end(recordedRedirect('subscribe-redirect-of-non-leader', master)),
  );
  const { subscription } = subscribe(t, master);
  assert.equal((await endOf({ subscription })).code, 'master-redirect');
});

test('credentials go to the master and to its leader, and into no message', async (t) => {
  const leader = await startMaster(t, (_request, response) => {
    response.writeHead(403).end(`${SECRET} may not subscribe`);
  });
  const master = await startMaster(t, (_request, response) => {
    response.writeHead(307, { location: `//127.0.0.1:${leader.port}/master/api/v1` }).end();
  });
  const auth = { kind: 'basic', principal: 'hoplite', secret: SECRET } as const;
  const { code, message } = await endOf(subscribe(t, master, { auth }));
  const expected = `Basic ${Buffer.from(`hoplite:${SECRET}`).toString('base64')}`;
  assert.equal(master.requests[0]!.headers.authorization, expected);
  assert.equal(leader.requests[0]!.headers.authorization, expected);
  assert.equal(code, 'master-auth');
  assert.doesNotMatch(message, /correct/);
});

// Refusals

const REFUSALS: readonly (readonly [status: number, code: string, body: string])[] = [
  [400, 'stream-unsupported', 'Failed to parse the body'],
  [401, 'master-auth', ''],
  [403, 'master-auth', ''],
  [404, 'stream-unsupported', ''],
  [405, 'stream-unsupported', 'Expecting POST'],
  [406, 'stream-unsupported', ''],
  [500, 'master-status', 'oops'],
  [503, 'master-status', 'No leader elected'],
];

for (const [status, code, body] of REFUSALS) {
  test(`status ${status} is ${code}, with what the master says`, async (t) => {
    const master = await startMaster(t, (_request, response) => {
      response.writeHead(status).end(body);
    });
    const { subscription, listener, clock } = subscribe(t, master);
    const end = await endOf({ subscription });
    assert.equal(end.code, code);
    assert.ok(end.message.startsWith(`master 127.0.0.1:${master.port}: `), end.message);
    assert.ok(end.message.includes(`status ${status}`) && end.message.includes(body), end.message);
    assert.deepEqual(end.answeredBy, { host: '127.0.0.1', port: master.port });
    assert.deepEqual(listener.openedBy, []);
    assert.equal(clock.pending, 0);
  });
}

test('a real master that has not recovered its registry says so', async (t) => {
  const master = await startRecorded(t, recordedResponse('subscribe-not-recovered'));
  const { code, message } = await endOf(subscribe(t, master));
  assert.equal(code, 'master-status');
  assert.match(message, /: status 503: Master has not finished recovery$/);
});

test('a good stream under a bad status is not believed', async (t) => {
  const master = await startMaster(t, (_request, response) => {
    response.writeHead(500).end(recordIo(SNAPSHOT, HEARTBEAT));
  });
  const { subscription, listener } = subscribe(t, master);
  assert.equal((await endOf({ subscription })).code, 'master-status');
  assert.deepEqual(listener.texts, []);
});

test('a master that cannot be reached is unreachable', async (t) => {
  const { subscription } = subscribe(t, { host: '127.0.0.1', port: 1 });
  const end = await endOf({ subscription });
  assert.equal(end.code, 'master-unreachable');
  assert.equal(end.answeredBy, null);
});

test('a compressed stream, which nobody asked for, is refused', async (t) => {
  const master = await startMaster(t, (_request, response) => {
    response.writeHead(200, { 'content-encoding': 'gzip' }).write('x');
  });
  const { code, message } = await endOf(subscribe(t, master));
  assert.equal(code, 'stream-invalid');
  assert.match(message, /compressed, unasked$/);
});

// Streams that cannot be read

test('what is no RecordIO ends the stream after the records before it', async (t) => {
  const master = await startStreamMaster(t);
  const { subscription, listener } = subscribe(t, master);
  (await master.stream).write(Buffer.concat([recordIo(SNAPSHOT), Buffer.from('<html>')]));
  const { code, message, records } = await endOf({ subscription });
  assert.equal(code, 'stream-invalid');
  assert.match(message, /expected the length of a record at byte 24 of the stream$/);
  assert.equal(records, 1);
  assert.deepEqual(listener.texts, [SNAPSHOT]);
  await master.hungUp;
});

test('a record above the limit of a state is refused by its length', async (t) => {
  const master = await startStreamMaster(t);
  const { subscription } = subscribe(t, master, { stateBytesMax: 1_000 });
  (await master.stream).write('1001\n');
  const { code, message } = await endOf({ subscription });
  assert.equal(code, 'master-body-too-large');
  assert.match(message, /the record at byte 0 of the stream has more than 1000 bytes$/);
  await master.hungUp;
});

// Ends

test('a real stream that is cut by the death of its master has ended', async (t) => {
  const master = await startRecorded(t, recordedResponse('event-stream-cut'));
  const { subscription, listener, clock } = subscribe(t, master);
  const { code, message, records } = await endOf({ subscription });
  assert.equal(code, 'stream-ended');
  assert.match(message, /: the event stream ended: connection closed before the answer was /);
  assert.equal(records, recordedStream('event-stream-cut').records.length);
  assert.deepEqual(listener.texts, recordedStream('event-stream-cut').records);
  assert.equal(clock.pending, 0);
});

test('a stream that is cut in the middle of a record gives nothing of it', async (t) => {
  const bytes = recordedResponse('event-stream-cut');
  const master = await startRecorded(t, bytes.subarray(0, 5_000));
  const { subscription, listener } = subscribe(t, master);
  const { code, message } = await endOf({ subscription });
  assert.equal(code, 'stream-ended');
  assert.match(message, /ended in the middle of a record: connection closed/);
  assert.deepEqual(listener.texts, []);
});

test('a stream that the master ends in order has ended', async (t) => {
  const master = await startMaster(t, (_request, response) => response.end(recordIo(SNAPSHOT)));
  const { code, message } = await endOf(subscribe(t, master));
  assert.equal(code, 'stream-ended');
  assert.match(message, /: the event stream ended: the master closed it$/);
});

test('a signal ends a stream at once, and nothing is heard afterwards', async (t) => {
  const master = await startStreamMaster(t);
  const abort = new AbortController();
  const { subscription, listener, clock } = subscribe(t, master, { signal: abort.signal });
  const stream = await master.stream;
  stream.write(recordIo(SNAPSHOT));
  await listener.heard(1);
  stream.write(recordIo(HEARTBEAT));
  abort.abort(new Error('another master leads'));
  const end = await endOf({ subscription });
  assert.deepEqual(end, {
    code: 'stopped',
    message: 'another master leads',
    answeredBy: { host: '127.0.0.1', port: master.port },
    records: 1,
  });
  await master.hungUp;
  assert.deepEqual(listener.texts, [SNAPSHOT]);
  assert.equal(clock.pending, 0);
});

test('whoever hears a record can end the stream before the next one of the same piece', async (t) => {
  const master = await startStreamMaster(t);
  const abort = new AbortController();
  const { subscription, listener } = subscribe(t, master, { signal: abort.signal });
  listener.react = () => abort.abort();
  (await master.stream).write(recordIo(SNAPSHOT, HEARTBEAT));
  assert.equal((await endOf({ subscription })).records, 1);
  assert.deepEqual(listener.texts, [SNAPSHOT]);
});

test('a signal ends an attempt that nobody has answered yet', async (t) => {
  const master = await startSilentServer(t);
  const abort = new AbortController();
  const { subscription, clock } = subscribe(t, master, { signal: abort.signal });
  await master.accepted;
  abort.abort(new Error('enough'));
  assert.deepEqual(await endOf({ subscription }), {
    code: 'stopped',
    message: 'enough',
    answeredBy: null,
    records: 0,
  });
  await waitUntil('no timer', () => clock.pending === 0);
});

test('a signal that was given before asks nobody', async (t) => {
  const master = await startStreamMaster(t);
  const { subscription } = subscribe(t, master, { signal: AbortSignal.abort(new Error('late')) });
  assert.equal((await endOf({ subscription })).code, 'stopped');
  assert.deepEqual(master.requests, []);
});

test('a client that is closed ends its streams', async (t) => {
  const master = await startStreamMaster(t);
  const { client, subscription, clock } = subscribe(t, master);
  await master.stream;
  await client.close();
  assert.equal((await endOf({ subscription })).code, 'stopped');
  await master.hungUp;
  assert.equal(clock.pending, 0);
});
