/**
 * How long a change of the cluster takes until DNS answers, or the kernel, show it: a scripted master
 * with 10,000 tasks tells of single changes on its event stream. `node dist/bench/propagation.js`, and
 * bench/propagation.sh for the kernel; explained in bench/README.md.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { seededRandom } from '../src/core/base/random.ts';
import type { Status } from '../src/core/ports.ts';
import type { Sighting, Watched } from './change-watch.ts';
import { type Daemon, quantile, startDaemon } from './daemon.ts';
import { CHANGE_KINDS, type ChangeKind, type ClusterChange, LiveCluster } from './live-cluster.ts';
import { type LiveMaster, startLiveMaster } from './live-master.ts';

const PROBE = fileURLToPath(new URL('./change-probe.js', import.meta.url));
const { values: options } = parseArgs({
  options: {
    tasks: { type: 'string', default: '10000' },
    events: { type: 'string', default: '500' },
    /** Events a second, on the average. */
    rate: { type: 'string', default: '5' },
    poll: { type: 'string', default: '30' },
    seed: { type: 'string', default: '1' },
    'no-vips': { type: 'boolean', default: false },
    /** Changes the IPVS table of the machine it runs on: for a guest. */
    kernel: { type: 'boolean', default: false },
  },
});
const tasks = Number(options.tasks);
const events = Number(options.events);
const rate = Number(options.rate);
const pollSeconds = Number(options.poll);
const random = seededRandom(Number(options.seed));
/** Before these the code of a build is not compiled, and nobody measures. */
const WARM_EVENTS = options.kernel ? 20 : 100;
/** Events of the phase that tells what one costs. */
const COST_EVENTS = Math.ceil(events / 4);
/** While a state is read and compared, events wait. */
const POLL_BUSY_MS = 1_000;
/** The kernel is asked on the way of this VIP's packets. */
const NODE_ADDRESS = '10.9.0.1';
/** A change that is not to be seen by then has failed. */
const SEEN_MS = options.kernel ? 60_000 : 10_000;
const TICKS_PER_SECOND = 100;
/** Without the right to it `nice` says so and goes on. */
const FIRST = ['-n', '-10'];

