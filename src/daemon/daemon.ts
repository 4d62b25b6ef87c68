/**
 * Composition root: the only file that constructs adapters. Reads top to bottom as the daemon's
 * life: made from a configuration, started, reloaded, stopped.
 */
import { hostname, networkInterfaces } from 'node:os';
import { ConnectionBudget } from '../adapters/dns/connection-budget.ts';
import { createForwarder, type Forwarder } from '../adapters/dns/forwarder.ts';
import { createSystemUpstreams, type SystemUpstreams } from '../adapters/dns/resolv-conf.ts';
import { TCP_LIMITS } from '../adapters/dns/tcp-limits.ts';
import { openTcpListener } from '../adapters/dns/tcp-listener.ts';
import { openUdpListener } from '../adapters/dns/udp-listener.ts';
import { expandWildcard } from '../adapters/dns/wildcard.ts';
import { createHostLookup, type HostLookup } from '../adapters/host-lookup.ts';
import { createHttpServer, type HttpServer } from '../adapters/http/server.ts';
import type { DaemonLog } from '../adapters/log.ts';
import {
  createMasterClient,
  type MasterClient,
  type MasterFiles,
} from '../adapters/mesos/master-client.ts';
import { createMetrics, type Metrics } from '../adapters/metrics.ts';
import { packageVersion } from '../adapters/package-info.ts';
import { formatHostPort, formatSocketAddress } from '../core/base/host-port.ts';
import type { Config, SocketAddress } from '../core/config/config.ts';
import { mesosDnsConfigView } from '../core/config/mesos-dns-view.ts';
import { ForwardZones } from '../core/dns/forward-zones.ts';
import { unreadyTable } from '../core/generation.ts';
import type { ApiSource, Clock, Status } from '../core/ports.ts';
import { createApiSource } from './api-source.ts';
import { DnsListeners } from './dns-listeners.ts';
import { DnsService, type Forwarding } from './dns-service.ts';
import { ForwardRejectLog } from './forward-reject-log.ts';
import { GenerationThread } from './generation-thread.ts';
import { ListenerTotals } from './listener-totals.ts';
import { Poller } from './poller.ts';
import { Publisher } from './publisher.ts';
import { keepFixedSettings } from './reload.ts';
import { statusOf } from './status.ts';
import { currentZoneSettings, type Expand } from './zone-addresses.ts';

export interface DaemonOptions {
  readonly clock: Clock;
  readonly log: DaemonLog;
  /** What the files hold that the configuration names. */
  readonly files: MasterFiles;
  /** Where the upstreams of `forward.upstreams: system` stand. */
  readonly resolvConf?: string;
}

/** After a stop signal, answers under way get this long; all of it ends well within 5 s. */
const STOP_GRACE_MS = 2_000;
/** How old our knowledge of /etc/resolv.conf may be. */
const RESOLV_CONF_CHECK_MS = 5_000;

const expand: Expand = (listen) => expandWildcard(listen, networkInterfaces());

/** A running hoplite. Start it once, stop it once. */
export class Daemon {
  readonly #options: DaemonOptions;
  readonly #version: string;
  readonly #metrics: Metrics;
  readonly #startedAt: { readonly now: number; readonly monotonic: number };
  readonly #publisher: Publisher;
  readonly #thread: GenerationThread;
  readonly #lookup: HostLookup;
  readonly #poller: Poller;
  readonly #dns: DnsService;
  readonly #listeners: DnsListeners;
  readonly #listenerTotals = new ListenerTotals();
  readonly #rejectLog: ForwardRejectLog;
  readonly #http: HttpServer | null;
  readonly #api: ApiSource;
  #config: Config;
  #client: MasterClient;
  #forwarder: Forwarder;
  #forwardZones: ForwardZones;
  #system: SystemUpstreams | null = null;
  /** Our own addresses that `#system` leaves out. */
  #systemOwn = '';
  #systemCheckedAt = Number.NEGATIVE_INFINITY;
  #httpAddress: SocketAddress | null = null;
  #stopped: Promise<boolean> | null = null;

