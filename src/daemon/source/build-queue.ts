import type { Log, SourceStatus } from '../../core/ports.ts';
import type { BuildOf, BuildReport, HostTexts, ReadReport } from '../generation-protocol.ts';

export interface BuildQueueParts {
  readonly log: Log;
  /** Addresses of host names, as far as they are known within `waitMs`. */
  resolve(names: readonly string[], waitMs: number): Promise<HostTexts>;
  /** How long a build may wait for names that were never looked up; they are published later. */
  lookupWaitMs(): number;
  build(of: BuildOf, hosts: HostTexts): Promise<BuildReport>;
  publish(read: ReadReport, built: BuildReport, of: BuildOf): void;
}

/**
 * Everything that concerns the worker's state, one piece of work after the other: whoever reads a
 * state builds it before another can be read. Builds that are asked for meanwhile become one.
 */
export class BuildQueue {
  readonly #parts: BuildQueueParts;
  #last: Promise<unknown> = Promise.resolve();
  #isStopped = false;
  /** A build has to come, and whether one waits in line for it. */
  #isWanted = false;
  #isQueued = false;
  #served: ReadReport | null = null;
  #servedFrom: SourceStatus['from'] = null;
  /** Names that builds need addresses of. */
  #hostNames: readonly string[] = [];
  /** Those of them that do not come from the cluster. */
  #otherHostNames: readonly string[] = [];
  /** Their addresses; null: they may have changed. */
  #hosts: HostTexts | null = null;
  #renewals = 0;
  /** The worker that knew what is believed is gone. */
  #isLost = false;

  constructor(parts: BuildQueueParts) {
    this.#parts = parts;
  }

  /** The state that is served; null: none yet. */
  get served(): ReadReport | null {
    return this.#served;
  }

  get servedFrom(): SourceStatus['from'] {
    return this.#servedFrom;
  }

  /** Does work when all that was asked for before is done. */
  run<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }

  /** Builds and publishes; to be called within `run`. */
  async build(of: BuildOf, read: ReadReport): Promise<BuildReport> {
    // What changes from now on may come too late for this build.
    this.#isWanted = false;
    const parts = this.#parts;
    // What is retained needs the addresses that it had.
    if (of !== 'believed') this.#hostNames = union(read.hostNames, this.#hostNames);
    const hosts =
      of === 'believed' ? (this.#hosts ?? (await this.#resolve())) : await this.#resolve();
    const built = await parts.build(of, hosts);
    this.#served = read;
    this.#isLost = false;
    if (of !== 'believed') {
      this.#servedFrom = of === 'read' ? 'master' : 'file';
      if (built.hold === null) this.#hostNames = read.hostNames;
    }
    parts.publish(read, built, of);
    return built;
  }

  /** Names that builds need addresses of from now on, because of events. */
  needHosts(names: readonly string[]): void {
    this.#hostNames = names;
    this.#hosts = null;
  }

  /** Names besides that builds need addresses of, because of services from outside of Mesos. */
  needOtherHosts(names: readonly string[]): void {
    this.#otherHostNames = names;
    this.#hosts = null;
  }

  /** The addresses of hosts, or what else builds are made of, may be others now. */
  renew(): void {
    this.#hosts = null;
    this.#renewals++;
    this.rebuild();
  }

  /** Builds what is believed again, if there is anything: after events, with other settings or hosts. */
  rebuild(): void {
    this.#isWanted = true;
    if (this.#isQueued || this.#isStopped) return;
    this.#isQueued = true;
    void this.run(async () => {
      this.#isQueued = false;
      const served = this.#served;
      if (!this.#isWanted || this.#isOver() || served === null) return;
      try {
        await this.build('believed', served);
      } catch (err) {
        // Nothing is wrong with a build that was overtaken by the end of the worker or of the daemon.
        if (!this.#isOver()) this.#parts.log.error('rebuild-failed', { err });
      }
    });
  }

  async #resolve(): Promise<HostTexts> {
    const names = union(this.#hostNames, this.#otherHostNames);
    const renewals = this.#renewals;
    const hosts = await this.#parts.resolve(names, this.#parts.lookupWaitMs());
    // What changed while they were looked up counts for the build that was asked for because of it.
    this.#hosts = renewals === this.#renewals ? hosts : null;
    return hosts;
  }

  #isOver(): boolean {
    return this.#isStopped || this.#isLost;
  }

  /** What is believed is gone with the worker: nothing can be built before a state is read. */
  lose(): void {
    this.#isLost = true;
  }

  /** Builds nothing more unasked; resolves when nothing runs any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#last;
  }
}

function union(names: readonly string[], more: readonly string[]): readonly string[] {
  return more.length === 0 ? names : [...new Set([...names, ...more])];
}
