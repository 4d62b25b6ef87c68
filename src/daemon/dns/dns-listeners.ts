import type { QueryHandler } from '../../adapters/dns/query-handler.ts';
import type { TcpListener } from '../../adapters/dns/tcp-listener.ts';
import type { UdpListener } from '../../adapters/dns/udp-listener.ts';
import { isUnspecified, parseIpAddress } from '../../core/base/address.ts';
import { formatSocketAddress } from '../../core/base/host-port.ts';
import type { SocketAddress } from '../../core/config/config.ts';
import type { Clock, ListenerStatus, Log } from '../../core/ports.ts';

/** How sockets are opened and what the node's addresses are; wired in `daemon.ts`. */
export interface DnsListenerParts {
  readonly clock: Clock;
  readonly log: Log;
  openUdp(address: SocketAddress, handler: QueryHandler): Promise<UdpListener>;
  openTcp(address: SocketAddress, handler: QueryHandler): Promise<TcpListener>;
  /** Sockets to open for a configured address now: itself, or several for a wildcard. */
  expand(listen: SocketAddress): readonly SocketAddress[];
  /** Addresses that clients reach it by now. */
  reachable(listen: SocketAddress): readonly SocketAddress[];
  /** The node's addresses have changed, and other ones are served now than before. */
  onChange(): void;
}

interface Pair {
  readonly wanted: SocketAddress;
  readonly udp: UdpListener;
  readonly tcp: TcpListener;
}

/** A port that is free for UDP may be taken for TCP; so many at random are not. */
const PORT_CHOICES_MAX = 20;
/** Wildcard listeners follow the node's addresses; one that comes up is served this soon. */
const RESCAN_MS = 30_000;

/** Opens UDP and TCP on every configured address, and keeps wildcards in step with the node. */
export class DnsListeners {
  readonly #parts: DnsListenerParts;
  readonly #listen: readonly SocketAddress[];
  readonly #handler: QueryHandler;
  readonly #open = new Map<string, Pair>();
  readonly #failed = new Map<string, { address: SocketAddress; error: string }>();
  /** For each configured address the keys in `#open` that it stands for, as of the last look. */
  #names: readonly (readonly string[])[] = [];
  /** Addresses that clients can reach, as text. */
  #reachable = '';
  #cancelRescan: (() => void) | null = null;
  #rescanning: Promise<void> | null = null;
  #closed = false;

  constructor(parts: DnsListenerParts, listen: readonly SocketAddress[], handler: QueryHandler) {
    this.#parts = parts;
    this.#listen = listen;
    this.#handler = handler;
  }

