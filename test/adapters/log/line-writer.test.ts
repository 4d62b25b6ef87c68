import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess, StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, createReadStream, existsSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

const MODULE = new URL('../../../src/adapters/log/line-writer.js', import.meta.url).href;

/** A process whose `writer` writes to its descriptor 3. */
function start(script: string, target: 'pipe' | number): ChildProcess {
  const stdio: StdioOptions = ['ignore', 'ignore', 'pipe', target];
  return spawn(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `const { createLineWriter } = await import(${JSON.stringify(MODULE)});
       const writer = createLineWriter(3, (lines) => \`lost \${lines}\\n\`);
       ${script}`,
    ],
    { stdio },
  );
}

/** Collects what comes out of descriptor `index`. */
function collect(child: ChildProcess, index: 2 | 3): () => string {
  let text = '';
  child.stdio[index]?.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return () => text;
}

test('lines arrive whole, also those written right before the exit', async () => {
  const child = start(
    `for (let n = 0; n < 5000; n++) writer.write(\`line \${n}\\n\`);
     await new Promise((resolve) => setImmediate(resolve));
     for (let n = 5000; n < 10000; n++) writer.write(\`line \${n}\\n\`);
     process.exit(70);`,
    'pipe',
  );
  const output = collect(child, 3);
  const [code] = (await once(child, 'close')) as [number];
  assert.equal(code, 70);
  const lines = output().trimEnd().split('\n');
  assert.equal(lines.length, 10_000);
  assert.ok(lines.every((line) => /^line \d+$/.test(line)));
  assert.equal(new Set(lines).size, 10_000);
});

test('a process that just ends has written everything in order', async () => {
  const child = start(`for (let n = 0; n < 100; n++) writer.write(\`\${n}\\n\`);`, 'pipe');
  const output = collect(child, 3);
  await once(child, 'close');
  const expected = Array.from({ length: 100 }, (_, n) => `${n}\n`).join('');
  assert.equal(output(), expected);
});

test('while the reader stalls the writer goes on, within its memory, and says what was lost', async () => {
  const child = start(
    `const line = 'x'.repeat(1023) + '\\n';
     for (let n = 0; n < 20_000; n++) {
       writer.write(line);
       if (n % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
     }
     process.stderr.write('done');`,
    'pipe',
  );
  const reader = child.stdio[3];
  const done = collect(child, 2);
  assert.ok(child.stderr);
  await once(child.stderr, 'data');
  assert.equal(done(), 'done');
  assert.ok(reader);
  const output = collect(child, 3);
  await once(child, 'close');
  const lines = output().trimEnd().split('\n');
  const lost = lines
    .filter((line) => line.startsWith('lost '))
    .map((line) => Number(line.slice(5)));
  const kept = lines.length - lost.length;
  assert.ok(kept < 10_000, `${kept} lines kept`);
  assert.equal(kept + lost.reduce((sum, count) => sum + count, 0), 20_000);
});

test('a reader that goes away, or a full disk, neither stops nor keeps the process', async (t) => {
  const script = `
    for (let n = 0; n < 20; n++) {
      writer.write(\`\${n}\\n\`);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    writer.write('last\\n');
    writer.write('very last\\n');
    writer.flushSync();
    process.stderr.write('still here');`;
  await t.test('closed pipe', async () => {
    const child = start(script, 'pipe');
    child.stdio[3]?.destroy();
    const complaint = collect(child, 2);
    const [code] = (await once(child, 'close')) as [number];
    assert.deepEqual([code, complaint()], [0, 'still here']);
  });
  await t.test('full disk', { skip: !existsSync('/dev/full') }, async () => {
    const full = openSync('/dev/full', 'w');
    const child = start(script, full);
    closeSync(full);
    const complaint = collect(child, 2);
    const [code] = (await once(child, 'close')) as [number];
    assert.deepEqual([code, complaint()], [0, 'still here']);
  });
});

test('a descriptor that takes only a part, or nothing, gets the rest later', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'hoplite-log-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const fifo = join(directory, 'fifo');
  execFileSync('mkfifo', [fifo]);
  // Open for both, since a FIFO without a reader cannot be opened for writing alone.
  const script = `
    import { constants, openSync } from 'node:fs';
    const { createLineWriter } = await import(${JSON.stringify(MODULE)});
    const fd = openSync(process.argv[1], constants.O_RDWR | constants.O_NONBLOCK);
    const writer = createLineWriter(fd, () => 'lost\\n');
    for (let n = 0; n < 50_000; n++) writer.write(\`line \${n}\\n\`);
    process.stdin.resume();
    process.stderr.write('written');`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, fifo]);
  t.after(() => child.kill());
  await once(child.stderr, 'data');
  let text = '';
  for await (const chunk of createReadStream(fifo, 'utf8')) {
    text += String(chunk);
    if (text.endsWith('line 49999\n')) child.stdin.end();
  }
  assert.equal(text, Array.from({ length: 50_000 }, (_, n) => `line ${n}\n`).join(''));
});
