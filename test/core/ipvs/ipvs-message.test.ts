import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatIpAddress } from '../../../src/core/base/address.ts';
import {
  decodeDestination,
  decodeService,
  encodeIpvsChange,
  encodeIpvsQuery,
  encodeServiceQuery,
  type IpvsChange,
} from '../../../src/core/ipvs/ipvs-message.ts';
import {
  type Destination,
  FORWARDING_METHODS,
  PROTOCOLS,
  SCHEDULERS,
  type ServiceId,
  type ServiceSettings,
} from '../../../src/core/ipvs/table.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bytes = (...parts: readonly string[]): Uint8Array => Buffer.from(parts.join(''), 'hex');

const WEB: ServiceId & ServiceSettings = {
  protocol: 'tcp',
  address: '11.0.0.1',
  port: 80,
  scheduler: 'wlc',
  schedulerFlags: 0,
  persistenceSeconds: 0,
};
const WEB_IPV6 = { ...WEB, address: 'fd00:208::1' };
const BACKEND: Destination = {
  address: '10.9.1.2',
  port: 8001,
  forwarding: 'masq',
  weight: 1,
  upperThreshold: 0,
  lowerThreshold: 0,
};

/** Family, protocol, address and port of WEB, in the nest SERVICE. */
const WEB_KEY = '0600010002000000' + '0600020006000000' + '080003000b000001' + '0600040000500000';
const BACKEND_ID = '080001000a090102' + '060002001f410000' + '06000b0002000000';
const BACKEND_SETTINGS =
  '0800030000000000' + '0800040001000000' + '0800050000000000' + '0800060000000000';

interface Golden {
  readonly name: string;
  readonly change: IpvsChange;
  readonly wanted: string;
}

const GOLDEN: readonly Golden[] = [
  {
    name: 'NEW_SERVICE',
    change: { kind: 'add-service', service: WEB },
    wanted:
      '01010000' +
      '48000180' +
      WEB_KEY +
      '08000600776c6300' +
      '0c00070000000000ffffffff' +
      '0800080000000000' +
      '08000900ffffffff',
  },
  {
    name: 'SET_SERVICE of a persistent one',
    change: {
      kind: 'edit-service',
      service: { ...WEB, scheduler: 'sh', schedulerFlags: 0x18, persistenceSeconds: 360 },
    },
    wanted:
      '02010000' +
      '48000180' +
      WEB_KEY +
      '0700060073680000' +
      '0c00070019000000ffffffff' +
      '0800080068010000' +
      '08000900ffffffff',
  },
  {
    name: 'NEW_SERVICE of IPv6, whose mask is a length',
    change: { kind: 'add-service', service: WEB_IPV6 },
    wanted:
      '01010000' +
      '54000180' +
      '060001000a000000' +
      '0600020006000000' +
      '14000300fd000208000000000000000000000001' +
      '0600040000500000' +
      '08000600776c6300' +
      '0c00070000000000ffffffff' +
      '0800080000000000' +
      '0800090080000000',
  },
  {
    name: 'DEL_SERVICE',
    change: { kind: 'delete-service', service: WEB },
    wanted: '03010000' + '24000180' + WEB_KEY,
  },
  {
    name: 'NEW_DEST',
    change: { kind: 'add-destination', service: WEB, destination: BACKEND },
    wanted: '05010000' + '24000180' + WEB_KEY + '3c000280' + BACKEND_ID + BACKEND_SETTINGS,
  },
  {
    name: 'SET_DEST',
    change: {
      kind: 'edit-destination',
      service: WEB,
      destination: {
        ...BACKEND,
        forwarding: 'direct',
        weight: 0,
        upperThreshold: 9,
        lowerThreshold: 4,
      },
    },
    wanted:
      '06010000' +
      '24000180' +
      WEB_KEY +
      '3c000280' +
      BACKEND_ID +
      '0800030003000000' +
      '0800040000000000' +
      '0800050009000000' +
      '0800060004000000',
  },
  {
    name: 'DEL_DEST',
    change: { kind: 'delete-destination', service: WEB, destination: BACKEND },
    wanted: '07010000' + '24000180' + WEB_KEY + '1c000280' + BACKEND_ID,
  },
];

for (const { name, change, wanted } of GOLDEN) {
  test(`${name} has the octets that the kernel was seen to take`, () => {
    assert.equal(hex(encodeIpvsChange(change)), wanted);
  });
}

test('questions are about a service or about all', () => {
  assert.equal(hex(encodeServiceQuery('GET_SERVICE', WEB)), '04010000' + '24000180' + WEB_KEY);
  assert.equal(hex(encodeServiceQuery('GET_DESTINATION', WEB)), '08010000' + '24000180' + WEB_KEY);
  assert.equal(hex(encodeIpvsQuery('GET_SERVICE')), '04010000');
  assert.equal(hex(encodeIpvsQuery('GET_INFO')), '0f010000');
});

/** As ipvsadm 1.31 writes it, which gives 16 octets for IPv4 as the kernel does. */
const IPVSADM_SERVICE = bytes(
  '01010000' + '54000180' + '0600010002000000' + '0600020006000000',
  '140003000b000001000000000000000000000000' + '0600040000500000' + '08000600776c6300',
  '0c00070000000000ffffffff' + '0800080000000000' + '08000900ffffffff',
);

