import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { AnswerTable } from '../../../src/core/dns/answer-table.ts';
import { sameRecords } from '../../../src/core/dns/compare-tables.ts';
import { compileTable, stampSerial, TableBuilder } from '../../../src/core/dns/compile-table.ts';
import { TYPE } from '../../../src/core/dns/constants.ts';
import { RecordStore } from '../../../src/core/dns/record-store.ts';
import type { ZoneTerms } from '../../../src/core/dns/zone.ts';
import {
  addressTexts,
  allNodes,
  findNode,
  nodeName,
  nodePointers,
  nodeServices,
} from '../../../src/core/views/table-records.ts';
import { wireName } from '../../support/dns-message.ts';
import { ip, TERMS, zoneApex } from '../../support/small-zone.ts';

/** One zone lies in another, one is an alias, one is made of copies of copies. */
const ZONES: ZoneTerms = {
  ...TERMS,
  zones: ['mesos.', 'vip.alias.', 'in.vip.mesos.', '10.in-addr.arpa.'].map(zoneApex),
};
const SPARE = 1 << 17;

type Change = (store: RecordStore) => void;

const LABELS = ['a', 'b', 'web', '_web'];
const owners = fc
  .tuple(
    fc.array(fc.constantFrom(...LABELS), { minLength: 1, maxLength: 3 }),
    fc.constantFrom('mesos.', 'vip.mesos.', 'in.vip.mesos.', '10.in-addr.arpa.', 'stray.arpa.'),
  )
  .map(([labels, zone]) => `${labels.join('.')}.${zone}`);
const changes = fc.oneof(
  fc.tuple(owners, fc.integer({ min: 1, max: 4 })).map(
    ([owner, n]): Change =>
      (store) =>
        void store.address(owner, ip(`10.0.0.${n}`)),
  ),
  fc.tuple(owners, owners, fc.integer({ min: 80, max: 82 })).map(
    ([owner, target, port]): Change =>
      (store) =>
        void store.service(owner, target, port),
  ),
  fc.tuple(owners, owners).map(
    ([owner, target]): Change =>
      (store) =>
        void store.pointer(owner, target),
  ),
);
/** What a task makes. */
const units = fc.array(changes, { minLength: 1, maxLength: 6 });

function filled(parts: Iterable<readonly Change[]>): RecordStore {
  const store = new RecordStore(() => undefined);
  for (const part of parts) for (const add of part) add(store);
  store.copyBelow('vip.mesos.', 'vip.alias.');
  store.copyBelow('vip.mesos.', 'more.mesos.');
  return store;
}

/** Adds what comes before it takes back what goes: what is in both is not touched. */
function revise(store: RecordStore, goes: readonly Change[], comes: readonly Change[]): void {
  store.revise(() => undefined, false);
  for (const change of comes) change(store);
  store.revise(() => undefined, true);
  for (const change of goes) change(store);
}

/** Everything that can be read of a table. */
function content(table: AnswerTable): string[] {
  return [...allNodes(table)]
    .map((node) =>
      JSON.stringify([
        nodeName(table, node),
        table.zoneIndex(node),
        addressTexts(table, node, TYPE.A),
        nodeServices(table, node).map(({ target, port, node: at }) => [target, port, at !== 0]),
        nodePointers(table, node),
      ]),
    )
    .sort();
}

test('a table that follows changes is the one that would be compiled of what there is', () => {
  fc.assert(
    fc.property(
      fc.array(units, { maxLength: 8 }),
      fc.array(fc.tuple(fc.nat({ max: 9 }), fc.option(units, { nil: [] })), { maxLength: 12 }),
      (first, steps) => {
        const parts = [...first];
        const store = filled(parts);
        const builder = new TableBuilder(store, ZONES);
        let table = builder.compile(true, SPARE);
        for (const [i, comes] of steps) {
          const [before, seen] = [table, content(table)];
          const goes = parts[i] ?? [];
          revise(store, goes, comes);
          // A small table soon runs out of slots.
          const extended = builder.extend() ?? builder.compile(true, SPARE);
          parts[parts.length > i ? i : parts.length] = comes;
          const whole = compileTable(filled(parts), ZONES, true);
          assert.deepEqual(content(extended), content(whole));
          assert.ok(sameRecords(extended, whole) && sameRecords(whole, extended));
          assert.deepEqual(content(before), seen, 'an earlier generation stays as it was');
          stampSerial(extended, before.serial + 1);
          assert.equal(before.serial + 1, extended.serial);
          table = extended;
        }
      },
    ),
    { numRuns: 300 },
  );
});

