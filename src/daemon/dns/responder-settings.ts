import { randomBytes } from 'node:crypto';
import type { Config } from '../../core/config/config.ts';
import { compileSpecialZones } from '../../core/forward/special-zones.ts';
import type { ResponderSettings } from '../../core/respond/responder.ts';

/** RFC 9018 §4: the key of SipHash. */
const COOKIE_SECRET_BYTES = 16;
/** Without a configured secret; cookies of before a restart are then renewed. */
const DRAWN_SECRET = new Uint8Array(randomBytes(COOKIE_SECRET_BYTES));

/** What `config.dns.serverId` says for the name of the node. */
const NODE_NAME = 'hostname';

/** What every thread that answers needs to know of a configuration. `ownZones`: as owner names. */
export function responderSettings(
  { dns, forward }: Pick<Config, 'dns' | 'forward'>,
  node: { readonly hostname: string; readonly version: string; readonly tcpIdleMs: number },
  ownZones: readonly string[],
): ResponderSettings {
  const id = dns.serverId === NODE_NAME ? node.hostname : dns.serverId;
  const special = compileSpecialZones(forward, forward.zones, ownZones);
  return {
    answer: {
      udpPayloadSize: dns.udpPayloadSize,
      truncateBit: dns.truncateBit,
      nsid: new TextEncoder().encode(id),
      chaos: dns.chaos ? { id, version: `hoplite ${node.version}` } : null,
      tcpIdleMs: node.tcpIdleMs,
    },
    cookieSecret: dns.cookieSecret ?? DRAWN_SECRET,
    allow: dns.allow,
    rateLimit: dns.rateLimit,
    recursionAvailable: dns.recursionAvailable,
    forwards: forward.enabled,
    forwardAllow: forward.allow,
    // A list that lets everyone in says nothing of anybody.
    trusted: [...forward.allow.filter(({ length }) => length > 0), ...dns.rateLimit.exempt],
    specialZones: special?.buffer ?? null,
  };
}