/** Asks in a process of its own, so that nobody who measures waits for us. */
class Probe {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(port: number) {
    const child = spawn('nice', [...FIRST, process.execPath, PROBE, String(port)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  watch(watched: Watched): void {
    this.#child.stdin?.write(`${JSON.stringify(watched)}\n`);
  }

  async sighting(): Promise<Sighting> {
    const line = await this.#lines.next();
    if (line.done === true) throw new Error('the probe has ended');
    return JSON.parse(line.value) as Sighting;
  }

  close(): void {
    this.#child.stdin?.end();
  }
}

/** One event and what became of it. */
interface Measured {
  readonly kind: ChangeKind;
  readonly ms: number;
  /** A poll was on its way. */
  readonly isBesidePoll: boolean;
}

async function status({ http }: Daemon): Promise<Status> {
  const response = await fetch(`http://127.0.0.1:${http}/v1/status`);
  return (await response.json()) as Status;
}

/** Waits until the status is so. */
async function until(daemon: Daemon, isSo: (status: Status) => boolean): Promise<Status> {
  for (;;) {
    const now = await status(daemon).catch(() => null);
    if (now !== null && isSo(now)) return now;
    if (daemon.child.exitCode !== null) throw new Error('the daemon has ended');
    await sleep(200);
  }
}

/** What the threads of a process have used, in milliseconds. */
function cpuMs(pid: number): number {
  let ticks = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const text = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return (1000 * ticks) / TICKS_PER_SECOND;
}

/** Moments between events: at random, as many a second as wanted. */
const restMs = (): number => (2 * random() * 1000) / rate;

function inTime<T>(what: string, work: Promise<T>): Promise<T> {
  const late = sleep(SEEN_MS, null, { ref: false }).then(() => {
    throw new Error(`not to be seen: ${what}`);
  });
  return Promise.race([work, late]);
}

async function vipOf(resolver: Resolver, service: string): Promise<string | null> {
  if (!options.kernel) return null;
  const addresses = await resolver.resolve4(`${service}.marathon.l4lb.mesos`).catch(() => []);
  return addresses[0] ?? null;
}

async function measure(
  change: ClusterChange,
  vip: string | null,
  probe: Probe,
  master: LiveMaster,
): Promise<Measured> {
  const { kind, service, address, port, isThere } = change;
  probe.watch({ qname: `${service}.marathon.mesos.`, vip, address, port, isThere });
  const asking = await inTime(`${service} before ${kind}`, probe.sighting());
  if (asking.kind !== 'asking') throw new Error(`${service} was so before: ${kind}`);
  await sleep(restMs());
  const told = master.tell(change);
  const seen = await inTime(`${service} ${address} ${kind}`, probe.sighting());
  if (seen.kind !== 'seen') throw new Error('the probe asks again');
  const isBesidePoll = performance.now() - master.polls().askedAt < POLL_BUSY_MS;
  return { kind, ms: Number(BigInt(seen.at) - told) / 1e6, isBesidePoll };
}

function row(title: string, times: readonly number[]): void {
  if (times.length === 0) return;
  const cells = [0.5, 0.9, 0.99, 1].map((q) => quantile(times, q).toFixed(1).padStart(7));
  process.stdout.write(
    `| ${title.padEnd(28)} | ${String(times.length).padStart(5)} | ${cells.join(' | ')} |\n`,
  );
}

function report(measured: readonly Measured[]): void {
  process.stdout.write(`| ${'ms'.padEnd(28)} | count |     p50 |     p90 |     p99 |     max |\n`);
  const of = (filter: (one: Measured) => boolean): number[] =>
    measured.filter(filter).map(({ ms }) => ms);
  for (const kind of CHANGE_KINDS) {
    row(
      kind,
      of((one) => one.kind === kind),
    );
  }
  row(
    'all',
    of(() => true),
  );
  row(
    'of these, beside a poll',
    of(({ isBesidePoll }) => isBesidePoll),
  );
  row(
    'of these, the others',
    of(({ isBesidePoll }) => !isBesidePoll),
  );
}

/** CPU of the daemon for one event, apart from what it uses at rest; nobody asks it anything. */
async function cost(daemon: Daemon, cluster: LiveCluster, master: LiveMaster): Promise<void> {
  const { pid } = daemon.child;
  if (pid === undefined) return;
  const { count } = master.polls();
  while (master.polls().count === count) await sleep(100);
  await sleep(2 * POLL_BUSY_MS);
  const restSeconds = Math.min(5, pollSeconds / 4);
  const start = cpuMs(pid);
  await sleep(restSeconds * 1000);
  const restPerMs = (cpuMs(pid) - start) / (restSeconds * 1000);
  const polled = master.polls().count;
  const [before, began] = [cpuMs(pid), performance.now()];
  let told = 0;
  while (told < COST_EVENTS && master.polls().count === polled) {
    cluster.now = Date.now() / 1000;
    master.tell(cluster.change());
    told++;
    await sleep(1000 / rate);
  }
  const used = cpuMs(pid) - before - restPerMs * (performance.now() - began);
  process.stdout.write(
    `CPU of the daemon: ${(used / told).toFixed(1)} ms for each of ${told} events\n`,
  );
}

/** Whether a poll that comes now finds nothing to do. */
async function findsNothing(daemon: Daemon, master: LiveMaster): Promise<boolean> {
  await sleep(POLL_BUSY_MS);
  const before = await status(daemon);
  const { polls } = before.source;
  const after = await until(daemon, ({ source }) => source.polls > polls + 1);
  const isSame =
    before.generation?.serial === after.generation?.serial &&
    before.generation?.changedAt === after.generation?.changedAt;
  process.stdout.write(
    `${after.source.polls - polls} polls after the last event: ` +
      `${isSame ? 'nothing to do' : 'another generation'}, serial ${after.generation?.serial}; ` +
      `the master was polled ${master.polls().count} times\n` +
      `as the daemon sees it: ${JSON.stringify(after.propagation)}\n`,
  );
  return isSame;
}

const dir = mkdtempSync(join(tmpdir(), 'hoplite-bench-'));
const cluster = new LiveCluster({ tasks, agents: tasks / 10, vips: !options['no-vips'] }, random);
const master = await startLiveMaster(cluster);
const daemon = await startDaemon(dir, {
  cluster: {
    masters: [master.address],
    pollIntervalSeconds: pollSeconds,
    events: { follow: 'always' },
  },
  vip: { enabled: !options['no-vips'] },
  ...(options.kernel ? { kernel: { enabled: true, nodeAddress: { ipv4: NODE_ADDRESS } } } : {}),
});
const probe = new Probe(daemon.dns);
const resolver = new Resolver();
resolver.setServers([`127.0.0.1:${daemon.dns}`]);
try {
  await master.subscribed;
  await until(daemon, ({ generation, source, kernel }) => {
    const isReady = !options.kernel || kernel.state === 'synced';
    return generation !== null && source.events.state === 'following' && isReady;
  });
  const measured: Measured[] = [];
  for (let i = 0; i < WARM_EVENTS + events; i++) {
    cluster.now = Date.now() / 1000;
    const change = cluster.change();
    const vip = await vipOf(resolver, change.service);
    const one = await measure(change, vip, probe, master);
    if (i >= WARM_EVENTS) measured.push(one);
  }
  process.stdout.write(`${tasks} tasks, ${options['no-vips'] ? 'no' : 'all with'} VIPs\n`);
  report(measured);
  await cost(daemon, cluster, master);
  if (!(await findsNothing(daemon, master))) process.exitCode = 1;
} finally {
  probe.close();
  daemon.child.kill();
  await once(daemon.child, 'exit');
  master.close();
  rmSync(dir, { recursive: true });
}
