/**
 * Whether a day of changes costs the generation worker memory: 24 simulated hours of a change each
 * second among 10,000 tasks, and a poll every 30 s that must find nothing to do, as fast as they go
 * through the code of the worker. `node --expose-gc dist/bench/churn.js`; explained in bench/README.md.
 */
import { parseArgs } from 'node:util';
import { seededRandom } from '../src/core/base/random.ts';
import { parsePrefix } from '../src/core/base/prefix.ts';
import { type AnswerTable, HEADER } from '../src/core/dns/answer-table.ts';
import { GenerationBuilder } from '../src/core/generation-builder.ts';
import type { Generation } from '../src/core/generation.ts';
import { ClusterIntake, type IntakeBelief } from '../src/daemon/cluster-intake.ts';
import { KeptState } from '../src/daemon/kept-state.ts';
import { DesiredUpdates } from '../src/daemon/kernel/desired-updates.ts';
import { settings } from '../test/support/state-builder.ts';
import { quantile } from './daemon.ts';
import { LiveCluster } from './live-cluster.ts';

const { values: options } = parseArgs({
  options: {
    tasks: { type: 'string', default: '10000' },
    hours: { type: 'string', default: '24' },
    /** Simulated seconds between polls. */
    poll: { type: 'string', default: '30' },
    seed: { type: 'string', default: '1' },
    'no-vips': { type: 'boolean', default: false },
  },
});
const tasks = Number(options.tasks);
const hours = Number(options.hours);
const pollSeconds = Number(options.poll);
const HOUR_SECONDS = 3_600;
/** Of the last third beyond the first third after the warm-up. */
const GROWTH_MAX = 1.05;
/** Until everything is as large as it gets that is bounded: parts of the time. */
const WARM_SHARE = 1 / 8;
const MASTER = { host: '127.0.0.1', port: 5050 };
const START_SECONDS = 1_700_000_000;
const MIB = 2 ** 20;

const collectGarbage = globalThis.gc;
if (collectGarbage === undefined) throw new Error('needs node --expose-gc');
const pool = parsePrefix('10.208.0.0/12');
if (pool === null) throw new Error('no prefix');

const zone = settings({
  names: { locations: true, unhealthy: 'avoid' },
  vip: { enabled: !options['no-vips'], pool: [pool], aliasDomains: ['thisdcos.directory'] },
});
const cluster = new LiveCluster(
  { tasks, agents: Math.ceil(tasks / 10), vips: !options['no-vips'] },
  seededRandom(Number(options.seed)),
);
const noDisk = (): never => {
  throw new Error('nothing is saved here');
};
const intake = new ClusterIntake(
  {
    zone,
    pollIntervalMs: pollSeconds * 1000,
    kernel: true,
    trust: { lossShare: 0.2, holdMs: 600_000 },
    marathonFramework: 'marathon',
  },
  new KeptState({ digestOf: noDisk, write: noDisk, read: noDisk }),
);
const builder = new GenerationBuilder();
const desired = new DesiredUpdates();
const NODE_ADDRESSES = ['10.64.0.0'];

/** What was counted since the last line of the table. */
class Tally {
  /** Milliseconds. */
  readonly changes: number[] = [];
  readonly polls: number[] = [];
  whole = 0;
  /** Polls that found something to do. */
  differing = 0;
}

let tally = new Tally();
const total = new Tally();
let table: AnswerTable | null = null;
let events = 0;

/** Builds what is believed as the worker does; whether the kernel has something to do. */
function build(believed: IntakeBelief, seconds: number): { made: Generation; forKernel: boolean } {
  const made = builder.build({
    previous: table,
    read: believed.read,
    hosts: new Map(),
    settings: zone,
    nowSeconds: START_SECONDS + seconds,
    programmed: null,
  });
  table = made.table;
  if (made.vipChanges === null) tally.whole++;
  const update = desired.next(made, NODE_ADDRESSES, START_SECONDS + seconds);
  return { made, forKernel: update !== null };
}

