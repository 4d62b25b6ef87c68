import { JsonScanError, JsonScanner, type WantedMembers } from '../base/json-scanner.ts';
import { asObject } from '../base/json.ts';
import type { RejectionList } from '../base/rejection.ts';
import { err, ok, type Result } from '../base/result.ts';
import { healthResultOf, judgeTask } from './task-health.ts';
import type { HealthResult, TaskChecks, TaskHealth, TaskHealths } from './task-health.ts';

/**
 * Where Marathon lists what `parseApps` reads (docs/rest-api/public/api/v2/apps.raml): tasks with
 * health results, deployments, results of readiness checks. Without `apps.deployments` it would be
 * left to Marathon's version whether they come. Pods need no such request: theirs are Mesos' checks.
 */
export const APPS_PATH = '/v2/apps?embed=apps.tasks&embed=apps.deployments&embed=apps.readiness';

/** Health checks that Marathon makes itself; all others are made by agents, and Mesos knows. */
const MARATHON_PROTOCOLS: ReadonlySet<unknown> = new Set(['HTTP', 'HTTPS', 'TCP']);

/** What Mesos takes (`validateTaskID` in src/master/validation.cpp: a file name). */
const TASK_ID_LENGTH_MAX = 255;

const CHECK_KEYS: WantedMembers = { protocol: 'word' };
const RESULT_KEYS: WantedMembers = { alive: 'value', lastFailure: 'value' };
const READINESS_KEYS: WantedMembers = { taskId: 'value', ready: 'value' };

/**
 * Reads the body of Marathon's `GET /v2/apps` (0.9 to 1.11) at `APPS_PATH` into verdicts on its
 * tasks. `before` are the last verdicts, which stand in for results that are not there (see
 * `judgeTask`). The error says why this is no list of apps; anything smaller loses only itself and
 * is added to `rejections`. One pass over the bytes; nothing is kept of what needs no verdict.
 */
export function parseApps(
  body: Uint8Array | string,
  before: TaskHealths,
  rejections: RejectionList,
): Result<TaskHealths, string> {
  const reader = new AppsReader(
    new JsonScanner(typeof body === 'string' ? Buffer.from(body) : body),
    before,
    rejections,
  );
  try {
    return reader.read() ? ok(reader.healths) : err('the answer has no list `apps`');
  } catch (error) {
    if (error instanceof JsonScanError || error instanceof SyntaxError) {
      return err(`not JSON: ${error.message}`);
    }
    throw error;
  }
}

/** An app while it is read: its members come in any order. */
interface AppParts {
  version: string;
  hasHealthChecks: boolean;
  hasReadinessChecks: boolean;
  isDeploying: boolean;
  readonly readiness: Map<string, boolean>;
  tasks: TaskChecks[];
}

class AppsReader {
  readonly healths: Map<string, TaskHealth> = new Map<string, TaskHealth>();
  readonly #scanner: JsonScanner;
  readonly #before: TaskHealths;
  readonly #rejections: RejectionList;

  constructor(scanner: JsonScanner, before: TaskHealths, rejections: RejectionList) {
    this.#scanner = scanner;
    this.#before = before;
    this.#rejections = rejections;
  }

  /** False: this is no list of apps. */
  read(): boolean {
    let isList = false;
    this.#scanner.object((key) => {
      if (key === 'apps') isList = this.#scanner.array((i) => this.#readApp(`apps[${i}]`));
      else this.#scanner.skip();
    });
    this.#scanner.end();
    return isList;
  }

  #readApp(path: string): void {
    if (this.#scanner.kind() !== 'object') {
      this.#rejections.add(path, 'app-malformed', this.#scanner.value());
      return;
    }
    const app: AppParts = {
      version: '',
      hasHealthChecks: false,
      hasReadinessChecks: false,
      isDeploying: false,
      readiness: new Map(),
      tasks: [],
    };
    this.#scanner.object((key) => this.#readMember(app, key, path));
    for (const task of app.tasks) {
      const health = judgeTask(app, task, this.#before.get(task.id));
      if (health !== null) this.healths.set(task.id, health);
    }
  }

  #readMember(app: AppParts, key: string, path: string): void {
    if (key === 'version') app.version = this.#text();
    else if (key === 'healthChecks') app.hasHealthChecks = this.#hasMarathonChecks();
    else if (key === 'readinessChecks') app.hasReadinessChecks = this.#hasElements();
    else if (key === 'deployments') app.isDeploying = this.#hasElements();
    else if (key === 'readinessCheckResults') this.#readReadiness(app.readiness, path);
    else if (key === 'tasks') app.tasks = this.#readTasks(`${path}.tasks`);
    else this.#scanner.skip();
  }

  #text(): string {
    const value = this.#scanner.value();
    return typeof value === 'string' ? value : '';
  }

  #hasElements(): boolean {
    let count = 0;
    this.#scanner.array(() => {
      count++;
      this.#scanner.skip();
    });
    return count > 0;
  }

  #hasMarathonChecks(): boolean {
    let has = false;
    this.#scanner.array(() => {
      const check = asObject(this.#scanner.pick(CHECK_KEYS));
      // HTTP is the default of `protocol` (appHealthChecks.raml).
      if (check !== null) has ||= MARATHON_PROTOCOLS.has(check['protocol'] ?? 'HTTP');
    });
    return has;
  }

  #readReadiness(readiness: Map<string, boolean>, path: string): void {
    this.#scanner.array((i) => {
      const value = this.#scanner.pick(READINESS_KEYS);
      const { taskId, ready } = asObject(value) ?? {};
      if (typeof taskId !== 'string' || typeof ready !== 'boolean') {
        this.#rejections.add(
          `${path}.readinessCheckResults[${i}]`,
          'readiness-result-malformed',
          value,
        );
      } else {
        // An app may have more checks than one: each must say so.
        readiness.set(taskId, ready && readiness.get(taskId) !== false);
      }
    });
  }

  #readTasks(path: string): TaskChecks[] {
    const tasks: TaskChecks[] = [];
    this.#scanner.array((i) => {
      const task = this.#readTask(`${path}[${i}]`);
      if (task !== null) tasks.push(task);
    });
    return tasks;
  }

  #readTask(path: string): TaskChecks | null {
    if (this.#scanner.kind() !== 'object') {
      this.#rejections.add(path, 'task-malformed', this.#scanner.value());
      return null;
    }
    let id: unknown = null;
    let version = '';
    let results: HealthResult[] = [];
    this.#scanner.object((key) => {
      if (key === 'id') id = this.#scanner.value();
      else if (key === 'version') version = this.#text();
      else if (key === 'healthCheckResults') results = this.#readResults(path);
      else this.#scanner.skip();
    });
    if (typeof id === 'string' && id !== '' && id.length <= TASK_ID_LENGTH_MAX) {
      return { id, version, results };
    }
    this.#rejections.add(`${path}.id`, 'task-id-malformed', id);
    return null;
  }

  #readResults(path: string): HealthResult[] {
    const results: HealthResult[] = [];
    this.#scanner.array((i) => {
      const value = this.#scanner.pick(RESULT_KEYS);
      const { alive, lastFailure } = asObject(value) ?? {};
      if (typeof alive === 'boolean') results.push(healthResultOf(alive, lastFailure));
      // null says as little as no result.
      else if (value === null) results.push('none');
      else {
        this.#rejections.add(`${path}.healthCheckResults[${i}]`, 'health-result-malformed', value);
      }
    });
    return results;
  }
}
