import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { dottedLabels, label, protocolLabels } from '../../../src/core/catalog/labels.ts';

const RFC1123: readonly (readonly [text: string, label: string])[] = [
  ['web', 'web'],
  ['Web2', 'web2'],
  ['Under_Score.Dot', 'under-score-dot'],
  ['-lead-trail-', 'lead-trail'],
  ['._-web-_.', 'web'],
  ['ünïcödé', 'ncd'],
  ['日本', ''],
  ['*', ''],
  ['', ''],
  ['---', ''],
  ['group/app', 'groupapp'],
  ['UPPER CASE Name', 'uppercasename'],
  ['ChronosTask:nightly-report', 'chronostasknightly-report'],
  ['123numeric', '123numeric'],
  ['a\u0000b\ud800c', 'abc'],
  ['a'.repeat(63), 'a'.repeat(63)],
  ['a'.repeat(64), 'a'.repeat(63)],
  [`${'c'.repeat(60)}-----tail`, `${'c'.repeat(60)}tai`],
  // What is put in place of cut dashes is not trimmed again.
  [`${'c'.repeat(61)}--x-y`, `${'c'.repeat(61)}x-`],
  [`${'c'.repeat(62)}--`, 'c'.repeat(62)],
  [`-${'c'.repeat(63)}d`, 'c'.repeat(63)],
];

for (const [text, expected] of RFC1123) {
  test(`the label of ${JSON.stringify(text)} is ${expected || 'empty'}`, () => {
    assert.equal(label(text, 'rfc1123'), expected);
  });
}

const RFC952: readonly (readonly [text: string, label: string])[] = [
  ['123numeric', 'numeric'],
  ['1-2-3', ''],
  ['8080', ''],
  ['web2', 'web2'],
  ['89fdgsf---gs7-fgs--d7fddg-123', 'fdgsf---gs7-fgs--d7fddg1'],
  ['a'.repeat(25), 'a'.repeat(24)],
];

for (const [text, expected] of RFC952) {
  test(`the RFC 952 label of ${JSON.stringify(text)} is ${expected || 'empty'}`, () => {
    assert.equal(label(text, 'rfc952'), expected);
  });
}

test('any text makes a label of legal characters that makes itself again', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 100 }),
    fc.string({ unit: fc.constantFrom('-', '.', '_', '1', 'a', 'Z', '/'), maxLength: 100 }),
  );
  const rules = fc.constantFrom('rfc1123', 'rfc952');
  fc.assert(
    fc.property(text, rules, (value, rule) => {
      const made = label(value, rule);
      assert.match(
        made,
        rule === 'rfc952' ? /^([a-z][-a-z0-9]{0,23})?$/ : /^([a-z0-9][-a-z0-9]{0,62})?$/,
      );
      // A refilled label can end in a dash, which the next run trims.
      if (!made.endsWith('-')) assert.equal(label(made, rule), made);
      assert.equal(label(value.toLowerCase(), rule).length > 0, made.length > 0);
    }),
    { numRuns: 1000 },
  );
});

const DOTTED: readonly (readonly [text: string, name: string])[] = [
  ['marathon', 'marathon'],
  ['Marathon.Prod', 'marathon.prod'],
  ['a..b', 'a.b'],
  ['.a.', 'a'],
  ['a.*.b', 'a.b'],
  ['a_b.c d', 'a-b.cd'],
  ['...', ''],
  ['*', ''],
  ['', ''],
];

for (const [text, expected] of DOTTED) {
  test(`the framework name ${JSON.stringify(text)} becomes ${expected || 'empty'}`, () => {
    assert.equal(dottedLabels(text, 'rfc1123'), expected);
  });
}

test('each part of a framework name has the length of a label', () => {
  assert.equal(dottedLabels(`${'a'.repeat(30)}.1b`, 'rfc952'), `${'a'.repeat(24)}.b`);
});

const PROTOCOLS: readonly (readonly [text: string, protocols: readonly string[]])[] = [
  ['tcp', ['tcp']],
  ['udp', ['udp']],
  ['TCP', ['tcp']],
  ['sctp', ['sctp']],
  ['', ['tcp', 'udp']],
  ['日本', ['tcp', 'udp']],
  [',', ['tcp', 'udp']],
];

for (const [text, expected] of PROTOCOLS) {
  test(`the protocol ${JSON.stringify(text)} stands for ${expected.join(' and ')}`, () => {
    assert.deepEqual(protocolLabels(text, 'rfc1123'), expected);
  });
}

for (const text of ['tcp,udp', 'tcp, udp', 'TCP/UDP', 'tcp|udp', 'tcp udp', ',tcp,,udp,tcp']) {
  test(`D17: the protocol ${JSON.stringify(text)} stands for tcp and udp`, () => {
    assert.deepEqual(protocolLabels(text, 'rfc1123'), ['tcp', 'udp']);
  });
}
