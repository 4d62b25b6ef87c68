import { type Backoff, backoffMs } from '../../core/base/backoff.ts';
import { DaemonError } from '../../core/base/daemon-error.ts';
import type { Random } from '../../core/base/random.ts';
import type { Clock, KernelStatus, Log } from '../../core/ports.ts';
import { forkKernelChild, type KernelChild, type StartKernelChild } from './kernel-child.ts';
import {
  type KernelReply,
  type KernelRequest,
  type KernelSettings,
  NOTHING_YET,
} from './kernel-protocol.ts';

export type { StartKernelChild };

type KernelReport = Extract<KernelReply, { kind: 'report' }>;
type KernelView = Extract<KernelRequest, { kind: 'view' }>['view'];

export interface KernelProcessParts {
  readonly settings: KernelSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Told whatever the process reports, and of its end; the kernel has the first `done` updates. */
  readonly onReport: (report: KernelReport, done: number) => void;
  /** JSON of a whole `DesiredUpdate`; null: there is none yet, the next update is whole. */
  readonly requestWhole: () => Promise<Uint8Array | null>;
  /** Forks it when absent, with the rights of this process. */
  readonly startChild?: StartKernelChild | undefined;
}

interface Pending {
  resolve(json: string): void;
  reject(error: DaemonError): void;
  cancelTimer(): void;
}

/** A process that aborts again and again should not keep a processor busy. */
const RESTART: Backoff = { firstMs: 500, maxMs: 60_000 };
/** Who ran so long has not failed at the start. */
const RAN_WELL_MS = 60_000;
/** Between two attempts to get a whole update; the worker that makes it starts again as well. */
const WHOLE_RETRY_MS = 1_000;
/** Reading 100,000 services and their counters takes a few seconds. */
const VIEW_TIMEOUT_MS = 20_000;
/** Views come from the HTTP API, which renders few at a time itself. */
const VIEWS_MAX = 16;
/** After a stop signal; the process itself gives up after two seconds. */
const CLOSE_GRACE_MS = 3_000;

/**
 * The daemon's side of the kernel process: starts it, and again whenever it ends. Meanwhile the
 * kernel goes on forwarding as it was told last, and nothing of that is taken back here.
 */
export class KernelProcess {
  readonly #parts: KernelProcessParts;
  #settings: KernelSettings;
  #child: KernelChild | null = null;
  /** Resolves when the process that was started last is gone. */
  #childEnd: Promise<void> = Promise.resolve();
  #status: Omit<KernelStatus, 'restarts'> = NOTHING_YET;
  #restarts = 0;
  /** Ends in a row, each soon after its start. */
  #failures = 0;
  #startedAt = 0;
  #cancelRestart: () => void = () => undefined;
  #cancelAsk: () => void = () => undefined;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  /** Requests that the process has not read yet. */
  #unread = 0;
  /** They fill the channel: more would fill our memory. */
  #isChoked = false;
  /** Updates so far, and those before the process that runs, which knows nothing of them. */
  #updates = 0;
  #updatesBefore = 0;
  #done = 0;
  /** The process lacks an update: only a whole one helps. */
  #needsWhole = false;
  #isAsking = false;
  #closed: Promise<void> | null = null;

  constructor(parts: KernelProcessParts) {
    this.#parts = parts;
    this.#settings = parts.settings;
    this.#start();
  }

