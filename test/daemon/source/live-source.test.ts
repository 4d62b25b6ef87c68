import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import type { ReadReport } from '../../../src/daemon/generation-protocol.ts';
import {
  gate,
  hangsUntilAborted,
  INTERVAL_MS,
  isDown,
  leads,
  master,
  type ScriptedSource,
  scriptSource,
  type ScriptOptions,
} from './scripted-source.ts';

const SNAPSHOT: ReadReport = {
  leader: master(1),
  fromLeader: true,
  agents: 3,
  hostNames: ['a'],
  stateBytes: 1,
  parseMs: 1,
};
const REBUILT = ['build believed', 'publish 10.0.0.1:5050'];

/** A source that has polled its first state and follows the stream of the master. */
async function following(t: TestContext, options: ScriptOptions = {}): Promise<ScriptedSource> {
  const scripted = scriptSource(t, { events: { follow: 'always', agentsMax: 1 }, ...options });
  scripted.source.start();
  await scripted.settle();
  const [stream] = scripted.streams;
  assert.ok(stream !== undefined, 'the leader is followed');
  stream.open();
  scripted.events = () =>
    Promise.resolve({ outcome: 'unchanged', read: SNAPSHOT, heartbeatSeconds: 5 });
  stream.send('SUBSCRIBED');
  await scripted.settle();
  scripted.events = () => Promise.resolve({});
  return scripted;
}

describe('the event stream', () => {
  test('is that of the leader that was found, and its snapshot is served', async (t) => {
    const scripted = await following(t);
    assert.deepEqual(scripted.newCalls(), [
      'fetch 10.0.0.1:5050',
      'read',
      'build read',
      'subscribe 10.0.0.1:5050',
      'publish 10.0.0.1:5050',
      'events SUBSCRIBED',
      'resolve a 0',
      'build read',
      'publish 10.0.0.1:5050',
    ]);
    const { events } = scripted.source.status();
    assert.deepEqual([events.state, events.reason, events.heartbeatMs], ['following', null, 5_000]);
    assert.equal(scripted.streams[0]?.heartbeatMs, 5_000);
    assert.deepEqual(scripted.streams[0].acknowledged, [[1, 10]]);
  });

  test('of one turn of the event loop is one call and one build', async (t) => {
    const scripted = await following(t);
    scripted.newCalls();
    scripted.streams[0]?.send('one', 'two');
    scripted.streams[0]?.send('three');
    await scripted.settle();
    assert.deepEqual(scripted.newCalls(), ['events one two three', ...REBUILT]);
  });

  test('during a build is collected, and leads to one further build', async (t) => {
    const scripted = await following(t);
    const { pass, open } = gate();
    scripted.newCalls();
    scripted.build = pass;
    scripted.streams[0]?.send('one');
    await scripted.settle();
    scripted.build = () => Promise.resolve();
    for (const text of ['two', 'three', 'four']) {
      scripted.streams[0]?.send(text);
      await scripted.settle();
    }
    assert.deepEqual(scripted.newCalls(), ['events one', 'build believed']);
    open();
    await scripted.settle();
    assert.deepEqual(scripted.newCalls(), [
      'publish 10.0.0.1:5050',
      'events two three four',
      ...REBUILT,
    ]);
  });

  test('does not wait for a poll that fetches, which says since when events may be missing', async (t) => {
    const scripted = await following(t);
    scripted.newCalls();
    let answer = (): void => undefined;
    scripted.says = (asked) =>
      new Promise((resolve) => {
        answer = () => resolve({ leader: asked });
      });
    scripted.clock.advance(INTERVAL_MS);
    scripted.streams[0]?.send('one');
    await scripted.settle();
    assert.deepEqual(scripted.newCalls(), ['fetch 10.0.0.1:5050', 'events one', ...REBUILT]);
    answer();
    await scripted.settle();
    assert.deepEqual(scripted.asked, [0, 1]);
  });

  test('that changes nothing builds nothing', async (t) => {
    const scripted = await following(t);
    scripted.newCalls();
    scripted.events = () => Promise.resolve({ outcome: 'unchanged' });
    scripted.streams[0]?.send('one');
    await scripted.settle();
    assert.deepEqual(scripted.newCalls(), ['events one']);
  });

  test('that only a poll can explain asks for one, every two seconds at most', async (t) => {
    const scripted = await following(t);
    scripted.newCalls();
    scripted.events = () => Promise.resolve({ outcome: 'unknown' });
    const polls = (): number => scripted.source.status().polls;
    for (let i = 0; i < 10; i++) {
      scripted.streams[0]?.send(`e${i}`);
      await scripted.settle();
    }
    assert.equal(polls(), 1);
    scripted.clock.advance(3_001);
    await scripted.settle();
    assert.equal(polls(), 2);
    for (let i = 0; i < 10; i++) {
      scripted.streams[0]?.send(`e${i}`);
      await scripted.settle();
    }
    scripted.clock.advance(1_999);
    await scripted.settle();
    assert.equal(polls(), 2);
    scripted.clock.advance(1_002);
    await scripted.settle();
    assert.equal(polls(), 3);
  });

  test('with something that is no event is given up and begun anew', async (t) => {
    const scripted = await following(t);
    scripted.events = () => Promise.resolve({ invalid: 'no JSON' });
    scripted.streams[0]?.send('one');
    await scripted.settle();
    assert.equal(scripted.streams[0]?.isCancelled, true);
    const { state, reason } = scripted.source.status().events;
    assert.deepEqual([state, reason], ['waiting', 'an event is none: no JSON']);
    scripted.clock.advance(1_000);
    assert.equal(scripted.streams.length, 2);
  });

  test('of a cluster that is too large is not followed, and that is said', async (t) => {
    const scripted = scriptSource(t, { events: { follow: 'auto', agentsMax: 10 } });
    scripted.built = { agents: 11 };
    scripted.source.start();
    await scripted.settle();
    assert.equal(scripted.streams.length, 0);
    const { state, reason } = scripted.source.status().events;
    assert.deepEqual(
      [state, reason],
      ['off', '11 agents are more than cluster.events.agentsMax (10)'],
    );
    scripted.built = { agents: 10 };
    scripted.source.rebuild();
    await scripted.settle();
    assert.equal(scripted.streams.length, 1);
  });

  test('ends with the source', async (t) => {
    const scripted = await following(t);
    scripted.streams[0]?.send('late');
    await scripted.source.stop();
    assert.equal(scripted.streams[0]?.isCancelled, true);
    assert.equal(scripted.clock.pending, 0);
    scripted.newCalls();
    await scripted.settle();
    assert.deepEqual(scripted.newCalls(), []);
  });

  test('brings names of agents that nobody has looked up', async (t) => {
    const scripted = await following(t);
    scripted.newCalls();
    scripted.events = () => Promise.resolve({ hostNames: ['a', 'b'] });
    scripted.streams[0]?.send('AGENT_ADDED');
    await scripted.settle();
    assert.deepEqual(scripted.newCalls(), ['events AGENT_ADDED', 'resolve a,b 0', ...REBUILT]);
  });
});

