import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setSnatRules } from '../../src/adapters/kernel/snat.ts';
import { parsePrefix, type Prefix } from '../../src/core/base/prefix.ts';
import { run } from './adapter-rig.ts';

const POOL = prefix('10.208.0.0/12');
const ONE = prefix('10.99.0.5/32');
const POOL_IPV6 = prefix('fd00:208::/64');
const JUMP = '-A POSTROUTING -j HOPLITE-SNAT';

function prefix(text: string): Prefix {
  return parsePrefix(text) ?? assert.fail(text);
}
function rule(text: string): string {
  return `-A HOPLITE-SNAT -m ipvs --vaddr ${text} --vdir ORIGINAL --vmethod MASQ -j MASQUERADE`;
}
/** Rules with counters of packets, which begin anew when a rule is written again. */
function rules(tool: 'iptables' | 'ip6tables' = 'iptables'): string[] {
  return run(tool, '-t', 'nat', '-S')
    .split('\n')
    .filter((line) => line.startsWith('-A '));
}

after(() => setSnatRules(null));

test('rules of both families are made, changed and removed exactly', async () => {
  run('iptables', '-t', 'nat', '-A', 'POSTROUTING', '-s', '192.0.2.0/24', '-j', 'MASQUERADE');
  const foreign = '-A POSTROUTING -s 192.0.2.0/24 -j MASQUERADE';
  await setSnatRules([POOL, POOL_IPV6]);
  assert.deepEqual(rules(), [JUMP, foreign, rule('10.208.0.0/12')]);
  assert.deepEqual(rules('ip6tables'), [JUMP, rule('fd00:208::/64')]);
  await setSnatRules([POOL, ONE]);
  assert.deepEqual(rules(), [JUMP, foreign, rule('10.208.0.0/12'), rule('10.99.0.5')]);
  assert.deepEqual(rules('ip6tables'), []);
  await setSnatRules(null);
  assert.deepEqual(rules(), [foreign]);
  await setSnatRules(null);
  assert.doesNotMatch(run('iptables', '-t', 'nat', '-S'), /HOPLITE/);
});

test('rules that are right are not written again, others are put right', async () => {
  await setSnatRules([POOL, ONE]);
  // A counter that is not zero tells whether a rule is the same as before.
  const number = ['-t', 'nat', '-R', 'HOPLITE-SNAT', '1', '-c', '7', '7'];
  const match = ['-m', 'ipvs', '--vaddr', POOL.text, '--vdir', 'ORIGINAL', '--vmethod', 'MASQ'];
  run('iptables', ...number, ...match, '-j', 'MASQUERADE');
  const counted = (): boolean => run('iptables', '-t', 'nat', '-S', '-v').includes('-c 7 7');
  await setSnatRules([POOL, ONE]);
  assert.ok(counted());
  run('iptables', '-t', 'nat', '-A', 'HOPLITE-SNAT', '-j', 'RETURN');
  run('iptables', '-t', 'nat', '-A', 'POSTROUTING', '-j', 'HOPLITE-SNAT');
  await setSnatRules([POOL, ONE]);
  assert.ok(!counted());
  assert.deepEqual(
    rules().filter((line) => line.includes('HOPLITE')),
    [JUMP, rule('10.208.0.0/12'), rule('10.99.0.5')],
  );
});
