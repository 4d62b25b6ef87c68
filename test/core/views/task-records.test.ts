import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { canonicalLabel } from '../../../src/core/views/task-records.ts';
import {
  discovery,
  type Json,
  marathonState,
  network,
  port,
  publish,
  running,
  type SettingsChange,
  task,
  taskRecords,
} from '../../support/state-builder.ts';

const sorted = (lines: readonly string[]): string[] => [...lines].sort();

/** Asserts the whole list of records that tasks make. */
function assertRecords(
  tasks: readonly Json[],
  expected: readonly string[],
  change: SettingsChange = {},
): void {
  assert.deepEqual(sorted(taskRecords(tasks, change)), sorted(expected));
}

const ports = (text: string): Json => ({ resources: { ports: text } });

/** A, in both zones of a task's name, for its label and its canonical label. */
function addressRecords(label: string, own: string, onAgent = '10.0.0.1'): string[] {
  return [label, `${label}-iffe9-s0`].flatMap((name) => [
    `${name}.marathon.mesos. IN A ${own}`,
    `${name}.marathon.slave.mesos. IN A ${onAgent}`,
  ]);
}

const OVERLAY: Json = {
  container: { docker: { network: 'USER' }, network_infos: [{ name: 'dcos' }] },
  statuses: [running([network(['9.0.1.7'], 'dcos')])],
};
const BRIDGE: Json = {
  container: { docker: { network: 'BRIDGE' } },
  statuses: [running([network(['172.17.0.4'])])],
};

describe('records of a task without discovery', () => {
  test('without ports it has its addresses only', () => {
    assertRecords([task('web')], addressRecords('web', '10.0.0.1'));
  });

  test('every host port is a service over tcp and udp, at the agent', () => {
    const target = 'web-iffe9-s0.marathon.slave.mesos.';
    assertRecords(
      [task('web', ports('[31000-31001]'))],
      [
        ...addressRecords('web', '10.0.0.1'),
        ...['tcp', 'udp'].flatMap((protocol) =>
          ['', '.slave'].flatMap((zone) =>
            [31_000, 31_001].map(
              (number) => `_web._${protocol}.marathon${zone}.mesos. IN SRV 0 1 ${number} ${target}`,
            ),
          ),
        ),
      ],
    );
  });

  test('on a container network its name has its own address, its ports stay at the agent', () => {
    const target = 'db-iffe9-s0.marathon.slave.mesos.';
    assertRecords(
      [task('db', { ...OVERLAY, ...ports('[31000-31000]') })],
      [
        ...addressRecords('db', '9.0.1.7'),
        ...['_db._tcp.marathon', '_db._udp.marathon'].flatMap((owner) => [
          `${owner}.mesos. IN SRV 0 1 31000 ${target}`,
          `${owner}.slave.mesos. IN SRV 0 1 31000 ${target}`,
        ]),
      ],
    );
  });

  test('an IPv6 address makes AAAA records', () => {
    const statuses = [running([network(['9.0.1.7', 'fd01:b::5'], 'dcos')])];
    const records = taskRecords([task('db', { ...OVERLAY, statuses })]);
    assert.ok(records.includes('db.marathon.mesos. IN AAAA fd01:b::5'));
    assert.ok(records.includes('db-iffe9-s0.marathon.mesos. IN A 9.0.1.7'));
  });

  test('tasks of one name share its records, each keeps its canonical ones', () => {
    const second = { id: 't0001', slave_id: '5c3e2d0a-7b1f-S1', statuses: [running()] };
    assertRecords(
      [task('web'), task('Web', second)],
      [
        ...addressRecords('web', '10.0.0.1'),
        'web.marathon.mesos. IN A 10.0.0.2',
        'web.marathon.slave.mesos. IN A 10.0.0.2',
        'web-esh5w-s1.marathon.mesos. IN A 10.0.0.2',
        'web-esh5w-s1.marathon.slave.mesos. IN A 10.0.0.2',
      ],
    );
  });

  test('a name that sanitises to nothing keeps the names that can be asked for', () => {
    const state = marathonState(task('*', ports('[31000-31000]')));
    const target = '-iffe9-s0.marathon.slave.mesos.';
    assertRecords(
      [task('*', ports('[31000-31000]'))],
      [
        '-iffe9-s0.marathon.mesos. IN A 10.0.0.1',
        '-iffe9-s0.marathon.slave.mesos. IN A 10.0.0.1',
        ...['_._tcp.marathon', '_._udp.marathon'].flatMap((owner) => [
          `${owner}.mesos. IN SRV 0 1 31000 ${target}`,
          `${owner}.slave.mesos. IN SRV 0 1 31000 ${target}`,
        ]),
      ],
    );
    assert.deepEqual(publish(state).rejections, [
      { path: 'frameworks[0].tasks[0]', code: 'name-empty-label', value: '.marathon.mesos.' },
      { path: 'frameworks[0].tasks[0]', code: 'name-empty-label', value: '.marathon.slave.mesos.' },
    ]);
  });
});

