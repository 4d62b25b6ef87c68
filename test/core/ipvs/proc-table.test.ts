import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseIpAddress } from '../../../src/core/base/address.ts';
import { type ProcService, ProcTableReader } from '../../../src/core/ipvs/proc-table.ts';
import { SCHEDULERS } from '../../../src/core/ipvs/table.ts';
import { readProjectFile } from '../../support/project.ts';

/** /proc/net/ip_vs of Linux 6.1 (HZ=100), with services of all kinds that ipvsadm makes. */
const RECORDED = readProjectFile('test/fixtures/kernel/proc-net-ip-vs.txt');

const HEADER = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
`;

function read(text: string, reader = new ProcTableReader()): ReadonlyMap<string, ProcService> {
  const table = reader.read(Buffer.from(text));
  assert.ok(table !== null);
  return table;
}
function service(key: string): ProcService {
  const found = read(RECORDED).get(key);
  assert.ok(found !== undefined, key);
  return found;
}
/** `key method weight active/inactive` of each destination. */
function destinationsOf({ destinations }: ProcService): string[] {
  return [...destinations].map(
    ([key, { forwarding, weight, activeConnections, inactiveConnections }]) =>
      `${key} ${forwarding} ${weight} ${activeConnections}/${inactiveConnections}`,
  );
}

test('all services of the recorded table are read, but not those by firewall mark', () => {
  const table = read(RECORDED);
  assert.equal(table.size, 23);
  assert.deepEqual(
    SCHEDULERS.filter((name) => ![...table.values()].some(({ scheduler }) => scheduler === name)),
    [],
  );
});

test('forwarding methods and weights are read', () => {
  assert.deepEqual(destinationsOf(service('tcp 10.208.2.1:80')), [
    '10.9.0.2:80 direct 2147483647 0/0',
    '127.0.0.1:80 masq 1 0/0',
    '10.9.0.1:80 tunnel 1 0/0',
  ]);
  assert.deepEqual(destinationsOf(service('udp 10.208.1.1:53')), ['10.9.0.1:5353 masq 0 0/0']);
});

test('connections are read', () => {
  assert.deepEqual(destinationsOf(service('tcp 10.208.4.1:80')), ['10.9.9.1:8001 masq 1 3/2']);
});

test('IPv6 and SCTP are read', () => {
  assert.deepEqual(destinationsOf(service('tcp [fd00:208::1]:443')), [
    '[fd00:9::2]:443 tunnel 2 0/0',
    '[fd00:9::1]:8443 masq 2 0/0',
  ]);
  assert.deepEqual(destinationsOf(service('sctp 10.208.1.5:5000')), ['10.9.0.5:5000 direct 3 0/0']);
});

test('persistence is in ticks, and one-packet scheduling is seen', () => {
  const flags = (key: string): unknown[] => {
    const { isOnePacket, persistenceTicks } = service(key);
    return [isOnePacket, persistenceTicks];
  };
  assert.deepEqual(flags('udp 10.208.1.1:53'), [true, 0]);
  assert.deepEqual(flags('udp 10.208.1.2:53'), [false, 36000]);
  assert.deepEqual(flags('udp 10.208.1.4:53'), [true, 700]);
  assert.deepEqual(flags('udp [fd00:208::2]:53'), [false, 10000]);
  assert.deepEqual(flags('tcp 10.208.3.1:0'), [false, 30000]);
});

test('an empty table is read, something else is refused', () => {
  assert.equal(read(HEADER).size, 0);
  const reader = new ProcTableReader();
  for (const text of [
    '',
    'x',
    `${HEADER}TCP  0AD00001 wlc \n`,
    `${HEADER}TCP  0AD00001:0050 wlc \n  -> 0A09000G:7918      Masq    1      0          0         \n`,
    `${HEADER}TCP  0AD00001:0050 wlc \n  -> 0A090001:7918      Other   1      0          0         \n`,
    `${HEADER}TCP  0AD00001:0050 wlc \n  -> 0A090001:7918      Masq    1      0         \n`,
    `${HEADER}TCP  0AD00001:0050 wlc \n  -> 0A090001:7918      Masq    1      0          0         `,
  ]) {
    assert.equal(reader.read(Buffer.from(text)), null, text);
  }
});

test('services of a protocol that we do not know are left out', () => {
  const text = `${HEADER}IP_47  0AD00001:0050 wlc \n  -> 0A090001:7918      Masq    1      0          0         \n`;
  assert.equal(read(text).size, 0);
});

test('any octets are read without an exception', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...Array.from(' \n->TCPUFWM0A[:]f'))), (tail) => {
      new ProcTableReader().read(Buffer.from(HEADER + tail.join('')));
    }),
  );
});

interface Line {
  readonly address: string;
  readonly port: number;
  readonly weight: number;
  readonly active: number;
}

/** deepEqual looks at prototypes. */
const PLAIN = { noNullPrototype: true } as const;
const ports = fc.nat(65535);
const addresses = fc.constantFrom(
  '10.0.0.1',
  '192.168.255.254',
  '0.0.0.0',
  'fd00::1',
  'fd00::ff:1',
);
const tables = fc.uniqueArray(
  fc.record(
    {
      address: addresses,
      port: ports,
      destinations: fc.uniqueArray(
        fc.record({ address: addresses, port: ports, weight: fc.nat(3), active: fc.nat(3) }, PLAIN),
        { maxLength: 4, selector: ({ address, port }) => `${address} ${port}` },
      ),
    },
    PLAIN,
  ),
  { maxLength: 6, selector: ({ address, port }) => `${address} ${port}` },
);

/** As the kernel prints an address and port. */
function endpoint(address: string, port: number): string {
  const digits = port.toString(16).toUpperCase().padStart(4, '0');
  const text = Buffer.from(parseIpAddress(address)!.bytes).toString('hex');
  if (!address.includes(':')) return `${text.toUpperCase()}:${digits}`;
  return `[${text.replace(/(.{4})(?!$)/g, '$1:')}]:${digits}`;
}
function print(table: readonly { address: string; port: number; destinations: Line[] }[]): string {
  const lines = table.flatMap(({ address, port, destinations }) => [
    `TCP  ${endpoint(address, port)} wlc ${address.includes(':') ? '' : ' '}`,
    ...destinations.map(
      (line) =>
        `  -> ${endpoint(line.address, line.port).padEnd(18)} Masq    ${String(line.weight).padEnd(6)} ` +
        `${String(line.active).padEnd(10)} 0         `,
    ),
  ]);
  return HEADER + lines.map((line) => `${line}\n`).join('');
}

test('one reader reads table after table as a new one reads each', () => {
  fc.assert(
    fc.property(fc.array(tables, { minLength: 1, maxLength: 4 }), (list) => {
      const reader = new ProcTableReader();
      for (const table of list) {
        const text = print(table);
        const found = read(text, reader);
        assert.deepEqual(found, read(text));
        assert.deepEqual(
          [...found.values()].map(({ address, port, destinations }) => ({
            address,
            port,
            destinations: [...destinations.values()].map((one) => ({
              address: one.address,
              port: one.port,
              weight: one.weight,
              active: one.activeConnections,
            })),
          })),
          table,
        );
      }
    }),
  );
});

test('the memory that a table was read from may be used again', () => {
  const reader = new ProcTableReader();
  const first = print([{ address: '10.0.0.1', port: 1, destinations: [line(1)] }]);
  const second = print([{ address: '10.0.0.1', port: 1, destinations: [line(2)] }]);
  const memory = Buffer.from(first);
  const before = reader.read(memory);
  memory.write(second);
  const after = reader.read(memory);
  const weights = [before, after].map((table) => {
    return table?.get('tcp 10.0.0.1:1')?.destinations.get('10.0.0.9:9')?.weight;
  });
  assert.deepEqual(weights, [1, 2]);
});

function line(weight: number): Line {
  return { address: '10.0.0.9', port: 9, weight, active: 0 };
}