function poll(seconds: number): void {
  const body = Buffer.from(cluster.stateText(`${MASTER.host}:${MASTER.port}`));
  const start = performance.now();
  intake.readState({ chunks: [body], keep: false, asked: events });
  const nowMs = seconds * 1000;
  const believed = intake.believe('read', nowMs, START_SECONDS * 1000 + nowMs);
  const { made, forKernel } = build(believed, seconds);
  tally.polls.push(performance.now() - start);
  if (made.changed || forKernel || believed.hold !== null) tally.differing++;
}

function change(seconds: number): void {
  cluster.now = START_SECONDS + seconds;
  const records = cluster.change().events.map((text) => [Buffer.from(text)]);
  const start = performance.now();
  const report = intake.takeEvents({ records, leader: MASTER });
  if (report.outcome !== 'changed') throw new Error(`an event was ${report.outcome}`);
  events = report.count;
  const nowMs = seconds * 1000;
  build(intake.believe('believed', nowMs, START_SECONDS * 1000 + nowMs), seconds);
  tally.changes.push(performance.now() - start);
}

/** In MiB. Tables, which threads share, are in `rss` alone. */
interface Memory {
  readonly rss: number;
  readonly heap: number;
  /** Columns of the record store, which double now and then, and octets of states. */
  readonly external: number;
}

async function memory(): Promise<Memory> {
  // What the first collection finalises is gone with the next.
  for (let i = 0; i < 3; i++) {
    collectGarbage?.();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rss: rss / MIB, heap: heapUsed / MIB, external: external / MIB };
}

function report(hour: number, { rss, heap, external }: Memory): void {
  const columns = [
    ...[rss, heap, external].map((value) => value.toFixed(0)),
    ...[0.5, 0.99, 1].map((q) => quantile(tally.changes, q).toFixed(1)),
    ...[quantile(tally.polls, 0.5).toFixed(0), tally.changes.length + tally.polls.length],
    ...[tally.whole, tally.differing, table?.header(HEADER.NODE_COUNT) ?? 0],
  ];
  const cells = [hour, ...columns].map((value) => String(value).padStart(8));
  process.stdout.write(`| ${cells.join(' | ')} |\n`);
}

/** Begins the next hour. */
function startHour(): void {
  total.changes.push(...tally.changes);
  total.polls.push(...tally.polls);
  total.whole += tally.whole;
  total.differing += tally.differing;
  tally = new Tally();
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** Whether a kind of memory stayed the same, from the first third after the warm-up to the last. */
function isFlat(title: string, values: readonly number[]): boolean {
  const warm = values.slice(Math.ceil(values.length * WARM_SHARE));
  const third = Math.max(1, Math.floor(warm.length / 3));
  const [first, last] = [mean(warm.slice(0, third)), mean(warm.slice(-third))];
  const share = last / first;
  process.stdout.write(
    `${title}: ${first.toFixed(1)} MiB in the first third, ${last.toFixed(1)} in the last: ` +
      `${((share - 1) * 100).toFixed(1)} %\n`,
  );
  return share <= GROWTH_MAX;
}

const titles = [
  ...['hour', 'RSS', 'heap', 'external', 'p50 ms', 'p99 ms', 'max ms'],
  ...['poll ms', 'builds', 'whole', 'differ', 'names'],
];
process.stdout.write(`| ${titles.map((title) => title.padStart(8)).join(' | ')} |\n`);
poll(0);
tally = new Tally();
const samples: Memory[] = [];
for (let second = 1; second <= hours * HOUR_SECONDS; second++) {
  change(second);
  if (second % pollSeconds === 0) poll(second);
  if (second % HOUR_SECONDS !== 0 && second !== hours * HOUR_SECONDS) continue;
  const sample = await memory();
  samples.push(sample);
  report(second / HOUR_SECONDS, sample);
  startHour();
}
const quantiles = [0.5, 0.99, 1].map((q) => quantile(total.changes, q).toFixed(1)).join(' / ');
process.stdout.write(
  `${total.changes.length} changes, p50 / p99 / max ${quantiles} ms; ${total.polls.length} polls, ` +
    `of which ${total.differing} found something to do; ${total.whole} whole builds\n`,
);
const flat = [
  isFlat(
    'RSS',
    samples.map(({ rss }) => rss),
  ),
  isFlat(
    'heap and external',
    samples.map(({ heap, external }) => heap + external),
  ),
];
if (flat.includes(false) || total.differing > 0) process.exitCode = 1;
