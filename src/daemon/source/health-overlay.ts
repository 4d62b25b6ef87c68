import type { AppsBody, EventBusHandlers } from '../../adapters/mesos/marathon-client.ts';
import { type Backoff, backoffMs } from '../../core/base/backoff.ts';
import { codeOf, DaemonError } from '../../core/base/daemon-error.ts';
import { formatHostPort } from '../../core/base/host-port.ts';
import type { Random } from '../../core/base/random.ts';
import { RejectionList } from '../../core/base/rejection.ts';
import { err, ok, type Result } from '../../core/base/result.ts';
import { parseApps } from '../../core/marathon/parse-apps.ts';
import type { MarathonStatus } from '../../core/base/live-status.ts';
import type { TaskHealth, TaskHealths } from '../../core/marathon/task-health.ts';
import type { Clock, Log } from '../../core/ports.ts';
import { MarathonBus } from './marathon-bus.ts';

/** What Marathon said, and how many pieces of it made no sense. */
export interface AppsReading {
  readonly health: TaskHealths;
  readonly rejections: number;
}

/** What the overlay works with. */
export interface HealthOverlayParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  fetchApps(signal: AbortSignal): Promise<AppsBody>;
  followEvents(signal: AbortSignal, handlers: EventBusHandlers): Promise<never>;
  /** `readApps`, or the same on another thread. The body is the reader's. */
  readApps(body: AppsBody, before: TaskHealths): Promise<Result<AppsReading, string>>;
  /** Called with what to lay over the health that Mesos knows of, whenever that has changed. */
  onChange(health: TaskHealths): void;
}

/** Without events: what is found out so late is lost for so long. */
const POLL_MS = 30_000;
/** While tasks are not ready: that they are is told by no event. */
const READINESS_POLL_MS = 5_000;
/** Share of a poll interval that is drawn at random, so that nodes do not ask in step. */
const POLL_JITTER = 0.2;
/** One change makes several events; they come together. */
const DEBOUNCE_MS = 100;
/** Every node asks, and a list of all apps costs Marathon more than it costs us. */
const GAP_MS_MIN = 2_000;
/** A Marathon that is slow to answer is asked less: it spends this share of time on us at most. */
const BUSY_SHARE_MAX = 0.1;
const RETRY: Backoff = { firstMs: 1_000, maxMs: 30_000 };
/**
 * How long the last answer counts without a new one. Longer than a change of leader or an upgrade
 * of Marathon takes; after that its tasks have changed too much.
 */
const STALE_MS_MAX = 300_000;

const NO_HEALTH: TaskHealths = new Map();

/** Reads apps on this thread, which takes 4 to 6 ms for every 1,000 tasks. */
export function readApps(
  { chunks }: Pick<AppsBody, 'chunks'>,
  before: TaskHealths,
): Promise<Result<AppsReading, string>> {
  const rejections = new RejectionList();
  const health = parseApps(Buffer.concat(chunks), before, rejections);
  return Promise.resolve(
    health.ok
      ? { ok: true, value: { health: health.value, rejections: rejections.total } }
      : health,
  );
}

/**
 * Keeps what Marathon knows of the health of its tasks and Mesos does not: it is asked at the start,
 * after events of its bus, and now and then. Its last answer outlives it for some minutes; nothing
 * ever waits for it.
 */
export class HealthOverlay {
  readonly #parts: HealthOverlayParts;
  readonly #bus: MarathonBus;
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #isStarted = false;
  #isAsking = false;
  /** Something changed while it was being asked. */
  #isOutdated = false;
  /** When it is to be asked next, monotonic; and how to take that back. */
  #dueAt = Infinity;
  #cancelDue: () => void = () => undefined;
  #cancelExpiry: () => void = () => undefined;
  /** Monotonic times of the last request. */
  #askedAt = -Infinity;
  #askedForMs = 0;
  /** The last answer, of whatever age: what a new one is read with. */
  #known: TaskHealths = NO_HEALTH;
  /** What counts now. */
  #health: TaskHealths = NO_HEALTH;
  #unhealthy = 0;
  #notReady = 0;
  #state: MarathonStatus['state'] = 'off';
  #reason: string | null = null;
  #instance: string | null = null;
  #lastSuccessAt: number | null = null;
  #failures = 0;
  #fetches = 0;
  #rejections = 0;

