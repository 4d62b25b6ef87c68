import { connect } from 'node:tls';
import type { SecureContext, TLSSocket } from 'node:tls';
import type { TlsUpstream } from '../../core/base/upstream.ts';
import { writeU16 } from '../../core/dns/wire.ts';
import type { Clock } from '../../core/ports.ts';
import { FrameReader } from './frame-reader.ts';
import { systemErrorCode } from './listen-failure.ts';
import { handshakeFailure, pinFailure } from './tls-trust.ts';
import type { ConnectionFailure } from './tls-trust.ts';

/**
 * Three round trips on the slowest path and a server that is busy; who waits for the first answer has
 * given up by then, but the next one finds the connection there.
 */
const CONNECT_MS = 4_000;

export interface TlsConnectionParts {
  readonly clock: Clock;
  /** With the certificates that are trusted, and TLS 1.2 at least (RFC 9325 §3.1.1). */
  readonly secureContext: SecureContext;
  /** Of an earlier connection to the same upstream. */
  readonly session: Buffer | null;
}

/** What happens on a connection; `onEnd` is the last, and once, and not if we end it. */
export interface TlsConnectionEvents {
  /** The server has proved who it is; from now on messages may be sent. */
  onOpen(): void;
  onMessage(message: Uint8Array): void;
  /** A ticket with which the next connection needs no certificate. */
  onSession(session: Buffer): void;
  onEnd(failure: ConnectionFailure): void;
}

/**
 * One connection to an upstream that must prove who it is before it is told anything (RFC 8310 §5,
 * strict). A session is resumed only with the server that proved it when the session began.
 */
export class TlsConnection {
  readonly #socket: TLSSocket;
  readonly #upstream: TlsUpstream;
  readonly #events: TlsConnectionEvents;
  readonly #reader = new FrameReader();
  readonly #cancelDeadline: () => void;
  /** Came before the server had proved who it is (TLS 1.2). */
  #earlySession: Buffer | null = null;
  #isOpen = false;
  #isOver = false;

  constructor(upstream: TlsUpstream, parts: TlsConnectionParts, events: TlsConnectionEvents) {
    this.#upstream = upstream;
    this.#events = events;
    const { address, port, tls } = upstream;
    const { clock, secureContext, session } = parts;
    this.#socket = connect({
      host: address,
      port,
      servername: tls.name ?? '',
      // Without a name nothing but the key can be checked, which `#secured` does. Said in both cases,
      // as otherwise NODE_TLS_REJECT_UNAUTHORIZED would have a say.
      rejectUnauthorized: tls.name !== null,
      ALPNProtocols: ['dot'],
      secureContext,
      ...(session === null ? {} : { session }),
    });
    this.#cancelDeadline = clock.after(CONNECT_MS, () =>
      this.#end({ failure: 'unreachable', detail: 'ETIMEDOUT' }),
    );
    this.#socket.setNoDelay(true);
    this.#listen();
  }

  /** Sends a message; only after `onOpen`. */
  send(message: Uint8Array): void {
    const frame = Buffer.allocUnsafe(2 + message.length);
    writeU16(frame, 0, message.length);
    frame.set(message, 2);
    this.#socket.write(frame);
  }

  /** Nobody wants anything any more: says good-bye, and is gone even if nobody hears it. */
  leave(): void {
    if (this.#isOver) return;
    this.#finish();
    this.#socket.unref();
    this.#socket.end(() => this.#socket.destroy());
  }

  destroy(): void {
    this.#finish();
    this.#socket.destroy();
  }

  #listen(): void {
    this.#socket.on('secureConnect', () => this.#secured());
    this.#socket.on('session', (session) => {
      if (this.#isOpen && !this.#isOver) this.#events.onSession(session);
      else this.#earlySession = session;
    });
    this.#socket.on('data', (chunk: Buffer) => this.#read(chunk));
    this.#socket.on('error', (error) => {
      const { name } = this.#upstream.tls;
      if (this.#isOpen) this.#end({ failure: 'disconnected', detail: systemErrorCode(error) });
      else this.#end(handshakeFailure(error, name));
    });
    this.#socket.on('close', () => {
      this.#end({ failure: this.#isOpen ? 'disconnected' : 'unreachable', detail: '' });
    });
  }

  #secured(): void {
    if (this.#isOver) return;
    // Node has checked chain and name, if there is a name. A resumed session comes without certificate:
    // that the server knows its secret shows that it is the one that was checked when it began.
    const failure = this.#socket.isSessionReused()
      ? null
      : pinFailure(this.#socket, this.#upstream.tls.pins);
    if (failure !== null) {
      this.#end(failure);
      return;
    }
    this.#isOpen = true;
    this.#cancelDeadline();
    if (this.#earlySession !== null) this.#events.onSession(this.#earlySession);
    this.#events.onOpen();
  }

  #read(chunk: Uint8Array): void {
    if (!this.#isLive()) return;
    this.#reader.push(chunk);
    for (let message = this.#reader.next(); message !== null; message = this.#reader.next()) {
      this.#events.onMessage(message);
      if (!this.#isLive()) return;
    }
  }

  #isLive(): boolean {
    return this.#isOpen && !this.#isOver;
  }

  #end(failure: ConnectionFailure): void {
    if (this.#isOver) return;
    this.destroy();
    this.#events.onEnd(failure);
  }

  #finish(): void {
    this.#isOver = true;
    this.#cancelDeadline();
  }
}
