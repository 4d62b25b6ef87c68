import type { Random } from '../base/random.ts';
import { type AnswerTable, RECORD_HEAD_BYTES, ZONE } from './answer-table.ts';
import type { ReplyMessage } from './reply-message.ts';
import { readU16, writeU16 } from './wire.ts';
import { writeRrset } from './zone-answer.ts';

/** A pointer in the place of an owner, as records of a table have it (RFC 1035 §4.1.4). */
const POINTER = 0xc000;
const POINTER_BYTES = 2;

/**
 * Writes an RRset of a table as `writeRrset` does, for a name that the aliases before it lead to:
 * that stands at octet `nameAt` of the reply, below 16 KiB. False if not all records fit.
 */
export function writeAliasedRrset(
  reply: ReplyMessage,
  table: AnswerTable,
  rrset: number,
  nameAt: number,
  random: Random,
): boolean {
  let at = reply.at;
  const aliases = reply.answers;
  const whole = writeRrset(reply, table, rrset, random);
  for (let i = aliases; i < reply.answers; i++) {
    writeU16(reply.out, at, POINTER | nameAt);
    at += RECORD_HEAD_BYTES + readU16(reply.out, at + RECORD_HEAD_BYTES - 2);
  }
  return whole;
}

/**
 * Writes the SOA of a zone that aliases lead to; false if it does not fit. Its owner is written in
 * full: the name in the last alias may be compressed, so that the apex stands nowhere for sure.
 */
export function writeAliasedSoa(reply: ReplyMessage, table: AnswerTable, zone: number): boolean {
  const { words, bytes } = table;
  const at = table.zoneAt(zone);
  const apex = words[at + ZONE.APEX_NODE]!;
  const apexBytes = table.nameLength(apex);
  const rest = words[at + ZONE.NEGATIVE_SOA_BYTES]! - POINTER_BYTES;
  if (!reply.fits(apexBytes + rest)) return false;
  reply.copy(words, bytes, table.nameOffset(apex), apexBytes);
  reply.copy(words, bytes, words[at + ZONE.NEGATIVE_SOA]! + POINTER_BYTES, rest);
  reply.authority++;
  return true;
}
