import type {
  EventStreamHandlers,
  EventSubscription,
  StreamEnd,
} from '../../adapters/mesos/event-stream.ts';
import { type Backoff, backoffMs } from '../../core/base/backoff.ts';
import { formatHostPort } from '../../core/base/host-port.ts';
import type { Random } from '../../core/base/random.ts';
import type { HostPort } from '../../core/config/config.ts';
import { isHeartbeat } from '../../core/mesos/heartbeat.ts';
import type { StreamRecord } from '../../core/mesos/record-io.ts';
import type { Clock, EventStreamStatus, Log } from '../../core/ports.ts';

/** What the follower works with. */
export interface EventFollowerParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Opens the event stream of a master. */
  subscribe(
    master: HostPort,
    signal: AbortSignal,
    handlers: EventStreamHandlers,
  ): EventSubscription;
  /**
   * An event that is no heartbeat; the first of a stream is its snapshot. `streamId` grows with each
   * stream, and events of an older one are void. Each must be acknowledged.
   */
  onRecord(streamId: number, record: StreamRecord): void;
  /** A stream ended, or could not be opened. */
  onEnd(streamId: number, end: StreamEnd): void;
}

/** Nodes must not ask a new leader for its state in step, nor over and over. */
const RECONNECT: Backoff = { firstMs: 1_000, maxMs: 30_000 };
/** A master that does not have or give the stream will not until somebody changes something. */
const REFUSED_RETRY: Backoff = { firstMs: 600_000, maxMs: 600_000 };
/** A stream that lived so long was a good one, whatever came before. */
const LIVED_WELL_MS = 60_000;

interface Stream {
  readonly id: number;
  readonly master: HostPort;
  readonly abort: AbortController;
  /** null while it is being opened, within `subscribe`. */
  subscription: EventSubscription | null;
  /** Who sends it. */
  answeredBy: HostPort;
  /** Monotonic time of the first event. */
  firstRecordAt: number | null;
}

/**
 * Keeps one event stream open to the master that it was told to follow, and opens another one
 * whenever it ends, which begins with a snapshot.
 */
export class EventFollower {
  readonly #parts: EventFollowerParts;
  #master: HostPort | null = null;
  #stream: Stream | null = null;
  /** Resolves when the stream that was begun last has ended. */
  #running: Promise<void> = Promise.resolve();
  #cancelRetry: () => void = () => undefined;
  #isStopped = false;
  /** Streams in a row that did not live well. */
  #failures = 0;
  #streams = 0;
  #records = 0;
  #state: EventStreamStatus['state'] = 'off';
  #reason: string | null = null;
  #since: number;
  #lastRecordAt: number | null = null;

  constructor(parts: EventFollowerParts) {
    this.#parts = parts;
    this.#since = parts.clock.now();
  }

