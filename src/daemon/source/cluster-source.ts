import type { EventStreamHandlers, EventSubscription } from '../../adapters/mesos/event-stream.ts';
import type { PropagationStatus } from '../../core/base/live-status.ts';
import { formatHostPort } from '../../core/base/host-port.ts';
import type { Random } from '../../core/base/random.ts';
import type { EventsConfig, HostPort } from '../../core/config/config.ts';
import type { Clock, Log, SourceStatus, ZookeeperStatus } from '../../core/ports.ts';
import type {
  BuildOf,
  BuildReport,
  EventsReport,
  HostTexts,
  ReadReport,
} from '../generation-protocol.ts';
import type { DetectedMasters } from '../leader/master-detector.ts';
import { BuildQueue } from './build-queue.ts';
import { EventChannel } from './event-channel.ts';
import { HoldWatch } from './hold-watch.ts';
import { isSameMaster, KnownMasters } from './known-masters.ts';
import { PollLoop, type TakenState } from './poll-loop.ts';
import { Propagation, type PropagationParts } from './propagation.ts';

/** One answer of a master. */
export interface FetchedState {
  readonly chunks: readonly Uint8Array<ArrayBuffer>[];
  readonly answeredBy: HostPort;
}

/** Who finds the leader besides those who are asked for it; `MasterDetector` is one. */
export interface Detector {
  start(): void;
  status(): ZookeeperStatus;
  close(): Promise<void>;
}

/** A state of before the start. */
export interface RecalledState {
  readonly read: ReadReport;
  readonly ageMs: number;
}

/** What the source works with; the daemon wires it to adapters, tests to scripts. */
export interface ClusterSourceParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  fetchState(master: HostPort, signal: AbortSignal): Promise<FetchedState>;
  subscribe(
    master: HostPort,
    signal: AbortSignal,
    handlers: EventStreamHandlers,
  ): EventSubscription;
  /** null: the configuration names no ensemble. */
  openDetector(onChange: (detected: DetectedMasters) => void): Detector | null;
  /** `asked`: the count of events when the state was asked for. */
  read(chunks: FetchedState['chunks'], asked: number): Promise<ReadReport>;
  events(records: Uint8Array<ArrayBuffer>[][], leader: HostPort): Promise<EventsReport>;
  /** Addresses of host names, as far as they are known within `waitMs`. */
  resolve(names: readonly string[], waitMs: number): Promise<HostTexts>;
  build(of: BuildOf, hosts: HostTexts): Promise<BuildReport>;
  /** Returns the number of the update that the kernel process got; null: it got none. */
  publish(read: ReadReport, built: BuildReport, of: BuildOf): number | null;
  /** The saved state if a first state with so few agents may be that of a new leader. */
  recall(agents: number): Promise<RecalledState | null>;
  /** A master has told its whole state, and that is served. */
  onConfirmed(): void;
  /** Told of every poll; `result` is `success` or an error code. */
  onPoll(result: string, durationMs: number, isHeld: boolean): void;
  readonly observePropagation: PropagationParts['observe'];
}

/** Where, how often and how to listen. */
export interface SourcePlan {
  /** May be empty where ZooKeeper names them. */
  readonly masters: readonly HostPort[];
  readonly intervalMs: number;
  readonly events: EventsConfig;
}

/** How long a build waits for names that were never looked up; they are published later. */
const LOOKUP_WAIT_MS = 1_000;
/** How long ZooKeeper may take to name the masters at the start, where nobody else does. */
const DETECTION_WAIT_MS = 2_000;
/** All nodes hear of a new leader, or of what only a poll can explain, at the same moment. */
const SPREAD_MS = 1_000;
/** Between two polls that events ask for: a poll explains all that came before. */
const ASKED_INTERVAL_MS = 2_000;

/**
 * Keeps the served generation up to date: polls, the event stream and ZooKeeper, each of which can
 * be away without the others noticing.
 */
export class ClusterSource {
  readonly #parts: ClusterSourceParts;
  #plan: SourcePlan;
  readonly #masters: KnownMasters;
  readonly #queue: BuildQueue;
  readonly #loop: PollLoop;
  readonly #channel: EventChannel;
  readonly #hold: HoldWatch;
  readonly #propagation: Propagation;
  #detector: Detector | null = null;
  /** Agents in the generation; null: there is none. */
  #agents: number | null = null;
  /** When the served state was told, monotonic milliseconds. */
  #takenAt = 0;
  /** Events that the worker was given; its successor begins anew. */
  #events = 0;
  #workers = 1;
  #isHeld = false;
  #isStopped = false;

