import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { basename, posix } from 'node:path';
import { test } from 'node:test';
import { withoutFencedBlocks } from '../support/markdown.ts';
import { projectFiles, projectPath, readProjectFile } from '../support/project.ts';

const PAGES = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md'];

/** First segments of paths of ours; rooms of src may be named without `src/`. */
const TOP_FOLDERS = ['src', 'test', 'bench', 'scripts', 'deploy', 'docs', 'config', '.ci'];
const SRC_FOLDERS = ['core', 'adapters', 'daemon', 'cli'];

const PATH = /^[\w.@-]+(\/[\w.@-]+)*\/?$/;
const BARE_FILE = /^[\w.-]+\.(ts|mjs|md)$/;

const files = projectFiles();
const baseNames = new Set(files.map((path) => basename(path)));

/** Whether a backticked word names nothing that exists, although it looks as if it did. */
function isBrokenPath(word: string): boolean {
  const path = word.replace(/:\d+(-\d+)?$/, '');
  if (!PATH.test(path) || path.includes('NNNN')) return false;
  const [first = ''] = path.split('/');
  if (!path.includes('/')) return BARE_FILE.test(path) && !baseNames.has(path);
  if (TOP_FOLDERS.includes(first)) return !existsSync(projectPath(path));
  return SRC_FOLDERS.includes(first) && !existsSync(projectPath(`src/${path}`));
}

/** Backticked paths and relative links of a page that lead nowhere, as `page:line word`. */
function brokenReferences(page: string, markdown: string): string[] {
  const folder = posix.dirname(page);
  return withoutFencedBlocks(markdown)
    .split('\n')
    .flatMap((line, index) => {
      const words = [...line.matchAll(/`([^`]+)`/g)].map(([, word = '']) => word);
      const links = [...line.matchAll(/\]\(([^)#\s]+)(#[^)]*)?\)/g)].map(([, link = '']) => link);
      const local = links.filter((link) => !/^[a-z]+:/.test(link));
      return [
        ...words.filter(isBrokenPath),
        ...local.filter((link) => !existsSync(projectPath(posix.join(folder, link)))),
      ].map((word) => `${page}:${index + 1} ${word}`);
    });
}

const isDocumentation = (path: string): boolean =>
  PAGES.includes(path) || /^(docs|deploy)\/.*\.md$/.test(path);

test('the pages that a reader looks for exist', () => {
  const expected = [...PAGES, 'LICENSE', 'docs/error-handling.md', 'deploy/README.md'];
  assert.deepEqual(
    expected.filter((page) => !files.includes(page)),
    [],
  );
});

test('every path that the documentation names exists', () => {
  const pages = files.filter(isDocumentation);
  assert.deepEqual(
    pages.flatMap((page) => brokenReferences(page, readProjectFile(page))),
    [],
  );
});

test('CHANGELOG.md opens with the next or the latest version', () => {
  const heading = /^## (.*)$/m.exec(readProjectFile('CHANGELOG.md'))?.[1] ?? '(no section)';
  assert.match(heading, /^\[?(Unreleased|\d+\.\d+\.\d+)\]?( |$)/);
});

test('a path that does not exist is found', () => {
  const found = (text: string): string[] => brokenReferences('docs/a.md', text);
  assert.deepEqual(found('see `src/nowhere.ts`'), ['docs/a.md:1 src/nowhere.ts']);
  assert.deepEqual(found('\nsee `core/nowhere.ts:12`'), ['docs/a.md:2 core/nowhere.ts:12']);
  assert.deepEqual(found('`nowhere-at-all.ts` and `test/nowhere/`').length, 2);
  assert.deepEqual(found('[x](nowhere.md#part)'), ['docs/a.md:1 nowhere.md']);
  assert.deepEqual(found('```text\nsrc/nowhere.ts `src/nowhere.ts`\n```\n`docs/no.md`').length, 1);
});

test('paths that exist, patterns and paths of other machines are left alone', () => {
  const good = [
    '`src/core/base/result.ts` `core/base/` `result.ts:3` `package.json`',
    '`src/**/*.ts` `docs/decisions/NNNN-title.md` `test/<room>/x.test.ts`',
    '`/etc/hoplite/config.json` `/v1/status` `config.json` `node:test` `npm run check`',
    '[x](../package.json) [y](https://example.com/z.md) [z](#here)',
  ];
  assert.deepEqual(brokenReferences('docs/a.md', good.join('\n')), []);
});
