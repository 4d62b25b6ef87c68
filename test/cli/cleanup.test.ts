import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cleanupChanges, listOurs, type Ours, removeOurs } from '../../src/cli/cleanup.ts';
import { DaemonError } from '../../src/core/base/daemon-error.ts';
import { parsePrefix, type Prefix } from '../../src/core/base/prefix.ts';
import { changeLine } from '../../src/core/ipvs/ipvsadm-text.ts';
import type { Protocol } from '../../src/core/ipvs/table.ts';
import { MemoryKernel } from '../support/memory-kernel.ts';

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  assert.ok(parsed !== null, text);
  return parsed;
}

const OURS: Ours = {
  prefixes: [prefix('10.208.0.0/12'), prefix('fd01:c::/64')],
  interface: 'hoplite0',
  hasInterface: true,
};

const OUR_LINES = [
  'delete-route 10.208.0.1',
  'delete-route fd01:c::1',
  'delete-service tcp 10.208.0.1:80',
  'delete-service udp 10.208.0.1:0',
  'delete-service tcp [fd01:c::1]:443',
  'delete-interface hoplite0',
];

/** Two VIPs of ours with their catch-all services, and what somebody else has put beside them. */
function usedKernel(): MemoryKernel {
  const kernel = new MemoryKernel();
  const settings = { scheduler: 'wlc', schedulerFlags: 0, persistenceSeconds: 0 };
  const add = (protocol: Protocol, address: string, port: number): void => {
    const id = { protocol, address, port };
    assert.equal(
      kernel.tables.change({ kind: 'add-service', service: { ...id, ...settings } }),
      null,
    );
  };
  add('tcp', '10.208.0.1', 80);
  add('tcp', '192.168.7.7', 80);
  add('udp', '10.208.0.1', 0);
  add('tcp', 'fd01:c::1', 443);
  add('tcp', 'fd02::1', 443);
  kernel.tables.routes.set('10.208.0.1', '10.0.0.7');
  kernel.tables.routes.set('10.9.9.9', null);
  kernel.tables.routes.set('fd01:c::1', 'fd00::7');
  kernel.snat = ['10.208.0.0/12'];
  return kernel;
}

test('what lies in our prefixes is removed, routes first, and what is not ours stays', async () => {
  const kernel = usedKernel();
  const { done, failed } = await removeOurs(kernel, OURS);
  assert.deepEqual([done, failed], [OUR_LINES, []]);
  assert.deepEqual([...kernel.changes.map(changeLine), 'delete-interface hoplite0'], OUR_LINES);
  assert.deepEqual([...kernel.tables.services.keys()], ['tcp 192.168.7.7:80', 'tcp [fd02::1]:443']);
  assert.equal(kernel.snat, null);
  assert.deepEqual(kernel.calls, ['observe', 'apply', 'setSnat', 'removeInterface']);
});

test('a dry run lists the same and changes nothing', async () => {
  const kernel = usedKernel();
  assert.deepEqual(await listOurs(kernel, OURS), { done: OUR_LINES, failed: [] });
  assert.deepEqual(kernel.calls, ['observe']);
});

test('where nothing of ours is, nothing is changed and nothing is said', async () => {
  const kernel = new MemoryKernel();
  const ours = { ...OURS, hasInterface: false };
  assert.deepEqual(await removeOurs(kernel, ours), { done: [], failed: [] });
  assert.deepEqual(kernel.changes, []);
  assert.ok(!kernel.calls.includes('removeInterface'));
});

test('a kernel without IPVS still loses the interface and the SNAT rules', async () => {
  const kernel = usedKernel();
  kernel.broken.set('observe', 'kernel-module');
  const { done, failed } = await removeOurs(kernel, OURS);
  assert.deepEqual([done, failed], [['delete-interface hoplite0'], []]);
  assert.equal(kernel.snat, null);
});

test('what the kernel refuses is told, and the rest is removed nevertheless', async () => {
  const kernel = usedKernel();
  kernel.refuse = (change) => (change.kind === 'delete-route' ? 'EBUSY' : null);
  const { done, failed } = await removeOurs(kernel, OURS);
  assert.deepEqual(
    done,
    OUR_LINES.filter((line) => !line.startsWith('delete-route')),
  );
  assert.equal(failed.length, 2);
  assert.match(failed[0] ?? '', /^cannot delete-route 10\.208\.0\.1: .* \(EBUSY\)$/);
});

test('a reason that stands in the way of everything is told once', async () => {
  const kernel = usedKernel();
  kernel.before = (call) => {
    if (call !== 'observe') throw new DaemonError('kernel-permission', 'no CAP_NET_ADMIN');
  };
  assert.deepEqual(await removeOurs(kernel, OURS), { done: [], failed: ['no CAP_NET_ADMIN'] });
  assert.deepEqual(kernel.calls, ['observe', 'apply', 'setSnat', 'removeInterface']);
});

test('a kernel that does not say what there is, is left alone', async () => {
  const kernel = usedKernel();
  kernel.broken.set('observe', 'kernel-permission');
  await assert.rejects(removeOurs(kernel, OURS), { code: 'kernel-permission' });
  assert.deepEqual(kernel.calls, ['observe']);
});

test('without prefixes nothing is ours', async () => {
  assert.deepEqual(cleanupChanges(await usedKernel().observe(), []), []);
});
