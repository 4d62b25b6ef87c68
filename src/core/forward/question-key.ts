import { keyFlags, storedNameAt, storedNameLength } from '../dns/stored-reply.ts';
import type { ForwardQuestion } from './resolution.ts';

/** Characters before the name in a key. */
const PREFIX_LENGTH = 2;

/**
 * One string for each question that may have an answer of its own (RFC 4035 §4.6): KEY_FLAG bits,
 * type, then the name with one character for each octet. Equal for equal questions alone.
 */
export function questionKey(question: ForwardQuestion): string {
  const { qname, qtype, dnssecOk, checkingDisabled, recursionDesired } = question;
  const flags = keyFlags(dnssecOk, checkingDisabled, recursionDesired);
  return String.fromCharCode(flags, qtype, ...qname);
}

/** Key of the same question about the parent of its name; null for the root's children and the root. */
export function parentKey(key: string): string | null {
  const next = PREFIX_LENGTH + 1 + key.charCodeAt(PREFIX_LENGTH);
  return next >= key.length - 1 ? null : key.slice(0, PREFIX_LENGTH) + key.slice(next);
}

/** True if a key is of a question about this name or one below it. */
export function isKeyIn(key: string, qname: Uint8Array): boolean {
  let at = PREFIX_LENGTH;
  while (key.length - at > qname.length) at += 1 + key.charCodeAt(at);
  if (key.length - at !== qname.length) return false;
  return qname.every((octet, i) => key.charCodeAt(at + i) === octet);
}

/** The lower-case wire name of a reply with the layout of `STORED`; a view, not a copy. */
export function storedName(reply: Uint32Array): Uint8Array {
  const at = reply.byteOffset + storedNameAt(0);
  return new Uint8Array(reply.buffer, at, storedNameLength(reply, 0));
}
