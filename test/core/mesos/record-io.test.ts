import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isHeartbeat } from '../../../src/core/mesos/heartbeat.ts';
import { RecordIoDecoder } from '../../../src/core/mesos/record-io.ts';
import type { RecordIoError, StreamRecord } from '../../../src/core/mesos/record-io.ts';
import { recordedStream, recordIo } from '../../support/recorded-stream.ts';

const BYTES_MAX = 1_000_000;

interface Decoded {
  readonly records: StreamRecord[];
  readonly texts: string[];
  readonly error: RecordIoError | null;
  readonly decoder: RecordIoDecoder;
}

/** Decodes a stream that comes in these pieces, each of which is overwritten afterwards. */
function decode(pieces: Iterable<Uint8Array>, bytesMax: number = BYTES_MAX): Decoded {
  const decoder = new RecordIoDecoder(bytesMax);
  const records: StreamRecord[] = [];
  let error: RecordIoError | null = null;
  for (const piece of pieces) {
    const own = Uint8Array.from(piece);
    error = decoder.push(own, (record) => records.push(record));
    own.fill(0x21);
  }
  const texts = records.map(({ chunks }) => Buffer.concat(chunks).toString('utf8'));
  return { records, texts, error, decoder };
}

function* piecesOf(bytes: Uint8Array, sizes: readonly number[]): Generator<Uint8Array> {
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length]!;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

const recorded = recordedStream('event-stream');

test('the stream of a real master is split into its 88 records', () => {
  const { texts, error, decoder } = decode([recorded.body]);
  assert.equal(error, null);
  assert.equal(texts.length, 88);
  assert.deepEqual(texts, recorded.records);
  assert.equal(decoder.records, 88);
  assert.equal(decoder.partial, false);
});

test('a stream that comes octet by octet has the same records', () => {
  assert.deepEqual(decode(piecesOf(recorded.body, [1])).texts, recorded.records);
});

test('however the stream of a real master is cut, its records are the same', () => {
  const sizes = fc.array(
    fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 70_000 })),
    { minLength: 1, maxLength: 20 },
  );
  fc.assert(
    fc.property(sizes, (cut) => {
      assert.deepEqual(decode(piecesOf(recorded.body, cut)).texts, recorded.records);
    }),
    { numRuns: 100 },
  );
});

test('records of any text come back, their length counted in bytes', () => {
  const texts = fc.array(fc.string({ unit: 'grapheme', minLength: 1 }), { maxLength: 20 });
  const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 });
  fc.assert(
    fc.property(texts, sizes, (written, cut) => {
      const { texts: read, error } = decode(piecesOf(recordIo(...written), cut));
      assert.equal(error, null);
      assert.deepEqual(read, written);
    }),
  );
});

test('whatever comes is split or refused, the same in one piece and in many', () => {
  const octets = fc.array(fc.oneof(fc.constantFrom(0x0a, 0x30, 0x31, 0x32), fc.nat(255)));
  const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 });
  fc.assert(
    fc.property(octets, sizes, (values, cut) => {
      const bytes = Uint8Array.from(values);
      const whole = decode([bytes], 30);
      const parts = decode(piecesOf(bytes, cut), 30);
      assert.deepEqual(parts.texts, whole.texts);
      assert.deepEqual(parts.error, whole.error);
      assert.equal(parts.decoder.partial, whole.decoder.partial);
    }),
    { numRuns: 1000 },
  );
});

test('a large record comes in pieces that can each go to a worker alone', () => {
  const large = 'x'.repeat(700_000);
  const { records, texts } = decode(piecesOf(recordIo('first', large, 'last'), [65_536]));
  assert.deepEqual(texts, ['first', large, 'last']);
  assert.deepEqual(
    records.map(({ chunks }) => chunks.length),
    [1, 3, 1],
  );
  for (const { chunks, bytes } of records) {
    assert.equal(
      chunks.reduce((sum, chunk) => sum + chunk.buffer.byteLength, 0),
      bytes,
    );
  }
});

