import { assert } from '../base/assert.ts';
import type { ForwardConfig } from '../config/config.ts';
import { FLAG, HEADER_BYTES, RCODE, RCODE_MASK, TYPE } from '../dns/constants.ts';
import { FIELD, SECTION } from '../dns/message-layout.ts';
import { hashWireName, parseWireName } from '../dns/name.ts';
import {
  keyFlags,
  LEADS_HOME,
  OWN_NAME,
  OWN_NAME_WORDS,
  STORED,
  STORED_WORDS,
  storedKey,
  wholeWords,
} from '../dns/stored-reply.ts';
import { readU32 } from '../dns/wire.ts';
import type { IsOwnName } from './answer-chain.ts';
import { BodyWriter } from './body-writer.ts';
import { keepRecords, type KeptRecords } from './keep-records.ts';
import { isGuarded } from './private-answers.ts';
import { isSameName } from './reply-name.ts';
import { readReply, type ReplyRecord, type UpstreamReply } from './reply-records.ts';
import { denialTtl, keptTtl, prefetchTime, type TtlRules } from './reply-ttl.ts';
import type { ForwardQuestion } from './resolution.ts';

/** How replies are kept. */
export interface PackRules extends TtlRules {
  /** Private addresses are taken out (DNS rebinding). */
  readonly blockPrivate: boolean;
  /** Zones whose names may have them nevertheless, lower-case wire form. */
  readonly blockPrivateExcept: readonly Uint8Array[];
  readonly isOwnName: IsOwnName;
}

/** Why records are missing: the operator wants it so (RFC 8914 §4.18). */
const EDE_FILTERED = 17;
/** Type and class behind the name of the question. */
const QUESTION_FIELDS_BYTES = 4;
/** A compression pointer has 14 bits (RFC 1035 §4.1.4). */
const POINTER_MAX = 0x3fff;

/** One for all replies of a thread: packing is one step. */
const WRITER = new BodyWriter();

/** The rules of a configuration. */
export function packRules({ cache, ...config }: ForwardConfig, isOwnName: IsOwnName): PackRules {
  return {
    ttlSecondsMin: cache.ttlSecondsMin,
    ttlSecondsMax: cache.ttlSecondsMax,
    negativeTtlSecondsMax: cache.negativeTtlSecondsMax,
    prefetch: cache.prefetch,
    blockPrivate: config.blockPrivate,
    blockPrivateExcept: config.blockPrivateExcept.flatMap((zone) => parseWireName(zone) ?? []),
    isOwnName,
  };
}

/**
 * An upstream's reply as it is given to clients, with the layout of `STORED`: only what answers the
 * question, OPT taken out, TTLs within bounds. NOERROR and NXDOMAIN live as long as their least TTL
 * says, denials without SOA, replies with TC and other response codes not at all: those are for the
 * clients that wait. Where aliases lead to a name of ours, nothing but them is kept, with LEADS_HOME,
 * and as long as they live. `reply` passed `checkUpstreamReply`; null if it is of no use nevertheless, see
 * `keepRecords`, or has data that its type cannot have. `nowSeconds` is monotonic.
 */
export function packReply(
  question: ForwardQuestion,
  reply: Uint8Array,
  rules: PackRules,
  nowSeconds: number,
): Uint32Array | null {
  assert(Number.isSafeInteger(nowSeconds) && nowSeconds >= 0, 'replies are dated in whole seconds');
  const upstream = readReply(reply);
  if (upstream === null) return null;
  const hidesPrivate = rules.blockPrivate && isGuarded(question.qname, rules.blockPrivateExcept);
  const kept = keepRecords(question, upstream, hidesPrivate, rules.isOwnName);
  if (kept === null) return null;
  const body = writeBody(question, upstream, kept, rules);
  if (body === null || body.ownNameAt > POINTER_MAX) return null;
  return assemble(question, upstream, kept, body, rules, nowSeconds);
}

interface Body {
  /** Records in the answer, authority and additional section. */
  readonly counts: readonly [number, number, number];
  /** Records of the answer or the authority section are missing. */
  readonly truncated: boolean;
  readonly lifetime: number;
  /** Where `ownName` stands in the message, 0 without one; Infinity if it was not written. */
  readonly ownNameAt: number;
}

/** Writes the sections with WRITER; null if a record cannot be read. */
function writeBody(
  { qname }: ForwardQuestion,
  upstream: UpstreamReply,
  kept: KeptRecords,
  rules: TtlRules,
): Body | null {
  const { message } = upstream;
  const { rcode } = kept;
  const denies = !kept.isAnswered || rcode === RCODE.NXDOMAIN;
  const counts: [number, number, number] = [0, 0, 0];
  let { truncated } = upstream;
  let lifetime = kept.isAllHidden ? hiddenLifetime(kept, rules) : Infinity;
  // Only a SOA record says how long something does not exist.
  let isDated = !denies || kept.isAllHidden;
  let rrsetFirst = 0;
  let previous: ReplyRecord | null = null;
  WRITER.begin(qname);
  for (const record of inOrder(kept)) {
    const { section } = record;
    const isSoa = denies && section === SECTION.AUTHORITY && record.type === TYPE.SOA;
    const ttl = isSoa
      ? denialTtl(record.ttlSeconds, readU32(message, record.end - 4), rules)
      : keptTtl(record.ttlSeconds, rules);
    if (previous === null || !isSameSet(previous, record)) rrsetFirst = WRITER.records;
    const outcome = WRITER.record(message, record, ttl);
    if (outcome === 'malformed') return null;
    if (outcome === 'full') {
      // RFC 2181 §9: without TC, no part of an RRset.
      if (section === SECTION.ADDITIONAL) {
        counts[section] -= WRITER.records - rrsetFirst;
        WRITER.cut(rrsetFirst);
      } else {
        truncated = true;
      }
      break;
    }
    counts[section]++;
    isDated ||= isSoa;
    lifetime = Math.min(lifetime, ttl);
    previous = record;
  }
  const isKept = (rcode === RCODE.NOERROR || rcode === RCODE.NXDOMAIN) && !truncated && isDated;
  const ownNameAt = kept.ownName === null ? 0 : targetOffset(qname, kept.answer);
  return { counts, truncated, lifetime: isKept ? lifetime : 0, ownNameAt };
}

