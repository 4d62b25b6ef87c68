import { formatUpstream, formatUpstreamIdentity } from '../base/upstream.ts';
import { isWithin } from './config-name.ts';
import { warnForwardLoops } from './config-warning.ts';
import type { NativeValues } from './native-keys.ts';
import { memberPath } from './problem-list.ts';
import type { ProblemList } from './problem-list.ts';

/** The values of good keys. */
type Values = Partial<NativeValues>;

/** Rules between the keys of `forward`, and between them and those of `dns`. */
export function checkForwarding(values: Values, problems: ProblemList): void {
  checkZones(values, problems);
  checkTimes(values, problems);
  warnExceptions(values, problems);
  checkIdentities(values, problems);
  if (values['dns.enabled'] !== true || values['forward.enabled'] !== true) return;
  const listen = values['dns.listen'] ?? [];
  warnForwardLoops(listen, values['forward.upstreams'] ?? 'system', 'forward.upstreams', problems);
  for (const { zone, upstreams } of values['forward.zones'] ?? []) {
    warnForwardLoops(listen, upstreams, memberPath('forward.zones', zone), problems);
  }
}

function checkZones(values: Values, problems: ProblemList): void {
  const domain = values['dns.domain'];
  for (const { zone } of values['forward.zones'] ?? []) {
    // A parent of the domain is fine: the longest match keeps the domain itself here.
    if (domain === undefined || !isWithin(zone, domain)) continue;
    const relation = zone === domain ? 'is' : `is inside`;
    const message = `${relation} the own domain ${domain}, which is answered here; remove it`;
    problems.error(memberPath('forward.zones', zone), message);
  }
}

/** What is known of an upstream is known of its address, so one address is one server. */
function checkIdentities(values: Values, problems: ProblemList): void {
  const known = new Map<string, string>();
  const upstreams = values['forward.upstreams'] ?? 'system';
  const lists = [
    { path: 'forward.upstreams', list: upstreams === 'system' ? [] : upstreams },
    ...(values['forward.zones'] ?? []).map(({ zone, upstreams: list }) => ({
      path: memberPath('forward.zones', zone),
      list,
    })),
  ];
  for (const { path, list } of lists) {
    for (const [i, upstream] of list.entries()) {
      const label = formatUpstream(upstream);
      const identity = formatUpstreamIdentity(upstream);
      const other = known.get(label) ?? identity;
      known.set(label, other);
      if (other === identity) continue;
      const message = `${identity} is ${other} elsewhere; give it one name and the same pins`;
      problems.error(`${path}[${i}]`, message);
    }
  }
}

function checkTimes(values: Values, problems: ProblemList): void {
  const least = values['forward.cache.ttlSecondsMin'];
  const most = values['forward.cache.ttlSecondsMax'];
  if (least !== undefined && most !== undefined && least > most) {
    const message = `${least} is more than forward.cache.ttlSecondsMax (${most}); lower it`;
    problems.error('forward.cache.ttlSecondsMin', message);
  }
  const timeoutMs = values['forward.timeoutSeconds'];
  const deadlineMs = values['forward.deadlineSeconds'];
  if (timeoutMs === undefined || deadlineMs === undefined || deadlineMs >= timeoutMs) return;
  const seconds = `${deadlineMs / 1000} is less than forward.timeoutSeconds (${timeoutMs / 1000})`;
  problems.warning(
    'forward.deadlineSeconds',
    `${seconds}, so no resolver gets its time; raise it or lower that`,
  );
}

function warnExceptions(values: Values, problems: ProblemList): void {
  const path = 'forward.blockPrivateExcept';
  if (values['forward.blockPrivate'] !== false || (values[path] ?? []).length === 0) return;
  problems.warning(path, 'has no effect without "blockPrivate": true');
}
