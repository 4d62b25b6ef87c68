import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LogFields } from '../../../src/core/ports.ts';
import type { Hold } from '../../../src/core/trust/retention.ts';
import { HoldWatch } from '../../../src/daemon/source/hold-watch.ts';
import { ManualClock } from '../../adapters/manual-clock.ts';

const HOLD: Hold = {
  reason: 'leader-changed',
  since: 1_000,
  until: 601_000,
  missingTasks: 12,
  missingAgents: 2,
  knownTasks: 30,
  share: 0.4,
  examples: ['web.1'],
};

function watched() {
  const clock = new ManualClock();
  const logged: [event: string, fields: LogFields][] = [];
  const write = (event: string, fields: LogFields = {}): void => void logged.push([event, fields]);
  const log = { debug: write, info: write, warn: write, error: write };
  let due = 0;
  const watch = new HoldWatch({ clock, log, onDue: () => due++ });
  clock.advance(1_000);
  return { clock, logged, watch, due: () => due };
}

test('a hold is logged once with its evidence, and shown with times that people read', () => {
  const { logged, watch } = watched();
  assert.equal(watch.status(), null);
  watch.see(HOLD);
  watch.see({ ...HOLD, missingTasks: 11 });
  const shown = {
    ...HOLD,
    since: '2026-01-01T00:00:01.000Z',
    until: '2026-01-01T00:10:01.000Z',
  };
  assert.deepEqual(logged, [['hold-started', shown]]);
  assert.deepEqual(watch.status(), { ...shown, missingTasks: 11 });
  watch.see({ ...HOLD, reason: 'cluster-empty', until: null });
  assert.equal(watch.status()?.until, null);
  assert.equal(logged.length, 2, 'another reason is news');
});

test('a hold that clears up says so, and leaves no timer', () => {
  const { clock, logged, watch, due } = watched();
  watch.see(HOLD);
  clock.advance(5_000);
  watch.see(null);
  watch.see(null);
  assert.deepEqual(logged.slice(1), [
    ['hold-ended', { how: 'cleared', reason: 'leader-changed', missingTasks: 12, heldSeconds: 5 }],
  ]);
  assert.deepEqual([watch.status(), clock.pending, due()], [null, 0, 0]);
});

test('a hold that runs out has everything looked at again then, and not in a circle', () => {
  const { clock, logged, watch, due } = watched();
  watch.see(HOLD);
  clock.advance(599_999);
  assert.equal(due(), 0);
  clock.advance(1);
  assert.equal(due(), 1);
  watch.see(HOLD);
  assert.equal(clock.pending, 0);
  watch.see(null);
  assert.equal(logged[1]?.[1]['how'], 'ran-out');
});

test('the stop takes the timer along', () => {
  const { clock, watch } = watched();
  watch.see(HOLD);
  watch.stop();
  assert.equal(clock.pending, 0);
});
