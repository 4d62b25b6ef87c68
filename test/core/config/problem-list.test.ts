import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  memberPath,
  ProblemList,
  PROBLEMS_MAX,
  quote,
} from '../../../src/core/config/problem-list.ts';

describe('values in messages', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['10.0.0.1:5050', '"10.0.0.1:5050"'],
    ['user:hunter2@10.0.0.1:5050', '"***@10.0.0.1:5050"'],
    ['zk://user:hun@ter2@zk1:2181/mesos', '"zk://***@zk1:2181/mesos"'],
    ['line\nhunter2@host', '"***@host"'],
    ['say "hi"', '"say \\"hi\\""'],
    ['a'.repeat(1000), `"${'a'.repeat(79)}…"`],
  ];
  for (const [value, quoted] of cases) {
    test(`${JSON.stringify(value.slice(0, 40))} is quoted as ${quoted.slice(0, 40)}`, () => {
      assert.equal(quote(value), quoted);
    });
  }
});

test('paths quote keys that are no plain words', () => {
  assert.equal(memberPath('', 'dns'), 'dns');
  assert.equal(memberPath('dns', 'ttlSeconds'), 'dns.ttlSeconds');
  assert.equal(memberPath('forward.zones', 'corp.example'), 'forward.zones["corp.example"]');
});

test('too many problems are cut, errors are kept first', () => {
  const problems = new ProblemList();
  for (let i = 0; i < PROBLEMS_MAX; i++) problems.warning(`w${i}`, 'odd');
  assert.equal(problems.all().length, PROBLEMS_MAX);
  assert.equal(problems.hasErrors, false);
  problems.error('last', 'wrong');
  const shown = problems.all();
  assert.equal(shown.length, PROBLEMS_MAX + 1);
  assert.equal(shown[0]?.path, 'last');
  assert.deepEqual(shown.at(-1), {
    severity: 'error',
    path: '',
    message: '1 more problems are not shown',
  });
});
