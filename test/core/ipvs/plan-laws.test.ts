import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { changeLine, ipvsadmText } from '../../../src/core/ipvs/ipvsadm-text.ts';
import {
  type DesiredKernel,
  type Drains,
  isCatchAll,
  isOwned,
  type KernelChange,
  type ObservedKernel,
  planIpvs,
} from '../../../src/core/ipvs/plan.ts';
import { programmedAddresses } from '../../../src/core/ipvs/programmed.ts';
import {
  destinationKey,
  FORWARDING_METHODS,
  type ObservedDestination,
  type ObservedService,
  PROTOCOLS,
  serviceKey,
  type VirtualService,
} from '../../../src/core/ipvs/table.ts';
import { OWNED } from '../../support/ipvs-tables.ts';
import { MemoryTables } from '../../support/memory-kernel.ts';

const DRAIN_MS = 300_000;
const FOREIGN = ['192.168.7.7', 'fd01:c:0:1::1'];
const ADDRESSES = ['10.208.0.1', '10.208.0.2', '10.223.255.254', 'fd01:c::1', ...FOREIGN];

const destination = (family: 4 | 6): fc.Arbitrary<ObservedDestination> =>
  fc.record({
    address: fc.constantFrom(...(family === 4 ? ['10.0.0.1', '10.0.0.2'] : ['fd02::1', 'fd02::2'])),
    port: fc.constantFrom(1, 65_535),
    forwarding: fc.constantFrom(...FORWARDING_METHODS),
    weight: fc.constantFrom(0, 0, 1, 2),
    upperThreshold: fc.constantFrom(0, 9),
    lowerThreshold: fc.constantFrom(0, 4),
    activeConnections: fc.constantFrom(0, 3),
    inactiveConnections: fc.constantFrom(0, 5),
  });

const service = (ports: readonly number[]): fc.Arbitrary<ObservedService> =>
  fc.constantFrom(...ADDRESSES).chain((address) =>
    fc.record({
      protocol: fc.constantFrom(...PROTOCOLS),
      address: fc.constant(address),
      port: fc.constantFrom(...ports),
      scheduler: fc.constantFrom('rr', 'wlc'),
      schedulerFlags: fc.constantFrom(0, 8),
      persistenceSeconds: fc.constantFrom(0, 60),
      destinations: fc
        .uniqueArray(destination(address.includes(':') ? 6 : 4), { selector: destinationKey })
        .map((list) => new Map(list.map((one) => [destinationKey(one), one]))),
    }),
  );

const services = (ports: readonly number[]): fc.Arbitrary<Map<string, ObservedService>> =>
  fc
    .uniqueArray(service(ports), { selector: serviceKey, maxLength: 12 })
    .map((list) => new Map(list.map((one) => [serviceKey(one), one])));

const source = (text: string): fc.Arbitrary<string | null> => fc.constantFrom(text, null);

const desiredKernels: fc.Arbitrary<DesiredKernel> = fc.record({
  owned: fc.constant(OWNED),
  services: services([80, 443]),
  source: fc.record({ ipv4: source('10.0.0.5'), ipv6: source('fd00::5') }),
  mayRemove: fc.boolean(),
});

const observedKernels: fc.Arbitrary<ObservedKernel> = fc.record({
  services: services([0, 80, 443]),
  routes: fc
    .uniqueArray(
      fc.tuple(fc.constantFrom(...ADDRESSES), fc.constantFrom('10.0.0.5', '10.0.0.6', null)),
      { selector: ([address]) => address },
    )
    .map((entries) => new Map(entries)),
});

/** Drains under way: of all destinations but the first of each service. */
const drainsOf = (observed: ObservedKernel, began: number): Drains =>
  new Map(
    [...observed.services].flatMap(([key, { destinations }]) =>
      [...destinations.keys()].slice(1).map((name) => [`${key} ${name}`, began] as const),
    ),
  );

const cases = fc.tuple(desiredKernels, observedKernels, fc.constantFrom(0, 900_000));
const NOW = 1_000_000;

function tablesOf(observed: ObservedKernel): MemoryTables {
  const tables = new MemoryTables();
  for (const [key, one] of observed.services) {
    tables.services.set(key, { ...one, destinations: new Map(one.destinations) });
  }
  for (const [address, from] of observed.routes) tables.routes.set(address, from);
  return tables;
}