const WEB: readonly Change[] = [
  (store) => void store.address('web.mesos.', ip('10.0.0.1')),
  (store) => void store.address('web-1.mesos.', ip('10.0.0.1')),
  (store) => void store.service('_web._tcp.mesos.', 'web-1.mesos.', 80),
];
const WEB_MOVED: readonly Change[] = [
  (store) => void store.address('web.mesos.', ip('10.0.0.1')),
  (store) => void store.address('web-1.mesos.', ip('10.0.0.2')),
  (store) => void store.service('_web._tcp.mesos.', 'web-1.mesos.', 80),
];

const at = (table: AnswerTable, name: string): number => findNode(table, wireName(name));

test('what stays as it is is not touched', () => {
  const store = filled([WEB]);
  revise(store, WEB, WEB);
  assert.equal(store.touched.size, 0);
});

test('a service leads to the address that its target has now, though its own records stay', () => {
  const store = filled([WEB]);
  const builder = new TableBuilder(store, TERMS);
  const before = builder.compile(true, SPARE);
  revise(store, WEB, WEB_MOVED);
  assert.equal(store.touched.size, 1);
  const table = builder.extend();
  assert.ok(table !== null);
  const service = at(table, '_web._tcp.mesos.');
  assert.equal(service, at(before, '_web._tcp.mesos.'), 'the node is shared');
  const target = table.targetNode(table.rrset(service, TYPE.SRV), 0);
  assert.deepEqual(addressTexts(table, target, TYPE.A), ['10.0.0.2']);
});

test('a record that two have made is there until both have taken it back', () => {
  const store = filled([WEB, WEB]);
  const builder = new TableBuilder(store, TERMS);
  builder.compile(true, SPARE);
  revise(store, WEB, []);
  assert.equal(store.touched.size, 0);
  revise(store, WEB, []);
  const table = builder.extend();
  assert.ok(table !== null);
  assert.deepEqual(
    [...allNodes(table)].map((node) => nodeName(table, node)),
    ['mesos.'],
  );
  assert.equal(store.recordCount, 0);
});

test('without room the table has to be compiled, and is then the same', () => {
  const store = filled([WEB]);
  const builder = new TableBuilder(store, TERMS);
  builder.compile(true, 0);
  revise(store, WEB, WEB_MOVED);
  assert.equal(builder.extend(), null);
  assert.equal(builder.extend(), null, 'nor is there a table to extend any more');
  const table = builder.compile(true, SPARE);
  assert.ok(sameRecords(table, compileTable(filled([WEB_MOVED]), TERMS, true)));
  revise(store, WEB_MOVED, WEB);
  assert.notEqual(builder.extend(), null);
});

test('names that come and go for long find the slots full some day, and a compilation empties them', () => {
  const store = filled([WEB]);
  const builder = new TableBuilder(store, TERMS);
  builder.compile(true, 1 << 22);
  let compilations = 0;
  for (let i = 0; i < 1_000; i++) {
    const name = (n: number): readonly Change[] => [
      (one) => void one.address(`web-${n}.mesos.`, ip('10.0.0.9')),
    ];
    revise(store, i === 0 ? [] : name(i - 1), name(i));
    const table = builder.extend() ?? builder.compile(true, 1 << 22);
    if (table.root === 0) compilations++;
    assert.notEqual(at(table, `web-${i}.mesos.`), 0);
    assert.equal(at(table, `web-${i + 2}.mesos.`), 0);
    if (i > 0) {
      assert.equal(at(table, `web-${i - 1}.mesos.`), i === 2 ? at(table, 'web-1.mesos.') : 0);
    }
  }
  assert.ok(compilations > 0 && compilations < 100);
});
