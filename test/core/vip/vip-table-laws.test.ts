import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { prefixContains } from '../../../src/core/base/prefix.ts';
import type { Framework, Task } from '../../../src/core/mesos/snapshot.ts';
import { randomTask } from './random-task.ts';
import { agent, build, framework, ip, port, prefix, task } from './vip-cluster.ts';

const CONFIG = {
  auto: false,
  pool: [prefix('10.208.0.0/28'), prefix('10.209.0.0/28')],
  poolIpv6: [prefix('fd01:c::/124')],
  exclude: [prefix('10.208.0.4/30')],
  ranges: [prefix('192.168.7.0/24')],
};

const frameworks: fc.Arbitrary<Framework[]> = fc.array(
  fc
    .record({
      name: fc.constantFrom('marathon', 'Marathon', 'a.b', '%'),
      running: fc.array(randomTask, { maxLength: 6 }),
      killing: fc.array(randomTask, { maxLength: 2 }),
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
