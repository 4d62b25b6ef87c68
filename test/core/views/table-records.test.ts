import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TYPE } from '../../../src/core/dns/constants.ts';
import {
  addressTexts,
  allNodes,
  findNode,
  isServed,
  nodeAddresses,
  nodeName,
  nodeServices,
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
});

const node = (name: string): number => findNode(TABLE, wireName(name));

test('the table lists every name once: with records, between them, apex and outside', () => {
  assert.deepEqual([...allNodes(TABLE)].map((at) => nodeName(TABLE, at)).sort(), [
    '_tcp.mesos.',
    '_web._tcp.mesos.',
    'm.mesos.',
    'mesos.',
    'ns.example.test.',
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

test('a name outside our zones is there but not served', () => {
  assert.equal(isServed(TABLE, node('ns.example.test.')), false);
  assert.equal(isServed(TABLE, node('mesos.')), true);
  assert.equal(isServed(TABLE, node('_tcp.mesos.')), true);
});

for (const name of ['mesos.x.', 'eb.m.mesos.', 'web.m.mesos.x.', '.', 'example.test.']) {
  test(`the name ${name} is not found`, () => {
    assert.equal(node(name), 0);
  });
}
