import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type IncomingHttpHeaders, type IncomingMessage, request as httpRequest } from 'node:http';
import { isIPv6 } from 'node:net';
import { systemClock } from '../../src/adapters/clock.ts';
import { createLog } from '../../src/adapters/log.ts';
import type { Config, SocketAddress } from '../../src/core/config/config.ts';
import { FLAG, TYPE } from '../../src/core/dns/constants.ts';
import type { Clock, Status } from '../../src/core/ports.ts';
import { Daemon } from '../../src/daemon/daemon.ts';
import type { ManualClock } from '../adapters/manual-clock.ts';
import { goodFiles } from '../adapters/mesos/loopback-master.ts';
import type { Cleanup } from './cleanup.ts';
import { buildMessage, readMessage, type ReadMessage } from './dns-message.ts';
import { openTcpClient } from './dns-peer.ts';
import { recordTexts } from './record-text.ts';
import { inTime, waitUntil } from './wait-until.ts';

/** One line of the log. */
export type LogLine = Readonly<Record<string, unknown>> & {
  readonly event: string;
  readonly level: string;
};

export interface HttpReply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** How a question is put, besides name and type. */
export interface Asking {
  readonly overTcp?: boolean;
  /** Size in an OPT record; without it there is none. */
  readonly edns?: number;
  readonly flags?: number;
  readonly qclass?: number;
}

/** A daemon in this process, asked through its sockets. */
export interface RunningDaemon {
  readonly daemon: Daemon;
  readonly config: Config;
  readonly logged: readonly LogLine[];
  status(): Status;
  /** Where it answers DNS, both protocols. */
  readonly dns: SocketAddress;
  readonly httpPort: number;
  /** The answer to one question. */
  ask(qname: string, qtype?: number, asking?: Asking): Promise<ReadMessage>;
  /** The answer section as texts such as `A 10.0.0.1`, sorted. */
  answers(qname: string, qtype?: number, asking?: Asking): Promise<string[]>;
  /** What comes back for any octets. */
  askBytes(message: Uint8Array, overTcp?: boolean): Promise<Uint8Array>;
  http(path: string, method?: string, headers?: Record<string, string>): Promise<HttpReply>;
  /** Body of a path that answers 200 with JSON. */
  json(path: string): Promise<unknown>;
}

export interface StartOptions {
  readonly clock?: Clock;
  readonly resolvConf?: string;
  /** Do not wait for the first generation. */
  readonly unready?: boolean;
}

/** Starts a daemon that stops with the test, and waits until it serves a generation. */
export async function startDaemon(
  t: Cleanup,
  config: Config,
  options: StartOptions = {},
): Promise<RunningDaemon> {
  const logged: LogLine[] = [];
  const log = createLog({
    level: config.log.level,
    destination: { write: (line) => logged.push(JSON.parse(line) as LogLine) },
  });
  const { clock = systemClock, resolvConf } = options;
  const daemon = new Daemon(config, {
    clock,
    log,
    files: goodFiles(config.cluster),
    ...(resolvConf === undefined ? {} : { resolvConf }),
  });
  t.after(async () => {
    await daemon.stop();
  });
  await daemon.start();
  const status = (): Status => daemon.status();
  if (options.unready !== true) {
    await waitUntil('the first generation', () => status().generation !== null);
  }
  const [dns = { address: '', port: 0 }] = daemon.dnsAddresses();
  const web = status().listeners.find(({ protocol }) => protocol === 'http');
  const httpPort = web?.port ?? 0;
  const askBytes: RunningDaemon['askBytes'] = (message, overTcp = false) =>
    overTcp ? askOverTcp(dns, message) : askOverUdp(dns, message);
  const ask: RunningDaemon['ask'] = async (qname, qtype = TYPE.A, asking = {}) => {
    const { overTcp = false, edns, flags = FLAG.RD, qclass = 1 } = asking;
    const opt = edns === undefined ? {} : { opt: { size: edns } };
    const message = buildMessage({ qname, qtype, qclass, flags, ...opt });
    return readMessage(await askBytes(message, overTcp));
  };
  const http: RunningDaemon['http'] = async (path, method = 'GET', headers = {}) => {
    const sent = httpRequest({ port: httpPort, host: '127.0.0.1', path, method, headers });
    sent.setHeader('connection', 'close');
    sent.end();
    const [message] = (await once(sent, 'response')) as [IncomingMessage];
    let body = '';
    for await (const chunk of message.setEncoding('utf8')) body += String(chunk);
    return { status: message.statusCode ?? 0, headers: message.headers, body };
  };
  return {
    daemon,
    config,
    logged,
    status,
    dns,
    httpPort,
    ask,
    answers: async (...question) => recordTexts((await ask(...question)).answer),
    askBytes,
    http,
    async json(path) {
      const { status: code, body } = await http(path);
      assert.equal(code, 200, `${path}: ${body}`);
      return JSON.parse(body) as unknown;
    },
  };
}

/** Moves the clock on until the next poll begins, and hardly further. */
export function advanceToPoll({ daemon }: RunningDaemon, clock: ManualClock): void {
  const { polls, pollIntervalSeconds } = daemon.status().source;
  for (let moved = 0; daemon.status().source.polls === polls; moved++) {
    assert.ok(moved < 2 * pollIntervalSeconds, 'a poll is due');
    clock.advance(1_000);
  }
}

async function askOverUdp(server: SocketAddress, message: Uint8Array): Promise<Uint8Array> {
  const socket = createSocket(isIPv6(server.address) ? 'udp6' : 'udp4');
  try {
    const answered = once(socket, 'message');
    socket.send(message, server.port, server.address);
    const [reply] = (await inTime('an answer over UDP', answered)) as [Buffer];
    return new Uint8Array(reply);
  } finally {
    socket.close();
  }
}

async function askOverTcp(server: SocketAddress, message: Uint8Array): Promise<Uint8Array> {
  const client = await openTcpClient(server);
  try {
    const length = Buffer.from([message.length >> 8, message.length & 255]);
    client.socket.write(Buffer.concat([length, message]));
    const [reply] = await client.messages(1);
    assert.ok(reply !== undefined, 'the connection stays until the answer');
    return reply;
  } finally {
    client.socket.destroy();
  }
}
