import assert from 'node:assert/strict';
import { type IpAddress, parseIpAddress } from '../../src/core/base/address.ts';
import { type Random, seededRandom } from '../../src/core/base/random.ts';
import {
  Answerer,
  type AnswerSettings,
  type Asking,
  DROP,
  FORWARD,
  PENDING,
} from '../../src/core/dns/answer.ts';
import type { AnswerTable } from '../../src/core/dns/answer-table.ts';
import { compileTable, stampSerial } from '../../src/core/dns/compile-table.ts';
import { RecordStore } from '../../src/core/dns/record-store.ts';
import type { ZoneApex, ZoneTerms } from '../../src/core/dns/zone.ts';
import type { ClientAddress } from '../../src/core/guard/client-address.ts';
import type { ServerCookies } from '../../src/core/guard/server-cookie.ts';
import { buildMessage, type ReadMessage, readMessage, type TestMessage } from './dns-message.ts';

/** Start of authority of a zone in tests; the negative TTL is shorter than that of records. */
export function zoneApex(apex: string): ZoneApex {
  return {
    apex,
    mname: `ns1.${apex}`,
    rname: `root.ns1.${apex}`,
    refreshSeconds: 60,
    retrySeconds: 600,
    expireSeconds: 86_400,
    minimumSeconds: 5,
  };
}

export const TERMS: ZoneTerms = { zones: [zoneApex('mesos.')], ttlSeconds: 60, srvWeight: 1 };

export const SERIAL = 2_026_112_101;

/** An address that a test knows to be one. */
export function ip(text: string): IpAddress {
  const address = parseIpAddress(text);
  assert.ok(address !== null, `${text} is an address`);
  return address;
}

/** `count` addresses from 10.1.0.0 on. */
export function manyAddresses(count: number): IpAddress[] {
  return Array.from({ length: count }, (_, i) => ip(`10.1.${i >>> 8}.${i & 255}`));
}

/** Port of a record that is none but a pointer to its target. */
export const POINTER = -1;

/** An address of `owner`; if that is null, a service or, with port POINTER, a pointer. */
export interface AnyRecord {
  readonly owner: string;
  readonly address: string | null;
  readonly target: string;
  readonly port: number;
}

/** Puts records into a store. */
export function fill(store: RecordStore, records: readonly AnyRecord[]): void {
  for (const { owner, address, target, port } of records) {
    if (address !== null) store.address(owner, ip(address));
    else if (port === POINTER) store.pointer(owner, target);
    else store.service(owner, target, port);
  }
}

/** Compiles what `fill` puts into a store that refuses nothing. */
export function compileZone(
  fill: (store: RecordStore) => void,
  terms: ZoneTerms = TERMS,
  ready = true,
): AnswerTable {
  const store = new RecordStore((name, defect) => assert.fail(`${name}: ${defect}`));
  fill(store);
  const table = compileTable(store, terms, ready);
  stampSerial(table, SERIAL);
  return table;
}

/** How a query comes in and what the server is set to. */
export interface AskingTerms extends Partial<AnswerSettings> {
  readonly overTcp?: boolean;
  readonly recursionAvailable?: boolean;
  readonly random?: Random;
  readonly cookies?: ServerCookies | null;
  readonly client?: ClientAddress;
  /** Wall clock. */
  readonly nowSeconds?: number;
  readonly unprovenBytesMax?: number;
}

export const SETTINGS: AnswerSettings = {
  udpPayloadSize: 1232,
  truncateBit: true,
  nsid: new Uint8Array(0),
  chaos: null,
  tcpIdleMs: 10_000,
};

/** 10.0.0.1, or the address that `text` stands for. */
export function clientAt(text = '10.0.0.1'): ClientAddress {
  const { family, bytes } = ip(text);
  return { family, bytes, offset: 0 };
}

/** How an answerer is asked: over UDP, by 10.0.0.1, at a time of no meaning. */
export function asking({
  overTcp = false,
  recursionAvailable = true,
  client = clientAt(),
  nowSeconds = 1_700_000_000,
  unprovenBytesMax = 65_535,
}: AskingTerms = {}): Asking {
  return { overTcp, recursionAvailable, client, nowSeconds, unprovenBytesMax };
}

/** An answerer as tests set it up. */
export function answererOf({
  random = seededRandom(1),
  cookies = null,
  ...terms
}: AskingTerms = {}): Answerer {
  return new Answerer({ ...SETTINGS, ...terms }, cookies, random);
}

/** What a server with this table does with a query: the octets it sends, or nothing. */
export function answerBytes(
  table: AnswerTable,
  query: Uint8Array,
  terms: AskingTerms = {},
): Uint8Array | 'drop' | 'forward' {
  const answerer = answererOf(terms);
  // Behind the message stands what an earlier, longer one left in the buffer.
  const buffer = Buffer.concat([query, Buffer.alloc(64, 0xee)]);
  const out = new Uint8Array(65_535).fill(0xdd);
  let length = answerer.begin(buffer, query.length, asking(terms), out);
  if (length === PENDING) length = answerer.answerFrom(table);
  if (length === DROP) return 'drop';
  return length === FORWARD ? 'forward' : out.slice(0, length);
}

/** The decoded answer to a query that has to have one, with nothing behind its last record. */
export function answer(
  table: AnswerTable,
  query: TestMessage,
  terms: AskingTerms = {},
): ReadMessage {
  const bytes = answerBytes(table, buildMessage(query), terms);
  assert.ok(typeof bytes !== 'string', `the query gets an answer, not "${String(bytes)}"`);
  const message = readMessage(bytes);
  assert.equal(message.trailing, 0);
  return message;
}
