/**
 * Everything that answers DNS: listeners, the threads behind them, and the way to upstreams. Made
 * by `daemon.ts`, for which it constructs the adapters of DNS.
 */
import { randomInt } from 'node:crypto';
import { availableParallelism } from 'node:os';
import type { SecureContext } from 'node:tls';
import { ConnectionBudget } from '../../adapters/dns/connection-budget.ts';
import {
  createForwarder,
  type Forwarder,
  type UpstreamState,
} from '../../adapters/dns/forwarder.ts';
import { loadNativeUdp } from '../../adapters/dns/native/native-udp.ts';
import { createSystemUpstreams } from '../../adapters/dns/resolv-conf.ts';
import { TCP_LIMITS } from '../../adapters/dns/tcp-limits.ts';
import { openTcpListener } from '../../adapters/dns/tcp-listener.ts';
import { openUdpListener } from '../../adapters/dns/udp-listener.ts';
import { loadTls } from '../../adapters/mesos/tls.ts';
import type { ForwardEvents } from '../../adapters/metrics/forward-metrics.ts';
import { ReplyCache } from '../../adapters/reply-cache.ts';
import { assert } from '../../core/base/assert.ts';
import type { Config, SocketAddress } from '../../core/config/config.ts';
import { AnswerTable, NO_ZONE } from '../../core/dns/answer-table.ts';
import { ForwardZones } from '../../core/dns/forward-zones.ts';
import type { ForwardQuestion } from '../../core/forward/resolution.ts';
import type { CacheStatus, Clock, ListenerStatus, Log, UdpStatus } from '../../core/ports.ts';
import { Responder, type ResponderSettings } from '../../core/respond/responder.ts';
import { closeAll } from '../close-all.ts';
import { DnsListeners } from './dns-listeners.ts';
import { DnsService } from './dns-service.ts';
import { type DnsTallies, zoneNames } from './dns-tallies.ts';
import { ForwardRejectLog } from './forward-reject-log.ts';
import { ListenerTotals } from './listener-totals.ts';
import { LoopCheck } from './loop-check.ts';
import { Resolver } from './resolver.ts';
import { resolverObserver } from './resolver-observer.ts';
import { responderSettings } from './responder-settings.ts';
import { RetiredForwarders } from './retired-forwarders.ts';
import { UdpThreads } from './udp-threads.ts';
import { UpstreamSource } from './upstream-source.ts';
import { type Expand, listenSockets } from './zone-addresses.ts';

export interface DnsPlaneParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly tallies: DnsTallies;
  readonly metrics: ForwardEvents;
  readonly version: string;
  readonly hostname: string;
  /** Where the upstreams of `forward.upstreams: system` stand. */
  readonly resolvConf: string;
  readonly expand: Expand;
  /** The table to begin with. */
  readonly table: AnswerTable;
  /** The node's addresses have changed, and other ones are served now than before. */
  onAddressChange(): void;
}

/** More than a node can ask; each costs memory on machines that have hundreds of CPUs. */
const AUTO_THREADS_MAX = 4;

/** What upstreams over TLS are checked against: what masters are without `cluster.tls.caFile`. */
function systemCertificates(): SecureContext {
  const loaded = loadTls({ tls: null });
  assert(loaded.ok, 'no file of the configuration is read');
  return loaded.value.secureContext();
}

export class DnsPlane {
  readonly #parts: DnsPlaneParts;
  readonly #totals = new ListenerTotals();
  readonly #rejectLog: ForwardRejectLog;
  readonly #loops: LoopCheck;
  readonly #upstreams: UpstreamSource;
  readonly #resolver: Resolver;
  readonly #listeners: DnsListeners;
  readonly #service: DnsService;
  #config: Config;
  #zones: ForwardZones;
  #forwarder: Forwarder;
  readonly #retired: RetiredForwarders;
  #settings: ResponderSettings;
  #responder: Responder;
  #table: AnswerTable;
  #threads: UdpThreads | null = null;
  #udpProblem: string | null = null;

