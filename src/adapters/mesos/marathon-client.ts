import type { Dispatcher } from 'undici';
import type { Config, ConfigProblem, HostPort, MarathonConfig } from '../../core/config/config.ts';
import type { Clock } from '../../core/ports.ts';
import { DaemonError } from '../../core/base/daemon-error.ts';
import type { ErrorCode } from '../../core/base/daemon-error.ts';
import { formatHostPort } from '../../core/base/host-port.ts';
import { err, ok } from '../../core/base/result.ts';
import type { Result } from '../../core/base/result.ts';
import { EventLineDecoder } from '../../core/marathon/event-lines.ts';
import { EVENTS_PATH } from '../../core/marathon/event-types.ts';
import { APPS_PATH } from '../../core/marathon/parse-apps.ts';
import { loadAuth } from './authorization.ts';
import { untilAborted, withDeadline } from './deadline.ts';
import { encodedBodyOf } from './encoded-body.ts';
import { failureReason } from './exchange-failure.ts';
import type { MasterFiles } from './master-client.ts';
import { createMasterRequests } from './master-requests.ts';
import type { MasterAnswer, MasterRequest, MasterRequests } from './master-requests.ts';
import { SilenceWatch } from './silence-watch.ts';
import { collectBody, discardBody } from './state-body.ts';
import type { CollectedBody } from './state-body.ts';
import { statusError } from './status-error.ts';
import { loadTls } from './tls.ts';

/** The list of apps as it came, decompressed and not looked into. */
export interface AppsBody extends CollectedBody {
  /** The instance that was asked; it may have passed the question on to the leader. */
  readonly answeredBy: HostPort;
}

/** What happens on Marathon's event bus. Called synchronously, never after its end. */
export interface EventBusHandlers {
  /** The instance asked has taken the subscription. */
  onOpen(answeredBy: HostPort): void;
  /** Type of an event. The order of events means nothing, and some may be missing. */
  onEvent(type: string): void;
}

/** Asks the instances of one Marathon. */
export interface MarathonClient {
  /**
   * The apps with their tasks and results of checks, from the instance that answered last or the
   * first one that does. Rejects with a `DaemonError` of a `marathon-` code, that of the last one
   * asked, or with the reason of `signal` as soon as that aborts.
   */
  fetchApps(signal: AbortSignal): Promise<AppsBody>;
  /**
   * Follows the event bus of the instance that answered last. Never resolves; rejects with why it
   * ended: a `DaemonError` of a `marathon-` code or the reason of `signal`.
   */
  followEvents(signal: AbortSignal, handlers: EventBusHandlers): Promise<never>;
  /** Ends requests under way and closes all connections. */
  close(): Promise<void>;
}

/** What a client needs besides the configuration. */
export interface MarathonClientOptions {
  readonly clock: Clock;
  /** Such as `hoplite/1.0.0`. */
  readonly userAgent: string;
  /** From `loadMarathonFiles` of the same configuration. */
  readonly files: MasterFiles;
  /** For one whole answer of one instance, milliseconds. */
  readonly timeoutMs: number;
  /** A longer list of apps is refused. */
  readonly bodyBytesMax: number;
}

const APPS_REQUEST: MasterRequest = {
  method: 'GET',
  path: APPS_PATH,
  headers: { accept: 'application/json', 'accept-encoding': 'gzip' },
};

/** Marathon compares the whole header `Accept` (Jetty's EventSourceServlet). */
const EVENTS_REQUEST: MasterRequest = {
  method: 'GET',
  path: EVENTS_PATH,
  headers: { accept: 'text/event-stream' },
};

/**
 * Jetty's EventSourceServlet, which Marathon's bus is made with, sends an empty line every 10 s. As
 * not every version and every proxy passes it on, only who has sent one is expected to go on.
 */
const SILENCE_MS = 60_000;

const MASTER_CODES: Partial<Record<ErrorCode, ErrorCode>> = {
  'master-unreachable': 'marathon-unreachable',
  'master-timeout': 'marathon-unreachable',
  'master-auth': 'marathon-auth',
  'master-status': 'marathon-status',
};

/**
 * Reads all files that requests to Marathon need; every problem with them at once, under the names
 * of their settings.
 */
