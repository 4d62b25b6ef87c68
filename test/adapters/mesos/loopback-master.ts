import assert from 'node:assert/strict';
import { createServer as createHttpServer } from 'node:http';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { ServerOptions } from 'node:https';
import { readFileSync } from 'node:fs';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { TestContext } from 'node:test';
import { createMasterClient, loadMasterFiles } from '../../../src/adapters/mesos/master-client.ts';
import type {
  MasterClient,
  MasterClientOptions,
  MasterFiles,
  StateBody,
} from '../../../src/adapters/mesos/master-client.ts';
import { DaemonError } from '../../../src/core/base/daemon-error.ts';
import type { ErrorCode } from '../../../src/core/base/daemon-error.ts';
import type { ClusterConfig, HostPort } from '../../../src/core/config/config.ts';
import { projectPath } from '../../support/project.ts';
import { ManualClock } from '../manual-clock.ts';

export const STATE = '{"frameworks":[],"slaves":[]}';

/** A signal that never aborts. */
export const NEVER: AbortSignal = new AbortController().signal;

/** For `skip`: false, or why a server on ::1 cannot be had here. */
export const lacksIpv6: string | false = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .some(({ address }) => address === '::1')
  ? false
  : 'needs ::1; enable with: sysctl net.ipv6.conf.lo.disable_ipv6=0';

async function listen(t: TestContext, server: Server, host: string): Promise<HostPort> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  t.after(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return { host, port: (server.address() as AddressInfo).port };
}

/** A master that is an HTTP server on a port of its own. */
export interface LoopbackMaster extends HostPort {
  /** Requests so far, the oldest first. */
  readonly requests: IncomingMessage[];
}

/** Starts an HTTP (or with `tls` HTTPS) server that ends with the test. */
export async function startMaster(
  t: TestContext,
  answer: RequestListener,
  { host = '127.0.0.1', tls }: { host?: string; tls?: ServerOptions } = {},
): Promise<LoopbackMaster> {
  const requests: IncomingMessage[] = [];
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    requests.push(request);
    answer(request, response);
  };
  const server = tls === undefined ? createHttpServer(listener) : createHttpsServer(tls, listener);
  server.on('tlsClientError', () => undefined);
  return { ...(await listen(t, server, host)), requests };
}

/** A master whose bytes are made by hand: called with the socket once a whole request has come. */
export async function startRawMaster(
  t: TestContext,
  answer: (socket: Socket) => void,
): Promise<HostPort> {
  const server = createTcpServer((socket) => {
    let request = '';
    socket.on('data', (bytes) => {
      request += bytes.toString('latin1');
      const headEnd = request.indexOf('\r\n\r\n') + 4;
      const bodyLength = Number(/^content-length: (\d+)/im.exec(request)?.[1] ?? 0);
      if (headEnd < 4 || request.length < headEnd + bodyLength) return;
      request = '';
      answer(socket);
    });
  });
  return listen(t, server, '127.0.0.1');
}

/** A server that accepts connections and never says a word; `accepted` resolves at the first. */
export async function startSilentServer(
  t: TestContext,
): Promise<HostPort & { accepted: Promise<Socket> }> {
  let accept: (socket: Socket) => void;
  const accepted = new Promise<Socket>((resolve) => (accept = resolve));
  const server = createTcpServer((socket) => {
    socket.resume();
    accept(socket);
  });
  return { ...(await listen(t, server, '127.0.0.1')), accepted };
}

/** Bytes of a recorded response of a real master, head and body. */
export function recordedResponse(name: string): Buffer {
  return readFileSync(projectPath(`test/fixtures/mesos-master/${name}.http`));
}

/** The same, with the recorded leader's address replaced by another. */
export function recordedRedirect(name: string, leader: HostPort): Buffer {
  const text = recordedResponse(name).toString('latin1');
  return Buffer.from(text.replace('127.0.0.1:15050', `${leader.host}:${leader.port}`), 'latin1');
}

/** Configuration with sensible values for tests. */
export function clusterConfig(changes: Partial<ClusterConfig> = {}): ClusterConfig {
  return {
    masters: [{ host: '127.0.0.1', port: 5050 }],
    zookeeper: null,
    events: { follow: 'auto', agentsMax: 500 },
    trust: { lossShare: 0.2, holdMs: 600_000 },
    servicesFile: null,
    savedState: null,
    marathon: null,
    pollIntervalMs: 30_000,
    requestTimeoutMs: 60_000,
    stateBytesMax: 1_000_000,
    tls: null,
    auth: { kind: 'none' },
    ...changes,
  };
}

/** The files that the configuration names, which are good. */
export function goodFiles(config: ClusterConfig): MasterFiles {
  const files = loadMasterFiles(config);
  assert.ok(files.ok);
  return files.value;
}

/** A client with a clock that stands still, closed at the end of the test. */
export function startClient(
  t: TestContext,
  changes: Partial<ClusterConfig> = {},
  options: Partial<MasterClientOptions> = {},
): MasterClient {
  const config = clusterConfig(changes);
  const client = createMasterClient(config, {
    files: goodFiles(config),
    clock: new ManualClock(),
    userAgent: 'hoplite/0.0.0',
    ...options,
  });
  t.after(() => client.close());
  return client;
}

/** The body as text. */
export function textOf({ chunks }: StateBody): string {
  return Buffer.concat(chunks).toString('utf8');
}

/** For `assert.rejects`: a `DaemonError` with this code and a message that matches. */
export function daemonError(code: ErrorCode, message: RegExp): (error: unknown) => boolean {
  return (error) =>
    error instanceof DaemonError && error.code === code && message.test(error.message);
}

/** A promise with its way to be fulfilled. */
export function deferred<T = void>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((fulfil) => (resolve = fulfil));
  return { promise, resolve };
}
