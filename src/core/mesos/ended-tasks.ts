import type { JsonScanner, WantedMembers } from '../base/json-scanner.ts';
import { asObject } from '../base/json.ts';
import { scanMembers } from './parse-state.ts';
import { frameworkKey, taskKey } from './task-key.ts';

/** What a master says about tasks that it lists no more, by keys of `taskKey`. */
export interface TaskEnds {
  /** They have ended for good. */
  readonly ended: ReadonlySet<string>;
  /**
   * TASK_LOST, which a master says of tasks that go on on an agent it cannot reach; once the agent is
   * back and does not bring them, they have ended.
   */
  readonly lost: ReadonlySet<string>;
  /** Keys of frameworks that are torn down, and with them all their tasks. */
  readonly frameworks: ReadonlySet<string>;
}

/** Nothing is known to have ended. */
export const NO_ENDS: TaskEnds = { ended: new Set(), lost: new Set(), frameworks: new Set() };

/** States that no task leaves (mesos.proto, TaskState); LOST and UNREACHABLE ones may come back. */
const FINAL_STATES: ReadonlySet<unknown> = new Set([
  'TASK_FINISHED',
  'TASK_KILLED',
  'TASK_FAILED',
  'TASK_ERROR',
  'TASK_DROPPED',
  'TASK_GONE',
  'TASK_GONE_BY_OPERATOR',
]);

/** Members of an ended task, in the words of `/state` and of the operator API. */
const TASK_KEYS: WantedMembers = {
  id: 'value',
  task_id: 'value',
  framework_id: 'value',
  slave_id: 'value',
  agent_id: 'value',
  state: 'word',
};
const FRAMEWORK_KEYS: WantedMembers = { framework_info: { id: 'value', name: 'value' } };

/** Tasks to look for: their agents by keys of `taskKey`. */
export type WantedTasks = ReadonlyMap<string, string>;

/**
 * Finds in the body of a master's `/state`, GET_STATE or SUBSCRIBED what became of the `wanted` tasks,
 * in one pass that makes objects of ended tasks alone. The end of a task with the same id on another
 * agent is none: Chronos gives a job that was lost with its agent the same id on the next. A master
 * remembers only the last 1,000 tasks of a framework (--max_completed_tasks_per_framework), and after
 * a failover none: what is not found may have ended all the same. Of a body that breaks off the part
 * before it counts.
 */
export function endedTasks(body: Uint8Array | string, wanted: WantedTasks): TaskEnds {
  const search = new EndSearch(wanted);
  scanMembers(body, (key, scanner) => {
    search.member(key, scanner);
  });
  return search.found;
}

class EndSearch {
  readonly found: {
    readonly ended: Set<string>;
    readonly lost: Set<string>;
    readonly frameworks: Set<string>;
  } = { ended: new Set(), lost: new Set(), frameworks: new Set() };
  readonly #wanted: WantedTasks;

  constructor(wanted: WantedTasks) {
    this.#wanted = wanted;
  }

  member(key: string, scanner: JsonScanner): void {
    if (key === 'frameworks') this.#frameworks(scanner, false);
    else if (key === 'completed_frameworks') this.#frameworks(scanner, true);
    else if (key === 'get_state') this.#getState(scanner);
    else if (key === 'subscribed') {
      scanner.object((inner) => {
        if (inner === 'get_state') this.#getState(scanner);
        else scanner.skip();
      });
    } else scanner.skip();
  }

  /** `frameworks` or `completed_frameworks` of `/state`. */
  #frameworks(scanner: JsonScanner, areCompleted: boolean): void {
    scanner.array(() => {
      const ended: unknown[] = [];
      let [id, name]: unknown[] = [];
      scanner.object((key) => {
        if (key === 'id') id = scanner.value();
        else if (key === 'name') name = scanner.value();
        else if (key === 'completed_tasks' || (areCompleted && key === 'tasks')) {
          scanner.array(() => ended.push(scanner.pick(TASK_KEYS)));
        } else scanner.skip();
      });
      const framework = keyOf(id, name);
      if (areCompleted && framework !== '') this.found.frameworks.add(framework);
      for (const task of ended) this.#task(task, framework);
    });
  }

  #getState(scanner: JsonScanner): void {
    scanner.object((key) => {
      if (key === 'get_tasks') {
        scanner.object((list) => {
          if (list !== 'completed_tasks') scanner.skip();
          else scanner.array(() => this.#task(scanner.pick(TASK_KEYS), ''));
        });
      } else if (key === 'get_frameworks') {
        scanner.object((list) => {
          if (list !== 'completed_frameworks') scanner.skip();
          else scanner.array(() => this.#completed(scanner.pick(FRAMEWORK_KEYS)));
        });
      } else scanner.skip();
    });
  }

  #completed(value: unknown): void {
    const info = asObject(asObject(value)?.['framework_info']);
    const framework = keyOf(textOf(info?.['id']), info?.['name']);
    if (framework !== '') this.found.frameworks.add(framework);
  }

  /** `framework` is where the task stands; '' where the task alone says whose it is. */
  #task(value: unknown, framework: string): void {
    const task = asObject(value);
    const id = task?.['id'] ?? textOf(task?.['task_id']);
    if (task === null || typeof id !== 'string') return;
    const owner = framework === '' ? textOf(task['framework_id']) : framework;
    if (typeof owner !== 'string') return;
    const key = taskKey(owner, id);
    const agent = task['slave_id'] ?? textOf(task['agent_id']);
    if (typeof agent !== 'string' || this.#wanted.get(key) !== agent) return;
    if (FINAL_STATES.has(task['state'])) this.found.ended.add(key);
    else if (task['state'] === 'TASK_LOST') this.found.lost.add(key);
  }
}

function keyOf(id: unknown, name: unknown): string {
  return frameworkKey({
    id: typeof id === 'string' ? id : '',
    name: typeof name === 'string' ? name : '',
  });
}

/** v1's `{value: text}`, or the text itself. */
function textOf(value: unknown): unknown {
  return asObject(value)?.['value'] ?? value;
}
