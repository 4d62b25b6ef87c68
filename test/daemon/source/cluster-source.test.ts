import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DaemonError } from '../../../src/core/base/daemon-error.ts';
import { seededRandom } from '../../../src/core/base/random.ts';
import type { SourceStatus } from '../../../src/core/ports.ts';
import { inTime } from '../../support/wait-until.ts';
import {
  gate,
  hangsUntilAborted,
  INTERVAL_MS,
  isDown,
  leads,
  master,
  NO_STREAMS,
  type ScriptedSource,
  scriptSource,
} from './scripted-source.ts';

const POLL_1 = ['fetch 10.0.0.1:5050', 'read', 'build read', 'publish 10.0.0.1:5050'];

/** The status of all that is not about polls. */
const NO_LIVE: Pick<SourceStatus, 'events' | 'zookeeper' | 'hold'> = {
  events: {
    state: 'off',
    reason: 'cluster.events.follow is never',
    master: null,
    since: '2026-01-01T00:00:00.000Z',
    records: 0,
    reconnects: 0,
    lastRecordAt: null,
    heartbeatMs: null,
  },
  zookeeper: null,
  hold: null,
};

/** Polls so far. */
const polls = ({ source }: ScriptedSource): number => source.status().polls;

/** How long the source pauses; checks to the millisecond that the next poll begins then. */
async function pauseMs(scripted: ScriptedSource): Promise<number> {
  const before = polls(scripted);
  const delayMs = scripted.clock.delaysMs.at(-1) ?? 0;
  scripted.clock.advance(delayMs - 1);
  assert.equal(polls(scripted), before);
  scripted.clock.advance(1);
  assert.equal(polls(scripted), before + 1);
  await scripted.settle();
  return delayMs;
}