/** Where the target of the last alias stands in the message that was written. */
function targetOffset(qname: Uint8Array, answer: readonly ReplyRecord[]): number {
  const ttlAt = WRITER.ttls[answer.findLastIndex(({ type }) => type === TYPE.CNAME)];
  if (ttlAt === undefined) return Infinity;
  const body = HEADER_BYTES + qname.length + QUESTION_FIELDS_BYTES;
  return body + ttlAt + FIELD.RDATA - FIELD.TTL;
}

function* inOrder(kept: KeptRecords): Generator<ReplyRecord> {
  yield* kept.answer;
  yield* kept.authority;
  yield* kept.additional;
}

function isSameSet(a: ReplyRecord, b: ReplyRecord): boolean {
  return a.section === b.section && a.type === b.type && isSameName(a.owner, b.owner);
}

/** What is hidden is asked for again when it may have changed. */
function hiddenLifetime({ hidden }: KeptRecords, rules: TtlRules): number {
  const ttls = hidden.map(({ ttlSeconds }) => keptTtl(ttlSeconds, rules));
  return Math.min(rules.negativeTtlSecondsMax, ...ttls);
}

function assemble(
  question: ForwardQuestion,
  upstream: UpstreamReply,
  kept: KeptRecords,
  { counts, truncated, lifetime, ownNameAt }: Body,
  rules: TtlRules,
  nowSeconds: number,
): Uint32Array {
  const { qname, qtype } = question;
  const { body, ttls } = WRITER;
  const nameAt = 4 * STORED_WORDS;
  const ttlsAt = nameAt + wholeWords(qname.length);
  const bodyAt = ttlsAt + wholeWords(ttls.byteLength);
  const { ownName } = kept;
  const own = (bodyAt + wholeWords(body.length)) / 4;
  const ownWords = ownName === null ? 0 : OWN_NAME_WORDS + wholeWords(ownName.length) / 4;
  const words = new Uint32Array(own + ownWords);
  const bytes = new Uint8Array(words.buffer);
  bytes.set(qname, nameAt);
  new Uint16Array(words.buffer, ttlsAt, ttls.length).set(ttls);
  bytes.set(body, bodyAt);
  const flags = keyFlags(question.dnssecOk, question.checkingDisabled, question.recursionDesired);
  // A record that is missing was not found to be authentic.
  const isAuthentic = upstream.authenticData && kept.hidden.length === 0 && ownName === null;
  words[STORED.BYTES] = bytes.length;
  words[STORED.HASH] = hashWireName(qname, 0, qname.length);
  words[STORED.KEY] = storedKey(qname.length, flags, qtype);
  words[STORED.STORED_AT] = nowSeconds;
  words[STORED.EXPIRES_AT] = nowSeconds + lifetime;
  words[STORED.PREFETCH_AT] = prefetchTime(nowSeconds, lifetime, rules);
  words[STORED.FLAGS] =
    (isAuthentic ? FLAG.AD : 0) |
    (truncated ? FLAG.TC : 0) |
    (ownName === null ? 0 : LEADS_HOME) |
    shownRcode(kept.rcode);
  words[STORED.ANSWER_AUTHORITY] = (counts[SECTION.ANSWER] << 16) | counts[SECTION.AUTHORITY];
  words[STORED.ADDITIONAL] = counts[SECTION.ADDITIONAL];
  words[STORED.BODY_BYTES] = body.length;
  words[STORED.EDE] = extendedError(upstream, kept);
  if (ownName !== null) {
    words[own + OWN_NAME.HASH] = hashWireName(ownName, 0, ownName.length);
    words[own + OWN_NAME.LENGTH_POINTER] = ownName.length | (ownNameAt << 16);
    bytes.set(ownName, 4 * (own + OWN_NAME_WORDS));
  }
  return words;
}

/** What the upstream has to say about a name of ours is nobody's business. */
function extendedError({ ede }: UpstreamReply, { hidden, ownName }: KeptRecords): number {
  if (hidden.length > 0) return EDE_FILTERED;
  return ownName === null ? ede : 0;
}

/** Extended codes are about the exchange with the upstream, which the client has no part in. */
function shownRcode(rcode: number): number {
  return rcode > RCODE_MASK ? RCODE.SERVFAIL : rcode;
}
