import { isAbsent } from '../base/json.ts';

/** What Marathon makes of a task; only `healthy` ones should get traffic. */
export type TaskHealth = 'healthy' | 'unhealthy' | 'not-ready';

/** Verdicts by task id. Tasks that Marathon has no say in are not in it. */
export type TaskHealths = ReadonlyMap<string, TaskHealth>;

/** What an app in `GET /v2/apps` says about the health of its tasks. */
export interface AppChecks {
  /** Of the configuration that new tasks get; '' if the app has none. */
  readonly version: string;
  /** It has health checks that Marathon makes itself, of which Mesos knows nothing. */
  readonly hasHealthChecks: boolean;
  readonly hasReadinessChecks: boolean;
  readonly isDeploying: boolean;
  /** Results of readiness checks by task id: whether it is ready. */
  readonly readiness: ReadonlyMap<string, boolean>;
}

/** What it says about one task. */
export interface TaskChecks {
  readonly id: string;
  readonly version: string;
  /** Its entries of `healthCheckResults`. */
  readonly results: readonly HealthResult[];
}

/** `failed`: since its last success; `none`: no check has had a result that counts. */
export type HealthResult = 'alive' | 'failed' | 'none';

/**
 * Reads the members of one health result. Marathon writes an entry with `alive: false` for a task
 * whose failures are ignored (grace period) or not known yet (after a change of leader): without a
 * failure it is no result (Health.scala, HealthCheckActor.scala).
 */
export function healthResultOf(alive: unknown, lastFailure: unknown): HealthResult {
  if (alive === true) return 'alive';
  return isAbsent(lastFailure) ? 'none' : 'failed';
}

/**
 * The verdict on a task; null: Marathon has no say. `before` is the last one: it stands in where
 * there is no result, because a new leader of Marathon knows none, and the results of readiness
 * checks are forgotten with each step of a deployment (DeploymentManagerActor.scala). Neither says
 * anything about a task that was good.
 */
export function judgeTask(
  app: AppChecks,
  task: TaskChecks,
  before: TaskHealth | undefined,
): TaskHealth | null {
  if (!app.hasHealthChecks && !app.hasReadinessChecks) return null;
  const health = app.hasHealthChecks ? checkedHealth(app, task, before) : 'healthy';
  if (health !== 'healthy') return health;
  return isReady(app, task, before) ? 'healthy' : 'not-ready';
}

/** Marathon's own rule: all results alive, and at least one (TaskForStatistics.scala). */
function checkedHealth(
  app: AppChecks,
  task: TaskChecks,
  before: TaskHealth | undefined,
): TaskHealth | null {
  if (task.results.includes('failed')) return 'unhealthy';
  if (task.results.length > 0 && !task.results.includes('none')) return 'healthy';
  if (before === 'healthy') return 'healthy';
  // Tasks of an older configuration may have no such check at all, and then never a result.
  return isCurrent(app, task) ? 'unhealthy' : null;
}

function isReady(app: AppChecks, task: TaskChecks, before: TaskHealth | undefined): boolean {
  const result = app.readiness.get(task.id);
  if (result !== undefined) return result;
  // Marathon checks what a deployment starts: tasks of the new configuration.
  const isAwaited = app.hasReadinessChecks && app.isDeploying && isCurrent(app, task);
  return !isAwaited || before === 'healthy';
}

function isCurrent(app: AppChecks, task: TaskChecks): boolean {
  return app.version !== '' && task.version === app.version;
}
