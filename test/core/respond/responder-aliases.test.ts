import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { AnswerTable } from '../../../src/core/dns/answer-table.ts';
import { EDE, FLAG, RCODE, TYPE } from '../../../src/core/dns/constants.ts';
import type { RecordStore } from '../../../src/core/dns/record-store.ts';
import { COUNT } from '../../../src/core/respond/counters.ts';
import { OUTSIDE_SLOT } from '../../../src/core/respond/zone-slots.ts';
import {
  type ReadMessage,
  recordText,
  type TestRecord,
  wireName,
} from '../../support/dns-message.ts';
import { compileZone, ip, manyAddresses, TERMS, zoneApex } from '../../support/small-zone.ts';
import { extendedError, MESOS_SLOT, questionOf, Rig, storedOf } from './responder-rig.ts';

const QNAME = 'www.corp.example.';
const EDNS = { size: 1232 };
/** When replies are stored; the rig's clock stands at 50 s. */
const STORED_AT = 40;

/** One name after the other, each an alias of the next. */
function aliases(names: readonly string[], ttl = 100): TestRecord[] {
  return names.slice(1).map((target, i) => ({
    name: names[i]!,
    type: TYPE.CNAME,
    ttl,
    rdata: wireName(target),
  }));
}

const aliased = (target: string, qtype: number = TYPE.A): Uint32Array =>
  storedOf(questionOf(QNAME, { qtype }), STORED_AT, {
    flags: FLAG.QR | RCODE.NXDOMAIN,
    answer: aliases([QNAME, target]),
  });

function fill(store: RecordStore): void {
  store.address('web.mesos.', ip('10.1.0.1'));
  store.address('web.mesos.', ip('fd00::1'));
  store.service('_web._tcp.mesos.', 'web.mesos.', 31_000);
  for (const address of manyAddresses(40)) store.address('many.mesos.', address);
}

/** A rig that answers from this table, with replies that it holds. */
function rigWith(replies: readonly Uint32Array[], table: AnswerTable = compileZone(fill)): Rig {
  const rig = new Rig();
  rig.responder.publishTable(table, Uint8Array.of(MESOS_SLOT));
  for (const reply of replies) assert.ok(rig.hot.put(reply));
  return rig;
}

const texts = ({ answer }: ReadMessage): string[] => answer.map(recordText);
const ALIAS = `${QNAME} 90 CNAME`;

