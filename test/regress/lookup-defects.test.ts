import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { createHostLookup } from '../../src/adapters/host-lookup.ts';
import { unreadyTable } from '../../src/core/generation.ts';
import { hostAnswers } from '../../src/core/views/rest-view.ts';
import { zoneSettings } from '../../src/core/views/zone-view.ts';
import { GenerationThread } from '../../src/daemon/generation-thread.ts';
import { Publisher } from '../../src/daemon/publisher.ts';
import { ClusterSource } from '../../src/daemon/source/cluster-source.ts';
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
  const config = daemonConfig({ cluster: { masters: ['10.0.0.9:5050'] } });
  const { trust, events } = config.cluster;
  const zone = zoneSettings(config, []);
  const settings = { zone, pollIntervalMs: INTERVAL_MS, kernel: false, trust };
  const thread = new GenerationThread({ ...settings, marathonFramework: '' }, log);
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
  let generations = 0;
  const source = new ClusterSource(
    {
      ...{ clock, log, random: () => 0.5 },
      fetchState: () =>
        Promise.resolve({ chunks: [new TextEncoder().encode(state)], answeredBy: MASTER }),
      read: (chunks) => thread.read(chunks),
      resolve: (names, waitMs) => {
        waits.push(waitMs);
        return lookup.resolve(names, waitMs);
      },
      build: (of, hosts) =>
        thread.build({
          ...{ of, hosts, node: ANY_NODE, number: ++generations },
          previous: publisher.previous,
          nowSeconds: Math.floor(clock.now() / 1000),
          nowMs: clock.monotonic(),
        }),
      publish: (read, built) => {
        publisher.publish(read, built);
        return null;
      },
      events: (...batch) => thread.events(...batch),
      subscribe: () => assert.fail('no stream is followed'),
      openDetector: () => null,
      recall: () => Promise.resolve(null),
      ...{ onPoll: silent, onConfirmed: silent, observePropagation: silent },
    },
    { masters: [MASTER], intervalMs: INTERVAL_MS, events },
  );
  lookup.onChange(() => source.rebuild());
  t.after(async () => {
    await source.stop();
    lookup.close();
    await thread.close();
  });
  const addresses = (name: string): string[] =>
    hostAnswers(publisher.table, name).map(({ ip }) => ip);
  return { clock, resolver, source, publisher, waits, addresses };
}

describe('host names in a state', () => {
  test('S12: a build waits a second for a lookup, and the name appears when it is done', async (t) => {
    const { clock, resolver, source, publisher, waits, addresses } = startPipeline(t);
    source.start();
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
    assert.equal(source.status().polls, 1, 'no poll was needed for that');
    assert.deepEqual(waits, [WAIT_MS, WAIT_MS]);
  });

  test('S12: a name that is known is not looked up again at the next poll', async (t) => {
    const { clock, resolver, source, publisher, addresses } = startPipeline(t);
    source.start();
    await waitUntil('the lookup', () => resolver.asked.length === 1);
    resolver.answer('agent-7.example', '10.0.0.8');
    await waitUntil('a generation', () => publisher.status !== null);
    for (const polls of [2, 3]) {
      clock.advance(INTERVAL_MS);
      await waitUntil('the next poll', () => source.status().ageSeconds === 0);
      assert.equal(source.status().polls, polls);
    }
    assert.deepEqual(resolver.asked, ['agent-7.example']);
    assert.deepEqual(addresses('far.marathon.mesos'), ['10.0.0.8']);
  });

  test('S12: what is known is served while it is looked up anew', async (t) => {
    const { clock, resolver, source, publisher, addresses } = startPipeline(t);
    source.start();
    await waitUntil('the lookup', () => resolver.asked.length === 1);
    resolver.answer('agent-7.example', '10.0.0.8');
    await waitUntil('a generation', () => publisher.status !== null);
    clock.advance(600_000);
    await waitUntil('the second lookup', () => resolver.asked.length === 2);
    await waitUntil('the poll, without the clock', () => source.status().ageSeconds === 0);
    assert.deepEqual(addresses('far.marathon.mesos'), ['10.0.0.8']);
  });
});
