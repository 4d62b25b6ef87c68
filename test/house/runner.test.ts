import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { projectPath } from '../support/project.ts';

interface Run {
  readonly status: number | null;
  readonly output: string;
}

/** Runs scripts/run-tests.mjs in a project of its own that has the given compiled tests. */
function runTests(
  tests: Readonly<Record<string, string>>,
  args: readonly string[],
  ci = 'false',
  tools?: string,
): Run {
  const project = mkdtempSync(join(tmpdir(), 'hoplite-runner-'));
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(project, path)), { recursive: true });
    writeFileSync(join(project, path), text);
  };
  try {
    mkdirSync(join(project, 'test'));
    write('package.json', '{"type":"module"}');
    for (const [path, code] of Object.entries(tests)) {
      write(`test/${path}.test.ts`, '');
      write(`dist/test/${path}.test.js`, `import { test } from 'node:test';\n${code}`);
    }
    if (tools !== undefined) {
      mkdirSync(join(project, 'dist/test/support'), { recursive: true });
      writeFileSync(join(project, 'dist/test/support/tools.js'), tools);
    }
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [projectPath('scripts/run-tests.mjs'), ...args],
      { cwd: project, encoding: 'utf8', env: { ...process.env, CI: ci } },
    );
    return { status, output: stdout + stderr };
  } finally {
    rmSync(project, { recursive: true, force: true });
  }
}

const PASSING = `test('passes', () => {});`;
const FAILING = `test('fails', () => { throw new Error('no'); });`;
const SKIPPED = `test('asks dig', { skip: 'needs dig' }, () => {});`;

test('the runner passes when a test passed, and shows the summary of node', () => {
  const { status, output } = runTests({ 'core/a': PASSING }, ['--fast']);
  assert.equal(status, 0, output);
  assert.match(output, /^. tests 1$/m);
  assert.match(output, /^. pass 1$/m);
});

test('the runner fails when one test of many fails', () => {
  const { status, output } = runTests({ 'core/a': PASSING, 'core/b': FAILING }, ['--fast']);
  assert.equal(status, 1, output);
  assert.match(output, /^. fail 1$/m);
});

test('the runner fails when nothing ran', () => {
  assert.match(runTests({}, ['--fast']).output, /no test file matches/);
  for (const code of ['', `test.skip('x', () => {});`]) {
    const { status, output } = runTests({ 'core/a': code }, ['--fast']);
    assert.equal(status, 1, output);
    assert.match(output, /no test ran/);
  }
});

test('the runner fails when one file of many holds no test', () => {
  const { status, output } = runTests({ 'core/a': PASSING, 'core/b': '' }, ['--fast']);
  assert.equal(status, 1, output);
  assert.match(output, /b\.test\.js holds no test/);
});

test('a skipped test is listed with its reason and fails only in CI', () => {
  const tests = { 'core/a': PASSING, 'core/b': SKIPPED };
  const here = runTests(tests, ['--fast']);
  assert.equal(here.status, 0, here.output);
  assert.match(here.output, /^- asks dig\n {4}needs dig$/m);
  const ci = runTests(tests, ['--fast'], 'true');
  assert.equal(ci.status, 1, ci.output);
});

test('--fast leaves e2e out, and a pattern everything else', () => {
  const tests = { 'core/a': PASSING, 'core/b': FAILING, 'e2e/c': FAILING };
  const { status, output } = runTests(tests, ['--fast', 'core/a', 'e2e']);
  assert.equal(status, 0, output);
});

test('tests for a kernel of their own are run by their e2e test alone', () => {
  const runner = `test('runs ' + process.env.HOPLITE_KERNEL_TESTS, () => {});`;
  const tests = { 'kernel/a': FAILING, 'kernel/b': FAILING, 'e2e/kernel': runner };
  // What is missing is not installed: the project has no list of programs.
  const tools = 'export const missingPackages = () => [];';
  const all = runTests(tests, ['kernel'], 'false', tools);
  assert.equal(all.status, 0, all.output);
  assert.match(all.output, /runs test\/kernel\/a\.test\.ts test\/kernel\/b\.test\.ts/);
  const one = runTests(tests, ['test/kernel/b'], 'false', tools);
  assert.match(one.output, /runs test\/kernel\/b\.test\.ts/);
  const fast = runTests({ ...tests, 'core/kernel': PASSING }, ['--fast', 'kernel']);
  assert.equal(fast.status, 0, fast.output);
});

test('a test that was not compiled is an error', () => {
  const { status, output } = runTests({ 'core/a': PASSING }, ['--fast', '--build', 'elsewhere']);
  assert.equal(status, 1);
  assert.match(output, /not compiled.*elsewhere\/test\/core\/a\.test\.js/);
});

test('an unknown option is an error', () => {
  assert.match(runTests({}, ['--fats']).output, /--fats[^]*usage:/);
});
