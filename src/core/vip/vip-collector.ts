import { type Prefix, prefixContains } from '../base/prefix.ts';
import type { RejectionList } from '../base/rejection.ts';
import type { NamesConfig, VipConfig } from '../config/config.ts';
import { type Protocol, SCHEDULER_FLAG } from '../ipvs/table.ts';
import type { Task } from '../mesos/snapshot.ts';
import type { BackendPlace, BackendPlaces } from './backends.ts';
import { append } from '../base/short-list.ts';
import { vipPrefixes } from './pool.ts';
import { parsePortOptions, type PortOptions, type SchedulerChoice } from './port-options.ts';
import { type PortDraft, PortDrafts, type ServiceDraft } from './service-draft.ts';
import { type LabelText, type Origin, pathOf, type TaskPort, taskPorts } from './task-ports.ts';
import { parseVipLabel, type VipLabel } from './vip-label.ts';
import { taskLabel, type VipTask } from './vip-task.ts';

/** VIP labels of one task; no program listens on more ports that deserve a name. */
const VIPS_PER_TASK_MAX = 256;

/**
 * Bounds of a cluster. 200,000 services are a fifth of the default pool: beyond it every new service
 * moves others. More IPVS services and destinations would take a node's kernel's memory.
 */
export const VIP_BOUNDS: VipCounts = { services: 200_000, ports: 400_000, backends: 1_000_000 };

/** How much was declared, before places that several tasks share are made one. */
export interface VipCounts {
  services: number;
  ports: number;
  backends: number;
}

/** What a collector has to know besides the tasks. */
export interface CollectorSettings {
  readonly config: VipConfig;
  readonly names: NamesConfig;
  /** Length that `<name>.<framework>` may have. */
  readonly identityLengthMax: number;
  /** Whether a port number is one that all instances of `<label>.<framework>` have. */
  readonly hasAutoPort: (identity: string, number: number) => boolean;
  readonly bounds: Readonly<VipCounts>;
}

/** A VIP and where it was declared. */
interface Target {
  readonly vip: VipLabel;
  readonly origin: Origin;
}

/** Gathers services, ports and backends task by task; the order of tasks makes no difference. */
export class VipCollector {
  /** Named services by identity, declared addresses by `=` and their text. */
  readonly services: Map<string, ServiceDraft> = new Map<string, ServiceDraft>();
  readonly #settings: CollectorSettings;
  readonly #places: BackendPlaces;
  readonly #rejections: RejectionList;
  readonly #declarable: readonly Prefix[];
  readonly #counts: VipCounts = { services: 0, ports: 0, backends: 0 };

  constructor(settings: CollectorSettings, places: BackendPlaces, rejections: RejectionList) {
    this.#settings = settings;
    this.#places = places;
    this.#rejections = rejections;
    this.#declarable = vipPrefixes(settings.config);
  }

  /** How much has been taken in; at a bound, something may have been rejected for it. */
  get counts(): Readonly<VipCounts> {
    return this.#counts;
  }

