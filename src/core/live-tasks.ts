import type { IpAddress } from './base/address.ts';
import type { RejectionList } from './base/rejection.ts';
import { sameValue } from './base/same-value.ts';
import { type Catalog, type CatalogTask, catalogTask } from './catalog/catalog.ts';
import type { NamesConfig } from './config/config.ts';
import type { Agent, ClusterSnapshot, Framework, Task } from './mesos/snapshot.ts';
import { frameworkKey } from './mesos/task-key.ts';
import type { VipTask } from './vip/vip-task.ts';

/** One version of a task with what is made of it; another object is another version. */
export interface LiveTask {
  readonly task: Task;
  /** Sanitised name of its framework. */
  readonly framework: string;
  /** null: it is being killed, or its agent is not known, and it has no names. */
  readonly entry: CatalogTask | null;
  /** null: as a running task of an unknown agent it serves no VIP either. */
  readonly vip: VipTask | null;
}

/** What became of the tasks of a cluster between two snapshots. */
export interface TaskDifference {
  readonly gone: readonly LiveTask[];
  readonly come: readonly LiveTask[];
}

/** A task in its framework's list, and when it was seen there last. */
interface Listed {
  live: LiveTask;
  /** Equal to `live.task`: a state that was fetched has objects of its own, events keep them. */
  told: Task;
  seen: number;
}

interface LiveFramework {
  readonly framework: Framework;
  readonly name: string;
  /** By task id; tasks that do not run yet are not in it. */
  readonly tasks: Map<string, Listed>;
}

/** More than a part of all tasks, and to make all anew is as fast. */
const DIFFERENCE_SHARE_MAX = 0.1;
const DIFFERENCE_MIN = 64;

/**
 * The tasks of the last snapshot, to find what is different in the next one. Tasks that share a name
 * depend on each other: an unhealthy one is left out only while a healthy one has the name too.
 */
export class LiveTasks {
  readonly #names: NamesConfig;
  readonly #catalog: Catalog;
  /** As they were told last. */
  #agents: readonly Agent[];
  readonly #frameworks = new Map<string, LiveFramework>();
  readonly #agentAddresses = new Map<string, readonly IpAddress[]>();
  /** By `<label>.<framework>`: all that have the name, and how many could stand in for others. */
  readonly #shared = new Map<string, { readonly tasks: Set<LiveTask>; healthy: number }>();
  #count = 0;
  #round = 0;
  /** Ids are unique, as Mesos has them. */
  readonly #isExact: boolean;

  /** `vips` are those of the catalog's tasks. */
  constructor(
    catalog: Catalog,
    agentAddresses: ReadonlyMap<string, readonly IpAddress[]>,
    vips: Iterable<VipTask>,
    names: NamesConfig,
  ) {
    this.#catalog = catalog;
    this.#names = names;
    this.#agents = catalog.snapshot.agents;
    let isExact = true;
    for (const [id, addresses] of agentAddresses) this.#agentAddresses.set(id, addresses);
    const vipOf = new Map<Task, VipTask>();
    for (const vip of vips) vipOf.set(vip.task, vip);
    for (const { framework, name, tasks } of catalog.frameworks) {
      const listed = new Map<string, Listed>();
      const key = frameworkKey(framework);
      isExact &&= !this.#frameworks.has(key);
      this.#frameworks.set(key, { framework, name, tasks: listed });
      const entryOf = new Map(tasks.map((entry) => [entry.task, entry]));
      for (const list of [framework.tasks, framework.killing]) {
        for (const task of list) {
          const entry = entryOf.get(task) ?? null;
          const live = { task, framework: name, entry, vip: vipOf.get(task) ?? null };
          isExact &&= !listed.has(task.id);
          listed.set(task.id, { live, told: task, seen: 0 });
          this.#count++;
          this.#share(live);
        }
      }
    }
    this.#isExact = isExact;
  }

