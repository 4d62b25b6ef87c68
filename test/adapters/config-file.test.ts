import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CONFIG_BYTES_MAX, readConfigFile } from '../../src/adapters/config-file.ts';
import { asNobody } from '../support/as-nobody.ts';

describe('readConfigFile', () => {
  let folder = '';
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'hoplite-config-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  async function write(content: string | Uint8Array): Promise<string> {
    const file = join(folder, 'config.json');
    await writeFile(file, content);
    return file;
  }

  async function assertProblem(path: string, message: RegExp): Promise<void> {
    const read = await readConfigFile(path);
    assert.ok(!read.ok);
    assert.deepEqual({ ...read.error, message: '' }, { severity: 'error', path: '', message: '' });
    assert.match(read.error.message, message);
  }

  test('gives the text and the absolute path', async () => {
    const file = await write('{"domain": "ünïcode"}');
    const expected = { ok: true, value: { file, text: '{"domain": "ünïcode"}' } };
    assert.deepEqual(await readConfigFile(file), expected);
    assert.deepEqual(await readConfigFile(relative(process.cwd(), file)), expected);
  });

  test('drops a byte order mark', async () => {
    const read = await readConfigFile(await write('\ufeff{}'));
    assert.equal(read.ok && read.value.text, '{}');
  });

  test('an empty file is an empty text', async () => {
    const read = await readConfigFile(await write(''));
    assert.equal(read.ok && read.value.text, '');
  });

  test('says that a file is missing', async () => {
    await assertProblem(join(folder, 'nowhere.json'), /^does not exist; check the path/);
    await assertProblem(join(await write('{}'), 'x'), /part of the path is not a directory/);
  });

  test('says that a path is a directory', async () => {
    const directory = join(folder, 'directory');
    await mkdir(directory);
    await assertProblem(directory, /is a directory; name the file in it/);
  });

  test('refuses what is not UTF-8', async () => {
    await assertProblem(await write(Uint8Array.of(0x7b, 0xff, 0x7d)), /is not UTF-8/);
  });

  test('reads up to the limit and refuses what is larger', async () => {
    assert.ok((await readConfigFile(await write(' '.repeat(CONFIG_BYTES_MAX)))).ok);
    const tooLarge = await write(' '.repeat(CONFIG_BYTES_MAX + 1));
    await assertProblem(tooLarge, /is larger than 1048576 bytes/);
    await assertProblem('/dev/zero', /is larger than 1048576 bytes/);
  });

  test('a path that no file can have is a problem, not an exception', async () => {
    await assertProblem('/etc/\0', /cannot be read \(ERR_INVALID_ARG_VALUE\)/);
  });

  test('says that a file may not be read', async () => {
    const file = await write('{}');
    await chmod(file, 0);
    await asNobody(() => assertProblem(file, /may not be read by this user/));
  });
});
