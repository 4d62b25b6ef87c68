import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { compileZone, ip, zoneApex } from '../../support/small-zone.ts';
import { CLASS, FLAG, RCODE, TYPE } from '../../../src/core/dns/constants.ts';
import { KEY_FLAG, STORED } from '../../../src/core/dns/stored-reply.ts';
import { HotReplies } from '../../../src/core/forward/hot-replies.ts';
import type { Resolution } from '../../../src/core/forward/resolution.ts';
import { COUNT } from '../../../src/core/respond/counters.ts';
import { rcodeIndex, typeIndex } from '../../../src/core/respond/labels.ts';
import { OUTSIDE_SLOT } from '../../../src/core/respond/zone-slots.ts';
import { buildMessage, wireName } from '../../support/dns-message.ts';
import { recordTexts } from '../../support/record-text.ts';
import {
  extendedError,
  MESOS_SLOT,
  OUTSIDE,
  questionOf,
  Rig,
  smallTable,
  storedAddresses,
  storedOf,
  STRANGER,
} from './responder-rig.ts';

const EDNS = { size: 1232 };
const soa = { name: 'example.', type: TYPE.SOA, ttl: 60, rdata: soaData() };

function soaData(): Uint8Array {
  const numbers = Buffer.alloc(20);
  numbers.writeUInt32BE(60, 16);
  return Buffer.concat([wireName('ns.example.'), wireName('root.example.'), numbers]);
}

