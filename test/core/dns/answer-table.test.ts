import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AnswerTable, HEADER, RRSET } from '../../../src/core/dns/answer-table.ts';
import { TYPE } from '../../../src/core/dns/constants.ts';
import { hashWireName } from '../../../src/core/dns/name.ts';
import { wireName } from '../../support/dns-message.ts';
import { compileZone, ip, manyAddresses, SERIAL } from '../../support/small-zone.ts';

const TABLE = compileZone((store) => {
  for (const address of manyAddresses(300)) store.address('many.mesos.', address);
  store.address('many.mesos.', ip('fd00::1'));
  for (const port of [80, 81]) {
    store.service('_web.mesos.', 'many.mesos.', port);
    store.service('_web.mesos.', 'longer.elsewhere.test.', port);
  }
  for (let i = 0; i < 1000; i++) store.address(`host-${i}.mesos.`, ip('10.0.0.1'));
});

function find(name: string, offset = 0): number {
  const wire = wireName(name);
  const bytes = Buffer.concat([Buffer.alloc(offset, 0x61), wire, Buffer.alloc(3, 0x61)]);
  return TABLE.find(bytes, offset, wire.length, hashWireName(bytes, offset, wire.length));
}

test('a table is read again from its buffer, as another thread does', () => {
  const again = new AnswerTable(TABLE.buffer);
  assert.deepEqual([again.ready, again.serial, again.zoneCount], [true, SERIAL, 1]);
});

test('a buffer that is no table, or cut off, is refused', () => {
  assert.throws(() => new AnswerTable(new SharedArrayBuffer(64)), /not an answer table/);
  const cut = new SharedArrayBuffer(TABLE.buffer.byteLength - 4);
  new Uint8Array(cut).set(TABLE.bytes.subarray(0, cut.byteLength));
  assert.throws(() => new AnswerTable(cut), /cut off/);
});

test('each of a thousand names is found, wherever it stands', () => {
  for (let i = 0; i < 1000; i++) {
    const node = find(`host-${i}.mesos.`, i % 7);
    const at = TABLE.nameOffset(node);
    const name = TABLE.bytes.slice(at, at + TABLE.nameLength(node));
    assert.deepEqual(name, new Uint8Array(wireName(`host-${i}.mesos.`)));
  }
});

test('a name that is not there is not found, nor one under a hash that is', () => {
  assert.equal(find('host-1000.mesos.'), 0);
  const wire = wireName('host-7.mesos.');
  const hash = hashWireName(wire, 0, wire.length);
  assert.equal(TABLE.find(wireName('host-8.mesos.'), 0, wire.length, hash), 0);
  // The same octets but for one, cut into labels elsewhere.
  const other = wireName('host-7\u0005mesos.');
  assert.equal(TABLE.find(other, 0, other.length, hash), 0);
});

test('RRsets are found by type, and their records by number', () => {
  const many = find('many.mesos.');
  assert.equal(TABLE.rrsetCount(many), 2);
  const addresses = TABLE.rrset(many, TYPE.A);
  assert.equal(TABLE.words[addresses + RRSET.COUNT], 300);
  assert.equal(TABLE.recordOffset(addresses, 299) - TABLE.recordOffset(addresses, 0), 299 * 16);
  assert.equal(TABLE.targetNode(addresses, 0), 0);
  assert.notEqual(TABLE.rrset(many, TYPE.AAAA), 0);
  assert.equal(TABLE.rrset(many, TYPE.SRV), 0);
});

test('records of unequal length are found by an index, which knows their targets', () => {
  const services = TABLE.rrset(find('_web.mesos.'), TYPE.SRV);
  const offsets = [0, 1, 2, 3].map((i) => TABLE.recordOffset(services, i));
  // 12 octets of head, 6 of numbers, and the target.
  const sizes = offsets.slice(1).map((offset, i) => offset - offsets[i]!);
  const [short, long] = [18 + 12, 18 + 23];
  assert.deepEqual(sizes, [short, short, long]);
  assert.deepEqual(
    [0, 1, 2, 3].map((i) => TABLE.targetNode(services, i)),
    [find('many.mesos.'), find('many.mesos.'), 0, 0],
  );
});

test('every name is among the nodes, in the order in which they were written', () => {
  const nodes = TABLE.nodes();
  // The hosts, many, _web, and the apex.
  assert.equal(nodes.length, 1003);
  assert.equal(nodes.length, TABLE.header(HEADER.NODE_COUNT));
  assert.deepEqual(
    [...nodes].sort((a, b) => a - b),
    [...nodes],
  );
});
