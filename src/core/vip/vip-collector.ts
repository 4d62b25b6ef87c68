import { type Prefix, prefixContains } from '../base/prefix.ts';
import type { RejectionList } from '../base/rejection.ts';
import type { VipConfig } from '../config/config.ts';
import { type Protocol, SCHEDULER_FLAG } from '../ipvs/table.ts';
import type { Task } from '../mesos/snapshot.ts';
import type { BackendPlace, BackendPlaces } from './backends.ts';
import { append } from '../base/short-list.ts';
import { vipPrefixes } from './pool.ts';
import { parsePortOptions, type PortOptions, type SchedulerChoice } from './port-options.ts';
import { type PortDraft, PortDrafts, type ServiceDraft } from './service-draft.ts';
import { type LabelText, type Origin, pathOf, type TaskPort, taskPorts } from './task-ports.ts';
import { parseVipLabel, type VipLabel } from './vip-label.ts';
import type { Backend } from './vip-table.ts';

/** VIP labels of one task; no program listens on more ports that deserve a name. */
const VIPS_PER_TASK_MAX = 256;
/** A fifth of the default pool: beyond it every new service moves others. */
const SERVICES_MAX = 200_000;
/** IPVS services and destinations of one node; more would take its kernel's memory. */
const PORTS_MAX = 400_000;
const BACKENDS_MAX = 1_000_000;

/** A task with what its declarations mean. */
export interface Declarer {
  readonly task: Task;
  readonly state: Backend['state'];
  /** Sanitised label of the task; '' if nothing of its name is left. */
  readonly label: string;
  /** Sanitised name of its framework; '' likewise. */
  readonly framework: string;
  /** Texts under which the task's plain names start. */
  readonly plainLabels: readonly string[];
}

/** What a collector has to know besides the tasks. */
export interface CollectorSettings {
  readonly config: VipConfig;
  /** Length that `<name>.<framework>` may have. */
  readonly identityLengthMax: number;
  /** Whether a port number is one that all instances of `<label>.<framework>` have. */
  readonly hasAutoPort: (identity: string, number: number) => boolean;
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
  /** Keys of the services that a plain name `<label>.<framework>` may stand for. */
  readonly plainNames: Map<string, Set<string>> = new Map<string, Set<string>>();
  readonly #settings: CollectorSettings;
  readonly #places: BackendPlaces;
  readonly #rejections: RejectionList;
  readonly #declarable: readonly Prefix[];
  #portCount = 0;
  #backendCount = 0;

  constructor(settings: CollectorSettings, places: BackendPlaces, rejections: RejectionList) {
    this.#settings = settings;
    this.#places = places;
    this.#rejections = rejections;
    this.#declarable = vipPrefixes(settings.config);
  }

  /** Takes in what a task declares; what cannot be used is rejected alone. */
  add(declarer: Declarer): void {
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
      const targets = this.#targets(declarer, port, options, origin);
      if (targets.length > room) {
        this.#rejections.add(pathOf(origin), 'vip-too-many-labels', targets.length);
        targets.length = room;
      }
      room -= targets.length;
      if (targets.length > 0) this.#addPort(declarer, port, options, targets);
    }
  }

  #targets(declarer: Declarer, port: TaskPort, options: PortOptions, origin: Origin): Target[] {
    let targets: Target[] = [];
    if (port.vips.length > 0) {
      for (const label of port.vips) {
        const target = this.#declared(declarer, label);
        if (target !== null) targets = append(targets, target);
      }
      return targets;
    }
    const { label, framework } = declarer;
    if (label === '' || framework === '') return targets;
    const identity = `${label}.${framework}`;
    for (const number of port.numbers) {
      const isWanted =
        options.endpoint === 'vip' ||
        (this.#settings.config.auto && this.#settings.hasAutoPort(identity, number));
      if (!isWanted) continue;
      if (this.#fits(identity)) {
        targets = append(targets, { vip: { kind: 'name', name: label, port: number }, origin });
      } else {
        this.#rejections.add(pathOf(origin), 'vip-name-too-long', identity);
      }
    }
    return targets;
  }

  #declared(declarer: Declarer, { value, origin }: LabelText): Target | null {
    const parsed = parseVipLabel(value);
    const code = parsed.ok ? this.#objection(parsed.value, declarer) : parsed.error;
    if (code !== null) this.#rejections.add(pathOf(origin), code, value);
    return parsed.ok && code === null ? { vip: parsed.value, origin } : null;
  }

  /** Why a label that can be read is no good for this task. */
  #objection(vip: VipLabel, { framework }: Declarer): string | null {
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
    declarer: Declarer,
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
      const draft = this.#port(port.protocol, target, declarer.framework);
      if (draft === null) continue;
      this.#addBackends(draft, declarer, options, fitting, target);
      this.#vote(draft, declarer, options, target.origin);
      if (options.endpoint === 'vip' && declarer.state === 'running') {
        this.#addPlainName(declarer, keyOf(target.vip, declarer.framework));
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
    if (this.services.size >= SERVICES_MAX) {
      this.#rejections.add(pathOf(origin), 'vip-too-many-services', key);
      return null;
    }
    const ports = new PortDrafts();
    const service: ServiceDraft =
      vip.kind === 'name'
        ? { identity: key, name: vip.name, framework, address: null, origin, ports }
        : {
            identity: vip.address.text,
            name: null,
            framework: null,
            address: vip.address,
            origin,
            ports,
          };
    this.services.set(key, service);
    return service;
  }

  #port(protocol: Protocol, target: Target, framework: string): PortDraft | null {
    const service = this.#service(target, framework);
    if (service === null) return null;
    const { port } = target.vip;
    const known = service.ports.find(protocol, port);
    if (known !== undefined) return known;
    if (this.#portCount >= PORTS_MAX) {
      this.#rejections.add(pathOf(target.origin), 'vip-too-many-services', service.identity);
      return null;
    }
    this.#portCount++;
    return service.ports.make(protocol, port);
  }

  #addBackends(
    draft: PortDraft,
    { task, state }: Declarer,
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
      if (this.#backendCount >= BACKENDS_MAX) {
        this.#rejections.add(pathOf(origin), 'vip-too-many-backends', task.id);
        return;
      }
      this.#backendCount++;
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

  #vote(draft: PortDraft, { task, state }: Declarer, options: PortOptions, at: Origin): void {
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

  #addPlainName({ plainLabels, framework }: Declarer, key: string): void {
    if (framework === '') return;
    for (const label of plainLabels) {
      if (label === '') continue;
      const name = `${label}.${framework}`;
      const keys = this.plainNames.get(name);
      if (keys === undefined) this.plainNames.set(name, new Set([key]));
      else keys.add(key);
    }
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
