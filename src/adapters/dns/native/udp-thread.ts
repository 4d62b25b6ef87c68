import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import type { PacketHandler } from '../../../core/respond/packet-handler.ts';
import type { Libc } from './libc.ts';
import { PacketLoop } from './packet-loop.ts';
import type { ThreadSocket } from './socket-group.ts';
import { ThreadControl } from './thread-control.ts';

/** What a UDP thread starts with; plain data. */
export interface UdpThreadSetup {
  /** Of its `ThreadControl`. */
  readonly control: SharedArrayBuffer;
  readonly sockets: SocketsMessage;
}

/** From the main thread: these sockets, and no other, from now on. */
export interface SocketsMessage {
  readonly kind: 'sockets';
  /** Greater than that of all messages before. */
  readonly version: number;
  readonly sockets: readonly ThreadSocket[];
}

/** From a thread. */
export type UdpThreadReport =
  /** For `NativeUdp.queries`. */
  | { readonly kind: 'queries'; readonly batch: Uint8Array<ArrayBuffer> }
  /** The sockets of this version are in use, and no other. */
  | { readonly kind: 'sockets'; readonly version: number };

/** What a UDP thread does with what it reads. */
export interface UdpThreadParts {
  readonly libc: Libc;
  /** Towards the main thread. */
  readonly port: MessagePort;
  readonly handle: PacketHandler;
  /** Answers what `handle` would forward while too many forwarded queries wait. */
  readonly overload: PacketHandler;
  /** Monotonic milliseconds. */
  now(): number;
  /** A message of the main thread that is no `SocketsMessage`. */
  onMessage(message: unknown): void;
  /** No packet came for a while. */
  onIdle(): void;
}

/** Reads and answers packets until the main thread says stop. */
export function runUdpThread(setup: UdpThreadSetup, parts: UdpThreadParts): void {
  const { port } = parts;
  let version = setup.sockets.version;
  const post = (report: UdpThreadReport, transfer: readonly ArrayBuffer[] = []): void =>
    port.postMessage(report, [...transfer]);
  const loop = new PacketLoop(
    {
      ...parts,
      control: new ThreadControl(setup.control),
      onMail() {
        for (let next = receive(port); next !== null; next = receive(port)) {
          if (isSocketsMessage(next.message)) {
            version = next.message.version;
            loop.useSockets(next.message.sockets);
          } else {
            parts.onMessage(next.message);
          }
        }
      },
      onSockets: () => post({ kind: 'sockets', version }),
      handOver: (batch) => post({ kind: 'queries', batch }, [batch.buffer]),
    },
    setup.sockets.sockets,
  );
  loop.run();
}

function receive(port: MessagePort): { readonly message: unknown } | null {
  return receiveMessageOnPort(port) ?? null;
}

function isSocketsMessage(message: unknown): message is SocketsMessage {
  return (
    typeof message === 'object' &&
    message !== null &&
    'kind' in message &&
    message.kind === 'sockets'
  );
}