test('a service of ipvsadm is read', () => {
  assert.deepEqual(decodeService(IPVSADM_SERVICE), {
    id: { protocol: 'tcp', address: '11.0.0.1', port: 80 },
    settings: { scheduler: 'wlc', schedulerFlags: 0, persistenceSeconds: 0 },
    counters: { connections: 0, packetsIn: 0, packetsOut: 0, bytesIn: 0, bytesOut: 0 },
  });
});

test('a destination of ipvsadm is read', () => {
  const body = bytes(
    '05010000' + '24000180' + WEB_KEY + '60000280' + '06000b0002000000',
    '140001000a090102000000000000000000000000' + '060002001f410000' + '0800030000000000',
    '0800040001000000' + '05000d0000000000' + '06000e0000000000' + '06000f0000000000',
    '0800050007000000' + '0800060003000000',
  );
  assert.deepEqual(decodeDestination(body), {
    id: { address: '10.9.1.2', port: 8001 },
    upperThreshold: 7,
    lowerThreshold: 3,
  });
});

test('flags that the kernel keeps for itself are left out, the others are seen', () => {
  const flags = (word: string): number | undefined => {
    const text = hex(IPVSADM_SERVICE).replace('0c00070000000000', `0c000700${word}`);
    return decodeService(bytes(text))?.settings.schedulerFlags;
  };
  // HASHED and PERSISTENT; one-packet scheduling; both of the schedulers'.
  assert.deepEqual([flags('03000000'), flags('06000000'), flags('1a000000')], [0, 4, 0x18]);
});

test('a service by firewall mark has no identity', () => {
  const body = bytes(
    '01010000' + '24000180' + '0600010002000000' + '0800050007000000' + '0700060072720000',
    '0800080000000000',
  );
  assert.equal(decodeService(body)?.id, null);
  assert.equal(decodeService(body)?.settings.scheduler, 'rr');
});

test('a service of a protocol that we do not know is none', () => {
  const text = hex(IPVSADM_SERVICE).replace('0600020006000000', '0600020033000000');
  assert.equal(decodeService(bytes(text)), null);
});

test('counters of 64 bits count, those of 32 where there are no others', () => {
  const stats =
    '0800010005000000' + '0800020006000000' + '0800030007000000' + '0c0004000800000001000000';
  const nest = (type: string, content: string): string =>
    Buffer.from([content.length / 2 + 4, 0]).toString('hex') + type + content;
  const body = (...nests: readonly string[]): Uint8Array => {
    const content = WEB_KEY + nests.join('');
    return bytes('01010000', nest('0180', content));
  };
  const old = nest('0a80', '0800010001000000');
  const wide = nest('0c80', stats);
  assert.equal(decodeService(body(old))?.counters.connections, 1);
  assert.deepEqual(decodeService(body(old, wide))?.counters, {
    connections: 5,
    packetsIn: 6,
    packetsOut: 7,
    bytesIn: 2 ** 32 + 8,
    bytesOut: 0,
  });
});

const addresses = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }).map(formatIpAddress),
  // Never one that stands for an IPv4 address.
  fc
    .uint8Array({ minLength: 15, maxLength: 15 })
    .map((rest) => formatIpAddress(Uint8Array.of(0xfd, ...rest))),
);
const services = fc.record(
  {
    protocol: fc.constantFrom(...PROTOCOLS),
    address: addresses,
    port: fc.nat(65535),
    scheduler: fc.constantFrom(...SCHEDULERS),
    schedulerFlags: fc.constantFrom(0, 0x8, 0x10, 0x18),
    persistenceSeconds: fc.nat(1e6),
  },
  { noNullPrototype: true },
);
const destinations = fc.record({
  address: addresses,
  port: fc.nat(65535),
  forwarding: fc.constantFrom(...FORWARDING_METHODS),
  weight: fc.nat(2 ** 31 - 1),
  upperThreshold: fc.nat(0xffffffff),
  lowerThreshold: fc.nat(0xffffffff),
});

test('a service is read as it was written', () => {
  fc.assert(
    fc.property(services, (service) => {
      const read = decodeService(encodeIpvsChange({ kind: 'add-service', service }));
      assert.deepEqual({ ...read?.id, ...read?.settings }, service);
    }),
  );
});

test('a destination is read as it was written', () => {
  fc.assert(
    fc.property(services, destinations, (service, destination) => {
      const read = decodeDestination(
        encodeIpvsChange({ kind: 'add-destination', service, destination }),
      );
      const { address, port, upperThreshold, lowerThreshold } = destination;
      assert.deepEqual(read, { id: { address, port }, upperThreshold, lowerThreshold });
    }),
  );
});

test('any octets are read without an exception', () => {
  const mutated = fc.tuple(fc.nat(IPVSADM_SERVICE.length - 1), fc.nat(255)).map(([at, octet]) => {
    const copy = Uint8Array.from(IPVSADM_SERVICE);
    copy[at] = octet;
    return copy;
  });
  fc.assert(
    fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 100 })), (body) => {
      decodeService(body);
      decodeDestination(body);
    }),
  );
});