  /**
   * Opens all. A wildcard needs one of its addresses, the others are tried again; else rejects with
   * the first `listen-failed`, after closing what was open.
   */
  async open(): Promise<void> {
    const errors = new Map<string, unknown>();
    this.#reachable = this.#reachableNow();
    try {
      for (const [name, address] of this.#expand()) {
        try {
          await this.#openPair(address);
        } catch (error) {
          if (this.#isFixed(name)) throw error;
          errors.set(name, error);
          this.#setFailed(name, address, error);
        }
      }
      const [unserved] =
        this.#names.find((names) => names.length > 0 && !this.#isServed(names)) ?? [];
      if (unserved !== undefined) throw errors.get(unserved);
    } catch (error) {
      await this.close(0);
      throw error;
    }
    for (const err of errors.values()) this.#parts.log.warn('listener-failed', { err });
    if (this.#listen.some(isWildcard)) this.#scheduleRescan();
  }

  /** Whether every configured address is served, and at least one address of each wildcard. */
  get listening(): boolean {
    return this.#names.every((names) => this.#isServed(names));
  }

  /** Addresses that are served, with the ports in use. */
  addresses(): SocketAddress[] {
    return [...this.#open.values()].map(({ udp }) => udp.address);
  }

  tcpConnections(): number {
    return [...this.#open.values()].reduce((sum, { tcp }) => sum + tcp.stats().open, 0);
  }

  status(): ListenerStatus[] {
    const open = [...this.#open.values()].flatMap(({ udp, tcp }) => [
      { ...udp.address, protocol: 'udp' as const, open: true, error: null },
      { ...tcp.address, protocol: 'tcp' as const, open: true, error: null },
    ]);
    const failed = [...this.#failed.values()].flatMap(({ address, error }) => [
      { ...address, protocol: 'udp' as const, open: false, error },
    ]);
    const empty = this.#listen
      .filter((_, i) => this.#names[i]?.length === 0)
      .map((listen) => ({
        ...listen,
        protocol: 'udp' as const,
        open: false,
        error: 'the node has no address for it',
      }));
    return [...open, ...failed, ...empty];
  }

  /** Stops listening; answers under way get `graceMs`. */
  async close(graceMs: number): Promise<void> {
    this.#closed = true;
    this.#cancelRescan?.();
    await this.#rescanning;
    await Promise.all([...this.#open.values()].map((pair) => this.#closePair(pair, graceMs)));
    this.#open.clear();
  }

  async #closePair({ udp, tcp }: Pair, graceMs: number): Promise<void> {
    let cancel = (): void => undefined;
    const deadline = new Promise<void>((resolve) => {
      cancel = this.#parts.clock.after(graceMs, resolve);
    });
    await Promise.all([graceMs > 0 ? udp.close(deadline) : udp.close(), tcp.close(graceMs)]);
    cancel();
  }

  /** Addresses to serve now, by their text: a configured one may be part of a wildcard, too. */
  #expand(): Map<string, SocketAddress> {
    const expanded = this.#listen.map((listen) => this.#parts.expand(listen));
    this.#names = expanded.map((addresses) => addresses.map(formatSocketAddress));
    return new Map(expanded.flat().map((address) => [formatSocketAddress(address), address]));
  }

  #reachableNow(): string {
    return this.#listen
      .flatMap((listen) => this.#parts.reachable(listen).map(formatSocketAddress))
      .join();
  }

  /** Whether a configured address is just this one: without it there is no start. */
  #isFixed(name: string): boolean {
    return this.#listen.some(
      (listen) => !isWildcard(listen) && formatSocketAddress(listen) === name,
    );
  }

  #isServed(names: readonly string[]): boolean {
    return names.some((name) => this.#open.has(name));
  }

  #setFailed(name: string, address: SocketAddress, err: unknown): void {
    this.#failed.set(name, { address, error: err instanceof Error ? err.message : String(err) });
  }

  async #openPair(wanted: SocketAddress): Promise<void> {
    for (let choice = 1; ; choice++) {
      const udp = await this.#parts.openUdp(wanted, this.#handler);
      try {
        // Port 0: TCP takes the port that UDP was given.
        const address = { address: wanted.address, port: udp.address.port };
        const tcp = await this.#parts.openTcp(address, this.#handler);
        this.#open.set(formatSocketAddress(wanted), { wanted, udp, tcp });
        return;
      } catch (error) {
        await udp.close();
        if (wanted.port !== 0 || choice === PORT_CHOICES_MAX) throw error;
      }
    }
  }

  #scheduleRescan(): void {
    this.#cancelRescan = this.#parts.clock.after(RESCAN_MS, () => {
      this.#rescanning = this.#rescan()
        // Such as no file descriptor left to ask the system for its addresses.
        .catch((err: unknown) => this.#parts.log.warn('listener-rescan-failed', { err }))
        .then(() => {
          this.#rescanning = null;
          if (!this.#closed) this.#scheduleRescan();
        });
    });
  }

  /** Follows the node's addresses; an address that cannot be opened is tried again next time. */
  async #rescan(): Promise<void> {
    const wanted = this.#expand();
    const reachable = this.#reachableNow();
    let changed = reachable !== this.#reachable;
    this.#reachable = reachable;
    for (const [name, pair] of this.#open) {
      if (wanted.has(name)) continue;
      this.#open.delete(name);
      changed = true;
      this.#parts.log.info('listener-closed', { address: name });
      await this.#closePair(pair, 0);
    }
    for (const name of this.#failed.keys()) if (!wanted.has(name)) this.#failed.delete(name);
    for (const [name, address] of wanted) {
      if (this.#closed || this.#open.has(name)) continue;
      try {
        await this.#openPair(address);
        this.#failed.delete(name);
        changed = true;
        this.#parts.log.info('listener-opened', { address: name });
      } catch (err) {
        if (!this.#failed.has(name)) this.#parts.log.warn('listener-failed', { err });
        this.#setFailed(name, address, err);
      }
    }
    if (changed && !this.#closed) this.#parts.onChange();
  }
}

/** `0.0.0.0` or `::`. */
export function isWildcard(listen: SocketAddress): boolean {
  const address = parseIpAddress(listen.address);
  return address !== null && isUnspecified(address);
}
