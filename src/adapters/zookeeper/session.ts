import { assert } from '../../core/base/assert.ts';
import { type Backoff, backoffMs } from '../../core/base/backoff.ts';
import { DaemonError } from '../../core/base/daemon-error.ts';
import { formatHostPort } from '../../core/base/host-port.ts';
import type { Random } from '../../core/base/random.ts';
import type { HostPort, ZookeeperConfig } from '../../core/config/config.ts';
import type { Clock } from '../../core/ports.ts';
import {
  decodeChildren,
  decodeData,
  describeError,
  encodeQuestion,
  NO_NODE,
  NO_SESSION,
} from '../../core/zookeeper/message.ts';
import type { Question, SessionKey } from '../../core/zookeeper/message.ts';
import type { Result } from '../../core/base/result.ts';
import { ZookeeperConnection } from './connection.ts';
import { invalid, unreachable } from './zookeeper-failure.ts';

/** What becomes of a session; none is called once `close` was. */
export interface SessionEvents {
  /** Questions are answered now, and no watch of before is there any more. */
  onConnected(): void;
  /** The node at a watched path has changed, once for each watch. */
  onChanged(path: string): void;
  /** What was connected is not any more; the next server is tried at once. */
  onDisconnected(error: DaemonError): void;
  /** All servers have been tried in vain, `rounds` times in a row. */
  onUnreachable(error: DaemonError, rounds: number): void;
}

/** What comes from outside. */
export interface SessionParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly events: SessionEvents;
}

/** How a session stands. */
export interface SessionStatus {
  /** Server that answers now; null: none does. */
  readonly server: HostPort | null;
  /** Granted timeout of the session; null: there is none. */
  readonly sessionMs: number | null;
}

/** As masters ask for (`--zk_session_timeout` of Mesos): sooner would be flapping on a busy server. */
const SESSION_MS = 10_000;
/** One server gets its share of the session's time, but no less than a slow network needs. */
const CONNECT_MS_MIN = 1_000;
/** Between two rounds through all servers. */
const ROUND_BACKOFF: Backoff = { firstMs: 500, maxMs: 10_000 };
/** A connection that ended sooner counts as a failed attempt, or a broken server makes a busy loop. */
const STABLE_MS = 1_000;
/**
 * After so long without any server nothing of before counts: an ensemble that was set up anew has seen
 * fewer changes than we have, and would refuse us for ever.
 */
const FORGET_MS = 60_000;

/** A session with an ensemble: goes from server to server and on for as long as it is granted. */
export class ZookeeperSession {
  readonly #config: ZookeeperConfig;
  readonly #parts: SessionParts;
  /** Each node has an order of its own, so that not all ask the same server. */
  readonly #order: readonly HostPort[];
  #next = 0;
  #failures = 0;
  #session: SessionKey = NO_SESSION;
  #sessionMs: number | null = null;
  #lastZxid = 0n;
  #awaySince: number;
  #connection: ZookeeperConnection | null = null;
  /** Server that has granted the session, and when. */
  #at: { readonly server: HostPort; readonly since: number } | null = null;
  #cancelRetry: (() => void) | null = null;
  #closed = false;

  constructor(config: ZookeeperConfig, parts: SessionParts) {
    assert(config.servers.length > 0, 'an ensemble has a server');
    this.#config = config;
    this.#parts = parts;
    this.#order = shuffled(config.servers, parts.random);
    this.#awaySince = parts.clock.monotonic();
  }

  start(): void {
    this.#awaySince = this.#parts.clock.monotonic();
    this.#connect();
  }

