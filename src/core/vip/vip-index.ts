import type { IpAddress } from '../base/address.ts';
import { assert } from '../base/assert.ts';
import { RejectionList } from '../base/rejection.ts';
import { sameValue } from '../base/same-value.ts';
import type { NamesConfig, VipConfig } from '../config/config.ts';
import type { Task } from '../mesos/snapshot.ts';
import { allocationDigest } from './allocate.ts';
import { AutoPorts } from './auto-ports.ts';
import { type AgentPlaces, BackendPlaces } from './backends.ts';
import type { AddressMove } from './family-addresses.ts';
import { PlainNames } from './plain-names.ts';
import { AddressPool } from './pool.ts';
import { parseScheduler, type SchedulerChoice } from './port-options.ts';
import type { ServiceFault } from './service-draft.ts';
import {
  compareServices,
  exhaustionOf,
  finishService,
  type ServiceEntry,
} from './service-entry.ts';
import { declaresVips, pathOf } from './task-ports.ts';
import { VIP_BOUNDS, VipCollector, type VipCounts } from './vip-collector.ts';
import { vipNameRoom } from './vip-label.ts';
import { VipAddresses } from './vip-addresses.ts';
import type { VipService, VipTable } from './vip-table.ts';
import type { VipTask } from './vip-task.ts';

/** What an update made different. */
export interface VipChanges {
  /** Services that are new or different (ports, backends, addresses), as they are now. */
  readonly changed: readonly VipService[];
  /** As they were: those of `changed` that existed before, and those that are gone. */
  readonly before: readonly VipService[];
  /** Plain names `<label>.<framework>` that stand for another service now, another version, or none. */
  readonly plainNames: readonly string[];
  /** Tasks that were looked at: their rejections are those of the update, and none besides. */
  readonly lookedAt: Iterable<VipTask>;
}

const SIDES = ['ipv4', 'ipv6'] as const;

/**
 * An update of more than a quarter of all tasks is no cheaper than a reset, but of a small cluster's
 * few it does not matter.
 */
const UPDATED_SHARE_MAX = 0.25;
const UPDATED_MIN = 64;

/**
 * VIPs of a cluster: which there are, their addresses, and who serves them; kept so that a changed
 * task costs what it touches. At any time the table is that of the present tasks alone: no history
 * is in it, nor the order of frameworks, tasks and ports (but where a bound cuts a hostile state).
 */
export class VipIndex {
  readonly #config: VipConfig;
  readonly #names: NamesConfig;
  readonly #bounds: Readonly<VipCounts>;
  readonly #identityLengthMax: number;
  readonly #scheduler: SchedulerChoice;
  readonly #digest: string;
  readonly #addresses: VipAddresses;
  #places: BackendPlaces | null = null;
  #auto: AutoPorts | null = null;
  #taskCount = 0;
  #counts: VipCounts = { services: 0, ports: 0, backends: 0 };
  /** By the collector's keys. */
  #entries = new Map<string, ServiceEntry>();
  #plainNames = new PlainNames();
  /** null: to be made anew. */
  #table: VipTable | null = null;
  /** The last list of services that was made, and what happened to them since; null: none was. */
  #sorted: readonly VipService[] | null = [];
  readonly #outdated = new Set<VipService>();
  readonly #fresh = new Set<VipService>();

  /** `bounds` are smaller in tests. */
  constructor(
    config: VipConfig,
    names: NamesConfig,
    domain: string,
    bounds: Readonly<VipCounts> = VIP_BOUNDS,
  ) {
    this.#config = config;
    this.#names = names;
    this.#bounds = bounds;
    this.#identityLengthMax = vipNameRoom([domain, ...config.aliasDomains]).identityLengthMax;
    this.#scheduler = parseScheduler(config.scheduler) ?? { scheduler: config.scheduler, flags: 0 };
    const excluded = (family: 4 | 6): VipConfig['exclude'] =>
      config.exclude.filter((one) => one.family === family);
    const pools = {
      4: new AddressPool(config.pool, excluded(4)),
      6: new AddressPool(config.poolIpv6, excluded(6)),
    };
    this.#digest = allocationDigest([pools[4], pools[6]]);
    this.#addresses = new VipAddresses(pools);
  }