describe('records of a task with discovery', () => {
  const found = (...declared: readonly Json[]): Json => ({
    discovery: discovery('web', ...declared),
  });

  /** SRV records below the agents: they are made of host ports, discovery or not. */
  const onAgent = (number: number): string[] =>
    ['_tcp', '_udp'].map(
      (protocol) =>
        `_web.${protocol}.marathon.slave.mesos. IN SRV 0 1 ${number} web-iffe9-s0.marathon.slave.mesos.`,
    );

  test('its own name is not published, only the discovery name', () => {
    assertRecords([task('internal', found())], addressRecords('web', '10.0.0.1'));
  });

  test('host ports are services below the agents only', () => {
    assertRecords(
      [task('x', { ...ports('[31000-31000]'), ...found() })],
      [...addressRecords('web', '10.0.0.1'), ...onAgent(31_000)],
    );
  });

  test('a named port is published with and without its name', () => {
    assertRecords(
      [task('x', found(port(80, 'tcp', 'My Port_1.0')))],
      [
        ...addressRecords('web', '10.0.0.1'),
        '_web._tcp.marathon.mesos. IN SRV 0 1 80 web-iffe9-s0.marathon.mesos.',
        '_myport-1-0._web._tcp.marathon.mesos. IN SRV 0 1 80 web-iffe9-s0.marathon.mesos.',
      ],
    );
  });

  test('a port name that sanitises to nothing is none', () => {
    const records = taskRecords([task('x', found(port(80, 'tcp', '日本')))]);
    assert.deepEqual(
      records.filter((record) => record.includes('SRV')),
      ['_web._tcp.marathon.mesos. IN SRV 0 1 80 web-iffe9-s0.marathon.mesos.'],
    );
    const rfc952 = { names: { labels: 'rfc952' } } as const;
    assert.deepEqual(
      taskRecords([task('x', found(port(95, 'tcp', '8080')))], rfc952).filter((record) =>
        record.includes('SRV'),
      ),
      ['_web._tcp.marathon.mesos. IN SRV 0 1 95 web-iffe9-s0.marathon.mesos.'],
    );
  });

  const PROTOCOLS: readonly (readonly [protocol: string, services: readonly string[]])[] = [
    ['udp', ['_udp']],
    ['TCP', ['_tcp']],
    ['sctp', ['_sctp']],
    ['', ['_tcp', '_udp']],
  ];

  for (const [protocol, services] of PROTOCOLS) {
    test(`a port of protocol ${JSON.stringify(protocol)} is a service ${services.join(', ')}`, () => {
      assertRecords(
        [task('x', found(port(53, protocol, 'dns')))],
        [
          ...addressRecords('web', '10.0.0.1'),
          ...services.flatMap((service) =>
            [`_web.${service}`, `_dns._web.${service}`].map(
              (owner) => `${owner}.marathon.mesos. IN SRV 0 1 53 web-iffe9-s0.marathon.mesos.`,
            ),
          ),
        ],
      );
    });
  }

  test('D17: a port of protocol tcp,udp is a service over tcp and over udp', () => {
    const services = taskRecords([task('x', found(port(53, 'tcp,udp')))])
      .filter((record) => record.includes('SRV'))
      .map((record) => record.split(' ')[0]);
    assert.deepEqual(services, ['_web._tcp.marathon.mesos.', '_web._udp.marathon.mesos.']);
  });

  test('D16: a port number out of range is left out, its neighbour stays', () => {
    const records = taskRecords([task('x', found(port(70_000, 'tcp'), port(81, 'tcp')))]);
    assert.deepEqual(
      records.filter((record) => record.includes('SRV')),
      ['_web._tcp.marathon.mesos. IN SRV 0 1 81 web-iffe9-s0.marathon.mesos.'],
    );
  });

  test('a bridge task is published at its agent, with the host port', () => {
    const declared = found(port(8080, 'tcp', 'http', 'host'));
    assertRecords(
      [task('x', { ...BRIDGE, ...ports('[32000-32000]'), ...declared })],
      [
        ...addressRecords('web', '10.0.0.1'),
        ...onAgent(32_000),
        '_web._tcp.marathon.mesos. IN SRV 0 1 32000 web-iffe9-s0.marathon.mesos.',
        '_http._web._tcp.marathon.mesos. IN SRV 0 1 32000 web-iffe9-s0.marathon.mesos.',
      ],
    );
  });

  test('a container-network task is published at its own address, with its own port', () => {
    const declared = found(port(8080, 'tcp', 'http', 'container'));
    assertRecords(
      [task('x', { ...OVERLAY, ...ports('[32002-32002]'), ...declared })],
      [
        ...addressRecords('web', '9.0.1.7'),
        ...onAgent(32_002),
        '_web._tcp.marathon.mesos. IN SRV 0 1 8080 web-iffe9-s0.marathon.mesos.',
        '_http._web._tcp.marathon.mesos. IN SRV 0 1 8080 web-iffe9-s0.marathon.mesos.',
      ],
    );
  });

  test('a port of scope host of a container-network task points at the agent', () => {
    const declared = found(port(8080, 'tcp', 'a', 'container'), port(32_002, 'tcp', 'b', 'host'));
    const services = taskRecords([
      task('x', { ...OVERLAY, ...ports('[32002-32002]'), ...declared }),
    ]);
    assert.ok(
      services.includes(
        '_b._web._tcp.marathon.mesos. IN SRV 0 1 32002 web-iffe9-s0.marathon.slave.mesos.',
      ),
    );
    assert.ok(
      services.includes(
        '_a._web._tcp.marathon.mesos. IN SRV 0 1 8080 web-iffe9-s0.marathon.mesos.',
      ),
    );
  });

  test('with IPSources a bridge task is published as Mesos-DNS did', () => {
    const declared = found(port(8080, 'tcp', 'http', 'host'));
    assertRecords(
      [task('x', { ...BRIDGE, ...ports('[32000-32000]'), ...declared })],
      [
        ...addressRecords('web', '172.17.0.4'),
        ...onAgent(32_000),
        '_web._tcp.marathon.mesos. IN SRV 0 1 8080 web-iffe9-s0.marathon.mesos.',
        '_http._web._tcp.marathon.mesos. IN SRV 0 1 8080 web-iffe9-s0.marathon.mesos.',
      ],
      { names: { addresses: ['netinfo', 'mesos', 'host'] } },
    );
  });

  test('a dotted discovery name is published raw and as one label, each with its own target', () => {
    const declared = { discovery: discovery('web.prod', port(80, 'tcp', 'http')) };
    assertRecords(
      [task('x', declared)],
      ['web.prod', 'web-prod'].flatMap((name) => [
        ...addressRecords(name, '10.0.0.1'),
        `_${name}._tcp.marathon.mesos. IN SRV 0 1 80 ${name}-iffe9-s0.marathon.mesos.`,
        `_http._${name}._tcp.marathon.mesos. IN SRV 0 1 80 ${name}-iffe9-s0.marathon.mesos.`,
      ]),
    );
  });

  test('D15: a raw name with capitals is not published, the sanitised one is', () => {
    const declared = { discovery: discovery('Mixed_Case', port(80, 'tcp')) };
    const records = taskRecords([task('x', declared)]);
    assert.ok(!records.some((record) => record.includes('Mixed')));
    assert.ok(records.includes('mixed-case.marathon.mesos. IN A 10.0.0.1'));
  });

  test('without an address a task keeps its services', () => {
    const change = { names: { addresses: ['docker'] } } as const;
    assertRecords(
      [task('x', found(port(80, 'tcp')))],
      [
        'web.marathon.slave.mesos. IN A 10.0.0.1',
        'web-iffe9-s0.marathon.slave.mesos. IN A 10.0.0.1',
        '_web._tcp.marathon.mesos. IN SRV 0 1 80 web-iffe9-s0.marathon.mesos.',
      ],
      change,
    );
  });
});

