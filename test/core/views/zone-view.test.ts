import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { sameRecords } from '../../../src/core/dns/compare-tables.ts';
import { compileTable } from '../../../src/core/dns/compile-table.ts';
import { RecordStore } from '../../../src/core/dns/record-store.ts';
import { RejectionList } from '../../../src/core/base/rejection.ts';
import { collectRecords, zoneSettings, zoneTerms } from '../../../src/core/views/zone-view.ts';
import { type Cluster, clusters, hopelessTasks, stateOf } from '../../support/arbitraries.ts';
import { readProjectFile } from '../../support/project.ts';
import { ip } from '../../support/small-zone.ts';
import {
  discovery,
  marathonState,
  port,
  type Published,
  publish,
  settings,
  task,
} from '../../support/state-builder.ts';

test('settings of the zone are taken from the configuration', () => {
  const { dns, names, vip } = settings();
  const masters = [{ host: '10.0.0.1', port: 5050 }];
  const config = { dns, names, vip, cluster: { masters } } as unknown as Parameters<
    typeof zoneSettings
  >[0];
  const listenerAddresses = [ip('10.0.0.53')];
  assert.deepEqual(zoneSettings(config, listenerAddresses), {
    dns,
    names,
    vip,
    masters,
    listenerAddresses,
  });
});

test('the terms of the zone have its apex with a final dot', () => {
  assert.deepEqual(zoneTerms(settings({ domain: 'prod.mesos' })), {
    zones: [
      {
        apex: 'prod.mesos.',
        mname: 'ns1.mesos.',
        rname: 'root.ns1.mesos.',
        refreshSeconds: 60,
        retrySeconds: 600,
        expireSeconds: 86_400,
        minimumSeconds: 5,
      },
    ],
    ttlSeconds: 60,
    srvWeight: 1,
  });
});

test('what cannot be published is rejected with the task it comes from', () => {
  const long = Array.from({ length: 3 }, () => 'l'.repeat(60)).join('.');
  const { rejections } = publish(
    marathonState(
      task('fine'),
      task('x', { discovery: discovery(`${long}.${'m'.repeat(60)}`) }),
      task('y', { id: 't0001', discovery: discovery('web', port(80, 'p'.repeat(63))) }),
    ),
  );
  assert.deepEqual(
    new Set(rejections.map(({ path, code }) => `${path} ${code}`)),
    new Set(['frameworks[0].tasks[1] name-too-long', 'frameworks[0].tasks[2] name-label-too-long']),
  );
});

test('a store that was used before makes the same table as a new one', () => {
  const first = publish(marathonState(task('web'), task('db', { id: 't0001' })));
  const second = publish(marathonState(task('api')));
  const store = new RecordStore(() => undefined);
  for (const { cluster, settings: zone, table } of [first, second, first]) {
    collectRecords(cluster, zone, new RejectionList(), store);
    assert.ok(sameRecords(compileTable(store, zoneTerms(zone), true), table));
  }
});

describe('a state of Mesos 1.12', () => {
  const state: unknown = JSON.parse(readProjectFile('test/fixtures/mesos-1.12-small-state.json'));

  test('is published by network', () => {
    const { records, rejections } = publish(state);
    assert.deepEqual(rejections, []);
    for (const record of [
      'web.marathon.mesos. IN A 127.0.0.1',
      'bridge-prod.marathon.mesos. IN A 127.0.0.1',
      'bridge.prod.marathon.mesos. IN A 127.0.0.1',
      'overlay-prod.marathon.mesos. IN A 9.0.1.7',
      'overlay-prod.marathon.mesos. IN AAAA fd01:b::1:8000:5',
      'overlay-prod.marathon.slave.mesos. IN A 127.0.0.1',
      'unchecked-name-prod.marathon.mesos. IN A 127.0.0.1',
      'chronostaskcleanup.chronos.mesos. IN A 127.0.0.1',
    ]) {
      assert.ok(records.includes(record), record);
    }
    assert.ok(!records.some((record) => record.includes('172.17.')), 'no address inside Docker');
    assert.ok(!records.some((record) => record.startsWith('unchecked_')), 'no raw capitals');
  });

  /** Ports of a service, in order. */
  const ports = ({ records }: Published, owner: string): string[] =>
    records
      .filter((record) => record.startsWith(`${owner} `))
      .map((record) => record.split(' ')[5] ?? '');

  test('has host ports for bridge tasks, container ports on the overlay', () => {
    const published = publish(state);
    assert.deepEqual(ports(published, '_http._bridge-prod._tcp.marathon.mesos.').sort(), [
      '32000',
      '32001',
    ]);
    assert.deepEqual(ports(published, '_overlay-prod._tcp.marathon.mesos.'), ['8080']);
    assert.deepEqual(ports(published, '_overlay-prod._tcp.marathon.slave.mesos.'), ['32002']);
    assert.deepEqual(ports(published, '_api-group._udp.marathon.mesos.'), ['31008']);
    assert.deepEqual(ports(published, '_api-prod._tcp.marathon.mesos.').sort(), [
      '31002',
      '31003',
      '31005',
      '31006',
    ]);
    assert.deepEqual(ports(published, '_stats._api-prod._udp.marathon.mesos.').sort(), [
      '31004',
      '31007',
    ]);
    assert.deepEqual(ports(published, '_nodiscovery-prod._udp.marathon.mesos.'), ['31010']);
  });

  test('keeps the only, unhealthy task of a name', () => {
    const { records } = publish(state, { names: { unhealthy: 'avoid' } });
    assert.ok(records.includes('sick-prod.marathon.mesos. IN A 127.0.0.1'));
  });
});

