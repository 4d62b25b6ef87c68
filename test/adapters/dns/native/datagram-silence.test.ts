import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { silenceCounter } from '../../../../src/adapters/dns/native/datagram-silence.ts';
import { encodeSocketAddress } from '../../../../src/adapters/dns/native/socket-address.ts';
import { COUNTER } from '../../../../src/adapters/dns/native/udp-counters.ts';
import { silenceReason } from '../../../../src/adapters/dns/silence.ts';
import type { SilenceReason } from '../../../../src/adapters/dns/silence.ts';
import { formatIpAddress, parseIpAddress } from '../../../../src/core/base/address.ts';
import type { SocketAddress } from '../../../../src/core/config/config.ts';

const PLACES: ReadonlyMap<number, SilenceReason> = new Map([
  [COUNTER.SHORT, 'short'],
  [COUNTER.RESPONSE, 'response'],
  [COUNTER.SOURCE_PORT, 'source-port'],
  [COUNTER.SOURCE_ADDRESS, 'source-address'],
]);

/** The reason that the octets are met with silence; null: none. */
function reason(
  message: Uint8Array,
  source: SocketAddress,
  own: SocketAddress,
): SilenceReason | null {
  const from = parseIpAddress(source.address);
  const to = parseIpAddress(own.address);
  assert.ok(from && to);
  const shift = 5;
  const names = new Uint8Array(40);
  names.set(encodeSocketAddress(from, source.port), shift);
  const ownAddress = { family: to.family, port: own.port, bytes: to.bytes, at: 0 };
  // A slot holds whatever was there before: only `length` octets count.
  const slot = new Uint8Array(64);
  slot.set(message);
  const place = silenceCounter(slot, message.length, names, shift, ownAddress);
  return place === 0 ? null : PLACES.get(place)!;
}

const QUERY = new Uint8Array(12);

const CASES: readonly (readonly [
  what: string,
  source: SocketAddress,
  expected: SilenceReason | null,
])[] = [
  ['an ordinary client', { address: '10.0.0.1', port: 5353 }, null],
  ['port 0, where nobody receives', { address: '10.0.0.1', port: 0 }, 'source-port'],
  ['our own socket', { address: '127.0.0.1', port: 53 }, 'source-address'],
  ['another port of our address', { address: '127.0.0.1', port: 54 }, null],
  ['another address with our port', { address: '127.0.0.2', port: 53 }, null],
  ['the unspecified address', { address: '0.0.0.0', port: 5353 }, 'source-address'],
  ['a multicast address', { address: '224.0.0.251', port: 5353 }, 'source-address'],
  ['the broadcast address', { address: '255.255.255.255', port: 5353 }, 'source-address'],
];

for (const [what, source, expected] of CASES) {
  test(`a datagram from ${what}: ${expected ?? 'for the handler'}`, () => {
    assert.equal(reason(QUERY, source, { address: '127.0.0.1', port: 53 }), expected);
  });
}

const octets = (family: 4 | 6): fc.Arbitrary<string> => {
  const size = family === 4 ? 4 : 16;
  const special = family === 4 ? ['0.0.0.0', '127.0.0.1', '239.1.2.3'] : ['::', '::1', 'ff02::1'];
  const any = fc.uint8Array({ minLength: size, maxLength: size }).map(formatIpAddress);
  return fc.oneof(fc.constantFrom(...special), any);
};

const ports = fc.constantFrom(0, 53, 54, 65_535);

test('octets are met with silence exactly when node:dgram’s form of them is', () => {
  const families = fc.constantFrom<4 | 6>(4, 6);
  const peers = families.chain((family) =>
    fc.record({
      source: fc.record({ address: octets(family), port: ports }),
      own: fc.record({ address: octets(family), port: ports }),
    }),
  );
  fc.assert(
    fc.property(peers, fc.uint8Array({ maxLength: 20 }), ({ source, own }, message) => {
      // Addresses of IPv4 inside IPv6 do not come over a socket of IPv6 alone.
      fc.pre([source, own].every(({ address }) => !address.startsWith('::ffff:')));
      assert.equal(reason(message, source, own), silenceReason(message, source, own));
    }),
  );
});
