import assert from 'node:assert/strict';
import { TYPE, typeMnemonic } from '../../src/core/dns/constants.ts';
import type { ReadRecord } from './dns-message.ts';

/** Type and data as in a zone file, such as `SRV 31000 web.mesos.`; priority and weight left out. */
export function recordText({ type, data }: ReadRecord): string {
  const [fixed = '', ...names] = data.split(' ');
  const octets = Buffer.from(fixed, 'hex');
  const mnemonic = typeMnemonic(type);
  switch (type) {
    case TYPE.A:
      return `${mnemonic} ${octets.join('.')}`;
    case TYPE.AAAA:
      return `${mnemonic} ${octets.toString('hex').replace(/(....)(?!$)/g, '$1:')}`;
    case TYPE.SRV:
      return `${mnemonic} ${octets.readUInt16BE(4)} ${names.join(' ')}`;
    default:
      return `${mnemonic} ${data}`;
  }
}

/** Texts of records, sorted: the order of an RRset means nothing. */
export function recordTexts(records: readonly ReadRecord[]): string[] {
  return records.map(recordText).sort();
}

/** The numbers at the end of an SOA record: serial, refresh, retry, expire, minimum. */
export function soaNumbers({ type, data }: ReadRecord): number[] {
  assert.equal(type, TYPE.SOA);
  const numbers = Buffer.from(data.split(' ').at(-1) ?? '', 'hex');
  return [0, 4, 8, 12, 16].map((at) => numbers.readUInt32BE(at));
}
