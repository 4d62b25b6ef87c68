import { once } from 'node:events';
import http from 'node:http';
import type { TestContext } from 'node:test';
import type { HttpLimits } from '../../../src/adapters/http/limits.ts';
import { WatchHub } from '../../../src/adapters/http/watch-hub.ts';
import type { WatchHubOptions } from '../../../src/adapters/http/watch-hub.ts';
import type { WatchEvent, WatchFilter } from '../../../src/core/ports.ts';
import { waitUntil } from '../../support/wait-until.ts';
import { ManualClock } from '../manual-clock.ts';
import { startApi } from './test-api.ts';
import type { TestApi } from './test-api.ts';

/** The epoch of every hub here. */
export const EPOCH = '0123456789abcdef';

/** The id of the change with this number. */
export const idOf = (sequence: number): string => `${EPOCH}-${sequence}`;

/** One event as a client reads it. */
export interface ReadEvent {
  readonly event: string;
  /** null: it has no `id` line; '': an empty one. */
  readonly id: string | null;
  readonly data: unknown;
}

/** A client of `/v1/watch` that reads all it gets unless it is told to pause. */
export class WatchListener {
  readonly message: http.IncomingMessage;
  readonly events: ReadEvent[] = [];
  readonly comments: string[] = [];
  retry: string | null = null;
  isOver = false;
  #rest = '';

  constructor(message: http.IncomingMessage) {
    this.message = message.setEncoding('utf8');
    message.on('data', (chunk: string) => this.#read(chunk));
    message.on('error', () => undefined);
    message.on('close', () => (this.isOver = true));
  }

  /** `service added web 1` for each event; `reset new`, `synced`. */
  get told(): string[] {
    return this.events.map(({ event, data }) => {
      const { change, name, value, reason } = data as Readonly<Record<string, string>>;
      return [event, change, name, value, reason].filter((part) => part !== undefined).join(' ');
    });
  }

  /** Ids that change where the client would resume. */
  get lastId(): string | null {
    return this.events.findLast(({ id }) => id !== null)?.id ?? null;
  }

  /** Waits for so many events in all. */
  async has(count: number): Promise<string[]> {
    await waitUntil(`${count} events`, () => this.events.length >= count);
    return this.told;
  }

  over(): Promise<unknown> {
    return waitUntil('the end of the stream', () => this.isOver);
  }

  leave(): void {
    this.message.destroy();
  }

  #read(chunk: string): void {
    const blocks = (this.#rest + chunk).split('\n\n');
    this.#rest = blocks.pop() ?? '';
    for (const block of blocks) this.#block(block);
  }

  #block(block: string): void {
    const fields = new Map<string, string>();
    for (const line of block.split('\n')) {
      const colon = line.indexOf(':');
      fields.set(line.slice(0, colon), line.slice(colon + 1).trimStart());
    }
    this.retry = fields.get('retry') ?? this.retry;
    if (fields.has('')) this.comments.push(block);
    const event = fields.get('event');
    if (event === undefined) return;
    const data: unknown = JSON.parse(fields.get('data') ?? '');
    this.events.push({ event, id: fields.get('id') ?? null, data });
  }
}

/** A hub behind the API; `states` are the lines of its pictures. */
export interface WatchedApi {
  readonly api: TestApi;
  readonly hub: WatchHub;
  readonly clock: ManualClock;
  readonly asked: WatchFilter[];
  /** What pictures show: by default generation 1 with one service and one VIP. */
  snapshot: (filter: WatchFilter) => Promise<string>;
  /** Publishes a generation that leads from the last one. */
  publish(...events: readonly WatchEvent[]): void;
  /** Opens a stream and waits for its header. */
  watch(path?: string, headers?: http.OutgoingHttpHeaders): Promise<WatchListener>;
}

/** A picture that is not rendered before `resolve` is called. */
export function heldPicture(): { promise: Promise<string>; resolve: (text: string) => void } {
  let resolve: (text: string) => void = ignore;
  const promise = new Promise<string>((settle) => (resolve = settle));
  return { promise, resolve };
}

/** A change of the service `name` to `value`. */
export function changed(
  name: string,
  value: unknown,
  kind: WatchEvent['kind'] = 'service',
): WatchEvent {
  return { kind, name, text: JSON.stringify({ change: 'changed', name, value }) };
}

/** The text of a picture with these services. */
export function picture(generation: number, services: Readonly<Record<string, unknown>>): string {
  const lines = Object.entries(services).map(
    ([name, value]) => `service ${JSON.stringify({ change: 'added', name, value })}\n`,
  );
  return `${generation}\n${lines.join('')}`;
}

/** Starts an API with a hub that has published generation 1. */
export async function startWatched(
  t: TestContext,
  limits: WatchHubOptions['limits'] = {},
  httpLimits: Partial<HttpLimits> = {},
): Promise<WatchedApi> {
  const clock = new ManualClock();
  const asked: WatchFilter[] = [];
  const log = { debug: ignore, info: ignore, warn: ignore, error: ignore };
  const source = {
    snapshot: (filter: WatchFilter): Promise<string> => {
      asked.push(filter);
      return watched.snapshot(filter);
    },
  };
  const hub = new WatchHub({ clock, log, source, epoch: EPOCH, limits });
  const api = await startApi(t, httpLimits, '127.0.0.1', hub);
  let generation = 1;
  hub.publish({ generation, previous: null, events: [] });
  const watched: WatchedApi = {
    api,
    hub,
    clock,
    asked,
    snapshot: () => Promise.resolve(picture(generation, { web: 0 })),
    publish(...events) {
      const previous = generation++;
      hub.publish({ generation, previous, events });
    },
    async watch(path = '/v1/watch', headers = {}) {
      const { port } = api;
      const sent = http.request({ host: '127.0.0.1', port, path, headers, agent: false }).end();
      t.after(() => sent.destroy());
      sent.on('error', ignore);
      const [message] = (await once(sent, 'response')) as [http.IncomingMessage];
      return new WatchListener(message);
    },
  };
  return watched;
}

function ignore(): void {
  // Nothing here is looked at.
}