describe('a question', () => {
  test('of a client that may not ask is refused, own names too', () => {
    const rig = new Rig();
    const reply = rig.answer({ qname: 'web.mesos.', opt: EDNS }, { from: STRANGER });
    assert.equal(reply.rcode, RCODE.REFUSED);
    assert.equal(extendedError(reply), '18 this client may not ask (dns.allow)');
    assert.equal(reply.flags & (FLAG.RA | FLAG.AA), 0);
    assert.deepEqual(reply.answer, []);
    const other = rig.answer({ qname: 'outside.example.', opt: EDNS }, { from: STRANGER });
    assert.equal(extendedError(other), '18 this client may not ask (dns.allow)');
    assert.equal(rig.counters.counted(COUNT.ACCESS_REFUSED), 2);
  });

  test('for an own name is answered to all others; RA is for those who may forward', () => {
    const rig = new Rig();
    for (const [from, ra] of [
      ['10.0.0.1', FLAG.RA],
      ['fd00::1', FLAG.RA],
      [OUTSIDE, 0],
    ] as const) {
      const reply = rig.answer({ qname: 'web.mesos.' }, { from });
      assert.deepEqual(recordTexts(reply.answer), ['A 10.1.0.1']);
      assert.equal(reply.flags & FLAG.RA, ra, from);
    }
    assert.equal(rig.counters.counted(COUNT.ACCESS_REFUSED), 0);
  });

  test('A16: for an own name says so if the master was not heard for too long', () => {
    const rig = new Rig();
    const table = smallTable();
    rig.responder.publishTable(table, Uint8Array.of(MESOS_SLOT));
    const errors = (): (string | null)[] =>
      ['web.mesos.', 'nobody.mesos.'].map((qname) =>
        extendedError(rig.answer({ qname, opt: EDNS })),
      );
    assert.deepEqual(errors(), [null, null], 'never told when');
    table.setStaleAt(60);
    rig.nowMs = 59_999;
    assert.deepEqual(errors(), [null, null]);
    rig.nowMs = 60_000;
    assert.deepEqual(errors(), ['3', '3']);
    assert.deepEqual(recordTexts(rig.answer({ qname: 'web.mesos.' }).answer), ['A 10.1.0.1']);
    table.setStaleAt(100);
    assert.deepEqual(errors(), [null, null]);
  });

  test('for an own name has no RA where the settings say so', () => {
    const rig = new Rig({ recursionAvailable: false });
    assert.equal(rig.answer({ qname: 'web.mesos.' }).flags & FLAG.RA, 0);
  });

  test('for another name is refused to clients that may not forward, without RA', () => {
    const rig = new Rig();
    rig.hot.put(storedAddresses('outside.example.', 50));
    for (const qname of ['outside.example.', 'localhost.']) {
      const reply = rig.answer({ qname, opt: EDNS }, { from: OUTSIDE });
      assert.equal(reply.rcode, RCODE.REFUSED, qname);
      assert.equal(reply.flags & FLAG.RA, 0);
      assert.equal(
        extendedError(reply),
        '18 this client may not look up other names (forward.allow)',
      );
    }
    assert.equal(rig.counters.counted(COUNT.ACCESS_REFUSED), 2);
  });

  test('for another name is refused to all where nothing is forwarded', () => {
    const rig = new Rig({ forwards: false });
    const reply = rig.answer({ qname: 'outside.example.', opt: EDNS });
    assert.equal(reply.rcode, RCODE.REFUSED);
    assert.equal(reply.flags & FLAG.RA, 0);
    assert.equal(
      extendedError(reply),
      '20 names outside our zones are not looked up (forward.enabled)',
    );
    assert.equal(rig.counters.counted(COUNT.ACCESS_REFUSED), 0, 'no list leaves this client out');
  });

  test('in class ANY is answered for an own name and refused for another, be it kept or not', () => {
    const rig = new Rig();
    rig.hot.put(storedAddresses('outside.example.', 50));
    const own = rig.answer({ qname: 'web.mesos.', qclass: CLASS.ANY });
    assert.deepEqual(recordTexts(own.answer), ['A 10.1.0.1']);
    for (const qname of ['outside.example.', 'localhost.']) {
      const reply = rig.answer({ qname, qclass: CLASS.ANY, opt: EDNS });
      assert.equal(reply.rcode, RCODE.REFUSED);
      assert.equal(
        extendedError(reply),
        '21 names outside our zones are looked up in class IN alone',
      );
    }
  });

  test('in an own zone that was not built yet is SERVFAIL', () => {
    const rig = new Rig();
    rig.responder.publishTable(smallTable(false), Uint8Array.of(MESOS_SLOT));
    const reply = rig.answer({ qname: 'web.mesos.', opt: EDNS });
    assert.deepEqual([reply.rcode, extendedError(reply)], [RCODE.SERVFAIL, '14']);
    assert.equal(rig.counters.responses(MESOS_SLOT, rcodeIndex(RCODE.SERVFAIL)), 1);
  });

  test('that nobody here can answer is forwarded as it was asked', () => {
    const rig = new Rig();
    const opt = { size: 1232, flags: 0x8000 };
    assert.equal(rig.ask({ qname: 'OutSide.example.', qtype: TYPE.SRV, opt }), 'forward');
    const question = rig.responder.question();
    assert.deepEqual(question, questionOf('outside.example.', { qtype: TYPE.SRV, dnssecOk: true }));
    assert.equal(rig.ask({ qname: 'a.', flags: FLAG.CD }), 'forward');
    assert.deepEqual(
      rig.responder.question(),
      questionOf('a.', { checkingDisabled: true, recursionDesired: false }),
    );
    assert.deepEqual(question.qname, questionOf('outside.example.').qname, 'a copy');
    assert.deepEqual(rig.sent, [], 'and is no reply yet');
  });

  test('that is malformed is answered whoever asks', () => {
    const rig = new Rig();
    const header = new Uint8Array(12);
    const reply = rig.handle(header, { from: STRANGER });
    assert.equal(typeof reply === 'object' && reply.rcode, RCODE.FORMERR);
    assert.equal(rig.counters.requests(OUTSIDE_SLOT, typeIndex(0), 0, 0), 1);
  });

  test('that is none gets nothing', () => {
    const rig = new Rig();
    assert.equal(rig.ask({ qname: 'web.mesos.', flags: FLAG.QR }), 'drop');
    assert.equal(rig.handle(new Uint8Array(11)), 'drop');
    assert.deepEqual(rig.sent, []);
  });
});

