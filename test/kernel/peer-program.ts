// Runs in a network namespace and does there what a test asks for: plays backends and clients.
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { Agent, createServer, get, type IncomingMessage, type Server } from 'node:http';
import { isIPv6 } from 'node:net';
import type {
  LoadReport,
  PeerCommand,
  PeerReply,
  Reply,
  StreamReport,
  UdpReport,
} from './peer-protocol.ts';

/** A request that takes longer has failed. */
const REQUEST_TIMEOUT_MS = 5_000;
/** TCP sends again at growing intervals, and learns from the answer only. */
const KEPT_TIMEOUT_MS = 20_000;
/** Between two pieces of a stream. */
const STREAM_STEP_MS = 100;
/** A datagram without an answer is lost. */
const UDP_TIMEOUT_MS = 1_000;
/** Between two datagrams of a steady pace. */
const UDP_STEP_MS = 20;
/** A report that lists more says nothing more. */
const FAILURES_MAX = 50;

interface Job {
  report(): LoadReport | StreamReport | UdpReport;
  stop(): void;
}

const jobs = new Map<number, Job>();
/** Kept connections by URL: of each agent one. */
const kept = new Map<string, Agent>();
const servers = new Map<number, { close(): void }>();
let lastJob = 0;

function begin(job: Job): number {
  lastJob += 1;
  jobs.set(lastJob, job);
  return lastJob;
}

async function run(command: PeerCommand): Promise<unknown> {
  switch (command.kind) {
    case 'serve-http':
      return serveHttp(command.port, command.name);
    case 'serve-udp':
      return serveUdp(command.port, command.name);
    case 'stop-listening':
      servers.get(command.port)?.close();
      return null;
    case 'get':
      return inTurn(command.count, () => fetchOnce(command.url));
    case 'get-and-keep':
      // Probes would make an idle connection one that is not.
      kept.set(command.url, new Agent({ keepAlive: true, keepAliveMsecs: 3_600_000 }));
      return getOnKept(command.url, 1);
    case 'get-again':
      return getOnKept(command.url, 0);
    case 'send-udp':
      return sendUdp(command.address, command.port, command.count);
    case 'start-load':
      return begin(startLoad(command.url, command.ratePerSecond));
    case 'start-stream':
      return begin(startStream(command.url));
    case 'start-udp':
      return begin(await startUdp(command.address, command.port));
    case 'look':
    case 'stop': {
      const job = jobs.get(command.job);
      if (command.kind === 'stop') job?.stop();
      return job?.report();
    }
  }
}

async function inTurn<T>(count: number, one: () => Promise<T>): Promise<T[]> {
  const all: T[] = [];
  while (all.length < count) all.push(await one());
  return all;
}

async function serveHttp(port: number, name: string): Promise<null> {
  const server: Server = createServer({ keepAlive: true }, (request, response) => {
    if (!server.listening) response.setHeader('connection', 'close');
    if (request.url !== '/stream') {
      response.end(name);
      return;
    }
    response.write(`${name}\n`);
    const timer = setInterval(() => response.write('.'), STREAM_STEP_MS);
    response.on('close', () => clearInterval(timer));
    response.on('error', () => undefined);
  });
  // Longer than any test.
  server.keepAliveTimeout = 600_000;
  server.listen(port, '::');
  await once(server, 'listening');
  // The listener alone: `close` of an HTTP server ends idle connections too.
  servers.set(port, { close: () => closeListener(server) });
  return null;
}

function closeListener(server: Server): void {
  Object.assign(server, { closeIdleConnections: () => undefined });
  server.close();
}

async function serveUdp(port: number, name: string): Promise<null> {
  const socket = createSocket('udp6');
  socket.on('message', (_message, { address, port: from }) => socket.send(name, from, address));
  socket.bind(port, '::');
  await once(socket, 'listening');
  servers.set(port, socket);
  return null;
}

function fetchOnce(url: string): Promise<Reply> {
  return timed(request(url, new Agent({ keepAlive: false }), () => undefined));
}

async function getOnKept(url: string, connectionsMax: number): Promise<Reply> {
  const agent = kept.get(url);
  if (agent === undefined) throw new Error(`no connection was kept for ${url}`);
  let connections = 0;
  const reply = await timed(request(url, agent, () => (connections += 1), KEPT_TIMEOUT_MS));
  if (connections > connectionsMax) throw new Error(`the connection for ${url} was not kept`);
  return reply;
}

async function timed(answer: Promise<string>): Promise<Reply> {
  const start = performance.now();
  const text = await answer.catch((error: unknown) => `error: ${reason(error)}`);
  return { text, ms: Math.round(performance.now() - start) };
}

