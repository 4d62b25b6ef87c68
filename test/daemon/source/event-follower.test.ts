import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StreamEnd } from '../../../src/adapters/mesos/event-stream.ts';
import { FollowerRig, settled } from './scripted-streams.ts';

const A = { host: '10.0.0.1', port: 5050 };
const B = { host: '10.0.0.2', port: 5050 };
const SNAPSHOT = '{"type":"SUBSCRIBED"}';
const HEARTBEAT = '{"type":"HEARTBEAT"}';
const EVENT = '{"type":"TASK_ADDED"}';

/** A follower that follows A. */
function following(): FollowerRig {
  const rig = new FollowerRig();
  rig.follower.follow(A);
  rig.stream.open();
  rig.stream.send(SNAPSHOT);
  return rig;
}

/** Milliseconds until the next stream is begun. */
function delayOf(rig: FollowerRig): number {
  const begun = rig.streams.length;
  const start = rig.clock.monotonic();
  while (rig.streams.length === begun) {
    assert.ok(rig.clock.pending > 0, 'an attempt is planned');
    rig.clock.advance(1);
  }
  return rig.clock.monotonic() - start;
}

// Following

test('nobody is followed before anybody is named', () => {
  const { follower, streams, clock } = new FollowerRig();
  assert.deepEqual(follower.status(), {
    state: 'off',
    reason: null,
    master: null,
    since: '2026-01-01T00:00:00.000Z',
    records: 0,
    reconnects: 0,
    lastRecordAt: null,
    heartbeatMs: null,
  });
  assert.equal(streams.length, 0);
  assert.equal(clock.pending, 0);
});

test('events of the master are passed on with the number of their stream', () => {
  const rig = following();
  rig.stream.send(EVENT);
  assert.deepEqual(rig.heard, [`1 ${SNAPSHOT}`, `1 ${EVENT}`]);
});

test('a stream is followed from its snapshot on', () => {
  const rig = new FollowerRig();
  rig.follower.follow(A);
  assert.equal(rig.follower.status().state, 'connecting');
  rig.clock.advance(1_000);
  rig.stream.open();
  assert.equal(rig.follower.status().state, 'connecting');
  rig.clock.advance(1_000);
  rig.stream.send(SNAPSHOT);
  rig.clock.advance(1_000);
  rig.stream.send(EVENT);
  assert.deepEqual(rig.follower.status(), {
    state: 'following',
    reason: null,
    master: '10.0.0.1:5050',
    since: '2026-01-01T00:00:02.000Z',
    records: 2,
    reconnects: 0,
    lastRecordAt: '2026-01-01T00:00:03.000Z',
    heartbeatMs: 15_000,
  });
  assert.deepEqual(
    rig.lines.map(([event]) => event),
    ['event-stream-begun'],
  );
});

test('heartbeats are counted and dealt with, and wake nobody', () => {
  const rig = following();
  rig.clock.advance(15_000);
  rig.stream.send(HEARTBEAT);
  assert.deepEqual(rig.heard, [`1 ${SNAPSHOT}`]);
  assert.deepEqual(rig.stream.acknowledged, [[1, HEARTBEAT.length]]);
  const { records, lastRecordAt } = rig.follower.status();
  assert.equal(records, 2);
  assert.equal(lastRecordAt, '2026-01-01T00:00:15.000Z');
});

test('who leads by the redirect of the master is shown', () => {
  const rig = new FollowerRig();
  rig.follower.follow(A);
  rig.stream.open(B);
  assert.equal(rig.follower.status().master, '10.0.0.2:5050');
});

test('what is said of a stream reaches that stream, and never a later one', async () => {
  const rig = following();
  rig.follower.acknowledge(1, 1, 100);
  rig.follower.setHeartbeat(1, 20_000);
  assert.deepEqual(rig.stream.acknowledged, [[1, 100]]);
  assert.equal(rig.follower.status().heartbeatMs, 20_000);
  await rig.stream.end('stream-ended');
  delayOf(rig);
  rig.follower.acknowledge(1, 1, 100);
  rig.follower.setHeartbeat(1, 30_000);
  rig.follower.giveUp(1, 'it makes no sense');
  assert.deepEqual(rig.stream.acknowledged, []);
  assert.equal(rig.stream.heartbeatMs, 15_000);
  assert.equal(rig.stream.isCancelled, false);
});

// Another leader

test('another leader ends what is in flight to the old one at once', async () => {
  const rig = new FollowerRig();
  rig.follower.follow(A);
  rig.follower.follow(B);
  assert.equal(rig.stream.isCancelled, true);
  await settled();
  assert.deepEqual(rig.asked, ['10.0.0.1:5050', '10.0.0.2:5050']);
  assert.deepEqual(rig.heard, ['1 ! stopped']);
  rig.stream.send(SNAPSHOT);
  assert.equal(rig.follower.status().state, 'following');
  assert.equal(rig.heard.at(-1), `2 ${SNAPSHOT}`);
  assert.equal(rig.clock.pending, 0);
});

test('the same leader named again changes nothing', () => {
  const rig = following();
  rig.follower.follow({ ...A });
  assert.equal(rig.stream.isCancelled, false);
  assert.equal(rig.streams.length, 1);
});

test('a leader that lost and won again in between is followed anew', async () => {
  const rig = following();
  rig.follower.follow(B);
  rig.follower.follow({ ...A });
  await settled();
  assert.deepEqual(rig.asked, ['10.0.0.1:5050', '10.0.0.1:5050']);
  assert.equal(rig.stream.isCancelled, false);
  assert.equal(rig.clock.pending, 0);
});

