import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  REJECTED_VALUE_LENGTH_MAX,
  rejectedValue,
  RejectionList,
  REJECTIONS_LISTED_MAX,
} from '../../../src/core/base/rejection.ts';

const SHOWN: readonly (readonly [value: unknown, text: string])[] = [
  ['web', 'web'],
  ['', ''],
  [70_000, '70000'],
  [-0.5, '-0.5'],
  [true, 'true'],
  [null, 'null'],
  [undefined, 'null'],
  [[], '[]'],
  [{}, '{}'],
  [
    { number: 1, name: 'a"b', labels: [null, {}] },
    '{"number":1,"name":"a\\"b","labels":[null,{}]}',
  ],
];

for (const [value, text] of SHOWN) {
  test(`the rejected value ${text} is shown as it stands in the input`, () => {
    assert.equal(rejectedValue(value), text);
  });
}

test('a long rejected value is cut and says so', () => {
  const longest = 'x'.repeat(REJECTED_VALUE_LENGTH_MAX);
  assert.equal(rejectedValue(longest), longest);
  assert.equal(rejectedValue(`${longest}x`), `${longest.slice(1)}…`);
});

test('any JSON value is shown as its JSON text or the start of that', () => {
  fc.assert(
    fc.property(fc.jsonValue({ depthSize: 'large' }), (value) => {
      const text = typeof value === 'string' ? value : JSON.stringify(value);
      const cut = `${text.slice(0, REJECTED_VALUE_LENGTH_MAX - 1)}…`;
      assert.equal(rejectedValue(value), text.length <= REJECTED_VALUE_LENGTH_MAX ? text : cut);
    }),
    { numRuns: 500 },
  );
});

test('a value of 100,000 nested lists or objects is shown without a stack overflow', () => {
  for (const [open, close] of [
    ['[', ']'],
    ['{"a":', '}'],
  ] as const) {
    const value: unknown = JSON.parse(`${open.repeat(100_000)}1${close.repeat(100_000)}`);
    const text = rejectedValue(value);
    assert.equal(text.length, REJECTED_VALUE_LENGTH_MAX);
    assert.ok(text.startsWith(open.repeat(20)));
  }
});

test('rejections are kept in order with path, code and value', () => {
  const list = new RejectionList();
  list.add('slaves[0].pid', 'pid-malformed', null);
  list.add('frameworks[1]', 'framework-malformed', 7);
  assert.deepEqual(list.items, [
    { path: 'slaves[0].pid', code: 'pid-malformed', value: 'null' },
    { path: 'frameworks[1]', code: 'framework-malformed', value: '7' },
  ]);
  assert.equal(list.total, 2);
});

test('only the first thousand rejections are kept, all are counted', () => {
  const list = new RejectionList();
  for (let i = 0; i < REJECTIONS_LISTED_MAX + 5; i++) list.add(`tasks[${i}]`, 'task-malformed', i);
  assert.equal(list.items.length, REJECTIONS_LISTED_MAX);
  assert.equal(list.items.at(-1)?.path, `tasks[${REJECTIONS_LISTED_MAX - 1}]`);
  assert.equal(list.total, REJECTIONS_LISTED_MAX + 5);
});

test('a list takes over another one with its count, up to the same bound', () => {
  const [first, second] = [new RejectionList(), new RejectionList()];
  for (let i = 0; i < REJECTIONS_LISTED_MAX - 1; i++) first.add('a', 'task-malformed', i);
  for (let i = 0; i < 3; i++) second.add(`b[${i}]`, 'task-malformed', i);
  first.addAll(second);
  assert.equal(first.items.length, REJECTIONS_LISTED_MAX);
  assert.equal(first.items.at(-1)?.path, 'b[0]');
  assert.equal(first.total, REJECTIONS_LISTED_MAX + 2);
  assert.equal(second.total, 3);
  second.addAll(first);
  assert.equal(second.total, REJECTIONS_LISTED_MAX + 5, 'counts what was not listed too');
});
