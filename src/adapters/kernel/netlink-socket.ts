import { endianness } from 'node:os';
import type { MessageInfo, RawNetlinkSocket } from 'netlink/dist/raw.js';
import { assert } from '../../core/base/assert.ts';
import { DaemonError } from '../../core/base/daemon-error.ts';
import {
  encodeMessages,
  MESSAGE_FLAG,
  MESSAGE_TYPE,
  type NetlinkMessage,
  type NetlinkRequest,
  parseErrno,
  parseMessages,
} from '../../core/netlink/message.ts';

/** NETLINK_ROUTE, NETLINK_GENERIC (include/uapi/linux/netlink.h). */
export const NETLINK_PROTOCOL = { ROUTE: 0, GENERIC: 16 } as const;

/**
 * Messages in one send. Each may be answered by an error that takes 832 octets of the receive
 * buffer, which holds 256 of them by default; the binding aborts the process when one is lost.
 */
export const BATCH_MAX = 128;

/** What the kernel said to one request. */
export interface NetlinkReply {
  /** 0: done. */
  readonly errno: number;
  /** Bodies of the answers. */
  readonly bodies: readonly Uint8Array[];
}

/** A netlink socket; one send is under way at a time, the others wait in line. */
export interface NetlinkSocket {
  /** False after a failure of the socket itself, and after `close`. */
  readonly isOpen: boolean;
  /**
   * Makes up to BATCH_MAX changes in their order and gives the error number of each, 0 for done.
   * Rejects with `DaemonError` kernel-timeout or kernel-failed when it is unknown what became of
   * them.
   */
  change(requests: readonly NetlinkRequest[]): Promise<readonly number[]>;
  /** Asks one question. Rejects as `change` does. */
  ask(request: NetlinkRequest): Promise<NetlinkReply>;
  /** Asks for a list. Rejects as `change` does. */
  dump(request: NetlinkRequest): Promise<NetlinkReply>;
  /** Rejects what is under way. */
  close(): void;
}

export interface NetlinkSocketOptions {
  readonly protocol: number;
  /** Lists come in large datagrams, other answers are small. */
  readonly purpose: 'requests' | 'dumps';
  readonly timeoutMs: number;
}

/** The kernel fills datagrams of a list up to this, if the reader's buffer is as large. */
const DUMP_DATAGRAM_BYTES = 32_768;
/** Twice the default, if net.core.rmem_max lets it. */
const RECEIVE_BUFFER_BYTES = 425_984;
/** 100,000 services of 360 octets, and a full routing table. */
const DUMP_BYTES_MAX = 256 * 1024 * 1024;
/** Callers are the reconciler and views: more in line means that the kernel does not answer. */
const WAITING_MAX = 64;

interface Exchange {
  readonly first: number;
  readonly messages: readonly NetlinkMessage[];
  readonly errnos: number[];
  readonly bodies: Uint8Array[];
  readonly resolve: (exchange: Exchange) => void;
  readonly reject: (error: DaemonError) => void;
  bytes: number;
}

/** Opens a socket. Rejects with `DaemonError` kernel-failed where there is no netlink. */
export async function openNetlinkSocket(options: NetlinkSocketOptions): Promise<NetlinkSocket> {
  if (endianness() !== 'LE') {
    throw new DaemonError('kernel-failed', 'netlink is implemented for little-endian processors');
  }
  try {
    // Not at load time: there is no binary of it for systems without netlink, nor for musl.
    const { RawNetlinkSocket } = await import('netlink/dist/raw.js');
    const isDump = options.purpose === 'dumps';
    const raw = new RawNetlinkSocket(options.protocol, {
      messagePeeking: !isDump,
      msgBufferSize: DUMP_DATAGRAM_BYTES,
      recvBufferSize: RECEIVE_BUFFER_BYTES,
      // 0: left alone.
      sendBufferSize: 0,
    });
    return new Socket(raw, options.timeoutMs);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DaemonError('kernel-failed', `cannot open a netlink socket: ${reason}`, { cause });
  }
}

/**
 * Rules of the binding: an exception in a callback aborts the process, and so does closing within
 * one; only a referenced socket keeps the event loop going.
 */
class Socket implements NetlinkSocket {
  readonly #raw: RawNetlinkSocket;
  readonly #timeoutMs: number;
  /** In line; the first is under way. */
  readonly #exchanges: Exchange[] = [];
  #sequence = 1;
  #timer: NodeJS.Timeout | undefined;
  #failure: DaemonError | null = null;

