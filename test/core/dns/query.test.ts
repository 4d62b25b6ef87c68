import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { CLASS, FLAG, TYPE } from '../../../src/core/dns/constants.ts';
import { formatWireName, hashWireName } from '../../../src/core/dns/name.ts';
import { FORM, type Form, isServedClass, Query } from '../../../src/core/dns/query.ts';
import { packets, wireNames } from '../../support/arbitraries.ts';
import {
  addressRecords,
  buildMessage,
  ednsOption,
  type TestMessage,
  u16,
} from '../../support/dns-message.ts';

const GOOD: TestMessage = { qname: 'Web.Marathon.mesos.', qtype: TYPE.SRV };

function parse(message: Uint8Array, length = message.length): { query: Query; form: Form } {
  const query = new Query();
  return { query, form: query.parse(message, length) };
}

const formOf = (message: Uint8Array): string =>
  Object.entries(FORM).find(([, form]) => form === parse(message).form)?.[0] ?? '';

/** A good query with some octets replaced. */
function patched(message: TestMessage, changes: Readonly<Record<number, number>>): Uint8Array {
  const bytes = buildMessage(message);
  for (const [at, octet] of Object.entries(changes)) bytes[Number(at)] = octet;
  return bytes;
}

test('a query is read: name in lower case, type, class, flags', () => {
  const { query, form } = parse(buildMessage({ ...GOOD, flags: FLAG.RD | FLAG.CD }));
  assert.equal(form, FORM.GOOD);
  assert.equal(formatWireName(query.name), 'web.marathon.mesos.');
  assert.equal(query.nameLength, 20);
  assert.deepEqual([query.qtype, query.qclass], [TYPE.SRV, CLASS.IN]);
  assert.equal(query.flags, FLAG.RD | FLAG.CD);
  assert.equal(query.questionEnd, 12 + 20 + 4);
  assert.equal(query.hash, hashWireName(query.name, 0, 20));
  assert.deepEqual([query.edns, query.udpPayloadSize], [false, 512]);
});

test('nothing of a query is left for the next one', () => {
  const query = new Query();
  query.parse(buildMessage({ ...GOOD, opt: { size: 4096, version: 3, flags: 0x8000 } }), 47);
  assert.ok(query.edns && query.dnssecOk);
  query.parse(new Uint8Array(4), 4);
  const { edns, ednsVersion, dnssecOk, udpPayloadSize, questionEnd, flags } = query;
  assert.deepEqual([edns, ednsVersion, dnssecOk], [false, 0, false]);
  assert.deepEqual([udpPayloadSize, questionEnd, flags], [512, 0, 0]);
});

describe('what gets no reply', () => {
  test('B5: less than a header', () => {
    for (let length = 0; length < 12; length++) {
      assert.equal(parse(buildMessage(GOOD), length).form, FORM.DROP);
    }
  });

  test('B1: a reply, whatever else it is', () => {
    for (const flags of [FLAG.QR, 0xffff, FLAG.QR | 0x2800]) {
      assert.equal(formOf(buildMessage({ ...GOOD, flags })), 'DROP');
    }
  });
});

test('D19: every operation but a query is not implemented, and its bits are kept', () => {
  for (let opcode = 1; opcode < 16; opcode++) {
    const { query, form } = parse(buildMessage({ ...GOOD, flags: (opcode << 11) | FLAG.RD }));
    assert.equal(form, FORM.NOTIMP);
    assert.equal((query.flags >>> 11) & 15, opcode);
    assert.equal(query.questionEnd, 0, 'whose question nobody can know');
  }
});

