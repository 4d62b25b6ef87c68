import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openKernel } from '../../src/adapters/kernel/kernel.ts';
import type { KernelChange } from '../../src/core/ipvs/plan.ts';
import { INTERFACE, NODE, run, useKernel, writeSysctl } from './adapter-rig.ts';

// The adapter alone, in the network namespace of this process; ip tells what is there.
const kernel = useKernel();

async function apply(...changes: readonly KernelChange[]): Promise<string[]> {
  const failures = await kernel.apply(changes);
  return failures.map(({ change, errno, message }) => `${change.kind} ${errno} ${message}`);
}
function setRoute(address: string): KernelChange {
  const source = address.includes(':') ? NODE.ipv6 : NODE.ipv4;
  return { kind: 'set-route', address, source };
}
function route(address: string): string {
  const family = address.includes(':') ? '-6' : '-4';
  return run('ip', family, 'route', 'show', 'table', 'local', address, 'dev', INTERFACE).trim();
}
async function observedSource(address: string): Promise<string | null | undefined> {
  return (await kernel.observe()).routes.get(address);
}

test('a VIP is a local route with the source address of the node', async () => {
  assert.deepEqual(await apply(setRoute('10.208.21.1'), setRoute('fd00:208::21:1')), []);
  assert.match(route('10.208.21.1'), /^local 10\.208\.21\.1 proto 104 scope host src 10\.9\.0\.1$/);
  assert.match(route('fd00:208::21:1'), /^local fd00:208::21:1 proto 104 src fd00:9::1 /);
  assert.equal(await observedSource('10.208.21.1'), NODE.ipv4);
  assert.equal(await observedSource('fd00:208::21:1'), NODE.ipv6);
});

test('IPVS c.28: a route with another source address is replaced', async () => {
  run('ip', 'addr', 'replace', '10.9.0.2/32', 'dev', 'lo');
  await apply({ kind: 'set-route', address: '10.208.22.1', source: '10.9.0.2' });
  assert.equal(await observedSource('10.208.22.1'), '10.9.0.2');
  await apply(setRoute('10.208.22.1'));
  assert.equal(await observedSource('10.208.22.1'), NODE.ipv4);
  assert.equal(route('10.208.22.1').split('\n').length, 1);
});

test('routes are deleted, whoever made them, and not those of others', async () => {
  run('ip', 'route', 'add', 'local', '10.208.23.1', 'dev', INTERFACE, 'table', 'local');
  run('ip', 'route', 'add', 'local', '10.208.23.2', 'dev', 'lo', 'table', 'local');
  assert.equal(await observedSource('10.208.23.1'), null);
  assert.equal(await observedSource('10.208.23.2'), undefined);
  const failures = await apply(
    ...['10.208.23.1', '10.208.23.2', '10.208.23.3', 'fd00:208::23:1'].map(
      (address): KernelChange => ({ kind: 'delete-route', address }),
    ),
  );
  assert.deepEqual(failures, []);
  assert.equal(route('10.208.23.1'), '');
  assert.match(run('ip', 'route', 'show', 'table', 'local', 'dev', 'lo'), /10\.208\.23\.2/);
});

test('addresses of the interface itself are none of our routes', async () => {
  const { routes } = await kernel.observe();
  assert.deepEqual(
    [...routes.keys()].filter((address) => address.startsWith('fe80:')),
    [],
  );
});

test('a source address that the node does not have is refused', async () => {
  const failures = await apply({
    kind: 'set-route',
    address: '10.208.24.1',
    source: '192.0.2.1',
  });
  assert.match(failures.join('\n'), /^set-route EINVAL .*192\.0\.2\.1 is not an address/);
});

test('IPVS c.15: routes come back after the interface was down, and after it was deleted', async () => {
  for (const args of [
    ['set', INTERFACE, 'down'],
    ['delete', INTERFACE],
  ]) {
    assert.deepEqual(await apply(setRoute('10.208.25.1'), setRoute('fd00:208::25:1')), []);
    run('ip', 'link', ...args);
    assert.equal((await kernel.observe()).routes.size, 0);
    assert.deepEqual(await apply(setRoute('10.208.25.1'), setRoute('fd00:208::25:1')), []);
    assert.equal(await observedSource('10.208.25.1'), NODE.ipv4);
    assert.equal(await observedSource('fd00:208::25:1'), NODE.ipv6);
  }
});

test('IPVS c.29: without IPv6 the routes of IPv4 are made', async (t) => {
  const setting = `net.ipv6.conf.${INTERFACE}.disable_ipv6`;
  t.after(() => writeSysctl(setting, '0'));
  writeSysctl(setting, '1');
  const failures = await apply(setRoute('fd00:208::26:1'), setRoute('10.208.26.1'));
  assert.match(failures.join('\n'), /^set-route EACCES IPv6 is disabled/);
  assert.equal(await observedSource('10.208.26.1'), NODE.ipv4);
});

test('the source address towards an address is that of its route', async () => {
  run('ip', 'route', 'replace', '198.51.100.0/24', 'dev', INTERFACE, 'src', NODE.ipv4);
  assert.equal(await kernel.sourceAddress('198.51.100.7'), NODE.ipv4);
  assert.equal(await kernel.sourceAddress(NODE.ipv6), NODE.ipv6);
  assert.equal(await kernel.sourceAddress('127.0.0.1'), '127.0.0.1');
  assert.equal(await kernel.sourceAddress('203.0.113.1'), null);
  assert.equal(await kernel.sourceAddress('2001:db8::1'), null);
});

test('an interface that is no dummy is left alone', async (t) => {
  const other = openKernel({ interface: 'lo' });
  t.after(() => other.close());
  await assert.rejects(other.prepare(), { code: 'kernel-failed', message: /no dummy/ });
  await assert.rejects(other.removeInterface(), { code: 'kernel-failed' });
});

test('the interface is removed with its routes, and is not missed then', async () => {
  await kernel.removeInterface();
  await kernel.removeInterface();
  assert.doesNotMatch(run('ip', 'link'), new RegExp(INTERFACE));
  assert.deepEqual(await apply({ kind: 'delete-route', address: '10.208.21.1' }), []);
});
