import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../../src/core/base/random.ts';
import { formatWireName, parseWireName } from '../../../src/core/dns/name.ts';
import { createLoopProbe, loopProbeKey } from '../../../src/core/forward/loop-probe.ts';

const wire = (name: string): Uint8Array => parseWireName(name) ?? assert.fail('a name');

test('a probe is a question for HINFO of a name of 128 random bits that belongs to nobody', () => {
  const random = seededRandom(1);
  const names = new Set<string>();
  for (let i = 0; i < 100; i++) {
    const probe = createLoopProbe('', random) ?? assert.fail();
    assert.equal(probe.qtype, 13);
    assert.ok(probe.recursionDesired);
    const name = formatWireName(probe.qname);
    assert.match(name, /^hoplite-loop-[0-9a-f]{32}\.example\.$/);
    names.add(name);
  }
  assert.equal(names.size, 100);
});

test('the upstream of a zone is probed in its zone, unless the name would be too long', () => {
  const random = seededRandom(1);
  const probe = createLoopProbe('consul.internal', random) ?? assert.fail();
  assert.match(formatWireName(probe.qname), /^hoplite-loop-[0-9a-f]{32}\.consul\.internal\.$/);
  const zone = (length: number): string => 'a.'.repeat(length).slice(0, -1);
  assert.ok(createLoopProbe(zone(104), random) !== null);
  assert.equal(createLoopProbe(zone(105), random), null);
});

test('a probe is known by its whole name, and no other name has a key', () => {
  const probe = createLoopProbe('', () => 0.5)?.qname ?? assert.fail();
  const key = loopProbeKey(probe);
  assert.ok(key !== null);
  const other = createLoopProbe('', () => 0.25)?.qname ?? assert.fail();
  assert.notEqual(loopProbeKey(other), key);
  const elsewhere = createLoopProbe('example.org', () => 0.5)?.qname ?? assert.fail();
  assert.notEqual(loopProbeKey(elsewhere), key);
  const longer = `hoplite-loop-${'0'.repeat(33)}.example`;
  const similar = `hoplite-lopo-${'0'.repeat(32)}.example`;
  for (const name of ['.', 'example', 'hoplite-loop-.example', longer, similar]) {
    assert.equal(loopProbeKey(wire(name)), null, name);
  }
});
