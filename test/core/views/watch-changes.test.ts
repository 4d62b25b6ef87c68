import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RejectionList } from '../../../src/core/base/rejection.ts';
import type { Framework } from '../../../src/core/mesos/snapshot.ts';
import {
  serviceChange,
  vipChange,
  watchChanges,
  watchEvent,
  type WatchChange,
} from '../../../src/core/views/watch-changes.ts';
import {
  type ServiceState,
  serviceStates,
  type VipState,
  vipStates,
  type WatchEndpoint,
  watchSnapshot,
  type WatchStates,
} from '../../../src/core/views/watch-states.ts';
import { randomTask } from '../vip/random-task.ts';
import { build, catalogOf, framework, inContainer, NAMES, port, task } from '../vip/vip-cluster.ts';

const SETTINGS = { names: NAMES, domain: 'mesos' };

function statesOf(
  frameworks: readonly Framework[],
  programmed: ReadonlySet<string> | null = null,
): WatchStates {
  const { table } = build(frameworks);
  return {
    services: serviceStates(catalogOf(frameworks, {}, new RejectionList()), SETTINGS),
    vips: vipStates(table, 'mesos', programmed),
  };
}

const ENDPOINT: WatchEndpoint = {
  taskId: 'web.1',
  agent: 'S0',
  addresses: ['10.0.0.1'],
  agentAddresses: ['10.0.0.1'],
  ports: [{ name: 'http', protocols: ['tcp'], port: 31_000, on: 'agent' }],
  healthy: true,
  state: 'running',
};

function service(...endpoints: readonly Partial<WatchEndpoint>[]): ServiceState {
  return {
    name: 'web.marathon',
    fqdn: 'web.marathon.mesos',
    endpoints: endpoints.map((more) => ({ ...ENDPOINT, ...more })),
  };
}

const VIP: VipState = {
  identity: 'web.marathon',
  name: 'web',
  fqdn: 'web.marathon.l4lb.mesos',
  addresses: [{ address: '10.208.0.7', programmed: false }],
  ports: [
    {
      protocol: 'tcp',
      port: 80,
      scheduler: 'wlc',
      persistenceSeconds: 0,
      backend: [
        {
          ip: '10.0.0.1',
          port: 31_000,
          weight: 1,
          healthy: true,
          state: 'running',
          taskId: 'web.1',
          agent: 'S0',
        },
      ],
    },
  ],
};

const PORT = VIP.ports[0]!;
const BACKEND = PORT.backend[0]!;

test('a service has each task of its name with addresses and ports, by task id', () => {
  const web = { name: 'web', hostPorts: [31_002] };
  const named = port(80, [], { name: 'http' });
  const discovery = { name: 'Web', ports: [named] };
  const states = statesOf([
    framework('marathon', [
      task('web.2', [], web),
      task('web.1', [named], { ...inContainer('9.0.1.1'), discovery, healthy: false }),
    ]),
    framework('Marathon', [], [task('web.3', [], { ...web, phase: 'killing', agentId: 'S1' })]),
  ]);
  const both = ['tcp', 'udp'];
  assert.deepEqual([...states.services.keys()], ['web.marathon']);
  assert.deepEqual(states.services.get('web.marathon'), {
    name: 'web.marathon',
    fqdn: 'web.marathon.mesos',
    endpoints: [
      {
        ...ENDPOINT,
        addresses: ['9.0.1.1'],
        ports: [{ name: 'http', protocols: ['tcp'], port: 80, on: 'task' }],
        healthy: false,
      },
      {
        ...ENDPOINT,
        taskId: 'web.2',
        ports: [{ name: '', protocols: both, port: 31_002, on: 'agent' }],
      },
      {
        ...ENDPOINT,
        taskId: 'web.3',
        agent: 'S1',
        addresses: ['10.0.0.2'],
        agentAddresses: ['10.0.0.2'],
        ports: [{ name: '', protocols: both, port: 31_002, on: 'agent' }],
        state: 'killing',
      },
    ],
  });
});

test('tasks without a name, and those of frameworks without one, are in no service', () => {
  const states = statesOf([
    framework('%', [task('a')], [task('b')]),
    framework('marathon', [task('c', [], { name: '%' })], [task('d', [], { agentId: 'S9' })]),
  ]);
  assert.equal(states.services.size, 0);
});

test('a VIP says of each address whether the kernel balances it, as /v1/vips does', () => {
  const tasks = [task('web.1', [port(31_000, ['VIP_0=/web:80'])])];
  const unknown = statesOf([framework('marathon', tasks)]).vips.get('web.marathon')!;
  const [{ address } = { address: '' }] = unknown.addresses;
  const told = (programmed: boolean | null): VipState => ({
    ...VIP,
    addresses: [{ address, programmed }],
  });
  assert.deepEqual(unknown, told(null));
  const off = statesOf([framework('marathon', tasks)], new Set()).vips;
  assert.deepEqual(off.get('web.marathon'), told(false));
  const on = statesOf([framework('marathon', tasks)], new Set([address])).vips;
  assert.deepEqual(on.get('web.marathon'), told(true));
});

