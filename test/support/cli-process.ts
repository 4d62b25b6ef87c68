import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SocketAddress } from '../../src/core/config/config.ts';
import type { Cleanup } from './cleanup.ts';
import type { LogLine } from './running-daemon.ts';
import { inTime, waitUntil } from './wait-until.ts';

/** The compiled command that belongs to this build. */
export const CLI: string = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

/** Longer than any program here needs on a loaded machine. */
const DEADLINE_MS = 20_000;

/** How a program ended. */
export interface Exit {
  /** null if a signal ended it. */
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A program that has ended, with what it wrote. */
export interface Finished extends Exit {
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** Standard input; empty without it. */
  readonly input?: string;
}

/** A folder for the files of a test, removed with it. */
export function scratchFolder(t: Cleanup): string {
  const folder = mkdtempSync(join(tmpdir(), 'hoplite-e2e-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Runs a program to its end; one that takes too long is killed and the promise rejects. */
export async function runProgram(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Finished> {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  // A program need not read its input.
  child.stdin.on('error', () => undefined).end(options.input ?? '');
  try {
    const closed = once(child, 'close') as Promise<[Exit['status'], Exit['signal']]>;
    const [status, signal] = await inTime(`end of ${program}`, closed, DEADLINE_MS);
    return { status, signal, stdout, stderr };
  } finally {
    child.kill('SIGKILL');
  }
}

/** Runs a command of hoplite to its end. */
export function runCli(args: readonly string[], options?: RunOptions): Promise<Finished> {
  return runProgram(process.execPath, [CLI, ...args], options);
}

/** A program that goes on running; it is killed with the test at the latest. */
export class LongProcess {
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcess;
  #stdout = '';
  #stderr = '';
  #exit: Exit | null = null;

  constructor(t: Cleanup, program: string, args: readonly string[]) {
    // Input stays open: some programs take its end as theirs.
    this.#child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    const { stdin, stdout, stderr } = this.#child;
    stdin?.on('error', () => undefined);
    stdout?.setEncoding('utf8').on('data', (text: string) => (this.#stdout += text));
    stderr?.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text));
    this.exited = new Promise((resolve) => {
      this.#child.once('error', (error) => (this.#stderr += error.message));
      this.#child.once('close', (status, signal) => {
        this.#exit = { status, signal };
        resolve(this.#exit);
      });
    });
    t.after(async () => {
      if (this.#exit !== null) return;
      if (this.#child.exitCode === null && this.#child.signalCode === null) {
        const exited = once(this.#child, 'exit');
        this.#child.kill('SIGKILL');
        await inTime(`end of ${program}`, exited);
      }
      // Children of its own may hold the other ends.
      for (const stream of [stdin, stdout, stderr]) stream?.destroy();
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Standard output as log; lines that are no JSON are left out. */
  get logged(): readonly LogLine[] {
    return this.#stdout
      .split('\n')
      .slice(0, -1)
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as LogLine);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** How it ends, if it does so in time. */
  end(): Promise<Exit> {
    return inTime('end of the program', this.exited);
  }

  /** Waits for something in the output; fails at once if the program ends without it. */
  async prints<T>(what: string, look: () => T): Promise<Exclude<T, false | null | undefined>> {
    return waitUntil(what, () => {
      // Asked before the look, so that the last words are seen.
      const exit = this.#exit;
      const seen = look();
      const found = seen !== false && seen !== null && seen !== undefined;
      if (exit === null || found) return seen;
      const output = `${this.#stdout}\n${this.#stderr}`;
      throw new Error(`ended with ${JSON.stringify(exit)} before ${what}\n${output}`);
    });
  }

  /** The log line of an event; `skip` of them are not meant. */
  logs(event: string, skip = 0): Promise<LogLine> {
    return this.prints(
      `log line ${event}`,
      () => this.logged.filter((line) => line.event === event)[skip],
    );
  }
}

/** Starts a command of hoplite. */
export function startCli(t: Cleanup, args: readonly string[]): LongProcess {
  return new LongProcess(t, process.execPath, [CLI, ...args]);
}

/** `hoplite serve` in a process of its own, listening. */
export interface ServingCli {
  readonly process: LongProcess;
  /** Where it answers DNS, UDP and TCP. */
  readonly dns: SocketAddress;
  /** Such as `http://127.0.0.1:4711`. */
  readonly url: string;
  /** Writes the configuration file anew; SIGHUP makes it count. */
  configure(config: unknown): void;
  /** Waits for the first generation. */
  ready(): Promise<void>;
}

/**
 * For native configuration: listeners on loopback at ports that the system chooses, and the kernel
 * of this machine left alone, which root could change.
 */
export const ANY_PORT = {
  dns: { listen: ['127.0.0.1:0'] },
  http: { listen: '127.0.0.1:0' },
  kernel: { enabled: false },
} as const;

/** Starts `hoplite serve` with a file that holds `config`, and waits until it listens. */
export async function serve(t: Cleanup, config: unknown): Promise<ServingCli> {
  const file = join(scratchFolder(t), 'config.json');
  const configure = (next: unknown): void => {
    writeFileSync(file, typeof next === 'string' ? next : JSON.stringify(next));
  };
  configure(config);
  const process = startCli(t, ['serve', '--config', file]);
  const started = await process.logs('started');
  const [first = ''] = started['dns'] as readonly string[];
  return {
    process,
    dns: { address: first.slice(0, first.lastIndexOf(':')), port: Number(first.split(':').at(-1)) },
    url: `http://${String(started['http'])}`,
    configure,
    async ready() {
      await process.logs('generation-published');
    },
  };
}

/** Text of a path of the HTTP API, whatever the status. */
export async function fetchText(url: string): Promise<{ status: number; body: string }> {
  const response = await fetch(url, { headers: { connection: 'close' } });
  return { status: response.status, body: await response.text() };
}

/** How many queries were answered so far. */
export async function queriesSeen({ url }: Pick<ServingCli, 'url'>): Promise<number> {
  const { body } = await fetchText(`${url}/metrics`);
  const series = body.matchAll(/^hoplite_dns_requests_total\{[^}]*\} (\d+)/gm);
  return [...series].reduce((sum, [, count]) => sum + Number(count), 0);
}