describe('a name for special use', () => {
  test('is answered here and not forwarded', () => {
    const rig = new Rig();
    const local = rig.answer({ qname: 'printer.local.' });
    assert.deepEqual([local.rcode, local.authority.length], [RCODE.NXDOMAIN, 1]);
    assert.deepEqual(recordTexts(rig.answer({ qname: 'localhost.' }).answer), ['A 127.0.0.1']);
    assert.deepEqual(recordTexts(rig.answer({ qname: 'a.b.localhost.' }).answer), ['A 127.0.0.1']);
    assert.equal(rig.answer({ qname: '1.0.0.10.in-addr.arpa.', qtype: TYPE.PTR }).rcode, 3);
    const pointer = rig.answer({ qname: '1.0.0.127.in-addr.arpa.', qtype: TYPE.PTR });
    assert.deepEqual(recordTexts(pointer.answer), ['PTR localhost.']);
    assert.equal(rig.ask({ qname: 'notlocal.' }), 'forward');
  });

  test('is forwarded where the settings say so', () => {
    const rig = new Rig({ specialZones: null });
    assert.equal(rig.ask({ qname: 'localhost.' }), 'forward');
  });

  test('is counted outside our zones', () => {
    const rig = new Rig();
    rig.answer({ qname: 'localhost.' });
    assert.equal(rig.counters.requests(OUTSIDE_SLOT, typeIndex(TYPE.A), 0, 0), 1);
    assert.equal(rig.counters.requests(MESOS_SLOT, typeIndex(TYPE.A), 0, 0), 0);
  });

  test('below a zone of ours is ours', () => {
    const rig = new Rig();
    const table = compileZone((store) => store.address('web.local.', ip('10.1.0.9')), {
      zones: [zoneApex('local.')],
      ttlSeconds: 60,
      srvWeight: 1,
    });
    rig.responder.publishTable(table, Uint8Array.of(9));
    assert.deepEqual(recordTexts(rig.answer({ qname: 'web.local.' }).answer), ['A 10.1.0.9']);
    assert.equal(rig.counters.requests(9, typeIndex(TYPE.A), 0, 0), 1);
  });
});

test('A11: the address of a task has its name, before private addresses and stored replies', () => {
  const rig = new Rig();
  const table = compileZone((store) => store.pointer('7.1.0.10.in-addr.arpa.', 'web.mesos.'));
  rig.responder.publishTable(table, Uint8Array.of(MESOS_SLOT));
  const pointer = rig.answer({ qname: '7.1.0.10.in-addr.arpa.', qtype: TYPE.PTR });
  assert.deepEqual(recordTexts(pointer.answer), ['PTR web.mesos.']);
  assert.equal(pointer.flags & FLAG.AA, FLAG.AA);
  assert.equal(rig.counters.requests(OUTSIDE_SLOT, typeIndex(TYPE.PTR), 0, 0), 1);
  for (const qname of ['8.1.0.10.in-addr.arpa.', '1.0.10.in-addr.arpa.']) {
    const denied = rig.answer({ qname, qtype: TYPE.PTR });
    assert.deepEqual([denied.rcode, denied.authority[0]?.name], [3, '10.in-addr.arpa.']);
  }
  const closed = new Rig({ forwards: false });
  closed.responder.publishTable(table, Uint8Array.of(MESOS_SLOT));
  const reply = closed.answer({ qname: '7.1.0.10.in-addr.arpa.', qtype: TYPE.PTR });
  assert.equal(reply.rcode, RCODE.NOERROR);
});

