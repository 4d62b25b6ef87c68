import type { Dispatcher } from 'undici';
import type { ClusterConfig, HostPort } from '../../core/config/config.ts';
import type { Clock } from '../../core/ports.ts';
import { DaemonError } from '../../core/base/daemon-error.ts';
import type { ErrorCode } from '../../core/base/daemon-error.ts';
import { formatHostPort } from '../../core/base/host-port.ts';
import { RecordIoDecoder } from '../../core/mesos/record-io.ts';
import type { StreamRecord } from '../../core/mesos/record-io.ts';
import { untilAborted } from './deadline.ts';
import { encodedBodyOf } from './encoded-body.ts';
import { failureReason } from './exchange-failure.ts';
import type { MasterClientOptions } from './master-client.ts';
import { createMasterRequests } from './master-requests.ts';
import type { MasterAnswer, MasterRequest, MasterRequests } from './master-requests.ts';
import { SilenceWatch } from './silence-watch.ts';
import { discardBody } from './state-body.ts';
import { statusError } from './status-error.ts';

/** What happens on an event stream. Called synchronously, never after its end. */
export interface EventStreamHandlers {
  /** The master took the subscription: the one asked, or where that one redirected to. */
  onOpen(answeredBy: HostPort): void;
  /**
   * One event, complete; the first is SUBSCRIBED with the whole state. The bytes are the handler's.
   * It must be quick: reading goes on when it returns.
   */
  onRecord(record: StreamRecord): void;
}

/** How a stream ended. */
export interface StreamEnd {
  /** `stopped`: because a signal wanted it or the client was closed. */
  readonly code: ErrorCode | 'stopped';
  readonly message: string;
  /** The master that answered last; null if none has. */
  readonly answeredBy: HostPort | null;
  /** Events that were handed over. */
  readonly records: number;
}

/** One subscription to the events of a master. */
export interface EventSubscription {
  /** Resolves when the stream has ended; never rejects. */
  readonly ended: Promise<StreamEnd>;
  /** Expected interval of heartbeats in milliseconds; null: the master sends none. */
  readonly heartbeatMs: number | null;
  /** What SUBSCRIBED says about it; null before Mesos 1.5. */
  setHeartbeat(intervalMs: number | null): void;
  /** So many records, of so many bytes together, that were handed over have been dealt with. */
  acknowledge(records: number, bytes: number): void;
}

/** Subscribes to the events of Mesos masters. */
export interface EventStreamClient {
  /**
   * Opens the event stream of a master or of the leader that it redirects to. Mesos has no way to
   * resume a stream or to notice a gap, so each begins with a snapshot. `signal` ends it at once.
   */
  subscribe(
    master: HostPort,
    signal: AbortSignal,
    handlers: EventStreamHandlers,
  ): EventSubscription;
  /** Ends all streams and closes all connections. */
  close(): Promise<void>;
}

/**
 * SUBSCRIBE of the v1 operator API. No Accept-Encoding: Mesos compresses no stream
 * (docs/operator-http-api.md).
 */
const SUBSCRIBE: MasterRequest = {
  method: 'POST',
  path: '/api/v1',
  headers: { accept: 'application/json', 'content-type': 'application/json' },
  body: '{"type":"SUBSCRIBE"}',
};

/** Masters without operator API, without streams or without SUBSCRIBE (before Mesos 1.0). */
const UNSUPPORTED_STATUSES: ReadonlySet<number> = new Set([400, 404, 405, 406, 415, 501]);

/** `DEFAULT_HEARTBEAT_INTERVAL` of Mesos, for which masters have no flag. */
const HEARTBEAT_MS = 15_000;
/** What a master may say instead; more is as good as no heartbeat, less would be a mistake. */
const HEARTBEAT_MS_MIN = 1_000;
const HEARTBEAT_MS_MAX = 600_000;
/** One heartbeat may be late and another lost in a pause of the master. */
const MISSED_HEARTBEATS = 3;
/** Without heartbeats a quiet stream and a dead one look alike; so often a snapshot does no harm. */
const SILENCE_WITHOUT_HEARTBEATS_MS = 600_000;

