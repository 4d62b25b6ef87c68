import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { JuteReader, JuteWriter } from '../../../src/core/zookeeper/jute.ts';

const value = fc.oneof(
  fc.record({ kind: fc.constant('int' as const), value: fc.integer() }),
  fc.record({
    kind: fc.constant('long' as const),
    value: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  }),
  fc.record({
    kind: fc.constant('buffer' as const),
    value: fc.uint8Array({ maxLength: 300 }),
  }),
  fc.record({
    kind: fc.constant('text' as const),
    value: fc.string({ unit: 'grapheme', maxLength: 99 }),
  }),
);

test('what is written in any order and of any size is read back', () => {
  fc.assert(
    fc.property(fc.array(value, { maxLength: 20 }), (values) => {
      const writer = new JuteWriter();
      for (const one of values) {
        if (one.kind === 'int') writer.int(one.value);
        else if (one.kind === 'long') writer.long(one.value);
        else if (one.kind === 'buffer') writer.buffer(one.value);
        else writer.text(one.value);
      }
      const frame = writer.frame();
      assert.equal(new JuteReader(frame).int(), frame.length - 4);
      const reader = new JuteReader(frame.subarray(4));
      for (const one of values) assert.deepEqual(reader[one.kind](), one.value);
      assert.ok(reader.ok);
      assert.equal(reader.rest().length, 0);
    }),
  );
});

test('after the first lack nothing is read any more', () => {
  const reader = new JuteReader(Uint8Array.of(0, 0, 0, 9, 1, 2, 3, 4));
  assert.deepEqual(reader.buffer(), new Uint8Array());
  assert.equal(reader.ok, false);
  assert.equal(reader.int(), 0);
  assert.equal(reader.text(), '');
  assert.deepEqual(reader.texts(), []);
  assert.equal(reader.ok, false);
});
