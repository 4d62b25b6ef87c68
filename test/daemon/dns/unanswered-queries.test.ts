import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ThreadControl } from '../../../src/adapters/dns/native/thread-control.ts';
import { UnansweredQueries } from '../../../src/daemon/dns/unanswered-queries.ts';

interface Opened {
  readonly control: ThreadControl;
  readonly unanswered: UnansweredQueries;
  /** A thread hands a query over, and the main thread hears of it. */
  readonly handOver: () => () => void;
}

function open(): Opened {
  const control = new ThreadControl();
  const unanswered = new UnansweredQueries(control);
  return {
    control,
    unanswered,
    handOver() {
      control.handOver(1);
      return unanswered.add();
    },
  };
}

test('a query waits until it is answered, and counts once', () => {
  const { control, unanswered, handOver } = open();
  const [first, second] = [handOver(), handOver()];
  assert.deepEqual([control.unanswered, unanswered.count], [2, 2]);
  first();
  first();
  assert.deepEqual([control.unanswered, unanswered.count], [1, 1]);
  second();
  assert.deepEqual([control.unanswered, unanswered.count], [0, 0]);
});

test('a query that nobody answers stops counting at the second expiry, and an answer then changes nothing', () => {
  const { control, unanswered, handOver } = open();
  const old = handOver();
  unanswered.expire();
  const young = handOver();
  assert.equal(control.unanswered, 2);
  unanswered.expire();
  assert.deepEqual([control.unanswered, unanswered.count], [1, 1]);
  old();
  assert.equal(control.unanswered, 1);
  young();
  assert.equal(control.unanswered, 0);
});

test('what a thread counted and lost with its life does not wait', () => {
  const { control, unanswered, handOver } = open();
  const settle = handOver();
  control.handOver(5);
  unanswered.recount();
  assert.equal(control.unanswered, 1);
  settle();
  assert.equal(control.unanswered, 0);
});
