import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { seededRandom } from '../../../src/core/base/random.ts';
import { hashWireName, parseWireName } from '../../../src/core/dns/name.ts';
import { mergedTop, NameSketch, SKETCH_SLOTS } from '../../../src/core/respond/name-sketch.ts';

const newSketch = (): NameSketch => new NameSketch(NameSketch.create());

function add(sketch: NameSketch, name: string, times = 1): void {
  const wire = parseWireName(name)!;
  // As a query has it: longer than the name.
  const room = new Uint8Array(256).fill(0xaa);
  room.set(wire);
  const hash = hashWireName(wire, 0, wire.length);
  for (let i = 0; i < times; i++) sketch.add(room, wire.length, hash);
}

const countOf = (sketch: NameSketch, name: string): number =>
  sketch.top(SKETCH_SLOTS).find((each) => each.name === name)?.count ?? 0;

test('the names that are added most come first, equal ones by name', () => {
  const sketch = newSketch();
  add(sketch, 'b.mesos.', 2);
  add(sketch, 'web.mesos.', 5);
  add(sketch, 'a.mesos.', 2);
  assert.deepEqual(sketch.top(3), [
    { name: 'web.mesos.', count: 5 },
    { name: 'a.mesos.', count: 2 },
    { name: 'b.mesos.', count: 2 },
  ]);
  assert.deepEqual(sketch.top(1), [{ name: 'web.mesos.', count: 5 }]);
  assert.deepEqual(newSketch().top(10), []);
});

test('names of any octets are shown with escapes, the root and the longest among them', () => {
  const sketch = newSketch();
  const longest = `${`${'x'.repeat(63)}.`.repeat(3)}${'y'.repeat(61)}.`;
  for (const name of ['.', 'a\\.b.mesos.', 'nul\\000.mesos.', '\\255.', longest]) {
    add(sketch, name);
    assert.equal(countOf(sketch, name), 1, name);
  }
});

/** Names with a share that grows towards the first: the n-th is drawn about 1/n as often. */
function skewed(seed: number, names: number, adds: number): string[] {
  const random = seededRandom(seed);
  return Array.from({ length: adds }, () => `n${Math.floor(names ** random())}.mesos.`);
}

const uniform = (seed: number, names: number, adds: number): string[] => {
  const random = seededRandom(seed);
  return Array.from({ length: adds }, () => `n${Math.floor(names * random())}.mesos.`);
};

function tally(names: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

test('a name with more than its share of a slot is found, and its count is never too high', () => {
  const stream = fc.record({
    draw: fc.constantFrom(skewed, uniform),
    seed: fc.nat(),
    names: fc.constantFrom(10, 300, 5_000, 1_000_000),
    adds: fc.integer({ min: 1, max: 20_000 }),
  });
  fc.assert(
    fc.property(stream, ({ draw, seed, names, adds }) => {
      const added = draw(seed, names, adds);
      const sketch = newSketch();
      for (const name of added) add(sketch, name);
      const shown = new Map(sketch.top(SKETCH_SLOTS).map(({ name, count }) => [name, count]));
      const bound = adds / SKETCH_SLOTS;
      for (const [name, count] of tally(added)) {
        const found = shown.get(name) ?? 0;
        assert.ok(found <= count, `${name} is shown with ${found} of ${count}`);
        assert.ok(found >= count - bound, `${name} is shown with ${found} of ${count}`);
        if (count > bound) assert.ok(found > 0, `${name} with ${count} is not found`);
      }
      for (const name of shown.keys()) assert.ok(added.includes(name), name);
    }),
    { numRuns: 60 },
  );
});

test('a flood of names that are all different does not hide one that comes again', () => {
  const sketch = newSketch();
  for (let i = 0; i < 50_000; i++) {
    add(sketch, `x${i}.flood.example.`);
    if (i % 100 === 0) add(sketch, 'web.mesos.');
  }
  assert.equal(sketch.top(1)[0]?.name, 'web.mesos.');
  assert.ok(countOf(sketch, 'web.mesos.') > 300);
});

test('names that share a hash are told apart', () => {
  const sketch = newSketch();
  const names = Array.from({ length: 2 * SKETCH_SLOTS }, (_, n) => parseWireName(`n${n}.mesos.`)!);
  for (const name of names) sketch.add(name, name.length, 7);
  // Their true hashes differ from the one that they were added with: nothing of them is shown.
  assert.deepEqual(sketch.top(SKETCH_SLOTS), []);
  const same = [parseWireName('a.mesos.')!, parseWireName('b.mesos.')!] as const;
  const hash = hashWireName(same[0], 0, same[0].length);
  const other = newSketch();
  for (const name of same) other.add(name, name.length, hash);
  assert.deepEqual(other.top(2), [{ name: 'a.mesos.', count: 1 }]);
});

test('halving shows at once, and goes on with the next add', () => {
  const sketch = newSketch();
  add(sketch, 'web.mesos.', 9);
  add(sketch, 'once.mesos.', 1);
  sketch.halve();
  assert.deepEqual(sketch.top(5), [{ name: 'web.mesos.', count: 4 }]);
  add(sketch, 'web.mesos.', 1);
  assert.equal(countOf(sketch, 'web.mesos.'), 5);
  sketch.halve();
  sketch.halve();
  assert.equal(countOf(sketch, 'web.mesos.'), 1);
  for (let i = 0; i < 100; i++) sketch.halve();
  assert.deepEqual(sketch.top(5), []);
  add(sketch, 'web.mesos.', 3);
  assert.equal(countOf(sketch, 'web.mesos.'), 3);
});

test('what was asked for long ago makes room, and counts stay lower bounds', () => {
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const sketch = newSketch();
      const truth = new Map<string, number>();
      for (let minute = 0; minute < 8; minute++) {
        for (const name of skewed(seed + minute, 2_000, 2_000)) {
          add(sketch, `m${minute & 4}${name}`);
          truth.set(`m${minute & 4}${name}`, (truth.get(`m${minute & 4}${name}`) ?? 0) + 1);
        }
        for (const { name, count } of sketch.top(SKETCH_SLOTS)) {
          assert.ok(count <= Math.ceil(truth.get(name)!), name);
        }
        sketch.halve();
        for (const [name, count] of truth) truth.set(name, count / 2);
      }
    }),
    { numRuns: 20 },
  );
});

