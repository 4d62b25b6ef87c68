import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SourceFile } from '../support/source-code.ts';
import { parseSource, readSources } from '../support/source-code.ts';

/** What one reader takes in at a time; tests may be longer, since they are lists of cases. */
const FILE_LINES_MAX = 400;
const TEST_FILE_LINES_MAX = 600;
const FUNCTION_LINES_MAX = 70;

function longFiles(files: readonly SourceFile[], linesMax: number): string[] {
  return files
    .filter(({ lines }) => lines > linesMax)
    .map(({ path, lines }) => `${path} has ${lines} lines`);
}

function longFunctions(files: readonly SourceFile[]): string[] {
  return files.flatMap(({ path, functions }) =>
    functions
      .filter(({ lines }) => lines > FUNCTION_LINES_MAX)
      .map(({ name, line, lines }) => `${path}:${line} ${name} has ${lines} lines`),
  );
}

const sources = readSources('src');

test(`a source file has at most ${FILE_LINES_MAX} lines`, () => {
  assert.deepEqual(longFiles(sources, FILE_LINES_MAX), []);
});

test(`a test file has at most ${TEST_FILE_LINES_MAX} lines`, () => {
  assert.deepEqual(longFiles(readSources('test', 'bench'), TEST_FILE_LINES_MAX), []);
});

test(`a function has at most ${FUNCTION_LINES_MAX} lines`, () => {
  assert.deepEqual(longFunctions(sources), []);
});

const body = (lines: number): string => '  f();\n'.repeat(lines - 2);

test('a file of one line too many is found', () => {
  const file = (lines: number): SourceFile => parseSource('src/a.ts', 'f();\n'.repeat(lines));
  assert.deepEqual(longFiles([file(400), file(401)], 400), ['src/a.ts has 401 lines']);
});

const SHAPES: readonly (readonly [shape: string, open: string, close: string])[] = [
  ['long', 'function long() {', '}'],
  ['long', 'const long = () => {', '};'],
  ['long', 'class A { long() {', '} }'],
  ['constructor', 'class A { constructor() {', '} }'],
  ['(arrow)', 'test(() => {', '});'],
];

for (const [name, open, close] of SHAPES) {
  test(`a function of one line too many is found: ${open}`, () => {
    const code = (lines: number): string => `${open}\n${body(lines)}${close}\n`;
    assert.deepEqual(longFunctions([parseSource('src/a.ts', code(70))]), []);
    assert.deepEqual(longFunctions([parseSource('src/a.ts', code(71))]), [
      `src/a.ts:1 ${name} has 71 lines`,
    ]);
  });
}