export function loadMarathonFiles(
  config: MarathonConfig,
  format: Config['format'] = 'native',
): Result<MasterFiles, ConfigProblem[]> {
  const tls = loadTls(config, format);
  const auth = loadAuth(config, format);
  if (tls.ok && auth.ok) return ok({ tls: tls.value, auth: auth.value });
  const problems = [...(tls.ok ? [] : tls.error), ...(auth.ok ? [] : auth.error)];
  return err(
    problems.map((problem) => ({
      ...problem,
      path: problem.path.replace(/^cluster\./, 'cluster.marathon.'),
    })),
  );
}

/** The error in the words of Marathon: the requests are those that masters get. */
function marathonError(where: string, error: unknown): DaemonError {
  if (!(error instanceof DaemonError)) {
    const message = `Marathon ${where}: ${failureReason(error)}`;
    return new DaemonError('marathon-unreachable', message);
  }
  const text = error.message.replace(/^master \S+: /, '').replace('the state', 'the list of apps');
  const isOurs = error.code.startsWith('marathon-');
  const code = isOurs ? error.code : (MASTER_CODES[error.code] ?? 'marathon-invalid');
  return new DaemonError(code, `Marathon ${where}: ${text}`, { cause: error.cause });
}

class UndiciMarathonClient implements MarathonClient {
  readonly #config: MarathonConfig;
  readonly #options: MarathonClientOptions;
  readonly #requests: MasterRequests;
  /** On connections of their own: a stream takes no question's place. */
  readonly #eventRequests: MasterRequests;
  readonly #closing = new AbortController();
  /** Index of the instance that answered last. */
  #preferred = 0;

  constructor(config: MarathonConfig, options: MarathonClientOptions) {
    this.#config = config;
    this.#options = options;
    const requestOptions = {
      clock: options.clock,
      userAgent: options.userAgent,
      ...options.files,
      isSecure: config.tls !== null,
      timeoutMs: options.timeoutMs,
    };
    this.#requests = createMasterRequests(requestOptions);
    this.#eventRequests = createMasterRequests(requestOptions);
  }