/**
 * Events that wait for whoever deals with them, besides the snapshot: some 90,000, which is more
 * than a minute of what a large master does. Beyond that a new snapshot costs less than they do.
 */
const BACKLOG_BYTES_MAX = 64 * 1_048_576;
/** The same in records: each takes some hundred bytes besides its own. */
const BACKLOG_RECORDS_MAX = 131_072;

interface EventStreamParts {
  readonly requests: MasterRequests;
  readonly clock: Clock;
  readonly handlers: EventStreamHandlers;
  /** Until the snapshot is complete. */
  readonly timeoutMs: number;
  readonly recordBytesMax: number;
}

class EventStream implements EventSubscription {
  readonly ended: Promise<StreamEnd>;
  readonly #parts: EventStreamParts;
  readonly #decoder: RecordIoDecoder;
  readonly #silence: SilenceWatch;
  /** Aborted with the reason as soon as the stream is to end, whoever wants it. */
  readonly #ending = new AbortController();
  #heartbeatMs: number | null = HEARTBEAT_MS;
  #isStopped = false;
  #answeredBy: HostPort | null = null;
  #cancelDeadline: () => void = () => undefined;
  #records = 0;
  #snapshotBytes = 0;
  /** Handed over and not acknowledged. */
  #backlogRecords = 0;
  #backlogBytes = 0;

  constructor(master: HostPort, signals: readonly AbortSignal[], parts: EventStreamParts) {
    this.#parts = parts;
    this.#decoder = new RecordIoDecoder(parts.recordBytesMax);
    this.#silence = new SilenceWatch(parts.clock, this.#silenceMs(), () => {
      this.#end('stream-silent', `no event and no heartbeat in ${this.#silenceMs()} ms`);
    });
    this.ended = this.#run(master, signals);
  }

  get heartbeatMs(): number | null {
    return this.#heartbeatMs;
  }

  setHeartbeat(intervalMs: number | null): void {
    this.#heartbeatMs =
      intervalMs === null
        ? null
        : Math.min(Math.max(intervalMs, HEARTBEAT_MS_MIN), HEARTBEAT_MS_MAX);
    this.#silence.setLimit(this.#silenceMs());
  }

  acknowledge(records: number, bytes: number): void {
    this.#backlogRecords -= records;
    this.#backlogBytes -= bytes;
  }

  #silenceMs(): number {
    return this.#heartbeatMs === null
      ? SILENCE_WITHOUT_HEARTBEATS_MS
      : this.#heartbeatMs * MISSED_HEARTBEATS;
  }

  async #run(master: HostPort, signals: readonly AbortSignal[]): Promise<StreamEnd> {
    const releases = signals.map((signal) => this.#endWith(signal));
    const { clock, timeoutMs } = this.#parts;
    this.#cancelDeadline = clock.after(timeoutMs, () =>
      this.#end('master-timeout', `no snapshot in ${timeoutMs} ms`),
    );
    try {
      const { signal } = this.#ending;
      return this.#endOf(master, await untilAborted(signal, this.#follow(master, signal)));
    } catch (error) {
      return this.#endOf(master, error);
    } finally {
      this.#cancelDeadline();
      this.#silence.stop();
      for (const release of releases) release();
    }
  }

  /** Returns how to let go of the signal. */
  #endWith(signal: AbortSignal): () => void {
    const stop = (): void => {
      this.#isStopped ||= !this.#ending.signal.aborted;
      this.#ending.abort(signal.reason);
    };
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    return () => signal.removeEventListener('abort', stop);
  }

  #end(code: ErrorCode, message: string): void {
    this.#ending.abort(new DaemonError(code, message));
  }

  #endOf(master: HostPort, error: unknown): StreamEnd {
    const text = error instanceof Error ? error.message : String(error);
    const where = `master ${formatHostPort(this.#answeredBy ?? master)}: `;
    return {
      code: this.#isStopped
        ? 'stopped'
        : error instanceof DaemonError
          ? error.code
          : 'stream-ended',
      message: this.#isStopped || text.startsWith('master ') ? text : where + text,
      answeredBy: this.#answeredBy,
      records: this.#records,
    };
  }

  /** Reads the stream to its end; returns or rejects with why it ended. */
  async #follow(master: HostPort, signal: AbortSignal): Promise<DaemonError> {
    signal.throwIfAborted();
    const answer = await this.#parts.requests.send(master, SUBSCRIBE, signal);
    const { url, response } = answer;
    this.#answeredBy = { host: url.host, port: url.port };
    // The status decides before a byte of the body is believed.
    if (response.statusCode !== 200) return refusal(answer);
    const encoding = encodedBodyOf(response).contentEncoding ?? 'identity';
    if (encoding !== 'identity') {
      discardBody(response.body);
      return new DaemonError('stream-invalid', 'the event stream is compressed, unasked');
    }
    this.#parts.handlers.onOpen(this.#answeredBy);
    return this.#drain(response);
  }

  /**
   * Takes bytes as fast as they come and never pauses: what a subscriber does not read, a master
   * keeps in its memory without bound (MESOS-7748).
   */
  #drain({ body }: Dispatcher.ResponseData): Promise<DaemonError> {
    return new Promise((resolve) => {
      const end = (how: string): void => {
        const inside = this.#decoder.partial ? ' in the middle of a record' : '';
        resolve(new DaemonError('stream-ended', `the event stream ended${inside}: ${how}`));
      };
      body.on('error', (error) => end(failureReason(error)));
      body.once('end', () => end('the master closed it'));
      body.on('data', (chunk: Uint8Array) => this.#take(chunk));
    });
  }

  #take(chunk: Uint8Array): void {
    if (this.#ending.signal.aborted) return;
    const error = this.#decoder.push(chunk, (record) => this.#handOver(record));
    if (error === null) return;
    const code = error.code === 'too-large' ? 'master-body-too-large' : 'stream-invalid';
    this.#end(code, `the event stream cannot be read: ${error.message}`);
  }

  #handOver(record: StreamRecord): void {
    // One piece of the stream can hold more records when a handler ends it.
    if (this.#ending.signal.aborted) return;
    this.#silence.heard();
    if (this.#records === 0) {
      this.#cancelDeadline();
      this.#snapshotBytes = record.bytes;
    }
    this.#backlogRecords++;
    this.#backlogBytes += record.bytes;
    const isBehind =
      this.#backlogBytes > BACKLOG_BYTES_MAX + this.#snapshotBytes ||
      this.#backlogRecords > BACKLOG_RECORDS_MAX;
    if (isBehind) {
      const waiting = `${this.#backlogRecords} events of ${this.#backlogBytes} bytes`;
      this.#end('stream-behind', `${waiting} wait to be dealt with`);
      return;
    }
    this.#records++;
    this.#parts.handlers.onRecord(record);
  }
}

