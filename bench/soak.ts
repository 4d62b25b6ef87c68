/**
 * Mixed load for a long time: own names, forwarded names, TCP, malformed packets, and a cluster that
 * changes; watches memory, descriptors, lost queries and errors.
 *
 *   npm run build && node dist/bench/soak.js [MINUTES] [--log FILE]
 *
 * Exits with 1 if memory or descriptors grow after the warm-up, a query is lost, or something is
 * logged as an error. Explained in bench/README.md; needs dnsperf.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createWriteStream, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { seededRandom } from '../src/core/base/random.ts';
import { FLAG, RCODE, TYPE } from '../src/core/dns/constants.ts';
import { SuiteCleanup } from '../test/support/cleanup.ts';
import { ANY_PORT, scratchFolder, serve, type ServingCli } from '../test/support/cli-process.ts';
import { buildMessage, ipv4, readMessage } from '../test/support/dns-message.ts';
import { openUpstream, type Script } from '../test/support/dns-peer.ts';
import { saysText, startMaster } from '../test/support/scripted-master.ts';
import { clusterState } from './cluster-state.ts';

const TASKS = 2_000;
const AGENTS = 100;
/** Names outside; more than any cache of hot names, fewer than the cache holds. */
const OUTSIDE_NAMES = 20_000;
const POLL_SECONDS = 5;
const SAMPLE_MS = 10_000;
const HOSTILE_PER_SECOND = 200;
/** Share of the run that is warm-up: caches fill, code is compiled. */
const WARM_UP = 1 / 6;
const GROWTH_MAX = 1.05;
/** Sockets of forwards and TCP clients come and go. */
const DESCRIPTORS_SLACK = 100;
/** Queries a second of each dnsperf. */
const LOADS = [
  { name: 'own-udp', mode: 'udp', rate: 3000, file: 'own' },
  { name: 'outside-udp', mode: 'udp', rate: 600, file: 'outside' },
  { name: 'mixed-tcp', mode: 'tcp', rate: 300, file: 'mixed' },
] as const;

interface Sample {
  readonly seconds: number;
  readonly rssMb: number;
  readonly descriptors: number;
  readonly threads: number;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { log: { type: 'string' } },
});
const minutes = Number(positionals[0] ?? 60);
const out = values.log === undefined ? process.stdout : createWriteStream(values.log);
const random = seededRandom(1);
const cleanup = new SuiteCleanup();

function say(event: string, fields: object): void {
  out.write(`${JSON.stringify({ time: new Date().toISOString(), event, ...fields })}\n`);
}

/** Knows every name: TTL 1 to 60 s by its number, each ninth does not exist, each 50th is slow. */
const outside: Script = ({ message }, reply) => {
  const { id, qname, qtype, flags, opt } = readMessage(message);
  if (qname === null || qtype === null) return;
  const number = Number(/^n(\d+)\./i.exec(qname)?.[1] ?? 0);
  const exists = number % 9 !== 0;
  const rdata = exists && qtype === TYPE.A ? ipv4(`203.0.113.${number % 250}`) : null;
  const answer = buildMessage({
    id,
    flags: FLAG.QR | FLAG.RA | (flags & FLAG.RD) | (exists ? RCODE.NOERROR : RCODE.NXDOMAIN),
    qname,
    qtype,
    answer: rdata === null ? [] : [{ name: qname, type: qtype, rdata, ttl: 1 + (number % 60) }],
    ...(opt === null ? {} : { opt: { size: 1232 } }),
  });
  if (number % 50 === 7) setTimeout(() => reply(answer), 50);
  else reply(answer);
};

function writeQueries(folder: string): void {
  const own = Array.from({ length: TASKS }, (_, i) => [
    `app${i + 1}.marathon.mesos A`,
    `_app${i + 1}._tcp.marathon.mesos SRV`,
    `app${i + 1}.marathon.mesos AAAA`,
    `nobody${i}.marathon.mesos A`,
  ]).flat();
  const names = Array.from({ length: OUTSIDE_NAMES }, () => {
    // Some names are asked for far more often than others, as anywhere.
    const number = Math.floor(OUTSIDE_NAMES * random() ** 4);
    return `n${number}.example.org A`;
  });
  const mixed = names.map((name, i) => (i % 2 === 0 ? name : own[i % own.length]!));
  const write = (file: string, lines: readonly string[]): void =>
    writeFileSync(join(folder, file), `${lines.join('\n')}\n`);
  write('own', own);
  write('outside', names);
  write('mixed', mixed);
}

interface Load {
  readonly name: string;
  readonly process: ChildProcess;
  readonly output: Promise<string>;
}

