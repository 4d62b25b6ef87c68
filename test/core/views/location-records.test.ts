import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  agent,
  discovery,
  framework,
  type Json,
  marathonState,
  masterState,
  network,
  port,
  portMapping,
  publish,
  running,
  task,
  zoneRecords,
} from '../../support/state-builder.ts';

const LOCATIONS = { names: { locations: true } } as const;

/** Location records of one task, as `kind address`; the agent is 10.0.0.1. */
function locations(name: string, more: Json, label = name): string[] {
  const { records } = publish(marathonState(task(name, more)), LOCATIONS);
  const own = new RegExp(`^${label}\\.marathon\\.(\\w+)\\.dcos\\.mesos\\. IN A+ (.*)$`);
  return records.flatMap((record) => {
    const [, kind, address] = own.exec(record) ?? [];
    return kind === undefined ? [] : [`${kind} ${address ?? ''}`];
  });
}

const statuses = (...addresses: readonly string[]): unknown[] => [
  running([network(addresses, 'dcos')]),
];
const onNetwork = { docker: { network: 'USER' }, network_infos: [{ name: 'dcos' }] };
const mapped = { docker: { network: 'BRIDGE', port_mappings: [portMapping(31_000, 80)] } };

interface Row {
  readonly what: string;
  readonly more: Json;
  readonly expected: readonly string[];
}

const ROWS: readonly Row[] = [
  {
    what: 'on the host network has the agent everywhere',
    more: {},
    expected: ['agentip 10.0.0.1', 'autoip 10.0.0.1', 'containerip 10.0.0.1'],
  },
  {
    what: 'on the host network without an address of its own has the agent everywhere',
    more: { statuses: [running()] },
    expected: ['agentip 10.0.0.1', 'autoip 10.0.0.1', 'containerip 10.0.0.1'],
  },
  {
    what: 'on a container network is found at its own addresses',
    more: { container: onNetwork, statuses: statuses('9.0.1.7', 'fd01:b::5') },
    expected: [
      'agentip 10.0.0.1',
      'autoip 9.0.1.7',
      'autoip fd01:b::5',
      'containerip 9.0.1.7',
      'containerip fd01:b::5',
    ],
  },
  {
    what: 'on a container network without an address is found at its agent',
    more: { container: onNetwork, statuses: [running()] },
    expected: ['agentip 10.0.0.1', 'autoip 10.0.0.1'],
  },
  {
    what: 'on a container network with a host port is found at its agent',
    more: {
      container: onNetwork,
      statuses: statuses('9.0.1.7'),
      discovery: discovery('web', port(31_000, 'tcp', 'http', 'host')),
    },
    expected: ['agentip 10.0.0.1', 'autoip 10.0.0.1', 'containerip 9.0.1.7'],
  },
  {
    what: 'behind a bridge is found at its agent, where its ports are mapped to',
    more: { container: mapped, statuses: [running([network(['172.17.0.2'])])] },
    expected: ['agentip 10.0.0.1', 'autoip 10.0.0.1', 'containerip 172.17.0.2'],
  },
  {
    what: 'behind a bridge without any port is found at its own address',
    more: {
      container: { docker: { network: 'BRIDGE' } },
      statuses: [running([network(['172.17.0.2'])])],
    },
    expected: ['agentip 10.0.0.1', 'autoip 172.17.0.2', 'containerip 172.17.0.2'],
  },
  {
    what: 'that is unhealthy has its locations all the same',
    more: { statuses: [running([network(['10.0.0.1'])], { healthy: false })] },
    expected: ['agentip 10.0.0.1', 'autoip 10.0.0.1', 'containerip 10.0.0.1'],
  },
  { what: 'that does not run yet has none', more: { state: 'TASK_STAGING' }, expected: [] },
];

for (const { what, more, expected } of ROWS) {
  test(`a task ${what}`, () => {
    assert.deepEqual(locations('web', more).sort(), expected);
  });
}

test('the label is the discovery name if there is one, with dashes for its dots', () => {
  const more = { discovery: discovery('Api.Shop') };
  assert.equal(locations('web', more, 'api-shop').length, 3);
  assert.deepEqual(locations('web', more), []);
  assert.deepEqual(locations('web', more, 'Api.Shop'), []);
});

test('a name of which nothing is left has no location', () => {
  const { records } = publish(marathonState(task('*')), LOCATIONS);
  assert.deepEqual(
    records.filter((record) => record.includes('ip.dcos.')),
    [],
  );
});

test('leader and masters are among the locations', () => {
  const { records } = publish(masterState([], { slaves: [agent(0)] }), {
    ...LOCATIONS,
    masters: [{ host: '10.0.0.101', port: 5050 }],
  });
  assert.deepEqual(
    records.filter((record) => record.includes('.dcos.mesos.')),
    [
      'leader.dcos.mesos. IN A 10.0.0.100',
      'master.dcos.mesos. IN A 10.0.0.100',
      'master.dcos.mesos. IN A 10.0.0.101',
    ],
  );
});

test('locations answer below every alias domain too', () => {
  const aliasDomains = ['thisdcos.directory', 'prod.test'];
  const published = publish(masterState([framework('a.b', [task('web')])]), {
    ...LOCATIONS,
    vip: { enabled: true, aliasDomains },
  });
  const own = published.records.filter((record) => record.includes('.dcos.mesos.'));
  assert.equal(own.length, 5);
  for (const alias of aliasDomains) {
    assert.deepEqual(
      zoneRecords(published, `dcos.${alias}.`),
      own.map((record) => record.replace('.dcos.mesos.', `.dcos.${alias}.`)),
    );
  }
});

test('without location names there are none', () => {
  const { records } = publish(marathonState(task('web')));
  assert.ok(!records.some((record) => record.includes('dcos')));
});