  /** Everything anew: for other agents or hosts, and when `update` returns null. */
  reset(agents: AgentPlaces, tasks: Iterable<VipTask>, rejections: RejectionList): void {
    this.#forget();
    if (!this.#config.enabled) return;
    const all = [...tasks];
    this.#taskCount = all.length;
    this.#places = new BackendPlaces(agents, this.#config, rejections);
    this.#auto = this.#config.auto ? new AutoPorts(all, this.#names) : null;
    const collector = this.#collect(all, this.#places, rejections);
    this.#counts = { ...collector.counts };
    for (const [key, draft] of collector.services) {
      const entry = finishService(draft, this.#scheduler);
      this.#entries.set(key, entry);
      for (const fault of entry.faults) report(fault, rejections);
      this.#plainNames.add(key, entry.plainNames);
    }
    this.#addresses.reset(this.#entries);
    for (const { identity: key, side, address } of this.#addresses.settle()) {
      const entry = this.#entries.get(key);
      assert(entry !== undefined, 'only services claim addresses');
      setAddress(entry, side, address);
      if (address === null) report(exhaustionOf(entry, side), rejections);
    }
    this.#plainNames.chooseAll(this.#serviceOf);
  }

  /**
   * Some tasks are gone and others new (a changed task is both, in its two versions); agents and
   * hosts are as before. `rejections` gets those of the tasks that are looked at, complete. Null:
   * bounds are near or too much changed; nothing but a `reset` is of use then, with a new list.
   */
  update(
    removed: readonly VipTask[],
    added: readonly VipTask[],
    rejections: RejectionList,
  ): VipChanges | null {
    if (!this.#config.enabled) return { changed: [], before: [], plainNames: [], lookedAt: [] };
    const places = this.#places;
    assert(places !== null, 'a reset comes first');
    const most = Math.max(UPDATED_MIN, this.#taskCount * UPDATED_SHARE_MAX);
    if (removed.length + added.length > most) return null;
    this.#taskCount += added.length - removed.length;
    const gone = new Set(removed);
    const keys = this.#affected(gone, added, places);
    if (keys === null) return null;
    const lookedAt = this.#related(keys, gone, added);
    const collector = this.#collect(lookedAt, places, rejections);
    if (!this.#recount(keys, collector)) return null;
    const next = new Map<string, ServiceEntry | null>();
    for (const key of keys) {
      const draft = collector.services.get(key);
      next.set(key, draft === undefined ? null : finishService(draft, this.#scheduler));
    }
    for (const first of this.#settle(next)) {
      if (lookedAt.has(first)) continue;
      lookedAt.add(first);
      this.#collectOne(collector, first, places, rejections);
    }
    const { changed, before, names } = this.#commit(next);
    const plainNames = this.#plainNames.choose(names, this.#serviceOf);
    if (changed.length + before.length + plainNames.length > 0) this.#table = null;
    this.#reportServices(collector, lookedAt, rejections);
    return { changed, before, plainNames, lookedAt };
  }

  /** The table now; made when it is asked for, and the same object until something changes. */
  get table(): VipTable {
    this.#table ??= {
      services: this.#services(),
      plainNames: this.#plainNames.services,
      digest: this.#digest,
    };
    return this.#table;
  }

  readonly #serviceOf = (key: string): VipService | null => this.#entries.get(key)?.service ?? null;

  #forget(): void {
    this.#taskCount = 0;
    this.#counts = { services: 0, ports: 0, backends: 0 };
    this.#entries = new Map();
    this.#plainNames = new PlainNames();
    this.#table = null;
    this.#sorted = this.#config.enabled ? null : [];
    this.#outdated.clear();
    this.#fresh.clear();
  }

  #collect(
    tasks: Iterable<VipTask>,
    places: BackendPlaces,
    rejections: RejectionList,
  ): VipCollector {
    const auto = this.#auto;
    const settings = {
      config: this.#config,
      names: this.#names,
      identityLengthMax: this.#identityLengthMax,
      hasAutoPort: (identity: string, number: number) => auto?.has(identity, number) ?? false,
      bounds: this.#bounds,
    };
    places.reportTo(rejections);
    const collector = new VipCollector(settings, places, rejections);
    for (const one of tasks) this.#collectOne(collector, one, places, rejections);
    return collector;
  }

  #collectOne(
    collector: VipCollector,
    one: VipTask,
    places: BackendPlaces,
    rejections: RejectionList,
  ): void {
    const { task, state } = one;
    if (!declaresVips(task, this.#config.auto)) return;
    // The catalog reports running tasks of unknown agents; those that are killed it does not see.
    if (state === 'killing' && places.agent(task.agentId) === null) {
      rejections.add(`${task.path}.slave_id`, 'agent-unknown', task.agentId);
    } else collector.add(one);
  }

  /**
   * Keys of all services that tasks declare or, as automatic ports, might: whether their instances
   * agree is known later. Null: a bound is reached.
   */
  #affected(
    removed: ReadonlySet<VipTask>,
    added: readonly VipTask[],
    places: BackendPlaces,
  ): ReadonlySet<string> | null {
    const probe = this.#collect([...removed, ...added], places, new RejectionList());
    if (isAtBound(probe.counts, this.#bounds)) return null;
    const keys = new Set(probe.services.keys());
    for (const identity of this.#auto?.update(removed, added) ?? []) keys.add(identity);
    return keys;
  }

  /** All present tasks that these services are made of. */
  #related(
    keys: ReadonlySet<string>,
    removed: ReadonlySet<VipTask>,
    added: readonly VipTask[],
  ): Set<VipTask> {
    const related = new Set<VipTask>();
    for (const key of keys) {
      for (const one of this.#entries.get(key)?.members ?? []) {
        if (!removed.has(one)) related.add(one);
      }
      for (const one of this.#auto?.instances(key) ?? []) related.add(one);
    }
    for (const one of added) related.add(one);
    return related;
  }

  /** Counts anew what these services take; false: a bound is or was reached. */
  #recount(keys: ReadonlySet<string>, collector: VipCollector): boolean {
    const before = this.#counts;
    const counts = { ...before };
    for (const key of keys) {
      const entry = this.#entries.get(key);
      if (entry !== undefined) {
        counts.services--;
        counts.ports -= entry.portCount;
        counts.backends -= entry.backendCount;
      }
      const draft = collector.services.get(key);
      if (draft === undefined) continue;
      counts.services++;
      counts.ports += draft.ports.all.length;
      for (const { backendCount } of draft.ports.all) counts.backends += backendCount;
    }
    this.#counts = counts;
    return [before, counts, collector.counts].every((one) => !isAtBound(one, this.#bounds));
  }

  /**
   * Gives the services their addresses, and adds those to them whose address moves. Returns tasks
   * with whose service something else is wrong now.
   */
  #settle(next: Map<string, ServiceEntry | null>): readonly VipTask[] {
    for (const [key, entry] of next) {
      this.#addresses.replace(key, this.#serviceOf(key), entry?.service ?? null);
    }
    const wrong: VipTask[] = [];
    for (const { identity: key, side, address } of this.#addresses.settle()) {
      const old = this.#entries.get(key);
      if (!next.has(key) && old !== undefined) {
        next.set(key, { ...old, service: old.service && { ...old.service } });
      }
      const entry = next.get(key);
      assert(entry !== undefined && entry !== null, 'only services claim addresses');
      setAddress(entry, side, address);
      const wasExhausted = old !== undefined && exhaustionOf(old, side) !== null;
      const [first] = entry.members;
      if (first !== undefined && (address === null || wasExhausted)) wrong.push(first);
    }
    return wrong;
  }

  /** Takes over the new services; what is equal stays the object it is. */
  #commit(next: ReadonlyMap<string, ServiceEntry | null>): {
    readonly changed: readonly VipService[];
    readonly before: readonly VipService[];
    /** Plain names that have to be chosen for. */
    readonly names: ReadonlySet<string>;
  } {
    const changed: VipService[] = [];
    const before: VipService[] = [];
    const names = new Set<string>();
    for (const [key, entry] of next) {
      const old = this.#entries.get(key);
      const service = old?.service ?? null;
      for (const name of old?.plainNames ?? []) names.add(name);
      for (const name of entry?.plainNames ?? []) names.add(name);
      if (old !== undefined) this.#plainNames.remove(key, old.plainNames);
      if (entry === null) {
        this.#entries.delete(key);
      } else {
        this.#plainNames.add(key, entry.plainNames);
        this.#entries.set(key, entry);
        if (sameValue(service, entry.service)) {
          entry.service = service;
          continue;
        }
      }
      if (service !== null) {
        before.push(service);
        if (!this.#fresh.delete(service)) this.#outdated.add(service);
      }
      if (entry !== null && entry.service !== null) {
        changed.push(entry.service);
        this.#fresh.add(entry.service);
      }
    }
    return { changed, before, names };
  }

  /** Reports what is wrong with services as a whole at these tasks. */
  #reportServices(
    collector: VipCollector,
    lookedAt: ReadonlySet<VipTask>,
    rejections: RejectionList,
  ): void {
    const tasks = new Set<Task>();
    for (const { task } of lookedAt) tasks.add(task);
    for (const key of collector.services.keys()) {
      const entry = this.#entries.get(key);
      if (entry === undefined) continue;
      for (const fault of entry.faults) if (tasks.has(fault.origin.task)) report(fault, rejections);
      if (!tasks.has(entry.origin.task)) continue;
      for (const side of SIDES) report(exhaustionOf(entry, side), rejections);
    }
  }

  #services(): readonly VipService[] {
    const services: VipService[] = [];
    if (this.#sorted === null) {
      for (const { service } of this.#entries.values()) {
        if (service !== null) services.push(service);
      }
    } else {
      if (this.#fresh.size + this.#outdated.size === 0) return this.#sorted;
      for (const one of this.#sorted) if (!this.#outdated.has(one)) services.push(one);
      for (const one of this.#fresh) services.push(one);
    }
    this.#outdated.clear();
    this.#fresh.clear();
    this.#sorted = services.sort(compareServices);
    return this.#sorted;
  }
}

function isAtBound(counts: Readonly<VipCounts>, bounds: Readonly<VipCounts>): boolean {
  return (
    counts.services >= bounds.services ||
    counts.ports >= bounds.ports ||
    counts.backends >= bounds.backends
  );
}

/** Only of a service that nobody has seen yet. */
function setAddress(
  { service }: ServiceEntry,
  side: AddressMove['side'],
  address: IpAddress | null,
): void {
  assert(service !== null, 'only services claim addresses');
  const unpublished: { -readonly [K in keyof VipService]: VipService[K] } = service;
  unpublished[side] = address;
}

function report(fault: ServiceFault | null, rejections: RejectionList): void {
  if (fault !== null) rejections.add(pathOf(fault.origin), fault.code, fault.value);
}
