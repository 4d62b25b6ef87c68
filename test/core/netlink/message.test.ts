import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  encodeMessages,
  type NetlinkMessage,
  parseErrno,
  parseMessages,
} from '../../../src/core/netlink/message.ts';

const messages: fc.Arbitrary<readonly NetlinkMessage[]> = fc.array(
  fc.record({
    type: fc.nat(0xffff),
    flags: fc.nat(0xffff),
    sequence: fc.nat(0xffffffff),
    body: fc.uint8Array({ maxLength: 100 }),
  }),
  { maxLength: 10 },
);

test('a message has its header in front, and the next begins at a multiple of four', () => {
  const body = Uint8Array.of(0xaa);
  const bytes = encodeMessages([
    { type: 0x1c, flags: 0x5, sequence: 7, body },
    { type: 3, flags: 2, sequence: 8, body: new Uint8Array() },
  ]);
  assert.equal(
    Buffer.from(bytes).toString('hex'),
    '11000000' +
      '1c000500' +
      '07000000' +
      '00000000' +
      'aa000000' +
      '10000000' +
      '03000200' +
      '08000000' +
      '00000000',
  );
});

test('messages are read as they were written', () => {
  fc.assert(
    fc.property(messages, (list) => {
      const found = parseMessages(encodeMessages(list));
      assert.deepEqual(
        found?.map(({ body, ...rest }) => ({ ...rest, body: [...body] })),
        list.map(({ body, ...rest }) => ({ ...rest, body: [...body] })),
      );
    }),
  );
});

test('a datagram that was cut is refused, not read in part', () => {
  const whole = encodeMessages([{ type: 1, flags: 0, sequence: 1, body: new Uint8Array(40) }]);
  for (let size = 1; size < whole.length; size++) {
    assert.equal(parseMessages(whole.subarray(0, size)), null, String(size));
  }
});

test('any octets are read without an exception', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      for (const { body } of parseMessages(bytes) ?? []) parseErrno(body);
    }),
  );
});

test('errors are negative; zero, nothing and a count of messages are none', () => {
  const errno = (code: number): number => {
    const body = new Uint8Array(20);
    new DataView(body.buffer).setInt32(0, code, true);
    return parseErrno(body);
  };
  assert.deepEqual([errno(-2), errno(0), errno(5), parseErrno(new Uint8Array())], [2, 0, 0, 0]);
});