  /**
   * Follows this master from now on, or none; what is under way to another one is cancelled at
   * once. Nothing changes if it is followed already.
   */
  follow(master: HostPort | null): void {
    if (this.#isStopped || isSame(this.#master, master)) return;
    this.#master = master;
    this.#failures = 0;
    this.#reason = null;
    this.#cancelRetry();
    if (this.#stream === null) this.#connect();
    else this.#stream.abort.abort(new Error('another master is to be followed'));
  }

  /** Gives a stream up that cannot be made sense of; the next one comes after a pause. */
  giveUp(streamId: number, why: string): void {
    if (this.#stream?.id === streamId) this.#stream.abort.abort(new Error(why));
  }

  /** So many records, of so many bytes together, of this stream have been dealt with. */
  acknowledge(streamId: number, records: number, bytes: number): void {
    if (this.#stream?.id === streamId) this.#stream.subscription?.acknowledge(records, bytes);
  }

  /** What SUBSCRIBED of this stream says about heartbeats, in milliseconds; null: nothing. */
  setHeartbeat(streamId: number, intervalMs: number | null): void {
    if (this.#stream?.id === streamId) this.#stream.subscription?.setHeartbeat(intervalMs);
  }

  /** Ends the stream; resolves when it has ended. Nothing is followed any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelRetry();
    this.#stream?.abort.abort(new Error('the daemon stops'));
    await this.#running;
    this.#enter('off');
  }

  status(): EventStreamStatus {
    const master = this.#stream?.answeredBy ?? this.#master;
    return {
      state: this.#state,
      reason: this.#reason,
      master: master === null ? null : formatHostPort(master),
      since: new Date(this.#since).toISOString(),
      records: this.#records,
      reconnects: Math.max(0, this.#streams - 1),
      lastRecordAt: this.#lastRecordAt === null ? null : new Date(this.#lastRecordAt).toISOString(),
      heartbeatMs: this.#stream?.subscription?.heartbeatMs ?? null,
    };
  }

  #enter(state: EventStreamStatus['state']): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#since = this.#parts.clock.now();
  }

  #connect(): void {
    const master = this.#master;
    if (master === null) {
      this.#enter('off');
      return;
    }
    this.#enter('connecting');
    const stream: Stream = {
      id: ++this.#streams,
      master,
      abort: new AbortController(),
      subscription: null,
      answeredBy: master,
      firstRecordAt: null,
    };
    this.#stream = stream;
    stream.subscription = this.#parts.subscribe(master, stream.abort.signal, {
      onOpen: (answeredBy) => (stream.answeredBy = answeredBy),
      onRecord: (record) => this.#hear(stream, record),
    });
    this.#running = stream.subscription.ended.then((end) => this.#onEnd(stream, end));
  }

  #hear(stream: Stream, record: StreamRecord): void {
    const { clock, log } = this.#parts;
    this.#records++;
    this.#lastRecordAt = clock.now();
    if (stream.firstRecordAt === null) {
      stream.firstRecordAt = clock.monotonic();
      this.#reason = null;
      this.#enter('following');
      const master = formatHostPort(stream.answeredBy);
      log.info('event-stream-begun', { master, stream: stream.id, bytes: record.bytes });
    }
    // Whoever deals with events need not wake up for these.
    if (isHeartbeat(record)) stream.subscription?.acknowledge(1, record.bytes);
    else this.#parts.onRecord(stream.id, record);
  }

  #onEnd(stream: Stream, end: StreamEnd): void {
    this.#parts.onEnd(stream.id, end);
    this.#stream = null;
    if (this.#isStopped) return;
    // By identity: it may have been told to follow another one and then this one again.
    if (this.#master !== stream.master) this.#connect();
    else this.#retryLater(stream, end);
  }

  #retryLater({ firstRecordAt }: Stream, end: StreamEnd): void {
    const { clock, log, random } = this.#parts;
    const livedMs = firstRecordAt === null ? 0 : clock.monotonic() - firstRecordAt;
    if (livedMs > LIVED_WELL_MS) this.#failures = 0;
    const backoff = isRefusal(end) ? REFUSED_RETRY : RECONNECT;
    const retryMs = backoffMs(backoff, this.#failures++, random);
    this.#reason = end.message;
    this.#enter('waiting');
    // Every end at first, then each time their number has doubled: no log floods.
    if ((this.#failures & (this.#failures - 1)) === 0) {
      const { code, message, records } = end;
      log.warn('event-stream-ended', { code, message, records, retryMs, failures: this.#failures });
    }
    this.#cancelRetry = clock.after(retryMs, () => this.#connect());
  }
}

/** A login that failed before a master was asked may go well the next time. */
function isRefusal({ code, answeredBy }: StreamEnd): boolean {
  return code === 'stream-unsupported' || (code === 'master-auth' && answeredBy !== null);
}

function isSame(a: HostPort | null, b: HostPort | null): boolean {
  return a === b || (a !== null && b !== null && a.host === b.host && a.port === b.port);
}
