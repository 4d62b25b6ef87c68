import type { ForwardRejectReason } from '../../adapters/dns/forwarder.ts';
import type { ResolverEvent } from './resolver-parts.ts';
import type { Clock, Log } from '../../core/ports.ts';

/** Such queries come by the thousand; one line a minute says as much. */
const LOG_INTERVAL_MS = 60_000;

/** Why a forward was turned away: by the forwarder, or before it. */
export type RejectReason = ForwardRejectReason | ResolverEvent;

/** Logs forwards that were turned away: the first at once, later ones summed up in the next line. */
export class ForwardRejectLog {
  readonly #clock: Clock;
  readonly #log: Log;
  #loggedAt = Number.NEGATIVE_INFINITY;
  readonly #unlogged = new Map<RejectReason, number>();

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  add(reason: RejectReason): void {
    this.#unlogged.set(reason, (this.#unlogged.get(reason) ?? 0) + 1);
    const now = this.#clock.monotonic();
    if (now - this.#loggedAt < LOG_INTERVAL_MS) return;
    this.#loggedAt = now;
    this.#log.warn('forward-rejected', Object.fromEntries(this.#unlogged));
    this.#unlogged.clear();
  }
}