async function refusal({ url, response, credentials }: MasterAnswer): Promise<DaemonError> {
  const { statusCode } = response;
  const error = await statusError(formatHostPort(url), response, credentials);
  return UNSUPPORTED_STATUSES.has(statusCode)
    ? new DaemonError('stream-unsupported', error.message)
    : error;
}

class MasterEventStreamClient implements EventStreamClient {
  readonly #config: ClusterConfig;
  readonly #clock: Clock;
  readonly #requests: MasterRequests;
  readonly #closing = new AbortController();

  constructor(config: ClusterConfig, { clock, userAgent, files }: MasterClientOptions) {
    this.#config = config;
    this.#clock = clock;
    this.#requests = createMasterRequests({
      clock,
      userAgent,
      ...files,
      isSecure: config.tls !== null,
      timeoutMs: config.requestTimeoutMs,
    });
  }

  subscribe(
    master: HostPort,
    signal: AbortSignal,
    handlers: EventStreamHandlers,
  ): EventSubscription {
    return new EventStream(master, [signal, this.#closing.signal], {
      requests: this.#requests,
      clock: this.#clock,
      handlers,
      timeoutMs: this.#config.requestTimeoutMs,
      recordBytesMax: this.#config.stateBytesMax,
    });
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('the client is closed'));
    await this.#requests.close();
  }
}

/** A client for event streams, on connections of its own: a stream takes no poll's place. */
export function createEventStreamClient(
  config: ClusterConfig,
  options: MasterClientOptions,
): EventStreamClient {
  return new MasterEventStreamClient(config, options);
}
