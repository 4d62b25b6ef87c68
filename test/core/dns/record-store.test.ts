import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { NO_RECORD, RECORD_KIND, RecordStore } from '../../../src/core/dns/record-store.ts';
import { nearlyNames, ownerNames } from '../../support/arbitraries.ts';
import { ip } from '../../support/small-zone.ts';

const NAME_OF = new TextDecoder('latin1');

/** Name of a node, as text without escapes. */
function nameOf(store: RecordStore, node: number): string {
  const at = store.nameAt[node]!;
  const wire = store.names.slice(at, at + store.nameLength[node]!);
  let text = '';
  for (let i = 0; wire[i] !== 0; i += 1 + wire[i]!) {
    text += `${NAME_OF.decode(wire.slice(i + 1, i + 1 + wire[i]!))}.`;
  }
  return text;
}

/** Everything in a store, as a map from owner to what it has. */
function contents(store: RecordStore): Map<string, Set<string>> {
  const all = new Map<string, Set<string>>();
  for (let node = 0; node < store.nodeCount; node++) {
    const records: string[] = [];
    for (let r = store.firstRecord[node]!; r !== NO_RECORD; r = store.nextRecord[r]!) {
      const value = store.value[r]!;
      records.push(
        store.kind[r] === RECORD_KIND.SRV
          ? `SRV ${value} ${nameOf(store, store.target[r]!)}`
          : store.kind[r] === RECORD_KIND.PTR
            ? `PTR ${nameOf(store, store.target[r]!)}`
            : `${store.kind[r] === RECORD_KIND.A ? 'A' : 'AAAA'} ${store.addresses[value]?.text ?? ''}`,
      );
    }
    if (records.length === 0) continue;
    assert.equal(new Set(records).size, records.length, 'no record stands twice');
    all.set(nameOf(store, node), new Set(records));
  }
  return all;
}

const refusing = (): RecordStore =>
  new RecordStore((name, defect) => assert.fail(`${name}: ${defect}`));

test('a record is new the first time only', () => {
  const store = refusing();
  assert.equal(store.address('web.mesos.', ip('10.0.0.1')), true);
  assert.equal(store.address('web.mesos.', ip('10.0.0.1')), false);
  assert.equal(store.address('web.mesos.', ip('::ffff:10.0.0.1')), false, 'the same address');
  assert.equal(store.address('web.mesos.', ip('10.0.0.2')), true);
  assert.equal(store.address('api.mesos.', ip('10.0.0.1')), true);
  assert.equal(store.service('_web.mesos.', 'web.mesos.', 80), true);
  assert.equal(store.service('_web.mesos.', 'web.mesos.', 80), false);
  assert.equal(store.service('_web.mesos.', 'web.mesos.', 81), true);
  assert.equal(store.service('_web.mesos.', 'api.mesos.', 80), true);
  assert.equal(store.recordCount, 6);
  assert.deepEqual(contents(store).get('_web.mesos.')?.size, 3);
});

test('a pointer is new the first time only, and none of its parts may be defective', () => {
  const heard: string[] = [];
  const store = new RecordStore((name, defect) => heard.push(`${name} ${defect}`));
  assert.equal(store.pointer('1.in-addr.arpa.', 'web.mesos.'), true);
  assert.equal(store.pointer('1.in-addr.arpa.', 'web.mesos.'), false);
  assert.equal(store.pointer('1.in-addr.arpa.', 'api.mesos.'), true);
  assert.equal(store.service('1.in-addr.arpa.', 'api.mesos.', 0), true, 'another type');
  assert.equal(store.pointer('1..arpa.', 'web.mesos.'), false);
  assert.equal(store.pointer('1.in-addr.arpa.', 'WEB.mesos.'), false);
  assert.deepEqual(heard, ['1..arpa. empty-label', 'WEB.mesos. character']);
  assert.deepEqual(
    contents(store),
    new Map([
      ['1.in-addr.arpa.', new Set(['PTR web.mesos.', 'PTR api.mesos.', 'SRV 0 api.mesos.'])],
    ]),
  );
});

