/** Numbers of the DNS protocol, from the IANA registry "Domain Name System (DNS) Parameters". */

export const TYPE = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  NAPTR: 35,
  OPT: 41,
  DS: 43,
  RRSIG: 46,
  DNSKEY: 48,
  SVCB: 64,
  HTTPS: 65,
  TKEY: 249,
  TSIG: 250,
  IXFR: 251,
  AXFR: 252,
  MAILB: 253,
  MAILA: 254,
  ANY: 255,
  CAA: 257,
} as const;

const MNEMONICS: ReadonlyMap<number, string> = new Map(
  Object.entries(TYPE).map(([mnemonic, code]) => [code, mnemonic]),
);

/** Mnemonic of a type; RFC 3597's `TYPE123` for one without. */
export function typeMnemonic(type: number): string {
  return MNEMONICS.get(type) ?? `TYPE${type}`;
}

export const CLASS = { IN: 1, CH: 3, NONE: 254, ANY: 255 } as const;

export const RCODE = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  /** Signed with a key that we do not have (RFC 8945 §5.2.1). */
  NOTAUTH: 9,
  BADVERS: 16,
  /** The server cookie is not ours: ask again with the one in the reply (RFC 7873 §8). */
  BADCOOKIE: 23,
} as const;

/** Operations, as they stand in the second word of the header (RFC 1035 §4.1.1, RFC 1996 §3.1). */
export const OPCODE = { QUERY: 0, NOTIFY: 0x2000 } as const;

/** Bits of the second 16-bit word of the header (RFC 1035 §4.1.1, RFC 4035 §3.1.6). */
export const FLAG = {
  QR: 0x8000,
  AA: 0x0400,
  TC: 0x0200,
  RD: 0x0100,
  RA: 0x0080,
  AD: 0x0020,
  CD: 0x0010,
} as const;

/** Options of the OPT record that mean something to us, from the same registry. */
export const OPTION = { NSID: 3, COOKIE: 10, TCP_KEEPALIVE: 11, EDE: 15 } as const;

/** Extended DNS errors (RFC 8914 §4). */
export const EDE = {
  /** Says nothing without a text. */
  OTHER: 0,
  STALE_ANSWER: 3,
  CACHED_ERROR: 13,
  NOT_READY: 14,
  BLOCKED: 15,
  PROHIBITED: 18,
  STALE_NXDOMAIN: 19,
  NOT_AUTHORITATIVE: 20,
  NOT_SUPPORTED: 21,
  NO_REACHABLE_AUTHORITY: 22,
  NETWORK_ERROR: 23,
  INVALID_DATA: 24,
} as const;

/** Bits of the operation and of the response code in the same word. */
export const OPCODE_MASK = 0x7800;
export const RCODE_MASK = 0x000f;

export const HEADER_BYTES = 12;
/** The least a record takes: root owner, type, class, TTL and length (RFC 1035 §4.1.3). */
export const RECORD_BYTES_MIN = 11;
/** Longest name on the wire, root label included (RFC 1035 §2.3.4). */
export const NAME_BYTES_MAX = 255;
export const LABEL_BYTES_MAX = 63;
/** What a client without EDNS can take over UDP (RFC 1035 §4.2.1). */
export const UDP_PLAIN_BYTES_MAX = 512;
/** The two-octet length before a message over TCP allows no more (RFC 1035 §4.2.2). */
export const MESSAGE_BYTES_MAX = 65_535;
/** Root owner, type, class, TTL and length of an OPT record without options (RFC 6891 §6.1.2). */
export const OPT_BYTES = 11;
