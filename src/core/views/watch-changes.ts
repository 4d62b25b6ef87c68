import { destinationKey } from '../ipvs/table.ts';
import type { WatchEvent } from '../ports.ts';
import type { VipsViewBackend } from './vips-view.ts';
import type {
  ServiceState,
  VipState,
  WatchEndpoint,
  WatchStates,
  WatchVipPort,
} from './watch-states.ts';

/** What became of a service or VIP; `Difference` is in short what a change consists of. */
interface Change<Kind extends string, Value, Difference> {
  readonly kind: Kind;
  readonly change: 'added' | 'changed' | 'removed';
  readonly name: string;
  /** As it is now, all of it; null: it is gone. */
  readonly value: Value | null;
  /** Only of what is `changed`. */
  readonly difference?: Difference;
}

/** Task ids; a member is only there if it is not empty. */
export interface ServiceDifference {
  readonly endpointsAdded?: readonly string[];
  readonly endpointsRemoved?: readonly string[];
  /** Healthy now and not before, or the other way round. */
  readonly healthChanged?: readonly string[];
  /** Running before, killed now. */
  readonly stateChanged?: readonly string[];
  /** Other addresses, ports, or agent. */
  readonly placeChanged?: readonly string[];
}

/**
 * A member is only there if it is not empty. Ports are written `tcp 80`, backends
 * `tcp 80 10.0.0.1:31000`.
 */
export interface VipDifference {
  readonly addressesAdded?: readonly string[];
  readonly addressesRemoved?: readonly string[];
  readonly programmedChanged?: readonly string[];
  readonly portsAdded?: readonly string[];
  readonly portsRemoved?: readonly string[];
  /** Another scheduler or persistence. */
  readonly settingsChanged?: readonly string[];
  readonly backendsAdded?: readonly string[];
  readonly backendsRemoved?: readonly string[];
  readonly weightChanged?: readonly string[];
  readonly healthChanged?: readonly string[];
  readonly stateChanged?: readonly string[];
  /** Another task behind the same address and port. */
  readonly taskChanged?: readonly string[];
}

export type ServiceChange = Change<'service', ServiceState, ServiceDifference>;
export type VipChange = Change<'vip', VipState, VipDifference>;
export type WatchChange = ServiceChange | VipChange;

/** What became of one service; null: nothing. Either side is null where there is no such service. */
export function serviceChange(
  before: ServiceState | null,
  after: ServiceState | null,
): ServiceChange | null {
  const kind = 'service';
  if (after === null) {
    return before && { kind, change: 'removed', name: before.name, value: null };
  }
  const { name } = after;
  if (before === null) return { kind, change: 'added', name, value: after };
  if (sameService(before, after)) return null;
  const difference = serviceDifference(before, after);
  return { kind, change: 'changed', name, value: after, difference };
}

/** What became of one VIP; null: nothing. Either side is null where there is no such VIP. */
export function vipChange(before: VipState | null, after: VipState | null): VipChange | null {
  const kind = 'vip';
  if (after === null) {
    return before && { kind, change: 'removed', name: before.identity, value: null };
  }
  const { identity: name } = after;
  if (before === null) return { kind, change: 'added', name, value: after };
  if (sameVip(before, after)) return null;
  return { kind, change: 'changed', name, value: after, difference: vipDifference(before, after) };
}

/** What became of everything: first what is gone, then the others in the order of `after`. */
export function watchChanges(before: WatchStates, after: WatchStates): WatchChange[] {
  const changes: (WatchChange | null)[] = [];
  for (const [name, state] of before.services) {
    if (!after.services.has(name)) changes.push(serviceChange(state, null));
  }
  for (const [name, state] of before.vips) {
    if (!after.vips.has(name)) changes.push(vipChange(state, null));
  }
  for (const [name, state] of after.services) {
    const old = before.services.get(name) ?? null;
    if (old !== state) changes.push(serviceChange(old, state));
  }
  for (const [name, state] of after.vips) {
    const old = before.vips.get(name) ?? null;
    if (old !== state) changes.push(vipChange(old, state));
  }
  return changes.filter((change) => change !== null);
}

/** A change as the main thread passes it on without reading it. */
export function watchEvent({ kind, ...told }: WatchChange): WatchEvent {
  return { kind, name: told.name, text: JSON.stringify(told) };
}

function sameService(a: ServiceState, b: ServiceState): boolean {
  return a === b || (a.fqdn === b.fqdn && sameLists(a.endpoints, b.endpoints, sameEndpoint));
}

// Member by member, as `sameValue` takes several times as long, and thousands are compared.
function sameEndpoint(a: WatchEndpoint, b: WatchEndpoint): boolean {
  return a === b || (a.taskId === b.taskId && sameHealth(a, b) && samePlace(a, b));
}

function sameHealth(a: WatchEndpoint, b: WatchEndpoint): boolean {
  return a.healthy === b.healthy && a.state === b.state;
}

