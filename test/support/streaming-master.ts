import type { ServerResponse } from 'node:http';
import { getStateOf } from './operator-state.ts';
import {
  clusterState,
  framework,
  saysText,
  type ScriptedMaster,
  type StatePart,
  task,
} from './scripted-master.ts';

/** A leading master with one framework and one event stream, the newest. */
export class StreamingMaster {
  readonly master: ScriptedMaster;
  tasks: readonly StatePart[] = [task('web')];
  /** Status of answers to SUBSCRIBE. */
  subscribeStatus: 200 | 403 = 200;
  #stream: ServerResponse | null = null;

  constructor(master: ScriptedMaster) {
    this.master = master;
    master.answer = (request, response) => {
      if (request.method !== 'POST') saysText(JSON.stringify(this.#state()))(request, response);
      else if (this.subscribeStatus !== 200) response.writeHead(this.subscribeStatus).end();
      else this.#open(response);
    };
  }

  /** Tells of tasks that were started. */
  add(...names: readonly string[]): void {
    const added = names.map((name) => task(name));
    this.tasks = [...this.tasks, ...added];
    for (const one of this.#stateOf(added).get_tasks.tasks) {
      this.send({ type: 'TASK_ADDED', task_added: { task: one } });
    }
  }

  send(event: unknown): void {
    const text = JSON.stringify(event);
    this.#stream?.write(`${Buffer.byteLength(text)}\n${text}`);
  }

  #open(response: ServerResponse): void {
    this.#stream = response;
    response.writeHead(200, { 'content-type': 'application/json' });
    const get_state = this.#stateOf(this.tasks);
    this.send({ type: 'SUBSCRIBED', subscribed: { get_state, heartbeat_interval_seconds: 15 } });
  }

  #stateOf(tasks: readonly StatePart[]): GetState {
    const state = clusterState(this.master, { frameworks: [framework('marathon', tasks)] });
    return getStateOf(state)['get_state'] as GetState;
  }

  #state(): StatePart {
    // The operator API of this play numbers frameworks.
    const marathon = framework('marathon', this.tasks, { id: 'framework-0' });
    return clusterState(this.master, { frameworks: [marathon] });
  }
}

interface GetState {
  readonly get_tasks: { readonly tasks: readonly StatePart[] };
}
