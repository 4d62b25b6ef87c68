import type { NamesConfig } from '../config/config.ts';
import type { Task } from '../mesos/snapshot.ts';
import { taskIdentity, type VipTask } from './vip-task.ts';

/** All instances of one name, with or without declarations. */
interface Instances {
  readonly tasks: VipTask[];
  /** Port numbers they have in common; null: they do not agree. */
  numbers: string | null;
  /** There is a running task among them. */
  isRunning: boolean;
}

/**
 * Which tasks have the same port numbers on all running instances of their name, so that the
 * numbers can be those of a VIP. Tasks that are killed count where none runs, for their connections.
 */
export class AutoPorts {
  readonly #names: NamesConfig;
  readonly #instances = new Map<string, Instances>();

  constructor(tasks: Iterable<VipTask>, names: NamesConfig) {
    this.#names = names;
    for (const one of tasks) this.#add(one);
  }

  /** Whether a port number of a task is one that all instances of `<label>.<framework>` have. */
  has(identity: string, number: number): boolean {
    return this.#instances.get(identity)?.numbers?.includes(` ${number} `) ?? false;
  }

  /** All instances of `<label>.<framework>`. */
  instances(identity: string): readonly VipTask[] {
    return this.#instances.get(identity)?.tasks ?? [];
  }

  /** Takes tasks out and others in; the identities whose instances are others now. */
  update(removed: ReadonlySet<VipTask>, added: readonly VipTask[]): ReadonlySet<string> {
    const changed = new Set<string>();
    for (const one of removed) {
      const identity = taskIdentity(one, this.#names);
      if (identity !== null) changed.add(identity);
    }
    for (const identity of changed) {
      const staying = this.instances(identity).filter((one) => !removed.has(one));
      this.#instances.delete(identity);
      for (const one of staying) this.#count(identity, one);
    }
    for (const one of added) {
      const identity = this.#add(one);
      if (identity !== null) changed.add(identity);
    }
    return changed;
  }

  #add(one: VipTask): string | null {
    const identity = taskIdentity(one, this.#names);
    if (identity !== null) this.#count(identity, one);
    return identity;
  }

  #count(identity: string, one: VipTask): void {
    const isRunning = one.state === 'running';
    const numbers = numbersOf(one.task);
    const known = this.#instances.get(identity);
    if (known === undefined) {
      this.#instances.set(identity, { tasks: [one], numbers, isRunning });
      return;
    }
    known.tasks.push(one);
    if (isRunning && !known.isRunning) {
      known.isRunning = true;
      known.numbers = numbers;
    } else if (known.isRunning === isRunning && known.numbers !== numbers) {
      known.numbers = null;
    }
  }
}

/** The set of a task's declared port numbers as a text: ` 80 443 `. */
function numbersOf({ discoveryPorts }: Task): string {
  const numbers = new Set(discoveryPorts.map(({ number }) => number).filter((one) => one !== 0));
  return ` ${[...numbers].sort((a, b) => a - b).join(' ')} `;
}
