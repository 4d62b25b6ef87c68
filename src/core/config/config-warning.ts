import { isLoopback, isUnspecified, parseIpAddress } from '../base/address.ts';
import { formatSocketAddress } from '../base/host-port.ts';
import type { SocketAddress } from './config.ts';
import type { ProblemList } from './problem-list.ts';

/** TTL 0 is legal (RFC 2181 §8), but every lookup of every client then reaches the daemon. */
export function warnZeroTtl(
  ttlSeconds: number | undefined,
  path: string,
  problems: ProblemList,
): void {
  if (ttlSeconds !== 0) return;
  problems.warning(path, '0 forbids resolvers to cache; use 1 or more unless that is meant');
}

/** Mesos-DNS sets no bounds and its files must keep working: ours are applied, not demanded. */
export function capped(
  value: number,
  maximum: number,
  path: string,
  problems: ProblemList,
): number {
  if (value <= maximum) return value;
  problems.warning(path, `${value} is more than ${maximum}, which is used instead`);
  return maximum;
}

/** Upstreams that are our own listeners: each forwarded question would come back to be forwarded. */
export function warnForwardLoops(
  listen: readonly SocketAddress[],
  upstreams: 'system' | readonly SocketAddress[],
  path: string,
  problems: ProblemList,
): void {
  if (upstreams === 'system') return;
  for (const [i, upstream] of upstreams.entries()) {
    const listener = listen.find((candidate) => reaches(upstream, candidate));
    if (listener === undefined) continue;
    const own = formatSocketAddress(listener);
    problems.warning(`${path}[${i}]`, `sends questions back to the own listener ${own}; remove it`);
  }
}

function reaches(upstream: SocketAddress, listener: SocketAddress): boolean {
  if (upstream.port !== listener.port) return false;
  if (upstream.address === listener.address) return true;
  const to = parseIpAddress(upstream.address);
  const at = parseIpAddress(listener.address);
  if (to === null || at === null || !isUnspecified(at)) return false;
  return (at.family === 6 || to.family === 4) && (isLoopback(to) || isUnspecified(to));
}
