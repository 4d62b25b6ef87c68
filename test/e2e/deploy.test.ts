import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readProjectFile } from '../support/project.ts';
import { requireTool, toolPath } from '../support/tools.ts';

/** Runs systemd-analyze on a copy of the unit that may name programs of this machine. */
function analyze(unit: string, ...args: readonly string[]): { status: number; output: string } {
  const folder = mkdtempSync(join(tmpdir(), 'hoplite-unit-'));
  try {
    const file = join(folder, 'hoplite.service');
    writeFileSync(file, unit);
    const program = toolPath('systemd-analyze') ?? 'systemd-analyze';
    const run = spawnSync(program, [...args, file], {
      encoding: 'utf8',
      env: { ...process.env, SYSTEMD_COLORS: '0', LC_ALL: 'C' },
    });
    return { status: run.status ?? 1, output: run.stdout + run.stderr };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

// systemd-analyze wants programs to exist, and hoplite is not installed where tests run.
const unit = readProjectFile('deploy/hoplite.service').replaceAll('/usr/bin/hoplite', '/bin/true');

/** Complaints about our unit; others are about units of the machine that it refers to. */
function complaints(output: string): string[] {
  return output.split('\n').filter((line) => line.includes('hoplite.service'));
}

test('systemd accepts hoplite.service without a complaint', (t) => {
  if (!requireTool(t, 'systemd-analyze')) return;
  assert.deepEqual(complaints(analyze(unit, 'verify', '--man=no').output), []);
  const misspelt = unit.replace('NoNewPrivileges=', 'NoNewPrivilege=');
  assert.match(complaints(analyze(misspelt, 'verify', '--man=no').output).join(), /NoNewPrivilege/);
});

test('systemd counts hoplite.service among the well confined services', (t) => {
  if (!requireTool(t, 'systemd-analyze')) return;
  // The scale goes from 0 to 10 and calls everything up to 2.0 OK; in tenths here.
  const check = ['security', '--offline=yes', '--threshold=20'];
  const { status, output } = analyze(unit, ...check);
  assert.equal(status, 0, output);
  const asRoot = unit.replace(/^User=.*$/m, '').replace(/^CapabilityBoundingSet=.*$/m, '');
  assert.notEqual(analyze(asRoot, ...check).status, 0);
});
