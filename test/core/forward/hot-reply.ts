import assert from 'node:assert/strict';
import { FLAG, TYPE } from '../../../src/core/dns/constants.ts';
import { parseWireName } from '../../../src/core/dns/name.ts';
import { FORM, Query } from '../../../src/core/dns/query.ts';
import { keyFlags, STORED } from '../../../src/core/dns/stored-reply.ts';
import { packReply } from '../../../src/core/forward/pack-reply.ts';
import { buildMessage } from '../../support/dns-message.ts';
import { readStored } from '../../support/stored-reply.ts';

/** A question of the tests: every field makes it another one. */
export interface Asked {
  readonly name: string;
  readonly qtype: number;
  readonly dnssecOk: boolean;
}

/** KEY_FLAG bits of a question. */
export function flagsOf({ dnssecOk }: Asked): number {
  return keyFlags(dnssecOk, false, true);
}

/** The query for it as a thread reads it from the wire. */
export function queryFor({ name, qtype }: Asked): Query {
  const query = new Query();
  const message = buildMessage({ flags: FLAG.RD, qname: name, qtype });
  assert.equal(query.parse(message, message.length), FORM.GOOD);
  return query;
}

/**
 * A reply that can be told from every other one: its octets are all of them `version`, and its
 * length and lifetime follow from that.
 */
export function versionOf(asked: Asked, version: number): Uint32Array {
  const qname = parseWireName(asked.name);
  assert.ok(qname !== null);
  const { qtype, dnssecOk } = asked;
  const rdata = new Uint8Array((version % 97) + 4).fill(version);
  const answer = [{ name: asked.name, type: qtype, ttl: 1 + version, rdata }];
  const reply = buildMessage({ flags: FLAG.QR, qname: asked.name, qtype, answer });
  const stored = packReply(
    { qname, qtype, dnssecOk, checkingDisabled: false, recursionDesired: true },
    reply,
    {
      ttlSecondsMin: 0,
      ttlSecondsMax: 0x7fff_ffff,
      negativeTtlSecondsMax: 0,
      prefetch: false,
      blockPrivate: false,
      blockPrivateExcept: [],
      isOwnName: () => false,
    },
    0,
  );
  assert.ok(stored !== null);
  return stored;
}

/** The version of the reply at an offset; throws if it is not one whole reply to the question. */
export function readVersion(words: Uint32Array, at: number, asked: Asked): number {
  const start = at / 4;
  const stored = words.slice(start, start + words[start + STORED.BYTES]! / 4);
  const version = stored[STORED.EXPIRES_AT]! - 1;
  const reply = readStored(stored);
  assert.equal(reply.qname, asked.name.toLowerCase());
  assert.equal(reply.qtype, asked.qtype);
  assert.equal((stored[STORED.KEY]! >>> 8) & 0xff, flagsOf(asked));
  const [record] = reply.answer;
  assert.equal(record?.ttl, 1 + version);
  assert.equal(record.data, Buffer.alloc((version % 97) + 4, version).toString('hex'));
  assert.equal(reply.trailing, 0);
  return version;
}

/** A type without a form, so that its data may be anything. */
export const ANY_DATA: number = TYPE.CAA;