function startLoad(load: (typeof LOADS)[number], folder: string, daemon: ServingCli): Load {
  const { address, port } = daemon.dns;
  const options = ['-s', address, '-p', String(port), '-m', load.mode, '-c', '8', '-q', '200'];
  const work = ['-d', join(folder, load.file), '-l', String(minutes * 60), '-Q', String(load.rate)];
  const child = spawn('dnsperf', [...options, ...work], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  cleanup.after(() => void child.kill('SIGKILL'));
  const output = once(child, 'close').then(() => text);
  return { name: load.name, process: child, output };
}

/** Sends malformed packets, over UDP and now and then over TCP, until the returned function is called. */
function sendHostile({ dns }: ServingCli): () => void {
  const socket = createSocket('udp4');
  socket.on('error', () => undefined);
  const good = buildMessage({ qname: 'app1.marathon.mesos.', flags: FLAG.RD, opt: { size: 1232 } });
  const packet = (): Buffer => {
    const bytes =
      random() < 0.3
        ? Buffer.from(Array.from({ length: Math.floor(random() * 600) }, () => random() * 256))
        : Buffer.from(good.subarray(0, Math.ceil(random() * good.length)));
    for (let i = 0; i < 3 && bytes.length > 0; i++) {
      bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
    }
    return bytes;
  };
  let count = 0;
  const timer = setInterval(() => {
    for (let i = 0; i < HOSTILE_PER_SECOND / 10; i++) {
      socket.send(packet(), dns.port, dns.address, () => undefined);
    }
    if (++count % 5 !== 0) return;
    const stream = connect(dns.port, dns.address);
    stream.on('error', () => undefined);
    stream.end(Buffer.concat([packet(), packet()]));
    stream.resume();
  }, 100);
  return () => {
    clearInterval(timer);
    socket.close();
  };
}

function sample(pid: number, startedAt: number): Sample {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const field = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1]);
  return {
    seconds: Math.round((performance.now() - startedAt) / 1000),
    rssMb: Math.round(field('VmRSS') / 1024),
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    threads: field('Threads'),
  };
}

const mean = (numbers: readonly number[]): number =>
  numbers.reduce((sum, number) => sum + number, 0) / Math.max(1, numbers.length);

/** What is wrong with the run; empty if nothing. */
function complaints(samples: readonly Sample[], reports: ReadonlyMap<string, string>): string[] {
  const warm = samples.filter(({ seconds }) => seconds >= WARM_UP * minutes * 60);
  const third = Math.ceil(warm.length / 3);
  const [first, last] = [warm.slice(0, third), warm.slice(-third)];
  const rss = (of: readonly Sample[]): number => mean(of.map(({ rssMb }) => rssMb));
  const growth = rss(last) / rss(first);
  const most = (of: readonly Sample[]): number => Math.max(...of.map((s) => s.descriptors));
  const wrong: string[] = [];
  say('memory', { firstThirdMb: rss(first), lastThirdMb: rss(last), growth });
  if (growth > GROWTH_MAX) wrong.push(`memory grew by the factor ${growth.toFixed(3)}`);
  if (most(last) > most(first) + DESCRIPTORS_SLACK) wrong.push('descriptors grew');
  for (const [name, text] of reports) {
    const lost = Number(/Queries lost:\s+(\d+)/.exec(text)?.[1] ?? -1);
    if (lost !== 0) wrong.push(`${name} lost ${lost}`);
    const codes = /Response codes:\s+(.*)/.exec(text)?.[1] ?? 'none';
    if (/SERVFAIL|REFUSED|FORMERR|NOTIMP/.test(codes)) wrong.push(`${name}: ${codes}`);
    const rate = /Queries per second:\s+([\d.]+)/.exec(text)?.[1];
    say('load', { name, lost, codes, perSecond: Number(rate) });
  }
  return wrong;
}

async function run(): Promise<string[]> {
  const master = await startMaster(cleanup);
  let round = 0;
  master.answer = (...args) => saysText(clusterState(TASKS, AGENTS, master.text, round++))(...args);
  const upstream = await openUpstream(outside);
  cleanup.after(() => upstream.close());
  const daemon = await serve(cleanup, {
    cluster: { masters: [master.text], pollIntervalSeconds: POLL_SECONDS },
    ...ANY_PORT,
    forward: { upstreams: [`${upstream.address.address}:${upstream.address.port}`] },
  });
  await daemon.ready();
  const folder = scratchFolder(cleanup);
  writeQueries(folder);
  const startedAt = performance.now();
  const loads = LOADS.map((load) => startLoad(load, folder, daemon));
  const stopHostile = sendHostile(daemon);
  const samples: Sample[] = [];
  while (performance.now() - startedAt < minutes * 60_000) {
    await sleep(SAMPLE_MS);
    const taken = sample(daemon.process.pid, startedAt);
    samples.push(taken);
    say('sample', taken);
  }
  stopHostile();
  const reports = new Map<string, string>();
  for (const { name, output } of loads) reports.set(name, await output);
  const wrong = complaints(samples, reports);
  const errors = daemon.process.logged.filter(({ level }) => level === 'error');
  if (errors.length > 0) wrong.push(`${errors.length} errors: ${JSON.stringify(errors[0])}`);
  return wrong;
}

say('start', { minutes, loads: LOADS, hostilePerSecond: HOSTILE_PER_SECOND });
const wrong = await run().finally(() => cleanup.run());
say('end', { wrong });
process.exitCode = wrong.length === 0 ? 0 : 1;
