import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  type AnswerTable,
  HEADER,
  NO_ZONE,
  RRSET,
  ZONE,
} from '../../../src/core/dns/answer-table.ts';
import { compileTable, stampSerial } from '../../../src/core/dns/compile-table.ts';
import { TYPE } from '../../../src/core/dns/constants.ts';
import { RecordStore } from '../../../src/core/dns/record-store.ts';
import { readU32 } from '../../../src/core/dns/wire.ts';
import type { ZoneTerms } from '../../../src/core/dns/zone.ts';
import {
  addressTexts,
  allNodes,
  findNode,
  isAnswered,
  nodeName,
  nodePointers,
  nodeServices,
  zoneOfName,
} from '../../../src/core/views/table-records.ts';
import { recordSets } from '../../support/arbitraries.ts';
import { wireName } from '../../support/dns-message.ts';
import {
  type AnyRecord,
  compileZone,
  fill,
  ip,
  POINTER,
  TERMS,
  zoneApex,
} from '../../support/small-zone.ts';

const names = (table: AnswerTable): string[] =>
  [...allNodes(table)].map((node) => nodeName(table, node)).sort();

const node = (table: AnswerTable, name: string): number => findNode(table, wireName(name));

const terms = (...apexes: readonly string[]): ZoneTerms => ({
  ...TERMS,
  zones: apexes.map(zoneApex),
});

describe('which names are in the table', () => {
  test('an empty zone has its apex, with SOA and NS', () => {
    const table = compileZone(() => undefined);
    assert.deepEqual(names(table), ['mesos.']);
    const apex = node(table, 'mesos.');
    assert.notEqual(table.rrset(apex, TYPE.SOA), 0);
    assert.notEqual(table.rrset(apex, TYPE.NS), 0);
    assert.equal(table.rrsetCount(apex), 2);
  });

  test('D02: names between a record and the apex exist', () => {
    const table = compileZone((store) => store.address('a.b.c.mesos.', ip('10.0.0.1')));
    assert.deepEqual(names(table), ['a.b.c.mesos.', 'b.c.mesos.', 'c.mesos.', 'mesos.']);
    assert.equal(table.rrsetCount(node(table, 'b.c.mesos.')), 0);
  });

  test('a target without records of its own does not exist', () => {
    const table = compileZone((store) => store.service('_s.mesos.', 'x.y.mesos.', 80));
    assert.deepEqual(names(table), ['_s.mesos.', 'mesos.']);
  });

  test('outside the zones only names with records are kept, each of them, in no zone', () => {
    const outside = ['x.ns.example.test.', 'ns.example.test.', 'b.', 'notmesos.'];
    const table = compileZone((store) => {
      for (const name of outside) store.address(name, ip('10.0.0.1'));
    });
    assert.deepEqual(names(table), [...outside, 'mesos.'].sort());
    for (const name of outside) assert.equal(table.zoneIndex(node(table, name)), NO_ZONE);
  });

  test('A11: a stray name is a reverse name in no zone, and no name above it exists', () => {
    const table = compileZone(
      (store) => {
        for (const name of ['4.3.2.10', '4.3.208.10']) {
          store.pointer(`${name}.in-addr.arpa.`, 'web.mesos.');
        }
        store.address('ns.example.test.', ip('10.0.0.1'));
      },
      terms('mesos.', '208.10.in-addr.arpa.'),
    );
    const strays = [...allNodes(table)].filter((at) => table.isStray(at));
    assert.deepEqual(
      strays.map((at) => nodeName(table, at)),
      ['4.3.2.10.in-addr.arpa.'],
    );
    for (const name of ['3.2.10.in-addr.arpa.', '10.in-addr.arpa.', 'in-addr.arpa.', 'arpa.']) {
      assert.equal(node(table, name), 0, name);
    }
    const answered = ['4.3.2.10.in-addr.arpa.', '9.208.10.in-addr.arpa.', 'mesos.'];
    for (const name of answered) assert.ok(isAnswered(table, wireName(name)), name);
    for (const name of ['5.3.2.10.in-addr.arpa.', '3.2.10.in-addr.arpa.', 'ns.example.test.']) {
      assert.ok(!isAnswered(table, wireName(name)), name);
    }
  });

  test('a name belongs to the innermost of nested zones', () => {
    const nested = terms('mesos.', 'b.a.mesos.', 'example.test.');
    const table = compileZone((store) => {
      for (const name of ['w.mesos.', 'a.mesos.', 'w.b.a.mesos.', 'w.x.example.test.', 'w.test.']) {
        store.address(name, ip('10.0.0.1'));
      }
    }, nested);
    const zones = Object.fromEntries(
      names(table).map((name) => [name, table.zoneIndex(node(table, name))]),
    );
    assert.deepEqual(zones, {
      'mesos.': 0,
      'w.mesos.': 0,
      'a.mesos.': 0,
      'b.a.mesos.': 1,
      'w.b.a.mesos.': 1,
      'example.test.': 2,
      'x.example.test.': 2,
      'w.x.example.test.': 2,
      'w.test.': NO_ZONE,
    });
  });

  for (const order of [
    ['mesos.', 'c.b.a.mesos.'],
    ['c.b.a.mesos.', 'mesos.'],
  ]) {
    test(`D02: names between nested apexes exist, declared as ${order.join(' and ')}`, () => {
      const table = compileZone(() => undefined, terms(...order));
      assert.deepEqual(names(table), ['a.mesos.', 'b.a.mesos.', 'c.b.a.mesos.', 'mesos.']);
      const outer = order.indexOf('mesos.');
      assert.equal(table.zoneIndex(node(table, 'b.a.mesos.')), outer);
    });
  }

  test('names of a zone are not confused with those that only end alike', () => {
    const table = compileZone((store) => store.address('notmesos.', ip('10.0.0.1')));
    assert.equal(table.zoneIndex(node(table, 'notmesos.')), NO_ZONE);
    assert.equal(node(table, 'otmesos.'), 0);
  });
});

