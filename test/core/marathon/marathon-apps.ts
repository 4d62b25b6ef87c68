import type { Json } from '../../support/state-builder.ts';

/** The configuration that apps here have, and one that they had before. */
export const NOW = '2026-01-02T00:00:00.000Z';
export const EARLIER = '2026-01-01T00:00:00.000Z';

/** Entries of `healthCheckResults`, as Marathon 1.8 writes them. */
export const ALIVE: Json = {
  alive: true,
  consecutiveFailures: 0,
  firstSuccess: '2026-01-02T00:01:00.000Z',
  lastFailure: null,
  lastSuccess: '2026-01-02T00:05:00.000Z',
  lastFailureCause: null,
  instanceId: 'web.marathon-1',
};
export const FAILED: Json = {
  ...ALIVE,
  alive: false,
  consecutiveFailures: 1,
  lastFailure: '2026-01-02T00:06:00.000Z',
  lastFailureCause: '503 Service Unavailable',
};
/** In its grace period, or not asked by a new leader yet. */
export const UNKNOWN: Json = { ...ALIVE, alive: false, firstSuccess: null, lastSuccess: null };

/** A health check of an app. */
export function check(protocol: string): Json {
  return { protocol, gracePeriodSeconds: 300, intervalSeconds: 60, maxConsecutiveFailures: 0 };
}

/** A task of the present configuration, with these results. */
export function appTask(id: string, results: readonly unknown[], more: Json = {}): Json {
  return {
    appId: '/web',
    healthCheckResults: results,
    host: '10.0.0.1',
    id,
    ipAddresses: [{ ipAddress: '10.0.0.1', protocol: 'IPv4' }],
    ports: [31_000],
    state: 'TASK_RUNNING',
    version: NOW,
    ...more,
  };
}

/** An app without checks, unless `more` has them. */
export function app(tasks: readonly unknown[], more: Json = {}): Json {
  return {
    id: '/web',
    cmd: 'sleep 1000',
    version: NOW,
    healthChecks: [],
    readinessChecks: [],
    deployments: [],
    readinessCheckResults: [],
    tasks,
    ...more,
  };
}

/** What an app has while Marathon waits for its new tasks to be ready. */
export function deploying(
  ...results: readonly (readonly [taskId: string, ready: boolean])[]
): Json {
  return {
    readinessChecks: [{ name: 'readinessCheck', path: '/ready' }],
    deployments: [{ id: '867ed450-f6a8-4d33-9b0e-e11c5513990b' }],
    readinessCheckResults: results.map(([taskId, ready]) => ({
      name: 'readinessCheck',
      taskId,
      ready,
    })),
  };
}
