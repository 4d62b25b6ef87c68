import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setSnatRules } from '../../../src/adapters/kernel/snat.ts';
import { parsePrefix } from '../../../src/core/base/prefix.ts';

test('without iptables there is nothing to remove, and the failure says what to install', async (t) => {
  const path = process.env['PATH'];
  t.after(() => {
    process.env['PATH'] = path;
  });
  process.env['PATH'] = '/nowhere';
  await setSnatRules(null);
  await assert.rejects(setSnatRules([parsePrefix('10.208.0.0/12')!]), {
    code: 'kernel-failed',
    message: /install the package iptables/,
  });
});
