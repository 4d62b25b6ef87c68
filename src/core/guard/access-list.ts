import { compareAddresses } from '../base/order.ts';
import { isSubPrefix, type Prefix } from '../base/prefix.ts';
import { type ClientAddress, isLoopbackClient } from './client-address.ts';

/** Octets of `::ffff:0:0/96`, which stand before the IPv4 address (RFC 4291 §2.5.5.2). */
const MAPPED_BYTES = 12;

/** What programs of the node itself ask from (RFC 1122 §3.2.1.3). */
const LOOPBACK_IPV4: Prefix = {
  family: 4,
  bytes: Uint8Array.of(127, 0, 0, 0),
  length: 8,
  text: '127.0.0.0/8',
};

/**
 * Where the four octets of a client's IPv4 address start, also of one that is written as IPv6,
 * `::ffff:10.0.0.1`; -1 for every other IPv6 address.
 */
export function ipv4Offset({ family, bytes, offset }: ClientAddress): number {
  if (family === 4) return offset;
  if (bytes[offset + 10] !== 0xff || bytes[offset + 11] !== 0xff) return -1;
  for (let i = 0; i < 10; i++) if (bytes[offset + i] !== 0) return -1;
  return offset + MAPPED_BYTES;
}

/**
 * Says whether a client's address lies in one of some prefixes. Asked for every packet: it
 * allocates nothing, and its work grows with the logarithm of their number.
 */
export class AccessList {
  readonly #ipv4: Blocks;
  readonly #ipv6: Blocks;
  /** All of 127.0.0.0/8 and `::1`, where most clients of a node are. */
  readonly #hasLoopbackIpv4: boolean;
  readonly #hasLoopbackIpv6: boolean;
  /** The IPv4 address that was looked for last, as 32 bits, and what was found. */
  #last = 0;
  #lastAllowed: boolean;

  constructor(prefixes: readonly Prefix[]) {
    this.#ipv4 = new Blocks(prefixes, 4);
    this.#ipv6 = new Blocks(prefixes, 6);
    this.#hasLoopbackIpv4 = prefixes.some((prefix) => isSubPrefix(LOOPBACK_IPV4, prefix));
    const loopbackIpv6 = new Uint8Array(16);
    loopbackIpv6[15] = 1;
    this.#hasLoopbackIpv6 = this.#ipv6.hold(loopbackIpv6, 0);
    this.#lastAllowed = this.#ipv4.hold(new Uint8Array(4), 0);
  }

  allows(client: ClientAddress): boolean {
    const at = ipv4Offset(client);
    if (at >= 0) return this.#allowsIpv4(client.bytes, at);
    if (this.#hasLoopbackIpv6 && isLoopbackClient(client)) return true;
    return this.#ipv6.hold(client.bytes, client.offset);
  }

  #allowsIpv4(bytes: Uint8Array, at: number): boolean {
    if (this.#hasLoopbackIpv4 && bytes[at] === 127) return true;
    const address =
      (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
    if (address !== this.#last) {
      this.#last = address;
      this.#lastAllowed = this.#ipv4.hold(bytes, at);
    }
    return this.#lastAllowed;
  }
}

/** Prefixes of one family in ascending order, without those that lie in another. */
class Blocks {
  readonly #addressBytes: number;
  /** The first addresses one behind the other, and the length of each prefix in bits. */
  readonly #starts: Uint8Array;
  readonly #lengths: Uint8Array;

  constructor(prefixes: readonly Prefix[], family: 4 | 6) {
    const sorted = prefixes
      .filter((prefix) => prefix.family === family)
      // Of those that start alike the largest comes first: it holds the others.
      .sort((a, b) => compareAddresses(a, b) || a.length - b.length);
    const outer: Prefix[] = [];
    for (const prefix of sorted) {
      const last = outer.at(-1);
      if (last === undefined || !isSubPrefix(prefix, last)) outer.push(prefix);
    }
    this.#addressBytes = family === 4 ? 4 : 16;
    this.#starts = new Uint8Array(outer.length * this.#addressBytes);
    for (const [i, { bytes }] of outer.entries()) this.#starts.set(bytes, i * this.#addressBytes);
    this.#lengths = Uint8Array.from(outer, ({ length }) => length);
  }

  /**
   * Whether the address at `offset` lies in one of the blocks. They do not overlap, so that can
   * only be the last one that does not start behind the address.
   */
  hold(bytes: Uint8Array, offset: number): boolean {
    let low = 0;
    let high = this.#lengths.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#startsBehind(middle, bytes, offset)) high = middle;
      else low = middle + 1;
    }
    return low > 0 && this.#holds(low - 1, bytes, offset);
  }

  #startsBehind(block: number, bytes: Uint8Array, offset: number): boolean {
    const start = block * this.#addressBytes;
    for (let i = 0; i < this.#addressBytes; i++) {
      const difference = this.#starts[start + i]! - bytes[offset + i]!;
      if (difference !== 0) return difference > 0;
    }
    return false;
  }

  #holds(block: number, bytes: Uint8Array, offset: number): boolean {
    const start = block * this.#addressBytes;
    const length = this.#lengths[block]!;
    const whole = length >>> 3;
    for (let i = 0; i < whole; i++) if (this.#starts[start + i] !== bytes[offset + i]) return false;
    const rest = length & 7;
    if (rest === 0) return true;
    return (this.#starts[start + whole]! ^ bytes[offset + whole]!) >>> (8 - rest) === 0;
  }
}
