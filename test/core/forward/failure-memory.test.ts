import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FailureMemory } from '../../../src/core/forward/failure-memory.ts';
import { questionKey } from '../../../src/core/forward/question-key.ts';
import { wireName } from '../../support/dns-message.ts';

const SILENT = { text: 'timeout', silentZone: '' };
const REFUSED = { text: 'refused', silentZone: null };

test('a failure counts 1 s, and twice as long after each further one, 30 s at most', () => {
  const memory = new FailureMemory();
  let nowMs = 0;
  for (const holdMs of [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]) {
    memory.add('key', SILENT, nowMs, false);
    assert.equal(memory.find('key', nowMs + holdMs - 1)?.text, 'timeout');
    nowMs += holdMs;
    assert.equal(memory.find('key', nowMs), null);
  }
});

test('a failure 30 s after the end of the last one is the first again', () => {
  const memory = new FailureMemory();
  memory.add('key', SILENT, 0, false);
  memory.add('key', SILENT, 31_000, false);
  assert.equal(memory.find('key', 32_000), null);
});

test('where a stale reply stands in, the first failure counts 30 s', () => {
  const memory = new FailureMemory();
  memory.add('key', SILENT, 0, true);
  assert.notEqual(memory.find('key', 29_999), null);
  assert.equal(memory.find('key', 30_000), null);
});

test('what failed longest ago is forgotten for what fails now', () => {
  const memory = new FailureMemory(2);
  memory.add('a', SILENT, 0, false);
  memory.add('b', SILENT, 0, false);
  memory.add('a', SILENT, 0, false);
  memory.add('c', SILENT, 0, false);
  assert.equal(memory.size, 2);
  assert.equal(memory.find('b', 0), null);
  assert.notEqual(memory.find('a', 0), null);
});

test('a cause of any length is cut to what a client can show', () => {
  const memory = new FailureMemory();
  memory.add('key', { ...SILENT, text: 'x'.repeat(10_000) }, 0, false);
  assert.equal(memory.find('key', 0)?.text.length, 200);
});

test('silence of one zone is forgotten, what others said is not', () => {
  const memory = new FailureMemory();
  memory.add('a', SILENT, 0, false);
  memory.add('b', { ...SILENT, silentZone: 'corp' }, 0, false);
  memory.add('c', REFUSED, 0, false);
  memory.forgetSilence('');
  assert.deepEqual(
    ['a', 'b', 'c'].map((key) => memory.find(key, 0) !== null),
    [false, true, true],
  );
});

test('a flush forgets a name or all', () => {
  const memory = new FailureMemory();
  const flags = { dnssecOk: false, checkingDisabled: false, recursionDesired: true };
  const [a, b] = ['a.org.', 'b.org.'].map((n) => ({ qname: wireName(n), qtype: 1, ...flags }));
  memory.add(questionKey(a!), SILENT, 0, false);
  memory.add(questionKey(b!), SILENT, 0, false);
  memory.flush(a!.qname);
  assert.equal(memory.find(questionKey(a!), 0), null);
  assert.equal(memory.size, 1);
  memory.flush(null);
  assert.equal(memory.size, 0);
});
