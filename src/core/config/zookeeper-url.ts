import { formatHostPort, parseHostPort } from '../base/host-port.ts';
import type { HostPort } from '../base/host-port.ts';
import { err, ok } from '../base/result.ts';
import type { Result } from '../base/result.ts';
import type { ZookeeperConfig } from './config.ts';
import type { ValueType } from './value-type.ts';
import { LIST_LENGTH_MAX, mask, TEXT_LENGTH_MAX } from './value-type.ts';

const SCHEME = 'zk://';
/** Port for clients of ZooKeeper. */
const ZOOKEEPER_PORT = 2181;

/**
 * Reads `zk://[user:password@]host[:port],…/path` as Mesos writes it; user and password may be
 * percent-encoded, and slashes at the end of the path say nothing. The error completes "expected …"
 * and shows nothing of the text, since it may hold a password.
 */
export function parseZookeeperUrl(text: string): Result<ZookeeperConfig, string> {
  if (!text.startsWith(SCHEME)) return err('"zk://host:port,…/path"');
  if (text.length > TEXT_LENGTH_MAX) return err(`at most ${TEXT_LENGTH_MAX} characters`);
  const rest = text.slice(SCHEME.length);
  const slash = rest.indexOf('/');
  const authority = slash < 0 ? rest : rest.slice(0, slash);
  const at = authority.lastIndexOf('@');
  const auth = at < 0 ? ok(null) : parseUserInfo(authority.slice(0, at));
  if (!auth.ok) return auth;
  const servers = parseServers(authority.slice(at + 1));
  if (!servers.ok) return servers;
  const path = parsePath(slash < 0 ? '/' : rest.slice(slash));
  if (!path.ok) return path;
  return ok({ servers: servers.value, path: path.value, auth: auth.value });
}

/** The inverse of `parseZookeeperUrl`, but that the password is masked. */
export function formatZookeeperUrl({ servers, path, auth }: ZookeeperConfig): string {
  const userInfo = auth === null ? '' : `${encodeURIComponent(auth.user)}:${mask(auth.password)}@`;
  return `${SCHEME}${userInfo}${servers.map(formatHostPort).join(',')}${path}`;
}

/** The address of an ensemble with the path of the masters. */
export const zookeeperUrlType: ValueType<ZookeeperConfig> = {
  schema: { type: 'string', pattern: `^${SCHEME}.`, maxLength: TEXT_LENGTH_MAX },
  read(node, path, problems) {
    const parsed = parseZookeeperUrl(node.kind === 'string' ? node.value : '');
    if (parsed.ok) return parsed.value;
    problems.error(path, `expected ${parsed.error}`);
    return undefined;
  },
  write: formatZookeeperUrl,
};

function parseUserInfo(text: string): Result<ZookeeperConfig['auth'], string> {
  const colon = text.indexOf(':');
  if (colon < 1) return err('user:password before the @');
  try {
    const user = decodeURIComponent(text.slice(0, colon));
    // The server cuts `user:password` at the first colon.
    if (user.includes(':')) return err('a user name without a colon');
    return ok({ user, password: decodeURIComponent(text.slice(colon + 1)) });
  } catch {
    return err('user and password in UTF-8 with % written as %25');
  }
}

function parseServers(text: string): Result<readonly HostPort[], string> {
  const texts = text.split(',');
  if (texts.length > LIST_LENGTH_MAX) return err(`at most ${LIST_LENGTH_MAX} servers`);
  const servers: HostPort[] = [];
  for (const [i, one] of texts.entries()) {
    const parsed = parseHostPort(one, ZOOKEEPER_PORT);
    if (!parsed.ok) return err(`as server ${i + 1} of "zk://host:port,…/path" ${parsed.error}`);
    const { host, port } = parsed.value;
    if (servers.some((server) => server.host === host && server.port === port)) {
      return err(`different servers, but server ${i + 1} is there twice`);
    }
    servers.push(parsed.value);
  }
  return ok(servers);
}

/** What ZooKeeper takes as a path (`PathUtils.validatePath`), without empty parts at the end. */
function parsePath(text: string): Result<string, string> {
  const path = text.replace(/\/+$/, '');
  if (path === '') return ok('/');
  const parts = path.slice(1).split('/');
  const isPath = parts.every((part) => part !== '' && part !== '.' && part !== '..');
  return isPath && !/[\x00-\x1f\x7f-\x9f\ud800-\uf8ff\ufff0-\uffff]/.test(path)
    ? ok(path)
    : err('a path like /mesos after the servers');
}
