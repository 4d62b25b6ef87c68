import type { EventStreamHandlers, EventSubscription } from '../../adapters/mesos/event-stream.ts';
import type { Random } from '../../core/base/random.ts';
import type { EventsConfig, HostPort } from '../../core/config/config.ts';
import type { Clock, EventStreamStatus, Log } from '../../core/ports.ts';
import type { EventsReport } from '../generation-protocol.ts';
import { EventFollower } from './event-follower.ts';
import { EventIntake, type EventIntakeParts } from './event-intake.ts';
import { FollowRule } from './follow-rule.ts';

export interface EventChannelParts extends Pick<EventIntakeParts, 'run' | 'events'> {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  subscribe(
    master: HostPort,
    signal: AbortSignal,
    handlers: EventStreamHandlers,
  ): EventSubscription;
  /** What events did, of which the first arrived then; called within `run`. */
  onReport(report: EventsReport, arrivedAt: number): Promise<void>;
}

/** The way of events from the leader to the worker: whom to follow, and what to do with what comes. */
export class EventChannel {
  readonly #parts: EventChannelParts;
  readonly #follower: EventFollower;
  readonly #intake: EventIntake;
  readonly #rule = new FollowRule();
  /** Why no stream is followed; null: one should be. */
  #objection: string | null = null;
  /** The stream that told something last, and who sends the one that was opened last. */
  #streamId = 0;
  #streamedBy: HostPort | null = null;
  #isStopped = false;

  constructor(parts: EventChannelParts) {
    const { clock, random, log } = parts;
    this.#parts = parts;
    this.#intake = this.#createIntake();
    this.#follower = new EventFollower({
      ...{ clock, random, log },
      subscribe: (...args) => this.#subscribe(...args),
      onRecord: (streamId, record) => {
        this.#streamId = streamId;
        if (this.#streamedBy !== null) this.#intake.offer(streamId, this.#streamedBy, record);
      },
      // What a stream told before it was cut is true; of one that we gave up it is void.
      onEnd: (_streamId, { code }) => {
        if (code === 'stopped') this.#intake.clear();
      },
    });
  }

  /** Whether a stream is open and has told its snapshot. */
  get isFollowing(): boolean {
    return this.#follower.status().state === 'following';
  }

  /** Follows the leader unless the configuration or the size of the cluster (null: unknown) forbids. */
  follow(config: EventsConfig, agents: number | null, leader: HostPort | null): void {
    this.#objection = this.#rule.objection(config, agents);
    this.#follower.follow(this.#objection === null ? leader : null);
    if (leader === null) this.#objection ??= 'no leader is known yet';
  }

  /** Ends the stream; the next `follow` begins another one at once. */
  drop(): void {
    this.#follower.follow(null);
  }

  /** Gives up the stream, because the worker does not know any more what it told. */
  restart(why: string): void {
    this.#intake.clear();
    this.#follower.giveUp(this.#streamId, why);
  }

  /** Resolves when the stream has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#intake.stop();
    await this.#follower.stop();
  }

  status(): EventStreamStatus {
    const status = this.#follower.status();
    return { ...status, reason: this.#objection ?? status.reason };
  }

  #subscribe(
    master: HostPort,
    signal: AbortSignal,
    handlers: EventStreamHandlers,
  ): EventSubscription {
    this.#streamedBy = master;
    return this.#parts.subscribe(master, signal, {
      ...handlers,
      onOpen: (answeredBy) => {
        this.#streamedBy = answeredBy;
        handlers.onOpen(answeredBy);
      },
    });
  }

  #createIntake(): EventIntake {
    const { clock, log } = this.#parts;
    return new EventIntake({
      clock,
      run: (work) => this.#parts.run(work),
      events: (...batch) => this.#parts.events(...batch),
      acknowledge: (...dealtWith) => this.#follower.acknowledge(...dealtWith),
      onReport: async ({ streamId, arrivedAt }, report) => {
        if (this.#isStopped) return;
        const { read, heartbeatSeconds: seconds, invalid } = report;
        if (read !== null) {
          this.#follower.setHeartbeat(streamId, seconds === null ? null : 1_000 * seconds);
        }
        if (invalid !== null) this.#follower.giveUp(streamId, `an event is none: ${invalid}`);
        await this.#parts.onReport(report, arrivedAt);
      },
      onFailure: (streamId, err) => {
        if (this.#isStopped) return;
        log.warn('events-failed', { err });
        this.#follower.giveUp(streamId, 'events could not be taken in');
      },
    });
  }
}
