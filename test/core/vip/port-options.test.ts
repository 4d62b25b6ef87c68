import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type PortOptions, parsePortOptions } from '../../../src/core/vip/port-options.ts';
import { port } from './vip-cluster.ts';

function parse(...labels: readonly string[]): { options: PortOptions; rejected: string[] } {
  const rejected: string[] = [];
  const options = parsePortOptions(port(80, labels).labels, ({ key, value }, code) =>
    rejected.push(`${code} ${key}=${value}`),
  );
  return { options, rejected };
}

const DEFAULTS: PortOptions = {
  weight: 1,
  scheduler: null,
  persistenceSeconds: null,
  forwarding: 'masq',
  upperThreshold: 0,
  lowerThreshold: 0,
  endpoint: null,
};

test('a port without labels asks for nothing', () => {
  assert.deepEqual(parse(), { options: DEFAULTS, rejected: [] });
});

const GOOD: readonly (readonly [label: string, Partial<PortOptions>])[] = [
  ['HOPLITE_WEIGHT=0', { weight: 0 }],
  ['HOPLITE_WEIGHT=65535', { weight: 65_535 }],
  ['HOPLITE_SCHEDULER=rr', { scheduler: { scheduler: 'rr', flags: 0 } }],
  ['HOPLITE_SCHEDULER=ovf', { scheduler: { scheduler: 'ovf', flags: 0 } }],
  ['HOPLITE_SCHEDULER=mh,port', { scheduler: { scheduler: 'mh', flags: 0x10 } }],
  ['HOPLITE_SCHEDULER=mh,fallback', { scheduler: { scheduler: 'mh', flags: 0x8 } }],
  ['HOPLITE_SCHEDULER=sh,port,fallback', { scheduler: { scheduler: 'sh', flags: 0x18 } }],
  ['HOPLITE_PERSISTENCE=0', { persistenceSeconds: 0 }],
  ['HOPLITE_PERSISTENCE=2678400', { persistenceSeconds: 2_678_400 }],
  ['HOPLITE_FORWARDING=masq', {}],
  ['HOPLITE_FORWARDING=direct', { forwarding: 'direct' }],
  ['HOPLITE_FORWARDING=tunnel', { forwarding: 'tunnel' }],
  ['HOPLITE_UPPER_THRESHOLD=2147483647', { upperThreshold: 2_147_483_647 }],
  ['HOPLITE_LOWER_THRESHOLD=0', {}],
  ['HOPLITE_ENDPOINT=vip', { endpoint: 'vip' }],
  ['HOPLITE_ENDPOINT=dnsrr', { endpoint: 'dnsrr' }],
];

for (const [label, expected] of GOOD) {
  test(`${label} is taken`, () => {
    assert.deepEqual(parse(label), { options: { ...DEFAULTS, ...expected }, rejected: [] });
  });
}

const BAD: readonly string[] = [
  'HOPLITE_WEIGHT=65536',
  'HOPLITE_WEIGHT=-1',
  'HOPLITE_WEIGHT=1.5',
  'HOPLITE_WEIGHT=',
  'HOPLITE_WEIGHT= 1',
  'HOPLITE_SCHEDULER=fastest',
  'HOPLITE_SCHEDULER=',
  'HOPLITE_SCHEDULER=rr,port',
  'HOPLITE_SCHEDULER=mh,ports',
  'HOPLITE_SCHEDULER=mh,',
  'HOPLITE_PERSISTENCE=2678401',
  'HOPLITE_PERSISTENCE=5m',
  'HOPLITE_FORWARDING=local',
  'HOPLITE_UPPER_THRESHOLD=2147483648',
  'HOPLITE_LOWER_THRESHOLD=1',
  'HOPLITE_ENDPOINT=VIP',
];

for (const label of BAD) {
  test(`${label} is rejected alone, and the default stays`, () => {
    const { options, rejected } = parse(label, 'HOPLITE_NOTHING=1');
    assert.deepEqual(options, DEFAULTS);
    assert.deepEqual(rejected.sort(), [
      'hoplite-label-unknown HOPLITE_NOTHING=1',
      `hoplite-label-value ${label}`,
    ]);
  });
}

test('a lower threshold holds up to the upper one, whichever stands first', () => {
  const upper = 'HOPLITE_UPPER_THRESHOLD=10';
  const good = { ...DEFAULTS, upperThreshold: 10, lowerThreshold: 10 };
  for (const labels of [
    [upper, 'HOPLITE_LOWER_THRESHOLD=10'],
    ['HOPLITE_LOWER_THRESHOLD=10', upper],
  ]) {
    assert.deepEqual(parse(...labels), { options: good, rejected: [] });
  }
  const { options, rejected } = parse('HOPLITE_LOWER_THRESHOLD=11', upper);
  assert.deepEqual(options, { ...DEFAULTS, upperThreshold: 10 });
  assert.deepEqual(rejected, ['hoplite-label-value HOPLITE_LOWER_THRESHOLD=11']);
});

test('of one label given twice the same value wins in either order', () => {
  const one = parse('HOPLITE_WEIGHT=7', 'HOPLITE_WEIGHT=3');
  const other = parse('HOPLITE_WEIGHT=3', 'HOPLITE_WEIGHT=7');
  assert.deepEqual(one, other);
  assert.equal(one.options.weight, 3);
  assert.deepEqual(one.rejected, ['hoplite-label-value HOPLITE_WEIGHT=7']);
});

test('a key that every object has is unknown', () => {
  const rejected: string[] = [];
  parsePortOptions([{ key: '__proto__', value: '1' }], (_, code) => rejected.push(code));
  assert.deepEqual(rejected, ['hoplite-label-unknown']);
});
