import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { prefixContains } from '../../../src/core/base/prefix.ts';
import type { DiscoveryPort, Framework, Task } from '../../../src/core/mesos/snapshot.ts';
import { agent, build, framework, ip, port, prefix, task } from './vip-cluster.ts';

const CONFIG = {
  auto: false,
  pool: [prefix('10.208.0.0/28'), prefix('10.209.0.0/28')],
  poolIpv6: [prefix('fd01:c::/124')],
  exclude: [prefix('10.208.0.4/30')],
  ranges: [prefix('192.168.7.0/24')],
};

const labels = fc.constantFrom(
  'VIP_0=/web:80',
  'VIP_1=Web:80',
  'vip_2=api.v1:443',
  'VIP_3=/db:5432',
  'VIP_4=10.208.0.3:80',
  'VIP_5=fd01:c::3:80',
  'VIP_6=192.168.7.1:80',
  'VIP_7=bad',
  'VIP_8=:80',
  'HOPLITE_WEIGHT=3',
  'HOPLITE_WEIGHT=9',
  'HOPLITE_SCHEDULER=rr',
  'HOPLITE_SCHEDULER=sh,port',
  'HOPLITE_PERSISTENCE=60',
  'HOPLITE_PERSISTENCE=90',
  'HOPLITE_FORWARDING=direct',
  'HOPLITE_UPPER_THRESHOLD=5',
  'HOPLITE_ENDPOINT=vip',
  'HOPLITE_ENDPOINT=dnsrr',
);

const ports: fc.Arbitrary<DiscoveryPort> = fc
  .record({
    number: fc.constantFrom(0, 80, 443, 31_000, 31_001),
    labels: fc.uniqueArray(labels, { maxLength: 5 }),
    protocol: fc.constantFrom('tcp', 'udp', '', 'tcp,udp', 'odd'),
    scope: fc.constantFrom(null, 'host' as const, 'container' as const),
  })
  .map(({ number, labels: texts, protocol, scope }) => port(number, texts, { protocol, scope }));

const tasks: fc.Arbitrary<Task> = fc
  .record({
    id: fc.integer({ min: 0, max: 20 }),
    name: fc.constantFrom('web', 'Web', 'api'),
    declared: fc.array(ports, { maxLength: 3 }),
    agentId: fc.constantFrom('S0', 'S1', 'S9'),
    network: fc.constantFrom('host' as const, 'bridge' as const, 'container' as const),
    addresses: fc.uniqueArray(
      fc.constantFrom('10.0.0.1', '9.0.1.1', '9.0.1.2', 'fd00::1', '10.208.0.9'),
      { maxLength: 3 },
    ),
    mappings: fc.array(
      fc.record({
        protocol: fc.constantFrom('tcp', 'udp', ''),
        containerPort: fc.constantFrom(80, 443),
        hostPort: fc.constantFrom(31_000, 31_001),
      }),
      { maxLength: 3 },
    ),
    legacy: fc.array(
      fc.constantFrom(
        { index: '0', value: 'tcp://web:80' },
        { index: '1', value: 'udp://old:80' },
        { index: '7', value: 'tcp://web:80' },
      ),
      { maxLength: 2 },
    ),
    isDocker: fc.boolean(),
    healthy: fc.boolean(),
  })
  .map((parts) =>
    task(`t${parts.id}`, parts.declared, {
      name: parts.name,
      agentId: parts.agentId,
      network: parts.network,
      networkAddresses: parts.addresses.map(ip),
      portMappings: parts.mappings,
      hostPorts: [31_000, 31_001],
      vipPortLabels: parts.legacy,
      isDocker: parts.isDocker,
      healthy: parts.healthy,
    }),
  );

const frameworks: fc.Arbitrary<Framework[]> = fc.array(
  fc
    .record({
      name: fc.constantFrom('marathon', 'Marathon', 'a.b', '%'),
      running: fc.array(tasks, { maxLength: 6 }),
      killing: fc.array(tasks, { maxLength: 2 }),
    })
    .map(({ name, running, killing }) => framework(name, running, killing)),
  { maxLength: 3 },
);

function shuffled<T>(items: readonly T[]): fc.Arbitrary<T[]> {
  return fc.shuffledSubarray([...items], { minLength: items.length, maxLength: items.length });
}

function shuffledTask(one: Task): fc.Arbitrary<Task> {
  return fc
    .record({
      discoveryPorts: shuffled(one.discoveryPorts),
      portMappings: shuffled(one.portMappings),
      vipPortLabels: shuffled(one.vipPortLabels),
    })
    .map((parts) => ({ ...one, ...parts }));
}

function shuffledFramework(one: Framework): fc.Arbitrary<Framework> {
  return fc
    .record({
      running: fc.tuple(...one.tasks.map(shuffledTask)).chain(shuffled),
      killing: fc.tuple(...one.killing.map(shuffledTask)).chain(shuffled),
    })
    .map(({ running, killing }) => ({ ...one, tasks: running, killing }));
}

const shuffles = frameworks.chain((list) =>
  fc.tuple(fc.constant(list), fc.tuple(...list.map(shuffledFramework)).chain(shuffled)),
);

for (const auto of [false, true]) {
  test(`VIPs do not depend on the order of anything in the state, vip.auto ${auto}`, () => {
    fc.assert(
      fc.property(shuffles, ([list, other]) => {
        const config = { ...CONFIG, auto };
        assert.deepEqual(
          build(other, { config, agents: [agent(1), agent(0)] }).table,
          build(list, { config, agents: [agent(0), agent(1)] }).table,
        );
      }),
      { numRuns: 300 },
    );
  });
}

test('a table is sorted, has no address twice, and no backend is a VIP', () => {
  const owned = [...CONFIG.pool, ...CONFIG.poolIpv6, ...CONFIG.ranges];
  fc.assert(
    fc.property(frameworks, fc.boolean(), (list, auto) => {
      const { services, plainNames } = build(list, { config: { ...CONFIG, auto } }).table;
      const vips = services.flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6]).filter((one) => one !== null);
      assert.equal(new Set(vips.map(({ text }) => text)).size, vips.length);
      const identities = services.map(({ identity }) => identity);
      assert.deepEqual(identities, [...identities].sort());
      for (const service of services) {
        assert.ok(service.ports.length > 0);
        for (const { backends } of service.ports) {
          const keys = backends.map(({ address, port: number }) => `${address.text} ${number}`);
          assert.ok(keys.length > 0);
          assert.equal(new Set(keys).size, keys.length);
          for (const { address } of backends) {
            assert.ok(
              !owned.some((one) => prefixContains(one, address)) || isExcluded(address.text),
            );
          }
        }
      }
      for (const service of plainNames.values()) assert.ok(services.includes(service));
    }),
  );
});

function isExcluded(text: string): boolean {
  return CONFIG.exclude.some((one) => prefixContains(one, ip(text)));
}

test('a task whose VIP labels are all bad changes nothing for the others', () => {
  const bad = task('bad', [port(80, ['VIP_0=bad', 'VIP_1=web:0', 'HOPLITE_WEIGHT=x'])]);
  fc.assert(
    fc.property(frameworks, (list) => {
      const config = CONFIG;
      const more = [...list, framework('marathon', [bad])];
      assert.deepEqual(build(more, { config }).table, build(list, { config }).table);
    }),
  );
});
