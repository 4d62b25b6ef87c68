import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { sameRecords } from '../../../src/core/dns/compare-tables.ts';
import { stampSerial } from '../../../src/core/dns/compile-table.ts';
import type { ZoneTerms } from '../../../src/core/dns/zone.ts';
import { recordSets } from '../../support/arbitraries.ts';
import {
  type AnyRecord,
  compileZone,
  fill,
  POINTER,
  TERMS,
  zoneApex,
} from '../../support/small-zone.ts';

const compile = (
  records: readonly AnyRecord[],
  terms: ZoneTerms = TERMS,
): ReturnType<typeof compileZone> => compileZone((store) => fill(store, records), terms);

const a = (owner: string, address: string): AnyRecord => ({
  owner,
  address,
  target: '',
  port: 0,
});
const srv = (owner: string, target: string, port: number): AnyRecord => ({
  owner,
  address: null,
  target,
  port,
});

const RECORDS: readonly AnyRecord[] = [
  a('web.mesos.', '10.0.0.1'),
  a('web.mesos.', 'fd00::1'),
  a('api.mesos.', '10.0.0.2'),
  srv('_web._tcp.mesos.', 'web.mesos.', 80),
  srv('_web._tcp.mesos.', 'api.mesos.', 80),
  srv('1.ptr.mesos.', 'web.mesos.', POINTER),
];

test('the serial is no difference', () => {
  const [first, second] = [compile(RECORDS), compile(RECORDS)];
  stampSerial(second, 5);
  assert.ok(sameRecords(first, second));
});

test('when the records will be old is no difference', () => {
  const [first, second] = [compile(RECORDS), compile(RECORDS)];
  first.setStaleAt(5);
  stampSerial(second, 5);
  assert.ok(sameRecords(first, second) && sameRecords(second, first));
});

const POINTED = RECORDS[5]!;

const CHANGES: readonly (readonly [what: string, records: readonly AnyRecord[]])[] = [
  ['a record less', RECORDS.slice(1)],
  ['a record more', [...RECORDS, a('web.mesos.', '10.0.0.9')]],
  ['another address', [a('web.mesos.', '10.0.0.3'), ...RECORDS.slice(1)]],
  ['another family', [a('web.mesos.', 'fd00::2'), ...RECORDS.slice(1)]],
  ['another owner of the same length', [a('wex.mesos.', '10.0.0.1'), ...RECORDS.slice(1)]],
  ['an address that moved to another name', [a('api.mesos.', '10.0.0.1'), ...RECORDS.slice(1)]],
  ['another port', [...RECORDS.slice(0, 4), srv('_web._tcp.mesos.', 'api.mesos.', 81), POINTED]],
  ['another target', [...RECORDS.slice(0, 4), srv('_web._tcp.mesos.', 'apx.mesos.', 80), POINTED]],
  [
    'another protocol',
    [...RECORDS.slice(0, 4), srv('_web._udp.mesos.', 'api.mesos.', 80), POINTED],
  ],
  ['another name pointed to', [...RECORDS.slice(0, 5), { ...POINTED, target: 'api.mesos.' }]],
  ['a service instead of a pointer', [...RECORDS.slice(0, 5), { ...POINTED, port: 0 }]],
  ['nothing at all', []],
];

for (const [what, records] of CHANGES) {
  test(`${what} is a difference`, () => {
    assert.equal(sameRecords(compile(RECORDS), compile(records)), false);
    assert.equal(sameRecords(compile(records), compile(RECORDS)), false);
  });
}

const ZONE = zoneApex('mesos.');
const TERM_CHANGES: readonly (readonly [what: string, terms: ZoneTerms])[] = [
  ['TTL', { ...TERMS, ttlSeconds: 61 }],
  ['weight', { ...TERMS, srvWeight: 2 }],
  ['name server', { ...TERMS, zones: [{ ...ZONE, mname: 'ns2.mesos.' }] }],
  ['mailbox', { ...TERMS, zones: [{ ...ZONE, rname: 'toor.ns1.mesos.' }] }],
  ['refresh', { ...TERMS, zones: [{ ...ZONE, refreshSeconds: 61 }] }],
  ['retry', { ...TERMS, zones: [{ ...ZONE, retrySeconds: 61 }] }],
  ['expire', { ...TERMS, zones: [{ ...ZONE, expireSeconds: 61 }] }],
  ['minimum', { ...TERMS, zones: [{ ...ZONE, minimumSeconds: 61 }] }],
  ['minimum above the TTL', { ...TERMS, zones: [{ ...ZONE, minimumSeconds: 62 }] }],
  ['zone', { ...TERMS, zones: [{ ...ZONE, apex: 'meson.' }] }],
  ['number of zones', { ...TERMS, zones: [ZONE, zoneApex('b.mesos.')] }],
];

describe('the terms of the zone', () => {
  for (const [what, terms] of TERM_CHANGES) {
    test(`another ${what} is a difference`, () => {
      assert.equal(sameRecords(compile(RECORDS), compile(RECORDS, terms)), false);
    });
  }

  test('the serials of several zones are no difference', () => {
    const zones = ['mesos.', 'l4lb.test.', '10.in-addr.arpa.'].map(zoneApex);
    const [first, second] = [
      compile(RECORDS, { ...TERMS, zones }),
      compile(RECORDS, { ...TERMS, zones }),
    ];
    stampSerial(second, 5);
    assert.ok(sameRecords(first, second));
    const moved = compile([...RECORDS, a('web.l4lb.test.', '10.0.0.1')], { ...TERMS, zones });
    assert.equal(sameRecords(first, moved), false);
  });

  test('two zones in another order are a difference', () => {
    const [first, second] = [zoneApex('a.test.'), zoneApex('b.test.')];
    const both = [first, second].map((zone) => ({ ...zone, mname: 'ns.test.', rname: 'x.test.' }));
    const one = compile([], { ...TERMS, zones: both });
    const other = compile([], { ...TERMS, zones: [...both].reverse() });
    assert.equal(sameRecords(one, other), false);
  });

  test('a table that is not ready differs from one that is', () => {
    const unready = compileZone(() => undefined, TERMS, false);
    assert.equal(sameRecords(unready, compile([])), false);
    assert.ok(
      sameRecords(
        unready,
        compileZone(() => undefined, TERMS, false),
      ),
    );
  });
});

test('the order in which records come is no difference', () => {
  const shuffles = recordSets.chain((records) =>
    fc.tuple(
      fc.constant(records),
      fc.shuffledSubarray([...records], { minLength: records.length }),
    ),
  );
  fc.assert(
    fc.property(shuffles, ([records, shuffled]) => {
      assert.ok(sameRecords(compile(records), compile(shuffled)));
    }),
    { numRuns: 200 },
  );
});

test('tables are the same exactly if their sets of records are', () => {
  const key = ({ owner, address, target, port }: AnyRecord): string =>
    address === null ? `${owner} ${target} ${port}` : `${owner} ${address}`;
  const changed = recordSets.chain((records) =>
    fc.tuple(fc.constant(records), recordSets, fc.nat(records.length)).map(([all, other, at]) => {
      const [extra] = other;
      return [
        all,
        [...all.slice(0, at), ...(extra === undefined ? [] : [extra]), ...all.slice(at + 1)],
      ];
    }),
  );
  fc.assert(
    fc.property(changed, ([records = [], other = []]) => {
      const [left, right] = [new Set(records.map(key)), new Set(other.map(key))];
      const isSame = left.size === right.size && [...left].every((record) => right.has(record));
      assert.equal(sameRecords(compile(records), compile(other)), isSame);
    }),
    { numRuns: 300 },
  );
});
