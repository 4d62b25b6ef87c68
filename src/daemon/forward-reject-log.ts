import type { ForwardRejectReason } from '../adapters/dns/forwarder.ts';
import type { Clock, Log } from '../core/ports.ts';

/** Such queries come by the thousand; one line a minute says as much. */
const LOG_INTERVAL_MS = 60_000;

/** Logs forwards that were turned away: the first at once, later ones summed up in the next line. */
export class ForwardRejectLog {
  readonly #clock: Clock;
  readonly #log: Log;
  #loggedAt = Number.NEGATIVE_INFINITY;
  #unlogged: Record<ForwardRejectReason, number> = { inflight: 0, loop: 0 };

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  add(reason: ForwardRejectReason): void {
    this.#unlogged[reason]++;
    const now = this.#clock.monotonic();
    if (now - this.#loggedAt < LOG_INTERVAL_MS) return;
    this.#loggedAt = now;
    this.#log.warn('forward-rejected', { ...this.#unlogged });
    this.#unlogged = { inflight: 0, loop: 0 };
  }
}
