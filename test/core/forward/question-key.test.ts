import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isKeyIn, parentKey, questionKey } from '../../../src/core/forward/question-key.ts';
import type { ForwardQuestion } from '../../../src/core/forward/resolution.ts';
import { wireName } from '../../support/dns-message.ts';

const PLAIN: ForwardQuestion = {
  qname: wireName('www.example.org.'),
  qtype: 1,
  dnssecOk: false,
  checkingDisabled: false,
  recursionDesired: false,
};

test('equal questions have one key, and each difference makes another', () => {
  const questions: readonly ForwardQuestion[] = [
    PLAIN,
    { ...PLAIN, qname: wireName('ww.example.org.') },
    { ...PLAIN, qname: Uint8Array.of(0) },
    { ...PLAIN, qtype: 65_535 },
    { ...PLAIN, qtype: 257 },
    { ...PLAIN, dnssecOk: true },
    { ...PLAIN, checkingDisabled: true },
    { ...PLAIN, recursionDesired: true },
    { ...PLAIN, qname: Uint8Array.of(3, 0, 0x2e, 0xff, 0) },
  ];
  assert.equal(new Set(questions.map(questionKey)).size, questions.length);
  assert.equal(questionKey({ ...PLAIN, qname: new Uint8Array(PLAIN.qname) }), questionKey(PLAIN));
});

test('the keys of parents are those of the same question about them, up to the top level', () => {
  const parents: string[] = [];
  let key = parentKey(questionKey(PLAIN));
  for (; key !== null; key = parentKey(key)) parents.push(key);
  const about = (name: string): string => questionKey({ ...PLAIN, qname: wireName(name) });
  assert.deepEqual(parents, [about('example.org.'), about('org.')]);
  assert.equal(parentKey(about('.')), null);
});

test('a key is in its name and in those above it, and in no other', () => {
  const key = questionKey({ ...PLAIN, qtype: 28 });
  for (const name of ['www.example.org.', 'example.org.', 'org.', '.']) {
    assert.ok(isKeyIn(key, wireName(name)), name);
  }
  for (const other of ['a.www.example.org.', 'wwx.example.org.', 'w.example.org.', 'ample.org.']) {
    assert.ok(!isKeyIn(key, wireName(other)), other);
  }
});
