import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { HttpLimits } from './limits.ts';

/** What lies in memory for clients that have not read it yet. */
export interface BacklogSize {
  /** Requests whose answer is not delivered. */
  readonly requests: number;
  /** Bytes of large bodies; one that several answers share counts once. */
  readonly bytes: number;
}

/** Bounds what clients can pile up by asking without reading. */
export interface Backlog {
  /** Starts to count requests; cuts connections that pipeline too many. */
  watch(server: Server): void;
  /** Counts `body` until `response` is delivered or cut; false: there is no room for it now. */
  hold(response: ServerResponse, body: Buffer): boolean;
  size(): BacklogSize;
}

type BacklogLimits = Pick<
  HttpLimits,
  'requestsInFlightMax' | 'smallBodyBytesMax' | 'undeliveredBytesMax'
>;

/** The large bodies that are not delivered; each counts once, however many answers share it. */
interface Bodies {
  /** false: there is no room for it now. */
  add(body: Buffer): boolean;
  release(body: Buffer): void;
  bytes(): number;
}

function createBodies(bytesMax: number): Bodies {
  const holders = new Map<Buffer, number>();
  let bytes = 0;
  return {
    add(body) {
      const sharing = holders.get(body) ?? 0;
      if (sharing === 0) {
        // One that is larger than the limit goes out alone; otherwise nobody could have it.
        if (bytes > 0 && bytes + body.length > bytesMax) return false;
        bytes += body.length;
      }
      holders.set(body, sharing + 1);
      return true;
    },
    release(body) {
      const left = (holders.get(body) ?? 0) - 1;
      if (left > 0) {
        holders.set(body, left);
      } else if (holders.delete(body)) {
        bytes -= body.length;
      }
    },
    bytes: () => bytes,
  };
}

/** The undelivered answers of one connection; null until an answer has a large body. */
type Answers = Map<ServerResponse, Buffer | null>;

/** A backlog that is empty; `watch` it before the server's requests are handled. */
export function createBacklog(limits: BacklogLimits): Backlog {
  const connections = new Map<Socket, Answers>();
  const bodies = createBodies(limits.undeliveredBytesMax);

  const settle = (answers: Answers, response: ServerResponse): void => {
    const body = answers.get(response);
    answers.delete(response);
    if (body) bodies.release(body);
  };

  const answersOn = (socket: Socket): Answers => {
    const known = connections.get(socket);
    if (known !== undefined) return known;
    const answers: Answers = new Map();
    connections.set(socket, answers);
    // Answers that wait behind another one are not told that their connection is gone.
    socket.once('close', () => {
      connections.delete(socket);
      for (const response of answers.keys()) settle(answers, response);
    });
    return answers;
  };

  const begin = ({ socket }: IncomingMessage, response: ServerResponse): void => {
    // What was read together with the request that got the connection cut still comes here.
    if (socket.destroyed) return;
    const answers = answersOn(socket);
    if (answers.size >= limits.requestsInFlightMax) {
      // Not 503: Node would go on making an answer for each request that it has read.
      socket.destroy();
      return;
    }
    answers.set(response, null);
    response.once('close', () => settle(answers, response));
  };

  return {
    watch: (server) => void server.prependListener('request', begin),
    hold(response, body) {
      if (body.length <= limits.smallBodyBytesMax) return true;
      const answers = connections.get(response.req.socket);
      // The client has gone while its answer was made: nothing will be kept for it.
      if (answers?.get(response) !== null) return true;
      if (!bodies.add(body)) return false;
      answers.set(response, body);
      return true;
    },
    size() {
      let requests = 0;
      for (const answers of connections.values()) requests += answers.size;
      return { requests, bytes: bodies.bytes() };
    },
  };
}
