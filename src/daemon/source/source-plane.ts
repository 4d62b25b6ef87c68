/**
 * Composition root of everything that tells what the cluster is: masters, ZooKeeper and the file of the
 * last state. Made by the daemon, which is told of nothing but generations.
 */
import { createHostLookup, type HostLookup } from '../../adapters/host-lookup.ts';
import {
  createEventStreamClient,
  type EventStreamClient,
} from '../../adapters/mesos/event-stream.ts';
import { createMarathonClient, type MarathonClient } from '../../adapters/mesos/marathon-client.ts';
import {
  createMasterClient,
  type MasterClient,
  type MasterFiles,
} from '../../adapters/mesos/master-client.ts';
import { ServicesFile } from '../../adapters/services-file.ts';
import { readStateHeader } from '../../adapters/state-file.ts';
import { ZookeeperSession } from '../../adapters/zookeeper/session.ts';
import type {
  MarathonStatus,
  PropagationStatus,
  ServicesFileStatus,
} from '../../core/base/live-status.ts';
import type { TaskHealths } from '../../core/marathon/task-health.ts';
import type { Config } from '../../core/config/config.ts';
import type { Clock, Log, SavedStateStatus, SourceStatus } from '../../core/ports.ts';
import { closeAll } from '../close-all.ts';
import type { GenerationThread } from '../generation-thread.ts';
import { MasterDetector } from '../leader/master-detector.ts';
import { SavedState, savedStatePath } from '../saved-state.ts';
import { HealthOverlay, readApps } from './health-overlay.ts';
import { ClusterSource, type ClusterSourceParts, type SourcePlan } from './cluster-source.ts';

/** What the plane needs besides the configuration. */
export interface SourcePlaneParts extends Pick<
  ClusterSourceParts,
  'build' | 'publish' | 'onConfirmed' | 'observePropagation'
> {
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  readonly thread: GenerationThread;
  /** Where the state is saved unless the configuration says. */
  readonly stateDirectory: string | undefined;
  /** `result` is `success` or an error code. */
  observePoll(result: string, durationMs: number): void;
}

/** What the files hold that a configuration names. */
export interface SourceFiles extends MasterFiles {
  /** Of `cluster.marathon`; absent: it is not asked. */
  readonly marathon?: MasterFiles | null;
}

/** Clients with the credentials of one configuration. */
export interface SourceClients {
  readonly states: MasterClient;
  readonly streams: EventStreamClient;
  readonly marathon: MarathonClient | null;
}

/** The file of services that is followed, and what it says. */
interface FollowedServices {
  readonly path: string;
  readonly file: ServicesFile;
  services: number;
  /** What is wrong with its text. */
  problem: string | null;
}

/** The source of generations, with the connections that it works over. */
export class SourcePlane {
  readonly #parts: SourcePlaneParts;
  readonly #lookup: HostLookup;
  readonly #source: ClusterSource;
  readonly #saved: SavedState;
  #config: Config;
  #clients: SourceClients;
  #isStopped = false;
  #services: FollowedServices | null = null;
  #overlay: HealthOverlay | null = null;

  constructor(config: Config, files: SourceFiles, parts: SourcePlaneParts) {
    this.#parts = parts;
    this.#config = config;
    this.#clients = this.createClients(config, files);
    this.#lookup = createHostLookup({ clock: parts.clock });
    this.#saved = this.#createSavedState();
    this.#source = this.#createSource();
  }

