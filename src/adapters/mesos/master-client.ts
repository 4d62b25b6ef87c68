import { Agent } from 'undici';
import type { Dispatcher } from 'undici';
import type { ClusterConfig, Config, ConfigProblem, HostPort } from '../../core/config/config.ts';
import type { Clock } from '../../core/ports.ts';
import { DaemonError } from '../../core/base/daemon-error.ts';
import { formatHostPort } from '../../core/base/host-port.ts';
import { err, ok } from '../../core/base/result.ts';
import type { Result } from '../../core/base/result.ts';
import { createAuthorization, loadAuth } from './authorization.ts';
import type { Authorization, Credentials, LoadedAuth } from './authorization.ts';
import { createConnector } from './connector.ts';
import type { Connector } from './connector.ts';
import { withDeadline } from './deadline.ts';
import { masterError } from './exchange-failure.ts';
import { followLocation, originOf, STATE_PATH } from './master-url.ts';
import type { MasterUrl } from './master-url.ts';
import { encodedBodyOf } from './encoded-body.ts';
import { collectBody, discardBody } from './state-body.ts';
import type { CollectedBody } from './state-body.ts';
import { statusError } from './status-error.ts';
import { loadTls } from './tls.ts';
import type { LoadedTls } from './tls.ts';

/** The cluster state as it came, decompressed and not looked into. */
export interface StateBody extends CollectedBody {
  /** The master that answered: the one asked, or where it redirected to. */
  readonly answeredBy: HostPort;
  /** From the call to the last byte, redirects and login included. */
  readonly durationMs: number;
}

/** Fetches the state of a Mesos master. */
export interface MasterClient {
  /**
   * GET /master/state. Rejects with a `DaemonError` of a `master-` code (or `state-invalid` for a
   * body that cannot be decompressed), or with the reason of `signal` as soon as that aborts.
   */
  fetchState(master: HostPort, signal: AbortSignal): Promise<StateBody>;
  /** Ends requests under way and closes all connections. */
  close(): Promise<void>;
}

/** What the configuration names by file, read and checked. */
export interface MasterFiles {
  readonly tls: LoadedTls;
  readonly auth: LoadedAuth;
}

/** What a client needs besides the configuration. */
export interface MasterClientOptions {
  readonly clock: Clock;
  /** Such as `hoplite/1.0.0`. */
  readonly userAgent: string;
  /** From `loadMasterFiles` of the same configuration. */
  readonly files: MasterFiles;
}

/** A master redirects once, to the leader; more hops only happen while leadership moves. */
const REDIRECTS_MAX = 5;

const REDIRECT_STATUSES: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** One request at a time is the rule; a second may overlap one that is being given up. */
const CONNECTIONS_PER_MASTER_MAX = 2;

/** A master that is up accepts within milliseconds; the next one in the list should get its turn. */
const CONNECT_TIMEOUT_MS = 10_000;

/**
 * Reads all files that requests to the master need; every problem with them at once, under the
 * names that settings have in a configuration file of this format.
 */
export function loadMasterFiles(
  config: ClusterConfig,
  format: Config['format'] = 'native',
): Result<MasterFiles, ConfigProblem[]> {
  const tls = loadTls(config, format);
  const auth = loadAuth(config, format);
  if (tls.ok && auth.ok) return ok({ tls: tls.value, auth: auth.value });
  return err([...(tls.ok ? [] : tls.error), ...(auth.ok ? [] : auth.error)]);
}

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

class UndiciMasterClient implements MasterClient {
  readonly #config: ClusterConfig;
  readonly #clock: Clock;
  readonly #userAgent: string;
  readonly #connector: Connector;
  readonly #agent: Agent;
  readonly #authorization: Authorization;
  readonly #closing = new AbortController();

  constructor(config: ClusterConfig, options: MasterClientOptions) {
    const { clock, userAgent, files } = options;
    this.#config = config;
    this.#clock = clock;
    this.#userAgent = userAgent;
    this.#connector = createConnector({
      clock,
      timeoutMs: CONNECT_TIMEOUT_MS,
      secureContext: () => files.tls.secureContext(),
    });
    this.#agent = new Agent({
      connect: this.#connector.connect,
      connections: CONNECTIONS_PER_MASTER_MAX,
      // Connection: close. Polls are far apart; a kept connection would only be one that is stale.
      pipelining: 0,
      // The deadline of the whole request takes their place.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    this.#authorization = createAuthorization(files.auth, {
      clock,
      userAgent,
      timeoutMs: config.requestTimeoutMs,
      dispatcher: this.#agent,
    });
  }

  async fetchState(master: HostPort, signal: AbortSignal): Promise<StateBody> {
    const startedAt = this.#clock.monotonic();
    const timeoutMs = this.#config.requestTimeoutMs;
    const limits = {
      clock: this.#clock,
      timeoutMs,
      timeoutError: () => {
        const what = `no complete state in ${timeoutMs} ms`;
        return new DaemonError('master-timeout', `master ${formatHostPort(master)}: ${what}`);
      },
      signals: [signal, this.#closing.signal],
    };
    const state = await withDeadline(limits, (ended) => this.#findState(master, ended));
    return { ...state, durationMs: this.#clock.monotonic() - startedAt };
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#connector.close();
    await this.#agent.destroy();
  }

  /** Follows redirects to the leader and reads what it says; one fresh login after a 401. */
  async #findState(
    master: HostPort,
    signal: AbortSignal,
  ): Promise<CollectedBody & { answeredBy: HostPort }> {
    const scheme = this.#config.tls === null ? 'http' : 'https';
    let url: MasterUrl = { scheme, host: master.host, port: master.port, path: STATE_PATH };
    const visited = new Set([originOf(url) + url.path]);
    for (let renewed = false; ;) {
      const credentials = await this.#authorization.credentials(signal);
      const response = await this.#get(url, credentials, signal);
      const { statusCode, body } = response;
      if (statusCode === 200) return this.#read(url, response);
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
        throw await statusError(formatHostPort(url), response, credentials);
      }
    }
  }

  async #get(
    url: MasterUrl,
    credentials: Credentials | null,
    signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData> {
    try {
      return await this.#agent.request({
        origin: originOf(url),
        path: url.path,
        method: 'GET',
        headers: {
          accept: 'application/json',
          'accept-encoding': 'gzip',
          'user-agent': this.#userAgent,
          ...(credentials === null ? {} : { authorization: credentials.header }),
        },
        signal,
      });
    } catch (error) {
      throw masterError(formatHostPort(url), error);
    }
  }

  async #read(
    { host, port }: HostPort,
    response: Dispatcher.ResponseData,
  ): Promise<CollectedBody & { answeredBy: HostPort }> {
    try {
      const body = await collectBody(encodedBodyOf(response), this.#config.stateBytesMax);
      return { ...body, answeredBy: { host, port } };
    } catch (error) {
      throw masterError(formatHostPort({ host, port }), error);
    }
  }
}

/** A client for the masters of one cluster. */
export function createMasterClient(
  config: ClusterConfig,
  options: MasterClientOptions,
): MasterClient {
  return new UndiciMasterClient(config, options);
}
