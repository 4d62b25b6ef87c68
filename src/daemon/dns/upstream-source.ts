import type { SystemUpstreams } from '../../adapters/dns/resolv-conf.ts';
import { formatSocketAddress } from '../../core/base/host-port.ts';
import type { ForwardConfig, SocketAddress } from '../../core/config/config.ts';
import type { Clock, Log } from '../../core/ports.ts';

/** What the upstreams of names outside all zones come from. */
export interface UpstreamParts {
  readonly clock: Clock;
  readonly log: Log;
  /** Where the upstreams of `forward.upstreams: system` stand. */
  readonly resolvConf: string;
  config(): ForwardConfig;
  /** Addresses where we answer ourselves, now. */
  ownAddresses(): readonly SocketAddress[];
  createSystem(path: string, own: readonly SocketAddress[]): SystemUpstreams;
}

/** How old our knowledge of /etc/resolv.conf may be. */
const CHECK_MS = 5_000;

/** The resolvers that names outside all zones go to: configured, or read from resolv.conf. */
export class UpstreamSource {
  readonly #parts: UpstreamParts;
  #system: SystemUpstreams | null = null;
  /** Our own addresses that `#system` leaves out. */
  #own = '';
  #checkedAt = Number.NEGATIVE_INFINITY;

  constructor(parts: UpstreamParts) {
    this.#parts = parts;
  }

  /** As known now, without a look at the file. */
  known(): readonly SocketAddress[] {
    const { upstreams } = this.#parts.config();
    return upstreams === 'system' ? (this.#system?.upstreams ?? []) : upstreams;
  }

  /** The resolvers to ask; read again if what we know of the file is old. */
  current(): readonly SocketAddress[] | Promise<readonly SocketAddress[]> {
    const { upstreams } = this.#parts.config();
    if (upstreams !== 'system') return upstreams;
    if (this.#parts.clock.monotonic() - this.#checkedAt < CHECK_MS) return this.known();
    return this.check().then(() => this.known());
  }

  /** The configuration changed: what we know of the file counts as old. */
  expire(): void {
    this.#checkedAt = Number.NEGATIVE_INFINITY;
  }

  /** Reads the file, if the configuration wants it. */
  async check(): Promise<void> {
    const { clock, log, resolvConf: path } = this.#parts;
    const { enabled, upstreams: wanted } = this.#parts.config();
    if (!enabled || wanted !== 'system') return;
    this.#checkedAt = clock.monotonic();
    // A wildcard listener gets addresses later too, and asking one of them would be asking us.
    const own = this.#parts.ownAddresses();
    const ownText = own.map(formatSocketAddress).join();
    if (this.#system === null || ownText !== this.#own) {
      this.#system = this.#parts.createSystem(path, own);
      this.#own = ownText;
    }
    const problemBefore = this.#system.problem;
    const changed = await this.#system.refresh();
    const { problem, upstreams } = this.#system;
    if (changed) log.info('upstreams-read', { path, to: upstreams.map(formatSocketAddress) });
    if (problem !== null && problem !== problemBefore) {
      log.warn('upstreams-unreadable', { problem });
    }
  }
}
