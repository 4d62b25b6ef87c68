import { assert } from '../base/assert.ts';
import type { ForwardConfig } from '../config/config.ts';
import { FLAG, RCODE, RCODE_MASK, TYPE } from '../dns/constants.ts';
import { SECTION } from '../dns/message-layout.ts';
import { hashWireName, parseWireName } from '../dns/name.ts';
import { keyFlags, STORED, STORED_WORDS, storedKey, wholeWords } from '../dns/stored-reply.ts';
import { readU32 } from '../dns/wire.ts';
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
}

/** Why records are missing: the operator wants it so (RFC 8914 §4.18). */
const EDE_FILTERED = 17;

/** One for all replies of a thread: packing is one step. */
const WRITER = new BodyWriter();

/** The rules of a configuration. */
export function packRules({ cache, ...config }: ForwardConfig): PackRules {
  return {
    ttlSecondsMin: cache.ttlSecondsMin,
    ttlSecondsMax: cache.ttlSecondsMax,
    negativeTtlSecondsMax: cache.negativeTtlSecondsMax,
    prefetch: cache.prefetch,
    blockPrivate: config.blockPrivate,
    blockPrivateExcept: config.blockPrivateExcept.flatMap((zone) => parseWireName(zone) ?? []),
  };
}

/**
 * An upstream's reply as it is given to clients, with the layout of `STORED`: only what answers the
 * question, OPT taken out, TTLs within bounds. NOERROR and NXDOMAIN live as long as their least TTL
 * says, denials without SOA, replies with TC and other response codes not at all: those are for the
 * clients that wait. `reply` passed `checkUpstreamReply`; null if it is of no use nevertheless, see
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
  const kept = keepRecords(question, upstream, hidesPrivate);
  if (kept === null) return null;
  const body = writeBody(question, upstream, kept, rules);
  return body === null ? null : assemble(question, upstream, kept, body, rules, nowSeconds);
}

interface Body {
  /** Records in the answer, authority and additional section. */
  readonly counts: readonly [number, number, number];
  /** Records of the answer or the authority section are missing. */
  readonly truncated: boolean;
  readonly lifetime: number;
}

/** Writes the sections with WRITER; null if a record cannot be read. */
function writeBody(
  { qname }: ForwardQuestion,
  upstream: UpstreamReply,
  kept: KeptRecords,
  rules: TtlRules,
): Body | null {
  const { rcode, message } = upstream;
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
  return { counts, truncated, lifetime: isKept ? lifetime : 0 };
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
  { counts, truncated, lifetime }: Body,
  rules: TtlRules,
  nowSeconds: number,
): Uint32Array {
  const { qname, qtype } = question;
  const { body, ttls } = WRITER;
  const nameAt = 4 * STORED_WORDS;
  const ttlsAt = nameAt + wholeWords(qname.length);
  const bodyAt = ttlsAt + wholeWords(ttls.byteLength);
  const words = new Uint32Array((bodyAt + wholeWords(body.length)) / 4);
  const bytes = new Uint8Array(words.buffer);
  bytes.set(qname, nameAt);
  new Uint16Array(words.buffer, ttlsAt, ttls.length).set(ttls);
  bytes.set(body, bodyAt);
  const flags = keyFlags(question.dnssecOk, question.checkingDisabled, question.recursionDesired);
  // A record that is missing was not found to be authentic.
  const isAuthentic = upstream.authenticData && kept.hidden.length === 0;
  words[STORED.BYTES] = bytes.length;
  words[STORED.HASH] = hashWireName(qname, 0, qname.length);
  words[STORED.KEY] = storedKey(qname.length, flags, qtype);
  words[STORED.STORED_AT] = nowSeconds;
  words[STORED.EXPIRES_AT] = nowSeconds + lifetime;
  words[STORED.PREFETCH_AT] = prefetchTime(nowSeconds, lifetime, rules);
  words[STORED.FLAGS] =
    (isAuthentic ? FLAG.AD : 0) | (truncated ? FLAG.TC : 0) | shownRcode(upstream.rcode);
  words[STORED.ANSWER_AUTHORITY] = (counts[SECTION.ANSWER] << 16) | counts[SECTION.AUTHORITY];
  words[STORED.ADDITIONAL] = counts[SECTION.ADDITIONAL];
  words[STORED.BODY_BYTES] = body.length;
  words[STORED.EDE] = kept.hidden.length === 0 ? upstream.ede : EDE_FILTERED;
  return words;
}

/** Extended codes are about the exchange with the upstream, which the client has no part in. */
function shownRcode(rcode: number): number {
  return rcode > RCODE_MASK ? RCODE.SERVFAIL : rcode;
}