const planOf = (
  desired: DesiredKernel,
  observed: ObservedKernel,
  drains: Drains,
  now = NOW,
): ReturnType<typeof planIpvs> => planIpvs(desired, observed, drains, { now, drainMs: DRAIN_MS });

const check = (law: (...inputs: [DesiredKernel, ObservedKernel, Drains]) => void): void =>
  fc.assert(
    fc.property(cases, ([desired, observed, began]) =>
      law(desired, observed, drainsOf(observed, began)),
    ),
    { numRuns: 500 },
  );

const addressOf = (change: KernelChange): string =>
  'address' in change ? change.address : change.service.address;

/** Plans and applies until there is nothing to do; time passes in between. */
function settle(desired: DesiredKernel, tables: MemoryTables, drains: Drains): Drains {
  let current = drains;
  for (let round = 0; round < 4; round++) {
    const plan = planOf(desired, tables.observe(), current, NOW + round * DRAIN_MS);
    for (const change of plan.changes) assert.equal(tables.change(change), null);
    current = plan.drains;
  }
  return current;
}

/** What a destination or service is set to, connections aside. */
const settingsOf = (one: VirtualService | ObservedDestination): Record<string, unknown> =>
  Object.fromEntries(Object.entries(one).filter(([key]) => !/Connections$|destinations/.test(key)));

test('a kernel refuses no change of a plan, and after the drains there is nothing to do', () => {
  check((desired, observed, drains) => {
    const tables = tablesOf(observed);
    const left = settle(desired, tables, drains);
    const again = planOf(desired, tables.observe(), left, NOW + 9 * DRAIN_MS);
    assert.deepEqual(again.changes.map(changeLine), []);
    if (desired.mayRemove) assert.equal(left.size, 0);
  });
});

test('after the drains the kernel holds what is desired, and of ours nothing else', () => {
  check((desired, observed, drains) => {
    if (!desired.mayRemove) return;
    const tables = tablesOf(observed);
    settle(desired, tables, drains);
    const isOurs = ({ address }: { address: string }): boolean => isOwned(OWNED, address);
    const wanted = [...desired.services.values()].filter(isOurs);
    const found = [...tables.services.values()].filter(isOurs);
    const addresses = new Set(wanted.map(({ address }) => address));
    assert.equal(found.filter(isCatchAll).length, 2 * addresses.size);
    assert.equal(found.length, wanted.length + 2 * addresses.size);
    for (const one of wanted) {
      const existing = tables.services.get(serviceKey(one))!;
      assert.deepEqual(settingsOf(existing), settingsOf(one));
      const isThere = ({ weight }: ObservedDestination): boolean =>
        one.protocol !== 'udp' || weight > 0;
      const list = [...(one as ObservedService).destinations.values()].filter(isThere);
      assert.equal(existing.destinations.size, list.length);
      for (const wantedOne of list) {
        const there = existing.destinations.get(destinationKey(wantedOne))!;
        assert.deepEqual(settingsOf(there), settingsOf(wantedOne));
      }
    }
    const programmed = programmedAddresses(desired, tables.observe());
    for (const address of addresses) {
      const from = desired.source[address.includes(':') ? 'ipv6' : 'ipv4'];
      assert.equal(programmed.has(address), from !== null, `${address} is programmed`);
    }
    for (const address of tables.routes.keys()) {
      if (isOurs({ address })) assert.ok(addresses.has(address), `a route to ${address}`);
    }
  });
});

test('what is not ours is in no change', () => {
  check((desired, observed, drains) => {
    for (const change of planOf(desired, observed, drains).changes) {
      assert.ok(!FOREIGN.includes(addressOf(change)), changeLine(change));
    }
  });
});

test('whatever may be missing by mistake stays, with its weight and its route', () => {
  check((desired, observed, drains) => {
    const plan = planOf({ ...desired, mayRemove: false }, observed, drains);
    for (const change of plan.changes) {
      assert.ok(change.kind !== 'delete-route' && change.kind !== 'delete-service');
      if (!('destination' in change)) continue;
      const wanted = desired.services.get(serviceKey(change.service));
      const twin = wanted?.destinations.get(destinationKey(change.destination));
      assert.ok(twin !== undefined, changeLine(change));
      if (change.kind === 'delete-destination') assert.equal(twin.weight, 0);
    }
  });
});

