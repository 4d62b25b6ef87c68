import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { HostPort } from '../../../src/core/config/config.ts';
import { ip } from '../../support/small-zone.ts';
import {
  agent,
  framework,
  type Json,
  masterState,
  publish,
  type SettingsChange,
  task,
} from '../../support/state-builder.ts';

/** Records whose owner matches. */
function owned(state: Json, owner: RegExp, change: SettingsChange = {}): string[] {
  return publish(state, change).records.filter((record) => owner.test(record.split(' ')[0] ?? ''));
}

describe('frameworks', () => {
  test('a framework with a pid has an address and a service', () => {
    const state = masterState([framework('Marathon', [], { pid: 's-1@10.0.0.60:9090' })]);
    assert.deepEqual(owned(state, /marathon/), [
      'marathon.mesos. IN A 10.0.0.60',
      '_framework._tcp.marathon.mesos. IN SRV 0 1 9090 marathon.mesos.',
    ]);
  });

  test('a framework over HTTP has the address of its hostname and no service', () => {
    assert.deepEqual(owned(masterState([framework('a.b', [])]), /\.b\./), [
      'a.b.mesos. IN A 10.0.0.50',
    ]);
  });

  test('a hostname that is a name counts once it was looked up', () => {
    const state = masterState([framework('m', [], { hostname: 'sched.example.test' })]);
    const hosts = new Map([['sched.example.test', [ip('10.20.0.50'), ip('fd20::50')]]]);
    const { records } = publish(state, {}, hosts);
    assert.ok(records.includes('m.mesos. IN A 10.20.0.50'));
    assert.ok(records.includes('m.mesos. IN AAAA fd20::50'));
    assert.deepEqual(owned(state, /^m\./), []);
  });

  test('frameworks that sanitise to one name share it', () => {
    const state = masterState([
      framework('twin', [], { pid: 's@10.0.0.60:1' }),
      framework('Twin', [], { pid: 's@10.0.0.61:2' }),
    ]);
    assert.deepEqual(owned(state, /twin/), [
      'twin.mesos. IN A 10.0.0.60',
      'twin.mesos. IN A 10.0.0.61',
      '_framework._tcp.twin.mesos. IN SRV 0 1 1 twin.mesos.',
      '_framework._tcp.twin.mesos. IN SRV 0 1 2 twin.mesos.',
    ]);
  });

  test('S18: inactive frameworks and agents are left out if the configuration says so', () => {
    const state = masterState([framework('gone', [task('web')], { active: false })], {
      slaves: [agent(0), agent(1, { active: false })],
    });
    const omit = { names: { inactive: 'omit' } } as const;
    assert.deepEqual(owned(state, /^gone/), ['gone.mesos. IN A 10.0.0.50']);
    assert.deepEqual(owned(state, /^gone/, omit), []);
    assert.equal(owned(state, /^slave/).length, 2);
    assert.deepEqual(owned(state, /^slave/, omit), ['slave.mesos. IN A 10.0.0.1']);
    // Its tasks run on.
    assert.deepEqual(owned(state, /^web\.gone\.mesos/, omit), ['web.gone.mesos. IN A 10.0.0.1']);
  });

  for (const name of ['leader', 'master', 'master0', 'Master12', 'slave', 'ns1', 'LEADER']) {
    test(`D13: a framework called ${name} adds nothing to the cluster's own name`, () => {
      const pid = 's@10.0.0.66:9096';
      const state = masterState([framework(name, [task('web')], { pid })]);
      const { records, rejections } = publish(state, { listeners: ['10.0.0.99'] });
      assert.ok(!records.some((record) => record.includes('10.0.0.66')));
      assert.ok(!records.some((record) => record.includes('_framework')));
      assert.deepEqual(rejections, [
        { path: 'frameworks[0].name', code: 'name-reserved', value: name },
      ]);
      assert.ok(records.includes(`web.${name.toLowerCase()}.mesos. IN A 10.0.0.1`));
    });
  }

  for (const name of ['leaders', 'masterx', 'ns2', 'slave.prod', 'my.leader']) {
    test(`a framework called ${name} is not in the way of the cluster's own names`, () => {
      const { records, rejections } = publish(masterState([framework(name, [])]));
      assert.ok(records.includes(`${name}.mesos. IN A 10.0.0.50`));
      assert.deepEqual(rejections, []);
    });
  }

  test('a framework name that makes too long a name is rejected, and so are its tasks', () => {
    const name = Array.from({ length: 4 }, () => 'a'.repeat(63)).join('.');
    const { records, rejections } = publish(masterState([framework(name, [task('web')])]));
    assert.ok(!records.some((record) => record.includes('aaa')));
    assert.deepEqual(
      new Set(rejections.map(({ path, code }) => `${path} ${code}`)),
      new Set(['frameworks[0] name-too-long', 'frameworks[0].tasks[0] name-too-long']),
    );
  });
});

test('agents share one name, their ports are its services, each once', () => {
  const slaves = [
    agent(0),
    agent(1),
    agent(2, { pid: 'slave(1)@10.0.0.3:5052' }),
    agent(3, { pid: 'slave(1)@[fd00::4]:5051' }),
  ];
  assert.deepEqual(owned(masterState([], { slaves }), /slave/), [
    '_slave._tcp.mesos. IN SRV 0 1 5051 slave.mesos.',
    '_slave._tcp.mesos. IN SRV 0 1 5052 slave.mesos.',
    'slave.mesos. IN A 10.0.0.1',
    'slave.mesos. IN A 10.0.0.2',
    'slave.mesos. IN A 10.0.0.3',
    'slave.mesos. IN AAAA fd00::4',
  ]);
});

