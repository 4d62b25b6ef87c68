import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Propagation } from '../../../src/daemon/source/propagation.ts';
import { ManualClock } from '../../adapters/manual-clock.ts';

function measuring() {
  const clock = new ManualClock();
  const measured: string[] = [];
  const propagation = new Propagation({
    clock,
    observe: (...one) => measured.push(one.join(' ')),
  });
  return { clock, measured, propagation };
}

test('a change is measured from its first event and its status to names and kernel', () => {
  const { clock, measured, propagation } = measuring();
  const statusTime = clock.now() / 1_000 - 0.04;
  propagation.changed(clock.monotonic(), statusTime);
  clock.advance(2);
  propagation.changed(clock.monotonic(), statusTime + 0.01);
  clock.advance(1);
  propagation.published(true, 5);
  clock.advance(4);
  propagation.acknowledged(4, true);
  propagation.acknowledged(6, true);
  propagation.acknowledged(6, true);
  assert.deepEqual(measured, [
    'event table 3',
    'status table 43',
    'event kernel 7',
    'status kernel 47',
  ]);
  const { event, status } = propagation.status();
  assert.deepEqual(event.table, { count: 1, lastMs: 3, p50Ms: 3, p99Ms: 3 });
  assert.deepEqual(status.kernel, { count: 1, lastMs: 47, p50Ms: 47, p99Ms: 47 });
});

test('a build that changes no names and no kernel measures nothing', () => {
  const { measured, propagation } = measuring();
  propagation.changed(0, null);
  propagation.published(false, null);
  propagation.published(true, 1);
  propagation.acknowledged(9, true);
  assert.deepEqual(measured, []);
  assert.deepEqual(propagation.status().event.table, {
    count: 0,
    lastMs: null,
    p50Ms: null,
    p99Ms: null,
  });
});

test('changes that the kernel refused did not arrive there', () => {
  const { measured, propagation } = measuring();
  propagation.changed(0, null);
  propagation.published(false, 1);
  propagation.acknowledged(1, false);
  propagation.acknowledged(1, true);
  assert.deepEqual(measured, []);
});

test('an agent whose clock is ahead does not make time run backwards', () => {
  const { clock, measured, propagation } = measuring();
  propagation.changed(0, clock.now() / 1_000 + 60);
  propagation.published(true, null);
  assert.deepEqual(measured, ['event table 0', 'status table 0']);
});

test('changes that died with the worker are not measured', () => {
  const { measured, propagation } = measuring();
  propagation.changed(0, null);
  propagation.forget();
  propagation.published(true, null);
  assert.deepEqual(measured, []);
});