test('a TCP destination is deleted at weight 0, by a plan that did not make it so', () => {
  check((desired, observed, drains) => {
    for (const change of planOf(desired, observed, drains).changes) {
      if (change.kind !== 'delete-destination' || change.service.protocol === 'udp') continue;
      const found = observed.services.get(serviceKey(change.service));
      const before = found?.destinations.get(destinationKey(change.destination));
      assert.equal(before?.weight, 0, changeLine(change));
      const key = `${serviceKey(change.service)} ${destinationKey(change.destination)}`;
      const began = drains.get(key);
      assert.ok(began !== undefined, 'its drain began before');
      assert.ok(before.activeConnections === 0 || NOW - began >= DRAIN_MS, 'its drain is over');
    }
  });
});

test('a service that is desired and balances does so after every single change', () => {
  check((desired, observed, drains) => {
    const tables = tablesOf(observed);
    const balances = (list: Iterable<{ weight: number }>): boolean =>
      [...list].some(({ weight }) => weight > 0);
    const watched = [...desired.services].filter(
      ([key, { destinations }]) =>
        balances(destinations.values()) &&
        balances(observed.services.get(key)?.destinations.values() ?? []),
    );
    for (const change of planOf(desired, observed, drains).changes) {
      tables.change(change);
      for (const [key] of watched) {
        const now = tables.services.get(key)?.destinations.values() ?? [];
        assert.ok(balances(now), `${key} after ${changeLine(change)}`);
      }
    }
  });
});

test('a route of ours never stands without catch-all services, nor before its services', () => {
  check((desired, observed, drains) => {
    const tables = tablesOf(observed);
    const plan = planOf(desired, observed, drains);
    for (const [i, change] of plan.changes.entries()) {
      const address = addressOf(change);
      const wasGuarded = ['tcp', 'udp'].every((one) =>
        observed.services.has(`${one} ${guard(address)}`),
      );
      tables.change(change);
      const isGuarded = ['tcp', 'udp'].every((one) =>
        tables.services.has(`${one} ${guard(address)}`),
      );
      const isRouted = tables.routes.has(address);
      if (isRouted && wasGuarded) assert.ok(isGuarded, changeLine(change));
      if (change.kind !== 'set-route') continue;
      assert.ok(isGuarded, changeLine(change));
      const late = plan.changes
        .slice(i)
        .filter((one) => one.kind.startsWith('add-') && addressOf(one) === address);
      assert.deepEqual(late, []);
    }
  });
});

const guard = (address: string): string =>
  address.includes(':') ? `[${address}]:0` : `${address}:0`;

test('a plan is the same for the same kernel in another order', () => {
  check((desired, observed, drains) => {
    const reversed = {
      services: new Map([...observed.services].reverse()),
      routes: new Map([...observed.routes].reverse()),
    };
    const other = { ...desired, services: new Map([...desired.services].reverse()) };
    assert.deepEqual(
      planOf(other, reversed, drains).changes.map(changeLine),
      planOf(desired, observed, drains).changes.map(changeLine),
    );
  });
});

test('a plan for some addresses is the part of the whole plan that concerns them', () => {
  check((desired, observed, drains) => {
    const some = new Set(ADDRESSES.slice(0, 3));
    const only = <S extends VirtualService>(table: ReadonlyMap<string, S>): Map<string, S> =>
      new Map([...table].filter(([, { address }]) => some.has(address)));
    const routes = new Map([...observed.routes].filter(([address]) => some.has(address)));
    const part = planOf(
      { ...desired, services: only(desired.services) },
      { services: only(observed.services), routes },
      drains,
    );
    const whole = planOf(desired, observed, drains);
    assert.deepEqual(
      part.changes.map(changeLine),
      whole.changes.filter((change) => some.has(addressOf(change))).map(changeLine),
    );
    assert.equal([...part.drains].filter(([key]) => !whole.drains.has(key)).length, 0);
  });
});

test('every line for ipvsadm is one command with its service', () => {
  check((desired, observed, drains) => {
    const text = ipvsadmText(planOf(desired, observed, drains).changes);
    for (const line of text.split('\n').slice(0, -1)) {
      assert.match(line, /^-[AEDaed] (-t|-u|--sctp-service) \S+:[1-9]\d*( |$)/);
    }
  });
});
