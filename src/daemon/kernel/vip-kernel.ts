import { DaemonError } from '../../core/base/daemon-error.ts';
import type { Config } from '../../core/config/config.ts';
import type { Clock, KernelStatus, Log, TrafficCounters } from '../../core/ports.ts';
import { vipPrefixes } from '../../core/vip/pool.ts';
import type { NodeView } from '../generation-protocol.ts';
import { type KernelReply, type KernelSettings, NOTHING_YET } from './kernel-protocol.ts';

/** The process that programs the kernel, as the daemon sees it. */
export interface KernelPeer {
  configure(settings: KernelSettings): void;
  /** Returns the number of the update. */
  desire(update: Uint8Array): number;
  view(view: 'ipvs' | 'ipvs-plan'): Promise<string>;
  status(): KernelStatus;
  close(): Promise<void>;
}

export interface VipKernelParts {
  readonly clock: Clock;
  readonly log: Log;
  /** Starts the process; `onReport` hears of everything it does: the kernel has `done` updates. */
  start(
    settings: KernelSettings,
    onReport: (report: KernelReport, done: number) => void,
  ): KernelPeer;
  /** Addresses of this node, now. */
  nodeAddresses(): readonly string[];
  /** The set of programmed VIPs changed: names have to be built again. */
  onProgrammed(): void;
  /** The kernel is as updates up to this number want it; `isGood` false: not all of it. */
  onChanged(update: number, isGood: boolean): void;
  /** Told of the status and, by `serviceKey`, of the traffic after each comparison. */
  observe(status: KernelStatus, counters?: ReadonlyMap<string, TrafficCounters>): void;
}

type KernelReport = Extract<KernelReply, { kind: 'report' }>;

/** Status where hoplite leaves the kernel alone. */
const OFF: KernelStatus = { ...NOTHING_YET, state: 'off', restarts: 0 };

/**
 * How long the first generation waits for the kernel. Services of a daemon that was started again
 * are in the kernel already: their names should answer from the first moment on.
 */
const FIRST_SYNC_WAIT_MS = 5_000;

/** What the kernel process does with the configured pools. */
function kernelSettings({ kernel, vip }: Config): KernelSettings {
  const owned = vipPrefixes(vip).map(({ text }) => text);
  return {
    interface: kernel.interface,
    owned,
    nodeAddress: kernel.nodeAddress,
    reconcileIntervalMs: kernel.reconcileIntervalMs,
    drainMs: kernel.drainMs,
    sysctls: kernel.sysctls,
    snat: kernel.snat,
  };
}

/**
 * Ties names to the kernel: desired tables go out, and which VIPs are programmed comes back, since
 * the name of a VIP must not answer before packets to it are balanced.
 */
export class VipKernel {
  readonly #parts: VipKernelParts;
  readonly #isUsed: boolean;
  #settings: KernelSettings;
  #peer: KernelPeer | null = null;
  #programmed: readonly string[] = [];
  #lastState: KernelStatus['state'] = 'off';
  #lastReason = '';
  #lastSysctls = '';
  /** Called at the first complete comparison with the kernel. */
  readonly #firstSync: Promise<void>;
  #synced: () => void = () => undefined;

  constructor(config: Config, parts: VipKernelParts) {
    this.#parts = parts;
    this.#firstSync = new Promise((resolve) => (this.#synced = resolve));
    this.#isUsed = config.vip.enabled && config.kernel.enabled;
    this.#settings = kernelSettings(config);
  }

  /** Whether this daemon programs the kernel. */
  get isUsed(): boolean {
    return this.#isUsed;
  }

  start(): void {
    if (!this.#isUsed) return;
    this.#peer = this.#parts.start(this.#settings, (...report) => this.#hear(...report));
  }

  /** What builds have to know of this node. */
  node(): NodeView {
    return {
      addresses: this.#parts.nodeAddresses(),
      programmed: this.#isUsed ? this.#programmed : null,
    };
  }

  configure(config: Config): void {
    const settings = kernelSettings(config);
    // What the old pool has in the kernel has to be removed in good order, by us.
    const owned = [...new Set([...this.#settings.owned, ...settings.owned])];
    this.#settings = { ...settings, owned };
    this.#peer?.configure(this.#settings);
  }

  /**
   * Passes on what the kernel should hold from now on; null: what it holds. Returns the number of the
   * update; null: there is none.
   */
  desire(update: Uint8Array | null): number | null {
    return update === null ? null : (this.#peer?.desire(update) ?? null);
  }

  /** Resolves once the kernel was compared with what it should hold, or after a short wait. */
  async firstSync(): Promise<void> {
    if (!this.#isUsed) return;
    const cancel = this.#parts.clock.after(FIRST_SYNC_WAIT_MS, this.#synced);
    await this.#firstSync;
    cancel();
  }

  status(): KernelStatus {
    return this.#peer?.status() ?? OFF;
  }

  /** JSON text. Rejects with `kernel-off` where the kernel is left alone. */
  view(view: 'ipvs' | 'ipvs-plan'): Promise<string> {
    if (this.#peer !== null) return this.#peer.view(view);
    const message = 'hoplite leaves the kernel alone: kernel.enabled or vip.enabled is false';
    return Promise.reject(new DaemonError('kernel-off', message));
  }

  /** Ends the process, which leaves the kernel as it is, and whoever waits for it. */
  async close(): Promise<void> {
    this.#synced();
    await this.#peer?.close();
  }

  #hear({ status, programmed, counters }: KernelReport, done: number): void {
    this.#parts.onChanged(done, status.state === 'synced');
    this.#logState(status);
    this.#logSysctls(status);
    this.#parts.observe({ ...status, restarts: this.status().restarts }, counters);
    if (programmed !== null) {
      this.#programmed = programmed;
      this.#parts.onProgrammed();
    }
    // A kernel that cannot be read will not be readable within the short wait either. What is wrong
    // besides, before anything is known of the cluster, is no answer yet.
    const isUnread = status.state === 'degraded' && status.lastSyncAt === null;
    if (programmed !== null || isUnread) this.#synced();
  }

  /** IPVS works without, but not as it should: connections hang that should be reset. */
  #logSysctls({ sysctls }: KernelReport['status']): void {
    // Older kernels do not have all of them.
    const wrong = sysctls.filter(({ ok, value }) => !ok && value !== null);
    const text = wrong.map(({ name, value }) => `${name}=${value}`).join(' ');
    if (text === this.#lastSysctls) return;
    this.#lastSysctls = text;
    if (wrong.length > 0) this.#parts.log.warn('kernel-sysctls', { sysctls: wrong });
  }

  #logState({ state, reasons, services, destinations, changes }: KernelReport['status']): void {
    const [reason = ''] = reasons;
    if (state === this.#lastState && reason === this.#lastReason) return;
    this.#lastState = state;
    this.#lastReason = reason;
    if (state === 'degraded') this.#parts.log.warn('kernel-degraded', { reasons });
    else this.#parts.log.info(`kernel-${state}`, { services, destinations, changes });
  }
}