test('a thread that takes the place of another goes on where it was', () => {
  const buffer = NameSketch.create();
  const whole = newSketch();
  const names = skewed(7, 5_000, 20_000);
  for (let i = 0; i < 4; i++) {
    const sketch = new NameSketch(buffer);
    for (const name of names.slice(5_000 * i, 5_000 * (i + 1))) {
      add(sketch, name);
      add(whole, name);
    }
  }
  const counts = tally(names);
  const shown = new NameSketch(buffer).top(SKETCH_SLOTS);
  assert.equal(new Set(shown.map(({ name }) => name)).size, shown.length);
  assert.deepEqual(shown.slice(0, 20), whole.top(20));
  for (const { name, count } of shown) assert.ok(count <= counts.get(name)!, name);
});

test('sketches of several threads are added up', () => {
  const [first, second] = [newSketch(), newSketch()];
  add(first, 'web.mesos.', 3);
  add(second, 'web.mesos.', 4);
  add(second, 'db.mesos.', 5);
  assert.deepEqual(mergedTop([first, second], 5), [
    { name: 'web.mesos.', count: 7 },
    { name: 'db.mesos.', count: 5 },
  ]);
  assert.deepEqual(mergedTop([first, second], 1).length, 1);
  assert.deepEqual(mergedTop([], 5), []);
});

test('memory does not depend on what is asked', () => {
  const buffer = NameSketch.create();
  assert.ok(buffer.byteLength < 80 * 1024, `${buffer.byteLength} octets`);
  const sketch = new NameSketch(buffer);
  for (const name of uniform(1, 1_000_000, 20_000)) add(sketch, name);
  assert.ok(sketch.top(1_000_000).length <= SKETCH_SLOTS);
});

test('a name that is half written is not shown', () => {
  const buffer = NameSketch.create();
  const sketch = new NameSketch(buffer);
  add(sketch, 'web.mesos.', 3);
  add(sketch, 'db.mesos.', 2);
  const bytes = new Uint8Array(buffer);
  const at = Buffer.from(buffer).indexOf('web');
  bytes[at] = 0x58;
  assert.deepEqual(sketch.top(5), [{ name: 'db.mesos.', count: 2 }]);
  // A length that leads out of the name, as of a name that was there before.
  bytes[at - 1] = 200;
  assert.deepEqual(sketch.top(5), [{ name: 'db.mesos.', count: 2 }]);
});

test('no torn name is seen while another thread adds', async (t) => {
  const buffer = NameSketch.create();
  const room = new URL('../../../src/core/', import.meta.url).href;
  // Names of many lengths whose labels belong together, each only once, so that slots change hands.
  const writer = new Worker(
    `import('node:worker_threads').then(async ({ parentPort, workerData }) => {
      const { NameSketch } = await import(workerData.room + 'respond/name-sketch.js');
      const { hashWireName, parseWireName } = await import(workerData.room + 'dns/name.js');
      const names = Array.from({ length: 4000 }, (_, i) =>
        parseWireName('n' + i + '.' + 'x'.repeat(i % 60) + 'x.n' + i + '.mesos.'));
      const hashes = names.map((name) => hashWireName(name, 0, name.length));
      const sketch = new NameSketch(workerData.buffer);
      const stop = new Int32Array(workerData.stop);
      parentPort.postMessage('adding');
      while (Atomics.load(stop, 0) === 0) {
        names.forEach((name, i) => sketch.add(name, name.length, hashes[i]));
      }
    });`,
    { eval: true, workerData: { buffer, room, stop: new SharedArrayBuffer(4) } },
  );
  t.after(() => writer.terminate());
  await once(writer, 'message');
  const reader = new NameSketch(buffer);
  const deadline = performance.now() + 20_000;
  let shown = 0;
  while (shown < 200_000 && performance.now() < deadline) {
    for (const { name } of reader.top(SKETCH_SLOTS)) {
      assert.match(name, /^(n\d+)\.x+\.\1\.mesos\.$/);
      shown++;
    }
  }
  assert.ok(shown >= 200_000, `${shown} names read`);
});
