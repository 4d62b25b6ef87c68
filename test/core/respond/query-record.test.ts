import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIpAddress } from '../../../src/core/base/address.ts';
import { parseWireName } from '../../../src/core/dns/name.ts';
import { Query } from '../../../src/core/dns/query.ts';
import type { ClientAddress } from '../../../src/core/guard/client-address.ts';
import { queryRecord } from '../../../src/core/respond/query-record.ts';

function queryOf(name: string, qtype: number): Query {
  const query = new Query();
  query.name.fill(0xaa);
  query.name.set(parseWireName(name)!);
  query.qtype = qtype;
  return query;
}

/** As a socket address has it: somewhere in a larger buffer. */
function clientAt(text: string): ClientAddress {
  const { family, bytes } = parseIpAddress(text)!;
  const room = new Uint8Array(64).fill(0xaa);
  room.set(bytes, 8);
  return { family, bytes: room, offset: 8 };
}

test('a record says who asked what, and what became of it', () => {
  const answered = {
    client: clientAt('10.1.2.3'),
    overTcp: false,
    rcode: 3,
    responseBytes: 92,
    durationMs: 0.0124,
  };
  assert.deepEqual(queryRecord(queryOf('a\\.b.mesos.', 33), answered), {
    name: 'a\\.b.mesos.',
    type: 'SRV',
    rcode: 'NXDOMAIN',
    client: '10.1.2.3',
    protocol: 'udp',
    bytes: 92,
    durationUs: 12,
  });
});

test('what has no mnemonic is shown by number, IPv6 in its short form', () => {
  const answered = {
    client: clientAt('fd01::7'),
    overTcp: true,
    rcode: 15,
    responseBytes: 12,
    durationMs: 3,
  };
  const { type, rcode, client, protocol } = queryRecord(queryOf('.', 1234), answered);
  assert.deepEqual([type, rcode, client, protocol], ['TYPE1234', 'RCODE15', 'fd01::7', 'tcp']);
});
