import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { assert } from '../../core/base/assert.ts';
import type { DaemonError } from '../../core/base/daemon-error.ts';
import { formatHostPort } from '../../core/base/host-port.ts';
import type { HostPort, ZookeeperConfig } from '../../core/config/config.ts';
import type { Clock } from '../../core/ports.ts';
import { FrameSplitter } from '../../core/zookeeper/frame-splitter.ts';
import {
  decodeConnect,
  decodeEvent,
  decodeReply,
  encodeAuth,
  encodeClose,
  encodeConnect,
  encodePing,
  XID,
} from '../../core/zookeeper/message.ts';
import type { ConnectReply, Reply, SessionKey } from '../../core/zookeeper/message.ts';
import { invalid, unreachable } from './zookeeper-failure.ts';

/** What a connection begins with. */
export interface Hello {
  readonly session: SessionKey;
  readonly lastZxid: bigint;
  /** Session timeout that is asked for. */
  readonly timeoutMs: number;
  readonly auth: ZookeeperConfig['auth'];
  /** How long the server may take for connection and session together. */
  readonly connectTimeoutMs: number;
}

/** What becomes of a connection; after `onEnd` nothing more is called. */
export interface ConnectionEvents {
  onReady(granted: ConnectReply): void;
  /** The node at a path has changed that was watched over this connection. */
  onEvent(path: string): void;
  /** `expired`: the session is gone; else it may go on over another connection. */
  onEnd(error: DaemonError, expired: boolean): void;
}

/** How long a server may take to close its side when we leave. */
const CLOSE_MS = 1_000;

/** A few questions for each member; what is more is a loop of ours. */
const PENDING_MAX = 1_000;

interface Pending {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: DaemonError) => void;
}

/** One TCP connection to one server, which carries a session while it lasts. */
export class ZookeeperConnection {
  readonly #clock: Clock;
  readonly #events: ConnectionEvents;
  readonly #hello: Hello;
  readonly #server: string;
  readonly #socket: Socket;
  readonly #splitter = new FrameSplitter();
  readonly #pending = new Map<number, Pending>();
  /** null until the server has granted a session. */
  #granted: ConnectReply | null = null;
  #nextXid = 1;
  #lastZxid: bigint;
  #ended = false;
  /** Ends the connection when the server is silent for too long. */
  #cancelDeadline: () => void;
  #cancelPing: () => void = () => undefined;

