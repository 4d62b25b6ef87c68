import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { DaemonError, type ErrorCode } from '../core/base/daemon-error.ts';
import type { HostPort } from '../core/config/config.ts';
import type { TaskHealths } from '../core/marathon/task-health.ts';
import type { Log, ViewRequest, WatchFilter, WatchUpdate } from '../core/ports.ts';
import type {
  BuildReport,
  EventsReport,
  NodeView,
  ReadReport,
  SaveReport,
  WorkerMethod,
  WorkerReply,
  WorkerRequests,
  WorkerSettings,
} from './generation-protocol.ts';

interface Pending {
  readonly errorCode: ErrorCode;
  resolve(out: unknown): void;
  reject(error: Error): void;
}

/**
 * How far the heap may grow beyond what is alive before it is collected, in percent. V8 would let
 * it quadruple, and a generation leaves several times its own size as garbage: for a daemon that
 * shares its node with everybody, some collecting is cheaper (docs/decisions/0004).
 */
const HEAP_GROWING_PERCENT = 60;
/** Three halves of V8's nursery of 8 MB; twice as much saves no measurable time here. */
const YOUNG_GENERATION_MB = 24;

/** Main-thread side of the generation worker; starts it, and again if it ever dies. */
export class GenerationThread {
  #settings: WorkerSettings;
  readonly #log: Log;
  #worker: Worker | null = null;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #closed = false;
  readonly #onGone: () => void;
  /** What a worker that is started again has to know, besides its settings. */
  #health: TaskHealths | null = null;
  #services: string | null = null;

  /** `onGone` is called when the worker died: it is started again, but has forgotten everything. */
  constructor(settings: WorkerSettings, log: Log, onGone: () => void = () => undefined) {
    this.#settings = settings;
    this.#log = log;
    this.#onGone = onGone;
    setFlagsFromString(`--heap-growing-percent=${HEAP_GROWING_PERCENT}`);
    this.#start();
  }

  /**
   * Parses a state body, whose memory moves to the worker; `keep`: for `save`; `asked`: the count of
   * events when it was asked for. Rejects with `state-invalid`.
   */
  read(
    chunks: readonly Uint8Array<ArrayBuffer>[],
    { keep = false, asked = 0 }: { readonly keep?: boolean; readonly asked?: number } = {},
  ): Promise<ReadReport> {
    const transfer = chunks.map((chunk) => chunk.buffer);
    return this.#call('read', { chunks: [...chunks], keep, asked }, 'state-invalid', transfer);
  }

  /** Takes in records of a stream from `leader`, whose memory moves to the worker. */
  events(records: Uint8Array<ArrayBuffer>[][], leader: HostPort): Promise<EventsReport> {
    const transfer = records.flatMap((chunks) => chunks.map((chunk) => chunk.buffer));
    return this.#call('events', { records, leader }, 'worker-failed', transfer);
  }

  /** Health by task id for the next builds; null: none is known besides what Mesos says. */
  async setHealth(health: TaskHealths | null): Promise<void> {
    this.#health = health;
    await this.#call('health', health, 'worker-failed');
  }

  /** Text of the services file for the next builds; null: there is none. */
  setServices(text: string | null): Promise<WorkerRequests['services']['out']> {
    this.#services = text;
    return this.#call('services', { text }, 'worker-failed');
  }

  /** Writes the body kept last to a file. Rejects with `state-file`. */
  save(path: string, takenAt: number): Promise<SaveReport> {
    return this.#call('save', { path, takenAt }, 'state-file');
  }

  /** Lets go of the body kept last. */
  async drop(): Promise<void> {
    await this.#call('save', null, 'worker-failed');
  }

  /** Reads and parses what `save` has written, of `bytesMax` at most. Rejects with `state-file`. */
  load(path: string, bytesMax: number): Promise<ReadReport> {
    return this.#call('load', { path, bytesMax }, 'state-file');
  }

  build(request: WorkerRequests['build']['in']): Promise<BuildReport> {
    return this.#call('build', request, 'worker-failed');
  }

  /** All that the kernel should hold by the generation built last. */
  kernelUpdate(node: NodeView): Promise<Uint8Array<ArrayBuffer> | null> {
    return this.#call('kernelUpdate', node, 'worker-failed');
  }

  /** What the generation built last changed for those who watch; null: nobody does. */
  watch(isWatched: boolean): Promise<WatchUpdate | null> {
    return this.#call('watch', { isWatched }, 'worker-failed');
  }

  /** Text of all that there is to watch. */
  watchSnapshot(filter: WatchFilter): Promise<string> {
    return this.#call('watchSnapshot', filter, 'worker-failed');
  }

  /** JSON text of a view on the generation built last. */
  view(request: ViewRequest): Promise<string> {
    return this.#call('view', request, 'worker-failed');
  }

  /** Never rejects: should the worker die of it, the next one starts with these settings. */
  async configure(settings: WorkerSettings): Promise<void> {
    this.#settings = settings;
    await this.#call('configure', settings, 'worker-failed').catch(() => undefined);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const worker = this.#worker;
    this.#worker = null;
    this.#failPending('the daemon stops');
    await worker?.terminate();
  }

  #start(): Worker {
    const worker = new Worker(new URL('./generation-worker.js', import.meta.url), {
      workerData: this.#settings,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    });
    this.#worker = worker;
    worker.on('message', (reply: WorkerReply) => this.#settle(reply));
    worker.on('error', (err) => this.#log.error('generation-worker-failed', { err }));
    worker.on('exit', () => {
      if (this.#worker !== worker) return;
      // Out of memory most likely. The next call starts a new one; what is served stays.
      this.#worker = null;
      this.#failPending('the generation worker stopped');
      this.#onGone();
    });
    if (this.#health !== null) this.#tell(worker, 'health', this.#health);
    if (this.#services !== null) this.#tell(worker, 'services', { text: this.#services });
    return worker;
  }

  #call<M extends WorkerMethod>(
    method: M,
    input: WorkerRequests[M]['in'],
    errorCode: ErrorCode,
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<WorkerRequests[M]['out']> {
    if (this.#closed) return Promise.reject(new DaemonError('worker-failed', 'the daemon stops'));
    const worker = this.#worker ?? this.#start();
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, {
        errorCode,
        resolve: (out) => resolve(out as WorkerRequests[M]['out']),
        reject,
      });
      worker.postMessage({ id, method, in: input }, [...transfer]);
    });
  }

  /** Says what nobody waits for an answer to. */
  #tell<M extends WorkerMethod>(worker: Worker, method: M, input: WorkerRequests[M]['in']): void {
    worker.postMessage({ id: this.#nextId++, method, in: input });
  }

  #settle(reply: WorkerReply): void {
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if (reply.ok) pending?.resolve(reply.out);
    else pending?.reject(new DaemonError(pending.errorCode, reply.message));
  }

  #failPending(message: string): void {
    for (const pending of this.#pending.values()) {
      pending.reject(new DaemonError('worker-failed', message));
    }
    this.#pending.clear();
  }
}
