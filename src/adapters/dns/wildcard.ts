import type { NetworkInterfaceInfo } from 'node:os';
import { isUnspecified, parseIpAddress } from '../../core/base/address.ts';
import type { SocketAddress } from '../../core/config/config.ts';

/** What `os.networkInterfaces()` gives. */
export type Interfaces = Readonly<Partial<Record<string, readonly NetworkInterfaceInfo[]>>>;

/**
 * The addresses to open for one configured listener. Node has no IP_PKTINFO, so a socket on a
 * wildcard would answer from whatever address the route prefers, and clients drop that; each
 * address gets its own socket instead. `0.0.0.0` is every IPv4 address of the node, `::` every
 * IPv4 and IPv6 address; link-local IPv6 is left out, since it means nothing without a zone (S16).
 * Says what holds now: addresses come and go, so a caller that stays asks again.
 */
export function expandWildcard(listen: SocketAddress, interfaces: Interfaces): SocketAddress[] {
  const wildcard = parseIpAddress(listen.address);
  if (wildcard === null || !isUnspecified(wildcard)) return [listen];
  const families = wildcard.family === 4 ? ['IPv4'] : ['IPv4', 'IPv6'];
  const all = Object.values(interfaces).flatMap((entries) => entries ?? []);
  const addresses = families.flatMap((family) =>
    all
      .filter((entry) => entry.family === family && !needsZone(entry.address))
      .map((entry) => entry.address),
  );
  return [...new Set(addresses)].map((address) => ({ address, port: listen.port }));
}

function needsZone(address: string): boolean {
  return address.includes('%') || /^fe[89ab]/i.test(address);
}
