import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DaemonError } from '../../../src/core/base/daemon-error.ts';
import type { ReadReport } from '../../../src/daemon/generation-protocol.ts';
import {
  gate,
  hangsUntilAborted,
  INTERVAL_MS,
  isDown,
  leads,
  master,
  scriptSource,
} from './scripted-source.ts';

const SAVED: ReadReport = {
  leader: master(9),
  fromLeader: true,
  agents: 3,
  hostNames: [],
  stateBytes: 1,
  parseMs: 1,
};
const AGE_MS = 90_000;
const SERVES_SAVED = ['build saved', 'publish 10.0.0.9:5050'];

describe('a state of before the start', () => {
  test('is served while the first poll waits for its master, and tells its age', async (t) => {
    const scripted = scriptSource(t);
    const { source, clock } = scripted;
    scripted.says = hangsUntilAborted;
    source.start();
    await scripted.settle();
    assert.equal(await source.adopt(SAVED, AGE_MS), true);
    assert.deepEqual(scripted.newCalls(), ['fetch 10.0.0.1:5050', ...SERVES_SAVED]);
    clock.advance(1_000);
    const { leader, from, ageSeconds, lastSuccessAt } = source.status();
    assert.deepEqual(
      [leader, from, ageSeconds, lastSuccessAt],
      ['10.0.0.9:5050', 'file', 91, null],
    );
  });

  test('is replaced by the first good poll, which asks the configured masters', async (t) => {
    const scripted = scriptSource(t);
    const { source, clock } = scripted;
    scripted.says = isDown;
    source.start();
    await scripted.settle();
    await source.adopt(SAVED, AGE_MS);
    scripted.says = leads;
    scripted.newCalls();
    clock.advance(INTERVAL_MS);
    await scripted.settle();
    const poll = ['fetch 10.0.0.1:5050', 'read', 'build read', 'publish 10.0.0.1:5050'];
    assert.deepEqual(scripted.newCalls(), poll);
    assert.deepEqual([source.status().from, source.status().ageSeconds], ['master', 0]);
  });

  test('never takes the place of one that a master told', async (t) => {
    const scripted = scriptSource(t);
    scripted.source.start();
    await scripted.settle();
    scripted.newCalls();
    assert.equal(await scripted.source.adopt(SAVED, AGE_MS), false);
    assert.deepEqual(scripted.newCalls(), []);
  });

  test('waits for a build under way, and is then too late', async (t) => {
    const scripted = scriptSource(t);
    const { pass, open } = gate();
    scripted.build = pass;
    scripted.source.start();
    await scripted.settle();
    const adopted = scripted.source.adopt(SAVED, AGE_MS);
    await scripted.settle();
    scripted.newCalls();
    open();
    assert.equal(await adopted, false);
    assert.deepEqual(scripted.newCalls(), ['publish 10.0.0.1:5050']);
  });

  test('keeps a poll waiting while it is built, and the poll has the last word', async (t) => {
    const scripted = scriptSource(t);
    const { pass, open } = gate();
    scripted.build = (of) => (of === 'saved' ? pass() : Promise.resolve());
    const adopted = scripted.source.adopt(SAVED, AGE_MS);
    await scripted.settle();
    scripted.source.start();
    await scripted.settle();
    assert.deepEqual(scripted.newCalls(), ['build saved', 'fetch 10.0.0.1:5050']);
    open();
    assert.equal(await adopted, true);
    await scripted.settle();
    assert.deepEqual(scripted.newCalls(), [
      'publish 10.0.0.9:5050',
      'read',
      'build read',
      'publish 10.0.0.1:5050',
    ]);
    assert.equal(scripted.source.status().from, 'master');
  });

  test('is built once more when something changed meanwhile, and later', async (t) => {
    const scripted = scriptSource(t);
    const { source } = scripted;
    scripted.says = isDown;
    source.start();
    await scripted.settle();
    scripted.newCalls();
    const { pass, open } = gate();
    scripted.build = (of) => (of === 'saved' ? pass() : Promise.resolve());
    const adopted = source.adopt(SAVED, AGE_MS);
    await scripted.settle();
    source.rebuild();
    open();
    await adopted;
    await scripted.settle();
    const again = ['build believed', 'publish 10.0.0.9:5050'];
    assert.deepEqual(scripted.newCalls(), [...SERVES_SAVED, ...again]);
    source.rebuild();
    await scripted.settle();
    assert.deepEqual(scripted.newCalls(), again);
    assert.equal(source.status().from, 'file');
  });

  test('that cannot be built is nothing, and polls go on', async (t) => {
    const scripted = scriptSource(t);
    scripted.build = (of) =>
      of === 'saved' ? Promise.reject(new DaemonError('worker-failed', 'gone')) : Promise.resolve();
    await assert.rejects(scripted.source.adopt(SAVED, AGE_MS), { code: 'worker-failed' });
    assert.equal(scripted.source.status().from, null);
    scripted.source.start();
    await scripted.settle();
    assert.equal(scripted.source.status().from, 'master');
  });

  test('is not served after the stop', async (t) => {
    const scripted = scriptSource(t);
    scripted.says = hangsUntilAborted;
    scripted.source.start();
    await scripted.source.stop();
    scripted.newCalls();
    assert.equal(await scripted.source.adopt(SAVED, AGE_MS), false);
    assert.deepEqual(scripted.newCalls(), []);
  });

  test('S11: is believed first if a first answer knows fewer agents', async (t) => {
    const scripted = scriptSource(t);
    scripted.recalled = { read: SAVED, ageMs: AGE_MS };
    scripted.says = (asked) => Promise.resolve({ leader: asked, agents: 0 });
    scripted.source.start();
    await scripted.settle();
    const poll = ['build read', 'publish 10.0.0.1:5050'];
    assert.deepEqual(scripted.newCalls(), [
      'fetch 10.0.0.1:5050',
      'read',
      ...SERVES_SAVED,
      ...poll,
    ]);
    scripted.clock.advance(INTERVAL_MS);
    await scripted.settle();
    assert.deepEqual(scripted.newCalls(), ['fetch 10.0.0.1:5050', 'read', ...poll], 'once');
    assert.deepEqual(
      [scripted.source.status().from, scripted.source.status().ageSeconds],
      ['master', 0],
    );
  });
});
