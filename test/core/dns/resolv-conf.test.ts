import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseResolvConf } from '../../../src/core/dns/resolv-conf.ts';

const addresses = (text: string): string[] =>
  parseResolvConf(text).nameservers.map(({ address, port }) => `${address} ${port}`);

test('nameserver lines are read in their order, other lines skipped', () => {
  const text = [
    '# made by hand',
    '; nameserver 192.0.2.66',
    '#nameserver 192.0.2.67',
    'search example.com nameserver',
    'nameserver 192.0.2.1',
    'nameserver\t2001:DB8::0001   # the second',
    'options ndots:5',
    'nameserver  192.0.2.2\r',
  ].join('\n');
  assert.deepEqual(addresses(text), ['192.0.2.1 53', '2001:db8::1 53', '192.0.2.2 53']);
});

test('words that are no address are skipped', () => {
  const words = [
    '',
    'ns1.example',
    '1.2.3',
    '1.2.3.256',
    '010.1.1.1',
    '1.2.3.4:53',
    '[::1]',
    ':::',
  ];
  assert.deepEqual(addresses(words.map((word) => `nameserver ${word}`).join('\n')), []);
  assert.deepEqual(addresses('nameserverx 192.0.2.1\nNAMESERVER 192.0.2.1'), []);
});

test('a link-local resolver keeps its zone, an IPv4 address has none', () => {
  assert.deepEqual(addresses('nameserver FE80::1%eth0\nnameserver 192.0.2.1%eth0'), [
    'fe80::1%eth0 53',
  ]);
});

test('an address counts once, and there are at most eight', () => {
  assert.deepEqual(addresses('nameserver ::1\nnameserver 0:0::1'), ['::1 53']);
  const many = Array.from({ length: 100 }, (_, i) => `nameserver 192.0.2.${i}`).join('\n');
  assert.equal(addresses(many).length, 8);
});

test('a file without nameservers has none', () => {
  assert.deepEqual(addresses(''), []);
});
