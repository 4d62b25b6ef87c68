import { assert } from '../base/assert.ts';
import { countTasks } from '../mesos/parse-state.ts';
import type { ClusterSnapshot } from '../mesos/snapshot.ts';
import type { TaskEnds, WantedTasks } from '../mesos/ended-tasks.ts';
import {
  type Absence,
  absentKeys,
  CandidateIndex,
  filterAbsence,
  findAbsence,
  isNothing,
  missingTasks,
} from './absence.ts';
import { withoutEnded, withoutRemoved } from './evidence.ts';
import { retainedSnapshot } from './retained-snapshot.ts';

/** When what a master leaves out is doubted; 1 or 0 turn it off. */
export interface RetentionSettings {
  /** Running tasks that may vanish at once, as a share between 0 and 1 of those there were. */
  readonly lossShare: number;
  /** How long anything is retained at most. */
  readonly holdMs: number;
}

/** What is known about a candidate besides what is in it. */
export interface Testimony {
  /**
   * Monotonic ms at which the master said it or, of a stream, was last heard of. A hold runs out by
   * what a master says then: one that is silent has not confirmed anything.
   */
  readonly nowMs: number;
  /** The first of another leader, of one that started anew, or of a stream after a cut. */
  readonly isNewLeader: boolean;
  /**
   * What became of these tasks, as the candidate's source and the stream have it.
   * Asked at most once for a candidate, and only if it is doubted.
   */
  readonly ends: (missing: WantedTasks) => TaskEnds;
  /** The master said that this agent is no more. */
  readonly agentRemoved: (agentId: string) => boolean;
}

/**
 * Why a candidate is doubted: a leader that is new; agents that are still to register, or vanished with
 * their tasks; tasks that vanished from agents that are there; no agents, or no tasks at all.
 */
export type HoldReason = 'leader-changed' | 'agents-missing' | 'tasks-lost' | 'cluster-empty';

/** What is retained, and for how long. */
export interface Hold {
  /** Why the last of it is. */
  readonly reason: HoldReason;
  /** Monotonic ms at which the first of it went missing. */
  readonly since: number;
  /** Monotonic ms at which the last of it is given up; null: not while the master shows no tasks. */
  readonly until: number | null;
  /** Running tasks that are retained. */
  readonly missingTasks: number;
  readonly missingAgents: number;
  /** Running tasks there were when the last of them went missing. */
  readonly knownTasks: number;
  /** Of missing among known tasks. */
  readonly share: number;
  /** Ids of a few missing tasks. */
  readonly examples: readonly string[];
}

/** What to serve. */
export interface Believed {
  /** The candidate itself if nothing is retained. */
  readonly snapshot: ClusterSnapshot;
  readonly hold: Hold | null;
}

/** As many as an operator reads in a log line. */
const EXAMPLES_MAX = 5;

/** Things that went missing together. */
interface Wave {
  /** Monotonic ms. */
  readonly since: number;
  readonly reason: HoldReason;
}

/** A candidate under examination. */
interface Examination {
  readonly before: ClusterSnapshot;
  /** Running tasks there were when the last of what is missing went. */
  readonly knownTasks: number;
  readonly index: CandidateIndex;
  readonly testimony: Testimony;
}

/**
 * What the daemon believes, made of what the master says and what is remembered. A master that has
 * just been elected knows nothing until agents register with it, one without its registry knows
 * nothing at all, and one that took a permission away shows nothing; none of that ends a task. So what
 * is missing then is retained, while all else in a candidate is believed at once:
 *
 * - Something missing is doubted if the leader is new, agents are still to register, there are no
 *   agents or no tasks at all, or more than `lossShare` of the running tasks is missing.
 * - While something is retained, what else goes missing is retained with it.
 * - A task is given up when the master says that it ended or its agent is no more, or when its agent
 *   is registered without it and not more than `lossShare` is missing: an agent that registers brings
 *   its tasks. One that was being killed is given up without regard to that share.
 * - Everything is given up `holdMs` after it went missing, by a candidate of that time. But agents
 *   without a single task are what a cluster looks like to those who may not see it: until a task is
 *   shown or the ends of those that were there are told, that is not believed however long it lasts.
 */
