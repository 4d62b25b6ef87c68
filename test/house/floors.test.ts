import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Import, SourceFile } from '../support/source-code.ts';
import { parseSource, readSources } from '../support/source-code.ts';

/**
 * Rooms of src/core from left to right: each imports only itself and what stands to its left.
 * `config/config.ts` is types alone and stands apart from the parsers in its folder; `core` means
 * the files directly in src/core.
 */
const CORE_ORDER = [
  'base',
  'config/config.ts',
  'zookeeper',
  'netlink',
  'ipvs',
  'ports.ts',
  'guard',
  'dns',
  'forward',
  'respond',
  'mesos',
  'marathon',
  'trust',
  'catalog',
  'vip',
  'views',
  'config',
  'services',
  'core',
];

/** What core may use from outside: modules with the names that may be imported. */
const CORE_MODULES: Readonly<Record<string, readonly string[] | 'any'>> = {
  'node:assert/strict': 'any',
  'node:crypto': ['hash'],
};

/** The files that construct adapters; worker entry files are found by who starts them. */
const COMPOSITION_ROOTS = [
  'src/daemon/daemon.ts',
  'src/daemon/dns/dns-plane.ts',
  'src/daemon/source/source-plane.ts',
];

/** `core`, `adapters`, `daemon` or `cli`; '' outside src. */
function floorOf(path: string): string {
  return /^src\/([^/]+)\//.exec(path)?.[1] ?? '';
}

function roomOf(path: string): string {
  const inside = path.slice('src/core/'.length);
  if (CORE_ORDER.includes(inside)) return inside;
  return inside.includes('/') ? inside.split('/')[0]! : 'core';
}

/** The file or folder directly under src/adapters, without `.ts`. */
function adapterOf(path: string): string {
  return path.split('/')[2]!.replace(/\.ts$/, '');
}

function coreObjection(file: SourceFile, { specifier, target, names }: Import): string | null {
  if (target === null) {
    const allowed = CORE_MODULES[specifier];
    if (allowed === undefined) return 'core imports only itself';
    if (allowed === 'any' || names.every((name) => allowed.includes(name))) return null;
    return `core may use only ${allowed.join(', ')} of it`;
  }
  if (floorOf(target) !== 'core') return 'core is the ground floor';
  const from = roomOf(file.path);
  const to = roomOf(target);
  for (const room of [from, to]) {
    if (!CORE_ORDER.includes(room)) return `the room ${room} has no place in CORE_ORDER`;
  }
  const isLeft = CORE_ORDER.indexOf(to) <= CORE_ORDER.indexOf(from);
  return isLeft ? null : `${to} stands to the right of ${from}`;
}

function adapterObjection(file: SourceFile, { target }: Import): string | null {
  if (target === null || floorOf(target) === 'core') return null;
  if (floorOf(target) !== 'adapters') return 'adapters know only core';
  return adapterOf(target) === adapterOf(file.path) ? null : 'adapters do not know each other';
}

function daemonObjection(
  file: SourceFile,
  { specifier, target, kind }: Import,
  workers: ReadonlySet<string>,
): string | null {
  if (target === null) return specifier.startsWith('node:') ? null : 'packages belong in adapters';
  const floor = floorOf(target);
  if (floor === '' || floor === 'cli') return 'the daemon does not know the door';
  const mayConstruct = COMPOSITION_ROOTS.includes(file.path) || workers.has(file.path);
  if (floor !== 'adapters' || kind === 'type' || mayConstruct) return null;
  return `only ${COMPOSITION_ROOTS.join(', ')} and worker entry files construct adapters`;
}

/** Every import that goes the wrong way, as `path:line imports specifier: why`. */
function floorViolations(files: readonly SourceFile[]): string[] {
  const workers = new Set(
    files.flatMap(({ imports }) =>
      imports.flatMap(({ kind, target }) => (kind === 'worker' && target !== null ? [target] : [])),
    ),
  );
  const objection = (file: SourceFile, one: Import): string | null => {
    const floor = floorOf(file.path);
    if (floor === 'core') return coreObjection(file, one);
    if (floor === 'adapters') return adapterObjection(file, one);
    return floor === 'daemon' ? daemonObjection(file, one, workers) : null;
  };
  return files.flatMap((file) =>
    file.imports.flatMap((one) => {
      const why = objection(file, one);
      return why === null ? [] : [`${file.path}:${one.line} imports ${one.specifier}: ${why}`];
    }),
  );
}

/** Uses of the outside world in core, as `path:line uses name`. */
function effectsInCore(files: readonly SourceFile[]): string[] {
  return files
    .filter(({ path }) => floorOf(path) === 'core')
    .flatMap(({ path, effects }) =>
      effects.map(({ name, line }) => `${path}:${line} uses ${name}`),
    );
}