test('A9: the TTL of a zone stands in every record, that of a negative answer is the smaller one', () => {
  const zone = zoneApex('mesos.');
  for (const [ttlSeconds, minimumSeconds, negative] of [
    [60, 5, 5],
    [5, 60, 5],
    [2 ** 31 - 1, 2 ** 31 - 1, 2 ** 31 - 1],
  ] as const) {
    const table = compileZone((store) => store.address('w.mesos.', ip('10.0.0.1')), {
      ...TERMS,
      ttlSeconds,
      zones: [{ ...zone, minimumSeconds }],
    });
    const rrset = table.rrset(node(table, 'w.mesos.'), TYPE.A);
    assert.equal(readU32(table.bytes, table.recordOffset(rrset, 0) + 6), ttlSeconds);
    const soa = table.words[table.zoneAt(0) + ZONE.NEGATIVE_SOA]!;
    assert.equal(readU32(table.bytes, soa + 6), negative);
    const size = table.words[table.zoneAt(0) + ZONE.NEGATIVE_SOA_BYTES]!;
    assert.equal(readU32(table.bytes, soa + size - 4), minimumSeconds);
  }
});

test('the serial is stamped on every SOA of every zone and nowhere else', () => {
  const two = terms('mesos.', 'a.mesos.');
  const store = new RecordStore(() => undefined);
  store.address('w.mesos.', ip('10.0.0.1'));
  const table = compileTable(store, two, true);
  assert.equal(table.serial, 0);
  const before = Uint8Array.from(table.bytes);
  stampSerial(table, 0xfedc_ba98);
  assert.equal(table.serial, 0xfedc_ba98);
  const changed = table.bytes.filter((octet, i) => octet !== before[i]);
  // The header's word, and per zone the SOA at the apex and the negative one.
  assert.equal(changed.length, 4 * (1 + 2 * 2));
});

test('a table before the first state has its zones and is not ready', () => {
  const table = compileZone(() => undefined, terms('mesos.', 'l4lb.test.'), false);
  assert.equal(table.ready, false);
  assert.equal(table.zoneCount, 2);
});

test('two zones of one name are a mistake of the caller', () => {
  assert.throws(() => compileZone(() => undefined, terms('a.', 'a.')), /an apex of its own/);
});

