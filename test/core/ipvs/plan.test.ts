import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { changeLine } from '../../../src/core/ipvs/ipvsadm-text.ts';
import {
  type DesiredKernel,
  drainAddress,
  drainKey,
  type Drains,
  type ObservedKernel,
  planIpvs,
} from '../../../src/core/ipvs/plan.ts';
import {
  catchAlls,
  desiredKernel,
  observedKernel,
  SOURCE,
  table,
} from '../../support/ipvs-tables.ts';

const DRAIN_MS = 300_000;
const NOW = 1_000_000;
const VIP = '10.208.0.1';
const WEB = `tcp ${VIP}:80`;
const DNS = `udp ${VIP}:53`;
const A = '10.0.0.1:31000';
const B = '10.0.0.2:31000';
const ROUTE = { [VIP]: SOURCE.ipv4 };
const NO_DRAINS: Drains = new Map();

const lines = (
  desired: DesiredKernel,
  observed: ObservedKernel,
  drains: Drains = NO_DRAINS,
  now = NOW,
): string[] =>
  planIpvs(desired, observed, drains, { now, drainMs: DRAIN_MS }).changes.map(changeLine);

const drainsOf = (
  desired: DesiredKernel,
  observed: ObservedKernel,
  drains: Drains = NO_DRAINS,
  now = NOW,
): Record<string, number> =>
  Object.fromEntries(planIpvs(desired, observed, drains, { now, drainMs: DRAIN_MS }).drains);

/** Destinations of one service of a VIP that is otherwise as it should be. */
const kernelWith = (key: string, ...to: string[]): ObservedKernel =>
  observedKernel({ [key]: to, ...catchAlls(VIP) }, ROUTE);

const draining = (key: string, destination: string, began: number): Drains =>
  new Map([[drainKey(key, destination), began]]);

describe('what is new', () => {
  test('IPVS c.30: a service comes before its destinations, the route comes last', () => {
    assert.deepEqual(lines(desiredKernel({ [WEB]: [A, `${B}=3`] }), observedKernel()), [
      `add-service ${WEB} scheduler wlc`,
      `add-destination ${WEB} ${A} weight 1 masq`,
      `add-destination ${WEB} ${B} weight 3 masq`,
      `add-service tcp ${VIP}:0 scheduler rr`,
      `add-service udp ${VIP}:0 scheduler rr`,
      `set-route ${VIP} source ${SOURCE.ipv4}`,
    ]);
  });

  test('a second port of a VIP needs nothing but its service', () => {
    const desired = desiredKernel({ [WEB]: [A], [`sctp ${VIP}:81`]: [B] });
    assert.deepEqual(lines(desired, kernelWith(WEB, A)), [
      `add-service sctp ${VIP}:81 scheduler wlc`,
      `add-destination sctp ${VIP}:81 ${B} weight 1 masq`,
    ]);
  });

  test('addresses come in order, whatever the order of the table', () => {
    const services = {
      'tcp 10.208.0.9:80': [A],
      [WEB]: [A],
      'tcp [fd01:c::1]:80': ['[fd02::1]:8'],
    };
    const added = lines(desiredKernel(services), observedKernel());
    const reversed = new Map([...table(services)].reverse());
    assert.deepEqual(lines(desiredKernel(reversed), observedKernel()), added);
    assert.deepEqual(
      added.filter((line) => line.startsWith('set-route')),
      [
        `set-route ${VIP} source ${SOURCE.ipv4}`,
        `set-route 10.208.0.9 source ${SOURCE.ipv4}`,
        `set-route fd01:c::1 source ${SOURCE.ipv6}`,
      ],
    );
  });

  test('a service of which all backends are out is there all the same', () => {
    const added = lines(desiredKernel({ [WEB]: [`${A}=0`] }), observedKernel());
    assert.ok(added.includes(`add-destination ${WEB} ${A} weight 0 masq`));
  });

  test('a UDP destination of weight 0 is not there at all', () => {
    const added = lines(desiredKernel({ [DNS]: [`${A}=0`, B] }), observedKernel());
    assert.deepEqual(
      added.filter((line) => line.startsWith('add-destination')),
      [`add-destination ${DNS} ${B} weight 1 masq`],
    );
  });
});