function samePlace(a: WatchEndpoint, b: WatchEndpoint): boolean {
  return (
    a.agent === b.agent &&
    sameLists(a.addresses, b.addresses, Object.is) &&
    sameLists(a.agentAddresses, b.agentAddresses, Object.is) &&
    sameLists(
      a.ports,
      b.ports,
      (one, other) =>
        one.port === other.port &&
        one.name === other.name &&
        one.on === other.on &&
        sameLists(one.protocols, other.protocols, Object.is),
    )
  );
}

function sameVip(a: VipState, b: VipState): boolean {
  return (
    a === b ||
    (a.fqdn === b.fqdn &&
      a.name === b.name &&
      sameLists(
        a.addresses,
        b.addresses,
        (one, other) => one.address === other.address && one.programmed === other.programmed,
      ) &&
      sameLists(a.ports, b.ports, samePort))
  );
}

function samePort(a: WatchVipPort, b: WatchVipPort): boolean {
  return (
    a.port === b.port &&
    a.protocol === b.protocol &&
    sameSettings(a, b) &&
    sameLists(
      a.backend,
      b.backend,
      (one, other) =>
        one.ip === other.ip &&
        one.port === other.port &&
        one.weight === other.weight &&
        one.healthy === other.healthy &&
        one.state === other.state &&
        sameTask(one, other),
    )
  );
}

function sameSettings(a: WatchVipPort, b: WatchVipPort): boolean {
  return a.scheduler === b.scheduler && a.persistenceSeconds === b.persistenceSeconds;
}

function sameTask(a: VipsViewBackend, b: VipsViewBackend): boolean {
  return a.taskId === b.taskId && a.agent === b.agent;
}

function sameLists<T>(
  a: readonly T[],
  b: readonly T[],
  same: (one: T, other: T) => boolean,
): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!same(a[i]!, b[i]!)) return false;
  return true;
}

function serviceDifference(before: ServiceState, after: ServiceState): ServiceDifference {
  // Tasks of frameworks with one name may have one id; then this says less, and the value all.
  const was = new Map(before.endpoints.map((endpoint) => [endpoint.taskId, endpoint]));
  const found = new Findings<keyof ServiceDifference>();
  for (const endpoint of after.endpoints) {
    const { taskId } = endpoint;
    const old = was.get(taskId);
    was.delete(taskId);
    if (old === undefined) {
      found.add('endpointsAdded', taskId);
      continue;
    }
    if (old.healthy !== endpoint.healthy) found.add('healthChanged', taskId);
    if (old.state !== endpoint.state) found.add('stateChanged', taskId);
    if (!samePlace(old, endpoint)) found.add('placeChanged', taskId);
  }
  for (const taskId of was.keys()) found.add('endpointsRemoved', taskId);
  return found.lists;
}

function vipDifference(before: VipState, after: VipState): VipDifference {
  const found = new Findings<keyof VipDifference>();
  const addresses = new Map(before.addresses.map((one) => [one.address, one.programmed]));
  for (const { address, programmed } of after.addresses) {
    const was = addresses.get(address);
    addresses.delete(address);
    if (was === undefined) found.add('addressesAdded', address);
    else if (was !== programmed) found.add('programmedChanged', address);
  }
  for (const address of addresses.keys()) found.add('addressesRemoved', address);
  const ports = new Map(before.ports.map((port) => [portText(port), port]));
  for (const port of after.ports) {
    const text = portText(port);
    const was = ports.get(text);
    ports.delete(text);
    if (was === undefined) found.add('portsAdded', text);
    else portDifference(text, was, port, found);
  }
  for (const text of ports.keys()) found.add('portsRemoved', text);
  return found.lists;
}

function portDifference(
  text: string,
  before: WatchVipPort,
  after: WatchVipPort,
  found: Findings<keyof VipDifference>,
): void {
  if (!sameSettings(before, after)) found.add('settingsChanged', text);
  const key = ({ ip, port }: { ip: string; port: number }): string =>
    `${text} ${destinationKey({ address: ip, port })}`;
  const backends = new Map(before.backend.map((backend) => [key(backend), backend]));
  for (const backend of after.backend) {
    const name = key(backend);
    const was = backends.get(name);
    backends.delete(name);
    if (was === undefined) {
      found.add('backendsAdded', name);
      continue;
    }
    if (was.weight !== backend.weight) found.add('weightChanged', name);
    if (was.healthy !== backend.healthy) found.add('healthChanged', name);
    if (was.state !== backend.state) found.add('stateChanged', name);
    if (!sameTask(was, backend)) found.add('taskChanged', name);
  }
  for (const name of backends.keys()) found.add('backendsRemoved', name);
}

function portText({ protocol, port }: WatchVipPort): string {
  return `${protocol} ${port}`;
}

/** Lists that come into being with their first item. */
class Findings<Key extends string> {
  readonly lists: Partial<Record<Key, string[]>> = {};

  add(key: Key, item: string): void {
    (this.lists[key] ??= []).push(item);
  }
}