  constructor(config: Config, parts: DnsPlaneParts) {
    const { clock, log } = parts;
    this.#parts = parts;
    this.#config = config;
    this.#table = parts.table;
    this.#zones = new ForwardZones(config.forward.zones);
    this.#rejectLog = new ForwardRejectLog(clock, log);
    this.#retired = new RetiredForwarders(clock);
    this.#forwarder = this.#createForwarder();
    this.#loops = new LoopCheck({
      clock,
      log,
      random: () => randomInt(2 ** 32) / 2 ** 32,
      ask: (query, upstream) =>
        this.#forwarder.ask(query, [upstream], this.#config.forward.timeoutMs),
    });
    this.#upstreams = new UpstreamSource({
      clock,
      log,
      resolvConf: parts.resolvConf,
      config: () => this.#config.forward,
      ownAddresses: () => this.addresses().flatMap((address) => parts.expand(address)),
      createSystem: createSystemUpstreams,
    });
    this.#resolver = this.#createResolver();
    this.#settings = this.#createSettings();
    this.#responder = this.#createResponder(this.#resolver.hotReplies);
    this.#service = new DnsService({
      clock,
      log,
      responder: () => this.#responder,
      resolve: (...question) => this.#resolver.resolve(...question),
      isLooped: ({ qname }) => this.#loops.seen(qname),
    });
    this.#listeners = this.#createListeners();
    parts.tallies.sample(config.log.querySample);
  }

  /** Opens all listeners and starts the threads behind them; rejects with `listen-failed`. */
  async open(): Promise<void> {
    if (!this.#config.dns.enabled) return;
    this.#threads = await this.#createThreads();
    await this.#listeners.open();
    this.#publishAll();
    this.#threads?.start();
    await this.#upstreams.check();
    this.#watchLoops();
  }

  /** Stops listening; what waits for upstreams gets `graceMs`. */
  async close(graceMs: number): Promise<void> {
    try {
      await this.#listeners.close(graceMs);
    } finally {
      const forwarders = [this.#forwarder, this.#retired];
      const threads = { close: () => this.#threads?.stop() };
      const { log, tallies } = this.#parts;
      await closeAll(log, [threads, this.#loops, this.#resolver, ...forwarders, tallies]);
    }
  }

  /** From now on all threads answer from this table. */
  publish(table: AnswerTable): void {
    const before = zoneNames(this.#table).join();
    this.#table = table;
    const zoneSlots = this.#parts.tallies.slotsOf(table);
    this.#responder.publishTable(table, zoneSlots);
    this.#threads?.publish({ kind: 'table', table: table.shared, zoneSlots });
    if (zoneNames(table).join() === before) return;
    // Aliases may lead to a name that is ours now, or was.
    this.#resolver.flush(null);
    // Zones for special use give way to ours.
    this.#renewSettings();
  }

  /** Takes over settings; listeners and the number of threads stay as they are. */
  configure(config: Config): void {
    const before = this.#config;
    this.#config = config;
    this.#zones = new ForwardZones(config.forward.zones);
    const { policy, timeoutMs } = config.forward;
    // What it knows of the upstreams is worth something, so not without need.
    if (policy !== before.forward.policy || timeoutMs !== before.forward.timeoutMs) {
      this.#retired.add(this.#forwarder, before.forward.deadlineMs);
      this.#forwarder = this.#createForwarder();
    }
    this.#upstreams.expire();
    this.#resolver.configure(config.forward);
    this.#parts.tallies.sample(config.log.querySample);
    this.#renewSettings();
    this.#watchLoops();
  }

  /** Sockets that are open, with the ports in use; wildcards as such. */
  addresses(): SocketAddress[] {
    return this.#listeners.addresses();
  }

  get listening(): boolean {
    return this.#listeners.listening;
  }

  listenerStatus(): ListenerStatus[] {
    return this.#listeners.status();
  }

  get udp(): UdpStatus {
    const threads = this.#threads === null ? 0 : this.#threadCount;
    const restarts = this.#threads?.restarts ?? 0;
    const threadNice = this.#threads?.nice ?? null;
    return { threads, problem: this.#udpProblem, restarts, threadNice };
  }

  get totals(): ListenerTotals {
    return this.#totals;
  }

  tcpConnections(): number {
    return this.#listeners.tcpConnections();
  }

  /** Upstreams of names outside all zones, as known now. */
  knownUpstreams(): readonly SocketAddress[] {
    return this.#upstreams.known();
  }

  currentUpstreams(): readonly SocketAddress[] | Promise<readonly SocketAddress[]> {
    return this.#upstreams.current();
  }

  /** Names for special use that are answered here; null: none. */
  get specialZones(): AnswerTable | null {
    const { specialZones } = this.#settings;
    return specialZones === null ? null : new AnswerTable(specialZones);
  }

  get forwardZones(): ForwardZones {
    return this.#zones;
  }

  upstreamHealth(): readonly UpstreamState[] {
    return this.#forwarder.health(this.#loops.looping());
  }

  looping(): readonly string[] {
    return this.#loops.looping();
  }

  /** Queries to upstreams under way. */
  get inflight(): number {
    return this.#forwarder.inflight + this.#retired.inflight;
  }

  cacheStats(): CacheStatus {
    return this.#resolver.stats();
  }

  /** Forgets answers of upstreams to one name, or all; how many they were. */
  flush(qname: Uint8Array | null): number {
    return this.#resolver.flush(qname);
  }

  get #threadCount(): number {
    const { udpThreads } = this.#config.dns;
    if (udpThreads !== 'auto') return udpThreads;
    return Math.min(AUTO_THREADS_MAX, Math.max(1, availableParallelism() - 1));
  }

  async #createThreads(): Promise<UdpThreads | null> {
    const { clock, log, tallies } = this.#parts;
    if (this.#threadCount === 0) return null;
    const native = await loadNativeUdp();
    if (!native.ok) {
      this.#udpProblem = native.error;
      log.warn('udp-threads-unavailable', { reason: native.error });
      return null;
    }
    return new UdpThreads({
      native: native.value,
      clock,
      log,
      random: Math.random,
      memories: Array.from({ length: this.#threadCount }, () => tallies.addThread()),
      onPrefetch: (question: ForwardQuestion) => this.#resolver.prefetch(question),
      onQuery: (...report) => tallies.take(...report),
    });
  }

  #publishAll(): void {
    this.#threads?.publish({ kind: 'settings', settings: this.#settings });
    this.#threads?.publish({ kind: 'replies', buffer: this.#resolver.hotReplies });
    this.publish(this.#table);
  }

  #renewSettings(): void {
    this.#settings = this.#createSettings();
    this.#responder = this.#createResponder(this.#resolver.hotReplies);
    this.#threads?.publish({ kind: 'settings', settings: this.#settings });
  }

  #createSettings(): ResponderSettings {
    const node = { ...this.#parts, tcpIdleMs: TCP_LIMITS.idleMs };
    return responderSettings(this.#config, node, zoneNames(this.#table));
  }

  #createResponder(replies: SharedArrayBuffer): Responder {
    const { clock, tallies } = this.#parts;
    return new Responder(
      this.#settings,
      {
        random: Math.random,
        counters: tallies.counters,
        monotonic: () => clock.monotonic(),
        wallSeconds: () => Math.floor(clock.now() / 1000),
        onPrefetch: (question) => this.#resolver.prefetch(question),
        onReply: tallies.observe,
      },
      { table: this.#table, zoneSlots: tallies.slotsOf(this.#table), replies },
    );
  }

  #createForwarder(): Forwarder {
    const { clock, metrics } = this.#parts;
    const { policy, timeoutMs } = this.#config.forward;
    const failing = new Set<string>();
    const forwarder = createForwarder({
      policy,
      timeoutMs,
      clock,
      secureContext: systemCertificates,
      onDistrust: (to, advice) => this.#parts.log.error('upstream-untrusted', { to, advice }),
      onExchange: ({ to, durationMs, result }) => {
        if (result.kind === 'failure') {
          metrics.countForwardFailure(to, result.reason);
          if (forwarder.health().some((state) => state.to === to && state.failing)) failing.add(to);
          return;
        }
        metrics.observeForward({ to, rcode: result.rcode, durationMs });
        if (failing.delete(to)) this.#resolver.upstreamIsBack();
      },
      onReject: (reason) => {
        metrics.countForwardReject();
        this.#rejectLog.add(reason);
      },
    });
    return forwarder;
  }

  #createResolver(): Resolver {
    const { clock, log } = this.#parts;
    return new Resolver(
      {
        clock,
        log,
        cache: new ReplyCache(this.#config.forward.cache.bytesMax),
        ask: (...query) => this.#forwarder.ask(...query),
        upstreamsOf: (qname) => this.#upstreamsOf(qname),
        isOwnName: (name) => this.#table.zoneOf(name, name.length) !== NO_ZONE,
        publishReplies: (buffer) => {
          this.#responder.publishReplies(buffer);
          this.#threads?.publish({ kind: 'replies', buffer });
        },
        observe: resolverObserver({ ...this.#parts, rejectLog: this.#rejectLog }),
      },
      this.#config.forward,
    );
  }

  async #upstreamsOf(qname: Uint8Array): Promise<readonly SocketAddress[]> {
    const zone = this.#zones.find(qname, qname.length);
    if (zone !== null) return this.#loops.usable(zone.upstreams, zone.zone);
    const upstreams = await this.#upstreams.current();
    this.#watchLoops();
    return this.#loops.usable(upstreams);
  }

  /** Probes upstreams that are new, and forgets those that are gone. */
  #watchLoops(): void {
    const { enabled, zones } = this.#config.forward;
    const known = enabled ? this.#upstreams.known() : [];
    const ruled = enabled ? zones : [];
    if (!this.#loops.update(known, ruled)) return;
    this.#forwarder.keep([...known, ...ruled.flatMap(({ upstreams }) => upstreams)]);
  }

  #createListeners(): DnsListeners {
    const { clock, log, expand } = this.#parts;
    const onError = (err: Error): void => log.warn('listener-error', { err });
    // All listeners together, so that a node with many addresses does not have many times as many.
    const budget = new ConnectionBudget(TCP_LIMITS.connections);
    const { enabled, listen } = this.#config.dns;
    return new DnsListeners(
      {
        clock,
        log,
        openUdp: async (address, handler) =>
          this.#totals.addUdp(
            this.#threads?.open(address, handler) ??
              (await openUdpListener(address, handler, { onError })),
          ),
        openTcp: async (address, handler) =>
          this.#totals.addTcp(await openTcpListener(address, handler, { clock, budget, onError })),
        expand: (address) => (this.#threads === null ? expand(address) : listenSockets(address)),
        reachable: expand,
        onChange: () => this.#parts.onAddressChange(),
      },
      enabled ? listen : [],
      this.#service.handle,
    );
  }
}
