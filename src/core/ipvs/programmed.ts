import { type DesiredKernel, isOwned, type ObservedKernel, sourceFor } from './plan.ts';
import type { ObservedService, VirtualService } from './table.ts';

/**
 * Addresses of desired services that clients can dial: the route exists with the right source, and
 * every service of the address balances, or refuses because all of its backends are out.
 */
export function programmedAddresses(desired: DesiredKernel, observed: ObservedKernel): Set<string> {
  const programmed = new Set<string>();
  const broken = new Set<string>();
  for (const [key, service] of desired.services) {
    const { address } = service;
    if (broken.has(address)) continue;
    const isGood =
      (programmed.has(address) || hasRoute(desired, observed, address)) &&
      isBalanced(service, observed.services.get(key), desired.additionsOnly === true);
    if (isGood) {
      programmed.add(address);
      continue;
    }
    broken.add(address);
    programmed.delete(address);
  }
  return programmed;
}

function hasRoute(desired: DesiredKernel, observed: ObservedKernel, address: string): boolean {
  const source = sourceFor(desired.source, address);
  if (source === null || observed.routes.get(address) !== source) return false;
  return isOwned(desired.owned, address);
}

/** Whether new connections get a backend, if there is one to get. */
function isBalanced(
  wanted: VirtualService,
  found: ObservedService | undefined,
  anyBackend: boolean,
): boolean {
  if (found === undefined) return false;
  // What the kernel has is newer than what is wanted.
  if (anyBackend && [...found.destinations.values()].some(({ weight }) => weight > 0)) return true;
  let isOut = true;
  for (const [key, { weight }] of wanted.destinations) {
    if (weight === 0) continue;
    const existing = found.destinations.get(key);
    if (existing !== undefined && existing.weight > 0) return true;
    isOut = false;
  }
  return isOut;
}