test('a state of Mesos 0.28 is published by network and by IPSources', () => {
  const state: unknown = JSON.parse(readProjectFile('test/fixtures/mesos-0.28-state.json'));
  const byNetwork = publish(state).records;
  for (const record of [
    'marathon.mesos. IN A 10.1.0.1',
    '_framework._tcp.marathon.mesos. IN SRV 0 1 39001 marathon.mesos.',
    'cart-shop.marathon.mesos. IN A 10.1.0.11',
    'db-shop.marathon.mesos. IN A 192.168.0.10',
    'db-shop.marathon.slave.mesos. IN A 10.1.0.12',
    'batch-shop.marathon.mesos. IN A 10.1.0.11',
  ]) {
    assert.ok(byNetwork.includes(record), record);
  }
  const bySources = publish(state, { names: { addresses: ['docker', 'netinfo', 'host'] } }).records;
  for (const record of [
    'cart-shop.marathon.mesos. IN A 172.17.0.2',
    'db-shop.marathon.mesos. IN A 192.168.0.10',
    'batch-shop.marathon.mesos. IN A 10.1.0.11',
  ]) {
    assert.ok(bySources.includes(record), record);
  }
  for (const records of [byNetwork, bySources]) {
    assert.ok(!records.some((record) => record.startsWith('new-shop')), 'staging');
    assert.ok(!records.some((record) => record.startsWith('old')), 'completed');
  }
});

describe('laws of publishing', () => {
  const changes = fc.constantFrom(
    {},
    { names: { unhealthy: 'avoid' } } as const,
    { names: { labels: 'rfc952', addresses: ['netinfo', 'host'], inactive: 'omit' } } as const,
  );

  const shuffled = <T>(list: readonly T[]): fc.Arbitrary<T[]> =>
    fc.shuffledSubarray([...list], { minLength: list.length });

  const clustersInTwoOrders = clusters.chain((cluster) =>
    fc.record({
      cluster: fc.constant(cluster),
      other: fc.record({
        agents: shuffled(cluster.agents),
        frameworks: fc
          .tuple(
            ...cluster.frameworks.map(({ entry, tasks }) =>
              fc.record({ entry: fc.constant(entry), tasks: shuffled(tasks) }),
            ),
          )
          .chain(shuffled),
      }),
    }),
  );

  test('records do not depend on the order of tasks, agents and frameworks', () => {
    fc.assert(
      fc.property(clustersInTwoOrders, changes, ({ cluster, other }, change) => {
        const [a, b] = [publish(stateOf(cluster), change), publish(stateOf(other), change)];
        assert.deepEqual(b.records, a.records);
        assert.ok(sameRecords(a.table, b.table));
      }),
      { numRuns: 200 },
    );
  });

  const withIntruders = (cluster: Cluster, intruders: readonly unknown[], at: number): unknown => {
    const state = stateOf(cluster);
    for (const entry of state['frameworks'] as { tasks: unknown[] }[]) {
      const { length } = entry.tasks;
      entry.tasks = [...entry.tasks];
      entry.tasks.splice(at % (length + 1), 0, ...intruders);
    }
    return state;
  };

  test('a task that cannot be published changes no record', () => {
    const intruders = fc.array(hopelessTasks, { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(clusters, intruders, fc.nat(9), changes, (cluster, tasks, at, change) => {
        const clean = publish(stateOf(cluster), change);
        const spoiled = publish(withIntruders(cluster, tasks, at), change);
        assert.deepEqual(spoiled.records, clean.records);
        assert.ok(sameRecords(spoiled.table, clean.table));
      }),
      { numRuns: 200 },
    );
  });

  test('a task with spoiled parts changes no name but its own', () => {
    const parts = fc.record(
      {
        resources: fc.oneof(fc.jsonValue({ maxDepth: 1 }), fc.constant({ ports: '[1-x, 9]' })),
        statuses: fc.jsonValue({ maxDepth: 2 }),
        discovery: fc.jsonValue({ maxDepth: 2 }),
        container: fc.jsonValue({ maxDepth: 2 }),
        labels: fc.jsonValue({ maxDepth: 1 }),
        health_check: fc.jsonValue({ maxDepth: 1 }),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(clusters, parts, fc.nat(9), (cluster, spoiled, at) => {
        const intruder = task('intruder', { ...spoiled, id: 'intruder' });
        const { records } = publish(withIntruders(cluster, [intruder], at));
        const others = records.filter((record) => !/^_?intruder|\._intruder/.test(record));
        assert.deepEqual(others, publish(stateOf(cluster)).records);
      }),
      { numRuns: 200 },
    );
  });

  test('every record can be packed, and no name is empty or too long', () => {
    fc.assert(
      fc.property(clusters, changes, (cluster, change) => {
        for (const record of publish(stateOf(cluster), change).records) {
          const owner = record.replace(/\\032/g, ' ').split(' IN ')[0] ?? '';
          assert.ok(owner.length <= 254, owner);
          assert.match(owner, /^([^.]{1,63}\.)+$/);
        }
      }),
      { numRuns: 100 },
    );
  });
});
