import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { type Rejection, RejectionList } from '../../../src/core/base/rejection.ts';
import type { Catalog } from '../../../src/core/catalog/catalog.ts';
import type { VipConfig } from '../../../src/core/config/config.ts';
import type { Agent, Framework, Task } from '../../../src/core/mesos/snapshot.ts';
import { buildVipTable, vipTasks } from '../../../src/core/vip/build-vip-table.ts';
import { VIP_BOUNDS } from '../../../src/core/vip/vip-collector.ts';
import { type VipChanges, VipIndex } from '../../../src/core/vip/vip-index.ts';
import type { VipService, VipTable } from '../../../src/core/vip/vip-table.ts';
import type { VipTask } from '../../../src/core/vip/vip-task.ts';
import { randomTask } from './random-task.ts';
import { agent, catalogOf, framework, NAMES, port, prefix, task, VIP } from './vip-cluster.ts';

/** What becomes of the task in one slot; without a task it is gone. */
interface Turn {
  readonly slot: number;
  readonly task: Task | null;
  readonly framework: string;
  readonly state: VipTask['state'];
}

/** Turns that happen at once; with agents: they have changed too. */
interface Step {
  readonly turns: readonly Turn[];
  readonly agents: readonly Agent[] | null;
}

/** Names besides those of all tasks, so that there are enough for small pools. */
const moreVips = fc
  .uniqueArray(fc.integer({ min: 0, max: 11 }), { maxLength: 2 })
  .map((numbers) => numbers.map((number) => `VIP_9${number}=/n${number}:80`));

const manyVips = fc.tuple(randomTask, moreVips).map(([one, vips]): Task => {
  if (vips.length === 0) return one;
  return { ...one, discoveryPorts: [...one.discoveryPorts, port(8080, vips)] };
});

/** Tasks that differ little, so that versions of a service are equal, or nearly. */
const plainTask = fc
  .record({
    vip: fc.constantFrom('/web:80', '/n1:80', '/n2:80', '10.208.0.2:80', '10.208.0.3:80'),
    option: fc.constantFrom(
      'HOPLITE_SCHEDULER=rr',
      'HOPLITE_SCHEDULER=sh',
      'HOPLITE_ENDPOINT=vip',
      'HOPLITE_WEIGHT=1',
    ),
    healthy: fc.boolean(),
  })
  .map(({ vip, option, healthy }) => task('', [port(80, [`VIP_0=${vip}`, option])], { healthy }));

const turns: fc.Arbitrary<Turn> = fc
  .record({
    slot: fc.integer({ min: 0, max: 11 }),
    task: fc.option(fc.oneof(manyVips, plainTask), { freq: 4 }),
    framework: fc.constantFrom('marathon', 'marathon', 'Marathon', 'a.b', 'b', '%'),
    state: fc.constantFrom('running' as const, 'running' as const, 'killing' as const),
  })
  .map(({ slot, task: one, ...rest }) => {
    const path = `tasks.s${slot}`;
    return { slot, task: one && { ...one, id: `t${slot}`, path }, ...rest };
  });

const histories: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.record({
    turns: fc.uniqueArray(turns, { maxLength: 4, selector: ({ slot }) => slot }),
    agents: fc.option(
      fc.constantFrom([agent(0)], [agent(1), agent(0)], [agent(0), agent(2, { hostname: '' })]),
      { freq: 9, nil: null },
    ),
  }),
  { minLength: 2, maxLength: 8 },
);

const configs: fc.Arbitrary<VipConfig> = fc
  .record({
    pool: fc.constantFrom('10.208.0.0/30', '10.208.0.0/28', '10.208.0.0/12'),
    poolIpv6: fc.constantFrom(null, 'fd01:c::/126', 'fd01:c::/64'),
    exclude: fc.constantFrom(null, '10.208.0.4/30'),
  })
  .map(({ pool, poolIpv6, exclude }) => ({
    ...VIP,
    pool: [prefix(pool)],
    poolIpv6: poolIpv6 === null ? [] : [prefix(poolIpv6)],
    exclude: exclude === null ? [] : [prefix(exclude)],
    ranges: [prefix('192.168.7.0/24')],
  }));

const keyOf = ({ identity, name }: VipService): string => `${name === null ? '=' : ''}${identity}`;

const byKey = (services: readonly VipService[]): ReadonlyMap<string, VipService> =>
  new Map(services.map((one) => [keyOf(one), one]));

const sortedKeys = (services: Iterable<VipService>): string[] => [...services].map(keyOf).sort();

/** Whose path another path begins with. */
const isIn = (path: string, outer: string): boolean =>
  path === outer || path.startsWith(`${outer}.`);

/** What is wrong with a service as a whole is told at any of its tasks. */
const ANYWHERE: ReadonlySet<string> = new Set(['vip-pool-exhausted', 'vip-too-many-backends']);

const lines = (rejections: readonly Rejection[]): string[] =>
  rejections
    .map(({ path, code, value }) => `${ANYWHERE.has(code) ? '' : path} ${code} ${value}`)
    .sort();

/** A cluster, and what whoever keeps an index of its VIPs does. */
class Cluster {
  readonly index: VipIndex;
  rejections: readonly Rejection[] = [];
  readonly #config: VipConfig;
  #agents: readonly Agent[] = [agent(0), agent(1), agent(2)];
  readonly #turns = new Map<number, Turn>();
  #tasks = new Map<number, VipTask>();

  constructor(config: VipConfig, bounds = VIP_BOUNDS) {
    this.#config = config;
    this.index = new VipIndex(config, NAMES, 'mesos', bounds);
    this.#reset();
  }