  constructor(config: Config, options: DaemonOptions) {
    const { clock, log } = options;
    this.#config = config;
    this.#options = options;
    this.#version = packageVersion();
    this.#metrics = createMetrics({ version: this.#version, nodeVersion: process.version });
    this.#startedAt = { now: clock.now(), monotonic: clock.monotonic() };
    const zone = currentZoneSettings(config, expand);
    this.#publisher = new Publisher(clock, unreadyTable(zone));
    const pollIntervalMs = config.cluster.pollIntervalMs;
    this.#thread = new GenerationThread({ zone, pollIntervalMs }, log);
    this.#lookup = createHostLookup({ clock });
    this.#client = this.#createClient(config, options.files);
    this.#rejectLog = new ForwardRejectLog(clock, log);
    this.#forwarder = this.#createForwarder(config);
    this.#forwardZones = new ForwardZones(config.forward.zones);
    this.#poller = this.#createPoller();
    this.#dns = this.#createDnsService();
    const listen = config.dns.enabled ? config.dns.listen : [];
    this.#listeners = this.#createListeners(listen);
    this.#api = this.#createApi();
    this.#http = config.http.enabled ? this.#createHttpServer() : null;
    this.#metrics.readStatusFrom(() => {
      this.#metrics.setDnsTcpConnections(this.#listeners.tcpConnections());
      this.#metrics.setDnsListenerCounts(this.#listenerTotals.read());
      this.#metrics.setForwardInflight(this.#forwarder.inflight);
      return this.status();
    });
  }

  /** Opens all listeners, then starts to poll. Rejects with `listen-failed`. */
  async start(): Promise<void> {
    const { log } = this.#options;
    try {
      await this.#listeners.open();
      await this.#checkSystemUpstreams();
      this.#httpAddress = (await this.#http?.listen()) ?? null;
    } catch (error) {
      await this.stop();
      throw error;
    }
    this.#lookup.onChange(() => this.#poller.rebuild());
    this.#poller.start();
    log.info('started', {
      version: this.#version,
      domain: this.#config.dns.domain,
      dns: this.dnsAddresses().map(formatSocketAddress),
      http: this.#httpAddress === null ? null : formatSocketAddress(this.#httpAddress),
      masters: this.#config.cluster.masters.map(formatHostPort),
    });
  }

  /**
   * Takes over a new configuration with the files it names; returns the paths of changes that need a
   * restart. Nothing is changed if it rejects.
   */
  async reload(wanted: Config, files: MasterFiles): Promise<readonly string[]> {
    if (this.#stopped !== null) return [];
    const { config, fixed } = keepFixedSettings(this.#config, wanted);
    const [oldClient, oldForwarder] = [this.#client, this.#forwarder];
    // Closing it would fail the queries that wait in it.
    const keepForwarder = config.forward.timeoutMs === this.#config.forward.timeoutMs;
    // What may fail comes first.
    const forwardZones = new ForwardZones(config.forward.zones);
    const client = this.#createClient(config, files);
    this.#forwarder = keepForwarder ? oldForwarder : this.#createForwarder(config);
    this.#client = client;
    this.#config = config;
    this.#options.log.setLevel(config.log.level);
    this.#forwardZones = forwardZones;
    this.#systemCheckedAt = Number.NEGATIVE_INFINITY;
    this.#dns.configure(config.dns, this.#forwarding());
    await this.#renewZone();
    const { masters, pollIntervalMs: intervalMs } = config.cluster;
    this.#poller.replan({ masters, intervalMs });
    const old = keepForwarder ? [oldClient] : [oldForwarder, oldClient];
    await this.#closeAll(old.map((part) => () => part.close()));
    this.#metrics.countConfigReload('success');
    return fixed;
  }

  /** A reload that failed before it began, for the metrics. */
  countFailedReload(): void {
    this.#metrics.countConfigReload('failure');
  }

  /** Stops listening, lets what is in flight finish, releases everything; false if a part failed. */
  stop(): Promise<boolean> {
    return (this.#stopped ??= this.#shutDown());
  }

  async #shutDown(): Promise<boolean> {
    const served = await this.#closeAll([
      () => this.#poller.stop(),
      () => this.#listeners.close(STOP_GRACE_MS),
      () => this.#http?.close(STOP_GRACE_MS),
    ]);
    const parts = [this.#forwarder, this.#lookup, this.#client, this.#thread];
    const rest = await this.#closeAll(parts.map((part) => () => part.close()));
    return served && rest;
  }

  /** One part that fails does not keep the others from being closed. */
  async #closeAll(closers: readonly (() => Promise<void> | void)[]): Promise<boolean> {
    const results = await Promise.allSettled(closers.map(async (close) => close()));
    const failed = results.filter((result) => result.status === 'rejected');
    for (const { reason: err } of failed) this.#options.log.error('stop-failed', { err });
    return failed.length === 0;
  }

  /** Settings of the zone may have changed, or the addresses in it. */
  async #renewZone(): Promise<void> {
    const zone = currentZoneSettings(this.#config, expand);
    if (this.#publisher.status === null) this.#publisher.reset(unreadyTable(zone));
    await this.#thread.configure({ zone, pollIntervalMs: this.#config.cluster.pollIntervalMs });
    this.#poller.rebuild();
  }

  status(): Status {
    const http = this.#httpAddress;
    return statusOf({
      clock: this.#options.clock,
      version: this.#version,
      node: hostname(),
      startedAt: this.#startedAt,
      config: () => this.#config,
      source: () => this.#poller.status(),
      generation: () => this.#publisher.status,
      listeners: () => [
        ...this.#listeners.status(),
        ...(http === null ? [] : [{ ...http, protocol: 'http' as const, open: true, error: null }]),
      ],
      listening: () => this.#listeners.listening,
      upstreams: () => this.#knownUpstreams().map(formatSocketAddress),
    });
  }

  /** Addresses of the DNS listeners, with the ports in use. */
  dnsAddresses(): SocketAddress[] {
    return this.#listeners.addresses();
  }

  #createClient({ cluster }: Config, files: MasterFiles): MasterClient {
    return createMasterClient(cluster, {
      clock: this.#options.clock,
      files,
      userAgent: `hoplite/${this.#version}`,
    });
  }

  #createForwarder({ forward }: Config): Forwarder {
    const metrics = this.#metrics;
    return createForwarder({
      timeoutMs: forward.timeoutMs,
      clock: this.#options.clock,
      onExchange: ({ to, durationMs, result }) => {
        if (result.kind === 'reply') {
          metrics.observeForward({ to, rcode: result.rcode, durationMs });
        } else {
          metrics.countForwardFailure(to, result.reason);
        }
      },
      onReject: (reason) => {
        metrics.countForwardReject();
        this.#rejectLog.add(reason);
      },
    });
  }

  #createPoller(): Poller {
    const { clock, log } = this.#options;
    const parts = {
      fetchState: (...args: Parameters<MasterClient['fetchState']>) =>
        this.#client.fetchState(...args),
      read: (...args: Parameters<GenerationThread['read']>) => this.#thread.read(...args),
      resolve: (...args: Parameters<HostLookup['resolve']>) => this.#lookup.resolve(...args),
      build: (of: 'read' | 'built', hosts: ReadonlyMap<string, readonly string[]>) =>
        this.#thread.build(of, hosts, this.#publisher.previous, Math.floor(clock.now() / 1000)),
      publish: (...args: Parameters<Publisher['publish']>) => this.#publish(...args),
      onPoll: (result: string, durationMs: number) => this.#metrics.observePoll(result, durationMs),
    };
    const { masters, pollIntervalMs: intervalMs } = this.#config.cluster;
    return new Poller(parts, { masters, intervalMs }, { clock, log, random: Math.random });
  }

  #publish(...[read, built]: Parameters<Publisher['publish']>): void {
    const first = this.#publisher.status === null;
    this.#publisher.publish(read, built);
    this.#metrics.observeBuild('parse', read.parseMs);
    this.#metrics.observeBuild('build', built.buildMs);
    if (!built.changed && !first) return;
    this.#metrics.countGeneration();
    const { serial, names, tasks, rejections } = this.#publisher.status!;
    const fields = { serial, names, tasks, rejections, leader: formatHostPort(read.leader) };
    this.#options.log.info('generation-published', fields);
    if (rejections > 0) {
      this.#options.log.debug('rejections', { total: rejections, first: built.firstRejections });
    }
  }

  #createDnsService(): DnsService {
    const { clock, log } = this.#options;
    return new DnsService(
      {
        clock,
        log,
        random: Math.random,
        table: () => this.#publisher.table,
        forward: (...args) => this.#forwarder.forward(...args),
        observe: (observation) => this.#metrics.observeDns(observation),
      },
      this.#config.dns,
      this.#forwarding(),
    );
  }

  #createListeners(listen: readonly SocketAddress[]): DnsListeners {
    const { clock, log } = this.#options;
    const onError = (err: Error): void => log.warn('listener-error', { err });
    // All listeners together, so that a node with many addresses does not have many times as many.
    const budget = new ConnectionBudget(TCP_LIMITS.connections);
    const totals = this.#listenerTotals;
    return new DnsListeners(
      {
        clock,
        log,
        openUdp: async (address, handler) =>
          totals.addUdp(await openUdpListener(address, handler, { onError })),
        openTcp: async (address, handler) =>
          totals.addTcp(await openTcpListener(address, handler, { clock, budget, onError })),
        expand,
        onChange: () => void this.#renewZone(),
      },
      listen,
      this.#dns.handle,
    );
  }

  #createApi(): ApiSource {
    return createApiSource({
      config: () => this.#config,
      status: () => this.status(),
      table: () => this.#publisher.table,
      view: (request) => this.#thread.view(request),
      forwardZones: () => this.#forwardZones,
      upstreams: () => this.#forwarding().upstreams(),
    });
  }

  #createHttpServer(): HttpServer {
    return createHttpServer({
      source: this.#api,
      metrics: this.#metrics,
      log: this.#options.log,
      version: this.#version,
      listen: this.#config.http.listen,
      configView: () =>
        mesosDnsConfigView(this.#config, { soaSerial: this.#publisher.table.serial }),
    });
  }

  #forwarding(): Forwarding {
    const { enabled, upstreams } = this.#config.forward;
    return {
      enabled,
      zones: this.#forwardZones,
      upstreams: upstreams === 'system' ? () => this.#systemUpstreams() : () => upstreams,
    };
  }

  #knownUpstreams(): readonly SocketAddress[] {
    const { upstreams } = this.#config.forward;
    return upstreams === 'system' ? (this.#system?.upstreams ?? []) : upstreams;
  }

  #systemUpstreams(): readonly SocketAddress[] | Promise<readonly SocketAddress[]> {
    const age = this.#options.clock.monotonic() - this.#systemCheckedAt;
    if (age < RESOLV_CONF_CHECK_MS) return this.#knownUpstreams();
    return this.#checkSystemUpstreams().then(() => this.#knownUpstreams());
  }

  async #checkSystemUpstreams(): Promise<void> {
    const { enabled, upstreams: wanted } = this.#config.forward;
    if (!enabled || wanted !== 'system') return;
    this.#systemCheckedAt = this.#options.clock.monotonic();
    const path = this.#options.resolvConf ?? '/etc/resolv.conf';
    // A wildcard listener gets addresses later too, and asking one of them would be asking us.
    const own = this.dnsAddresses();
    const ownText = own.map(formatSocketAddress).join();
    if (this.#system === null || ownText !== this.#systemOwn) {
      this.#system = createSystemUpstreams(path, own);
      this.#systemOwn = ownText;
    }
    const problemBefore = this.#system.problem;
    const changed = await this.#system.refresh();
    const { problem, upstreams } = this.#system;
    const to = upstreams.map(formatSocketAddress);
    if (changed) this.#options.log.info('upstreams-read', { path, to });
    if (problem !== null && problem !== problemBefore) {
      this.#options.log.warn('upstreams-unreadable', { problem });
    }
  }
}
