import { parseIpAddress } from './address.ts';
import { err, ok } from './result.ts';
import type { Result } from './result.ts';

/** A host (canonical IP text without brackets, or a lower-case name) and a port. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

const PORT_MAX = 65535;
/** RFC 1123 §2.1 with the limits of RFC 1035 §2.3.4. */
const HOST_NAME_LENGTH_MAX = 253;

/**
 * Reads `host:port`, `[v6]:port`, a bare IPv6 address, or a host alone if there is a
 * `defaultPort`. Addresses become canonical, names lower case without final dot. `portMin` 0 is
 * for listeners, whose port the system may choose. The error completes "expected …".
 */
export function parseHostPort(
  text: string,
  defaultPort: number | null,
  portMin: 0 | 1 = 1,
): Result<HostPort, string> {
  const parts = splitHostPort(text);
  if (parts === null) return err('host:port, or [address]:port for IPv6');
  const host = parseHost(parts.host, parts.bracketed);
  if (host === null) {
    return err(
      parts.bracketed
        ? 'an IPv6 address between the brackets'
        : 'an IP address or a host name (letters, digits, hyphens, dots) before the port',
    );
  }
  if (parts.port === null) {
    return defaultPort === null
      ? err(`a port, as in ${formatHostPort({ host, port: 5050 })}`)
      : ok({ host, port: defaultPort });
  }
  const port = /^\d{1,5}$/.test(parts.port) ? Number(parts.port) : -1;
  if (port < portMin || port > PORT_MAX) {
    return err(`a port from ${portMin} to ${PORT_MAX} after the last colon`);
  }
  return ok({ host, port });
}

/** `host:port`, with brackets around IPv6; the inverse of `parseHostPort`. */
export function formatHostPort(hostPort: HostPort): string {
  const { host, port } = hostPort;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** `address:port`, with brackets around IPv6, of a `SocketAddress`. */
export function formatSocketAddress(socket: {
  readonly address: string;
  readonly port: number;
}): string {
  return formatHostPort({ host: socket.address, port: socket.port });
}

interface Parts {
  readonly host: string;
  readonly bracketed: boolean;
  readonly port: string | null;
}

function splitHostPort(text: string): Parts | null {
  if (text.startsWith('[')) {
    const close = text.indexOf(']');
    const rest = text.slice(close + 1);
    if (close < 0 || (rest !== '' && !rest.startsWith(':'))) return null;
    return {
      host: text.slice(1, close),
      bracketed: true,
      port: rest === '' ? null : rest.slice(1),
    };
  }
  const colon = text.indexOf(':');
  if (colon < 0) return text === '' ? null : { host: text, bracketed: false, port: null };
  if (colon !== text.lastIndexOf(':')) {
    // Several colons: only a bare IPv6 address is unambiguous, so it cannot carry a port.
    return parseIpAddress(text) === null ? null : { host: text, bracketed: false, port: null };
  }
  return { host: text.slice(0, colon), bracketed: false, port: text.slice(colon + 1) };
}

function parseHost(text: string, bracketed: boolean): string | null {
  const address = parseIpAddress(text);
  if (bracketed) return address !== null && text.includes(':') ? address.text : null;
  return address === null ? parseHostName(text) : address.text;
}

function parseHostName(text: string): string | null {
  const name = text.toLowerCase().replace(/\.$/, '');
  if (name.length > HOST_NAME_LENGTH_MAX) return null;
  const labels = name.split('.');
  if (!labels.every((label) => /^[a-z0-9_-]{1,63}$/.test(label))) return null;
  // `1.2.3`, `010.0.0.1` and `0x7f.1` are addresses to system resolvers, and not the same to all.
  return /^(\d+|0x[0-9a-f]*)$/.test(labels.at(-1) ?? '') ? null : name;
}
