/**
 * What a new state costs the whole daemon: CPU from the request to the published generation, peak
 * memory, and how long DNS answers wait meanwhile. `npm run bench`; explained in bench/README.md.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { clusterState } from './cluster-state.ts';

const SIZES: readonly (readonly [tasks: number, agents: number])[] = [
  [10_000, 1_000],
  [30_000, 3_000],
  [100_000, 10_000],
];
const WARM_ROUNDS = 8;
const MAIN = fileURLToPath(new URL('../src/cli/main.js', import.meta.url));
/** USER_HZ of every Linux we run on. */
const TICKS_PER_SECOND = 100;

interface Daemon {
  readonly child: ChildProcess;
  readonly dns: number;
  readonly http: number;
}

function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND;
}

function peakMegabytes(pid: number): number {
  const line = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line?.[1]) / 1024;
}

async function startDaemon(dir: string, master: string): Promise<Daemon> {
  const file = join(dir, 'config.json');
  const config = {
    cluster: { masters: [master], pollIntervalSeconds: 86_400, requestTimeoutSeconds: 60 },
    dns: { listen: ['127.0.0.1:0'] },
    http: { listen: '127.0.0.1:0' },
  };
  writeFileSync(file, JSON.stringify(config));
  const child = spawn(process.execPath, [MAIN, 'serve', '--config', file], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  for await (const chunk of child.stdout) {
    text += String(chunk);
    const started = /"event":"started".*/.exec(text)?.[0];
    if (started === undefined) continue;
    const port = (name: string): number =>
      Number(new RegExp(`"${name}":\\[?"[^"]*:(\\d+)"`).exec(started)?.[1]);
    return { child, dns: port('dns'), http: port('http') };
  }
  throw new Error(`the daemon did not start: ${text}`);
}

async function serial(http: number): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${http}/v1/status`);
  const status = (await response.json()) as { generation: { serial: number } | null };
  return status.generation?.serial ?? 0;
}

/** Asks one question after the other and keeps every round-trip time, until stopped. */
function startProbe(port: number): { stop(): number[] } {
  /** A app77.marathon.mesos */
  const query = Buffer.from(
    '000101000001000000000000056170703737086d61726174686f6e056d65736f730000010001',
    'hex',
  );
  const socket = createSocket('udp4');
  const times: number[] = [];
  let sentAt = 0;
  const ask = (): void => {
    sentAt = performance.now();
    socket.send(query, port, '127.0.0.1');
  };
  let timer: NodeJS.Timeout;
  socket.on('message', () => {
    times.push(performance.now() - sentAt);
    timer = setTimeout(ask, 1);
  });
  ask();
  return {
    stop() {
      clearTimeout(timer);
      socket.close();
      return times;
    },
  };
}

const quantile = (values: readonly number[], q: number): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))] ??
  0;
const median = (values: readonly number[]): number => quantile(values, 0.5);

async function measure(tasks: number, agents: number): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'hoplite-bench-'));
  let round = 0;
  let body = '';
  let waiting: ServerResponse | null = null;
  const server = createServer((_request, response) => (waiting = response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const master = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const nextRequest = async (): Promise<ServerResponse> => {
    while (waiting === null) await sleep(5);
    const response = waiting;
    waiting = null;
    return response;
  };
  const { child, dns, http } = await startDaemon(dir, master);
  const pid = child.pid!;
  const cpu: number[] = [];
  const wall: number[] = [];
  let quiet: number[] = [];
  const busy: number[] = [];
  for (; round <= WARM_ROUNDS; round++) {
    body = clusterState(tasks, agents, master, round);
    if (round > 0) child.kill('SIGHUP');
    const response = await nextRequest();
    const before = await serial(http);
    if (round === 1) {
      const probe = startProbe(dns);
      await sleep(1_000);
      quiet = probe.stop();
    }
    const probe = round === 0 ? null : startProbe(dns);
    const [cpuBefore, start] = [cpuMs(pid), performance.now()];
    response.end(body);
    while ((await serial(http)) === before) await sleep(10);
    wall.push(performance.now() - start);
    cpu.push(cpuMs(pid) - cpuBefore);
    busy.push(...(probe?.stop() ?? []));
  }
  const peak = peakMegabytes(pid);
  const [first, ...warm] = cpu;
  process.stdout.write(
    `${tasks} tasks, ${(Buffer.byteLength(body) / 1e6).toFixed(1)} MB: ` +
      `CPU first ${first} ms, then ${median(warm)} ms (median of ${WARM_ROUNDS}; ` +
      `${Math.min(...warm)}-${Math.max(...warm)}); wall ${median(wall.slice(1)).toFixed(0)} ms; ` +
      `peak RSS ${peak.toFixed(0)} MB; answers quiet p99 ${quantile(quiet, 0.99).toFixed(2)} ms ` +
      `max ${Math.max(...quiet).toFixed(2)} ms, meanwhile p99 ${quantile(busy, 0.99).toFixed(2)} ms ` +
      `max ${Math.max(...busy).toFixed(2)} ms\n`,
  );
  child.kill();
  server.close();
  await once(child, 'exit');
  rmSync(dir, { recursive: true });
}

const wanted = process.argv.slice(2).map(Number);
for (const [tasks, agents] of SIZES) {
  if (wanted.length === 0 || wanted.includes(tasks)) await measure(tasks, agents);
}
