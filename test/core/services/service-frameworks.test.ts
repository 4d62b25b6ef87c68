import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { RejectionList } from '../../../src/core/base/rejection.ts';
import type { HostAddresses } from '../../../src/core/catalog/catalog.ts';
import { buildCatalog } from '../../../src/core/catalog/catalog.ts';
import { type Generation, nextGeneration } from '../../../src/core/generation.ts';
import { parseServices } from '../../../src/core/services/parse-services.ts';
import {
  rejectServices,
  ServiceFrameworks,
  serviceHosts,
  withServices,
} from '../../../src/core/services/service-frameworks.ts';
import type { StaticService } from '../../../src/core/services/static-service.ts';
import { explainView } from '../../../src/core/views/explain-view.ts';
import { zoneFile } from '../../../src/core/views/zone-file.ts';
import { ip } from '../../support/small-zone.ts';
import {
  agent,
  framework,
  marathonState,
  masterState,
  settings,
  type SettingsChange,
  snapshotOf,
  task,
} from '../../support/state-builder.ts';

const HOSTS: HostAddresses = new Map([['db2.example.test', [ip('10.9.0.6'), ip('fd00::6')]]]);

function staticServices(...services: readonly object[]): readonly StaticService[] {
  const parsed = parseServices(JSON.stringify({ services }));
  assert.deepEqual(parsed.problems, []);
  return parsed.services ?? [];
}

const DB = {
  name: 'db',
  ports: [{ name: 'pg', number: 5432 }],
  endpoints: ['10.9.0.5', 'db2.example.test'],
};

/** The generation of a state with static services beside it. */
function generation(
  state: unknown,
  services: readonly StaticService[],
  change: SettingsChange = {},
  hosts: HostAddresses = HOSTS,
): Generation {
  const rejections = new RejectionList();
  const frameworks = new ServiceFrameworks().of(services, hosts, rejections);
  const snapshot = withServices(snapshotOf(state, rejections), frameworks);
  return nextGeneration(null, { snapshot, rejections }, hosts, settings(change), 1_800_000_000);
}

/** Records that the services add to those of a state. */
function added(
  services: readonly StaticService[],
  change: SettingsChange = {},
  state: unknown = marathonState(),
): string[] {
  const zone = settings(change);
  const lines = ({ table }: Generation): string[] => zoneFile(table, zone).trimEnd().split('\n');
  const before = new Set(lines(generation(state, [], change)).slice(3));
  return lines(generation(state, services, change))
    .slice(3)
    .filter((line) => !before.has(line));
}

/** Hashes say nothing to a reader. */
const plain = (records: readonly string[]): string[] =>
  records.map((record) => record.replace(/-[a-z0-9]{5}-static\./g, '-HASH-static.')).sort();