describe('what is malformed', () => {
  for (const count of [0, 2, 3, 65_535]) {
    test(`B2: a query with ${count} questions`, () => {
      const bytes = patched(GOOD, { 4: count >>> 8, 5: count & 0xff });
      assert.equal(formOf(bytes), 'FORMERR');
    });
  }

  test('B5: a query that is cut anywhere behind the header', () => {
    const bytes = buildMessage({ ...GOOD, opt: { size: 1232, options: Buffer.alloc(4) } });
    for (let length = 12; length < bytes.length; length++) {
      assert.equal(parse(bytes, length).form, FORM.FORMERR, `${length} octets`);
    }
    assert.equal(parse(bytes).form, FORM.GOOD);
  });

  const NAMES: readonly (readonly [what: string, changes: Readonly<Record<number, number>>])[] = [
    ['a pointer as its name', { 12: 0xc0, 13: 12 }],
    ['a pointer behind a label', { 16: 0xc0, 17: 12 }],
    ['a label of type 01', { 12: 0x41 }],
    ['a label of type 10', { 12: 0x83 }],
    ['a label that runs over the end', { 12: 63 }],
  ];

  for (const [what, changes] of NAMES) {
    test(`B4: a query with ${what}`, () => {
      assert.equal(formOf(patched(GOOD, changes)), 'FORMERR');
    });
  }

  test('A7: a label of 64 octets; one of 63 is good', () => {
    const ask = (octets: number): string =>
      formOf(buildMessage({ qname: Buffer.from([octets, ...Buffer.alloc(octets, 0x61), 0]) }));
    assert.equal(ask(63), 'GOOD');
    assert.equal(ask(64), 'FORMERR');
  });

  test('A7: a name of 256 octets; one of 255 is good', () => {
    const label = (octets: number): Buffer => Buffer.from([octets, ...Buffer.alloc(octets, 0x61)]);
    const ask = (last: number): string =>
      formOf(
        buildMessage({
          qname: Buffer.concat([label(63), label(63), label(63), label(last), Buffer.from([0])]),
        }),
      );
    assert.equal(ask(61), 'GOOD');
    assert.equal(ask(62), 'FORMERR');
  });

  test('A7: a name of 127 labels is good, one of 128 is too long', () => {
    const ask = (labels: number): string =>
      formOf(
        buildMessage({
          qname: Buffer.concat([Buffer.alloc(2 * labels, '\u0001a'), Buffer.alloc(1)]),
        }),
      );
    assert.equal(ask(127), 'GOOD');
    assert.equal(ask(128), 'FORMERR');
  });

  for (const at of [6, 8, 10]) {
    test(`B4: counts that promise more than there is, at octet ${at}`, () => {
      assert.equal(formOf(patched(GOOD, { [at + 1]: 1 })), 'FORMERR');
      assert.equal(formOf(patched(GOOD, { [at]: 255, [at + 1]: 255 })), 'FORMERR');
    });
  }

  test('B4: a record whose data runs over the end', () => {
    const message: TestMessage = { ...GOOD, additional: addressRecords('x.', 1) };
    const bytes = buildMessage(message);
    assert.equal(formOf(bytes), 'GOOD');
    assert.equal(formOf(patched(message, { [bytes.length - 5]: 5 })), 'FORMERR');
  });
});

test('B8: other sections and octets behind the last record are passed over', () => {
  const records = addressRecords('x.example.', 2);
  const message = { ...GOOD, answer: records, authority: records, additional: records };
  assert.equal(formOf(buildMessage(message)), 'GOOD');
  assert.equal(formOf(Buffer.concat([buildMessage(message), Buffer.alloc(9, 0xff)])), 'GOOD');
});

test('D26: the bits TC, AA, RA, Z, AD and an rcode in a query mean nothing', () => {
  for (const flags of [FLAG.TC, FLAG.AA, FLAG.RA, 0x40, FLAG.AD, 0x000f]) {
    assert.equal(formOf(buildMessage({ ...GOOD, flags })), 'GOOD');
  }
});

describe('EDNS (RFC 6891)', () => {
  const optOf = (opt: NonNullable<TestMessage['opt']>): Query =>
    parse(buildMessage({ ...GOOD, opt })).query;

  test('C4: size is read, less than 512 counts as 512', () => {
    assert.equal(optOf({ size: 1232 }).udpPayloadSize, 1232);
    assert.equal(optOf({ size: 65_535 }).udpPayloadSize, 65_535);
    assert.equal(optOf({ size: 511 }).udpPayloadSize, 512);
    assert.equal(optOf({ size: 0 }).udpPayloadSize, 512);
  });

  test('version and DO are read, other flags are not', () => {
    assert.equal(optOf({ size: 1232, version: 7 }).ednsVersion, 7);
    assert.equal(optOf({ size: 1232, flags: 0x8000 }).dnssecOk, true);
    assert.equal(optOf({ size: 1232, flags: 0x7fff }).dnssecOk, false);
  });

  const option = (length: number, data: number): Uint8Array =>
    Buffer.concat([u16(10, length), Buffer.alloc(data)]);
  const OPTIONS: readonly (readonly [what: string, options: Uint8Array, form: string])[] = [
    ['one option', option(8, 8), 'GOOD'],
    ['two options', Buffer.concat([option(8, 8), option(0, 0)]), 'GOOD'],
    ['an option that overruns the record', option(9, 8), 'FORMERR'],
    ['octets that are no option', Buffer.alloc(3), 'FORMERR'],
    ['an option and a rest', Buffer.concat([option(1, 1), Buffer.alloc(2)]), 'FORMERR'],
  ];

  for (const [what, options, form] of OPTIONS) {
    test(`C5: OPT with ${what} is ${form}`, () => {
      const message = { ...GOOD, opt: { size: 1232, options } };
      // Something behind, so that an overrun stays inside the message.
      const bytes = Buffer.concat([buildMessage(message), Buffer.alloc(20)]);
      assert.equal(formOf(bytes), form);
    });
  }

  const OPT_RECORD = { name: '.', type: TYPE.OPT, rdata: new Uint8Array(0) };
  const MISPLACED: readonly (readonly [what: string, message: Partial<TestMessage>])[] = [
    ['twice', { additional: [OPT_RECORD], opt: { size: 1232 } }],
    ['in the answer', { answer: [OPT_RECORD] }],
    ['in the authority', { authority: [OPT_RECORD] }],
    ['of another owner than the root', { additional: [{ ...OPT_RECORD, name: 'a.' }] }],
  ];

  for (const [what, message] of MISPLACED) {
    test(`C3: OPT ${what} is malformed`, () => {
      assert.equal(formOf(buildMessage({ ...GOOD, ...message })), 'FORMERR');
    });
  }
});

