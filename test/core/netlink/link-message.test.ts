import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  decodeLink,
  encodeDummy,
  encodeLinkName,
  encodeLinkUp,
  isLinkName,
} from '../../../src/core/netlink/link-message.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

test('a dummy interface is made and set up by one message', () => {
  // ifinfomsg: flags and change IFF_UP; IFLA_IFNAME; IFLA_LINKINFO { IFLA_INFO_KIND }.
  assert.equal(
    hex(encodeDummy('vip0')),
    '00000000' +
      '00000000' +
      '01000000' +
      '01000000' +
      '090003007669703000000000' +
      '10001280' +
      '0a00010064756d6d79000000',
  );
});

test('an interface is set up by its index', () => {
  assert.equal(hex(encodeLinkUp(7)), '00000000' + '07000000' + '01000000' + '01000000');
});

test('an interface is read with its kind and state', () => {
  const body = encodeDummy('vip0');
  body[4] = 7;
  assert.deepEqual(decodeLink(body), { index: 7, name: 'vip0', isUp: true, kind: 'dummy' });
  assert.deepEqual(decodeLink(encodeLinkName('eth0')), {
    index: 0,
    name: 'eth0',
    isUp: false,
    kind: null,
  });
  assert.equal(decodeLink(encodeLinkUp(7)), null);
  assert.equal(decodeLink(new Uint8Array(8)), null);
});

test('names of interfaces are those that the kernel takes', () => {
  for (const name of ['hoplite0', 'a', 'x'.repeat(15), '...']) assert.ok(isLinkName(name), name);
  for (const name of ['', '.', '..', 'a/b', 'a:1', 'a b', 'é', 'x'.repeat(16)]) {
    assert.ok(!isLinkName(name), name);
  }
});