describe('a stored reply', () => {
  test('is given with what is left of its TTL, until it ends', () => {
    const rig = new Rig();
    rig.hot.put(storedAddresses('outside.example.', 50, 2));
    rig.nowMs = 50_999;
    const fresh = rig.answer({ qname: 'OUTSIDE.example.' });
    assert.deepEqual(
      fresh.answer.map(({ ttl }) => ttl),
      [100, 100],
    );
    assert.equal(fresh.qname, 'OUTSIDE.example.');
    assert.equal(fresh.flags & (FLAG.AA | FLAG.RA | FLAG.TC), FLAG.RA);
    rig.nowMs = 149_999;
    assert.equal(rig.answer({ qname: 'outside.example.' }).answer[0]?.ttl, 1);
    rig.nowMs = 150_000;
    assert.equal(rig.ask({ qname: 'outside.example.' }), 'forward');
    assert.equal(rig.counters.counted(COUNT.CACHE_HIT), 2);
    assert.equal(rig.hot.hits(rig.hot.find(rig.responder.answerer.query, KEY_FLAG.RD)), 2);
  });

  test('is for the same DO, CD and RD bits alone', () => {
    const rig = new Rig();
    rig.hot.put(storedAddresses('outside.example.', 50));
    const qname = 'outside.example.';
    assert.equal(rig.ask({ qname, opt: { size: 1232, flags: 0x8000 } }), 'forward');
    assert.equal(rig.ask({ qname, flags: FLAG.RD | FLAG.CD }), 'forward');
    assert.equal(rig.ask({ qname, flags: 0 }), 'forward');
    assert.equal(rig.ask({ qname, qtype: TYPE.AAAA }), 'forward');
    assert.equal(rig.answer({ qname, opt: EDNS }).answer.length, 1);
    const dnssecOk = questionOf(qname, { dnssecOk: true });
    rig.hot.put(
      storedOf(dnssecOk, 50, {
        answer: [{ ...soa, name: qname, type: TYPE.A, rdata: Uint8Array.of(1, 2, 3, 4) }],
      }),
    );
    const signed = rig.answer({ qname, opt: { size: 1232, flags: 0x8000 } });
    assert.deepEqual(recordTexts(signed.answer), ['A 1.2.3.4']);
  });

  test('that denies is counted as such', () => {
    const rig = new Rig();
    const flags = FLAG.QR | RCODE.NXDOMAIN;
    rig.hot.put(storedOf(questionOf('no.example.'), 50, { flags, authority: [soa] }));
    const reply = rig.answer({ qname: 'no.example.' });
    assert.deepEqual([reply.rcode, reply.authority.length], [RCODE.NXDOMAIN, 1]);
    assert.equal(rig.counters.counted(COUNT.CACHE_HIT), 0);
    assert.equal(rig.counters.counted(COUNT.CACHE_HIT_NEGATIVE), 1);
    assert.equal(rig.counters.responses(OUTSIDE_SLOT, rcodeIndex(RCODE.NXDOMAIN)), 1);
  });

  test('that is about to end is asked for again once, by one of all threads', () => {
    const rig = new Rig();
    const other = new Rig();
    other.responder.publishReplies(rig.hot.buffer);
    rig.hot.put(storedAddresses('outside.example.', 50));
    const ask = (): void => {
      for (const one of [rig, other, rig]) {
        one.nowMs = rig.nowMs;
        one.answer({ qname: 'OutSide.example.' });
      }
    };
    rig.nowMs = 139_999;
    ask();
    assert.deepEqual([rig.prefetched, other.prefetched], [[], []]);
    rig.nowMs = 140_000;
    ask();
    assert.deepEqual(rig.prefetched, [questionOf('outside.example.')]);
    assert.deepEqual(other.prefetched, []);
  });

  test('that is published later is found, and an older buffer is forgotten', () => {
    const rig = new Rig();
    rig.hot.put(storedAddresses('old.example.', 50));
    const next = new HotReplies(HotReplies.create(65_536));
    next.put(storedAddresses('new.example.', 50));
    assert.equal(rig.ask({ qname: 'new.example.' }), 'forward');
    rig.responder.publishReplies(next.buffer);
    assert.equal(rig.answer({ qname: 'new.example.' }).answer.length, 1);
    assert.equal(rig.ask({ qname: 'old.example.' }), 'forward');
  });
});

