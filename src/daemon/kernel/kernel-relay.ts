import type { KeeperReply, KeeperRequest } from './keeper-protocol.ts';
import type { KernelChild, StartKernelChild } from './kernel-child.ts';

/** What the relay needs. */
export interface KernelRelayParts {
  readonly startChild: StartKernelChild;
  /** Takes a message to the daemon; `onSent` is called when it has been read, or will not be. */
  send(message: KeeperReply, onSent: () => void): void;
}

interface Running {
  readonly id: number;
  child: KernelChild | null;
  /** Replies that the daemon has not read yet. */
  unread: number;
}

/**
 * Replies of minutes: a daemon that has not read them hangs, and they must not fill our memory.
 * Without the process there are no more.
 */
const UNREAD_REPLIES_MAX = 100;

/**
 * The keeper's part in the talk of daemon and kernel process: starts the process when asked to, one
 * at a time, and passes on what either says, unseen. What is under way is bounded by the daemon,
 * which hears when a request was read.
 */
export class KernelRelay {
  readonly #parts: KernelRelayParts;
  #running: Running | null = null;

  constructor(parts: KernelRelayParts) {
    this.#parts = parts;
  }

  /** Takes a message of the daemon. */
  hear(message: KeeperRequest): void {
    const { kind, child: id } = message;
    if (kind === 'start') {
      this.#start(id);
      return;
    }
    // It has ended meanwhile, which the daemon is going to hear.
    if (this.#running?.id !== id) return;
    const { child } = this.#running;
    switch (kind) {
      case 'request':
        child?.send(message.request, () => this.#send({ kind: 'read', child: id }));
        break;
      case 'close':
        child?.close();
        break;
      case 'kill':
        child?.kill();
        break;
    }
  }

  /** Lets the kernel process end: there is no daemon any more. */
  close(): void {
    this.#running?.child?.close();
    this.#running = null;
  }

  #start(id: number): void {
    if (this.#running !== null) {
      this.#send({ kind: 'ended', child: id, why: 'another one still runs' });
      return;
    }
    const running: Running = { id, child: null, unread: 0 };
    this.#running = running;
    const onEnd = (why: string): void => {
      if (this.#running !== running) return;
      this.#running = null;
      this.#send({ kind: 'ended', child: id, why });
    };
    try {
      running.child = this.#parts.startChild({
        onReply: (reply) => {
          if (this.#running !== running) return;
          if (++running.unread > UNREAD_REPLIES_MAX) running.child?.kill();
          else this.#send({ kind: 'reply', child: id, reply }, () => running.unread--);
        },
        onEnd,
      });
    } catch (error) {
      onEnd(error instanceof Error ? error.message : String(error));
    }
  }

  #send(message: KeeperReply, onSent: () => void = () => undefined): void {
    this.#parts.send(message, onSent);
  }
}
