/**
 * Labels of what is counted. Whatever comes off the wire maps to a fixed list plus `other`, so that
 * nobody can grow our counters by asking strange questions.
 */

/** The label of everything that has none of its own. */
export const OTHER = 'other';

/** Query types with a label of their own; IANA mnemonics. */
const TYPE_NAMES: ReadonlyMap<number, string> = new Map([
  [1, 'A'],
  [2, 'NS'],
  [5, 'CNAME'],
  [6, 'SOA'],
  [12, 'PTR'],
  [13, 'HINFO'],
  [15, 'MX'],
  [16, 'TXT'],
  [28, 'AAAA'],
  [33, 'SRV'],
  [35, 'NAPTR'],
  [43, 'DS'],
  [46, 'RRSIG'],
  [47, 'NSEC'],
  [48, 'DNSKEY'],
  [50, 'NSEC3'],
  [52, 'TLSA'],
  [64, 'SVCB'],
  [65, 'HTTPS'],
  [251, 'IXFR'],
  [252, 'AXFR'],
  [255, 'ANY'],
  [257, 'CAA'],
]);

/** Response codes with a label of their own; IANA mnemonics, extended ones included (RFC 6891). */
const RCODE_NAMES: ReadonlyMap<number, string> = new Map([
  [0, 'NOERROR'],
  [1, 'FORMERR'],
  [2, 'SERVFAIL'],
  [3, 'NXDOMAIN'],
  [4, 'NOTIMP'],
  [5, 'REFUSED'],
  [6, 'YXDOMAIN'],
  [7, 'YXRRSET'],
  [8, 'NXRRSET'],
  [9, 'NOTAUTH'],
  [10, 'NOTZONE'],
  [16, 'BADVERS'],
  [23, 'BADCOOKIE'],
]);

/** `type` labels by index; index 0 is `other`. */
export const TYPE_LABELS: readonly string[] = [OTHER, ...TYPE_NAMES.values()];

/** `rcode` labels by index; index 0 is `other`. */
export const RCODE_LABELS: readonly string[] = [OTHER, ...RCODE_NAMES.values()];

/** Index of the label by code, as octets: looked up for every query. */
function indexByCode(names: ReadonlyMap<number, string>): Uint8Array {
  const index = new Uint8Array(Math.max(...names.keys()) + 1);
  for (const [i, code] of [...names.keys()].entries()) index[code] = i + 1;
  return index;
}

const TYPE_INDEX = indexByCode(TYPE_NAMES);
const RCODE_INDEX = indexByCode(RCODE_NAMES);

/** Index of a query type in `TYPE_LABELS`. */
export function typeIndex(qtype: number): number {
  return qtype < TYPE_INDEX.length ? TYPE_INDEX[qtype]! : 0;
}

/** Index of a response code in `RCODE_LABELS`. */
export function rcodeIndex(rcode: number): number {
  return rcode < RCODE_INDEX.length ? RCODE_INDEX[rcode]! : 0;
}

/** The `rcode` label of a response code, extended ones included. */
export function rcodeLabel(rcode: number): string {
  return RCODE_LABELS[rcodeIndex(rcode)]!;
}
