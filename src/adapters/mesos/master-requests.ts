import { Agent } from 'undici';
import type { Dispatcher } from 'undici';
import type { Clock } from '../../core/ports.ts';
import { DaemonError } from '../../core/base/daemon-error.ts';
import { formatHostPort } from '../../core/base/host-port.ts';
import type { HostPort } from '../../core/base/host-port.ts';
import { createAuthorization } from './authorization.ts';
import type { Authorization, Credentials, LoadedAuth } from './authorization.ts';
import { createConnector } from './connector.ts';
import type { Connector } from './connector.ts';
import { masterError } from './exchange-failure.ts';
import { followLocation, originOf } from './master-url.ts';
import type { MasterUrl } from './master-url.ts';
import { discardBody } from './state-body.ts';
import type { LoadedTls } from './tls.ts';

/** What is asked of a master; credentials and the user agent are added. */
export interface MasterRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** A status that is final, with the body not yet read. */
export interface MasterAnswer {
  /** Who answered: the master asked, or where it redirected to. */
  readonly url: MasterUrl;
  readonly response: Dispatcher.ResponseData;
  /** What the request was authorised with; must not appear in messages. */
  readonly credentials: Credentials | null;
}

/** Sends requests to the masters of one cluster. */
export interface MasterRequests {
  /**
   * Sends a request to `master` and follows redirects to the leader, with one fresh login after a
   * 401; every other status is for the caller to judge. Rejects with a `DaemonError` of a `master-`
   * code, or with that or undici's own error once `signal` aborts. The signal also ends the body.
   */
  send(master: HostPort, request: MasterRequest, signal: AbortSignal): Promise<MasterAnswer>;
  /** Closes all connections, whatever is under way on them. */
  close(): Promise<void>;
}

export interface MasterRequestsOptions {
  readonly clock: Clock;
  /** Such as `hoplite/1.0.0`. */
  readonly userAgent: string;
  readonly tls: LoadedTls;
  readonly auth: LoadedAuth;
  /** https or http. */
  readonly isSecure: boolean;
  /** Time for a login. */
  readonly timeoutMs: number;
}

/** A master redirects once, to the leader; more hops only happen while leadership moves. */
const REDIRECTS_MAX = 5;

const REDIRECT_STATUSES: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** One request at a time is the rule; a second may overlap one that is being given up. */
const CONNECTIONS_PER_MASTER_MAX = 2;

/** A master that is up accepts within milliseconds; the next one in the list should get its turn. */
const CONNECT_TIMEOUT_MS = 10_000;

function nextUrl(
  from: MasterUrl,
  visited: Set<string>,
  location: string | string[] | undefined,
): MasterUrl {
  const where = `master ${formatHostPort(from)}`;
  const fail = (what: string): never => {
    throw new DaemonError('master-redirect', `${where}: redirect refused: ${what}`);
  };
  if (typeof location !== 'string') return fail('it does not name one place');
  const target = followLocation(from, location);
  if (!target.ok) return fail(target.error);
  const url = originOf(target.value) + target.value.path;
  if (visited.has(url)) return fail(`it leads in a circle over ${formatHostPort(target.value)}`);
  if (visited.size > REDIRECTS_MAX) return fail(`it is number ${visited.size} in a row`);
  visited.add(url);
  return target.value;
}

class UndiciMasterRequests implements MasterRequests {
  readonly #userAgent: string;
  readonly #scheme: MasterUrl['scheme'];
  readonly #connector: Connector;
  readonly #agent: Agent;
  readonly #authorization: Authorization;

  constructor({ clock, userAgent, tls, auth, isSecure, timeoutMs }: MasterRequestsOptions) {
    this.#userAgent = userAgent;
    this.#scheme = isSecure ? 'https' : 'http';
    this.#connector = createConnector({
      clock,
      timeoutMs: CONNECT_TIMEOUT_MS,
      secureContext: () => tls.secureContext(),
    });
    this.#agent = new Agent({
      connect: this.#connector.connect,
      connections: CONNECTIONS_PER_MASTER_MAX,
      // Connection: close. Requests are far apart; a kept connection would only be one that is
      // stale. Mesos closes after the last byte of a body that streams, not before.
      pipelining: 0,
      // The caller's deadlines take their place.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    this.#authorization = createAuthorization(auth, {
      clock,
      userAgent,
      timeoutMs,
      dispatcher: this.#agent,
    });
  }

  async send(master: HostPort, request: MasterRequest, signal: AbortSignal): Promise<MasterAnswer> {
    const { host, port } = master;
    let url: MasterUrl = { scheme: this.#scheme, host, port, path: request.path };
    const visited = new Set([originOf(url) + url.path]);
    for (let renewed = false; ;) {
      const credentials = await this.#authorization.credentials(signal);
      const response = await this.#request(url, request, credentials, signal);
      const { statusCode, body } = response;
      if (REDIRECT_STATUSES.has(statusCode)) {
        discardBody(body);
        url = nextUrl(url, visited, response.headers['location']);
      } else if (
        statusCode === 401 &&
        credentials !== null &&
        !renewed &&
        this.#authorization.renew(credentials)
      ) {
        discardBody(body);
        renewed = true;
      } else {
        return { url, response, credentials };
      }
    }
  }

  async close(): Promise<void> {
    this.#connector.close();
    await this.#agent.destroy();
  }

  async #request(
    url: MasterUrl,
    { method, headers, body }: MasterRequest,
    credentials: Credentials | null,
    signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData> {
    try {
      return await this.#agent.request({
        origin: originOf(url),
        path: url.path,
        method,
        headers: {
          ...headers,
          'user-agent': this.#userAgent,
          ...(credentials === null ? {} : { authorization: credentials.header }),
        },
        body: body ?? null,
        signal,
      });
    } catch (error) {
      throw masterError(formatHostPort(url), error);
    }
  }
}

/** Requests to the masters of one cluster, on connections of their own. */
export function createMasterRequests(options: MasterRequestsOptions): MasterRequests {
  return new UndiciMasterRequests(options);
}
