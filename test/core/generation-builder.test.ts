import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RejectionList } from '../../src/core/base/rejection.ts';
import { AnswerTable } from '../../src/core/dns/answer-table.ts';
import { sameRecords } from '../../src/core/dns/compare-tables.ts';
import { type Generation, nextGeneration } from '../../src/core/generation.ts';
import { GenerationBuilder } from '../../src/core/generation-builder.ts';
import type { ClusterSnapshot, Framework, Task } from '../../src/core/mesos/snapshot.ts';
import {
  desiredChange,
  type DesiredDifference,
  desiredDifference,
  type DesiredMemory,
} from '../../src/core/views/ipvs-view.ts';
import { type ZoneSettings, zonesOf } from '../../src/core/views/zone-view.ts';
import { settings, zoneRecords } from '../support/state-builder.ts';
import { randomTask } from './vip/random-task.ts';
import { agent, framework, port, prefix, task } from './vip/vip-cluster.ts';

const NOW = 1_800_000_000;
const AGENTS = [agent(0), agent(1), agent(2)];

const zone = (auto: boolean, unhealthy: 'avoid' | 'publish'): ZoneSettings =>
  settings({
    names: { unhealthy, locations: true, addresses: 'by-network' },
    vip: {
      enabled: true,
      auto,
      aliasDomains: ['thisdcos.directory'],
      pool: [prefix('10.208.0.0/28'), prefix('10.209.0.0/24')],
      poolIpv6: [prefix('fd01:c::/120')],
    },
  });

function snapshot(frameworks: readonly Framework[]): ClusterSnapshot {
  return {
    leader: { host: '10.0.0.100', port: 5050 },
    masterId: '',
    fromLeader: true,
    frameworks,
    agents: AGENTS,
    recovering: [],
    taskCount: frameworks.reduce((sum, { tasks }) => sum + tasks.length, 0),
  };
}

const FRAMEWORKS = ['marathon', 'a.b', 'b'];

/** Where a task is, by framework and slot, and which; null: it ends. */
interface Change {
  readonly framework: number;
  readonly slot: number;
  readonly task: Task | null;
}

const changes: fc.Arbitrary<Change> = fc.record({
  framework: fc.nat({ max: FRAMEWORKS.length - 1 }),
  slot: fc.nat({ max: 7 }),
  task: fc.option(
    fc
      .record({ one: randomTask, healthy: fc.boolean(), isKilling: fc.boolean() })
      .map(({ one, healthy, isKilling }): Task => ({
        ...one,
        healthy,
        phase: isKilling ? 'killing' : 'running',
      })),
    { freq: 3 },
  ),
});

type Slots = Map<number, Task>[];

function apply(slots: Slots, list: readonly Change[]): readonly Framework[] {
  for (const { framework: at, slot, task: one } of list) {
    const id = `t${at}-${slot}`;
    if (one === null) slots[at]?.delete(slot);
    else slots[at]?.set(slot, { ...one, id, path: `tasks.${id}` });
  }
  return FRAMEWORKS.map((name, i) => {
    const tasks = [...(slots[i]?.values() ?? [])];
    const of = (phase: Task['phase']): Task[] => tasks.filter((one) => one.phase === phase);
    return framework(name, of('running'), of('killing'));
  });
}

/** Records of all zones. */
const recordLines = (table: AnswerTable, terms: ZoneSettings): string[] =>
  zonesOf(terms).apexes.flatMap((apex) => zoneRecords({ table, settings: terms }, apex));

/** An agent's address: backends there are reached otherwise from there. */
const LOCAL: ReadonlySet<string> = new Set(['10.0.0.2']);

const byKey = ({ services, removed }: DesiredDifference): unknown => [
  services.map((one) => JSON.stringify(one)).sort(),
  [...removed].sort(),
];

const rejected = ({ rejections }: Generation): string[] =>
  rejections.items.map(({ path, code, value }) => `${path} ${code} ${value}`).sort();

