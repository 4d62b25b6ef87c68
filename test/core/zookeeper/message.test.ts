import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Result } from '../../../src/core/base/result.ts';
import {
  decodeChildren,
  decodeConnect,
  decodeData,
  decodeEvent,
  decodeReply,
  describeError,
  encodeAuth,
  encodeClose,
  encodeConnect,
  encodePing,
  encodeQuestion,
  NO_NODE,
  NO_SESSION,
  XID,
} from '../../../src/core/zookeeper/message.ts';
import type { Reply } from '../../../src/core/zookeeper/message.ts';

/** Bytes below were recorded between a client and ZooKeeper 3.8.0. */
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));

function good<T>(result: Result<T, string>): T {
  assert.ok(result.ok, result.ok ? '' : result.error);
  return result.value;
}

const reply = (text: string): Reply => good(decodeReply(bytes(text)));

describe('messages to ZooKeeper', () => {
  const cases: readonly (readonly [string, Uint8Array, string])[] = [
    [
      'a new session',
      encodeConnect(NO_SESSION, 0n, 10_000),
      `0000002d0000000000000000000000000000271000000000000000000000001000${'00'.repeat(16)}`,
    ],
    [
      'a session that goes on',
      encodeConnect({ id: 0x0100_0224_0fcd_0001n, password: bytes('aabb') }, 7n, 4000),
      '0000001f00000000000000000000000700000fa0010002240fcd000100000002aabb00',
    ],
    [
      'credentials',
      encodeAuth('dns', 'secret'),
      '00000024fffffffc0000006400000000000000066469676573740000000a646e733a736563726574',
    ],
    ['a ping', encodePing(), '00000008fffffffe0000000b'],
    [
      'a question for children',
      encodeQuestion(1, 'getChildren', '/mesos', true),
      '000000130000000100000008000000062f6d65736f7301',
    ],
    [
      'a question for data',
      encodeQuestion(3, 'getData', '/mesos/json.info_0000000001', false),
      '0000002800000003000000040000001b2f6d65736f732f6a736f6e2e696e666f5f3030303030303030303100',
    ],
    [
      'a question for a node',
      encodeQuestion(5, 'exists', '/no', true),
      '000000100000000500000003000000032f6e6f01',
    ],
    ['the end', encodeClose(6), '0000000800000006fffffff5'],
  ];
  for (const [name, frame, expected] of cases) {
    test(name, () => {
      const text = hex(frame);
      assert.equal(text.length, expected.length);
      assert.equal(text, expected);
    });
  }
});

describe('messages of ZooKeeper', () => {
  test('a session that is granted', () => {
    const granted = good(
      decodeConnect(
        bytes('00000000000007d0010002240fcd0001000000103c4e8b1da28da346a4f51d7def1f5ecd00'),
      ),
    );
    assert.deepEqual(granted, {
      timeoutMs: 2000,
      session: {
        id: 0x0100_0224_0fcd_0001n,
        password: bytes('3c4e8b1da28da346a4f51d7def1f5ecd'),
      },
    });
  });

  test('a session that has expired', () => {
    assert.equal(good(decodeConnect(bytes(`${'00'.repeat(19)}10${'00'.repeat(17)}`))), null);
  });

  test('a session of a server before 3.4, which says nothing of being read-only', () => {
    const granted = good(decodeConnect(bytes('0000000000000fa0000000000000000100000002aabb')));
    assert.equal(granted?.timeoutMs, 4000);
  });

  test('children', () => {
    const { xid, zxid, error, body } = reply(
      '00000002000000000000000500000000' +
        '00000002000000146a736f6e2e696e666f5f303030303030303030310000000c6c6f675f7265706c69636173',
    );
    assert.deepEqual([xid, zxid, error], [2, 5n, 0]);
    assert.deepEqual(good(decodeChildren(body)), ['json.info_0000000001', 'log_replicas']);
  });

  test('data', () => {
    const { body } = reply(
      '000000030000000000000005000000000000000e7b22706f7274223a20353035307d' +
        '00000000000000050000000000000005000001a1ff61ab68000001a1ff61ab68' +
        '000000000000000000000000010002240fcd00000000000e000000000000000000000005',
    );
    assert.equal(new TextDecoder().decode(good(decodeData(body))), '{"port": 5050}');
  });

  test('a change that was watched', () => {
    const { xid, body } = reply(
      'ffffffffffffffffffffffff000000000000000400000003000000062f6d65736f73',
    );
    assert.equal(xid, XID.event);
    assert.equal(good(decodeEvent(body)), '/mesos');
  });

  test('a node that is not there, credentials taken, a ping answered', () => {
    assert.equal(reply('000000050000000000000005ffffff9b').error, NO_NODE);
    assert.equal(reply('fffffffc000000000000000000000000').xid, XID.auth);
    assert.equal(reply('fffffffe000000000000000400000000').xid, XID.ping);
  });

  test('codes have words', () => {
    assert.equal(describeError(-102), 'no permission (-102)');
    assert.equal(describeError(-77), 'error (-77)');
  });
});

describe('hostile messages', () => {
  const decoders = { decodeConnect, decodeReply, decodeEvent, decodeChildren, decodeData };

  test('no bytes make a decoder throw', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 80 }),
        fc.constantFrom(...Object.values(decoders)),
        (random, decode) => {
          const result: Result<unknown, string> = decode(random);
          assert.ok(result.ok || result.error.length > 0);
        },
      ),
      { numRuns: 2000 },
    );
  });

  test('what ends early is refused', () => {
    const children = bytes('00000002000000016100000001');
    for (let length = 0; length < children.length; length++) {
      assert.ok(!decodeChildren(children.subarray(0, length)).ok, `${length} octets`);
    }
  });

  test('a count or a length that is a lie is refused, and takes no memory', () => {
    for (const text of ['7fffffff', 'fffffffe', '0000000100000005aabb', '000000017fffffffaabb']) {
      assert.ok(!decodeChildren(bytes(text)).ok, text);
    }
    for (const text of ['7fffffff', '80000000', '00000002aa']) {
      assert.ok(!decodeData(bytes(text)).ok, text);
    }
  });

  test('names that are no UTF-8 are refused', () => {
    assert.ok(!decodeChildren(bytes('0000000100000001ff')).ok);
  });

  test('null of Java is empty', () => {
    assert.deepEqual(good(decodeData(bytes('ffffffff'))), new Uint8Array());
    assert.deepEqual(good(decodeChildren(bytes('ffffffff'))), []);
  });
});
