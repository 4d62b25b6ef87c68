import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TYPE } from '../../../src/core/dns/constants.ts';
import { parseWireName } from '../../../src/core/dns/name.ts';
import { paddedQuery } from '../../../src/core/forward/padded-query.ts';
import { buildUpstreamQuery, withoutOpt } from '../../../src/core/forward/upstream-query.ts';
import { readMessage } from '../../support/dns-message.ts';

function queryFor(name: string): Uint8Array {
  const qname = parseWireName(name);
  assert.ok(qname !== null);
  return buildUpstreamQuery({
    qname,
    qtype: TYPE.A,
    dnssecOk: true,
    checkingDisabled: false,
    recursionDesired: true,
  });
}

test('a padded query is the same but for zeros up to a multiple of 128 octets', () => {
  const label = fc.integer({ min: 1, max: 60 }).map((length) => 'x'.repeat(length));
  fc.assert(
    fc.property(fc.array(label, { minLength: 1, maxLength: 4 }), (labels) => {
      const query = queryFor(labels.join('.'));
      const before = new Uint8Array(query);
      const padded = paddedQuery(query);
      assert.deepEqual(query, before);
      assert.equal(padded.length % 128, 0);
      assert.ok(padded.length - query.length < 128 + 4);
      const { opt, ...rest } = readMessage(padded);
      const { opt: optBefore, ...restBefore } = readMessage(query);
      assert.deepEqual(rest, restBefore);
      const zeros = padded.length - query.length - 4;
      assert.deepEqual(opt, {
        ...optBefore,
        options: `000c${zeros.toString(16).padStart(4, '0')}${'00'.repeat(zeros)}`,
      });
    }),
  );
});

test('a query without OPT has no place for padding', () => {
  const query = withoutOpt(queryFor('ok.example'));
  const padded = paddedQuery(query);
  assert.deepEqual(padded, query);
  assert.notEqual(padded, query);
});
