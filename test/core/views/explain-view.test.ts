import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { explainView } from '../../../src/core/views/explain-view.ts';
import {
  discovery,
  labelled,
  marathonState,
  port,
  publish,
  running,
  type SettingsChange,
  task,
} from '../../support/state-builder.ts';

function explain(
  name: string,
  tasks: readonly unknown[],
  change: SettingsChange = {},
): Record<string, unknown> & { sources: Record<string, unknown>[] } {
  const { table, cluster, settings } = publish(marathonState(...tasks), change);
  return explainView(table, cluster, settings, name) as ReturnType<typeof explain>;
}

test('a name is explained by its answer, and every record by its task and reason', () => {
  const sick = { statuses: [running([], { healthy: false })], id: 't0001' };
  const tasks = [task('web'), task('Web', { ...sick, slave_id: '5c3e2d0a-7b1f-S1' })];
  assert.deepEqual(explain('WEB.marathon.mesos', tasks), {
    name: 'web.marathon.mesos.',
    zone: 'mesos.',
    exists: true,
    outcome: '2 A',
    answer: { A: ['10.0.0.1', '10.0.0.2'], AAAA: [], SRV: [] },
    ttlSeconds: 60,
    sources: [
      {
        path: 'frameworks[0].tasks[0]',
        records: ['A 10.0.0.1'],
        task: {
          id: 'test',
          name: 'web',
          agent: '5c3e2d0a-7b1f-S0',
          healthy: true,
          network: 'host',
          addressOf: 'agent',
          reason: 'the task uses the host network',
        },
      },
      {
        path: 'frameworks[0].tasks[1]',
        records: ['A 10.0.0.2'],
        task: {
          id: 't0001',
          name: 'Web',
          agent: '5c3e2d0a-7b1f-S1',
          healthy: false,
          network: 'host',
          addressOf: 'agent',
          reason: 'the task uses the host network',
        },
      },
    ],
    sourcesNotShown: 0,
  });
});

test('a service is explained by its ports and targets', () => {
  const declared = { discovery: discovery('web', port(80, 'tcp'), port(81, 'tcp')) };
  const view = explain('_web._tcp.marathon.mesos.', [task('x', declared)]);
  assert.equal(view['outcome'], '2 SRV');
  assert.deepEqual(view.sources[0]?.['records'], [
    'SRV web-iffe9-s0.marathon.mesos.:80',
    'SRV web-iffe9-s0.marathon.mesos.:81',
  ]);
});

test("the cluster's own names are explained by the part of the state they come from", () => {
  const view = explain('leader.mesos', []);
  assert.deepEqual(view.sources, [{ path: 'leader', records: ['A 10.0.0.100'] }]);
  const slave = explain('slave.mesos', []);
  assert.deepEqual(slave.sources, [{ path: 'slaves', records: ['A 10.0.0.1', 'A 10.0.0.2'] }]);
});

const ABSENT: readonly (readonly [name: string, shown: string])[] = [
  ['nobody.marathon.mesos', 'nobody.marathon.mesos.'],
  ['a..b', 'a..b'],
  ['x'.repeat(64), 'x'.repeat(64)],
];

for (const [name, shown] of ABSENT) {
  test(`the name ${shown} is explained as not there`, () => {
    const view = explain(name, [task('web')]);
    assert.deepEqual(
      [view['name'], view['exists'], view['outcome'], view['answer'], view.sources],
      [shown, false, 'the name does not exist (NXDOMAIN)', null, []],
    );
  });
}

test('D02: a name with only names below it is explained as such', () => {
  const view = explain('_tcp.marathon.mesos.', [
    task('web', { resources: { ports: '[31000-31000]' } }),
  ]);
  assert.equal(view['exists'], true);
  assert.equal(view['outcome'], 'there are only names below it (NODATA for every type)');
});

test('a name with characters that are escaped when shown is explained all the same', () => {
  const tasks = [task('x', { discovery: discovery('s(p a$e') })];
  for (const name of ['s(p a$e.marathon.mesos.', 's\\(p\\032a\\$e.marathon.mesos.']) {
    const view = explain(name, tasks);
    assert.equal(view['name'], 's\\(p\\032a\\$e.marathon.mesos.');
    assert.equal(view.sources.length, 1);
    assert.deepEqual(view.sources[0]?.['records'], ['A 10.0.0.1']);
  }
});

test('an avoided task is listed with the reason why its records are left out', () => {
  const sick = { statuses: [running([], { healthy: false })], id: 'sick' };
  const tasks = [task('web'), task('web', { ...sick, slave_id: '5c3e2d0a-7b1f-S1' })];
  const change: SettingsChange = { names: { unhealthy: 'avoid' } };
  const { answer, sources } = explain('web.marathon.mesos', tasks, change);
  assert.deepEqual(answer, { A: ['10.0.0.1'], AAAA: [], SRV: [] });
  assert.deepEqual(
    sources.map(({ path, records, leftOut }) => [path, records, leftOut]),
    [
      ['frameworks[0].tasks[0]', ['A 10.0.0.1'], undefined],
      ['frameworks[0].tasks[1]', ['A 10.0.0.2'], 'unhealthy, while a healthy task has this name'],
    ],
  );
});

