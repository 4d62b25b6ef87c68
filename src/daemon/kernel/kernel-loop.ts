import { type Backoff, backoffMs } from '../../core/base/backoff.ts';
import { codeOf, DaemonError } from '../../core/base/daemon-error.ts';
import { parsePrefix, type Prefix } from '../../core/base/prefix.ts';
import type { Random } from '../../core/base/random.ts';
import {
  type DesiredKernel,
  drainAddress,
  type Drains,
  type KernelChange,
  type KernelPlan,
  type ObservedKernel,
  planIpvs,
  sourceFor,
} from '../../core/ipvs/plan.ts';
import { programmedAddresses } from '../../core/ipvs/programmed.ts';
import type { Clock, Kernel, SysctlStatus, TrafficCounters } from '../../core/ports.ts';
import { ipvsPlanView, ipvsView } from '../../core/views/kernel-view.ts';
import { DesiredTable } from './desired-table.ts';
import { KernelMirror, type MirrorCounts } from './kernel-mirror.ts';
import type { DesiredUpdate, KernelReply, KernelSettings } from './kernel-protocol.ts';
import { keepSource, lookUpSource } from './kernel-source.ts';
import { KernelTally } from './kernel-tally.ts';
import { type KernelViewKind, KernelViews, notRunning } from './kernel-views.ts';

export type KernelReport = Extract<KernelReply, { kind: 'report' }>;

export interface KernelLoopOptions {
  readonly clock: Clock;
  readonly random: Random;
}

/** Retries after failures start here and end at the reconcile interval. */
const RETRY_FIRST_MS = 1_000;
/** How often connections of drained backends are counted. */
const DRAIN_CHECK_MS = 5_000;
type Source = DesiredKernel['source'];

interface Settings extends KernelSettings {
  readonly prefixes: readonly Prefix[];
}

/**
 * Keeps the kernel as it should be: compares everything at every beat and after a whole update;
 * in between, updates are planned for the VIPs they touch against what we know of the kernel. One
 * operation at a time. Nothing is touched before the first update, nothing removed before the first
 * whole one. A failure leaves the kernel as it is, and is told in the reports.
 */
export class KernelLoop {
  readonly #kernel: Kernel;
  readonly #options: KernelLoopOptions;
  readonly #onReport: (report: KernelReport) => void;
  readonly #desired = new DesiredTable();
  readonly #tally = new KernelTally();
  #settings: Settings | null = null;
  #mirror: KernelMirror | null = null;
  #drains: Drains = new Map();
  #source: Source = { ipv4: null, ipv6: null };
  #sysctls: readonly SysctlStatus[] = [];
  #counts: MirrorCounts = { services: 0, destinations: 0, weightZero: 0 };
  #programmed: ReadonlySet<string> = new Set();
  /** Whether `#programmed` is not what was reported last; what a process before said counts too. */
  #programmedChanged = true;
  /** Whether rules of ours may be there; those of a process before may. */
  #mayHaveSnat = true;
  /** Rounds in a row that went wrong. */
  #failures = 0;
  #isSynced = false;
  #lastSyncAt: number | null = null;
  #syncMs: number | null = null;
  /** When everything is compared next, monotonic milliseconds. */
  #dueAt = Number.NEGATIVE_INFINITY;
  /** When, besides, the interface, sysctls and the like are looked after. */
  #reconcileAt = Number.NEGATIVE_INFINITY;
  /** When counters are read next. */
  #countersAt = Number.NEGATIVE_INFINITY;
  readonly #views = new KernelViews();
  #running: Promise<void> | null = null;
  #cancelTimer: (() => void) | null = null;
  #stopped = false;

  constructor(
    kernel: Kernel,
    options: KernelLoopOptions,
    onReport: (report: KernelReport) => void,
  ) {
    this.#kernel = kernel;
    this.#options = options;
    this.#onReport = onReport;
  }

  /** Takes settings over and compares everything by them. */
  configure(settings: KernelSettings): void {
    const prefixes = settings.owned.map((text) => parsePrefix(text)).filter((one) => one !== null);
    this.#settings = { ...settings, prefixes };
    this.#dueAt = Number.NEGATIVE_INFINITY;
    this.#reconcileAt = Number.NEGATIVE_INFINITY;
    this.#wake();
  }

