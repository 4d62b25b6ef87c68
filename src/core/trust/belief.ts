import { formatHostPort } from '../base/host-port.ts';
import type { RejectionList } from '../base/rejection.ts';
import { ClusterModel, type Outcome } from '../mesos/cluster-model.ts';
import { endedTasks, NO_ENDS, type TaskEnds, type WantedTasks } from '../mesos/ended-tasks.ts';
import type { ClusterEvent } from '../mesos/parse-event.ts';
import type { AddressCache } from '../mesos/parse-task.ts';
import type { ClusterSnapshot } from '../mesos/snapshot.ts';
import { type Believed, Retention, type RetentionSettings } from './retention.ts';

/** A whole state that waits to be believed. */
export interface Candidate {
  readonly snapshot: ClusterSnapshot;
  /** Its octets, which are searched for what became of missing tasks. */
  readonly body: Uint8Array;
  /** Events there were when it was asked for: later ones may not be in it. */
  readonly asked: number;
  /** A stream began with it: what happened since the last one ended is in no event. */
  readonly beginsStream: boolean;
}

/**
 * Events that are remembered for states that are on their way: a fetch takes seconds, and a cluster
 * of 10,000 tasks that starts anew makes 40,000 events.
 */
const EVENTS_MAX = 50_000;

/**
 * States back to which events are remembered: while one is fetched, another may come first, as the
 * beginning of a stream. More than a few that overtake it do not leave it much to say.
 */
const OVERTAKING_MAX = 4;

/** Events of a state that is older than those that are remembered. */
export class OutrunError extends Error {
  override readonly name = 'OutrunError';
}

/** What is believed of a cluster, from states and events, and from what they contradict. */
export class Belief {
  readonly #addresses: AddressCache;
  #retention: Retention;
  #model: ClusterModel | null = null;
  #candidate: Candidate | null = null;
  #leader: string | null = null;
  #masterId = '';
  #isNewLeader = false;
  /** Of all streams, since the start; those are kept that a state on its way may lack. */
  #count = 0;
  #events: ClusterEvent[] = [];
  /** Counts at which the states taken over last were asked for. */
  #asked: readonly number[] = [];

  constructor(settings: RetentionSettings, addresses: AddressCache) {
    this.#retention = new Retention(settings);
    this.#addresses = addresses;
  }

  /** Other settings, for what is said from now on. */
  configure(settings: RetentionSettings): void {
    const { believed, until } = this.#retention;
    // What is retained goes on to be, as if it had been missed just now.
    this.#isNewLeader ||= until !== null;
    this.#retention = new Retention(settings);
    if (believed !== null) this.#retention.adopt(believed);
  }

  /** No master was heard yet, and a saved state is all there is. */
  get isSaved(): boolean {
    return this.#model === null;
  }

  /** What states and events make, doubts aside; null before the first state. */
  get snapshot(): ClusterSnapshot | null {
    return this.#model?.snapshot() ?? null;
  }

  /** What was believed last, with what is retained; null: nothing. */
  get believed(): ClusterSnapshot | null {
    return this.#retention.believed;
  }

  /** Events taken so far. */
  get count(): number {
    return this.#count;
  }

  /** Monotonic ms at which `believe` may give something up; null: nothing is retained. */
  get until(): number | null {
    return this.#retention.until;
  }

  /**
   * A stream begins with a state, to be accepted with the count that this makes. What came before is
   * in it: a state that was asked for earlier, and may be older, is followed by this one.
   */
  beginStream(snapshot: ClusterSnapshot): void {
    this.#count++;
    this.#events = [{ kind: 'snapshot', snapshot, heartbeatSeconds: null }];
  }

  /** Takes an event in; nothing happens before the first state, and `unknown` asks for one. */
  takeEvent(event: ClusterEvent, rejections: RejectionList): Outcome {
    this.#count++;
    this.#events.push(event);
    if (this.#events.length >= 2 * EVENTS_MAX) this.#events = this.#events.slice(-EVENTS_MAX);
    return this.#model?.apply(event, this.#addresses, rejections) ?? 'unknown';
  }

  /**
   * Takes over a whole state, and repeats what has happened since it was asked for. Throws
   * OutrunError if that is not remembered any more.
   */
  accept(candidate: Candidate, rejections: RejectionList): void {
    const first = this.#count - this.#events.length;
    if (candidate.asked < first && this.#events[0]?.kind !== 'snapshot') {
      throw new OutrunError('more has happened while the state was fetched than is remembered');
    }
    const leader = formatHostPort(candidate.snapshot.leader);
    const { masterId } = candidate.snapshot;
    // A master that started anew has another id; what a stream begins with has none.
    const isKnownRun = masterId !== '' && masterId === this.#masterId;
    const isOtherRun = masterId !== '' && this.#masterId !== '' && !isKnownRun;
    // A stream is of the address that was dialled, a state of the one that the master gives itself.
    const isOther = this.#leader !== null && leader !== this.#leader && !isKnownRun;
    this.#isNewLeader ||= candidate.beginsStream || isOther || isOtherRun;
    this.#leader = leader;
    if (masterId !== '') this.#masterId = masterId;
    if (this.#model === null) this.#model = new ClusterModel(candidate.snapshot);
    else this.#model.reset(candidate.snapshot, candidate.beginsStream);
    for (const event of this.#events.slice(Math.max(0, candidate.asked - first))) {
      this.#model.apply(event, this.#addresses, rejections);
    }
    this.#candidate = candidate;
    this.#asked = [...this.#asked.slice(1 - OVERTAKING_MAX), candidate.asked];
    if (this.#asked.length === OVERTAKING_MAX) this.#forgetBefore(Math.min(...this.#asked));
  }

  /** Starts from a state that was true at `savedMs`, before any master was heard. */
  acceptSaved(snapshot: ClusterSnapshot, savedMs: number): void {
    this.#model = null;
    this.#leader = formatHostPort(snapshot.leader);
    this.#retention.reset({ snapshot, savedMs });
  }

  /** What to serve; null before the first state. */
  believe(nowMs: number): Believed | null {
    const model = this.#model;
    if (model === null) {
      const saved = this.#retention.believed;
      return saved === null ? null : { snapshot: saved, hold: null };
    }
    const isNewLeader = this.#isNewLeader;
    this.#isNewLeader = false;
    const believed = this.#retention.believe(model.snapshot(), {
      nowMs,
      isNewLeader,
      ends: (missing) => this.#ends(model, missing),
      agentRemoved: (id) => model.hasLeft(id),
    });
    // Its octets may be 80 MB, and what they say of missing tasks was asked for just now.
    this.#candidate = null;
    return believed;
  }

  /** Events are large, and no state that is still to come lacks these. */
  #forgetBefore(count: number): void {
    const first = this.#count - this.#events.length;
    if (count > first) this.#events = this.#events.slice(count - first);
  }

  #ends(model: ClusterModel, missing: WantedTasks): TaskEnds {
    const told = this.#candidate === null ? NO_ENDS : endedTasks(this.#candidate.body, missing);
    const ended = new Set(told.ended);
    for (const key of missing.keys()) if (model.hasEnded(key)) ended.add(key);
    const frameworks = new Set([...told.frameworks, ...model.tornDown]);
    return { ...told, ended, frameworks };
  }
}
