import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isVipKey, parseVipLabel, vipNameRoom } from '../../../src/core/vip/vip-label.ts';

/** What a label means: `name:port`, `=address:port`, or the code it is rejected with. */
function meaning(text: string): string {
  const parsed = parseVipLabel(text);
  if (!parsed.ok) return parsed.error;
  const vip = parsed.value;
  return vip.kind === 'name' ? `${vip.name}:${vip.port}` : `=${vip.address.text}:${vip.port}`;
}

const LONG = 'a'.repeat(63);

const CASES: readonly (readonly [label: string, meaning: string])[] = [
  ['/name:80', 'name:80'],
  ['name:80', 'name:80'],
  ['/Name:80', 'name:80'],
  ['//name:80', 'name:80'],
  ['/na/me:80', 'name:80'],
  ['/group/app:80', 'groupapp:80'],
  ['/api.web:80', 'api.web:80'],
  ['Dev.Team/Kafka_1:80', 'dev.teamkafka-1:80'],
  ['/10.1.2.3:80', '10.1.2.3:80'],
  ['1.2.3:80', '1.2.3:80'],
  ['999.1.1.1:80', '999.1.1.1:80'],
  ['010.1.1.1:80', '010.1.1.1:80'],
  ['[fd01:c::5]:443', 'fd01c5:443'],
  ['a:b:80', 'ab:80'],
  ['tcp://x:80', 'tcpx:80'],
  ['invalid-port::1234', 'invalid-port:1234'],
  [' sp:80', 'sp:80'],
  ['name:080', 'name:80'],
  ['name:00000000000000000000080', 'name:80'],
  ['-_a__b-._-:80', 'a--b:80'],
  ['..a..b..:80', 'a.b:80'],
  ['größe:80', 'gre:80'],
  ['\u212aelvin:80', 'elvin:80'],
  [`${LONG}.${LONG}:80`, `${LONG}.${LONG}:80`],
  ['name:65535', 'name:65535'],
  ['10.1.2.3:80', '=10.1.2.3:80'],
  ['fd01:c::5:443', '=fd01:c::5:443'],
  ['FD01:C:0::5:443', '=fd01:c::5:443'],
  ['::1:80', '=::1:80'],
  ['', 'vip-label-malformed'],
  ['name', 'vip-label-malformed'],
  ['name:', 'vip-label-malformed'],
  ['name:http', 'vip-label-malformed'],
  ['name: 80', 'vip-label-malformed'],
  ['name:80 ', 'vip-label-malformed'],
  ['name:80/tcp', 'vip-label-malformed'],
  ['name:-1', 'vip-label-malformed'],
  ['name:+1', 'vip-label-malformed'],
  ['name:8e1', 'vip-label-malformed'],
  ['name:٨٠', 'vip-label-malformed'],
  ['name:0', 'vip-port-out-of-range'],
  ['name:000', 'vip-port-out-of-range'],
  ['name:65536', 'vip-port-out-of-range'],
  [`name:${'9'.repeat(400)}`, 'vip-port-out-of-range'],
  [':80', 'vip-name-empty'],
  ['/:80', 'vip-name-empty'],
  ['/%%%:80', 'vip-name-empty'],
  ['--._:80', 'vip-name-empty'],
  [`${LONG}a:80`, 'vip-name-too-long'],
  [`b.${LONG}a.c:80`, 'vip-name-too-long'],
];

for (const [label, expected] of CASES) {
  test(`the VIP label ${JSON.stringify(label.slice(0, 70))} is ${expected.slice(0, 70)}`, () => {
    assert.equal(meaning(label), expected);
  });
}

test('a key declares a VIP if it begins with VIP or vip', () => {
  for (const key of ['VIP', 'VIP_0', 'vip0', 'VIPER', 'vip']) assert.ok(isVipKey(key), key);
  for (const key of ['Vip_0', 'vIP_0', ' VIP_0', 'LB_VIP_0', '']) assert.ok(!isVipKey(key), key);
});

test('a name that is accepted is made of labels that DNS takes, and is its own normal form', () => {
  const parts = fc.constantFrom('a', 'B', '-', '_', '.', '/', 'é', ' ', '0', ':', LONG);
  fc.assert(
    fc.property(fc.array(parts, { maxLength: 8 }), (pieces) => {
      const parsed = parseVipLabel(`${pieces.join('')}:80`);
      if (!parsed.ok || parsed.value.kind !== 'name') return;
      const { name } = parsed.value;
      for (const label of name.split('.')) {
        assert.match(label, /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/);
      }
      assert.equal(meaning(`${name}:80`), `${name}:80`);
    }),
  );
});

test('the room for names is what the SRV name under the longest domain leaves', () => {
  const { identityLengthMax } = vipNameRoom(['mesos', 'thisdcos.directory']);
  const identity = 'x'.repeat(identityLengthMax - '.marathon'.length);
  const srv = `_${identity}._sctp.marathon.l4lb.thisdcos.directory.`;
  assert.equal(srv.length + 1, 255);
});
