import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Answerer, DROP, FORWARD, PENDING } from '../../../src/core/dns/answer.ts';
import { FLAG, RCODE, TYPE } from '../../../src/core/dns/constants.ts';
import { FORM, Query } from '../../../src/core/dns/query.ts';
import { ownerNames, packets, recordSets } from '../../support/arbitraries.ts';
import {
  buildMessage,
  type ReadMessage,
  readMessage,
  recordText,
} from '../../support/dns-message.ts';
import {
  answerBytes,
  answererOf,
  asking,
  compileZone,
  fill,
  ip,
  manyAddresses,
  SETTINGS,
  TERMS,
} from '../../support/small-zone.ts';

const ZONE = compileZone((store) => {
  store.address('web.mesos.', ip('10.0.0.1'));
  store.service('_web._tcp.mesos.', 'web.mesos.', 80);
  for (const address of manyAddresses(100)) store.address('many.mesos.', address);
});
const UNREADY = compileZone(() => undefined, TERMS, false);

/** A buffer for an answer, and around it a few octets that no answer may touch. */
const MARGIN_BYTES = 8;
const BLANK = Buffer.alloc(65_535 + 2 * MARGIN_BYTES, 0xdd);
const isBlank = (bytes: Uint8Array): boolean => BLANK.subarray(0, bytes.length).equals(bytes);

interface Replied {
  readonly length: number;
  readonly out: Uint8Array;
  readonly query: Query;
}

/** Answers a packet with an answerer that answered others before, in a buffer with a guard. */
function reply(answerer: Answerer, packet: Uint8Array, overTcp: boolean, ready: boolean): Replied {
  const memory = Buffer.from(BLANK);
  const end = MARGIN_BYTES + (overTcp ? 65_535 : SETTINGS.udpPayloadSize);
  const out = memory.subarray(MARGIN_BYTES, end);
  let length = answerer.begin(packet, packet.length, asking({ overTcp }), out);
  if (length === PENDING) length = answerer.answerFrom(ready ? ZONE : UNREADY);
  assert.ok(isBlank(memory.subarray(0, MARGIN_BYTES)) && isBlank(memory.subarray(end)));
  return { length, out, query: answerer.query };
}

test('any packet gets a whole answer within its limit, or none, and never an exception', () => {
  const answerer = answererOf();
  fc.assert(
    fc.property(packets, fc.boolean(), fc.boolean(), (packet, overTcp, ready) => {
      const { length, out, query } = reply(answerer, packet, overTcp, ready);
      if (length === DROP || length === FORWARD) return;
      assert.ok(length >= 12 && length <= answerer.replyBytesMax);
      assert.ok(
        out.subarray(length).every((octet) => octet === 0xdd),
        'nothing behind the end',
      );
      const message = readMessage(out.slice(0, length));
      assert.equal(message.trailing, 0);
      assert.equal(message.id, (packet[0]! << 8) | packet[1]!);
      assert.ok((message.flags & FLAG.QR) !== 0);
      assert.equal(message.flags & 0x0040, 0, 'Z is zero');
      assert.equal(message.opt !== null, query.edns);
      // The question comes back octet by octet, or not at all.
      const end = query.questionEnd;
      assert.equal(message.qname === null, end === 0);
      const question = out.subarray(12, end || 12);
      assert.ok(Buffer.from(packet.subarray(12, end || 12)).equals(question));
    }),
    { numRuns: 2500 },
  );
});

test('what gets no answer is what must not have one', () => {
  const answerer = answererOf();
  fc.assert(
    fc.property(packets, (packet) => {
      const { length } = reply(answerer, packet, false, true);
      const form = new Query().parse(packet, packet.length);
      assert.equal(length === DROP, form === FORM.DROP);
      if (length === FORWARD) assert.equal(form, FORM.GOOD);
    }),
    { numRuns: 1000 },
  );
});

test('an answer does not depend on what was answered before', () => {
  const used = answererOf({ random: () => 0 });
  fc.assert(
    fc.property(packets, fc.boolean(), (packet, overTcp) => {
      const first = reply(used, packet, overTcp, true);
      const fresh = reply(answererOf({ random: () => 0 }), packet, overTcp, true);
      assert.equal(first.length, fresh.length);
      assert.ok(Buffer.from(first.out).equals(fresh.out));
    }),
    { numRuns: 500 },
  );
});

/** The zone by its definition: what a name has, and which names exist. */
function lookUp(
  records: readonly { owner: string; address: string | null }[],
  qname: string,
): { exists: boolean; addresses: Set<string> } {
  const owners = [...records.map(({ owner }) => owner), 'mesos.'];
  const exists = owners.some((owner) => owner === qname || owner.endsWith(`.${qname}`));
  const addresses = new Set<string>();
  for (const { owner, address } of records) {
    if (owner === qname && address?.includes('.') === true) {
      addresses.add(`${owner} 60 A ${address}`);
    }
  }
  return { exists, addresses };
}

test('any zone answers any name in it by what it holds', () => {
  fc.assert(
    fc.property(recordSets, ownerNames('mesos.'), (records, qname) => {
      const table = compileZone((store) => fill(store, records));
      const bytes = answerBytes(table, buildMessage({ qname, qtype: TYPE.A }), { overTcp: true });
      assert.ok(typeof bytes !== 'string');
      const message: ReadMessage = readMessage(bytes);
      const { exists, addresses } = lookUp(records, qname);
      assert.equal(message.rcode, exists ? RCODE.NOERROR : RCODE.NXDOMAIN);
      assert.deepEqual(new Set(message.answer.map(recordText)), addresses);
      assert.equal(message.answer.length, addresses.size);
      assert.equal(message.authority.length, addresses.size === 0 ? 1 : 0);
    }),
    { numRuns: 400 },
  );
});

test('the work for one packet of 64 KiB is bounded', () => {
  const answerer = answererOf();
  const bombs = [
    new Uint8Array(65_535).fill(0xc0),
    Uint8Array.from({ length: 65_535 }, (_, i) =>
      i < 12 ? [0, 0, 1, 0, 0, 1, 23, 0, 23, 0, 23, 0][i]! : 0,
    ),
    Buffer.concat([
      buildMessage({ qname: 'web.mesos.' }).fill(0xff, 6, 12),
      Buffer.alloc(65_000, 'c00c', 'hex'),
    ]),
  ];
  for (const bomb of bombs) {
    const started = performance.now();
    for (let i = 0; i < 10; i++) reply(answerer, bomb, true, true);
    // Ten of them take some milliseconds; a second is a hang, on any machine.
    assert.ok(performance.now() - started < 1000);
  }
});