  async fetchApps(signal: AbortSignal): Promise<AppsBody> {
    const { instances } = this.#config;
    const first = this.#preferred;
    let failure: unknown = null;
    for (let turn = 0; turn < instances.length; turn++) {
      const index = (first + turn) % instances.length;
      const instance = instances[index];
      if (instance === undefined) break;
      try {
        const body = await this.#fetchFrom(instance, signal);
        this.#preferred = index;
        return body;
      } catch (error) {
        if (this.#closing.signal.aborted) throw error;
        signal.throwIfAborted();
        failure = error;
      }
    }
    throw failure;
  }

  async followEvents(signal: AbortSignal, handlers: EventBusHandlers): Promise<never> {
    const instance = this.#config.instances[this.#preferred];
    if (instance === undefined) throw new DaemonError('marathon-unreachable', 'no instance');
    const bus = new EventBus(this.#options.clock, handlers);
    const signals = [signal, this.#closing.signal];
    try {
      return await bus.follow(signals, (ended) => this.#subscribe(instance, ended), instance);
    } catch (error) {
      for (const { aborted, reason } of signals) if (aborted) throw reason;
      throw marathonError(formatHostPort(instance), error);
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('the client is closed'));
    await Promise.all([this.#requests.close(), this.#eventRequests.close()]);
  }

  async #fetchFrom(instance: HostPort, signal: AbortSignal): Promise<AppsBody> {
    const { bodyBytesMax } = this.#options;
    try {
      return await withDeadline(this.#limits('no complete list of apps', signal), async (ended) => {
        const response = await this.#ask(this.#requests, instance, APPS_REQUEST, ended);
        const body = await collectBody(encodedBodyOf(response), bodyBytesMax);
        return { ...body, answeredBy: instance };
      });
    } catch (error) {
      signal.throwIfAborted();
      this.#closing.signal.throwIfAborted();
      throw marathonError(formatHostPort(instance), error);
    }
  }

  /** The response of the event bus, its body not yet read. The deadline is for its head alone. */
  async #subscribe(instance: HostPort, ended: AbortSignal): Promise<Dispatcher.ResponseData> {
    return withDeadline(this.#limits('no event stream', ended), () =>
      this.#ask(this.#eventRequests, instance, EVENTS_REQUEST, ended),
    );
  }

  #limits(what: string, signal: AbortSignal): Parameters<typeof withDeadline>[0] {
    const { clock, timeoutMs } = this.#options;
    return {
      clock,
      timeoutMs,
      timeoutError: () => new DaemonError('master-timeout', `${what} in ${timeoutMs} ms`),
      signals: [signal, this.#closing.signal],
    };
  }

  async #ask(
    requests: MasterRequests,
    instance: HostPort,
    request: MasterRequest,
    signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData> {
    const answer: MasterAnswer = await requests.send(instance, request, signal);
    if (answer.response.statusCode === 200) return answer.response;
    throw await statusError(formatHostPort(answer.url), answer.response, answer.credentials);
  }
}

/** One subscription. */
class EventBus {
  readonly #handlers: EventBusHandlers;
  readonly #silence: SilenceWatch;
  readonly #decoder = new EventLineDecoder();
  /** Aborted with the reason as soon as it is to end, whoever wants it. */
  readonly #ending = new AbortController();
  #hasHeartbeats = false;

  constructor(clock: Clock, handlers: EventBusHandlers) {
    this.#handlers = handlers;
    this.#silence = new SilenceWatch(clock, SILENCE_MS, () => {
      this.#end('marathon-unreachable', `nothing more on the event stream in ${SILENCE_MS} ms`);
    });
  }

  async follow(
    signals: readonly AbortSignal[],
    subscribe: (ended: AbortSignal) => Promise<Dispatcher.ResponseData>,
    instance: HostPort,
  ): Promise<never> {
    const releases = signals.map((one) => this.#endWith(one));
    const { signal } = this.#ending;
    try {
      signal.throwIfAborted();
      const response = await subscribe(signal);
      const type = response.headers['content-type'];
      if (typeof type !== 'string' || !/^text\/event-stream\b/i.test(type)) {
        discardBody(response.body);
        throw new DaemonError('marathon-invalid', 'the answer is no event stream');
      }
      this.#handlers.onOpen(instance);
      return await untilAborted(signal, this.#drain(response));
    } finally {
      for (const release of releases) release();
      this.#silence.stop();
      this.#ending.abort(new Error('the event stream has ended'));
    }
  }

  /** Returns how to let go of the signal. */
  #endWith(signal: AbortSignal): () => void {
    const abort = (): void => this.#ending.abort(signal.reason);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
    return () => signal.removeEventListener('abort', abort);
  }

  /** Takes bytes as fast as they come: Marathon drops who is slow (since 1.8). */
  #drain({ body }: Dispatcher.ResponseData): Promise<never> {
    return new Promise((_resolve, reject) => {
      const end = (how: string): void => {
        reject(new DaemonError('marathon-unreachable', `the event stream ended: ${how}`));
      };
      body.on('error', (error) => end(failureReason(error)));
      body.once('end', () => end('Marathon closed it'));
      body.on('data', (chunk: Uint8Array) => this.#take(chunk));
    });
  }

  #take(chunk: Uint8Array): void {
    if (this.#ending.signal.aborted) return;
    this.#hasHeartbeats ||= isHeartbeat(chunk);
    if (this.#hasHeartbeats) this.#silence.heard();
    const error = this.#decoder.push(chunk, (type) => {
      // One piece of the stream can hold more events when a handler ends it.
      if (!this.#ending.signal.aborted) this.#handlers.onEvent(type);
    });
    if (error !== null) this.#end('marathon-invalid', 'the event stream has a line without end');
  }

  #end(code: ErrorCode, message: string): void {
    this.#ending.abort(new DaemonError(code, message));
  }
}

/** An empty line and nothing else, whole or in halves. */
function isHeartbeat(chunk: Uint8Array): boolean {
  return chunk.length <= 2 && chunk.every((octet) => octet === 0x0d || octet === 0x0a);
}

/** A client for the instances of one Marathon, on connections of its own. */
export function createMarathonClient(
  config: MarathonConfig,
  options: MarathonClientOptions,
): MarathonClient {
  return new UndiciMarathonClient(config, options);
}
