/**
 * How many other services get another address when one comes or goes, and how long allocation takes:
 * the table of docs/decisions/0007-vips-without-state.md. `node dist/bench/vip-moves.js`.
 */
import assert from 'node:assert/strict';
import type { IpAddress } from '../src/core/base/address.ts';
import { parsePrefix } from '../src/core/base/prefix.ts';
import { type Random, seededRandom } from '../src/core/base/random.ts';
import { allocate, type Claim, claimsOf } from '../src/core/vip/allocate.ts';
import { AddressPool } from '../src/core/vip/pool.ts';

/**
 * Services, sets of them, and how often one is added to and one removed from each set. Small sets
 * hardly ever have a collision in them, so that it takes many to see one go.
 */
const SIZES: readonly (readonly [services: number, sets: number, trials: number])[] = [
  [100, 2_000, 10],
  [1_000, 400, 25],
  [10_000, 10, 100],
  [100_000, 2, 50],
];
const SEED = 7;
const TIMED_RUNS = 11;
const POOL = '10.208.0.0/12';

const prefix = parsePrefix(POOL);
assert.ok(prefix !== null);
const pool = new AddressPool([prefix], []);
/** Without .0 and .255. */
const usable = (pool.size / 256) * 254;

function randomName(random: Random): string {
  const number = Math.floor(random() * 2 ** 32).toString(36);
  const group = Math.floor(random() * 1000);
  return `team-${group}app-${number}.marathon`;
}

/** Addresses of all claims but the one at `left`, in their order. */
function addresses(claims: readonly Claim[], left: number): (string | undefined)[] {
  const found: readonly (IpAddress | null)[] = allocate(claims, pool, []);
  return found.filter((_, i) => i !== left).map((address) => address?.text);
}

function differences(a: readonly unknown[], b: readonly unknown[]): number {
  assert.equal(a.length, b.length);
  return a.reduce<number>((sum, value, i) => sum + (value === b[i] ? 0 : 1), 0);
}

interface Moves {
  readonly average: number;
  readonly max: number;
}

function summary(moves: readonly number[]): Moves {
  const sum = moves.reduce((a, b) => a + b, 0);
  return { average: sum / moves.length, max: moves.reduce((a, b) => Math.max(a, b), 0) };
}

/** Appends what each of the trials with one set of services moved. */
function measureMoves(
  names: readonly string[],
  trials: number,
  random: Random,
  moves: { readonly added: number[]; readonly removed: number[] },
): void {
  const claims = claimsOf(names);
  const before = addresses(claims, -1);
  for (let trial = 0; trial < trials; trial++) {
    const [newcomer] = claimsOf([randomName(random)]);
    assert.ok(newcomer !== undefined);
    const found = claims.findIndex(({ priority }) => priority > newcomer.priority);
    const at = found < 0 ? claims.length : found;
    moves.added.push(differences(before, addresses(claims.toSpliced(at, 0, newcomer), at)));
    const gone = Math.floor(random() * claims.length);
    const rest = before.toSpliced(gone, 1);
    moves.removed.push(differences(rest, addresses(claims.toSpliced(gone, 1), -1)));
  }
}

function randomNames(services: number, random: Random): readonly string[] {
  const unique = new Set<string>();
  while (unique.size < services) unique.add(randomName(random));
  return [...unique];
}

function medianMs(run: () => unknown): number {
  const times = Array.from({ length: TIMED_RUNS }, () => {
    const start = performance.now();
    run();
    return performance.now() - start;
  });
  return times.sort((a, b) => a - b)[TIMED_RUNS >>> 1] ?? 0;
}

const random = seededRandom(SEED);
console.log(`pool ${POOL}, ${usable} usable addresses, seed ${SEED}`);
console.log(
  '| services | load factor | moves per added service (max) | per removed one (max) | trials each | allocation |',
);
console.log('| --- | --- | --- | --- | --- | --- |');
for (const [services, sets, trials] of SIZES) {
  const moves = { added: [], removed: [] };
  for (let set = 0; set < sets; set++) {
    measureMoves(randomNames(services, random), trials, random, moves);
  }
  const names = randomNames(services, random);
  const ms = medianMs(() => allocate(claimsOf(names), pool, []));
  const show = (counts: readonly number[]): string => {
    const { average, max } = summary(counts);
    return `${average.toFixed(5)} (${max})`;
  };
  const load = `${((100 * services) / usable).toFixed(3)} %`;
  const [added, removed] = [show(moves.added), show(moves.removed)];
  const cells = [services, load, added, removed, sets * trials, `${ms.toFixed(1)} ms`];
  console.log(`| ${cells.join(' | ')} |`);
}
