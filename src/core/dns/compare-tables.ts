import { type AnswerTable, HEADER, RRSET, ZONE } from './answer-table.ts';
import { serialOffsets } from './compile-table.ts';
import { TYPE } from './constants.ts';
import { hashWireName } from './name.ts';

/** Serial, refresh, retry, expire, minimum at the end of an SOA record. */
const SOA_NUMBERS_BYTES = 20;

/**
 * True if two tables hold the same zones and records; serials and ages are not compared. This decides
 * whether the SOA serial moves, so it compares every byte rather than a digest.
 */
export function sameRecords(a: AnswerTable, b: AnswerTable): boolean {
  if (sameBuffers(a, b)) return true;
  for (const word of [HEADER.READY, HEADER.ZONE_COUNT, HEADER.NODE_COUNT, HEADER.TTL]) {
    if (a.header(word) !== b.header(word)) return false;
  }
  if (a.header(HEADER.RECORD_COUNT) !== b.header(HEADER.RECORD_COUNT)) return false;
  for (let i = 0; i < a.zoneCount; i++) {
    const [zoneA, zoneB] = [a.zoneAt(i), b.zoneAt(i)];
    const size = a.words[zoneA + ZONE.NEGATIVE_SOA_BYTES]!;
    if (size !== b.words[zoneB + ZONE.NEGATIVE_SOA_BYTES]) return false;
    const [soaA, soaB] = [a.words[zoneA + ZONE.NEGATIVE_SOA]!, b.words[zoneB + ZONE.NEGATIVE_SOA]!];
    if (!sameSoa(a, soaA, b, soaB, size)) return false;
  }
  for (const node of a.nodes()) {
    const length = a.nameLength(node);
    const nameOffset = a.nameOffset(node);
    const other = b.find(a.bytes, nameOffset, length, hashWireName(a.bytes, nameOffset, length));
    if (other === 0 || !sameNode(a, node, b, other)) return false;
  }
  return true;
}

/** Quick look at tables that were compiled in the same order, as most are when nothing changed. */
function sameBuffers(a: AnswerTable, b: AnswerTable): boolean {
  if (a.root !== 0 || b.root !== 0 || a.bytes.length !== b.bytes.length) return false;
  const tableEnd = a.header(HEADER.END);
  if (tableEnd !== b.header(HEADER.END)) return false;
  const [bytesA, bytesB] = [Buffer.from(a.buffer), Buffer.from(b.buffer)];
  const [header = 0, ...records] = serialOffsets(a);
  let start = 0;
  for (const end of [header, 4 * HEADER.STALE_AT, ...records, tableEnd]) {
    if (bytesA.compare(bytesB, start, end, start, end) !== 0) return false;
    start = end + 4;
  }
  return true;
}

function sameNode(a: AnswerTable, nodeA: number, b: AnswerTable, nodeB: number): boolean {
  const count = a.rrsetCount(nodeA);
  if (count !== b.rrsetCount(nodeB) || a.zoneIndex(nodeA) !== b.zoneIndex(nodeB)) return false;
  for (let i = 0; i < count; i++) {
    const [setA, setB] = [a.rrsetAt(nodeA, i), b.rrsetAt(nodeB, i)];
    const type = a.words[setA + RRSET.TYPE];
    const size = a.words[setA + RRSET.DATA_BYTES]!;
    if (type !== b.words[setB + RRSET.TYPE] || size !== b.words[setB + RRSET.DATA_BYTES]) {
      return false;
    }
    const [dataA, dataB] = [a.words[setA + RRSET.DATA]!, b.words[setB + RRSET.DATA]!];
    const same =
      type === TYPE.SOA ? sameSoa(a, dataA, b, dataB, size) : sameBytes(a, dataA, b, dataB, size);
    if (!same) return false;
  }
  return true;
}

function sameSoa(a: AnswerTable, atA: number, b: AnswerTable, atB: number, size: number): boolean {
  const beforeSerial = size - SOA_NUMBERS_BYTES;
  return (
    sameBytes(a, atA, b, atB, beforeSerial) &&
    sameBytes(a, atA + beforeSerial + 4, b, atB + beforeSerial + 4, SOA_NUMBERS_BYTES - 4)
  );
}

function sameBytes(
  a: AnswerTable,
  atA: number,
  b: AnswerTable,
  atB: number,
  size: number,
): boolean {
  for (let i = 0; i < size; i++) if (a.bytes[atA + i] !== b.bytes[atB + i]) return false;
  return true;
}
