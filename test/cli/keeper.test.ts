import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readSources } from '../support/source-code.ts';

const sources = new Map(readSources('src').map((file) => [file.path, file]));

/** Files that are loaded with one, and modules from outside, but for what is imported on demand. */
function loadedWith(start: string): { readonly files: string[]; readonly modules: string[] } {
  const files = new Set<string>();
  const modules = new Set<string>();
  const visit = (path: string): void => {
    if (files.has(path)) return;
    files.add(path);
    for (const { target, specifier, kind } of sources.get(path)?.imports ?? []) {
      if (kind !== 'value') continue;
      if (target === null) modules.add(specifier);
      else visit(target);
    }
  };
  visit(start);
  return { files: [...files], modules: [...modules] };
}

test('a keeper loads no package and nothing that reads the network', () => {
  const { files, modules } = loadedWith('src/cli/serve.ts');
  assert.ok(files.includes('src/cli/keeper.ts'));
  assert.deepEqual(
    modules.filter((name) => !name.startsWith('node:')),
    [],
  );
  assert.deepEqual(
    modules.filter((name) => /^node:(net|dgram|dns|https?|tls|worker_threads)/.test(name)),
    [],
  );
});

test('a daemon does load packages, which this test sees', () => {
  const { modules } = loadedWith('src/cli/run-daemon.ts');
  assert.ok(modules.includes('fastify'));
});
