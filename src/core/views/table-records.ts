import { formatIpAddress } from '../base/address.ts';
import {
  type AnswerTable,
  NO_ZONE,
  RECORD_HEAD_BYTES,
  RRSET,
  SRV_HEAD_BYTES,
  ZONE,
} from '../dns/answer-table.ts';
import { TYPE } from '../dns/constants.ts';
import { hashWireName, type OwnerName, readOwnerName } from '../dns/name.ts';
import { readU16 } from '../dns/wire.ts';

/** One service location as read back from a table. */
export interface TableService {
  readonly target: OwnerName;
  readonly port: number;
  /** Node of the target, 0 if it is not ours. */
  readonly node: number;
}

/** Owner name of a node, lower case with final dot. */
export function nodeName(table: AnswerTable, node: number): OwnerName {
  return readOwnerName(table.bytes, table.nameOffset(node));
}

/** Addresses of a node in text, all A before all AAAA. */
export function nodeAddresses(table: AnswerTable, node: number): string[] {
  return [...addressTexts(table, node, TYPE.A), ...addressTexts(table, node, TYPE.AAAA)];
}

/** Addresses of one type, in table order. */
export function addressTexts(
  table: AnswerTable,
  node: number,
  type: typeof TYPE.A | typeof TYPE.AAAA,
): string[] {
  const rrset = table.rrset(node, type);
  if (rrset === 0) return [];
  const bytes = type === TYPE.A ? 4 : 16;
  return Array.from({ length: table.words[rrset + RRSET.COUNT]! }, (_, i) => {
    const at = table.recordOffset(rrset, i) + RECORD_HEAD_BYTES;
    return formatIpAddress(table.bytes.slice(at, at + bytes));
  });
}

/** SRV records of a node. */
export function nodeServices(table: AnswerTable, node: number): TableService[] {
  const rrset = table.rrset(node, TYPE.SRV);
  if (rrset === 0) return [];
  return Array.from({ length: table.words[rrset + RRSET.COUNT]! }, (_, i) => {
    const rdata = table.recordOffset(rrset, i) + RECORD_HEAD_BYTES;
    return {
      target: readOwnerName(table.bytes, rdata + SRV_HEAD_BYTES),
      port: readU16(table.bytes, rdata + 4),
      node: table.targetNode(rrset, i),
    };
  });
}

/** Targets of a node's PTR records. */
export function nodePointers(table: AnswerTable, node: number): OwnerName[] {
  const rrset = table.rrset(node, TYPE.PTR);
  if (rrset === 0) return [];
  return Array.from({ length: table.words[rrset + RRSET.COUNT]! }, (_, i) =>
    readOwnerName(table.bytes, table.recordOffset(rrset, i) + RECORD_HEAD_BYTES),
  );
}

/** All nodes, in table order; empty non-terminals included. */
export function allNodes(table: AnswerTable): Iterable<number> {
  return table.nodes();
}

/** Node of a lower-case wire name, 0 if there is none. */
export function findNode(table: AnswerTable, wireName: Uint8Array): number {
  return table.find(wireName, 0, wireName.length, hashWireName(wireName, 0, wireName.length));
}

/** Apexes of the zones, in the table's order: our own domain first. */
export function zoneApexes(table: AnswerTable): OwnerName[] {
  return Array.from({ length: table.zoneCount }, (_, i) =>
    nodeName(table, table.words[table.zoneAt(i) + ZONE.APEX_NODE]!),
  );
}

/** Whether a lower-case wire name is answered from the table: in a zone of ours, or a stray name. */
export function isAnswered(table: AnswerTable, wireName: Uint8Array): boolean {
  if (table.zoneOf(wireName, wireName.length) !== NO_ZONE) return true;
  const node = findNode(table, wireName);
  return node !== 0 && table.isStray(node);
}

/** Apex of the innermost zone of ours that a lower-case wire name is in; null if there is none. */
export function zoneOfName(table: AnswerTable, wireName: Uint8Array): OwnerName | null {
  return zoneApexes(table)[table.zoneOf(wireName, wireName.length)] ?? null;
}
