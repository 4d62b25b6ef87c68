import { TYPE } from '../dns/constants.ts';

/** How the data of a type that has domain names in it is laid out. */
export interface RdataNames {
  /** Octets before the names that have a fixed length. */
  readonly fixedBytes: number;
  /** Character strings (RFC 1035 §3.3) between those and the names. */
  readonly strings: number;
  /** Names one after the other. */
  readonly names: number;
  /** Octets behind the names; ANY_TAIL: as many as there are. */
  readonly tailBytes: number;
  /** Only the types of RFC 1035 may have compressed names in a message we write (RFC 3597 §4). */
  readonly compressible: boolean;
}

export const ANY_TAIL = -1;

const shape = (fixedBytes: number, names: number, tailBytes = 0, strings = 0): RdataNames => ({
  fixedBytes,
  strings,
  names,
  tailBytes,
  compressible: false,
});

const compressed = (fixedBytes: number, names: number, tailBytes = 0): RdataNames => ({
  ...shape(fixedBytes, names, tailBytes),
  compressible: true,
});

/** Serial, refresh, retry, expire and minimum (RFC 1035 §3.3.13). */
const SOA_NUMBERS_BYTES = 20;

const BY_TYPE: ReadonlyMap<number, RdataNames> = new Map([
  [TYPE.NS, compressed(0, 1)],
  [3, compressed(0, 1)], // MD
  [4, compressed(0, 1)], // MF
  [TYPE.CNAME, compressed(0, 1)],
  [TYPE.SOA, compressed(0, 2, SOA_NUMBERS_BYTES)],
  [7, compressed(0, 1)], // MB
  [8, compressed(0, 1)], // MG
  [9, compressed(0, 1)], // MR
  [TYPE.PTR, compressed(0, 1)],
  [14, compressed(0, 2)], // MINFO
  [TYPE.MX, compressed(2, 1)],
  // RFC 3597 §4: others may have compressed them, so they must be expanded on the way in.
  [17, shape(0, 2)], // RP
  [18, shape(2, 1)], // AFSDB
  [21, shape(2, 1)], // RT
  [24, shape(18, 1, ANY_TAIL)], // SIG
  [26, shape(2, 2)], // PX
  [30, shape(0, 1, ANY_TAIL)], // NXT
  [TYPE.SRV, shape(6, 1)],
  [TYPE.NAPTR, shape(4, 1, 0, 3)],
  [36, shape(2, 1)], // KX
  [39, shape(0, 1)], // DNAME
  [TYPE.RRSIG, shape(18, 1, ANY_TAIL)],
  [47, shape(0, 1, ANY_TAIL)], // NSEC
  [TYPE.SVCB, shape(2, 1, ANY_TAIL)],
  [TYPE.HTTPS, shape(2, 1, ANY_TAIL)],
]);

/** Layout of a type's data, or null where the data holds no name that could be compressed. */
export function rdataNames(type: number): RdataNames | null {
  return BY_TYPE.get(type) ?? null;
}

/** Octets that the data of a type without names must have, or null where they may be any. */
export function rdataBytes(type: number): number | null {
  if (type === TYPE.A) return 4;
  return type === TYPE.AAAA ? 16 : null;
}
