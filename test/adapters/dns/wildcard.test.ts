import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import type { NetworkInterfaceInfo } from 'node:os';
import { test } from 'node:test';
import { expandWildcard } from '../../../src/adapters/dns/wildcard.ts';

const entry = (address: string): NetworkInterfaceInfo =>
  address.includes(':')
    ? { family: 'IPv6', address, netmask: '', mac: '', internal: false, cidr: null, scopeid: 0 }
    : { family: 'IPv4', address, netmask: '', mac: '', internal: false, cidr: null };

const INTERFACES = {
  lo: [entry('127.0.0.1'), entry('::1')],
  eth0: [entry('10.0.0.5'), entry('2001:db8::5'), entry('fe80::42')],
  docker0: [entry('172.17.0.1'), entry('fe80::43%docker0'), entry('169.254.1.1')],
  gone: undefined,
  eth1: [entry('10.0.0.5')],
};

const expanded = (address: string): string[] =>
  expandWildcard({ address, port: 53 }, INTERFACES).map(({ address: own, port }) => {
    assert.equal(port, 53);
    return own;
  });

test('0.0.0.0 is every IPv4 address of the node, each once', () => {
  assert.deepEqual(expanded('0.0.0.0'), ['127.0.0.1', '10.0.0.5', '172.17.0.1', '169.254.1.1']);
});

test('S16: :: is every IPv4 and IPv6 address, without link-local IPv6', () => {
  const all = [...expanded('0.0.0.0'), '::1', '2001:db8::5'];
  assert.deepEqual(expanded('::'), all);
  assert.deepEqual(expanded('0:0:0:0:0:0:0:0'), all);
});

test('another address stands for itself, whether the node has it or not', () => {
  for (const address of ['10.0.0.5', '192.0.2.1', '::1', 'fe80::42%eth0']) {
    assert.deepEqual(expanded(address), [address]);
  }
});

test('the interfaces of this machine include its loopback', () => {
  const own = expandWildcard({ address: '0.0.0.0', port: 0 }, networkInterfaces());
  assert.ok(own.some(({ address }) => address === '127.0.0.1'));
});
