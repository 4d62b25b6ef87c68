import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ClusterChange, LiveCluster } from './live-cluster.ts';

/** As real masters do (DEFAULT_HEARTBEAT_INTERVAL). */
const HEARTBEAT_MS = 15_000;

/** A leading master of a cluster, with one subscriber or none. */
export interface LiveMaster {
  /** `host:port` */
  readonly address: string;
  /** States that it has sent, and when it was asked for the last one, as `performance.now()`. */
  polls(): { readonly count: number; readonly askedAt: number };
  /** Resolves when somebody has subscribed. */
  readonly subscribed: Promise<void>;
  /** Writes the events of a change; nanoseconds of `process.hrtime` at which it did. */
  tell(change: ClusterChange): bigint;
  close(): void;
}

/** Starts it: `/master/state`, and `/api/v1` for those who subscribe. */
export async function startLiveMaster(cluster: LiveCluster): Promise<LiveMaster> {
  let stream: ServerResponse | null = null;
  let [count, askedAt] = [0, 0];
  const write = (...texts: readonly string[]): void => {
    // Events of one moment come in one piece of the body, as from a real master.
    stream?.write(texts.map((text) => `${Buffer.byteLength(text)}\n${text}`).join(''));
  };
  const server = createServer((request, response) => {
    response.on('error', () => undefined);
    request.resume();
    if (request.method === 'POST') {
      stream = response;
      response.writeHead(200, { 'content-type': 'application/json' });
      // Nagle's algorithm would keep an event back until the last one is acknowledged.
      response.socket?.setNoDelay(true);
      write(cluster.subscribedText(), HEARTBEAT);
      server.emit('subscribed');
      return;
    }
    askedAt = performance.now();
    count++;
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(cluster.stateText(address));
  }).listen(0, '127.0.0.1');
  const subscribed = once(server, 'subscribed').then(() => undefined);
  await once(server, 'listening');
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const heartbeat = setInterval(() => write(HEARTBEAT), HEARTBEAT_MS);
  return {
    address,
    polls: () => ({ count, askedAt }),
    subscribed,
    tell({ events }) {
      if (stream === null) throw new Error('nobody has subscribed');
      const at = process.hrtime.bigint();
      write(...events);
      return at;
    },
    close() {
      clearInterval(heartbeat);
      server.closeAllConnections();
      server.close();
    },
  };
}

const HEARTBEAT = JSON.stringify({ type: 'HEARTBEAT' });
