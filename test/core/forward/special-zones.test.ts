import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ForwardConfig, ForwardZone } from '../../../src/core/config/config.ts';
import type { AnswerTable } from '../../../src/core/dns/answer-table.ts';
import { TYPE } from '../../../src/core/dns/constants.ts';
import { hashWireName, readOwnerName } from '../../../src/core/dns/name.ts';
import { readU32 } from '../../../src/core/dns/wire.ts';
import { compileSpecialZones, specialLookup } from '../../../src/core/forward/special-zones.ts';
import { nodeAddresses, nodePointers, zoneOfName } from '../../../src/core/views/table-records.ts';
import { wireName } from '../../support/dns-message.ts';

type Settings = Pick<ForwardConfig, 'specialNames' | 'privateReverse'>;

const LOCAL: Settings = { specialNames: 'local', privateReverse: 'local' };

const rule = (zone: string): ForwardZone => ({ zone, upstreams: [] });

function compiled(rules: readonly string[] = [], own: readonly string[] = []): AnswerTable {
  const table = compileSpecialZones(LOCAL, rules.map(rule), own);
  assert.ok(table !== null, 'there are zones left');
  return table;
}

/** Node of a name as the answering threads find it, 0 if there is none. */
function lookUp(table: AnswerTable, name: string): number {
  const wire = wireName(name);
  const nameLength = wire.length;
  // Behind the name stands what an earlier, longer one left there.
  const room = Uint8Array.of(...wire, ...wireName('left.localhost.'));
  return specialLookup(table, { name: room, nameLength, hash: hashWireName(wire, 0, nameLength) });
}

/** Apex of the zone that has a name, null if none has. */
const apexOf = (table: AnswerTable, name: string): string | null =>
  zoneOfName(table, wireName(name));

const ALL = compiled();

describe('D11: what is answered here and never forwarded', () => {
  const ZONES: readonly (readonly [name: string, apex: string])[] = [
    ['localhost.', 'localhost.'],
    ['www.invalid.', 'invalid.'],
    ['printer.local.', 'local.'],
    ['abcdef.onion.', 'onion.'],
    ['x.alt.', 'alt.'],
    ['nas.home.arpa.', 'home.arpa.'],
    ['_dns.resolver.arpa.', 'resolver.arpa.'],
    ['1.2.3.0.in-addr.arpa.', '0.in-addr.arpa.'],
    ['1.2.3.10.in-addr.arpa.', '10.in-addr.arpa.'],
    ['1.0.0.127.in-addr.arpa.', '127.in-addr.arpa.'],
    ['1.1.254.169.in-addr.arpa.', '254.169.in-addr.arpa.'],
    ['1.1.16.172.in-addr.arpa.', '16.172.in-addr.arpa.'],
    ['1.1.31.172.in-addr.arpa.', '31.172.in-addr.arpa.'],
    ['1.1.168.192.in-addr.arpa.', '168.192.in-addr.arpa.'],
    ['1.1.64.100.in-addr.arpa.', '64.100.in-addr.arpa.'],
    ['1.1.127.100.in-addr.arpa.', '127.100.in-addr.arpa.'],
    ['1.2.0.192.in-addr.arpa.', '2.0.192.in-addr.arpa.'],
    ['1.100.51.198.in-addr.arpa.', '100.51.198.in-addr.arpa.'],
    ['1.113.0.203.in-addr.arpa.', '113.0.203.in-addr.arpa.'],
    ['255.255.255.255.in-addr.arpa.', '255.255.255.255.in-addr.arpa.'],
    [`${'0.'.repeat(32)}ip6.arpa.`, `${'0.'.repeat(32)}ip6.arpa.`],
    [`1.${'0.'.repeat(31)}ip6.arpa.`, `1.${'0.'.repeat(31)}ip6.arpa.`],
    ['1.0.d.f.ip6.arpa.', 'd.f.ip6.arpa.'],
    ['1.8.e.f.ip6.arpa.', '8.e.f.ip6.arpa.'],
    ['1.b.e.f.ip6.arpa.', 'b.e.f.ip6.arpa.'],
    ['1.8.b.d.0.1.0.0.2.ip6.arpa.', '8.b.d.0.1.0.0.2.ip6.arpa.'],
  ];
  for (const [name, apex] of ZONES) {
    test(`${name} is in ${apex}`, () => assert.equal(apexOf(ALL, name), apex));
  }

  const OTHERS = [
    '.',
    'test.',
    'example.',
    'notlocalhost.',
    'localhost.example.',
    'arpa.',
    'in-addr.arpa.',
    '1.1.15.172.in-addr.arpa.',
    '1.1.32.172.in-addr.arpa.',
    '1.1.63.100.in-addr.arpa.',
    '1.1.128.100.in-addr.arpa.',
    '1.1.167.192.in-addr.arpa.',
    '8.8.8.8.in-addr.arpa.',
    '254.255.255.255.in-addr.arpa.',
    `2.${'0.'.repeat(31)}ip6.arpa.`,
    '1.c.e.f.ip6.arpa.',
    '1.c.f.ip6.arpa.',
  ];
  for (const name of OTHERS) {
    test(`${name} is in none`, () => {
      assert.equal(apexOf(ALL, name), null);
      assert.equal(lookUp(ALL, name), 0);
    });
  }

  test('there are as many zones as the registries have, and all are known', () => {
    assert.equal(ALL.zoneCount, 7 + 6 + 16 + 64 + 3 + 8);
    assert.equal(ALL.ready, true);
  });

  test('names below most of them do not exist', () => {
    for (const name of ['www.invalid.', 'x.onion.', 'a.b.local.', '9.9.9.10.in-addr.arpa.']) {
      assert.equal(lookUp(ALL, name), 0);
    }
  });
});

