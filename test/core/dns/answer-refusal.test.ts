import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FLAG, RCODE, TYPE } from '../../../src/core/dns/constants.ts';
import { addressRecords, buildMessage, readMessage, u16 } from '../../support/dns-message.ts';
import type { ReadMessage, TestMessage } from '../../support/dns-message.ts';
import { wireName } from '../../support/dns-message.ts';
import { answerBytes, type AskingTerms, compileZone, ip } from '../../support/small-zone.ts';

const ZONE = compileZone((store) => store.address('web.mesos.', ip('10.0.0.1')));

function reply(packet: Uint8Array, terms: AskingTerms = {}): ReadMessage {
  const bytes = answerBytes(ZONE, packet, terms);
  assert.ok(typeof bytes !== 'string', `"${String(bytes)}" is no reply`);
  return readMessage(bytes);
}

const OPT = { opt: { size: 1232 } };
const QUERY: TestMessage = { qname: 'web.mesos.' };

/** Offsets of section counts in the header. */
const ANSWER = 6;
const AUTHORITY = 8;
const ADDITIONAL = 10;

/** `packet` with records at its end, which are in the section whose count stands at `countAt`. */
function withRecords(packet: Uint8Array, countAt: number, ...records: Uint8Array[]): Uint8Array {
  const bytes = Buffer.concat([packet, ...records]);
  bytes.writeUInt16BE(bytes.readUInt16BE(countAt) + records.length, countAt);
  return bytes;
}

interface Tsig {
  readonly owner?: Uint8Array;
  readonly class?: number;
  readonly ttl?: number;
  readonly algorithm?: Uint8Array;
  readonly macLength?: number;
  readonly otherLength?: number;
  /** Octets of the data that are there, and that the record says are. */
  readonly cutTo?: number;
}

function tsig(terms: Tsig = {}): Uint8Array {
  const rdata = Buffer.concat([
    terms.algorithm ?? wireName('hmac-sha256.'),
    u16(0, 0x6553, 0xf100, 300, terms.macLength ?? 32),
    Buffer.alloc(32, 0xab),
    u16(0, 0, terms.otherLength ?? 0),
  ]).subarray(0, terms.cutTo ?? 65_535);
  const fields = u16(TYPE.TSIG, terms.class ?? 255, 0, terms.ttl ?? 0, rdata.length);
  return Buffer.concat([terms.owner ?? wireName('key.test.'), fields, rdata]);
}

/** Data of the record that `tsig` makes. */
const TSIG_BYTES = 13 + 10 + 32 + 6;

describe('a signed query (RFC 8945)', () => {
  test('gets NOTAUTH: no key is known', () => {
    for (const query of [QUERY, { ...QUERY, ...OPT }]) {
      const { rcode, answer, qname, opt } = reply(
        withRecords(buildMessage(query), ADDITIONAL, tsig()),
      );
      assert.deepEqual([rcode, answer.length, qname], [RCODE.NOTAUTH, 0, 'web.mesos.']);
      assert.equal(opt !== null, 'opt' in query);
    }
  });

  const OPT_RECORD = Buffer.concat([Buffer.from([0]), u16(TYPE.OPT, 1232, 0, 0, 0)]);
  const MALFORMED: readonly (readonly [
    what: string,
    at: number,
    records: readonly Uint8Array[],
  ])[] = [
    ['with the signature before OPT', ADDITIONAL, [tsig(), OPT_RECORD]],
    ['with two signatures', ADDITIONAL, [tsig(), tsig()]],
    ['with the signature in the answer', ANSWER, [tsig()]],
    ['with the signature in the authority', AUTHORITY, [tsig()]],
    ['with a signature of class IN', ADDITIONAL, [tsig({ class: 1 })]],
    ['with a signature that may be cached', ADDITIONAL, [tsig({ ttl: 1 })]],
    ['with a signature as owner of itself', ADDITIONAL, [tsig({ owner: u16(0xc01b) })]],
    ['with an algorithm that points to itself', ADDITIONAL, [tsig({ algorithm: u16(0xc02f) })]],
    ...[0, 1, 31, 33, 1000, 65_535].map(
      (macLength) =>
        [`with a MAC of ${macLength} octets`, ADDITIONAL, [tsig({ macLength })]] as const,
    ),
    ...[1, 65_535].map(
      (otherLength) =>
        [`with ${otherLength} octets of other data`, ADDITIONAL, [tsig({ otherLength })]] as const,
    ),
    ...Array.from(
      { length: TSIG_BYTES },
      (_, cutTo) =>
        [`with a signature cut to ${cutTo} octets`, ADDITIONAL, [tsig({ cutTo })]] as const,
    ),
  ];

  for (const [what, countAt, records] of MALFORMED) {
    test(`${what} gets FORMERR`, () => {
      const { rcode } = reply(withRecords(buildMessage(QUERY), countAt, ...records));
      assert.equal(rcode, RCODE.FORMERR);
    });
  }

  test('of another operation is not implemented all the same', () => {
    const packet = buildMessage({ ...QUERY, flags: 5 << 11 });
    assert.equal(reply(withRecords(packet, ADDITIONAL, tsig())).rcode, RCODE.NOTIMP);
  });

  test('with a public key (RFC 2931) is answered as if it were not signed', () => {
    const sig0 = Buffer.concat([Buffer.from([0]), u16(24, 255, 0, 0, 5), Buffer.alloc(5, 1)]);
    const { answer } = reply(withRecords(buildMessage(QUERY), ADDITIONAL, sig0));
    assert.equal(answer.length, 1);
  });
});

