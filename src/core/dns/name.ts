import { LABEL_BYTES_MAX, NAME_BYTES_MAX } from './constants.ts';
import { lowerOctet } from './wire.ts';

/**
 * Owner names inside the core are strings: lower case, labels joined by dots, final dot, no
 * escapes. Only names of printable ASCII without upper case are published, so a dot in the string
 * is always a label separator and the string equals RFC 1035 presentation form but for escapes.
 */
export type OwnerName = string;

/** What keeps a name from being packed into a message, or null if nothing does. */
export type NameDefect = 'empty-label' | 'label-too-long' | 'too-long' | 'character';

/** Separates labels in text; in a hash it stands behind each. */
export const DOT = 0x2e;

/**
 * Checks that `name` (with final dot) can be published: labels of 1 to 63 octets, 255 octets in
 * all (RFC 1035 §2.3.4), and only printable ASCII without capitals, which every client can ask
 * for and every log can show.
 */
export function nameDefect(name: OwnerName): NameDefect | null {
  let labelStart = 0;
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i);
    if (code === DOT) {
      if (i === labelStart) return 'empty-label';
      if (i - labelStart > LABEL_BYTES_MAX) return 'label-too-long';
      labelStart = i + 1;
    } else if (code < 0x20 || code > 0x7e || (code >= 0x41 && code <= 0x5a)) {
      return 'character';
    }
  }
  // On the wire: one octet more than the text, since the final dot stands for the root label.
  if (name.length + 1 > NAME_BYTES_MAX) return 'too-long';
  return labelStart === name.length && name.length > 0 ? null : 'empty-label';
}

/** Start value and factor of FNV-1a, 32 bits. */
export const FNV_OFFSET = 0x811c9dc5;
export const FNV_PRIME = 0x01000193;

/**
 * Hash of a lower-case wire name of `length` octets at `offset`: FNV-1a over the octets of its
 * labels, with a dot after each in place of the length before it, so that it can be taken from
 * text and wire alike in one pass.
 */
export function hashWireName(bytes: Uint8Array, offset: number, length: number): number {
  let hash = FNV_OFFSET;
  let at = offset;
  const end = offset + length - 1;
  while (at < end) {
    const labelEnd = at + bytes[at]!;
    for (at++; at <= labelEnd; at++) hash = Math.imul(hash ^ bytes[at]!, FNV_PRIME);
    hash = Math.imul(hash ^ DOT, FNV_PRIME);
  }
  return hash >>> 0;
}

/** Writes owner names in wire form and hashes them; one is used again for every name. */
export class NameEncoder {
  /** The name encoded last. */
  readonly bytes: Uint8Array = new Uint8Array(NAME_BYTES_MAX + 1);
  /** Its `hashWireName`. */
  hash = 0;

  /** Octets of `name` on the wire, or 0 if it has a `nameDefect`. */
  encode(name: OwnerName): number {
    const size = name.length;
    if (size + 1 > NAME_BYTES_MAX || size === 0) return 0;
    const out = this.bytes;
    let hash = FNV_OFFSET;
    let lengthAt = 0;
    for (let i = 0; i < size; i++) {
      const code = name.charCodeAt(i);
      hash = Math.imul(hash ^ code, FNV_PRIME);
      if (code === DOT) {
        const length = i - lengthAt;
        if (length === 0 || length > LABEL_BYTES_MAX) return 0;
        out[lengthAt] = length;
        lengthAt = i + 1;
      } else {
        if (code < 0x20 || code > 0x7e || (code >= 0x41 && code <= 0x5a)) return 0;
        out[i + 1] = code;
      }
    }
    if (lengthAt !== size) return 0;
    out[size] = 0;
    this.hash = hash >>> 0;
    return size + 1;
  }
}

/** The owner name that stands at `offset` in the wire form that `NameEncoder` writes. */
export function readOwnerName(wire: Uint8Array, offset: number): OwnerName {
  let text = '';
  let at = offset;
  for (let length = wire[at]!; length > 0; length = wire[at]!) {
    for (let i = at + 1; i <= at + length; i++) text += String.fromCharCode(wire[i]!);
    text += '.';
    at += 1 + length;
  }
  return text;
}

const decimal = (octet: number): string => `\\${octet.toString().padStart(3, '0')}`;

/** Presentation form with RFC 4343 §2.1 escapes and final dot of an uncompressed wire name. */
export function formatWireName(wire: Uint8Array, offset = 0): string {
  let text = '';
  let at = offset;
  for (let length = wire[at] ?? 0; length > 0; length = wire[at] ?? 0) {
    for (let i = at + 1; i <= at + length; i++) text += escapeOctet(wire[i]!);
    text += '.';
    at += 1 + length;
  }
  return text === '' ? '.' : text;
}

function escapeOctet(octet: number): string {
  if (octet <= 0x20 || octet >= 0x7f) return decimal(octet);
  const character = String.fromCharCode(octet);
  return '.\\"();@$'.includes(character) ? `\\${character}` : character;
}

/** Presentation form of a published name with the escapes that zone files need (RFC 1035 §5.1). */
export function formatOwnerName(name: OwnerName): string {
  return name.replace(/[ \\"();@$]/g, (character) =>
    character === ' ' ? decimal(0x20) : `\\${character}`,
  );
}

/**
 * Reads presentation form (escapes `\.` and `\123`, final dot optional) into lower-case wire form;
 * null if it is no name.
 */
export function parseWireName(text: string): Uint8Array | null {
  const bytes = new TextEncoder().encode(text === '.' ? '' : text);
  const out: number[] = [0];
  let lengthAt = 0;
  for (let i = 0; i < bytes.length; i++) {
    let octet = bytes[i]!;
    if (octet === DOT) {
      if (out.length - 1 === lengthAt) return null;
      lengthAt = out.push(0) - 1;
      continue;
    }
    if (octet === 0x5c) {
      const escaped = String.fromCharCode(...bytes.subarray(i + 1, i + 4));
      const isDecimal = /^\d{3}$/.test(escaped);
      octet = isDecimal ? Number(escaped) : (bytes[i + 1] ?? -1);
      if (octet < 0 || octet > 255) return null;
      i += isDecimal ? 3 : 1;
    }
    out.push(lowerOctet(octet));
    const length = out[lengthAt]! + 1;
    if (length > LABEL_BYTES_MAX || out.length >= NAME_BYTES_MAX) return null;
    out[lengthAt] = length;
  }
  if (out.length - 1 !== lengthAt) out.push(0);
  return Uint8Array.from(out);
}
