import type { Config } from '../config/config.ts';
import type { OwnerName } from '../dns/name.ts';
import { ReverseZones } from './reverse-names.ts';

/** Labels below which names of VIPs and DC/OS' location names stand. */
export const VIP_SUBTREE = 'l4lb';
export const LOCATION_SUBTREE = 'dcos';

/** Each makes up to two zones and copies of all names in them; clusters have one or two. */
export const ALIAS_DOMAINS_MAX = 16;

/** Names below `to` are those below `from` over again. */
export interface Alias {
  readonly from: OwnerName;
  readonly to: OwnerName;
}

/** What we answer for by a configuration; names with final dot. */
export interface ServedZones {
  readonly domain: OwnerName;
  readonly aliases: readonly Alias[];
  readonly reverse: ReverseZones;
  /** Of every zone, our own domain first. */
  readonly apexes: readonly OwnerName[];
}

/** The zones that a configuration asks for; with VIPs and locations turned off, the domain alone. */
export function servedZones(
  domainText: string,
  vip: Config['vip'],
  hasLocations: boolean,
): ServedZones {
  const domain = `${domainText}.`;
  const subtrees = [
    ...(vip.enabled ? [VIP_SUBTREE] : []),
    ...(vip.enabled && hasLocations ? [LOCATION_SUBTREE] : []),
  ];
  const aliases = vip.aliasDomains
    .slice(0, ALIAS_DOMAINS_MAX)
    .filter((alias) => alias !== domainText)
    .flatMap((alias) =>
      subtrees.map((label) => ({ from: `${label}.${domain}`, to: `${label}.${alias}.` })),
    );
  const pools = vip.enabled ? [...vip.pool, ...vip.poolIpv6] : [];
  const reverse = new ReverseZones(pools, vip.exclude);
  const wanted = new Set([domain, ...aliases.map(({ to }) => to), ...reverse.apexes]);
  // A zone within another of ours would need a delegation there; its names are just names of it.
  const apexes = [...wanted].filter((apex) => apex === domain || !hasParentIn(apex, wanted));
  return { domain, aliases, reverse, apexes };
}

function hasParentIn(apex: OwnerName, zones: ReadonlySet<OwnerName>): boolean {
  let dot = apex.indexOf('.');
  for (let rest = apex.slice(dot + 1); rest !== ''; rest = rest.slice(dot + 1)) {
    if (zones.has(rest)) return true;
    dot = rest.indexOf('.');
  }
  return false;
}
