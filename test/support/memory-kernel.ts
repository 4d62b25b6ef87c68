import { parseIpAddress } from '../../src/core/base/address.ts';
import { DaemonError, type ErrorCode } from '../../src/core/base/daemon-error.ts';
import type { Prefix } from '../../src/core/base/prefix.ts';
import type { KernelChange, ObservedKernel } from '../../src/core/ipvs/plan.ts';
import {
  type Destination,
  destinationKey,
  type ObservedDestination,
  type ObservedService,
  type ServiceId,
  serviceKey,
  type ServiceSettings,
} from '../../src/core/ipvs/table.ts';
import type { ChangeFailure, Kernel, SysctlStatus, TrafficCounters } from '../../src/core/ports.ts';

interface MemoryService extends ServiceId, ServiceSettings {
  readonly destinations: Map<string, ObservedDestination>;
}

/** Tables that behave as IPVS and the routing table do, errors included; nothing is checked else. */
export class MemoryTables {
  readonly services: Map<string, MemoryService> = new Map<string, MemoryService>();
  readonly routes: Map<string, string | null> = new Map<string, string | null>();

  /** Makes a change, or says with which errno the kernel refuses it. */
  change(change: KernelChange): string | null {
    switch (change.kind) {
      case 'set-route':
        this.routes.set(change.address, change.source);
        return null;
      case 'delete-route':
        return this.routes.delete(change.address) ? null : 'ESRCH';
      case 'add-service':
        return this.#addService(change.service);
      case 'edit-service':
        return this.#editService(change.service);
      case 'delete-service':
        return this.services.delete(serviceKey(change.service)) ? null : 'ESRCH';
      case 'add-destination':
      case 'edit-destination':
        return this.#setDestination(change.kind, change.service, change.destination);
      case 'delete-destination': {
        const service = this.services.get(serviceKey(change.service));
        if (service === undefined) return 'ESRCH';
        return service.destinations.delete(destinationKey(change.destination)) ? null : 'ENOENT';
      }
    }
  }

  /** Sets how many connections a destination has; false if there is no such destination. */
  connect(service: string, destination: string, activeConnections: number): boolean {
    const destinations = this.services.get(service)?.destinations;
    const existing = destinations?.get(destination);
    if (existing === undefined) return false;
    destinations!.set(destination, { ...existing, activeConnections });
    return true;
  }

  /** A copy that later changes leave alone. */
  observe(): ObservedKernel {
    const services = new Map<string, ObservedService>();
    for (const [key, service] of this.services) {
      services.set(key, { ...service, destinations: new Map(service.destinations) });
    }
    return { services, routes: new Map(this.routes) };
  }

  #addService(service: ServiceId & ServiceSettings): string | null {
    const key = serviceKey(service);
    if (this.services.has(key)) return 'EEXIST';
    this.services.set(key, { ...service, destinations: new Map() });
    return null;
  }

  #editService(service: ServiceId & ServiceSettings): string | null {
    const key = serviceKey(service);
    const existing = this.services.get(key);
    if (existing === undefined) return 'ESRCH';
    this.services.set(key, { ...service, destinations: existing.destinations });
    return null;
  }

  #setDestination(
    kind: 'add-destination' | 'edit-destination',
    id: ServiceId,
    destination: Destination,
  ): string | null {
    const service = this.services.get(serviceKey(id));
    if (service === undefined) return 'ESRCH';
    if (familyOf(id.address) !== familyOf(destination.address)) return 'EINVAL';
    if (destination.weight < 0) return 'ERANGE';
    const key = destinationKey(destination);
    const existing = service.destinations.get(key);
    if (kind === 'add-destination' && existing !== undefined) return 'EEXIST';
    if (kind === 'edit-destination' && existing === undefined) return 'ENOENT';
    const { activeConnections = 0, inactiveConnections = 0 } = existing ?? {};
    service.destinations.set(key, { ...destination, activeConnections, inactiveConnections });
    return null;
  }
}

function familyOf(address: string): number {
  return parseIpAddress(address)?.family ?? 0;
}

/** One call of a method of `Kernel`. */
export type KernelCall = Exclude<keyof Kernel, 'close'>;

/** A kernel of a test: tables, faults to order, and a record of what was asked of it. */
export class MemoryKernel implements Kernel {
  readonly tables: MemoryTables = new MemoryTables();
  /** Methods that were called, in order. */
  readonly calls: KernelCall[] = [];
  /** One list for each call of `apply`. */
  readonly applied: (readonly KernelChange[])[] = [];
  /** Errors with which methods reject until they are taken out. */
  readonly broken: Map<KernelCall, ErrorCode> = new Map<KernelCall, ErrorCode>();
  /** Errno with which a change is refused; null: it is made if the tables allow. */
  refuse: (change: KernelChange) => string | null = () => null;
  /** Called before a method does anything: to hold it up or to interfere. */
  before: (call: KernelCall) => Promise<void> | void = () => undefined;
  /** Source addresses by the address that is asked for. */
  readonly sources: Map<string, string> = new Map<string, string>();
  readonly traffic: Map<string, TrafficCounters> = new Map<string, TrafficCounters>();
  sysctlList: readonly SysctlStatus[] = [];
  /** Prefixes in the SNAT rules; null: there are no rules. */
  snat: readonly string[] | null = null;
  /** Services whose thresholds were asked for last. */
  exact: readonly ServiceId[] = [];
  isClosed = false;
  #running = 0;

  prepare(): Promise<void> {
    return this.#call('prepare', () => undefined);
  }

  observe(exact: readonly ServiceId[] = []): Promise<ObservedKernel> {
    return this.#call('observe', () => {
      this.exact = exact;
      return this.tables.observe();
    });
  }

  apply(changes: readonly KernelChange[]): Promise<readonly ChangeFailure[]> {
    return this.#call('apply', () => {
      this.applied.push(changes);
      return changes.flatMap((change) => {
        const errno = this.refuse(change) ?? this.tables.change(change);
        return errno === null ? [] : [{ change, errno, message: `the kernel says ${errno}` }];
      });
    });
  }

  sourceAddress(towards: string): Promise<string | null> {
    return this.#call('sourceAddress', () => this.sources.get(towards) ?? null);
  }

  counters(): Promise<ReadonlyMap<string, TrafficCounters>> {
    return this.#call('counters', () => this.traffic);
  }

  sysctls(): Promise<readonly SysctlStatus[]> {
    return this.#call('sysctls', () => this.sysctlList);
  }

  setSnat(prefixes: readonly Prefix[] | null): Promise<void> {
    return this.#call('setSnat', () => {
      this.snat = prefixes === null ? null : prefixes.map(({ text }) => text);
    });
  }

  removeInterface(): Promise<void> {
    return this.#call('removeInterface', () => this.tables.routes.clear());
  }

  close(): void {
    this.isClosed = true;
  }

  /** All changes that were made or refused so far. */
  get changes(): readonly KernelChange[] {
    return this.applied.flat();
  }

  async #call<T>(call: KernelCall, work: () => T): Promise<T> {
    if (this.isClosed) throw new Error(`${call} after close`);
    if (this.#running > 0) throw new Error(`${call} while another call runs`);
    this.#running++;
    this.calls.push(call);
    try {
      await this.before(call);
      const code = this.broken.get(call);
      if (code !== undefined) throw new DaemonError(code, `the test broke ${call}`);
      return work();
    } finally {
      this.#running--;
    }
  }
}
