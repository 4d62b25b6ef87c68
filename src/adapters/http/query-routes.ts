import { formatWireName, parseWireName } from '../../core/dns/name.ts';
import type { ApiSource } from '../../core/ports.ts';
import { JSON_LINES_TYPE, json, jsonError, withHeaders } from './reply.ts';
import type { ApiReply } from './reply.ts';
import type { Api, QueryParameter, Route, RouteResponse } from './route.ts';
import { jsonLinesOf, jsonOf } from './schemas.ts';

/** A list for people: longer ones say little, as a thread follows 256 names. */
const TOP_MAX = 100;
const TOP_DEFAULT = 20;

/** As long as somebody looks at a screen. */
const LOG_SECONDS_MAX = 60;
const LOG_SECONDS_DEFAULT = 10;

/** Some 100 kB; names that are asked for more often show what they do in fewer. */
const LOG_LINES_MAX = 1_000;

type PathParameters = Readonly<Record<string, string>>;

interface Bounds {
  readonly max: number;
  readonly otherwise: number;
}

/** A whole number from 1 to `max`; null: it is something else. */
function numberIn(query: URLSearchParams, name: string, { max, otherwise }: Bounds): number | null {
  const text = query.get(name);
  if (text === null) return otherwise;
  const number = /^[0-9]{1,6}$/.test(text) ? Number(text) : 0;
  return number >= 1 && number <= max ? number : null;
}

/** The name in the form that records have; null: it is none. */
function nameIn(query: URLSearchParams): string | null {
  const text = query.get('name') ?? '';
  const wire = text === '' ? null : parseWireName(text);
  return wire === null ? null : formatWireName(wire);
}

const badNumber = (name: string, max: number): ApiReply =>
  jsonError(400, 'bad-parameter', `${name} has to be a whole number from 1 to ${max}`);

const BAD_NAME = jsonError(
  400,
  'bad-parameter',
  'name has to be a domain name, such as web.marathon.mesos',
);

const LOG_BUSY = withHeaders(
  jsonError(
    429,
    'busy',
    'somebody else watches queries now; ask again when that has ended, within a minute',
  ),
  { 'retry-after': '10' },
);

function topQueries(api: Api, _parameters: PathParameters, query: URLSearchParams): ApiReply {
  const n = numberIn(query, 'n', { max: TOP_MAX, otherwise: TOP_DEFAULT });
  return n === null ? badNumber('n', TOP_MAX) : json(api.source.topQueries(n));
}

function logQueries(api: Api, _parameters: PathParameters, query: URLSearchParams): ApiReply {
  const bounds = { max: LOG_SECONDS_MAX, otherwise: LOG_SECONDS_DEFAULT };
  const seconds = numberIn(query, 'seconds', bounds);
  if (seconds === null) return badNumber('seconds', LOG_SECONDS_MAX);
  const name = nameIn(query);
  if (name === null) return BAD_NAME;
  const records = api.source.logQueries(name, seconds);
  if (records === null) return LOG_BUSY;
  return {
    status: 200,
    contentType: JSON_LINES_TYPE,
    body: '',
    lines: {
      values: records[Symbol.asyncIterator](),
      linesMax: LOG_LINES_MAX,
      forMs: seconds * 1000,
    },
  };
}

function flushCache(api: Api, _parameters: PathParameters, query: URLSearchParams): ApiReply {
  const name = nameIn(query);
  // Not all of it because of a slip of the pen.
  if (name === null && query.has('name')) return BAD_NAME;
  return json({ flushed: api.source.flushCache(name) });
}

/** Names that were asked for are names, and turned off with the other lists of them. */
const enumerationIsOn = (source: ApiSource): boolean => source.config().http.enumeration;

const NAME: QueryParameter = {
  description: 'A name in any case, with or without its final dot.',
  required: false,
  schema: { type: 'string' },
};

const wholeNumber = (description: string, { max, otherwise }: Bounds): QueryParameter => ({
  description,
  required: false,
  schema: { type: 'integer', minimum: 1, maximum: max, default: otherwise },
});

const BAD_PARAMETER: RouteResponse = jsonOf('A parameter is not what it has to be.', 'Error');
const NOT_LOCAL: RouteResponse = jsonOf('The client is not a program of this node.', 'Error');

/** What is asked, and what is remembered of upstreams' answers. */
export const QUERY_ROUTES: readonly Route[] = [
  {
    path: '/v1/queries/top',
    method: 'GET',
    summary: 'The names asked for most in the last minutes, and those that do not exist.',
    dialect: 'hoplite',
    parameters: {},
    query: {
      n: wholeNumber('How many of each.', { max: TOP_MAX, otherwise: TOP_DEFAULT }),
    },
    responses: {
      200: jsonOf('The names; counts are estimated from a sample.', 'TopQueries'),
      400: BAD_PARAMETER,
    },
    exists: enumerationIsOn,
    handle: topQueries,
  },
  {
    path: '/v1/queries/log',
    method: 'GET',
    summary: 'Queries of one name while they are answered; only for programs of this node.',
    dialect: 'hoplite',
    parameters: {},
    query: {
      name: { ...NAME, required: true },
      seconds: wholeNumber('How long.', { max: LOG_SECONDS_MAX, otherwise: LOG_SECONDS_DEFAULT }),
    },
    localOnly: true,
    responses: {
      200: jsonLinesOf(`A line for each query, at most ${LOG_LINES_MAX}.`, 'QueryRecord'),
      400: BAD_PARAMETER,
      403: NOT_LOCAL,
      429: jsonOf('Somebody else does the same.', 'Error'),
    },
    handle: logQueries,
  },
  {
    path: '/v1/cache',
    method: 'DELETE',
    summary:
      'Forgets answers of upstreams, of a name and those below it or of all; only for programs of this node.',
    dialect: 'hoplite',
    parameters: {},
    query: { name: NAME },
    localOnly: true,
    responses: {
      200: jsonOf('How many answers there were.', 'Flushed'),
      400: BAD_PARAMETER,
      403: NOT_LOCAL,
    },
    handle: flushCache,
  },
];
