import assert from 'node:assert/strict';
import { test } from 'node:test';
import { missingTools, requireTool, toolPath } from '../support/tools.ts';

/** Runs `action` on a machine that has nothing but its daemons' folders. */
function withoutPrograms(action: () => void): void {
  const path = process.env['PATH'];
  process.env['PATH'] = '/nonexistent';
  try {
    action();
  } finally {
    process.env['PATH'] = path;
  }
}

test('a missing program is a reason to skip, with the one command that brings it', () => {
  withoutPrograms(() => {
    const reason = missingTools('dig', 'kdig', 'delv');
    assert.equal(
      reason,
      'needs dig, kdig, delv; enable with: ' +
        'apt-get install -y --no-install-recommends bind9-dnsutils knot-dnsutils',
    );
    const skipped: (string | undefined)[] = [];
    assert.equal(requireTool({ skip: (message) => skipped.push(message) }, 'dig'), false);
    assert.match(skipped.join(), /^needs dig; enable with: apt-get install .* bind9-dnsutils$/);
  });
});

test('a test that has its programs is not skipped', () => {
  // Part of every Linux, and of macOS by the name of openssl alone.
  const present = toolPath('openssl') === null ? [] : (['openssl'] as const);
  assert.equal(missingTools(...present), false);
  assert.equal(requireTool({ skip: () => assert.fail('skipped') }, ...present), true);
});
