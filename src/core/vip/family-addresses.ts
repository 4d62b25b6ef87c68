import type { IpAddress } from '../base/address.ts';
import {
  allocateSlots,
  type Claim,
  claimOf,
  claimsOf,
  compareClaims,
  NO_SLOT,
} from './allocate.ts';
import type { AddressPool } from './pool.ts';

/** A named service that has another address than before; null: none, for the pool is exhausted. */
export interface AddressMove {
  readonly identity: string;
  readonly side: 'ipv4' | 'ipv6';
  readonly address: IpAddress | null;
}

/** Slot of a claim that has not been met yet. */
const NOT_MET = -2;

/** Who claims addresses of one family, and which they have. */
export class FamilyAddresses {
  readonly #pool: AddressPool;
  readonly #side: AddressMove['side'];
  /** In the order in which they are met. */
  #claims: Claim[] = [];
  /** Of each claim. */
  #slots: number[] = [];
  #isSettled = true;

  constructor(pool: AddressPool, side: AddressMove['side']) {
    this.#pool = pool;
    this.#side = side;
  }

  /** Forgets all claims but these. */
  reset(identities: Iterable<string>): void {
    const unknown = new Set(identities);
    const known = this.#claims.filter(({ identity }) => unknown.delete(identity));
    const claims = claimsOf(unknown);
    this.#claims = known.length === 0 ? claims : [...known, ...claims].sort(compareClaims);
    this.#slots = this.#claims.map(() => NOT_MET);
    this.#isSettled = false;
  }

  /** Adds a claim that is not there yet. */
  add(identity: string): void {
    const claim = claimOf(identity);
    const at = this.#placeOf(claim);
    this.#claims.splice(at, 0, claim);
    this.#slots.splice(at, 0, NOT_MET);
    this.#isSettled = false;
  }

  /** Takes out a claim that is there. */
  remove(identity: string): void {
    const at = this.#placeOf(claimOf(identity));
    this.#claims.splice(at, 1);
    this.#slots.splice(at, 1);
    this.#isSettled = false;
  }

  /**
   * Meets all claims anew if they or what is reserved changed, and returns whose address is another
   * one now, in the order of the claims.
   */
  settle(reserved: Iterable<IpAddress>, isReservedChanged: boolean): readonly AddressMove[] {
    if (this.#isSettled && !isReservedChanged) return [];
    this.#isSettled = true;
    const before = this.#slots;
    const pool = this.#pool;
    this.#slots = allocateSlots(this.#claims, pool, reserved);
    const moves: AddressMove[] = [];
    for (let i = 0; i < this.#slots.length; i++) {
      const slot = this.#slots[i]!;
      if (slot === before[i]) continue;
      const address = slot === NO_SLOT ? null : pool.addressAt(slot);
      moves.push({ identity: this.#claims[i]!.identity, side: this.#side, address });
    }
    return moves;
  }

  #placeOf(claim: Claim): number {
    let low = 0;
    let high = this.#claims.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareClaims(this.#claims[middle]!, claim) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
