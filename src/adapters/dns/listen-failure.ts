import { DaemonError } from '../../core/base/daemon-error.ts';
import { formatSocketAddress } from '../../core/base/host-port.ts';
import type { SocketAddress } from '../../core/config/config.ts';

/** The `code` of a system error, such as `EADDRINUSE`; '' if it has none. */
export function systemErrorCode(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : '';
  return typeof code === 'string' ? code : '';
}

/** What to do about it, by the system's code. */
function advice(protocol: 'udp' | 'tcp', { address, port }: SocketAddress, code: string): string {
  const option = protocol === 'udp' ? 'u' : 't';
  switch (code) {
    case 'EADDRINUSE':
      return `another program uses it; \`ss -${option}lpn 'sport = :${port}'\` names it (often systemd-resolved or dnsmasq): stop that program or listen on another address`;
    case 'EACCES':
    case 'EPERM':
      return `ports below 1024 need a privilege; grant CAP_NET_BIND_SERVICE to the service or listen on a higher port`;
    case 'EADDRNOTAVAIL':
      return `no interface of this node has the address ${address}; correct the address or bring the interface up first`;
    case 'EAFNOSUPPORT':
      return `the kernel has no ${address.includes(':') ? 'IPv6' : 'IPv4'}; remove the address from the configuration`;
    default:
      return 'check the address and the port';
  }
}

/** The `listen-failed` error for a socket that could not be opened. */
export function listenFailure(
  protocol: 'udp' | 'tcp',
  address: SocketAddress,
  cause: unknown,
): DaemonError {
  const code = systemErrorCode(cause);
  const where = `${protocol.toUpperCase()} ${formatSocketAddress(address)}`;
  const suffix = code === '' ? '' : ` (${code})`;
  const message = `cannot listen on ${where}${suffix}: ${advice(protocol, address, code)}`;
  return new DaemonError('listen-failed', message, { cause });
}