test('an unhealthy task that is avoided keeps its canonical names only', () => {
  const sick = task('web', {
    ...OVERLAY,
    ...ports('[31000-31000]'),
    id: 't0001',
    statuses: [running([network(['9.0.1.8'], 'dcos')], { healthy: false })],
    discovery: discovery('web', port(80, 'tcp', 'http')),
  });
  const records = taskRecords([task('web'), sick], { names: { unhealthy: 'avoid' } });
  assert.deepEqual(sorted(records), [
    ...sorted([
      ...addressRecords('web', '10.0.0.1'),
      'web-esh5w-s0.marathon.mesos. IN A 9.0.1.8',
      'web-esh5w-s0.marathon.slave.mesos. IN A 10.0.0.1',
    ]),
  ]);
});

describe('canonical labels', () => {
  test('a label of up to 63 octets is kept whole', () => {
    const text = 'd'.repeat(54);
    assert.equal(canonicalLabel(text, 'dafcs-s0'), `${text}-dafcs-s0`);
    assert.equal(canonicalLabel('web', 'iffe9-s0'), 'web-iffe9-s0');
  });

  test('D12: a longer one is cut to 63 octets and keeps hash and agent', () => {
    const cut = canonicalLabel('e'.repeat(55), '9ife9-s0');
    assert.equal(cut, `${'e'.repeat(54)}-9ife9-s0`);
    assert.equal(canonicalLabel('f'.repeat(63), 'q7k5z-s12345').length, 63);
  });

  test('D12: of a dotted name the last label is cut', () => {
    const first = 'a'.repeat(63);
    assert.equal(
      canonicalLabel(`${first}.${'b'.repeat(60)}`, 'iffe9-s0'),
      `${first}.${'b'.repeat(54)}-iffe9-s0`,
    );
    assert.equal(canonicalLabel(`${first}.web`, 'iffe9-s0'), `${first}.web-iffe9-s0`);
  });

  test('an agent id that leaves no room is not cut away: the name is rejected', () => {
    const suffix = `iffe9-${'s'.repeat(60)}`;
    assert.equal(canonicalLabel('web', suffix), `web-${suffix}`);
  });

  test('D12: the services of a long name point at the shortened one, and both can be packed', () => {
    const name = 'e'.repeat(62);
    const { records, rejections } = publish(
      marathonState(task(name, { ...ports('[31000-31000]') })),
    );
    const target = `${'e'.repeat(54)}-iffe9-s0.marathon.slave.mesos.`;
    assert.ok(records.includes(`_${name}._tcp.marathon.mesos. IN SRV 0 1 31000 ${target}`));
    assert.ok(records.includes(`${target} IN A 10.0.0.1`));
    assert.deepEqual(rejections, []);
  });

  test('D12: a service label of 64 octets is rejected, the addresses stay', () => {
    const name = 'a'.repeat(63);
    const { records, rejections } = publish(
      marathonState(task(name, { ...ports('[31000-31000]') })),
    );
    assert.ok(records.includes(`${name}.marathon.mesos. IN A 10.0.0.1`));
    assert.deepEqual(rejections[0], {
      path: 'frameworks[0].tasks[0]',
      code: 'name-label-too-long',
      value: `_${name}._tcp.marathon.slave.mesos.`,
    });
    assert.equal(rejections.length, 4);
  });
});
