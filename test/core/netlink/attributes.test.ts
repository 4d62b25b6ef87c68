import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Attributes, AttributeWriter } from '../../../src/core/netlink/attributes.ts';

const HEADER = Uint8Array.of(1, 2, 3, 4);

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const writer = (): AttributeWriter => new AttributeWriter(HEADER);
const read = (bytes: Uint8Array): Attributes => {
  const attributes = Attributes.parse(bytes, HEADER.length);
  assert.ok(attributes !== null);
  return attributes;
};

test('numbers are in the order of the host, ports in that of the network, all padded to four', () => {
  const bytes = writer().u8(1, 0xab).u16(2, 0x1234).u16be(3, 0x1234).u32(4, 0x12345678).finish();
  assert.equal(
    hex(bytes),
    '01020304' + '05000100ab000000' + '0600020034120000' + '0600030012340000' + '0800040078563412',
  );
});

test('a nest has the length of what is in it, and is marked as one', () => {
  const bytes = writer()
    .nest(1, (nest) => nest.text(6, 'wlc'))
    .finish();
  assert.equal(hex(bytes), '01020304' + '0c000180' + '08000600776c6300');
});

test('what was written is read again, whatever the sizes', () => {
  const attribute = fc.record({
    type: fc.integer({ min: 1, max: 0x3fff }),
    payload: fc.uint8Array({ maxLength: 300 }),
  });
  fc.assert(
    fc.property(fc.array(attribute, { maxLength: 20 }), (attributes) => {
      const flat = writer();
      for (const { type, payload } of attributes) flat.bytes(type, payload);
      const nested = writer().nest(7, (nest) => {
        for (const { type, payload } of attributes) nest.bytes(type, payload);
      });
      const last = new Map(attributes.map(({ type, payload }) => [type, hex(payload)]));
      for (const found of [read(flat.finish()), read(nested.finish()).nested(7)]) {
        for (const [type, payload] of last) assert.equal(hex(found!.bytes(type)!), payload);
      }
    }),
  );
});

test('numbers and texts are read again', () => {
  fc.assert(
    fc.property(
      fc.nat(0xff),
      fc.nat(0xffff),
      fc.nat(0xffffffff),
      fc.stringMatching(/^[!-~]{0,15}$/),
      (octet, short, long, text) => {
        const bytes = writer()
          .u8(1, octet)
          .u16(2, short)
          .u16be(3, short)
          .u32(4, long)
          .text(5, text)
          .finish();
        const found = read(bytes);
        assert.deepEqual(
          [found.u8(1), found.u16(2), found.u16be(3), found.u32(4), found.text(5)],
          [octet, short, short, long, text],
        );
      },
    ),
  );
});

test('counters have four octets or eight', () => {
  const eight = Uint8Array.of(1, 0, 0, 0, 2, 0, 0, 0);
  const found = read(writer().u32(1, 7).bytes(2, eight).u16(3, 1).finish());
  assert.deepEqual([found.counter(1), found.counter(2), found.counter(3)], [7, 2 ** 33 + 1, null]);
});

test('what is absent or too short is null', () => {
  const found = read(writer().u16(1, 5).finish());
  assert.deepEqual(
    [found.u32(1), found.u16(2), found.text(3), found.nested(4)],
    Array(4).fill(null),
  );
});

test('malformed attributes are refused', () => {
  for (const text of ['0300010000000000', '0900010000000000', '080001', '0800010000000000ff']) {
    assert.equal(Attributes.parse(Buffer.from(text, 'hex')), null, text);
  }
});

test('any octets are read without an exception', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const found = Attributes.parse(bytes);
      for (let type = 0; type < 20; type++) {
        found?.u32(type);
        found?.counter(type);
        found?.text(type);
        found?.nested(type);
      }
    }),
  );
});