test('a service that comes, goes or stays is told as such', () => {
  const state = service({});
  assert.equal(serviceChange(null, null), null);
  assert.equal(serviceChange(state, service({})), null);
  assert.deepEqual(serviceChange(null, state), {
    kind: 'service',
    change: 'added',
    name: 'web.marathon',
    value: state,
  });
  assert.deepEqual(serviceChange(state, null), {
    kind: 'service',
    change: 'removed',
    name: 'web.marathon',
    value: null,
  });
});

test('a changed service says in short what is different, and nothing of the rest', () => {
  const base = [{}, { taskId: 'web.2' }];
  const rows: readonly (readonly [Partial<WatchEndpoint>[], unknown])[] = [
    [[...base, { taskId: 'web.3' }], { endpointsAdded: ['web.3'] }],
    [[{}], { endpointsRemoved: ['web.2'] }],
    [[{}, { taskId: 'web.2', healthy: false }], { healthChanged: ['web.2'] }],
    [[{ state: 'killing' }, { taskId: 'web.2' }], { stateChanged: ['web.1'] }],
    [[{ addresses: ['10.0.0.2'] }, { taskId: 'web.2' }], { placeChanged: ['web.1'] }],
    [[{ agentAddresses: [] }, { taskId: 'web.2' }], { placeChanged: ['web.1'] }],
    [[{ agent: 'S1' }, { taskId: 'web.2' }], { placeChanged: ['web.1'] }],
    [[{ ports: [] }, { taskId: 'web.2' }], { placeChanged: ['web.1'] }],
  ];
  const before = service(...base);
  for (const [endpoints, difference] of rows) {
    const value = service(...endpoints);
    const name = 'web.marathon';
    assert.deepEqual(serviceChange(before, value), {
      kind: 'service',
      change: 'changed',
      name,
      value,
      difference,
    });
  }
});

test('a changed VIP says in short what is different, and nothing of the rest', () => {
  const withPort = (more: Partial<typeof PORT>): VipState => ({
    ...VIP,
    ports: [{ ...PORT, ...more }],
  });
  const withBackend = (more: Partial<typeof BACKEND>): VipState =>
    withPort({ backend: [{ ...BACKEND, ...more }] });
  const backend = 'tcp 80 10.0.0.1:31000';
  const addresses = (...list: VipState['addresses']): VipState => ({ ...VIP, addresses: list });
  const rows: readonly (readonly [VipState, unknown])[] = [
    [addresses(), { addressesRemoved: ['10.208.0.7'] }],
    [
      addresses(...VIP.addresses, { address: 'fd00::7', programmed: null }),
      { addressesAdded: ['fd00::7'] },
    ],
    [addresses({ address: '10.208.0.7', programmed: true }), { programmedChanged: ['10.208.0.7'] }],
    [{ ...VIP, ports: [...VIP.ports, { ...PORT, port: 443 }] }, { portsAdded: ['tcp 443'] }],
    [{ ...VIP, ports: [] }, { portsRemoved: ['tcp 80'] }],
    [withPort({ scheduler: 'rr' }), { settingsChanged: ['tcp 80'] }],
    [withPort({ persistenceSeconds: 60 }), { settingsChanged: ['tcp 80'] }],
    [withPort({ backend: [] }), { backendsRemoved: [backend] }],
    [
      withBackend({ ip: 'fd00::1' }),
      { backendsAdded: ['tcp 80 [fd00::1]:31000'], backendsRemoved: [backend] },
    ],
    [withBackend({ weight: 0 }), { weightChanged: [backend] }],
    [withBackend({ healthy: false }), { healthChanged: [backend] }],
    [withBackend({ state: 'killing' }), { stateChanged: [backend] }],
    [withBackend({ taskId: 'web.2' }), { taskChanged: [backend] }],
  ];
  for (const [value, difference] of rows) {
    const name = 'web.marathon';
    assert.deepEqual(vipChange(VIP, value), {
      kind: 'vip',
      change: 'changed',
      name,
      value,
      difference,
    });
  }
});

test('what is the same object before and after is not looked into', () => {
  const untouchable = new Proxy(service({}), { get: () => assert.fail('looked into') });
  const states = {
    services: new Map([['web.marathon', untouchable]]),
    vips: new Map([['web.marathon', untouchable as unknown as VipState]]),
  };
  assert.deepEqual(watchChanges(states, { ...states }), []);
});

