import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import type { TestContext } from 'node:test';
import type { HostPort } from '../../../src/core/config/config.ts';
import { FrameSplitter } from '../../../src/core/zookeeper/frame-splitter.ts';
import { JuteReader, JuteWriter } from '../../../src/core/zookeeper/jute.ts';

/** What a client has asked for when it connected. */
export interface SeenHello {
  readonly lastZxid: bigint;
  readonly timeoutMs: number;
  readonly session: bigint;
  readonly password: Uint8Array;
}

/** How a scripted server behaves; replace what a test needs otherwise. */
export interface ServerScript {
  /** Timeout that is granted; 0: expired; null: no answer; 'close': the connection is closed. */
  grant: number | null | 'close';
  /** Session that is granted. */
  session: bigint;
  /** zxid in answers. */
  zxid: bigint;
  /** Whether pings and questions are answered. */
  answers: boolean;
  /** Error of an answer, by path. */
  errorOf: (path: string) => number;
  /** Body of an answer, by path. */
  bodyOf: (path: string) => Uint8Array;
}

/** A server on the loopback that says what a test wants, and writes down what it is asked. */
export interface ScriptedServer {
  readonly address: HostPort;
  readonly script: ServerScript;
  readonly hellos: readonly SeenHello[];
  /** Requests after the hello, such as `ping`, `auth digest dns:secret`, `8 /mesos watch`, `close`. */
  readonly asked: readonly string[];
  /** Connections that are open. */
  readonly open: ReadonlySet<Socket>;
  /** Sends octets to all clients as they are. */
  send(frame: Uint8Array): void;
  /** Cuts all connections. */
  cut(): void;
  /** Refuses connections from now on. */
  stop(): Promise<void>;
}

const list = (writer: JuteWriter, names: readonly string[]): JuteWriter => {
  writer.int(names.length);
  for (const name of names) writer.text(name);
  return writer;
};

/** Body of an answer with children. */
export function childrenBody(...names: readonly string[]): Uint8Array {
  return list(new JuteWriter(), names).frame().subarray(4);
}

/** The event of a change at a path. */
export function changeEvent(path: string): Uint8Array {
  return new JuteWriter().int(-1).long(-1n).int(0).int(4).int(3).text(path).frame();
}

export async function startScriptedServer(
  t: TestContext,
  changes: Partial<ServerScript> = {},
): Promise<ScriptedServer> {
  const script: ServerScript = {
    grant: 6_000,
    session: 0x77n,
    zxid: 5n,
    answers: true,
    errorOf: () => 0,
    bodyOf: () => childrenBody('json.info_1'),
    ...changes,
  };
  const hellos: SeenHello[] = [];
  const asked: string[] = [];
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    socket.on('error', () => socket.destroy());
    const splitter = new FrameSplitter();
    let greeted = false;
    socket.on('data', (chunk) => {
      const frames = splitter.push(chunk);
      if (!frames.ok) throw new Error(frames.error);
      for (const frame of frames.value) {
        if (greeted) answer(socket, frame, script, asked);
        else hellos.push(greet(socket, frame, script));
        greeted = true;
      }
    });
  });
  const address = await listen(t, server, open);
  return {
    address,
    script,
    hellos,
    asked,
    open,
    send: (frame) => {
      for (const socket of open) socket.write(frame);
    },
    cut: () => {
      for (const socket of open) socket.destroy();
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
}

async function listen(t: TestContext, server: Server, open: Set<Socket>): Promise<HostPort> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.close();
    for (const socket of open) socket.destroy();
  });
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
}

function greet(socket: Socket, frame: Uint8Array, script: ServerScript): SeenHello {
  const reader = new JuteReader(frame);
  reader.int();
  const lastZxid = reader.long();
  const timeoutMs = reader.int();
  const session = reader.long();
  const password = reader.buffer();
  const { grant } = script;
  if (grant === 'close') socket.destroy();
  else if (grant !== null) {
    const id = grant === 0 ? 0n : script.session;
    const key = new Uint8Array(16).fill(grant === 0 ? 0 : 9);
    socket.write(new JuteWriter().int(0).int(grant).long(id).buffer(key).bool(false).frame());
  }
  return { lastZxid, timeoutMs, session, password };
}

function answer(socket: Socket, frame: Uint8Array, script: ServerScript, asked: string[]): void {
  const reader = new JuteReader(frame);
  const xid = reader.int();
  const operation = reader.int();
  const reply = (error: number, body: Uint8Array = new Uint8Array()): void => {
    if (!script.answers) return;
    const head = new JuteWriter().int(xid).long(script.zxid).int(error).frame().subarray(4);
    // Written as a buffer, head and body have their length in front: that is a frame.
    socket.write(
      new JuteWriter()
        .buffer(Buffer.concat([head, body]))
        .frame()
        .subarray(4),
    );
  };
  if (operation === 11) {
    asked.push('ping');
    reply(0);
  } else if (operation === 100) {
    reader.int();
    asked.push(`auth ${reader.text()} ${reader.text()}`);
    reply(0);
  } else if (operation === -11) {
    asked.push('close');
    reply(0);
    socket.end();
  } else {
    const path = reader.text();
    const isWatched = reader.rest()[0] === 1;
    asked.push(`${operation} ${path}${isWatched ? ' watch' : ''}`);
    const error = script.errorOf(path);
    reply(error, error === 0 ? script.bodyOf(path) : new Uint8Array());
  }
}
