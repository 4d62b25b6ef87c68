import type { ForwardState } from '../../adapters/metrics/forward-metrics.ts';
import { formatUpstream } from '../../core/base/upstream.ts';
import type { DnsStatus } from '../../core/ports.ts';
import type { DnsPlane } from './dns-plane.ts';

type Source = Pick<
  DnsPlane,
  'udp' | 'knownUpstreams' | 'upstreamHealth' | 'looping' | 'cacheStats'
>;

/** The DNS side for `/v1/status`. */
export function dnsStatus(dns: Source): DnsStatus {
  return {
    udp: dns.udp,
    upstreams: dns.knownUpstreams().map(formatUpstream),
    health: dns.upstreamHealth(),
    looping: dns.looping(),
    cache: dns.cacheStats(),
  };
}

/** The forwarder for the metrics. */
export function forwardState(dns: Source): ForwardState {
  const { entries: cacheEntries, bytes: cacheBytes } = dns.cacheStats();
  const upstreams = dns
    .upstreamHealth()
    .map(({ to, rttMs, failing, disabled }) => ({ to, rttMs, up: !failing && !disabled }));
  return { upstreams, cacheEntries, cacheBytes };
}
