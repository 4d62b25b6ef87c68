/**
 * What a new state costs the whole daemon: CPU from the request to the published generation, peak
 * memory, and how long DNS answers wait meanwhile. `npm run bench`; with `-- --no-vips` for names
 * alone; explained in bench/README.md.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { clusterState } from './cluster-state.ts';
import { quantile, startDaemon } from './daemon.ts';

const SIZES: readonly (readonly [tasks: number, agents: number])[] = [
  [10_000, 1_000],
  [30_000, 3_000],
  [100_000, 10_000],
];
const WARM_ROUNDS = 8;
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { 'no-vips': { type: 'boolean', default: false } },
});
/** USER_HZ of every Linux we run on. */
const TICKS_PER_SECOND = 100;

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

/**
 * Longest stall of the daemon's event loop since the last call, in milliseconds. Node samples the
 * loop every 10 ms, and the sample of an idle loop is those 10.
 */
async function stallMs(http: number): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${http}/metrics`)).text();
  const seconds = Number(/^nodejs_eventloop_lag_max_seconds (\S+)/m.exec(text)?.[1]);
  return Math.max(0, seconds * 1000 - 10);
}

const median = (values: readonly number[]): number => quantile(values, 0.5);

interface Samples {
  readonly cpu: readonly number[];
  readonly wall: readonly number[];
  readonly stalls: readonly number[];
  readonly quiet: readonly number[];
  readonly busy: readonly number[];
}

function report(tasks: number, bytes: number, peak: number, samples: Samples): void {
  const [first, ...warm] = samples.cpu;
  const latency = (times: readonly number[]): string =>
    `p50 ${median(times).toFixed(2)}, p99 ${quantile(times, 0.99).toFixed(2)}, ` +
    `max ${quantile(times, 1).toFixed(2)} ms`;
  process.stdout.write(
    [
      `${tasks} tasks, state of ${(bytes / 1e6).toFixed(1)} MB, Node ${process.version}`,
      `  CPU of the process: ${median(warm)} ms (${Math.min(...warm)}-${Math.max(...warm)}); ` +
        `${first} ms the first time`,
      `  until published: ${median(samples.wall.slice(1)).toFixed(0)} ms`,
      `  peak RSS: ${peak.toFixed(0)} MB`,
      `  main thread stalled: median ${median(samples.stalls).toFixed(1)}, ` +
        `max ${quantile(samples.stalls, 1).toFixed(1)} ms`,
      `  DNS answers, nothing else going on: ${latency(samples.quiet)}`,
      `  DNS answers during a rebuild: ${latency(samples.busy)}`,
      '',
    ].join('\n'),
  );
}

async function measure(tasks: number, agents: number): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'hoplite-bench-'));
  let round = 0;
  let bytes = 0;
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
  const { child, dns, http, published } = await startDaemon(dir, {
    cluster: { masters: [master], pollIntervalSeconds: 0.5, requestTimeoutSeconds: 60 },
    vip: { enabled: !options['no-vips'] },
  });
  const pid = child.pid!;
  const cpu: number[] = [];
  const wall: number[] = [];
  const stalls: number[] = [];
  const busy: number[] = [];
  let quiet: number[] = [];
  for (; round <= 2 * WARM_ROUNDS; round++) {
    // First what it costs, undisturbed; then what a client notices.
    const withProbe = round > WARM_ROUNDS;
    const body = Buffer.from(clusterState(tasks, agents, master, round));
    bytes = body.length;
    const response = await nextRequest();
    if (round === WARM_ROUNDS + 1) {
      const probe = startProbe(dns);
      await sleep(1_000);
      quiet = probe.stop();
    }
    await stallMs(http);
    const probe = withProbe ? startProbe(dns) : null;
    const [cpuBefore, start] = [cpuMs(pid), performance.now()];
    response.end(body);
    await published();
    wall.push(performance.now() - start);
    if (!withProbe) cpu.push(cpuMs(pid) - cpuBefore);
    busy.push(...(probe?.stop() ?? []));
    if (round > 0) stalls.push(await stallMs(http));
  }
  report(tasks, bytes, peakMegabytes(pid), { cpu, wall, stalls, busy, quiet });
  child.kill();
  server.close();
  await once(child, 'exit');
  rmSync(dir, { recursive: true });
}

const wanted = positionals.map(Number);
for (const [tasks, agents] of SIZES) {
  if (wanted.length === 0 || wanted.includes(tasks)) await measure(tasks, agents);
}
