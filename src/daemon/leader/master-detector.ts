import type { SessionEvents, SessionStatus } from '../../adapters/zookeeper/session.ts';
import { type Backoff, backoffMs } from '../../core/base/backoff.ts';
import { codeOf, DaemonError } from '../../core/base/daemon-error.ts';
import { formatHostPort } from '../../core/base/host-port.ts';
import type { Random } from '../../core/base/random.ts';
import type { HostPort, ZookeeperConfig } from '../../core/config/config.ts';
import { memberNodes, parseMasterInfo } from '../../core/mesos/master-info.ts';
import type { Clock, Log, ZookeeperStatus } from '../../core/ports.ts';

/** What ZooKeeper says of the masters. */
export interface DetectedMasters {
  /** null: there is none, or it does not say where it is. */
  readonly leader: HostPort | null;
  /** The leader first, then the other members in the order in which they came. */
  readonly masters: readonly HostPort[];
}

/** What the detector needs of a session with the ensemble; `ZookeeperSession` is one. */
export interface EnsembleSession {
  start(): void;
  status(): SessionStatus;
  children(path: string): Promise<readonly string[] | null>;
  data(path: string): Promise<Uint8Array | null>;
  exists(path: string): Promise<boolean>;
  close(): Promise<void>;
}

export interface MasterDetectorParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  openSession(events: SessionEvents): EnsembleSession;
  /** Called with the first answer of ZooKeeper, and when it says something else. */
  onChange(detected: DetectedMasters): void;
}

/** Until what was refused is asked again: somebody may have mended the permissions. */
const REFUSED_BACKOFF: Backoff = { firstMs: 1_000, maxMs: 30_000 };

/**
 * Follows the election of the masters (`group.cpp`, `detector.cpp` of Mesos). While ZooKeeper is
 * away, what it said last stays.
 */
export class MasterDetector {
  readonly #config: ZookeeperConfig;
  readonly #parts: MasterDetectorParts;
  readonly #session: EnsembleSession;
  #detected: DetectedMasters | null = null;
  #since: number | null = null;
  #lastError: ZookeeperStatus['lastError'] = null;
  /** The look under way; what changes meanwhile is looked at after it, all at once. */
  #looking: Promise<void> | null = null;
  #lookAgain = false;
  #refusals = 0;
  #cancelRetry: (() => void) | null = null;
  #closed = false;

  constructor(config: ZookeeperConfig, parts: MasterDetectorParts) {
    this.#config = config;
    this.#parts = parts;
    const { log } = parts;
    this.#session = parts.openSession({
      onConnected: () => {
        const { server, sessionMs } = this.#session.status();
        log.info('zookeeper-connected', { server: server && formatHostPort(server), sessionMs });
        this.#look();
      },
      onChanged: () => this.#look(),
      onDisconnected: (err) => {
        this.#note(err);
        log.warn('zookeeper-lost', { err, leader: this.status().leader });
      },
      onUnreachable: (err, rounds) => {
        this.#note(err);
        // The first time, then each time the number has doubled: no log floods.
        if ((rounds & (rounds - 1)) === 0) log.warn('zookeeper-unreachable', { err, rounds });
      },
    });
  }

  start(): void {
    this.#session.start();
  }

  status(): ZookeeperStatus {
    const { server, sessionMs } = this.#session.status();
    const leader = this.#detected?.leader ?? null;
    return {
      connected: server !== null,
      server: server && formatHostPort(server),
      servers: this.#config.servers.map(formatHostPort),
      sessionMs,
      lastError: this.#lastError,
      leader: leader && formatHostPort(leader),
      since: this.#since === null ? null : new Date(this.#since).toISOString(),
    };
  }

  /** Ends the session; resolves when nothing runs any more. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelRetry?.();
    await this.#session.close();
    await this.#looking;
  }

  #look(): void {
    this.#cancelRetry?.();
    this.#cancelRetry = null;
    this.#lookAgain = this.#looking !== null;
    if (this.#looking !== null || this.#closed) return;
    this.#looking = this.#read().then(() => {
      this.#looking = null;
      if (this.#lookAgain) this.#look();
    });
  }

  /** The one place where failures to read end. */
  async #read(): Promise<void> {
    try {
      const detected = await this.#ask();
      this.#refusals = 0;
      if (detected !== null && !this.#closed) this.#take(detected);
    } catch (error) {
      // A lost connection is told of by the session, and looked over again after the next.
      if (this.#closed || codeOf(error) === 'zookeeper-unreachable') return;
      if (this.#note(error)) this.#parts.log.warn('leader-unknown', { err: error });
      const { clock, random } = this.#parts;
      const delayMs = backoffMs(REFUSED_BACKOFF, this.#refusals++, random);
      this.#cancelRetry = clock.after(delayMs, () => this.#look());
    }
  }

  /** What ZooKeeper says now; null: it changed while it was read. */
  async #ask(): Promise<DetectedMasters | null> {
    const { path } = this.#config;
    const children = await this.#session.children(path);
    if (children === null) {
      if (!(await this.#session.exists(path))) return { leader: null, masters: [] };
      this.#lookAgain = true;
      return null;
    }
    const nodes = memberNodes(children);
    const parent = path === '/' ? '' : path;
    const contents = await Promise.all(
      nodes.map(({ name }) => this.#session.data(`${parent}/${name}`)),
    );
    if (contents.includes(null)) {
      this.#lookAgain = true;
      return null;
    }
    const members = nodes.map(({ name, encoding }, i) => {
      const parsed = parseMasterInfo(encoding, contents[i] ?? new Uint8Array());
      if (parsed.ok) return parsed.value;
      const message = `ZooKeeper node ${parent}/${name} has ${parsed.error}`;
      const err = new DaemonError('zookeeper-invalid', message);
      if (this.#note(err)) this.#parts.log.warn('member-unreadable', { err });
      return null;
    });
    const masters = members.filter((master) => master !== null);
    const texts = masters.map(formatHostPort);
    return {
      leader: members[0] ?? null,
      masters: masters.filter((_, i) => texts.indexOf(texts[i]!) === i),
    };
  }

  #take(detected: DetectedMasters): void {
    const before = this.#detected;
    if (before !== null && textOf(before) === textOf(detected)) return;
    this.#detected = detected;
    const name = (leader: HostPort | null | undefined): string | null =>
      leader === null || leader === undefined ? null : formatHostPort(leader);
    const leader = name(detected.leader);
    if (before === null || name(before.leader) !== leader) {
      this.#since = this.#parts.clock.now();
      const fields = { leader, masters: detected.masters.map(formatHostPort) };
      if (leader === null) this.#parts.log.warn('leader-none', fields);
      else this.#parts.log.info('leader-detected', fields);
    }
    this.#parts.onChange(detected);
  }

  /** Keeps an error for the status; false: it is the same as before. */
  #note(error: unknown): boolean {
    const message = error instanceof Error ? error.message : String(error);
    const isNew = this.#lastError?.message !== message;
    const code = codeOf(error) ?? 'zookeeper-invalid';
    this.#lastError = { code, message, at: new Date(this.#parts.clock.now()).toISOString() };
    return isNew;
  }
}

function textOf(detected: DetectedMasters): string {
  return JSON.stringify(detected);
}
