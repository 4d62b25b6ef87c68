import { isLoopback, parseIpAddress } from '../../core/base/address.ts';
import type { Prefix } from '../../core/base/prefix.ts';
import type { DesiredKernel } from '../../core/ipvs/plan.ts';
import type { Kernel } from '../../core/ports.ts';

/**
 * Addresses behind the default route (RFC 5737, RFC 3849): without an address of the cluster, the
 * way to them tells the node's own address. No packet is sent.
 */
const TOWARDS_ANYWHERE = { ipv4: '192.0.2.1', ipv6: '2001:db8::1' } as const;

/**
 * Source addresses of local clients: as configured, or of the route towards the cluster. null: there
 * is no route, or we own nothing in that family. Rejects as `Kernel.sourceAddress` does.
 */
export async function lookUpSource(
  kernel: Pick<Kernel, 'sourceAddress'>,
  nodeAddress: DesiredKernel['source'],
  owned: readonly Prefix[],
  towards: string | null,
): Promise<DesiredKernel['source']> {
  const peer = parseIpAddress(towards ?? '');
  const sourceOf = async (family: 4 | 6): Promise<string | null> => {
    const key = family === 4 ? 'ipv4' : 'ipv6';
    const configured = nodeAddress[key];
    if (configured !== null) return configured;
    if (!owned.some((prefix) => prefix.family === family)) return null;
    const isUsable = peer?.family === family && !isLoopback(peer);
    return kernel.sourceAddress(isUsable ? peer.text : TOWARDS_ANYWHERE[key]);
  };
  return { ipv4: await sourceOf(4), ipv6: await sourceOf(6) };
}

/** A route that is away for a moment takes no VIP with it: the last address is kept. */
export function keepSource(
  last: DesiredKernel['source'],
  found: DesiredKernel['source'],
): DesiredKernel['source'] {
  return { ipv4: found.ipv4 ?? last.ipv4, ipv6: found.ipv6 ?? last.ipv6 };
}
