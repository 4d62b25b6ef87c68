import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TYPE } from '../../../src/core/dns/constants.ts';
import {
  addressTexts,
  allNodes,
  findNode,
  nodeAddresses,
  nodeName,
  nodePointers,
  nodeServices,
  zoneApexes,
  zoneOfName,
} from '../../../src/core/views/table-records.ts';
import { wireName } from '../../support/dns-message.ts';
import { compileZone, ip } from '../../support/small-zone.ts';

const TABLE = compileZone((store) => {
  for (const text of ['10.0.0.2', 'fd00::1', '10.0.0.1']) {
    store.address('web.m.mesos.', ip(text));
  }
  store.service('_web._tcp.mesos.', 'web.m.mesos.', 80);
  store.service('_web._tcp.mesos.', 'nowhere.mesos.', 81);
  store.address('ns.example.test.', ip('10.0.0.53'));
  store.pointer('1.ptr.mesos.', 'web.m.mesos.');
  store.pointer('1.ptr.mesos.', 'api.example.test.');
});

const node = (name: string): number => findNode(TABLE, wireName(name));

test('the table lists every name once: with records, between them, apex and outside', () => {
  assert.deepEqual([...allNodes(TABLE)].map((at) => nodeName(TABLE, at)).sort(), [
    '1.ptr.mesos.',
    '_tcp.mesos.',
    '_web._tcp.mesos.',
    'm.mesos.',
    'mesos.',
    'ns.example.test.',
    'ptr.mesos.',
    'web.m.mesos.',
  ]);
});

test('addresses are read back by type and in order', () => {
  const web = node('web.m.mesos.');
  assert.deepEqual(addressTexts(TABLE, web, TYPE.A), ['10.0.0.1', '10.0.0.2']);
  assert.deepEqual(addressTexts(TABLE, web, TYPE.AAAA), ['fd00::1']);
  assert.deepEqual(nodeAddresses(TABLE, web), ['10.0.0.1', '10.0.0.2', 'fd00::1']);
  assert.deepEqual(nodeAddresses(TABLE, node('m.mesos.')), []);
});

test('services are read back with the node of a target that has records', () => {
  assert.deepEqual(nodeServices(TABLE, node('_web._tcp.mesos.')), [
    { target: 'web.m.mesos.', port: 80, node: node('web.m.mesos.') },
    { target: 'nowhere.mesos.', port: 81, node: 0 },
  ]);
  assert.deepEqual(nodeServices(TABLE, node('web.m.mesos.')), []);
});

test('pointers are read back in the order of their names', () => {
  assert.deepEqual(nodePointers(TABLE, node('1.ptr.mesos.')), [
    'api.example.test.',
    'web.m.mesos.',
  ]);
  assert.deepEqual(nodePointers(TABLE, node('web.m.mesos.')), []);
});

test('the zone of a name is the one it is in, whether the name exists or not', () => {
  assert.deepEqual(zoneApexes(TABLE), ['mesos.']);
  assert.notEqual(node('ns.example.test.'), 0);
  for (const name of ['mesos.', '_tcp.mesos.', 'no.such.mesos.']) {
    assert.equal(zoneOfName(TABLE, wireName(name)), 'mesos.', name);
  }
  for (const name of ['ns.example.test.', 'x.ns.example.test.', 'notmesos.', '.']) {
    assert.equal(zoneOfName(TABLE, wireName(name)), null, name);
  }
});

for (const name of ['mesos.x.', 'eb.m.mesos.', 'web.m.mesos.x.', '.', 'example.test.']) {
  test(`the name ${name} is not found`, () => {
    assert.equal(node(name), 0);
  });
}
