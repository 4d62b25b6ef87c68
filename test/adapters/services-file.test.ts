import assert from 'node:assert/strict';
import { mkdir, readFile, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { systemClock } from '../../src/adapters/clock.ts';
import {
  readServicesFile,
  SERVICES_BYTES_MAX,
  ServicesFile,
} from '../../src/adapters/services-file.ts';
import type { Clock } from '../../src/core/ports.ts';
import { scratchFolder } from '../support/cli-process.ts';
import { waitUntil } from '../support/wait-until.ts';
import { ManualClock } from './manual-clock.ts';

/** Longer than the time between two looks. */
const LOOK_MS = 10_000;

/** A followed file, and what it has told so far. */
interface Followed {
  readonly file: ServicesFile;
  readonly texts: string[];
  readonly problems: string[];
  /** Waits until this text was the last to be told. */
  readonly has: (text: string) => Promise<void>;
}

async function follow(t: TestContext, path: string, clock: Clock = systemClock): Promise<Followed> {
  const texts: string[] = [];
  const problems: string[] = [];
  const file = new ServicesFile(path, clock, {
    onChange: (text) => texts.push(text),
    onProblem: (message) => problems.push(message),
  });
  t.after(() => file.close());
  await file.start();
  const has = async (text: string): Promise<void> => {
    await waitUntil(`text ${JSON.stringify(text)}`, () => texts.at(-1) === text);
  };
  return { file, texts, problems, has };
}

/** Moves time on until something is seen: what files do needs real time besides. */
async function inTheEnd(clock: ManualClock, what: string, look: () => boolean): Promise<void> {
  await waitUntil(what, () => {
    clock.advance(LOOK_MS);
    return look();
  });
}

describe('a services file', () => {
  test('is read before anything else', async (t) => {
    const path = join(scratchFolder(t), 'services.json');
    await writeFile(path, '\ufeff{"services": []}');
    const { texts, problems, file } = await follow(t, path);
    assert.deepEqual([texts, problems, file.problem], [['{"services": []}'], [], null]);
  });

  test('tells when it is written in place', async (t) => {
    const path = join(scratchFolder(t), 'services.json');
    await writeFile(path, 'one');
    const { has, texts } = await follow(t, path);
    await writeFile(path, 'two');
    await has('two');
    // The same size, within the grain of the clock of some file systems.
    await writeFile(path, 'six');
    await has('six');
    assert.equal(texts[0], 'one');
  });

  test('tells when another file takes its place', async (t) => {
    const folder = scratchFolder(t);
    const path = join(folder, 'services.json');
    await writeFile(path, 'one');
    const { has, texts } = await follow(t, path);
    for (const text of ['two', 'three']) {
      await writeFile(join(folder, '.services.json.tmp'), text);
      await rename(join(folder, '.services.json.tmp'), path);
      await has(text);
    }
    assert.deepEqual(texts, ['one', 'two', 'three']);
  });

  test('tells when a link in its directory is turned, as Kubernetes does', async (t) => {
    const folder = scratchFolder(t);
    for (const version of ['one', 'two']) {
      await mkdir(join(folder, `..${version}`));
      await writeFile(join(folder, `..${version}`, 'services.json'), version);
    }
    await symlink('..one', join(folder, '..data'));
    await symlink('..data/services.json', join(folder, 'services.json'));
    const { has, texts } = await follow(t, join(folder, 'services.json'));
    await symlink('..two', join(folder, '..data_tmp'));
    await rename(join(folder, '..data_tmp'), join(folder, '..data'));
    await has('two');
    assert.deepEqual(texts, ['one', 'two']);
  });

  test('that is half written is told as it is, and again when it is whole', async (t) => {
    const path = join(scratchFolder(t), 'services.json');
    await writeFile(path, '{"services": []}');
    const { has } = await follow(t, path);
    await writeFile(path, '{"serv');
    await has('{"serv');
    await writeFile(path, '{"services": [1]}');
    await has('{"services": [1]}');
  });

  test('that is not there is waited for, and a problem once', async (t) => {
    const path = join(scratchFolder(t), 'services.json');
    const clock = new ManualClock();
    const { texts, problems, file } = await follow(t, path, clock);
    assert.deepEqual([texts, problems, file.problem], [[], ['does not exist'], 'does not exist']);
    await writeFile(path, 'there');
    await inTheEnd(clock, 'the file', () => texts.length > 0);
    assert.deepEqual([texts, problems, file.problem], [['there'], ['does not exist'], null]);
  });

  test('that disappears changes nothing, nor does the same text when it is back', async (t) => {
    const folder = scratchFolder(t);
    const path = join(folder, 'services.json');
    const put = async (text: string): Promise<void> => {
      await writeFile(join(folder, 'tmp'), text);
      await rename(join(folder, 'tmp'), path);
    };
    await put('one');
    const { texts, problems, file, has } = await follow(t, path);
    await rm(path);
    await waitUntil('the problem', () => problems.length > 0);
    await put('one');
    await waitUntil('the end of the problem', () => file.problem === null);
    await put('two');
    await has('two');
    assert.deepEqual([texts, problems], [['one', 'two'], ['does not exist']]);
  });

  test('in a directory that is not there yet is found, and followed in one that is made anew', async (t) => {
    const folder = join(scratchFolder(t), 'etc');
    const path = join(folder, 'services.json');
    const clock = new ManualClock();
    const { texts } = await follow(t, path, clock);
    for (const text of ['one', 'two']) {
      await rm(folder, { recursive: true, force: true });
      await mkdir(folder);
      await writeFile(path, text);
      await inTheEnd(clock, text, () => texts.at(-1) === text);
    }
  });

  test('behind a link into another directory is looked at every ten seconds', async (t) => {
    const [folder, other] = [scratchFolder(t), scratchFolder(t)];
    await writeFile(join(other, 'real.json'), 'one');
    await symlink(join(other, 'real.json'), join(folder, 'services.json'));
    const clock = new ManualClock();
    const { texts } = await follow(t, join(folder, 'services.json'), clock);
    await writeFile(join(other, 'real.json'), 'two!');
    await inTheEnd(clock, 'the other text', () => texts.at(-1) === 'two!');
  });

  test('that is only touched tells nothing', async (t) => {
    const path = join(scratchFolder(t), 'services.json');
    await writeFile(path, 'one');
    const { texts, has } = await follow(t, path);
    await utimes(path, 1, 1);
    await writeFile(path, 'two');
    await has('two');
    assert.deepEqual(
      texts.filter((text) => text === 'one'),
      ['one'],
    );
  });

  test('tells nothing after close, and leaves no timer', async (t) => {
    const path = join(scratchFolder(t), 'services.json');
    await writeFile(path, 'one');
    const clock = new ManualClock();
    const { file, texts } = await follow(t, path, clock);
    assert.equal(clock.pending, 1);
    file.close();
    assert.equal(clock.pending, 0);
    await writeFile(path, 'two');
    assert.equal(await readFile(path, 'utf8'), 'two');
    clock.advance(LOOK_MS);
    assert.deepEqual([texts, clock.pending], [['one'], 0]);
  });

  test('can be closed while it is read for the first time', async (t) => {
    const path = join(scratchFolder(t), 'services.json');
    await writeFile(path, 'one');
    const clock = new ManualClock();
    const told: string[] = [];
    const file = new ServicesFile(path, clock, {
      onChange: (text) => told.push(text),
      onProblem: (message) => told.push(message),
    });
    const started = file.start();
    file.close();
    await started;
    assert.deepEqual([told, clock.pending], [[], 0]);
  });
});

describe('what cannot be read', () => {
  test('is described', async (t) => {
    const folder = scratchFolder(t);
    const file = join(folder, 'services.json');
    const problem = async (path: string): Promise<string> => {
      const read = await readServicesFile(path);
      return read.ok ? 'none' : read.error;
    };
    assert.equal(await problem(file), 'does not exist');
    assert.equal(await problem(folder), 'is a directory; name the file in it');
    assert.equal(await problem('/dev/null'), 'is no file');
    await writeFile(file, Uint8Array.of(0x7b, 0xff));
    assert.equal(await problem(file), 'is not UTF-8 text; save it as UTF-8');
    assert.match(await problem(join(file, 'x')), /part of the path is not a directory/);
    await writeFile(file, Buffer.alloc(SERVICES_BYTES_MAX, ' '));
    assert.equal(await problem(file), 'none');
    await writeFile(file, Buffer.alloc(SERVICES_BYTES_MAX + 1, ' '));
    assert.equal(await problem(file), `is larger than ${SERVICES_BYTES_MAX} bytes`);
  });
});
