import assert from 'node:assert/strict';
import { test } from 'node:test';
import { untilStopped } from '../../src/cli/signals.ts';
import { createLog } from '../../src/adapters/log.ts';

for (const [clean, status] of [
  [true, 0],
  [false, 1],
] as const) {
  test(`a stop that ${clean ? 'works' : 'fails in a part'} ends with ${status}`, async (t) => {
    const before = (['uncaughtException', 'SIGHUP'] as NodeJS.Signals[]).map((event) =>
      process.listeners(event),
    );
    t.after(() => {
      for (const [i, event] of ['uncaughtException', 'SIGHUP'].entries()) {
        process.removeAllListeners(event);
        for (const listener of before[i] ?? []) process.on(event, listener as () => void);
      }
      process.removeAllListeners('SIGTERM').removeAllListeners('SIGINT');
    });
    const log = createLog({ level: 'error', destination: { write: () => undefined } });
    const runnable = {
      start: () => Promise.resolve(void process.emit('SIGTERM', 'SIGTERM')),
      stop: () => Promise.resolve(clean),
    };
    assert.equal(await untilStopped(log, runnable, () => Promise.resolve()), status);
  });
}
