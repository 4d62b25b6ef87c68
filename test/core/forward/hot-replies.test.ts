import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { TYPE } from '../../../src/core/dns/constants.ts';
import { STORED, STORED_WORDS } from '../../../src/core/dns/stored-reply.ts';
import { HotReplies } from '../../../src/core/forward/hot-replies.ts';
import { inTime } from '../../support/wait-until.ts';
import type { ReaderReport, ReaderTask } from './hot-reader.ts';
import { ANY_DATA, type Asked, flagsOf, queryFor, readVersion, versionOf } from './hot-reply.ts';

/** Replies that a reader sees to be newer than the one before. */
const CHANGES_SEEN = 500;

const WEB: Asked = { name: 'web.example.', qtype: ANY_DATA, dnssecOk: false };

function hotReplies(bytes: number): HotReplies {
  return new HotReplies(HotReplies.create(bytes));
}

/** Version of the reply that is found, or null. */
function look(hot: HotReplies, asked: Asked): number | null {
  const at = hot.find(queryFor(asked), flagsOf(asked));
  return at === 0 ? null : readVersion(hot.words, at, asked);
}

test('a reply is found by name in any case, type and flags', () => {
  const hot = hotReplies(65_536);
  assert.equal(look(hot, WEB), null);
  assert.ok(hot.put(versionOf(WEB, 7)));
  assert.equal(look(hot, WEB), 7);
  assert.equal(look(hot, { ...WEB, name: 'WEB.eXample.' }), 7);
  assert.equal(look(hot, { ...WEB, qtype: TYPE.TXT }), null);
  assert.equal(look(hot, { ...WEB, dnssecOk: true }), null);
  assert.equal(look(hot, { ...WEB, name: 'web.exampl.' }), null);
  assert.equal(look(hot, { ...WEB, name: 'eb.example.' }), null);
});

test('every thread that opens the buffer finds what is in it', () => {
  const hot = hotReplies(65_536);
  hot.put(versionOf(WEB, 7));
  assert.equal(look(new HotReplies(hot.buffer), WEB), 7);
});

test('names with equal hashes are told apart', () => {
  const hot = hotReplies(65_536);
  const other: Asked = { ...WEB, name: 'wab.example.' };
  const reply = versionOf(other, 1);
  reply[STORED.HASH] = queryFor(WEB).hash;
  assert.ok(hot.put(reply));
  assert.equal(look(hot, WEB), null);
  assert.ok(hot.put(versionOf(WEB, 2)));
  assert.equal(look(hot, WEB), 2);
});

test('many types of one name are told apart', () => {
  const hot = hotReplies(65_536);
  const types = Array.from({ length: 600 }, (_, i) => ({
    ...WEB,
    qtype: 1000 + ((i * i * 31) % 64_007),
  }));
  for (const [version, asked] of types.slice(0, 300).entries()) {
    assert.ok(hot.put(versionOf(asked, version)));
  }
  for (const [version, asked] of types.entries()) {
    assert.equal(look(hot, asked), version < 300 ? version : null);
  }
});

test('a newer reply takes the place of the older, which stays as it was for who reads it still', () => {
  const hot = hotReplies(65_536);
  hot.put(versionOf(WEB, 1));
  const old = hot.find(queryFor(WEB), flagsOf(WEB));
  const used = hot.usedBytes;
  assert.ok(hot.put(versionOf(WEB, 2)));
  assert.equal(look(hot, WEB), 2);
  assert.equal(readVersion(hot.words, old, WEB), 1);
  assert.equal(hot.count, 1);
  assert.equal(hot.usedBytes - used, versionOf(WEB, 2).byteLength);
});

test('hits are counted at the reply', () => {
  const hot = hotReplies(65_536);
  hot.put(versionOf(WEB, 1));
  const at = hot.find(queryFor(WEB), flagsOf(WEB));
  hot.countHit(at);
  hot.countHit(at);
  assert.equal(hot.hits(at), 2);
  hot.put(versionOf(WEB, 1));
  assert.equal(hot.hits(hot.find(queryFor(WEB), flagsOf(WEB))), 0);
});

