import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assert as check } from '../../../src/core/base/assert.ts';
import { type IpAddress, parseIpAddress } from '../../../src/core/base/address.ts';
import { RejectionList } from '../../../src/core/base/rejection.ts';
import {
  desiredDifference,
  desiredServices,
  rejectOwnAddresses,
} from '../../../src/core/views/ipvs-view.ts';
import type { Backend, VipPort, VipService, VipTable } from '../../../src/core/vip/vip-table.ts';

const NOWHERE: ReadonlySet<string> = new Set();

function ip(text: string): IpAddress {
  const parsed = parseIpAddress(text);
  check(parsed !== null, `${text} is an address`);
  return parsed;
}

const backend = (address: string, port: number, parts: Partial<Backend> = {}): Backend => ({
  address: ip(address),
  port,
  weight: 1,
  healthy: true,
  state: 'running',
  forwarding: 'masq',
  upperThreshold: 0,
  lowerThreshold: 0,
  taskId: 'web.1',
  agentId: 'S1',
  onAgent: null,
  ...parts,
});

const vipPort = (backends: readonly Backend[], parts: Partial<VipPort> = {}): VipPort => ({
  protocol: 'tcp',
  port: 80,
  scheduler: 'wlc',
  schedulerFlags: 0,
  persistenceSeconds: 0,
  backends,
  ...parts,
});

const vips = (ports: readonly VipPort[], parts: Partial<VipService> = {}): VipTable => ({
  services: [
    {
      identity: 'web.marathon',
      name: 'web',
      framework: 'marathon',
      ipv4: ip('10.208.0.1'),
      ipv6: null,
      ports,
      ...parts,
    },
  ],
  plainNames: new Map(),
  digest: '',
});

/** Services with their destinations, as texts. */
const listed = (table: VipTable, local = NOWHERE): Record<string, string[]> =>
  Object.fromEntries(
    [...desiredServices(table, local)].map(([key, { destinations }]) => [
      key,
      [...destinations].map(([name, { weight }]) => `${name}=${weight}`),
    ]),
  );

test('a VIP is a service for each port, with weights as they are', () => {
  const table = vips([
    vipPort([backend('10.0.0.1', 31000), backend('10.0.0.2', 31001, { weight: 0 })]),
    vipPort([backend('10.0.0.1', 31002, { weight: 5 })], { protocol: 'udp', port: 53 }),
  ]);
  assert.deepEqual(listed(table), {
    'tcp 10.208.0.1:80': ['10.0.0.1:31000=1', '10.0.0.2:31001=0'],
    'udp 10.208.0.1:53': ['10.0.0.1:31002=5'],
  });
});

test('how a service balances goes with it', () => {
  const limits = { forwarding: 'tunnel', upperThreshold: 9, lowerThreshold: 4 } as const;
  const settings = { scheduler: 'mh', schedulerFlags: 8, persistenceSeconds: 60 };
  const table = vips([vipPort([backend('10.0.0.1', 1, limits)], settings)]);
  const destination = { address: '10.0.0.1', port: 1, weight: 1, ...limits };
  assert.deepEqual(
    [...desiredServices(table, NOWHERE).values()],
    [
      {
        protocol: 'tcp',
        address: '10.208.0.1',
        port: 80,
        ...settings,
        destinations: new Map([['10.0.0.1:1', destination]]),
      },
    ],
  );
});

test('each family has the backends of its own, and no service without any', () => {
  const both = vipPort([backend('10.0.0.1', 1), backend('fd02::1', 2)]);
  const four = vipPort([backend('10.0.0.1', 3)], { port: 443 });
  assert.deepEqual(listed(vips([both, four], { ipv6: ip('fd01:c::1') })), {
    'tcp 10.208.0.1:80': ['10.0.0.1:1=1'],
    'tcp 10.208.0.1:443': ['10.0.0.1:3=1'],
    'tcp [fd01:c::1]:80': ['[fd02::1]:2=1'],
  });
  assert.deepEqual(listed(vips([both], { ipv4: null })), {});
});

test('the agent of a task reaches it in its container, the other nodes do not', () => {
  const onAgent = { address: ip('172.17.0.2'), port: 8080 };
  const table = vips([vipPort([backend('10.0.0.1', 31000, { onAgent }), backend('10.0.0.2', 1)])]);
  const elsewhere = { 'tcp 10.208.0.1:80': ['10.0.0.1:31000=1', '10.0.0.2:1=1'] };
  assert.deepEqual(listed(table), elsewhere);
  assert.deepEqual(listed(table, new Set(['10.0.0.2'])), elsewhere);
  assert.deepEqual(listed(table, new Set(['10.0.0.1'])), {
    'tcp 10.208.0.1:80': ['172.17.0.2:8080=1', '10.0.0.2:1=1'],
  });
});

