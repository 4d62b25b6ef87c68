import { getPriority, setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '../../adapters/clock.ts';
import { Collector } from '../../adapters/dns/native/collector.ts';
import { loadLibc } from '../../adapters/dns/native/libc.ts';
import { runUdpThread } from '../../adapters/dns/native/udp-thread.ts';
import { assert } from '../../core/base/assert.ts';
import { DROP, FORWARD } from '../../core/dns/answer.ts';
import { AnswerTable } from '../../core/dns/answer-table.ts';
import { DnsCounters } from '../../core/respond/counters.ts';
import { createReplyObserver } from '../../core/respond/reply-observer.ts';
import { Responder, type ResponderParts } from '../../core/respond/responder.ts';
import {
  UDP_NICE,
  type UdpPublication,
  type UdpWorkerData,
  type UdpWorkerReport,
} from './udp-worker-protocol.ts';

type Published<K extends UdpPublication['kind']> = Extract<UdpPublication, { kind: K }> | null;

/** The responder of this thread, made of what was published last. */
class PublishedResponder {
  readonly #parts: ResponderParts;
  readonly #collector = new Collector();
  #settings: Published<'settings'> = null;
  #table: Published<'table'> = null;
  #replies: Published<'replies'> = null;
  #responder: Responder | null = null;

  constructor(parts: ResponderParts) {
    this.#parts = parts;
  }

  /** null: something was not published yet. */
  get responder(): Responder | null {
    return this.#responder;
  }

  take(message: UdpPublication): void {
    switch (message.kind) {
      case 'settings':
        this.#settings = message;
        this.#build();
        return;
      case 'table':
        this.#takeTable(message);
        return;
      case 'replies':
        this.#replies = message;
        if (this.#responder === null) this.#build();
        else this.#responder.publishReplies(message.buffer);
        break;
    }
    this.#collector.onReplaced();
  }

  /** Small changes come in the memory of the table before: then there is nothing to collect. */
  #takeTable(message: NonNullable<Published<'table'>>): void {
    const isInPlace = this.#table?.table.buffer === message.table.buffer;
    this.#table = message;
    if (this.#responder === null) this.#build();
    else this.#responder.publishTable(AnswerTable.of(message.table), message.zoneSlots);
    if (!isInPlace) this.#collector.onReplaced();
  }

  onIdle(): void {
    this.#collector.onIdle();
  }

  #build(): void {
    if (this.#settings === null || this.#table === null || this.#replies === null) return;
    const { table, zoneSlots } = this.#table;
    this.#responder = new Responder(this.#settings.settings, this.#parts, {
      table: AnswerTable.of(table),
      zoneSlots,
      replies: this.#replies.buffer,
    });
  }
}

/** Goes before others if it may; the nice value that this thread has then. */
function raisePriority(): number {
  try {
    // Linux alone has a priority for each thread; elsewhere this would be the whole daemon's.
    if (process.platform === 'linux') setPriority(UDP_NICE);
  } catch {
    // Not without CAP_SYS_NICE or an RLIMIT_NICE that allows it; the main thread says so.
  }
  return getPriority();
}

const port = parentPort;
assert(port !== null, 'this module is a worker');
const { setup, memory } = workerData as UdpWorkerData;
const libc = await loadLibc();
assert(libc.ok, 'the main thread has opened sockets with the same library');
const report = (message: UdpWorkerReport): void => port.postMessage(message);
const counters = new DnsCounters(memory.counters);
const published = new PublishedResponder({
  counters,
  random: Math.random,
  monotonic: () => systemClock.monotonic(),
  wallSeconds: () => Math.floor(systemClock.now() / 1000),
  onPrefetch: (question) => report({ kind: 'prefetch', question }),
  onReply: createReplyObserver(memory, counters, (record, reason) =>
    report({ kind: 'query', record, reason }),
  ),
});

// Last of all: threads that were started from here would inherit it.
report({ kind: 'nice', nice: raisePriority() });
runUdpThread(setup, {
  libc: libc.value,
  port,
  // Until everything is published, the main thread answers.
  handle: (message, length, client, nowMs, out) =>
    published.responder?.handle(message, length, client, nowMs, out) ?? FORWARD,
  overload: (message, length, client, nowMs, out) =>
    published.responder?.overload(message, length, client, nowMs, out) ?? DROP,
  now: () => systemClock.monotonic(),
  onMessage: (message) => published.take(message as UdpPublication),
  onIdle: () => published.onIdle(),
});
