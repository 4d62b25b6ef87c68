import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { formatHostPort } from '../../src/core/base/host-port.ts';
import type { HostPort } from '../../src/core/config/config.ts';
import type { Cleanup } from './cleanup.ts';

/** What a master does with a request for its state. */
export type MasterAnswer = (request: IncomingMessage, response: ServerResponse) => void;

/** An HTTP server that plays a Mesos master; `answer` can be changed at any time. */
export interface ScriptedMaster extends HostPort {
  /** `host:port` */
  readonly text: string;
  /** The master's own libprocess id. */
  readonly pid: string;
  /** Requests so far, the oldest first. */
  readonly requests: readonly IncomingMessage[];
  answer: MasterAnswer;
  /** Ends every connection, those of requests that hang too. */
  drop(): void;
  close(): Promise<void>;
}

/** Starts a master that hangs until it is told what to answer; it ends with the test. */
export async function startMaster(t: Cleanup): Promise<ScriptedMaster> {
  const requests: IncomingMessage[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    requests.push(request);
    response.on('error', () => undefined);
    master.answer(request, response);
  });
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const host = '127.0.0.1';
  const { port } = server.address() as AddressInfo;
  const drop = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const master: ScriptedMaster = {
    host,
    port,
    text: formatHostPort({ host, port }),
    pid: `master@${host}:${port}`,
    requests,
    answer: hangs,
    drop,
    async close() {
      drop();
      if (server.listening) await once(server.close(), 'close');
    },
  };
  t.after(() => master.close());
  return master;
}

/** Takes the request and never says a word. */
export const hangs: MasterAnswer = () => undefined;

/** Ends the connection without an answer. */
export const cuts: MasterAnswer = (request) => request.socket.destroy();

/** Answers with a text. */
export function saysText(
  body: string | Buffer,
  status = 200,
  headers: Record<string, string> = {},
): MasterAnswer {
  return (_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body);
  };
}

/** Answers 200 with a value as JSON. */
export function says(state: unknown, status = 200): MasterAnswer {
  return saysText(JSON.stringify(state), status);
}

/** The same, compressed; of the compressed bytes the last `missing` are not sent. */
export function saysGzip(state: unknown, missing = 0): MasterAnswer {
  const bytes = gzipSync(JSON.stringify(state));
  return saysText(bytes.subarray(0, bytes.length - missing), 200, { 'content-encoding': 'gzip' });
}

/** Sends half of a state and ends the connection. */
export function cutsHalfWay(state: unknown): MasterAnswer {
  return (request, response) => {
    const body = Buffer.from(JSON.stringify(state));
    response.writeHead(200, { 'content-length': body.length });
    response.write(body.subarray(0, body.length / 2), () => request.socket.destroy());
  };
}

/** Sends half of a state and then nothing more. */
export function hangsHalfWay(state: unknown): MasterAnswer {
  return (_request, response) => {
    const body = Buffer.from(JSON.stringify(state));
    response.writeHead(200, { 'content-length': body.length });
    response.write(body.subarray(0, body.length / 2));
  };
}

/** Redirects as a Mesos master does that does not lead. */
export function redirects(to: HostPort): MasterAnswer {
  return (_request, response) => {
    response.writeHead(307, { location: `//${formatHostPort(to)}/master/state` }).end();
  };
}

/** A part of a state: any JSON, so that tests can break every rule of it. */
export type StatePart = Readonly<Record<string, unknown>>;

/** A state of a cluster whose leading master is `leader`, which answers it. */
export function clusterState(leader: { readonly pid: string }, parts: StatePart = {}): StatePart {
  const { pid } = leader;
  return { version: '1.11.0', pid, leader: pid, slaves: [agent(0)], frameworks: [], ...parts };
}

/** Agent `S<number>` at 10.0.0.<number + 1>. */
export function agent(number: number, parts: StatePart = {}): StatePart {
  const address = `10.0.0.${number + 1}`;
  return {
    id: `a1b2-S${number}`,
    hostname: address,
    pid: `slave(1)@${address}:5051`,
    active: true,
    ...parts,
  };
}

/** An HTTP framework, which has no pid. */
export function framework(
  name: string,
  tasks: readonly StatePart[],
  parts: StatePart = {},
): StatePart {
  return { id: `fw-${name}`, name, active: true, hostname: '10.0.0.100', tasks, ...parts };
}

/** A running task on agent `S0` that has one host port. */
export function task(name: string, parts: StatePart = {}): StatePart {
  return {
    id: `${name}.1`,
    name,
    slave_id: 'a1b2-S0',
    state: 'TASK_RUNNING',
    resources: { ports: '[31000-31000]' },
    statuses: [{ state: 'TASK_RUNNING', timestamp: 1_500_000_000 }],
    ...parts,
  };
}

/** `statuses` of a task whose container has addresses of its own. */
export function statuses(...addresses: readonly string[]): StatePart[] {
  const ip_addresses = addresses.map((address) => ({ ip_address: address }));
  return [
    {
      state: 'TASK_RUNNING',
      timestamp: 1_500_000_000,
      container_status: { network_infos: [{ name: 'overlay', ip_addresses }] },
    },
  ];
}

/** `discovery` of a task. */
export function discovery(name: string, ...ports: readonly StatePart[]): StatePart {
  return { visibility: 'FRAMEWORK', name, ports: { ports } };
}