describe('NOTIFY (RFC 1996)', () => {
  const notify = (message: Partial<TestMessage>): ReadMessage =>
    reply(buildMessage({ qname: 'mesos.', qtype: TYPE.SOA, flags: 0x2400, ...message }));

  test('B3: is refused, with its question: no zone here comes from another server', () => {
    for (const qname of ['mesos.', 'MESOS.', 'example.']) {
      const { flags, qtype, ...rest } = notify({ qname, answer: addressRecords(qname, 1) });
      assert.equal(flags, FLAG.QR | 0x2000 | RCODE.REFUSED);
      assert.deepEqual([rest.qname, qtype, rest.answer.length], [qname, TYPE.SOA, 0]);
    }
  });

  test('B3: of another type or class is not implemented', () => {
    assert.equal(notify({ qtype: TYPE.A }).rcode, RCODE.NOTIMP);
    assert.equal(notify({ qclass: 3 }).rcode, RCODE.NOTIMP);
  });
});

describe('other operations', () => {
  test('C1: have OPT in the reply if they have it, and can be read', () => {
    for (let opcode = 1; opcode < 16; opcode++) {
      const packet = buildMessage({ ...QUERY, flags: opcode << 11, ...OPT });
      const { opt, rcode, qname } = reply(packet);
      assert.deepEqual([opt?.size, rcode, qname], [1232, RCODE.NOTIMP, null]);
      const cut = reply(packet.slice(0, -1));
      assert.deepEqual([cut.opt, cut.rcode, cut.qname], [null, RCODE.NOTIMP, null]);
    }
  });

  test('T10: DSO (RFC 8490), which has no sections, is not implemented', () => {
    const packet = Buffer.concat([u16(7, 6 << 11, 0, 0, 0, 0), u16(1, 8, 0, 15_000, 0, 15_000)]);
    const { rcode, flags, opt } = reply(packet, { overTcp: true });
    assert.deepEqual([rcode, (flags >>> 11) & 15, opt], [RCODE.NOTIMP, 6, null]);
  });
});

test('C2: another version gets BADVERS, whatever its options are', () => {
  for (const options of ['000a000301', 'ffff', '000a000200']) {
    const opt = { size: 1232, version: 1, options: Buffer.from(options, 'hex') };
    const { edns, answer } = reply(buildMessage({ ...QUERY, opt }));
    assert.deepEqual([edns?.rcode, answer.length], [RCODE.BADVERS, 0]);
  }
});

test('B2: more than one question is malformed, and gets no question back', () => {
  const packet = Buffer.from(buildMessage(QUERY));
  packet.writeUInt16BE(2, 4);
  const { rcode, qname } = reply(Buffer.concat([packet, packet.subarray(12)]));
  assert.deepEqual([rcode, qname], [RCODE.FORMERR, null]);
});
