import { RCODE, TYPE } from '../dns/constants.ts';
import { SECTION } from '../dns/message-layout.ts';
import { expandName } from '../dns/wire.ts';
import { type AnswerChain, followAliases, type IsOwnName } from './answer-chain.ts';
import { hasPrivateAddress } from './private-answers.ts';
import { isInZone, type ReplyName, replyName, ReplyNameSet } from './reply-name.ts';
import { isSignature, type ReplyRecord, type UpstreamReply } from './reply-records.ts';
import type { ForwardQuestion } from './resolution.ts';

/** Types of proofs that something does not exist (RFC 4034 §4, RFC 5155 §3). */
const NSEC = 47;
const NSEC3 = 50;

/** Where the name starts in the data of types that lead on to addresses. */
const TARGET_OFFSETS: ReadonlyMap<number, number> = new Map([
  [TYPE.NS, 0],
  [TYPE.MX, 2],
  [TYPE.SRV, 6],
  [TYPE.SVCB, 2],
  [TYPE.HTTPS, 2],
]);

/** What of a reply concerns the question. */
export interface KeptRecords {
  /** Of the last name of the chain (RFC 6604 §2.1), as far as the upstream can know it. */
  readonly rcode: number;
  readonly answer: readonly ReplyRecord[];
  readonly authority: readonly ReplyRecord[];
  readonly additional: readonly ReplyRecord[];
  /** There is what was asked for, be it hidden or with us. Otherwise the reply denies it. */
  readonly isAnswered: boolean;
  /** The name of ours that the answer, all of it aliases, leads to; null: it leads to none. */
  readonly ownName: Uint8Array | null;
  /** Records of the answer with private addresses, or aliases of ours, that nobody may see. */
  readonly hidden: readonly ReplyRecord[];
  /** Nothing of what was asked for is left: the other sections are empty, too. */
  readonly isAllHidden: boolean;
}

/**
 * Leaves behind what the question did not ask for: records off its chain of aliases, authority of
 * other zones, addresses of names that nothing kept points to, everything about names of ours.
 * `hidesPrivate` also takes private addresses out, and aliases of ours. null if the reply cannot be used: an alias in it cannot be read, there are too many
 * of them, or it answers another question.
 */
export function keepRecords(
  question: ForwardQuestion,
  reply: UpstreamReply,
  hidesPrivate: boolean,
  isOwnName: IsOwnName,
): KeptRecords | null {
  const chain = followAliases(question, reply, isOwnName);
  if (chain === null || (chain.records.length === 0 && isForeign(reply))) return null;
  if (chain.ownName !== null) return aliasesOfOurs(chain, hidesPrivate);
  const isHidden = (record: ReplyRecord): boolean =>
    hidesPrivate && hasPrivateAddress(reply.message, record);
  const hidden = hidesPrivate ? chain.records.filter(isHidden) : [];
  const answer = hidden.length === 0 ? chain.records : chain.records.filter((r) => !isHidden(r));
  const { rcode } = reply;
  const { isAnswered, ownName } = chain;
  const common = { rcode, isAnswered, ownName, hidden };
  const isWhatWasAsked = (record: ReplyRecord): boolean =>
    record.type === question.qtype || (question.qtype === TYPE.ANY && !isSignature(record));
  if (hidden.length > 0 && !answer.some(isWhatWasAsked)) {
    return { ...common, answer: [], authority: [], additional: [], isAllHidden: true };
  }
  const authority = reply.records.filter(
    (record) =>
      record.section === SECTION.AUTHORITY && isKeptAuthority(record, chain.last, question),
  );
  // Names are not read for nothing: there may be thousands, of a hundred labels each.
  const hasAdditional = reply.records.some(({ section }) => section === SECTION.ADDITIONAL);
  const targets = targetsOf(reply.message, hasAdditional ? [...answer, ...authority] : []);
  const isKeptAddress = (record: ReplyRecord): boolean =>
    record.section === SECTION.ADDITIONAL &&
    (record.signedType === TYPE.A || record.signedType === TYPE.AAAA) &&
    (!isSignature(record) || question.dnssecOk) &&
    targets.has(record.owner) &&
    !isHidden(record);
  const additional = targets.isEmpty ? [] : reply.records.filter(isKeptAddress);
  return { ...common, answer, authority, additional, isAllHidden: false };
}

/**
 * Aliases alone: whatever the upstream has of a name of ours, be it NXDOMAIN or a failure, is not
 * about us. Where private addresses are hidden, names of ours are so, too: they are what is inside.
 */
function aliasesOfOurs({ records, ownName }: AnswerChain, isHidden: boolean): KeptRecords {
  return {
    rcode: RCODE.NOERROR,
    isAnswered: true,
    answer: isHidden ? [] : records,
    authority: [],
    additional: [],
    ownName: isHidden ? null : ownName,
    hidden: isHidden ? records : [],
    isAllHidden: isHidden,
  };
}

/** An answer without one record about the name that was asked for. */
function isForeign({ rcode, truncated, records }: UpstreamReply): boolean {
  if (rcode !== RCODE.NOERROR || truncated) return false;
  return records.some(({ section }) => section === SECTION.ANSWER);
}

/** `last`: the name that the aliases lead to. */
function isKeptAuthority(
  record: ReplyRecord,
  last: ReplyName,
  { dnssecOk }: ForwardQuestion,
): boolean {
  if (isSignature(record) && !dnssecOk) return false;
  switch (record.signedType) {
    case TYPE.SOA:
    case TYPE.NS:
      return isInZone(last.bytes, record.owner.bytes);
    case TYPE.DS:
      return dnssecOk && isInZone(last.bytes, record.owner.bytes);
    // Owners of these are anywhere in the zone; who asked for them checks their signatures.
    case NSEC:
    case NSEC3:
      return dnssecOk;
    default:
      return false;
  }
}

/** Every name that records lead on to. */
function targetsOf(message: Uint8Array, records: readonly ReplyRecord[]): ReplyNameSet {
  const targets = new ReplyNameSet();
  for (const { type, owner, rdata, end } of records) {
    const offset = TARGET_OFFSETS.get(type);
    const target = offset === undefined ? null : expandName(message, rdata + offset, end);
    if (target === null) continue;
    // RFC 9460 §2.5: the root stands for the owner.
    const isOwner = target.length === 1 && (type === TYPE.SVCB || type === TYPE.HTTPS);
    targets.add(isOwner ? owner : replyName(target));
  }
  return targets;
}
