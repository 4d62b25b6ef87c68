import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { untilAborted, withDeadline } from '../../../src/adapters/mesos/deadline.ts';
import type { WorkLimits } from '../../../src/adapters/mesos/deadline.ts';
import { ManualClock } from '../manual-clock.ts';

const HANGING = new Promise<never>(() => undefined);
const TOO_LATE = new Error('too late');
const REASON = new Error('another master leads');

function limits(clock: ManualClock, ...signals: AbortSignal[]): WorkLimits {
  return { clock, timeoutMs: 1_000, timeoutError: () => TOO_LATE, signals };
}

const isReason = (error: unknown): boolean => error === REASON;

test('what the work comes to is passed on', async () => {
  const clock = new ManualClock();
  assert.equal(await withDeadline(limits(clock), () => Promise.resolve(7)), 7);
  const failing = withDeadline(limits(clock), () => Promise.reject(REASON));
  await assert.rejects(failing, isReason);
  assert.equal(clock.pending, 0);
});

test('the deadline ends the work even if that does not listen', async () => {
  const clock = new ManualClock();
  const working = withDeadline(limits(clock), () => HANGING);
  clock.advance(1_000);
  await assert.rejects(working, (error) => error === TOO_LATE);
});

test('any of the signals ends the work with its own reason', async () => {
  for (const i of [0, 1]) {
    const controllers = [new AbortController(), new AbortController()];
    const signals = controllers.map(({ signal }) => signal);
    const working = withDeadline(limits(new ManualClock(), ...signals), () => HANGING);
    controllers[i]?.abort(REASON);
    await assert.rejects(working, isReason);
  }
});

test('an error that the abort itself caused does not hide its reason', async () => {
  const controller = new AbortController();
  const working = withDeadline(limits(new ManualClock(), controller.signal), async (signal) => {
    await once(signal, 'abort');
  });
  const failing = withDeadline(
    limits(new ManualClock(), controller.signal),
    (signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(new Error('socket closed')));
      }),
  );
  controller.abort(REASON);
  await assert.rejects(working, isReason);
  await assert.rejects(failing, isReason);
});

test('a signal that has already aborted starts nothing and waits for nothing', async () => {
  const signal = AbortSignal.abort(REASON);
  let started = false;
  const working = withDeadline(limits(new ManualClock(), signal), () => {
    started = true;
    return HANGING;
  });
  await assert.rejects(working, isReason);
  assert.ok(!started);
  await assert.rejects(untilAborted(signal, HANGING), isReason);
});