export class Retention {
  readonly #settings: RetentionSettings;
  #believed: ClusterSnapshot | null = null;
  /** When a saved state was true; null once a master has been heard. */
  #savedMs: number | null = null;
  /** Of what is retained, by key. */
  #waves: ReadonlyMap<string, Wave> = new Map();
  /** Running tasks there were when the last of it went missing. */
  #knownTasks = 0;
  #until: number | null = null;
  /** The last candidate that something was added to. */
  #candidate: ClusterSnapshot | null = null;

  constructor(settings: RetentionSettings) {
    this.#settings = settings;
  }

  /** Monotonic ms from which a candidate gives something up: a master should be heard then. */
  get until(): number | null {
    return this.#until;
  }

  /** What was last believed. */
  get believed(): ClusterSnapshot | null {
    return this.#believed;
  }

  /**
   * Forgets everything or, with a saved state, all but that: it was true at `savedMs` on the clock of
   * `nowMs`, which may be below 0, and is retained for no longer than `holdMs` from then.
   */
  reset(
    saved: { readonly snapshot: ClusterSnapshot; readonly savedMs: number } | null = null,
  ): void {
    this.#accept(saved?.snapshot ?? null);
    this.#savedMs = saved?.savedMs ?? null;
  }

  /** Goes on from what was believed by other settings: all of it, what was retained too. */
  adopt(believed: ClusterSnapshot): void {
    this.#accept(believed);
  }

  /** Hears what a master says about the whole cluster. */
  believe(candidate: ClusterSnapshot, testimony: Testimony): Believed {
    const before = this.#before(testimony.nowMs);
    if (before !== null && before !== candidate) {
      const index = new CandidateIndex(candidate);
      const found = findAbsence(before, index);
      const isKnown = absentKeys(found).every((key) => this.#waves.has(key));
      const knownTasks = isKnown ? this.#knownTasks : countTasks(before.frameworks);
      const examination = { before, knownTasks, index, testimony };
      const absence = isNothing(found) ? found : this.#doubted(found, examination);
      if (!isNothing(absence)) return this.#retain(absence, examination);
    }
    this.#accept(candidate);
    return { snapshot: candidate, hold: null };
  }

  /** What to compare with; null if there is nothing, or nothing that counts. */
  #before(nowMs: number): ClusterSnapshot | null {
    const { lossShare, holdMs } = this.#settings;
    if (lossShare >= 1 || holdMs <= 0) return null;
    const isTooOld = this.#savedMs !== null && nowMs - this.#savedMs >= holdMs;
    return isTooOld ? null : this.#believed;
  }