  /**
   * What is different in a snapshot; null if that is more than single tasks, and all has to be made
   * anew. The tasks are those of that snapshot then, and new ones that have no names are rejected.
   */
  follow(snapshot: ClusterSnapshot, rejections: RejectionList): TaskDifference | null {
    if (!this.#isExact || !this.#hasSameFrame(snapshot)) return null;
    const gone: LiveTask[] = [];
    const come: LiveTask[] = [];
    const most = Math.max(DIFFERENCE_MIN, this.#count * DIFFERENCE_SHARE_MAX);
    const round = ++this.#round;
    for (const framework of snapshot.frameworks) {
      const known = this.#frameworks.get(frameworkKey(framework));
      if (known === undefined) return null;
      let seen = 0;
      for (const list of [framework.tasks, framework.killing]) {
        for (const task of list) {
          const listed = known.tasks.get(task.id);
          if (listed?.seen === round) return null;
          seen++;
          if (listed !== undefined) {
            listed.seen = round;
            if (listed.told === task) continue;
            if (sameValue(listed.told, task)) {
              listed.told = task;
              continue;
            }
            gone.push(listed.live);
          }
          if (framework.isStatic === true) return null;
          const live = this.#live(task, known.name, rejections);
          come.push(live);
          known.tasks.set(task.id, { live, told: task, seen: round });
        }
      }
      if (known.tasks.size > seen) {
        for (const [id, { live, seen: at }] of known.tasks) {
          if (at === round) continue;
          gone.push(live);
          known.tasks.delete(id);
        }
      }
      if (gone.length + come.length > most) return null;
    }
    this.#count += come.length - gone.length;
    return this.#names.unhealthy === 'avoid'
      ? this.#withAvoided(gone, come)
      : this.#noted(gone, come);
  }

  /** All tasks with names that start with `<label>.<framework>`. */
  named(name: string): Iterable<LiveTask> {
    return this.#shared.get(name)?.tasks ?? [];
  }

  /** The catalog of the tasks as they are now. */
  catalog(snapshot: ClusterSnapshot): Catalog {
    const frameworks = snapshot.frameworks.map((framework) => {
      const known = this.#frameworks.get(frameworkKey(framework));
      const tasks = framework.tasks.flatMap(({ id }) => known?.tasks.get(id)?.live.entry ?? []);
      return { framework, name: known?.name ?? '', tasks };
    });
    return { snapshot, frameworks, hosts: this.#catalog.hosts };
  }

  /** The same leader, agents and frameworks, apart from their tasks. */
  #hasSameFrame(snapshot: ClusterSnapshot): boolean {
    const before = this.#catalog.snapshot;
    if (!sameValue(before.leader, snapshot.leader)) return false;
    if (before.frameworks.length !== snapshot.frameworks.length) return false;
    if (!sameAgents(this.#agents, snapshot.agents)) return false;
    this.#agents = snapshot.agents;
    return snapshot.frameworks.every((framework) => {
      const known = this.#frameworks.get(frameworkKey(framework))?.framework;
      if (known === undefined) return false;
      const { name, hostname, active, endpoint } = framework;
      const isSame = known.name === name && known.hostname === hostname && known.active === active;
      return isSame && sameValue(known.endpoint, endpoint);
    });
  }

  #live(task: Task, framework: string, rejections: RejectionList): LiveTask {
    if (task.phase === 'killing') {
      const vip: VipTask = { task, framework, labels: [], state: 'killing' };
      return { task, framework, entry: null, vip };
    }
    const addresses = this.#agentAddresses.get(task.agentId);
    if (addresses === undefined) {
      rejections.add(`${task.path}.slave_id`, 'agent-unknown', task.agentId);
      return { task, framework, entry: null, vip: null };
    }
    const entry = catalogTask(task, addresses, this.#names);
    return {
      task,
      framework,
      entry,
      vip: { task, framework, labels: entry.labels, state: 'running' },
    };
  }

  #noted(gone: readonly LiveTask[], come: readonly LiveTask[]): TaskDifference {
    for (const live of gone) this.#unshare(live);
    for (const live of come) this.#share(live);
    return { gone, come };
  }

  /** Adds tasks that are left out now, or are no longer, as those that share their names are. */
  #withAvoided(gone: readonly LiveTask[], come: readonly LiveTask[]): TaskDifference {
    this.#noted(gone, come);
    const names = new Set<string>();
    for (const live of [...gone, ...come]) for (const name of namesOf(live)) names.add(name);
    const [allGone, allCome] = [new Set(gone), new Set(come)];
    for (const name of names) {
      for (const live of [...this.named(name)]) {
        const { entry } = live;
        if (entry === null || entry.avoided === this.#isAvoided(live)) continue;
        const changed = { ...live, entry: { ...entry, avoided: !entry.avoided } };
        this.#replace(live, changed);
        if (!allCome.delete(live)) allGone.add(live);
        allCome.add(changed);
      }
    }
    return { gone: [...allGone], come: [...allCome] };
  }

  #isAvoided(live: LiveTask): boolean {
    if (live.task.healthy) return false;
    return namesOf(live).every((name) => (this.#shared.get(name)?.healthy ?? 0) > 0);
  }

  #replace(live: LiveTask, by: LiveTask): void {
    this.#unshare(live);
    this.#share(by);
    for (const { name, tasks } of this.#frameworks.values()) {
      const listed = name === live.framework ? tasks.get(live.task.id) : undefined;
      if (listed?.live === live) listed.live = by;
    }
  }

  #share(live: LiveTask): void {
    for (const name of namesOf(live)) {
      let group = this.#shared.get(name);
      if (group === undefined) this.#shared.set(name, (group = { tasks: new Set(), healthy: 0 }));
      group.tasks.add(live);
      if (canStandIn(live)) group.healthy++;
    }
  }

  #unshare(live: LiveTask): void {
    for (const name of namesOf(live)) {
      const group = this.#shared.get(name);
      if (group?.tasks.delete(live) !== true) continue;
      if (canStandIn(live)) group.healthy--;
      if (group.tasks.size === 0) this.#shared.delete(name);
    }
  }
}

/** `<label>.<framework>` for each of its labels, once. */
function namesOf({ entry, framework }: LiveTask): readonly string[] {
  if (entry === null) return [];
  return entry.labels.map((text) => `${text}.${framework}`);
}

/** A healthy task without an address cannot stand in for one that has some. */
function canStandIn({ task, entry }: LiveTask): boolean {
  return entry !== null && task.healthy && entry.chosen.addresses.length > 0;
}

function sameAgents(a: readonly Agent[], b: readonly Agent[]): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  if (a.every((agent, i) => agent === b[i])) return true;
  const known = new Map(a.map((agent) => [agent.id, agent]));
  return (
    known.size === a.length &&
    b.every((agent) => {
      const before = known.get(agent.id);
      return before === agent || sameValue(before, agent);
    })
  );
}
