import { parseIpAddress } from '../base/address.ts';
import { assert } from '../base/assert.ts';
import { compareText } from '../base/order.ts';
import { type Prefix, prefixContains } from '../base/prefix.ts';
import {
  type Destination,
  type DestinationId,
  type IpvsTable,
  type ObservedDestination,
  type ObservedService,
  type ServiceId,
  serviceKey,
  type ServiceSettings,
  type VirtualService,
} from './table.ts';

/** One change of the kernel; a plan is a list of them, in the order in which they are made. */
export type KernelChange =
  | { readonly kind: 'add-service' | 'edit-service'; readonly service: ServiceId & ServiceSettings }
  | { readonly kind: 'delete-service'; readonly service: ServiceId }
  | {
      readonly kind: 'add-destination' | 'edit-destination';
      readonly service: ServiceId;
      readonly destination: Destination;
    }
  | {
      readonly kind: 'delete-destination';
      readonly service: ServiceId;
      readonly destination: DestinationId;
    }
  /** Local route of a VIP; `source` is what local clients use as their own address. */
  | { readonly kind: 'set-route'; readonly address: string; readonly source: string }
  | { readonly kind: 'delete-route'; readonly address: string };

/** What the kernel should hold for us. */
export interface DesiredKernel {
  /** Where we own everything; nothing else is ever changed. */
  readonly owned: readonly Prefix[];
  /** Services with backends, without the catch-all ones of port 0, which the plan adds. */
  readonly services: IpvsTable;
  /** Addresses of this node by family; null: none, and so no route of that family is made. */
  readonly source: { readonly ipv4: string | null; readonly ipv6: string | null };
  /** false: what is missing in `services` may be missing by mistake, and stays in the kernel. */
  readonly mayRemove: boolean;
  /** true: `services` may be older than the kernel, whose services stay as they are; none goes. */
  readonly additionsOnly?: boolean;
}

/** What the kernel holds. */
export interface ObservedKernel {
  readonly services: IpvsTable<ObservedService>;
  /** Source address by VIP, of our local routes; null for a route without one. */
  readonly routes: ReadonlyMap<string, string | null>;
}

/** When draining began, monotonic milliseconds, by `<serviceKey> <destinationKey>`. */
export type Drains = ReadonlyMap<string, number>;

export interface KernelPlan {
  readonly changes: readonly KernelChange[];
  /** What is draining once the changes are made. */
  readonly drains: Drains;
}

/** The plan's other inputs: time is a value. */
export interface PlanTime {
  /** Monotonic milliseconds. */
  readonly now: number;
  /** How long connections to a removed destination may go on. */
  readonly drainMs: number;
}

/** Protocols whose other ports a VIP refuses, so that no daemon of the host answers on them. */
export const CATCH_ALL_PROTOCOLS = ['tcp', 'udp'] as const;

/** A service that takes the ports of a VIP nobody else has, and refuses them: it is empty. */
const CATCH_ALL: ServiceSettings = { scheduler: 'rr', schedulerFlags: 0, persistenceSeconds: 0 };

/** Whether an address lies where we own everything. */
export function isOwned(owned: readonly Prefix[], address: string): boolean {
  const parsed = parseIpAddress(address);
  return parsed !== null && owned.some((prefix) => prefixContains(prefix, parsed));
}

/** Whether a service is one of those that the plan adds for each VIP. */
export function isCatchAll({ protocol, port }: ServiceId): boolean {
  return port === 0 && protocol !== 'sctp';
}

/** Key of a destination of a service in `Drains`. */
export function drainKey(service: string, destination: string): string {
  return `${service} ${destination}`;
}

/** The address of the service in a key of `Drains`. */
export function drainAddress(key: string): string {
  const start = key.indexOf(' ') + 1;
  const endpoint = key.slice(start, key.indexOf(' ', start));
  const address = endpoint.slice(0, endpoint.lastIndexOf(':'));
  return address.startsWith('[') ? address.slice(1, -1) : address;
}

/** The source address of an address' family. */
export function sourceFor(source: DesiredKernel['source'], address: string): string | null {
  return address.includes(':') ? source.ipv6 : source.ipv4;
}

/**
 * What to change so that the kernel holds what it should; the order matters. First what is new:
 * services with their destinations, catch-all services, and routes last, since from then on packets
 * come. Then what goes: weights to 0, destinations, services, and routes before catch-all services,
 * since as long as there is a route they alone keep packets from the daemons of the host. As
 * additions come first, no service is without a destination in between. All addresses take each
 * step together, as the kernel takes changes of one kind in batches.
 */