  /** Takes in what a task declares; what cannot be used is rejected alone. */
  add(declarer: VipTask): void {
    const { task } = declarer;
    const { auto } = this.#settings.config;
    const ports = taskPorts(task, auto, this.#places.isOnAgent(task), this.#rejections);
    let room = VIPS_PER_TASK_MAX;
    for (const port of ports) {
      const { origin } = port;
      if (origin === null) continue;
      const options = parsePortOptions(port.options, ({ key, value }, code) =>
        this.#rejections.add(pathOf({ ...origin, key }), code, value),
      );
      if (options.endpoint === 'dnsrr') continue;
      const isAuto = port.vips.length === 0 && options.endpoint !== 'vip';
      if (isAuto && !auto) continue;
      const targets = this.#targets(declarer, port, isAuto, origin);
      if (targets.length > room) {
        this.#rejections.add(pathOf(origin), 'vip-too-many-labels', targets.length);
        targets.length = room;
      }
      room -= targets.length;
      // Only now, so that what is cut off a task depends on nothing but the task.
      const agreed = isAuto ? targets.filter((one) => this.#isAgreed(declarer, one)) : targets;
      if (agreed.length > 0) this.#addPort(declarer, port, options, agreed);
    }
  }

  #targets(declarer: VipTask, port: TaskPort, isAuto: boolean, origin: Origin): Target[] {
    let targets: Target[] = [];
    if (port.vips.length > 0) {
      for (const label of port.vips) {
        const target = this.#declared(declarer, label);
        if (target !== null) targets = append(targets, target);
      }
      return targets;
    }
    const { names, hasAutoPort } = this.#settings;
    const { task, framework } = declarer;
    const name = taskLabel(task, names);
    if (name === '' || framework === '') return targets;
    const identity = `${name}.${framework}`;
    for (const number of port.numbers) {
      if (this.#fits(identity)) {
        targets = append(targets, { vip: { kind: 'name', name, port: number }, origin });
      } else if (!isAuto || hasAutoPort(identity, number)) {
        this.#rejections.add(pathOf(origin), 'vip-name-too-long', identity);
      }
    }
    return targets;
  }

  #isAgreed({ framework }: VipTask, { vip }: Target): boolean {
    return this.#settings.hasAutoPort(keyOf(vip, framework), vip.port);
  }

