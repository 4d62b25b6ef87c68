import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { test } from 'node:test';
import { PROJECT_ROOT, projectPath, readProjectFile } from '../support/project.ts';

interface Manifest {
  readonly version: string;
  readonly bin: Readonly<Record<string, string>>;
  readonly scripts: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

interface LockedPackage {
  readonly version: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

const REGISTRY = 'https://registry.npmjs.org/';

const manifest = JSON.parse(readProjectFile('package.json')) as Manifest;
const locked = (
  JSON.parse(readProjectFile('package-lock.json')) as {
    readonly packages: Readonly<Record<string, LockedPackage>>;
  }
).packages;

/** Dependencies whose version may change without a commit. */
function looseVersions(dependencies: Readonly<Record<string, string>>): string[] {
  return Object.entries(dependencies)
    .filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))
    .map(([name, version]) => `${name} ${version}`);
}

/** Packages of the lock file that come from somewhere else or could be exchanged on the way. */
function untrustedSources(packages: Readonly<Record<string, LockedPackage>>): string[] {
  return Object.entries(packages)
    .filter(([path, { resolved = REGISTRY, integrity }]) => {
      const isOurs = path === '';
      return !isOurs && (!resolved.startsWith(REGISTRY) || integrity === undefined);
    })
    .map(([path, { resolved }]) => `${path} ${resolved ?? ''}`);
}

/** Files of the npm package that users have no use for. */
function strayFiles(paths: readonly string[]): string[] {
  const shipped = /^(dist\/src|config|deploy|docs)\/|^(package\.json|LICENSE|[A-Z]+\.md)$/;
  return paths.filter((path) => !shipped.test(path) || /(^|\/)test\/|\.test\./.test(path));
}

test('every dependency has one exact version', () => {
  assert.deepEqual(looseVersions({ ...manifest.dependencies, ...manifest.devDependencies }), []);
  assert.deepEqual(looseVersions({ a: '^1.2.3', b: '1.2', c: '1.2.3', d: 'latest' }), [
    'a ^1.2.3',
    'b 1.2',
    'd latest',
  ]);
});

test('package-lock.json agrees with package.json', () => {
  const ours = locked[''];
  assert.ok(ours, 'the lock file describes this package');
  assert.equal(ours.version, manifest.version);
  assert.deepEqual(ours.dependencies, manifest.dependencies);
  assert.deepEqual(ours.devDependencies, manifest.devDependencies);
});

test('every locked package comes from the npm registry with a checksum', () => {
  assert.deepEqual(untrustedSources(locked), []);
  const good = { version: '1.0.0', resolved: `${REGISTRY}a.tgz`, integrity: 'sha512-x' };
  const elsewhere = { ...good, resolved: 'https://npm.example/a.tgz' };
  const unchecked = { version: '1.0.0', resolved: `${REGISTRY}c.tgz` };
  assert.deepEqual(untrustedSources({ a: good, b: elsewhere, c: unchecked }), [
    'b https://npm.example/a.tgz',
    `c ${REGISTRY}c.tgz`,
  ]);
});

test('the npm package holds the program and what goes with it, and no test', () => {
  // --ignore-scripts: `prepare` would build into dist while other tests run from it.
  const args = ['pack', '--dry-run', '--json', '--ignore-scripts', '--offline'];
  const { stdout, stderr } = spawnSync('npm', args, { cwd: PROJECT_ROOT, encoding: 'utf8' });
  assert.notEqual(stdout, '', stderr);
  const [pack] = JSON.parse(stdout) as { readonly files: readonly { readonly path: string }[] }[];
  const paths = (pack?.files ?? []).map(({ path }) => path);
  const wanted = [...Object.values(manifest.bin), 'LICENSE', 'README.md', 'CHANGELOG.md'];
  assert.deepEqual(
    wanted.filter((path) => !paths.includes(path)),
    [],
  );
  assert.deepEqual(strayFiles(paths), []);
  assert.deepEqual(strayFiles(['dist/src/a.js', 'dist/test/a.test.js.map', 'docs/a.test.js']), [
    'dist/test/a.test.js.map',
    'docs/a.test.js',
  ]);
});

test('CI runs the commands that the README names', () => {
  const script = readProjectFile('.ci/run');
  const isExecutable = (statSync(projectPath('.ci/run')).mode & 0o111) !== 0;
  assert.ok(isExecutable, '.ci/run is executable');
  assert.match(script, /^set -euo pipefail$/m);
  for (const command of ['npm ci', 'npm run format', 'npm run lint', 'npm test']) {
    assert.match(script, new RegExp(`^${command}$`, 'm'), command);
  }
  assert.match(readProjectFile('README.md'), /\bnpm test\b/);
});

test('every npm script that the documentation names exists', () => {
  for (const page of ['README.md', 'CONTRIBUTING.md', 'ARCHITECTURE.md']) {
    const names = [...readProjectFile(page).matchAll(/npm run ([\w:-]+)/g)].map(([, name]) => name);
    for (const name of names) assert.ok(manifest.scripts[name ?? ''], `${page}: npm run ${name}`);
  }
});