describe('RFC 6761 §6.3: localhost', () => {
  for (const name of ['localhost.', 'web.localhost.', 'a.b.c.localhost.', '*.localhost.']) {
    test(`${name} has the loopback addresses`, () => {
      assert.deepEqual(nodeAddresses(ALL, lookUp(ALL, name)), ['127.0.0.1', '::1']);
      assert.equal(apexOf(ALL, name), 'localhost.');
    });
  }

  test('a name below it is no apex, and has neither SOA nor NS', () => {
    const node = lookUp(ALL, 'web.localhost.');
    assert.equal(ALL.rrset(node, TYPE.SOA), 0);
    assert.equal(ALL.rrset(node, TYPE.NS), 0);
    assert.notEqual(ALL.rrset(lookUp(ALL, 'localhost.'), TYPE.SOA), 0);
  });

  test('a label that only ends like it is another name', () => {
    // One label of eleven octets, whose last ten are those of `localhost` with its length.
    const name = Uint8Array.of(11, 0x61, 9, ...Buffer.from('localhost'), 0);
    const hash = hashWireName(name, 0, name.length);
    assert.equal(specialLookup(ALL, { name, nameLength: name.length, hash }), 0);
  });

  test('loopback addresses lead back to it', () => {
    for (const name of ['1.0.0.127.in-addr.arpa.', `1.${'0.'.repeat(31)}ip6.arpa.`]) {
      assert.deepEqual(nodePointers(ALL, lookUp(ALL, name)), ['localhost.']);
    }
  });
});

test('RFC 9462: every name below resolver.arpa exists and has no records', () => {
  for (const name of ['_dns.resolver.arpa.', 'a.b.resolver.arpa.', '*.*.resolver.arpa.']) {
    const node = lookUp(ALL, name);
    assert.notEqual(node, 0);
    assert.equal(ALL.rrsetCount(node), 0);
  }
});

test('RFC 6303 §3: the zones have its numbers, and their apex as name server', () => {
  const apex = lookUp(ALL, '10.in-addr.arpa.');
  const soa = ALL.recordOffset(ALL.rrset(apex, TYPE.SOA), 0);
  const mname = soa + 12;
  const rname = mname + wireName('10.in-addr.arpa.').length;
  const at = rname + wireName('nobody.invalid.').length;
  assert.equal(readOwnerName(ALL.bytes, mname), '10.in-addr.arpa.');
  assert.equal(readOwnerName(ALL.bytes, rname), 'nobody.invalid.');
  const numbers = [0, 4, 8, 12, 16].map((offset) => readU32(ALL.bytes, at + offset));
  assert.deepEqual(numbers, [1, 3600, 1200, 604_800, 10_800]);
  assert.equal(readU32(ALL.bytes, soa + 6), 10_800);
  assert.equal(ALL.targetNode(ALL.rrset(apex, TYPE.NS), 0), apex);
});

describe('what gives way to other settings', () => {
  const CASES: readonly (readonly [rule: string, without: readonly string[]])[] = [
    ['local', ['local.']],
    ['LOCAL', ['local.']],
    ['corp.local', ['local.']],
    ['notlocal', []],
    ['home.arpa', ['home.arpa.']],
    ['2.10.in-addr.arpa', ['10.in-addr.arpa.']],
    ['172.in-addr.arpa', ['16.172.in-addr.arpa.', '31.172.in-addr.arpa.']],
    ['in-addr.arpa', ['10.in-addr.arpa.', '16.172.in-addr.arpa.', '31.172.in-addr.arpa.']],
    ['9.d.f.ip6.arpa', ['d.f.ip6.arpa.']],
    ['a\\.local', []],
    ['', []],
    ['.', []],
  ];
  const NAMES = [...new Set(CASES.flatMap(([, without]) => without)), 'localhost.', 'invalid.'];
  for (const [zone, without] of CASES) {
    test(`a forward rule for "${zone}" takes ${without.join(', ') || 'nothing'} away`, () => {
      const table = compiled([zone]);
      const missing = NAMES.filter((name) => apexOf(table, name) === null);
      assert.deepEqual(missing.sort(), [...without].sort());
    });
  }

  test('of a zone that is left out no name is found', () => {
    const table = compiled(['dev.localhost']);
    for (const name of ['localhost.', 'web.localhost.', 'x.dev.localhost.']) {
      assert.equal(lookUp(table, name), 0);
      assert.equal(apexOf(table, name), null);
    }
  });

  test('a zone of our own takes its place, one in it does not', () => {
    const table = compiled([], ['local.', '7.10.in-addr.arpa.', 'mesos.invalid.']);
    assert.equal(apexOf(table, 'local.'), null);
    assert.equal(apexOf(table, '10.in-addr.arpa.'), '10.in-addr.arpa.');
    assert.equal(apexOf(table, 'invalid.'), 'invalid.');
  });

  test('names and reverse zones are forwarded on request', () => {
    const names = compileSpecialZones({ ...LOCAL, privateReverse: 'forward' }, [], []);
    assert.equal(names?.zoneCount, 7);
    const reverse = compileSpecialZones({ ...LOCAL, specialNames: 'forward' }, [], []);
    assert.equal(reverse?.zoneCount, ALL.zoneCount - 7);
    const neither: Settings = { specialNames: 'forward', privateReverse: 'forward' };
    assert.equal(compileSpecialZones(neither, [], []), null);
  });
});
