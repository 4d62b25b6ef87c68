import { formatIpAddress } from '../base/address.ts';
import { typeMnemonic } from '../dns/constants.ts';
import { formatWireName } from '../dns/name.ts';
import type { Query } from '../dns/query.ts';
import type { ClientAddress } from '../guard/client-address.ts';
import type { QueryRecord } from '../ports.ts';
import { OTHER, rcodeLabel, typeIndex, TYPE_LABELS } from './labels.ts';

/** What is known of an answered query besides its question. */
export interface Answered {
  readonly client: ClientAddress;
  readonly overTcp: boolean;
  readonly rcode: number;
  readonly responseBytes: number;
  readonly durationMs: number;
}

/** A query that was chosen for the log, as people read it. */
export function queryRecord(query: Query, answered: Answered): QueryRecord {
  const { client, overTcp, rcode, responseBytes, durationMs } = answered;
  const octets = client.family === 4 ? 4 : 16;
  const type = typeIndex(query.qtype);
  const code = rcodeLabel(rcode);
  return {
    name: formatWireName(query.name),
    type: type === 0 ? typeMnemonic(query.qtype) : TYPE_LABELS[type]!,
    rcode: code === OTHER ? `RCODE${rcode}` : code,
    client: formatIpAddress(client.bytes.slice(client.offset, client.offset + octets)),
    protocol: overTcp ? 'tcp' : 'udp',
    bytes: responseBytes,
    durationUs: Math.round(durationMs * 1000),
  };
}
