import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { type Random, seededRandom } from '../../src/core/base/random.ts';
import { TYPE } from '../../src/core/dns/constants.ts';
import { ManualClock } from '../adapters/manual-clock.ts';
import { SuiteCleanup } from '../support/cleanup.ts';
import { daemonConfig } from '../support/daemon-config.ts';
import { advanceToPoll, type RunningDaemon, startDaemon } from '../support/running-daemon.ts';
import {
  agent,
  clusterState,
  cuts,
  cutsHalfWay,
  framework,
  hangs,
  hangsHalfWay,
  type MasterAnswer,
  redirects,
  says,
  saysGzip,
  saysText,
  type ScriptedMaster,
  startMaster,
  type StatePart,
  task,
} from '../support/scripted-master.ts';
import { waitUntil } from '../support/wait-until.ts';
import { testOtherHistories } from '../support/other-histories.ts';

/**
 * Two masters lead by turns and do all that masters do when they fail. Whatever they do, the daemon
 * answers every name as the last good state has it, and when they behave again, as it is then.
 */
const SEED = 20_261_121;
const STEPS = 300;
const TIMEOUT_SECONDS = 5;
const STATE_BYTES_MAX = 65_536;

const NAMES = ['api', 'batch', 'cache', 'db', 'edge'] as const;
const AGENTS = 4;

/** Tasks by name, as the numbers of the agents they run on; never none at all. */
type Cluster = ReadonlyMap<string, readonly number[]>;

/** What one master does in one step: leads, points at the other, or fails in some way. */
type Conduct = 'leads' | 'leads-gzip' | 'redirects' | 'names-other' | keyof typeof FAILURES;

/** Every way not to give a state, with the state that it was near to giving. */
const FAILURES = {
  'status-500': (state: StatePart) => says(state, 500),
  'status-503': () => saysText('No leader elected', 503),
  hangs: () => hangs,
  'hangs-half-way': (state: StatePart) => hangsHalfWay(state),
  cuts: () => cuts,
  'cuts-half-way': (state: StatePart) => cutsHalfWay(state),
  'truncated-gzip': (state: StatePart) => saysGzip(state, 9),
  'not-gzip': () => saysText('{}', 200, { 'content-encoding': 'gzip' }),
  garbage: () => saysText('<html>no</html>'),
  nothing: () => saysText(''),
  'cut-json': (state: StatePart) => saysText(JSON.stringify(state).slice(0, -9)),
  null: () => says(null),
  'empty-object': () => says({}),
  'leader-only': ({ leader, pid }: StatePart) => says({ leader, pid }),
  'no-leader': (state: StatePart) => says({ ...state, leader: '' }),
  'null-lists': (state: StatePart) => says({ ...state, frameworks: null, slaves: null }),
  'too-large': (state: StatePart) => says({ ...state, padding: 'x'.repeat(STATE_BYTES_MAX) }),
  circle: () => saysText('', 307, { location: '/master/state' }),
} satisfies Record<string, (state: StatePart) => MasterAnswer>;

const FAILURE_KINDS = Object.keys(FAILURES) as (keyof typeof FAILURES)[];
const HANGING: readonly Conduct[] = ['hangs', 'hangs-half-way'];

class Simulation {
  readonly #random: Random;
  readonly #clock = new ManualClock();
  readonly #masters: readonly [ScriptedMaster, ScriptedMaster];
  readonly #conducts: [Conduct, Conduct] = ['leads', 'redirects'];
  readonly #workers: readonly Worker[];
  #cluster: Cluster;
  /** What must be served: a cluster and the port of its leader. */
  #expected: { readonly cluster: Cluster; readonly leader: 0 | 1 };
  #hanging = 0;
  #serial = 0;
  #daemon!: RunningDaemon;
  /** What happened, for whoever reads a failure. */
  readonly history: string[] = [];