describe('the beat of the polls', () => {
  test('it polls at the start, publishes and reports the source', async (t) => {
    const scripted = scriptSource(t);
    const { source, clock } = scripted;
    assert.deepEqual(source.status(), {
      leader: null,
      from: null,
      ageSeconds: null,
      lastSuccessAt: null,
      lastAttemptAt: null,
      consecutiveFailures: 0,
      lastError: null,
      pollIntervalSeconds: 30,
      polls: 0,
      ...NO_LIVE,
    });
    source.start();
    await scripted.settle();
    assert.deepEqual(scripted.calls, POLL_1);
    clock.advance(2_500);
    assert.deepEqual(source.status(), {
      leader: '10.0.0.1:5050',
      from: 'master',
      ageSeconds: 2.5,
      lastSuccessAt: '2026-01-01T00:00:00.000Z',
      lastAttemptAt: '2026-01-01T00:00:00.000Z',
      consecutiveFailures: 0,
      lastError: null,
      pollIntervalSeconds: 30,
      polls: 1,
      ...NO_LIVE,
    });
    assert.deepEqual(scripted.outcomes, ['success']);
  });

  for (const [drawn, wantedMs] of [
    [0, 0.9 * INTERVAL_MS],
    [0.5, INTERVAL_MS],
    [1 - Number.EPSILON, 1.1 * INTERVAL_MS],
  ] as const) {
    test(`after a good poll the next comes ${wantedMs} ms later if ${drawn} is drawn`, async (t) => {
      const scripted = scriptSource(t, { random: () => drawn });
      scripted.source.start();
      await scripted.settle();
      assert.equal(await pauseMs(scripted), wantedMs);
      assert.equal(await pauseMs(scripted), wantedMs);
    });
  }

  test('after failures the pauses double up to the interval, the upper half of each drawn', async (t) => {
    for (const [drawn, factor] of [
      [0, 0.5],
      [1 - Number.EPSILON, 1],
    ] as const) {
      const scripted = scriptSource(t, { random: () => drawn });
      scripted.says = isDown;
      scripted.source.start();
      await scripted.settle();
      for (const seconds of [1, 2, 4, 8, 16, 30, 30, 30]) {
        assert.equal(await pauseMs(scripted), 1_000 * seconds * factor);
      }
    }
  });

  test('every pause lies within its bounds, whatever is drawn', async (t) => {
    const random = seededRandom(7);
    const scripted = scriptSource(t, { random });
    scripted.source.start();
    await scripted.settle();
    for (let i = 0; i < 200; i++) {
      scripted.says = random() < 0.5 ? leads : isDown;
      const failures = scripted.source.status().consecutiveFailures;
      const pause = await pauseMs(scripted);
      const longest = Math.min(INTERVAL_MS, 1_000 * 2 ** (failures - 1));
      const [low, high] = failures === 0 ? [27_000, 33_000] : [longest / 2, longest];
      assert.ok(low <= pause && pause <= high, `${pause} ms after ${failures} failures`);
    }
  });

  test('a poll that fails changes nothing but count, age and error, until one is good', async (t) => {
    const scripted = scriptSource(t);
    const { source, clock } = scripted;
    source.start();
    await scripted.settle();
    scripted.newCalls();
    scripted.says = isDown;
    clock.advance(INTERVAL_MS);
    await scripted.settle();
    assert.deepEqual(scripted.newCalls(), ['fetch 10.0.0.1:5050']);
    const { consecutiveFailures, lastError, leader, ageSeconds } = source.status();
    assert.deepEqual(lastError, {
      code: 'master-unreachable',
      message: '10.0.0.1:5050 is down',
      at: '2026-01-01T00:00:30.000Z',
    });
    assert.deepEqual([consecutiveFailures, leader, ageSeconds], [1, '10.0.0.1:5050', 30]);
    scripted.says = leads;
    clock.advance(1_000);
    await scripted.settle();
    assert.deepEqual(scripted.newCalls(), POLL_1);
    assert.deepEqual([source.status().consecutiveFailures, source.status().ageSeconds], [0, 0]);
    assert.deepEqual(scripted.outcomes, ['success', 'master-unreachable', 'success']);
    const events = scripted.logged.map(({ level, event }) => `${level} ${event}`);
    assert.deepEqual(events, ['warn poll-failed', 'info source-recovered']);
  });

  test('an error that is no DaemonError counts as worker-failed', async (t) => {
    const scripted = scriptSource(t);
    scripted.build = () => Promise.reject(new Error('boom'));
    scripted.source.start();
    await scripted.settle();
    assert.equal(scripted.source.status().lastError?.code, 'worker-failed');
    assert.equal(scripted.source.status().leader, null);
  });

  test('a thousand failures make ten lines of log', async (t) => {
    const scripted = scriptSource(t);
    scripted.says = isDown;
    scripted.source.start();
    await scripted.settle();
    while (polls(scripted) < 1_000) {
      scripted.clock.advance(INTERVAL_MS);
      await scripted.settle();
    }
    assert.deepEqual(
      scripted.logged.map(({ fields }) => fields['failures']),
      [1, 2, 4, 8, 16, 32, 64, 128, 256, 512],
    );
  });

  test('while a poll is under way no other begins, however long it takes', async (t) => {
    const scripted = scriptSource(t);
    scripted.says = hangsUntilAborted;
    scripted.source.start();
    await scripted.settle();
    scripted.clock.advance(100 * INTERVAL_MS);
    await scripted.settle();
    assert.deepEqual(scripted.calls, ['fetch 10.0.0.1:5050']);
    assert.equal(scripted.clock.pending, 0);
  });
});