describe('what is different', () => {
  test('IPVS c.1: what is right stays untouched, connections and all', () => {
    const observed = kernelWith(WEB, `${A}*17`, `${B}=0*4`);
    assert.deepEqual(lines(desiredKernel({ [WEB]: [A, `${B}=0`] }), observed), []);
  });

  test('IPVS c.2: scheduler, flags and persistence are edited in place', () => {
    const settings = { scheduler: 'mh', schedulerFlags: 0x18, persistenceSeconds: 60 };
    const desired = desiredKernel({ [WEB]: { ...settings, to: [A] } });
    assert.deepEqual(lines(desired, kernelWith(WEB, A)), [
      `edit-service ${WEB} scheduler mh flags 24 persistent 60 s`,
    ]);
  });

  test('IPVS c.2: weight, forwarding and thresholds are edited in place', () => {
    const key = `tcp ${VIP}:80`;
    const services = table({ [key]: [`${A}=5`, `${B}/direct`, '10.0.0.3:1'] });
    const third = services.get(key)!.destinations.get('10.0.0.3:1')!;
    const destinations = new Map(services.get(key)!.destinations);
    destinations.set('10.0.0.3:1', { ...third, upperThreshold: 9, lowerThreshold: 4 });
    services.set(key, { ...services.get(key)!, destinations });
    assert.deepEqual(lines(desiredKernel(services), kernelWith(key, A, B, '10.0.0.3:1')), [
      `edit-destination ${WEB} ${A} weight 5 masq`,
      `edit-destination ${WEB} ${B} weight 1 direct`,
      `edit-destination ${WEB} 10.0.0.3:1 weight 1 masq thresholds 4 to 9`,
    ]);
  });

  test('IPVS c.6: a weight 0 that a crash left behind is put right', () => {
    assert.deepEqual(lines(desiredKernel({ [WEB]: [A] }), kernelWith(WEB, `${A}=0`)), [
      `edit-destination ${WEB} ${A} weight 1 masq`,
    ]);
  });

  test('a backend that falls ill waits until the one that recovers has its weight', () => {
    const desired = desiredKernel({ [WEB]: [`${A}=0`, B] });
    assert.deepEqual(lines(desired, kernelWith(WEB, A, `${B}=0`)), [
      `edit-destination ${WEB} ${B} weight 1 masq`,
      `edit-destination ${WEB} ${A} weight 0 masq`,
    ]);
  });

  test('IPVS c.14: whatever somebody took away comes back', () => {
    const desired = desiredKernel({ [WEB]: [A, B] });
    assert.deepEqual(lines(desired, kernelWith(WEB, A)), [
      `add-destination ${WEB} ${B} weight 1 masq`,
    ]);
    const noCatchAll = observedKernel({ [WEB]: [A, B], [`tcp ${VIP}:0`]: { to: [] } }, ROUTE);
    assert.deepEqual(lines(desired, noCatchAll), [
      `edit-service tcp ${VIP}:0 scheduler rr`,
      `add-service udp ${VIP}:0 scheduler rr`,
    ]);
  });

  test('IPVS c.14: what somebody added to a VIP goes', () => {
    const observed = observedKernel(
      { [WEB]: [A], [`tcp ${VIP}:22`]: [], ...catchAlls(VIP), 'udp 10.223.0.1:9': [B] },
      ROUTE,
    );
    assert.deepEqual(lines(desiredKernel({ [WEB]: [A] }), observed), [
      `delete-destination udp 10.223.0.1:9 ${B}`,
      `delete-service tcp ${VIP}:22`,
      'delete-service udp 10.223.0.1:9',
    ]);
  });

  test('IPVS c.15: routes that went with the interface come back, draining ones too', () => {
    const observed = observedKernel({
      [WEB]: [A],
      ...catchAlls(VIP, '10.208.0.2'),
      'tcp 10.208.0.2:80': [`${B}=0*1`],
    });
    const drains = draining('tcp 10.208.0.2:80', B, NOW - 1);
    assert.deepEqual(lines(desiredKernel({ [WEB]: [A] }), observed, drains), [
      `set-route ${VIP} source ${SOURCE.ipv4}`,
      `set-route 10.208.0.2 source ${SOURCE.ipv4}`,
    ]);
  });

  test('IPVS c.28: a new node address is written to every route', () => {
    const desired = desiredKernel({ [WEB]: [A] }, { source: { ipv4: '10.0.0.6', ipv6: null } });
    assert.deepEqual(lines(desired, kernelWith(WEB, A)), [`set-route ${VIP} source 10.0.0.6`]);
    const without = observedKernel({ [WEB]: [A], ...catchAlls(VIP) }, { [VIP]: null });
    assert.deepEqual(lines(desired, without), [`set-route ${VIP} source 10.0.0.6`]);
  });

  test('IPVS c.29: without a source address no route is made, and none is taken away', () => {
    const services = { [WEB]: [A], 'tcp [fd01:c::1]:80': ['[fd02::1]:8'] };
    const desired = desiredKernel(services, { source: { ipv4: SOURCE.ipv4, ipv6: null } });
    const added = lines(desired, observedKernel());
    assert.ok(added.includes('add-service tcp [fd01:c::1]:80 scheduler wlc'));
    assert.ok(!added.some((line) => line.startsWith('set-route fd01:c::1')));
    const complete = { ...services, ...catchAlls(VIP, 'fd01:c::1') };
    assert.deepEqual(
      lines(desired, observedKernel(complete, { ...ROUTE, 'fd01:c::1': SOURCE.ipv6 })),
      [],
    );
  });
});

