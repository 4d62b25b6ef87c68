import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silenceReason } from '../../../src/adapters/dns/silence.ts';
import type { SilenceReason } from '../../../src/adapters/dns/silence.ts';
import { FLAG } from '../../../src/core/dns/constants.ts';
import { buildMessage } from '../../support/dns-message.ts';

const OWN = { address: '192.0.2.53', port: 53 };
const QUERY = buildMessage({ qname: 'web.example.' });
const RESPONSE = buildMessage({ qname: 'web.example.', flags: FLAG.QR });

interface Case {
  readonly name: string;
  readonly message?: Uint8Array;
  readonly address?: string;
  readonly port?: number;
  readonly reason: SilenceReason | null;
}

const CASES: readonly Case[] = [
  { name: 'a query', reason: null },
  { name: 'an undecodable message with a header', message: new Uint8Array(12), reason: null },
  { name: 'a message without a whole header', message: new Uint8Array(11), reason: 'short' },
  { name: 'an empty datagram', message: new Uint8Array(0), reason: 'short' },
  { name: 'a response', message: RESPONSE, reason: 'response' },
  { name: 'source port 0', port: 0, reason: 'source-port' },
  { name: 'our own address and port', ...OWN, reason: 'source-address' },
  { name: 'our own address, another port', address: OWN.address, reason: null },
  { name: 'another server on port 53', port: 53, reason: null },
  { name: 'the unspecified address', address: '0.0.0.0', reason: 'source-address' },
  { name: 'the limited broadcast address', address: '255.255.255.255', reason: 'source-address' },
  { name: 'an IPv4 group', address: '224.0.0.251', reason: 'source-address' },
  { name: 'a reserved IPv4 address', address: '240.0.0.1', reason: 'source-address' },
  { name: 'the last unicast IPv4 network', address: '223.255.255.1', reason: null },
  { name: 'an IPv6 group', address: 'ff02::fb', reason: 'source-address' },
  { name: 'the unspecified IPv6 address', address: '::', reason: 'source-address' },
  { name: 'a link-local IPv6 client', address: 'fe80::1%eth0', reason: null },
];

for (const { name, message = QUERY, address = '192.0.2.1', port = 40_000, reason } of CASES) {
  test(`${name}: ${reason === null ? 'goes to the handler' : `silence (${reason})`}`, () => {
    assert.equal(silenceReason(message, { address, port }, OWN), reason);
  });
}
