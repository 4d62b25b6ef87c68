import { RejectionList } from '../core/base/rejection.ts';
import { hostNames } from '../core/catalog/catalog.ts';
import type { ReadSnapshot } from '../core/generation.ts';
import type { ClusterEvent } from '../core/mesos/parse-event.ts';
import { parseEvent } from '../core/mesos/parse-event.ts';
import { parseAnyState } from '../core/mesos/parse-get-state.ts';
import { parseState } from '../core/mesos/parse-state.ts';
import { AddressCache } from '../core/mesos/parse-task.ts';
import type { Agent, ClusterSnapshot, Framework } from '../core/mesos/snapshot.ts';
import { Belief, type Candidate } from '../core/trust/belief.ts';
import type { Believed } from '../core/trust/retention.ts';
import type {
  BuildOf,
  EventsReport,
  ReadReport,
  WorkerRequests,
  WorkerSettings,
} from './generation-protocol.ts';
import type { KeptState } from './kept-state.ts';

/** Addresses of one text each that are remembered; a cluster has fewer, unless they come and go. */
const ADDRESSES_MAX = 200_000;

/** A state that was read and waits to be built. */
interface Waiting {
  readonly candidate: Candidate;
  readonly rejections: RejectionList;
}

/** What is built, and what of its sources could not be read. */
export interface IntakeBelief extends Believed {
  readonly read: ReadSnapshot;
  /** It is a state of before the start. */
  readonly isSaved: boolean;
}

/** What the generation worker hears of the cluster: states, events, and the file of before the start. */
export class ClusterIntake {
  #settings: WorkerSettings;
  readonly #kept: KeptState;
  readonly #addresses = new AddressCache();
  readonly #belief: Belief;
  #waiting: Waiting | null = null;
  #saved: { readonly snapshot: ClusterSnapshot; readonly takenAt: number } | null = null;
  /** Of the state and the events that are believed. */
  #rejections = new RejectionList();
  /** Monotonic ms at which the master was heard last. */
  #heardMs = 0;
  #hasNews = false;

  constructor(settings: WorkerSettings, kept: KeptState) {
    this.#settings = settings;
    this.#kept = kept;
    this.#belief = new Belief(settings.trust, this.#addresses);
  }

  configure(settings: WorkerSettings): void {
    const { lossShare, holdMs } = settings.trust;
    const { trust } = this.#settings;
    this.#settings = settings;
    if (lossShare !== trust.lossShare || holdMs !== trust.holdMs) {
      this.#belief.configure(settings.trust);
    }
  }

  /** Parses what a master answered to a poll. */
  readState({ chunks, keep, asked }: WorkerRequests['read']['in']): ReadReport {
    const start = performance.now();
    this.#kept.drop();
    const body = Buffer.concat(chunks);
    const rejections = new RejectionList();
    const parsed = parseState(body, rejections);
    if (!parsed.ok) throw new Error(parsed.error);
    const snapshot = parsed.value;
    this.#waiting = { candidate: { snapshot, body, asked, beginsStream: false }, rejections };
    if (keep) this.#kept.keep(body, snapshot);
    return this.#report(snapshot, body.length, start);
  }

  /** Parses a file that an earlier run has written. */
  async load({ path, bytesMax }: WorkerRequests['load']['in']): Promise<ReadReport> {
    const { header, body } = await this.#kept.load(path, bytesMax);
    const start = performance.now();
    const rejections = new RejectionList();
    const parsed = parseAnyState(body, header.leader, rejections);
    if (!parsed.ok) throw new Error(parsed.error);
    this.#saved = { snapshot: parsed.value, takenAt: header.takenAt };
    this.#rejections = rejections;
    return this.#report(parsed.value, body.length, start);
  }

