/**
 * Composition root: with `dns/dns-plane.ts` and `source/source-plane.ts` the only file that constructs
 * adapters. Reads top to bottom as the daemon's life: made from a configuration, started, reloaded,
 * stopped.
 */
import { hostname, networkInterfaces } from 'node:os';
import { expandWildcard } from '../adapters/dns/wildcard.ts';
import { createHttpServer, type HttpServer } from '../adapters/http/server.ts';
import { WatchHub } from '../adapters/http/watch-hub.ts';
import type { DaemonLog } from '../adapters/log.ts';
import { createMetrics, type Metrics } from '../adapters/metrics.ts';
import { nodeAddresses } from '../adapters/node-addresses.ts';
import { packageVersion } from '../adapters/package-info.ts';
import { formatHostPort, formatSocketAddress } from '../core/base/host-port.ts';
import type { Config, SocketAddress } from '../core/config/config.ts';
import { mesosDnsConfigView } from '../core/config/mesos-dns-view.ts';
import { unreadyTable } from '../core/generation.ts';
import type { ApiSource, Clock, Status, WatchFilter } from '../core/ports.ts';
import type { ZoneSettings } from '../core/views/zone-view.ts';
import { createApiSource } from './api-source.ts';
import { closeAll } from './close-all.ts';
import type { BuildOf, BuildReport, HostTexts, WorkerSettings } from './generation-protocol.ts';
import { GenerationThread } from './generation-thread.ts';
import { KernelProcess, type StartKernelChild } from './kernel/kernel-process.ts';
import { Publisher } from './publisher.ts';
import { keepFixedSettings } from './reload.ts';
import { dnsStatus, forwardState } from './dns/dns-status.ts';
import type { ClusterSourceParts } from './source/cluster-source.ts';
import { type SourceFiles, SourcePlane } from './source/source-plane.ts';
import { statusOf } from './status.ts';
import { VipKernel } from './kernel/vip-kernel.ts';
import { DnsPlane } from './dns/dns-plane.ts';
import { DnsTallies } from './dns/dns-tallies.ts';
import { currentZoneSettings, type Expand } from './dns/zone-addresses.ts';

export interface DaemonOptions {
  readonly clock: Clock;
  readonly log: DaemonLog;
  /** What the files hold that the configuration names. */
  readonly files: SourceFiles;
  /** Where the state is saved unless the configuration says; the service manager made it for us. */
  readonly stateDirectory?: string | undefined;
  /** Where the upstreams of `forward.upstreams: system` stand. */
  readonly resolvConf?: string;
  /** Starts the kernel process where the daemon itself has no right to change the kernel. */
  readonly startKernelChild?: StartKernelChild | undefined;
}

/** After a stop signal, answers under way get this long; all of it ends well within 5 s. */
const STOP_GRACE_MS = 2_000;

/** Clients are told that names may be old when so many polls in a row have brought nothing. */
const STALE_POLLS = 2;

const expand: Expand = (listen) => expandWildcard(listen, networkInterfaces());

/** A running hoplite. Start it once, stop it once. */
export class Daemon {
  readonly #options: DaemonOptions;
  readonly #version: string;
  readonly #metrics: Metrics;
  readonly #startedAt: { readonly now: number; readonly monotonic: number };
  readonly #publisher: Publisher;
  readonly #thread: GenerationThread;
  readonly #kernel: VipKernel;
  readonly #source: SourcePlane;
  readonly #tallies: DnsTallies;
  readonly #dns: DnsPlane;
  readonly #watch: WatchHub | null;
  readonly #http: HttpServer | null;
  readonly #api: ApiSource;
  #config: Config;
  /** Generations that were built. */
  #generations = 0;
  #httpAddress: SocketAddress | null = null;
  #stopped: Promise<boolean> | null = null;

