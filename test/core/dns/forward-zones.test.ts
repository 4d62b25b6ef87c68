import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ForwardZones } from '../../../src/core/dns/forward-zones.ts';
import { wireName } from '../../support/dns-message.ts';

const zone = (name: string): { zone: string; upstreams: [] } => ({ zone: name, upstreams: [] });
const ZONES = new ForwardZones(['example.test', 'corp', 'a.example.test', 'WeIrd\\.dot'].map(zone));

const CASES: readonly (readonly [qname: string, zone: string | null])[] = [
  ['example.test.', 'example.test'],
  ['www.example.test.', 'example.test'],
  ['a.example.test.', 'a.example.test'],
  ['x.y.a.example.test.', 'a.example.test'],
  ['aa.example.test.', 'example.test'],
  ['corp.', 'corp'],
  ['host.corp.', 'corp'],
  ['notcorp.', null],
  ['corp.example.', null],
  ['test.', null],
  ['.', null],
];

for (const [qname, expected] of CASES) {
  test(`${qname} goes to the upstreams of ${expected ?? 'the default'}`, () => {
    const wire = wireName(qname);
    const room = Buffer.concat([wire, Buffer.from('left over')]);
    assert.equal(ZONES.find(room, wire.length)?.zone ?? null, expected);
  });
}

test('D29: a zone that is written with capitals matches lower-case names', () => {
  const found = new ForwardZones([zone('EXAMPLE.Test')]).find(wireName('a.example.test.'), 16);
  assert.equal(found?.zone, 'EXAMPLE.Test');
});

test('a label with a dot in it is one label', () => {
  const wire = Buffer.concat([Buffer.from([9]), Buffer.from('weird.dot'), Buffer.from([0])]);
  assert.equal(ZONES.find(wire, wire.length)?.zone, 'WeIrd\\.dot');
  assert.equal(ZONES.find(wireName('weird.dot.'), 11), null);
  // One label, whose last octets are those of the zone `corp`.
  const alike = Buffer.from([6, 0x78, 4, ...Buffer.from('corp'), 0]);
  assert.equal(ZONES.find(alike, alike.length), null);
});

test('the zones are listed, the longest first', () => {
  assert.deepEqual(
    ZONES.all.map((entry) => entry.zone),
    ['a.example.test', 'example.test', 'WeIrd\\.dot', 'corp'],
  );
  assert.equal(new ForwardZones([]).find(wireName('a.'), 3), null);
});
