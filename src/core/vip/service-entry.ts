import { compareText } from '../base/order.ts';
import { append } from '../base/short-list.ts';
import type { SchedulerChoice } from './port-options.ts';
import type { ServiceDraft, ServiceFault } from './service-draft.ts';
import type { VipPort, VipService } from './vip-table.ts';
import type { VipTask } from './vip-task.ts';

/** What is kept of a service: itself, and what it was made of. */
export interface ServiceEntry {
  /** null: a bound left it without a backend. */
  service: VipService | null;
  /** The tasks that declare it, each once; the first of them is that of `origin`. */
  readonly members: readonly VipTask[];
  /** Plain names `<label>.<framework>` that it may stand for, each once. */
  readonly plainNames: readonly string[];
  readonly origin: ServiceFault['origin'];
  readonly faults: readonly ServiceFault[];
  /** How many backends were declared, before those of one place are made one. */
  readonly backendCount: number;
  readonly portCount: number;
}

/** Settles the ports of a service; a named one has no addresses yet. */
export function finishService(draft: ServiceDraft, scheduler: SchedulerChoice): ServiceEntry {
  const { identity, name, framework, address, members, plainNames, origin } = draft;
  const faults: ServiceFault[] = [];
  let ports: VipPort[] = [];
  let backendCount = 0;
  for (const port of draft.ports.all) {
    backendCount += port.backendCount;
    const finished = port.finish(draft, scheduler, faults);
    if (finished.backends.length > 0) ports = append(ports, finished);
  }
  if (ports.length > 1) ports.sort(comparePorts);
  const ipv4 = address?.family === 4 ? address : null;
  const ipv6 = address?.family === 6 ? address : null;
  const service = ports.length > 0 ? { identity, name, framework, ipv4, ipv6, ports } : null;
  const portCount = draft.ports.all.length;
  return {
    service,
    members,
    plainNames: plainNames === null ? NO_NAMES : [...plainNames],
    origin,
    faults: faults.length > 0 ? faults : NO_FAULTS,
    backendCount,
    portCount,
  };
}

const NO_NAMES: readonly string[] = [];
const NO_FAULTS: readonly ServiceFault[] = [];

function comparePorts(a: VipPort, b: VipPort): number {
  return compareText(a.protocol, b.protocol) || a.port - b.port;
}

/** Whether a service needs an address of a family from the pool: it has a name and such backends. */
export function claimsAddress(service: VipService | null, family: 4 | 6): boolean {
  if (service?.name === null || service?.name === undefined) return false;
  // Backends are sorted by family, so that the first and the last tell.
  for (const { backends } of service.ports) {
    if (backends.at(family === 4 ? 0 : -1)?.address.family === family) return true;
  }
  return false;
}

/** That a service got no address of a family, the pool being exhausted; null: it needs none. */
export function exhaustionOf(
  { service, origin }: ServiceEntry,
  side: 'ipv4' | 'ipv6',
): ServiceFault | null {
  const family = side === 'ipv4' ? 4 : 6;
  if (service?.[side] !== null || !claimsAddress(service, family)) return null;
  return { origin, code: 'vip-pool-exhausted', value: `${service.identity} (IPv${family})` };
}

/** By identity; a name that reads like a declared address comes behind it. */
export function compareServices(a: VipService, b: VipService): number {
  return compareText(a.identity, b.identity) || Number(a.name !== null) - Number(b.name !== null);
}
