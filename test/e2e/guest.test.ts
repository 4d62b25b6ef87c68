import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { scratchFolder } from '../support/cli-process.ts';
import type { Cleanup } from '../support/cleanup.ts';
import { type GuestEnd, GUESTS_MAX, missingGuest, runGuest } from '../support/guest.ts';
import type { GuestEvent } from '../support/guest-event.ts';

/** Runs the code of a test file in a guest; gives what it told, without times and stacks. */
async function runCode(
  t: Cleanup,
  code: string,
  timeoutMs?: number,
): Promise<{ end: GuestEnd; events: string[] }> {
  const file = join(scratchFolder(t), 'guest.test.mjs');
  writeFileSync(file, `import { test } from 'node:test';\n${code}`);
  const seen: GuestEvent[] = [];
  const time = timeoutMs === undefined ? {} : { timeoutMs };
  const end = await runGuest({ vehicle: 'uml', file, ...time }, (event) => seen.push(event));
  const events = seen.map((event) => {
    const name = 'name' in event ? ` ${event.name}` : '';
    const text = 'text' in event ? `: ${event.text.split('\n')[0]}` : '';
    return event.kind + name + text;
  });
  return { end, events };
}

suite('a guest', { concurrency: GUESTS_MAX, skip: missingGuest() }, () => {
  test('tells of each test how it went, while tests and kernel print what they like', async (t) => {
    const { end, events } = await runCode(
      t,
      `test('passes', (t) => { console.log('{"kind":"pass"}'); t.diagnostic('fast'); });
       test('fails', () => { throw new Error('no'); });
       test('is left out', (t) => t.skip('not now'));`,
    );
    assert.deepEqual(events, [
      ...['start passes', 'pass passes', 'note: fast'],
      ...['start fails', 'fail fails: Error: no'],
      ...['start is left out', 'skip is left out: not now'],
      ...['end', 'exit'],
    ]);
    assert.deepEqual([end.status, end.isComplete, end.killed], [1, true, null]);
    assert.match(end.console, /^\{"kind":"pass"\}\r?$/m);
  });

  test('that crashes has come to no end', async (t) => {
    const { end, events } = await runCode(
      t,
      `import { writeFileSync } from 'node:fs';
       import { setTimeout as delay } from 'node:timers/promises';
       test('passes', () => {});
       test('crashes', async () => {
         await delay(500);
         writeFileSync('/proc/sysrq-trigger', 'c');
         await delay(60_000);
       });`,
    );
    assert.deepEqual(events, ['start passes', 'pass passes', 'start crashes']);
    assert.deepEqual([end.status, end.isComplete], [null, false]);
    assert.match(end.console, /Kernel panic/);
  });

  test('that hangs is ended at its deadline', async (t) => {
    const { end, events } = await runCode(
      t,
      `test('hangs', () => { for (;;); });
       test('never starts', () => {});`,
      10_000,
    );
    assert.ok(!events.includes('end'), events.join());
    assert.equal(end.killed, 'not finished after 10 s');
    assert.equal(end.isComplete, false);
  });

  test('whose test process ends early has come to no end', async (t) => {
    const { end, events } = await runCode(t, `test('exits', () => process.exit(0));`);
    assert.ok(!events.includes('end'), events.join());
    assert.deepEqual([end.status, end.isComplete], [0, false]);
  });
});
