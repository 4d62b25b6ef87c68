import { hash } from 'node:crypto';
import type { IpAddress } from '../base/address.ts';
import { compareText } from '../base/order.ts';
import type { AddressPool } from './pool.ts';

/** Changes when the same names would get other addresses: nodes of two versions then disagree. */
const ALGORITHM_VERSION = 1;

/**
 * Probes before the slots are gone through one by one. With half of the pool in use one name in
 * 2^64 needs more.
 */
const PROBES_MAX = 64;

/** Hexadecimal digits of a number that a double holds exactly. */
const DIGITS = 13;

/** What a name brings to the allocation: numbers of 52 bits, drawn from it by SHA-256. */
export interface Claim {
  readonly identity: string;
  /** Claims are met in this order, the least first. */
  readonly priority: number;
  /** First slot it asks for, modulo the size of the pool. */
  readonly start: number;
  /** Distance between the slots it asks for. */
  readonly step: number;
}

/** Claims of these names in the order in which they are met. */
export function claimsOf(identities: Iterable<string>): Claim[] {
  const claims: Claim[] = [];
  for (const identity of identities) claims.push(claimOf(identity));
  return claims.sort(compareClaims);
}

/** Order in which claims are met. */
export function compareClaims(a: Claim, b: Claim): number {
  return a.priority - b.priority || compareText(a.identity, b.identity);
}

/** What a name claims. */
export function claimOf(identity: string): Claim {
  const digest = hash('sha256', identity, 'hex');
  const number = (index: number): number =>
    Number.parseInt(digest.slice(index * DIGITS, (index + 1) * DIGITS), 16);
  return { identity, priority: number(0), start: number(1), step: number(2) };
}

/**
 * Gives every claim, in order, the first address on its way through the pool that is free, usable
 * and not `reserved`; null once the pool is exhausted. A pure function of the set of names: nodes
 * agree without talking, and a claim is not moved by those behind it. In the order of the claims.
 */
export function allocate(
  claims: readonly Claim[],
  pool: AddressPool,
  reserved: Iterable<IpAddress>,
): readonly (IpAddress | null)[] {
  return allocateSlots(claims, pool, reserved).map((slot) =>
    slot === NO_SLOT ? null : pool.addressAt(slot),
  );
}

/** What a claim gets from an exhausted pool. */
export const NO_SLOT = -1;

/** `allocate`, as numbers of addresses in the pool, or NO_SLOT. */
export function allocateSlots(
  claims: readonly Claim[],
  pool: AddressPool,
  reserved: Iterable<IpAddress>,
): number[] {
  const taken = new Set<number>();
  for (const address of reserved) {
    const slot = pool.slotOf(address);
    if (slot >= 0) taken.add(slot);
  }
  let isFull = pool.size === 0;
  return claims.map((claim) => {
    const slot = isFull ? NO_SLOT : findSlot(claim, pool, taken);
    if (slot === NO_SLOT) isFull = true;
    else taken.add(slot);
    return slot;
  });
}

/** Double hashing, then a walk through all slots; NO_SLOT: none is free. */
function findSlot(claim: Claim, pool: AddressPool, taken: ReadonlySet<number>): number {
  const { size } = pool;
  let slot = claim.start % size;
  if (isFree(slot, pool, taken)) return slot;
  const step = coprimeStep(claim.step, size);
  for (let probe = 1; probe < PROBES_MAX; probe++) {
    slot = (slot + step) % size;
    if (isFree(slot, pool, taken)) return slot;
  }
  const free = walk(slot, size, pool, taken);
  return free === NO_SLOT ? walk(0, slot, pool, taken) : free;
}

function isFree(slot: number, pool: AddressPool, taken: ReadonlySet<number>): boolean {
  return !taken.has(slot) && pool.usableFrom(slot) === slot;
}

function walk(from: number, to: number, pool: AddressPool, taken: ReadonlySet<number>): number {
  let slot = from;
  while (slot < to) {
    const usable = pool.usableFrom(slot);
    if (usable !== slot) slot = usable;
    else if (taken.has(slot)) slot++;
    else return slot;
  }
  return NO_SLOT;
}

/** A step that comes by every slot before it comes back. */
function coprimeStep(number: number, size: number): number {
  if (size <= 2) return 1;
  let step = 1 + (number % (size - 1));
  while (greatestCommonDivisor(step, size) !== 1) step++;
  return step;
}

function greatestCommonDivisor(a: number, b: number): number {
  let [x, y] = [a, b];
  while (y !== 0) [x, y] = [y, x % y];
  return x;
}

/** Hex; equal on nodes whose pools and exclusions lead to the same addresses. */
export function allocationDigest(pools: readonly AddressPool[]): string {
  const parts = pools.flatMap(({ prefixes, excluded }) => [
    ...prefixes.map(({ text }) => `pool ${text}`),
    ...excluded.map(({ text }) => `exclude ${text}`),
  ]);
  return hash('sha256', [`version ${ALGORITHM_VERSION}`, ...parts].join('\n'), 'hex');
}