  constructor(raw: RawNetlinkSocket, timeoutMs: number) {
    this.#raw = raw;
    this.#timeoutMs = timeoutMs;
    raw.on('message', (datagram, info) => this.#guard(() => this.#receive(datagram, info)));
    raw.on('truncatedMessage', () =>
      this.#guard(() => this.#fail(failed('an answer was longer than its buffer'))),
    );
    raw.on('error', (error) => this.#guard(() => this.#fail(failed(error.message, error))));
    raw.unref();
  }

  get isOpen(): boolean {
    return this.#failure === null;
  }

  async change(requests: readonly NetlinkRequest[]): Promise<readonly number[]> {
    assert(requests.length <= BATCH_MAX, 'all answers of a batch fit the receive buffer');
    if (requests.length === 0) return [];
    // Errors are answered in any case, and before the answer to the last, which is a barrier.
    const last = requests.length - 1;
    const { errnos } = await this.#exchange(requests, (i) => (i === last ? MESSAGE_FLAG.ACK : 0));
    return errnos;
  }

  async ask(request: NetlinkRequest): Promise<NetlinkReply> {
    const { errnos, bodies } = await this.#exchange([request], () => MESSAGE_FLAG.ACK);
    return { errno: errnos[0] ?? 0, bodies };
  }

  async dump(request: NetlinkRequest): Promise<NetlinkReply> {
    const { errnos, bodies } = await this.#exchange([request], () => MESSAGE_FLAG.DUMP);
    return { errno: errnos[0] ?? 0, bodies };
  }

  close(): void {
    this.#fail(failed('the netlink socket was closed'));
  }

  #exchange(
    requests: readonly NetlinkRequest[],
    flagsOf: (index: number) => number,
  ): Promise<Exchange> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    if (this.#exchanges.length > WAITING_MAX) {
      return Promise.reject(new DaemonError('kernel-timeout', 'too many netlink requests wait'));
    }
    const first = this.#sequence;
    const messages = requests.map(({ type, flags, body }, i) => ({
      type,
      flags: flags | MESSAGE_FLAG.REQUEST | flagsOf(i),
      sequence: (first + i) >>> 0,
      body,
    }));
    this.#sequence = (first + requests.length) >>> 0;
    return new Promise((resolve, reject) => {
      const errnos = new Array<number>(requests.length).fill(0);
      this.#exchanges.push({ first, messages, errnos, bodies: [], resolve, reject, bytes: 0 });
      if (this.#exchanges.length === 1) this.#send();
    });
  }

  /** Sends the exchange that is now the first. */
  #send(): void {
    const [exchange] = this.#exchanges;
    if (exchange === undefined) return;
    this.#timer = setTimeout(() => {
      this.#fail(
        new DaemonError('kernel-timeout', `no answer from the kernel for ${this.#timeoutMs} ms`),
      );
    }, this.#timeoutMs);
    try {
      this.#raw.ref();
      this.#raw.send(encodeMessages(exchange.messages), {}, (error) => {
        if (error !== undefined) this.#guard(() => this.#fail(failed(error.message, error)));
      });
    } catch (error) {
      this.#fail(failed('cannot send to the kernel', error));
    }
  }

  #receive(datagram: Uint8Array, info: MessageInfo): void {
    // Only the kernel has port 0; any process may send to us.
    if (info.port !== 0 || this.#failure !== null) return;
    const messages = parseMessages(datagram);
    if (messages === null) {
      this.#fail(failed('a malformed netlink message'));
      return;
    }
    for (const message of messages) {
      const [exchange] = this.#exchanges;
      if (exchange === undefined) return;
      const index = (message.sequence - exchange.first) >>> 0;
      // The answer to a question comes before its end; what is of no exchange is of an old one.
      if (index < exchange.messages.length) this.#take(exchange, index, message);
    }
  }

  #take(exchange: Exchange, index: number, message: NetlinkMessage): void {
    const isEnd = message.type === MESSAGE_TYPE.ERROR || message.type === MESSAGE_TYPE.DONE;
    if (!isEnd) {
      exchange.bytes += message.body.length;
      if (exchange.bytes > DUMP_BYTES_MAX) this.#fail(failed('a list of the kernel is too long'));
      else exchange.bodies.push(message.body);
      return;
    }
    exchange.errnos[index] = parseErrno(message.body);
    if (index === exchange.messages.length - 1) this.#finish(exchange);
  }

  #finish(exchange: Exchange): void {
    clearTimeout(this.#timer);
    this.#exchanges.shift();
    if (this.#exchanges.length === 0) this.#raw.unref();
    exchange.resolve(exchange);
    if (this.#exchanges.length === 0) return;
    // Not here, within the callback of the binding.
    queueMicrotask(() => {
      if (this.#failure === null) this.#send();
    });
  }

  /** Ends the socket: what comes later could not be told from what was lost. */
  #fail(error: DaemonError): void {
    if (this.#failure !== null) return;
    this.#failure = error;
    clearTimeout(this.#timer);
    for (const exchange of this.#exchanges.splice(0)) exchange.reject(error);
    setImmediate(() => {
      try {
        this.#raw.close();
      } catch {
        // It was closed already, by the failure.
      }
    });
  }

  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      queueMicrotask(() => this.#fail(failed('a netlink message could not be handled', error)));
    }
  }
}

function failed(message: string, cause?: unknown): DaemonError {
  return new DaemonError('kernel-failed', message, { cause });
}
