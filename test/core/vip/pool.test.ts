import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AddressPool } from '../../../src/core/vip/pool.ts';
import { ip, prefix } from './vip-cluster.ts';

function pool(prefixes: readonly string[], exclude: readonly string[] = []): AddressPool {
  return new AddressPool(prefixes.map(prefix), exclude.map(prefix));
}

/** Texts of all addresses that may be handed out. */
function usable(addresses: AddressPool): string[] {
  const found: string[] = [];
  for (let slot = 0; slot < addresses.size; slot++) {
    if (addresses.usableFrom(slot) === slot) found.push(addresses.addressAt(slot).text);
  }
  return found;
}

test('prefixes are numbered through by address, and one inside another counts once', () => {
  const addresses = pool(['10.9.0.4/30', '10.8.0.8/30', '10.9.0.6/31']);
  assert.equal(addresses.size, 8);
  assert.equal(addresses.addressAt(0).text, '10.8.0.8');
  assert.equal(addresses.addressAt(7).text, '10.9.0.7');
  for (let slot = 0; slot < addresses.size; slot++) {
    assert.equal(addresses.slotOf(addresses.addressAt(slot)), slot);
  }
  for (const text of ['10.8.0.7', '10.8.0.12', 'fd00::1']) {
    assert.equal(addresses.slotOf(ip(text)), -1);
  }
});

test('addresses that end in 0 or 255 are not handed out', () => {
  const found = usable(pool(['10.8.0.0/23']));
  assert.equal(found.length, 508);
  for (const octets of ['0.0', '0.255', '1.0', '1.255']) {
    assert.ok(!found.includes(`10.8.${octets}`));
  }
});

test('exclusions may overlap, repeat and stick out', () => {
  const exclude = ['10.8.0.2/31', '10.8.0.0/30', '10.8.0.2/31', '10.7.0.0/16', '10.8.0.6/32'];
  assert.deepEqual(usable(pool(['10.8.0.0/29'], exclude)), ['10.8.0.4', '10.8.0.5', '10.8.0.7']);
  assert.deepEqual(usable(pool(['10.8.0.0/29', '10.9.0.4/31'], ['10.8.0.0/15'])), []);
});

test('the first address of an IPv6 prefix is not handed out, but of a /127', () => {
  assert.deepEqual(usable(pool(['fd00::4/126'])), ['fd00::5', 'fd00::6', 'fd00::7']);
  assert.deepEqual(usable(pool(['fd00::4/127'])), ['fd00::4', 'fd00::5']);
});

test('of a large IPv6 prefix the first 2^48 addresses are used', () => {
  const addresses = pool(['fd01:c::/48'], ['fd01:c::/112']);
  assert.equal(addresses.size, 2 ** 48);
  assert.equal(addresses.slotOf(ip('fd01:c::1:0:5')), 2 ** 32 + 5);
  assert.equal(addresses.slotOf(ip('fd01:c:0:1::5')), -1);
  assert.equal(addresses.addressAt(2 ** 48 - 1).text, 'fd01:c::ffff:ffff:ffff');
  assert.equal(addresses.usableFrom(7), 65_536);
});

test('slots are numbers that a double holds', () => {
  const many = Array.from({ length: 20 }, (_, i) => `fd01:${i + 1}::/48`);
  assert.equal(pool(many).size, 2 ** 52);
});
