import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { recordIo } from '../../support/recorded-stream.ts';
import { waitUntil } from '../../support/wait-until.ts';
import { startMaster, startSilentServer } from './loopback-master.ts';
import { endOf, startStreamMaster, subscribe } from './stream-listener.ts';
import type { StreamMaster, StreamRig } from './stream-listener.ts';

const SNAPSHOT = '{"type":"SUBSCRIBED"}';
const HEARTBEAT = '{"type":"HEARTBEAT"}';
const MIB = 1_048_576;

/** A stream whose snapshot has been heard. */
async function startStream(
  t: TestContext,
  snapshot: string = SNAPSHOT,
): Promise<StreamRig & { master: StreamMaster; stream: ServerResponse }> {
  const master = await startStreamMaster(t);
  const rig = subscribe(t, master, { stateBytesMax: 200 * MIB, requestTimeoutMs: 20_000 });
  const stream = await master.stream;
  stream.write(recordIo(snapshot));
  await rig.listener.heard(1);
  return { ...rig, master, stream };
}

// Silence

test('a stream without three heartbeats in a row is given up', async (t) => {
  const { subscription, clock, master } = await startStream(t);
  assert.equal(subscription.heartbeatMs, 15_000);
  clock.advance(44_999);
  assert.equal(clock.pending, 1);
  clock.advance(1);
  const { code, message } = await endOf({ subscription });
  assert.equal(code, 'stream-silent');
  assert.match(message, /^master 127\.0\.0\.1:\d+: no event and no heartbeat in 45000 ms$/);
  await master.hungUp;
  assert.equal(clock.pending, 0);
});

test('every record puts the silence off', async (t) => {
  const { subscription, clock, stream, listener } = await startStream(t);
  for (let beat = 0; beat < 10; beat++) {
    clock.advance(40_000);
    stream.write(recordIo(HEARTBEAT));
    await listener.heard(2 + beat);
  }
  clock.advance(45_000);
  assert.equal((await endOf({ subscription })).records, 11);
});

test('octets that make no record do not put the silence off', async (t) => {
  const { subscription, clock, stream } = await startStream(t);
  stream.write('1000\n');
  for (let beat = 0; beat < 5; beat++) {
    await new Promise<void>((resolve) => stream.write(' ', () => resolve()));
    clock.advance(10_000);
  }
  assert.equal((await endOf({ subscription })).code, 'stream-silent');
});

test('the interval of heartbeats that the master names counts at once', async (t) => {
  const { subscription, clock } = await startStream(t);
  clock.advance(20_000);
  subscription.setHeartbeat(5_000);
  assert.equal((await endOf({ subscription })).code, 'stream-silent');
});

test('a longer interval of heartbeats is waited for', async (t) => {
  const { subscription, clock } = await startStream(t);
  subscription.setHeartbeat(60_000);
  clock.advance(179_999);
  assert.equal(clock.pending, 1);
  clock.advance(1);
  assert.equal((await endOf({ subscription })).code, 'stream-silent');
});

test('a master that sends no heartbeats may be silent for ten minutes', async (t) => {
  const { subscription, clock } = await startStream(t);
  subscription.setHeartbeat(null);
  assert.equal(subscription.heartbeatMs, null);
  clock.advance(599_999);
  assert.equal(clock.pending, 1);
  clock.advance(1);
  assert.equal((await endOf({ subscription })).code, 'stream-silent');
});

test('intervals of heartbeats that make no sense are bounded', async (t) => {
  const { subscription } = await startStream(t);
  subscription.setHeartbeat(0);
  assert.equal(subscription.heartbeatMs, 1_000);
  subscription.setHeartbeat(1e12);
  assert.equal(subscription.heartbeatMs, 600_000);
});

// Before the snapshot

test('a master that answers nothing is given up at the deadline of a state', async (t) => {
  const master = await startSilentServer(t);
  const { subscription, clock } = subscribe(t, master, { requestTimeoutMs: 20_000 });
  await master.accepted;
  clock.advance(20_000);
  const { code, message } = await endOf({ subscription });
  assert.equal(code, 'master-timeout');
  assert.match(message, /: no snapshot in 20000 ms$/);
});

test('a snapshot that drips is given up at the deadline of a state', async (t) => {
  const master = await startStreamMaster(t);
  const { subscription, clock } = subscribe(t, master, { requestTimeoutMs: 20_000 });
  const stream = await master.stream;
  stream.write('1000\n');
  for (let second = 0; second < 20; second++) {
    await new Promise<void>((resolve) => stream.write(' ', () => resolve()));
    clock.advance(1_000);
  }
  assert.equal((await endOf({ subscription })).code, 'master-timeout');
  await master.hungUp;
});

test('a refusal whose body never ends is given up at the same deadline', async (t) => {
  const master = await startMaster(t, (_request, response) => {
    response.writeHead(503).write('No');
  });
  const { subscription, clock } = subscribe(t, master, { requestTimeoutMs: 20_000 });
  await waitUntil('the request', () => master.requests.length === 1);
  clock.advance(20_000);
  assert.equal((await endOf({ subscription })).code, 'master-timeout');
});

test('a stream may live longer than a state may take', async (t) => {
  const { subscription, clock, stream, listener } = await startStream(t);
  clock.advance(30_000);
  stream.write(recordIo(HEARTBEAT));
  await listener.heard(2);
  stream.end();
  assert.equal((await endOf({ subscription })).code, 'stream-ended');
});

// A consumer that is slow

const EVENT = `"${'x'.repeat(MIB - 2)}"`;

/** Writes so many events of 1 MiB, as fast as they are taken. */
async function writeEvents(stream: ServerResponse, events: number): Promise<void> {
  const bytes = recordIo(EVENT);
  for (let event = 0; event < events; event++) {
    await new Promise<void>((resolve) => stream.write(bytes, () => resolve()));
  }
}

test('a consumer with more than 64 MiB before it loses the stream', async (t) => {
  const { subscription, stream, listener, master } = await startStream(t);
  await writeEvents(stream, 64);
  await listener.heard(65);
  stream.write(recordIo('1'));
  const { code, message, records } = await endOf({ subscription });
  assert.equal(code, 'stream-behind');
  assert.match(message, /: 66 events of \d+ bytes wait to be dealt with$/);
  assert.equal(records, 65);
  assert.equal(listener.texts.length, 65);
  await master.hungUp;
});

test('the snapshot does not count against a consumer', async (t) => {
  const { stream, listener } = await startStream(t, `"${'x'.repeat(10 * MIB)}"`);
  await writeEvents(stream, 64);
  await listener.heard(65);
});

test('a consumer that acknowledges keeps the stream', async (t) => {
  const { subscription, stream, listener } = await startStream(t);
  listener.texts.length = 0;
  let records = 0;
  listener.react = ({ bytes }) => {
    listener.texts.length = 0;
    records++;
    subscription.acknowledge(1, bytes);
  };
  await writeEvents(stream, 200);
  await waitUntil('200 records', () => records === 200);
  stream.end();
  assert.equal((await endOf({ subscription })).code, 'stream-ended');
});

test('very many very small events do not pile up either', async (t) => {
  const { subscription, stream } = await startStream(t);
  const some = recordIo(...new Array<string>(1_024).fill('1'));
  for (let batch = 0; batch < 128; batch++) stream.write(some);
  const { code, records } = await endOf({ subscription });
  assert.equal(code, 'stream-behind');
  assert.equal(records, 131_072);
});