describe('static services', () => {
  test('have the names of tasks, and none of agents', () => {
    const records = plain(added(staticServices(DB), { names: { locations: true } }));
    assert.deepEqual(
      records.filter((record) => !record.includes('.dcos.')),
      [
        '_db._tcp.static.mesos. IN SRV 0 1 5432 db-HASH-static.static.mesos.',
        '_db._tcp.static.mesos. IN SRV 0 1 5432 db-HASH-static.static.mesos.',
        '_pg._db._tcp.static.mesos. IN SRV 0 1 5432 db-HASH-static.static.mesos.',
        '_pg._db._tcp.static.mesos. IN SRV 0 1 5432 db-HASH-static.static.mesos.',
        'db-HASH-static.static.mesos. IN A 10.9.0.5',
        'db-HASH-static.static.mesos. IN A 10.9.0.6',
        'db-HASH-static.static.mesos. IN AAAA fd00::6',
        'db.static.mesos. IN A 10.9.0.5',
        'db.static.mesos. IN A 10.9.0.6',
        'db.static.mesos. IN AAAA fd00::6',
      ],
    );
    assert.deepEqual(
      records.filter((record) => record.includes('.dcos.')),
      ['autoip', 'containerip'].flatMap((kind) => [
        `db.static.${kind}.dcos.mesos. IN A 10.9.0.5`,
        `db.static.${kind}.dcos.mesos. IN A 10.9.0.6`,
        `db.static.${kind}.dcos.mesos. IN AAAA fd00::6`,
      ]),
    );
  });

  test('have their addresses whatever the sources for addresses of tasks are', () => {
    const services = staticServices(DB);
    assert.deepEqual(added(services, { names: { addresses: ['host'] } }), added(services));
    assert.deepEqual(added(services, { names: { addresses: ['docker'] } }), added(services));
  });

  test('have no reverse names: those of their machines are the site’s', () => {
    const { table, snapshot, hosts, vips, rejections } = generation(
      marathonState(),
      staticServices(DB),
    );
    assert.equal(rejections.total, 0);
    const zone = settings();
    const catalog = buildCatalog(snapshot, hosts, zone.names, new RejectionList());
    const cluster = { catalog, vips, programmed: null };
    const answers = JSON.stringify(explainView(table, cluster, zone, '5.0.9.10.in-addr.arpa.'));
    assert.ok(!answers.includes('db-'), answers);
  });

  test('explain where an address is from', () => {
    const { table, snapshot, hosts, vips } = generation(marathonState(), staticServices(DB));
    const zone = settings();
    const catalog = buildCatalog(snapshot, hosts, zone.names, new RejectionList());
    const cluster = { catalog, vips, programmed: null };
    const text = JSON.stringify(explainView(table, cluster, zone, 'db.static.mesos.'));
    assert.match(text, /"path":"services\[0\]\.endpoints\[0\]"/);
    assert.match(text, /"id":"db\.static@10\.9\.0\.5:5432"/);
    assert.match(text, /"addressOf":"machine","reason":"the services file has it"/);
  });

  test('of a framework of Mesos stand beside its tasks', () => {
    const state = marathonState(task('web'));
    const services = staticServices({
      name: 'web',
      framework: 'marathon',
      endpoints: ['10.9.0.5'],
    });
    const records = plain(added(services, {}, state));
    assert.deepEqual(records, [
      'web-HASH-static.marathon.mesos. IN A 10.9.0.5',
      'web.marathon.mesos. IN A 10.9.0.5',
    ]);
    const { snapshot } = generation(state, services);
    assert.deepEqual([snapshot.taskCount, snapshot.frameworks.length], [2, 2]);
  });

  test('that are unhealthy stand back behind healthy ones, of Mesos too', () => {
    const change: SettingsChange = { names: { unhealthy: 'avoid' } };
    const endpoints = [{ address: '10.9.0.5', healthy: false }];
    const plainName = (records: readonly string[]): string[] =>
      records.filter((record) => record.startsWith('web.'));
    const alone = staticServices({ name: 'web', endpoints });
    assert.deepEqual(plainName(added(alone, change)), ['web.static.mesos. IN A 10.9.0.5']);
    const beside = staticServices({ name: 'web', framework: 'marathon', endpoints });
    assert.deepEqual(plainName(added(beside, change, marathonState(task('web')))), []);
  });

  test('with underscores have their name as it is, and as a host name', () => {
    const records = plain(added(staticServices({ name: 'my_db', endpoints: ['10.9.0.5'] })));
    assert.ok(records.includes('my_db.static.mesos. IN A 10.9.0.5'), records.join('\n'));
    assert.ok(records.includes('my-db.static.mesos. IN A 10.9.0.5'), records.join('\n'));
  });

  test('have VIPs with weights', () => {
    const services = staticServices({
      name: 'db',
      ports: [{ number: 5432, vip: '/db:15432', labels: { HOPLITE_SCHEDULER: 'rr' } }],
      endpoints: [
        { address: '10.9.0.5', weight: 3 },
        { address: '10.9.0.6', healthy: false },
        '10.9.0.7',
      ],
    });
    const { vips, rejections } = generation(marathonState(), services, { vip: { enabled: true } });
    assert.deepEqual(rejections.items, []);
    const [vip] = vips.services;
    assert.equal(vip?.identity, 'db.static');
    const [port] = vip.ports;
    assert.deepEqual([port?.protocol, port?.port], ['tcp', 15_432]);
    assert.deepEqual(
      port?.backends.map(({ address, port: number, weight }) => [address.text, number, weight]),
      [
        ['10.9.0.5', 5432, 3],
        ['10.9.0.6', 5432, 0],
        ['10.9.0.7', 5432, 1],
      ],
    );
    const records = added(services, { vip: { enabled: true } });
    assert.ok(records.some((record) => record.startsWith('db.static.l4lb.mesos. IN A 10.2')));
    assert.ok(
      records.some((record) => record.startsWith('_db._tcp.static.l4lb.mesos. IN SRV 0 1 15432 ')),
    );
  });

  test('share a VIP with tasks of the same framework and label', () => {
    const web = task('web', {
      discovery: {
        name: 'web',
        ports: {
          ports: [
            { number: 80, protocol: 'tcp', labels: { labels: [{ key: 'VIP_0', value: '/w:80' }] } },
          ],
        },
      },
    });
    const services = staticServices({
      name: 'old-web',
      framework: 'marathon',
      ports: [{ number: 8080, vip: '/w:80' }],
      endpoints: ['10.9.0.5'],
    });
    const { vips } = generation(marathonState(web), services, { vip: { enabled: true } });
    assert.deepEqual(
      vips.services.map(({ identity, ports }) => [
        identity,
        ports[0]?.backends.map(({ address }) => address.text),
      ]),
      [['w.marathon', ['10.0.0.1', '10.9.0.5']]],
    );
  });

  test('an agent without an id has nothing to do with them', () => {
    const state = masterState([], { slaves: [agent(0), { ...agent(1), id: '' }] });
    const records = added(staticServices(DB), {}, state);
    assert.deepEqual(records, added(staticServices(DB)));
  });

  test('a task of Mesos without an agent is rejected as ever', () => {
    const state = masterState([framework('m', [task('web', { slave_id: '' })])]);
    const { rejections } = generation(state, staticServices(DB));
    assert.deepEqual(
      rejections.items.map(({ path, code }) => [path, code]),
      [['frameworks[0].tasks[0].slave_id', 'agent-unknown']],
    );
  });
});