test('names below one are copied below another, targets among them moved along', () => {
  const store = refusing();
  store.address('web.l4lb.mesos.', ip('10.0.0.1'));
  store.address('web.l4lb.mesos.', ip('fd00::1'));
  store.service('_web._tcp.l4lb.mesos.', 'web.l4lb.mesos.', 80);
  store.service('_web._tcp.l4lb.mesos.', 'web.mesos.', 81);
  for (const other of ['l4lb.mesos.', 'xl4lb.mesos.', 'web.mesos.', 'l4lb.mesos.test.']) {
    store.address(other, ip('10.0.0.9'));
  }
  const before = contents(store);
  store.copyBelow('l4lb.mesos.', 'l4lb.example.test.');
  store.copyBelow('l4lb.mesos.', 'l4lb.mesos.');
  assert.deepEqual(
    contents(store),
    new Map([
      ...before,
      ['web.l4lb.example.test.', new Set(['A 10.0.0.1', 'AAAA fd00::1'])],
      [
        '_web._tcp.l4lb.example.test.',
        new Set(['SRV 80 web.l4lb.example.test.', 'SRV 81 web.mesos.']),
      ],
    ]),
  );
});

test('what copying would make too long is reported and left out, as are services of it', () => {
  const heard: string[] = [];
  const store = new RecordStore((name, defect) => heard.push(`${name} ${defect}`));
  const alias = `${Array.from({ length: 3 }, () => 'y'.repeat(63)).join('.')}.`;
  const long = `${'x'.repeat(60)}.mesos.`;
  store.address(long, ip('10.0.0.1'));
  store.service('_s.mesos.', long, 80);
  store.service('_s.mesos.', 'short.mesos.', 80);
  store.copyBelow('mesos.', alias);
  assert.deepEqual(heard, []);
  store.copyBelow('mesos.', `z.${alias}`);
  assert.deepEqual(heard, [`${long} too-long`, `${long} too-long`]);
  const all = contents(store);
  assert.deepEqual(all.get(`_s.${alias}`)?.size, 2);
  assert.deepEqual(all.get(`_s.z.${alias}`), new Set([`SRV 80 short.z.${alias}`]));
});

test('copying names is adding their records once more under another name', () => {
  const zone = fc.array(
    fc.record({
      owner: ownerNames('in.mesos.'),
      target: ownerNames('mesos.'),
      port: fc.constantFrom(0, 80),
    }),
    { maxLength: 20 },
  );
  const moved = (name: string): string =>
    name.endsWith('.in.mesos.') ? name.replace(/in\.mesos\.$/, 'copy.test.') : name;
  fc.assert(
    fc.property(zone, (records) => {
      const [copied, added] = [refusing(), refusing()];
      for (const { owner, target, port } of records) {
        for (const store of [copied, added]) store.service(owner, target, port);
      }
      copied.copyBelow('in.mesos.', 'copy.test.');
      for (const { owner, target, port } of records) {
        if (owner !== 'in.mesos.') added.service(moved(owner), moved(target), port);
      }
      assert.deepEqual(contents(copied), contents(added));
    }),
    { numRuns: 200 },
  );
});

test('D12: a name that cannot be published is reported, and nothing is added', () => {
  const heard: string[] = [];
  const store = new RecordStore((name, defect) => heard.push(`${name} ${defect}`));
  const long = `${'a'.repeat(64)}.mesos.`;
  assert.equal(store.address(long, ip('10.0.0.1')), false);
  assert.equal(store.address('.mesos.', ip('10.0.0.1')), false);
  assert.equal(store.service('A.mesos.', 'web.mesos.', 80), false);
  assert.equal(store.service('_web.mesos.', long, 80), false);
  assert.equal(store.service('_web.mesos.', '', 80), false);
  assert.deepEqual(heard, [
    `${long} label-too-long`,
    '.mesos. empty-label',
    'A.mesos. character',
    `${long} label-too-long`,
    ' empty-label',
  ]);
  assert.equal(store.recordCount, 0);
  assert.equal(contents(store).size, 0);
});

