import type {
  EventStreamHandlers,
  EventSubscription,
  StreamEnd,
} from '../../../src/adapters/mesos/event-stream.ts';
import { formatHostPort } from '../../../src/core/base/host-port.ts';
import type { HostPort } from '../../../src/core/config/config.ts';
import type { Log, LogFields } from '../../../src/core/ports.ts';
import { EventFollower } from '../../../src/daemon/source/event-follower.ts';
import { ManualClock } from '../../adapters/manual-clock.ts';

/** One subscription whose events and end come from the test. */
export class ScriptedStream implements EventSubscription {
  readonly ended: Promise<StreamEnd>;
  readonly master: HostPort;
  readonly acknowledged: [records: number, bytes: number][] = [];
  heartbeatMs: number | null = 15_000;
  readonly #handlers: EventStreamHandlers;
  readonly #signal: AbortSignal;
  #resolve!: (end: StreamEnd) => void;
  #answeredBy: HostPort | null = null;
  #records = 0;

  constructor(master: HostPort, signal: AbortSignal, handlers: EventStreamHandlers) {
    this.master = master;
    this.#handlers = handlers;
    this.#signal = signal;
    this.ended = new Promise((resolve) => (this.#resolve = resolve));
    signal.addEventListener('abort', () => {
      this.#resolve(this.#endOf('stopped', (signal.reason as Error).message));
    });
  }

  get isCancelled(): boolean {
    return this.#signal.aborted;
  }

  setHeartbeat(intervalMs: number | null): void {
    this.heartbeatMs = intervalMs;
  }

  acknowledge(records: number, bytes: number): void {
    this.acknowledged.push([records, bytes]);
  }

  open(answeredBy: HostPort = this.master): void {
    this.#answeredBy = answeredBy;
    this.#handlers.onOpen(answeredBy);
  }

  send(...texts: string[]): void {
    for (const text of texts) {
      this.#records++;
      const bytes = Uint8Array.from(Buffer.from(text));
      this.#handlers.onRecord({ chunks: [bytes], bytes: bytes.length });
    }
  }

  /** Ends; resolves when everybody knows. */
  async end(code: StreamEnd['code'], message: string = code): Promise<void> {
    this.#resolve(this.#endOf(code, message));
    await settled();
  }

  #endOf(code: StreamEnd['code'], message: string): StreamEnd {
    return { code, message, answeredBy: this.#answeredBy, records: this.#records };
  }
}

/** Resolves when everything that follows from what was done has been done. */
export async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

/** A follower of scripted streams; random numbers are all `draw`. */
export class FollowerRig {
  readonly clock: ManualClock = new ManualClock();
  readonly streams: ScriptedStream[] = [];
  /** Events as `stream text`, ends as `stream ! code`. */
  readonly heard: string[] = [];
  /** Log lines as `event {fields}`. */
  readonly lines: [event: string, fields: LogFields][] = [];
  readonly follower: EventFollower;
  draw = 1;
  /** Called within each end. */
  reactToEnd: () => void = () => undefined;

  constructor() {
    const note = (event: string, fields: LogFields = {}): void => {
      this.lines.push([event, fields]);
    };
    const log: Log = { debug: note, info: note, warn: note, error: note };
    this.follower = new EventFollower({
      clock: this.clock,
      random: () => this.draw,
      log,
      subscribe: (master, signal, handlers) => {
        const stream = new ScriptedStream(master, signal, handlers);
        this.streams.push(stream);
        return stream;
      },
      onRecord: (streamId, { chunks }) => {
        this.heard.push(`${streamId} ${Buffer.concat(chunks).toString()}`);
      },
      onEnd: (streamId, { code }) => {
        this.heard.push(`${streamId} ! ${code}`);
        this.reactToEnd();
      },
    });
  }

  /** The stream that was begun last. */
  get stream(): ScriptedStream {
    return this.streams.at(-1)!;
  }

  /** Who was asked, in order. */
  get asked(): string[] {
    return this.streams.map(({ master }) => formatHostPort(master));
  }
}
