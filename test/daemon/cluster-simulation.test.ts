import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Random, seededRandom } from '../../src/core/base/random.ts';
import { RejectionList } from '../../src/core/base/rejection.ts';
import { sameValue } from '../../src/core/base/same-value.ts';
import type { HostPort } from '../../src/core/config/config.ts';
import type { AnswerTable } from '../../src/core/dns/answer-table.ts';
import { sameRecords } from '../../src/core/dns/compare-tables.ts';
import { type Generation, nextGeneration, type ReadSnapshot } from '../../src/core/generation.ts';
import { GenerationBuilder } from '../../src/core/generation-builder.ts';
import { parseState } from '../../src/core/mesos/parse-state.ts';
import type { BuildOf } from '../../src/daemon/generation-protocol.ts';
import { ClusterIntake } from '../../src/daemon/cluster-intake.ts';
import { KeptState } from '../../src/daemon/kept-state.ts';
import { testOtherHistories } from '../support/other-histories.ts';
import { SimulatedCluster, type SimTask } from '../support/simulated-cluster.ts';
import { settings, zoneRecords } from '../support/state-builder.ts';

/**
 * A cluster changes and fails in all the ways that Mesos knows, and its masters tell of it by stream
 * and state, late, cut, twice, or lying. What listens to both, or to one of them, must never lose an
 * endpoint that is alive, and agree with the truth once all is quiet.
 */
const SEED = 20_261_121;
const STEPS = 10_000;
/** Steps of trouble between two times of quiet. */
const TROUBLE_STEPS = 500;
const STEP_MS = 1_000;
const HOLD_MS = 600_000;
const LEADER_FAILS = 0.004;

const TERMS = settings({
  names: { locations: true, unhealthy: 'avoid' },
  vip: { enabled: true, aliasDomains: ['thisdcos.directory'] },
});

type Listening = 'both' | 'stream' | 'polls';

/** What happens in a healthy cluster, as often as it stands here. */
const CHANGES = [
  ...(['launch', 'launch', 'launch', 'progress', 'progress', 'progress', 'progress'] as const),
  ...(['progress', 'flipHealth', 'kill', 'end', 'repeat'] as const),
];

interface Poll {
  readonly asked: number;
  readonly run: number;
  answersAt: number;
  arrivesAt: number;
  body: string | null;
}

const noDisk = new KeptState({
  digestOf: () => Promise.reject(new Error('there is no disk')),
  write: () => Promise.reject(new Error('there is no disk')),
  read: () => Promise.resolve(null),
});

/** A daemon's way from what masters say to what it serves. */
class Listener {
  readonly kind: Listening;
  readonly #random: Random;
  readonly #intake: ClusterIntake;
  readonly #builder = new GenerationBuilder();
  /** Records that are on their way; null: there is no stream. */
  #stream: { readonly leader: HostPort; readonly records: string[] } | null = null;
  #poll: Poll | null = null;
  #mustPoll = true;
  #table: AnswerTable | null = null;
  #builds = 0;
  generation: Generation | null = null;
  /** Agents that were replaced when the stream began, of which it does not tell. */
  replaced = 0;
  /** What was seen to happen. */
  readonly seen = new Set<string>();

  constructor(kind: Listening, random: Random) {
    this.kind = kind;
    this.#random = random;
    const trust = { lossShare: 0.2, holdMs: HOLD_MS };
    const rest = { pollIntervalMs: 30_000, kernel: false, marathonFramework: 'marathon' };
    this.#intake = new ClusterIntake({ zone: TERMS, trust, ...rest }, noDisk);
  }

  get hasStream(): boolean {
    return this.#stream !== null;
  }

  hear(record: string): void {
    this.#stream?.records.push(record);
  }

  subscribe(cluster: SimulatedCluster): void {
    if (this.kind === 'polls') return;
    this.#stream = { leader: cluster.leader, records: [cluster.subscribed()] };
    this.replaced = cluster.replaced;
  }

