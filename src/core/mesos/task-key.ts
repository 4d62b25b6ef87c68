import type { Framework } from './snapshot.ts';

/** What tells frameworks apart: the id, or the name in a state that was cut by hand. */
export function frameworkKey({ id, name }: Pick<Framework, 'id' | 'name'>): string {
  return id === '' ? name : id;
}

/**
 * What tells tasks apart: schedulers choose task ids, and many count from 0, so that an id alone says
 * nothing. No framework id has a line feed in it.
 */
export function taskKey(framework: string, taskId: string): string {
  return `${framework}\n${taskId}`;
}
