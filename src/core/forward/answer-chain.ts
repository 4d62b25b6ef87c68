import { TYPE } from '../dns/constants.ts';
import { SECTION } from '../dns/message-layout.ts';
import { expandName, lowerOctet } from '../dns/wire.ts';
import { type ReplyName, isInZone, isSameName, replyName } from './reply-name.ts';
import { isSignature, type ReplyRecord, type UpstreamReply } from './reply-records.ts';
import type { ForwardQuestion } from './resolution.ts';

/** Aliases that a question may lead over; resolvers stop at 8 to 16 of them. */
const ALIASES_MAX = 16;
/** Redirections of whole zones (RFC 6672), each with a signature. */
const DNAMES_MAX = 2 * ALIASES_MAX;
const DNAME = 39;

/** The records of the answer section that answer the question, from its name on along aliases. */
export interface AnswerChain {
  /** Aliases first, each before what it leads to. */
  readonly records: readonly ReplyRecord[];
  /** Where the aliases end: what a negative answer denies. */
  readonly last: ReplyName;
  /** There are records of the type that was asked for. */
  readonly isAnswered: boolean;
  /** `last` as far as it is a name of ours, in lower-case wire form: upstreams have no say in it. */
  readonly ownName: Uint8Array | null;
}

/** Whether a lower-case wire name is in one of our zones. */
export type IsOwnName = (name: Uint8Array) => boolean;

/**
 * Follows the chain from the question's name along CNAME, to the first name of ours at most; DNAME
 * records come with the CNAMEs that were made from them. Everything else in the section is left behind (RFC 2181 §5.4.1), and so are
 * signatures that were not asked for. null if an alias cannot be read or there are more than 16.
 */
export function followAliases(
  question: ForwardQuestion,
  { message, records }: UpstreamReply,
  isOwnName: IsOwnName,
): AnswerChain | null {
  const { qtype, dnssecOk } = question;
  const answer = records.filter(({ section }) => section === SECTION.ANSWER);
  const dnames = answer
    .filter((record) => record.signedType === DNAME && (dnssecOk || !isSignature(record)))
    .slice(0, DNAMES_MAX);
  // One DNAME may stand above several of the names.
  const chain = new Set<ReplyRecord>();
  const names = [replyName(question.qname)];
  const end = (isAnswered: boolean, ownName: Uint8Array | null = null): AnswerChain => ({
    records: [...chain],
    last: names.at(-1)!,
    isAnswered,
    ownName,
  });
  for (;;) {
    const name = names.at(-1)!;
    const here = answer.filter(({ owner }) => isSameName(owner, name));
    const isWanted = ({ type }: ReplyRecord): boolean => type === qtype || qtype === TYPE.ANY;
    if (here.some(isWanted)) {
      for (const record of here) {
        if (isWanted(record) || (dnssecOk && record.signedType === qtype)) chain.add(record);
      }
      return end(true);
    }
    const alias = here.find(({ type }) => type === TYPE.CNAME);
    if (alias === undefined) return end(false);
    for (const record of dnames) if (isAbove(record.owner, name)) chain.add(record);
    chain.add(alias);
    for (const record of here) {
      if (dnssecOk && isSignature(record) && record.signedType === TYPE.CNAME) chain.add(record);
    }
    const target = expandName(message, alias.rdata, alias.end);
    if (target === null || names.length > ALIASES_MAX) return null;
    const next = replyName(target);
    // A loop leads nowhere, but each of its aliases is true.
    if (names.some((earlier) => isSameName(earlier, next))) return end(false);
    names.push(next);
    const lower = target.map(lowerOctet);
    if (isOwnName(lower)) return end(false, lower);
  }
}

function isAbove(owner: ReplyName, name: ReplyName): boolean {
  return owner.bytes.length < name.bytes.length && isInZone(name.bytes, owner.bytes);
}
