import type { NativeUdp } from '../../adapters/dns/native/native-udp.ts';
import type { QueryHandler } from '../../adapters/dns/query-handler.ts';
import type { Random } from '../../core/base/random.ts';
import type { SocketAddress } from '../../core/config/config.ts';
import type { ForwardQuestion } from '../../core/forward/resolution.ts';
import type { Clock, Log, QueryRecord } from '../../core/ports.ts';
import { ThreadedListener } from './threaded-listener.ts';
import {
  UDP_NICE,
  type UdpPublication,
  type UdpWorkerMemory,
  type UdpWorkerReport,
} from './udp-worker-protocol.ts';
import { UdpWorkerThread } from './udp-worker-thread.ts';

export interface UdpThreadsParts {
  readonly native: NativeUdp;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** One for each thread, at least one. */
  readonly memories: readonly UdpWorkerMemory[];
  /** A stored reply that is asked for often is about to end. */
  onPrefetch(question: ForwardQuestion): void;
  /** A query was chosen for the log; `reason` in bits of `CHOSEN`. */
  onQuery(record: QueryRecord, reason: number): void;
  /** Module of the workers when absent: udp-worker.js. */
  readonly url?: URL;
}

/**
 * Handed-over queries that nobody answers stop counting after one to two of these: longer than any
 * look-up takes, whose clients have given up then, too.
 */
const EXPIRY_MS = 15_000;

/**
 * Threads that answer over UDP, each from a socket of its own on every address. They wait in the
 * kernel for packets rather than in an event loop, so that all they need costs two system calls a
 * batch; what they cannot answer comes to the main thread.
 */
export class UdpThreads {
  readonly #parts: UdpThreadsParts;
  readonly #publications = new Map<string, UdpPublication>();
  readonly #threads: readonly UdpWorkerThread[];
  readonly #listeners = new Map<number, ThreadedListener>();
  #nice: number | null = null;
  #cancelExpiry: () => void = () => undefined;
  #stopped: Promise<void> | null = null;

  constructor(parts: UdpThreadsParts) {
    this.#parts = parts;
    const url = parts.url ?? new URL('./udp-worker.js', import.meta.url);
    this.#threads = parts.memories.map(
      (memory, index) =>
        new UdpWorkerThread(index, {
          ...parts,
          url,
          memory,
          publications: this.#publications,
          onReport: (thread, report) => this.#hear(thread, report),
        }),
    );
  }

  /** Times a worker died and was started again. */
  get restarts(): number {
    return this.#threads.reduce((sum, { restarts }) => sum + restarts, 0);
  }

  /** `threadNice` of the status. */
  get nice(): number | null {
    return this.#nice;
  }

  /**
   * Opens a numeric address; `handler` gets what the threads cannot answer. Before `start` packets
   * wait in the socket. Throws `listen-failed`.
   */
  open(address: SocketAddress, handler: QueryHandler): ThreadedListener {
    const group = this.#parts.native.open(address, this.#threads.length);
    const listener = new ThreadedListener(group, handler, (closed) => this.#release(closed));
    this.#listeners.set(group.id, listener);
    void this.#useSockets();
    return listener;
  }

  /** Starts the threads. */
  start(): void {
    for (const thread of this.#threads) thread.start();
    this.#scheduleExpiry();
  }

  /** From now on all threads answer with this; each before the next packet that comes to it. */
  publish(publication: UdpPublication): void {
    this.#publications.set(publication.kind, publication);
    for (const thread of this.#threads) thread.post(publication);
  }

  /** Ends the threads and closes what is open; answers that come later are ignored. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#cancelExpiry();
    const ended = this.#threads.map((thread) => thread.stop());
    for (const { group } of this.#listeners.values()) group.wake();
    await Promise.all(ended);
    await Promise.all([...this.#listeners.values()].map((listener) => listener.close()));
  }

  async #release(listener: ThreadedListener): Promise<void> {
    this.#listeners.delete(listener.group.id);
    const released = this.#useSockets();
    // After the message: who wakes up has to find it.
    listener.group.wake();
    await released;
  }

  async #useSockets(): Promise<void> {
    const groups = [...this.#listeners.values()].map(({ group }) => group);
    await Promise.all(
      this.#threads.map((thread) =>
        thread.useSockets(groups.map(({ threadSockets }) => threadSockets[thread.index]!)),
      ),
    );
  }

  #hear(thread: UdpWorkerThread, report: Exclude<UdpWorkerReport, { kind: 'sockets' }>): void {
    switch (report.kind) {
      case 'queries':
        for (const query of this.#parts.native.queries(report.batch)) {
          const settle = thread.unanswered.add();
          const listener = this.#listeners.get(query.socketId);
          if (listener === undefined) settle();
          else listener.answer(thread.index, query, settle);
        }
        return;
      case 'prefetch':
        this.#parts.onPrefetch(report.question);
        return;
      case 'query':
        this.#parts.onQuery(report.record, report.reason);
        return;
      case 'nice':
        this.#takeNice(report.nice);
    }
  }

  #takeNice(nice: number): void {
    const before = this.#nice ?? Number.NEGATIVE_INFINITY;
    this.#nice = Math.max(before, nice);
    // What one thread may not, no other may.
    if (nice <= UDP_NICE || before > UDP_NICE) return;
    const help = `set LimitNICE=${UDP_NICE} in the unit, or give it CAP_SYS_NICE`;
    this.#parts.log.info('udp-priority-refused', { nice, wanted: UDP_NICE, help });
  }

  #scheduleExpiry(): void {
    this.#cancelExpiry = this.#parts.clock.after(EXPIRY_MS, () => {
      for (const { unanswered } of this.#threads) unanswered.expire();
      this.#scheduleExpiry();
    });
  }
}
