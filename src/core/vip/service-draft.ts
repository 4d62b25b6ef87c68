import type { IpAddress } from '../base/address.ts';
import type { Protocol } from '../ipvs/table.ts';
import { compareBackends } from './backends.ts';
import { compareText } from '../base/order.ts';
import { append } from '../base/short-list.ts';
import type { SchedulerChoice } from './port-options.ts';
import type { Origin } from './task-ports.ts';
import type { Backend, VipPort } from './vip-table.ts';
import type { VipTask } from './vip-task.ts';

/** IPVS goes through the destinations of a service one by one for every new connection. */
const BACKENDS_PER_PORT_MAX = 10_000;

/** A service while its declarations are collected. */
export interface ServiceDraft {
  readonly identity: string;
  /** null for a declared address. */
  name: string | null;
  framework: string | null;
  /** Declared, not allocated. */
  readonly address: IpAddress | null;
  /** Where it was first declared. */
  readonly origin: Origin;
  readonly ports: PortDrafts;
  /** The tasks that declare it, each once; the first of them is that of `origin`. */
  members: VipTask[];
  /** Plain names `<label>.<framework>` that it may stand for; null: none. */
  plainNames: Set<string> | null;
}

/** Something wrong with a service as a whole, told at one of its declarations. */
export interface ServiceFault {
  readonly origin: Origin;
  readonly code: string;
  readonly value: string;
}

/** One declaration of an option: whose, and where. */
export interface Declaration<T> {
  readonly taskId: string;
  readonly origin: Origin;
  readonly text: string;
  readonly value: T;
}

/** Settles an option of a port that several tasks may declare differently. */
class OptionVote<T> {
  #running: Declaration<T> | null = null;
  #killing: Declaration<T> | null = null;
  /** The least that lost against another value. */
  #outvoted: Declaration<T> | null = null;

  /** Counts a declaration; the least task id wins, and running tasks win over others. */
  add(declaration: Declaration<T>, state: Backend['state']): void {
    if (state === 'killing') {
      this.#killing = lesser(this.#killing, declaration);
      return;
    }
    const held = this.#running ?? declaration;
    const winner = lesser(held, declaration);
    this.#running = winner;
    if (held.text === declaration.text) return;
    this.#outvoted = lesser(this.#outvoted, winner === held ? declaration : held);
  }

  /** What was declared; tasks that end count only where none runs. Null: nothing. */
  outcome(hasRunning: boolean): T | null {
    return (hasRunning ? this.#running : this.#killing)?.value ?? null;
  }

  /** The first of the running tasks that wanted something else; null: they agree. */
  get outvoted(): Declaration<T> | null {
    return this.#outvoted;
  }
}

function lesser<T>(a: Declaration<T> | null, b: Declaration<T>): Declaration<T> {
  if (a === null) return b;
  return (compareText(a.taskId, b.taskId) || compareText(a.text, b.text)) <= 0 ? a : b;
}

/** One port of a service while its backends are collected. */
export class PortDraft {
  readonly protocol: Protocol;
  readonly port: number;
  #scheduler: OptionVote<SchedulerChoice> | null = null;
  #persistence: OptionVote<number> | null = null;
  #backends: Backend[] = [];

  constructor(protocol: Protocol, port: number) {
    this.protocol = protocol;
    this.port = port;
  }

  add(backend: Backend): void {
    this.#backends = append(this.#backends, backend);
  }

  /** Counts what a task says about the scheduler. */
  voteScheduler(declaration: Declaration<SchedulerChoice>, state: Backend['state']): void {
    (this.#scheduler ??= new OptionVote<SchedulerChoice>()).add(declaration, state);
  }

  /** Counts what a task says about persistence, in seconds. */
  votePersistence(declaration: Declaration<number>, state: Backend['state']): void {
    (this.#persistence ??= new OptionVote<number>()).add(declaration, state);
  }

  /** How many backends it was given, of which some may be at one place. */
  get backendCount(): number {
    return this.#backends.length;
  }

  /** The port as it shall be; appends outvoted options and backends beyond the limit to `faults`. */
  finish(
    service: ServiceDraft,
    defaultScheduler: SchedulerChoice,
    faults: ServiceFault[],
  ): VipPort {
    const { protocol, port } = this;
    const where = (text: string): string => `${service.identity}:${port}/${protocol} ${text}`;
    for (const vote of [this.#scheduler, this.#persistence]) {
      const outvoted = vote?.outvoted ?? null;
      if (outvoted === null) continue;
      const { origin, text } = outvoted;
      faults.push({ origin, code: 'vip-option-conflict', value: where(text) });
    }
    const hasRunning = this.#backends.some(({ state }) => state === 'running');
    const scheduler = this.#scheduler?.outcome(hasRunning) ?? defaultScheduler;
    const backends = bestOfEach(this.#backends);
    if (backends.length > BACKENDS_PER_PORT_MAX) {
      const value = where(String(backends.length));
      faults.push({ origin: service.origin, code: 'vip-too-many-backends', value });
      backends.length = BACKENDS_PER_PORT_MAX;
    }
    return {
      protocol,
      port,
      scheduler: scheduler.scheduler,
      schedulerFlags: scheduler.flags,
      persistenceSeconds: this.#persistence?.outcome(hasRunning) ?? 0,
      backends,
    };
  }
}

/** Beyond this many an index is faster than looking at each; hardly any service has more ports. */
const INDEXED_FROM = 8;

/** The ports of one service. */
export class PortDrafts {
  all: PortDraft[] = [];
  #index: Map<string, PortDraft> | null = null;

  find(protocol: Protocol, port: number): PortDraft | undefined {
    if (this.#index !== null) return this.#index.get(`${protocol} ${port}`);
    return this.all.find((one) => one.port === port && one.protocol === protocol);
  }

  /** Adds a port that `find` does not find. */
  make(protocol: Protocol, port: number): PortDraft {
    const made = new PortDraft(protocol, port);
    this.all = append(this.all, made);
    if (this.#index !== null) {
      this.#index.set(`${protocol} ${port}`, made);
    } else if (this.all.length >= INDEXED_FROM) {
      this.#index = new Map(this.all.map((one) => [`${one.protocol} ${one.port}`, one]));
    }
    return made;
  }
}

/** Sorted, and of those with one address and port the best. */
function bestOfEach(backends: Backend[]): Backend[] {
  if (backends.length <= 1) return backends;
  backends.sort(compareBackends);
  return backends.filter((backend, i) => {
    const before = backends[i - 1];
    return before?.port !== backend.port || before.address.text !== backend.address.text;
  });
}
