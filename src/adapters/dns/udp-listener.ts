import type { RemoteInfo, Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { assert } from '../../core/base/assert.ts';
import { MESSAGE_BYTES_MAX } from '../../core/dns/constants.ts';
import type { SocketAddress } from '../../core/config/config.ts';
import { listenFailure, systemErrorCode } from './listen-failure.ts';
import type { QueryHandler } from './query-handler.ts';
import { silenceReason } from './silence.ts';
import type { SilenceReason } from './silence.ts';
import { createUdpSocket } from './udp-socket.ts';

/**
 * Asked of the kernel, which gives at most `net.core.rmem_max`: queries that come while this
 * thread is busy (a collection, a burst) wait here instead of being lost.
 */
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024;
/**
 * Answers that the kernel has not taken yet, at most 64 KiB each. It takes them at once unless a
 * link is saturated; then dropping, which clients repeat, is better than growing.
 */
const UNSENT_MAX = 1024;
/** Counts since the listener was opened. */
export interface UdpStats {
  readonly received: number;
  readonly sent: number;
  /** `unsent` is an answer that found the send queue full. */
  readonly dropped: Readonly<Record<SilenceReason | 'unsent', number>>;
  /** By the system's code, such as EMSGSIZE. */
  readonly sendErrors: Readonly<Record<string, number>>;
  readonly socketErrors: number;
}

export interface UdpListenerOptions {
  /** Told of every error of the socket that no client caused; it goes on listening. */
  readonly onError?: (error: Error) => void;
}

/** One bound UDP socket. */
export interface UdpListener {
  /** As bound, with the port that the kernel chose if 0 was asked for. */
  readonly address: SocketAddress;
  /** What the kernel gave for incoming datagrams, its own overhead included (socket(7)). */
  readonly receiveBufferBytes: number;
  stats(): UdpStats;
  /**
   * Goes on until no query is unanswered or `deadline` resolves (default: at once), then closes the
   * socket; answers that come later are ignored.
   */
  close(deadline?: Promise<void>): Promise<void>;
}

/**
 * Opens a UDP socket on one numeric address. Rejects with `listen-failed`. Handler errors are not
 * caught: they are broken invariants.
 */
export async function openUdpListener(
  address: SocketAddress,
  handler: QueryHandler,
  options: UdpListenerOptions = {},
): Promise<UdpListener> {
  const socket = createUdpSocket(address.address);
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind({ address: address.address, port: address.port, exclusive: true }, () => {
        socket.off('error', reject);
        resolve();
      });
    });
  } catch (error) {
    socket.close();
    throw listenFailure('udp', address, error);
  }
  return new BoundUdpListener(socket, handler, options);
}

class BoundUdpListener implements UdpListener {
  readonly address: SocketAddress;
  readonly receiveBufferBytes: number;
  readonly #socket: Socket;
  readonly #handler: QueryHandler;
  readonly #onError: (error: Error) => void;
  readonly #family: 4 | 6;
  readonly #dropped: Record<SilenceReason | 'unsent', number> = {
    short: 0,
    response: 0,
    'source-port': 0,
    'source-address': 0,
    unsent: 0,
  };
  readonly #sendErrors: Record<string, number> = {};
  #received = 0;
  #sent = 0;
  #unanswered = 0;
  #unsent = 0;
  #socketErrors = 0;
  #closed = false;
  #closing: Promise<void> | null = null;
  #onIdle: (() => void) | null = null;

  constructor(socket: Socket, handler: QueryHandler, options: UdpListenerOptions) {
    this.#socket = socket;
    this.#handler = handler;
    this.#onError = options.onError ?? (() => undefined);
    const bound = socket.address();
    this.address = { address: bound.address, port: bound.port };
    this.#family = isIPv6(bound.address) ? 6 : 4;
    socket.on('error', (error) => this.#fail(error));
    this.receiveBufferBytes = this.#raiseReceiveBuffer();
    socket.on('message', (message, source) => this.#receive(message, source));
  }

  stats(): UdpStats {
    return {
      received: this.#received,
      sent: this.#sent,
      dropped: { ...this.#dropped },
      sendErrors: { ...this.#sendErrors },
      socketErrors: this.#socketErrors,
    };
  }

  close(deadline?: Promise<void>): Promise<void> {
    this.#closing ??= this.#shutDown(deadline);
    return this.#closing;
  }

  async #shutDown(deadline?: Promise<void>): Promise<void> {
    const isBusy = this.#unanswered + this.#unsent > 0;
    const idle = new Promise<void>((resolve) => (this.#onIdle = resolve));
    if (deadline !== undefined && isBusy) await Promise.race([deadline, idle]);
    this.#closed = true;
    await new Promise<void>((resolve) => this.#socket.close(resolve));
  }

  #fail(error: Error): void {
    this.#socketErrors++;
    this.#onError(error);
  }

  #raiseReceiveBuffer(): number {
    try {
      this.#socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES);
    } catch (error) {
      // Some systems refuse what Linux would cut; the default size serves too.
      this.#fail(error instanceof Error ? error : new Error(String(error)));
    }
    return this.#socket.getRecvBufferSize();
  }

  #receive(query: Buffer, source: RemoteInfo): void {
    this.#received++;
    const reason = silenceReason(query, source, this.address);
    if (reason !== null) {
      this.#dropped[reason]++;
      return;
    }
    const { address, port } = source;
    let answered = false;
    this.#unanswered++;
    this.#handler(query, { protocol: 'udp', family: this.#family, address, port }, (response) => {
      assert(!answered, 'a query is answered once');
      answered = true;
      this.#unanswered--;
      if (response.length > 0) this.#send(response, address, port);
      else this.#checkIdle();
    });
  }

  #checkIdle(): void {
    if (this.#unanswered + this.#unsent === 0) this.#onIdle?.();
  }

  #send(response: Uint8Array, address: string, port: number): void {
    assert(response.length <= MESSAGE_BYTES_MAX, 'a message has at most 65,535 octets');
    if (this.#closed) return;
    if (this.#unsent >= UNSENT_MAX) {
      this.#dropped.unsent++;
      return;
    }
    this.#unsent++;
    // With a callback, errors (EMSGSIZE, EACCES for broadcast, EPERM of a firewall) come here and
    // not as an event. The copy is because libuv may keep the octets until the socket is writable.
    this.#socket.send(Buffer.from(response), port, address, (error) => {
      this.#unsent--;
      this.#checkIdle();
      if (!error) {
        this.#sent++;
      } else {
        const code = systemErrorCode(error) || 'unknown';
        this.#sendErrors[code] = (this.#sendErrors[code] ?? 0) + 1;
      }
    });
  }
}
