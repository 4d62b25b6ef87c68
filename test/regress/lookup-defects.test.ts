import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { createHostLookup } from '../../src/adapters/host-lookup.ts';
import { unreadyTable } from '../../src/core/generation.ts';
import { hostAnswers } from '../../src/core/views/rest-view.ts';
import { zoneSettings } from '../../src/core/views/zone-view.ts';
import { GenerationThread } from '../../src/daemon/generation-thread.ts';
import { Poller } from '../../src/daemon/poller.ts';
import { Publisher } from '../../src/daemon/publisher.ts';
import { ManualClock } from '../adapters/manual-clock.ts';
import { daemonConfig } from '../support/daemon-config.ts';
import { agent, clusterState, framework, task } from '../support/scripted-master.ts';
import { waitUntil } from '../support/wait-until.ts';
import { ANY_NODE } from '../support/build-report.ts';

const MASTER = { host: '10.0.0.9', port: 5050 };
const INTERVAL_MS = 30_000;
/** The longest that a build may wait for names. */
const WAIT_MS = 1_000;

/** The resolver of the system, as slow as a test wants it. */
class ScriptedResolver {
  readonly asked: string[] = [];
  readonly #waiting = new Map<string, (addresses: readonly string[]) => void>();

  readonly lookup = (name: string): Promise<readonly { address: string }[]> => {
    this.asked.push(name);
    return new Promise((resolve) => {
      this.#waiting.set(name, (addresses) => resolve(addresses.map((address) => ({ address }))));
    });
  };

  answer(name: string, ...addresses: readonly string[]): void {
    this.#waiting.get(name)?.(addresses);
    this.#waiting.delete(name);
  }
}

/** What lies between a master's state and the served table, with a scripted resolver. */
function startPipeline(t: TestContext) {
  const clock = new ManualClock();
  const resolver = new ScriptedResolver();
  const silent = (): void => undefined;
  const log = { debug: silent, info: silent, warn: silent, error: silent };
  const zone = zoneSettings(daemonConfig({ cluster: { masters: ['10.0.0.9:5050'] } }), []);
  const thread = new GenerationThread({ zone, pollIntervalMs: INTERVAL_MS, kernel: false }, log);
  const publisher = new Publisher(clock, unreadyTable(zone));
  const lookup = createHostLookup({ clock, lookup: resolver.lookup });
  const state = JSON.stringify(
    clusterState(
      { pid: 'master@10.0.0.9:5050' },
      {
        slaves: [agent(0), agent(7, { pid: 'slave(1)@agent-7.example:5051' })],
        frameworks: [framework('marathon', [task('web'), task('far', { slave_id: 'a1b2-S7' })])],
      },
    ),
  );
  const waits: number[] = [];
  const poller = new Poller(
    {
      fetchState: () =>
        Promise.resolve({ chunks: [new TextEncoder().encode(state)], answeredBy: MASTER }),
      read: (chunks) => thread.read(chunks),
      resolve: (names, waitMs) => {
        waits.push(waitMs);
        return lookup.resolve(names, waitMs);
      },
      build: (of, hosts) =>
        thread.build(of, hosts, publisher.previous, Math.floor(clock.now() / 1000), ANY_NODE),
      publish: (read, built) => publisher.publish(read, built),
      onPoll: silent,
    },
    { masters: [MASTER], intervalMs: INTERVAL_MS },
    { clock, log, random: () => 0.5 },
  );
  lookup.onChange(() => poller.rebuild());
  t.after(async () => {
    await poller.stop();
    lookup.close();
    await thread.close();
  });
  const addresses = (name: string): string[] =>
    hostAnswers(publisher.table, name).map(({ ip }) => ip);
  return { clock, resolver, poller, publisher, waits, addresses };
}

describe('host names in a state', () => {
  test('S12: a build waits a second for a lookup, and the name appears when it is done', async (t) => {
    const { clock, resolver, poller, publisher, waits, addresses } = startPipeline(t);
    poller.start();
    await waitUntil('the lookup', () => resolver.asked.length === 1);
    assert.deepEqual(resolver.asked, ['agent-7.example']);
    clock.advance(WAIT_MS - 1);
    assert.equal(publisher.status, null);
    clock.advance(1);
    await waitUntil('a generation without it', () => publisher.status !== null);
    assert.deepEqual(addresses('web.marathon.mesos'), ['10.0.0.1']);
    assert.deepEqual(addresses('slave.mesos'), ['10.0.0.1']);
    assert.deepEqual(addresses('far.marathon.mesos'), []);

    resolver.answer('agent-7.example', '10.0.0.8', '2001:db8::8');
    await waitUntil('the news', () => {
      clock.advance(100);
      return addresses('far.marathon.mesos').length > 0;
    });
    assert.deepEqual(addresses('far.marathon.mesos'), ['10.0.0.8', '2001:db8::8']);
    assert.deepEqual(addresses('slave.mesos'), ['10.0.0.1', '10.0.0.8', '2001:db8::8']);
    assert.equal(poller.status().polls, 1, 'no poll was needed for that');
    assert.deepEqual(waits, [WAIT_MS, WAIT_MS]);
  });

  test('S12: a name that is known is not looked up again at the next poll', async (t) => {
    const { clock, resolver, poller, publisher, addresses } = startPipeline(t);
    poller.start();
    await waitUntil('the lookup', () => resolver.asked.length === 1);
    resolver.answer('agent-7.example', '10.0.0.8');
    await waitUntil('a generation', () => publisher.status !== null);
    for (const polls of [2, 3]) {
      clock.advance(INTERVAL_MS);
      await waitUntil('the next poll', () => poller.status().ageSeconds === 0);
      assert.equal(poller.status().polls, polls);
    }
    assert.deepEqual(resolver.asked, ['agent-7.example']);
    assert.deepEqual(addresses('far.marathon.mesos'), ['10.0.0.8']);
  });

  test('S12: what is known is served while it is looked up anew', async (t) => {
    const { clock, resolver, poller, publisher, addresses } = startPipeline(t);
    poller.start();
    await waitUntil('the lookup', () => resolver.asked.length === 1);
    resolver.answer('agent-7.example', '10.0.0.8');
    await waitUntil('a generation', () => publisher.status !== null);
    clock.advance(600_000);
    await waitUntil('the second lookup', () => resolver.asked.length === 2);
    await waitUntil('the poll, without the clock', () => poller.status().ageSeconds === 0);
    assert.deepEqual(addresses('far.marathon.mesos'), ['10.0.0.8']);
  });
});
