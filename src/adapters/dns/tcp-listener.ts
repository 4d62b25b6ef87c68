import { createServer, isIPv6 } from 'node:net';
import type { Server, Socket } from 'node:net';
import { assert } from '../../core/base/assert.ts';
import type { SocketAddress } from '../../core/config/config.ts';
import type { Clock } from '../../core/ports.ts';
import { ConnectionBudget } from './connection-budget.ts';
import type { Refusal } from './connection-budget.ts';
import { listenFailure } from './listen-failure.ts';
import type { QueryHandler } from './query-handler.ts';
import { TcpConnection } from './tcp-connection.ts';
import type { CloseReason, TcpTally } from './tcp-connection.ts';
import { TCP_LIMITS, assertTcpLimits } from './tcp-limits.ts';
import type { TcpLimits } from './tcp-limits.ts';

/** How often time limits are checked: one timer for all connections, none while there are none. */
const SWEEP_MS = 250;

/** Counts since the listener was opened; `open` is now. */
export interface TcpStats {
  readonly open: number;
  readonly accepted: number;
  readonly refused: Readonly<Record<Refusal, number>>;
  readonly closed: Readonly<Record<CloseReason, number>>;
  readonly queries: number;
  readonly answers: number;
  /** Messages that are no queries: shorter than a header, or responses. */
  readonly ignored: number;
  /** Failures to accept, such as EMFILE. */
  readonly acceptErrors: number;
}

export interface TcpListenerOptions {
  readonly clock: Clock;
  /** Told of failures to accept; the listener goes on. */
  readonly onError?: (error: Error) => void;
  readonly limits?: Partial<TcpLimits>;
  /** Shared by listeners whose connections count together; default: one of its own. */
  readonly budget?: ConnectionBudget;
}

/** One listening TCP socket and its connections. */
export interface TcpListener {
  /** As bound, with the port that the kernel chose if 0 was asked for. */
  readonly address: SocketAddress;
  stats(): TcpStats;
  /**
   * Accepts and reads nothing more, lets queries under way be answered for up to `graceMs`, then
   * cuts what is left. Resolves when every socket is closed.
   */
  close(graceMs: number): Promise<void>;
}

/**
 * Listens on one numeric address. Rejects with `listen-failed`. Handler errors are not caught: they
 * are broken invariants.
 */
export async function openTcpListener(
  address: SocketAddress,
  handler: QueryHandler,
  options: TcpListenerOptions,
): Promise<TcpListener> {
  // A client may half-close after its queries and still gets its answers (RFC 7766 §6.2.4).
  const server = createServer({ allowHalfOpen: true, noDelay: true });
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      const { address: host, port } = address;
      server.listen({ host, port, ipv6Only: true, exclusive: true }, () => {
        server.off('error', reject);
        resolve();
      });
    });
  } catch (error) {
    throw listenFailure('tcp', address, error);
  }
  return new ListeningTcp(server, handler, options);
}

class ListeningTcp implements TcpListener {
  readonly address: SocketAddress;
  readonly #server: Server;
  readonly #handler: QueryHandler;
  readonly #clock: Clock;
  readonly #limits: TcpLimits;
  readonly #budget: ConnectionBudget;
  readonly #connections = new Set<TcpConnection>();
  readonly #tally: TcpTally = { queries: 0, answers: 0, ignored: 0 };
  readonly #refused: Record<Refusal, number> = { total: 0, 'per-client': 0 };
  readonly #closed: Record<CloseReason, number> = {
    client: 0,
    reset: 0,
    idle: 0,
    'no-query': 0,
    'slow-message': 0,
    'not-reading': 0,
    unanswered: 0,
    'empty-message': 0,
    shutdown: 0,
  };
  #accepted = 0;
  #acceptErrors = 0;
  #cancelSweep: (() => void) | null = null;
  #closing: Promise<void> | null = null;

  constructor(server: Server, handler: QueryHandler, options: TcpListenerOptions) {
    this.#server = server;
    this.#handler = handler;
    this.#clock = options.clock;
    this.#limits = { ...TCP_LIMITS, ...options.limits };
    assertTcpLimits(this.#limits);
    this.#budget = options.budget ?? new ConnectionBudget(this.#limits.connections);
    const bound = server.address();
    assert(bound !== null && typeof bound === 'object', 'the server listens on an IP address');
    this.address = { address: bound.address, port: bound.port };
    server.on('connection', (socket) => this.#accept(socket));
    server.on('error', (error) => {
      this.#acceptErrors++;
      options.onError?.(error);
    });
  }

  stats(): TcpStats {
    return {
      open: this.#connections.size,
      accepted: this.#accepted,
      refused: { ...this.#refused },
      closed: { ...this.#closed },
      ...this.#tally,
      acceptErrors: this.#acceptErrors,
    };
  }

  close(graceMs: number): Promise<void> {
    this.#closing ??= this.#shutDown(graceMs);
    return this.#closing;
  }

  async #shutDown(graceMs: number): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const connection of this.#connections) connection.close('shutdown');
    const cancelCut = this.#clock.after(graceMs, () => {
      for (const connection of this.#connections) connection.destroy('shutdown');
    });
    await closed;
    cancelCut();
    this.#cancelSweep?.();
    this.#cancelSweep = null;
  }

  #accept(socket: Socket): void {
    const { remoteAddress, remotePort } = socket;
    if (remoteAddress === undefined || remotePort === undefined || this.#closing !== null) {
      // The client has left already, or we are leaving.
      socket.destroy();
      return;
    }
    const refusal = this.#budget.admit(remoteAddress);
    if (refusal !== null) {
      this.#refused[refusal]++;
      // A reset leaves nothing behind; a FIN would keep state in the kernel for a minute.
      socket.on('error', () => undefined);
      socket.resetAndDestroy();
      return;
    }
    this.#accepted++;
    const family = isIPv6(remoteAddress) ? 6 : 4;
    const connection = new TcpConnection(socket, {
      client: { protocol: 'tcp', family, address: remoteAddress, port: remotePort },
      handler: this.#handler,
      limits: this.#limits,
      clock: this.#clock,
      tally: this.#tally,
      onClosed: (reason) => {
        this.#connections.delete(connection);
        this.#budget.release(remoteAddress);
        this.#closed[reason]++;
      },
    });
    this.#connections.add(connection);
    this.#cancelSweep ??= this.#clock.after(SWEEP_MS, () => this.#sweep());
  }

  #sweep(): void {
    const { crowdedLoad, crowdedIdleMs, idleMs } = this.#limits;
    const now = this.#clock.monotonic();
    const allowedIdleMs = this.#budget.load > crowdedLoad ? crowdedIdleMs : idleMs;
    for (const connection of this.#connections) connection.expire(now, allowedIdleMs);
    this.#cancelSweep =
      this.#connections.size > 0 ? this.#clock.after(SWEEP_MS, () => this.#sweep()) : null;
  }
}
