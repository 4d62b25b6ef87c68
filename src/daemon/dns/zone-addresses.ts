import { type IpAddress, isLoopback, parseIpAddress } from '../../core/base/address.ts';
import type { Config, SocketAddress } from '../../core/config/config.ts';
import { zoneSettings, type ZoneSettings } from '../../core/views/zone-view.ts';
import { isWildcard } from './dns-listeners.ts';

/** Addresses that a listener stands for now: itself, or all of the node's for a wildcard. */
export type Expand = (listen: SocketAddress) => readonly SocketAddress[];

/**
 * Sockets for a listener where one socket can serve all addresses of a node and answer from the one
 * that was asked: `::` is both wildcards, as an IPv6 socket of ours takes no IPv4.
 */
export function listenSockets(listen: SocketAddress): readonly SocketAddress[] {
  return parseIpAddress(listen.address)?.text === '::'
    ? [listen, { ...listen, address: '0.0.0.0' }]
    : [listen];
}

/** Zone settings with the addresses that the node has now. */
export function currentZoneSettings(config: Config, expand: Expand): ZoneSettings {
  return zoneSettings(config, listenerAddresses(config.dns.listen, expand));
}

/** Values of the name server's records: the listeners, wildcards being all but loopback. */
function listenerAddresses(listen: readonly SocketAddress[], expand: Expand): IpAddress[] {
  return listen.flatMap((wanted) =>
    expand(wanted)
      .map(({ address }) => parseIpAddress(address))
      .filter((address) => address !== null)
      .filter((address) => !isWildcard(wanted) || !isLoopback(address)),
  );
}
