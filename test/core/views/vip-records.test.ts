import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { axfrView, hostAnswers, serviceAnswers } from '../../../src/core/views/rest-view.ts';
import { zoneApexes } from '../../../src/core/views/table-records.ts';
import {
  agentId,
  discovery,
  framework,
  type Json,
  labelled,
  marathonState,
  masterState,
  port,
  type Published,
  publish,
  type SettingsChange,
  task,
  zoneRecords,
} from '../../support/state-builder.ts';

const VIPS = {
  vip: { enabled: true, aliasDomains: ['thisdcos.directory'] },
} as const satisfies SettingsChange;

const app = (id: string, name: string, labels: Readonly<Record<string, string>>): Json =>
  task(name, {
    id,
    discovery: discovery(name, labelled(port(8080, 'tcp'), labels)),
  });

const STATE = marathonState(
  app('t1', 'web', { VIP_0: '/web:80', VIP_1: '/web:443' }),
  app('t2', 'api', { VIP_0: '/dev.team/api:53' }),
);

/** The address that a service was given. */
function addressOf({ vips }: Published, identity: string): string {
  const address = vips.services.find((service) => service.identity === identity)?.ipv4;
  assert.ok(address, identity);
  return address.text;
}

const vipRecords = (published: Published): string[] =>
  published.records.filter((record) => record.includes('.l4lb.mesos. IN'));

/** Records of all reverse zones. */
const pointers = (published: Published): string[] =>
  zoneApexes(published.table)
    .filter((apex) => apex.endsWith('.arpa.'))
    .flatMap((apex) => zoneRecords(published, apex));

const reversed = (address: string): string =>
  `${address.split('.').reverse().join('.')}.in-addr.arpa.`;

describe('names of VIPs', () => {
  const published = publish(STATE, VIPS);
  const web = addressOf(published, 'web.marathon');
  const api = addressOf(published, 'dev.teamapi.marathon');

  test('are the service with its address, and its ports as services of that name', () => {
    assert.deepEqual(
      vipRecords(published),
      [
        `dev.teamapi.marathon.l4lb.mesos. IN A ${api}`,
        '_dev.teamapi._tcp.marathon.l4lb.mesos. IN SRV 0 1 53 dev.teamapi.marathon.l4lb.mesos.',
        '_web._tcp.marathon.l4lb.mesos. IN SRV 0 1 80 web.marathon.l4lb.mesos.',
        '_web._tcp.marathon.l4lb.mesos. IN SRV 0 1 443 web.marathon.l4lb.mesos.',
        `web.marathon.l4lb.mesos. IN A ${web}`,
      ].sort(byOwner),
    );
  });

  test('answer below every alias domain, with targets there', () => {
    assert.deepEqual(
      zoneRecords(published, 'l4lb.thisdcos.directory.').sort(),
      vipRecords(published)
        .map((record) => record.replaceAll('.l4lb.mesos.', '.l4lb.thisdcos.directory.'))
        .sort(),
    );
  });

  test('are what the addresses of the pool point to', () => {
    assert.deepEqual(
      pointers(published).sort(),
      [
        `${reversed(web)} IN PTR web.marathon.l4lb.mesos.`,
        `${reversed(api)} IN PTR dev.teamapi.marathon.l4lb.mesos.`,
      ].sort(),
    );
  });

  test('are known to the API, but only our own domain is in the zone listing', () => {
    const host = 'web.marathon.l4lb.thisdcos.directory.';
    assert.deepEqual(hostAnswers(published.table, host), [{ host, ip: web }]);
    assert.deepEqual(
      serviceAnswers(published.table, '_web._tcp.marathon.l4lb.thisdcos.directory'),
      [80, 443].map((number) => ({ host, ip: web, port: number })),
    );
    const { Records } = axfrView(published.table, published.settings, 30) as {
      Records: Record<string, Record<string, unknown>>;
    };
    const names = Object.values(Records).flatMap((records) => Object.keys(records));
    assert.ok(names.includes('web.marathon.l4lb.mesos.'));
    assert.ok(names.every((name) => name.endsWith('.mesos.')));
  });

  test('do not depend on the order of tasks', () => {
    const other = publish(
      marathonState(
        app('t2', 'api', { VIP_0: '/dev.team/api:53' }),
        app('t1', 'web', { VIP_1: '/web:443', VIP_0: '/web:80' }),
      ),
      VIPS,
    );
    assert.deepEqual(other.records, published.records);
  });
});