  status(): KernelStatus {
    return { ...this.#status, restarts: this.#restarts };
  }

  /** Settings from now on; those of a process that starts later too. */
  configure(settings: KernelSettings): void {
    this.#settings = settings;
    this.#send({ kind: 'configure', settings });
  }

  /**
   * Passes an update on; a process that cannot take it gets a whole one later. Returns its number,
   * or that of the whole one.
   */
  desire(update: Uint8Array): number {
    if (this.#child === null || this.#isChoked) {
      this.#needsWhole = true;
      return this.#updates + 1;
    }
    this.#send({ kind: 'desire', update });
    return ++this.#updates;
  }

  /** JSON text. Rejects with a `DaemonError` when there is no answer. */
  view(view: KernelView): Promise<string> {
    if (this.#child === null) return Promise.reject(failure('the kernel process is not running'));
    if (this.#pending.size >= VIEWS_MAX) {
      return Promise.reject(failure('too many wait for the kernel process'));
    }
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const cancelTimer = this.#parts.clock.after(VIEW_TIMEOUT_MS, () => {
        this.#pending.delete(id);
        reject(failure('the kernel process did not answer in time'));
      });
      this.#pending.set(id, { resolve, reject, cancelTimer });
      this.#send({ kind: 'view', id, view });
    });
  }

  /** Ends the process; the kernel stays as it is. */
  close(): Promise<void> {
    this.#closed ??= this.#end();
    return this.#closed;
  }

  async #end(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    this.#cancelRestart();
    this.#cancelAsk();
    this.#failPending('the daemon stops');
    if (child === null) return;
    const cancel = this.#parts.clock.after(CLOSE_GRACE_MS, () => child.kill());
    child.close();
    await this.#childEnd;
    cancel();
  }

  #start(): void {
    const child = this.#startChild();
    if (child === null) return;
    this.#child = child;
    this.#startedAt = this.#parts.clock.monotonic();
    this.#unread = 0;
    this.#isChoked = false;
    this.#updatesBefore = this.#updates;
    this.#send({ kind: 'configure', settings: this.#settings });
    this.#needsWhole = true;
    // Not within the constructor: the caller is not ready to be asked.
    queueMicrotask(() => void this.#askForWhole());
  }

  #startChild(): KernelChild | null {
    const start = this.#parts.startChild ?? forkKernelChild;
    let ended: () => void = () => undefined;
    try {
      const child = start({
        onReply: (reply) => {
          if (this.#child === child) this.#hear(reply);
        },
        onEnd: (why) => {
          ended();
          this.#onEnd(child, why);
        },
      });
      this.#childEnd = new Promise((resolve) => (ended = resolve));
      return child;
    } catch (error) {
      // For want of memory: names must not suffer from it.
      this.#onEnd(null, error instanceof Error ? error.message : String(error));
      return null;
    }
  }

  #onEnd(child: KernelChild | null, why: string): void {
    if (this.#child !== child || this.#closed !== null) return;
    const { clock, random, log, onReport } = this.#parts;
    this.#child = null;
    this.#failPending(`the kernel process ended (${why})`);
    if (clock.monotonic() - this.#startedAt >= RAN_WELL_MS) this.#failures = 0;
    const delayMs = backoffMs(RESTART, this.#failures++, random);
    log.warn('kernel-process-ended', { why, restartMs: delayMs, restarts: this.#restarts });
    const reason = `the kernel process ended (${why}) and starts again; traffic goes on as it was`;
    this.#status = { ...this.#status, state: 'degraded', reasons: [reason] };
    this.#cancelRestart = clock.after(delayMs, () => {
      this.#restarts++;
      this.#start();
    });
    onReport({ kind: 'report', status: this.#status, programmed: null }, this.#done);
  }

  #hear(reply: KernelReply): void {
    if (reply.kind === 'report') {
      this.#status = reply.status;
      this.#done = Math.max(this.#done, this.#updatesBefore + (reply.updates ?? 0));
      this.#parts.onReport(reply, this.#done);
      return;
    }
    const pending = this.#pending.get(reply.id);
    if (pending === undefined) return;
    this.#pending.delete(reply.id);
    pending.cancelTimer();
    if (reply.kind === 'view') pending.resolve(reply.json);
    else pending.reject(new DaemonError(reply.code, reply.message));
  }

  #send(request: KernelRequest): void {
    const child = this.#child;
    // The next process is told everything.
    if (child === null) return;
    this.#unread++;
    const goesOn = child.send(request, () => {
      if (this.#child === child && --this.#unread === 0) this.#unchoke();
    });
    if (!goesOn) this.#isChoked = true;
  }

  #unchoke(): void {
    this.#isChoked = false;
    void this.#askForWhole();
  }

  /** Gets a whole update if one is needed; again after a while if there is none to be had. */
  async #askForWhole(): Promise<void> {
    if (!this.#needsWhole || this.#isChoked || this.#isAsking || this.#child === null) return;
    this.#isAsking = true;
    try {
      const update = await this.#parts.requestWhole();
      this.#needsWhole = false;
      if (update !== null) this.desire(update);
    } catch (error) {
      if (!(error instanceof DaemonError)) throw error;
      if (this.#closed === null) this.#askLater();
    } finally {
      this.#isAsking = false;
    }
  }

  #askLater(): void {
    this.#cancelAsk();
    this.#cancelAsk = this.#parts.clock.after(WHOLE_RETRY_MS, () => void this.#askForWhole());
  }

  #failPending(message: string): void {
    for (const pending of this.#pending.values()) {
      pending.cancelTimer();
      pending.reject(failure(message));
    }
    this.#pending.clear();
  }
}

function failure(message: string): DaemonError {
  return new DaemonError('kernel-process', message);
}
