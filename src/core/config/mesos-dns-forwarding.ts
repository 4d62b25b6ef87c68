import { isUnspecified, parseIpAddress } from '../base/address.ts';
import { formatSocketAddress } from '../base/host-port.ts';
import { prefixContains } from '../base/prefix.ts';
import type { DnsConfig, ForwardConfig, ForwardZone, SocketAddress } from './config.ts';
import { isWithin, parseZoneName } from './config-name.ts';
import { capped, warnForwardLoops } from './config-warning.ts';
import type { MesosDnsFile } from './mesos-dns-file.ts';
import { EVERYONE, NEAR_CLIENTS } from './native-dns-keys.ts';
import { FORWARD_TIMEOUT_SECONDS_MAX } from './native-forward-keys.ts';
import { nativeDefault } from './native-keys.ts';
import { memberPath, ProblemList, quote } from './problem-list.ts';
import { FORWARD_ZONES_MAX, LIST_LENGTH_MAX } from './value-type.ts';
import { parseSocketAddress, sortZones } from './value-type.ts';

/** What timeout 0 means in Mesos-DNS. */
const TIMEOUT_SECONDS_DEFAULT = 5;

/** Name servers that /etc/resolv.conf may have (MAXNS of glibc). */
const RESOLV_CONF_MAX = 3;

/** Resolvers, zone resolvers and timeout of a Mesos-DNS file; `dns` is already read. */
export function readForwarding(
  values: MesosDnsFile,
  dns: DnsConfig,
  problems: ProblemList,
): ForwardConfig {
  const { timeout, externalon: enabled } = values;
  if (timeout < 0) problems.error('timeout', `expected 0 or more seconds, found ${timeout}`);
  const seconds = capped(timeout, FORWARD_TIMEOUT_SECONDS_MAX, 'timeout', problems);
  const timeoutMs = 1000 * (seconds === 0 ? TIMEOUT_SECONDS_DEFAULT : seconds);
  // Mesos-DNS looks at its resolvers only if it forwards; bad ones must not stop us otherwise.
  const found = enabled ? problems : new ProblemList();
  const upstreams = values.resolvers.length === 0 ? 'system' : readResolvers(values, found);
  const zones = readZones(values, dns.domain, found);
  if (!enabled && found.hasErrors) {
    const message = 'is not valid, and not used either, since "externalon" is false';
    problems.warning(found.all()[0]?.path ?? 'resolvers', message);
    return forwardConfig({ enabled, upstreams: 'system', zones: [], timeoutMs });
  }
  if (enabled && dns.enabled) {
    warnOpenResolver(dns.listen, problems);
    warnForwardLoops(dns.listen, upstreams, 'resolvers', problems);
    for (const { zone, upstreams: list } of zones) {
      warnForwardLoops(dns.listen, list, memberPath('zoneResolvers', zone), problems);
    }
  }
  return forwardConfig({ enabled, upstreams, zones, timeoutMs });
}

/** Only for what is sure: whether all addresses of the node include a public one is not known here. */
function warnOpenResolver(listen: readonly SocketAddress[], problems: ProblemList): void {
  for (const { address: text } of listen) {
    const address = parseIpAddress(text);
    if (address === null || isUnspecified(address)) continue;
    if (NEAR_CLIENTS.some((prefix) => prefixContains(prefix, address))) continue;
    const message = `${text} is a public address, and everyone who reaches it can look up any name`;
    problems.warning('listener', `${message}; use the native format and forward.allow`);
  }
}

/** With what Mesos-DNS has no keys for, as near to it as can be seen from outside. */
function forwardConfig(
  given: Pick<ForwardConfig, 'enabled' | 'upstreams' | 'zones' | 'timeoutMs'>,
): ForwardConfig {
  return {
    ...given,
    allow: EVERYONE,
    policy: 'sequential',
    deadlineMs: deadlineFor(given),
    cache: {
      // Mesos-DNS had no cache; who counts TTLs down cannot be told from who asks again.
      bytesMax: nativeDefault('forward.cache.bytesMax'),
      ttlSecondsMin: nativeDefault('forward.cache.ttlSecondsMin'),
      ttlSecondsMax: nativeDefault('forward.cache.ttlSecondsMax'),
      negativeTtlSecondsMax: nativeDefault('forward.cache.negativeTtlSecondsMax'),
      staleSeconds: 0,
      prefetch: nativeDefault('forward.cache.prefetch'),
    },
    blockPrivate: false,
    blockPrivateExcept: [],
    // Sites have names of their own below `local`, whatever RFC 6762 says.
    specialNames: 'forward',
    privateReverse: 'forward',
  };
}

