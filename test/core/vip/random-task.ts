import fc from 'fast-check';
import type { DiscoveryPort, Task } from '../../../src/core/mesos/snapshot.ts';
import { ip, port, task } from './vip-cluster.ts';

const labels = fc.constantFrom(
  'VIP_0=/web:80',
  'VIP_1=Web:80',
  'vip_2=api.v1:443',
  'VIP_3=/db:5432',
  'VIP_4=10.208.0.3:80',
  'VIP_5=fd01:c::3:80',
  'VIP_6=192.168.7.1:80',
  'VIP_7=bad',
  'VIP_8=:80',
  'HOPLITE_WEIGHT=3',
  'HOPLITE_WEIGHT=9',
  'HOPLITE_SCHEDULER=rr',
  'HOPLITE_SCHEDULER=sh,port',
  'HOPLITE_PERSISTENCE=60',
  'HOPLITE_PERSISTENCE=90',
  'HOPLITE_FORWARDING=direct',
  'HOPLITE_UPPER_THRESHOLD=5',
  'HOPLITE_ENDPOINT=vip',
  'HOPLITE_ENDPOINT=dnsrr',
);

const ports: fc.Arbitrary<DiscoveryPort> = fc
  .record({
    number: fc.constantFrom(0, 80, 443, 31_000, 31_001),
    labels: fc.uniqueArray(labels, { maxLength: 5 }),
    protocol: fc.constantFrom('tcp', 'udp', '', 'tcp,udp', 'odd'),
    scope: fc.constantFrom(null, 'host' as const, 'container' as const),
  })
  .map(({ number, labels: texts, protocol, scope }) => port(number, texts, { protocol, scope }));

/** A task of any kind, good and bad; ids and names repeat. */
export const randomTask: fc.Arbitrary<Task> = fc
  .record({
    id: fc.integer({ min: 0, max: 20 }),
    name: fc.constantFrom('web', 'Web', 'api'),
    declared: fc.array(ports, { maxLength: 3 }),
    agentId: fc.constantFrom('S0', 'S1', 'S9'),
    network: fc.constantFrom('host' as const, 'bridge' as const, 'container' as const),
    addresses: fc.uniqueArray(
      fc.constantFrom('10.0.0.1', '9.0.1.1', '9.0.1.2', 'fd00::1', '10.208.0.9'),
      { maxLength: 3 },
    ),
    mappings: fc.array(
      fc.record({
        protocol: fc.constantFrom('tcp', 'udp', ''),
        containerPort: fc.constantFrom(80, 443),
        hostPort: fc.constantFrom(31_000, 31_001),
      }),
      { maxLength: 3 },
    ),
    legacy: fc.array(
      fc.constantFrom(
        { index: '0', value: 'tcp://web:80' },
        { index: '1', value: 'udp://old:80' },
        { index: '7', value: 'tcp://web:80' },
      ),
      { maxLength: 2 },
    ),
    isDocker: fc.boolean(),
    healthy: fc.boolean(),
  })
  .map((parts) =>
    task(`t${parts.id}`, parts.declared, {
      name: parts.name,
      agentId: parts.agentId,
      network: parts.network,
      networkAddresses: parts.addresses.map(ip),
      portMappings: parts.mappings,
      hostPorts: [31_000, 31_001],
      vipPortLabels: parts.legacy,
      isDocker: parts.isDocker,
      healthy: parts.healthy,
    }),
  );
