import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FrameReader } from '../../../src/adapters/dns/frame-reader.ts';
import { frame } from '../../support/dns-peer.ts';

/** Feeds the pieces and gives every message as hexadecimal. */
function readAll(reader: FrameReader, pieces: readonly Uint8Array[]): string[] {
  return pieces.flatMap((piece) => {
    reader.push(piece);
    const messages: string[] = [];
    for (let message = reader.next(); message !== null; message = reader.next()) {
      messages.push(Buffer.from(message).toString('hex'));
    }
    return messages;
  });
}

test('law: however the stream is cut, the messages are the same', () => {
  const messages = fc.array(fc.uint8Array({ maxLength: 1500 }), { maxLength: 8 });
  fc.assert(
    fc.property(messages, fc.array(fc.nat(12_000), { maxLength: 30 }), (sent, cuts) => {
      const stream = Buffer.concat(sent.map(frame));
      const at = [...cuts.map((cut) => Math.min(cut, stream.length)), 0, stream.length];
      at.sort((a, b) => a - b);
      const pieces = at.slice(1).map((end, i) => stream.subarray(at[i], end));
      const reader = new FrameReader();
      assert.deepEqual(
        readAll(reader, pieces),
        sent.map((message) => Buffer.from(message).toString('hex')),
      );
      assert.equal(reader.partial, false);
    }),
  );
});

test('a message is partial from its first octet to its last', () => {
  const reader = new FrameReader();
  const stream = frame(Uint8Array.of(1, 2, 3));
  for (let i = 0; i < stream.length; i++) {
    assert.equal(reader.partial, i > 0, `after ${i} octets`);
    reader.push(stream.subarray(i, i + 1));
    assert.equal(reader.next() !== null, i === stream.length - 1);
  }
  assert.equal(reader.partial, false);
});

test('64 KiB octet by octet are not copied again and again', () => {
  const stream = frame(new Uint8Array(65_535).fill(7));
  const startedAt = performance.now();
  const reader = new FrameReader();
  for (let round = 0; round < 30; round++) {
    let messages = 0;
    for (let i = 0; i < stream.length; i++) {
      reader.push(stream.subarray(i, i + 1));
      if (reader.next() !== null) messages++;
    }
    assert.equal(messages, 1);
  }
  // 30 times 65,537 pieces; copying what has come for each would be 64 GB.
  assert.ok(performance.now() - startedAt < 2000);
});

test('a client that claims 64 KiB and sends three octets does not get 64 KiB of memory', () => {
  const before = process.memoryUsage().arrayBuffers;
  const readers = Array.from({ length: 1000 }, () => {
    const reader = new FrameReader();
    reader.push(Uint8Array.of(0xff, 0xff, 1));
    assert.equal(reader.next(), null);
    return reader;
  });
  assert.ok(process.memoryUsage().arrayBuffers - before < 4_000_000);
  assert.ok(readers.every((reader) => reader.partial));
});
