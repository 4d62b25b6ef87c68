import { formatUpstream } from '../core/base/upstream.ts';
import type { Config, ForwardZone } from '../core/config/config.ts';
import type { AnswerTable } from '../core/dns/answer-table.ts';
import { formatWireName, parseWireName } from '../core/dns/name.ts';
import type { ApiSource, Status, ViewRequest } from '../core/ports.ts';
import { hostAnswers, serviceAnswers } from '../core/views/rest-view.ts';
import { isAnswered, zoneOfName } from '../core/views/table-records.ts';
import type { DnsPlane } from './dns/dns-plane.ts';
import type { DnsTallies } from './dns/dns-tallies.ts';

/** What the HTTP API's answers come from. */
export interface ApiParts {
  config(): Config;
  status(): Status;
  table(): AnswerTable;
  /** Rendered by the generation worker. */
  view(request: ViewRequest): Promise<string>;
  readonly dns: Pick<DnsPlane, 'forwardZones' | 'currentUpstreams' | 'flush' | 'specialZones'>;
  readonly tallies: Pick<DnsTallies, 'topQueries' | 'logQueries'>;
}

/** Look-ups straight from the served table, views from the generation worker. */
export function createApiSource(parts: ApiParts): ApiSource {
  return {
    config: () => parts.config(),
    status: () => parts.status(),
    hosts: (name) => hostAnswers(parts.table(), name),
    services: (name) => serviceAnswers(parts.table(), name),
    async view(request) {
      if (request.kind !== 'explain') return parts.view(request);
      const wire = parseWireName(request.name);
      const isOurs = wire === null || isAnswered(parts.table(), wire);
      if (isOurs) return parts.view(request);
      return `${JSON.stringify(await explainForwarded(parts, wire), null, 1)}\n`;
    },
    topQueries: (n) => parts.tallies.topQueries(n),
    logQueries: (...watched) => parts.tallies.logQueries(...watched),
    flushCache(name) {
      const wire = name === null ? null : parseWireName(name);
      return name !== null && wire === null ? 0 : parts.dns.flush(wire);
    },
  };
}

/** To whom a name outside our zones would go. */
async function explainForwarded(parts: ApiParts, wire: Uint8Array): Promise<unknown> {
  const { enabled } = parts.config().forward;
  const special = enabled ? parts.dns.specialZones : null;
  if (special !== null && zoneOfName(special, wire) !== null) {
    return {
      name: formatWireName(wire),
      zone: null,
      exists: null,
      outcome:
        'answered here: a name for special use (forward.specialNames, forward.privateReverse)',
      forwardedTo: [],
    };
  }
  const zone: ForwardZone | null = parts.dns.forwardZones.find(wire, wire.length);
  const upstreams = enabled ? (zone?.upstreams ?? (await parts.dns.currentUpstreams())) : [];
  return {
    name: formatWireName(wire),
    zone: null,
    exists: null,
    outcome: !enabled
      ? 'refused: forwarding is turned off'
      : upstreams.length === 0
        ? 'refused: there is no upstream resolver'
        : `forwarded by the ${zone === null ? 'default' : `zone ${zone.zone}`} rule`,
    forwardedTo: upstreams.map(formatUpstream),
  };
}