const sources = readSources('src');

test('every import goes down the floors and to the left in core', () => {
  assert.ok(sources.length > 0, 'src has files');
  assert.deepEqual(floorViolations(sources), []);
});

test('core reads no clock, draws no random number and touches no process', () => {
  assert.deepEqual(effectsInCore(sources), []);
});

const FORBIDDEN: readonly (readonly [path: string, code: string, why: RegExp])[] = [
  ['src/core/dns/a.ts', `import { lookup } from 'node:dns';`, /only itself/],
  ['src/core/dns/a.ts', `import { LRUCache } from 'lru-cache';`, /only itself/],
  ['src/core/dns/a.ts', `import { hash, randomBytes } from 'node:crypto';`, /only hash/],
  ['src/core/dns/a.ts', `import * as crypto from 'node:crypto';`, /only hash/],
  ['src/core/dns/a.ts', `import type { Log } from '../../adapters/log.ts';`, /ground floor/],
  ['src/core/dns/a.ts', `import { parse } from '../mesos/b.ts';`, /to the right/],
  ['src/core/dns/a.ts', `type T = import('../views/b.ts').T;`, /to the right/],
  ['src/core/config/config.ts', `import { parse } from './parse-config.ts';`, /to the right/],
  ['src/core/base/a.ts', `import type { Config } from '../config/config.ts';`, /to the right/],
  ['src/core/base/a.ts', `export { b } from '../attic/b.ts';`, /no place/],
  ['src/adapters/http/a.ts', `import { b } from '../mesos/b.ts';`, /each other/],
  ['src/adapters/http/a.ts', `import type { B } from '../log.ts';`, /each other/],
  ['src/adapters/log.ts', `import { b } from '../daemon/b.ts';`, /only core/],
  ['src/daemon/a.ts', `import { pino } from 'pino';`, /packages/],
  ['src/daemon/a.ts', `import { main } from '../cli/main.ts';`, /the door/],
  ['src/daemon/a.ts', `import { b } from '../adapters/b.ts';`, /only src\/daemon\/daemon.ts/],
  ['src/daemon/a.ts', `await import('../adapters/b.ts');`, /only src\/daemon\/daemon.ts/],
];

for (const [path, code, why] of FORBIDDEN) {
  test(`the floors forbid ${path}: ${code}`, () => {
    const [violation, ...more] = floorViolations([parseSource(path, code)]);
    assert.match(violation ?? '(nothing found)', why);
    assert.deepEqual(more, []);
  });
}

const ALLOWED: readonly (readonly [path: string, code: string])[] = [
  ['src/core/dns/a.ts', `import { ok } from 'node:assert/strict'; import { b } from './b.ts';`],
  ['src/core/catalog/a.ts', `import { hash } from 'node:crypto';`],
  ['src/core/dns/a.ts', `import type { Config } from '../config/config.ts';`],
  ['src/core/generation.ts', `import { parse } from './config/parse-config.ts';`],
  ['src/adapters/http/a.ts', `import { b } from './b.ts'; import Fastify from 'fastify';`],
  ['src/daemon/daemon.ts', `import { b } from '../adapters/b.ts';`],
  ['src/daemon/a.ts', `import type { B } from '../adapters/b.ts';`],
  ['src/cli/serve.ts', `import { readConfig } from '../adapters/config-file.ts';`],
];

for (const [path, code] of ALLOWED) {
  test(`the floors allow ${path}: ${code}`, () => {
    assert.deepEqual(floorViolations([parseSource(path, code)]), []);
  });
}

test('a worker entry file may construct adapters', () => {
  const starter = `new Worker(new URL('./zone-worker.js', import.meta.url));`;
  const entry = parseSource('src/daemon/zone-worker.ts', `import { b } from '../adapters/b.ts';`);
  assert.deepEqual(floorViolations([parseSource('src/daemon/daemon.ts', starter), entry]), []);
  assert.equal(floorViolations([entry]).length, 1);
});

for (const use of [
  'Date.now()',
  'new Date()',
  'Math.random()',
  'setTimeout(f, 1)',
  'process.env',
]) {
  test(`${use} in core is found, and not in an adapter`, () => {
    assert.equal(effectsInCore([parseSource('src/core/base/a.ts', `${use};`)]).length, 1);
    assert.deepEqual(effectsInCore([parseSource('src/adapters/a.ts', `${use};`)]), []);
  });
}

test('a date made from a number is a value', () => {
  assert.deepEqual(effectsInCore([parseSource('src/core/a.ts', 'new Date(0).toISOString();')]), []);
});