test("the name server has the listeners' addresses", () => {
  const change = { listeners: ['10.0.0.53', 'fd00::53'] };
  assert.deepEqual(owned(masterState([]), /ns1/, change), [
    'ns1.mesos. IN A 10.0.0.53',
    'ns1.mesos. IN AAAA fd00::53',
  ]);
});

describe('masters', () => {
  const at = (...hosts: readonly string[]): HostPort[] =>
    hosts.map((host) => {
      const [name = '', port = '5050'] = host.split('/');
      return { host: name, port: Number(port) };
    });

  /** Addresses of `master0`, `master1`, … for a list of masters; the leader is 10.0.0.100:5050. */
  function numbered(masters: readonly HostPort[], state = masterState([])): string[] {
    return owned(state, /^master\d/, { masters }).map((record) =>
      record.replace('.mesos. IN A', ''),
    );
  }

  test('the leader has its names and services, and is the only master without a list', () => {
    assert.deepEqual(owned(masterState([]), /leader|master/), [
      '_leader._tcp.mesos. IN SRV 0 1 5050 leader.mesos.',
      '_leader._udp.mesos. IN SRV 0 1 5050 leader.mesos.',
      'leader.mesos. IN A 10.0.0.100',
      'master.mesos. IN A 10.0.0.100',
      'master0.mesos. IN A 10.0.0.100',
    ]);
  });

  const CASES: readonly (readonly [what: string, masters: HostPort[], expected: string[]])[] = [
    [
      'in list order, the leader at its place',
      at('10.0.0.101', '10.0.0.100', '10.0.0.102'),
      ['master0 10.0.0.101', 'master1 10.0.0.100', 'master2 10.0.0.102'],
    ],
    [
      'with a leader outside the list behind it',
      at('10.0.0.101', '10.0.0.102'),
      ['master0 10.0.0.101', 'master1 10.0.0.102', 'master2 10.0.0.100'],
    ],
    [
      'passing over an address that is known already',
      at('10.0.0.101', '10.0.0.101/5051', '10.0.0.100', '10.0.0.102'),
      ['master0 10.0.0.101', 'master1 10.0.0.100', 'master2 10.0.0.102'],
    ],
    [
      'passing over the leader under another port',
      at('10.0.0.100/5051', '10.0.0.101'),
      ['master0 10.0.0.101', 'master1 10.0.0.100'],
    ],
    ['passing over a leader listed twice', at('10.0.0.100', '10.0.0.100'), ['master0 10.0.0.100']],
    [
      'passing over a name that was not looked up',
      at('zoo.example.test', '10.0.0.101'),
      ['master0 10.0.0.101', 'master1 10.0.0.100'],
    ],
  ];

  for (const [what, masters, expected] of CASES) {
    test(`are numbered ${what}`, () => {
      assert.deepEqual(numbered(masters), expected);
    });
  }

  test('master has the addresses of all of them', () => {
    assert.deepEqual(
      owned(masterState([]), /^master\./, { masters: at('10.0.0.101', '10.0.0.102') }),
      [
        'master.mesos. IN A 10.0.0.100',
        'master.mesos. IN A 10.0.0.101',
        'master.mesos. IN A 10.0.0.102',
      ],
    );
  });

  test('keep their numbers whoever leads, also when they are listed by name', () => {
    const names = ['m1.example.test', 'm2.example.test', 'm3.example.test'];
    const hosts = new Map(names.map((name, i) => [name, [ip(`10.0.0.${i + 1}`)]]));
    const masters = names.map((host) => ({ host, port: 5050 }));
    for (const leading of [1, 2, 3]) {
      const state = masterState([], { leader: `master@10.0.0.${leading}:5050` });
      const { records } = publish(state, { masters }, hosts);
      assert.deepEqual(
        records.filter((record) => /^master\d/.test(record)),
        [1, 2, 3].map((n) => `master${n - 1}.mesos. IN A 10.0.0.${n}`),
      );
    }
  });

  test('S01: a leader that is a name has the addresses that were looked up', () => {
    const state = masterState([], { leader: 'master@zoo.example.test:5051' });
    const hosts = new Map([['zoo.example.test', [ip('10.0.0.7'), ip('fd00::7')]]]);
    const masters = at('zoo.example.test/5051');
    const { records, rejections } = publish(state, { masters }, hosts);
    assert.deepEqual(
      records.filter((record) => /^(_leader\._tcp|leader|master0?)\.mesos/.test(record)),
      [
        '_leader._tcp.mesos. IN SRV 0 1 5051 leader.mesos.',
        'leader.mesos. IN A 10.0.0.7',
        'leader.mesos. IN AAAA fd00::7',
        'master.mesos. IN A 10.0.0.7',
        'master.mesos. IN AAAA fd00::7',
        'master0.mesos. IN A 10.0.0.7',
        'master0.mesos. IN AAAA fd00::7',
      ],
    );
    assert.deepEqual(rejections, []);
  });
});
