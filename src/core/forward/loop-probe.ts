import type { Random } from '../base/random.ts';
import { NAME_BYTES_MAX } from '../dns/constants.ts';
import { parseWireName } from '../dns/name.ts';
import type { ForwardQuestion } from './resolution.ts';

/** HINFO (RFC 1035 §3.3.2): nobody asks for it, so no cache or filter has an opinion about it. */
const HINFO = 13;

/** For those who read logs of other resolvers. */
const LABEL_START = 'hoplite-loop-';
/** Words of 32 bits in the label: nobody guesses it, and nobody can have an answer in store. */
const RANDOM_WORDS = 4;

/**
 * Where probes of upstreams for all names live: below `example.`, which belongs to nobody for ever
 * (RFC 2606 §2) and is passed on like any other name (RFC 6761 §6.5): so do Unbound, dnsmasq and
 * Knot Resolver. Unbound answers `test.`, `invalid.` and the reverse zones of RFC 6303 itself, BIND
 * the latter and `empty.as112.arpa.`, and then a loop through them would not be seen. The random
 * label stands right below the zone: a name in between, once denied, would deny all probes (RFC 8020).
 */
const DEFAULT_ZONE = 'example';

/**
 * A question that goes to one upstream and should never come to us; null if the name would be too
 * long. `zone` is where the upstream is asked, without final dot; '' for everywhere. An upstream for
 * a zone is probed within it: other names it may well send to us. `random` must not be guessable,
 * or somebody could make us believe in a loop.
 */
export function createLoopProbe(zone: string, random: Random): ForwardQuestion | null {
  let label = LABEL_START;
  for (let i = 0; i < RANDOM_WORDS; i++) {
    label += Math.floor(random() * 2 ** 32)
      .toString(16)
      .padStart(8, '0');
  }
  const parent = zone === '' ? DEFAULT_ZONE : zone;
  const qname = parseWireName(`${label}.${parent}`);
  if (qname === null || qname.length > NAME_BYTES_MAX) return null;
  return {
    qname,
    qtype: HINFO,
    dnssecOk: false,
    // A resolver that validates must not find a reason to answer by itself.
    checkingDisabled: true,
    recursionDesired: true,
  };
}

/** A string for a probe's lower-case name; null if it cannot be one. Cheap for all other names. */
export function loopProbeKey(qname: Uint8Array): string | null {
  if (qname[0] !== LABEL_START.length + 8 * RANDOM_WORDS) return null;
  for (let i = 0; i < LABEL_START.length; i++) {
    if (qname[i + 1] !== LABEL_START.charCodeAt(i)) return null;
  }
  return String.fromCharCode(...qname);
}