  #accept(snapshot: ClusterSnapshot | null): void {
    this.#believed = snapshot;
    this.#savedMs = null;
    this.#waves = new Map();
    this.#until = null;
    this.#candidate = null;
  }

  /** The part of what is missing that is doubted. */
  #doubted(found: Absence, examination: Examination): Absence {
    const { before, index, testimony } = examination;
    const present = withoutRemoved(found, before, index, testimony.agentRemoved);
    const inTime = this.#inTime(present, examination);
    // Most that is missing has ended, and is not worth the search for the reason.
    if (!this.#isDoubted(inTime, examination)) return NOTHING;
    const told = withoutEnded(inTime, index, testimony.ends);
    // Shorter by what has ended, so that what it needed may not be needed any more.
    const rest = this.#inTime(this.#withoutForgotten(told, examination), examination);
    return this.#isDoubted(rest, examination) ? rest : NOTHING;
  }

  #isDoubted(absence: Absence, examination: Examination): boolean {
    return (
      this.#newestWave(absence, examination) !== null || this.#doubt(absence, examination) !== null
    );
  }

  /** Why what went missing just now is not believed to be gone; null if it is. */
  #doubt(absence: Absence, examination: Examination): HoldReason | null {
    const { before, knownTasks, index, testimony } = examination;
    const fresh = filterAbsence(absence, (key) => !this.#waves.has(key));
    if (isNothing(fresh)) return null;
    if (testimony.isNewLeader) return 'leader-changed';
    const { agents, recovering } = index.snapshot;
    if (agents.length === 0 && before.agents.length > 0) return 'cluster-empty';
    if (isBlind(fresh, index)) return 'cluster-empty';
    const isAboutAgents = fresh.tasks.length + fresh.agents.length > 0;
    if (recovering.length > 0 && isAboutAgents) return 'agents-missing';
    if (missingTasks(fresh) <= this.#settings.lossShare * knownTasks) return null;
    const isByAgents = fresh.tasks.every(({ task }) => !index.isRegistered(task.agentId));
    return isByAgents ? 'agents-missing' : 'tasks-lost';
  }

  /** Without what was retained for long enough; a task keeps the agent and framework it needs. */
  #inTime(absence: Absence, examination: Examination): Absence {
    const hasEnd = !isBlind(absence, examination.index);
    const isOn = ({ key }: { readonly key: string }): boolean => {
      const wave = this.#waves.get(key);
      return wave === undefined || !hasEnd || !this.#isOver(wave, examination);
    };
    const tasks = absence.tasks.filter(isOn);
    const agentIds = new Set(tasks.map(({ task }) => task.agentId));
    const owners = new Set(tasks.map(({ framework }) => framework));
    return {
      tasks,
      agents: absence.agents.filter((one) => isOn(one) || agentIds.has(one.agent.id)),
      frameworks: absence.frameworks.filter((one) => isOn(one) || owners.has(one.key)),
    };
  }

  #isOver({ since }: Wave, { testimony }: Examination): boolean {
    return testimony.nowMs - since >= this.#settings.holdMs;
  }

  /** Without tasks that their agent, which is there, did not bring, unless too many are missing. */
  #withoutForgotten(absence: Absence, { index, knownTasks }: Examination): Absence {
    const isMass = missingTasks(absence) > this.#settings.lossShare * knownTasks;
    const tasks = absence.tasks.filter(
      ({ task, isKilling }) => (isMass && !isKilling) || !index.isRegistered(task.agentId),
    );
    return { ...absence, tasks };
  }

  /** The latest wave that is not over, of which something is still missing. */
  #newestWave(absence: Absence, examination: Examination): Wave | null {
    let newest: Wave | null = null;
    const hasEnd = !isBlind(absence, examination.index);
    for (const key of absentKeys(absence)) {
      const wave = this.#waves.get(key);
      if (wave === undefined || (hasEnd && this.#isOver(wave, examination))) continue;
      if (newest === null || wave.since > newest.since) newest = wave;
    }
    return newest;
  }

  #retain(absence: Absence, examination: Examination): Believed {
    const { index, testimony, knownTasks } = examination;
    const { holdMs } = this.#settings;
    const doubt = this.#doubt(absence, examination);
    const since = Math.min(testimony.nowMs, this.#savedMs ?? testimony.nowMs);
    const newest =
      doubt === null ? this.#newestWave(absence, examination) : { since, reason: doubt };
    assert(newest !== null, 'only what is doubted is retained');
    const keys = absentKeys(absence);
    const waves = new Map(keys.map((key) => [key, this.#waves.get(key) ?? newest]));
    const snapshot = this.#merged(index.snapshot, absence, waves.size === this.#waves.size);
    const hasEnd = !isBlind(absence, index);
    let [first, firstInTime] = [newest.since, newest.since];
    for (const wave of waves.values()) {
      first = Math.min(first, wave.since);
      if (!this.#isOver(wave, examination)) firstInTime = Math.min(firstInTime, wave.since);
    }
    this.#believed = snapshot;
    this.#savedMs = null;
    this.#waves = waves;
    this.#knownTasks = knownTasks;
    this.#until = hasEnd ? firstInTime + holdMs : null;
    this.#candidate = index.snapshot;
    const running = absence.tasks.filter(({ isKilling }) => !isKilling);
    const hold = {
      reason: newest.reason,
      since: first,
      until: hasEnd ? newest.since + holdMs : null,
      missingTasks: running.length,
      missingAgents: absence.agents.length,
      knownTasks,
      share: knownTasks === 0 ? 0 : running.length / knownTasks,
      examples: running.slice(0, EXAMPLES_MAX).map(({ task }) => task.id),
    };
    return { snapshot, hold };
  }

  /** The same candidate and as much missing as before: then it is the same that is missing. */
  #merged(candidate: ClusterSnapshot, absence: Absence, isAsMuch: boolean): ClusterSnapshot {
    const isSame = candidate === this.#candidate && isAsMuch;
    return isSame && this.#believed !== null
      ? this.#believed
      : retainedSnapshot(candidate, absence);
  }
}

const NOTHING: Absence = { tasks: [], agents: [], frameworks: [] };

/** Agents are registered and not one task is shown, while running ones are missing. */
function isBlind(absence: Absence, { snapshot, hasNoTasks }: CandidateIndex): boolean {
  return (
    hasNoTasks && snapshot.agents.length > 0 && absence.tasks.some(({ isKilling }) => !isKilling)
  );
}
