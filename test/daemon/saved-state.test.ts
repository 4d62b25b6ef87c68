import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { readStateFile } from '../../src/adapters/state-file.ts';
import { EDE, OPTION, RCODE } from '../../src/core/dns/constants.ts';
import { savedStatePath } from '../../src/daemon/saved-state.ts';
import { ManualClock } from '../adapters/manual-clock.ts';
import { daemonConfig } from '../support/daemon-config.ts';
import { readEdnsOptions } from '../support/dns-message.ts';
import { advanceToPoll, type RunningDaemon, startDaemon } from '../support/running-daemon.ts';
import {
  agent,
  clusterState,
  cuts,
  framework,
  hangs,
  says,
  type ScriptedMaster,
  startMaster,
  task,
} from '../support/scripted-master.ts';
import { waitUntil } from '../support/wait-until.ts';

const HOUR_MS = 3_600_000;
const WEB = 'web.marathon.mesos.';
const API = 'api.marathon.mesos.';

interface Stage {
  readonly master: ScriptedMaster;
  readonly path: string;
  /** Starts a daemon that saves to the file; it stops with the test if not before. */
  readonly start: (clock?: ManualClock) => Promise<RunningDaemon>;
}

/** A master with one task, `web`, and a file for its state. */
async function setStage(t: TestContext, maxLossPercent = 100): Promise<Stage> {
  const folder = mkdtempSync(join(tmpdir(), 'hoplite-saved-'));
  const daemons: RunningDaemon[] = [];
  t.after(async () => {
    for (const { daemon } of daemons) await daemon.stop();
    // A write that began before the stop may end after it.
    rmSync(folder, { recursive: true, maxRetries: 9, retryDelay: 50 });
  });
  const path = join(folder, 'last-state');
  const master = await startMaster(t);
  master.answer = saysTasks(master, 'web');
  const start: Stage['start'] = async (clock) => {
    const config = daemonConfig({
      cluster: { masters: [master.text], savedState: path, trust: { maxLossPercent } },
      dns: { udpThreads: 0 },
    });
    const options = { unready: true, ...(clock === undefined ? {} : { clock }) };
    const daemon = await startDaemon(t, config, options);
    daemons.push(daemon);
    return daemon;
  };
  return { master, path, start };
}

const saysTasks = (master: ScriptedMaster, ...names: readonly string[]) =>
  says(
    clusterState(master, {
      slaves: [agent(0), agent(1)],
      frameworks: [
        framework(
          'marathon',
          names.map((name) => task(name)),
        ),
      ],
    }),
  );

const isServed = (daemon: RunningDaemon, from: 'master' | 'file'): Promise<true> =>
  waitUntil(`a state from ${from}`, () => daemon.status().source.from === from);

/** The extended error of the answer for a name; null: none. */
async function extendedError(daemon: RunningDaemon, name: string): Promise<number | null> {
  const { opt } = await daemon.ask(name, 1, { edns: 1232 });
  const option = readEdnsOptions(opt?.options ?? '').get(OPTION.EDE);
  return option === undefined ? null : parseInt(option.slice(0, 4), 16);
}

const eventsOf = (daemon: RunningDaemon): string[] => daemon.logged.map(({ event }) => event);

/** Runs a daemon until its state is in the file. */
async function saveOnce({ path, start }: Stage, clock?: ManualClock): Promise<void> {
  const daemon = await start(clock);
  await waitUntil('the file', () => existsSync(path));
  await daemon.daemon.stop();
}

/** Tasks of the state in the file, as text. */
async function savedText(path: string): Promise<string> {
  const found = await readStateFile(path, 1_000_000);
  return found?.ok === true ? new TextDecoder().decode(found.value.body) : '';
}

