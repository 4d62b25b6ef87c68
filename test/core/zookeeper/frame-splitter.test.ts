import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FRAME_OCTETS_MAX, FrameSplitter } from '../../../src/core/zookeeper/frame-splitter.ts';

function framed(body: Uint8Array): Buffer {
  const head = Buffer.alloc(4);
  head.writeInt32BE(body.length);
  return Buffer.concat([head, body]);
}

test('frames are the same however the stream is cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 }),
      fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 9 }),
      (bodies, cuts) => {
        const stream = Buffer.concat(bodies.map(framed));
        const splitter = new FrameSplitter();
        const found: Uint8Array[] = [];
        let at = 0;
        for (let i = 0; at < stream.length; i++) {
          const end = at + cuts[i % cuts.length]!;
          const frames = splitter.push(stream.subarray(at, end));
          assert.ok(frames.ok);
          found.push(...frames.value);
          at = end;
        }
        assert.deepEqual(found, bodies);
      },
    ),
  );
});

test('a frame of the largest size is taken, a larger one refused before it comes', () => {
  const largest = new FrameSplitter().push(framed(new Uint8Array(FRAME_OCTETS_MAX)));
  assert.ok(largest.ok);
  assert.equal(largest.value[0]?.length, FRAME_OCTETS_MAX);
  for (const length of [FRAME_OCTETS_MAX + 1, 0x7fffffff, -1]) {
    const head = Buffer.alloc(4);
    head.writeInt32BE(length);
    const refused = new FrameSplitter().push(head);
    assert.ok(!refused.ok);
    assert.match(refused.error, /octets; 1048576 are the limit/);
  }
});