function reason(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code ?? message;
}

function request(
  url: string,
  agent: Agent,
  onConnection: () => void,
  timeoutMs: number = REQUEST_TIMEOUT_MS,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const timeout = AbortSignal.timeout(timeoutMs);
    const sent = get(url, { agent, signal: timeout }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => (body += text));
      response.on('end', () => resolve(body));
      response.on('error', reject);
    });
    sent.on('socket', (socket) => {
      if (socket.connecting) onConnection();
    });
    sent.on('error', reject);
  });
}

function startLoad(url: string, ratePerSecond: number): Job {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const began = performance.now();
  const failures: string[] = [];
  const byName: Record<string, number> = {};
  let [sent, answered, connections, slowestMs] = [0, 0, 0, 0];
  const one = async (): Promise<void> => {
    const start = performance.now();
    try {
      const name = await request(url, agent, () => (connections += 1));
      byName[name] = (byName[name] ?? 0) + 1;
    } catch (error) {
      const at = Math.round(start - began);
      if (failures.length < FAILURES_MAX) failures.push(`at ${at} ms: ${reason(error)}`);
    }
    answered += 1;
    slowestMs = Math.max(slowestMs, Math.round(performance.now() - start));
  };
  // Late timers are made up for: what counts is the rate over the whole time.
  const timer = setInterval(() => {
    const due = ((performance.now() - began) * ratePerSecond) / 1_000;
    for (; sent < due; sent += 1) void one();
  }, 1_000 / ratePerSecond);
  return {
    report: () => ({ requests: answered, failures, byName, slowestMs, connections }),
    stop: () => {
      clearInterval(timer);
      agent.destroy();
    },
  };
}

function startStream(url: string): Job {
  let name: string | null = null;
  let broken: string | null = null;
  let [pieces, longestGapMs, last] = [0, 0, performance.now()];
  let stopped = false;
  const end = (why: string): void => {
    if (!stopped) broken ??= why;
  };
  const sent = get(url, { agent: new Agent({ keepAlive: false }) }, (response: IncomingMessage) => {
    response.setEncoding('utf8').on('data', (text: string) => {
      name ??= text.trim();
      pieces += 1;
      if (pieces > 1) longestGapMs = Math.max(longestGapMs, performance.now() - last);
      last = performance.now();
    });
    response.on('error', (error) => end(reason(error)));
    response.on('close', () => end('closed'));
  });
  sent.on('error', (error) => end(reason(error)));
  return {
    report: () => {
      const gap = Math.max(longestGapMs, broken === null ? performance.now() - last : 0);
      return { name, pieces, broken, longestGapMs: Math.round(gap) };
    },
    stop: () => {
      stopped = true;
      sent.destroy();
    },
  };
}

async function connectUdp(address: string, port: number): Promise<Socket> {
  const socket: Socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  socket.on('error', () => undefined);
  socket.connect(port, address);
  await once(socket, 'connect');
  return socket;
}

async function exchange(socket: Socket): Promise<string> {
  socket.send('?');
  const signal = AbortSignal.timeout(UDP_TIMEOUT_MS);
  const answer = once(socket, 'message', { signal }) as Promise<[Buffer]>;
  return answer.then(
    ([bytes]) => bytes.toString(),
    (error: unknown) => `error: ${reason(error)}`,
  );
}

async function sendUdp(address: string, port: number, count: number): Promise<Reply[]> {
  const socket = await connectUdp(address, port);
  try {
    return await inTurn(count, async () => {
      const start = performance.now();
      const text = await exchange(socket);
      return { text, ms: Math.round(performance.now() - start) };
    });
  } finally {
    socket.close();
  }
}

async function startUdp(address: string, port: number): Promise<Job> {
  const socket = await connectUdp(address, port);
  const byName: Record<string, number> = {};
  let [sent, lost] = [0, 0];
  let last: string | null = null;
  let stopped = false;
  const step = async (): Promise<void> => {
    const text = await exchange(socket);
    sent += 1;
    if (text.startsWith('error: ')) lost += 1;
    else byName[(last = text)] = (byName[text] ?? 0) + 1;
    if (stopped) socket.close();
    else setTimeout(() => void step(), UDP_STEP_MS);
  };
  void step();
  return { report: () => ({ sent, lost, byName, last }), stop: () => (stopped = true) };
}

process.on('message', (message) => {
  const { id, command } = message as { id: number; command: PeerCommand };
  run(command).then(
    (value) => process.send?.({ id, value } satisfies PeerReply),
    (error: unknown) => process.send?.({ id, error: String(error) } satisfies PeerReply),
  );
});
// The end of the test is the end of all that was asked for.
process.on('disconnect', () => process.exit());