  constructor(parts: ClusterSourceParts, plan: SourcePlan) {
    const { clock, random, log } = parts;
    this.#parts = parts;
    this.#plan = plan;
    this.#masters = new KnownMasters(plan.masters);
    this.#queue = this.#createQueue();
    this.#hold = new HoldWatch({ clock, log, onDue: () => this.#onHoldDue() });
    this.#propagation = new Propagation({ clock, observe: parts.observePropagation });
    this.#loop = new PollLoop({
      ...{ clock, random, log },
      intervalMs: () => this.#plan.intervalMs,
      candidates: () => this.#masters.candidates(),
      fetchState: (...args) => this.#fetchState(...args),
      onPoll: (...args) => parts.onPoll(...args, this.#isHeld),
    });
    this.#channel = new EventChannel({
      ...{ clock, random, log },
      run: (work) => this.#queue.run(work),
      events: (...batch) => parts.events(...batch),
      subscribe: (...args) => parts.subscribe(...args),
      onReport: (...reported) => this.#onEvents(...reported),
    });
    this.#follow();
  }

  /** Polls now, and from then on at every beat; follows the leader's events as soon as it is known. */
  start(): void {
    this.#detector = this.#parts.openDetector((detected) => this.#onDetected(detected));
    this.#detector?.start();
    const isKnown = this.#masters.candidates().length > 0;
    this.#loop.pollWithin(isKnown ? 0 : DETECTION_WAIT_MS);
  }

  /** Takes over another plan and polls at once; what is in flight for the old one is dropped. */
  async replan(plan: SourcePlan): Promise<void> {
    if (this.#isStopped) return;
    this.#plan = plan;
    this.#masters.configure(plan.masters);
    // The stream is begun anew, with the new credentials.
    this.#channel.drop();
    this.#follow();
    const before = this.#detector;
    this.#detector = this.#parts.openDetector((detected) => this.#onDetected(detected));
    this.#detector?.start();
    const isKnown = plan.masters.length > 0;
    this.#loop.restart('the configuration changed', isKnown ? 0 : DETECTION_WAIT_MS);
    await before?.close();
  }

  /**
   * Serves the state that was loaded from disk, while none of a master is served; false: one is.
   * Polls go on meanwhile. Rejects if it cannot be built.
   */
  adopt(saved: ReadReport, ageMs: number): Promise<boolean> {
    return this.#queue.run(async () => {
      if (this.#isStopped || this.#queue.served !== null) return false;
      await this.#serveSaved({ read: saved, ageMs });
      return true;
    });
  }

  /** Builds what is believed again, because host addresses, settings or another source changed. */
  rebuild(): void {
    this.#queue.renew();
  }

  /** Names that services from outside of Mesos need addresses of; for the next build. */
  needHosts(names: readonly string[]): void {
    this.#queue.needOtherHosts(names);
  }

  /** The worker died, and with it what it believed: only a state can bring that back. */
  workerGone(): void {
    if (this.#isStopped) return;
    this.#workers++;
    this.#events = 0;
    this.#queue.lose();
    this.#propagation.forget();
    this.#channel.restart('the generation worker stopped');
    // A poll that kills it each time must not do so in a circle.
    if (!this.#loop.isRunning && this.#queue.served !== null) this.#loop.poll();
  }

  /** The kernel is as updates up to this number want it; `isGood` false: not all of it. */
  kernelChanged(update: number, isGood: boolean): void {
    this.#propagation.acknowledged(update, isGood);
  }

  /** Ends what is under way; resolves when nothing runs any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#hold.stop();
    await Promise.all([
      this.#loop.stop(),
      this.#channel.stop(),
      this.#queue.stop(),
      this.#detector?.close(),
    ]);
  }

  status(): SourceStatus {
    const { served, servedFrom } = this.#queue;
    const ageMs = this.#parts.clock.monotonic() - this.#takenAt;
    return {
      leader: served === null ? null : formatHostPort(served.leader),
      from: servedFrom,
      ageSeconds: served === null ? null : Math.round(ageMs / 100) / 10,
      ...this.#loop.status(),
      pollIntervalSeconds: this.#plan.intervalMs / 1000,
      events: this.#channel.status(),
      zookeeper: this.#detector?.status() ?? null,
      hold: this.#hold.status(),
    };
  }

  propagation(): PropagationStatus {
    return this.#propagation.status();
  }

  // Polls

  async #fetchState(master: HostPort, signal: AbortSignal): Promise<() => Promise<TakenState>> {
    const [asked, worker] = [this.#events, this.#workers];
    const fetched = await this.#parts.fetchState(master, signal);
    return () =>
      this.#queue.run(() => {
        // All that another worker was given came since.
        const known = worker === this.#workers ? asked : 0;
        return this.#take(fetched, known, signal);
      });
  }

  async #take(
    { chunks, answeredBy }: FetchedState,
    asked: number,
    signal: AbortSignal,
  ): Promise<TakenState> {
    signal.throwIfAborted();
    const read = await this.#parts.read(chunks, asked);
    // The answer of a master that is not ours any more says nothing.
    signal.throwIfAborted();
    const isLeading = read.fromLeader || isSameMaster(read.leader, answeredBy);
    if (!isLeading) return { read, isLeading, problem: null };
    this.#masters.answered(answeredBy);
    try {
      await this.#recall(read);
      await this.#serve(read);
      return { read, isLeading, problem: null };
    } catch (problem) {
      return { read, isLeading, problem };
    }
  }

  /** What a new leader does not know yet is missing after a start as at any other time. */
  async #recall({ agents }: ReadReport): Promise<void> {
    if (this.#queue.served !== null) return;
    const recalled = await this.#parts.recall(agents);
    if (recalled !== null) await this.#serveSaved(recalled);
  }

  async #serveSaved({ read, ageMs }: RecalledState): Promise<void> {
    await this.#queue.build('saved', read);
    this.#takenAt = this.#parts.clock.monotonic() - ageMs;
  }

  async #serve(read: ReadReport): Promise<void> {
    await this.#queue.build('read', read);
    this.#takenAt = this.#parts.clock.monotonic();
    this.#parts.onConfirmed();
  }

  #onHoldDue(): void {
    this.rebuild();
    this.#loop.pollWithin(this.#parts.random() * SPREAD_MS);
  }

  // The leader

  #onDetected(detected: DetectedMasters): void {
    if (this.#isStopped) return;
    const isOther = this.#masters.detect(detected);
    this.#follow();
    const hasNothing = this.#queue.served === null;
    const delayMs = hasNothing ? 0 : this.#parts.random() * SPREAD_MS;
    const isAsked = this.#loop.asked !== null && isSameMaster(this.#loop.asked, detected.leader);
    if (isOther && !isAsked) this.#loop.restart('another master leads', delayMs);
    else if (hasNothing && !this.#loop.isRunning) this.#loop.poll();
  }

  #follow(): void {
    this.#channel.follow(this.#plan.events, this.#agents, this.#masters.leader);
  }

  // The event stream

  async #onEvents(report: EventsReport, arrivedAt: number): Promise<void> {
    const { outcome, read, hostNames, statusTime } = report;
    this.#events = report.count;
    if (outcome === 'unknown') this.#pollForEvents();
    if (hostNames !== null) this.#queue.needHosts(hostNames);
    if (read !== null) await this.#serve(hostNames === null ? read : { ...read, hostNames });
    else if (outcome !== 'unchanged') {
      this.#propagation.changed(arrivedAt, statusTime);
      this.#queue.rebuild();
    }
  }

  /** An event that only a poll can explain reaches all nodes at the same moment. */
  #pollForEvents(): void {
    const { clock, random } = this.#parts;
    const restMs = this.#loop.startedAt + ASKED_INTERVAL_MS - clock.monotonic();
    this.#loop.pollWithin(Math.max(0, restMs) + 1 + random() * SPREAD_MS);
  }

  // Builds

  #createQueue(): BuildQueue {
    const parts = this.#parts;
    return new BuildQueue({
      log: parts.log,
      resolve: (...args) => parts.resolve(...args),
      build: (...args) => parts.build(...args),
      // Events must not wait for a name; without a stream there is time.
      lookupWaitMs: () => (this.#agents !== null && this.#channel.isFollowing ? 0 : LOOKUP_WAIT_MS),
      publish: (...published) => this.#publish(...published),
    });
  }

  #publish(read: ReadReport, built: BuildReport, of: BuildOf): void {
    this.#hold.see(built.hold);
    this.#isHeld = built.hold !== null;
    this.#agents = built.agents;
    this.#follow();
    const update = this.#parts.publish(read, built, of);
    this.#propagation.published(built.changed, update);
  }
}