describe('whom the source asks', () => {
  test('the masters in their order, until one answers', async (t) => {
    const scripted = scriptSource(t, { masters: [master(1), master(2), master(3)] });
    scripted.says = (asked, signal) => (asked.host === '10.0.0.3' ? leads : isDown)(asked, signal);
    scripted.source.start();
    await scripted.settle();
    assert.deepEqual(scripted.newCalls(), [
      'fetch 10.0.0.1:5050',
      'fetch 10.0.0.2:5050',
      'fetch 10.0.0.3:5050',
      'read',
      'build read',
      'publish 10.0.0.3:5050',
    ]);
    assert.equal(scripted.source.status().consecutiveFailures, 0);
  });

  test('the leader of the last state first, and nobody twice', async (t) => {
    const scripted = scriptSource(t, { masters: [master(1), master(2)] });
    scripted.says = () => Promise.resolve({ leader: master(2), answeredBy: master(2) });
    scripted.source.start();
    await scripted.settle();
    scripted.newCalls();
    scripted.says = isDown;
    scripted.clock.advance(INTERVAL_MS);
    await scripted.settle();
    assert.deepEqual(scripted.newCalls(), ['fetch 10.0.0.2:5050', 'fetch 10.0.0.1:5050']);
    assert.match(scripted.source.status().lastError?.message ?? '', /^10\.0\.0\.2/);
  });

  test('the leader by the name that worked, where it advertises an address', async (t) => {
    const named = { host: 'm2.example', port: 5050 };
    const scripted = scriptSource(t);
    scripted.says = () =>
      Promise.resolve({ leader: master(2), fromLeader: true, answeredBy: named });
    scripted.source.start();
    await scripted.settle();
    assert.equal(scripted.source.status().leader, '10.0.0.2:5050');
    scripted.newCalls();
    scripted.clock.advance(INTERVAL_MS);
    await scripted.settle();
    assert.equal(scripted.newCalls()[0], 'fetch m2.example:5050');
  });

  test('a leader that is in no list is asked first too', async (t) => {
    const scripted = scriptSource(t);
    scripted.says = () => Promise.resolve({ leader: master(9) });
    scripted.source.start();
    await scripted.settle();
    assert.deepEqual(scripted.newCalls(), [
      'fetch 10.0.0.1:5050',
      'read',
      'fetch 10.0.0.9:5050',
      'read',
      'build read',
      'publish 10.0.0.9:5050',
    ]);
    scripted.clock.advance(INTERVAL_MS);
    await scripted.settle();
    assert.equal(scripted.newCalls()[0], 'fetch 10.0.0.9:5050');
  });

  test('a leader that does not lead is not believed: two fetches, no circle', async (t) => {
    const scripted = scriptSource(t, { masters: [master(1), master(2)] });
    scripted.says = (asked) =>
      Promise.resolve({ leader: asked.host === '10.0.0.1' ? master(2) : master(1) });
    scripted.source.start();
    await scripted.settle();
    const follow = ['fetch 10.0.0.1:5050', 'read', 'fetch 10.0.0.2:5050', 'read'];
    const back = ['fetch 10.0.0.2:5050', 'read', 'fetch 10.0.0.1:5050', 'read'];
    assert.deepEqual(scripted.newCalls(), [...follow, ...back]);
    const { consecutiveFailures, lastError } = scripted.source.status();
    assert.equal(consecutiveFailures, 1);
    assert.equal(lastError?.message, '10.0.0.2:5050 is called the leader, but does not lead');
  });

  test('the port of the leader counts: same host, other port is another master', async (t) => {
    const scripted = scriptSource(t);
    const leader = { host: '10.0.0.1', port: 6060 };
    scripted.says = () => Promise.resolve({ leader });
    scripted.source.start();
    await scripted.settle();
    assert.deepEqual(scripted.newCalls().slice(0, 3), [
      'fetch 10.0.0.1:5050',
      'read',
      'fetch 10.0.0.1:6060',
    ]);
  });

  test('after a change of leader the new one is asked first', async (t) => {
    const scripted = scriptSource(t, { masters: [master(1), master(2)] });
    scripted.source.start();
    await scripted.settle();
    scripted.says = () => Promise.resolve({ leader: master(2), answeredBy: master(2) });
    scripted.clock.advance(INTERVAL_MS);
    await scripted.settle();
    scripted.newCalls();
    scripted.clock.advance(INTERVAL_MS);
    await scripted.settle();
    assert.equal(scripted.newCalls()[0], 'fetch 10.0.0.2:5050');
    assert.equal(scripted.source.status().leader, '10.0.0.2:5050');
  });
});

