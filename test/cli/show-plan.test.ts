import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readSavedState, type SavedState } from '../../src/cli/saved-state.ts';
import { planAgainst, planText } from '../../src/cli/show-plan.ts';
import { changeLine } from '../../src/core/ipvs/ipvsadm-text.ts';
import type { KernelChange } from '../../src/core/ipvs/plan.ts';
import { scratchFolder } from '../support/cli-process.ts';
import type { Cleanup } from '../support/cleanup.ts';
import { MemoryKernel } from '../support/memory-kernel.ts';
import { discovery, marathonState, port, task } from '../support/state-builder.ts';

/** A task on agent 10.0.0.1 that is reached at port 31000 behind 10.208.0.9:80. */
function webState(labels: Readonly<Record<string, string>> = {}): object {
  const declared = { VIP_0: '10.208.0.9:80', ...labels };
  const list = Object.entries(declared).map(([key, value]) => ({ key, value }));
  const web = { ...port(31_000, 'tcp', 'web'), labels: { labels: list } };
  return marathonState(task('web', { discovery: discovery('web', web) }));
}

async function saved(t: Cleanup, state: object, config: object = {}): Promise<SavedState> {
  const folder = scratchFolder(t);
  const file = (name: string, content: object): string => {
    writeFileSync(join(folder, name), JSON.stringify(content));
    return join(folder, name);
  };
  const read = await readSavedState({
    state: file('state.json', state),
    config: file('config.json', { cluster: { masters: ['10.0.0.100:5050'] }, ...config }),
  });
  assert.ok(read.ok);
  return read.value;
}

function kernelOf(...sources: readonly (readonly [string, string])[]): MemoryKernel {
  const kernel = new MemoryKernel();
  for (const [towards, source] of sources) kernel.sources.set(towards, source);
  return kernel;
}

const NO_ADDRESSES: ReadonlySet<string> = new Set();

test('the plan makes what the state wants, with the source towards the leading master', async (t) => {
  const kernel = kernelOf(['10.0.0.100', '10.0.0.7']);
  const changes = await planAgainst(kernel, await saved(t, webState()), NO_ADDRESSES);
  assert.deepEqual(changes.map(changeLine), [
    'add-service tcp 10.208.0.9:80 scheduler wlc',
    'add-destination tcp 10.208.0.9:80 10.0.0.1:31000 weight 1 masq',
    'add-service tcp 10.208.0.9:0 scheduler rr',
    'add-service udp 10.208.0.9:0 scheduler rr',
    'set-route 10.208.0.9 source 10.0.0.7',
  ]);
  assert.deepEqual(kernel.changes, []);
  assert.ok(!kernel.calls.includes('prepare'), 'nothing is made in order to look');
});

test('a configured node address is taken as the source', async (t) => {
  const kernel = kernelOf(['10.0.0.100', '10.0.0.7']);
  const config = { kernel: { nodeAddress: { ipv4: '10.0.0.8' } } };
  const changes = await planAgainst(kernel, await saved(t, webState(), config), NO_ADDRESSES);
  assert.equal(changes.map(changeLine).at(-1), 'set-route 10.208.0.9 source 10.0.0.8');
});

test('a kernel that is right needs no change, and what others have is not ours', async (t) => {
  const kernel = kernelOf(['10.0.0.100', '10.0.0.7']);
  const state = await saved(t, webState());
  await kernel.apply(await planAgainst(kernel, state, NO_ADDRESSES));
  const foreign = { protocol: 'tcp', address: '192.168.7.7', port: 80 } as const;
  const service = { ...foreign, scheduler: 'rr', schedulerFlags: 0, persistenceSeconds: 0 };
  await kernel.apply([{ kind: 'add-service', service }]);
  assert.deepEqual(await planAgainst(kernel, state, NO_ADDRESSES), []);
});

test('what the state does not have goes: connections drain first', async (t) => {
  const kernel = kernelOf(['10.0.0.100', '10.0.0.7']);
  await kernel.apply(await planAgainst(kernel, await saved(t, webState()), NO_ADDRESSES));
  const empty = await saved(t, marathonState());
  const changes = await planAgainst(kernel, empty, NO_ADDRESSES);
  assert.deepEqual(changes.map(changeLine), [
    'edit-destination tcp 10.208.0.9:80 10.0.0.1:31000 weight 0 masq',
  ]);
});

const CHANGES: readonly KernelChange[] = [
  {
    kind: 'add-service',
    service: {
      protocol: 'tcp',
      address: '10.208.0.9',
      port: 80,
      scheduler: 'wlc',
      schedulerFlags: 0,
      persistenceSeconds: 0,
    },
  },
  { kind: 'set-route', address: '10.208.0.9', source: '10.0.0.7' },
];

test('a plan is printed for people, or for ipvsadm with the rest on standard error', () => {
  assert.deepEqual(planText(CHANGES, false), {
    stdout: 'add-service tcp 10.208.0.9:80 scheduler wlc\nset-route 10.208.0.9 source 10.0.0.7\n',
    stderr: '',
  });
  assert.deepEqual(planText(CHANGES, true), {
    stdout: '-A -t 10.208.0.9:80 -s wlc\n',
    stderr: 'not for ipvsadm:\nset-route 10.208.0.9 source 10.0.0.7\n',
  });
  for (const forIpvsadm of [false, true]) {
    const { stdout, stderr } = planText([], forIpvsadm);
    assert.deepEqual([stdout, stderr], ['', 'nothing to change\n']);
  }
});
