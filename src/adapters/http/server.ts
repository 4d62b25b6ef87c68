import { once } from 'node:events';
import type { Server } from 'node:http';
import { DaemonError } from '../../core/base/daemon-error.ts';
import type { HostPort, SocketAddress } from '../../core/config/config.ts';
import type { ApiSource, Log } from '../../core/ports.ts';
import { createApplication } from './application.ts';
import { createBacklog } from './backlog.ts';
import type { BacklogSize } from './backlog.ts';
import { HTTP_LIMITS } from './limits.ts';
import type { HttpLimits } from './limits.ts';
import { createLineStreams } from './line-streams.ts';
import type { HttpMetrics } from './route.ts';
import { createViewGate } from './view-gate.ts';
import type { WatchHub } from './watch-hub.ts';

export interface HttpServerOptions {
  readonly source: ApiSource;
  readonly metrics: HttpMetrics;
  readonly log: Log;
  /** Version of hoplite, for `/v1/version` and the OpenAPI document. */
  readonly version: string;
  readonly listen: HostPort;
  /** Body of `/v1/config`. */
  readonly configView: () => Record<string, unknown>;
  /** Whom `/v1/watch` serves; the server closes it. Absent: nobody. */
  readonly watch?: WatchHub;
  /** Other limits than `HTTP_LIMITS`; for tests. */
  readonly limits?: Partial<HttpLimits>;
}

/** The HTTP API on one address. Listens once and closes once. */
export interface HttpServer {
  /** Resolves with the address in use; rejects with `DaemonError` `listen-failed`. */
  listen(): Promise<SocketAddress>;
  /**
   * Takes no more connections, lets answers under way finish, and cuts what is left after
   * `deadlineMs`. Resolves when nothing is open any more; never rejects.
   */
  close(deadlineMs: number): Promise<void>;
  /** What clients have asked for and not read yet. */
  backlog(): BacklogSize;
}

const CHANGE_ADDRESS =
  'change `http.listen` in the configuration (`HTTPListener` and `httpport` in a Mesos-DNS file)';

/** What to do about each reason that the system gives for not listening. */
function listenAdvice(code: string | undefined, { host, port }: HostPort): string {
  switch (code) {
    case 'EADDRINUSE':
      return (
        `another program has it: find it with \`ss -ltnp 'sport = :${port}'\` and stop it, ` +
        `or ${CHANGE_ADDRESS}`
      );
    case 'EACCES':
      return (
        `port ${port} needs a privilege: give the service CAP_NET_BIND_SERVICE, ` +
        `or take a port from 1024 up; ${CHANGE_ADDRESS}`
      );
    case 'EADDRNOTAVAIL':
      return `no interface of this node has the address ${host}; ${CHANGE_ADDRESS}`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the name ${host} does not resolve; take an address: ${CHANGE_ADDRESS}`;
    default:
      return `the system says ${code ?? 'nothing more'}; ${CHANGE_ADDRESS}`;
  }
}

function listenError(cause: unknown, listen: HostPort): DaemonError {
  const code =
    cause instanceof Error && 'code' in cause && typeof cause.code === 'string'
      ? cause.code
      : undefined;
  const shown = listen.host.includes(':') ? `[${listen.host}]` : listen.host;
  return new DaemonError(
    'listen-failed',
    `cannot serve HTTP on ${shown}:${listen.port}: ${listenAdvice(code, listen)}`,
    { cause },
  );
}

function addressOf(server: Server): SocketAddress {
  const address = server.address();
  if (address === null || typeof address === 'string') return { address: '', port: 0 };
  return { address: address.address, port: address.port };
}

/** Creates the HTTP API; nothing is open before `listen()`. */
export function createHttpServer(options: HttpServerOptions): HttpServer {
  const { source, metrics, log, version, configView, watch = null } = options;
  const limits = { ...HTTP_LIMITS, ...options.limits };
  const backlog = createBacklog(limits);
  const streams = createLineStreams(limits, log);
  const views = createViewGate(source, limits, log);
  let closed: Promise<void> | null = null;
  const app = createApplication({
    api: { source, views, metrics, watch, version, configView },
    limits,
    log,
    backlog,
    streams,
    isClosing: () => closed !== null,
  });
  const { server } = app;

  const shutDown = async (deadlineMs: number): Promise<void> => {
    streams.close();
    watch?.close();
    if (server.listening) {
      const stopped = once(server, 'close');
      server.close();
      const deadline = setTimeout(() => server.closeAllConnections(), deadlineMs);
      await stopped;
      clearTimeout(deadline);
    }
    views.close();
    await app.close();
  };

  return {
    async listen() {
      await app.ready();
      // Not app.listen(): for `localhost` that opens a second server, which has none of our limits.
      server.listen({ host: options.listen.host, port: options.listen.port });
      try {
        await once(server, 'listening');
      } catch (cause) {
        throw listenError(cause, options.listen);
      }
      // Such as no file descriptor left for a connection: that one is lost, the server is not.
      server.on('error', (error) => log.warn('http-accept-failed', { err: error }));
      return addressOf(server);
    },
    backlog: () => backlog.size(),
    close: (deadlineMs) => (closed ??= shutDown(deadlineMs)),
  };
}
