import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import {
  digestOf,
  readStateFile,
  readStateHeader,
  type StateFileHeader,
  writeStateFile,
} from '../../src/adapters/state-file.ts';
import { asNobody } from '../support/as-nobody.ts';

const BYTES_MAX = 1_000_000;
const BODY = new TextEncoder().encode(JSON.stringify({ leader: 'master@10.0.0.9:5050' }));

/** A path in a folder of its own, which goes with the test. */
function newPath(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'hoplite-state-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return join(folder, 'last-state');
}

async function headerOf(body: Uint8Array): Promise<StateFileHeader> {
  return {
    kind: 'state',
    takenAt: Date.UTC(2026, 0, 1),
    leader: { host: '10.0.0.9', port: 5050 },
    agents: 3,
    bytes: body.length,
    digest: await digestOf(body),
  };
}

/** A file whose header line has some fields otherwise; `body` is what is compressed in it. */
async function writeOther(
  path: string,
  fields: Readonly<Record<string, unknown>>,
  body: Uint8Array = BODY,
): Promise<void> {
  const header = { format: 'hoplite-state', version: 1, ...(await headerOf(body)), ...fields };
  writeFileSync(path, Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), gzipSync(body)]));
}

/** Why the file cannot be used. */
async function problemOf(path: string, bytesMax = BYTES_MAX): Promise<string> {
  const found = await readStateFile(path, bytesMax);
  assert.ok(found !== null && !found.ok, 'the file is there and cannot be used');
  return found.error;
}

describe('a state that was written', () => {
  test('comes back octet for octet, with what is said of it', async (t) => {
    const path = newPath(t);
    const body = Buffer.alloc(3_000_000, 'abcdefg');
    const header = await headerOf(body);
    await writeStateFile(path, header, body);
    assert.deepEqual(await readStateHeader(path), { ok: true, value: header });
    const found = await readStateFile(path, body.length);
    assert.ok(found?.ok === true);
    assert.deepEqual(found.value.header, header);
    assert.ok(body.equals(found.value.body));
    assert.ok(statSync(path).size < 100_000, 'it is compressed');
  });

  test('may be read by its owner alone, and leaves nothing beside it', async (t) => {
    const path = newPath(t);
    await writeStateFile(path, await headerOf(BODY), BODY);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.deepEqual(readdirSync(join(path, '..')), ['last-state']);
  });

  test('takes the place of one before, of a half-written one and of a link', async (t) => {
    const path = newPath(t);
    const elsewhere = `${path}.elsewhere`;
    writeFileSync(elsewhere, 'not ours');
    await writeStateFile(path, await headerOf(BODY), BODY);
    symlinkSync(elsewhere, `${path}.new`);
    const next = Buffer.from('{}');
    await writeStateFile(path, await headerOf(next), next);
    const found = await readStateFile(path, BYTES_MAX);
    assert.ok(found?.ok === true && next.equals(found.value.body));
    assert.equal(readFileSync(elsewhere, 'utf8'), 'not ours');
  });

  test('that cannot be put in its place leaves the old one and no other', async (t) => {
    const path = newPath(t);
    mkdirSync(path);
    writeFileSync(join(path, 'kept'), '');
    await assert.rejects(writeStateFile(path, await headerOf(BODY), BODY));
    assert.deepEqual(readdirSync(join(path, '..')), ['last-state']);
    assert.deepEqual(readdirSync(path), ['kept']);
  });

  test('has to have a directory', async (t) => {
    const path = join(newPath(t), 'missing');
    await assert.rejects(writeStateFile(path, await headerOf(BODY), BODY), { code: 'ENOENT' });
  });
});

