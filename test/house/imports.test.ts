import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SourceFile } from '../support/source-code.ts';
import { parseSource, readSources } from '../support/source-code.ts';

/** Where programs start; worker entry files are added by whoever starts them. */
const ENTRY = 'src/cli/main.ts';

type Graph = ReadonlyMap<string, readonly string[]>;

/** Who imports whom among the files; worker starts are no imports of their starter. */
function importGraph(files: readonly SourceFile[], kinds: readonly string[]): Graph {
  return new Map(
    files.map(({ path, imports }) => [
      path,
      imports.flatMap(({ target, kind }) =>
        target !== null && kinds.includes(kind) ? [target] : [],
      ),
    ]),
  );
}

/** One path `a -> b -> a` for each cycle that a depth-first walk meets. */
function importCycles(files: readonly SourceFile[]): string[] {
  const graph = importGraph(files, ['value', 'dynamic']);
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start >= 0) {
      cycles.push([...trail.slice(start), path].join(' -> '));
      return;
    }
    if (done.has(path)) return;
    for (const next of graph.get(path) ?? []) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const path of graph.keys()) visit(path, []);
  return cycles;
}

/** Files that no program reaches. */
function deadFiles(files: readonly SourceFile[], entry: string): string[] {
  const graph = importGraph(files, ['value', 'type', 'dynamic', 'worker']);
  const reached = new Set<string>();
  const visit = (path: string): void => {
    if (reached.has(path)) return;
    reached.add(path);
    for (const next of graph.get(path) ?? []) visit(next);
  };
  visit(entry);
  return files.map(({ path }) => path).filter((path) => !reached.has(path));
}

/** Relative imports that lead nowhere; worker URLs are not checked by the compiler. */
function brokenTargets(files: readonly SourceFile[]): string[] {
  const paths = new Set(files.map(({ path }) => path));
  return files.flatMap(({ path, imports }) =>
    imports
      .filter(({ kind, target }) => kind === 'worker' && target !== null && !paths.has(target))
      .map(({ line, specifier }) => `${path}:${line} starts ${specifier}`),
  );
}

const sources = readSources('src');

test('no module imports itself in a circle', () => {
  assert.deepEqual(importCycles([...sources, ...readSources('test/support')]), []);
});

test('every file of src is part of a program', () => {
  assert.ok(
    sources.some(({ path }) => path === ENTRY),
    `${ENTRY} exists`,
  );
  assert.deepEqual(deadFiles(sources, ENTRY), []);
});

test('every worker that is started exists', () => {
  assert.deepEqual(brokenTargets(sources), []);
});

test('a circle of three files is found, and one of types is none', () => {
  const circle = (keyword: string): SourceFile[] => [
    parseSource('src/a.ts', `import { b } from './b.ts';`),
    parseSource('src/b.ts', `export { c } from './c.ts';`),
    parseSource('src/c.ts', `${keyword} { a } from './a.ts';`),
  ];
  assert.deepEqual(importCycles(circle('import')), [
    'src/a.ts -> src/b.ts -> src/c.ts -> src/a.ts',
  ]);
  assert.deepEqual(importCycles(circle('import type')), []);
});

test('`import { type A }` loads the module and counts as an import', () => {
  const [file] = [parseSource('src/a.ts', `import { type A } from './a.ts';`)];
  assert.deepEqual(importCycles([file]), ['src/a.ts -> src/a.ts']);
});

test('a file that nobody imports is dead, one that a worker runs is not', () => {
  const files = [
    parseSource('src/main.ts', `new Worker(new URL('./worker.js', import.meta.url));`),
    parseSource('src/worker.ts', `import type { T } from './types.ts';`),
    parseSource('src/types.ts', `export type T = 1;`),
    parseSource('src/attic.ts', `import { x } from './main.ts';`),
  ];
  assert.deepEqual(deadFiles(files, 'src/main.ts'), ['src/attic.ts']);
});

test('a worker URL with a typing error is found', () => {
  const file = parseSource('src/a.ts', `new Worker(new URL('./wroker.js', import.meta.url));`);
  assert.deepEqual(brokenTargets([file]), ['src/a.ts:1 starts ./wroker.js']);
});
