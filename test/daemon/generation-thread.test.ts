import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test, type TestContext } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { DaemonError, type ErrorCode } from '../../src/core/base/daemon-error.ts';
import { AnswerTable, type SharedTable } from '../../src/core/dns/answer-table.ts';
import { hostAnswers } from '../../src/core/views/rest-view.ts';
import { zoneSettings } from '../../src/core/views/zone-view.ts';
import type { LogFields } from '../../src/core/ports.ts';
import type { BuildOf, BuildReport, WorkerRequests } from '../../src/daemon/generation-protocol.ts';
import { GenerationThread } from '../../src/daemon/generation-thread.ts';
import { daemonConfig } from '../support/daemon-config.ts';
import { clusterState, framework, task } from '../support/scripted-master.ts';
import { inTime } from '../support/wait-until.ts';
import { ANY_NODE } from '../support/build-report.ts';

const MASTER = { pid: 'master@10.0.0.9:5050' };
const NOW_SECONDS = 1_700_000_000;
const NO_HOSTS: ReadonlyMap<string, readonly string[]> = new Map();

interface Running {
  readonly thread: GenerationThread;
  /** Workers that were started, the newest last. */
  readonly workers: readonly Worker[];
  readonly logged: readonly { readonly event: string; readonly fields: LogFields | undefined }[];
}

function settings(ttlSeconds = 5, domain = 'mesos') {
  const config = daemonConfig({
    cluster: { masters: ['10.0.0.9:5050'] },
    dns: { ttlSeconds, domain },
  });
  return {
    zone: zoneSettings(config, []),
    pollIntervalMs: 30_000,
    kernel: false,
    trust: config.cluster.trust,
    marathonFramework: '',
  };
}

async function startThread(t: TestContext): Promise<Running> {
  const workers: Worker[] = [];
  const remember = (worker: Worker): void => void workers.push(worker);
  process.on('worker', remember);
  t.after(() => process.off('worker', remember));
  const logged: { event: string; fields: LogFields | undefined }[] = [];
  const write = (event: string, fields?: LogFields): void => void logged.push({ event, fields });
  const log = { debug: write, info: write, warn: write, error: write };
  const thread = new GenerationThread(settings(), log);
  t.after(() => thread.close());
  // `worker` is emitted in the next tick.
  await nextTurn();
  return { thread, workers, logged };
}

const chunksOf = (text: string): Uint8Array<ArrayBuffer>[] => [new TextEncoder().encode(text)];

const stateOf = (...names: readonly string[]): string => {
  const frameworks = [
    framework(
      'marathon',
      names.map((name) => task(name)),
    ),
  ];
  return JSON.stringify(clusterState(MASTER, { frameworks }));
};

let generations = 0;

const request = (
  of: BuildOf,
  previous: SharedTable | null = null,
  nowSeconds = NOW_SECONDS,
): WorkerRequests['build']['in'] => ({
  ...{ of, previous, nowSeconds, nowMs: 0 },
  ...{ hosts: NO_HOSTS, node: ANY_NODE, number: ++generations },
});

/** Reads and builds a state. */
async function serve(
  thread: GenerationThread,
  state: string,
  previous: SharedTable | null = null,
): Promise<BuildReport> {
  await thread.read(chunksOf(state));
  return thread.build(request('read', previous, NOW_SECONDS));
}

const hosts = ({ table }: BuildReport, name: string): string[] =>
  hostAnswers(AnswerTable.of(table), name).map(({ ip }) => ip);

const failsWith = (code: ErrorCode, message: RegExp) => (error: unknown) =>
  error instanceof DaemonError && error.code === code && message.test(error.message);

/** Ends a worker as running out of memory would. */
async function kill(worker: Worker | undefined): Promise<void> {
  assert.ok(worker !== undefined);
  await worker.terminate();
}

