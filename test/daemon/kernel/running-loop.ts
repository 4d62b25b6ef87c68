import type { TestContext } from 'node:test';
import { seededRandom } from '../../../src/core/base/random.ts';
import { changeLine } from '../../../src/core/ipvs/ipvsadm-text.ts';
import type { KernelStatus } from '../../../src/core/ports.ts';
import { KernelLoop, type KernelReport } from '../../../src/daemon/kernel/kernel-loop.ts';
import type { DesiredUpdate, KernelSettings } from '../../../src/daemon/kernel/kernel-protocol.ts';
import { ManualClock } from '../../adapters/manual-clock.ts';
import { OWNED, SOURCE, table, type TableText } from '../../support/ipvs-tables.ts';
import { MemoryKernel } from '../../support/memory-kernel.ts';
import { waitUntil } from '../../support/wait-until.ts';

/** Between two comparisons of everything. */
export const INTERVAL_MS = 30_000;
/** How long a drain may take. */
export const DRAIN_MS = 300_000;
/** The way to it tells the address of the node. */
export const MASTER = '10.0.0.9';
/** One of the pool. */
export const VIP = '10.208.0.1';
/** Its service. */
export const WEB = 'tcp 10.208.0.1:80';
/** A backend. */
export const A = '10.0.0.1:31000';
/** Another one. */
export const B = '10.0.0.2:31000';

/** How the loop works. */
export const SETTINGS: KernelSettings = {
  interface: 'hoplite0',
  owned: OWNED.map(({ text }) => text),
  nodeAddress: { ipv4: null, ipv6: null },
  reconcileIntervalMs: INTERVAL_MS,
  drainMs: DRAIN_MS,
  sysctls: 'set',
  snat: false,
};

/** A whole table, unless `parts` say otherwise. */
export const update = (services: TableText, parts: Partial<DesiredUpdate> = {}): DesiredUpdate => ({
  isWhole: true,
  services: [...table(services).values()].map((service) => ({
    ...service,
    destinations: [...service.destinations.values()],
  })),
  removed: [],
  mayRemove: true,
  towards: MASTER,
  ...parts,
});

/** A difference to the table before. */
export const partial = (services: TableText, removed: readonly string[] = []): DesiredUpdate =>
  update(services, { isWhole: false, removed });

/** A loop with a kernel of its own, and the reports that came so far. */
export class Running {
  readonly kernel: MemoryKernel = new MemoryKernel();
  readonly clock: ManualClock = new ManualClock();
  readonly reports: KernelReport[] = [];
  readonly loop: KernelLoop;

  constructor(t: TestContext) {
    this.kernel.sources.set(MASTER, SOURCE.ipv4).set('2001:db8::1', SOURCE.ipv6);
    this.loop = new KernelLoop(
      this.kernel,
      { clock: this.clock, random: seededRandom(1) },
      (report) => this.reports.push(report),
    );
    t.after(() => this.loop.stop());
  }

  /** Settings and a table, and the kernel as it becomes. */
  async start(services: TableText, parts: Partial<DesiredUpdate> = {}): Promise<void> {
    this.loop.configure(SETTINGS);
    this.loop.desire(update(services, parts));
    await this.quiet();
  }

  /** Waits until the loop has nothing to do but wait. */
  async quiet(): Promise<void> {
    let calls = -1;
    await waitUntil('the loop waits', () => {
      const isQuiet = calls === this.kernel.calls.length && this.clock.pending === 1;
      calls = this.kernel.calls.length;
      return isQuiet;
    });
  }

  async pass(ms: number): Promise<void> {
    this.clock.advance(ms);
    await this.quiet();
  }

  /** Changes that were asked for since the call before. */
  takeChanges(): string[] {
    return this.kernel.applied.splice(0).flat().map(changeLine);
  }

  get status(): Omit<KernelStatus, 'restarts'> {
    return this.reports.at(-1)!.status;
  }

  /** VIPs that were reported last. */
  get programmed(): readonly string[] | null {
    return this.reports.findLast(({ programmed }) => programmed !== null)?.programmed ?? null;
  }
}
