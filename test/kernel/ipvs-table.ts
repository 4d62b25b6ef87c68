import { readFileSync } from 'node:fs';

/** A virtual service as the kernel prints it. */
export interface Service {
  readonly scheduler: string;
  /** The rest of its line, such as `persistent 30000 FFFFFFFF`. */
  readonly flags: string;
  /** By `address:port`. */
  readonly destinations: ReadonlyMap<string, Destination>;
}

export interface Destination {
  /** Such as `Masq`. */
  readonly forwarding: string;
  readonly weight: number;
  readonly active: number;
  readonly inactive: number;
}

/** By `tcp address:port`, IPv6 addresses in brackets and in their short form. */
export type Table = ReadonlyMap<string, Service>;

const SERVICE = /^(TCP|UDP|SCTP)\s+(\S+) (\S+)\s*(.*?)\s*$/;
const DESTINATION = /^ {2}-> (\S+)\s+(\S+)\s+(\d+)\s+(\d+)\s+(\d+)/;

/**
 * The IPVS table of a process' network namespace from /proc/net/ip_vs, read here by no code of
 * the program under test.
 */
export function readTable(pid: number): Table {
  const table = new Map<string, Service>();
  let destinations = new Map<string, Destination>();
  for (const line of readFileSync(`/proc/${pid}/net/ip_vs`, 'utf8').split('\n').slice(3)) {
    const service = SERVICE.exec(line);
    if (service !== null) {
      const [, protocol = '', endpoint = '', scheduler = '', flags = ''] = service;
      destinations = new Map();
      const key = `${protocol.toLowerCase()} ${readEndpoint(endpoint)}`;
      table.set(key, { scheduler, flags, destinations });
      continue;
    }
    const destination = DESTINATION.exec(line);
    if (destination === null) continue;
    const [, endpoint = '', forwarding = '', weight, active, inactive] = destination;
    destinations.set(readEndpoint(endpoint), {
      forwarding,
      weight: Number(weight),
      active: Number(active),
      inactive: Number(inactive),
    });
  }
  return table;
}

/** `0AD00001:0050` or `[fd00:0000:...]:0050` as people write it. */
function readEndpoint(text: string): string {
  const colon = text.lastIndexOf(':');
  const port = Number.parseInt(text.slice(colon + 1), 16);
  const host = text.slice(0, colon);
  if (host.startsWith('[')) return `${new URL(`http://${host}`).hostname}:${port}`;
  return `${[...Buffer.from(host, 'hex')].join('.')}:${port}`;
}

/** A table in a form that can be compared and read: weights by destination by service. */
export function weights(table: Table): Record<string, Record<string, number>> {
  const all = [...table].map(([key, { destinations }]) => [
    key,
    Object.fromEntries([...destinations].map(([name, { weight }]) => [name, weight])),
  ]);
  return Object.fromEntries(all) as Record<string, Record<string, number>>;
}
