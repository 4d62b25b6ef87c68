import type { Prefix } from '../../core/base/prefix.ts';
import {
  isCatchAll,
  isOwned,
  type KernelChange,
  type ObservedKernel,
} from '../../core/ipvs/plan.ts';
import {
  type Destination,
  destinationKey,
  type ObservedDestination,
  type ObservedService,
  type ServiceId,
  serviceKey,
} from '../../core/ipvs/table.ts';

/** How much of ours the kernel holds; catch-all services are not counted. */
export interface MirrorCounts {
  readonly services: number;
  readonly destinations: number;
  readonly weightZero: number;
}

/**
 * Nothing is known of the connections of a destination that was changed, until the kernel is
 * observed again: a drain that just began must not end by what was counted before it.
 */
const UNKNOWN_CONNECTIONS = Number.POSITIVE_INFINITY;

/** Our part of the kernel, as it was observed last and changed by us since. */
export class KernelMirror {
  readonly #services = new Map<string, ObservedService>();
  readonly #routes = new Map<string, string | null>();
  readonly #byAddress = new Map<string, string[]>();
  /** Maps that only we have; the others belong to the observation, and are copied to be changed. */
  readonly #own = new WeakSet<ReadonlyMap<string, ObservedDestination>>();

  constructor(observed: ObservedKernel, owned: readonly Prefix[]) {
    const ours = new Map<string, boolean>();
    const isOurs = (address: string): boolean => {
      const known = ours.get(address) ?? isOwned(owned, address);
      ours.set(address, known);
      return known;
    };
    for (const [key, service] of observed.services) {
      if (isOurs(service.address)) this.#add(key, service);
    }
    for (const [address, source] of observed.routes) {
      if (isOurs(address)) this.#routes.set(address, source);
    }
  }

  /** All of it. */
  get whole(): ObservedKernel {
    return { services: this.#services, routes: this.#routes };
  }

  /** What concerns some addresses. */
  part(addresses: ReadonlySet<string>): ObservedKernel {
    const services = new Map<string, ObservedService>();
    const routes = new Map<string, string | null>();
    for (const address of addresses) {
      for (const key of this.#byAddress.get(address) ?? []) {
        services.set(key, this.#services.get(key)!);
      }
      const source = this.#routes.get(address);
      if (source !== undefined) routes.set(address, source);
    }
    return { services, routes };
  }

  counts(): MirrorCounts {
    let [services, destinations, weightZero] = [0, 0, 0];
    for (const service of this.#services.values()) {
      if (isCatchAll(service)) continue;
      services++;
      destinations += service.destinations.size;
      for (const { weight } of service.destinations.values()) if (weight === 0) weightZero++;
    }
    return { services, destinations, weightZero };
  }

  has(service: string): boolean {
    return this.#services.has(service);
  }

  /** Takes over a change that the kernel has made. */
  change(change: KernelChange): void {
    switch (change.kind) {
      case 'set-route':
        this.#routes.set(change.address, change.source);
        break;
      case 'delete-route':
        this.#routes.delete(change.address);
        break;
      case 'add-service':
      case 'edit-service': {
        const key = serviceKey(change.service);
        const destinations = this.#services.get(key)?.destinations ?? new Map<string, never>();
        this.#add(key, { ...change.service, destinations });
        break;
      }
      case 'delete-service':
        this.#remove(change.service);
        break;
      case 'add-destination':
      case 'edit-destination':
        this.#setDestination(change.service, change.destination);
        break;
      case 'delete-destination':
        this.#destinations(change.service)?.delete(destinationKey(change.destination));
        break;
    }
  }

  /** Whether what a change is about is the same here and there, connections aside. */
  agreesOn(change: KernelChange, other: KernelMirror): boolean {
    return this.#textOf(change) === other.#textOf(change);
  }

  #textOf(change: KernelChange): string {
    if (change.kind === 'set-route' || change.kind === 'delete-route') {
      return String(this.#routes.get(change.address));
    }
    const service = this.#services.get(serviceKey(change.service));
    if (service === undefined) return '';
    if (!('destination' in change)) {
      const { scheduler, schedulerFlags, persistenceSeconds } = service;
      return [scheduler, schedulerFlags, persistenceSeconds].join(' ');
    }
    const found = service.destinations.get(destinationKey(change.destination));
    if (found === undefined) return '';
    const { weight, forwarding, upperThreshold, lowerThreshold } = found;
    return [weight, forwarding, upperThreshold, lowerThreshold].join(' ');
  }

  #add(key: string, service: ObservedService): void {
    if (!this.#services.has(key)) {
      const keys = this.#byAddress.get(service.address);
      if (keys === undefined) this.#byAddress.set(service.address, [key]);
      else keys.push(key);
    }
    this.#services.set(key, service);
  }

  #remove(service: ServiceId): void {
    const key = serviceKey(service);
    this.#services.delete(key);
    const keys = this.#byAddress.get(service.address)?.filter((one) => one !== key) ?? [];
    if (keys.length > 0) this.#byAddress.set(service.address, keys);
    else this.#byAddress.delete(service.address);
  }

  #setDestination(service: ServiceId, destination: Destination): void {
    this.#destinations(service)?.set(destinationKey(destination), {
      ...destination,
      activeConnections: UNKNOWN_CONNECTIONS,
      inactiveConnections: 0,
    });
  }

  /** Destinations of a service, to be changed. */
  #destinations(id: ServiceId): Map<string, ObservedDestination> | null {
    const key = serviceKey(id);
    const service = this.#services.get(key);
    if (service === undefined) return null;
    if (this.#own.has(service.destinations)) {
      return service.destinations as Map<string, ObservedDestination>;
    }
    const destinations = new Map(service.destinations);
    this.#own.add(destinations);
    this.#services.set(key, { ...service, destinations });
    return destinations;
  }
}