test('a hundred sources are listed, the others counted', () => {
  const tasks = Array.from({ length: 103 }, (_, i) => task('web', { id: `t${i}` }));
  const view = explain('web.marathon.mesos.', tasks);
  assert.deepEqual([view.sources.length, view['sourcesNotShown']], [100, 3]);
});

describe('a name of a VIP', () => {
  const VIP: SettingsChange = { vip: { enabled: true, aliasDomains: ['thisdcos.directory'] } };
  const web = (id: string, more: Readonly<Record<string, string>> = {}): unknown =>
    task('web', {
      id,
      discovery: discovery('web', labelled(port(8080, 'tcp'), { VIP_0: '/lb:80', ...more })),
    });

  function explainVip(
    name: string,
    tasks: readonly unknown[],
    programmed: ReadonlySet<string> | null = null,
  ): ReturnType<typeof explain> {
    const published = publish(marathonState(...tasks), VIP, new Map(), programmed);
    const { table, cluster, settings } = published;
    return explainView(table, cluster, settings, name) as ReturnType<typeof explain>;
  }

  const [address = ''] = publish(marathonState(web('t1')), VIP).vips.services.map(
    ({ ipv4 }) => ipv4?.text ?? '',
  );
  const vip = (programmed: boolean | null): object => ({
    service: 'lb.marathon',
    addresses: [{ address, programmed }],
    ports: [
      {
        protocol: 'tcp',
        port: 80,
        scheduler: 'wlc',
        backends: [
          {
            address: '10.0.0.1',
            port: 8080,
            weight: 1,
            healthy: true,
            state: 'running',
            taskId: 't1',
            agent: '5c3e2d0a-7b1f-S0',
          },
        ],
      },
    ],
    portsNotShown: 0,
    backendsNotShown: 0,
  });

  test('is explained by the service and its backends', () => {
    const view = explainVip('lb.marathon.l4lb.mesos', [web('t1')]);
    assert.deepEqual(view['vip'], vip(null));
    assert.deepEqual(
      [view['zone'], view['outcome'], view.sources],
      ['mesos.', '1 A', [{ path: 'vips.lb.marathon', records: [`A ${address}`] }]],
    );
  });

  test('is explained below an alias domain by what it is a copy of', () => {
    const name = 'lb.marathon.l4lb.thisdcos.directory.';
    const view = explainVip(name, [web('t1')], new Set([address]));
    assert.deepEqual(view['vip'], vip(true));
    assert.deepEqual(
      [view['name'], view['zone'], view.sources],
      [name, 'l4lb.thisdcos.directory.', [{ path: 'vips.lb.marathon', records: [`A ${address}`] }]],
    );
  });

  test('is explained as not there while it is not programmed', () => {
    for (const name of ['lb.marathon.l4lb.mesos.', '_lb._tcp.marathon.l4lb.mesos.']) {
      const view = explainVip(name, [web('t1')], new Set());
      assert.deepEqual(view['vip'], vip(false));
      assert.match(String(view['outcome']), /not programmed on this node.*NXDOMAIN/);
    }
    const view = explainVip('other.marathon.l4lb.mesos.', [web('t1')], new Set());
    assert.equal(view['vip'], undefined);
    assert.equal(view['outcome'], 'the name does not exist (NXDOMAIN)');
  });

  test('is found behind services and pointers', () => {
    const service = explainVip('_lb._tcp.marathon.l4lb.mesos.', [web('t1')]);
    assert.deepEqual(service['vip'], vip(null));
    const pointer = `${address.split('.').reverse().join('.')}.in-addr.arpa.`;
    const view = explainVip(pointer, [web('t1')]);
    assert.deepEqual(view['vip'], vip(null));
    assert.deepEqual(
      [view['zone'], view['answer'], view['outcome']],
      [
        pointer.replace(/^\d+\.\d+\./, ''),
        { A: [], AAAA: [], SRV: [], PTR: ['lb.marathon.l4lb.mesos.'] },
        '1 PTR',
      ],
    );
  });

  test('tells which tasks a plain name leaves out for it', () => {
    const tasks = [web('t1', { HOPLITE_ENDPOINT: 'vip' })];
    const view = explainVip('web.marathon.mesos.', tasks);
    assert.deepEqual(view['vip'], vip(null));
    assert.deepEqual(
      view.sources.map(({ path, records, leftOut }) => [path, records, leftOut]),
      [
        ['vips.lb.marathon', [`A ${address}`], undefined],
        ['frameworks[0].tasks[0]', ['A 10.0.0.1'], 'a VIP has this name (HOPLITE_ENDPOINT=vip)'],
      ],
    );
    assert.equal(explainVip('web.marathon.mesos.', tasks, new Set()).sources.length, 1);
  });

  test('lists a hundred backends and counts the others', () => {
    const tasks = Array.from({ length: 103 }, (_, i) => {
      const ports = discovery('web', labelled(port(8080 + i, 'tcp'), { VIP_0: '/lb:80' }));
      return task('web', { id: `t${i}`, discovery: ports });
    });
    const { vip: shown } = explainVip('lb.marathon.l4lb.mesos.', tasks) as unknown as {
      vip: { ports: { backends: unknown[] }[]; backendsNotShown: number };
    };
    assert.deepEqual([shown.ports[0]?.backends.length, shown.backendsNotShown], [100, 3]);
  });
});
