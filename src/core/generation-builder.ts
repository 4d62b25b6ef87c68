import { RejectionList } from './base/rejection.ts';
import { addressesOf, type HostAddresses } from './catalog/catalog.ts';
import type { AnswerTable } from './dns/answer-table.ts';
import { stampSerial, type TableBuilder } from './dns/compile-table.ts';
import type { NameDefect, OwnerName } from './dns/name.ts';
import { RECORDS_MAX, RecordStore } from './dns/record-store.ts';
import {
  allRejections,
  type Generation,
  type GenerationInput,
  nextSerial,
  type OwnRejections,
  wholeGeneration,
} from './generation.ts';
import { type LiveTask, LiveTasks, type TaskDifference } from './live-tasks.ts';
import {
  programmedAddresses,
  type ProgrammedVips,
  type StandIns,
  standIns,
} from './views/vip-records.ts';
import { RecordEmitter, type ZoneSettings } from './views/zone-view.ts';
import type { VipChanges, VipIndex } from './vip/vip-index.ts';
import type { VipService } from './vip/vip-table.ts';

/**
 * Room behind a table: 1,000 changes or so, of 60 KiB each at 10,000 tasks. What is not written to
 * takes no memory.
 */
const spareBytes = (records: number): number => (1 << 22) + 200 * records;

/** Names that have gone stay in the store: beyond twice as many as at first all is made anew. */
const NODES_SPARE = 50_000;

/** What the last generation was made of. */
interface Live {
  readonly generation: Generation;
  readonly settings: ZoneSettings;
  readonly emitter: RecordEmitter;
  readonly tasks: LiveTasks;
  readonly vipIndex: VipIndex;
  readonly tables: TableBuilder;
  readonly standIns: StandIns;
  readonly rejections: OwnRejections;
  readonly nodesMax: number;
}

/** What an update emits in two forms: as it is now, and as it was. */
interface Revision {
  readonly tasks: TaskDifference;
  readonly services: { readonly come: Iterable<VipService>; readonly gone: Iterable<VipService> };
  readonly standIns: StandIns;
  readonly programmed: ProgrammedVips;
}

/**
 * Makes generations one after the other. Where single tasks or VIPs are different, it makes only what
 * they touch; the outcome is the same as that of `nextGeneration`.
 */
export class GenerationBuilder {
  readonly #store = new RecordStore(() => undefined);
  #live: Live | null = null;

  build(input: GenerationInput): Generation {
    return this.#update(input) ?? this.#whole(input);
  }

  #whole(input: GenerationInput): Generation {
    const { settings, hosts, read, programmed } = input;
    const whole = wholeGeneration(input, this.#store, spareBytes);
    const { generation, catalog, vipTasks, vipIndex, tables, rejections } = whole;
    const agents = new Map(
      read.snapshot.agents.map(({ id, endpoint }) => [id, addressesOf(endpoint.host, hosts)]),
    );
    this.#live = {
      generation,
      settings,
      emitter: new RecordEmitter(settings),
      tasks: new LiveTasks(catalog, agents, vipTasks, settings.names),
      vipIndex,
      tables,
      standIns: standIns(generation.vips, programmed),
      rejections,
      nodesMax: 2 * this.#store.nodeCount + NODES_SPARE,
    };
    return generation;
  }

  /** null: all has to be made anew. */
  #update(input: GenerationInput): Generation | null {
    const live = this.#live;
    this.#live = null;
    if (live === null || !this.#canFollow(live, input)) return null;
    const { read, programmed } = input;
    const fresh = { vips: new RejectionList(), names: new RejectionList() };
    const tasks = live.tasks.follow(read.snapshot, fresh.names);
    if (tasks === null) return null;
    const changes = live.vipIndex.update(vipsOf(tasks.gone), vipsOf(tasks.come), fresh.vips);
    if (changes === null) return null;
    const vips = live.vipIndex.table;
    const replaced = standIns(vips, programmed);
    const revision = {
      tasks: withStandIns(tasks, live, replaced),
      services: servicesToRevise(changes, live, programmed, vips.services),
      standIns: replaced,
      programmed,
    };
    this.#revise(live, revision, fresh.names);
    if (this.#store.recordCount >= RECORDS_MAX) return null;
    const lookedAt = [...changes.lookedAt].map(({ task }) => task.path);
    const paths = [...tasks.gone, ...tasks.come].map(({ task }) => task.path);
    const rejections = {
      vips: live.rejections.vips.without([...paths, ...lookedAt]),
      names: live.rejections.names.without(paths),
    };
    rejections.vips.addAll(fresh.vips);
    rejections.names.addAll(fresh.names);
    const table = this.#table(live, input);
    const generation: Generation = {
      snapshot: read.snapshot,
      hosts: input.hosts,
      vips,
      programmed,
      table: table ?? live.generation.table,
      rejections: allRejections(read, rejections),
      changed: table !== null,
      vipChanges: changes,
    };
    this.#live = { ...live, generation, standIns: replaced, rejections };
    return generation;
  }

  #canFollow(live: Live, { previous, settings, hosts }: GenerationInput): boolean {
    const { generation } = live;
    return (
      settings === live.settings &&
      isSameTable(previous, generation.table) &&
      sameHosts(hosts, generation.hosts) &&
      this.#store.recordCount < RECORDS_MAX &&
      this.#store.nodeCount < live.nodesMax
    );
  }

  /** The table that follows; null if no record is different. */
  #table({ tables }: Live, { previous, nowSeconds }: GenerationInput): AnswerTable | null {
    const store = this.#store;
    if (store.touched.size === 0) return null;
    const table = tables.extend() ?? tables.compile(true, spareBytes(store.recordCount));
    stampSerial(table, nextSerial(previous?.serial ?? 0, nowSeconds));
    return table;
  }

  /** Adds before it takes back: what is in both is not touched. */
  #revise(live: Live, revision: Revision, rejections: RejectionList): void {
    const store = this.#store;
    const { emitter } = live;
    const { tasks, services, programmed } = revision;
    let origin = '';
    store.revise((name: OwnerName, defect: NameDefect | 'record-limit') => {
      rejections.add(origin, defect === 'record-limit' ? defect : `name-${defect}`, name);
    }, false);
    for (const { task, entry, framework } of tasks.come) {
      origin = task.path;
      if (entry !== null) emitter.task(entry, framework, revision.standIns, store);
    }
    for (const service of services.come) {
      origin = `vips.${service.identity}`;
      emitter.service(service, programmed, store);
    }
    for (const [name, service] of revision.standIns) {
      emitter.standIn(name, service, programmed, store);
    }
    const before = live.generation.programmed;
    store.revise(() => undefined, true);
    for (const { entry, framework } of tasks.gone) {
      if (entry !== null) emitter.task(entry, framework, live.standIns, store);
    }
    for (const service of services.gone) emitter.service(service, before, store);
    for (const [name, service] of live.standIns) emitter.standIn(name, service, before, store);
  }
}

