import { parseIpAddress } from '../base/address.ts';

/** The port of DNS (RFC 1035 §4.2); resolv.conf(5) has no place for another. */
export const DNS_PORT = 53;

/** A resolver's address, canonical and without brackets, and port. */
export interface Nameserver {
  readonly address: string;
  readonly port: number;
}

/**
 * The C library reads three; generators write more and rely on that. A query that nobody answers
 * waits for each of ours in turn, so more would only delay the failure.
 */
const NAMESERVERS_MAX = 8;

/**
 * Reads the `nameserver` lines of resolv.conf(5) in their order, each address once; other lines
 * and words that are no address are skipped, as the C library does.
 */
export function parseResolvConf(text: string): { nameservers: Nameserver[] } {
  const addresses = new Set<string>();
  for (const line of text.split('\n')) {
    const [keyword, word = ''] = line.split(/\s+/, 2);
    if (keyword !== 'nameserver' || addresses.size >= NAMESERVERS_MAX) continue;
    const address = nameserverAddress(word);
    if (address !== null) addresses.add(address);
  }
  return { nameservers: [...addresses].map((address) => ({ address, port: DNS_PORT })) };
}

/** Canonical address; a link-local one keeps its zone (`fe80::1%eth0`, RFC 4007 §11). */
function nameserverAddress(word: string): string | null {
  const zone = /%[\w.-]{1,32}$/.exec(word)?.[0] ?? '';
  const address = parseIpAddress(word.slice(0, word.length - zone.length));
  if (address === null || (zone !== '' && address.family === 4)) return null;
  return address.text + zone;
}
