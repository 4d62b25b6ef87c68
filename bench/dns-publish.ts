/**
 * Whether clients notice that a new generation is built and published: answers under half of the load
 * that the daemon can take, first while nothing changes, and then while a state of 100,000 tasks is
 * rebuilt again and again. `node dist/bench/dns-publish.js`; explained in bench/README.md.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { clusterState, task } from './cluster-state.ts';
import { type Daemon, startDaemon } from './daemon.ts';
import { instanceAddress, instancePort, INSTANCES, type ProbeReport } from './probed-service.ts';

const PROBE = fileURLToPath(new URL('./dns-probe.js', import.meta.url));
const { values: options } = parseArgs({
  options: {
    tasks: { type: 'string', default: '100000' },
    seconds: { type: 'string', default: '30' },
    /** Queries a second of the load; without it half of what the daemon can take. */
    load: { type: 'string' },
    'no-vips': { type: 'boolean', default: false },
  },
});
const tasks = Number(options.tasks);
const seconds = Number(options.seconds);
const AGENTS = Math.ceil(tasks / 10);
const VERSIONS = [1, 2] as const;
/** The next poll comes this long behind the last build: one follows the other. */
const POLL_SECONDS = 0.5;
const SATURATION_SECONDS = 4;
/** Few against the load, and enough for a 99.9th percentile. */
const PROBE_RATE = 1_000;
const LOAD_NAMES = 10_000;
/**
 * Who measures must not wait for the CPU behind the daemon's build, or it measures itself. Without
 * the right to it `nice` says so and goes on.
 */
const FIRST = ['nice', '-n', '-10'];

function stateOf(version: number, master: string): Buffer {
  const instances = Array.from({ length: INSTANCES }, (_, i) =>
    task('probe', i, i, instancePort(version, i), instanceAddress(version, i)),
  );
  const text = clusterState(tasks, AGENTS, master, version, instances);
  // Of an agent, so that all is made anew and not the probed service alone.
  return Buffer.from(version === 1 ? text : text.replace('"active":true', '"active":false'));
}

/** Runs a program to its end; what it printed. */
async function output(...command: readonly string[]): Promise<string> {
  const [program = '', ...args] = [...FIRST, ...command];
  const child: ChildProcess = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  let text = '';
  child.stdout?.on('data', (chunk) => (text += String(chunk)));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${command.join(' ')} ended with ${String(code)}`);
  return text;
}

interface Load {
  readonly perSecond: number;
  readonly lost: number;
}

/** Asks for names of tasks with dnsperf; without a rate as fast as answers come. */
async function load(port: number, names: string, forSeconds: number, rate?: number): Promise<Load> {
  const pace = rate === undefined ? ['-q', '200'] : ['-q', '2000', '-Q', String(rate)];
  const text = await output(
    ...['dnsperf', '-s', '127.0.0.1', '-p', String(port), '-d', names],
    ...['-l', String(forSeconds), '-t', '3', '-c', '8', ...pace],
  );
  const number = (name: string): number => Number(new RegExp(`${name}: +(\\S+)`).exec(text)?.[1]);
  return { perSecond: number('Queries per second'), lost: number('Queries lost') };
}

interface Phase extends ProbeReport {
  readonly load: Load;
}

async function measure(port: number, names: string, rate: number): Promise<Phase> {
  const [loaded, probed] = await Promise.all([
    load(port, names, seconds + 2, rate),
    output(process.execPath, PROBE, String(port), String(seconds), String(PROBE_RATE)),
  ]);
  return { ...(JSON.parse(probed) as ProbeReport), load: loaded };
}

function report(title: string, phase: Phase): void {
  const ms = (value: number): string => value.toFixed(2);
  process.stdout.write(
    [
      `${title}: load of ${phase.load.perSecond.toFixed(0)} q/s, ${phase.load.lost} lost`,
      `  p50 ${ms(phase.p50)}, p99 ${ms(phase.p99)}, p99.9 ${ms(phase.p999)}, ` +
        `max ${ms(phase.max)} ms of ${phase.sent} answers`,
      `  ${phase.lost} lost, ${phase.wrong} wrong, ${phase.changes} changes of generation; ` +
        `full: ${phase.missed} times the probe's socket, ${phase.droppedByServer} the daemon's`,
      ...phase.examples.map((example) => `  ${example}`),
      '',
    ].join('\n'),
  );
}

/** A master that answers only when it is told to, with two states in turn. */
interface Master {
  readonly address: string;
  /** States that it has sent. */
  answered(): number;
  answer(): Promise<void>;
  close(): void;
}

async function startMaster(): Promise<Master> {
  let waiting: ServerResponse | null = null;
  let [round, isClosed] = [0, false];
  const server = createServer((_request, response) => (waiting = response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const states = VERSIONS.map((version) => stateOf(version, address));
  return {
    address,
    answered: () => round,
    async answer() {
      while (waiting === null && !isClosed) await sleep(5);
      if (isClosed) return;
      waiting?.end(states[round++ % states.length]);
      waiting = null;
    },
    close() {
      isClosed = true;
      server.closeAllConnections();
      server.close();
    },
  };
}

async function compare(daemon: Daemon, master: Master, names: string): Promise<boolean> {
  const publish = async (): Promise<void> => {
    await master.answer();
    await daemon.published();
  };
  // Twice, so that the code of the build is compiled as well.
  await publish();
  await publish();
  const most = await load(daemon.dns, names, SATURATION_SECONDS);
  const rate = options.load === undefined ? Math.round(most.perSecond / 2) : Number(options.load);
  process.stdout.write(`${tasks} tasks; at most ${most.perSecond.toFixed(0)} q/s\n`);
  const quiet = await measure(daemon.dns, names, rate);
  report('quiet', quiet);
  const before = master.answered();
  const running = measure(daemon.dns, names, rate);
  const end = running.then(() => 'end');
  while ((await Promise.race([publish(), end])) !== 'end');
  const busy = await running;
  report(`${master.answered() - before} states`, busy);
  process.stdout.write(`p99 of the second / the first: ${(busy.p99 / quiet.p99).toFixed(2)}\n`);
  return [quiet, busy].every(({ lost, wrong, load }) => lost + wrong + load.lost === 0);
}

const dir = mkdtempSync(join(tmpdir(), 'hoplite-bench-'));
const names = join(dir, 'queries');
const queries = Array.from({ length: Math.min(LOAD_NAMES, tasks - 1) }, (_, i) => `app${i + 1}`);
writeFileSync(names, queries.map((app) => `${app}.marathon.mesos A\n`).join(''));
const master = await startMaster();
const daemon = await startDaemon(dir, {
  cluster: {
    masters: [master.address],
    pollIntervalSeconds: POLL_SECONDS,
    // The master keeps silent while nothing is to change.
    requestTimeoutSeconds: 2 * seconds + 60,
  },
  vip: { enabled: !options['no-vips'] },
});
try {
  if (!(await compare(daemon, master, names))) process.exitCode = 1;
} finally {
  daemon.child.kill();
  await once(daemon.child, 'exit');
  master.close();
  rmSync(dir, { recursive: true });
}
