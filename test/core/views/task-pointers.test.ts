import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { reverseName } from '../../../src/core/views/reverse-names.ts';
import { axfrView, recordsView } from '../../../src/core/views/rest-view.ts';
import {
  allNodes,
  findNode,
  nodeAddresses,
  nodeName,
  nodePointers,
} from '../../../src/core/views/table-records.ts';
import { explainView } from '../../../src/core/views/explain-view.ts';
import { type Cluster, clusters, stateOf } from '../../support/arbitraries.ts';
import { wireName } from '../../support/dns-message.ts';
import { ip } from '../../support/small-zone.ts';
import {
  agentId,
  discovery,
  type Json,
  labelled,
  marathonState,
  network,
  port,
  type Published,
  publish,
  running,
  type SettingsChange,
  task,
  zoneRecords,
} from '../../support/state-builder.ts';

/** On a container network, with addresses of its own. */
const onNetwork = (...addresses: readonly string[]): Json => ({
  container: { docker: { network: 'USER' }, network_infos: [{ name: 'dcos' }] },
  statuses: [running([network(addresses, 'dcos')])],
});

/** Every PTR record, whatever zone it is in. */
function pointers({ table }: Pick<Published, 'table'>): string[] {
  return [...allNodes(table)]
    .flatMap((node) => nodePointers(table, node).map((to) => `${nodeName(table, node)} ${to}`))
    .sort();
}

const pointersOf = (tasks: readonly Json[], change: SettingsChange = {}): string[] =>
  pointers(publish(marathonState(...tasks), change));

const IPV6_NAME = '5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.9.0.0.0.0.0.d.f.ip6.arpa.';

describe('PTR records of a task', () => {
  test('A11: lead from its own addresses to its canonical name', () => {
    assert.deepEqual(pointersOf([task('db', onNetwork('9.0.1.7', 'fd00:9::5'))]), [
      `${IPV6_NAME} db-iffe9-s0.marathon.mesos.`,
      '7.1.0.9.in-addr.arpa. db-iffe9-s0.marathon.mesos.',
    ]);
  });

  test('lead to the sanitised one of two canonical names', () => {
    const found = { ...onNetwork('9.0.1.7'), discovery: discovery('web.shop_x') };
    assert.deepEqual(pointersOf([task('x', found)]), [
      '7.1.0.9.in-addr.arpa. web-shop-x-iffe9-s0.marathon.mesos.',
    ]);
  });

  test('are one for each task of a pod, whose address they share', () => {
    const tasks = ['app', 'side'].map((id) => task(id, { id, ...onNetwork('9.0.1.7') }));
    const found = pointersOf(tasks);
    assert.equal(found.length, 2);
    for (const [i, name] of ['app', 'side'].entries()) {
      assert.match(found[i] ?? '', new RegExp(`^7\\.1\\.0\\.9\\.in-addr\\.arpa\\. ${name}-`));
    }
  });

  test('stay when it is unhealthy, or a VIP has its plain name', () => {
    const sick = { id: 'sick', slave_id: agentId(1) };
    const statuses = [running([network(['9.0.1.8'], 'dcos')], { healthy: false })];
    const tasks = [
      task('web', onNetwork('9.0.1.7')),
      task('web', { ...sick, ...onNetwork(), statuses }),
    ];
    assert.equal(pointersOf(tasks, { names: { unhealthy: 'avoid' } }).length, 2);
    const declared = labelled(port(80, 'tcp'), { VIP_0: '/w:80', HOPLITE_ENDPOINT: 'vip' });
    const balanced = { ...onNetwork('9.0.1.7'), discovery: discovery('web', declared) };
    const all = pointersOf([task('web', balanced)], { vip: { enabled: true } });
    assert.ok(all.includes('7.1.0.9.in-addr.arpa. web-iffe9-s0.marathon.mesos.'));
  });

  const WITHOUT: readonly (readonly [what: string, more: Json, change?: SettingsChange])[] = [
    ['on the host network', {}],
    [
      'behind a bridge',
      {
        container: { docker: { network: 'BRIDGE' } },
        statuses: [running([network(['172.17.0.4'])])],
      },
    ],
    [
      'whose ports are all at the agent',
      { discovery: discovery('web', port(80, 'tcp', 'h', 'host')) },
    ],
    ['with the address of its agent', onNetwork('10.0.0.1')],
    ['with addresses that every node has', onNetwork('127.0.0.1', '169.254.1.2', '::1', 'fe80::1')],
    ['with no address at all', onNetwork('0.0.0.0', '::')],
    [
      'whose address comes from a list of sources, as with Mesos-DNS',
      onNetwork('9.0.1.7'),
      { names: { addresses: ['netinfo', 'host'] } },
    ],
  ];

  for (const [what, more, change] of WITHOUT) {
    test(`are none for a task ${what}`, () => {
      const added = what.includes('ports') ? { ...onNetwork('9.0.1.7'), ...more } : more;
      assert.deepEqual(pointersOf([task('web', added)], change), []);
    });
  }

  test('are ordinary ones of a reverse zone of VIPs where the address lies in it', () => {
    const state = marathonState(task('web', onNetwork('10.209.0.7', '9.0.1.7')));
    const published = publish(state, { vip: { enabled: true } });
    assert.deepEqual(zoneRecords(published, '209.10.in-addr.arpa.'), [
      '7.0.209.10.in-addr.arpa. IN PTR web-iffe9-s0.marathon.mesos.',
    ]);
    const { table } = published;
    const strays = [...allNodes(table)].filter((node) => table.isStray(node));
    assert.deepEqual(
      strays.map((node) => nodeName(table, node)),
      ['7.1.0.9.in-addr.arpa.'],
    );
  });

  test('are explained by their tasks', () => {
    const { table, cluster, settings } = publish(marathonState(task('db', onNetwork('9.0.1.7'))));
    const view = explainView(table, cluster, settings, '7.1.0.9.in-addr.arpa') as {
      readonly zone: unknown;
      readonly outcome: string;
      readonly sources: readonly { readonly path: string; readonly records: unknown }[];
    };
    assert.deepEqual([view.zone, view.outcome], [null, '1 PTR']);
    assert.deepEqual(
      view.sources.map(({ path, records }) => [path, records]),
      [['frameworks[0].tasks[0]', ['PTR db-iffe9-s0.marathon.mesos.']]],
    );
  });

  test('are in no listing of addresses and services', () => {
    const { table, settings } = publish(marathonState(task('db', onNetwork('9.0.1.7'))));
    for (const view of [axfrView(table, settings, 30), recordsView(table)]) {
      assert.ok(!JSON.stringify(view).includes('.arpa'));
    }
  });
});

test('law: a PTR record leads to a name with that address, and from own addresses one leads back', () => {
  fc.assert(
    fc.property(clusters, (cluster: Cluster) => {
      const published = publish(stateOf(cluster));
      const { table } = published;
      const node = (name: string): number => findNode(table, wireName(name));
      for (const pointer of pointers(published)) {
        const [from = '', to = ''] = pointer.split(' ');
        const names = nodeAddresses(table, node(to)).map((address) => reverseName(ip(address)));
        assert.ok(names.includes(from), pointer);
      }
      for (const { name, tasks } of published.catalog.frameworks) {
        if (name === '') continue;
        for (const { chosen, labels, suffix } of tasks) {
          if (chosen.of === 'agent' || labels.at(-1) === '') continue;
          for (const address of chosen.addresses) {
            const targets = nodePointers(table, node(reverseName(address)));
            assert.ok(targets.some((target) => target.includes(`-${suffix}.${name}.`)));
          }
        }
      }
    }),
  );
});
