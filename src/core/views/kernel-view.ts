import { changeLine, ipvsadmText } from '../ipvs/ipvsadm-text.ts';
import {
  type DesiredKernel,
  drainKey,
  type Drains,
  isCatchAll,
  isOwned,
  type KernelChange,
  type ObservedKernel,
} from '../ipvs/plan.ts';
import type { Destination, ObservedService, ServiceSettings } from '../ipvs/table.ts';
import type { TrafficCounters } from '../ports.ts';

/** Where an entry of the kernel comes from: `foreign` is what we neither want nor drain. */
type Standing = 'desired' | 'draining' | 'foreign';

/** `/v1/ipvs`. */
export interface IpvsView {
  readonly services: readonly ServiceView[];
  /** Local routes of VIPs. */
  readonly routes: readonly { readonly address: string; readonly source: string | null }[];
  /** What differs from what should be, as the changes that would put it right. */
  readonly drift: readonly string[];
}

interface ServiceView extends ServiceSettings {
  readonly protocol: string;
  readonly address: string;
  readonly port: number;
  /** `catch-all` refuses what no other service of the VIP takes. */
  readonly state: Standing | 'catch-all';
  readonly counters: TrafficCounters | null;
  readonly destinations: readonly DestinationView[];
}

interface DestinationView extends Destination {
  readonly state: Standing;
  readonly activeConnections: number;
  readonly inactiveConnections: number;
}

/** `/v1/ipvs/plan`. */
export interface IpvsPlanView {
  readonly changes: readonly KernelChange[];
  /** The changes for people. */
  readonly lines: readonly string[];
  /** As `ipvsadm --restore` reads them; routes and catch-all services cannot be said. */
  readonly ipvsadm: string;
}

/** The kernel's table with what becomes of each entry. */
export function ipvsView(
  desired: DesiredKernel,
  observed: ObservedKernel,
  drains: Drains,
  counters: ReadonlyMap<string, TrafficCounters>,
  changes: readonly KernelChange[],
): IpvsView {
  const services = [...observed.services].map(([key, service]) =>
    serviceView(key, service, desired, drains, counters),
  );
  const routes = [...observed.routes].map(([address, source]) => ({ address, source }));
  return { services, routes, drift: changes.map(changeLine) };
}

function serviceView(
  key: string,
  service: ObservedService,
  desired: DesiredKernel,
  drains: Drains,
  counters: ReadonlyMap<string, TrafficCounters>,
): ServiceView {
  const { protocol, address, port, scheduler, schedulerFlags, persistenceSeconds } = service;
  const wanted = desired.services.get(key);
  const standing = (isWanted: boolean, isDraining: boolean): Standing =>
    isWanted ? 'desired' : isDraining ? 'draining' : 'foreign';
  const destinations = [...service.destinations].map(([name, destination]) => ({
    ...destination,
    state: standing(wanted?.destinations.has(name) === true, drains.has(drainKey(key, name))),
  }));
  const isOurCatchAll = isCatchAll(service) && isOwned(desired.owned, address);
  const isDraining = destinations.some(({ state }) => state === 'draining');
  return {
    protocol,
    address,
    port,
    scheduler,
    schedulerFlags,
    persistenceSeconds,
    state: isOurCatchAll ? 'catch-all' : standing(wanted !== undefined, isDraining),
    counters: counters.get(key) ?? null,
    destinations,
  };
}

/** What would be changed now. */
export function ipvsPlanView(changes: readonly KernelChange[]): IpvsPlanView {
  return { changes, lines: changes.map(changeLine), ipvsadm: ipvsadmText(changes) };
}
