import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runChanges } from '../../../src/adapters/kernel/change-runner.ts';
import type { KernelChange } from '../../../src/core/ipvs/plan.ts';
import type { Destination, ServiceId, ServiceSettings } from '../../../src/core/ipvs/table.ts';
import { ERRNO } from '../../../src/core/netlink/errno.ts';

const WEB: ServiceId & ServiceSettings = {
  protocol: 'tcp',
  address: '10.208.0.1',
  port: 80,
  scheduler: 'mh',
  schedulerFlags: 0,
  persistenceSeconds: 0,
};
const BACKEND: Destination = {
  address: '10.0.0.1',
  port: 31000,
  forwarding: 'masq',
  weight: 1,
  upperThreshold: 0,
  lowerThreshold: 0,
};
const ADD_SERVICE: KernelChange = { kind: 'add-service', service: WEB };
const ADD: KernelChange = { kind: 'add-destination', service: WEB, destination: BACKEND };
const SET_ROUTE: KernelChange = { kind: 'set-route', address: '10.208.0.1', source: '10.0.0.5' };
const SET_ROUTE_IPV6: KernelChange = { kind: 'set-route', address: 'fd00::1', source: 'fd00::5' };
const DELETE_ROUTE: KernelChange = { kind: 'delete-route', address: '10.208.0.1' };
const DELETE_SERVICE: KernelChange = { kind: 'delete-service', service: WEB };
const DELETE: KernelChange = { kind: 'delete-destination', service: WEB, destination: BACKEND };

/** Runs changes against answers by the kind of change; each is used once, then all goes well. */
async function run(
  changes: readonly KernelChange[],
  answers: Readonly<Record<string, number>> = {},
): Promise<{ readonly sent: string[]; readonly failures: string[] }> {
  const left = new Map(Object.entries(answers));
  const sent: string[] = [];
  const client = (name: string) => ({
    change: (batch: readonly KernelChange[]): Promise<readonly number[]> => {
      sent.push(`${name}: ${batch.map(({ kind }) => kind).join(' ')}`);
      const errnos = batch.map(({ kind }) => left.get(kind) ?? 0);
      for (const { kind } of batch) left.delete(kind);
      return Promise.resolve(errnos);
    },
  });
  const failures = await runChanges(changes, { ipvs: client('ipvs'), routes: client('routes') });
  return {
    sent,
    failures: failures.map(({ change, errno, message }) => `${change.kind} ${errno} ${message}`),
  };
}

test('changes of one part of the kernel that follow each other are sent together', async () => {
  const { sent, failures } = await run([ADD_SERVICE, ADD, SET_ROUTE, DELETE_ROUTE, DELETE_SERVICE]);
  assert.deepEqual(sent, [
    'ipvs: add-service add-destination',
    'routes: set-route delete-route',
    'ipvs: delete-service',
  ]);
  assert.deepEqual(failures, []);
});

test('additions overtake routes that are set, which are sent together', async () => {
  const { sent } = await run([ADD_SERVICE, SET_ROUTE, ADD, SET_ROUTE_IPV6]);
  assert.deepEqual(sent, ['ipvs: add-service add-destination', 'routes: set-route set-route']);
});

test('deletions overtake no route, and no deletion of a route is overtaken', async () => {
  const { sent } = await run([SET_ROUTE, DELETE, DELETE_ROUTE, DELETE_SERVICE, SET_ROUTE, DELETE]);
  assert.deepEqual(sent, [
    'routes: set-route',
    'ipvs: delete-destination',
    'routes: delete-route',
    'ipvs: delete-service',
    'routes: set-route',
    'ipvs: delete-destination',
  ]);
  assert.deepEqual((await run([DELETE_ROUTE, ADD])).sent, [
    'routes: delete-route',
    'ipvs: add-destination',
  ]);
});

