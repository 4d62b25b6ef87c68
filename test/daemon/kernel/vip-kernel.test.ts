import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KernelStatus } from '../../../src/core/ports.ts';
import { type KernelReply, NOTHING_YET } from '../../../src/daemon/kernel/kernel-protocol.ts';
import { VipKernel } from '../../../src/daemon/kernel/vip-kernel.ts';
import { ManualClock } from '../../adapters/manual-clock.ts';
import { daemonConfig } from '../../support/daemon-config.ts';

type KernelReport = Extract<KernelReply, { kind: 'report' }>;

const VIP = '10.208.0.1';
const CONFIG = { cluster: { masters: ['10.0.0.9:5050'] }, kernel: { enabled: true } };
/** When the kernel was read. */
const READ = '2026-01-01T00:00:00.000Z';

/** Names tied to a kernel process that says what the test wants. */
class Tied {
  readonly clock: ManualClock = new ManualClock();
  readonly logged: string[] = [];
  readonly kernel: VipKernel;
  /** What `onChanged` was told. */
  readonly changed: [update: number, isGood: boolean][] = [];
  #onReport: (report: KernelReport, done: number) => void = () => undefined;

  constructor() {
    const write = (event: string): void => void this.logged.push(event);
    this.kernel = new VipKernel(daemonConfig(CONFIG), {
      clock: this.clock,
      log: { debug: write, info: write, warn: write, error: write },
      start: (_settings, onReport) => {
        this.#onReport = onReport;
        return {
          configure: () => undefined,
          desire: () => 7,
          view: () => Promise.resolve(''),
          status: () => ({ ...NOTHING_YET, restarts: 0 }),
          close: () => Promise.resolve(),
        };
      },
      nodeAddresses: () => [],
      onProgrammed: () => undefined,
      onChanged: (...changed) => this.changed.push(changed),
      observe: () => undefined,
    });
    this.kernel.start();
  }

  report(
    status: Partial<KernelStatus>,
    programmed: readonly string[] | null = null,
    done = 0,
  ): void {
    this.#onReport({ kind: 'report', status: { ...NOTHING_YET, ...status }, programmed }, done);
  }

  /** Whether the first generation goes on waiting. */
  async isWaiting(): Promise<boolean> {
    const wait = this.kernel.firstSync().then(() => false);
    const later = new Promise<true>((resolve) => setImmediate(() => resolve(true)));
    return Promise.race([wait, later]);
  }
}

test('the first generation waits until it is known which VIPs are programmed', async () => {
  const tied = new Tied();
  tied.report({ lastSyncAt: READ });
  assert.equal(await tied.isWaiting(), true);
  // SNAT rules fail before anything is known of the cluster.
  tied.report({ state: 'degraded', reasons: ['SNAT needs iptables'], lastSyncAt: READ });
  assert.equal(await tied.isWaiting(), true);
  tied.report({ state: 'degraded', reasons: ['SNAT needs iptables'], lastSyncAt: READ }, [VIP]);
  assert.equal(await tied.isWaiting(), false);
  assert.deepEqual(tied.kernel.node().programmed, [VIP]);
});

test('the end of the daemon does not wait for a kernel process that says nothing', async () => {
  const tied = new Tied();
  assert.equal(await tied.isWaiting(), true);
  await tied.kernel.close();
  assert.equal(await tied.isWaiting(), false);
});

test('the first generation does not wait for a kernel that cannot be read', async () => {
  const tied = new Tied();
  tied.report({ state: 'degraded', reasons: ['the kernel has no IPVS'] });
  assert.equal(await tied.isWaiting(), false);
  assert.deepEqual(tied.kernel.node().programmed, []);
});

test('the first generation waits for a silent kernel process, but not for long', async () => {
  const tied = new Tied();
  assert.equal(await tied.isWaiting(), true);
  tied.clock.advance(5_000);
  assert.equal(await tied.isWaiting(), false);
});

test('sysctls that are not as they should be are logged once', () => {
  const tied = new Tied();
  const sysctl = { name: 'net.ipv4.vs.expire_nodest_conn', value: '0', wanted: '1', ok: false };
  tied.report({ sysctls: [sysctl] });
  tied.report({ sysctls: [sysctl] });
  assert.deepEqual(tied.logged, ['kernel-starting', 'kernel-sysctls']);
  tied.report({ sysctls: [{ ...sysctl, value: '1', ok: true }] });
  tied.report({ sysctls: [sysctl] });
  tied.report({ sysctls: [{ ...sysctl, name: 'net.ipv4.vs.run_estimation', value: null }] });
  assert.equal(tied.logged.filter((event) => event === 'kernel-sysctls').length, 2);
});

test('which updates the kernel has is passed on, and whether all of them was made', () => {
  const tied = new Tied();
  assert.equal(tied.kernel.desire(null), null);
  assert.equal(tied.kernel.desire(new Uint8Array(1)), 7);
  tied.report({ state: 'degraded', reasons: ['a change was refused'] }, null, 6);
  tied.report({ state: 'synced' }, null, 7);
  assert.deepEqual(tied.changed, [
    [6, false],
    [7, true],
  ]);
});