  /** Some of what was on its way still arrives. */
  cut(nowMs: number): void {
    if (this.#random() < 0.5) this.#deliver(Math.floor(this.#random() * 8), nowMs);
    this.#stream = null;
  }

  step(cluster: SimulatedCluster, nowMs: number): void {
    const canSubscribe = !this.hasStream && cluster.lie !== 'blind';
    if (canSubscribe && this.#random() < 0.05) this.subscribe(cluster);
    if (this.#random() < 0.7) this.#deliver(1 + Math.floor(this.#random() * 8), nowMs);
    this.#goOnPolling(cluster, nowMs);
  }

  /** Hears all that there is to hear. */
  settle(cluster: SimulatedCluster, nowMs: number): void {
    this.#poll = null;
    if (!this.hasStream || this.replaced !== cluster.replaced) this.subscribe(cluster);
    this.hear('{"type":"HEARTBEAT"}');
    this.#deliver(Infinity, nowMs);
    if (this.kind === 'stream') this.#build('believed', nowMs);
    else this.#take(cluster.state(), this.#asked, nowMs);
  }

  #asked = 0;

  #goOnPolling(cluster: SimulatedCluster, nowMs: number): void {
    if (this.kind === 'stream') return;
    const late = (): number => STEP_MS * Math.floor(6 * this.#random());
    if (this.#poll === null) {
      if (!this.#mustPoll && this.#random() > 0.1) return;
      this.#mustPoll = false;
      const answersAt = nowMs + late();
      const arrivesAt = answersAt + late();
      this.#poll = { asked: this.#asked, run: cluster.run, answersAt, arrivesAt, body: null };
    }
    const poll = this.#poll;
    if (poll.body === null && nowMs >= poll.answersAt) {
      // Who does not lead any more does not answer.
      if (poll.run === cluster.run) poll.body = cluster.state();
      else this.#poll = null;
    }
    if (poll.body === null || nowMs < poll.arrivesAt) return;
    this.#poll = null;
    if (poll.asked < this.#asked) this.seen.add('outrun by events');
    this.#take(poll.body, poll.asked, nowMs);
  }

  #take(body: string, asked: number, nowMs: number): void {
    this.#intake.readState({ chunks: [Buffer.from(body)], keep: false, asked });
    this.#build('read', nowMs);
  }

  #deliver(count: number, nowMs: number): void {
    const stream = this.#stream;
    if (stream === null || stream.records.length === 0 || count === 0) return;
    const records = stream.records.splice(0, count).map((record) => [Buffer.from(record)]);
    const report = this.#intake.takeEvents({ records, leader: stream.leader });
    assert.equal(report.invalid, null);
    this.#asked = report.count;
    this.#mustPoll ||= report.outcome === 'unknown';
    if (report.read !== null) this.#build('read', nowMs);
    else if (report.outcome !== 'unchanged' && this.generation !== null) {
      this.#build('believed', nowMs);
    }
  }

  #build(of: BuildOf, nowMs: number): void {
    const { read, hold } = this.#intake.believe(of, nowMs, 0);
    if (hold !== null) this.seen.add(hold.reason);
    const common = { read, hosts: new Map(), settings: TERMS, nowSeconds: 1, programmed: null };
    const before = this.generation;
    const next = this.#builder.build({ ...common, previous: this.#table });
    this.generation = next;
    this.#table = next.table;
    this.seen.add(next.vipChanges === null ? 'made anew' : 'followed');
    if (before === null) this.seen.add('first');
    if (++this.#builds % 16 === 0) assertSame(next, generationOf(read), 'followed as made anew');
  }
}

function generationOf(read: ReadSnapshot): Generation {
  return nextGeneration(null, read, new Map(), TERMS, 1);
}

function assertSame(actual: Generation, expected: Generation, what: string): void {
  if (sameRecords(actual.table, expected.table) && sameValue(actual.vips, expected.vips)) return;
  const lines = ({ table }: Generation): string[] => zoneRecords({ table, settings: TERMS });
  assert.deepEqual(lines(actual), lines(expected), what);
  assert.deepEqual(actual.vips, expected.vips, what);
  assert.fail(what);
}

/** `address:port` of all backends. */
function endpointsOf({ vips }: Generation): Set<string> {
  const all = vips.services.flatMap(({ ports }) => ports.flatMap(({ backends }) => backends));
  return new Set(all.map(({ address, port }) => `${address.text}:${port}`));
}

const endpointOf = ({ address }: SimTask): string => `${address}:8080`;

/** What a listener published last. */
interface Published {
  readonly generation: Generation;
  readonly endpoints: ReadonlySet<string>;
}

class Simulation {
  readonly history: string[] = [];
  readonly listeners: readonly Listener[];
  readonly #random: Random;
  readonly #cluster: SimulatedCluster;
  readonly #published = new Map<Listener, Published>();
  /** Since when no master told the truth of tasks; they may be given up for that. */
  readonly #untold = new Map<SimTask, number>();
  #nowMs = 0;
  #hasLeader = true;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    const kinds: readonly Listening[] = ['both', 'stream', 'polls'];
    this.listeners = kinds.map((kind) => new Listener(kind, this.#random));
    this.#cluster = new SimulatedCluster(this.#random, (record) => {
      for (const listener of this.listeners) listener.hear(record);
    });
    this.quiet();
  }

  step(): void {
    this.#nowMs += STEP_MS;
    this.#cluster.tick(1);
    const changes = Math.floor(3 * this.#random());
    for (let i = 0; i < changes; i++) this.#change();
    this.#fail();
    for (const listener of this.listeners) {
      if (this.#hasLeader) listener.step(this.#cluster, this.#nowMs);
      this.#check(listener);
    }
  }

  /** All that was away comes back, and what was retained runs out. */
  quiet(): void {
    this.history.push('quiet');
    this.#hasLeader = true;
    this.#cluster.heal();
    for (const pauseMs of [STEP_MS, HOLD_MS, STEP_MS]) {
      this.#nowMs += pauseMs;
      this.#cluster.tick(pauseMs / 1_000);
      for (const listener of this.listeners) {
        listener.settle(this.#cluster, this.#nowMs);
        this.#check(listener);
      }
    }
    const rejections = new RejectionList();
    const parsed = parseState(this.#cluster.state(null), rejections);
    assert.ok(parsed.ok);
    const told = generationOf({ snapshot: parsed.value, rejections });
    const running = new Set(this.#cluster.running().map(endpointOf));
    for (const { kind, generation } of this.listeners) {
      assert.ok(generation !== null);
      assertSame(generation, told, `${kind}: what is published is the state`);
      const published = endpointsOf(generation);
      assert.deepEqual(
        [...running].filter((one) => !published.has(one)),
        [],
        kind,
      );
    }
  }

  #change(): void {
    const cluster = this.#cluster;
    const change = cluster.pick(CHANGES);
    if (change !== undefined && this.#hasLeader) cluster[change]();
  }

  #fail(): void {
    const cluster = this.#cluster;
    const chance = this.#random();
    const failures = [
      ['killAgent', 0.004],
      ['disconnectAgent', 0.01],
      ['loseAgent', 0.02],
      ['unregisterAgent', 0.003],
      ['returnAgent', 0.05],
      ['disconnectFramework', 0.005],
      ['returnFramework', 0.05],
      ['tearDown', 0.001],
    ] as const;
    let at = 0;
    for (const [failure, share] of failures) {
      if (chance >= at && chance < at + share && this.#hasLeader) {
        this.history.push(failure);
        cluster[failure]();
      }
      at += share;
    }
    if (this.#random() < LEADER_FAILS) {
      this.history.push('failover');
      this.#hasLeader = false;
      cluster.failover();
      for (const listener of this.listeners) listener.cut(this.#nowMs);
    } else if (!this.#hasLeader && this.#random() < 0.2) this.#hasLeader = true;
    if (cluster.lie !== null && this.#random() < 0.1) cluster.lie = null;
    else if (this.#random() < 0.005) {
      cluster.lie = this.#random() < 0.5 ? 'empty' : 'blind';
      this.history.push(cluster.lie);
      // Who may not see tasks is not told of them either.
      if (cluster.lie === 'blind') for (const one of this.listeners) one.cut(this.#nowMs);
    }
    for (const listener of this.listeners) {
      if (!listener.hasStream || this.#random() > 0.005) continue;
      this.history.push('cut');
      listener.cut(this.#nowMs);
    }
    this.#note();
  }

  /** Since when tasks are not told of. */
  #note(): void {
    for (const task of this.#cluster.tasks) {
      const isTold = this.#cluster.isTold(task) && this.#cluster.lie === null;
      if (isTold) this.#untold.delete(task);
      else if (!this.#untold.has(task)) this.#untold.set(task, this.#nowMs);
    }
    for (const task of this.#untold.keys()) {
      if (!this.#cluster.tasks.has(task)) this.#untold.delete(task);
    }
  }

  /** What was published and is alive still is, unless no master told of it for too long. */
  #check(listener: Listener): void {
    const { generation, kind } = listener;
    const published = this.#published.get(listener);
    if (generation === null || generation === published?.generation) return;
    const before = published?.endpoints ?? new Set();
    const now = endpointsOf(generation);
    this.#published.set(listener, { generation, endpoints: now });
    for (const task of this.#cluster.running()) {
      const endpoint = endpointOf(task);
      if (!before.has(endpoint) || now.has(endpoint)) continue;
      const untold = this.#untold.get(task) ?? this.#nowMs;
      const { framework, id, agent } = task;
      if (this.#nowMs - untold < HOLD_MS) {
        assert.fail(`${kind} lost ${endpoint}, ${framework.name}'s ${id} on ${agent.id}`);
      }
    }
  }
}

/** Runs one history; throws with the end of it if a law is broken. */
function simulate(seed: number, steps: number): Simulation {
  const simulation = new Simulation(seed);
  for (let step = 1; step <= steps; step++) {
    try {
      simulation.step();
      if (step % TROUBLE_STEPS === 0) simulation.quiet();
    } catch (cause) {
      const last = simulation.history.slice(-12).join(', ');
      throw new Error(`seed ${seed}, step ${step}: ${last}`, { cause });
    }
  }
  return simulation;
}

test(`in ${STEPS} steps of a cluster in trouble no endpoint that is alive is lost`, () => {
  const { listeners, history } = simulate(SEED, STEPS);
  const [both, stream, polls] = listeners;
  for (const reason of ['leader-changed', 'agents-missing', 'cluster-empty']) {
    assert.ok(both!.seen.has(reason), reason);
  }
  for (const what of ['followed', 'made anew', 'outrun by events']) {
    assert.ok(both!.seen.has(what), what);
  }
  assert.ok(stream!.seen.has('leader-changed') && polls!.seen.has('leader-changed'));
  assert.ok(history.filter((what) => what === 'failover').length > STEPS * LEADER_FAILS * 0.5);
});

testOtherHistories((seed) => Promise.resolve(simulate(seed, 2_000)));
