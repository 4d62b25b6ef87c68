import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { chooseAddresses, locatePort } from '../../../src/core/catalog/task-addresses.ts';
import type { IpSource, NamesConfig } from '../../../src/core/config/config.ts';
import type { Task } from '../../../src/core/mesos/snapshot.ts';
import { ip } from '../../support/small-zone.ts';
import {
  discovery,
  type Json,
  marathonState,
  network,
  port,
  running,
  snapshotOf,
  task,
} from '../../support/state-builder.ts';

const AGENT = [ip('10.0.0.1'), ip('fd00::1')];

function read(more: Json): Task {
  const parsed = snapshotOf(marathonState(task('web', more))).frameworks[0]?.tasks[0];
  assert.ok(parsed !== undefined, 'the task is running');
  return parsed;
}

type Choice = NamesConfig['addresses'];

/** Addresses of a task, whose they are, and why. */
function chosen(more: Json, choice: Choice = 'by-network', agent = AGENT): string {
  const { addresses, of, reason } = chooseAddresses(read(more), agent, choice);
  return `${of}: ${addresses.map(({ text }) => text).join(' ') || 'none'} (${reason})`;
}

/** `host:port` sides of all discovery ports of a task. */
function located(more: Json, choice: Choice = 'by-network'): string[] {
  const parsed = read(more);
  const addresses = chooseAddresses(parsed, AGENT, choice);
  return (parsed.discovery?.ports ?? []).map((declared, i) => {
    const location = locatePort(parsed, declared, i, addresses, choice);
    return `${location.of} ${location.port}`;
  });
}

const docker = (kind: string, more: Json = {}): Json => ({
  type: 'DOCKER',
  docker: { image: 'busybox', network: kind, ...more },
});
const mapped = (host_port: number, container_port: number): Json => ({ host_port, container_port });
const hostPorts = (ports: string): Json => ({ resources: { ports } });

const BRIDGE: Json = {
  container: docker('BRIDGE'),
  statuses: [running([network(['172.17.0.4'])])],
};
const OVERLAY: Json = {
  container: { ...docker('USER'), network_infos: [{ name: 'dcos' }] },
  statuses: [running([network(['9.0.1.7', 'fd01:b::5'], 'dcos')])],
};
const CNI: Json = {
  container: { type: 'MESOS', network_infos: [{ name: 'calico' }] },
  statuses: [running([network(['192.168.0.9'], 'calico')])],
};

describe('the address of a task, by its network', () => {
  const CASES: readonly (readonly [what: string, more: Json, expected: string])[] = [
    ['without a container', {}, 'agent: 10.0.0.1 fd00::1 (the task uses the host network)'],
    [
      'in Docker HOST',
      { container: docker('HOST') },
      'agent: 10.0.0.1 fd00::1 (the task uses the host network)',
    ],
    [
      'in Docker BRIDGE',
      BRIDGE,
      'agent: 10.0.0.1 fd00::1 (its ports are mapped to ports of the agent)',
    ],
    [
      'in Docker USER',
      OVERLAY,
      'task: 9.0.1.7 fd01:b::5 (the task has its own address on a container network)',
    ],
    [
      'on a named CNI network',
      CNI,
      'task: 192.168.0.9 (the task has its own address on a container network)',
    ],
    [
      'in Docker USER with port mappings',
      { ...OVERLAY, container: docker('USER', { port_mappings: [mapped(31_000, 80)] }) },
      'agent: 10.0.0.1 fd00::1 (its ports are mapped to ports of the agent)',
    ],
    [
      'on a container network, all ports of scope host',
      { ...OVERLAY, discovery: discovery('web', port(31_000, 'tcp', 'http', 'host')) },
      'agent: 10.0.0.1 fd00::1 (its ports have network-scope host)',
    ],
    [
      'on a container network, one port of two of scope host',
      {
        ...OVERLAY,
        discovery: discovery('web', port(1, 'tcp', 'a', 'host'), port(2, 'tcp', 'b', 'container')),
      },
      'task: 9.0.1.7 fd01:b::5 (the task has its own address on a container network)',
    ],
    [
      'on a container network without ports',
      { ...OVERLAY, discovery: discovery('web') },
      'task: 9.0.1.7 fd01:b::5 (the task has its own address on a container network)',
    ],
    [
      'on a container network that gave no address yet',
      { ...OVERLAY, statuses: [running()] },
      'agent: 10.0.0.1 fd00::1 (its container network gave no address)',
    ],
  ];

  for (const [what, more, expected] of CASES) {
    test(`a task ${what} is published at ${expected}`, () => {
      assert.equal(chosen(more), expected);
    });
  }
});