  #declared(declarer: VipTask, { value, origin }: LabelText): Target | null {
    const parsed = parseVipLabel(value);
    const code = parsed.ok ? this.#objection(parsed.value, declarer) : parsed.error;
    if (code !== null) this.#rejections.add(pathOf(origin), code, value);
    return parsed.ok && code === null ? { vip: parsed.value, origin } : null;
  }

  /** Why a label that can be read is no good for this task. */
  #objection(vip: VipLabel, { framework }: VipTask): string | null {
    if (vip.kind === 'name') {
      if (framework === '') return 'vip-framework-empty';
      return this.#fits(`${vip.name}.${framework}`) ? null : 'vip-name-too-long';
    }
    const { address } = vip;
    const isInside = this.#declarable.some((prefix) => prefixContains(prefix, address));
    if (isInside && this.#places.isAgent(address)) return 'vip-address-taken';
    return isInside ? null : 'vip-address-outside-pool';
  }

  #fits(identity: string): boolean {
    return identity.length <= this.#settings.identityLengthMax;
  }

  #addPort(
    declarer: VipTask,
    port: TaskPort,
    options: PortOptions,
    targets: readonly Target[],
  ): void {
    const places = this.#places.of(declarer.task, port);
    for (const target of targets) {
      const fitting = this.#fitting(target.vip, places);
      if (fitting.length === 0) {
        this.#rejectUnreachable(target, places, declarer.task);
        continue;
      }
      const service = this.#service(target, declarer.framework);
      if (service === null) continue;
      if (service.members.at(-1) !== declarer) service.members = append(service.members, declarer);
      const draft = this.#port(service, port.protocol, target);
      if (draft === null) continue;
      this.#addBackends(draft, declarer, options, fitting, target);
      this.#vote(draft, declarer, options, target.origin);
      if (options.endpoint === 'vip' && declarer.state === 'running') {
        addPlainNames(service, declarer);
      }
    }
  }

  /** Names take both families, but IPv6 only if there are IPv6 VIPs; an address only its own. */
  #fitting(vip: VipLabel, places: readonly BackendPlace[]): readonly BackendPlace[] {
    const both = vip.kind === 'name' && this.#settings.config.poolIpv6.length > 0;
    const wanted = vip.kind === 'address' ? vip.address.family : 4;
    if (both || places.every(({ address }) => address.family === wanted)) return places;
    return places.filter(({ address }) => address.family === wanted);
  }

  #rejectUnreachable({ vip, origin }: Target, places: readonly BackendPlace[], task: Task): void {
    if (places.length === 0) this.#rejections.add(pathOf(origin), 'vip-no-address', task.id);
    else if (vip.kind === 'address') {
      this.#rejections.add(pathOf(origin), 'vip-family', vip.address.text);
    }
  }

  #service({ vip, origin }: Target, framework: string): ServiceDraft | null {
    const key = keyOf(vip, framework);
    const known = this.services.get(key);
    if (known !== undefined) {
      if (vip.kind === 'name') shareIdentity(known, vip.name, framework);
      return known;
    }
    if (this.#counts.services >= this.#settings.bounds.services) {
      this.#rejections.add(pathOf(origin), 'vip-too-many-services', key);
      return null;
    }
    this.#counts.services++;
    const isName = vip.kind === 'name';
    const service: ServiceDraft = {
      identity: isName ? key : vip.address.text,
      name: isName ? vip.name : null,
      framework: isName ? framework : null,
      address: isName ? null : vip.address,
      origin,
      ports: new PortDrafts(),
      members: [],
      plainNames: null,
    };
    this.services.set(key, service);
    return service;
  }

  #port(service: ServiceDraft, protocol: Protocol, { vip, origin }: Target): PortDraft | null {
    const { port } = vip;
    const known = service.ports.find(protocol, port);
    if (known !== undefined) return known;
    if (this.#counts.ports >= this.#settings.bounds.ports) {
      this.#rejections.add(pathOf(origin), 'vip-too-many-services', service.identity);
      return null;
    }
    this.#counts.ports++;
    return service.ports.make(protocol, port);
  }

  #addBackends(
    draft: PortDraft,
    { task, state }: VipTask,
    options: PortOptions,
    places: readonly BackendPlace[],
    { origin, vip }: Target,
  ): void {
    let { forwarding } = options;
    // Without translation a packet arrives at the port it was sent to.
    if (forwarding !== 'masq' && places.some(({ port }) => port !== vip.port)) {
      this.#rejections.add(pathOf(origin), 'vip-forwarding', forwarding);
      forwarding = 'masq';
    }
    for (const { address, port, onAgent } of places) {
      if (this.#counts.backends >= this.#settings.bounds.backends) {
        this.#rejections.add(pathOf(origin), 'vip-too-many-backends', task.id);
        return;
      }
      this.#counts.backends++;
      draft.add({
        address,
        port,
        weight: state === 'running' && task.healthy ? options.weight : 0,
        healthy: task.healthy,
        state,
        forwarding,
        upperThreshold: options.upperThreshold,
        lowerThreshold: options.lowerThreshold,
        taskId: task.id,
        agentId: task.agentId,
        onAgent,
      });
    }
  }

  #vote(draft: PortDraft, { task, state }: VipTask, options: PortOptions, at: Origin): void {
    const { scheduler, persistenceSeconds } = options;
    const taskId = task.id;
    if (scheduler !== null) {
      const origin = { ...at, key: 'HOPLITE_SCHEDULER' };
      const text = schedulerText(scheduler);
      draft.voteScheduler({ taskId, origin, text, value: scheduler }, state);
    }
    if (persistenceSeconds !== null) {
      const origin = { ...at, key: 'HOPLITE_PERSISTENCE' };
      const text = String(persistenceSeconds);
      draft.votePersistence({ taskId, origin, text, value: persistenceSeconds }, state);
    }
  }
}

function addPlainNames(service: ServiceDraft, { labels, framework }: VipTask): void {
  if (framework === '') return;
  for (const label of labels) {
    if (label === '') continue;
    service.plainNames ??= new Set();
    service.plainNames.add(`${label}.${framework}`);
  }
}

function keyOf(vip: VipLabel, framework: string): string {
  return vip.kind === 'name' ? `${vip.name}.${framework}` : `=${vip.address.text}`;
}

/**
 * `a.b` of framework `c` and `a` of framework `b.c` have one name, so they are one service: listed
 * as the one with the shorter name.
 */
function shareIdentity(service: ServiceDraft, name: string, framework: string): void {
  if (service.name === null || service.name.length <= name.length) return;
  service.name = name;
  service.framework = framework;
}

function schedulerText({ scheduler, flags }: SchedulerChoice): string {
  const port = (flags & SCHEDULER_FLAG.PORT) === 0 ? '' : ',port';
  const fallback = (flags & SCHEDULER_FLAG.FALLBACK) === 0 ? '' : ',fallback';
  return scheduler + port + fallback;
}
