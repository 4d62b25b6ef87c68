import type { Config } from '../core/config/config.ts';

/** Settings that are bound to open sockets or to what is in the kernel, with their values. */
const FIXED: readonly { readonly path: string; readonly read: (config: Config) => unknown }[] = [
  { path: 'dns.enabled', read: ({ dns }) => dns.enabled },
  { path: 'dns.listen', read: ({ dns }) => dns.listen },
  { path: 'dns.udpThreads', read: ({ dns }) => dns.udpThreads },
  { path: 'http.enabled', read: ({ http }) => http.enabled },
  { path: 'http.listen', read: ({ http }) => http.listen },
  { path: 'vip.enabled', read: ({ vip }) => vip.enabled },
  { path: 'kernel.enabled', read: ({ kernel }) => kernel.enabled },
  { path: 'kernel.interface', read: ({ kernel }) => kernel.interface },
];

/**
 * The configuration that a running daemon can take over: the wanted one, but listeners and the
 * threads behind them, whether there are VIPs, and whether and by which interface the kernel is
 * used, as they are. `fixed` names the changes that wait for a restart.
 */
export function keepFixedSettings(
  running: Config,
  wanted: Config,
): { readonly config: Config; readonly fixed: readonly string[] } {
  const fixed = FIXED.filter(
    ({ read }) => JSON.stringify(read(running)) !== JSON.stringify(read(wanted)),
  ).map(({ path }) => path);
  const { enabled, listen, udpThreads } = running.dns;
  return {
    config: {
      ...wanted,
      dns: { ...wanted.dns, enabled, listen, udpThreads },
      http: { ...wanted.http, enabled: running.http.enabled, listen: running.http.listen },
      vip: { ...wanted.vip, enabled: running.vip.enabled },
      kernel: {
        ...wanted.kernel,
        enabled: running.kernel.enabled,
        interface: running.kernel.interface,
      },
    },
    fixed,
  };
}
