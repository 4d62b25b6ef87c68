import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Rejection, RejectionList } from '../../../src/core/base/rejection.ts';
import {
  LABEL_LENGTH_MAX,
  LABELS_MAX,
  mentionsVipPort,
  type ParsedPortLabels,
  parsePortLabels,
  parseVipPortLabels,
} from '../../../src/core/mesos/parse-labels.ts';
import type { VipPortLabel } from '../../../src/core/mesos/snapshot.ts';
import { label } from '../../support/state-builder.ts';

function readPort(value: unknown): ParsedPortLabels & { rejections: readonly Rejection[] } {
  const rejections = new RejectionList();
  return { ...parsePortLabels(value, 'port', rejections), rejections: rejections.items };
}

function readTask(value: unknown): { labels: readonly VipPortLabel[]; rejected: string[] } {
  const rejections = new RejectionList();
  const labels = parseVipPortLabels(value, 'task', rejections);
  return { labels, rejected: rejections.items.map(({ path, code }) => `${path} ${code}`) };
}

const codes = (rejections: readonly Rejection[]): string[] =>
  rejections.map(({ path, code }) => `${path} ${code}`);

// Labels of a port.

const KEYS: readonly (readonly [key: string, isKept: boolean])[] = [
  ['VIP_0', true],
  ['VIP', true],
  ['vip0', true],
  ['VIPER', true],
  ['HOPLITE_WEIGHT', true],
  ['HOPLITE_', true],
  ['Vip_0', false],
  ['vIP_0', false],
  [' VIP_0', false],
  ['LB_VIP_0', false],
  ['hoplite_weight', false],
  ['HOPLITE', false],
  ['network-name', false],
  ['', false],
];

for (const [key, isKept] of KEYS) {
  test(`the port label ${JSON.stringify(key)} is ${isKept ? 'kept' : 'of no interest'}`, () => {
    const { labels, rejections } = readPort({ labels: [label(key, '/web:80')] });
    assert.deepEqual(labels, isKept ? [{ key, value: '/web:80' }] : []);
    assert.deepEqual(rejections, []);
  });
}

test('labels of a port stay as they are written and in order, equal ones too', () => {
  const entries = [label('VIP_1', ' /B:0 '), label('VIP_0', 'a'), label('VIP_0', 'a')];
  assert.deepEqual(readPort({ labels: entries }).labels, entries);
});

for (const none of [undefined, null, {}, { labels: null }, { labels: [] }]) {
  test(`a port whose labels are ${none === undefined ? 'missing' : JSON.stringify(none)} has none`, () => {
    assert.deepEqual(readPort(none), { scope: null, labels: [], rejections: [] });
  });
}

for (const bad of ['x', 7, [label('VIP_0', 'a')], { labels: {} }, { labels: 'x' }]) {
  test(`labels of a port that are ${JSON.stringify(bad)} are rejected`, () => {
    const { labels, rejections } = readPort(bad);
    assert.deepEqual([labels, codes(rejections)], [[], ['port.labels labels-malformed']]);
  });
}

const BAD_LABELS: readonly (readonly [what: string, bad: unknown, code: string])[] = [
  ['that is no object', 'VIP_0', 'label-malformed'],
  ['that is null', null, 'label-malformed'],
  ['without a key', { value: '/web:80' }, 'label-malformed'],
  ['whose key is a number', { key: 7, value: '/web:80' }, 'label-malformed'],
  ['that declares a VIP and has no value', { key: 'VIP_0' }, 'label-malformed'],
  ['that declares a VIP by a number', { key: 'VIP_0', value: 80 }, 'label-malformed'],
  ['with a long key', label(`VIP_${'9'.repeat(LABEL_LENGTH_MAX)}`, '/web:80'), 'label-too-long'],
  ['with a long value', label('VIP_0', 'w'.repeat(LABEL_LENGTH_MAX + 1)), 'label-too-long'],
];