describe('how long a change takes', () => {
  test('is measured from the event to the table, and to the kernel that has the update', async (t) => {
    const scripted = await following(t);
    const { pass, open } = gate();
    scripted.kernelUpdate = 3;
    scripted.build = pass;
    const statusTime = scripted.clock.now() / 1_000 - 1;
    scripted.events = () => Promise.resolve({ statusTime });
    scripted.streams[0]?.send('one');
    await scripted.settle();
    scripted.clock.advance(8);
    open();
    await scripted.settle();
    scripted.clock.advance(2);
    scripted.source.kernelChanged(3, true);
    assert.deepEqual(scripted.measured, [
      'event table 8',
      'status table 1008',
      'event kernel 10',
      'status kernel 1010',
    ]);
    assert.equal(scripted.source.propagation().event.kernel.lastMs, 10);
  });
});

describe('a leader that ZooKeeper names', () => {
  const zookeeper: ScriptOptions = { masters: [], usesZookeeper: true, random: () => 0.5 };

  test('is asked as soon as it is known, and followed', async (t) => {
    const scripted = scriptSource(t, {
      ...zookeeper,
      events: { follow: 'always', agentsMax: 1 },
    });
    scripted.source.start();
    await scripted.settle();
    assert.deepEqual(scripted.newCalls(), []);
    scripted.detect({ leader: master(1), masters: [master(1)] });
    await scripted.settle();
    assert.deepEqual(scripted.newCalls(), [
      'subscribe 10.0.0.1:5050',
      'fetch 10.0.0.1:5050',
      'read',
      'build read',
      'publish 10.0.0.1:5050',
    ]);
    assert.equal(scripted.source.status().zookeeper?.connected, true);
  });

  test('that never comes is a failure that says so', async (t) => {
    const scripted = scriptSource(t, zookeeper);
    scripted.source.start();
    scripted.clock.advance(2_000);
    await scripted.settle();
    assert.deepEqual(scripted.newCalls(), []);
    assert.equal(scripted.source.status().lastError?.code, 'zookeeper-unreachable');
  });

  test('that changes ends what is in flight to the old one, and is polled within a second', async (t) => {
    const scripted = await following(t, { usesZookeeper: true });
    scripted.says = hangsUntilAborted;
    scripted.clock.advance(INTERVAL_MS);
    await scripted.settle();
    scripted.newCalls();
    scripted.says = leads;
    scripted.detect({ leader: master(2), masters: [master(2), master(1)] });
    await scripted.settle();
    assert.equal(scripted.streams[0]?.isCancelled, true);
    assert.deepEqual(scripted.newCalls(), ['subscribe 10.0.0.2:5050']);
    scripted.clock.advance(499);
    await scripted.settle();
    assert.deepEqual(scripted.newCalls(), []);
    scripted.clock.advance(1);
    await scripted.settle();
    assert.equal(scripted.newCalls()[0], 'fetch 10.0.0.2:5050');
    assert.equal(scripted.source.status().consecutiveFailures, 0, 'to be dropped is no failure');
  });

  test('that was found by a poll already changes nothing', async (t) => {
    const scripted = await following(t, { usesZookeeper: true });
    scripted.newCalls();
    scripted.detect({ leader: master(1), masters: [master(1)] });
    scripted.detect({ leader: null, masters: [] });
    await scripted.settle();
    assert.deepEqual([scripted.newCalls(), scripted.streams.length], [[], 1]);
  });

  test('that is away while others are members: they are asked who leads', async (t) => {
    const scripted = await following(t, { usesZookeeper: true });
    scripted.newCalls();
    scripted.says = (asked) =>
      asked.host === '10.0.0.2'
        ? Promise.resolve({ leader: master(4), answeredBy: master(2) })
        : leads(asked, new AbortController().signal);
    scripted.detect({ leader: null, masters: [master(2)] });
    scripted.clock.advance(500);
    await scripted.settle();
    const fetches = scripted.newCalls().filter((call) => call.startsWith('fetch'));
    assert.deepEqual(fetches.slice(-2), ['fetch 10.0.0.2:5050', 'fetch 10.0.0.4:5050']);
    assert.equal(scripted.streams.at(-1)?.master.host, '10.0.0.4');
  });
});