describe('D14b: an alias outside of a name of ours', () => {
  test('has its addresses from our zone, not as ours, and counts as a name outside', () => {
    const rig = rigWith([aliased('Web.Mesos.')]);
    const reply = rig.answer({ qname: QNAME, flags: FLAG.RD | FLAG.AD, opt: EDNS });
    assert.equal(reply.flags, FLAG.QR | FLAG.RD | FLAG.RA);
    assert.deepEqual(texts(reply), [`${ALIAS} Web.Mesos.`, 'Web.Mesos. 60 A 10.1.0.1']);
    assert.deepEqual([reply.authority, reply.additional.length], [[], 0]);
    assert.equal(rig.counters.counted(COUNT.CACHE_HIT), 1);
    assert.equal(rig.counters.responses(MESOS_SLOT, 1), 0);
    assert.equal(rig.counters.responses(OUTSIDE_SLOT, 1), 1);
  });

  test('has any type that the name has, with the addresses of its targets', () => {
    const rig = rigWith([
      aliased('web.mesos.', TYPE.AAAA),
      aliased('_web._tcp.mesos.', TYPE.SRV),
      aliased('mesos.', TYPE.NS),
      aliased('mesos.', TYPE.SOA),
    ]);
    const ask = (qtype: number): ReadMessage => rig.answer({ qname: QNAME, qtype });
    assert.deepEqual(texts(ask(TYPE.AAAA)).slice(1), [
      'web.mesos. 60 AAAA fd00:0000:0000:0000:0000:0000:0000:0001',
    ]);
    const service = ask(TYPE.SRV);
    assert.deepEqual(texts(service).slice(1), ['_web._tcp.mesos. 60 SRV 0 1 31000 web.mesos.']);
    assert.deepEqual(
      service.additional.map(({ name }) => name),
      ['web.mesos.', 'web.mesos.'],
    );
    assert.deepEqual(texts(ask(TYPE.NS)).slice(1), ['mesos. 60 NS ns1.mesos.']);
    assert.match(texts(ask(TYPE.SOA))[1] ?? '', /^mesos\. 60 SOA ns1\.mesos\. /);
  });

  test('says what our zone says where there is no such name, or none of the type', () => {
    const rig = rigWith([
      aliased('gone.web.mesos.'),
      aliased('web.mesos.', TYPE.TXT),
      aliased('_tcp.mesos.', TYPE.SRV),
    ]);
    for (const [qtype, rcode] of [
      [TYPE.A, RCODE.NXDOMAIN],
      [TYPE.TXT, RCODE.NOERROR],
      [TYPE.SRV, RCODE.NOERROR],
    ] as const) {
      const reply = rig.answer({ qname: QNAME, qtype });
      assert.deepEqual([reply.rcode, reply.answer.length], [rcode, 1]);
      assert.match(reply.authority.map(recordText).join(), /^mesos\. 5 SOA ns1\.mesos\. root\./);
      assert.equal(reply.flags & FLAG.AA, 0);
    }
  });

  test('follows our zone while it is stored', () => {
    const rig = rigWith([aliased('web.mesos.')]);
    const ask = (): string[] => texts(rig.answer({ qname: QNAME })).slice(1);
    assert.deepEqual(ask(), ['web.mesos. 60 A 10.1.0.1']);
    const moved = compileZone((store) => store.address('web.mesos.', ip('10.1.0.2')));
    rig.responder.publishTable(moved, Uint8Array.of(MESOS_SLOT));
    rig.nowMs += 5_000;
    assert.deepEqual(texts(rig.answer({ qname: QNAME })), [
      `${QNAME} 85 CNAME web.mesos.`,
      'web.mesos. 60 A 10.1.0.2',
    ]);
    const empty = compileZone(() => undefined);
    rig.responder.publishTable(empty, Uint8Array.of(MESOS_SLOT));
    assert.deepEqual(ask(), []);
    assert.equal(rig.answer({ qname: QNAME }).rcode, RCODE.NXDOMAIN);
  });

  test('is SERVFAIL while we know nothing of our zone, and is said to be old with it', () => {
    const unready = rigWith([aliased('web.mesos.')], compileZone(fill, TERMS, false));
    const reply = unready.answer({ qname: QNAME, opt: EDNS });
    assert.deepEqual([reply.rcode, reply.answer], [RCODE.SERVFAIL, []]);
    assert.equal(extendedError(reply), `${EDE.NOT_READY}`);
    const table = compileZone(fill);
    table.setStaleAt(45);
    const old = rigWith([aliased('web.mesos.')], table).answer({ qname: QNAME, opt: EDNS });
    assert.equal(extendedError(old), `${EDE.STALE_ANSWER}`);
    assert.equal(old.answer.length, 2);
  });

  test('has TC over UDP where the addresses do not fit, and all of them over TCP', () => {
    const rig = rigWith([aliased('many.mesos.')]);
    const cut = rig.answer({ qname: QNAME });
    assert.equal(cut.tc, true);
    assert.ok(cut.answer.length > 1 && cut.answer.length < 41, `${cut.answer.length} records`);
    assert.ok(cut.answer.slice(1).every(({ name }) => name === 'many.mesos.'));
    assert.ok((rig.sent.at(-1) ?? 0) <= 512);
    const whole = rig.answer({ qname: QNAME }, { overTcp: true });
    assert.deepEqual([whole.tc, whole.answer.length], [false, 41]);
  });

  test('is answered the same once it comes from an upstream, and while no upstream answers', () => {
    const rig = rigWith([]);
    const query = { qname: QNAME, opt: EDNS };
    for (const overTcp of [false, true]) {
      assert.equal(rig.ask(query, { overTcp }), 'forward');
      const reply = aliased('web.mesos.');
      const fresh = rig.resume({ kind: 'reply', reply, stale: false }, { overTcp });
      assert.deepEqual(texts(fresh), [`${ALIAS} web.mesos.`, 'web.mesos. 60 A 10.1.0.1']);
      assert.equal(extendedError(fresh), null);
      rig.ask(query, { overTcp });
      const stale = rig.resume({ kind: 'reply', reply, stale: true }, { overTcp });
      assert.deepEqual(texts(stale), [`${QNAME} 30 CNAME web.mesos.`, 'web.mesos. 60 A 10.1.0.1']);
      assert.equal(extendedError(stale), `${EDE.STALE_ANSWER}`);
    }
  });

  test('is asked for again where the zone is not ours any more', () => {
    const other = compileZone(() => undefined, { ...TERMS, zones: [zoneApex('dcos.')] });
    const rig = rigWith([aliased('web.mesos.')], other);
    assert.equal(rig.ask({ qname: QNAME }), 'forward');
    const reply = aliased('web.mesos.');
    assert.equal(rig.resume({ kind: 'reply', reply, stale: false }).rcode, RCODE.SERVFAIL);
  });
});