test('an apex that is no name is a mistake of the caller', () => {
  assert.throws(() => compileZone(() => undefined, terms('mesos')), /mesos: empty-label/);
  const store = new RecordStore(() => undefined);
  assert.throws(() => compileTable(store, terms('a..b.'), true), /checked configuration/);
});

/** What a table has to hold, by the definition of a zone and not by its code. */
function expectedNames(records: readonly AnyRecord[], apexes: readonly string[]): string[] {
  const expected = new Set(apexes);
  const isInZone = (name: string): boolean =>
    apexes.some((apex) => name === apex || name.endsWith(`.${apex}`));
  const addWithParents = (owner: string): void => {
    for (let name = owner; isInZone(name); name = name.slice(name.indexOf('.') + 1)) {
      expected.add(name);
      if (apexes.includes(name) && !isInZone(name.slice(name.indexOf('.') + 1))) break;
    }
  };
  for (const { owner } of records) {
    expected.add(owner);
    addWithParents(owner);
  }
  apexes.forEach(addWithParents);
  return [...expected].sort();
}

describe('laws of compiling', () => {
  const zones = fc.constantFrom(['mesos.'], ['mesos.', 'b.a.mesos.'], ['web.mesos.', 'mesos.']);

  test('every name that has to be there is found, and no other', () => {
    fc.assert(
      fc.property(recordSets, zones, (records, apexes) => {
        const table = compileZone((store) => fill(store, records), terms(...apexes));
        const expected = expectedNames(records, apexes);
        assert.deepEqual(names(table), expected);
        for (const name of expected) {
          const found = node(table, name);
          assert.notEqual(found, 0, name);
          const innermost = apexes
            .filter((apex) => name === apex || name.endsWith(`.${apex}`))
            .sort((a, b) => b.length - a.length)[0];
          assert.equal(zoneOfName(table, wireName(name)), innermost ?? null);
          assert.equal(zoneOfName(table, wireName(`no.such.${name}`)), innermost ?? null);
          for (const near of [`x.${name}`, name.slice(1), name.replace('.', '-')]) {
            if (/^$|^\.|\.\./.test(near) || expected.includes(near)) continue;
            assert.equal(node(table, near), 0, near);
          }
        }
      }),
      { numRuns: 200 },
    );
  });

  test('every record is read back, each once', () => {
    fc.assert(
      fc.property(recordSets, (records) => {
        const table = compileZone((store) => fill(store, records));
        const read = [...allNodes(table)].flatMap((at) => {
          const owner = nodeName(table, at);
          return [
            ...addressTexts(table, at, TYPE.A).map((text) => `${owner} ${text}`),
            ...addressTexts(table, at, TYPE.AAAA).map((text) => `${owner} ${text}`),
            ...nodeServices(table, at).map(({ target, port }) => `${owner} ${target} ${port}`),
            ...nodePointers(table, at).map((target) => `${owner} ${target} ${POINTER}`),
          ];
        });
        const put = records.map(({ owner, address, target, port }) =>
          address === null ? `${owner} ${target} ${port}` : `${owner} ${address}`,
        );
        assert.deepEqual(read.sort(), [...new Set(put)].sort());
        assert.equal(table.words[HEADER.RECORD_COUNT], new Set(put).size);
      }),
      { numRuns: 200 },
    );
  });

  test('nodes, RRsets and records lie one behind the other and within the buffer', () => {
    fc.assert(
      fc.property(recordSets, (records) => {
        const table = compileZone((store) => fill(store, records));
        let end = 0;
        for (const at of allNodes(table)) {
          assert.ok(at >= end && at % 4 === 0);
          end = table.nameOffset(at) + table.nameLength(at);
          for (let i = 0; i < table.rrsetCount(at); i++) {
            const rrset = table.rrsetAt(at, i);
            const data = table.words[rrset + RRSET.DATA]!;
            assert.ok(data >= end);
            end = data + table.words[rrset + RRSET.DATA_BYTES]!;
            assert.equal(table.recordOffset(rrset, 0), data);
          }
        }
        assert.ok(end <= table.bytes.length && table.bytes.length < end + 4);
        assert.equal(table.header(HEADER.END), table.bytes.length);
      }),
      { numRuns: 100 },
    );
  });
});
