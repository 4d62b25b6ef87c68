import type { IpAddress } from '../base/address.ts';
import {
  type Destination,
  destinationKey,
  serviceKey,
  type ServiceSettings,
  type VirtualService,
} from '../ipvs/table.ts';
import type { Backend, VipPort, VipTable } from '../vip/vip-table.ts';

/** A virtual service as JSON can say it. */
export interface ListedService extends Omit<VirtualService, 'destinations'> {
  readonly destinations: readonly Destination[];
}

/** What is different from the table before. */
export interface DesiredDifference {
  /** New or changed, each with all of its destinations. */
  readonly services: readonly ListedService[];
  /** Keys of services that are gone. */
  readonly removed: readonly string[];
  /** What the next call takes as `previous`. */
  readonly memory: ReadonlyMap<string, string>;
}

/**
 * What IPVS should hold on one node for all VIPs, by `serviceKey`. A service exists in each family
 * in which its VIP has an address and the port a backend; weight 0 is kept. `localAddresses` are
 * texts of this node's own addresses: IPVS bypasses the node's port mappings, so backends there are
 * reached where their own agent reaches them.
 */
export function desiredServices(
  vips: VipTable,
  localAddresses: ReadonlySet<string>,
): Map<string, VirtualService> {
  const services = new Map<string, VirtualService>();
  for (const { ipv4, ipv6, ports } of vips.services) {
    for (const vip of [ipv4, ipv6]) {
      if (vip === null) continue;
      for (const port of ports) {
        const service = serviceAt(vip, port, localAddresses);
        if (service.destinations.size > 0) services.set(serviceKey(service), service);
      }
    }
  }
  return services;
}

function serviceAt(
  vip: IpAddress,
  port: VipPort,
  localAddresses: ReadonlySet<string>,
): VirtualService {
  const destinations = new Map<string, Destination>();
  for (const backend of port.backends) {
    if (backend.address.family !== vip.family) continue;
    const destination = destinationOf(backend, localAddresses);
    const key = destinationKey(destination);
    // Two backends that are one place to this node: it gets connections if either should.
    if ((destinations.get(key)?.weight ?? 0) === 0) destinations.set(key, destination);
  }
  const id = { protocol: port.protocol, address: vip.text, port: port.port };
  return { ...id, ...settingsOf(port), destinations };
}

function destinationOf(backend: Backend, localAddresses: ReadonlySet<string>): Destination {
  const { onAgent, forwarding, weight, upperThreshold, lowerThreshold } = backend;
  const isHere =
    onAgent?.address.family === backend.address.family && localAddresses.has(backend.address.text);
  const { address, port } = isHere ? onAgent : backend;
  return { address: address.text, port, forwarding, weight, upperThreshold, lowerThreshold };
}

function settingsOf(settings: ServiceSettings): ServiceSettings {
  const { scheduler, schedulerFlags, persistenceSeconds } = settings;
  return { scheduler, schedulerFlags, persistenceSeconds };
}

/** What changed since `previous`, the memory of the call before; empty: everything is new. */
export function diffDesired(
  previous: ReadonlyMap<string, string>,
  next: ReadonlyMap<string, VirtualService>,
): DesiredDifference {
  const services: ListedService[] = [];
  const memory = new Map<string, string>();
  for (const [key, service] of next) {
    const listed = listService(service);
    const text = JSON.stringify(listed);
    memory.set(key, text);
    if (previous.get(key) !== text) services.push(listed);
  }
  const removed = [...previous.keys()].filter((key) => !next.has(key));
  return { services, removed, memory };
}

/** Destinations sorted by key, so that an order that changed is no change. */
function listService(service: VirtualService): ListedService {
  const { protocol, address, port } = service;
  const sorted = [...service.destinations].sort(([a], [b]) => (a < b ? -1 : Number(a > b)));
  const destinations = sorted.map(([, destination]) => destination);
  return { protocol, address, port, ...settingsOf(service), destinations };
}