describe('a start without a master', () => {
  test('A16c: serves the last state, marked as stale, until a master answers', async (t) => {
    const stage = await setStage(t);
    await saveOnce(stage);
    stage.master.answer = cuts;
    const daemon = await stage.start();
    await isServed(daemon, 'file');
    assert.deepEqual(await daemon.answers(WEB), ['A 10.0.0.1']);
    assert.equal(await extendedError(daemon, WEB), EDE.STALE_ANSWER);
    assert.equal((await daemon.ask(API)).rcode, RCODE.NXDOMAIN);
    const { ready, source, reasons, generation } = daemon.status();
    assert.equal(ready, true);
    assert.equal(source.leader, stage.master.text);
    assert.equal(source.lastSuccessAt, null);
    assert.equal(generation?.tasks, 1);
    assert.match(reasons[0] ?? '', /^no master has answered since the start; .*s old: /);
    const [logged] = daemon.logged.filter(({ event }) => event === 'saved-state-served');
    assert.equal(logged?.['leader'], stage.master.text);

    stage.master.answer = saysTasks(stage.master, 'api');
    await isServed(daemon, 'master');
    assert.deepEqual(await daemon.answers(API), ['A 10.0.0.1']);
    assert.equal((await daemon.ask(WEB)).rcode, RCODE.NXDOMAIN);
    assert.equal(await extendedError(daemon, API), null);
    assert.deepEqual(daemon.status().reasons, []);
  });

  test('A16c: tells the true age of the state, by status and metric', async (t) => {
    const stage = await setStage(t);
    await saveOnce(stage, new ManualClock());
    stage.master.answer = cuts;
    const later = new ManualClock(Date.UTC(2026, 0, 1) + 2 * HOUR_MS);
    const daemon = await stage.start(later);
    await isServed(daemon, 'file');
    assert.equal(daemon.status().source.ageSeconds, 7_200);
    later.advance(30_000);
    const { body } = await daemon.http('/metrics');
    assert.match(body, /^hoplite_source_age_seconds 7230$/m);
  });

  test('A16c: waits for a master that is silent for a second, and not longer', async (t) => {
    const stage = await setStage(t);
    await saveOnce(stage, new ManualClock());
    stage.master.answer = hangs;
    const clock = new ManualClock();
    const daemon = await stage.start(clock);
    await waitUntil('the request', () => stage.master.requests.length === 2);
    clock.advance(999);
    assert.equal(daemon.status().source.from, null);
    assert.equal((await daemon.ask(WEB)).rcode, RCODE.SERVFAIL);
    clock.advance(1);
    await isServed(daemon, 'file');
    assert.deepEqual(await daemon.answers(WEB), ['A 10.0.0.1']);
    assert.equal(daemon.status().source.consecutiveFailures, 0);
  });

  test('A16c: holds an empty cluster back right after the start too', async (t) => {
    const stage = await setStage(t, 20);
    await saveOnce(stage);
    stage.master.answer = says(clusterState(stage.master, { slaves: [] }));
    const daemon = await stage.start();
    const hold = await waitUntil('a hold', () => daemon.status().source.hold);
    assert.deepEqual([hold.reason, hold.missingAgents], ['cluster-empty', 2]);
    assert.deepEqual(await daemon.answers(WEB), ['A 10.0.0.1']);
    await isServed(daemon, 'master');
    assert.match(await savedText(stage.path), /web/, 'what is held is not saved');
    assert.deepEqual(await daemon.answers(WEB), ['A 10.0.0.1']);
  });

  test('A16c: a state of more than 24 hours ago is not used, and that is said', async (t) => {
    const stage = await setStage(t);
    await saveOnce(stage, new ManualClock());
    stage.master.answer = cuts;
    const daemon = await stage.start(new ManualClock(Date.UTC(2026, 0, 2) + 1));
    await waitUntil('a failed poll', () => daemon.status().source.consecutiveFailures > 0);
    const [logged] = daemon.logged.filter(({ event }) => event === 'saved-state-ignored');
    assert.equal(logged?.['problem'], 'is more than 24 hours old');
    assert.equal((await daemon.ask(WEB)).rcode, RCODE.SERVFAIL);
  });

  test('A16c: nor is one from a time to come', async (t) => {
    const stage = await setStage(t);
    await saveOnce(stage, new ManualClock());
    stage.master.answer = cuts;
    const daemon = await stage.start(new ManualClock(Date.UTC(2025, 11, 31)));
    assert.ok(eventsOf(daemon).includes('saved-state-ignored'));
  });

  test('A16c: a file that is damaged is said and ignored, and replaced by the next', async (t) => {
    const stage = await setStage(t);
    await saveOnce(stage);
    const whole = readFileSync(stage.path);
    writeFileSync(stage.path, whole.subarray(0, whole.length - 9));
    stage.master.answer = cuts;
    const daemon = await stage.start();
    await waitUntil('the warning', () => eventsOf(daemon).includes('saved-state-ignored'));
    assert.equal((await daemon.ask(WEB)).rcode, RCODE.SERVFAIL);
    stage.master.answer = saysTasks(stage.master, 'web');
    await isServed(daemon, 'master');
    await waitUntil('a good file', async () => (await savedText(stage.path)).includes('web'));
  });
});

describe('the file', () => {
  test('is written for the first state, then every five minutes if it changed', async (t) => {
    const stage = await setStage(t);
    const { path, master } = stage;
    const clock = new ManualClock();
    const daemon = await stage.start(clock);
    await waitUntil('the first file', () => existsSync(path));
    const poll = async (): Promise<void> => {
      const { polls } = daemon.status().source;
      advanceToPoll(daemon, clock);
      await waitUntil('the end of the poll', () => daemon.status().source.lastSuccessAt !== null);
      const success = new Date(clock.now()).toISOString();
      await waitUntil('the state', () => daemon.status().source.lastSuccessAt === success);
      assert.equal(daemon.status().source.polls, polls + 1);
    };
    master.answer = saysTasks(master, 'api');
    const start = clock.now();
    while (clock.now() - start < 5 * 60_000) {
      assert.doesNotMatch(await savedText(path), /"api"/, 'not yet');
      await poll();
    }
    await waitUntil('the next file', async () => (await savedText(path)).includes('"api"'));
    assert.equal(daemon.status().savedState?.error, null);
  });

  test('is not written where there is no directory, which is said once and harms nothing', async (t) => {
    const { master, path } = await setStage(t);
    const config = daemonConfig({
      cluster: { masters: [master.text], savedState: `${path}/missing/last-state` },
    });
    const daemon = await startDaemon(t, config);
    await waitUntil('the warning', () => eventsOf(daemon).includes('state-not-saved'));
    assert.deepEqual(await daemon.answers(WEB), ['A 10.0.0.1']);
    const { ready, reasons, savedState } = daemon.status();
    assert.equal(ready, true);
    assert.match(savedState?.error ?? '', /ENOENT/);
    assert.match(reasons.join(), /^the state is not saved: /);
  });

  test('is where the configuration says, or in the directory of the service manager', () => {
    const at = (savedState: string | null, directory?: string): string | null => {
      const { cluster } = daemonConfig({ cluster: { masters: ['10.0.0.9'] } });
      return savedStatePath({ cluster: { ...cluster, savedState } }, directory);
    };
    assert.equal(at(null), null);
    assert.equal(at(null, ''), null);
    assert.equal(at(null, '/var/lib/hoplite'), '/var/lib/hoplite/last-state');
    assert.equal(at(null, '/var/lib/a:/var/lib/b'), '/var/lib/a/last-state');
    assert.equal(at('/srv/state', '/var/lib/hoplite'), '/srv/state');
    assert.equal(at('', '/var/lib/hoplite'), null);
  });
});