describe('the source is stopped', () => {
  test('during a fetch: it is given up, nothing is published and no timer is left', async (t) => {
    const scripted = scriptSource(t);
    scripted.says = hangsUntilAborted;
    scripted.source.start();
    await scripted.settle();
    await inTime('the stop', scripted.source.stop());
    assert.deepEqual(scripted.calls, ['fetch 10.0.0.1:5050']);
    assert.equal(scripted.clock.pending, 0);
    assert.equal(scripted.source.status().consecutiveFailures, 0);
    assert.deepEqual(scripted.logged, []);
  });

  test('during a read or build: the stop waits for it', async (t) => {
    for (const step of ['read', 'build'] as const) {
      const scripted = scriptSource(t);
      const { pass, open } = gate();
      scripted[step] = pass;
      scripted.source.start();
      await scripted.settle();
      let stopped = false;
      const stop = scripted.source.stop().then(() => (stopped = true));
      await scripted.settle();
      assert.equal(stopped, false);
      open();
      await inTime('the stop', stop);
      assert.equal(scripted.clock.pending, 0);
    }
  });

  test('between polls: the timer goes, and nothing starts it again', async (t) => {
    const scripted = scriptSource(t);
    scripted.source.start();
    await scripted.settle();
    await scripted.source.stop();
    scripted.newCalls();
    scripted.source.rebuild();
    void scripted.source.replan({ masters: [master(2)], intervalMs: 1_000, events: NO_STREAMS });
    scripted.clock.advance(10 * INTERVAL_MS);
    await scripted.settle();
    assert.deepEqual(scripted.newCalls(), []);
    assert.equal(scripted.clock.pending, 0);
  });
});

describe('the source gets another plan', () => {
  const plan = { masters: [master(2)], intervalMs: 10_000, events: NO_STREAMS };

  test('while it waits: it polls at once, once, and keeps the new beat', async (t) => {
    const scripted = scriptSource(t);
    scripted.source.start();
    await scripted.settle();
    scripted.newCalls();
    void scripted.source.replan(plan);
    await scripted.settle();
    assert.equal(scripted.newCalls().filter((call) => call.startsWith('fetch')).length, 1);
    assert.equal(scripted.clock.pending, 1);
    assert.equal(await pauseMs(scripted), 10_000);
    assert.equal(scripted.newCalls()[0], 'fetch 10.0.0.2:5050');
  });

  test('while it waits: a failure of the new masters is counted', async (t) => {
    const scripted = scriptSource(t);
    scripted.source.start();
    await scripted.settle();
    scripted.says = isDown;
    void scripted.source.replan(plan);
    await scripted.settle();
    assert.equal(scripted.source.status().consecutiveFailures, 1);
    assert.equal(polls(scripted), 2);
  });

  test('during a fetch: that is given up without being a failure', async (t) => {
    const scripted = scriptSource(t);
    scripted.says = (asked, signal) =>
      (asked.host === '10.0.0.1' ? hangsUntilAborted : leads)(asked, signal);
    scripted.source.start();
    await scripted.settle();
    scripted.newCalls();
    void scripted.source.replan(plan);
    await scripted.settle();
    assert.deepEqual(scripted.newCalls(), [
      'fetch 10.0.0.2:5050',
      'read',
      'build read',
      'publish 10.0.0.2:5050',
    ]);
    assert.deepEqual(scripted.outcomes, ['success']);
    assert.deepEqual(scripted.logged, []);
  });

  test('during a read: the old answer is dropped, and its leader is not asked again', async (t) => {
    const scripted = scriptSource(t);
    const { pass, open } = gate();
    scripted.read = pass;
    scripted.source.start();
    await scripted.settle();
    void scripted.source.replan(plan);
    scripted.newCalls();
    open();
    await scripted.settle();
    assert.deepEqual(scripted.newCalls(), [
      'fetch 10.0.0.2:5050',
      'read',
      'build read',
      'publish 10.0.0.2:5050',
    ]);
  });

  test('during the read of a leader that was followed: the same', async (t) => {
    const scripted = scriptSource(t);
    const { pass, open } = gate();
    let reads = 0;
    scripted.read = () => (++reads === 2 ? pass() : Promise.resolve());
    scripted.says = (asked) =>
      Promise.resolve({ leader: asked.host === '10.0.0.1' ? master(9) : asked });
    scripted.source.start();
    await scripted.settle();
    void scripted.source.replan(plan);
    scripted.newCalls();
    open();
    await scripted.settle();
    assert.equal(scripted.newCalls()[0], 'fetch 10.0.0.2:5050');
    assert.equal(scripted.source.status().leader, '10.0.0.2:5050');
  });
});

