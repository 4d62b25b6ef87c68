import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  axfrView,
  hostAnswers,
  recordsView,
  serviceAnswers,
} from '../../../src/core/views/rest-view.ts';
import {
  discovery,
  marathonState,
  masterState,
  network,
  port,
  publish,
  running,
  task,
} from '../../support/state-builder.ts';

const WEB = publish(
  marathonState(
    task('x', {
      container: { docker: { network: 'USER' }, network_infos: [{ name: 'dcos' }] },
      statuses: [running([network(['9.0.1.8', 'fd01:b::5', '9.0.1.7'], 'dcos')])],
      discovery: discovery('web', port(80, 'tcp'), port(81, 'tcp')),
    }),
  ),
);

test('a host has every address, A before AAAA, under its lower-case name', () => {
  const host = 'web.marathon.mesos.';
  const expected = ['9.0.1.7', '9.0.1.8', 'fd01:b::5'].map((ip) => ({ host, ip }));
  for (const asked of ['web.marathon.mesos.', 'WEB.Marathon.mesos', 'w\\101b.marathon.mesos.']) {
    assert.deepEqual(hostAnswers(WEB.table, asked), expected, asked);
  }
});

for (const name of ['nobody.marathon.mesos.', 'marathon.mesos.', 'a..b', '', '.', 'x'.repeat(64)]) {
  test(`H02: the host ${JSON.stringify(name)} has no answer`, () => {
    assert.deepEqual(hostAnswers(WEB.table, name), []);
    assert.deepEqual(serviceAnswers(WEB.table, name), []);
  });
}

test('H11: a service has every address of every target', () => {
  const host = 'web-iffe9-s0.marathon.mesos.';
  assert.deepEqual(
    serviceAnswers(WEB.table, '_WEB._tcp.marathon.mesos'),
    [80, 81].flatMap((number) =>
      ['9.0.1.7', '9.0.1.8', 'fd01:b::5'].map((ip) => ({ host, ip, port: number })),
    ),
  );
});

test('a target without an address is left out of a service', () => {
  const { table } = publish(
    marathonState(task('x', { discovery: discovery('web', port(80, 'tcp')) })),
    { names: { addresses: ['docker'] } },
  );
  assert.deepEqual(serviceAnswers(table, '_web._tcp.marathon.mesos.'), []);
});

test('a host outside the zone is known to the API', () => {
  const { table } = publish(masterState([]), {
    soa: { mname: 'ns.example.test.' },
    listeners: ['10.0.0.53'],
  });
  assert.deepEqual(hostAnswers(table, 'ns.example.test'), [
    { host: 'ns.example.test.', ip: '10.0.0.53' },
  ]);
});

test('the zone listing has the shape of Mesos-DNS, names in order', () => {
  const { table, settings } = publish(masterState([], { slaves: [] }), {
    listeners: ['fd00::53', '10.0.0.53'],
  });
  const view = axfrView(table, settings, 30);
  assert.deepEqual(view, {
    TTL: 60,
    Serial: 0,
    RefreshSeconds: 30,
    Mname: 'ns1.mesos.',
    Rname: 'root.ns1.mesos.',
    Domain: 'mesos',
    Records: {
      As: {
        'leader.mesos.': ['10.0.0.100'],
        'master.mesos.': ['10.0.0.100'],
        'master0.mesos.': ['10.0.0.100'],
        'ns1.mesos.': ['10.0.0.53'],
      },
      AAAAs: { 'ns1.mesos.': ['fd00::53'] },
      SRVs: {
        '_leader._tcp.mesos.': ['leader.mesos.:5050'],
        '_leader._udp.mesos.': ['leader.mesos.:5050'],
      },
    },
  });
  const { Records } = axfrView(WEB.table, WEB.settings, 30) as {
    Records: Record<string, Record<string, unknown>>;
  };
  for (const section of Object.values(Records)) {
    assert.deepEqual(Object.keys(section), Object.keys(section).sort());
  }
});

test('the DC/OS listing has one entry per record', () => {
  const { table } = publish(masterState([], { slaves: [] }), { listeners: ['fd00::53'] });
  const view = recordsView(table) as { name: string }[];
  assert.deepEqual(
    view.sort((a, b) => (a.name < b.name ? -1 : 1)),
    [
      { name: '_leader._tcp.mesos.', host: 'leader.mesos.:5050', rtype: 'SRV' },
      { name: '_leader._udp.mesos.', host: 'leader.mesos.:5050', rtype: 'SRV' },
      { name: 'leader.mesos.', host: '10.0.0.100', rtype: 'A' },
      { name: 'master.mesos.', host: '10.0.0.100', rtype: 'A' },
      { name: 'master0.mesos.', host: '10.0.0.100', rtype: 'A' },
      { name: 'ns1.mesos.', host: 'fd00::53', rtype: 'AAAA' },
    ],
  );
});
