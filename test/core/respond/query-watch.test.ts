import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { QueryRecord } from '../../../src/core/ports.ts';
import { QueryWatch } from '../../../src/core/respond/query-watch.ts';

const record = (bytes: number, name = 'web.mesos.'): QueryRecord => ({
  name,
  type: 'A',
  rcode: 'NOERROR',
  client: '10.0.0.9',
  protocol: 'udp',
  bytes,
  durationUs: 1,
});

interface Watched {
  readonly watch: QueryWatch;
  readonly ends: () => number;
}

function createWatch(): Watched {
  let ends = 0;
  return { watch: new QueryWatch('web.mesos.', () => ends++), ends: () => ends };
}

async function readAll(watch: QueryWatch): Promise<number[]> {
  const read: number[] = [];
  for await (const { bytes } of watch) read.push(bytes);
  return read;
}

test('records of the name are read in order, those of others left out', async () => {
  const { watch, ends } = createWatch();
  watch.offer(record(1));
  watch.offer(record(2, 'other.mesos.'));
  watch.offer(record(3));
  watch.end();
  watch.offer(record(4));
  assert.deepEqual(await readAll(watch), [1, 3]);
  assert.equal(ends(), 1);
});

test('who waits gets the next record, or hears of the end', async () => {
  const { watch, ends } = createWatch();
  const first = watch.next();
  watch.offer(record(1));
  assert.equal((await first).value?.bytes, 1);
  const second = watch.next();
  watch.end();
  watch.end();
  assert.deepEqual(await second, { done: true, value: undefined });
  assert.equal(ends(), 1);
});

test('a reader that stops ends it at once, even while it waits', async () => {
  const { watch, ends } = createWatch();
  const waiting = watch.next();
  await watch.return();
  assert.equal((await waiting).done, true);
  assert.equal(ends(), 1);
  for (const each of [1, 2]) watch.offer(record(each));
  assert.equal((await watch.next()).done, true);
});

test('a reader that does not read holds a thousand records, no more', async () => {
  const { watch } = createWatch();
  for (let n = 0; n < 5_000; n++) watch.offer(record(n));
  watch.end();
  const read = await readAll(watch);
  assert.deepEqual([read.length, read.at(-1)], [1_000, 999]);
});
