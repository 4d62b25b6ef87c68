import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FLAG, TYPE } from '../../../src/core/dns/constants.ts';
import { parseWireName } from '../../../src/core/dns/name.ts';
import type { ForwardQuestion } from '../../../src/core/forward/resolution.ts';
import {
  buildUpstreamQuery,
  hasOpt,
  mixCase,
  withQuestionOf,
  withoutOpt,
} from '../../../src/core/forward/upstream-query.ts';
import { addressRecords, buildMessage, readMessage } from '../../support/dns-message.ts';

function question(name: string, parts: Partial<ForwardQuestion> = {}): ForwardQuestion {
  const qname = parseWireName(name);
  assert.ok(qname !== null);
  return {
    qname,
    qtype: TYPE.AAAA,
    dnssecOk: false,
    checkingDisabled: false,
    recursionDesired: true,
    ...parts,
  };
}

const ALL_BITS = new Uint8Array(32).fill(0xff);

test('a query has one question and an OPT record of 1232 octets without options', () => {
  const query = readMessage(buildUpstreamQuery(question('Some.example')));
  assert.deepEqual(
    [query.qname, query.qtype, query.qclass, query.flags, query.trailing],
    ['some.example.', TYPE.AAAA, 1, FLAG.RD | FLAG.AD, 0],
  );
  assert.deepEqual(query.opt, { size: 1232, options: '' });
  assert.deepEqual(query.edns, { rcode: 0, version: 0, flags: 0 });
});

test('RD, CD and DO are as the question has them', () => {
  const asked = question('.', { recursionDesired: false, checkingDisabled: true, dnssecOk: true });
  const query = readMessage(buildUpstreamQuery(asked));
  assert.equal(query.flags, FLAG.AD | FLAG.CD);
  assert.equal(query.edns?.flags, 0x8000);
  assert.equal(query.qname, '.');
});

test('without OPT nothing else changes but AD, which is as new', () => {
  const query = buildUpstreamQuery(question('some.example', { checkingDisabled: true }));
  assert.ok(hasOpt(query));
  const plain = withoutOpt(query);
  assert.ok(!hasOpt(plain));
  const { opt, flags, qname, trailing } = readMessage(plain);
  assert.deepEqual([opt, flags, qname, trailing], [null, FLAG.RD | FLAG.CD, 'some.example.', 0]);
});

test('capitals stand where the bits are, in letters alone', () => {
  const query = buildUpstreamQuery(question('ab-1.\\200z.example'));
  const before = query.slice();
  mixCase(query, new Uint8Array(32));
  assert.deepEqual(query, before);
  mixCase(query, ALL_BITS);
  assert.equal(readMessage(query).qname, 'AB-1.\xc8Z.EXAMPLE.');
  const first = before.slice();
  // Bit 1 is the first letter: bit 0 is the length of its label.
  mixCase(first, Uint8Array.of(2));
  assert.equal(readMessage(first).qname, 'Ab-1.\xc8z.example.');
});

test('a reply gets the question back as it was put, whatever was sent', () => {
  const octets = fc.uint8Array({ minLength: 32, maxLength: 32 });
  fc.assert(
    fc.property(fc.domain(), octets, fc.nat(0xffff), (name, bits, id) => {
      const query = buildUpstreamQuery(question(name));
      const sent = query.slice();
      mixCase(sent, bits);
      const { qname } = readMessage(sent);
      assert.ok(qname !== null);
      assert.equal(qname.toLowerCase(), readMessage(query).qname);
      const reply = buildMessage({
        id,
        flags: FLAG.QR,
        qname,
        qtype: TYPE.AAAA,
        answer: addressRecords(qname, 2),
      });
      const restored = readMessage(withQuestionOf(query, reply));
      assert.deepEqual([restored.id, restored.qname], [0, readMessage(query).qname]);
      assert.equal(restored.answer.length, 2);
    }),
  );
});

test('an error without a question gets one, and a reply cut inside a record keeps its head', () => {
  const query = buildUpstreamQuery(question('some.example'));
  const whole = buildMessage({
    flags: FLAG.QR | FLAG.TC,
    qname: 'some.example.',
    qtype: TYPE.AAAA,
    answer: addressRecords('some.example.', 3),
  });
  const bare = Uint8Array.of(0x12, 0x34, 0x80, 2, 0, 0, 0, 0, 0, 0, 0, 0);
  const cases = [
    [bare, FLAG.QR | 2],
    [whole.subarray(0, whole.length - 1), FLAG.QR | FLAG.TC],
  ] as const;
  for (const [reply, flags] of cases) {
    const restored = readMessage(withQuestionOf(query, reply));
    assert.deepEqual(
      [restored.flags, restored.qname, restored.qtype, restored.trailing],
      [flags, 'some.example.', TYPE.AAAA, 0],
    );
    assert.deepEqual([restored.answer, restored.authority, restored.additional], [[], [], []]);
  }
});