/** As a zone file has them: by labels from the right; the tests compare whole lists. */
function byOwner(a: string, b: string): number {
  const key = (record: string): string =>
    (record.split(' ')[0] ?? '').split('.').reverse().join('\0');
  return key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0;
}

describe('what the kernel does not balance', () => {
  const all = publish(STATE, VIPS);
  const web = addressOf(all, 'web.marathon');

  test('has no name, no service and no pointer', () => {
    const some = publish(STATE, VIPS, new Map(), new Set([web]));
    assert.deepEqual(
      vipRecords(some),
      vipRecords(all).filter((record) => record.includes('web.')),
    );
    assert.deepEqual(zoneRecords(some, 'l4lb.thisdcos.directory.').length, vipRecords(some).length);
    assert.deepEqual(pointers(some), [`${reversed(web)} IN PTR web.marathon.l4lb.mesos.`]);
    const none = publish(STATE, VIPS, new Map(), new Set());
    assert.deepEqual([...vipRecords(none), ...pointers(none)], []);
  });

  test('has the same allocation all the same', () => {
    const none = publish(STATE, VIPS, new Map(), new Set());
    assert.equal(addressOf(none, 'web.marathon'), web);
    assert.deepEqual(zoneApexes(none.table), zoneApexes(all.table));
  });
});

test('with VIPs turned off there is no name of one, and one zone', () => {
  const { records, table, vips } = publish(STATE, {
    vip: { aliasDomains: ['thisdcos.directory'] },
  });
  assert.ok(!records.some((record) => record.includes('l4lb')));
  assert.deepEqual(zoneApexes(table), ['mesos.']);
  assert.deepEqual([vips.services, vips.plainNames.size], [[], 0]);
});

test('a declared address has no name', () => {
  const published = publish(marathonState(app('t1', 'web', { VIP_0: '10.208.7.7:80' })), VIPS);
  assert.equal(published.vips.services.length, 1);
  assert.deepEqual([...vipRecords(published), ...pointers(published)], []);
});

test('a name that is too long below an alias domain is left out there, and rejected', () => {
  const label = 'x'.repeat(62);
  const alias = Array.from({ length: 3 }, () => 'y'.repeat(60)).join('.');
  const published = publish(marathonState(app('t1', label, {})), {
    names: { locations: true },
    vip: { enabled: true, aliasDomains: [alias] },
  });
  assert.ok(published.records.some((record) => record.startsWith(`${label}.marathon.agentip.`)));
  const names = zoneRecords(published, `dcos.${alias}.`).map((record) => record.split(' ')[0]);
  assert.deepEqual(new Set(names), new Set([`leader.dcos.${alias}.`, `master.dcos.${alias}.`]));
  assert.deepEqual(
    published.rejections.map(({ path, code }) => `${path} ${code}`),
    Array.from({ length: 3 }, () => 'vip.aliasDomains name-too-long'),
  );
});

describe('a task with HOPLITE_ENDPOINT=vip', () => {
  const labels = { VIP_0: '/balanced:80', HOPLITE_ENDPOINT: 'vip' };
  const tasks = [
    app('t1', 'web', labels),
    { ...app('t2', 'web', labels), slave_id: agentId(1) },
    task('web', { id: 't3', slave_id: agentId(1) }),
    task('db', { id: 't4' }),
  ];
  const state = masterState([framework('marathon', tasks), framework('other', [task('web')])]);
  const plain = publish(state);
  const change = { vip: { enabled: true } } as const;
  const all = publish(state, change);
  const vip = addressOf(all, 'balanced.marathon');
  const own = ({ records }: Published, name: string): string[] =>
    records
      .filter((record) => record.startsWith(`${name} IN A `))
      .map((record) => record.replace(/^.* /, ''));

  test('gives its plain name to the VIP, and that of all tasks with it', () => {
    assert.deepEqual(own(plain, 'web.marathon.mesos.'), ['10.0.0.1', '10.0.0.2']);
    assert.deepEqual(own(all, 'web.marathon.mesos.'), [vip]);
  });

  test('keeps all other names as they are', () => {
    const others = ({ records }: Published): string[] =>
      records.filter((record) => !/^web\.marathon\.mesos\. IN A |l4lb/.test(record));
    assert.deepEqual(others(all), others(plain));
    assert.deepEqual(own(all, 'web.other.mesos.'), ['10.0.0.1']);
  });

  test('has its own addresses while the VIP is not programmed', () => {
    const none = publish(state, change, new Map(), new Set());
    assert.deepEqual(none.records, plain.records);
    const programmed = publish(state, change, new Map(), new Set([vip]));
    assert.deepEqual(programmed.records, all.records);
  });
});