describe('a file that cannot be used', () => {
  test('is none at all where there is none', async (t) => {
    const path = newPath(t);
    assert.equal(await readStateHeader(path), null);
    assert.equal(await readStateFile(path, BYTES_MAX), null);
  });

  test('is one of another program, an empty one, or one without end', async (t) => {
    const path = newPath(t);
    for (const text of ['', 'x', '{}\n', 'null\n', '[1]\n', 'not JSON\n', 'x'.repeat(9_000)]) {
      writeFileSync(path, text);
      assert.equal(await problemOf(path), 'is not a saved state', text.slice(0, 9));
    }
  });

  test('is one of another version', async (t) => {
    const path = newPath(t);
    await writeOther(path, { version: 2 });
    assert.equal(await problemOf(path), 'is of version 2, and not 1');
  });

  const WRONG_FIELDS: readonly Readonly<Record<string, unknown>>[] = [
    { kind: 'other' },
    { takenAt: -1 },
    { takenAt: '2026' },
    { leader: null },
    { leader: { host: 7, port: 5050 } },
    { leader: { host: 'a', port: 0.5 } },
    { agents: null },
    { bytes: 1e300 },
    { digest: 1 },
  ];
  for (const fields of WRONG_FIELDS) {
    test(`is one whose header says ${JSON.stringify(fields)}`, async (t) => {
      const path = newPath(t);
      await writeOther(path, fields);
      assert.equal(await problemOf(path), 'is damaged: wrong header');
    });
  }

  test('is one that was cut, or in which an octet changed', async (t) => {
    const path = newPath(t);
    await writeStateFile(path, await headerOf(BODY), BODY);
    const whole = readFileSync(path);
    const start = whole.indexOf(10) + 1;
    for (let length = start; length < whole.length; length++) {
      writeFileSync(path, whole.subarray(0, length));
      assert.match(await problemOf(path), /^is damaged/, `${length} octets`);
    }
    for (let at = start + 10; at < whole.length; at++) {
      const broken = Buffer.from(whole);
      broken[at] = broken[at]! ^ 0xff;
      writeFileSync(path, broken);
      assert.match(await problemOf(path), /^is damaged/, `octet ${at}`);
    }
  });

  test('is one whose body is another than the header speaks of', async (t) => {
    const path = newPath(t);
    await writeOther(path, { digest: '0'.repeat(64) });
    assert.equal(await problemOf(path), 'is damaged: wrong checksum');
    await writeOther(path, { bytes: BODY.length + 1 });
    assert.equal(await problemOf(path), 'is damaged: wrong length');
  });

  test('is one of a state above the limit', async (t) => {
    const path = newPath(t);
    await writeStateFile(path, await headerOf(BODY), BODY);
    assert.match(await problemOf(path, BODY.length - 1), /^holds a state of more than/);
  });

  test('is a gzip bomb: no more is decompressed than the header speaks of', async (t) => {
    const path = newPath(t);
    const bomb = Buffer.alloc(200_000_000);
    await writeOther(path, { bytes: 1_000, digest: '0'.repeat(64) }, bomb);
    const before = process.memoryUsage().arrayBuffers;
    const start = performance.now();
    assert.equal(await problemOf(path), 'is damaged: wrong length');
    assert.ok(performance.now() - start < 1_000);
    assert.ok(process.memoryUsage().arrayBuffers - before < 20_000_000);
  });

  test('is one of more compressed octets than a state may have', async (t) => {
    const path = newPath(t);
    await writeStateFile(path, await headerOf(BODY), BODY);
    const nothing = Buffer.concat(Array.from({ length: 500 }, () => gzipSync('')));
    writeFileSync(path, Buffer.concat([readFileSync(path), nothing]));
    assert.match(await problemOf(path, 5_000), /^has more than 5000 bytes/);
  });

  test('is a directory or a pipe, for which nobody waits', async (t) => {
    const path = newPath(t);
    mkdirSync(path);
    assert.match(await problemOf(path), /is not a regular file|cannot be read/);
    rmSync(path, { recursive: true });
    if (spawnSync('mkfifo', [path]).status !== 0) return;
    assert.equal(await problemOf(path), 'is not a regular file');
  });

  test('is one that may not be read', async (t) => {
    const path = newPath(t);
    await writeStateFile(path, await headerOf(BODY), BODY);
    chmodSync(path, 0);
    await asNobody(async () => {
      assert.equal(await problemOf(path), 'cannot be read (EACCES)');
    });
  });
});
