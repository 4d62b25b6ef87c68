import assert from 'node:assert/strict';
import { test } from 'node:test';
import dns2 from 'dns2';
import fc from 'fast-check';
import { FLAG, RCODE, TYPE } from '../../../src/core/dns/constants.ts';
import { parseWireName } from '../../../src/core/dns/name.ts';
import { checkUpstreamReply } from '../../../src/core/dns/upstream-reply.ts';
import { STORED } from '../../../src/core/dns/stored-reply.ts';
import { packReply, type PackRules } from '../../../src/core/forward/pack-reply.ts';
import type { ForwardQuestion } from '../../../src/core/forward/resolution.ts';
import {
  addressRecords,
  buildMessage,
  ipv4,
  readMessage,
  u16,
  wireName,
} from '../../support/dns-message.ts';
import type { ReadRecord, TestMessage, TestRecord } from '../../support/dns-message.ts';
import {
  lifetimeOf,
  messageOfStored,
  readStored,
  ttlsOfStored,
  isMesosName,
  PACK_RULES,
} from '../../support/stored-reply.ts';

const NAMES = [
  'a.example.',
  'b.a.example.',
  'www.example.net.',
  'x.',
  '.',
  'A.example.',
  'c.Example.',
] as const;
const NSEC = 47;

const names = fc.constantFrom(...NAMES);

/** Kinds of records that NAMES have, some of which lead on. */
const record: fc.Arbitrary<TestRecord> = fc
  .record({
    name: names,
    target: names,
    kind: fc.nat(9),
    ttl: fc.oneof(fc.nat(100), fc.nat(0xffff_ffff)),
    octets: fc.uint8Array({ minLength: 4, maxLength: 60 }),
  })
  .map(({ name, target, kind, ttl, octets }) => {
    const wire = wireName(target);
    const minimum = octets.subarray(0, 4);
    const kinds: readonly (readonly [number, Uint8Array])[] = [
      [TYPE.A, octets.subarray(0, 4)],
      [TYPE.NS, wire],
      [TYPE.SOA, Buffer.concat([wire, wire, Buffer.alloc(16, 1), minimum])],
      [TYPE.SRV, Buffer.concat([u16(1, 2, 3), wire])],
      [TYPE.MX, Buffer.concat([u16(1), wire])],
      [TYPE.TXT, Buffer.concat([Buffer.from([octets.length]), octets])],
      [TYPE.CNAME, wire],
      [TYPE.CNAME, wire],
      [TYPE.RRSIG, Buffer.concat([u16(TYPE.A), Buffer.alloc(16), wire, octets])],
      [NSEC, Buffer.concat([wire, octets])],
    ];
    const [type, rdata] = kinds[kind]!;
    return { name, type, ttl, rdata };
  });

const section = fc.array(record, { maxLength: 12 });

const message: fc.Arbitrary<TestMessage> = fc.record(
  {
    flags: fc.constantFrom(
      FLAG.QR,
      FLAG.QR | RCODE.NXDOMAIN,
      FLAG.QR | FLAG.TC,
      FLAG.QR | RCODE.SERVFAIL,
    ),
    qname: names,
    qtype: fc.constantFrom(TYPE.A, TYPE.SRV, TYPE.MX, TYPE.TXT, TYPE.CNAME, TYPE.ANY, TYPE.NS),
    answer: section,
    authority: section,
    additional: section,
    opt: fc.record({ size: fc.nat(0xffff) }),
  },
  { requiredKeys: ['flags', 'qname', 'qtype'] },
);

const rules: fc.Arbitrary<PackRules> = fc.record({
  ttlSecondsMin: fc.nat(20),
  ttlSecondsMax: fc.integer({ min: 20, max: 100_000 }),
  negativeTtlSecondsMax: fc.nat(1000),
  prefetch: fc.boolean(),
  blockPrivate: fc.boolean(),
  blockPrivateExcept: fc.constant([]),
  isOwnName: fc.constantFrom(
    isMesosName,
    () => false,
    () => true,
  ),
});

