import { label } from '../catalog/labels.ts';
import type { NamesConfig } from '../config/config.ts';
import type { Task } from '../mesos/snapshot.ts';
import type { Backend } from './vip-table.ts';

/** One version of a task as VIPs see it: another object is another version. */
export interface VipTask {
  readonly task: Task;
  /** Sanitised name of its framework; '' if nothing of it is left. */
  readonly framework: string;
  /** Texts under which the task's plain names start; none of a task that is killed. */
  readonly labels: readonly string[];
  readonly state: Backend['state'];
}

/** The label that a task's names start with; '' if nothing of its name is left. */
export function taskLabel(task: Task, names: NamesConfig): string {
  return label(task.discovery?.name ?? task.name, names.labels);
}

/** `<label>.<framework>`; null if nothing of one of them is left. */
export function taskIdentity({ task, framework }: VipTask, names: NamesConfig): string | null {
  const own = taskLabel(task, names);
  return own === '' || framework === '' ? null : `${own}.${framework}`;
}
