import { Worker } from 'node:worker_threads';
import type { NativeUdp } from '../../adapters/dns/native/native-udp.ts';
import type { ThreadSocket } from '../../adapters/dns/native/socket-group.ts';
import type { ThreadControl } from '../../adapters/dns/native/thread-control.ts';
import type { SocketsMessage } from '../../adapters/dns/native/udp-thread.ts';
import { type Backoff, backoffMs } from '../../core/base/backoff.ts';
import type { Random } from '../../core/base/random.ts';
import type { Clock, Log } from '../../core/ports.ts';
import type {
  UdpPublication,
  UdpWorkerData,
  UdpWorkerMemory,
  UdpWorkerReport,
} from './udp-worker-protocol.ts';
import { UnansweredQueries } from './unanswered-queries.ts';

export interface UdpWorkerThreadParts {
  readonly native: NativeUdp;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Module of the worker. */
  readonly url: URL;
  readonly memory: UdpWorkerMemory;
  /** What was published last, by kind; shared by all threads. */
  readonly publications: ReadonlyMap<string, UdpPublication>;
  /** All reports but `sockets`. */
  onReport(thread: UdpWorkerThread, report: Exclude<UdpWorkerReport, SocketsReport>): void;
}

type SocketsReport = Extract<UdpWorkerReport, { kind: 'sockets' }>;

/**
 * Its clients wait meanwhile, or ask elsewhere: so the first new start comes soon. One that fails
 * again and again must not keep a processor busy.
 */
const RESTART: Backoff = { firstMs: 100, maxMs: 10_000 };
/** Who ran so long has not failed at the start. */
const RAN_WELL_MS = 60_000;
/** A thread notices what is wanted within WAKE_MS; one that takes so long is stuck. */
const PATIENCE_MS = 1_000;

/** Main side of one UDP worker: starts it, and again when it dies, on the same sockets. */
export class UdpWorkerThread {
  readonly index: number;
  readonly unanswered: UnansweredQueries;
  readonly #parts: UdpWorkerThreadParts;
  readonly #control: ThreadControl;
  #worker: Worker | null = null;
  /** Resolves when the worker that was started last is gone. */
  #ended: Promise<void> = Promise.resolve();
  #sockets: SocketsMessage = { kind: 'sockets', version: 0, sockets: [] };
  #released: { readonly version: number; readonly resolve: () => void }[] = [];
  #failures = 0;
  #restarts = 0;
  #startedAt = 0;
  #cancelRestart: () => void = () => undefined;
  #stopping = false;

  constructor(index: number, parts: UdpWorkerThreadParts) {
    this.index = index;
    this.#parts = parts;
    this.#control = parts.native.openControl();
    this.unanswered = new UnansweredQueries(this.#control);
  }

  /** Times it was started again. */
  get restarts(): number {
    return this.#restarts;
  }

  start(): void {
    const { url, memory, publications, clock, log } = this.#parts;
    const setup = { control: this.#control.memory, sockets: this.#sockets };
    const workerData: UdpWorkerData = { setup, memory };
    const worker = new Worker(url, { name: `udp-${this.index}`, workerData });
    this.#worker = worker;
    this.#startedAt = clock.monotonic();
    worker.on('message', (report: UdpWorkerReport) => this.#hear(report));
    worker.on('error', (err) => log.error('udp-thread-failed', { thread: this.index, err }));
    this.#ended = new Promise((resolve) => {
      worker.on('exit', () => {
        this.#onExit();
        resolve();
      });
    });
    for (const publication of publications.values()) this.post(publication);
  }

  /** For a worker that runs; one that starts later reads `publications`. */
  post(message: UdpPublication | SocketsMessage): void {
    if (this.#worker === null) return;
    this.#worker.postMessage(message);
    this.#control.announceMail();
  }

  /** Resolves when the worker reads from these sockets, and from no other. */
  async useSockets(sockets: readonly ThreadSocket[]): Promise<void> {
    const version = this.#sockets.version + 1;
    this.#sockets = { kind: 'sockets', version, sockets };
    if (this.#worker === null) return;
    this.post(this.#sockets);
    const released = new Promise<void>((resolve) => this.#released.push({ version, resolve }));
    await this.#withPatience(released);
  }

  /** Resolves when the worker is gone; somebody has to wake it if it waits for packets. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#cancelRestart();
    this.#control.stop();
    await this.#withPatience(this.#ended);
  }

  /** Waits for what the worker does soon, or kills it. */
  async #withPatience(done: Promise<void>): Promise<void> {
    const worker = this.#worker;
    const cancel = this.#parts.clock.after(PATIENCE_MS, () => void worker?.terminate());
    await done;
    cancel();
  }

  #hear(report: UdpWorkerReport): void {
    if (report.kind === 'sockets') this.#release(report.version);
    else this.#parts.onReport(this, report);
  }

  #release(version: number): void {
    const released = this.#released.filter((waiting) => waiting.version <= version);
    this.#released = this.#released.filter((waiting) => waiting.version > version);
    for (const { resolve } of released) resolve();
  }

  #onExit(): void {
    const { clock, random, log } = this.#parts;
    this.#worker = null;
    this.#release(Number.POSITIVE_INFINITY);
    this.unanswered.recount();
    if (this.#stopping) return;
    if (clock.monotonic() - this.#startedAt >= RAN_WELL_MS) this.#failures = 0;
    const delayMs = backoffMs(RESTART, this.#failures++, random);
    log.warn('udp-thread-ended', { thread: this.index, restartMs: delayMs });
    this.#cancelRestart = clock.after(delayMs, () => {
      this.#restarts++;
      this.start();
    });
  }
}