  constructor(seed: number, masters: [ScriptedMaster, ScriptedMaster], workers: readonly Worker[]) {
    this.#random = seededRandom(seed);
    this.#masters = masters;
    this.#workers = workers;
    this.#cluster = this.#drawCluster();
    this.#expected = { cluster: this.#cluster, leader: 0 };
    for (const number of [0, 1] as const) {
      masters[number].answer = (request, response) => {
        if (HANGING.includes(this.#conducts[number])) this.#hanging++;
        this.#answerOf(number)(request, response);
      };
    }
  }

  async start(cleanup: SuiteCleanup): Promise<void> {
    const config = daemonConfig({
      cluster: {
        masters: this.#masters.map(({ text }) => text),
        requestTimeoutSeconds: TIMEOUT_SECONDS,
        stateBytesMax: STATE_BYTES_MAX,
      },
      // All workers are those of generations.
      dns: { udpThreads: 0 },
      log: { level: 'error' },
    });
    this.#daemon = await startDaemon(cleanup, config, { clock: this.#clock });
    await this.#check();
  }

  async step(): Promise<void> {
    if (this.#draw() < 0.4) this.#cluster = this.#drawCluster();
    this.#conducts[0] = this.#drawConduct();
    this.#conducts[1] = this.#drawConduct();
    const workerDies = this.#draw() < 0.03;
    this.history.push(`${this.#conducts.join(' + ')}${workerDies ? ', the worker dies' : ''}`);
    // What it believed is gone, and asked for at once.
    if (workerDies) await this.#poll(() => this.#killWorker());
    else await this.#poll();
    await this.#check();
  }

  /** All is well again: after the next poll nothing may remain of the past. */
  async quiet(): Promise<void> {
    this.#cluster = this.#drawCluster();
    this.#conducts.splice(0, 2, 'redirects', 'leads');
    this.history.push('quiet');
    await this.#poll();
    assert.equal(this.#expected.cluster, this.#cluster);
    await this.#check();
    const { ready, source, reasons } = this.#daemon.status();
    assert.deepEqual([ready, source.consecutiveFailures, reasons], [true, 0, []]);
  }

  get failures(): number {
    return this.#daemon.status().source.consecutiveFailures;
  }

  async #poll(
    begin: () => unknown = () => advanceToPoll(this.#daemon, this.#clock),
  ): Promise<void> {
    const before = this.#daemon.status().source;
    const leader = this.#leaderToFind();
    await begin();
    for (;;) {
      const seen = this.#hanging;
      await waitUntil('the end of the poll, or a request that hangs', () => {
        const { lastSuccessAt, consecutiveFailures } = this.#daemon.status().source;
        const succeeded = lastSuccessAt !== before.lastSuccessAt;
        return succeeded || consecutiveFailures > before.consecutiveFailures || this.#hanging > 0;
      });
      if (seen === 0 && this.#hanging === 0) break;
      this.#hanging = 0;
      this.#clock.advance(1_000 * TIMEOUT_SECONDS);
    }
    if (leader !== null) this.#expected = { cluster: this.#cluster, leader };
    assert.equal(
      this.failures === 0,
      leader !== null,
      'a poll is good if there is a leader to find',
    );
  }

  #killWorker(): unknown {
    // So that a success before and one after it have different times.
    this.#clock.advance(1);
    return this.#workers.at(-1)?.terminate();
  }

  /** The leader that a daemon can find that asks both: one that leads, or is pointed at and leads. */
  #leaderToFind(): 0 | 1 | null {
    const isLeading = (number: 0 | 1): boolean => this.#conducts[number].startsWith('leads');
    const pointsAway = (number: 0 | 1): boolean =>
      ['redirects', 'names-other'].includes(this.#conducts[number]);
    const first = this.#expected.leader;
    const second = first === 0 ? 1 : 0;
    for (const asked of [first, second] as const) {
      const other = asked === 0 ? 1 : 0;
      if (isLeading(asked)) return asked;
      if (pointsAway(asked) && isLeading(other)) return other;
    }
    return null;
  }

  /** Every name is answered as the last good state has it. */
  async #check(): Promise<void> {
    const { cluster, leader } = this.#expected;
    assert.ok(cluster.size > 0);
    const [answered, ...byName] = await Promise.all([
      this.#daemon.answers('_leader._tcp.mesos.', TYPE.SRV),
      ...NAMES.map((name) => this.#daemon.answers(`${name}.marathon.mesos.`)),
    ]);
    assert.deepEqual(answered, [`SRV ${this.#masters[leader].port} leader.mesos.`]);
    for (const [i, name] of NAMES.entries()) {
      const wanted = (cluster.get(name) ?? []).map((number) => `A 10.0.0.${number + 1}`);
      assert.deepEqual(byName[i], wanted.sort(), name);
    }
    const { serial = 0 } = this.#daemon.status().generation ?? {};
    assert.ok(serial >= this.#serial, 'the serial never goes back');
    this.#serial = serial;
  }

  #answerOf(number: 0 | 1): MasterAnswer {
    const own = this.#masters[number];
    const other = this.#masters[number === 0 ? 1 : 0];
    const conduct = this.#conducts[number];
    const state = this.#stateOf(own);
    switch (conduct) {
      case 'leads':
        return says(state);
      case 'leads-gzip':
        return saysGzip(state);
      case 'redirects':
        return redirects(other);
      case 'names-other':
        return says(clusterState(other, { pid: own.pid }));
      default:
        return FAILURES[conduct](state);
    }
  }

  #stateOf(leader: ScriptedMaster): StatePart {
    const tasks = [...this.#cluster].flatMap(([name, agents]) =>
      agents.map((number) => task(name, { id: `${name}.${number}`, slave_id: `a1b2-S${number}` })),
    );
    const slaves = Array.from({ length: AGENTS }, (_, number) => agent(number));
    return clusterState(leader, { slaves, frameworks: [framework('marathon', tasks)] });
  }

  #draw(): number {
    return this.#random();
  }

  #drawConduct(): Conduct {
    const drawn = this.#draw();
    if (drawn < 0.25) return 'leads';
    if (drawn < 0.3) return 'leads-gzip';
    if (drawn < 0.4) return 'redirects';
    if (drawn < 0.5) return 'names-other';
    return FAILURE_KINDS[Math.floor(this.#draw() * FAILURE_KINDS.length)] ?? 'hangs';
  }

  #drawCluster(): Cluster {
    const cluster = new Map<string, readonly number[]>();
    for (const name of NAMES) {
      const agents = Array.from({ length: AGENTS }, (_, i) => i).filter(() => this.#draw() < 0.4);
      if (agents.length > 0) cluster.set(name, agents);
    }
    return cluster.size > 0 ? cluster : new Map([['api', [0]]]);
  }
}

/** Runs one history; throws with all of it if a law is broken. */
async function simulate(seed: number, steps: number): Promise<Simulation> {
  const cleanup = new SuiteCleanup();
  const workers: Worker[] = [];
  const remember = (worker: Worker): void => void workers.push(worker);
  process.on('worker', remember);
  cleanup.after(() => void process.off('worker', remember));
  const masters = [await startMaster(cleanup), await startMaster(cleanup)] as const;
  const simulation = new Simulation(seed, [...masters], workers);
  try {
    await simulation.start(cleanup);
    for (let i = 0; i < steps; i++) await simulation.step();
    await simulation.quiet();
    return simulation;
  } catch (cause) {
    const last = simulation.history.slice(-5).join('\n  ');
    throw new Error(`seed ${seed}, step ${simulation.history.length}:\n  ${last}`, { cause });
  } finally {
    await cleanup.run();
  }
}

test(`in ${STEPS} steps of masters that fail, every answer is that of the last good state`, async () => {
  const { history } = await simulate(SEED, STEPS);
  for (const kind of [...FAILURE_KINDS, 'leads', 'leads-gzip', 'redirects', 'names-other']) {
    assert.ok(
      history.some((line) => line.includes(kind)),
      `${kind} was drawn`,
    );
  }
});

testOtherHistories((seed) => simulate(seed, STEPS));