describe('host names of endpoints', () => {
  test('are collected to be looked up', () => {
    const services = staticServices(DB, { name: 'a', endpoints: ['b', 'a', '10.0.0.1'] });
    assert.deepEqual(serviceHosts(services), ['a', 'b', 'db2.example.test']);
  });

  test('without an address leave out their endpoint alone, and say so', () => {
    for (const hosts of [new Map(), new Map([['db2.example.test', []]])]) {
      const { rejections, snapshot } = generation(marathonState(), staticServices(DB), {}, hosts);
      assert.deepEqual(rejections.items, [
        { path: 'services[0].endpoints[1].host', code: 'host-unknown', value: 'db2.example.test' },
      ]);
      assert.equal(snapshot.taskCount, 1);
    }
  });
});

describe('the frameworks of static services', () => {
  const frameworks = new ServiceFrameworks();
  const of = (services: readonly StaticService[], hosts: HostAddresses = HOSTS) => {
    const rejections = new RejectionList();
    return { made: frameworks.of(services, hosts, rejections), lost: rejections.total };
  };

  test('stay the same objects until services or addresses change', () => {
    const services = staticServices(DB, { name: 'x', framework: 'f', endpoints: ['gone.test'] });
    const first = of(services);
    assert.equal(first.lost, 1);
    const second = of(services, new Map(HOSTS));
    assert.equal(second.made, first.made);
    assert.equal(second.lost, 1, 'what is lost is said each time');
    const third = of(staticServices(DB, { name: 'x', framework: 'f', endpoints: ['10.0.0.1'] }));
    assert.equal(third.made[0], first.made[0], 'what did not change is the same');
    assert.notEqual(third.made[1], first.made[1]);
  });

  test('a changed address makes another version of its task alone', () => {
    const services = staticServices(DB);
    const [before] = of(services).made;
    const [after] = of(services, new Map([['db2.example.test', [ip('10.9.0.9')]]])).made;
    assert.equal(after?.tasks[0], before?.tasks[0]);
    assert.notEqual(after?.tasks[1], before?.tasks[1]);
    assert.equal(after?.tasks[1]?.id, before?.tasks[1]?.id);
  });

  test('without services the snapshot is the one that was given', () => {
    const snapshot = snapshotOf(marathonState(task('web')));
    assert.equal(withServices(snapshot, of([]).made), snapshot);
  });

  test('endpoints on one machine have different ids', () => {
    const at = (number: number, protocol: string): object => ({
      address: 'fd00::1',
      ports: [{ number, protocol }],
    });
    const [one] = of(
      staticServices({ name: 'dns', endpoints: [at(53, 'tcp'), at(53, 'udp'), at(54, 'tcp')] }),
    ).made;
    assert.deepEqual(
      one?.tasks.map(({ id }) => id),
      ['dns.static@[fd00::1]:53', 'dns.static@[fd00::1]:53/udp', 'dns.static@[fd00::1]:54'],
    );
  });
});

test('what a file lost is listed among the rejections, warnings are not', () => {
  const rejections = new RejectionList();
  rejectServices(
    parseServices('{"services": [{"name": "a", "endpoints": ["127.0.0.1", "x y"]}]}').problems,
    rejections,
  );
  rejectServices(parseServices('{').problems, rejections);
  assert.deepEqual(
    rejections.items.map(({ path, code }) => [path, code]),
    [
      ['services[0].endpoints[1]', 'service-malformed'],
      ['services', 'service-malformed'],
    ],
  );
  assert.match(rejections.items[0]?.value ?? '', /^expected the name of a host, found "x y"/);
});
