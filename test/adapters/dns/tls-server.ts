import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { createSecureContext, createServer } from 'node:tls';
import type { SecureContext, TLSSocket, TlsOptions } from 'node:tls';
import { createForwarder } from '../../../src/adapters/dns/forwarder.ts';
import type { ForwardExchange, Forwarder } from '../../../src/adapters/dns/forwarder.ts';
import { FrameReader } from '../../../src/adapters/dns/frame-reader.ts';
import { DaemonError } from '../../../src/core/base/daemon-error.ts';
import type { TlsUpstream, UpstreamTls } from '../../../src/core/base/upstream.ts';
import { readMessage } from '../../support/dns-message.ts';
import { frame } from '../../support/dns-peer.ts';
import { ManualClock } from '../manual-clock.ts';
import type { Certificate } from '../mesos/certificates.ts';
import { DEADLINE_MS, QUERY, TIMEOUT_MS } from './forwarder-rig.ts';

/** One query as a server over TLS saw it. */
export interface TlsQuery {
  readonly message: Uint8Array;
  /** Number of its connection, from 0. */
  readonly connection: number;
  readonly socket: TLSSocket;
}

export type TlsScript = (query: TlsQuery, reply: (message: Uint8Array) => void) => void;

/** A resolver that follows a script, over TLS. */
export interface TlsServer {
  readonly received: readonly TlsQuery[];
  /** Handshakes that were finished; each with what the client had asked for. */
  readonly connections: readonly {
    readonly alpn: string | false | null;
    readonly name: string;
    readonly resumed: boolean;
  }[];
  /** Connections that are open now. */
  readonly open: ReadonlySet<TLSSocket>;
  script: TlsScript;
  readonly at: (tls: Partial<UpstreamTls>) => TlsUpstream;
}

/** Closed after the test. */
export async function openTlsServer(
  t: TestContext,
  { cert, key }: Certificate,
  script: TlsScript,
  options: TlsOptions = {},
): Promise<TlsServer> {
  const received: TlsQuery[] = [];
  const connections: TlsServer['connections'][number][] = [];
  const open = new Set<TLSSocket>();
  const server = createServer({ cert, key, ALPNProtocols: ['dot'], ...options }, (socket) => {
    const connection = connections.length;
    const name: unknown = 'servername' in socket ? socket.servername : '';
    connections.push({
      alpn: socket.alpnProtocol,
      name: typeof name === 'string' ? name : '',
      resumed: socket.isSessionReused(),
    });
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    socket.on('error', () => undefined);
    const reader = new FrameReader();
    socket.on('data', (chunk: Buffer) => {
      reader.push(chunk);
      for (let message = reader.next(); message !== null; message = reader.next()) {
        const query = { message: new Uint8Array(message), connection, socket };
        received.push(query);
        opened.script(query, (reply) => {
          if (socket.writable) socket.write(frame(reply));
        });
      }
    });
  });
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  const bound = server.address();
  const port = bound !== null && typeof bound === 'object' ? bound.port : 0;
  const at: TlsServer['at'] = (tls) => ({
    address: '127.0.0.1',
    port,
    tls: { name: null, pins: [], ...tls },
  });
  const opened = { received, connections, open, script, at };
  return opened;
}

/** A forwarder that trusts one authority. */
export interface TlsRig {
  readonly forwarder: Forwarder;
  readonly clock: ManualClock;
  readonly exchanges: readonly ForwardExchange[];
  /** `to: advice` of upstreams that could not prove who they are. */
  readonly distrusted: readonly string[];
  /** Rcode and number of records, or the text of the error. */
  readonly outcome: (upstream: TlsUpstream, query?: Uint8Array) => Promise<string>;
}

export function openTlsRig(
  t: TestContext,
  authority: Certificate,
  secureContext: () => SecureContext = () =>
    createSecureContext({ ca: authority.cert, minVersion: 'TLSv1.2' }),
): TlsRig {
  const clock = new ManualClock();
  const exchanges: ForwardExchange[] = [];
  const distrusted: string[] = [];
  const forwarder = createForwarder({
    policy: 'sequential',
    timeoutMs: TIMEOUT_MS,
    clock,
    secureContext,
    onExchange: (exchange) => exchanges.push(exchange),
    onDistrust: (to, advice) => distrusted.push(`${to}: ${advice}`),
  });
  t.after(() => {
    forwarder.close();
    if (clock.pending > 0) throw new Error('a timer is left behind');
  });
  const outcome: TlsRig['outcome'] = async (upstream, query = QUERY) => {
    try {
      const reply = readMessage(await forwarder.ask(query, [upstream], DEADLINE_MS));
      return `rcode ${reply.rcode}, ${reply.answer.length} records`;
    } catch (error) {
      if (!(error instanceof DaemonError)) throw error;
      return error.message.replace(/^tls:\/\/127\.0\.0\.1:\d+: /, '');
    }
  };
  return { forwarder, clock, exchanges, distrusted, outcome };
}

/** The pin of a certificate's key, made another way than ours. */
export function pinOf({ cert }: Certificate): string {
  const spki = new X509Certificate(cert).publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(spki).digest('base64');
}
