import type { SocketAddress } from '../../../core/config/config.ts';
import type { SilenceReason } from '../silence.ts';
import type { UdpStats } from '../udp-listener.ts';
import type { ReplyRoute } from './handed-over.ts';
import { errnoName } from './libc.ts';
import { EAGAIN } from './linux-constants.ts';
import type { MessageSender } from './message-sender.ts';
import type { NativeUdpSocket } from './native-udp-socket.ts';
import { COUNTER, createCounters, sendErrorCounter, sumCounters } from './udp-counters.ts';

/** One socket as its thread gets to know it; plain data. */
export interface ThreadSocket {
  /** The same for all sockets of an address; never used again. */
  readonly id: number;
  readonly fd: number;
  readonly family: 4 | 6;
  readonly isWildcard: boolean;
  /** 4 or 16 octets. */
  readonly address: Uint8Array;
  readonly port: number;
  /** Of `createCounters`; this thread's alone. */
  readonly counters: SharedArrayBuffer;
}

/** `queue`: the kernel threw datagrams away, as nobody took them from the receive buffer in time. */
export interface NativeUdpStats extends UdpStats {
  readonly dropped: Readonly<Record<SilenceReason | 'unsent' | 'queue', number>>;
}

/** The sockets of one address, one for each thread, from the view of the main thread. */
export class SocketGroup {
  readonly id: number;
  readonly address: SocketAddress;
  /** Of one socket. */
  readonly receiveBufferBytes: number;
  /** By thread. */
  readonly threadSockets: readonly ThreadSocket[];
  readonly #sockets: readonly NativeUdpSocket[];
  readonly #sender: MessageSender;
  /** What the main thread sends itself. */
  readonly #late = createCounters();
  readonly #lateCounts = new Float64Array(this.#late);
  #closed = false;

  /** Takes over the sockets, of which there is at least one. */
  constructor(
    id: number,
    sockets: readonly [NativeUdpSocket, ...NativeUdpSocket[]],
    addressBytes: Uint8Array,
    sender: MessageSender,
  ) {
    const [{ address, receiveBufferBytes }] = sockets;
    this.id = id;
    this.address = address;
    this.receiveBufferBytes = receiveBufferBytes;
    this.#sockets = sockets;
    this.#sender = sender;
    this.threadSockets = sockets.map(({ fd, family, isWildcard }) => ({
      id,
      fd,
      family,
      isWildcard,
      address: addressBytes,
      port: address.port,
      counters: createCounters(),
    }));
  }

  /** Sends a late answer from the socket of `thread`; does nothing after `close`. */
  send(thread: number, reply: Uint8Array, route: ReplyRoute): void {
    const socket = this.#sockets[thread];
    if (this.#closed || socket === undefined) return;
    const errno = this.#sender.send(socket.fd, reply, route);
    const place =
      errno === 0 ? COUNTER.SENT : errno === EAGAIN ? COUNTER.UNSENT : sendErrorCounter(errno);
    this.#lateCounts[place]!++;
  }

  /** Counts since the sockets were opened. */
  stats(): NativeUdpStats {
    const buffers = this.threadSockets.map(({ counters }) => counters);
    const { counts, sendErrors } = sumCounters([...buffers, this.#late]);
    return {
      received: counts[COUNTER.RECEIVED]!,
      sent: counts[COUNTER.SENT]!,
      dropped: {
        short: counts[COUNTER.SHORT]!,
        response: counts[COUNTER.RESPONSE]!,
        'source-port': counts[COUNTER.SOURCE_PORT]!,
        'source-address': counts[COUNTER.SOURCE_ADDRESS]!,
        unsent: counts[COUNTER.UNSENT]!,
        queue: this.#sockets.reduce((sum, socket) => sum + socket.drops(), 0),
      },
      sendErrors: Object.fromEntries(
        [...sendErrors].map(([errno, count]) => [errnoName(errno), count]),
      ),
      socketErrors: counts[COUNTER.SOCKET_ERRORS]!,
    };
  }

  /** Threads that wait for datagrams return at once. */
  wake(): void {
    for (const socket of this.#sockets) socket.wake();
  }

  /** No thread may use the sockets any more. */
  close(): void {
    this.#closed = true;
    for (const socket of this.#sockets) socket.close();
  }
}