export function planIpvs(
  desired: DesiredKernel,
  observed: ObservedKernel,
  drains: Drains,
  time: PlanTime,
): KernelPlan {
  const round: Round = { desired, observed, drains, time, draining: new Map() };
  const plans: AddressPlan[] = [];
  // Of 10,000 addresses hardly any has changes.
  let unused: Steps = new Map();
  for (const [address, state] of addressStates(desired, observed)) {
    if (!isOwned(desired.owned, address)) continue;
    planAddress(round, address, state, unused);
    if (unused.size === 0) continue;
    plans.push({ address, steps: unused });
    unused = new Map();
  }
  plans.sort((a, b) => compareText(a.address, b.address));
  const changes = STEPS.flatMap((step) => plans.flatMap(({ steps }) => steps.get(step) ?? []));
  return { changes, drains: round.draining };
}

/** Inputs of one plan, and the drains that it finds or starts. */
interface Round {
  readonly desired: DesiredKernel;
  readonly observed: ObservedKernel;
  readonly drains: Drains;
  readonly time: PlanTime;
  readonly draining: Map<string, number>;
}

interface AddressPlan {
  readonly address: string;
  readonly steps: Steps;
}

/** A service as it should be and as it is; one of them may be missing. */
interface ServicePair {
  readonly key: string;
  readonly wanted: VirtualService | null;
  readonly found: ObservedService | null;
}

/** What concerns one address. */
interface AddressState {
  readonly services: ServicePair[];
  /** Those that exist. */
  readonly catchAlls: ObservedService[];
}

/** In which order changes are made. */
const STEPS = [
  'additions',
  'routes',
  'zeroings',
  'destinations',
  'services',
  'unroutings',
  'catchAlls',
] as const;

type Step = (typeof STEPS)[number];

/** Changes of one address. */
type Steps = Map<Step, KernelChange[]>;

function add(steps: Steps, step: Step, change: KernelChange): void {
  const list = steps.get(step);
  if (list === undefined) steps.set(step, [change]);
  else list.push(change);
}

function addressStates(
  desired: DesiredKernel,
  observed: ObservedKernel,
): ReadonlyMap<string, AddressState> {
  const states = new Map<string, AddressState>();
  const stateOf = (address: string): AddressState => {
    let state = states.get(address);
    if (state === undefined) {
      state = { services: [], catchAlls: [] };
      states.set(address, state);
    }
    return state;
  };
  for (const [key, wanted] of desired.services) {
    assert(!isCatchAll(wanted), 'catch-all services are added by the plan alone');
    const found = observed.services.get(key) ?? null;
    stateOf(wanted.address).services.push({ key, wanted, found });
  }
  for (const [key, found] of observed.services) {
    if (isCatchAll(found)) stateOf(found.address).catchAlls.push(found);
    else if (!desired.services.has(key)) {
      stateOf(found.address).services.push({ key, wanted: null, found });
    }
  }
  for (const address of observed.routes.keys()) stateOf(address);
  return states;
}

function planAddress(round: Round, address: string, state: AddressState, steps: Steps): void {
  const { mayRemove, source } = round.desired;
  if (state.services.length > 1) state.services.sort((a, b) => compareText(a.key, b.key));
  state.catchAlls.sort((a, b) => compareText(a.protocol, b.protocol));
  let isHeld = false;
  for (const pair of state.services) isHeld = planService(round, pair, steps) || isHeld;
  for (const found of state.catchAlls) {
    isHeld = planDestinations(round, serviceKey(found), null, found, steps) > 0 || isHeld;
  }
  const hasRoute = round.observed.routes.has(address);
  if (isHeld || (hasRoute && !mayRemove)) {
    addCatchAlls(address, state.catchAlls, steps);
    const wantedSource = sourceFor(source, address);
    const isRight = round.observed.routes.get(address) === wantedSource;
    if (isHeld && wantedSource !== null && !isRight) {
      add(steps, 'routes', { kind: 'set-route', address, source: wantedSource });
    }
  } else if (mayRemove) {
    if (hasRoute) add(steps, 'unroutings', { kind: 'delete-route', address });
    for (const found of state.catchAlls) {
      add(steps, 'catchAlls', { kind: 'delete-service', service: idOf(found) });
    }
  }
}

function addCatchAlls(address: string, found: readonly ObservedService[], steps: Steps): void {
  for (const protocol of CATCH_ALL_PROTOCOLS) {
    const service = { protocol, address, port: 0, ...CATCH_ALL };
    const existing = found.find((one) => one.protocol === protocol);
    if (existing === undefined) add(steps, 'additions', { kind: 'add-service', service });
    else if (settingsDiffer(service, existing)) {
      add(steps, 'additions', { kind: 'edit-service', service });
    }
  }
}