  /** Null: the index had to be made anew. */
  take({ turns: all, agents }: Step): VipChanges | null {
    for (const turn of all) this.#turns.set(turn.slot, turn);
    if (agents !== null) {
      this.#agents = agents;
      this.#tasks = new Map([...this.#turns.values()].flatMap((turn) => this.#vipTask(turn)));
      this.#reset();
      return null;
    }
    const removed = all.flatMap(({ slot }) => this.#tasks.get(slot) ?? []);
    const added = new Map(all.flatMap((turn) => this.#vipTask(turn)));
    for (const { slot } of all) this.#tasks.delete(slot);
    for (const [slot, one] of added) this.#tasks.set(slot, one);
    const rejections = new RejectionList();
    const changes = this.index.update(removed, [...added.values()], rejections);
    if (changes === null) {
      this.#reset();
      return null;
    }
    const paths = [...removed, ...changes.lookedAt].map(({ task }) => task.path);
    const kept = this.rejections.filter(({ path }) => !paths.some((outer) => isIn(path, outer)));
    this.rejections = [...kept, ...rejections.items];
    return changes;
  }

  /** Table and rejections if all is built anew. */
  anew(): { readonly table: VipTable; readonly rejections: readonly Rejection[] } {
    const rejections = new RejectionList();
    const catalog = this.#catalog([...this.#turns.values()].flatMap(frameworkOf));
    const table = buildVipTable(catalog, this.#config, NAMES, 'mesos', rejections);
    return { table, rejections: rejections.items };
  }

  #reset(): void {
    const rejections = new RejectionList();
    const agents = { agents: this.#agents, hosts: new Map() };
    this.index.reset(agents, this.#tasks.values(), rejections);
    this.rejections = rejections.items;
  }

  /** Nothing of a task that the catalog does not know either. */
  #vipTask(turn: Turn): [number, VipTask][] {
    return vipTasks(this.#catalog(frameworkOf(turn))).map((one) => [turn.slot, one]);
  }

  #catalog(frameworks: readonly Framework[]): Catalog {
    return catalogOf(frameworks, { agents: this.#agents }, new RejectionList());
  }
}

function frameworkOf({ task: one, framework: name, state }: Turn): Framework[] {
  if (one === null) return [];
  return [state === 'running' ? framework(name, [one]) : framework(name, [], [one])];
}

function checkChanges(before: VipTable, after: VipTable, changes: VipChanges): void {
  const [old, now] = [byKey(before.services), byKey(after.services)];
  const isOther = (a: VipService, b: VipService | undefined): boolean => !isDeepStrictEqual(a, b);
  const changed = after.services.filter((one) => isOther(one, old.get(keyOf(one))));
  const gone = before.services.filter((one) => isOther(one, now.get(keyOf(one))));
  assert.deepEqual(sortedKeys(changes.changed), sortedKeys(changed));
  assert.deepEqual(sortedKeys(changes.before), sortedKeys(gone));
  for (const one of changes.changed) assert.equal(now.get(keyOf(one)), one);
  for (const one of changes.before) assert.equal(old.get(keyOf(one)), one);
  for (const [key, one] of now) {
    if (!changed.includes(one)) assert.equal(old.get(key), one, `${key} stays the same object`);
  }
  const names = new Set([...before.plainNames.keys(), ...after.plainNames.keys()]);
  const others = [...names].filter(
    (one) => before.plainNames.get(one) !== after.plainNames.get(one),
  );
  assert.deepEqual([...changes.plainNames].sort(), others.sort());
}

function checkTable({ index, rejections }: Cluster, anew: ReturnType<Cluster['anew']>): void {
  assert.deepEqual(index.table, anew.table);
  assert.deepEqual([...index.table.plainNames.keys()], [...anew.table.plainNames.keys()]);
  for (const one of index.table.plainNames.values()) assert.ok(index.table.services.includes(one));
  assert.deepEqual(lines(rejections), lines(anew.rejections));
}

for (const auto of [false, true]) {
  test(`an index of VIPs is at any time what would be built anew, vip.auto ${auto}`, () => {
    fc.assert(
      fc.property(histories, configs, (history, config) => {
        const cluster = new Cluster({ ...config, auto });
        for (const step of history) {
          const before = cluster.index.table;
          // The index must not change what it has handed out.
          const copy = structuredClone(before);
          const changes = cluster.take(step);
          assert.equal(changes === null, step.agents !== null);
          if (changes !== null) checkChanges(before, cluster.index.table, changes);
          assert.deepEqual(before, copy);
          checkTable(cluster, cluster.anew());
        }
      }),
      { numRuns: 300 },
    );
  });
}

test('an index whose table nobody asks for comes to the same in the end', () => {
  fc.assert(
    fc.property(histories, configs, fc.boolean(), (history, config, auto) => {
      const cluster = new Cluster({ ...config, auto });
      for (const step of history) cluster.take(step);
      checkTable(cluster, cluster.anew());
    }),
    { numRuns: 200 },
  );
});

test('at a bound an index asks to be made anew, and below it is what is built anew', () => {
  const bounds = { services: 6, ports: 8, backends: 12 };
  let resets = 0;
  fc.assert(
    fc.property(histories, configs, (history, config) => {
      const cluster = new Cluster(config, bounds);
      for (const step of history) {
        if (cluster.take(step) === null) {
          if (step.agents === null) resets++;
          continue;
        }
        assert.deepEqual(cluster.index.table, cluster.anew().table);
      }
    }),
    { numRuns: 200 },
  );
  assert.ok(resets > 0, 'some histories come to a bound');
});
