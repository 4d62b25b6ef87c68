import { equalIgnoringCase, lowerOctet } from '../dns/wire.ts';

/** Start value and factor of FNV-1a, 32 bits. */
const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** A name in a reply, in wire form without compression, with the case that the upstream gave it. */
export interface ReplyName {
  readonly bytes: Uint8Array;
  /** The same for names that differ only in case. */
  readonly hash: number;
}

/** `bytes` is a whole wire name. */
export function replyName(bytes: Uint8Array): ReplyName {
  let hash = FNV_OFFSET;
  for (const octet of bytes) hash = Math.imul(hash ^ lowerOctet(octet), FNV_PRIME);
  return { bytes, hash };
}

/** Whether two names are equal, case apart (RFC 4343 §3). */
export function isSameName(a: ReplyName, b: ReplyName): boolean {
  if (a === b) return true;
  const { length } = a.bytes;
  return (
    a.hash === b.hash &&
    length === b.bytes.length &&
    equalIgnoringCase(a.bytes, 0, b.bytes, 0, length)
  );
}

/** Whether the wire name `name` is `zone` or below it, case apart. */
export function isInZone(name: Uint8Array, zone: Uint8Array): boolean {
  let at = 0;
  while (name.length - at > zone.length) at += 1 + name[at]!;
  return name.length - at === zone.length && equalIgnoringCase(name, at, zone, 0, zone.length);
}

/** Names with equal hashes that a set takes: bounds what made-up ones cost. */
const SAME_HASH_MAX = 8;

/** Names, case apart. */
export class ReplyNameSet {
  readonly #byHash = new Map<number, ReplyName[]>();

  get isEmpty(): boolean {
    return this.#byHash.size === 0;
  }

  /** Adds a name, unless it is there or eight others with the same hash are. */
  add(name: ReplyName): void {
    const same = this.#byHash.get(name.hash);
    if (same === undefined) this.#byHash.set(name.hash, [name]);
    else if (same.length < SAME_HASH_MAX && !this.has(name)) same.push(name);
  }

  has(name: ReplyName): boolean {
    return this.#byHash.get(name.hash)?.some((other) => isSameName(other, name)) ?? false;
  }
}
