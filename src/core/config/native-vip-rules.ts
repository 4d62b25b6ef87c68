import { parseIpAddress } from '../base/address.ts';
import { isSubPrefix, type Prefix, prefixContains, prefixesOverlap } from '../base/prefix.ts';
import { knownPrefix } from './address-type.ts';
import { ReverseZones } from '../views/reverse-names.ts';
import { isWithin } from './config-name.ts';
import type { NativeValues } from './native-keys.ts';
import { memberPath } from './problem-list.ts';
import type { ProblemList } from './problem-list.ts';

/** The values of good keys. */
type Values = Partial<NativeValues>;

/** Where DC/OS has its names of VIPs and locations. */
export const ALIAS_DOMAIN_DEFAULT = 'thisdcos.directory';

/** What can never be the address of a service: this host, one link, or many at once. */
const NO_SERVICES = [
  '0.0.0.0/8',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/3',
  '::/8',
  'fe80::/10',
  'ff00::/8',
].map(knownPrefix);

/** Rules between the keys of `vip` and `kernel`, and between them and others. */
export function checkVips(values: Values, problems: ProblemList): void {
  checkPools(values, problems);
  checkExclusions(values, problems);
  checkRanges(values, problems);
  checkAliasDomains(values, problems);
  checkNodeAddresses(values, problems);
  if (values['vip.enabled'] !== true) return;
  warnAddressesInUse(values, problems);
  warnReverseZones(values, problems);
}

/**
 * Alias domains of a file that names none: the default, unless its names are answered under the
 * own domain anyway or the file forwards them to others.
 */
export function defaultAliasDomains(values: Values, problems: ProblemList): readonly string[] {
  const domain = values['dns.domain'];
  if (domain === undefined || isWithin(ALIAS_DOMAIN_DEFAULT, domain)) return [];
  const forwarded = (values['forward.zones'] ?? []).find(({ zone }) =>
    isWithin(zone, ALIAS_DOMAIN_DEFAULT),
  );
  if (forwarded === undefined) return [ALIAS_DOMAIN_DEFAULT];
  if (values['vip.enabled'] === true) {
    const message = `is forwarded, so VIPs have no names under ${ALIAS_DOMAIN_DEFAULT} here`;
    const advice = 'remove it, or set vip.aliasDomains to [] if that is meant';
    problems.warning(memberPath('forward.zones', forwarded.zone), `${message}; ${advice}`);
  }
  return [];
}

function checkPools(values: Values, problems: ProblemList): void {
  const pools = poolsOf(values);
  for (const [i, [path, pool]] of pools.entries()) {
    const other = pools.slice(0, i).find(([, earlier]) => prefixesOverlap(earlier, pool));
    if (other === undefined) continue;
    problems.error(
      path,
      `${pool.text} overlaps ${other[1].text} (${other[0]}); remove one of them`,
    );
  }
  const isKnown = values['vip.pool'] !== undefined && values['vip.poolIpv6'] !== undefined;
  if (values['vip.enabled'] !== true || !isKnown || pools.length > 0) return;
  if ((values['vip.ranges'] ?? []).length > 0) return;
  const message = 'vip.pool, vip.poolIpv6 and vip.ranges are all empty';
  problems.error('vip', `${message}; give VIPs an address or set vip.enabled to false`);
}

/** The prefixes of both pools with their paths. */
function poolsOf(values: Values): readonly (readonly [path: string, pool: Prefix])[] {
  return (['vip.pool', 'vip.poolIpv6'] as const).flatMap((key) =>
    (values[key] ?? []).map((pool, i) => [`${key}[${i}]`, pool] as const),
  );
}

function checkExclusions(values: Values, problems: ProblemList): void {
  const pools = poolsOf(values);
  for (const [i, excluded] of (values['vip.exclude'] ?? []).entries()) {
    const path = `vip.exclude[${i}]`;
    if (!pools.some(([, pool]) => prefixesOverlap(pool, excluded))) {
      problems.warning(path, `${excluded.text} is in no pool, so it excludes nothing; remove it`);
    }
    const emptied = pools.find(([, pool]) => isSubPrefix(pool, excluded));
    if (emptied === undefined) continue;
    const [poolPath, pool] = emptied;
    problems.warning(path, `${excluded.text} leaves nothing of ${pool.text} (${poolPath})`);
  }
}

function checkRanges(values: Values, problems: ProblemList): void {
  for (const [i, range] of (values['vip.ranges'] ?? []).entries()) {
    const taken = NO_SERVICES.find((block) => prefixesOverlap(block, range));
    if (taken === undefined) continue;
    const message = `${range.text} overlaps ${taken.text}, whose addresses cannot be VIPs`;
    problems.error(`vip.ranges[${i}]`, `${message}; choose another range`);
  }
}