describe('a question that was forwarded', () => {
  const stored = (name: string): Resolution => ({
    kind: 'reply',
    reply: storedAddresses(name, 50),
    stale: false,
  });

  function forwarded(qname = 'outside.example.', rig = new Rig()): Rig {
    assert.equal(rig.ask({ id: 77, qname, opt: EDNS }), 'forward');
    return rig;
  }

  test('is answered with the reply of an upstream, with id and question as they came', () => {
    const rig = forwarded('OutSide.example.');
    rig.nowMs += 3_000;
    const reply = rig.resume(stored('outside.example.'));
    assert.deepEqual([reply.id, reply.qname, reply.rcode], [77, 'OutSide.example.', 0]);
    assert.equal(reply.answer[0]?.ttl, 97);
    assert.equal(reply.flags & (FLAG.QR | FLAG.AA | FLAG.RA), FLAG.QR | FLAG.RA);
    assert.equal(extendedError(reply), null);
    assert.deepEqual(rig.lasted, [3_000]);
    assert.equal(rig.counters.requests(OUTSIDE_SLOT, typeIndex(TYPE.A), 0, 0), 1);
  });

  test('is answered by the right reply though others came in between', () => {
    const rig = forwarded('a.example.');
    rig.answer({ id: 78, qname: 'web.mesos.', qtype: TYPE.SRV });
    const resumed = rig.resume(stored('a.example.'));
    assert.deepEqual([resumed.id, resumed.qname, resumed.qtype], [77, 'a.example.', TYPE.A]);
    assert.equal(rig.counters.requests(OUTSIDE_SLOT, typeIndex(TYPE.A), 0, 0), 1);
    assert.equal(rig.counters.requests(MESOS_SLOT, typeIndex(TYPE.SRV), 0, 0), 1);
  });

  test('is told that a reply is stale: TTL 30 at most, extended error 3', () => {
    const rig = forwarded();
    rig.nowMs = 500_000;
    const resolution = { kind: 'reply', reply: storedAddresses('outside.example.', 50) } as const;
    const reply = rig.resume({ ...resolution, stale: true });
    assert.deepEqual([reply.rcode, reply.answer[0]?.ttl], [RCODE.NOERROR, 30]);
    assert.equal(extendedError(reply), '3');
  });

  test('is told that a stale denial is one: extended error 19', () => {
    const rig = forwarded();
    rig.nowMs = 500_000;
    const flags = FLAG.QR | RCODE.NXDOMAIN;
    const denial = storedOf(questionOf('outside.example.'), 50, { flags, authority: [soa] });
    const reply = rig.resume({ kind: 'reply', reply: denial, stale: true });
    assert.deepEqual([reply.rcode, extendedError(reply)], [RCODE.NXDOMAIN, '19']);
    assert.equal(reply.authority[0]?.ttl, 30);
  });

  test('is told why it failed', () => {
    const rig = forwarded();
    const text = '192.0.2.1:53: timeout';
    const reply = rig.resume({ kind: 'failure', rcode: RCODE.SERVFAIL, ede: 22, text });
    assert.deepEqual([reply.rcode, extendedError(reply)], [RCODE.SERVFAIL, `22 ${text}`]);
    assert.equal(reply.flags & (FLAG.RA | FLAG.AA), FLAG.RA);
    assert.equal(rig.counters.responses(OUTSIDE_SLOT, rcodeIndex(RCODE.SERVFAIL)), 1);
  });

  test('and gets a reply that is too long is cut over UDP, whole over TCP', () => {
    const long = storedAddresses('outside.example.', 50, 100);
    const resolution: Resolution = { kind: 'reply', reply: long, stale: false };
    const cut = forwarded().resume(resolution);
    assert.equal(cut.tc, true);
    assert.ok(cut.answer.length < 100);
    const rig = new Rig();
    assert.equal(rig.ask({ qname: 'outside.example.' }, { overTcp: true }), 'forward');
    const whole = rig.resume(resolution, { overTcp: true });
    assert.deepEqual([whole.tc, whole.answer.length], [false, 100]);
    assert.equal(rig.counters.requests(OUTSIDE_SLOT, typeIndex(TYPE.A), 1, 0), 1);
  });

  test('keeps the words of the reply as they are: others wait for the same', () => {
    const rig = forwarded();
    const { reply } = stored('outside.example.') as { reply: Uint32Array };
    const before = reply.slice();
    rig.resume({ kind: 'reply', reply, stale: true });
    assert.deepEqual(reply, before);
    assert.equal(reply[STORED.HITS], 0);
  });
});

