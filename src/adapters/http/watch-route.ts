import type { ApiSource, WatchFilter } from '../../core/ports.ts';
import { EVENT_STREAM_TYPE, jsonError, withHeaders } from './reply.ts';
import type { ApiReply } from './reply.ts';
import type { Api, RequestHead, Route } from './route.ts';
import { eventsOf, jsonOf } from './schemas.ts';

/** Long enough for those who were refused to give way to those who reconnect. */
const RETRY_AFTER = { 'retry-after': '10' };

const OFF = jsonError(404, 'watch-off', 'this process publishes no changes');

const BAD_KIND = jsonError(400, 'bad-parameter', 'kind has to be service or vip');

const BAD_SERVICE = jsonError(
  400,
  'bad-parameter',
  'service has to be the name of a service without the domain, such as web.marathon',
);

function kindIn(query: URLSearchParams): WatchFilter['kind'] | undefined {
  const kind = query.get('kind');
  return kind === null || kind === 'service' || kind === 'vip' ? kind : undefined;
}

async function watch(
  api: Api,
  _parameters: Readonly<Record<string, string>>,
  query: URLSearchParams,
  { method, headers }: RequestHead,
): Promise<ApiReply> {
  const kind = kindIn(query);
  if (kind === undefined) return BAD_KIND;
  const name = query.get('service')?.toLowerCase() ?? null;
  if (name === '') return BAD_SERVICE;
  if (api.watch === null) return OFF;
  const reply: ApiReply = {
    status: 200,
    contentType: EVENT_STREAM_TYPE,
    body: '',
    // nginx would hold back what is not much.
    headers: { 'x-accel-buffering': 'no' },
    stream: () => undefined,
  };
  if (method === 'HEAD') return reply;
  // A browser that reconnects sends the header besides what stands in its URL.
  const lastId = headers['last-event-id'] ?? query.get('since');
  const admitted = await api.watch.admit({ kind, name }, String(lastId ?? '') || null);
  if (admitted.ok) return { ...reply, stream: admitted.value };
  const { code, message } = admitted.error;
  return withHeaders(jsonError(503, code, message), RETRY_AFTER);
}

/** Services and VIPs as they change; turned off with the other lists of names. */
export const WATCH_ROUTE: Route = {
  path: '/v1/watch',
  method: 'GET',
  summary: 'Services with their endpoints and VIPs as they change, as server-sent events.',
  dialect: 'hoplite',
  parameters: {},
  query: {
    kind: {
      description: 'Only services, or only VIPs.',
      required: false,
      schema: { type: 'string', enum: ['service', 'vip'] },
    },
    service: {
      description:
        'Only what has this name: `<label>.<framework>` of a service, the same of a VIP, or its address.',
      required: false,
      schema: { type: 'string', minLength: 1 },
    },
    since: {
      description: 'Id of the last event that was read; the header `Last-Event-ID` goes before it.',
      required: false,
      schema: { type: 'string' },
    },
  },
  responses: {
    200: eventsOf(
      'Events `service` and `vip`, with a value of this schema; `reset` before a whole picture, ' +
        '`synced` when the client is up to date.',
      ['ServiceChange', 'VipChange'],
    ),
    400: jsonOf('A parameter is not what it has to be.', 'Error'),
    404: jsonOf('Changes are not published.', 'Error'),
    503: jsonOf('Too many clients watch, or there is nothing to show yet.', 'Error'),
  },
  exists: (source: ApiSource) => source.config().http.enumeration,
  handle: watch,
};
