import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIpAddress } from '../../../src/core/base/address.ts';
import type { IpAddress } from '../../../src/core/base/address.ts';
import type { Backend, VipPort, VipService, VipTable } from '../../../src/core/vip/vip-table.ts';
import { vipList, vipsView } from '../../../src/core/views/vips-view.ts';

function ip(text: string): IpAddress {
  const address = parseIpAddress(text);
  assert.ok(address !== null, text);
  return address;
}

function backend(address: string, port: number, more: Partial<Backend> = {}): Backend {
  return {
    address: ip(address),
    port,
    weight: 1,
    healthy: true,
    state: 'running',
    forwarding: 'masq',
    upperThreshold: 0,
    lowerThreshold: 0,
    taskId: `task-${port}`,
    agentId: 'agent-1',
    onAgent: null,
    ...more,
  };
}

function vipPort(port: number, backends: readonly Backend[], more: Partial<VipPort> = {}): VipPort {
  const settings = { scheduler: 'wlc', schedulerFlags: 0, persistenceSeconds: 0 };
  return { protocol: 'tcp', port, backends, ...settings, ...more };
}

interface Addresses {
  readonly ipv4?: string;
  readonly ipv6?: string;
}

function service(
  name: string | null,
  { ipv4, ipv6 }: Addresses,
  ports: readonly VipPort[],
  framework = 'marathon',
): VipService {
  return {
    identity: name === null ? (ipv4 ?? ipv6 ?? '') : `${name}.${framework}`,
    name,
    framework: name === null ? null : framework,
    ipv4: ipv4 === undefined ? null : ip(ipv4),
    ipv6: ipv6 === undefined ? null : ip(ipv6),
    ports,
  };
}

const table = (...services: readonly VipService[]): VipTable => ({
  services,
  plainNames: new Map(),
  digest: 'd1',
});

const WEB = [backend('10.0.0.1', 31_000)];

test('a named VIP has the members of DC/OS, and what it leaves out', () => {
  const draining = backend('10.0.0.2', 31_001, {
    weight: 0,
    healthy: false,
    state: 'killing',
    agentId: 'agent-2',
  });
  const port = vipPort(80, [...WEB, draining], { scheduler: 'sh', persistenceSeconds: 300 });
  const vips = table(service('dev.web', { ipv4: '10.208.0.7' }, [port]));
  assert.deepEqual(vipsView(vips, 'mesos', new Set(['10.208.0.7'])), [
    {
      vip: 'dev.web.marathon.l4lb.mesos:80',
      protocol: 'tcp',
      name: 'dev.web',
      fqdn: 'dev.web.marathon.l4lb.mesos',
      address: '10.208.0.7',
      port: 80,
      scheduler: 'sh',
      persistenceSeconds: 300,
      programmed: true,
      backend: [
        {
          ip: '10.0.0.1',
          port: 31_000,
          weight: 1,
          healthy: true,
          state: 'running',
          taskId: 'task-31000',
          agent: 'agent-1',
        },
        {
          ip: '10.0.0.2',
          port: 31_001,
          weight: 0,
          healthy: false,
          state: 'killing',
          taskId: 'task-31001',
          agent: 'agent-2',
        },
      ],
    },
  ]);
});

test('a declared address is its own name; IPv6 stands in brackets', () => {
  const vips = table(
    service(null, { ipv4: '10.208.9.9' }, [vipPort(53, WEB, { protocol: 'udp' })]),
    service(null, { ipv6: 'fd01:c::5' }, [vipPort(443, [backend('fd00::1', 8443)])]),
  );
  const shown = vipsView(vips, 'mesos', null).map(({ vip, name, fqdn }) => ({ vip, name, fqdn }));
  assert.deepEqual(shown, [
    { vip: '[fd01:c::5]:443', name: null, fqdn: null },
    { vip: '10.208.9.9:53', name: null, fqdn: null },
  ]);
});

