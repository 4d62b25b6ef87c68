import { type AnswerTable, NO_ZONE } from '../dns/answer-table.ts';
import { TYPE } from '../dns/constants.ts';
import { type OwnerName, parseWireName } from '../dns/name.ts';
import type { HostAnswer, ServiceAnswer } from '../ports.ts';
import {
  addressTexts,
  allNodes,
  findNode,
  nodeAddresses,
  nodeName,
  nodeServices,
} from './table-records.ts';
import type { ZoneSettings } from './zone-view.ts';

/** `/v1/hosts`: every address of a name, A then AAAA. */
export function hostAnswers(table: AnswerTable, name: string): HostAnswer[] {
  const wire = parseWireName(name);
  const node = wire === null ? 0 : findNode(table, wire);
  if (node === 0) return [];
  const host = nodeName(table, node);
  return nodeAddresses(table, node).map((ip) => ({ host, ip }));
}

/** `/v1/services`: every address of every target of an SRV name (H11). */
export function serviceAnswers(table: AnswerTable, name: string): ServiceAnswer[] {
  const wire = parseWireName(name);
  const node = wire === null ? 0 : findNode(table, wire);
  if (node === 0) return [];
  return nodeServices(table, node).flatMap((service) =>
    service.node === 0
      ? []
      : nodeAddresses(table, service.node).map((ip) => ({
          host: service.target,
          ip,
          port: service.port,
        })),
  );
}

/** Number of our domain's zone in every table. */
const DOMAIN_ZONE = 0;

/** Body of `/v1/axfr`, in Mesos-DNS' shape: our domain and names in no zone, not the others. */
export function axfrView(
  table: AnswerTable,
  settings: ZoneSettings,
  refreshSeconds: number,
): unknown {
  const a: Record<string, string[]> = {};
  const aaaa: Record<string, string[]> = {};
  const srv: Record<string, string[]> = {};
  // In order, as Go writes maps.
  const owners: { node: number; name: OwnerName }[] = [];
  for (const node of allNodes(table)) {
    const zone = table.zoneIndex(node);
    const isListed = zone === DOMAIN_ZONE || zone === NO_ZONE;
    if (isListed) owners.push({ node, name: nodeName(table, node) });
  }
  owners.sort((x, y) => (x.name < y.name ? -1 : 1));
  for (const { node, name } of owners) {
    const [ipv4, ipv6] = [addressTexts(table, node, TYPE.A), addressTexts(table, node, TYPE.AAAA)];
    const services = nodeServices(table, node);
    if (ipv4.length > 0) a[name] = ipv4;
    if (ipv6.length > 0) aaaa[name] = ipv6;
    if (services.length > 0) srv[name] = services.map(({ target, port }) => `${target}:${port}`);
  }
  return {
    TTL: settings.dns.ttlSeconds,
    Serial: table.serial,
    RefreshSeconds: refreshSeconds,
    Mname: settings.dns.soa.mname,
    Rname: settings.dns.soa.rname,
    Domain: settings.dns.domain,
    Records: { As: a, AAAAs: aaaa, SRVs: srv },
  };
}

/** Body of DC/OS' `/v1/records`. */
export function recordsView(table: AnswerTable): unknown {
  return [...allNodes(table)].flatMap((node) => {
    const name = nodeName(table, node);
    return [
      ...addressTexts(table, node, TYPE.A).map((host) => ({ name, host, rtype: 'A' })),
      ...addressTexts(table, node, TYPE.AAAA).map((host) => ({ name, host, rtype: 'AAAA' })),
      ...nodeServices(table, node).map(({ target, port }) => ({
        name,
        host: `${target}:${port}`,
        rtype: 'SRV',
      })),
    ];
  });
}
