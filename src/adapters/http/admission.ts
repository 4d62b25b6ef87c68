import type { IncomingHttpHeaders } from 'node:http';
import type { ApiSource } from '../../core/ports.ts';
import type { HttpLimits } from './limits.ts';
import { isLocalClient } from './local-client.ts';
import { acceptsJson, isJson } from './media-type.ts';
import { jsonError, text, textRefusal, withHeaders } from './reply.ts';
import type { ApiReply } from './reply.ts';
import { allowedMethods } from './route.ts';
import type { Route } from './route.ts';

/** A request as far as admission looks at it. */
export interface ApiRequest {
  readonly method: string;
  /** The request target as sent: path and query, or `*`. */
  readonly target: string;
  readonly headers: IncomingHttpHeaders;
  /** Address of the other end of the connection. */
  readonly client: string;
  /** null: no path of the table matches. */
  readonly route: Route | null;
}

/** Characters that may stand in a `Location` as they are; `\` is a slash to browsers. */
const NOT_IN_LOCATION = /[^\x21-\x7e]|\\/g;

/** `path` with runs of slashes made one, or null if it has none; `query` keeps its `?`. */
function withoutDoubleSlashes(target: string): string | null {
  const end = target.indexOf('?');
  const path = end < 0 ? target : target.slice(0, end);
  if (!path.includes('//')) return null;
  const query = end < 0 ? '' : target.slice(end);
  return (path.replace(/\/{2,}/g, '/') + query).replace(
    NOT_IN_LOCATION,
    (character) => `%${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}

/** Whether a body follows (RFC 9112 section 6.3), and whether we may leave it lie. */
function bodyOf(headers: IncomingHttpHeaders, bytesMax: number): 'none' | 'small' | 'large' {
  // Its length is unknown, so its connection is not worth keeping.
  if (headers['transfer-encoding'] !== undefined) return 'large';
  const bytes = Number(headers['content-length'] ?? 0);
  if (bytes === 0) return 'none';
  return bytes <= bytesMax ? 'small' : 'large';
}

function methodRefusal(method: string, route: Route): ApiReply | null {
  if (method === route.method || (method === 'HEAD' && route.method === 'GET')) return null;
  const allow = { allow: allowedMethods(route) };
  if (method === 'OPTIONS') return withHeaders(text('', 204), allow);
  const refusal =
    route.dialect === 'mesos-dns'
      ? textRefusal(405)
      : jsonError(
          405,
          'method-not-allowed',
          `this path answers only ${allow.allow}; use ${route.method}`,
        );
  return withHeaders(refusal, allow);
}

function clientRefusal(
  { client, headers }: ApiRequest,
  { localOnly, path }: Route,
): ApiReply | null {
  if (localOnly !== true || isLocalClient(client, headers)) return null;
  return jsonError(
    403,
    'not-local',
    `${path} is for programs of this node alone: ask there, with curl and not through a proxy or a ` +
      'browser, at 127.0.0.1 or [::1]; `http.listen` has to be that address or a wildcard',
  );
}

function refusalOf(request: ApiRequest, source: ApiSource, limits: HttpLimits): ApiReply | null {
  const { method, target, headers, route } = request;
  if (target.length > limits.urlBytesMax) return textRefusal(414);
  if (target === '*' && method === 'OPTIONS') {
    return withHeaders(text('', 204), { allow: 'GET, HEAD, DELETE, OPTIONS' });
  }
  const location = withoutDoubleSlashes(target);
  if (location !== null) return withHeaders(textRefusal(301), { location });
  if (route === null || route.exists?.(source) === false) return textRefusal(404);
  const refused = methodRefusal(method, route) ?? clientRefusal(request, route);
  if (refused !== null) return refused;
  const body = bodyOf(headers, limits.bodyBytesMax);
  if (route.dialect === 'mesos-dns') {
    if (body !== 'none' && !isJson(headers['content-type'])) return textRefusal(415);
    if (body === 'large') return textRefusal(413);
    if (!acceptsJson(headers.accept)) return textRefusal(406);
  } else if (body === 'large') {
    return jsonError(
      413,
      'body-too-large',
      'this path takes no body; send the request without one',
    );
  }
  return null;
}

/**
 * Decides about a request by its first lines, before anything is read or done for it: null lets it
 * through to its handler, everything else is the answer. Order as in Mesos-DNS: path (404), method
 * (405), client (403), Content-Type (415), Accept (406). A connection with an unread large body is closed.
 */
export function admissionRefusal(
  request: ApiRequest,
  source: ApiSource,
  limits: HttpLimits,
): ApiReply | null {
  const refusal = refusalOf(request, source, limits);
  if (refusal === null || bodyOf(request.headers, limits.bodyBytesMax) !== 'large') return refusal;
  return withHeaders(refusal, { connection: 'close' });
}