describe('where nobody is left to ask upstreams', () => {
  test('a question gets SERVFAIL at once, and malformed ones what they always get', () => {
    const rig = new Rig();
    const reply = rig.overload({ qname: 'outside.example.', opt: EDNS });
    assert.ok(typeof reply === 'object');
    assert.equal(reply.rcode, RCODE.SERVFAIL);
    assert.equal(extendedError(reply), '0 too many queries wait');
    const version = rig.overload({ qname: 'outside.example.', opt: { size: 512, version: 1 } });
    assert.equal(typeof version === 'object' && version.edns?.rcode, RCODE.BADVERS);
    assert.equal(rig.counters.responses(OUTSIDE_SLOT, rcodeIndex(RCODE.SERVFAIL)), 1);
  });
});

describe('counters', () => {
  test('take zone, type, protocol, family, sizes and response code', () => {
    const rig = new Rig();
    const message = buildMessage({ qname: 'web.mesos.', qtype: TYPE.AAAA });
    rig.handle(message, { from: 'fd00::1', overTcp: true });
    assert.equal(rig.counters.requests(MESOS_SLOT, typeIndex(TYPE.AAAA), 1, 1), 1);
    assert.equal(rig.counters.responses(MESOS_SLOT, rcodeIndex(RCODE.NOERROR)), 1);
    assert.equal(rig.counters.requestSizes(MESOS_SLOT, 1).sum, message.length);
    assert.deepEqual(rig.sent, [rig.counters.responseSizes(MESOS_SLOT, 1).sum]);
    rig.answer({ qname: 'nothing.mesos.' });
    assert.equal(rig.counters.responses(MESOS_SLOT, rcodeIndex(RCODE.NXDOMAIN)), 1);
    rig.answer({ qname: 'web.mesos.', opt: { size: 1232, version: 1 } });
    assert.equal(rig.counters.responses(OUTSIDE_SLOT, rcodeIndex(RCODE.BADVERS)), 1);
  });

  test('do not take the zone or the type of the question before', () => {
    const rig = new Rig();
    rig.answer({ qname: 'web.mesos.', qtype: TYPE.SRV });
    rig.handle(new Uint8Array(12));
    assert.equal(rig.counters.requests(MESOS_SLOT, typeIndex(TYPE.SRV), 0, 0), 1);
    assert.equal(rig.counters.requests(OUTSIDE_SLOT, typeIndex(TYPE.SRV), 0, 0), 0);
    assert.equal(rig.counters.requests(OUTSIDE_SLOT, typeIndex(0), 0, 0), 1);
  });

  test('go by the slots that were published with the table', () => {
    const rig = new Rig();
    rig.responder.publishTable(smallTable(), Uint8Array.of(11));
    rig.answer({ qname: 'web.mesos.' });
    assert.equal(rig.counters.requests(11, typeIndex(TYPE.A), 0, 0), 1);
  });
});