for (const [what, bad, code] of BAD_LABELS) {
  test(`S02: a port label ${what} loses only itself`, () => {
    const good = [label('VIP_1', '/a:1'), label('HOPLITE_WEIGHT', '2')];
    const { scope, labels, rejections } = readPort({
      labels: [good[0], bad, good[1], label('network-scope', 'host')],
    });
    assert.deepEqual([scope, labels], ['host', good]);
    assert.deepEqual(codes(rejections), [`port.labels.labels[1] ${code}`]);
  });
}

test('labels of no interest may be as long as they like, and have no value', () => {
  const { labels, rejections } = readPort({
    labels: [label('notes', 'x'.repeat(9_999)), label('x'.repeat(9_999), ''), { key: 'flag' }],
  });
  assert.deepEqual([labels, rejections], [[], []]);
});

test('keys and values of just the greatest length are kept', () => {
  const longest = label('VIP'.padEnd(LABEL_LENGTH_MAX, '0'), 'w'.repeat(LABEL_LENGTH_MAX));
  assert.deepEqual(readPort({ labels: [longest] }).labels, [longest]);
});

test('of a port with more VIP labels than anybody has the first are kept', () => {
  const many = Array.from({ length: LABELS_MAX + 2 }, (_, i) => label(`VIP_${i}`, `/w${i}:80`));
  const others = Array.from({ length: 100 }, (_, i) => label(`other${i}`, ''));
  const { scope, labels, rejections } = readPort({
    labels: [...others, ...many, label('network-scope', 'container')],
  });
  assert.deepEqual([scope, labels], ['container', many.slice(0, LABELS_MAX)]);
  assert.deepEqual(codes(rejections), [
    'port.labels.labels[132] too-many-labels',
    'port.labels.labels[133] too-many-labels',
  ]);
});

// Network scope.

const BAD_SCOPES: readonly (readonly [what: string, labels: readonly unknown[], at: number])[] = [
  ['of another value', [label('network-scope', 'elsewhere')], 0],
  ['in capitals', [label('network-scope', 'HOST')], 0],
  ['without a value', [{ key: 'network-scope' }], 0],
  ['twice', [label('network-scope', 'host'), label('network-scope', 'container')], 1],
  ['twice the same', [label('network-scope', 'host'), label('network-scope', 'host')], 1],
  ['good and bad', [label('network-scope', 'host'), label('network-scope', '')], 1],
];

for (const [what, scopes, at] of BAD_SCOPES) {
  test(`a port with a network scope ${what} has neither a scope nor VIPs`, () => {
    const vips = [label('VIP_0', '/web:80')];
    const { scope, labels, rejections } = readPort({ labels: [...scopes, ...vips] });
    assert.deepEqual([scope, labels], [null, []]);
    assert.deepEqual(codes(rejections), [`port.labels.labels[${at}] network-scope-malformed`]);
    assert.deepEqual(readPort({ labels: [...vips, ...scopes] }).labels, []);
  });
}

// Labels of a task.

test('labels VIP_PORT<n> of a task are read in any case, with what stands behind', () => {
  const { labels, rejected } = readTask([
    label('VIP_PORT0', 'tcp://web:80'),
    label('vip_port12', 'udp://dns:53'),
    label('Vip_Port', ''),
    label('VIP_PORTx1', 'x'),
    label('VIP_0', '/web:80'),
    label('VIP_POR', '/web:80'),
    label(' VIP_PORT0', 'tcp://web:80'),
    label('team', 'front'),
  ]);
  assert.deepEqual(rejected, []);
  assert.deepEqual(labels, [
    { index: '0', value: 'tcp://web:80' },
    { index: '12', value: 'udp://dns:53' },
    { index: '', value: '' },
    { index: 'x1', value: 'x' },
  ]);
});

for (const none of [undefined, null, [], {}, 'VIP_PORT0', { labels: [label('VIP_PORT0', '')] }]) {
  test(`a task whose labels are ${none === undefined ? 'missing' : JSON.stringify(none)} has none`, () => {
    assert.deepEqual(readTask(none), { labels: [], rejected: [] });
  });
}