/**
 * Memory that comes back from another thread is another object: the serial tells, as it moves with
 * every change.
 */
function isSameTable(a: AnswerTable | null, b: AnswerTable): boolean {
  return (
    a !== null &&
    a.serial === b.serial &&
    a.root === b.root &&
    a.buffer.byteLength === b.buffer.byteLength
  );
}

/** With tasks whose plain name a VIP has taken over, or given back. */
function withStandIns(tasks: TaskDifference, live: Live, replaced: StandIns): TaskDifference {
  const names = [...live.standIns.keys(), ...replaced.keys()].filter(
    (name) => live.standIns.has(name) !== replaced.has(name),
  );
  if (names.length === 0) return tasks;
  const come = new Set(tasks.come);
  const gone = new Set(tasks.gone);
  const others = new Set<LiveTask>();
  for (const name of names) {
    for (const one of live.tasks.named(name)) if (!come.has(one)) others.add(one);
  }
  return { come: [...come, ...others], gone: [...gone, ...others] };
}

/** Changed services, and those whose addresses became programmed or are no longer. */
function servicesToRevise(
  { changed, before }: VipChanges,
  live: Live,
  programmed: ProgrammedVips,
  services: readonly VipService[],
): { readonly come: readonly VipService[]; readonly gone: readonly VipService[] } {
  const old = live.generation.programmed;
  if (sameProgrammed(old, programmed)) return { come: changed, gone: before };
  const isChanged = new Set(changed);
  const others = services.filter(
    (service) => !isChanged.has(service) && textsOf(service, old) !== textsOf(service, programmed),
  );
  return { come: [...changed, ...others], gone: [...before, ...others] };
}

function textsOf(service: VipService, programmed: ProgrammedVips): string {
  return programmedAddresses(service, programmed)
    .map(({ text }) => text)
    .join();
}

function sameProgrammed(a: ProgrammedVips, b: ProgrammedVips): boolean {
  if (a === null || b === null) return a === b;
  if (a.size !== b.size) return false;
  for (const address of a) if (!b.has(address)) return false;
  return true;
}

function vipsOf(tasks: readonly LiveTask[]): NonNullable<LiveTask['vip']>[] {
  return tasks.flatMap(({ vip }) => vip ?? []);
}

function sameHosts(a: HostAddresses, b: HostAddresses): boolean {
  if (a.size !== b.size) return false;
  for (const [name, addresses] of a) {
    const others = b.get(name);
    if (others?.length !== addresses.length) return false;
    if (!addresses.every(({ text }, i) => others[i]?.text === text)) return false;
  }
  return true;
}
