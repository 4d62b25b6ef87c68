import { formatHostPort } from '../../core/base/host-port.ts';
import type { HostPort } from '../../core/base/host-port.ts';
import { err, ok } from '../../core/base/result.ts';
import type { Result } from '../../core/base/result.ts';

/** One place to send a request to; `host` without brackets, `path` with its query. */
export interface MasterUrl extends HostPort {
  readonly scheme: 'http' | 'https';
  readonly path: string;
}

/** Where a master serves the cluster state; the spelling `/state.json` is gone since Mesos 1.8. */
export const STATE_PATH = '/master/state';

/** Scheme, host and port as a URL without path. */
export function originOf(url: MasterUrl): string {
  return `${url.scheme}://${formatHostPort(url)}`;
}

/** Reads an absolute URL (WHATWG); the error says what is wrong without quoting the text. */
export function parseHttpUrl(text: string, base?: string): Result<MasterUrl, string> {
  if (!URL.canParse(text, base)) return err('it is not a URL');
  const url = new URL(text, base);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return err('it is not http or https');
  if (url.username !== '' || url.password !== '') return err('it holds a user name or password');
  const scheme = url.protocol === 'https:' ? 'https' : 'http';
  const port = url.port === '' ? { http: 80, https: 443 }[scheme] : Number(url.port);
  if (port === 0) return err('its port is 0');
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  return ok({ scheme, host, port, path: url.pathname + url.search });
}

/**
 * Where a `Location` header leads: absolute, scheme-relative (`//host:port/path`, what Mesos sends)
 * or a path (RFC 9110 §10.2.2). No path or `/`, as `/redirect` and old masters answer, means the
 * same path there. From https only https is taken: credentials must not travel in the clear.
 */
export function followLocation(from: MasterUrl, location: string): Result<MasterUrl, string> {
  const target = parseHttpUrl(location, originOf(from) + from.path);
  if (!target.ok) return target;
  if (from.scheme === 'https' && target.value.scheme === 'http') {
    return err('it leads from https to http');
  }
  return target.value.path === '/' ? ok({ ...target.value, path: from.path }) : target;
}
