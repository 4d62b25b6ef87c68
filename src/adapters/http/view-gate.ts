import { DaemonError, ERROR_CODES } from '../../core/base/daemon-error.ts';
import { err, ok } from '../../core/base/result.ts';
import type { Result } from '../../core/base/result.ts';
import type { Log, ViewRequest } from '../../core/ports.ts';
import type { HttpLimits } from './limits.ts';

/** Why there is no view now; for `{error: {code, message}}`. */
export interface ViewFailure {
  readonly code: string;
  readonly message: string;
}

/** Asks the generation worker for views, so that HTTP clients cannot pile up work there. */
export interface ViewGate<Request = ViewRequest> {
  /** Its text in UTF-8, the same bytes for all who share a rendering, or why there is none. Never rejects. */
  view(request: Request): Promise<Result<Buffer, ViewFailure>>;
  /** Lets everybody who still waits go, with a failure. */
  close(): void;
}

type Outcome = Result<Buffer, ViewFailure>;

const BUSY = err({
  code: 'busy',
  message: 'too many views are being rendered; ask again in a second',
});
const LATE = err({
  code: 'timeout',
  message: 'the view was not rendered in time; ask again, and look at the log if it stays so',
});
const CLOSED = err({ code: 'stopping', message: 'hoplite is stopping; ask again when it is back' });

function failureOf(error: unknown, log: Log): Outcome {
  if (error instanceof DaemonError) {
    return err({ code: error.code, message: `${error.message} (${ERROR_CODES[error.code]})` });
  }
  log.error('http-view-failed', { err: error });
  return err({ code: 'internal', message: 'the view could not be rendered; see the log' });
}

/**
 * Puts three bounds around `source.view`: equal requests at the same time share one rendering, at
 * most `viewsMax` different ones are under way, and nobody waits longer than `viewTimeoutMs`.
 */
export function createViewGate<Request = ViewRequest>(
  source: { view(request: Request): Promise<string> },
  limits: Pick<HttpLimits, 'viewsMax' | 'viewTimeoutMs'>,
  log: Log,
): ViewGate<Request> {
  const underWay = new Map<string, Promise<Outcome>>();
  const waiting = new Set<(outcome: Outcome) => void>();

  const render = (request: Request): Promise<Outcome> | null => {
    const key = JSON.stringify(request);
    const shared = underWay.get(key);
    if (shared !== undefined) return shared;
    if (underWay.size >= limits.viewsMax) return null;
    const rendering = Promise.resolve()
      .then(() => source.view(request))
      .then<Outcome, Outcome>(
        (text) => ok(Buffer.from(text)),
        (error: unknown) => failureOf(error, log),
      )
      .finally(() => underWay.delete(key));
    underWay.set(key, rendering);
    return rendering;
  };

  return {
    view(request) {
      const rendering = render(request);
      if (rendering === null) return Promise.resolve(BUSY);
      return new Promise((resolve) => {
        const settle = (outcome: Outcome): void => {
          clearTimeout(timer);
          waiting.delete(settle);
          resolve(outcome);
        };
        const timer = setTimeout(() => settle(LATE), limits.viewTimeoutMs);
        waiting.add(settle);
        void rendering.then(settle);
      });
    },
    close() {
      for (const settle of waiting) settle(CLOSED);
    },
  };
}
