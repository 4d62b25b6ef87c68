import type { Catalog } from '../catalog/catalog.ts';
import { label } from '../catalog/labels.ts';
import type { NamesConfig } from '../config/config.ts';
import type { Task } from '../mesos/snapshot.ts';

/** The label that a task's names start with; '' if nothing of its name is left. */
export function taskLabel(task: Task, names: NamesConfig): string {
  return label(task.discovery?.name ?? task.name, names.labels);
}

/** Port numbers of a group of tasks; null: they do not agree. */
interface Agreement {
  numbers: string | null;
  /** There is a running task among them. */
  isRunning: boolean;
}

/**
 * Which tasks have the same port numbers on all running instances of their name, so that the
 * numbers can be those of a VIP. Tasks that are killed count where none runs, for their connections.
 */
export class AutoPorts {
  readonly #agreements = new Map<string, Agreement>();

  constructor(catalog: Catalog, names: NamesConfig) {
    for (const { framework, name, tasks } of catalog.frameworks) {
      for (const { task } of tasks) this.#count(`${taskLabel(task, names)}.${name}`, task, true);
      for (const task of framework.killing) {
        this.#count(`${taskLabel(task, names)}.${name}`, task, false);
      }
    }
  }

  /** Whether a port number of a task is one that all instances of `<label>.<framework>` have. */
  has(identity: string, number: number): boolean {
    return this.#agreements.get(identity)?.numbers?.includes(` ${number} `) ?? false;
  }

  #count(identity: string, task: Task, isRunning: boolean): void {
    const numbers = numbersOf(task);
    const agreement = this.#agreements.get(identity);
    if (agreement === undefined || (isRunning && !agreement.isRunning)) {
      this.#agreements.set(identity, { numbers, isRunning });
    } else if (agreement.isRunning === isRunning && agreement.numbers !== numbers) {
      agreement.numbers = null;
    }
  }
}

/** The set of a task's declared port numbers as a text: ` 80 443 `. */
function numbersOf({ discoveryPorts }: Task): string {
  const numbers = new Set(discoveryPorts.map(({ number }) => number).filter((one) => one !== 0));
  return ` ${[...numbers].sort((a, b) => a - b).join(' ')} `;
}
