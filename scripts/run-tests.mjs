// Runs the compiled tests:  node scripts/run-tests.mjs [--fast] [--build DIR] [PATTERN...]
//
// --fast       leave out test/e2e and install nothing
// --build DIR  where the compiled tests are (default: dist)
// PATTERN      run only files whose path contains one of the patterns
//
// Files of test/kernel are never run here but by test/e2e/kernel.test.ts, in a kernel of their own.
// Files are listed from test/ and not from the build, so that a left-over of a deleted test is
// never run. Fails if a test fails, if none ran, if a file holds none, and in CI if one is skipped.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const SLOW_FOLDER = 'test/e2e/';
const KERNEL_FOLDER = 'test/kernel/';
/** Runs those of KERNEL_FOLDER that HOPLITE_KERNEL_TESTS names. */
const KERNEL_RUNNER = 'test/e2e/kernel.test.ts';
/** e2e tests start daemons and measure time; more at once than small machines have cores is flaky. */
const E2E_CONCURRENCY = 2;
/** A test, or a file as a whole, that takes longer than this hangs. */
const TIMEOUT_MS = 600_000;
/** apt-get with a slow mirror; beyond that the tests run without and say what they miss. */
const INSTALL_TIMEOUT_MS = 300_000;

/** Units that a package would start, by the package. */
const SERVICES = { unbound: 'unbound.service', 'knot-resolver': 'kresd@1.service' };

const inCi = ['true', '1'].includes(process.env.CI ?? '');

function fail(message) {
  process.stderr.write(`run-tests: ${message}\n`);
  process.exit(1);
}

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: { fast: { type: 'boolean', default: false }, build: { type: 'string' } },
    });
  } catch (error) {
    return fail(`${error.message}\nusage: run-tests.mjs [--fast] [--build DIR] [PATTERN...]`);
  }
}

/**
 * Paths of the wanted test sources, such as `test/core/dns/name.test.ts`, sorted, and those of
 * tests for a kernel of their own.
 */
function selectTests({ fast, patterns }) {
  if (!existsSync('test')) fail('no folder test/ here; run me from the top of the project');
  const wanted = readdirSync('test', { recursive: true, encoding: 'utf8' })
    .map((path) => `test/${path.replaceAll('\\', '/')}`)
    .filter((path) => path.endsWith('.test.ts'))
    .filter((path) => !fast || ![SLOW_FOLDER, KERNEL_FOLDER].some((slow) => path.startsWith(slow)))
    .filter((path) => patterns.length === 0 || patterns.some((part) => path.includes(part)))
    .sort();
  const kernel = wanted.filter((path) => path.startsWith(KERNEL_FOLDER));
  const here = wanted.filter((path) => !path.startsWith(KERNEL_FOLDER));
  if (kernel.length > 0 && !here.includes(KERNEL_RUNNER)) here.push(KERNEL_RUNNER);
  return { here, kernel };
}

/** As root on Debian, installs the programs that e2e tests need; elsewhere those tests skip. */
async function installTools(build) {
  const { missingPackages } = await import(
    pathToFileURL(resolve(build, 'test/support/tools.js')).href
  );
  const packages = missingPackages();
  if (packages.length === 0) return;
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) return;
  console.log(`run-tests: installing ${packages.join(' ')}`);
  // Only the programs are wanted, not resolvers that take port 53 of this machine.
  for (const [name, units] of Object.entries(SERVICES)) {
    if (!packages.includes(name) || !existsSync('/run/systemd/system')) continue;
    console.log(`run-tests: ${units} is masked; \`systemctl unmask ${units}\` undoes it`);
    spawnSync('systemctl', ['mask', units], { stdio: 'ignore' });
  }
  const apt = (...args) =>
    spawnSync('apt-get', ['-qq', '-o', 'DPkg::Lock::Timeout=60', ...args], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      timeout: INSTALL_TIMEOUT_MS,
    }).status === 0;
  if (!apt('update') || !apt('install', '-y', '--no-install-recommends', ...packages)) {
    console.log('run-tests: the installation failed; tests that need these programs are skipped');
  }
}

/** Runs node's test runner over the files; returns its exit status and what it reported. */
function runNode(files, { concurrency, kernel }) {
  const scratch = mkdtempSync(join(tmpdir(), 'hoplite-tests-'));
  const outcomesFile = join(scratch, 'outcomes');
  const reporter = new URL('outcome-reporter.mjs', import.meta.url).href;
  const env = { ...process.env, HOPLITE_KERNEL_TESTS: kernel.join(' ') };
  // Set when a test starts this runner; node would then refuse to run tests.
  delete env.NODE_TEST_CONTEXT;
  try {
    const { status } = spawnSync(
      process.execPath,
      [
        '--enable-source-maps',
        '--test',
        `--test-timeout=${TIMEOUT_MS}`,
        `--test-concurrency=${concurrency}`,
        '--test-reporter=spec',
        '--test-reporter-destination=stdout',
        `--test-reporter=${reporter}`,
        `--test-reporter-destination=${outcomesFile}`,
        ...files,
      ],
      { stdio: ['ignore', 'inherit', 'inherit'], env },
    );
    const text = existsSync(outcomesFile) ? readFileSync(outcomesFile, 'utf8') : '';
    const outcomes = text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
    return { status: status ?? 1, outcomes };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** What is wrong with a run that node calls good. Prints the skipped tests on the way. */
function problemsOf(outcomes) {
  const problems = [];
  const of = (kind) => outcomes.filter((one) => one.kind === kind);
  const skipped = of('skip');
  if (skipped.length > 0) {
    console.log(`\nskipped: ${skipped.length}`);
    for (const { name, reason } of skipped) console.log(`- ${name}\n    ${reason}`);
    if (inCi) problems.push('CI=true and tests were skipped');
  }
  if (of('test').length === 0) problems.push('no test ran');
  for (const { name } of of('empty')) problems.push(`${name} holds no test`);
  return problems;
}

const { values, positionals } = readArguments();
const build = values.build ?? 'dist';
const { here: sources, kernel } = selectTests({ fast: values.fast, patterns: positionals });
if (sources.length === 0) fail('no test file matches');
const compiled = (path) => join(build, path.replace(/\.ts$/, '.js'));
const files = sources.map(compiled);
const uncompiled = [...files, ...kernel.map(compiled)].filter((file) => !existsSync(file));
if (uncompiled.length > 0) fail(`not compiled (npm run build): ${uncompiled.join(', ')}`);

const slow = sources.some((path) => path.startsWith(SLOW_FOLDER));
if (slow) await installTools(build);
const run = runNode(files, {
  concurrency: slow ? E2E_CONCURRENCY : availableParallelism(),
  kernel,
});
const problems = problemsOf(run.outcomes);
for (const problem of problems) process.stderr.write(`run-tests: ${problem}\n`);
process.exitCode = run.status !== 0 ? run.status : problems.length > 0 ? 1 : 0;
