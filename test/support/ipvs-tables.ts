import { assert } from '../../src/core/base/assert.ts';
import { parsePrefix, type Prefix } from '../../src/core/base/prefix.ts';
import type { DesiredKernel, ObservedKernel } from '../../src/core/ipvs/plan.ts';
import {
  type Destination,
  destinationKey,
  type ObservedService,
  type Protocol,
  PROTOCOLS,
  serviceKey,
  type ServiceSettings,
  type VirtualService,
} from '../../src/core/ipvs/table.ts';

/** Source addresses of the node in tests. */
export const SOURCE = { ipv4: '10.0.0.5', ipv6: 'fd00::5' } as const;

/** A prefix that the test knows to be one. */
export function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  assert(parsed !== null, `${text} is a prefix`);
  return parsed;
}

/** What tests own. */
export const OWNED: readonly Prefix[] = [prefix('10.208.0.0/12'), prefix('fd01:c::/64')];

/** `address:port` with `=weight` (1), `/forwarding` (masq) and `*active` (0), in this order. */
type DestinationText = string;

/** By `serviceKey`: a list of destinations, or with what else is not as usual. */
export type TableText = Readonly<
  Record<string, readonly DestinationText[] | (Partial<ServiceSettings> & ListText)>
>;

interface ListText {
  readonly to: readonly DestinationText[];
}

/** A table of services as the kernel shows them; good as a desired one too. */
export function table(text: TableText): Map<string, ObservedService> {
  return new Map(
    Object.entries(text).map(([key, value]) => {
      const isList = (one: typeof value): one is readonly string[] => Array.isArray(one);
      const { to, ...settings } = isList(value) ? { to: value } : value;
      const service: ObservedService = {
        ...parseKey(key),
        scheduler: 'wlc',
        schedulerFlags: 0,
        persistenceSeconds: 0,
        ...settings,
        destinations: new Map(to.map((one) => observedDestination(one))),
      };
      assert(serviceKey(service) === key, `${key} is a service key`);
      return [key, service];
    }),
  );
}

function parseKey(key: string): { protocol: Protocol; address: string; port: number } {
  const match = /^(\w+) \[?([^\]]+?)\]?:(\d+)$/.exec(key);
  assert(match !== null, `${key} is a service key`);
  const [, name, address = '', port] = match;
  const protocol = PROTOCOLS.find((one) => one === name);
  assert(protocol !== undefined, `${key} has a protocol`);
  return { protocol, address, port: Number(port) };
}

function observedDestination(
  text: DestinationText,
): [string, Destination & { activeConnections: number; inactiveConnections: number }] {
  const match =
    /^\[?([^\]=/*]+?)\]?:(\d+)(?:=(\d+))?(?:\/(masq|local|tunnel|direct|bypass))?(?:\*(\d+))?$/.exec(
      text,
    );
  assert(match !== null, `${text} is a destination`);
  const [, address = '', port, weight = '1', forwarding = 'masq', active = '0'] = match;
  const destination = {
    address,
    port: Number(port),
    forwarding: forwarding as Destination['forwarding'],
    weight: Number(weight),
    upperThreshold: 0,
    lowerThreshold: 0,
    activeConnections: Number(active),
    inactiveConnections: 0,
  };
  return [destinationKey(destination), destination];
}

/** The two catch-all services of each address. */
export function catchAlls(...addresses: readonly string[]): TableText {
  return Object.fromEntries(
    addresses.flatMap((address) =>
      (['tcp', 'udp'] as const).map((protocol) => [
        serviceKey({ protocol, address, port: 0 }),
        { scheduler: 'rr', to: [] },
      ]),
    ),
  );
}

/** What the kernel should hold: everything as usual but what is given. */
export function desiredKernel(
  services: TableText | ReadonlyMap<string, VirtualService>,
  parts: Partial<DesiredKernel> = {},
): DesiredKernel {
  const isMap = services instanceof Map;
  return {
    owned: OWNED,
    services: isMap ? services : table(services as TableText),
    source: SOURCE,
    mayRemove: true,
    ...parts,
  };
}

/** What the kernel holds. */
export function observedKernel(
  services: TableText = {},
  routes: Readonly<Record<string, string | null>> = {},
): ObservedKernel {
  return { services: table(services), routes: new Map(Object.entries(routes)) };
}
