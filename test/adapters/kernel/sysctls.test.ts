import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { applySysctls } from '../../../src/adapters/kernel/sysctls.ts';

const skip = process.platform !== 'linux' && 'needs Linux';

test('forwarding is wanted for containers only, and is never set', { skip }, async () => {
  const value = readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8').trim();
  for (const forwards of [false, true]) {
    const list = await applySysctls({ mode: 'report', forwards });
    assert.deepEqual(list.at(-1), {
      name: 'net.ipv4.ip_forward',
      value,
      wanted: forwards ? '1' : 'any',
      ok: !forwards || value === '1',
    });
  }
});