  /** Begins to ask and to listen; the first generation comes later. */
  async start(): Promise<void> {
    this.#lookup.onChange(() => this.#source.rebuild());
    await Promise.all([this.#saved.start(), this.#followServices()]);
    this.#source.start();
    this.#openOverlay();
  }

  /** Clients for `configure`. Throws if the files cannot be used. */
  createClients({ cluster }: Config, files: SourceFiles): SourceClients {
    const { clock, version } = this.#parts;
    const options = { clock, files, userAgent: `hoplite/${version}` };
    const { marathon, requestTimeoutMs: timeoutMs, stateBytesMax: bodyBytesMax } = cluster;
    return {
      states: createMasterClient(cluster, options),
      streams: createEventStreamClient(cluster, options),
      marathon:
        marathon === null || !files.marathon
          ? null
          : createMarathonClient(marathon, {
              ...{ ...options, files: files.marathon },
              ...{ timeoutMs, bodyBytesMax },
            }),
    };
  }

  /** Takes over another configuration and asks at once. */
  async configure(config: Config, clients: SourceClients): Promise<void> {
    const { states, streams, marathon } = this.#clients;
    this.#config = config;
    this.#clients = clients;
    await this.#overlay?.stop();
    this.#openOverlay();
    await Promise.all([this.#followServices(), this.#source.replan(planOf(config))]);
    const before = [states, streams, ...(marathon === null ? [] : [marathon])];
    await closeAll(this.#parts.log, before);
  }

  /** Builds again, since settings or something else besides the cluster changed. */
  rebuild(): void {
    this.#source.rebuild();
  }

  /** What the generation worker knew is gone. */
  workerGone(): void {
    this.#source.workerGone();
  }

  /** The kernel is as updates up to this number want it; `isGood` false: not all of it. */
  kernelChanged(update: number, isGood: boolean): void {
    this.#source.kernelChanged(update, isGood);
  }

  status(): SourceStatus {
    return this.#source.status();
  }

  propagation(): PropagationStatus {
    return this.#source.propagation();
  }

  /** null: nothing is saved. */
  savedState(): SavedStateStatus | null {
    return this.#saved.status();
  }

  /** null: there is no file of services. */
  servicesFile(): ServicesFileStatus | null {
    if (this.#services === null) return null;
    const { path, file, services, problem } = this.#services;
    return { path, services, problem: file.problem ?? problem };
  }

  /** null: Marathon is not asked. */
  marathon(): MarathonStatus | null {
    return this.#overlay?.status() ?? null;
  }

  /** Publishes nothing any more; resolves when nothing is built. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#saved.stop();
    this.#services?.file.close();
    await Promise.all([this.#source.stop(), this.#overlay?.stop()]);
  }

  /** What is to be closed after `stop`. */
  get connections(): readonly { close(): unknown }[] {
    const { states, streams, marathon } = this.#clients;
    return [this.#lookup, states, streams, ...(marathon === null ? [] : [marathon])];
  }

  /** Follows the file that the configuration names; resolves when it has been read. */
  async #followServices(): Promise<void> {
    const path = this.#config.cluster.servicesFile;
    if (this.#isStopped || path === (this.#services?.path ?? null)) return;
    this.#services?.file.close();
    if (path === null) {
      this.#services = null;
      await this.#takeServices(null);
      return;
    }
    const { clock, log } = this.#parts;
    const file = new ServicesFile(path, clock, {
      onChange: (text) => void this.#takeServices(text),
      onProblem: (problem) => log.warn('services-file-unusable', { path, problem }),
    });
    this.#services = { path, file, services: 0, problem: null };
    await file.start();
  }

  async #takeServices(text: string | null): Promise<void> {
    const { log, thread } = this.#parts;
    const followed = this.#services;
    try {
      const { problem, services, hostNames } = await thread.setServices(text);
      if (this.#services !== followed || this.#isStopped) return;
      if (followed !== null) {
        const { path } = followed;
        followed.services = services;
        followed.problem = problem;
        if (problem !== null) log.warn('services-file-unusable', { path, problem });
        else log.info('services-file-read', { path, services });
      }
      this.#source.needHosts(hostNames);
      this.#source.rebuild();
    } catch (err) {
      // The next worker is told again.
      if (!this.#isStopped) log.warn('services-failed', { err });
    }
  }

  #openOverlay(): void {
    const { marathon } = this.#clients;
    const hadOne = this.#overlay !== null;
    this.#overlay = null;
    if (this.#isStopped) return;
    if (marathon === null) {
      if (hadOne) void this.#takeHealth(null);
      return;
    }
    const { clock, log } = this.#parts;
    this.#overlay = new HealthOverlay({
      ...{ clock, log, random: Math.random, readApps },
      fetchApps: (signal) => marathon.fetchApps(signal),
      followEvents: (...args) => marathon.followEvents(...args),
      onChange: (health) => void this.#takeHealth(health),
    });
    this.#overlay.start();
  }

  async #takeHealth(health: TaskHealths | null): Promise<void> {
    try {
      await this.#parts.thread.setHealth(health);
      this.#source.rebuild();
    } catch (err) {
      // The next worker is told again.
      if (!this.#isStopped) this.#parts.log.warn('health-failed', { err });
    }
  }

  #createSource(): ClusterSource {
    const { clock, log, thread, build, publish, onConfirmed, observePropagation } = this.#parts;
    const parts: ClusterSourceParts = {
      ...{ clock, log, random: Math.random },
      ...{ build, publish, onConfirmed, observePropagation },
      fetchState: (...args) => this.#clients.states.fetchState(...args),
      subscribe: (...args) => this.#clients.streams.subscribe(...args),
      openDetector: (onChange) => {
        const { zookeeper } = this.#config.cluster;
        if (zookeeper === null) return null;
        const shared = { clock, random: Math.random };
        return new MasterDetector(zookeeper, {
          ...{ ...shared, log, onChange },
          openSession: (events) => new ZookeeperSession(zookeeper, { ...shared, events }),
        });
      },
      read: (chunks, asked) => thread.read(chunks, { keep: this.#saved.keep(), asked }),
      events: (...batch) => thread.events(...batch),
      resolve: (...args) => this.#lookup.resolve(...args),
      recall: (agents) => this.#saved.recall(agents),
      onPoll: (result, durationMs, isHeld) => {
        this.#parts.observePoll(result, durationMs);
        const isGood = result === 'success';
        this.#saved.polled(isGood, isGood && !isHeld);
      },
    };
    return new ClusterSource(parts, planOf(this.#config));
  }

  #createSavedState(): SavedState {
    const { clock, log, thread, stateDirectory } = this.#parts;
    return new SavedState({
      ...{ clock, log, readHeader: readStateHeader },
      path: () => savedStatePath(this.#config, stateDirectory),
      load: (path) => thread.load(path, this.#config.cluster.stateBytesMax),
      serve: (read, takenAt) => this.#source.adopt(read, Math.max(0, clock.now() - takenAt)),
      save: (...args) => thread.save(...args),
      drop: () => thread.drop(),
    });
  }
}

function planOf({ cluster }: Config): SourcePlan {
  const { masters, pollIntervalMs: intervalMs, events } = cluster;
  return { masters, intervalMs, events };
}