test('a VIP of two families is listed for each, with the backends of that family', () => {
  const both = vipPort(80, [...WEB, backend('fd00::1', 80)]);
  const vips = table(service('web', { ipv4: '10.208.0.7', ipv6: 'fd01:c::7' }, [both]));
  const shown = vipsView(vips, 'mesos', null);
  assert.deepEqual(
    shown.map(({ vip, address, backend: to }) => [vip, address, to.map((each) => each.ip)]),
    [
      ['web.marathon.l4lb.mesos:80', '10.208.0.7', ['10.0.0.1']],
      ['web.marathon.l4lb.mesos:80', 'fd01:c::7', ['fd00::1']],
    ],
  );
});

test('whether a VIP is programmed is told by address, and unknown without a kernel', () => {
  const vips = table(
    service('a', { ipv4: '10.208.0.1' }, [vipPort(80, WEB)]),
    service('b', { ipv4: '10.208.0.2' }, [vipPort(80, WEB)]),
  );
  const programmed = (known: ReadonlySet<string> | null): unknown =>
    vipsView(vips, 'mesos', known).map((each) => each.programmed);
  assert.deepEqual(programmed(new Set(['10.208.0.2'])), [false, true]);
  assert.deepEqual(programmed(null), [null, null]);
});

test('a service that got no address, and a port without backends of a family, are left out', () => {
  const vips = table(
    service('none', {}, [vipPort(80, WEB)]),
    service('web', { ipv4: '10.208.0.7', ipv6: 'fd01:c::7' }, [
      vipPort(80, WEB),
      vipPort(81, [backend('fd00::1', 81)]),
    ]),
  );
  const shown = vipList(vips, 'mesos').map(({ address, port }) => `${address} ${port}`);
  assert.deepEqual(shown, ['10.208.0.7 80', 'fd01:c::7 81']);
  assert.equal(vipsView(vips, 'mesos', null).length, 2);
});

test('the list is sorted by name, then protocol, then port, whatever the order of services', () => {
  const services = [
    service('web', { ipv4: '10.208.0.4' }, [vipPort(80, WEB)], 'spark'),
    service('web', { ipv4: '10.208.0.3' }, [
      vipPort(8080, WEB),
      vipPort(80, WEB),
      vipPort(53, WEB, { protocol: 'udp' }),
    ]),
    service('api', { ipv4: '10.208.0.2' }, [vipPort(9000, WEB)]),
    service(null, { ipv4: '10.208.0.1' }, [vipPort(80, WEB)]),
  ];
  const expected = [
    'null tcp 80',
    'api.marathon.l4lb.cluster.example tcp 9000',
    'web.marathon.l4lb.cluster.example tcp 80',
    'web.spark.l4lb.cluster.example tcp 80',
    'web.marathon.l4lb.cluster.example tcp 8080',
    'web.marathon.l4lb.cluster.example udp 53',
  ];
  for (const order of [services, services.toReversed()]) {
    const list = vipList(table(...order), 'cluster.example');
    assert.deepEqual(
      list.map(({ fqdn, protocol, port }) => `${fqdn} ${protocol} ${port}`),
      expected,
    );
  }
});

test('an entry of the list has name, address, scheduler and backends, and nothing else', () => {
  const port = vipPort(80, WEB, { scheduler: 'mh', persistenceSeconds: 10 });
  assert.deepEqual(vipList(table(service('web', { ipv4: '10.208.0.7' }, [port])), 'mesos'), [
    {
      name: 'web',
      fqdn: 'web.marathon.l4lb.mesos',
      address: '10.208.0.7',
      protocol: 'tcp',
      port: 80,
      scheduler: 'mh',
      backends: [
        {
          address: '10.0.0.1',
          port: 31_000,
          weight: 1,
          taskId: 'task-31000',
          agent: 'agent-1',
        },
      ],
    },
  ]);
});

test('without services both are empty', () => {
  assert.deepEqual([vipsView(table(), 'mesos', null), vipList(table(), 'mesos')], [[], []]);
});