/** What the zone of the law has; the last name does not exist. */
const TARGETS = ['a.mesos.', 'b.a.mesos.', '_s._tcp.mesos.', 'mesos.', 'z.mesos.'] as const;
const STOPS = ['mesos.example.', 'a.example.', 'b.a.example.', 'x.a.mesos.example.'] as const;

const zone = fc.record({ addresses: fc.nat(60), services: fc.nat(40) }).map((count) =>
  compileZone((store) => {
    for (const address of manyAddresses(count.addresses)) store.address('a.mesos.', address);
    store.address('b.a.mesos.', ip('fd00::7'));
    for (let i = 0; i < count.services; i++) {
      store.service('_s._tcp.mesos.', i % 2 === 0 ? 'a.mesos.' : 'b.a.mesos.', 31_000 + i);
    }
  }),
);

test('D14b: law: aliases come with what their last name has for those who ask for it, or with TC', () => {
  let whole = 0;
  const qtypes = fc.constantFrom(TYPE.A, TYPE.AAAA, TYPE.SRV, TYPE.NS, TYPE.SOA, TYPE.TXT);
  const sizes = fc.option(fc.integer({ min: 512, max: 1232 }), { nil: null });
  fc.assert(
    fc.property(
      zone,
      fc.constantFrom(...TARGETS),
      fc.subarray([...STOPS]),
      qtypes,
      sizes,
      (table, target, stops, qtype, size) => {
        const answer = aliases([QNAME, ...stops, target]);
        const rig = rigWith([storedOf(questionOf(QNAME, { qtype }), STORED_AT, { answer })], table);
        const opt = size === null ? {} : { opt: { size } };
        const reply = rig.answer({ qname: QNAME, qtype, ...opt });
        assert.ok((rig.sent.at(-1) ?? 0) <= (size ?? 512));
        const direct = rig.answer({ qname: target, qtype, ...opt }, { overTcp: true });
        const way = reply.answer.slice(0, answer.length).map(({ data }) => data);
        assert.deepEqual(way, [...stops, target]);
        const given = reply.answer.slice(answer.length).map(recordText);
        const known = direct.answer.map(recordText);
        assert.deepEqual(
          given.filter((record) => !known.includes(record)),
          [],
        );
        if (reply.tc) return;
        whole++;
        assert.deepEqual(given.sort(), known.sort());
        assert.deepEqual(reply.authority.map(recordText), direct.authority.map(recordText));
        assert.equal(reply.rcode, direct.rcode);
      },
    ),
    { numRuns: 500 },
  );
  assert.ok(whole > 100, `${whole} whole answers`);
});