  /** Takes over what the kernel should hold from now on. */
  desire(update: DesiredUpdate): void {
    this.#tally.took();
    const isEverything = this.#desired.take(update);
    // While the kernel cannot even be read, a new table does not make it readable.
    if (isEverything && (this.#failures === 0 || this.#mirror !== null)) {
      this.#dueAt = Number.NEGATIVE_INFINITY;
    }
    this.#wake();
  }

  /** JSON text. Rejects with a `DaemonError` when the kernel cannot be read. */
  view(kind: KernelViewKind): Promise<string> {
    if (this.#stopped || this.#settings === null) return Promise.reject(notRunning());
    const json = this.#views.ask(kind);
    this.#wake();
    return json;
  }

  /** Ends after the operation under way; the kernel stays as it is. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelTimer?.();
    this.#views.rejectAll(notRunning());
    await this.#running;
    this.#kernel.close();
  }

  #wake(): void {
    if (this.#stopped || this.#running !== null) return;
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    const settings = this.#settings;
    const job = settings === null ? null : this.#nextJob();
    if (job === null || settings === null) {
      this.#schedule();
      return;
    }
    // An error that is not of the kernel is ours, and ends the process.
    this.#running = job(settings).then(() => {
      this.#running = null;
      this.#wake();
    });
  }

  #nextJob(): ((settings: Settings) => Promise<void>) | null {
    const now = this.#options.clock.monotonic();
    if (now >= this.#dueAt) return (settings) => this.#compareAll(settings);
    const mirror = this.#mirror;
    if (mirror !== null && this.#desired.isTouched) {
      return (settings) => this.#compareTouched(settings, mirror);
    }
    if (this.#views.isEmpty) return null;
    return (settings) => this.#views.answer((kind) => this.#render(settings, kind));
  }

  #schedule(): void {
    if (this.#settings === null) return;
    const { clock } = this.#options;
    const delayMs = Math.max(0, this.#dueAt - clock.monotonic());
    this.#cancelTimer = clock.after(delayMs, () => {
      this.#cancelTimer = null;
      this.#wake();
    });
  }

  /** Observes everything and repairs it. The one place where a kernel that is out of reach ends. */
  async #compareAll(settings: Settings): Promise<void> {
    const { clock } = this.#options;
    const start = clock.monotonic();
    const isReconcile = start >= this.#reconcileAt;
    // Settings and tables that come meanwhile set them again.
    this.#dueAt = Number.POSITIVE_INFINITY;
    if (isReconcile) this.#reconcileAt = start + settings.reconcileIntervalMs;
    this.#tally.begin();
    try {
      if (isReconcile) await this.#lookAfter(settings);
      const observed = await this.#kernel.observe(this.#desired.limited);
      const { nodeAddress, prefixes } = settings;
      const found = await lookUpSource(this.#kernel, nodeAddress, prefixes, this.#desired.towards);
      this.#source = keepSource(this.#source, found);
      if (this.#isHurried) {
        this.#abandon();
        return;
      }
      if (this.#desired.hasUpdate) await this.#repair(settings, observed);
      else this.#mirror = new KernelMirror(observed, prefixes);
    } catch (error) {
      this.#mirror = null;
      // Packets to a VIP now reach whatever listens on the node.
      if (codeOf(error) === 'kernel-module') this.#setProgrammed(new Set());
      this.#fail(error);
      // New settings may make it readable, a new table does not.
      if (this.#reconcileAt !== Number.NEGATIVE_INFINITY) this.#dueAt = Number.POSITIVE_INFINITY;
    }
    this.#failures = this.#tally.isClean ? 0 : this.#failures + 1;
    this.#finish(start);
    if (clock.monotonic() >= this.#countersAt) await this.#reportCounters(settings);
  }

  /** Whether what the round under way was begun with is out of date. */
  get #isHurried(): boolean {
    return this.#dueAt === Number.NEGATIVE_INFINITY;
  }

  /** Leaves it to the next round, which comes at once, to change and to tell anything. */
  #abandon(): void {
    if (!this.#tally.isClean) this.#reconcileAt = Number.NEGATIVE_INFINITY;
  }

  /** Puts what surrounds the tables right; only without IPVS or interface is there no going on. */
  async #lookAfter(settings: Settings): Promise<void> {
    await this.#kernel.prepare();
    if (settings.snat || this.#mayHaveSnat) {
      await this.#attempt(async () => {
        await this.#kernel.setSnat(settings.snat ? settings.prefixes : null);
        this.#mayHaveSnat = settings.snat;
      });
    }
    await this.#attempt(async () => {
      this.#sysctls = await this.#kernel.sysctls(settings.sysctls);
    });
  }

  async #repair(settings: Settings, observed: ObservedKernel): Promise<void> {
    this.#desired.takeTouched();
    this.#tally.planned();
    const desired = this.#desiredKernel(settings);
    const plan = this.#plan(settings, desired, observed);
    const before = this.#mirror;
    const mirror = new KernelMirror(observed, settings.prefixes);
    const isDrift = (change: KernelChange): boolean => before?.agreesOn(change, mirror) === false;
    const drift = new Set(plan.changes.filter(isDrift));
    this.#mirror = mirror;
    this.#drains = plan.drains;
    // Updates that come while changes are made are not in the kernel yet, nor missing in it.
    const isLong = plan.changes.length > 0;
    const planned = isLong ? { ...desired, services: new Map(desired.services) } : desired;
    await this.#apply(mirror, plan.changes, drift);
    this.#setProgrammed(programmedAddresses(planned, mirror.whole));
    this.#noteMissingSource();
  }

  /** Plans for the touched addresses alone, against what we know. */
  async #compareTouched(settings: Settings, mirror: KernelMirror): Promise<void> {
    const start = this.#options.clock.monotonic();
    const touched = this.#desired.takeTouched();
    this.#tally.planned();
    const services = this.#desired.part(touched);
    const desired = { ...this.#desiredKernel(settings), services };
    const plan = this.#plan(settings, desired, mirror.part(touched));
    const others = [...this.#drains].filter(([key]) => !touched.has(drainAddress(key)));
    this.#drains = new Map([...others, ...plan.drains]);
    try {
      await this.#apply(mirror, plan.changes, new Set());
      const programmed = new Set(this.#programmed);
      for (const address of touched) programmed.delete(address);
      for (const one of programmedAddresses(desired, mirror.part(touched))) programmed.add(one);
      this.#setProgrammed(programmed);
    } catch (error) {
      this.#mirror = null;
      this.#fail(error);
    }
    if (this.#failures === 0 && !this.#tally.isClean) this.#failures = 1;
    this.#finish(start);
  }

  #desiredKernel({ prefixes }: Settings): DesiredKernel {
    const { services, mayRemove, additionsOnly } = this.#desired;
    return { owned: prefixes, services, source: this.#source, mayRemove, additionsOnly };
  }

  #plan({ drainMs }: Settings, desired: DesiredKernel, observed: ObservedKernel): KernelPlan {
    const now = this.#options.clock.monotonic();
    return planIpvs(desired, observed, this.#drains, { now, drainMs });
  }

  async #apply(
    mirror: KernelMirror,
    changes: readonly KernelChange[],
    drift: ReadonlySet<KernelChange>,
  ): Promise<void> {
    if (changes.length === 0) return;
    const failures = await this.#kernel.apply(changes);
    const failed = new Set(failures.map(({ change }) => change));
    let driftRepaired = 0;
    for (const change of changes) {
      if (failed.has(change)) continue;
      mirror.change(change);
      if (drift.has(change)) driftRepaired++;
    }
    this.#tally.made(changes.length - failed.size, driftRepaired);
    for (const failure of failures) this.#tally.refused(failure);
  }

  #noteMissingSource(): void {
    for (const { address } of this.#desired.services.values()) {
      if (sourceFor(this.#source, address) !== null) continue;
      const key = address.includes(':') ? 'ipv6' : 'ipv4';
      this.#tally.note(
        `this node has no ${key} address that VIPs can be dialled from, for want of a route; ` +
          `set kernel.nodeAddress.${key}`,
        `source ${key}`,
      );
    }
  }

  #setProgrammed(programmed: ReadonlySet<string>): void {
    const before = this.#programmed;
    this.#programmed = programmed;
    if (before.size === programmed.size && [...programmed].every((one) => before.has(one))) return;
    this.#programmedChanged = true;
  }

  async #attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (!(error instanceof DaemonError)) throw error;
    this.#tally.failed(error);
  }

  #finish(start: number): void {
    const { clock, random } = this.#options;
    const now = clock.monotonic();
    if (this.#mirror !== null) {
      this.#counts = this.#mirror.counts();
      this.#syncMs = Math.round((now - start) * 10) / 10;
      this.#lastSyncAt = clock.now();
      this.#isSynced ||= this.#desired.hasUpdate;
    }
    const maxMs = this.#settings?.reconcileIntervalMs ?? RETRY_FIRST_MS;
    const retry: Backoff = { firstMs: Math.min(RETRY_FIRST_MS, maxMs), maxMs };
    const isDraining = this.#drains.size > 0;
    const dueAt = Math.min(
      this.#failures > 0 ? now + backoffMs(retry, this.#failures - 1, random) : this.#reconcileAt,
      isDraining && this.#mirror !== null ? now + DRAIN_CHECK_MS : Number.POSITIVE_INFINITY,
    );
    // A failure may have come from the interface or the family: they are looked for again.
    if (this.#failures > 0) this.#reconcileAt = Number.NEGATIVE_INFINITY;
    this.#dueAt = Math.min(this.#dueAt, dueAt);
    this.#report();
  }

  #report(counters?: ReadonlyMap<string, TrafficCounters>): void {
    // An incomplete table says nothing of the VIPs that are missing in it.
    const isTold = this.#programmedChanged && this.#isSynced && this.#desired.hasWhole;
    const isKnown = this.#mirror !== null || this.#programmed.size === 0;
    const programmed = isTold && isKnown ? [...this.#programmed] : null;
    this.#programmedChanged &&= programmed === null;
    const state = !this.#tally.isClean ? 'degraded' : this.#isSynced ? 'synced' : 'starting';
    this.#onReport({
      kind: 'report',
      status: {
        state,
        reasons: this.#tally.reasons,
        lastSyncAt: this.#lastSyncAt === null ? null : new Date(this.#lastSyncAt).toISOString(),
        syncMs: this.#syncMs,
        programmed: this.#programmed.size,
        ...this.#counts,
        draining: this.#drains.size,
        changes: this.#tally.changes,
        driftRepaired: this.#tally.driftRepaired,
        errors: this.#tally.errors,
        source: this.#source,
        sysctls: this.#sysctls,
      },
      ...{ programmed, updates: this.#tally.updates },
      ...(counters === undefined ? {} : { counters }),
    });
  }

  /** Metrics come after the sync, which they must not hold up. */
  async #reportCounters(settings: Settings): Promise<void> {
    const mirror = this.#mirror;
    if (mirror === null) return;
    this.#countersAt = this.#options.clock.monotonic() + settings.reconcileIntervalMs;
    try {
      const counters = await this.#kernel.counters();
      this.#report(new Map([...counters].filter(([key]) => mirror.has(key))));
    } catch (error) {
      this.#fail(error);
      this.#report();
    }
  }

  async #render(settings: Settings, kind: KernelViewKind): Promise<unknown> {
    const observed = await this.#kernel.observe(this.#desired.limited);
    const desired = this.#desiredKernel(settings);
    // Before the first update there is nothing that should be otherwise.
    const isKnown = this.#desired.hasUpdate;
    const changes = isKnown ? this.#plan(settings, desired, observed).changes : [];
    if (kind === 'ipvs-plan') return ipvsPlanView(changes);
    return ipvsView(desired, observed, this.#drains, await this.#kernel.counters(), changes);
  }
}