test('another leader is asked at once, however long the old one was to be left alone', async () => {
  const rig = new FollowerRig();
  rig.follower.follow(A);
  rig.stream.open();
  await rig.stream.end('stream-unsupported', 'status 404');
  assert.equal(rig.follower.status().state, 'waiting');
  rig.follower.follow(B);
  assert.deepEqual(rig.asked, ['10.0.0.1:5050', '10.0.0.2:5050']);
  assert.equal(rig.clock.pending, 0);
  const { state, reason } = rig.follower.status();
  assert.deepEqual([state, reason], ['connecting', null]);
});

test('without a leader nobody is followed', async () => {
  const rig = following();
  rig.follower.follow(null);
  await settled();
  const { state, master } = rig.follower.status();
  assert.deepEqual([state, master], ['off', null]);
  assert.equal(rig.streams.length, 1);
  assert.equal(rig.clock.pending, 0);
});

// Trying again

test('streams that fail are tried again after one second, and less and less often', async () => {
  const rig = new FollowerRig();
  rig.follower.follow(A);
  const delays: number[] = [];
  for (let attempt = 0; attempt < 7; attempt++) {
    await rig.stream.end('master-unreachable');
    delays.push(delayOf(rig));
  }
  assert.deepEqual(delays, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
  assert.equal(rig.follower.status().reconnects, 7);
});

test('nodes do not try again in step', async () => {
  const rig = new FollowerRig();
  rig.draw = 0;
  rig.follower.follow(A);
  await rig.stream.end('master-unreachable');
  assert.equal(delayOf(rig), 500);
});

test('a stream that lived for more than a minute makes the failures before it forgotten', async () => {
  const rig = new FollowerRig();
  rig.follower.follow(A);
  for (let attempt = 0; attempt < 4; attempt++) {
    await rig.stream.end('master-unreachable');
    delayOf(rig);
  }
  rig.stream.send(SNAPSHOT);
  rig.clock.advance(60_000);
  await rig.stream.end('stream-ended');
  assert.equal(delayOf(rig), 16_000);
  rig.stream.send(SNAPSHOT);
  rig.clock.advance(60_001);
  await rig.stream.end('stream-ended');
  assert.equal(delayOf(rig), 1_000);
});

const REFUSALS: readonly StreamEnd['code'][] = ['stream-unsupported', 'master-auth'];

for (const code of REFUSALS) {
  test(`a master that refuses (${code}) is asked again after ten minutes, with the reason kept`, async () => {
    const rig = new FollowerRig();
    rig.follower.follow(A);
    rig.stream.open();
    await rig.stream.end(code, 'status so and so');
    const { state, reason, heartbeatMs } = rig.follower.status();
    assert.deepEqual([state, reason, heartbeatMs], ['waiting', 'status so and so', null]);
    assert.equal(delayOf(rig), 600_000);
    assert.equal(rig.follower.status().reason, 'status so and so');
    rig.stream.send(SNAPSHOT);
    assert.equal(rig.follower.status().reason, null);
  });
}

test('a login that fails before a master is asked is tried again soon', async () => {
  const rig = new FollowerRig();
  rig.follower.follow(A);
  await rig.stream.end('master-auth', 'the login failed');
  assert.equal(delayOf(rig), 1_000);
});

test('a stream that nobody can make sense of is given up and begun anew after a pause', async () => {
  const rig = following();
  rig.follower.giveUp(1, 'the worker stopped');
  await settled();
  assert.deepEqual(rig.heard, [`1 ${SNAPSHOT}`, '1 ! stopped']);
  const { state, reason } = rig.follower.status();
  assert.deepEqual([state, reason], ['waiting', 'the worker stopped']);
  assert.equal(delayOf(rig), 1_000);
});

test('ends in a row are logged each time their number has doubled', async () => {
  const rig = new FollowerRig();
  rig.follower.follow(A);
  for (let attempt = 0; attempt < 9; attempt++) {
    await rig.stream.end('master-unreachable', 'refused');
    delayOf(rig);
  }
  assert.deepEqual(
    rig.lines.map(([event, { failures, retryMs }]) => [event, failures, retryMs]),
    [
      ['event-stream-ended', 1, 1_000],
      ['event-stream-ended', 2, 2_000],
      ['event-stream-ended', 4, 8_000],
      ['event-stream-ended', 8, 30_000],
    ],
  );
});

// Stopping

test('a follower that stops ends its stream and begins no other', async () => {
  const rig = following();
  await rig.follower.stop();
  assert.equal(rig.stream.isCancelled, true);
  assert.deepEqual(rig.heard, [`1 ${SNAPSHOT}`, '1 ! stopped']);
  assert.equal(rig.follower.status().state, 'off');
  rig.follower.follow(B);
  assert.equal(rig.streams.length, 1);
  assert.equal(rig.clock.pending, 0);
});

test('a follower that stops while it waits leaves no timer', async () => {
  const rig = following();
  await rig.stream.end('stream-ended');
  await rig.follower.stop();
  assert.equal(rig.clock.pending, 0);
  assert.equal(rig.streams.length, 1);
});

test('whoever hears of an end can name another leader in it', async () => {
  const rig = following();
  rig.reactToEnd = () => rig.follower.follow(B);
  await rig.stream.end('stream-ended');
  assert.deepEqual(rig.asked, ['10.0.0.1:5050', '10.0.0.2:5050']);
  assert.equal(rig.clock.pending, 0);
});
