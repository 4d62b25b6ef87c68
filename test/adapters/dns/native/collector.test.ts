import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Collector } from '../../../../src/adapters/dns/native/collector.ts';

/** The tables that a thread was given, the last of which it uses. */
class Tables {
  #current: SharedArrayBuffer | null = null;
  readonly #given: WeakRef<SharedArrayBuffer>[] = [];

  publish(): void {
    this.#current = new SharedArrayBuffer(1024);
    this.#given.push(new WeakRef(this.#current));
  }

  alive(): number {
    return this.#given.filter((table) => table.deref() !== undefined).length;
  }

  get hasCurrent(): boolean {
    return this.#current !== null;
  }
}

/** What a WeakRef gave or was made of stays alive until the turn ends. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('tables that were replaced are freed though the thread allocates nothing', async () => {
  const collector = new Collector();
  const tables = new Tables();
  for (let i = 0; i < 20; i++) {
    tables.publish();
    await turn();
    collector.onReplaced();
    await turn();
  }
  collector.onIdle();
  await turn();
  assert.equal(tables.alive(), 1);
  assert.ok(tables.hasCurrent);
});
