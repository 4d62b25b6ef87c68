import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { suite, test, type TestContext } from 'node:test';
import { DaemonError } from '../../../src/core/base/daemon-error.ts';
import { forkKernelChild, type StartKernelChild } from '../../../src/daemon/kernel/kernel-child.ts';
import type { KernelReport } from '../../../src/daemon/kernel/kernel-loop.ts';
import {
  KernelProcess,
  type KernelProcessParts,
} from '../../../src/daemon/kernel/kernel-process.ts';
import type { KernelReply, KernelSettings } from '../../../src/daemon/kernel/kernel-protocol.ts';
import { ManualClock } from '../../adapters/manual-clock.ts';
import { joinKeeper } from '../../support/kept-child.ts';
import { inTime, waitUntil } from '../../support/wait-until.ts';

const CHILD = new URL('../../support/kernel-child.js', import.meta.url);
const forkChild: StartKernelChild = (events) => forkKernelChild(events, CHILD);
const ENTRY = new URL('../../../src/daemon/kernel/kernel-entry.js', import.meta.url);

const settings = (name: string): KernelSettings => ({
  interface: name,
  owned: ['10.208.0.0/12'],
  nodeAddress: { ipv4: null, ipv6: null },
  reconcileIntervalMs: 30_000,
  drainMs: 300_000,
  sysctls: 'report',
  snat: false,
});

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

const failsWith = (message: RegExp) => (error: unknown) =>
  error instanceof DaemonError && error.code === 'kernel-process' && message.test(error.message);

class Running {
  readonly clock: ManualClock = new ManualClock();
  readonly reports: KernelReport[] = [];
  /** Updates that the kernel had at the last report. */
  done = 0;
  readonly logged: string[] = [];
  readonly process: KernelProcess;
  wholes = 0;

  constructor(t: TestContext, name: string, parts: Partial<KernelProcessParts> = {}) {
    const write = (event: string): void => void this.logged.push(event);
    this.process = new KernelProcess({
      settings: settings(name),
      clock: this.clock,
      random: () => 1,
      log: { debug: write, info: write, warn: write, error: write },
      onReport: (report, done) => {
        this.reports.push(report);
        this.done = done;
      },
      requestWhole: () => Promise.resolve(bytes(`whole ${++this.wholes}`)),
      startChild: forkChild,
      ...parts,
    });
    t.after(() => this.process.close());
  }

  /** What the children have heard so far, in order. */
  get heard(): string[] {
    return this.reports
      .filter(({ status }) => status.state === 'synced')
      .flatMap(({ status }) => status.reasons);
  }

  async hears(text: string, times = 1): Promise<void> {
    await waitUntil(`the child hears ${text}`, () => {
      return this.heard.filter((one) => one === text).length >= times;
    });
  }

  /** How often children ended. */
  get ends(): number {
    return this.logged.filter((event) => event === 'kernel-process-ended').length;
  }

  async endsAgain(): Promise<void> {
    const before = this.ends;
    await waitUntil('the child ends', () => this.ends > before);
  }
}

/** Ways to a kernel process: all that is promised holds for both. */
const WAYS: Readonly<Record<string, () => StartKernelChild>> = {
  'forked by the daemon': () => forkChild,
  'started by the keeper': () => joinKeeper(forkChild),
};

