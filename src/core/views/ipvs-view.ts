import type { IpAddress } from '../base/address.ts';
import type { RejectionList } from '../base/rejection.ts';
import {
  type Destination,
  destinationKey,
  serviceKey,
  type ServiceSettings,
  type VirtualService,
} from '../ipvs/table.ts';
import type { VipChanges } from '../vip/vip-index.ts';
import type { Backend, VipPort, VipService, VipTable } from '../vip/vip-table.ts';

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
}

/** Texts of the services that IPVS should hold, by `serviceKey`: equal texts, equal services. */
export type DesiredMemory = Map<string, string>;

/**
 * What IPVS should hold on one node for all VIPs, by `serviceKey`. A service exists in each family
 * in which its VIP has an address and the port a backend; weight 0 is kept. `localAddresses` are
 * texts of this node's own addresses: IPVS bypasses the node's port mappings, so backends there are
 * reached where their own agent reaches them. A VIP that is one of them is left out, since its route
 * would take the place of the node's own.
 */
export function desiredServices(
  vips: VipTable,
  localAddresses: ReadonlySet<string>,
): Map<string, VirtualService> {
  const services = new Map<string, VirtualService>();
  for (const one of vips.services) {
    for (const [vip, port] of balancedPorts(one, localAddresses)) {
      const service = serviceAt(vip, port, localAddresses);
      if (service.destinations.size > 0) services.set(serviceKey(service), service);
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
  const { forwarding, weight, upperThreshold, lowerThreshold } = backend;
  const { address, port } = placeOf(backend, localAddresses);
  return { address: address.text, port, forwarding, weight, upperThreshold, lowerThreshold };
}

function placeOf(
  backend: Backend,
  localAddresses: ReadonlySet<string>,
): { readonly address: IpAddress; readonly port: number } {
  const { onAgent, address } = backend;
  const isHere = onAgent?.address.family === address.family && localAddresses.has(address.text);
  return isHere ? onAgent : backend;
}

function settingsOf(settings: ServiceSettings): ServiceSettings {
  const { scheduler, schedulerFlags, persistenceSeconds } = settings;
  return { scheduler, schedulerFlags, persistenceSeconds };
}

/** Reports VIPs that `desiredServices` leaves out because the node has their address itself. */
export function rejectOwnAddresses(
  vips: VipTable,
  localAddresses: readonly string[],
  rejections: RejectionList,
): void {
  const local = new Set(localAddresses);
  for (const { identity, ipv4, ipv6 } of vips.services) {
    for (const vip of [ipv4, ipv6]) {
      if (vip !== null && local.has(vip.text)) {
        rejections.add(`vips.${identity}`, 'vip-is-node-address', vip.text);
      }
    }
  }
}

/**
 * What changed since the call before, which left `memory`, in the services that `desiredServices`
 * would give; empty: everything is new. Runs for every service, so objects are made only of what
 * changed.
 */
export function desiredDifference(
  memory: DesiredMemory,
  vips: VipTable,
  localAddresses: ReadonlySet<string>,
): DesiredDifference {
  return differenceOf(memory, new Set(memory.keys()), vips.services, localAddresses);
}

/** The same where only some services are different: `before` is what they were, `changed` are. */
export function desiredChange(
  memory: DesiredMemory,
  { before, changed }: Pick<VipChanges, 'before' | 'changed'>,
  localAddresses: ReadonlySet<string>,
): DesiredDifference {
  const left = new Set<string>();
  for (const service of before) {
    for (const [vip, port] of balancedPorts(service, localAddresses)) left.add(keyAt(vip, port));
  }
  return differenceOf(memory, left, changed, localAddresses);
}

/** `left`: keys of which those that no service has any more are removed. */
function differenceOf(
  memory: DesiredMemory,
  left: Set<string>,
  vips: readonly VipService[],
  localAddresses: ReadonlySet<string>,
): DesiredDifference {
  const services: ListedService[] = [];
  for (const service of vips) {
    for (const [vip, port] of balancedPorts(service, localAddresses)) {
      const text = signature(vip, port, localAddresses);
      if (text === '') continue;
      const key = keyAt(vip, port);
      left.delete(key);
      if (memory.get(key) === text) continue;
      memory.set(key, text);
      services.push(listed(serviceAt(vip, port, localAddresses)));
    }
  }
  return { services, removed: [...left].filter((key) => memory.delete(key)) };
}

function* balancedPorts(
  { ipv4, ipv6, ports }: VipService,
  localAddresses: ReadonlySet<string>,
): Generator<readonly [vip: IpAddress, port: VipPort]> {
  for (const vip of [ipv4, ipv6]) {
    if (vip === null || localAddresses.has(vip.text)) continue;
    for (const port of ports) yield [vip, port];
  }
}

function keyAt(vip: IpAddress, { protocol, port }: VipPort): string {
  return serviceKey({ protocol, address: vip.text, port });
}

function listed(service: VirtualService): ListedService {
  return { ...service, destinations: [...service.destinations.values()] };
}

/** Text that two services share if they are the same; '' for one without destinations. */
function signature(vip: IpAddress, port: VipPort, localAddresses: ReadonlySet<string>): string {
  let text = '';
  for (const backend of port.backends) {
    if (backend.address.family !== vip.family) continue;
    const { forwarding, weight, upperThreshold, lowerThreshold } = backend;
    const place = placeOf(backend, localAddresses);
    text +=
      `;${place.address.text} ${place.port} ${forwarding} ${weight} ` +
      `${upperThreshold} ${lowerThreshold}`;
  }
  if (text === '') return '';
  return `${port.scheduler} ${port.schedulerFlags} ${port.persistenceSeconds}${text}`;
}