function questionOf({ qname, qtype }: TestMessage, dnssecOk = false): ForwardQuestion {
  const wire = parseWireName(String(qname));
  assert.ok(wire !== null);
  const flags = { checkingDisabled: false, recursionDesired: true };
  return { qname: wire, qtype: qtype ?? TYPE.A, dnssecOk, ...flags };
}

/** A record without what packing may change: TTL and case. */
function fingerprint({ name, type, class: klass, data }: ReadRecord): string {
  return [name, type, klass, data].join(' ').toLowerCase();
}

/** Names that the aliases of a reply lead over, by the definition. */
function namesOnTheWay(qname: string, answer: readonly ReadRecord[], qtype: number): string[] {
  const on = [qname.toLowerCase()];
  if (qtype === TYPE.CNAME || qtype === TYPE.ANY) return on;
  for (const name of on) {
    const here = answer.filter((r) => r.name.toLowerCase() === name);
    if (here.some(({ type }) => type === qtype)) break;
    const next = here.find(({ type }) => type === TYPE.CNAME)?.data.toLowerCase();
    if (next !== undefined && !on.includes(next)) on.push(next);
  }
  return on;
}

test('law: what is given comes from the reply, on the way of the question, and all that was asked', () => {
  let kept = 0;
  fc.assert(
    fc.property(message, fc.boolean(), fc.boolean(), (m, compress, dnssecOk) => {
      const reply = buildMessage(m, compress);
      const before = readMessage(reply);
      const stored = packReply(questionOf(m, dnssecOk), reply, { ...PACK_RULES }, 5);
      if (stored === null) return;
      kept++;
      const after = readStored(stored);
      const way = namesOnTheWay(String(m.qname), before.answer, m.qtype!);
      for (const part of ['answer', 'authority', 'additional'] as const) {
        const all = before[part].map(fingerprint);
        const given = after[part].map(fingerprint);
        assert.deepEqual(
          given.filter((one) => !all.includes(one)),
          [],
          part,
        );
      }
      for (const { name } of after.answer) assert.ok(way.includes(name.toLowerCase()), name);
      const asked = ({ name, type }: ReadRecord): boolean =>
        name.toLowerCase() === way.at(-1) && (type === m.qtype || m.qtype === TYPE.ANY);
      assert.deepEqual(
        after.answer.filter(asked).map(fingerprint),
        before.answer.filter(asked).map(fingerprint),
      );
      const targets = [...after.answer, ...after.authority]
        .filter(({ type }) => [TYPE.NS, TYPE.MX, TYPE.SRV].some((t) => t === type))
        .map(({ data }) => data.split(' ').at(-1)!.toLowerCase());
      for (const { name, type } of after.additional) {
        assert.ok(targets.includes(name.toLowerCase()), name);
        assert.ok(type === TYPE.A || dnssecOk);
      }
    }),
    { numRuns: 1000 },
  );
  assert.ok(kept > 300, `${kept} replies were of use`);
});

test('law: nothing is given for longer than its TTL says, and no TTL is out of bounds', () => {
  fc.assert(
    fc.property(message, rules, (m, r) => {
      const stored = packReply(questionOf(m), buildMessage(m), r, 7000);
      if (stored === null) return;
      const ttls = ttlsOfStored(stored);
      const { answer, authority, additional, tc, rcode } = readStored(stored);
      assert.deepEqual(
        ttls,
        [...answer, ...authority, ...additional].map(({ ttl }) => ttl),
      );
      const lifetime = lifetimeOf(stored);
      assert.ok(ttls.every((ttl) => lifetime <= ttl && ttl <= r.ttlSecondsMax));
      if (tc || rcode === RCODE.SERVFAIL) assert.equal(lifetime, 0);
      if (answer.length === 0) assert.ok(lifetime <= r.negativeTtlSecondsMax);
      const prefetchAt = stored[STORED.PREFETCH_AT]!;
      assert.ok(prefetchAt === 0xffff_ffff || (prefetchAt > 7000 && prefetchAt < 7000 + lifetime));
    }),
    { numRuns: 500 },
  );
});

