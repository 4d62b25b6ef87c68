import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { goodFiles } from '../adapters/mesos/loopback-master.ts';
import { daemonConfig } from '../support/daemon-config.ts';
import { type RunningDaemon, startDaemon } from '../support/running-daemon.ts';
import { startMaster } from '../support/scripted-master.ts';
import { StreamingMaster } from '../support/streaming-master.ts';
import { waitUntil } from '../support/wait-until.ts';

interface Stage {
  readonly streaming: StreamingMaster;
  readonly daemon: RunningDaemon;
}

async function startLive(t: TestContext, cluster: object = {}): Promise<Stage> {
  const streaming = new StreamingMaster(await startMaster(t));
  const config = daemonConfig({
    cluster: {
      masters: [streaming.master.text],
      events: { follow: 'always' },
      trust: { maxLossPercent: 100 },
      ...cluster,
    },
    dns: { udpThreads: 0 },
  });
  return { streaming, daemon: await startDaemon(t, config) };
}

const eventsOf = ({ daemon }: Stage) => daemon.status().source.events;

async function isFollowing(stage: Stage): Promise<void> {
  await waitUntil('the stream', () => eventsOf(stage).state === 'following');
}

describe('a daemon with an event stream', () => {
  test('answers the name of a task that was just started, and measures how long it took', async (t) => {
    const stage = await startLive(t);
    const { daemon, streaming } = stage;
    await isFollowing(stage);
    const { polls } = daemon.status().source;
    streaming.add('api', 'db');
    await waitUntil('both names', async () => {
      const answers = await Promise.all(
        ['api', 'db'].map((name) => daemon.answers(`${name}.marathon.mesos.`)),
      );
      return answers.join() === 'A 10.0.0.1,A 10.0.0.1';
    });
    assert.deepEqual(await daemon.answers('web.marathon.mesos.'), ['A 10.0.0.1']);
    assert.equal(daemon.status().source.polls, polls, 'no poll was needed for that');
    const { event } = daemon.status().propagation;
    assert.ok(event.table.count >= 1 && (event.table.lastMs ?? -1) >= 0);
    const { body } = await daemon.http('/metrics');
    assert.match(body, /^hoplite_propagation_seconds_count\{from="event",to="table"\} [1-9]/m);
    assert.match(body, /^hoplite_source_events_following 1$/m);
  });

  test('keeps its names when the stream is cut, and follows the next one', async (t) => {
    const stage = await startLive(t);
    const { daemon, streaming } = stage;
    await isFollowing(stage);
    streaming.master.drop();
    await waitUntil('the cut', () => eventsOf(stage).state === 'waiting');
    assert.match(eventsOf(stage).reason ?? '', /the event stream ended/);
    assert.deepEqual(await daemon.answers('web.marathon.mesos.'), ['A 10.0.0.1']);
    await isFollowing(stage);
    assert.equal(eventsOf(stage).reconnects, 1);
    streaming.add('late');
    await waitUntil('the name', async () => {
      return (await daemon.answers('late.marathon.mesos.')).length > 0;
    });
  });

  test('polls alone where the stream is refused, and says why', async (t) => {
    const streaming = new StreamingMaster(await startMaster(t));
    streaming.subscribeStatus = 403;
    const config = daemonConfig({
      cluster: { masters: [streaming.master.text], events: { follow: 'auto', agentsMax: 10 } },
    });
    const daemon = await startDaemon(t, config);
    await waitUntil('the refusal', () => daemon.status().source.events.state === 'waiting');
    assert.match(daemon.status().source.events.reason ?? '', /403/);
    assert.deepEqual(await daemon.answers('web.marathon.mesos.'), ['A 10.0.0.1']);
    assert.equal(daemon.status().source.consecutiveFailures, 0);
  });

  test('tells a new worker everything when the old one dies', async (t) => {
    const workers: Worker[] = [];
    const remember = (worker: Worker): void => void workers.push(worker);
    process.on('worker', remember);
    t.after(() => process.off('worker', remember));
    const stage = await startLive(t);
    await isFollowing(stage);
    await workers[0]?.terminate();
    stage.streaming.add('api');
    await waitUntil('the next stream', () => eventsOf(stage).reconnects > 0);
    await isFollowing(stage);
    stage.streaming.add('db');
    await waitUntil('all names', async () => {
      const names = ['web', 'api', 'db'].map((name) => `${name}.marathon.mesos.`);
      const answers = await Promise.all(names.map((name) => stage.daemon.answers(name)));
      return answers.every((answer) => answer.length === 1);
    });
  });

  test('begins another stream after a reload', async (t) => {
    const stage = await startLive(t);
    await isFollowing(stage);
    const { daemon, config } = stage.daemon;
    await daemon.reload(config, goodFiles(config.cluster));
    await waitUntil('the next stream', () => eventsOf(stage).reconnects > 0);
    await isFollowing(stage);
    const { cluster } = config;
    const never = { ...cluster, events: { ...cluster.events, follow: 'never' as const } };
    await daemon.reload({ ...config, cluster: never }, {
      tls: null,
      auth: { kind: 'none' },
    } as never);
    await waitUntil('the end', () => eventsOf(stage).state === 'off');
    assert.equal(eventsOf(stage).reason, 'cluster.events.follow is never');
  });
});

test('services of a file have names besides the tasks, and change with the file', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'hoplite-services-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'services.json');
  const write = (name: string): void =>
    writeFileSync(
      path,
      JSON.stringify({
        services: [{ name, ports: [{ name: 'pg', number: 5432 }], endpoints: ['10.0.9.9'] }],
      }),
    );
  writeFileSync(path, '{');
  const stage = await startLive(t, { servicesFile: path });
  const { daemon } = stage;
  assert.equal(daemon.status().servicesFile?.path, path);
  await waitUntil('what is wrong', () => daemon.status().servicesFile?.problem);
  write('postgres');
  await waitUntil('the service', () => daemon.status().servicesFile?.services === 1);
  assert.equal(daemon.status().servicesFile?.problem, null);
  assert.deepEqual(await daemon.answers('web.marathon.mesos.'), ['A 10.0.0.1']);
});
