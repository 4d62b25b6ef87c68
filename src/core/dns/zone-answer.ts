import type { Random } from '../base/random.ts';
import {
  type AnswerTable,
  RECORD_HEAD_BYTES,
  RRSET,
  RRSET_WORDS,
  SRV_HEAD_BYTES,
  ZONE,
} from './answer-table.ts';
import { HEADER_BYTES, TYPE } from './constants.ts';
import type { ReplyMessage } from './reply-message.ts';
import { writeU16 } from './wire.ts';

/** Compression pointers reach the first 16 KiB of a message (RFC 1035 §4.1.4). */
const POINTER_MAX = 0x3fff;
const POINTER_BYTES = 2;

/**
 * Writes the SOA of a zone for the question of `nameLength` octets, so that caches know how long
 * the name or type will be missing (RFC 2308 §3); false if it does not fit.
 */
export function writeNegativeSoa(
  reply: ReplyMessage,
  table: AnswerTable,
  zone: number,
  nameLength: number,
): boolean {
  const at = table.zoneAt(zone);
  const size = table.words[at + ZONE.NEGATIVE_SOA_BYTES]!;
  if (!reply.fits(size)) return false;
  // The owner is the apex, which ends the qname.
  const apexBytes = table.nameLength(table.words[at + ZONE.APEX_NODE]!);
  const start = reply.at;
  reply.copy(table.words, table.bytes, table.words[at + ZONE.NEGATIVE_SOA]!, size);
  writeU16(reply.out, start, 0xc000 | (HEADER_BYTES + nameLength - apexBytes));
  reply.authority++;
  return true;
}

/**
 * Writes an RRset of a table from a random record on, round robin, and the addresses of its
 * targets; false if not all records fit.
 */
export function writeRrset(
  reply: ReplyMessage,
  table: AnswerTable,
  rrset: number,
  random: Random,
): boolean {
  const { words } = table;
  const count = words[rrset + RRSET.COUNT]!;
  const first = count > 1 ? Math.floor(random() * count) : 0;
  const data = words[rrset + RRSET.DATA]!;
  const size = words[rrset + RRSET.DATA_BYTES]!;
  if (!reply.fits(size)) {
    writeFittingRecords(reply, table, rrset, first);
    return false;
  }
  const start = reply.at;
  const turn = first === 0 ? 0 : table.recordOffset(rrset, first) - data;
  reply.copy(table.words, table.bytes, data + turn, size - turn);
  reply.copy(table.words, table.bytes, data, turn);
  reply.answers += count;
  const type = words[rrset + RRSET.TYPE]!;
  if (type === TYPE.SRV || type === TYPE.NS) {
    const head = type === TYPE.SRV ? RECORD_HEAD_BYTES + SRV_HEAD_BYTES : RECORD_HEAD_BYTES;
    writeTargets(reply, table, rrset, first, start + head);
  }
  return true;
}

function writeFittingRecords(
  reply: ReplyMessage,
  table: AnswerTable,
  rrset: number,
  first: number,
): void {
  const { words } = table;
  const count = words[rrset + RRSET.COUNT]!;
  const dataEnd = words[rrset + RRSET.DATA]! + words[rrset + RRSET.DATA_BYTES]!;
  for (let i = 0; i < count; i++) {
    const record = first + i < count ? first + i : first + i - count;
    const from = table.recordOffset(rrset, record);
    const to = record + 1 < count ? table.recordOffset(rrset, record + 1) : dataEnd;
    if (!reply.fits(to - from)) return;
    reply.copy(table.words, table.bytes, from, to - from);
    reply.answers++;
  }
}

/**
 * Additional section: all addresses of every target (RFC 2782), whole RRsets as far as they fit.
 * Leaving some out does not set TC: nothing that was asked for is missing (RFC 2181 §9).
 * `ownerAt` is where the target of the first record stands in the reply.
 */
function writeTargets(
  reply: ReplyMessage,
  table: AnswerTable,
  rrset: number,
  first: number,
  ownerAt: number,
): void {
  const { words } = table;
  const count = words[rrset + RRSET.COUNT]!;
  const size = words[rrset + RRSET.DATA_BYTES]!;
  const firstAt = table.recordOffset(rrset, first);
  let previous = 0;
  let opening = 0;
  for (let i = 0; i < count; i++) {
    const record = first + i < count ? first + i : first + i - count;
    const target = table.targetNode(rrset, record);
    // Equal targets stand side by side; rotation can only part the first group.
    if (target === 0 || target === previous || target === opening) continue;
    if (i === 0) opening = target;
    previous = target;
    // Records before the first one come behind the last.
    const distance = table.recordOffset(rrset, record) - firstAt;
    const targetAt = ownerAt + (distance < 0 ? distance + size : distance);
    const end = table.rrsetAt(target, table.rrsetCount(target));
    for (let set = table.rrsetAt(target, 0); set < end; set += RRSET_WORDS) {
      const type = words[set + RRSET.TYPE]!;
      if (type !== TYPE.A && type !== TYPE.AAAA) continue;
      if (!writeAddresses(reply, table, set, target, targetAt)) return;
    }
  }
}

/** Writes an RRset of addresses whose owner stands at `ownerAt`; false if not all of it fits. */
function writeAddresses(
  reply: ReplyMessage,
  table: AnswerTable,
  set: number,
  target: number,
  ownerAt: number,
): boolean {
  const { words } = table;
  const count = words[set + RRSET.COUNT]!;
  const size = words[set + RRSET.DATA_BYTES]!;
  const data = words[set + RRSET.DATA]!;
  const stride = count === 1 ? size : size / count;
  if (ownerAt <= POINTER_MAX) {
    if (!reply.fits(size)) return false;
    let at = reply.at;
    reply.copy(table.words, table.bytes, data, size);
    for (; at < reply.at; at += stride) writeU16(reply.out, at, 0xc000 | ownerAt);
  } else {
    const ownerBytes = table.nameLength(target);
    if (!reply.fits(size + count * (ownerBytes - POINTER_BYTES))) return false;
    for (let from = data; from < data + size; from += stride) {
      reply.copy(table.words, table.bytes, table.nameOffset(target), ownerBytes);
      reply.copy(table.words, table.bytes, from + POINTER_BYTES, stride - POINTER_BYTES);
    }
  }
  reply.additional += count;
  return true;
}
