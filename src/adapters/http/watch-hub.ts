/**
 * Those who watch services and VIPs, and what they are told. Nothing is lost and nothing comes twice
 * between a picture and the changes after it: both carry the number of their generation, so a client
 * gets the picture of generation g, waits until g is published, and goes on with the first change of
 * a later one. If that is not kept any more, it gets another picture.
 */
import { randomBytes } from 'node:crypto';
import { err, ok } from '../../core/base/result.ts';
import type { Result } from '../../core/base/result.ts';
import type {
  Clock,
  Log,
  WatchFilter,
  WatchSource,
  WatchStatus,
  WatchUpdate,
} from '../../core/ports.ts';
import type { ReplyStream } from './reply.ts';
import { createViewGate } from './view-gate.ts';
import type { ViewFailure, ViewGate } from './view-gate.ts';
import { WatchClient } from './watch-client.ts';
import { WATCH_LIMITS } from './watch-limits.ts';
import type { WatchLimits } from './watch-limits.ts';
import { WatchPictures } from './watch-pictures.ts';
import type { WatchPicture } from './watch-pictures.ts';
import { WatchRing } from './watch-ring.ts';
import type { ResetReason } from './watch-ring.ts';

export interface WatchHubOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly source: WatchSource;
  /** 16 hexadecimal digits that no other process has; tests choose them. */
  readonly epoch?: string;
  /** Other limits than `WATCH_LIMITS`; for tests. */
  readonly limits?: Partial<WatchLimits>;
}

/**
 * Why a client was let go: it left, did not read (until the server cut it), lagged too far behind,
 * could get no picture, or hoplite stops.
 */
type CloseReason = 'left' | 'stalled' | 'behind' | 'failed' | 'stopping';

type Start =
  { readonly place: number } | { readonly picture: WatchPicture; readonly reason: ResetReason };

const TOO_MANY: ViewFailure = {
  code: 'busy',
  message: 'as many clients watch as may; close one, or ask again later',
};
const NO_ROOM: ViewFailure = {
  code: 'busy',
  message: 'other clients have not read their pictures yet; ask again in a second',
};
const STOPPING: ViewFailure = {
  code: 'stopping',
  message: 'hoplite is stopping; ask again when it is back',
};

/** Serves `/v1/watch`. `publish` after each generation; `close` once. */
export class WatchHub {
  readonly #clock: Clock;
  readonly #limits: WatchLimits;
  readonly #ring: WatchRing;
  readonly #views: ViewGate<WatchFilter>;
  readonly #pictures: WatchPictures;
  readonly #clients = new Set<WatchClient>();
  /** Places of clients that wait for their first picture. */
  #reserved = 0;
  #events = 0;
  readonly #closed = new Map<CloseReason, number>();
  #cancelHeartbeat: (() => void) | null = null;
  /** Monotonic milliseconds when the last client left; null: there was none. */
  #leftAt: number | null = null;
  #isClosed = false;

  constructor({ clock, log, source, epoch, limits }: WatchHubOptions) {
    this.#clock = clock;
    this.#limits = { ...WATCH_LIMITS, ...limits };
    this.#ring = new WatchRing(epoch ?? randomBytes(8).toString('hex'), this.#limits);
    const view = (filter: WatchFilter): Promise<string> => source.snapshot(filter);
    this.#views = createViewGate({ view }, this.#limits, log);
    this.#pictures = new WatchPictures(this.#limits.snapshotBytesMax);
  }

