/**
 * Values of metric labels. Whatever comes off the wire maps to a fixed list plus `other`, so that
 * nobody can grow our metrics by asking strange questions.
 */

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

/** Response codes with a label of their own; IANA mnemonics (16 is BADVERS of RFC 6891). */
const RCODE_NAMES: readonly (string | undefined)[] = [
  'NOERROR',
  'FORMERR',
  'SERVFAIL',
  'NXDOMAIN',
  'NOTIMP',
  'REFUSED',
  'YXDOMAIN',
  'YXRRSET',
  'NXRRSET',
  'NOTAUTH',
  'NOTZONE',
  ...new Array<undefined>(5).fill(undefined),
  'BADVERS',
];

/** The label of everything that has none of its own. */
export const OTHER = 'other';

/** `type` labels by index; index 0 is `other`. */
export const TYPE_LABELS: readonly string[] = [OTHER, ...TYPE_NAMES.values()];

const indexByType = new Map([...TYPE_NAMES.keys()].map((qtype, index) => [qtype, index + 1]));

/** Index of a query type in `TYPE_LABELS`. */
export function typeIndex(qtype: number): number {
  return indexByType.get(qtype) ?? 0;
}

/** The `rcode` label of a response code, extended ones included. */
export function rcodeLabel(rcode: number): string {
  return RCODE_NAMES[rcode] ?? OTHER;
}

/**
 * Passes the first `max` distinct values through and maps later ones to `other`. For values that
 * come from the configuration or a table of ours, and should be few: a bound, not a filter.
 */
export function boundedLabel(max: number): (value: string) => string {
  const seen = new Set<string>();
  return (value) => {
    if (seen.has(value)) return value;
    if (seen.size >= max) return OTHER;
    seen.add(value);
    return value;
  };
}
