import { TYPE } from './constants.ts';

/** How the data of a type that has domain names in it is laid out. */
export interface RdataNames {
  /** Octets before the names that have a fixed length. */
  readonly fixedBytes: number;
  /** Character strings (RFC 1035 §3.3) between those and the names. */
  readonly strings: number;
  /** Names one after the other; any octets may follow. */
  readonly names: number;
  /** Only the types of RFC 1035 may have compressed names in a message we write (RFC 3597 §4). */
  readonly compressible: boolean;
}

const shape = (fixedBytes: number, names: number, strings = 0): RdataNames => ({
  fixedBytes,
  strings,
  names,
  compressible: false,
});

const compressed = (fixedBytes: number, names: number): RdataNames => ({
  ...shape(fixedBytes, names),
  compressible: true,
});

const BY_TYPE: ReadonlyMap<number, RdataNames> = new Map([
  [TYPE.NS, compressed(0, 1)],
  [3, compressed(0, 1)], // MD
  [4, compressed(0, 1)], // MF
  [TYPE.CNAME, compressed(0, 1)],
  [TYPE.SOA, compressed(0, 2)],
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
  [24, shape(18, 1)], // SIG
  [26, shape(2, 2)], // PX
  [30, shape(0, 1)], // NXT
  [TYPE.SRV, shape(6, 1)],
  [TYPE.NAPTR, shape(4, 1, 3)],
  [36, shape(2, 1)], // KX
  [39, shape(0, 1)], // DNAME
  [TYPE.RRSIG, shape(18, 1)],
  [47, shape(0, 1)], // NSEC
  [TYPE.SVCB, shape(2, 1)],
  [TYPE.HTTPS, shape(2, 1)],
]);

/** Layout of a type's data, or null where the data holds no name that could be compressed. */
export function rdataNames(type: number): RdataNames | null {
  return BY_TYPE.get(type) ?? null;
}