test('a port out of range is a mistake of the caller', () => {
  assert.throws(() => refusing().service('a.', 'b.', 65_536), /ports are checked/);
  assert.throws(() => refusing().service('a.', 'b.', -1), /ports are checked/);
});

test('the parent of a name is found, or made once', () => {
  const store = refusing();
  const web = store.node('web.m.mesos.');
  const parent = store.ancestor(web, 4);
  assert.equal(nameOf(store, parent), 'm.mesos.');
  assert.equal(store.ancestor(web, 4), parent);
  assert.equal(store.node('m.mesos.'), parent);
  assert.equal(nameOf(store, store.ancestor(parent, 2)), 'mesos.');
});

interface Addition {
  readonly owner: string;
  readonly address: string | null;
  readonly target: string;
  readonly port: number;
}

const names = fc.oneof(
  { weight: 9, arbitrary: ownerNames('mesos.') },
  { weight: 1, arbitrary: nearlyNames },
);
const additions: fc.Arbitrary<Addition[]> = fc.array(
  fc.record({
    owner: names,
    address: fc.option(fc.constantFrom('10.0.0.1', '10.0.0.2', 'fd00::1')),
    target: names,
    port: fc.constantFrom(0, 80, 65_535),
  }),
  { maxLength: 60 },
);

/** Adds to a store and to its model, and asserts that both say the same of each addition. */
function addAll(store: RecordStore, list: readonly Addition[], bad: ReadonlySet<string>): void {
  const model = new Map<string, Set<string>>();
  for (const { owner, address, target, port } of list) {
    const isSrv = address === null;
    const record = isSrv
      ? `SRV ${port} ${target}`
      : `${address.includes(':') ? 'AAAA' : 'A'} ${address}`;
    const isNew = isSrv ? store.service(owner, target, port) : store.address(owner, ip(address));
    const isBad = bad.has(owner) || (isSrv && bad.has(target));
    const records = model.get(owner) ?? new Set();
    assert.equal(isNew, !isBad && !records.has(record), `${owner} ${record}`);
    if (!isBad) model.set(owner, records.add(record));
  }
  assert.deepEqual(contents(store), model);
}

test('a store is a map from owners to sets of records, and after a reset an empty one', () => {
  const bad = new Set<string>();
  const onDefect = (name: string): unknown => bad.add(name);
  const used = new RecordStore(onDefect);
  fc.assert(
    fc.property(additions, (list) => {
      // Learn which names are refused from a store of their own.
      const probe = new RecordStore(onDefect);
      for (const { owner, target } of list) [owner, target].forEach((name) => probe.node(name));
      addAll(new RecordStore(onDefect), list, bad);
      used.reset(onDefect);
      assert.deepEqual([used.nodeCount, used.recordCount, used.addresses.length], [0, 0, 0]);
      addAll(used, list, bad);
    }),
    { numRuns: 200 },
  );
});

test('services that differ only in the target are different records', () => {
  const store = refusing();
  for (let i = 0; i < 3000; i++) assert.ok(store.service('_s.mesos.', `t${i}.mesos.`, 80));
  for (let i = 0; i < 3000; i++) assert.ok(!store.service('_s.mesos.', `t${i}.mesos.`, 80));
  assert.equal(store.recordCount, 3000);
});

test('a store grows beyond its first size in names and in records', () => {
  const store = refusing();
  for (let i = 0; i < 5000; i++) {
    assert.ok(store.service(`_s${i}.mesos.`, `t${i % 50}.mesos.`, i));
    assert.ok(store.service(`_many.mesos.`, 't0.mesos.', i));
  }
  assert.equal(store.recordCount, 10_000);
  const all = contents(store);
  assert.equal(all.size, 5001);
  assert.equal(all.get('_many.mesos.')?.size, 5000);
  assert.deepEqual(all.get('_s4321.mesos.'), new Set(['SRV 4321 t21.mesos.']));
  assert.equal(store.service('_s4999.mesos.', 't49.mesos.', 4999), false);
});
