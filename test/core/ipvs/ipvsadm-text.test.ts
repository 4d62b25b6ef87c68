import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changeLine, ipvsadmText } from '../../../src/core/ipvs/ipvsadm-text.ts';
import type { KernelChange } from '../../../src/core/ipvs/plan.ts';
import type { Destination, ServiceId, ServiceSettings } from '../../../src/core/ipvs/table.ts';

const WEB: ServiceId = { protocol: 'tcp', address: '10.208.0.1', port: 80 };
const SIX: ServiceId = { protocol: 'udp', address: 'fd01:c::1', port: 53 };
const SCTP: ServiceId = { protocol: 'sctp', address: '10.208.0.1', port: 81 };
const RR: ServiceSettings = { scheduler: 'rr', schedulerFlags: 0, persistenceSeconds: 0 };
const A: Destination = {
  address: '10.0.0.1',
  port: 31000,
  forwarding: 'masq',
  weight: 1,
  upperThreshold: 0,
  lowerThreshold: 0,
};

/** Each change, what ipvsadm reads, and what people read. */
const CASES: readonly (readonly [change: KernelChange, restore: string, line: string])[] = [
  [
    { kind: 'add-service', service: { ...WEB, ...RR } },
    '-A -t 10.208.0.1:80 -s rr\n',
    'add-service tcp 10.208.0.1:80 scheduler rr',
  ],
  [
    {
      kind: 'add-service',
      service: { ...SIX, scheduler: 'sh', schedulerFlags: 0x18, persistenceSeconds: 360 },
    },
    '-A -u [fd01:c::1]:53 -s sh -p 360 -b flag-1,flag-2\n',
    'add-service udp [fd01:c::1]:53 scheduler sh flags 24 persistent 360 s',
  ],
  [
    { kind: 'edit-service', service: { ...SCTP, ...RR, scheduler: 'mh', schedulerFlags: 0x10 } },
    '-E --sctp-service 10.208.0.1:81 -s mh -b flag-2\n',
    'edit-service sctp 10.208.0.1:81 scheduler mh flags 16',
  ],
  [
    { kind: 'delete-service', service: WEB },
    '-D -t 10.208.0.1:80\n',
    'delete-service tcp 10.208.0.1:80',
  ],
  [
    { kind: 'add-destination', service: WEB, destination: A },
    '-a -t 10.208.0.1:80 -r 10.0.0.1:31000 -m -w 1\n',
    'add-destination tcp 10.208.0.1:80 10.0.0.1:31000 weight 1 masq',
  ],
  [
    {
      kind: 'edit-destination',
      service: WEB,
      destination: { ...A, forwarding: 'direct', weight: 0, upperThreshold: 10, lowerThreshold: 5 },
    },
    '-e -t 10.208.0.1:80 -r 10.0.0.1:31000 -g -w 0 -x 10 -y 5\n',
    'edit-destination tcp 10.208.0.1:80 10.0.0.1:31000 weight 0 direct thresholds 5 to 10',
  ],
  [
    {
      kind: 'add-destination',
      service: SIX,
      destination: { ...A, address: 'fd02::1', forwarding: 'tunnel' },
    },
    '-a -u [fd01:c::1]:53 -r [fd02::1]:31000 -i -w 1\n',
    'add-destination udp [fd01:c::1]:53 [fd02::1]:31000 weight 1 tunnel',
  ],
  [
    { kind: 'delete-destination', service: WEB, destination: A },
    '-d -t 10.208.0.1:80 -r 10.0.0.1:31000\n',
    'delete-destination tcp 10.208.0.1:80 10.0.0.1:31000',
  ],
];

for (const [change, restore, line] of CASES) {
  test(`a change reads: ${line}`, () => {
    assert.equal(ipvsadmText([change]), restore);
    assert.equal(changeLine(change), line);
  });
}

const UNSPEAKABLE: readonly (readonly [change: KernelChange, line: string])[] = [
  [
    { kind: 'set-route', address: '10.208.0.1', source: '10.0.0.5' },
    'set-route 10.208.0.1 source 10.0.0.5',
  ],
  [{ kind: 'delete-route', address: '10.208.0.1' }, 'delete-route 10.208.0.1'],
  [
    { kind: 'add-service', service: { ...WEB, port: 0, ...RR } },
    'add-service tcp 10.208.0.1:0 scheduler rr',
  ],
  [
    { kind: 'edit-destination', service: WEB, destination: { ...A, forwarding: 'bypass' } },
    'edit-destination tcp 10.208.0.1:80 10.0.0.1:31000 weight 1 bypass',
  ],
];

for (const [change, line] of UNSPEAKABLE) {
  test(`ipvsadm has no words for: ${line}`, () => {
    assert.equal(ipvsadmText([change]), '');
    assert.equal(changeLine(change), line);
  });
}

test('changes are one line each, in their order', () => {
  const changes = CASES.map(([change]) => change);
  assert.equal(ipvsadmText(changes), CASES.map(([, restore]) => restore).join(''));
  assert.equal(ipvsadmText([]), '');
});
