import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { projectPath, readProjectFile } from '../support/project.ts';

const PAGE = 'docs/dns-conformance.md';
const LEVELS = ['MUST', 'SHOULD', 'NICE', 'NO'];
/** Rows of the kinds of requirement: answers, messages, EDNS, forwarding, abuse, transports. */
const ROW_ID = /^[ABCDRT]\d+[a-z]?$/;

interface QuotedTest {
  readonly path: string;
  /** Groups and test, outermost first. */
  readonly names: readonly string[];
}

interface Row {
  readonly id: string;
  readonly level: string;
  readonly sources: readonly string[];
  /** null: the row is of a table of what is not done. */
  readonly tests: readonly QuotedTest[] | null;
}

function readRows(markdown: string): Row[] {
  const rows: Row[] = [];
  let hasTests = false;
  for (const line of markdown.split('\n')) {
    if (!line.startsWith('|')) continue;
    const cells = line.split('|').map((cell) => cell.trim());
    const [, id = '', , , level = '', doneIn = '', shownBy = ''] = cells;
    if (id === 'row') hasTests = shownBy === 'shown by';
    if (id === 'row' || /^:?-+:?$/.test(id)) continue;
    const sources = [...doneIn.matchAll(/`(src\/[^`]+)`/g)].map(([, path = '']) => path);
    const tests = [...shownBy.matchAll(/`(test\/[^`]+)` "([^"]+)"/g)].map(
      ([, path = '', name = '']) => ({ path, names: name.split(' > ') }),
    );
    rows.push({ id, level, sources, tests: hasTests ? tests : null });
  }
  return rows;
}

interface Title {
  readonly at: number;
  /** With `…` for what is put in. */
  readonly outline: string;
  /** Matches names with it put in, and captures it. */
  readonly pattern: RegExp;
}

const CALL =
  /\b(?:test|it|describe|suite)(?:\.\w+)?\(\s*(?:'((?:\\.|[^'\\])*)'|`((?:\\.|[^`\\])*)`)/g;

const escapeForRegExp = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Titles of groups and tests in a file, in order. */
function titles(source: string): Title[] {
  return [...source.matchAll(CALL)].map(({ 1: plain, 2: template = '', index }) => {
    const written = (plain ?? template).replace(/\\(['`\\])/g, '$1');
    const fixed = plain === undefined ? written.split(/\$\{[^}]*\}/) : [written];
    const pattern = new RegExp(`^${fixed.map(escapeForRegExp).join('(.+)')}$`);
    return { at: index, outline: fixed.join('…'), pattern };
  });
}

/** Whether a file has these groups and this test one behind the other. */
function hasTest(source: string, names: readonly string[]): boolean {
  const all = titles(source);
  let from = -1;
  return names.every((name) => {
    const found = all.find(({ at, outline, pattern }) => {
      if (at <= from) return false;
      // What is put into a title has to stand somewhere in the file, too.
      const filled = pattern.exec(name)?.slice(1);
      return name === outline || (filled?.every((part) => source.includes(part)) ?? false);
    });
    from = found?.at ?? Infinity;
    return found !== undefined;
  });
}

const rows = readRows(readProjectFile(PAGE));

test('every requirement has a name of its own and a level', () => {
  assert.ok(rows.length > 60, 'the tables are read');
  assert.deepEqual(
    rows.filter(({ id, level }) => !ROW_ID.test(id) || !LEVELS.includes(level)),
    [],
  );
  const ids = rows.map(({ id }) => id);
  assert.deepEqual(
    ids.filter((id, i) => ids.indexOf(id) !== i),
    [],
  );
});

test('every requirement that is met names a file of src and a test', () => {
  const met = rows.filter(({ tests }) => tests !== null);
  assert.ok(met.length > 50);
  assert.deepEqual(
    met
      .filter(({ sources, tests }) => sources.length === 0 || tests?.length === 0)
      .map(({ id }) => id),
    [],
  );
  const paths = rows.flatMap(({ sources, tests }) => [
    ...sources,
    ...(tests ?? []).map(({ path }) => path),
  ]);
  assert.deepEqual(
    paths.filter((path) => !existsSync(projectPath(path))),
    [],
  );
});

test('every test that shows a requirement is in the file that is named', () => {
  const missing = rows.flatMap(({ id, tests }) =>
    (tests ?? [])
      .filter(({ path, names }) => !hasTest(readProjectFile(path), names))
      .map(({ path, names }) => `${id}: ${path} "${names.join(' > ')}"`),
  );
  assert.deepEqual(missing, []);
});

test('a row is read with its files and tests', () => {
  const header = '| row | source | what | level | done in | shown by |';
  const row =
    '| A1 | RFC 1 | x | MUST | `src/a.ts`, `src/b.ts` | `test/a.ts` "b > c"; `test/d.ts` "e" |';
  assert.deepEqual(readRows([header, '| --- | - | - | - | - | - |', row].join('\n')), [
    {
      id: 'A1',
      level: 'MUST',
      sources: ['src/a.ts', 'src/b.ts'],
      tests: [
        { path: 'test/a.ts', names: ['b', 'c'] },
        { path: 'test/d.ts', names: ['e'] },
      ],
    },
  ]);
  const undone = ['| row | source | what | level | instead |', '| A2 | — | x | NO | nothing |'];
  assert.deepEqual(readRows(undone.join('\n')), [
    { id: 'A2', level: 'NO', sources: [], tests: null },
  ]);
});

test('a test is found by its whole name, in its group, with what a template puts in', () => {
  const source = [
    "describe('a group', () => {",
    "  test('is first', f);",
    '});',
    "for (const what of ['a thing']) {",
    '  test(\n    `${what} is (not) ${1 + 1}`, f);',
    '}',
    "test('it isn\\'t', f);",
  ].join('\n');
  const good = [
    ['is first'],
    ['a group', 'is first'],
    ['a thing is (not) 1'],
    ["it isn't"],
    ['… is (not) …'],
  ];
  for (const names of good) assert.ok(hasTest(source, names), names.join(' > '));
  const bad = [
    ['is'],
    ['is first', 'a group'],
    ['a group', 'is second'],
    ['nothing is (not) 1'],
    ['a thing is not 1'],
    ['…'],
  ];
  for (const names of bad) assert.ok(!hasTest(source, names), names.join(' > '));
});