const frameworks = fc.array(
  fc
    .record({
      name: fc.constantFrom('marathon', 'Marathon', 'a.b', '%'),
      running: fc.array(randomTask, { maxLength: 6 }),
      killing: fc.array(randomTask, { maxLength: 2 }),
    })
    .map(({ name, running, killing }) =>
      framework(
        name,
        running,
        killing.map((one) => ({ ...one, phase: 'killing' })),
      ),
    ),
  { maxLength: 3 },
);

const clusters = fc
  .tuple(frameworks, fc.constantFrom(null, new Set(['10.208.0.3']), new Set<string>()))
  .map(([list, programmed]) => statesOf(list, programmed));

/** Tasks of frameworks with one name may have one id; what is different is not told apart then. */
function hasEqualIds(name: string, ...states: readonly WatchStates[]): boolean {
  return states.some(({ services }) => {
    const ids = services.get(name)?.endpoints.map(({ taskId }) => taskId) ?? [];
    return new Set(ids).size < ids.length;
  });
}

interface Copy {
  readonly services: Map<string, unknown>;
  readonly vips: Map<string, unknown>;
}

/** What a consumer does with an event, from nothing but its text. */
function apply(copy: Copy, change: WatchChange): void {
  const { kind, name, text } = watchEvent(change);
  const map = kind === 'service' ? copy.services : copy.vips;
  const told = JSON.parse(text) as Record<string, unknown>;
  assert.equal(told['name'], name);
  assert.equal(map.has(name), told['change'] !== 'added', text);
  if (told['change'] === 'removed') map.delete(name);
  else map.set(name, told['value']);
}

const plain = ({ services, vips }: WatchStates | Copy): unknown =>
  JSON.parse(
    JSON.stringify([[...services].sort(byName), [...vips].sort(byName)] satisfies unknown),
  );

function byName([a]: [string, unknown], [b]: [string, unknown]): number {
  return a < b ? -1 : 1;
}

test('whoever applies all changes to a copy has exactly what there is', () => {
  fc.assert(
    fc.property(fc.array(clusters, { minLength: 1, maxLength: 6 }), (history) => {
      const copy: Copy = { services: new Map(), vips: new Map() };
      let before: WatchStates = { services: new Map(), vips: new Map() };
      for (const after of history) {
        const changes = watchChanges(before, after);
        const names = changes.map(({ kind, name }) => `${kind} ${name}`);
        assert.equal(new Set(names).size, names.length, 'each at most once');
        for (const change of changes) {
          assert.equal(change.difference !== undefined, change.change === 'changed');
          if (change.difference !== undefined && !hasEqualIds(change.name, before, after)) {
            assert.notDeepEqual(change.difference, {});
          }
          apply(copy, change);
        }
        assert.deepEqual(plain(copy), plain(after));
        before = after;
      }
    }),
    { numRuns: 200 },
  );
});

test('states that are equal without being the same have no changes, and others have some', () => {
  fc.assert(
    fc.property(clusters, clusters, (one, other) => {
      const again = structuredClone(one);
      assert.deepEqual(watchChanges(one, again), []);
      const isSame = JSON.stringify(plain(one)) === JSON.stringify(plain(other));
      assert.equal(watchChanges(one, other).length === 0, isSame);
    }),
    { numRuns: 200 },
  );
});

test('a snapshot has its generation, then a line for each service and VIP that passes', () => {
  const tasks = [
    task('web.1', [port(31_000, ['VIP_0=/web:80'])]),
    task('api.1', [], { name: 'api' }),
  ];
  const states = statesOf([framework('marathon', tasks)]);
  const lines = (kind: 'service' | 'vip' | null, name: string | null): string[] =>
    watchSnapshot(7, states, { kind, name }).split('\n');
  const all = lines(null, null);
  assert.equal(all.shift(), '7');
  assert.equal(all.pop(), '');
  assert.deepEqual(
    all.map((line) => {
      const space = line.indexOf(' ');
      const told = JSON.parse(line.slice(space)) as { change: string; name: string };
      return [line.slice(0, space), told.change, told.name];
    }),
    [
      ['service', 'added', 'web.marathon'],
      ['service', 'added', 'api.marathon'],
      ['vip', 'added', 'web.marathon'],
    ],
  );
  assert.deepEqual(lines('vip', null).slice(1, -1), all.slice(2));
  assert.deepEqual(lines('service', 'web.marathon').slice(1, -1), all.slice(0, 1));
  assert.deepEqual(lines(null, 'web.marathon').slice(1, -1), [all[0], all[2]]);
  assert.deepEqual(lines(null, 'gone.marathon'), ['7', '']);
});
