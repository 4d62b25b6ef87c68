import { STATUS_CODES } from 'node:http';
import type { ServerResponse } from 'node:http';

/** An answer as a value; the server adds what every answer carries. */
export interface ApiReply {
  readonly status: number;
  readonly contentType: string;
  /** Bytes if several answers share them; they must not be changed. */
  readonly body: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent behind `body` as they come, for as long as they come. */
  readonly lines?: ReplyLines;
  /** Sends and ends the answer in place of the server; not called for HEAD. */
  readonly stream?: ReplyStream;
}

/** Takes a response over, header included; it may be gone already. */
export type ReplyStream = (
  response: ServerResponse,
  headers: Readonly<Record<string, string>>,
) => void;

/** Values that are not all there yet, each to be sent as a line of JSON. */
export interface ReplyLines {
  /** Its `return()` ends it at once, also while `next()` waits. */
  readonly values: AsyncIterator<unknown>;
  /** More are not sent. */
  readonly linesMax: number;
  /** How long the next one may take, and all of them. */
  readonly forMs: number;
}

/** Without a charset, as Mesos-DNS has it and RFC 8259 section 11 says. */
export const JSON_TYPE = 'application/json';

/** A JSON value a line. */
export const JSON_LINES_TYPE = 'application/x-ndjson';

/** Server-sent events (HTML Living Standard, section 9.2). */
export const EVENT_STREAM_TYPE = 'text/event-stream';

const TEXT_TYPE = 'text/plain; charset=utf-8';

/** JSON text that somebody else rendered. */
export function jsonText(body: string | Buffer, status = 200): ApiReply {
  return { status, contentType: JSON_TYPE, body };
}

/** A value as JSON, a member a line as Mesos-DNS has it: people read this with curl. */
export function json(value: unknown, status = 200): ApiReply {
  return jsonText(`${JSON.stringify(value, null, 1)}\n`, status);
}

/** Plain text. */
export function text(body: string, status = 200): ApiReply {
  return { status, contentType: TEXT_TYPE, body };
}

/** An error of our own routes: `{error: {code, message}}`; the message says what to do. */
export function jsonError(status: number, code: string, message: string): ApiReply {
  return json({ error: { code, message } }, status);
}

/** Mesos-DNS' names of statuses where Node has others. */
const MESOS_DNS_TITLES: ReadonlyMap<number, string> = new Map([[404, 'Page Not Found']]);

/** A refusal in the words of Mesos-DNS, such as `404: Page Not Found`. */
export function textRefusal(status: number): ApiReply {
  return text(
    `${status}: ${MESOS_DNS_TITLES.get(status) ?? STATUS_CODES[status] ?? 'Error'}`,
    status,
  );
}

/** The same answer with more headers. */
export function withHeaders(reply: ApiReply, headers: Readonly<Record<string, string>>): ApiReply {
  return { ...reply, headers: { ...reply.headers, ...headers } };
}