/** Long enough for every resolver of the longest list in turn, within what `deadlineMs` may be. */
function deadlineFor({
  upstreams,
  zones,
  timeoutMs,
}: Pick<ForwardConfig, 'upstreams' | 'zones' | 'timeoutMs'>): number {
  const counts = zones.map((zone) => zone.upstreams.length);
  const most = Math.max(upstreams === 'system' ? RESOLV_CONF_MAX : upstreams.length, ...counts);
  return Math.min(most * timeoutMs, 1000 * FORWARD_TIMEOUT_SECONDS_MAX);
}

function readResolvers(values: MesosDnsFile, problems: ProblemList): readonly SocketAddress[] {
  return readAddresses(values.resolvers, 'resolvers', problems);
}

function readAddresses(
  texts: readonly string[],
  path: string,
  problems: ProblemList,
): readonly SocketAddress[] {
  if (texts.length === 0 || texts.length > LIST_LENGTH_MAX) {
    const expected = `expected a list of 1 to ${LIST_LENGTH_MAX} resolvers`;
    problems.error(path, `${expected}, found ${texts.length}`);
    return [];
  }
  const addresses = new Map<string, SocketAddress>();
  for (const [i, text] of texts.entries()) {
    const address = parseSocketAddress(text, 53, 1);
    if (address === null) {
      const expected = 'expected an IP address with or without a port';
      problems.error(`${path}[${i}]`, `${expected}, found ${quote(text)}`);
      continue;
    }
    const identity = formatSocketAddress(address);
    if (addresses.has(identity)) {
      problems.error(`${path}[${i}]`, `${quote(text)} is listed twice; remove one of them`);
    }
    addresses.set(identity, address);
  }
  return [...addresses.values()];
}

function readZones(
  values: MesosDnsFile,
  domain: string,
  problems: ProblemList,
): readonly ForwardZone[] {
  if (values.zoneResolvers.size > FORWARD_ZONES_MAX) {
    problems.error('zoneResolvers', `has more than ${FORWARD_ZONES_MAX} zones`);
    return [];
  }
  const zones = new Map<string, ForwardZone>();
  for (const [name, resolvers] of values.zoneResolvers) {
    const path = memberPath('zoneResolvers', name);
    const zone = /_|\.$/.test(name) ? null : parseZoneName(name);
    if (zone === null) {
      problems.error(path, 'expected a domain name of letters, digits and hyphens as the key');
      continue;
    }
    if (zones.has(zone)) problems.error(path, `the zone ${zone} is given twice; remove one`);
    zones.set(zone, { zone, upstreams: readAddresses(resolvers, path, problems) });
  }
  for (const zone of zones.keys()) checkOverlap(zone, domain, zones, problems);
  return sortZones([...zones.values()]);
}

/** Mesos-DNS refuses zones that contain each other or the domain; names are lower case here. */
function checkOverlap(
  zone: string,
  domain: string,
  zones: ReadonlyMap<string, ForwardZone>,
  problems: ProblemList,
): void {
  const path = memberPath('zoneResolvers', zone);
  if (zone === domain) {
    problems.error(path, `is the own domain ${domain}, which is answered here; remove it`);
    return;
  }
  if (domain !== '' && isWithin(domain, zone)) {
    problems.error(path, `contains the own domain ${domain}; use the native format for that`);
  }
  for (let dot = zone.indexOf('.'); dot >= 0; dot = zone.indexOf('.', dot + 1)) {
    const parent = zone.slice(dot + 1);
    if (parent === domain || zones.has(parent)) {
      problems.error(path, `is inside ${parent}, which has a meaning of its own; remove one`);
    }
  }
}
