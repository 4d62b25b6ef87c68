import type { EventBusHandlers } from '../../adapters/mesos/marathon-client.ts';
import { type Backoff, backoffMs } from '../../core/base/backoff.ts';
import type { Random } from '../../core/base/random.ts';
import { EVENT_TYPES } from '../../core/marathon/event-types.ts';
import type { Clock, Log } from '../../core/ports.ts';

/** What a follower of the bus works with. */
export interface MarathonBusParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Follows Marathon's events; rejects with why they ended. */
  followEvents(signal: AbortSignal, handlers: EventBusHandlers): Promise<never>;
  /** Something may have changed at Marathon. */
  onInvalidate(): void;
}

/** Marathon drops subscribers that it cannot keep up with; all nodes must not be back in step. */
const RECONNECT: Backoff = { firstMs: 1_000, maxMs: 60_000 };
/** A stream that lived so long was a good one, whatever came before. */
const LIVED_WELL_MS = 60_000;

/**
 * Keeps one subscription to Marathon's event bus, and says when what is known of Marathon may be out
 * of date. Without the bus that is found out later, by asking every now and then.
 */
export class MarathonBus {
  readonly #parts: MarathonBusParts;
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #cancelRetry: () => void = () => undefined;
  #state: 'off' | 'connecting' | 'following' | 'waiting' = 'off';
  /** Subscriptions in a row that did not live well. */
  #failures = 0;
  #events = 0;

  constructor(parts: MarathonBusParts) {
    this.#parts = parts;
  }

  /** `waiting`: until the next attempt. */
  get state(): 'off' | 'connecting' | 'following' | 'waiting' {
    return this.#state;
  }

  /** Events after which something may have changed, since the start. */
  get events(): number {
    return this.#events;
  }

  start(): void {
    if (this.#state === 'off' && !this.#stopping.signal.aborted) this.#running = this.#follow();
  }

  /** Ends the subscription; resolves when it has ended. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the daemon stops'));
    this.#cancelRetry();
    await this.#running;
    this.#state = 'off';
  }

  async #follow(): Promise<void> {
    const { clock } = this.#parts;
    this.#state = 'connecting';
    let openedAt: number | null = null;
    try {
      await this.#parts.followEvents(this.#stopping.signal, {
        onOpen: () => {
          openedAt = clock.monotonic();
          this.#state = 'following';
          // Whatever happened before was told to nobody.
          this.#parts.onInvalidate();
        },
        onEvent: (type) => this.#hear(type),
      });
    } catch (error) {
      this.#retryLater(error, openedAt);
    }
  }

  #hear(type: string): void {
    // Old versions of Marathon send every event there is, ours among them.
    if (!EVENT_TYPES.has(type)) return;
    this.#events++;
    this.#parts.onInvalidate();
  }

  #retryLater(error: unknown, openedAt: number | null): void {
    if (this.#stopping.signal.aborted) return;
    const { clock, random, log } = this.#parts;
    const livedMs = openedAt === null ? 0 : clock.monotonic() - openedAt;
    if (livedMs > LIVED_WELL_MS) this.#failures = 0;
    const retryMs = backoffMs(RECONNECT, this.#failures++, random);
    this.#state = 'waiting';
    // Every end at first, then each time their number has doubled: no log floods.
    if ((this.#failures & (this.#failures - 1)) === 0) {
      log.info('marathon-events-ended', { err: error, retryMs, failures: this.#failures });
    }
    this.#cancelRetry = clock.after(retryMs, () => {
      this.#running = this.#follow();
    });
  }
}