describe('what is gone', () => {
  test('IPVS c.3: a removed backend gets weight 0 first', () => {
    const desired = desiredKernel({ [WEB]: [B] });
    const observed = kernelWith(WEB, `${A}*3`, B);
    assert.deepEqual(lines(desired, observed), [`edit-destination ${WEB} ${A} weight 0 masq`]);
    assert.deepEqual(drainsOf(desired, observed), { [drainKey(WEB, A)]: NOW });
  });

  test('IPVS c.3: an idle backend gets weight 0 first too, as a connection may be on its way', () => {
    const removed = lines(desiredKernel({ [WEB]: [B] }), kernelWith(WEB, A, B));
    assert.deepEqual(removed, [`edit-destination ${WEB} ${A} weight 0 masq`]);
  });

  test('IPVS c.3: a drained backend goes with its last active connection', () => {
    const desired = desiredKernel({ [WEB]: [B] });
    const drains = draining(WEB, A, NOW - 5_000);
    const busy = kernelWith(WEB, `${A}=0*1`, B);
    assert.deepEqual(lines(desired, busy, drains), []);
    assert.deepEqual(drainsOf(desired, busy, drains), { [drainKey(WEB, A)]: NOW - 5_000 });
    const idle = kernelWith(WEB, `${A}=0`, B);
    assert.deepEqual(lines(desired, idle, drains), [`delete-destination ${WEB} ${A}`]);
    assert.deepEqual(drainsOf(desired, idle, drains), {});
  });

  test('IPVS c.3: connections in TIME_WAIT do not keep a backend', () => {
    const desired = desiredKernel({ [WEB]: [B] });
    const idle = kernelWith(WEB, `${A}=0`, B);
    const service = idle.services.get(WEB)!;
    const destinations = new Map(service.destinations);
    destinations.set(A, { ...destinations.get(A)!, inactiveConnections: 9 });
    const services = new Map(idle.services).set(WEB, { ...service, destinations });
    const waiting = { ...idle, services };
    assert.deepEqual(lines(desired, waiting, draining(WEB, A, NOW - 5_000)), [
      `delete-destination ${WEB} ${A}`,
    ]);
  });

  test('IPVS c.3: the deadline ends a drain whatever its connections do', () => {
    const desired = desiredKernel({ [WEB]: [B] });
    const busy = kernelWith(WEB, `${A}=0*1`, B);
    assert.deepEqual(lines(desired, busy, draining(WEB, A, NOW - DRAIN_MS + 1)), []);
    assert.deepEqual(lines(desired, busy, draining(WEB, A, NOW - DRAIN_MS)), [
      `delete-destination ${WEB} ${A}`,
    ]);
  });

  test('a drain that somebody undid goes on, and the weight is never changed with the removal', () => {
    const desired = desiredKernel({ [WEB]: [B] });
    const undone = kernelWith(WEB, `${A}=7`, B);
    const drains = draining(WEB, A, NOW - 2 * DRAIN_MS);
    assert.deepEqual(lines(desired, undone, drains), [
      `edit-destination ${WEB} ${A} weight 0 masq`,
    ]);
    assert.deepEqual(drainsOf(desired, undone, drains), {
      [drainKey(WEB, A)]: NOW - 2 * DRAIN_MS,
    });
  });

  test('IPVS c.6: weight 0 that was there before us starts a drain, and goes the next time', () => {
    const desired = desiredKernel({ [WEB]: [B] });
    const observed = kernelWith(WEB, `${A}=0`, B);
    assert.deepEqual(lines(desired, observed), []);
    const drains = planIpvs(desired, observed, NO_DRAINS, { now: NOW, drainMs: DRAIN_MS }).drains;
    assert.deepEqual(lines(desired, observed, drains), [`delete-destination ${WEB} ${A}`]);
  });

  test('a destination that comes back gets its weight, and its drain is forgotten', () => {
    const desired = desiredKernel({ [WEB]: [A, B] });
    const observed = kernelWith(WEB, `${A}=0*2`, B);
    const drains = draining(WEB, A, NOW - 5_000);
    assert.deepEqual(lines(desired, observed, drains), [
      `edit-destination ${WEB} ${A} weight 1 masq`,
    ]);
    assert.deepEqual(drainsOf(desired, observed, drains), {});
  });

  test('IPVS c.12: a UDP destination goes at once, also one that is out', () => {
    assert.deepEqual(lines(desiredKernel({ [DNS]: [B] }), kernelWith(DNS, `${A}*5`, B)), [
      `delete-destination ${DNS} ${A}`,
    ]);
    const out = desiredKernel({ [DNS]: [`${A}=0`, B] });
    assert.deepEqual(lines(out, kernelWith(DNS, `${A}*5`, B)), [`delete-destination ${DNS} ${A}`]);
    assert.deepEqual(drainsOf(out, kernelWith(DNS, A, B)), {});
  });

  test('a service goes after its last destination, and its VIP with it', () => {
    const none = desiredKernel({});
    assert.deepEqual(lines(none, kernelWith(WEB, `${A}*1`)), [
      `edit-destination ${WEB} ${A} weight 0 masq`,
    ]);
    const drains = draining(WEB, A, NOW);
    assert.deepEqual(lines(none, kernelWith(WEB, `${A}=0*1`), drains), []);
    assert.deepEqual(lines(none, kernelWith(WEB, `${A}=0`), drains), [
      `delete-destination ${WEB} ${A}`,
      `delete-service ${WEB}`,
      `delete-route ${VIP}`,
      `delete-service tcp ${VIP}:0`,
      `delete-service udp ${VIP}:0`,
    ]);
  });

  test('IPVS c.10: the catch-all services outlive the route', () => {
    const removed = lines(desiredKernel({}), observedKernel(catchAlls(VIP), ROUTE));
    assert.deepEqual(removed, [
      `delete-route ${VIP}`,
      `delete-service tcp ${VIP}:0`,
      `delete-service udp ${VIP}:0`,
    ]);
  });

  test('the other ports of a VIP go on when one is gone', () => {
    const observed = observedKernel({ [WEB]: [A], [DNS]: [B], ...catchAlls(VIP) }, ROUTE);
    assert.deepEqual(lines(desiredKernel({ [WEB]: [A] }), observed), [
      `delete-destination ${DNS} ${B}`,
      `delete-service ${DNS}`,
    ]);
  });

  test('a VIP whose address went to another service drains one destination after the other', () => {
    const desired = desiredKernel({ [WEB]: ['10.0.0.9:1'] });
    assert.deepEqual(lines(desired, kernelWith(WEB, A, `${B}*2`)), [
      `add-destination ${WEB} 10.0.0.9:1 weight 1 masq`,
      `edit-destination ${WEB} ${A} weight 0 masq`,
      `edit-destination ${WEB} ${B} weight 0 masq`,
    ]);
  });

  test('a destination that somebody gave to a catch-all service drains', () => {
    const observed = observedKernel(
      { [WEB]: [A], ...catchAlls(VIP), [`tcp ${VIP}:0`]: { scheduler: 'rr', to: [`${B}*1`] } },
      ROUTE,
    );
    assert.deepEqual(lines(desiredKernel({ [WEB]: [A] }), observed), [
      `edit-destination tcp ${VIP}:0 ${B} weight 0 masq`,
    ]);
  });
});