describe('the address of a task, by IPSources', () => {
  const labels = [
    { key: 'Docker.NetworkSettings.IPAddress', value: '172.17.0.9' },
    { key: 'MesosContainerizer.NetworkSettings.IPAddress', value: '9.0.16.2' },
  ];
  const all: Json = { statuses: [running([network(['9.0.16.1', 'fd01::1'])], { labels })] };
  const none: Json = { statuses: [running()] };

  const CASES: readonly (readonly [sources: readonly IpSource[], more: Json, expected: string])[] =
    [
      [['netinfo', 'mesos', 'host'], all, 'task: 9.0.16.1 fd01::1 (IPSources: netinfo)'],
      [['docker', 'netinfo', 'host'], all, 'task: 172.17.0.9 (IPSources: docker)'],
      [['mesos'], all, 'task: 9.0.16.2 (IPSources: mesos)'],
      [['host', 'netinfo'], all, 'agent: 10.0.0.1 fd00::1 (IPSources: host)'],
      [['netinfo', 'mesos', 'host'], none, 'agent: 10.0.0.1 fd00::1 (IPSources: host)'],
      [['docker'], none, 'task: none (none of the configured sources gave an address)'],
      [[], all, 'task: none (none of the configured sources gave an address)'],
      // Mesos-DNS does not look at the container's network.
      [['netinfo'], BRIDGE, 'task: 172.17.0.4 (IPSources: netinfo)'],
    ];

  for (const [sources, more, expected] of CASES) {
    test(`${sources.join(', ') || 'no source'}: ${expected}`, () => {
      assert.equal(chosen(more, sources), expected);
    });
  }

  test('a source without addresses is passed over', () => {
    assert.equal(chosen(all, ['host', 'mesos'], []), 'task: 9.0.16.2 (IPSources: mesos)');
  });
});

describe('where a discovery port is reached', () => {
  const CASES: readonly (readonly [what: string, more: Json, expected: readonly string[]])[] = [
    [
      'a host-network task at its number',
      { ...hostPorts('[31000-31001]'), discovery: discovery('web', port(31_001, 'tcp')) },
      ['agent 31001'],
    ],
    [
      'a host-network task whose number is no host port at that number',
      { ...hostPorts('[31000-31001]'), discovery: discovery('web', port(9090, 'tcp')) },
      ['agent 9090'],
    ],
    [
      'a container-network task at its number, though it has host ports',
      { ...OVERLAY, ...hostPorts('[32002-32002]'), discovery: discovery('web', port(8080, 'tcp')) },
      ['task 8080'],
    ],
    [
      'a bridge task with a port mapping at the mapped host port',
      {
        container: docker('BRIDGE', { port_mappings: [mapped(31_005, 8080), mapped(31_006, 53)] }),
        ...hostPorts('[31005-31006]'),
        discovery: discovery('web', port(53, 'udp'), port(8080, 'tcp')),
      },
      ['agent 31006', 'agent 31005'],
    ],
    [
      'a bridge task without mappings at the host port of the same position',
      {
        ...BRIDGE,
        ...hostPorts('[32000-32001]'),
        discovery: discovery('web', port(8080, 'tcp', 'http', 'host'), port(8125, 'udp')),
      },
      ['agent 32000', 'agent 32001'],
    ],
    [
      'a bridge task that declares host ports at those, in any order',
      {
        ...BRIDGE,
        ...hostPorts('[32000-32001]'),
        discovery: discovery('web', port(32_001, 'tcp'), port(32_000, 'tcp')),
      },
      ['agent 32001', 'agent 32000'],
    ],
    [
      'a bridge task with fewer host ports than declared ones at the numbers',
      {
        ...BRIDGE,
        ...hostPorts('[32000-32000]'),
        discovery: discovery('web', port(8080, 'tcp'), port(8125, 'udp')),
      },
      ['agent 8080', 'agent 8125'],
    ],
    [
      'a bridge task whose container port is also the host port of another mapping',
      {
        ...BRIDGE,
        ...hostPorts('[31000-31001]'),
        container: docker('BRIDGE', { port_mappings: [mapped(31_000, 31_001), mapped(9, 31_002)] }),
        discovery: discovery('web', port(31_001, 'tcp', 'a'), port(9, 'tcp', 'b')),
      },
      ['agent 31000', 'agent 9'],
    ],
    [
      'a container-network task with ports of both scopes on both sides',
      {
        ...OVERLAY,
        ...hostPorts('[32000-32001]'),
        discovery: discovery(
          'web',
          port(8080, 'tcp', 'a', 'container'),
          port(32_001, 'tcp', 'b', 'host'),
        ),
      },
      ['task 8080', 'agent 32001'],
    ],
  ];

  for (const [what, more, expected] of CASES) {
    test(`${what}: ${expected.join(', ')}`, () => {
      assert.deepEqual(located(more), expected);
    });
  }

  test('with IPSources every port is the declared number at the chosen address', () => {
    const more = {
      ...BRIDGE,
      ...hostPorts('[32000-32000]'),
      discovery: discovery('web', port(8080, 'tcp', 'http', 'host')),
    };
    assert.deepEqual(located(more, ['netinfo']), ['task 8080']);
    assert.deepEqual(located(more, ['host']), ['agent 8080']);
  });
});
