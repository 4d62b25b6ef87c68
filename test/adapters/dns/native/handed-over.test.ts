import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HandOver, handedOverQueries } from '../../../../src/adapters/dns/native/handed-over.ts';
import {
  PACKET_INFO_BYTES,
  turnPacketInfo,
} from '../../../../src/adapters/dns/native/packet-info.ts';
import {
  decodeClient,
  decodeSocketAddress,
  encodeSocketAddress,
} from '../../../../src/adapters/dns/native/socket-address.ts';
import { formatIpAddress, parseIpAddress } from '../../../../src/core/base/address.ts';

function encoded(address: string, port: number): Uint8Array {
  const ip = parseIpAddress(address);
  assert.ok(ip);
  return encodeSocketAddress(ip, port);
}

const addresses = fc.oneof(
  fc.ipV4(),
  fc
    .uint8Array({ minLength: 16, maxLength: 16 })
    .filter((bytes) => bytes[0] !== 0)
    .map(formatIpAddress),
);

test('a socket address says the same before and after the kernel has seen it', () => {
  fc.assert(
    fc.property(addresses, fc.nat(65_535), (address, port) => {
      assert.deepEqual(decodeSocketAddress(encoded(address, port)), { address, port });
    }),
  );
});

test('a link-local client has the number of its interface as zone', () => {
  const bytes = encoded('fe80::1', 53_000);
  bytes[24] = 3;
  const client = { protocol: 'udp', family: 6, address: 'fe80::1%3', port: 53_000 };
  assert.deepEqual(decodeClient(bytes), client);
});

test('queries come over with message, client and the way back', () => {
  const queries = fc.array(
    fc.record({
      socketId: fc.nat(),
      message: fc.uint8Array({ maxLength: 100 }),
      address: addresses,
      port: fc.nat(65_535),
      info: fc.constantFrom(0, 32, 40),
    }),
    { maxLength: 8 },
  );
  const handOver = new HandOver(8, 100);
  fc.assert(
    fc.property(queries, (batch) => {
      for (const { socketId, message, address, port, info } of batch) {
        const names = new Uint8Array(64);
        names.set(encoded(address, port), 32);
        const infos = new Uint8Array(100).fill(7);
        const slot = new Uint8Array(100);
        slot.set(message);
        handOver.add(socketId, slot, message.length, names, 32, infos, 60, info);
      }
      assert.equal(handOver.count, batch.length);
      const read = [...handedOverQueries(handOver.take())].map((query) => ({
        socketId: query.socketId,
        message: Uint8Array.from(query.message),
        address: query.client.address,
        port: query.client.port,
        info: query.route.packetInfo.length,
      }));
      assert.deepEqual(
        read,
        batch.map((query) => ({ ...query, message: Uint8Array.from(query.message) })),
      );
      assert.equal(handOver.count, 0);
      assert.equal(handOver.take().length, 0);
    }),
  );
});

test('the address of the way back has the length of its family', () => {
  const handOver = new HandOver(2, 12);
  for (const address of ['192.0.2.1', '2001:db8::1']) {
    const names = new Uint8Array(28);
    names.set(encoded(address, 1));
    handOver.add(1, new Uint8Array(12), 12, names, 0, new Uint8Array(PACKET_INFO_BYTES), 0, 0);
  }
  const lengths = [...handedOverQueries(handOver.take())].map(({ route }) => route.peer.length);
  assert.deepEqual(lengths, [16, 28]);
});

/** A packet info of IPv6 for `address`, that came by interface 5, behind 8 other octets. */
function ipv6Info(address: string): Uint8Array {
  const info = new Uint8Array(8 + PACKET_INFO_BYTES);
  info.set(parseIpAddress(address)?.bytes ?? [], 8 + 16);
  info[8 + 32] = 5;
  return info;
}

test('an answer keeps the interface of its query only for a link-local address', () => {
  for (const [address, index] of [
    ['2001:db8::1', 0],
    ['fec0::1', 0],
    ['fe80::1', 5],
    ['febf::1', 5],
  ] as const) {
    const info = ipv6Info(address);
    turnPacketInfo(info, 8, 6);
    assert.equal(info[8 + 32], index, address);
    assert.deepEqual(info.subarray(24, 40), parseIpAddress(address)?.bytes);
  }
  const ipv4 = new Uint8Array(PACKET_INFO_BYTES).fill(9);
  turnPacketInfo(ipv4, 0, 4);
  assert.deepEqual([...ipv4.subarray(16, 24)], [0, 0, 0, 0, 9, 9, 9, 9]);
});