describe('a worker that is gone', () => {
  test('has its successor told everything at once', async (t) => {
    const scripted = await following(t);
    scripted.newCalls();
    scripted.source.workerGone();
    scripted.source.rebuild();
    await scripted.settle();
    assert.deepEqual(scripted.newCalls(), [
      'fetch 10.0.0.1:5050',
      'read',
      'resolve a 1000',
      'build read',
      'publish 10.0.0.1:5050',
    ]);
    assert.equal(scripted.asked.at(-1), 0, 'it was given no event yet');
    assert.equal(scripted.source.status().events.reason, 'the generation worker stopped');
    scripted.clock.advance(1_000);
    assert.equal(scripted.streams.length, 2);
  });

  test('because of a state is not killed by it again at once', async (t) => {
    const scripted = scriptSource(t);
    scripted.source.start();
    await scripted.settle();
    scripted.newCalls();
    scripted.read = () => {
      scripted.source.workerGone();
      return Promise.reject(new Error('out of memory'));
    };
    scripted.clock.advance(INTERVAL_MS);
    await scripted.settle();
    assert.deepEqual(scripted.newCalls(), ['fetch 10.0.0.1:5050', 'read']);
    assert.equal(scripted.source.status().consecutiveFailures, 1);
  });
});

describe('a state that is held back', () => {
  const hold = {
    reason: 'cluster-empty',
    since: 0,
    until: 600_000,
    missingTasks: 3,
    missingAgents: 1,
    knownTasks: 3,
    share: 1,
    examples: ['web.1'],
  } as const;

  test('S11: is a good poll, and status and log say what is kept', async (t) => {
    const scripted = scriptSource(t);
    scripted.built = { hold };
    scripted.source.start();
    await scripted.settle();
    const status = scripted.source.status();
    assert.deepEqual([status.consecutiveFailures, status.lastError], [0, null]);
    assert.equal(status.hold?.reason, 'cluster-empty');
    assert.deepEqual(
      scripted.logged.map(({ level, event }) => `${level} ${event}`),
      ['warn hold-started'],
    );
  });

  test('S11: is looked at again when the time is over', async (t) => {
    const scripted = scriptSource(t);
    scripted.built = { hold };
    scripted.source.start();
    await scripted.settle();
    scripted.says = isDown;
    scripted.clock.advance(599_000);
    await scripted.settle();
    scripted.newCalls();
    scripted.built = {};
    scripted.clock.advance(1_000);
    await scripted.settle();
    assert.ok(scripted.newCalls().includes('build believed'));
    assert.equal(scripted.source.status().hold, null);
  });
});
