import type { AppsBody, EventBusHandlers } from '../../../src/adapters/mesos/marathon-client.ts';
import { DaemonError } from '../../../src/core/base/daemon-error.ts';
import type { TaskHealths } from '../../../src/core/marathon/task-health.ts';
import type { Log, LogFields } from '../../../src/core/ports.ts';
import { HealthOverlay, readApps } from '../../../src/daemon/source/health-overlay.ts';
import type { AppsReading } from '../../../src/daemon/source/health-overlay.ts';
import type { Result } from '../../../src/core/base/result.ts';
import { ManualClock } from '../../adapters/manual-clock.ts';
import { app, appTask, check } from '../../core/marathon/marathon-apps.ts';
import { settled } from './scripted-streams.ts';

/** One request or subscription that the test answers. */
export interface Pending<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
  readonly signal: AbortSignal;
}

export interface PendingBus extends Pending<never> {
  readonly handlers: EventBusHandlers;
}

const INSTANCE = { host: '10.0.0.9', port: 8080 };

/** The body of `apps`, with one app that has an HTTP check and these results by task. */
export function appsBody(results: Readonly<Record<string, unknown>>): AppsBody {
  const tasks = Object.entries(results).map(([id, result]) => appTask(id, [result]));
  return bodyOf(JSON.stringify({ apps: [app(tasks, { healthChecks: [check('HTTP')] })] }));
}

export function bodyOf(text: string): AppsBody {
  const bytes = Uint8Array.from(Buffer.from(text));
  return { chunks: [bytes], bytes: bytes.length, answeredBy: INSTANCE };
}

export function unreachable(): DaemonError {
  return new DaemonError('marathon-unreachable', 'Marathon 10.0.0.9:8080: connection refused');
}

/** An overlay of a Marathon whose answers and events come from the test; random numbers are 0. */
export class OverlayRig {
  readonly clock: ManualClock = new ManualClock();
  /** Requests and subscriptions so far, answered or not. */
  readonly requests: Pending<AppsBody>[] = [];
  readonly buses: PendingBus[] = [];
  /** What was laid over, each time it changed, as `{id: verdict}`. */
  readonly changes: Record<string, string>[] = [];
  readonly logged: [event: string, fields: LogFields][] = [];
  readonly overlay: HealthOverlay;

  constructor(
    read: (body: AppsBody, before: TaskHealths) => Promise<Result<AppsReading, string>> = readApps,
  ) {
    const note = (event: string, fields: LogFields = {}): void => {
      this.logged.push([event, fields]);
    };
    const log: Log = { debug: note, info: note, warn: note, error: note };
    this.overlay = new HealthOverlay({
      clock: this.clock,
      random: () => 0,
      log,
      fetchApps: (signal) =>
        pending<AppsBody>(signal, (one) => {
          this.requests.push(one);
        }),
      followEvents: (signal, handlers) =>
        pending<never>(signal, (one) => {
          this.buses.push({ ...one, handlers });
        }),
      readApps: read,
      onChange: (health) => this.changes.push(Object.fromEntries(health)),
    });
  }

  /** Begins; the first request is on its way. */
  start(): void {
    this.overlay.start();
    this.clock.advance(0);
  }

  /** Answers the last request. */
  async answer(body: AppsBody): Promise<void> {
    this.requests.at(-1)?.resolve(body);
    await settled();
  }

  async fail(error: unknown = unreachable()): Promise<void> {
    this.requests.at(-1)?.reject(error);
    await settled();
  }

  openBus(): void {
    this.buses.at(-1)?.handlers.onOpen(INSTANCE);
  }

  send(...types: readonly string[]): void {
    for (const type of types) this.buses.at(-1)?.handlers.onEvent(type);
  }

  async endBus(): Promise<void> {
    this.buses.at(-1)?.reject(new DaemonError('marathon-unreachable', 'Marathon: it ended'));
    await settled();
  }

  /** Milliseconds until Marathon is asked again. */
  untilNext(): number {
    const [asked, start] = [this.requests.length, this.clock.monotonic()];
    while (this.requests.length === asked) {
      if (this.clock.pending === 0) return Infinity;
      this.clock.advance(10);
    }
    return this.clock.monotonic() - start;
  }

  events(event: string): LogFields[] {
    return this.logged.flatMap(([one, fields]) => (one === event ? [fields] : []));
  }
}

function pending<T>(signal: AbortSignal, note: (one: Pending<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
    const settling =
      <V>(settle: (value: V) => void) =>
      (value: V): void => {
        signal.removeEventListener('abort', abort);
        settle(value);
      };
    note({ resolve: settling(resolve), reject: settling(reject), signal });
  });
}
