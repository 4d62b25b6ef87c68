/**
 * Composition root of everything that tells what the cluster is: masters, ZooKeeper and the file of the
 * last state. Made by the daemon, which is told of nothing but generations.
 */
import { createHostLookup, type HostLookup } from '../../adapters/host-lookup.ts';
import {
  createEventStreamClient,
  type EventStreamClient,
} from '../../adapters/mesos/event-stream.ts';
import {
  createMasterClient,
  type MasterClient,
  type MasterFiles,
} from '../../adapters/mesos/master-client.ts';
import { readStateHeader } from '../../adapters/state-file.ts';
import { ZookeeperSession } from '../../adapters/zookeeper/session.ts';
import type { PropagationStatus } from '../../core/base/live-status.ts';
import type { Config } from '../../core/config/config.ts';
import type { Clock, Log, SavedStateStatus, SourceStatus } from '../../core/ports.ts';
import { closeAll } from '../close-all.ts';
import type { GenerationThread } from '../generation-thread.ts';
import { MasterDetector } from '../leader/master-detector.ts';
import { SavedState, savedStatePath } from '../saved-state.ts';
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

/** Clients with the credentials of one configuration. */
export interface MasterClients {
  readonly states: MasterClient;
  readonly streams: EventStreamClient;
}

/** The source of generations, with the connections that it works over. */
export class SourcePlane {
  readonly #parts: SourcePlaneParts;
  readonly #lookup: HostLookup;
  readonly #source: ClusterSource;
  readonly #saved: SavedState;
  #config: Config;
  #clients: MasterClients;

  constructor(config: Config, files: MasterFiles, parts: SourcePlaneParts) {
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
    await this.#saved.start();
    this.#source.start();
  }

  /** Clients for `configure`. Throws if the files cannot be used. */
  createClients({ cluster }: Config, files: MasterFiles): MasterClients {
    const { clock, version } = this.#parts;
    const options = { clock, files, userAgent: `hoplite/${version}` };
    const states = createMasterClient(cluster, options);
    return { states, streams: createEventStreamClient(cluster, options) };
  }

  /** Takes over another configuration and asks at once. */
  async configure(config: Config, clients: MasterClients): Promise<void> {
    const before = this.#clients;
    this.#config = config;
    this.#clients = clients;
    await this.#source.replan(planOf(config));
    await closeAll(this.#parts.log, [before.states, before.streams]);
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

  /** Publishes nothing any more; resolves when nothing is built. */
  async stop(): Promise<void> {
    this.#saved.stop();
    await this.#source.stop();
  }

  /** What is to be closed after `stop`. */
  get connections(): readonly { close(): unknown }[] {
    const { states, streams } = this.#clients;
    return [this.#lookup, states, streams];
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
