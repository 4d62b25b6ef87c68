import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { AnswerTable } from '../../../src/core/dns/answer-table.ts';
import { FLAG, RCODE, TYPE } from '../../../src/core/dns/constants.ts';
import { buildMessage, type ReadMessage, recordText } from '../../support/dns-message.ts';
import { answer, answerBytes, compileZone, ip, TERMS } from '../../support/small-zone.ts';

describe('A11: a reverse name in no zone of ours', () => {
  const pointTo = (...targets: readonly string[]): AnswerTable =>
    compileZone((store) => {
      for (const target of targets) {
        store.address(target, ip('10.2.3.4'));
        store.pointer('4.3.2.10.in-addr.arpa.', target);
      }
    });
  const qname = '4.3.2.10.IN-ADDR.arpa.';
  const table = pointTo('a.mesos.', 'b.mesos.');
  const sections = ({ answer: records, authority, additional }: ReadMessage): unknown[] => [
    records,
    authority,
    additional,
  ];

  test('is answered with authority, in whatever case it is asked for', () => {
    for (const qtype of [TYPE.PTR, TYPE.ANY]) {
      const reply = answer(table, { qname, qtype, flags: FLAG.RD });
      assert.equal(reply.flags, FLAG.QR | FLAG.AA | FLAG.RD | FLAG.RA);
      assert.equal(reply.rcode, RCODE.NOERROR);
      assert.deepEqual(reply.answer.map(recordText).sort(), [
        `${qname} 60 PTR a.mesos.`,
        `${qname} 60 PTR b.mesos.`,
      ]);
      assert.deepEqual(sections(reply).slice(1), [[], []]);
    }
  });

  test('has no other type, which nobody keeps: there is no SOA', () => {
    for (const qtype of [TYPE.A, TYPE.SOA, TYPE.NS, TYPE.TXT]) {
      const reply = answer(table, { qname, qtype, flags: 0 });
      assert.equal(reply.flags, FLAG.QR | FLAG.AA | FLAG.RA);
      assert.equal(reply.rcode, RCODE.NOERROR);
      assert.deepEqual(sections(reply), [[], [], []]);
    }
  });

  test('is all that we know: names above, below and beside it are forwarded', () => {
    for (const other of ['3.2.10.in-addr.arpa.', '5.3.2.10.in-addr.arpa.', `x.${qname}`, 'arpa.']) {
      assert.equal(answerBytes(table, buildMessage({ qname: other, qtype: TYPE.PTR })), 'forward');
    }
  });

  test('is cut like any other answer that is too large', () => {
    const many = pointTo(...Array.from({ length: 50 }, (_, i) => `task-${i}.mesos.`));
    const reply = answer(many, { qname, qtype: TYPE.PTR });
    assert.equal(reply.flags & FLAG.TC, FLAG.TC);
    assert.ok(reply.answer.length > 5);
  });

  test('is forwarded before the first state', () => {
    const unready = compileZone(() => undefined, TERMS, false);
    assert.equal(answerBytes(unready, buildMessage({ qname, qtype: TYPE.PTR })), 'forward');
  });
});