describe('what may be missing by mistake', () => {
  const keep = { mayRemove: false };

  test('IPVS c.31: without a complete table nothing is drained, removed or un-routed', () => {
    const observed = observedKernel(
      { [WEB]: [`${A}*1`, B], [DNS]: [B], ...catchAlls(VIP, '10.208.0.7') },
      { ...ROUTE, '10.208.0.7': SOURCE.ipv4 },
    );
    assert.deepEqual(lines(desiredKernel({}, keep), observed), []);
    assert.deepEqual(lines(desiredKernel({ [WEB]: [A] }, keep), observed), []);
  });

  test('IPVS c.31: what is new or different is programmed all the same', () => {
    const desired = desiredKernel({ [WEB]: [`${A}=0`, '10.0.0.9:1'] }, keep);
    assert.deepEqual(lines(desired, kernelWith(WEB, A, B)), [
      `add-destination ${WEB} 10.0.0.9:1 weight 1 masq`,
      `edit-destination ${WEB} ${A} weight 0 masq`,
    ]);
  });

  test('IPVS c.12: a UDP backend that is known to be out goes all the same', () => {
    const desired = desiredKernel({ [DNS]: [`${A}=0`, B] }, keep);
    assert.deepEqual(lines(desired, kernelWith(DNS, A, B, '10.0.0.9:1')), [
      `delete-destination ${DNS} ${A}`,
    ]);
  });

  test('A16c: by a state of before the start only services are added, with all that is theirs', () => {
    const older = { mayRemove: false, additionsOnly: true };
    const observed = kernelWith(WEB, `${A}*7`, `${B}=0`);
    const desired = desiredKernel({ [WEB]: [`${A}=0`, B, '10.0.0.9:1'] }, older);
    assert.deepEqual(lines(desired, observed), []);
    const drains = draining(WEB, B, NOW - 2 * DRAIN_MS);
    assert.deepEqual(lines(desiredKernel({}, older), observed, drains), []);
    assert.deepEqual(lines(desiredKernel({ [WEB]: [A], [DNS]: [B] }, older), observed), [
      `add-service ${DNS} scheduler wlc`,
      `add-destination ${DNS} ${B} weight 1 masq`,
    ]);
  });

  test('a drain under way keeps its beginning', () => {
    const drains = draining(WEB, A, NOW - 2 * DRAIN_MS);
    const desired = desiredKernel({ [WEB]: [B] }, keep);
    const observed = kernelWith(WEB, `${A}=0`, B);
    assert.deepEqual(lines(desired, observed, drains), []);
    assert.deepEqual(drainsOf(desired, observed, drains), {
      [drainKey(WEB, A)]: NOW - 2 * DRAIN_MS,
    });
  });

  test('IPVS c.28: routes that are kept follow the address of the node', () => {
    const source = { ipv4: '10.0.0.6', ipv6: null };
    assert.deepEqual(lines(desiredKernel({}, { ...keep, source }), kernelWith(WEB, A)), [
      `set-route ${VIP} source 10.0.0.6`,
    ]);
  });
});

test('a key of a drain tells the address of its service', () => {
  assert.equal(drainAddress(drainKey(WEB, A)), VIP);
  assert.equal(drainAddress(drainKey('udp [fd01:c::1]:53', '[fd02::1]:1')), 'fd01:c::1');
});

test('what is not ours is never in a plan, whatever it looks like', () => {
  const foreign = observedKernel(
    {
      'tcp 192.168.7.7:80': [`${A}=0`],
      'udp 10.207.255.255:53': [B],
      'tcp 10.224.0.1:0': [],
      'tcp [fd01:c:0:1::]:80': [],
    },
    { '192.168.7.7': null, '10.224.0.2': '1.2.3.4' },
  );
  assert.deepEqual(lines(desiredKernel({}), foreign), []);
  const wanted = desiredKernel({ 'tcp 192.168.7.7:80': [A], 'tcp 192.168.7.8:80': [A] });
  assert.deepEqual(lines(wanted, foreign), []);
});
