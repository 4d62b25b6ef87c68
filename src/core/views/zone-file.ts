import { assert } from '../base/assert.ts';
import { type AnswerTable, HEADER } from '../dns/answer-table.ts';
import { TYPE } from '../dns/constants.ts';
import { formatOwnerName, type OwnerName } from '../dns/name.ts';
import {
  addressTexts,
  allNodes,
  nodeName,
  nodePointers,
  nodeServices,
  zoneApexes,
} from './table-records.ts';
import type { ZoneSettings } from './zone-view.ts';

/**
 * One of our zones as a master file (RFC 1035 §5), names in canonical order, so that two listings
 * can be compared line by line and other servers can load it. `apex` is that of a zone in the
 * table; by default our own domain.
 */
export function zoneFile(
  table: AnswerTable,
  settings: ZoneSettings,
  apex: OwnerName = `${settings.dns.domain}.`,
): string {
  const { soa, srvWeight } = settings.dns;
  const ttl = table.header(HEADER.TTL);
  const zone = zoneApexes(table).indexOf(apex);
  assert(zone >= 0, 'the zone is one of the table');
  const numbers = [soa.refreshSeconds, soa.retrySeconds, soa.expireSeconds, soa.minimumSeconds];
  const lines = [
    `$TTL ${ttl}`,
    `${apex} IN SOA ${soa.mname} ${soa.rname} ${table.serial} ${numbers.join(' ')}`,
    `${apex} IN NS ${soa.mname}`,
  ];
  const owners: { name: OwnerName; node: number }[] = [];
  for (const node of allNodes(table)) {
    if (table.zoneIndex(node) === zone) owners.push({ name: nodeName(table, node), node });
  }
  owners.sort((a, b) => compareCanonical(a.name, b.name));
  for (const { name, node } of owners) {
    const owner = formatOwnerName(name);
    for (const ip of addressTexts(table, node, TYPE.A)) lines.push(`${owner} IN A ${ip}`);
    for (const ip of addressTexts(table, node, TYPE.AAAA)) lines.push(`${owner} IN AAAA ${ip}`);
    for (const { target, port } of nodeServices(table, node)) {
      lines.push(`${owner} IN SRV 0 ${srvWeight} ${port} ${formatOwnerName(target)}`);
    }
    for (const target of nodePointers(table, node)) {
      lines.push(`${owner} IN PTR ${formatOwnerName(target)}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

/** Order of RFC 4034 §6.1: by labels from the right. */
function compareCanonical(a: OwnerName, b: OwnerName): number {
  const [labelsA, labelsB] = [a.split('.').reverse(), b.split('.').reverse()];
  for (let i = 0; i < Math.min(labelsA.length, labelsB.length); i++) {
    const [labelA, labelB] = [labelsA[i]!, labelsB[i]!];
    if (labelA !== labelB) return labelA < labelB ? -1 : 1;
  }
  return labelsA.length - labelsB.length;
}
