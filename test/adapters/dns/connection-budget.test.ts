import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConnectionBudget } from '../../../src/adapters/dns/connection-budget.ts';

const CAPS = { total: 5, perClient: 2, loopback: 4 };

test('one address gets its share and no more, until it gives a place back', () => {
  const budget = new ConnectionBudget(CAPS);
  assert.equal(budget.admit('192.0.2.1'), null);
  assert.equal(budget.admit('192.0.2.1'), null);
  assert.equal(budget.admit('192.0.2.1'), 'per-client');
  assert.equal(budget.admit('192.0.2.2'), null);
  budget.release('192.0.2.1');
  assert.equal(budget.admit('192.0.2.1'), null);
});

test('all loopback addresses are one client with a larger share, which leaves some to others', () => {
  const budget = new ConnectionBudget(CAPS);
  const loopback = ['127.0.0.1', '::1', '127.9.9.9', '127.0.0.1'];
  assert.deepEqual(
    loopback.map((address) => budget.admit(address)),
    [null, null, null, null],
  );
  assert.equal(budget.admit('127.1.1.1'), 'per-client');
  assert.equal(budget.admit('192.0.2.1'), null);
});

test('the total holds for everyone', () => {
  const budget = new ConnectionBudget(CAPS);
  for (let i = 0; i < 5; i++) assert.equal(budget.admit(`192.0.2.${i}`), null);
  assert.equal(budget.load, 1);
  assert.equal(budget.admit('127.0.0.1'), 'total');
  budget.release('192.0.2.0');
  assert.equal(budget.load, 0.8);
  assert.equal(budget.admit('127.0.0.1'), null);
});
