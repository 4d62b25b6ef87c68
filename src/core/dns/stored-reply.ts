/**
 * A reply of an upstream, ready to be sent again: read by every thread that answers.
 *
 * ```
 * STORED_WORDS words, see STORED
 * qname in lower-case wire form, padded to a word
 * where the TTL of each record stands, 16 bits each in host order, counted from the start of the
 *   body, in the order of the records; padded to a word
 * body: the sections behind the question as they go into a message, without OPT. Compression
 *   pointers fit a message whose question has this qname.
 * ```
 * Words are 32 bits in host order, times are seconds of the system's monotonic clock. Record `i`
 * ends where record `i + 1` starts: 6 octets and RDLENGTH behind its TTL.
 */
export const STORED = {
  /** Octets of the whole, a multiple of 4. */
  BYTES: 0,
  /** `hashWireName` of the qname. */
  HASH: 1,
  /** Octets of the qname, KEY_FLAG bits << 8, qtype << 16. */
  KEY: 2,
  STORED_AT: 3,
  EXPIRES_AT: 4,
  /** From then on a reader asks for the reply to be renewed. */
  PREFETCH_AT: 5,
  /** Low 16 bits of the header: AD and the response code. */
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

/** What else besides name and type makes two questions different (RFC 4035 §4.6). */
export const KEY_FLAG = { DO: 1, CD: 2, RD: 4 } as const;