test('a container that has only another family is reached through its agent', () => {
  const onAgent = { address: ip('fd02::2'), port: 8080 };
  const table = vips([vipPort([backend('10.0.0.1', 31000, { onAgent })])]);
  assert.deepEqual(listed(table, new Set(['10.0.0.1'])), {
    'tcp 10.208.0.1:80': ['10.0.0.1:31000=1'],
  });
});

test('two backends that are one place here get connections if either should', () => {
  const onAgent = { address: ip('172.17.0.2'), port: 8080 };
  const out = backend('10.0.0.1', 31000, { onAgent, weight: 0 });
  const good = backend('10.0.0.1', 31001, { onAgent, weight: 2 });
  for (const pair of [
    [out, good],
    [good, out],
  ]) {
    assert.deepEqual(listed(vips([vipPort(pair)]), new Set(['10.0.0.1'])), {
      'tcp 10.208.0.1:80': ['172.17.0.2:8080=2'],
    });
  }
});

test('only services that changed travel', () => {
  const other = vipPort([backend('10.0.0.1', 3)], { port: 443 });
  const gone = vipPort([backend('10.0.0.1', 4)], { port: 8080 });
  const before = vips([vipPort([backend('10.0.0.1', 1)]), other, gone]);
  const memory = new Map<string, string>();
  const first = desiredDifference(memory, before, NOWHERE);
  assert.deepEqual(
    first.services.map(({ port }) => port),
    [80, 443, 8080],
  );
  assert.deepEqual(first.removed, []);
  const after = vips([vipPort([backend('10.0.0.1', 1, { weight: 0 })]), other]);
  const second = desiredDifference(memory, after, NOWHERE);
  assert.deepEqual(
    second.services.map(({ port, destinations }) => [port, destinations[0]?.weight]),
    [[80, 0]],
  );
  assert.deepEqual(second.removed, ['tcp 10.208.0.1:8080']);
  const third = desiredDifference(memory, after, NOWHERE);
  assert.deepEqual([third.services, third.removed], [[], []]);
});

/** One difference each in what a service says. */
const CHANGES: Readonly<Record<string, VipTable>> = {
  'a scheduler': vips([vipPort([backend('10.0.0.1', 1)], { scheduler: 'rr' })]),
  'scheduler flags': vips([vipPort([backend('10.0.0.1', 1)], { schedulerFlags: 8 })]),
  persistence: vips([vipPort([backend('10.0.0.1', 1)], { persistenceSeconds: 1 })]),
  'a weight': vips([vipPort([backend('10.0.0.1', 1, { weight: 2 })])]),
  'a forwarding method': vips([vipPort([backend('10.0.0.1', 1, { forwarding: 'direct' })])]),
  'an upper threshold': vips([vipPort([backend('10.0.0.1', 1, { upperThreshold: 2 })])]),
  'a lower threshold': vips([vipPort([backend('10.0.0.1', 1, { lowerThreshold: 2 })])]),
  'a backend’s port': vips([vipPort([backend('10.0.0.1', 2)])]),
  'a backend’s address': vips([vipPort([backend('10.0.0.2', 1)])]),
  'one more backend': vips([vipPort([backend('10.0.0.1', 1), backend('10.0.0.1', 2)])]),
};

for (const [what, table] of Object.entries(CHANGES)) {
  test(`${what} is a change that travels`, () => {
    const before = vips([vipPort([backend('10.0.0.1', 1)])]);
    const memory = new Map<string, string>();
    desiredDifference(memory, before, NOWHERE);
    const { services } = desiredDifference(memory, table, NOWHERE);
    assert.deepEqual(
      services.map(({ destinations, ...service }) => ({
        ...service,
        destinations: new Map(destinations.map((one) => [`${one.address}:${one.port}`, one])),
      })),
      [...desiredServices(table, NOWHERE).values()],
    );
  });
}

test('a VIP that is an address of the node is left to the node, and told of', () => {
  const table = vips([vipPort([backend('10.0.0.1', 1)])]);
  const local = new Set(['10.208.0.1']);
  assert.deepEqual(listed(table, local), {});
  assert.deepEqual(desiredDifference(new Map(), table, local).services, []);
  const rejections = new RejectionList();
  rejectOwnAddresses(table, ['10.0.0.9', '10.208.0.1'], rejections);
  assert.deepEqual(rejections.items, [
    { path: 'vips.web.marathon', code: 'vip-is-node-address', value: '10.208.0.1' },
  ]);
});