  /** Whether changes have a reader: somebody watches, or did and may come back for what it missed. */
  get isWatched(): boolean {
    if (this.#clients.size + this.#reserved > 0) return true;
    return this.#leftAt !== null && this.#clock.monotonic() - this.#leftAt < this.#limits.lingerMs;
  }

  /**
   * Tells everybody what a generation changed, once that is served. Generations come in order; if
   * `previous` is not the one published before, whoever watches gets a new picture.
   */
  publish(update: WatchUpdate): void {
    if (this.#isClosed) return;
    const current = new Set([...this.#clients].filter((client) => client.isUpToDate));
    this.#events += update.events.length;
    this.#ring.add(update);
    for (const client of this.#clients) {
      this.#pump(client, current.has(client));
    }
  }

  /**
   * What to answer to a client that wants what passes `filter`, `lastId` being the last it had; the
   * stream has to be called. Never rejects.
   */
  async admit(
    filter: WatchFilter,
    lastId: string | null,
  ): Promise<Result<ReplyStream, ViewFailure>> {
    if (this.#isClosed) return err(STOPPING);
    if (this.#clients.size + this.#reserved >= this.#limits.clientsMax) return err(TOO_MANY);
    const place = this.#ring.resume(lastId);
    this.#reserved++;
    if (typeof place === 'number') return ok(this.#stream(filter, { place }));
    const picture = await this.#picture(filter);
    if (picture.ok) return ok(this.#stream(filter, { picture: picture.value, reason: place }));
    this.#reserved--;
    return picture;
  }

  status(): WatchStatus {
    return {
      clients: this.#clients.size,
      events: this.#events,
      closed: Object.fromEntries(this.#closed),
    };
  }

  /** Ends all answers; what they have sent can be read. Nobody is admitted any more. */
  close(): void {
    this.#isClosed = true;
    this.#views.close();
    for (const client of this.#clients) {
      this.#remove(client, 'stopping');
      client.response.end();
    }
  }

  #stream(filter: WatchFilter, start: Start): ReplyStream {
    return (response, headers) => {
      this.#reserved--;
      if (this.#isClosed || response.destroyed) {
        if ('picture' in start) this.#pictures.release(start.picture);
        if (!response.destroyed) response.writeHead(200, { ...headers, connection: 'close' }).end();
        return;
      }
      this.#begin(new WatchClient(response, filter, this.#ring, this.#limits), headers, start);
    };
  }

  #begin(client: WatchClient, headers: Readonly<Record<string, string>>, start: Start): void {
    const { response } = client;
    this.#clients.add(client);
    // The connection is of no use to anything else, since its end is the end of the stream.
    response.writeHead(200, { ...headers, connection: 'close' });
    response.on('error', () => undefined);
    response.on('drain', () => {
      client.drained();
      // Not at once: while the system's buffer takes more, `drain` comes before anything else does.
      setImmediate(() => {
        if (this.#clients.has(client)) this.#pump(client);
      });
    });
    response.once('close', () => this.#remove(client, client.isBlocked ? 'stalled' : 'left'));
    client.write(`retry: ${this.#limits.retryMs}\n\n`);
    if ('place' in start) client.resume(start.place);
    else client.show(start.picture, start.reason);
    this.#cancelHeartbeat ??= this.#clock.after(this.#limits.heartbeatMs, () => this.#beat());
    this.#pump(client);
  }

  #pump(client: WatchClient, wasUpToDate = false): void {
    const { picture } = client;
    const isWell = client.pump();
    if (picture !== null && client.picture === null) this.#pictures.release(picture);
    if (isWell) return;
    // More changes at once than are kept are not the client's fault; to lag behind is.
    const isExcused = wasUpToDate || picture !== null;
    if (isExcused && client.renewals++ < this.#limits.renewalsMax) void this.#renew(client);
    else this.#cut(client, 'behind');
  }

  async #renew(client: WatchClient): Promise<void> {
    this.#releasePicture(client);
    const picture = await this.#picture(client.filter);
    if (!this.#clients.has(client)) {
      if (picture.ok) this.#pictures.release(picture.value);
    } else if (picture.ok) {
      client.show(picture.value, 'lagging');
      this.#pump(client);
    } else {
      this.#cut(client, 'failed');
    }
  }

  /** One that somebody reads, if all changes after it are kept; else it is rendered. Held for its reader. */
  async #picture(filter: WatchFilter): Promise<Result<WatchPicture, ViewFailure>> {
    const isGood = (generation: number): boolean => this.#ring.sequenceOf(generation) !== null;
    const shared = this.#pictures.share(filter, isGood);
    if (shared !== null) return ok(shared);
    const rendered = await this.#views.view(filter);
    if (!rendered.ok) return rendered;
    const picture = this.#pictures.add(filter, rendered.value);
    return picture === null ? err(NO_ROOM) : ok(picture);
  }

  #beat(): void {
    this.#cancelHeartbeat = this.#clock.after(this.#limits.heartbeatMs, () => this.#beat());
    for (const client of this.#clients) client.heartbeat();
  }

  #cut(client: WatchClient, reason: CloseReason): void {
    this.#remove(client, reason);
    client.response.destroy();
  }

  #remove(client: WatchClient, reason: CloseReason): void {
    if (!this.#clients.delete(client)) return;
    this.#releasePicture(client);
    this.#closed.set(reason, (this.#closed.get(reason) ?? 0) + 1);
    if (this.#clients.size > 0) return;
    this.#leftAt = this.#clock.monotonic();
    this.#cancelHeartbeat?.();
    this.#cancelHeartbeat = null;
  }

  #releasePicture(client: WatchClient): void {
    const { picture } = client;
    if (picture !== null) this.#pictures.release(picture);
    client.wait();
  }
}
