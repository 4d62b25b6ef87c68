import type { ServerResponse } from 'node:http';
import { Readable, pipeline } from 'node:stream';
import type { Log } from '../../core/ports.ts';
import type { ReplyLines } from './reply.ts';

function asStream({ values, linesMax }: ReplyLines): Readable {
  let left = linesMax;
  return new Readable({
    read() {
      if (left-- <= 0) {
        this.push(null);
        return;
      }
      values.next().then(
        ({ done, value }) => this.push(done === true ? null : `${JSON.stringify(value)}\n`),
        (error: unknown) => this.destroy(error as Error),
      );
    },
    // At its end, too, and when the client has gone; `next()` may be waiting then.
    destroy(error, callback) {
      Promise.resolve(values.return?.()).then(
        () => callback(error),
        (cause: unknown) => callback(cause as Error),
      );
    },
  });
}

/** The answers that consist of lines to come. */
export interface LineStreams {
  /** Sends status and header at once, then the lines; the connection ends with the last. */
  send(
    response: ServerResponse,
    status: number,
    headers: Readonly<Record<string, string>>,
    lines: ReplyLines,
  ): void;
  /** Ends `lines` that nobody wants. */
  discard(lines: ReplyLines): void;
  /** Ends all answers as if no more lines came. */
  close(): void;
}

/** Lines of all connections; a client that stops reading is cut after `stallTimeoutMs`. */
export function createLineStreams(
  limits: { readonly stallTimeoutMs: number },
  log: Log,
): LineStreams {
  const open = new Set<ReplyLines>();
  let closed = false;
  const end = ({ values }: ReplyLines): void => {
    Promise.resolve(values.return?.()).catch((err: unknown) =>
      log.error('http-lines-failed', { err }),
    );
  };
  return {
    send(response, status, headers, lines) {
      open.add(lines);
      // No line may come for all of the time; the connection is not used again after that.
      response.setTimeout(lines.forMs + limits.stallTimeoutMs);
      response.writeHead(status, { ...headers, connection: 'close' });
      response.flushHeaders();
      pipeline(asStream(lines), response, (error) => {
        open.delete(lines);
        // A client that goes away is no failure of ours.
        if (error && error.code !== 'ERR_STREAM_PREMATURE_CLOSE') {
          log.error('http-lines-failed', { err: error });
        }
      });
      if (closed) end(lines);
    },
    discard: end,
    close() {
      closed = true;
      for (const lines of open) end(lines);
    },
  };
}
