import assert from 'node:assert/strict';
import { test } from 'node:test';
import { projectFiles, readProjectFile } from '../support/project.ts';

/**
 * Defects of Mesos-DNS that hoplite does not have: of its DNS answers (D), its HTTP API (H), and its
 * reading of the state, configuration and life cycle (S). Numbers that are missing were withdrawn.
 */
const DEFECT_IDS: readonly string[] = [
  ...ids('D', 1, 24),
  ...ids('D', 26, 29),
  ...ids('H', 1, 7),
  ...ids('H', 11, 12),
  ...ids('S', 1, 18),
];

function ids(letter: string, first: number, last: number): string[] {
  return Array.from(
    { length: last - first + 1 },
    (_, i) => letter + String(first + i).padStart(2, '0'),
  );
}

/** Ids at the start of the names of tests in a file. */
function testedIds(text: string): string[] {
  return [...text.matchAll(/\b(?:test|it)\(\s*['"`]([DHS]\d\d): /g)].map(([, id = '']) => id);
}

const tested = new Set(
  projectFiles('test')
    .filter((path) => path.endsWith('.test.ts') && path !== 'test/house/defect-ids.test.ts')
    .flatMap((path) => testedIds(readProjectFile(path))),
);

test('every defect has a test whose name starts with its id', () => {
  assert.deepEqual(
    DEFECT_IDS.filter((id) => !tested.has(id)),
    [],
  );
});

test('no test bears the id of a defect that is not in the list', () => {
  assert.deepEqual(
    [...tested].filter((id) => !DEFECT_IDS.includes(id)),
    [],
  );
});

test('an id counts at the start of a name only', () => {
  assert.deepEqual(testedIds(`test('S04: a 500 is refused', () => {});`), ['S04']);
  assert.deepEqual(testedIds('  test(\n    `D12: over ${x}`, () => {});'), ['D12']);
  assert.deepEqual(testedIds(`test('a 500 is refused, see S04: ', f); // D01: `), []);
  assert.deepEqual(testedIds(`latest('D01: x')`), []);
});
