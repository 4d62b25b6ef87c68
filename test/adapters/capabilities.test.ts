import assert from 'node:assert/strict';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import {
  commandWithoutNetAdmin,
  hasNetAdmin,
  parseCapabilities,
} from '../../src/adapters/capabilities.ts';
import { scratchFolder } from '../support/cli-process.ts';

const STATUS = `Name:\tnode
CapInh:\t0000000000001400
CapPrm:\t0000000000001404
CapEff:\t0000000000001404
CapBnd:\t000001fffeffffff
CapAmb:\t0000000000001400
NoNewPrivs:\t1
`;

test('sets of capabilities are read from the status of a process', () => {
  assert.deepEqual(parseCapabilities(STATUS), {
    inheritable: 0x1400n,
    permitted: 0x1404n,
    effective: 0x1404n,
    bounding: 0x1fffeffffffn,
    ambient: 0x1400n,
  });
});

test('where a status names no capabilities there are none', () => {
  assert.equal(parseCapabilities('Name:\tnode\n').effective, 0n);
});

const isRoot = process.geteuid?.() === 0;
// A process that has nothing to give up is told what stands in the way of that, if anything.
const skip = isRoot && hasNetAdmin() ? false : 'needs root with CAP_NET_ADMIN';

/** A setpriv that prints a status, changed, whatever it is asked to do. */
function setprivThat(t: TestContext, script: string): string {
  const file = join(scratchFolder(t), 'setpriv');
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o755);
  return file;
}

test('a command loses CAP_NET_ADMIN', { skip }, () => {
  const command = commandWithoutNetAdmin();
  assert.ok(command.ok, JSON.stringify(command));
  assert.equal(command.value.at(-1), '--');
});

for (const { what, script, why } of [
  { what: 'that fails', script: 'echo "bad option" >&2; exit 1', why: /needed: bad option/ },
  { what: 'that takes nothing away', script: 'cat /proc/self/status', why: /CAP_SETPCAP/ },
  { what: 'that takes too much away', script: 'echo CapEff: 0', why: /CAP_NET_BIND_SERVICE/ },
]) {
  test(`a setpriv ${what} is of no use`, { skip }, (t) => {
    const command = commandWithoutNetAdmin(setprivThat(t, script));
    assert.match(command.ok ? '' : command.error, why);
  });
}

test('without setpriv it is said what to install', { skip }, () => {
  const command = commandWithoutNetAdmin('/absent/setpriv');
  assert.match(command.ok ? '' : command.error, /util-linux/);
});

test('it is the effective set that counts', () => {
  const { effective } = parseCapabilities(readFileSync('/proc/self/status', 'utf8'));
  assert.equal(hasNetAdmin(), (effective & (1n << 12n)) !== 0n);
});