  constructor(parts: HealthOverlayParts) {
    this.#parts = parts;
    const { clock, random, log } = parts;
    this.#bus = new MarathonBus({
      clock,
      random,
      log,
      followEvents: (signal, handlers) => parts.followEvents(signal, handlers),
      onInvalidate: () => this.#invalidate(),
    });
  }

  /** Begins to ask. Once. */
  start(): void {
    if (this.#isStarted || this.#stopping.signal.aborted) return;
    this.#isStarted = true;
    this.#state = 'away';
    this.#reason = 'Marathon has not answered yet';
    this.#bus.start();
    this.#askAt(this.#parts.clock.monotonic());
  }

  /** Ends what is under way; resolves when it has ended. Nothing changes any more. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the daemon stops'));
    this.#cancelDue();
    this.#cancelExpiry();
    this.#state = 'off';
    await Promise.all([this.#bus.stop(), this.#running]);
  }

  status(): MarathonStatus {
    const at = this.#lastSuccessAt;
    return {
      state: this.#state,
      reason: this.#reason,
      instance: this.#instance,
      tasks: this.#health.size,
      unhealthy: this.#unhealthy,
      notReady: this.#notReady,
      lastSuccessAt: at === null ? null : new Date(at).toISOString(),
      consecutiveFailures: this.#failures,
      fetches: this.#fetches,
      rejections: this.#rejections,
      bus: this.#bus.state,
      events: this.#bus.events,
    };
  }

  #invalidate(): void {
    if (this.#stopping.signal.aborted) return;
    if (this.#isAsking) this.#isOutdated = true;
    else this.#askAt(this.#earliest());
  }

  /** When it may be asked again: soon, but not too soon after the last time. */
  #earliest(): number {
    const gapMs = Math.max(GAP_MS_MIN, this.#askedForMs / BUSY_SHARE_MAX);
    return Math.max(this.#parts.clock.monotonic() + DEBOUNCE_MS, this.#askedAt + gapMs);
  }

  /** Asks at this time, or earlier if that is planned already. */
  #askAt(time: number): void {
    if (time >= this.#dueAt) return;
    const { clock } = this.#parts;
    this.#cancelDue();
    this.#dueAt = time;
    this.#cancelDue = clock.after(Math.max(0, time - clock.monotonic()), () => {
      this.#dueAt = Infinity;
      this.#running = this.#ask();
    });
  }

  async #ask(): Promise<void> {
    const { clock } = this.#parts;
    this.#isAsking = true;
    this.#isOutdated = false;
    this.#fetches++;
    this.#askedAt = clock.monotonic();
    const outcome = await this.#fetch();
    this.#isAsking = false;
    if (this.#stopping.signal.aborted) return;
    const delayMs = outcome.ok ? this.#succeed(outcome.value) : this.#fail(outcome.error);
    this.#askAt(clock.monotonic() + delayMs);
    this.#catchUp();
  }

  /** Never rejects: whatever goes wrong with Marathon, health goes on without it. */
  async #fetch(): Promise<Result<AppsReading & { instance: string }, unknown>> {
    try {
      const body = await this.#parts.fetchApps(this.#stopping.signal);
      this.#askedForMs = this.#parts.clock.monotonic() - this.#askedAt;
      const instance = formatHostPort(body.answeredBy);
      const reading = await this.#parts.readApps(body, this.#known);
      if (reading.ok) return ok({ ...reading.value, instance });
      return err(new DaemonError('marathon-invalid', `Marathon ${instance}: ${reading.error}`));
    } catch (error) {
      return err(error);
    }
  }

  #catchUp(): void {
    if (this.#isOutdated) this.#askAt(this.#earliest());
  }

  #pollMs(): number {
    const intervalMs = this.#notReady > 0 ? READINESS_POLL_MS : POLL_MS;
    return intervalMs * (1 - POLL_JITTER * this.#parts.random());
  }

  /** Returns after how many milliseconds to ask again. */
  #succeed({ instance, health, rejections }: AppsReading & { instance: string }): number {
    const { clock, log } = this.#parts;
    const isNews = this.#state !== 'ok';
    this.#state = 'ok';
    this.#reason = null;
    this.#instance = instance;
    this.#lastSuccessAt = clock.now();
    this.#failures = 0;
    this.#rejections = rejections;
    this.#known = health;
    this.#cancelExpiry();
    this.#cancelExpiry = clock.after(STALE_MS_MAX, () => this.#expire());
    this.#replace(health);
    const [tasks, unhealthy, notReady] = [health.size, this.#unhealthy, this.#notReady];
    if (isNews) log.info('marathon-health', { instance, tasks, unhealthy, notReady, rejections });
    return this.#pollMs();
  }

  /** The same. */
  #fail(error: unknown): number {
    const { random, log } = this.#parts;
    const retryMs = backoffMs(RETRY, this.#failures++, random);
    this.#reason = error instanceof Error ? error.message : String(error);
    if (this.#state === 'ok') this.#state = 'stale';
    // Every failure at first, then each time their number has doubled: no log floods.
    if ((this.#failures & (this.#failures - 1)) === 0) {
      const code = codeOf(error);
      log.warn('marathon-health-failed', { err: error, code, retryMs, failures: this.#failures });
    }
    return retryMs;
  }

  #expire(): void {
    this.#state = 'away';
    this.#reason ??= 'Marathon does not answer';
    const { size } = this.#health;
    this.#parts.log.warn('marathon-health-dropped', { reason: this.#reason, tasks: size });
    this.#replace(NO_HEALTH);
  }

  #replace(health: TaskHealths): void {
    if (isSame(health, this.#health)) return;
    this.#health = health;
    this.#unhealthy = count(health, 'unhealthy');
    this.#notReady = count(health, 'not-ready');
    this.#parts.onChange(health);
  }
}

function count(health: TaskHealths, verdict: TaskHealth): number {
  let found = 0;
  for (const one of health.values()) if (one === verdict) found++;
  return found;
}

function isSame(a: TaskHealths, b: TaskHealths): boolean {
  if (a === b) return true;
  if (a.size !== b.size) return false;
  for (const [id, verdict] of a) if (b.get(id) !== verdict) return false;
  return true;
}