test('a buffer says that it is full, and keeps what it has', () => {
  const hot = hotReplies(4096);
  const one = (i: number): Asked => ({ ...WEB, name: `${i}.example.` });
  let count = 0;
  while (hot.put(versionOf(one(count), 50))) count++;
  assert.ok(count > 10, `${count} replies`);
  assert.equal(hot.count, count);
  assert.ok(hot.usedBytes <= 4096);
  for (let i = 0; i < count; i++) assert.equal(look(hot, one(i)), 50);
  assert.equal(look(hot, one(count)), null);
});

test('a buffer of the smallest replies is full when half of its slots are taken', () => {
  const hot = hotReplies(65_536);
  const slots = hot.usedBytes / 4;
  // A denial of the root without SOA.
  const small = new Uint32Array(STORED_WORDS + 1);
  small[STORED.BYTES] = small.byteLength;
  small[STORED.KEY] = 1;
  let count = 0;
  for (; count < 10_000; count++) {
    small[STORED.HASH] = Math.imul(count, 0x9e3779b1) >>> 0;
    if (!hot.put(small)) break;
  }
  assert.ok(count > 0.4 * slots && count <= 0.5 * slots, `${count} replies in ${slots} slots`);
  assert.ok(hot.usedBytes < 65_536 - small.byteLength);
});

test('names made to have equal hashes push each other out, and nobody else', () => {
  const hot = hotReplies(1 << 20);
  hot.put(versionOf(WEB, 3));
  const name = (i: number): Asked => ({ ...WEB, name: `${String(i).padStart(4, '0')}.evil.` });
  for (let i = 0; i < 200; i++) {
    const reply = versionOf(name(i), i);
    reply[STORED.HASH] = 0x12345678;
    assert.ok(hot.put(reply));
  }
  assert.ok(hot.count <= 40, `${hot.count} questions`);
  const found = (i: number): boolean => {
    const query = queryFor(name(i));
    query.hash = 0x12345678;
    return hot.find(query, flagsOf(WEB)) !== 0;
  };
  assert.ok(found(199), 'the last one is there');
  assert.ok(!found(0), 'the one that ended first is not');
  assert.equal(look(hot, WEB), 3);
});

const asked: fc.Arbitrary<Asked> = fc.record({
  name: fc.constantFrom('a.', 'b.', 'a.b.', 'B.a.', 'ab.', '.'),
  qtype: fc.constantFrom(ANY_DATA, TYPE.TXT),
  dnssecOk: fc.boolean(),
});
const keyOf = ({ name, qtype, dnssecOk }: Asked): string =>
  `${name.toLowerCase()} ${qtype} ${dnssecOk}`;

test('law: it behaves like a map from questions to replies', () => {
  const step = fc.record({ asked, version: fc.option(fc.nat(200), { nil: null }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const hot = hotReplies(1 << 17);
      const model = new Map<string, number>();
      for (const { asked: question, version } of steps) {
        const key = keyOf(question);
        if (version !== null) {
          assert.ok(hot.put(versionOf(question, version)));
          model.set(key, version);
        }
        assert.equal(look(hot, question), model.get(key) ?? null);
        assert.equal(hot.count, model.size);
      }
    }),
    { numRuns: 200 },
  );
});

test('a thread that reads while another writes sees whole replies only, and none that is older', async () => {
  const questions = Array.from({ length: 40 }, (_, i) => ({ ...WEB, name: `host${i}.example.` }));
  const hot = hotReplies(64 << 20);
  const control = new SharedArrayBuffer(12);
  const state = new Int32Array(control);
  const task: ReaderTask = { replies: hot.buffer, questions, control };
  const worker = new Worker(new URL('./hot-reader.js', import.meta.url), { workerData: task });
  const report = once(worker, 'message') as Promise<[ReaderReport]>;
  const put = (version: number): void => {
    for (const question of questions) {
      const reply = versionOf(question, version);
      for (let i = 0; i < 5; i++) assert.ok(hot.put(reply), 'the buffer is large enough');
    }
  };
  try {
    put(0);
    for (let version = 1; Atomics.load(state, 1) < CHANGES_SEEN; version++) {
      // The first version stays until the thread is there.
      if (Atomics.load(state, 1) > 0) put(version);
      await Promise.race([setImmediate(), report]);
      if (Atomics.load(state, 2) !== 0) break;
    }
  } finally {
    Atomics.store(state, 0, 1);
  }
  const [{ found, fault }] = await inTime('the report of the reader', report);
  await worker.terminate();
  assert.equal(fault, null);
  assert.ok(found >= CHANGES_SEEN, `${found} replies`);
});
