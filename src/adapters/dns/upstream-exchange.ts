import type { SocketAddress } from '../../core/config/config.ts';
import type { Clock } from '../../core/ports.ts';

/** Why an upstream gave no usable reply. */
export type ExchangeFailure =
  | 'timeout'
  /** ICMP says that nobody listens, the connection was refused, or there is no route. */
  | 'unreachable'
  /** Over TLS: it cannot prove who it is, so it has been told nothing. */
  | 'untrusted'
  /** The connection ended before the reply was complete. */
  | 'disconnected'
  /** The reply to our question cannot be decoded. */
  | 'malformed'
  /** Too many messages that do not answer our question. */
  | 'strays'
  /** The name came back in other letters than it was sent: a forgery, or a server that cannot. */
  | 'other-case'
  /** Nobody wants the answer any more. */
  | 'cancelled';

/** What one exchange with one upstream brought; `detail` is a system code, what to do, or ''. */
export type ExchangeOutcome =
  | { readonly kind: 'reply'; readonly reply: Uint8Array }
  | { readonly kind: 'failure'; readonly failure: ExchangeFailure; readonly detail: string };

/** Everything an exchange needs to run and to be stopped. */
export interface ExchangeContext {
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** `exact`: the letters of the name must come back as they were sent (0x20). */
  readonly nameCase: 'any' | 'exact';
  readonly cancellation: Cancellation;
}

/** Ends an exchange before its time. */
export class Cancellation {
  #cancelled = false;
  #end: (() => void) | null = null;

  get cancelled(): boolean {
    return this.#cancelled;
  }

  /** The exchange under way, and each later one, ends with `cancelled`. */
  cancel(): void {
    this.#cancelled = true;
    this.#end?.();
  }

  /** What ends the exchange under way; null: there is none. */
  set end(end: (() => void) | null) {
    this.#end = end;
  }
}

/** Sends `query`, whose id is fresh, to `upstream` and takes the reply. Never rejects. */
export type Exchange = (
  query: Uint8Array,
  upstream: SocketAddress,
  context: ExchangeContext,
) => Promise<ExchangeOutcome>;

/**
 * Messages that do not answer the question before we give up. Late replies to another exchange make
 * one or two; more is somebody guessing ids, and each guess that is allowed helps.
 */
export const STRAYS_MAX = 20;

export function failed(failure: ExchangeFailure, detail = ''): ExchangeOutcome {
  return { kind: 'failure', failure, detail };
}

/**
 * Runs one exchange: `start` opens the socket and returns what closes it. The first call of
 * `finish` decides; time limit and cancellation call it too.
 */
export function runExchange(
  context: ExchangeContext,
  start: (finish: (outcome: ExchangeOutcome) => void) => () => void,
): Promise<ExchangeOutcome> {
  const { cancellation, clock, timeoutMs } = context;
  if (cancellation.cancelled) return Promise.resolve(failed('cancelled'));
  return new Promise((resolve) => {
    const socket: { over: boolean; close: (() => void) | null } = { over: false, close: null };
    const finish = (outcome: ExchangeOutcome): void => {
      if (socket.over) return;
      socket.over = true;
      cancelTimeout();
      cancellation.end = null;
      socket.close?.();
      resolve(outcome);
    };
    const cancelTimeout = clock.after(timeoutMs, () => finish(failed('timeout')));
    cancellation.end = () => finish(failed('cancelled'));
    socket.close = start(finish);
    // Some failures, such as EMFILE, come while the socket is being opened.
    if (socket.over) socket.close();
  });
}
