import { createSocket } from 'node:dgram';
import type { Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, isIPv6 } from 'node:net';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { SocketAddress } from '../../src/core/config/config.ts';

/** Long enough for a loaded machine; a test that waits so long has failed. */
const DEADLINE_MS = 10_000;

/** Waits for `condition`, which no event announces; fails after a deadline. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const end = performance.now() + DEADLINE_MS;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not in time: ${what}`);
    await delay(1);
  }
}

/** A message behind its length (RFC 1035 §4.2.2). */
export function frame(message: Uint8Array): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}

/** Cuts a stream into messages as far as they are whole. */
function splitFrames(stream: Buffer): { messages: Uint8Array[]; rest: Buffer } {
  const messages: Uint8Array[] = [];
  let rest = stream;
  while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
    const end = 2 + rest.readUInt16BE(0);
    messages.push(new Uint8Array(rest.subarray(2, end)));
    rest = rest.subarray(end);
  }
  return { messages, rest };
}

/** One query as an upstream saw it. */
export interface ReceivedQuery {
  readonly protocol: 'udp' | 'tcp';
  readonly message: Uint8Array;
  readonly source: SocketAddress;
}

/** What an upstream does with a query: any number of `reply`, now or later. */
export type Script = (query: ReceivedQuery, reply: (message: Uint8Array) => void) => void;

/** A resolver that follows a script, on UDP and TCP of one port. */
export interface ScriptedUpstream {
  readonly address: SocketAddress;
  readonly received: readonly ReceivedQuery[];
  close(): Promise<void>;
}

export async function openUpstream(script: Script, host = '127.0.0.1'): Promise<ScriptedUpstream> {
  const received: ReceivedQuery[] = [];
  const connections = new Set<Socket>();
  const answer = (query: ReceivedQuery, reply: (message: Uint8Array) => void): void => {
    received.push(query);
    script(query, reply);
  };
  const server = createServer((socket) => {
    connections.add(socket);
    socket.on('close', () => connections.delete(socket));
    socket.on('error', () => undefined);
    const source = { address: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 };
    let stream: Buffer = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      const { messages, rest } = splitFrames(Buffer.concat([stream, chunk]));
      stream = rest;
      for (const message of messages) {
        answer({ protocol: 'tcp', message, source }, (reply) => socket.write(frame(reply)));
      }
    });
  });
  const udp = await bindBoth(server, host);
  udp.on('message', (message, { address, port }) => {
    const query: ReceivedQuery = {
      protocol: 'udp',
      message: new Uint8Array(message),
      source: { address, port },
    };
    answer(query, (reply) => udp.send(reply, port, address, () => undefined));
  });
  let closing: Promise<void> | null = null;
  const shutDown = async (): Promise<void> => {
    for (const socket of connections) socket.destroy();
    await Promise.all([
      new Promise((resolve) => server.close(resolve)),
      new Promise<void>((resolve) => udp.close(resolve)),
    ]);
  };
  return {
    address: { address: host, port: udp.address().port },
    received,
    close: () => (closing ??= shutDown()),
  };
}

/** Label of the questions by which a daemon looks for loops. */
const PROBE = 'hoplite-loop-';

/** Whether a query is none of those by which a daemon finds out whether an upstream asks it back. */
export function isQuestion({ message }: ReceivedQuery): boolean {
  return !Buffer.from(message).toString('latin1').toLowerCase().includes(PROBE);
}

/** What an upstream was asked by clients of the daemon, see `isQuestion`. */
export function questionsTo({ received }: ScriptedUpstream): readonly ReceivedQuery[] {
  return received.filter(isQuestion);
}

/** Listens on a port that is free for both protocols. */
async function bindBoth(server: ReturnType<typeof createServer>, host: string): Promise<UdpSocket> {
  for (let attempt = 0; attempt < 20; attempt++) {
    server.listen({ port: 0, host });
    await once(server, 'listening');
    const bound = server.address();
    const port = bound !== null && typeof bound === 'object' ? bound.port : 0;
    const udp = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
    try {
      const listening = once(udp, 'listening');
      udp.bind(port, host);
      await listening;
      return udp;
    } catch {
      udp.close();
      server.close();
      await once(server, 'close');
    }
  }
  throw new Error('no port is free for UDP and TCP');
}

/** A port of `host` where nobody listens on UDP: bound and closed again. */
export async function closedPort(host = '127.0.0.1'): Promise<SocketAddress> {
  const socket = createSocket('udp4').bind(0, host);
  await once(socket, 'listening');
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(resolve));
  return { address: host, port };
}

/** The same for UDP and TCP. */
export async function closedPair(host = '127.0.0.1'): Promise<SocketAddress> {
  const server = createServer();
  const udp = await bindBoth(server, host);
  const { port } = udp.address();
  await Promise.all([
    new Promise((resolve) => server.close(resolve)),
    new Promise<void>((resolve) => udp.close(resolve)),
  ]);
  return { address: host, port };
}

/** A client over UDP. */
export interface UdpClient {
  readonly socket: UdpSocket;
  readonly received: readonly Uint8Array[];
  send(message: Uint8Array): void;
  /** Sends `message` and gives the next datagram. */
  ask(message: Uint8Array): Promise<Uint8Array>;
  close(): void;
}

export async function openUdpClient(server: SocketAddress): Promise<UdpClient> {
  const socket = createSocket(isIPv6(server.address) ? 'udp6' : 'udp4');
  const received: Uint8Array[] = [];
  socket.on('message', (message) => received.push(new Uint8Array(message)));
  socket.connect(server.port, server.address);
  await once(socket, 'connect');
  return {
    socket,
    received,
    send: (message) => socket.send(message),
    async ask(message) {
      const before = received.length;
      socket.send(message);
      await until(() => received.length > before, 'an answer over UDP');
      return received[before] ?? new Uint8Array(0);
    },
    close: () => socket.close(),
  };
}

/** A client over TCP that keeps its half of the connection open. */
export interface TcpClient {
  readonly socket: Socket;
  /** Whole messages so far. */
  readonly received: readonly Uint8Array[];
  /** The server sent its FIN, or the connection is gone. */
  readonly ended: boolean;
  readonly closed: boolean;
  /** Waits until `count` messages have come in all. */
  messages(count: number): Promise<readonly Uint8Array[]>;
}

export async function openTcpClient(server: SocketAddress): Promise<TcpClient> {
  const socket = connect({ host: server.address, port: server.port, allowHalfOpen: true });
  socket.setNoDelay(true);
  const received: Uint8Array[] = [];
  const state = { ended: false, closed: false };
  let stream: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk) => {
    const { messages, rest } = splitFrames(Buffer.concat([stream, chunk]));
    stream = rest;
    received.push(...messages);
  });
  socket.on('end', () => (state.ended = true));
  socket.on('close', () => Object.assign(state, { ended: true, closed: true }));
  const connected = once(socket, 'connect');
  socket.on('error', () => undefined);
  await connected;
  return {
    socket,
    received,
    get ended() {
      return state.ended;
    },
    get closed() {
      return state.closed;
    },
    async messages(count) {
      await until(() => received.length >= count || state.closed, `${count} messages over TCP`);
      return received;
    },
  };
}