test('law: pointers fit the question in any case, and packing what was packed changes nothing', () => {
  fc.assert(
    fc.property(message, fc.boolean(), fc.infiniteStream(fc.boolean()), (m, dnssecOk, upper) => {
      const question = questionOf(m, dnssecOk);
      const stored = packReply(question, buildMessage(m), PACK_RULES, 5);
      if (stored === null) return;
      const recase = (qname: Uint8Array): Uint8Array =>
        qname.map((octet) =>
          octet >= 0x61 && octet <= 0x7a && upper.next().value === true ? octet - 0x20 : octet,
        );
      const message = messageOfStored(stored, recase);
      const read = readMessage(message);
      const plain = readStored(stored);
      for (const part of ['answer', 'authority', 'additional'] as const) {
        assert.deepEqual(read[part].map(fingerprint), plain[part].map(fingerprint));
      }
      assert.equal(read.trailing, 0);
      assert.equal(checkUpstreamReply(message, message), 'ok');
      const again = packReply(question, message, PACK_RULES, 5);
      if (again === null) assert.equal(plain.answer.length, 0);
      else assert.deepEqual(messageOfStored(again), messageOfStored(stored));
    }),
    { numRuns: 500 },
  );
});

test('law: an independent decoder reads the same names and addresses', () => {
  fc.assert(
    fc.property(message, (m) => {
      const stored = packReply(questionOf(m), buildMessage(m), PACK_RULES, 5);
      if (stored === null) return;
      const packet = dns2.Packet.parse(Buffer.from(messageOfStored(stored)));
      const { answer, authority, additional } = readStored(stored);
      const withDot = (name: string): string => `${name}.`.replace(/^\.\.$/, '.');
      for (const [theirs, ours] of [
        [packet.answers, answer],
        [packet.authorities, authority],
        [packet.additionals, additional],
      ] as const) {
        assert.deepEqual(
          theirs.map(({ name, type, ttl }) => [withDot(name), type, ttl]),
          ours.map(({ name, type, ttl }) => [name, type, ttl]),
        );
        theirs.forEach(({ type, address, domain }, i) => {
          const data = ours[i]!.data;
          if (type === TYPE.A) assert.deepEqual(Buffer.from(ipv4(address!)).toString('hex'), data);
          if (type === TYPE.CNAME) assert.equal(withDot(domain!), data);
        });
      }
    }),
    { numRuns: 300 },
  );
});

test('law: no octets make packing throw', () => {
  const question = questionOf({ qname: 'a.example.', qtype: TYPE.A });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (reply) => {
      packReply(question, reply, PACK_RULES, 5);
    }),
    { numRuns: 1000 },
  );
  const head = buildMessage({ qname: 'a.example.', flags: FLAG.QR });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(3), fc.nat(3), (octets, an, ns) => {
      const reply = Buffer.concat([head, octets]);
      reply.writeUInt16BE(an, 6);
      reply.writeUInt16BE(ns, 8);
      packReply(question, reply, { ...PACK_RULES, blockPrivate: true }, 5);
    }),
    { numRuns: 2000 },
  );
});

test('law: one changed octet gives a reply that decodes, or none', () => {
  const good = buildMessage(
    {
      flags: FLAG.QR,
      qname: 'a.example.',
      qtype: TYPE.SRV,
      answer: [
        { name: 'a.example.', type: TYPE.CNAME, rdata: wireName('b.example.') },
        {
          name: 'b.example.',
          type: TYPE.SRV,
          rdata: Buffer.concat([u16(1, 2, 3), wireName('c.example.')]),
        },
      ],
      authority: [{ name: 'example.', type: TYPE.NS, rdata: wireName('c.example.') }],
      additional: addressRecords('c.example.', 2),
      opt: { size: 1232, options: u16(15, 2, 3) },
    },
    true,
  );
  const question = questionOf({ qname: 'a.example.', qtype: TYPE.SRV }, true);
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.nat(255), (index, octet) => {
      const reply = Uint8Array.from(good);
      reply[index] = octet;
      const stored = packReply(question, reply, { ...PACK_RULES, blockPrivate: true }, 5);
      if (stored !== null) assert.equal(readStored(stored).trailing, 0);
    }),
    { numRuns: 3000 },
  );
});
