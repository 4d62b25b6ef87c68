import assert from 'node:assert/strict';
import { test } from 'node:test';
import { projectFiles, readProjectFile } from '../support/project.ts';

/** This file has to name what it forbids; the lock file is npm's text. */
const EXEMPT = ['test/house/words.test.ts', 'package-lock.json'];

interface BannedWord {
  readonly name: string;
  readonly pattern: RegExp;
  /** Which files the rule is about. */
  readonly where: RegExp;
  readonly instead: string;
  /** A line that has it and one that only looks like it. */
  readonly bad: string;
  readonly good: string;
}

const EVERYWHERE = /./;
const CODE = /\.(ts|mjs)$/;

const BANNED: readonly BannedWord[] = [
  {
    name: 'unfinished work',
    pattern: /\b(TODO|FIXME|XXX|HACK)\b/,
    where: EVERYWHERE,
    instead: 'finish it, or open an issue',
    bad: '// TODO: later',
    good: '// t.todo is a method',
  },
  {
    name: 'a cast to any',
    pattern: /\bas any\b/,
    where: CODE,
    instead: 'narrow the type',
    bad: 'const x = y as any;',
    good: 'not as many as before',
  },
  {
    name: 'a silenced compiler',
    pattern: /@ts-(ignore|nocheck)\b|@ts-expect-error\s*$/,
    where: CODE,
    instead: '@ts-expect-error with the reason behind it',
    bad: '// @ts-ignore',
    good: '// @ts-expect-error the test passes a wrong type on purpose',
  },
  {
    name: 'a silenced lint rule',
    pattern: /eslint-disable(?!.*\s--\s+\S)/,
    where: CODE,
    instead: 'a reason behind ` -- `',
    bad: '// eslint-disable-next-line no-control-regex',
    good: '// eslint-disable-next-line no-control-regex -- names may hold any octet',
  },
  {
    name: 'a test that shuts out the others',
    pattern: /\.only\(|\bonly: true/,
    where: CODE,
    instead: 'a pattern for the test runner',
    bad: 'test.only("x", () => {});',
    good: 'const only = 1;',
  },
  {
    name: 'console in the program',
    pattern: /\bconsole\./,
    where: /^src\//,
    instead: 'the log, or process.stdout in a command',
    bad: 'console.log(1);',
    good: '// printed to the console',
  },
  {
    name: 'a path of one machine',
    pattern: /(?<![\w.:/-])\/(work|root)\//,
    where: EVERYWHERE,
    instead: 'a path from the top of the project',
    bad: ['see ', 'work', 'notes.md'].join('/'),
    good: 'https://example.com/work/notes.md',
  },
];

/** Lines with a banned word, as `path:line name; instead`. */
function bannedWords(path: string, text: string): string[] {
  const rules = BANNED.filter(({ where }) => where.test(path));
  return text
    .split('\n')
    .flatMap((line, index) =>
      rules
        .filter(({ pattern }) => pattern.test(line))
        .map(({ name, instead }) => `${path}:${index + 1} holds ${name}; use ${instead}`),
    );
}

test('no file holds a banned word', () => {
  const paths = projectFiles().filter((path) => !EXEMPT.includes(path));
  assert.ok(paths.includes('package.json'), 'the walk sees the project');
  const isText = (text: string): boolean => !text.includes('\0');
  const found = paths.flatMap((path) => {
    const text = readProjectFile(path);
    return isText(text) ? bannedWords(path, text) : [];
  });
  assert.deepEqual(found, []);
});

for (const { name, bad, good } of BANNED) {
  test(`${name} is found, and its look-alike is not`, () => {
    assert.equal(bannedWords('src/a.ts', `\n${bad}\n`).length, 1);
    assert.match(bannedWords('src/a.ts', `\n${bad}\n`)[0] ?? '', /^src\/a\.ts:2 /);
    assert.deepEqual(bannedWords('src/a.ts', good), []);
  });
}