  status(): SessionStatus {
    return { server: this.#at?.server ?? null, sessionMs: this.#sessionMs };
  }

  /** Names of the children; null: there is no such node. Watches list and node, if it is there. */
  children(path: string): Promise<readonly string[] | null> {
    return this.#ask('getChildren', path, true, decodeChildren);
  }

  /** Content of a node; null: there is no such node. Not watched. */
  data(path: string): Promise<Uint8Array | null> {
    return this.#ask('getData', path, false, decodeData);
  }

  /** Whether there is a node; watches that, too. */
  async exists(path: string): Promise<boolean> {
    const found = await this.#ask('exists', path, true, () => ({ ok: true, value: true }));
    return found ?? false;
  }

  /** Ends the session; resolves when no socket and no timer is left. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelRetry?.();
    this.#at = null;
    await this.#connection?.close();
  }

  async #ask<T>(
    question: Question,
    path: string,
    watch: boolean,
    decode: (body: Uint8Array) => Result<T, string>,
  ): Promise<T | null> {
    const server = this.#at === null ? 'ensemble' : formatHostPort(this.#at.server);
    if (this.#connection === null || this.#at === null) {
      throw unreachable(server, 'not connected');
    }
    const reply = await this.#connection.request((xid) =>
      encodeQuestion(xid, question, path, watch),
    );
    if (reply.error === NO_NODE) return null;
    if (reply.error !== 0) {
      const reason = `${describeError(reply.error)} for ${path}`;
      throw new DaemonError('zookeeper-refused', `ZooKeeper ${server}: ${reason}`);
    }
    const decoded = decode(reply.body);
    if (!decoded.ok) throw invalid(server, decoded.error);
    return decoded.value;
  }

  #connect(): void {
    const { clock } = this.#parts;
    if (clock.monotonic() - this.#awaySince >= FORGET_MS) {
      this.#forgetSession();
      this.#lastZxid = 0n;
    }
    const server = this.#order[this.#next]!;
    this.#next = (this.#next + 1) % this.#order.length;
    const hello = {
      session: this.#session,
      lastZxid: this.#lastZxid,
      timeoutMs: SESSION_MS,
      auth: this.#config.auth,
      connectTimeoutMs: Math.max(CONNECT_MS_MIN, SESSION_MS / this.#order.length),
    };
    this.#connection = new ZookeeperConnection(server, hello, clock, {
      onReady: ({ session, timeoutMs }) => {
        this.#session = session;
        this.#sessionMs = timeoutMs;
        this.#at = { server, since: clock.monotonic() };
        this.#parts.events.onConnected();
      },
      onEvent: (path) => this.#parts.events.onChanged(path),
      onEnd: (error, expired) => this.#onEnd(error, expired),
    });
  }

  #onEnd(error: DaemonError, expired: boolean): void {
    if (this.#closed) return;
    const { clock, events } = this.#parts;
    const now = clock.monotonic();
    const at = this.#at;
    this.#lastZxid = this.#connection?.lastZxid ?? this.#lastZxid;
    this.#connection = null;
    this.#at = null;
    const hadSession = this.#session.id !== 0n;
    if (expired) this.#forgetSession();
    if (at !== null) {
      this.#awaySince = now;
      if (now - at.since >= STABLE_MS) this.#failures = 0;
      events.onDisconnected(error);
    }
    if (expired && hadSession) {
      // No fault of the server: it is the next who gives us a new one.
      this.#connectAfter(0);
      return;
    }
    this.#failures++;
    this.#retry(error);
  }

  /** The next server at once, and a pause after the last. */
  #retry(error: DaemonError): void {
    if (this.#failures % this.#order.length > 0) {
      this.#connectAfter(0);
      return;
    }
    const rounds = this.#failures / this.#order.length;
    this.#connectAfter(backoffMs(ROUND_BACKOFF, rounds - 1, this.#parts.random));
    this.#parts.events.onUnreachable(error, rounds);
  }

  /** Whoever has heard of the end may have closed us. */
  #connectAfter(delayMs: number): void {
    if (this.#closed) return;
    this.#cancelRetry = this.#parts.clock.after(delayMs, () => {
      this.#cancelRetry = null;
      this.#connect();
    });
  }

  #forgetSession(): void {
    this.#session = NO_SESSION;
    this.#sessionMs = null;
  }
}

function shuffled(servers: readonly HostPort[], random: Random): readonly HostPort[] {
  return servers
    .map((server) => ({ server, key: random() }))
    .toSorted((a, b) => a.key - b.key)
    .map(({ server }) => server);
}