function checkAliasDomains(values: Values, problems: ProblemList): void {
  const domain = values['dns.domain'];
  const aliases = values['vip.aliasDomains'] ?? [];
  // Alias domains are served with VIPs or not at all.
  if (values['vip.enabled'] !== true) return;
  for (const [i, alias] of aliases.entries()) {
    const path = `vip.aliasDomains[${i}]`;
    if (domain !== undefined && isWithin(alias, domain)) {
      const relation = alias === domain ? 'is' : 'is inside';
      const message = `${alias} ${relation} the own domain ${domain}, which has those names anyway`;
      problems.error(path, `${message}; remove it`);
    }
    const outer = aliases.find((other) => other !== alias && isWithin(alias, other));
    if (outer !== undefined) {
      problems.error(path, `${alias} is inside ${outer}; remove one of them`);
    }
    const forwarded = (values['forward.zones'] ?? []).find(({ zone }) => isWithin(zone, alias));
    if (forwarded === undefined) continue;
    const message = `${alias} is answered here, but forward.zones sends ${forwarded.zone} elsewhere`;
    problems.error(path, `${message}; remove one of them`);
  }
}

function checkNodeAddresses(values: Values, problems: ProblemList): void {
  if (values['vip.enabled'] !== true) return;
  for (const key of ['kernel.nodeAddress.ipv4', 'kernel.nodeAddress.ipv6'] as const) {
    const block = blockOf(values[key], values);
    if (block === undefined) continue;
    const message = `${values[key]} is in ${block[1].text} (${block[0]}), where VIPs are`;
    problems.error(key, `${message}; give an address that the node has`);
  }
}

/** Addresses of servers where a VIP may come to be, which would take their packets. */
function warnAddressesInUse(values: Values, problems: ProblemList): void {
  const used: (readonly [path: string, address: string])[] = [
    ...(values['cluster.masters'] ?? []).map(
      ({ host }, i) => [`cluster.masters[${i}]`, host] as const,
    ),
    ...addressesAt('dns.listen', values['dns.listen']),
    ...addressesAt('forward.upstreams', values['forward.upstreams']),
    ...(values['forward.zones'] ?? []).flatMap(({ zone, upstreams }) =>
      addressesAt(memberPath('forward.zones', zone), upstreams),
    ),
    ['http.listen', values['http.listen']?.host ?? ''],
  ];
  for (const [path, address] of used) {
    const block = blockOf(address, values);
    if (block === undefined) continue;
    const message = `${address} is in ${block[1].text} (${block[0]}), where a VIP may take it over`;
    const isPool = block[0].startsWith('vip.pool');
    const advice = isPool ? 'exclude it (vip.exclude), or move the pool' : 'choose another range';
    problems.warning(path, `${message}; ${advice}`);
  }
}

/** Forwarded zones that are never asked, since the reverse zones of the pools are answered here. */
function warnReverseZones(values: Values, problems: ProblemList): void {
  const pools = poolsOf(values).map(([, pool]) => pool);
  const { apexes } = new ReverseZones(pools, values['vip.exclude'] ?? []);
  for (const { zone } of values['forward.zones'] ?? []) {
    const apex = apexes.find((one) => isWithin(`${zone}.`, one));
    if (apex === undefined) continue;
    const message = `is answered here, since ${apex} is in the pool of VIPs`;
    problems.warning(memberPath('forward.zones', zone), `${message}; remove it, or move the pool`);
  }
}

function addressesAt(
  path: string,
  sockets: 'system' | readonly { readonly address: string }[] = [],
): readonly (readonly [path: string, address: string])[] {
  if (sockets === 'system') return [];
  return sockets.map(({ address }, i) => [`${path}[${i}]`, address] as const);
}

/** The pool or range in which an address may become a VIP; undefined for names and others. */
function blockOf(
  text: string | undefined,
  values: Values,
): readonly [path: string, block: Prefix] | undefined {
  const address = text === undefined ? null : parseIpAddress(text);
  if (address === null) return undefined;
  const isExcluded = (values['vip.exclude'] ?? []).some((block) => prefixContains(block, address));
  const blocks = [
    ...(isExcluded ? [] : poolsOf(values)),
    ...(values['vip.ranges'] ?? []).map((range, i) => [`vip.ranges[${i}]`, range] as const),
  ];
  return blocks.find(([, block]) => prefixContains(block, address));
}
