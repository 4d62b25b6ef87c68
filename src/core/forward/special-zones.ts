import { assert } from '../base/assert.ts';
import { type IpAddress, parseIpAddress } from '../base/address.ts';
import type { ForwardConfig, ForwardZone } from '../config/config.ts';
import type { AnswerTable } from '../dns/answer-table.ts';
import { compileTable, stampSerial } from '../dns/compile-table.ts';
import { ForwardZones } from '../dns/forward-zones.ts';
import { hashWireName, type OwnerName, parseWireName } from '../dns/name.ts';
import type { Query } from '../dns/query.ts';
import { RecordStore } from '../dns/record-store.ts';
import type { ZoneApex } from '../dns/zone.ts';

/** Numbers of the zone in RFC 6303 §3, which all of these are like. */
const TTL_SECONDS = 10_800;
const SERIAL = 1;
const TIMERS = {
  rname: 'nobody.invalid.',
  refreshSeconds: 3600,
  retrySeconds: 1200,
  expireSeconds: 604_800,
  minimumSeconds: TTL_SECONDS,
} as const;

/**
 * Names that no upstream has to hear of: RFC 6761 §6.3 and §6.4, RFC 6762 §22.1, RFC 7686, RFC 8375,
 * RFC 9462, RFC 9476. `test.` is not among them: people set up name servers for it.
 */
const SPECIAL_NAMES: readonly OwnerName[] = [
  'localhost.',
  'invalid.',
  'local.',
  'onion.',
  'alt.',
  'home.arpa.',
  'resolver.arpa.',
];

/** In these every name exists, as if they had a wildcard (RFC 4592): RFC 6761 §6.3, RFC 9462. */
const WILDCARD_APEXES: readonly OwnerName[] = ['localhost.', 'resolver.arpa.'];

const LOOPBACK_IPV4 = '127.0.0.1';
const LOOPBACK_IPV6 = '::1';
const LOOPBACK_IPV6_ZONE = `1.${'0.'.repeat(31)}ip6.arpa.`;

const numbers = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i);

/** Reverse zones of addresses that mean nothing outside: RFC 6303 §4, RFC 7793. */
const PRIVATE_REVERSE: readonly OwnerName[] = [
  ...['0', '10', '127', '254.169', '168.192', '255.255.255.255'],
  ...numbers(16, 31).map((octet) => `${octet}.172`),
  ...numbers(64, 127).map((octet) => `${octet}.100`),
  // Networks for documentation (RFC 5737).
  ...['2.0.192', '100.51.198', '113.0.203'],
]
  .map((labels) => `${labels}.in-addr.arpa.`)
  .concat([
    `${'0.'.repeat(32)}ip6.arpa.`,
    LOOPBACK_IPV6_ZONE,
    'd.f.ip6.arpa.',
    ...['8', '9', 'a', 'b'].map((nibble) => `${nibble}.e.f.ip6.arpa.`),
    '8.b.d.0.1.0.0.2.ip6.arpa.',
  ]);

/**
 * The zones for special use that are answered here and never forwarded, compiled; null if there are
 * none. Forward rules come first: a zone is left out if a rule is for it, for a name in it, or for a
 * zone that it is in, other than the root. So it is if `ownApexes` has it.
 */
export function compileSpecialZones(
  settings: Pick<ForwardConfig, 'specialNames' | 'privateReverse'>,
  forwardZones: readonly ForwardZone[],
  ownApexes: readonly OwnerName[],
): AnswerTable | null {
  const rules = forwardZones.filter(({ zone }) => wireOf(zone).length > 1);
  const apexes = [
    ...(settings.specialNames === 'local' ? SPECIAL_NAMES : []),
    ...(settings.privateReverse === 'local' ? PRIVATE_REVERSE : []),
  ].filter((apex) => !ownApexes.includes(apex) && !isRuled(apex, rules));
  if (apexes.length === 0) return null;
  const store = new RecordStore((name, defect) => assert(false, `${name} has ${defect}`));
  for (const apex of apexes) addRecords(apex, store);
  const zones = apexes.map((apex): ZoneApex => ({ apex, mname: apex, ...TIMERS }));
  const table = compileTable(store, { zones, ttlSeconds: TTL_SECONDS, srvWeight: 0 }, true);
  stampSerial(table, SERIAL);
  return table;
}

/**
 * Node of a question's name, 0 if there is none: below `localhost.` and `resolver.arpa.` that of
 * their wildcard, whatever the name. Allocates nothing.
 */
export function specialLookup(
  table: AnswerTable,
  { name, nameLength, hash }: Pick<Query, 'name' | 'nameLength' | 'hash'>,
): number {
  for (const { apex, owner, ownerHash } of WILDCARDS) {
    if (!isBelow(name, nameLength, apex)) continue;
    const node = table.find(owner, 0, owner.length, ownerHash);
    if (node !== 0) return node;
  }
  return table.find(name, 0, nameLength, hash);
}

function addRecords(apex: OwnerName, store: RecordStore): void {
  if (apex === 'localhost.') {
    for (const owner of [apex, `*.${apex}`]) {
      store.address(owner, ip(LOOPBACK_IPV4));
      store.address(owner, ip(LOOPBACK_IPV6));
    }
  }
  // A name without records exists if there is one below it. Nobody gets to see this one: all names
  // here are answered as the wildcard.
  if (apex === 'resolver.arpa.') store.pointer(`*.*.${apex}`, apex);
  if (apex === '127.in-addr.arpa.') store.pointer(`1.0.0.${apex}`, 'localhost.');
  if (apex === LOOPBACK_IPV6_ZONE) store.pointer(apex, 'localhost.');
}

function isRuled(apex: OwnerName, rules: readonly ForwardZone[]): boolean {
  const wire = wireOf(apex);
  if (new ForwardZones(rules).find(wire, wire.length) !== null) return true;
  const itself = new ForwardZones([{ zone: apex, upstreams: [] }]);
  return rules.some(({ zone }) => {
    const rule = wireOf(zone);
    return itself.find(rule, rule.length) !== null;
  });
}

/** Whether a lower-case wire name has labels before those of `apex`. */
function isBelow(name: Uint8Array, length: number, apex: Uint8Array): boolean {
  const start = length - apex.length;
  if (start <= 0) return false;
  for (let i = apex.length - 1; i >= 0; i--) if (name[start + i] !== apex[i]) return false;
  let label = 0;
  while (label < start) label += 1 + name[label]!;
  return label === start;
}

function wireOf(name: string): Uint8Array {
  const wire = parseWireName(name);
  assert(wire !== null, 'zone names are checked when the configuration is read');
  return wire;
}

function ip(text: string): IpAddress {
  const address = parseIpAddress(text);
  assert(address !== null, `${text} is an address`);
  return address;
}

const WILDCARDS = WILDCARD_APEXES.map((apex) => {
  const owner = wireOf(`*.${apex}`);
  return { apex: wireOf(apex), owner, ownerHash: hashWireName(owner, 0, owner.length) };
});
