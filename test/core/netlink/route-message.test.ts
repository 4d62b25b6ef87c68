import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type IpAddress, parseIpAddress } from '../../../src/core/base/address.ts';
import {
  decodeLocalRoute,
  decodeRouteSource,
  encodeLocalRoute,
  encodeLocalRouteKey,
  encodeRouteLookup,
} from '../../../src/core/netlink/route-message.ts';

function address(text: string): IpAddress {
  const parsed = parseIpAddress(text);
  assert.ok(parsed !== null);
  return parsed;
}
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
/** A route of 10.208.0.1 with one octet of its header changed. */
function changed(offset: number, value: number): Uint8Array {
  const route = encodeLocalRoute(address('10.208.0.1'), 3, address('10.0.0.5'));
  route[offset] = value;
  return route;
}

test('a VIP is a local route in the table local, with our number and a source address', () => {
  // rtmsg: AF_INET, /32, 0, 0, table 255, protocol 104, scope host, type local.
  assert.equal(
    hex(encodeLocalRoute(address('10.208.0.1'), 3, address('10.0.0.5'))),
    '02200000' +
      'ff68fe02' +
      '00000000' +
      '080001000ad00001' +
      '0800040003000000' +
      '080007000a000005',
  );
});

test('a route is deleted by address and interface, whoever made it', () => {
  assert.equal(
    hex(encodeLocalRouteKey(address('fd00:208::1'), 3)),
    '0a800000' +
      'ff00ff02' +
      '00000000' +
      '14000100fd000208000000000000000000000001' +
      '0800040003000000',
  );
});

test('a look-up asks for one address', () => {
  assert.equal(
    hex(encodeRouteLookup(address('10.9.0.1'))),
    '02200000' + '00000000' + '00000000' + '080001000a090001',
  );
});

for (const [vip, source] of [
  ['10.208.0.1', '10.0.0.5'],
  ['fd00:208::1', 'fd00::5'],
] as const) {
  test(`the local route of ${vip} is read as it was written`, () => {
    const body = encodeLocalRoute(address(vip), 9, address(source));
    assert.deepEqual(decodeLocalRoute(body), { address: vip, link: 9, source });
    assert.equal(decodeRouteSource(body), source);
  });
}

for (const [what, offset, value] of [
  ['of another family', 0, 7],
  ['of a block', 1, 24],
  ['of the main table', 4, 254],
  ['that the kernel made', 5, 2],
  ['to somewhere else', 7, 1],
] as const) {
  test(`a route ${what} is none of ours`, () => {
    assert.equal(decodeLocalRoute(changed(offset, value)), null);
  });
}

test('a route without a source address has none', () => {
  const key = encodeLocalRouteKey(address('10.208.0.1'), 3);
  assert.deepEqual(decodeLocalRoute(key), { address: '10.208.0.1', link: 3, source: null });
  assert.equal(decodeRouteSource(key), null);
});