test('no VIP waits for its route behind more than 128 others', async () => {
  const { sent } = await run(Array.from({ length: 200 }, () => [ADD, SET_ROUTE]).flat());
  assert.deepEqual(
    sent.map((line) => line.split(' ').length - 1),
    [128, 128, 72, 72],
  );
});

test('what exists already is edited', async () => {
  const answers = { 'add-service': ERRNO.EEXIST, 'add-destination': ERRNO.EEXIST };
  const { sent, failures } = await run([ADD_SERVICE, ADD], answers);
  assert.deepEqual(sent, [
    'ipvs: add-service add-destination',
    'ipvs: edit-service edit-destination',
  ]);
  assert.deepEqual(failures, []);
});

test('the failure of such an edit is that of the addition', async () => {
  const answers = { 'add-service': ERRNO.EEXIST, 'edit-service': ERRNO.ENOENT };
  const { failures } = await run([ADD_SERVICE], answers);
  assert.deepEqual(failures, [
    'add-service ENOENT the kernel has no IPVS scheduler mh: load the module ip_vs_mh',
  ]);
});

test('what is gone already is deleted', async () => {
  const { failures } = await run([DELETE, DELETE_SERVICE, DELETE_ROUTE], {
    'delete-destination': ERRNO.ENOENT,
    'delete-service': ERRNO.ESRCH,
    'delete-route': ERRNO.ESRCH,
  });
  assert.deepEqual(failures, []);
});

test('a change that is refused keeps none of the others from being made', async () => {
  const { sent, failures } = await run([ADD_SERVICE, ADD, SET_ROUTE], {
    'add-service': ERRNO.ENOENT,
    'add-destination': ERRNO.ESRCH,
  });
  assert.deepEqual(sent.at(-1), 'routes: set-route');
  assert.deepEqual(failures, [
    'add-service ENOENT the kernel has no IPVS scheduler mh: load the module ip_vs_mh',
    'add-destination ESRCH its service is not there',
  ]);
});

test('a route is set once more when the interface went away', async () => {
  const { sent, failures } = await run([SET_ROUTE], { 'set-route': ERRNO.ENODEV });
  assert.deepEqual(sent, ['routes: set-route', 'routes: set-route']);
  assert.deepEqual(failures, []);
});

test('IPVS c.29: without IPv6 the route of an IPv6 VIP says so', async () => {
  const { failures } = await run([SET_ROUTE_IPV6], { 'set-route': ERRNO.EACCES });
  assert.match(failures.join('\n'), /^set-route EACCES IPv6 is disabled/);
});

test('IPVS c.28: a source address that the node does not have is named', async () => {
  const { failures } = await run([SET_ROUTE], { 'set-route': ERRNO.EINVAL });
  assert.match(failures.join('\n'), /^set-route EINVAL .* 10\.0\.0\.5 is not an address/);
});

test('IPVS c.18: without the capability nothing is refused one by one', async () => {
  await assert.rejects(run([ADD_SERVICE, ADD], { 'add-service': ERRNO.EPERM }), {
    code: 'kernel-permission',
    message: /CAP_NET_ADMIN/,
  });
});

test('IPVS c.10: a VIP whose catch-all services are refused gets no route', async () => {
  const catchAll: KernelChange = {
    kind: 'add-service',
    service: { ...WEB, port: 0, scheduler: 'rr' },
  };
  const { sent, failures } = await run([catchAll, SET_ROUTE, SET_ROUTE_IPV6], {
    'add-service': ERRNO.ENOENT,
  });
  assert.deepEqual(sent, ['ipvs: add-service', 'routes: set-route']);
  assert.deepEqual(failures, [
    'add-service ENOENT the kernel has no IPVS scheduler rr: load the module ip_vs_rr',
    'set-route ENOENT without its catch-all services the VIP would lead to daemons of this node',
  ]);
  // Of the other services none is needed for that.
  const other = await run([ADD_SERVICE, SET_ROUTE], { 'add-service': ERRNO.ENOENT });
  assert.deepEqual(other.sent, ['ipvs: add-service', 'routes: set-route']);
});
