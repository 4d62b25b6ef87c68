import { EventEmitter } from 'node:events';
import type { KeeperReply, KeeperRequest } from './keeper-protocol.ts';
import type { KernelChild, KernelChildEvents, StartKernelChild } from './kernel-child.ts';
import type { KernelRequest } from './kernel-protocol.ts';

/** As much as Node lets wait in a channel before it says that it is full. */
const UNREAD_BYTES_MAX = 131_072;
/** What a request takes besides an update. */
const REQUEST_BYTES = 1_000;

interface Unread {
  readonly bytes: number;
  readonly onRead: () => void;
}

interface Running {
  readonly id: number;
  readonly events: KernelChildEvents;
  /** Oldest first. */
  readonly unread: Unread[];
  unreadBytes: number;
}

/**
 * The daemon's end of the channel to its keeper, which starts kernel processes for it: the daemon
 * itself has no right to change the kernel, and so cannot start a process that has.
 */
export class KeeperLink {
  /** Emits `SIGTERM`, `SIGINT` and `SIGHUP` when the keeper got them. */
  readonly signals: EventEmitter = new EventEmitter();
  readonly #send: (message: KeeperRequest) => void;
  #lastId = 0;
  #running: Running | null = null;

  /** `send` takes a message to the keeper. */
  constructor(send: (message: KeeperRequest) => void) {
    this.#send = send;
  }

  /** Starts a kernel process through the keeper; one at a time. */
  readonly startChild: StartKernelChild = (events): KernelChild => {
    const id = ++this.#lastId;
    const running: Running = { id, events, unread: [], unreadBytes: 0 };
    this.#running = running;
    this.#send({ kind: 'start', child: id });
    return {
      send: (request, onRead) => this.#request(running, request, onRead),
      close: () => this.#send({ kind: 'close', child: id }),
      kill: () => this.#send({ kind: 'kill', child: id }),
    };
  };

  /** Takes a message of the keeper. False: a signal that nobody listens for yet. */
  hear(message: KeeperReply): boolean {
    if (message.kind === 'signal') return this.signals.emit(message.signal, message.signal);
    const running = this.#running;
    if (running?.id !== message.child) return true;
    switch (message.kind) {
      case 'reply':
        running.events.onReply(message.reply);
        break;
      case 'read': {
        const oldest = running.unread.shift();
        if (oldest === undefined) break;
        running.unreadBytes -= oldest.bytes;
        oldest.onRead();
        break;
      }
      case 'ended':
        this.#running = null;
        running.events.onEnd(message.why);
        break;
    }
    return true;
  }

  #request(running: Running, request: KernelRequest, onRead: () => void): boolean {
    // It has ended, which was said.
    if (this.#running !== running) return true;
    const bytes = REQUEST_BYTES + (request.kind === 'desire' ? request.update.byteLength : 0);
    running.unread.push({ bytes, onRead });
    running.unreadBytes += bytes;
    this.#send({ kind: 'request', child: running.id, request });
    return running.unreadBytes < UNREAD_BYTES_MAX;
  }
}