describe('the source builds again', () => {
  test('from the served state, without asking anybody and without moving the beat', async (t) => {
    const scripted = scriptSource(t);
    scripted.says = (asked) => Promise.resolve({ leader: asked, hostNames: ['a', 'b'] });
    scripted.source.start();
    await scripted.settle();
    assert.ok(scripted.newCalls().includes('resolve a,b 1000'));
    scripted.clock.advance(1_000);
    scripted.source.rebuild();
    await scripted.settle();
    assert.deepEqual(scripted.newCalls(), [
      'resolve a,b 1000',
      'build believed',
      'publish 10.0.0.1:5050',
    ]);
    assert.equal(scripted.source.status().ageSeconds, 1);
    assert.deepEqual(scripted.clock.delaysMs, [INTERVAL_MS]);
    scripted.clock.advance(INTERVAL_MS - 1_000);
    assert.equal(polls(scripted), 2);
  });

  test('never before there is a state', async (t) => {
    const scripted = scriptSource(t);
    scripted.source.rebuild();
    await scripted.settle();
    scripted.says = isDown;
    scripted.source.start();
    scripted.source.rebuild();
    await scripted.settle();
    assert.deepEqual(scripted.calls, ['fetch 10.0.0.1:5050']);
  });

  test('not besides the state that is being read', async (t) => {
    const scripted = scriptSource(t);
    const { pass, open } = gate();
    scripted.read = pass;
    scripted.source.start();
    await scripted.settle();
    scripted.source.rebuild();
    scripted.source.rebuild();
    open();
    await scripted.settle();
    assert.deepEqual(scripted.calls, POLL_1, 'that poll is built with what changed');
  });

  test('a poll during a build asks its master, and waits with the rest', async (t) => {
    const scripted = scriptSource(t);
    scripted.source.start();
    await scripted.settle();
    const { pass, open } = gate();
    scripted.build = (of) => (of === 'believed' ? pass() : Promise.resolve());
    scripted.newCalls();
    scripted.source.rebuild();
    await scripted.settle();
    scripted.clock.advance(2 * INTERVAL_MS);
    await scripted.settle();
    assert.deepEqual(scripted.newCalls(), ['build believed', 'fetch 10.0.0.1:5050']);
    open();
    await scripted.settle();
    assert.deepEqual(scripted.newCalls(), ['publish 10.0.0.1:5050', ...POLL_1.slice(1)]);
    assert.equal(scripted.clock.pending, 1);
  });

  test('with another plan: first the served state, then the new masters', async (t) => {
    const scripted = scriptSource(t);
    scripted.source.start();
    await scripted.settle();
    scripted.says = hangsUntilAborted;
    scripted.clock.advance(INTERVAL_MS);
    await scripted.settle();
    scripted.newCalls();
    scripted.says = isDown;
    scripted.source.rebuild();
    void scripted.source.replan({
      masters: [master(2)],
      intervalMs: INTERVAL_MS,
      events: NO_STREAMS,
    });
    await scripted.settle();
    assert.deepEqual(scripted.newCalls(), [
      'build believed',
      'publish 10.0.0.1:5050',
      'fetch 10.0.0.2:5050',
    ]);
  });

  test('a build that fails is logged, and the beat goes on', async (t) => {
    const scripted = scriptSource(t);
    scripted.source.start();
    await scripted.settle();
    scripted.build = () => Promise.reject(new DaemonError('worker-failed', 'gone'));
    scripted.source.rebuild();
    await scripted.settle();
    assert.deepEqual(
      scripted.logged.map(({ level, event }) => `${level} ${event}`),
      ['error rebuild-failed'],
    );
    assert.equal(scripted.source.status().consecutiveFailures, 0);
    assert.equal(scripted.clock.pending, 1);
  });
});
