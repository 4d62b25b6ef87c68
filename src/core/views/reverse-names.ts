import type { IpAddress } from '../base/address.ts';
import { isSubPrefix, type Prefix, prefixAround } from '../base/prefix.ts';
import type { OwnerName } from '../dns/name.ts';

/**
 * Most reverse zones of one configuration: enough for any one pool (a /9 or /17 needs 128) and its
 * IPv6 sister. Pools that would need more than are left get none.
 */
export const REVERSE_ZONES_MAX = 256;

/** Where a reverse zone can be cut (RFC 1035 §3.5, RFC 3596 §2.5), and how far down one makes sense. */
const CUT = {
  4: { bits: 8, lengthMax: 24, apex: 'in-addr.arpa.' },
  6: { bits: 4, lengthMax: 124, apex: 'ip6.arpa.' },
} as const;

const HEX = '0123456789abcdef';

/** Owner name of an address' PTR records, such as `4.3.2.10.in-addr.arpa.` */
export function reverseName(address: Pick<IpAddress, 'family' | 'bytes'>): OwnerName {
  return reverseSuffix(address, 8 * address.bytes.length);
}

/** The last part of it, which names the block of the first `bits` bits. */
function reverseSuffix(
  { family, bytes }: Pick<IpAddress, 'family' | 'bytes'>,
  bits: number,
): OwnerName {
  // `join` makes one flat text; parts put together otherwise are walked for every name.
  const parts: string[] = [];
  for (let i = bits / CUT[family].bits - 1; i >= 0; i--) {
    parts.push(family === 4 ? String(bytes[i]!) : HEX[(bytes[i >>> 1]! >>> (i & 1 ? 0 : 4)) & 15]!);
  }
  parts.push(CUT[family].apex);
  return parts.join('.');
}

/**
 * The reverse zones of the VIP pools. Each lies in a pool as a whole: a zone around a pool that ends
 * between two cuts would answer for addresses of others. So a pool longer than /24, or than /124 in
 * IPv6, has none, nor has a block that is excluded from allocation as a whole.
 */
export class ReverseZones {
  readonly apexes: readonly OwnerName[];
  readonly #apexes: ReadonlySet<OwnerName>;
  /** Lengths of the blocks that the zones stand for, by family: few. */
  readonly #lengths: Readonly<Record<4 | 6, ReadonlySet<number>>> = { 4: new Set(), 6: new Set() };

  constructor(pools: readonly Prefix[], exclude: readonly Prefix[]) {
    const apexes = new Set<OwnerName>();
    const lengths = { 4: new Set<number>(), 6: new Set<number>() };
    for (const pool of pools) {
      const blocks = zoneBlocks(pool);
      if (apexes.size + blocks.length > REVERSE_ZONES_MAX) continue;
      for (const block of blocks) {
        if (exclude.some((other) => isSubPrefix(block, other))) continue;
        apexes.add(reverseSuffix(block, block.length));
        lengths[block.family].add(block.length);
      }
    }
    this.apexes = [...apexes];
    this.#apexes = apexes;
    this.#lengths = lengths;
  }

  /** Owner of the PTR records of an address; null if it is in none of the zones. */
  ownerName(address: IpAddress): OwnerName | null {
    for (const length of this.#lengths[address.family]) {
      if (this.#apexes.has(reverseSuffix(address, length))) return reverseName(address);
    }
    return null;
  }
}

/** The blocks of the next cut that a pool consists of; none if it ends behind the last. */
function zoneBlocks(pool: Prefix): Prefix[] {
  const { bits, lengthMax } = CUT[pool.family];
  const length = Math.max(bits, Math.ceil(pool.length / bits) * bits);
  if (length > lengthMax) return [];
  const count = 2 ** (length - pool.length);
  return Array.from({ length: count }, (_, i) => {
    const bytes = Uint8Array.from(pool.bytes);
    // All bits that differ are in one octet: a cut is at most eight bits behind the pool's end.
    const octet = (length - 1) >>> 3;
    bytes[octet] = bytes[octet]! | (i << (8 * (octet + 1) - length));
    return prefixAround({ family: pool.family, bytes }, length);
  });
}
