/**
 * A reply of an upstream, ready to be sent again: read by every thread that answers.
 *
 * ```
 * STORED_WORDS words, see STORED
 * qname in lower-case wire form, padded to a word
 * where the TTL of each record stands, 16 bits each in host order, counted from the start of the
 *   body, in the order of the records; padded to a word
 * body: the sections behind the question as they go into a message, without OPT. Compression
 *   pointers fit a message whose question has this qname; padded to a word
 * with LEADS_HOME: 2 words, see OWN_NAME, and the name of ours that the aliases lead to, in lower-case
 *   wire form, padded to a word
 * ```
 * Words are 32 bits in host order, times are seconds of the system's monotonic clock. Record `i`
 * ends where record `i + 1` starts: 6 octets and RDLENGTH behind its TTL.
 */
export const STORED = {
  /** Octets of the whole, a multiple of 4. */
  BYTES: 0,
  /** `hashWireName` of the qname. */
  HASH: 1,
  /** Octets of the qname, KEY_FLAG bits << 8, qtype << 16: see `storedKey`. */
  KEY: 2,
  STORED_AT: 3,
  /** Equal to STORED_AT where the reply is only for those who wait for it. */
  EXPIRES_AT: 4,
  /** From then on a reader asks for the reply to be renewed; NEVER for none. */
  PREFETCH_AT: 5,
  /** Low 16 bits of the header: AD, TC (the upstream had no more) and the response code; LEADS_HOME. */
  FLAGS: 6,
  /** Records of answer << 16 | authority. */
  ANSWER_AUTHORITY: 7,
  ADDITIONAL: 8,
  BODY_BYTES: 9,
  /** Extended error that goes with the reply (RFC 8914), 0 for none. */
  EDE: 10,
  /** Times it was given; counted without locks, so some may be missing. */
  HITS: 11,
} as const;

export const STORED_WORDS = 12;

/**
 * Bit of STORED.FLAGS: the body is nothing but aliases, and they lead to a name of ours. What there is
 * of it is in the answer table, and changes while the reply is kept (RFC 1034 §3.6.2).
 */
export const LEADS_HOME = 0x1_0000;

/** Words before the name of ours; LENGTH_POINTER: its octets, its place in the message << 16. */
export const OWN_NAME = { HASH: 0, LENGTH_POINTER: 1 } as const;
export const OWN_NAME_WORDS = 2;

/** A time that does not come. */
export const NEVER = 0xffff_ffff;

/** What else besides name and type makes two questions different (RFC 4035 §4.6). */
export const KEY_FLAG = { DO: 1, CD: 2, RD: 4 } as const;

/** KEY_FLAG bits of a question. */
export function keyFlags(
  dnssecOk: boolean,
  checkingDisabled: boolean,
  recursionDesired: boolean,
): number {
  return (
    (dnssecOk ? KEY_FLAG.DO : 0) |
    (checkingDisabled ? KEY_FLAG.CD : 0) |
    (recursionDesired ? KEY_FLAG.RD : 0)
  );
}

/** Value of STORED.KEY for a qname of `nameLength` octets. */
export function storedKey(nameLength: number, flags: number, qtype: number): number {
  return (nameLength | (flags << 8) | (qtype << 16)) >>> 0;
}

// In all that follows `at` is the offset in octets of a reply within `words`, a multiple of 4.

/** Octets of the qname, root label included. */
export function storedNameLength(words: Uint32Array, at: number): number {
  return words[(at >>> 2) + STORED.KEY]! & 0xff;
}

/** Offset of the qname. */
export function storedNameAt(at: number): number {
  return at + 4 * STORED_WORDS;
}

/** Records of all three sections. */
export function storedRecordCount(words: Uint32Array, at: number): number {
  const word = at >>> 2;
  const counts = words[word + STORED.ANSWER_AUTHORITY]!;
  return (counts >>> 16) + (counts & 0xffff) + words[word + STORED.ADDITIONAL]!;
}

/** Offset of the 16-bit numbers that say where in the body the TTLs stand. */
export function storedTtlsAt(words: Uint32Array, at: number): number {
  return storedNameAt(at) + wholeWords(storedNameLength(words, at));
}

/** Offset of the body. */
export function storedBodyAt(words: Uint32Array, at: number): number {
  return storedTtlsAt(words, at) + wholeWords(2 * storedRecordCount(words, at));
}

/** Word index of what is said of the name of ours, where the reply has LEADS_HOME; add OWN_NAME. */
export function storedOwnNameAt(words: Uint32Array, at: number): number {
  return (storedBodyAt(words, at) + wholeWords(words[(at >>> 2) + STORED.BODY_BYTES]!)) >>> 2;
}

/** `bytes` rounded up to whole words. */
export function wholeWords(bytes: number): number {
  return (bytes + 3) & ~3;
}