test('S02: a bad VIP_PORT label loses only itself, others that are bad are not ours', () => {
  const { labels, rejected } = readTask([
    7,
    { key: 7 },
    { key: 'team' },
    label('team', 'x'.repeat(999)),
    { key: 'VIP_PORT0' },
    label('VIP_PORT1', 'x'.repeat(LABEL_LENGTH_MAX + 1)),
    label(`VIP_PORT${'1'.repeat(LABEL_LENGTH_MAX)}`, 'tcp://web:80'),
    label('VIP_PORT2', 'tcp://web:80'),
  ]);
  assert.deepEqual(labels, [{ index: '2', value: 'tcp://web:80' }]);
  assert.deepEqual(rejected, [
    'task.labels[4] label-malformed',
    'task.labels[5] label-too-long',
    'task.labels[6] label-too-long',
  ]);
});

test('of a task with more VIP_PORT labels than anybody has the first are kept', () => {
  const many = Array.from({ length: LABELS_MAX + 1 }, (_, i) => label(`VIP_PORT${i}`, ''));
  const { labels, rejected } = readTask(many);
  assert.equal(labels.length, LABELS_MAX);
  assert.deepEqual(rejected, ['task.labels[32] too-many-labels']);
});

// The filter over the text.

const mentions = (text: string): boolean => {
  const octets = Buffer.from(`{"labels":${text},"vip_port":1}`);
  return mentionsVipPort(octets, 10, octets.length - 14);
};

const TEXTS: readonly (readonly [text: string, isMentioned: boolean])[] = [
  ['[{"key":"VIP_PORT0","value":"tcp://web:80"}]', true],
  ['[{"key":"vIp_pOrT","value":""}]', true],
  ['[{"key":"\\u0056IP_PORT0","value":""}]', true],
  ['[{"key":"team","value":"VIP_PORT0"}]', true],
  ['[{"key":"team","value":"a VIP_PORT0"}]', false],
  ['[{"key":"VIP_0","value":"\\/web:80"}]', false],
  ['[{"key":"a\\\\","value":"\\"}]', false],
  ['[]', false],
  ['null', false],
];

for (const [text, isMentioned] of TEXTS) {
  test(`the labels ${text} ${isMentioned ? 'may' : 'do not'} declare a VIP_PORT`, () => {
    assert.equal(mentions(text), isMentioned);
  });
}

// Laws.

const keys = fc.constantFrom(
  ...['VIP_0', 'vip1', 'HOPLITE_WEIGHT', 'VIP_PORT0', 'vip_Port1', 'VIP_PORT', 'team'],
  ...['network-scope', 'Vip_0', '"', 'v\u00efp_port'],
);
const anyLabels = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.tuple(keys, fc.string()).map(([key, value]) => label(key, value)) },
    { weight: 1, arbitrary: fc.record({ key: keys, value: fc.jsonValue({ maxDepth: 1 }) }) },
    { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) },
  ),
  { maxLength: 50 },
);

test('any labels are read or rejected within the limits, never thrown at', () => {
  fc.assert(
    fc.property(anyLabels, fc.jsonValue(), (entries, other) => {
      for (const { labels } of [readPort({ labels: entries }), readPort(other)]) {
        assert.ok(labels.length <= LABELS_MAX);
        for (const { key, value } of labels) {
          assert.match(key, /^(?:VIP|vip|HOPLITE_)/);
          assert.ok(Math.max(key.length, value.length) <= LABEL_LENGTH_MAX);
        }
      }
      assert.ok(readTask(entries).labels.length <= LABELS_MAX);
      assert.deepEqual(readTask(other).labels.length > 0, false);
    }),
  );
});

test('labels that the filter passes over have nothing to read', () => {
  fc.assert(
    fc.property(anyLabels, (entries) => {
      const octets = Buffer.from(JSON.stringify(entries));
      if (mentionsVipPort(octets, 0, octets.length)) return;
      assert.deepEqual(readTask(entries), { labels: [], rejected: [] });
    }),
    { numRuns: 500 },
  );
});
