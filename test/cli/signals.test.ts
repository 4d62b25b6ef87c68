import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test, type TestContext } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { untilStopped } from '../../src/cli/signals.ts';
import { createLog } from '../../src/adapters/log.ts';

const log = createLog({ level: 'error', destination: { write: () => undefined } });

/** Signals and errors of this process have no listeners of the test when it is over. */
function keepListeners(t: TestContext): void {
  const events = ['uncaughtException', 'SIGHUP', 'SIGTERM', 'SIGINT'] as NodeJS.Signals[];
  const before = events.map((event) => process.listeners(event));
  t.after(() => {
    for (const [i, event] of events.entries()) {
      process.removeAllListeners(event);
      for (const listener of before[i] ?? []) process.on(event, listener as () => void);
    }
  });
}

for (const [clean, status] of [
  [true, 0],
  [false, 1],
] as const) {
  test(`a stop that ${clean ? 'works' : 'fails in a part'} ends with ${status}`, async (t) => {
    keepListeners(t);
    const runnable = {
      start: () => Promise.resolve(void process.emit('SIGTERM', 'SIGTERM')),
      stop: () => Promise.resolve(clean),
    };
    assert.equal(await untilStopped(log, runnable, () => Promise.resolve()), status);
  });
}

/** Until it is stopped, with two sources of signals; `exits` are the ends at once. */
function stoppable(t: TestContext) {
  keepListeners(t);
  const exits: unknown[] = [];
  t.mock.method(process, 'exit', (code: unknown) => exits.push(code));
  const [own, keeper] = [new EventEmitter(), new EventEmitter()];
  let finish: (clean: boolean) => void = () => undefined;
  const stop = new Promise<boolean>((resolve) => (finish = resolve));
  let hangups = 0;
  const runnable = { start: () => Promise.resolve(), stop: () => stop };
  const onHangup = async () => {
    hangups += 1;
    await Promise.resolve();
  };
  const end = untilStopped(log, runnable, onHangup, [own, keeper]);
  return { own, keeper, exits, finish, end, hangups: () => hangups };
}

test('one stop signal that comes on two ways does not end the process at once', async (t) => {
  const { own, keeper, exits, finish, end } = stoppable(t);
  own.emit('SIGINT', 'SIGINT');
  keeper.emit('SIGINT', 'SIGINT');
  finish(true);
  assert.equal(await end, 0);
  assert.deepEqual(exits, []);
});

for (const way of ['own', 'keeper'] as const) {
  test(`a second stop signal on one way (${way}) ends the process at once`, async (t) => {
    const { exits, finish, end, ...ways } = stoppable(t);
    ways[way].emit('SIGTERM', 'SIGTERM');
    assert.deepEqual(exits, []);
    ways[way].emit('SIGINT', 'SIGINT');
    assert.deepEqual(exits, [1]);
    finish(true);
    await end;
  });
}

test('a reload may be asked for on either way', async (t) => {
  const { own, keeper, finish, end, hangups } = stoppable(t);
  own.emit('SIGHUP', 'SIGHUP');
  keeper.emit('SIGHUP', 'SIGHUP');
  await setImmediate();
  keeper.emit('SIGTERM', 'SIGTERM');
  finish(true);
  await end;
  assert.equal(hangups(), 2);
});
