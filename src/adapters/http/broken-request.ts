import { STATUS_CODES } from 'node:http';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/** Statuses of Node's parser errors; everything else is 400. */
const STATUS_BY_CODE: ReadonlyMap<string, number> = new Map([
  ['HPE_HEADER_OVERFLOW', 431],
  ['HPE_CHUNK_EXTENSIONS_OVERFLOW', 413],
  ['ERR_HTTP_REQUEST_TIMEOUT', 408],
]);

/** Answers bytes that are not an HTTP request, or do not become one in time. */
export interface BrokenRequestHandler {
  /** Starts to count which connections have an answer under way. */
  watch(server: Server): void;
  /** For Node's `clientError`. Returns the status that was sent, null if nothing could be. */
  handle(error: Error & { code?: string }, socket: Socket): number | null;
}

/**
 * Answers on the bare socket and closes it. If an earlier, pipelined request is still being
 * answered there, our text would be taken for that answer, so the connection is cut instead.
 */
export function createBrokenRequestHandler(lingerMs: number): BrokenRequestHandler {
  const answering = new WeakMap<Socket, number>();
  const refused = new WeakSet<Socket>();
  const count = (socket: Socket, change: number): void => {
    answering.set(socket, (answering.get(socket) ?? 0) + change);
  };
  return {
    watch(server) {
      server.prependListener('request', (request, response) => {
        const { socket } = request;
        count(socket, 1);
        response.once('close', () => count(socket, -1));
      });
    },
    handle(error, socket) {
      // What a refused client goes on sending is broken too; it may still read our answer.
      if (refused.has(socket)) return null;
      if (!socket.writable || (answering.get(socket) ?? 0) > 0) {
        socket.destroy();
        return null;
      }
      refused.add(socket);
      const status = STATUS_BY_CODE.get(error.code ?? '') ?? 400;
      const body = `${status}: ${STATUS_CODES[status] ?? ''}`;
      socket.end(
        `HTTP/1.1 ${body.replace(':', '')}\r\nContent-Type: text/plain; charset=utf-8\r\n` +
          `Content-Length: ${body.length}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n${body}`,
      );
      // Destroying at once would reset the connection, and the client lose the answer.
      const linger = setTimeout(() => socket.destroy(), lingerMs);
      socket.once('close', () => clearTimeout(linger));
      return status;
    },
  };
}
