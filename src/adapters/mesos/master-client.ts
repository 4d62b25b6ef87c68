import type { Dispatcher } from 'undici';
import type { ClusterConfig, Config, ConfigProblem, HostPort } from '../../core/config/config.ts';
import type { Clock } from '../../core/ports.ts';
import { DaemonError } from '../../core/base/daemon-error.ts';
import { formatHostPort } from '../../core/base/host-port.ts';
import { err, ok } from '../../core/base/result.ts';
import type { Result } from '../../core/base/result.ts';
import { loadAuth } from './authorization.ts';
import type { LoadedAuth } from './authorization.ts';
import { withDeadline } from './deadline.ts';
import { masterError } from './exchange-failure.ts';
import { createMasterRequests } from './master-requests.ts';
import type { MasterRequest, MasterRequests } from './master-requests.ts';
import { STATE_PATH } from './master-url.ts';
import { encodedBodyOf } from './encoded-body.ts';
import { collectBody } from './state-body.ts';
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

const STATE_REQUEST: MasterRequest = {
  method: 'GET',
  path: STATE_PATH,
  headers: { accept: 'application/json', 'accept-encoding': 'gzip' },
};

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

class UndiciMasterClient implements MasterClient {
  readonly #config: ClusterConfig;
  readonly #clock: Clock;
  readonly #requests: MasterRequests;
  readonly #closing = new AbortController();

  constructor(config: ClusterConfig, { clock, userAgent, files }: MasterClientOptions) {
    this.#config = config;
    this.#clock = clock;
    this.#requests = createMasterRequests({
      clock,
      userAgent,
      ...files,
      isSecure: config.tls !== null,
      timeoutMs: config.requestTimeoutMs,
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
    await this.#requests.close();
  }

  async #findState(
    master: HostPort,
    signal: AbortSignal,
  ): Promise<CollectedBody & { answeredBy: HostPort }> {
    const answer = await this.#requests.send(master, STATE_REQUEST, signal);
    const { url, response, credentials } = answer;
    if (response.statusCode === 200) return this.#read(url, response);
    throw await statusError(formatHostPort(url), response, credentials);
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