describe('the generation thread', () => {
  test('one more task is built into the table that is served', async (t) => {
    const { thread } = await startThread(t);
    const first = await serve(thread, stateOf('web', 'db'));
    const second = await serve(thread, stateOf('web', 'db', 'cache'), first.table);
    assert.deepEqual([first.isIncremental, second.isIncremental], [false, true]);
    assert.deepEqual(hosts(second, 'cache.marathon.mesos.'), ['10.0.0.1']);
    assert.deepEqual(hosts(first, 'cache.marathon.mesos.'), [], 'readers of it see no change');
  });

  test('it reads a state in pieces and builds it', async (t) => {
    const { thread } = await startThread(t);
    const bytes = new TextEncoder().encode(stateOf('web'));
    const pieces = [bytes.slice(0, 10), bytes.slice(10, 300), bytes.slice(300)];
    const read = await thread.read(pieces);
    assert.deepEqual(read.leader, { host: '10.0.0.9', port: 5050 });
    assert.equal(read.fromLeader, true);
    assert.equal(read.stateBytes, bytes.length);
    assert.ok(
      pieces.every(({ length }) => length === 0),
      'the pieces have moved',
    );
    const built = await thread.build(request('read', null, NOW_SECONDS));
    assert.deepEqual(hosts(built, 'web.marathon.mesos'), ['10.0.0.1']);
    assert.deepEqual([built.changed, built.tasks, built.rejections], [true, 1, 0]);
    assert.equal(AnswerTable.of(built.table).serial, NOW_SECONDS);
  });

  test('what is no state is state-invalid, and the worker lives on', async (t) => {
    const { thread, workers, logged } = await startThread(t);
    const { pid } = MASTER;
    for (const text of [
      '',
      '{',
      'null',
      '[]',
      '"x"',
      '{"leader":1}',
      JSON.stringify({ leader: pid }),
    ]) {
      await assert.rejects(thread.read(chunksOf(text)), failsWith('state-invalid', /./), text);
    }
    await assert.rejects(
      thread.read([new Uint8Array([0xff, 0xfe, 0])]),
      failsWith('state-invalid', /./),
    );
    assert.deepEqual(hosts(await serve(thread, stateOf('web')), 'web.marathon.mesos'), [
      '10.0.0.1',
    ]);
    assert.equal(workers.length, 1);
    assert.deepEqual(logged, []);
  });

  test('a state that was read and given up is not what is built again', async (t) => {
    const { thread } = await startThread(t);
    const first = await serve(thread, stateOf('web'));
    await thread.read(chunksOf(JSON.stringify(clusterState(MASTER))));
    const again = await thread.build(request('believed', first.table, NOW_SECONDS + 1));
    assert.deepEqual(hosts(again, 'web.marathon.mesos'), ['10.0.0.1']);
    assert.equal(again.changed, false);
  });

  test('other settings count from the next build on', async (t) => {
    const { thread } = await startThread(t);
    const first = await serve(thread, stateOf('web'));
    await thread.configure(settings(60, 'dcos'));
    const again = await thread.build(request('believed', first.table, NOW_SECONDS));
    assert.equal(again.changed, true);
    assert.deepEqual(hosts(again, 'web.marathon.dcos'), ['10.0.0.1']);
    assert.equal(AnswerTable.of(again.table).serial, NOW_SECONDS + 1);
  });

  test('a view before the first state is worker-failed and says why', async (t) => {
    const { thread } = await startThread(t);
    await assert.rejects(thread.view({ kind: 'axfr' }), failsWith('worker-failed', /no state yet/));
  });

  test('a worker that dies fails the calls under way, and the next call starts another', async (t) => {
    const { thread, workers } = await startThread(t);
    const first = await serve(thread, stateOf('web'));
    const call = thread.read(
      chunksOf(stateOf(...Array.from({ length: 5_000 }, (_, i) => `t${i}`))),
    );
    const failed = assert.rejects(call, failsWith('worker-failed', /worker stopped/));
    await kill(workers[0]);
    await inTime('the failure', failed);
    // What the dead worker had read is gone: only a new state can be built.
    await assert.rejects(
      thread.build(request('believed', first.table, NOW_SECONDS)),
      failsWith('worker-failed', /gone with the worker/),
    );
    const second = await serve(thread, stateOf('web', 'api'), first.table);
    assert.equal(workers.length, 2);
    assert.deepEqual(hosts(second, 'api.marathon.mesos'), ['10.0.0.1']);
    assert.equal(AnswerTable.of(second.table).serial, NOW_SECONDS + 1, 'the serial goes on');
  });

  test('a worker that dies idle is replaced at the next call, with the newest settings', async (t) => {
    const { thread, workers } = await startThread(t);
    const first = await serve(thread, stateOf('web'));
    await thread.configure(settings(60, 'dcos'));
    await kill(workers[0]);
    const second = await serve(thread, stateOf('web'), first.table);
    assert.deepEqual(hosts(second, 'web.marathon.dcos'), ['10.0.0.1']);
  });

  test('configuring a worker that dies of it does not fail', async (t) => {
    const { thread, workers } = await startThread(t);
    const configured = thread.configure(settings(60, 'dcos'));
    await kill(workers[0]);
    await inTime('the configuration', configured);
    const built = await serve(thread, stateOf('web'));
    assert.deepEqual(hosts(built, 'web.marathon.dcos'), ['10.0.0.1']);
  });

  test('after the close every call fails and no worker is started', async (t) => {
    const { thread, workers, logged } = await startThread(t);
    const call = thread.read(chunksOf(stateOf('web')));
    const failed = assert.rejects(call, failsWith('worker-failed', /daemon stops/));
    const ended = once(workers[0]!, 'exit');
    await thread.close();
    await inTime('the failure', failed);
    await inTime('the end of the worker', ended);
    await assert.rejects(thread.view({ kind: 'axfr' }), failsWith('worker-failed', /daemon stops/));
    await thread.configure(settings());
    assert.equal(workers.length, 1);
    assert.deepEqual(logged, []);
  });
});
