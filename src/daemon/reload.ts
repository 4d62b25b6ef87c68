import type { Config } from '../core/config/config.ts';

/** Settings that are bound to open sockets, with their values. */
const FIXED: readonly { readonly path: string; readonly read: (config: Config) => unknown }[] = [
  { path: 'dns.enabled', read: ({ dns }) => dns.enabled },
  { path: 'dns.listen', read: ({ dns }) => dns.listen },
  { path: 'http.enabled', read: ({ http }) => http.enabled },
  { path: 'http.listen', read: ({ http }) => http.listen },
];

/**
 * The configuration that a running daemon can take over: the wanted one, with listeners as they
 * are. `fixed` names the changes that wait for a restart.
 */
export function keepFixedSettings(
  running: Config,
  wanted: Config,
): { readonly config: Config; readonly fixed: readonly string[] } {
  const fixed = FIXED.filter(
    ({ read }) => JSON.stringify(read(running)) !== JSON.stringify(read(wanted)),
  ).map(({ path }) => path);
  const { enabled, listen } = running.dns;
  return {
    config: {
      ...wanted,
      dns: { ...wanted.dns, enabled, listen },
      http: { ...wanted.http, enabled: running.http.enabled, listen: running.http.listen },
    },
    fixed,
  };
}
