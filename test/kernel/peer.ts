import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type {
  LoadReport,
  PeerCommand,
  PeerReply,
  Reply,
  StreamReport,
  UdpReport,
} from './peer-protocol.ts';

const PROGRAM = fileURLToPath(new URL('peer-program.js', import.meta.url));

/** Something that goes on in a namespace until it is stopped. */
export interface PeerJob<Report> {
  look(): Promise<Report>;
  stop(): Promise<Report>;
}

/** Plays backends and clients in a network namespace; one process for all of them. */
export class Peer {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (reply: PeerReply) => void>();
  #lastId = 0;

  constructor(namespace: string) {
    const args = [`--net=/run/netns/${namespace}`, process.execPath, PROGRAM];
    this.#child = spawn('nsenter', args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#child.on('message', (message) => {
      const reply = message as PeerReply;
      this.#waiting.get(reply.id)?.(reply);
      this.#waiting.delete(reply.id);
    });
    this.#child.on('exit', () => {
      for (const [id, settle] of this.#waiting) settle({ id, error: 'the peer has ended' });
      this.#waiting.clear();
    });
  }

  /** A process of the namespace, for what /proc shows of it. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }

  async serveHttp(port: number, name: string): Promise<void> {
    await this.#ask({ kind: 'serve-http', port, name });
  }

  async serveUdp(port: number, name: string): Promise<void> {
    await this.#ask({ kind: 'serve-udp', port, name });
  }

  async stopListening(port: number): Promise<void> {
    await this.#ask({ kind: 'stop-listening', port });
  }

  async get(url: string, count = 1): Promise<readonly Reply[]> {
    return (await this.#ask({ kind: 'get', url, count })) as Reply[];
  }

  /** What was answered to requests one after another. */
  async texts(url: string, count = 1): Promise<string[]> {
    return (await this.get(url, count)).map(({ text }) => text);
  }

  /** What is answered to the first request on a connection that then stays open and silent. */
  async getAndKeep(url: string): Promise<Reply> {
    return (await this.#ask({ kind: 'get-and-keep', url })) as Reply;
  }

  /** What is answered to a request on the connection that was kept for this URL. */
  async getAgain(url: string): Promise<Reply> {
    return (await this.#ask({ kind: 'get-again', url })) as Reply;
  }

  async sendUdp(address: string, port: number, count: number): Promise<readonly Reply[]> {
    return (await this.#ask({ kind: 'send-udp', address, port, count })) as Reply[];
  }

  async load(url: string, ratePerSecond: number): Promise<PeerJob<LoadReport>> {
    return this.#job(await this.#ask({ kind: 'start-load', url, ratePerSecond }));
  }

  async stream(url: string): Promise<PeerJob<StreamReport>> {
    return this.#job(await this.#ask({ kind: 'start-stream', url }));
  }

  async udp(address: string, port: number): Promise<PeerJob<UdpReport>> {
    return this.#job(await this.#ask({ kind: 'start-udp', address, port }));
  }

  #job<Report>(id: unknown): PeerJob<Report> {
    const job = id as number;
    return {
      look: async () => (await this.#ask({ kind: 'look', job })) as Report,
      stop: async () => (await this.#ask({ kind: 'stop', job })) as Report,
    };
  }

  #ask(command: PeerCommand): Promise<unknown> {
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, (reply) => {
        if ('error' in reply) reject(new Error(reply.error));
        else resolve(reply.value);
      });
      this.#child.send({ id, command });
    });
  }
}
