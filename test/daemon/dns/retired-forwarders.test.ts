import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Forwarder } from '../../../src/adapters/dns/forwarder.ts';
import { RetiredForwarders } from '../../../src/daemon/dns/retired-forwarders.ts';
import { ManualClock } from '../../adapters/manual-clock.ts';

/** A forwarder with queries under way; `name` is noted when it is closed. */
function forwarderOf(
  name: string,
  inflight: number,
  closed: string[],
): Pick<Forwarder, 'inflight' | 'close'> {
  const close = (): void => void closed.push(name);
  return { inflight, close };
}

test('a retired forwarder is closed when no query in it can be left, each in its time', () => {
  const clock = new ManualClock();
  const retired = new RetiredForwarders(clock);
  const closed: string[] = [];
  retired.add(forwarderOf('first', 2, closed), 5_000);
  clock.advance(1_000);
  retired.add(forwarderOf('second', 3, closed), 5_000);
  assert.equal(retired.inflight, 5);
  clock.advance(3_999);
  assert.deepEqual(closed, []);
  clock.advance(1);
  assert.deepEqual([closed, retired.inflight], [['first'], 3]);
  clock.advance(1_000);
  assert.deepEqual([closed, retired.inflight], [['first', 'second'], 0]);
});

test('at the end all are closed once, and nothing is left to come', () => {
  const clock = new ManualClock();
  const retired = new RetiredForwarders(clock);
  const closed: string[] = [];
  for (const name of ['first', 'second']) retired.add(forwarderOf(name, 1, closed), 5_000);
  retired.close();
  assert.deepEqual([closed, retired.inflight, clock.pending], [['first', 'second'], 0, 0]);
});