  constructor(config: Config, options: DaemonOptions) {
    const { clock, log } = options;
    this.#config = config;
    this.#options = options;
    this.#version = packageVersion();
    this.#tallies = new DnsTallies(clock, log);
    this.#metrics = createMetrics({
      version: this.#version,
      nodeVersion: process.version,
      dns: this.#tallies,
    });
    this.#startedAt = { now: clock.now(), monotonic: clock.monotonic() };
    const zone = currentZoneSettings(config, expand);
    this.#publisher = new Publisher(clock, unreadyTable(zone));
    this.#kernel = this.#createKernel();
    this.#thread = new GenerationThread(this.#workerSettings(zone), log, () =>
      this.#source.workerGone(),
    );
    this.#source = this.#createSource();
    this.#dns = this.#createDns();
    this.#api = this.#createApi();
    this.#watch = config.http.enabled ? this.#createWatchHub() : null;
    this.#http = config.http.enabled ? this.#createHttpServer() : null;
    this.#metrics.readForwardFrom(() => forwardState(this.#dns));
    const watch = this.#watch;
    if (watch !== null) this.#metrics.readWatchFrom(() => watch.status());
    this.#metrics.readStatusFrom(() => {
      this.#metrics.setDnsTcpConnections(this.#dns.tcpConnections());
      this.#metrics.setDnsListenerCounts(this.#dns.totals.read());
      this.#metrics.setDnsReceiveBuffer(this.#dns.totals.receiveBufferBytes());
      this.#metrics.setForwardInflight(this.#dns.inflight);
      return this.status();
    });
  }

  /** Opens all listeners, then starts to poll. Rejects with `listen-failed`. */
  async start(): Promise<void> {
    const { log } = this.#options;
    try {
      await this.#dns.open();
      this.#httpAddress = (await this.#http?.listen()) ?? null;
    } catch (error) {
      await this.stop();
      throw error;
    }
    this.#kernel.start();
    await this.#source.start();
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
  async reload(wanted: Config, files: SourceFiles): Promise<readonly string[]> {
    if (this.#stopped !== null) return [];
    const { config, fixed } = keepFixedSettings(this.#config, wanted);
    // What may fail comes first.
    const clients = this.#source.createClients(config, files);
    this.#config = config;
    this.#options.log.setLevel(config.log.level);
    this.#dns.configure(config);
    this.#kernel.configure(config);
    await this.#renewZone();
    await this.#source.configure(config, clients);
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
    const { log } = this.#options;
    const served = await closeAll(log, [
      this.#kernel,
      { close: () => this.#source.stop() },
      { close: () => this.#dns.close(STOP_GRACE_MS) },
      { close: () => this.#http?.close(STOP_GRACE_MS) },
    ]);
    const parts = [...this.#source.connections, this.#thread];
    return (await closeAll(log, parts)) && served;
  }

  /** Settings of the zone may have changed, or the addresses in it. */
  async #renewZone(): Promise<void> {
    const zone = currentZoneSettings(this.#config, expand);
    if (this.#publisher.status === null) {
      this.#publisher.reset(unreadyTable(zone));
      this.#dns.publish(this.#publisher.table);
    }
    await this.#thread.configure(this.#workerSettings(zone));
    this.#source.rebuild();
  }

  #workerSettings(zone: ZoneSettings): WorkerSettings {
    const { pollIntervalMs, trust, marathon } = this.#config.cluster;
    const marathonFramework = marathon?.framework ?? '';
    return { zone, pollIntervalMs, kernel: this.#kernel.isUsed, trust, marathonFramework };
  }

  status(): Status {
    const http = this.#httpAddress;
    return statusOf({
      clock: this.#options.clock,
      version: this.#version,
      node: hostname(),
      startedAt: this.#startedAt,
      config: () => this.#config,
      source: () => this.#source.status(),
      propagation: () => this.#source.propagation(),
      servicesFile: () => this.#source.servicesFile(),
      marathon: () => this.#source.marathon(),
      watch: () => this.#watch?.status() ?? null,
      savedState: () => this.#source.savedState(),
      generation: () => this.#publisher.status,
      vips: () => this.#publisher.vips,
      kernel: () => this.#kernel.status(),
      listeners: () => [
        ...this.#dns.listenerStatus(),
        ...(http === null ? [] : [{ ...http, protocol: 'http' as const, open: true, error: null }]),
      ],
      listening: () => this.#dns.listening,
      dns: () => dnsStatus(this.#dns),
    });
  }

  /** Addresses of the DNS listeners, with the ports in use. */
  dnsAddresses(): SocketAddress[] {
    return this.#dns.addresses();
  }

  #createSource(): SourcePlane {
    const { clock, log, files, stateDirectory } = this.#options;
    return new SourcePlane(this.#config, files, {
      ...{ clock, log, version: this.#version, thread: this.#thread, stateDirectory },
      build: (...args) => this.#build(...args),
      publish: (...args) => this.#publish(...args),
      onConfirmed: () => this.#publisher.confirm(STALE_POLLS * this.#config.cluster.pollIntervalMs),
      observePoll: (...poll) => this.#metrics.observePoll(...poll),
      observePropagation: (...measured) => this.#metrics.observePropagation(...measured),
    });
  }

  /** The first generation waits for the kernel, so that its VIPs have names at once. */
  async #build(of: BuildOf, hosts: HostTexts): Promise<BuildReport> {
    const build = (what: BuildOf): Promise<BuildReport> => {
      const { clock } = this.#options;
      return this.#thread.build({
        of: what,
        hosts,
        previous: this.#publisher.previous,
        nowSeconds: Math.floor(clock.now() / 1000),
        nowMs: clock.monotonic(),
        node: this.#kernel.node(),
        number: ++this.#generations,
      });
    };
    const built = await build(of);
    if (this.#publisher.status !== null || !this.#kernel.isUsed) return built;
    this.#kernel.desire(built.kernelUpdate);
    await this.#kernel.firstSync();
    return build('believed');
  }

  /** Returns the number of the update that the kernel process gets. */
  #publish(...[read, built, of]: Parameters<ClusterSourceParts['publish']>): number | null {
    if (of === 'saved') this.#publisher.doubt();
    const first = this.#publisher.status === null;
    const { table } = this.#publisher;
    this.#publisher.publish(read, built);
    if (this.#publisher.table !== table) this.#dns.publish(this.#publisher.table);
    // Names go before the services behind them, and come after them.
    const update = this.#kernel.desire(built.kernelUpdate);
    void this.#tellWatchers();
    if (of !== 'believed') this.#metrics.observeBuild('parse', read.parseMs);
    this.#metrics.observeBuild('build', built.buildMs);
    if (built.changed || first) {
      this.#metrics.countGeneration();
      this.#publisher.log(this.#options.log, read, built);
    }
    return update;
  }

  /** What the generation changed; asked for at once, before another one can be built. */
  async #tellWatchers(): Promise<void> {
    const watch = this.#watch;
    if (watch === null) return;
    try {
      const update = await this.#thread.watch(watch.isWatched);
      if (update !== null) watch.publish(update);
    } catch (err) {
      // Of a worker that died; the next update leads from no other, and everybody gets a new picture.
      this.#options.log.debug('watch-failed', { err });
    }
  }

  #createWatchHub(): WatchHub {
    const { clock, log } = this.#options;
    const snapshot = (filter: WatchFilter): Promise<string> => this.#thread.watchSnapshot(filter);
    return new WatchHub({ clock, log, source: { snapshot } });
  }

  #createKernel(): VipKernel {
    const { clock, log, startKernelChild: startChild } = this.#options;
    const parts = { clock, log, random: Math.random, startChild };
    return new VipKernel(this.#config, {
      clock,
      log,
      start: (settings, onReport) =>
        new KernelProcess({
          ...parts,
          settings,
          onReport,
          requestWhole: () => this.#thread.kernelUpdate(this.#kernel.node()),
        }),
      nodeAddresses,
      onProgrammed: () => this.#source.rebuild(),
      onChanged: (...changed) => this.#source.kernelChanged(...changed),
      observe: (status, counters) => this.#metrics.observeKernel(status, counters),
    });
  }

  #createDns(): DnsPlane {
    const { clock, log, resolvConf = '/etc/resolv.conf' } = this.#options;
    return new DnsPlane(this.#config, {
      clock,
      log,
      tallies: this.#tallies,
      metrics: this.#metrics,
      version: this.#version,
      hostname: hostname(),
      resolvConf,
      expand,
      table: this.#publisher.table,
      onAddressChange: () => void this.#renewZone(),
    });
  }

  #createApi(): ApiSource {
    return createApiSource({
      config: () => this.#config,
      status: () => this.status(),
      table: () => this.#publisher.table,
      view: (request) =>
        request.kind === 'ipvs' || request.kind === 'ipvs-plan'
          ? this.#kernel.view(request.kind)
          : this.#thread.view(request),
      dns: this.#dns,
      tallies: this.#tallies,
    });
  }

  #createHttpServer(): HttpServer {
    return createHttpServer({
      source: this.#api,
      ...(this.#watch === null ? {} : { watch: this.#watch }),
      metrics: this.#metrics,
      log: this.#options.log,
      version: this.#version,
      listen: this.#config.http.listen,
      configView: () =>
        mesosDnsConfigView(this.#config, { soaSerial: this.#publisher.table.serial }),
    });
  }
}