describe('options of a query', () => {
  const parseOptions = (...options: Uint8Array[]): Query =>
    parse(buildMessage({ ...GOOD, opt: { size: 1232, options: Buffer.concat(options) } })).query;
  /** Where the options of `GOOD` begin. */
  const START = 12 + 20 + 4 + 11;

  test('C6: both cookies are found', () => {
    const client = parseOptions(
      ednsOption(65_001, Buffer.alloc(3)),
      ednsOption(10, new Uint8Array(8)),
    );
    assert.deepEqual([client.cookieAt, client.cookieLength], [START + 7 + 4, 8]);
    const both = parseOptions(
      ednsOption(10, new Uint8Array(24)),
      ednsOption(10, new Uint8Array(8)),
    );
    assert.deepEqual([both.cookieAt, both.cookieLength], [START + 4, 24]);
  });

  test('C7, C9: NSID and tcp-keepalive are seen', () => {
    const query = parseOptions(ednsOption(3), ednsOption(11));
    assert.deepEqual([query.nsid, query.keepaliveLength], [true, 0]);
    assert.equal(parseOptions(ednsOption(11, u16(100))).keepaliveLength, 2);
  });

  test('of another EDNS version are not read', () => {
    const opt = { size: 1232, version: 1, options: ednsOption(10, new Uint8Array(8)) };
    const { query, form } = parse(buildMessage({ ...GOOD, opt }));
    assert.deepEqual([form, query.ednsVersion, query.cookieAt], [FORM.GOOD, 1, 0]);
  });

  test('are gone with the next query', () => {
    const query = new Query();
    const options = Buffer.concat([
      ednsOption(10, new Uint8Array(24)),
      ednsOption(3),
      ednsOption(11),
    ]);
    const first = buildMessage({ ...GOOD, opt: { size: 1232, options } });
    const second = buildMessage(GOOD);
    query.parse(first, first.length);
    assert.ok(query.cookieAt > 0 && query.nsid);
    query.parse(second, second.length);
    const { cookieAt, cookieLength, nsid, keepaliveLength } = query;
    assert.deepEqual([cookieAt, cookieLength, nsid, keepaliveLength], [0, 0, false, -1]);
  });
});

test('D18: classes other than IN and ANY are not served', () => {
  const served = Array.from({ length: 65_536 }, (_, i) => i).filter(isServedClass);
  assert.deepEqual(served, [CLASS.IN, CLASS.ANY]);
});

test('any name asked for is read in lower case, with its hash', () => {
  fc.assert(
    fc.property(wireNames, (name) => {
      const { query, form } = parse(buildMessage({ qname: name }));
      assert.equal(form, FORM.GOOD);
      const lower = Buffer.from(name).map((octet) =>
        octet >= 0x41 && octet <= 0x5a ? octet + 32 : octet,
      );
      assert.deepEqual(Buffer.from(query.name.subarray(0, query.nameLength)), Buffer.from(lower));
      assert.equal(query.hash, hashWireName(query.name, 0, query.nameLength));
    }),
    { numRuns: 300 },
  );
});

test('any packet is read the same whatever stands behind it in the buffer', () => {
  fc.assert(
    fc.property(packets, fc.uint8Array({ minLength: 1, maxLength: 40 }), (packet, behind) => {
      const alone = parse(packet);
      const buffer = Buffer.concat([packet, behind]);
      const { query, form } = parse(buffer, packet.length);
      assert.equal(form, alone.form);
      assert.ok(query.questionEnd <= packet.length);
      assert.equal(query.questionEnd, alone.query.questionEnd);
      assert.equal(query.edns, alone.query.edns);
      if (form === FORM.GOOD) assert.equal(query.hash, alone.query.hash);
    }),
    { numRuns: 2000 },
  );
});
