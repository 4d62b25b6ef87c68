import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SOURCE } from '../../support/ipvs-tables.ts';
import { A, B, partial, Running, SETTINGS, update, VIP, WEB } from './running-loop.ts';

describe('a state of before the start', () => {
  const SAVED = { mayRemove: false, additionsOnly: true } as const;

  test('A16c: leaves what the kernel has, which has its name, and adds what it lacks', async (t) => {
    const running = new Running(t);
    await running.start({ [WEB]: [A] });
    const second = new Running(t);
    for (const [key, service] of running.kernel.tables.services) {
      second.kernel.tables.services.set(key, service);
    }
    second.kernel.tables.routes.set(VIP, SOURCE.ipv4);
    second.loop.configure(SETTINGS);
    // All backends have moved since it was saved.
    second.loop.desire(update({ [WEB]: [B] }, SAVED));
    await second.quiet();
    assert.deepEqual(second.takeChanges(), []);
    assert.deepEqual(second.programmed, [VIP]);
    second.loop.desire(partial({}));
    await second.quiet();
    assert.deepEqual(second.takeChanges(), [
      `add-destination ${WEB} ${B} weight 1 masq`,
      `edit-destination ${WEB} ${A} weight 0 masq`,
    ]);
  });

  test('A16c: programs a kernel that is empty', async (t) => {
    const running = new Running(t);
    running.loop.configure(SETTINGS);
    running.loop.desire(update({ [WEB]: [A] }, SAVED));
    await running.quiet();
    assert.deepEqual(running.programmed, [VIP]);
  });

  test('A16c: frees the kernel with the first state of a master, complete or not', async (t) => {
    const running = new Running(t);
    await running.start({ [WEB]: [A] });
    const second = new Running(t);
    for (const [key, service] of running.kernel.tables.services) {
      second.kernel.tables.services.set(key, service);
    }
    second.kernel.tables.routes.set(VIP, SOURCE.ipv4);
    second.loop.configure(SETTINGS);
    second.loop.desire(update({ [WEB]: [A, B] }, SAVED));
    await second.quiet();
    assert.deepEqual(second.takeChanges(), []);
    second.loop.desire({ ...partial({}), mayRemove: false });
    await second.quiet();
    assert.deepEqual(second.takeChanges(), [`add-destination ${WEB} ${B} weight 1 masq`]);
  });
});
