import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stampSerial } from '../../../src/core/dns/compile-table.ts';
import { zoneFile } from '../../../src/core/views/zone-file.ts';
import {
  discovery,
  framework,
  labelled,
  masterState,
  port,
  publish,
  task,
} from '../../support/state-builder.ts';

test('the zone is a master file with SOA and NS before the records', () => {
  const { table, settings } = publish(masterState([], { slaves: [] }), {
    listeners: ['10.0.0.53'],
  });
  stampSerial(table, 2026);
  assert.equal(
    zoneFile(table, settings),
    `$TTL 60
mesos. IN SOA ns1.mesos. root.ns1.mesos. 2026 60 600 86400 5
mesos. IN NS ns1.mesos.
_leader._tcp.mesos. IN SRV 0 1 5050 leader.mesos.
_leader._udp.mesos. IN SRV 0 1 5050 leader.mesos.
leader.mesos. IN A 10.0.0.100
master.mesos. IN A 10.0.0.100
master0.mesos. IN A 10.0.0.100
ns1.mesos. IN A 10.0.0.53
`,
  );
});

test('names stand in canonical order: by labels from the right (RFC 4034 §6.1)', () => {
  const { records } = publish(
    masterState([framework('z', [task('a')]), framework('b', [task('z')]), framework('yb', [])]),
  );
  const owners = [...new Set(records.map((record) => record.split(' ')[0] ?? ''))];
  assert.deepEqual(
    owners.filter((owner) => /^([az]\.)?(z|b|yb)\.mesos/.test(owner)),
    ['b.mesos.', 'z.b.mesos.', 'yb.mesos.', 'z.mesos.', 'a.z.mesos.'],
  );
});

test('addresses and services of a name stand in order of their values', () => {
  const tasks = [9, 10, 2].map((number) =>
    task('web', {
      id: `t${number}`,
      discovery: discovery('web', port(number, 'tcp')),
    }),
  );
  const { records } = publish(masterState([framework('m', tasks)]));
  const services = records.filter((record) => record.startsWith('_web._tcp.m.mesos.'));
  const targets = services.map((record) => record.split(' ').at(-1) ?? '');
  assert.equal(services.length, 3);
  assert.deepEqual(targets, [...targets].sort());
});

test('characters that mean something in a master file are escaped (RFC 1035 §5.1)', () => {
  const { records } = publish(
    masterState([
      framework('m', [task('x', { discovery: discovery('s;p "a(c)e@$', port(1, 'tcp')) })]),
    ]),
  );
  assert.ok(records.includes('s\\;p\\032\\"a\\(c\\)e\\@\\$.m.mesos. IN A 10.0.0.1'));
  assert.ok(
    records.some((record) => record.endsWith(' 1 s\\;p\\032\\"a\\(c\\)e\\@\\$-iffe9-s0.m.mesos.')),
  );
});

test('names outside the zone are left out', () => {
  const { table, settings, records } = publish(masterState([]), {
    soa: { mname: 'ns.example.test.' },
    listeners: ['10.0.0.53'],
  });
  assert.ok(!records.some((record) => record.includes('10.0.0.53')));
  assert.match(zoneFile(table, settings), /^mesos\. IN NS ns\.example\.test\.$/m);
});

test('every zone has a file of its own, with the same SOA and its pointers', () => {
  const declared = discovery('web', labelled(port(80, 'tcp'), { VIP_0: '/web:80' }));
  const { table, settings, vips } = publish(
    masterState([framework('m', [task('x', { discovery: declared })])]),
    { vip: { enabled: true, aliasDomains: ['prod.test'] } },
  );
  const address = vips.services[0]?.ipv4?.text ?? '';
  assert.equal(
    zoneFile(table, settings, 'l4lb.prod.test.'),
    `$TTL 60
l4lb.prod.test. IN SOA ns1.mesos. root.ns1.mesos. 0 60 600 86400 5
l4lb.prod.test. IN NS ns1.mesos.
_web._tcp.m.l4lb.prod.test. IN SRV 0 1 80 web.m.l4lb.prod.test.
web.m.l4lb.prod.test. IN A ${address}
`,
  );
  const [first, second, ...rest] = address.split('.').reverse();
  const apex = `${rest.join('.')}.in-addr.arpa.`;
  assert.match(
    zoneFile(table, settings, apex),
    new RegExp(`^${first}\\.${second}\\.${apex} IN PTR web\\.m\\.l4lb\\.mesos\\.$`, 'm'),
  );
});

test('a zone that is not served is a mistake of the caller', () => {
  const { table, settings } = publish(masterState([]));
  assert.throws(() => zoneFile(table, settings, 'other.test.'), /one of the table/);
});
