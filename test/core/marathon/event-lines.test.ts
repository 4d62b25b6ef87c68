import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EventLineDecoder } from '../../../src/core/marathon/event-lines.ts';
import type { EventLinesError } from '../../../src/core/marathon/event-lines.ts';

/** Types of the events in these pieces of a stream, and what is wrong with it. */
function decode(...pieces: readonly (string | Uint8Array)[]): [string[], EventLinesError | null] {
  const decoder = new EventLineDecoder();
  const types: string[] = [];
  let error: EventLinesError | null = null;
  for (const piece of pieces) error = decoder.push(Buffer.from(piece), (type) => types.push(type));
  return [types, error];
}

const STREAMS: readonly (readonly [what: string, stream: string, types: readonly string[]])[] = [
  [
    'an event of Marathon',
    'event: status_update_event\r\ndata: {"a":1}\r\n\r\n',
    ['status_update_event'],
  ],
  ['lines that end with LF', 'event: a\ndata: 1\n\nevent: b\ndata: 2\n\n', ['a', 'b']],
  ['lines that end with CR', 'event: a\rdata: 1\r\revent: b\rdata: 2\r\r', ['a', 'b']],
  ['no blank after the colon', 'event:a\ndata:1\n\n', ['a']],
  ['data alone', 'data: {"eventType":"a"}\n\n', ['message']],
  ['data before the type', 'data: 1\nevent: a\n\n', ['a']],
  ['empty lines that keep the connection alive', '\r\n\r\n\r\nevent: a\r\n\r\n\r\n', ['a']],
  ['comments', ': ping\n\n:\n\n', []],
  ['an event without an end', 'event: a\ndata: 1\n', []],
  ['a field that only begins like it', 'events: a\n\n', ['message']],
  ['two types', 'event: a\nevent: b\n\n', ['b']],
  ['umlauts', 'event: \u00e4\n\n', ['\u00e4']],
  ['nothing', '', []],
];

for (const [what, stream, types] of STREAMS) {
  test(`types of events are read: ${what}`, () => {
    assert.deepEqual(decode(stream), [types, null]);
  });
}

test('a stream may come in pieces of any size', () => {
  const all = Buffer.from(STREAMS.map(([, stream]) => stream).join('\n'));
  const [expected] = decode(all);
  assert.ok(expected.length > 10);
  fc.assert(
    fc.property(fc.array(fc.nat(all.length), { maxLength: 20 }), (cuts) => {
      const ends = [...cuts, all.length].sort((a, b) => a - b);
      const pieces = ends.map((end, i) => all.subarray(i === 0 ? 0 : ends[i - 1], end));
      assert.deepEqual(decode(...pieces), [expected, null]);
    }),
  );
});

test('of a long line nothing but its length is kept, and it has a limit', () => {
  const data = `data: ${'x'.repeat(1_048_570)}`;
  assert.deepEqual(decode(`event: a\n${data}\n\n`), [['a'], null]);
  assert.deepEqual(decode(`event: a\n\n${data}x`), [['a'], 'line-too-long']);
  const pieces = Array.from({ length: 300 }, () => 'y'.repeat(4_096));
  assert.deepEqual(decode(...pieces, '\n\nevent: a\n\n'), [[], 'line-too-long']);
});

test('a type is cut where it is longer than any', () => {
  const [[type]] = decode(`event: ${'t'.repeat(1_000)}\n\n`);
  assert.equal(type?.length, 249);
});

test('no octets make it throw', () => {
  fc.assert(fc.property(fc.array(fc.uint8Array()), (pieces) => void decode(...pieces)));
});
