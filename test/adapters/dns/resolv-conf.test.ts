import assert from 'node:assert/strict';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { createSystemUpstreams, systemUpstreams } from '../../../src/adapters/dns/resolv-conf.ts';

async function temporaryFile(t: TestContext, text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'resolv-conf-'));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, 'resolv.conf');
  await writeFile(path, text);
  return path;
}

const at = (address: string, port = 53): { address: string; port: number } => ({ address, port });

test('D10: a nameserver that is one of our listeners is no upstream', async (t) => {
  const text = 'nameserver 10.0.0.5\nnameserver 127.0.0.53\nnameserver 0::1\nnameserver 10.0.0.1\n';
  const path = await temporaryFile(t, text);
  const own = [at('10.0.0.5'), at('::1'), at('127.0.0.53', 5353)];
  assert.deepEqual(await systemUpstreams(path, own), [at('127.0.0.53'), at('10.0.0.1')]);
});

test('the file is read again when it was rewritten or replaced, and only then', async (t) => {
  const path = await temporaryFile(t, 'nameserver 10.0.0.1\n');
  const system = createSystemUpstreams(path, []);
  assert.deepEqual(system.upstreams, []);
  assert.equal(await system.refresh(), true);
  const first = system.upstreams;
  assert.equal(await system.refresh(), false);
  assert.equal(system.upstreams, first);
  await writeFile(path, 'nameserver 10.0.0.2\nnameserver 10.0.0.1\n');
  assert.equal(await system.refresh(), true);
  assert.deepEqual(system.upstreams, [at('10.0.0.2'), at('10.0.0.1')]);
  await writeFile(`${path}.new`, 'nameserver 10.0.0.3\n');
  await rename(`${path}.new`, path);
  assert.equal(await system.refresh(), true);
  assert.deepEqual(system.upstreams, [at('10.0.0.3')]);
  await writeFile(path, '# the same\nnameserver 10.0.0.3\n');
  assert.equal(await system.refresh(), false);
});

test('while the file cannot be read, what was known stays and the problem is named', async (t) => {
  const path = await temporaryFile(t, 'nameserver 10.0.0.1\n');
  const system = createSystemUpstreams(path, []);
  await system.refresh();
  await rm(path);
  assert.equal(await system.refresh(), false);
  assert.deepEqual(system.upstreams, [at('10.0.0.1')]);
  assert.match(system.problem ?? '', /ENOENT/);
  await writeFile(path, 'nameserver 10.0.0.1\n');
  assert.equal(await system.refresh(), false);
  assert.equal(system.problem, null);
});

test('a file that is too large for a resolv.conf is not read', async (t) => {
  const path = await temporaryFile(t, `nameserver 10.0.0.1\n${'#'.repeat(70_000)}`);
  const system = createSystemUpstreams(path, []);
  assert.equal(await system.refresh(), false);
  assert.deepEqual(system.upstreams, []);
  assert.match(system.problem ?? '', /70020 bytes/);
});