for (const auto of [false, true]) {
  for (const unhealthy of ['avoid', 'publish'] as const) {
    const title = `vip.auto ${auto}, unhealthy tasks: ${unhealthy}`;
    test(`what follows from single changes is what would be made anew, ${title}`, () => {
      const terms = zone(auto, unhealthy);
      fc.assert(
        fc.property(
          fc.array(
            fc.record({
              list: fc.array(changes, { minLength: 1, maxLength: 4 }),
              hidden: fc.integer({ min: 0, max: 3 }),
            }),
            { minLength: 2, maxLength: 10 },
          ),
          (steps) => {
            const slots: Slots = FRAMEWORKS.map(() => new Map<number, Task>());
            const builder = new GenerationBuilder();
            let previous: AnswerTable | null = null;
            const followedMemory: DesiredMemory = new Map();
            const memory: DesiredMemory = new Map();
            let followed = 0;
            for (const { list, hidden } of steps) {
              const read = {
                snapshot: snapshot(apply(slots, list)),
                rejections: new RejectionList(),
              };
              const input = { read, hosts: new Map(), settings: terms, nowSeconds: NOW };
              const all = nextGeneration(null, read, new Map(), terms, NOW).vips.services;
              const programmed =
                hidden === 0
                  ? null
                  : new Set(
                      all
                        .flatMap(({ ipv4, ipv6 }) => [ipv4?.text ?? '', ipv6?.text ?? ''])
                        .filter((_, i) => i % 3 !== hidden - 1),
                    );
              const whole = nextGeneration(previous, read, new Map(), terms, NOW, programmed);
              const next: Generation = builder.build({ ...input, previous, programmed });
              assert.deepEqual(recordLines(next.table, terms), recordLines(whole.table, terms));
              assert.ok(sameRecords(next.table, whole.table));
              assert.deepEqual(next.vips, whole.vips);
              assert.deepEqual(rejected(next), rejected(whole));
              assert.equal(next.changed, whole.changed);
              assert.equal(next.table.serial, whole.table.serial);
              const told =
                next.vipChanges === null
                  ? desiredDifference(followedMemory, next.vips, LOCAL)
                  : desiredChange(followedMemory, next.vipChanges, LOCAL);
              const wanted = desiredDifference(memory, whole.vips, LOCAL);
              assert.deepEqual(byKey(told), byKey(wanted), 'the kernel is told the same');
              assert.deepEqual(followedMemory, memory);
              if (next.vipChanges !== null) followed++;
              previous = next.table;
            }
            assert.ok(followed >= steps.length - 2, 'hardly anything is made anew');
          },
        ),
        { numRuns: 60 },
      );
    });
  }
}

const web = (id: string, more: Partial<Task> = {}): Task =>
  task(id, [port(80, ['VIP_0=/web:80'])], more);

test('a state in which nothing is different changes nothing, whatever the order of its lists', () => {
  const builder = new GenerationBuilder();
  const input = (list: readonly Task[], previous: AnswerTable | null): Generation =>
    builder.build({
      previous,
      read: { snapshot: snapshot([framework('marathon', list)]), rejections: new RejectionList() },
      hosts: new Map(),
      settings: TERMS,
      nowSeconds: NOW,
      programmed: null,
    });
  const TERMS = zone(false, 'avoid');
  const first = input([web('a'), web('b', { agentId: 'S1' })], null);
  const second = input([web('b', { agentId: 'S1', path: 'x' }), web('a')], first.table);
  assert.deepEqual([second.changed, second.vipChanges?.changed.length], [false, 0]);
  assert.equal(second.table, first.table);
});

test('a table that comes back from another thread is followed, and one that was not published is not', () => {
  const builder = new GenerationBuilder();
  const zones = zone(false, 'avoid');
  const build = (previous: AnswerTable | null, ...names: readonly string[]): Generation =>
    builder.build({
      previous,
      read: {
        snapshot: snapshot([
          framework(
            'marathon',
            names.map((name) => task(name, [], { name })),
          ),
        ]),
        rejections: new RejectionList(),
      },
      hosts: new Map(),
      settings: zones,
      nowSeconds: NOW,
      programmed: null,
    });
  const first = build(null, 'a').table;
  const handedBack = AnswerTable.of(structuredClone(first.shared));
  assert.notEqual(handedBack.buffer, first.buffer);
  assert.notEqual(build(handedBack, 'a', 'b').vipChanges, null);
  assert.equal(build(handedBack, 'a', 'b', 'c').vipChanges, null);
});

test('a state that says the same is compared once, and events after it cost what they change', () => {
  const builder = new GenerationBuilder();
  let previous: AnswerTable | null = null;
  const zones = zone(false, 'avoid');
  const build = (frameworks: readonly Framework[]): Generation => {
    const generation = builder.build({
      previous,
      read: { snapshot: snapshot(frameworks), rejections: new RejectionList() },
      hosts: new Map(),
      settings: zones,
      nowSeconds: NOW,
      programmed: null,
    });
    previous = generation.table;
    return generation;
  };
  let looks = 0;
  const told = (): Task => task('web', [port(80, ['VIP_0=web:80'])]);
  build([framework('marathon', [told()])]);
  const counted = new Proxy(told(), {
    get(target, key, receiver): unknown {
      looks++;
      return Reflect.get(target, key, receiver);
    },
  });
  assert.equal(build([framework('marathon', [counted])]).changed, false);
  const compared = looks;
  const other = task('db', [port(81, ['VIP_0=db:81'])], { name: 'db' });
  assert.equal(build([framework('marathon', [counted, other])]).changed, true);
  assert.ok(looks - compared < 3, `looked ${looks - compared} times after ${compared}`);
});