/** Whether the service is there after the plan. */
function planService(round: Round, pair: ServicePair, steps: Steps): boolean {
  const { key, wanted, found } = pair;
  if (found !== null && round.desired.additionsOnly === true) return true;
  if (wanted !== null) {
    const service = { ...idOf(wanted), ...settingsOf(wanted) };
    if (found === null) add(steps, 'additions', { kind: 'add-service', service });
    else if (settingsDiffer(wanted, found)) {
      add(steps, 'additions', { kind: 'edit-service', service });
    }
  }
  const left = planDestinations(round, key, wanted, found, steps);
  if (wanted !== null || found === null) return wanted !== null;
  if (left > 0 || !round.desired.mayRemove) return true;
  add(steps, 'services', { kind: 'delete-service', service: idOf(found) });
  return false;
}

/** How many destinations the service has after the plan. */
function planDestinations(
  round: Round,
  key: string,
  wanted: VirtualService | null,
  found: ObservedService | null,
  steps: Steps,
): number {
  let left = 0;
  /** Destinations that are both wanted and found. */
  let matched = 0;
  for (const [name, destination] of wanted?.destinations ?? []) {
    if (isAbsent(wanted!, destination)) continue;
    left++;
    const existing = found?.destinations.get(name);
    if (existing !== undefined) matched++;
    planWanted(wanted!, destination, existing, steps);
  }
  if (found === null || found.destinations.size === matched) return left;
  for (const [name, destination] of found.destinations) {
    const twin = wanted?.destinations.get(name);
    if (twin !== undefined && !isAbsent(wanted!, twin)) continue;
    // What is wanted with weight 0 is not missing by mistake.
    const mayGo = round.desired.mayRemove || twin !== undefined;
    if (planUnwanted(round, drainKey(key, name), mayGo, found, destination, steps)) left++;
  }
  return left;
}

/** A UDP flow sticks to its destination even at weight 0, for ever: only its removal ends it. */
function isAbsent({ protocol }: ServiceId, { weight }: Destination): boolean {
  return protocol === 'udp' && weight === 0;
}

function planWanted(
  wanted: ServiceId,
  destination: Destination,
  existing: ObservedDestination | undefined,
  steps: Steps,
): void {
  const service = idOf(wanted);
  if (existing === undefined) {
    add(steps, 'additions', { kind: 'add-destination', service, destination });
  } else if (destinationsDiffer(destination, existing)) {
    // A weight that falls to 0 waits until others have got theirs.
    const step = destination.weight === 0 ? 'zeroings' : 'additions';
    add(steps, step, { kind: 'edit-destination', service, destination });
  }
}

/** Drains or removes a destination; whether it is there after the plan. */
function planUnwanted(
  round: Round,
  key: string,
  mayGo: boolean,
  found: ServiceId,
  destination: ObservedDestination,
  steps: Steps,
): boolean {
  const { drains, draining, time } = round;
  const began = drains.get(key);
  if (!mayGo) {
    // The deadline of a drain under way stays.
    if (began !== undefined) draining.set(key, began);
    return true;
  }
  const service = idOf(found);
  const { address, port, forwarding, upperThreshold, lowerThreshold } = destination;
  const isOver = (since: number): boolean =>
    destination.activeConnections === 0 || time.now - since >= time.drainMs;
  if (found.protocol !== 'udp') {
    if (destination.weight !== 0) {
      const rest = { address, port, forwarding, upperThreshold, lowerThreshold };
      const drained = { ...rest, weight: 0 };
      add(steps, 'zeroings', { kind: 'edit-destination', service, destination: drained });
    }
    // Connections that are counted while the weight is not 0 say nothing about the next moment.
    if (destination.weight !== 0 || began === undefined || !isOver(began)) {
      draining.set(key, began ?? time.now);
      return true;
    }
  }
  const id: DestinationId = { address, port };
  add(steps, 'destinations', { kind: 'delete-destination', service, destination: id });
  return false;
}

function idOf({ protocol, address, port }: ServiceId): ServiceId {
  return { protocol, address, port };
}

function settingsOf(settings: ServiceSettings): ServiceSettings {
  const { scheduler, schedulerFlags, persistenceSeconds } = settings;
  return { scheduler, schedulerFlags, persistenceSeconds };
}

function settingsDiffer(a: ServiceSettings, b: ServiceSettings): boolean {
  return (
    a.scheduler !== b.scheduler ||
    a.schedulerFlags !== b.schedulerFlags ||
    a.persistenceSeconds !== b.persistenceSeconds
  );
}

function destinationsDiffer(a: Destination, b: Destination): boolean {
  return (
    a.weight !== b.weight ||
    a.forwarding !== b.forwarding ||
    a.upperThreshold !== b.upperThreshold ||
    a.lowerThreshold !== b.lowerThreshold
  );
}