  constructor(server: HostPort, hello: Hello, clock: Clock, events: ConnectionEvents) {
    this.#server = formatHostPort(server);
    this.#hello = hello;
    this.#clock = clock;
    this.#events = events;
    this.#lastZxid = hello.lastZxid;
    this.#cancelDeadline = clock.after(hello.connectTimeoutMs, () => {
      this.#end(unreachable(this.#server, 'no session in time'));
    });
    this.#socket = connect({ host: server.host, port: server.port, noDelay: true });
    this.#socket.on('connect', () => {
      this.#socket.write(encodeConnect(hello.session, hello.lastZxid, hello.timeoutMs));
    });
    this.#socket.on('data', (chunk) => this.#receive(chunk));
    this.#socket.on('error', (error) => this.#end(unreachable(this.#server, error)));
    this.#socket.on('close', () => {
      this.#end(unreachable(this.#server, 'it closed the connection'));
    });
  }

  /** The last change that the server has told of. */
  get lastZxid(): bigint {
    return this.#lastZxid;
  }

  /** Sends a request; rejects when the connection ends before the answer. */
  request(encode: (xid: number) => Uint8Array): Promise<Reply> {
    assert(this.#granted !== null, 'requests are for sessions');
    assert(this.#pending.size < PENDING_MAX, 'questions are answered before more are asked');
    if (this.#ended) return Promise.reject(unreachable(this.#server, 'the connection has ended'));
    const xid = this.#nextXid;
    this.#nextXid = (this.#nextXid % 0x7fffffff) + 1;
    return new Promise((resolve, reject) => {
      this.#pending.set(xid, { resolve, reject });
      this.#socket.write(encode(xid));
    });
  }

  /** Ends session and connection; no event comes of it. Resolves when the socket is closed. */
  async close(): Promise<void> {
    const hadSession = this.#granted !== null && !this.#ended;
    this.#release(unreachable(this.#server, 'we close the connection'));
    if (this.#socket.closed) return;
    const closed = new Promise<void>((resolve) => this.#socket.once('close', () => resolve()));
    if (hadSession) {
      this.#socket.end(encodeClose(this.#nextXid));
    } else {
      this.#socket.destroy();
    }
    const cancel = this.#clock.after(CLOSE_MS, () => this.#socket.destroy());
    await closed;
    cancel();
  }

  #receive(chunk: Uint8Array): void {
    if (this.#ended) return;
    const frames = this.#splitter.push(chunk);
    if (!frames.ok) {
      this.#end(invalid(this.#server, frames.error));
      return;
    }
    for (const frame of frames.value) this.#receiveFrame(frame);
  }

  /** One chunk may hold frames behind the one that ends the connection. */
  #receiveFrame(frame: Uint8Array): void {
    if (this.#ended) return;
    if (this.#granted === null) this.#welcome(frame);
    else this.#answer(frame, this.#granted.timeoutMs);
  }

  #welcome(frame: Uint8Array): void {
    const reply = decodeConnect(frame);
    if (!reply.ok) {
      this.#end(invalid(this.#server, reply.error));
      return;
    }
    if (reply.value === null) {
      this.#end(unreachable(this.#server, 'the session has expired'), true);
      return;
    }
    const granted = reply.value;
    this.#granted = granted;
    this.#expectWord(granted.timeoutMs);
    this.#pingLater(granted.timeoutMs);
    const { auth } = this.#hello;
    if (auth !== null) this.#socket.write(encodeAuth(auth.user, auth.password));
    this.#events.onReady(granted);
  }

  #answer(frame: Uint8Array, timeoutMs: number): void {
    this.#expectWord(timeoutMs);
    const decoded = decodeReply(frame);
    if (!decoded.ok) {
      this.#end(invalid(this.#server, decoded.error));
      return;
    }
    const reply = decoded.value;
    if (reply.zxid > this.#lastZxid) this.#lastZxid = reply.zxid;
    if (reply.xid === XID.event) {
      const path = decodeEvent(reply.body);
      if (path.ok) this.#events.onEvent(path.value);
      else this.#end(invalid(this.#server, path.error));
    } else if (reply.xid === XID.auth) {
      if (reply.error !== 0) this.#end(unreachable(this.#server, 'it refused the credentials'));
    } else if (reply.xid !== XID.ping) {
      const pending = this.#pending.get(reply.xid);
      this.#pending.delete(reply.xid);
      if (pending !== undefined) pending.resolve(reply);
      else this.#end(invalid(this.#server, 'an answer to no question'));
    }
  }

  /** S10: the granted time counts. After two thirds of it in silence a server is given up. */
  #expectWord(timeoutMs: number): void {
    this.#cancelDeadline();
    this.#cancelDeadline = this.#clock.after((2 * timeoutMs) / 3, () => {
      this.#end(unreachable(this.#server, 'it is silent'));
    });
  }

  #pingLater(timeoutMs: number): void {
    this.#cancelPing = this.#clock.after(timeoutMs / 3, () => {
      this.#socket.write(encodePing());
      this.#pingLater(timeoutMs);
    });
  }

  #end(error: DaemonError, expired = false): void {
    if (this.#ended) return;
    this.#release(error);
    this.#socket.destroy();
    this.#events.onEnd(error, expired);
  }

  #release(error: DaemonError): void {
    this.#ended = true;
    this.#cancelDeadline();
    this.#cancelPing();
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }
}
