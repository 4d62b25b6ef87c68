import { RejectionList } from '../core/base/rejection.ts';
import type { HostAddresses } from '../core/catalog/catalog.ts';
import type { ReadSnapshot } from '../core/generation.ts';
import type { TaskHealths } from '../core/marathon/task-health.ts';
import { withHealth } from '../core/marathon/with-health.ts';
import { type ParsedServices, parseServices } from '../core/services/parse-services.ts';
import {
  rejectServices,
  serviceHosts,
  ServiceFrameworks,
  withServices,
} from '../core/services/service-frameworks.ts';
import type { StaticService } from '../core/services/static-service.ts';
import type { WorkerRequests } from './generation-protocol.ts';

const NO_SERVICES: readonly StaticService[] = [];

/** What others than masters say: Marathon of health, and a file of services outside of Mesos. */
export class Overlays {
  #health: TaskHealths | null = null;
  #services = NO_SERVICES;
  #problems: ParsedServices['problems'] = [];
  readonly #frameworks = new ServiceFrameworks();

  /** Services that are known. */
  get serviceCount(): number {
    return this.#services.length;
  }

  /** Names whose addresses the services need. */
  get hostNames(): readonly string[] {
    return serviceHosts(this.#services);
  }

  takeHealth(health: TaskHealths | null): void {
    this.#health = health;
  }

  /** What is no services file changes nothing but the problems. */
  takeServices({ text }: WorkerRequests['services']['in']): WorkerRequests['services']['out'] {
    const parsed: ParsedServices =
      text === null ? { services: NO_SERVICES, problems: [] } : parseServices(text);
    this.#problems = parsed.problems;
    this.#services = parsed.services ?? this.#services;
    const first = parsed.problems.find(({ severity }) => severity === 'error');
    return {
      problem: first === undefined ? null : `${first.path || 'the file'}: ${first.message}`,
      services: this.#services.length,
      hostNames: this.hostNames,
    };
  }

  /** The snapshot with all that; the same if there is none. `framework` is the one of Marathon. */
  over(read: ReadSnapshot, hosts: HostAddresses, framework: string): ReadSnapshot {
    const snapshot =
      this.#health === null ? read.snapshot : withHealth(read.snapshot, framework, this.#health);
    if (this.#services.length + this.#problems.length === 0) return { ...read, snapshot };
    // A list of its own, since that of the snapshot is added to at the next build again.
    const rejections = new RejectionList();
    rejections.addAll(read.rejections);
    rejectServices(this.#problems, rejections);
    const frameworks = this.#frameworks.of(this.#services, hosts, rejections);
    return { snapshot: withServices(snapshot, frameworks), rejections };
  }
}