for (const [way, startChild] of Object.entries(WAYS)) {
  suite(way, () => {
    const start = (
      t: TestContext,
      name: string,
      parts: Partial<KernelProcessParts> = {},
    ): Running => new Running(t, name, { startChild: startChild(), ...parts });

    test('a kernel process hears its settings first, and then all that should be', async (t) => {
      const running = start(t, 'good');
      await running.hears('desire whole 1');
      running.process.desire(bytes('one'));
      running.process.configure(settings('other'));
      await running.hears('configure other');
      assert.deepEqual(running.heard, [
        'configure good',
        'desire whole 1',
        'desire one',
        'configure other',
      ]);
      assert.equal(running.process.status().state, 'synced');
      assert.equal(running.process.status().restarts, 0);
      assert.ok(running.reports.every(({ counters }) => counters instanceof Map));
    });

    test('which updates the kernel has is known over restarts of the process', async (t) => {
      const running = start(t, 'good');
      await running.hears('desire whole 1');
      assert.equal(running.process.desire(bytes('one')), 2);
      await running.hears('desire one');
      assert.equal(running.done, 2);
      running.process.configure(settings('exits'));
      await running.endsAgain();
      assert.equal(running.process.desire(bytes('lost')), 3, 'it is in the whole one to come');
      assert.equal(running.done, 2);
      running.process.configure(settings('better'));
      running.clock.advance(500);
      await running.hears('desire whole 2');
      assert.equal(running.done, 3);
      assert.equal(running.process.desire(bytes('two')), 4);
      await running.hears('desire two');
      assert.equal(running.done, 4);
    });

    test('views come back, or fail with the reason of the process', async (t) => {
      const { process } = start(t, 'good');
      assert.equal(await process.view('ipvs'), '{}');
      await assert.rejects(
        process.view('ipvs-plan'),
        (error) => error instanceof DaemonError && error.code === 'kernel-timeout',
      );
    });

    test('a view of a process that does not answer fails in time, and only so many wait', async (t) => {
      const { process, clock } = start(t, 'good');
      const views = Array.from({ length: 16 }, () => process.view('ipvs'));
      await assert.rejects(process.view('ipvs'), failsWith(/too many/));
      clock.advance(20_000);
      for (const view of views) await assert.rejects(view, failsWith(/in time/));
    });

    test('a process that ends starts again, with the newest settings and everything', async (t) => {
      const running = start(t, 'good');
      await running.hears('desire whole 1');
      running.process.configure(settings('exits'));
      await running.endsAgain();
      const { state, reasons, restarts } = running.process.status();
      assert.deepEqual({ state, restarts }, { state: 'degraded', restarts: 0 });
      assert.match(reasons.join(), /exit code 3/);
      assert.equal(running.reports.at(-1)?.programmed, null, 'the kernel goes on');
      await assert.rejects(running.process.view('ipvs'), failsWith(/not running/));
      running.process.desire(bytes('lost'));
      running.process.configure(settings('better'));
      running.clock.advance(500);
      await running.hears('desire whole 2');
      assert.deepEqual(running.heard.slice(2), ['configure better', 'desire whole 2']);
      assert.equal(running.process.status().restarts, 1);
    });

    test('a process that keeps ending starts ever more seldom, and soon again if it ran well', async (t) => {
      const running = start(t, 'exits');
      for (const delayMs of [500, 1_000, 2_000, 4_000]) {
        await running.endsAgain();
        running.clock.advance(delayMs - 1);
        assert.equal(running.clock.pending, 1, `waits for ${delayMs} ms`);
        if (delayMs === 4_000) running.process.configure(settings('good'));
        running.clock.advance(1);
      }
      await running.hears('configure good');
      running.clock.advance(60_000);
      running.process.configure(settings('exits'));
      await running.endsAgain();
      running.clock.advance(500);
      await running.endsAgain();
      assert.equal(running.process.status().restarts, 5);
    });

    test('an uncaught error ends the process', async (t) => {
      const running = start(t, 'good');
      await running.hears('desire whole 1');
      const view = assert.rejects(
        (async () => {
          running.process.configure(settings('throws'));
          await running.process.view('ipvs');
        })(),
        failsWith(/ended \(exit code 1\)/),
      );
      await inTime('the view fails', view);
    });

    test('updates that a process cannot read yet become one whole update', async (t) => {
      const running = start(t, 'sleeps');
      await running.hears('desire whole 1');
      const large = new Uint8Array(4_000_000).fill(0x20);
      running.process.desire(large);
      for (let i = 0; i < 50; i++) running.process.desire(large);
      await running.hears('desire whole 2');
      assert.deepEqual(running.heard, [
        'configure sleeps',
        'desire whole 1',
        'desire 4000000',
        'desire whole 2',
      ]);
    });

    test('a whole update that cannot be had is asked for again', async (t) => {
      let asked = 0;
      const requestWhole = (): Promise<Uint8Array | null> =>
        ++asked < 3
          ? Promise.reject(new DaemonError('worker-failed', 'the test wants it'))
          : Promise.resolve(bytes('late'));
      const running = start(t, 'good', { requestWhole });
      await running.hears('configure good');
      await waitUntil('it is tried again', () => {
        running.clock.advance(1_000);
        return asked === 3;
      });
      await running.hears('desire late');
    });

    test('before there is anything to hold, a process is told nothing', async (t) => {
      const running = start(t, 'good', { requestWhole: () => Promise.resolve(null) });
      await running.hears('configure good');
      running.process.desire(bytes('first'));
      await running.hears('desire first');
      assert.deepEqual(running.heard, ['configure good', 'desire first']);
    });

    test('after its close there is no process and no timer', async (t) => {
      const running = start(t, 'good');
      await running.hears('desire whole 1');
      const view = assert.rejects(running.process.view('ipvs'), failsWith(/stops/));
      await inTime('it closes', running.process.close());
      await view;
      assert.equal(running.clock.pending, 0);
      assert.equal(running.ends, 0);
      await running.process.close();
    });
  });
}

test('the real process ends with its daemon, and not by an interrupt', async (t) => {
  const child = fork(ENTRY, {
    serialization: 'advanced',
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  t.after(() => child.kill('SIGKILL'));
  const replies: KernelReply[] = [];
  child.on('message', (reply: KernelReply) => replies.push(reply));
  child.send({ kind: 'view', id: 7, view: 'ipvs' });
  await waitUntil('it answers', () => replies.length > 0);
  assert.deepEqual(
    replies.map((reply) => ('id' in reply ? [reply.kind, reply.id] : [reply.kind])),
    [['view-failed', 7]],
  );
  child.kill('SIGINT');
  child.send({ kind: 'view', id: 8, view: 'ipvs' });
  await waitUntil('it still answers', () => replies.length > 1);
  const end = once(child, 'exit');
  child.disconnect();
  assert.deepEqual(await inTime('it ends', end), [0, null]);
});
