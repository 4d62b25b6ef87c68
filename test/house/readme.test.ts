import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import type { FencedBlock } from '../support/markdown.ts';
import { fencedBlocks, withoutFencedBlocks } from '../support/markdown.ts';
import { projectFiles, readProjectFile } from '../support/project.ts';

/** What bash says about the text without running it; '' is good. */
function syntaxError(text: string): string {
  const { status, stderr } = spawnSync('bash', ['-n'], { input: text, encoding: 'utf8' });
  return status === 0 ? '' : stderr;
}

/** Info strings of shell blocks: plain ones are read, `sh test` is also run by test/e2e. */
function isShell({ info }: FencedBlock): boolean {
  return /^(sh|bash|shell|console)\b/.test(info);
}

const pages = projectFiles().filter((path) => path.endsWith('.md'));

test('every shell block of the documentation is valid shell', () => {
  assert.ok(pages.includes('README.md'), 'README.md exists');
  const wrong = pages.flatMap((page) =>
    fencedBlocks(readProjectFile(page))
      .filter(isShell)
      .map((block) => ({ where: `${page}:${block.line}`, error: syntaxError(block.text) }))
      .filter(({ error }) => error !== ''),
  );
  assert.deepEqual(wrong, []);
});

test('shell blocks say sh, and test only where README.md is run', () => {
  const infos = pages.flatMap((page) =>
    fencedBlocks(readProjectFile(page))
      .filter(isShell)
      .map(({ info, line }) => ({ page, line, info })),
  );
  const odd = infos.filter(
    ({ page, info }) => info !== 'sh' && !(page === 'README.md' && info === 'sh test'),
  );
  assert.deepEqual(odd, []);
});

test('README.md has commands that are run', () => {
  const blocks = fencedBlocks(readProjectFile('README.md'));
  assert.ok(blocks.some(({ info }) => info === 'sh test'));
});

test('a block with an open quote is found', () => {
  assert.match(syntaxError(`echo 'hello\n`), /unexpected EOF/);
  assert.equal(syntaxError(`echo 'hello'\n`), '');
});

test('blocks are cut at their own fence and keep their line', () => {
  const markdown = 'a\n```sh test\none\n```\nb `c`\n````md\n```\ninner\n```\n````\n';
  assert.deepEqual(fencedBlocks(markdown), [
    { info: 'sh test', line: 2, text: 'one\n' },
    { info: 'md', line: 6, text: '```\ninner\n```\n' },
  ]);
  assert.equal(withoutFencedBlocks(markdown), 'a\n\n\n\nb `c`\n\n\n\n\n\n');
});
