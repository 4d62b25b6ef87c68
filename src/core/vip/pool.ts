import type { IpAddress } from '../base/address.ts';
import { assert } from '../base/assert.ts';
import {
  isSubPrefix,
  type Prefix,
  prefixAddress,
  prefixContains,
  prefixSize,
} from '../base/prefix.ts';
import { compareAddresses } from '../base/order.ts';
import type { VipConfig } from '../config/config.ts';

/** Everywhere that VIPs may lie: what the kernel holds there is ours. */
export function vipPrefixes({
  pool,
  poolIpv6,
  ranges,
}: Pick<VipConfig, 'pool' | 'poolIpv6' | 'ranges'>): readonly Prefix[] {
  return [...pool, ...poolIpv6, ...ranges];
}

/** Slots are counted in doubles, and two of them added must be exact. */
const SLOTS_MAX = 2 ** 52;

interface PoolPart {
  readonly prefix: Prefix;
  /** Slot of its first address. */
  readonly start: number;
  readonly size: number;
}

/** Slots from `start` to before `end`. */
interface SlotRange {
  readonly start: number;
  readonly end: number;
}

/**
 * The addresses of one family that VIPs are taken from, numbered through: the prefixes in order of
 * their addresses, one behind the other. What is excluded keeps its number, so that excluding
 * something moves only who was there.
 */
export class AddressPool {
  readonly prefixes: readonly Prefix[];
  /** Exclusions that matter to it. */
  readonly excluded: readonly Prefix[];
  readonly size: number;
  readonly #parts: readonly PoolPart[];
  /** Excluded slots: sorted, apart from each other. */
  readonly #gaps: readonly SlotRange[];

  constructor(prefixes: readonly Prefix[], exclude: readonly Prefix[]) {
    this.prefixes = canonicalPrefixes(prefixes);
    this.excluded = canonicalPrefixes(exclude).filter((one) =>
      this.prefixes.some((prefix) => isSubPrefix(one, prefix) || isSubPrefix(prefix, one)),
    );
    const parts: PoolPart[] = [];
    let start = 0;
    for (const prefix of this.prefixes) {
      const size = Math.min(prefixSize(prefix), SLOTS_MAX - start);
      if (size > 0) parts.push({ prefix, start, size });
      start += size;
    }
    this.#parts = parts;
    this.size = start;
    this.#gaps = this.excluded
      .flatMap((one) => parts.map((part) => gapIn(part, one)))
      .filter((gap) => gap.end > gap.start)
      .sort((a, b) => a.start - b.start);
  }

  /** Number of an address, or -1 if it is not in the pool. */
  slotOf(address: IpAddress): number {
    for (const { prefix, start, size } of this.#parts) {
      if (!prefixContains(prefix, address)) continue;
      const offset = offsetIn(prefix, address.bytes);
      return offset < size ? start + offset : -1;
    }
    return -1;
  }

  /** Address number `slot`. */
  addressAt(slot: number): IpAddress {
    const { prefix, start } = this.#partOf(slot);
    return prefixAddress(prefix, slot - start);
  }

  /** The slot itself if its address may be handed out, else the next one to try, up to `size`. */
  usableFrom(slot: number): number {
    const gap = this.#gapAround(slot);
    if (gap !== null) return gap.end;
    return this.#looksReserved(slot) ? slot + 1 : slot;
  }

  #gapAround(slot: number): SlotRange | null {
    let low = 0;
    let high = this.#gaps.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#gaps[middle]!.end <= slot) low = middle + 1;
      else high = middle;
    }
    const gap = this.#gaps[low];
    return gap !== undefined && gap.start <= slot ? gap : null;
  }

  /**
   * IPv4 addresses that end in 0 or 255 look like networks and broadcasts to old programs and
   * filters; the first of an IPv6 prefix is its routers' (RFC 4291 §2.6.1), but of a /127 (RFC 6164).
   */
  #looksReserved(slot: number): boolean {
    const { prefix, start } = this.#partOf(slot);
    const offset = slot - start;
    if (prefix.family === 6) return offset === 0 && prefix.length < 127;
    const last = (prefix.bytes[3]! + offset) % 256;
    return last === 0 || last === 255;
  }

  #partOf(slot: number): PoolPart {
    const part = this.#parts.findLast(({ start }) => start <= slot);
    assert(part !== undefined && slot < part.start + part.size, 'the slot is one of the pool');
    return part;
  }
}

/** Sorted by address, without those that lie in another. */
export function canonicalPrefixes(prefixes: readonly Prefix[]): readonly Prefix[] {
  const sorted = [...prefixes].sort((a, b) => compareAddresses(a, b) || a.length - b.length);
  const kept: Prefix[] = [];
  for (const prefix of sorted) {
    const last = kept.at(-1);
    if (last === undefined || !isSubPrefix(prefix, last)) kept.push(prefix);
  }
  return kept;
}

/** The slots of a part that an exclusion takes; empty if none. */
function gapIn({ prefix, start, size }: PoolPart, excluded: Prefix): SlotRange {
  if (isSubPrefix(prefix, excluded)) return { start, end: start + size };
  if (!isSubPrefix(excluded, prefix)) return { start, end: start };
  const offset = Math.min(size, offsetIn(prefix, excluded.bytes));
  return { start: start + offset, end: start + Math.min(size, offset + prefixSize(excluded)) };
}

/** Distance of an address from the start of its prefix; inexact only where it is beyond the pool. */
function offsetIn(prefix: Prefix, bytes: Uint8Array): number {
  let offset = 0;
  for (const [i, octet] of bytes.entries()) offset = offset * 256 + (octet - prefix.bytes[i]!);
  return offset;
}