test('memory is not taken before bytes come', () => {
  const before = process.memoryUsage().arrayBuffers;
  const { error, decoder } = decode([Buffer.from('1000000000\n'), Buffer.from('x')], 2_000_000_000);
  assert.equal(error, null);
  assert.equal(decoder.partial, true);
  assert.ok(process.memoryUsage().arrayBuffers - before < 10_000_000);
});

const MALFORMED: readonly (readonly [stream: string, offset: number, message: RegExp])[] = [
  ['<html>', 0, /^expected the length of a record at byte 0 of the stream$/],
  ['\n', 0, /^expected the length of a record at byte 0 /],
  ['-1\nx', 0, /^expected the length of a record at byte 0 /],
  ['3\r\nabc', 1, /^expected a digit or the end of the line at byte 1 /],
  ['0x3\nabc', 1, /^expected a digit or the end of the line at byte 1 /],
  ['3\nabc\n', 5, /^expected the length of a record at byte 5 /],
  ['3\nabc0\n', 6, /^expected a record that is not empty at byte 6 /],
  ['0'.repeat(21), 20, /^expected the end of the line at byte 20 /],
];

for (const [stream, offset, message] of MALFORMED) {
  test(`what is no length is refused with its place: ${JSON.stringify(stream)}`, () => {
    const { error } = decode([Buffer.from(stream)]);
    assert.equal(error?.code, 'malformed');
    assert.equal(error.offset, offset);
    assert.match(error.message, message);
  });
}

test('records before the place that is wrong are good, and none come after it', () => {
  const decoder = new RecordIoDecoder(BYTES_MAX);
  const texts: string[] = [];
  const push = (text: string): RecordIoError | null =>
    decoder.push(Buffer.from(text), ({ chunks }) => {
      texts.push(Buffer.concat(chunks).toString());
    });
  const error = push('3\nabc?');
  assert.equal(error?.offset, 5);
  assert.deepEqual(push('3\ndef'), error);
  assert.deepEqual(texts, ['abc']);
});

test('a record of as many bytes as allowed is read, one more is refused by its length', () => {
  assert.deepEqual(decode([recordIo('12345')], 5).texts, ['12345']);
  const { error, texts } = decode([recordIo('abc'), Buffer.from('6\n')], 5);
  assert.deepEqual(texts, ['abc']);
  assert.deepEqual(error, {
    code: 'too-large',
    offset: 5,
    message: 'the record at byte 5 of the stream has more than 5 bytes',
  });
});

test('a length that no memory holds is refused before its line ends', () => {
  assert.equal(decode([Buffer.from('18446744073709551615')]).error?.code, 'too-large');
});

test('zeros in front of a length change nothing', () => {
  assert.deepEqual(decode([Buffer.from('00000000000000000003\nabc')]).texts, ['abc']);
});

test('a stream that stops within a record or its length is partial', () => {
  for (const stream of ['3', '3\n', '3\nab']) {
    assert.equal(decode([Buffer.from(stream)]).decoder.partial, true, stream);
  }
  assert.equal(decode([Buffer.from('3\nabc')]).decoder.partial, false);
});

test('of the events of a real master exactly the heartbeats are heartbeats', () => {
  const { records, texts } = decode([recorded.body]);
  const heartbeats = texts.filter(
    (text) => (JSON.parse(text) as { type: string }).type === 'HEARTBEAT',
  );
  assert.ok(heartbeats.length > 5);
  assert.deepEqual(
    texts.filter((_text, index) => isHeartbeat(records[index]!)),
    heartbeats,
  );
});

test('a heartbeat may be written with spaces; what says more is none', () => {
  const answer = (text: string): boolean => isHeartbeat(decode([recordIo(text)]).records[0]!);
  assert.equal(answer(' { "type" : "HEARTBEAT" }\n'), true);
  assert.equal(answer('{"type":"HEARTBEAT","more":{}}'), false);
  assert.equal(answer('{"type":"HEARTBEATS"}'), false);
  assert.equal(answer(`{"type":"HEARTBEAT"}${' '.repeat(100)}`), false);
});
