import { parseIpAddress } from './address.ts';
import { formatSocketAddress, parseHostPort } from './host-port.ts';
import { err, ok } from './result.ts';
import type { Result } from './result.ts';

/** Who an upstream has to prove to be; at least one of the two. Both must fit. */
export interface UpstreamTls {
  /** Name in its certificate, lower case, without final dot; null: the pins alone decide. */
  readonly name: string | null;
  /** SHA-256 of its public key in base64 (RFC 7858 §4.2, RFC 7469 §2.4), any of them. */
  readonly pins: readonly string[];
}

/** A resolver: over UDP and TCP, or with `tls` over TLS alone (RFC 7858, strict as in RFC 8310 §5). */
export interface Upstream {
  /** IPv4 or IPv6 text without brackets. */
  readonly address: string;
  readonly port: number;
  readonly tls?: UpstreamTls;
}

/** An upstream that is asked over TLS alone. */
export interface TlsUpstream extends Upstream {
  readonly tls: UpstreamTls;
}

const SCHEME = 'tls://';
const PIN = 'pin-sha256=';
/** 32 octets in base64: the last letter before `=` stands for four bits. */
const PIN_VALUE = /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/;
const PORT = 53;
const TLS_PORT = 853;
/** The key in use, the next one, and as many for each of some servers behind one address. */
const PINS_MAX = 8;

/**
 * Reads `address`, `address:port` (default 53), or `tls://address:port#name` (default 853), where
 * `#` is followed by a name, by `pin-sha256=BASE64`, or by several of these with commas between
 * them. The error completes "expected …".
 */
export function parseUpstream(text: string): Result<Upstream, string> {
  if (!text.startsWith(SCHEME)) {
    const address = parseAddress(text, PORT);
    return address === null ? err(`an IP address ${portsOf(PORT)}`) : ok(address);
  }
  const hash = text.indexOf('#');
  const end = hash < 0 ? text.length : hash;
  const address = parseAddress(text.slice(SCHEME.length, end), TLS_PORT);
  if (address === null) return err(`an IP address ${portsOf(TLS_PORT)} after tls://`);
  const tls = parseIdentity(text.slice(end + 1).split(','));
  return tls.ok ? ok({ ...address, tls: tls.value }) : tls;
}

/** `address:port` or `tls://address:port`: how an upstream is called in views, metrics and logs. */
export function formatUpstream(upstream: Upstream): string {
  const address = formatSocketAddress(upstream);
  return upstream.tls === undefined ? address : SCHEME + address;
}

/** The same with name and pins; the inverse of `parseUpstream`. Equal for equal upstreams. */
export function formatUpstreamIdentity(upstream: Upstream): string {
  const { tls } = upstream;
  const label = formatUpstream(upstream);
  if (tls === undefined) return label;
  const pins = tls.pins.map((pin) => PIN + pin);
  return `${label}#${[...(tls.name === null ? [] : [tls.name]), ...pins].join(',')}`;
}

export function isTlsUpstream(upstream: Upstream): upstream is TlsUpstream {
  return upstream.tls !== undefined;
}

function portsOf(defaultPort: number): string {
  return `with a port from 1 to 65535 or without (${defaultPort})`;
}

function parseAddress(text: string, defaultPort: number): Upstream | null {
  const parsed = parseHostPort(text, defaultPort);
  if (!parsed.ok || parseIpAddress(parsed.value.host) === null) return null;
  return { address: parsed.value.host, port: parsed.value.port };
}

function parseIdentity(parts: readonly string[]): Result<UpstreamTls, string> {
  let name: string | null = null;
  const pins = new Set<string>();
  for (const part of parts) {
    if (part.startsWith(PIN)) {
      const pin = part.slice(PIN.length);
      if (!PIN_VALUE.test(pin)) return err('44 characters of base64 after pin-sha256=');
      pins.add(pin);
      continue;
    }
    const parsed = parseServerName(part);
    if (parsed === null || name !== null) {
      return err('after # the name in the certificate of the server, or pin-sha256= and its key');
    }
    name = parsed;
  }
  if (pins.size > PINS_MAX) return err(`${PINS_MAX} pins at most`);
  return ok({ name, pins: [...pins] });
}

/** Certificates of public authorities are for names; TLS itself cannot ask for an address (SNI). */
function parseServerName(text: string): string | null {
  const parsed = text.includes(':') ? null : parseHostPort(text, 1);
  if (!parsed?.ok || parseIpAddress(parsed.value.host) !== null) return null;
  return parsed.value.host;
}
