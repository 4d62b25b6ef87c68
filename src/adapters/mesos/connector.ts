import { connect as connectTcp, isIP } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { SecureContext } from 'node:tls';
import type { buildConnector } from 'undici';
import type { Clock } from '../../core/ports.ts';

/** Opens sockets for undici and owns them until they are open. */
export interface Connector {
  readonly connect: buildConnector.connector;
  /** Ends every attempt under way; without it a silent peer would hold the process. */
  close(): void;
}

/** How connections are opened. */
export interface ConnectorOptions {
  readonly clock: Clock;
  /** Time for name lookup, TCP and TLS together. */
  readonly timeoutMs: number;
  /** Called for https only, so that plain HTTP never reads the system's roots. */
  readonly secureContext: () => SecureContext;
}

/** Next address of a name after this time; Node's 250 ms gives up on masters that are far away. */
const NEXT_ADDRESS_MS = 2_000;

function open(
  { protocol, hostname, port }: buildConnector.Options,
  secureContext: () => SecureContext,
): Socket {
  const address = {
    host: hostname,
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: NEXT_ADDRESS_MS,
  };
  if (protocol !== 'https:') return connectTcp({ ...address, port: Number(port || 80) });
  return connectTls({
    ...address,
    port: Number(port || 443),
    secureContext: secureContext(),
    // Explicit, so that NODE_TLS_REJECT_UNAUTHORIZED=0 in the environment changes nothing.
    rejectUnauthorized: true,
    ALPNProtocols: ['http/1.1'],
    // RFC 6066 §3: server names are never addresses.
    ...(isIP(hostname) === 0 ? { servername: hostname } : {}),
  });
}

/** Connector with a time limit and verified TLS; failures reach undici as errors with a `code`. */
export function createConnector(options: ConnectorOptions): Connector {
  const opening = new Map<Socket, (error: Error) => void>();

  function connect(target: buildConnector.Options, callback: buildConnector.Callback): void {
    let socket: Socket;
    try {
      socket = open(target, options.secureContext);
    } catch (error) {
      callback(error as Error, null);
      return;
    }
    const settle = (error: Error | null): void => {
      if (!opening.delete(socket)) return;
      cancelTimer();
      if (error === null) {
        callback(null, socket);
      } else {
        socket.destroy();
        callback(error, null);
      }
    };
    opening.set(socket, settle);
    const cancelTimer = options.clock.after(options.timeoutMs, () =>
      settle(Object.assign(new Error('connect timeout'), { code: 'ETIMEDOUT' })),
    );
    socket.setNoDelay(true);
    socket.once(target.protocol === 'https:' ? 'secureConnect' : 'connect', () => settle(null));
    socket.on('error', settle);
    socket.once('close', () => settle(new Error('closed while connecting')));
  }

  return {
    connect,
    close: () => {
      for (const settle of [...opening.values()]) settle(new Error('closed by us'));
    },
  };
}
