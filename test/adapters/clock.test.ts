import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { systemClock } from '../../src/adapters/clock.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('now is wall-clock time and monotonic never goes back', () => {
  const before = Date.now();
  assert.ok(systemClock.now() >= before && systemClock.now() <= Date.now() + 1);
  const first = systemClock.monotonic();
  assert.ok(systemClock.monotonic() >= first);
});

test('after calls back once, not before its delay', async () => {
  const start = systemClock.monotonic();
  let calls = 0;
  await new Promise<void>((resolve) => {
    systemClock.after(20, () => {
      calls++;
      resolve();
    });
  });
  // Node rounds to whole milliseconds and may fire one early.
  assert.ok(systemClock.monotonic() - start >= 18);
  await turn();
  assert.equal(calls, 1);
});

test('a cancelled callback is never called, and cancelling again is harmless', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const callback = t.mock.fn();
  const cancel = systemClock.after(1000, callback);
  t.mock.timers.tick(999);
  cancel();
  cancel();
  t.mock.timers.tick(10_000);
  assert.equal(callback.mock.callCount(), 0);
});

test('a delay that has passed already calls back in a later turn', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const callback = t.mock.fn();
  systemClock.after(-5, callback);
  assert.equal(callback.mock.callCount(), 0);
  t.mock.timers.tick(1);
  assert.equal(callback.mock.callCount(), 1);
});

test('a delay longer than a Node timer can hold does not fire at once', async (t) => {
  const warnings: string[] = [];
  const note = (warning: Error): void => {
    if (warning.name === 'TimeoutOverflowWarning') warnings.push(warning.message);
  };
  process.on('warning', note);
  t.after(() => process.off('warning', note));
  const callback = t.mock.fn();
  const cancel = systemClock.after(2 ** 31 + 1000, callback);
  t.after(cancel);
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(callback.mock.callCount(), 0);
  assert.deepEqual(warnings, []);
});

test('a long delay is still cancelled after its first stretch', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const callback = t.mock.fn();
  const cancel = systemClock.after(2 ** 32, callback);
  t.mock.timers.tick(2 ** 31 - 1);
  cancel();
  t.mock.timers.tick(2 ** 33);
  assert.equal(callback.mock.callCount(), 0);
});

test('a timer keeps the process alive until its owner cancels it', async () => {
  const { spawn } = await import('node:child_process');
  const clock = new URL('../../src/adapters/clock.js', import.meta.url).href;
  const script = `
    const { systemClock } = await import(${JSON.stringify(clock)});
    const cancel = systemClock.after(60_000, () => {});
    systemClock.after(30, () => { console.log('alive'); cancel(); });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number];
  assert.deepEqual([code, output], [0, 'alive\n']);
});