  /** Takes in records of a stream until one that is no event. */
  takeEvents({ records, leader }: WorkerRequests['events']['in']): EventsReport {
    const report: { -readonly [K in keyof EventsReport]: EventsReport[K] } = {
      count: 0,
      outcome: 'unchanged',
      read: null,
      hostNames: null,
      heartbeatSeconds: null,
      invalid: null,
      statusTime: null,
    };
    if (this.#addresses.size > ADDRESSES_MAX) this.#addresses.clear();
    const agents: Agent[] = [];
    const frameworks: Framework[] = [];
    for (const chunks of records) {
      const start = performance.now();
      const body = chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks);
      const rejections = new RejectionList();
      const parsed = parseEvent(body, leader, this.#addresses, rejections);
      if (!parsed.ok) {
        report.invalid = parsed.error;
        break;
      }
      const event = parsed.value;
      if (event.kind === 'snapshot') {
        const { snapshot, heartbeatSeconds } = event;
        this.#belief.beginStream(snapshot);
        const asked = this.#belief.count;
        this.#waiting = { candidate: { snapshot, body, asked, beginsStream: true }, rejections };
        report.read = this.#report(snapshot, body.length, start);
        report.heartbeatSeconds = heartbeatSeconds;
        continue;
      }
      this.#rejections.addAll(rejections);
      const outcome = this.#belief.takeEvent(event, this.#rejections);
      // What changes nothing in what there was may be new to the state that the stream began with.
      if (event.kind === 'agent-added') agents.push(event.agent);
      else if (event.kind === 'framework') frameworks.push(event.framework);
      if (outcome === 'unchanged') continue;
      if (report.outcome !== 'unknown') report.outcome = outcome;
      report.statusTime = laterOf(report.statusTime, event);
    }
    this.#hasNews = true;
    report.count = this.#belief.count;
    if (agents.length + frameworks.length > 0) {
      report.hostNames = this.#hostNames(report.read !== null, agents, frameworks);
    }
    return report;
  }

  /** Names that a build needs addresses of after events, for what is retained too. */
  #hostNames(
    hasRead: boolean,
    agents: readonly Agent[],
    frameworks: readonly Framework[],
  ): readonly string[] | null {
    const told = (hasRead ? this.#waiting?.candidate.snapshot : null) ?? this.#belief.snapshot;
    if (told === null) return null;
    const { believed } = this.#belief;
    const all = {
      ...told,
      agents: [...told.agents, ...agents, ...(believed?.agents ?? [])],
      frameworks: [...told.frameworks, ...frameworks, ...(believed?.frameworks ?? [])],
    };
    return hostNames(all, this.#settings.zone.masters);
  }

  /** What to build; `nowMs` is monotonic, `nowWallMs` is not. Throws if there is nothing. */
  believe(of: BuildOf, nowMs: number, nowWallMs: number): IntakeBelief {
    if (of === 'read') this.#accept();
    else if (of === 'saved') this.#acceptSaved(nowMs, nowWallMs);
    if (of === 'read' || this.#hasNews) this.#heardMs = nowMs;
    this.#hasNews = false;
    const believed = this.#belief.believe(this.#heardMs);
    if (believed === null) throw new Error('the state is gone with the worker that read it');
    const read = { snapshot: believed.snapshot, rejections: this.#rejections };
    return { ...believed, read, isSaved: this.#belief.isSaved };
  }

  #accept(): void {
    const waiting = this.#waiting;
    if (waiting === null) throw new Error('the state is gone with the worker that read it');
    this.#waiting = null;
    // Nothing is built from the saved state any more, and it need not take memory.
    this.#saved = null;
    this.#rejections = waiting.rejections;
    this.#belief.accept(waiting.candidate, this.#rejections);
  }

  #acceptSaved(nowMs: number, nowWallMs: number): void {
    const saved = this.#saved;
    if (saved === null) throw new Error('the state is gone with the worker that read it');
    this.#belief.acceptSaved(saved.snapshot, nowMs - Math.max(0, nowWallMs - saved.takenAt));
  }

  #report(snapshot: ClusterSnapshot, stateBytes: number, start: number): ReadReport {
    return {
      leader: snapshot.leader,
      fromLeader: snapshot.fromLeader,
      agents: snapshot.agents.length,
      hostNames: hostNames(snapshot, this.#settings.zone.masters),
      stateBytes,
      parseMs: performance.now() - start,
    };
  }
}

/** The later of a time and that of an event, if it has one. */
function laterOf(time: number | null, event: ClusterEvent): number | null {
  if (event.kind !== 'task-updated' || event.timestamp === null) return time;
  return Math.max(time ?? 0, event.timestamp);
}
