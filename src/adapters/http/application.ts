import { METHODS } from 'node:http';
import { fastify } from 'fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Log } from '../../core/ports.ts';
import { admissionRefusal } from './admission.ts';
import type { Backlog } from './backlog.ts';
import { createBrokenRequestHandler } from './broken-request.ts';
import { unlessMatching } from './etag.ts';
import type { HttpLimits } from './limits.ts';
import { fastifySchema, registerOpenApi } from './openapi.ts';
import { jsonError, textRefusal, withHeaders } from './reply.ts';
import type { LineStreams } from './line-streams.ts';
import type { ApiReply } from './reply.ts';
import type { Api, Route } from './route.ts';
import { ROUTES } from './routes.ts';

/** What every answer carries: it is of this moment only, and no browser may guess its type. */
const COMMON_HEADERS = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };

/** `route` label of requests that match no path of the table. */
const NO_ROUTE = 'other';

/** The methods that a path does not answer; CONNECT never gets so far: Node closes its connection. */
function refusedMethods({ method }: Route): string[] {
  const answered = method === 'GET' ? ['GET', 'HEAD'] : [method];
  return METHODS.filter((each) => each !== 'CONNECT' && !answered.includes(each));
}

const ROUTE_BY_PATH: ReadonlyMap<string, Route> = new Map(
  ROUTES.map((route) => [route.path, route]),
);

function routeOf(request: FastifyRequest): Route | null {
  return ROUTE_BY_PATH.get(request.routeOptions.url ?? '') ?? null;
}

/** Turns the absolute form of a request target, which proxies send, into the origin form. */
function originForm(target: string): string {
  const rest = target.replace(/^https?:\/\/[^/?#]*/i, '');
  return rest.startsWith('/') || rest === target ? rest : `/${rest}`;
}

/** What stands behind the `?` of a target, decoded. */
function queryOf(target: string): URLSearchParams {
  const start = target.indexOf('?');
  return new URLSearchParams(start < 0 ? '' : target.slice(start + 1));
}

/** What the application needs besides the routes' `Api`. */
export interface ApplicationOptions {
  readonly api: Omit<Api, 'openApi'>;
  readonly limits: HttpLimits;
  readonly log: Log;
  readonly backlog: Backlog;
  readonly streams: LineStreams;
  /** true once the server is being closed: then answers end their connection. */
  isClosing(): boolean;
}

function createInstance({ api, limits, backlog }: ApplicationOptions): FastifyInstance {
  const broken = createBrokenRequestHandler(limits.lingerMs);
  const app = fastify({
    logger: false,
    http: {
      maxHeaderSize: limits.headerBytesMax,
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      connectionsCheckingInterval: limits.checkIntervalMs,
    },
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    connectionTimeout: limits.stallTimeoutMs,
    maxRequestsPerSocket: limits.requestsPerConnectionMax,
    bodyLimit: limits.bodyBytesMax,
    return503OnClosing: false,
    routerOptions: {
      ignoreTrailingSlash: true,
      caseSensitive: true,
      maxParamLength: limits.urlBytesMax,
      querystringParser: () => ({}),
    },
    rewriteUrl: (request) => originForm(request.url ?? '/'),
    frameworkErrors: (error, _request, reply) => {
      const status = error.statusCode === 414 ? 414 : 400;
      api.metrics.observeHttp(NO_ROUTE, status);
      const { body, contentType } = textRefusal(status);
      // Its types know no status codes here, since no route has been found.
      reply.raw
        .writeHead(status, {
          ...COMMON_HEADERS,
          'content-type': contentType,
          'content-length': body.length,
        })
        .end(body);
    },
    clientErrorHandler: (error, socket) => {
      const status = broken.handle(error, socket);
      if (status !== null) api.metrics.observeHttp(NO_ROUTE, status);
    },
  });
  app.server.maxConnections = limits.connectionsMax;
  broken.watch(app.server);
  backlog.watch(app.server);
  return app;
}

function addRoutes(app: FastifyInstance, api: Api, respond: Respond): void {
  // Of all methods, since no route has a use for a body; admission has refused large ones.
  for (const method of METHODS) {
    if (method !== 'CONNECT') app.addHttpMethod(method, { overrideExisting: true });
  }
  app.after(() => {
    for (const route of ROUTES) {
      app.route({
        method: route.method,
        url: route.path,
        schema: fastifySchema(route),
        handler: async (request, reply) => {
          const parameters = request.params as Record<string, string>;
          const { method, headers } = request;
          const query = queryOf(request.raw.url ?? '');
          const answer = await route.handle(api, parameters, query, { method, headers });
          return respond(reply, unlessMatching(answer, headers['if-none-match']));
        },
      });
      app.route({
        method: refusedMethods(route),
        url: route.path,
        schema: { hide: true },
        // Admission has answered; this line is only reached if it lets a method through.
        handler: (_request, reply) => respond(reply, textRefusal(405)),
      });
    }
  });
}

const BUSY = withHeaders(
  jsonError(503, 'busy', 'other clients have not read their answers yet; ask again in a second'),
  { 'retry-after': '1' },
);

type Respond = (reply: FastifyReply, answer: ApiReply) => FastifyReply;

/**
 * The fastify application: the route table behind admission. fastify routes, describes and answers;
 * it reads no body, validates nothing and logs nothing.
 */
export function createApplication(options: ApplicationOptions): FastifyInstance {
  const { limits, log, backlog, streams } = options;
  const app = createInstance(options);
  let document: string | null = null;
  const api: Api = {
    ...options.api,
    openApi: () => (document ??= JSON.stringify(app.swagger())),
  };

  const respond: Respond = (reply, answer) => {
    const { lines, stream, contentType } = answer;
    if (lines !== undefined || stream !== undefined) {
      const headers = { ...COMMON_HEADERS, ...answer.headers, 'content-type': contentType };
      if (reply.request.method === 'HEAD') {
        if (lines !== undefined) streams.discard(lines);
        return reply.code(answer.status).headers(headers).send();
      }
      const { raw } = reply.hijack();
      stream?.(raw, headers);
      if (lines !== undefined) streams.send(raw, answer.status, headers, lines);
      return reply;
    }
    // As bytes, since fastify adds a charset to JSON that is text.
    const body = typeof answer.body === 'string' ? Buffer.from(answer.body) : answer.body;
    if (!backlog.hold(reply.raw, body)) return respond(reply, BUSY);
    void reply.code(answer.status).headers({ ...COMMON_HEADERS, ...answer.headers });
    if (options.isClosing()) void reply.header('connection', 'close');
    if (body.length === 0) return reply.send();
    return reply.header('content-type', contentType).send(body);
  };

  app.removeAllContentTypeParsers();
  app.setValidatorCompiler(() => () => true);
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  app.addHook('onRequest', (request, reply, done) => {
    // Cut by the backlog: nobody is there to answer.
    if (request.raw.socket.destroyed) return;
    // Not `onResponse`: from Node 24 on, an answer that is cut on its way never comes there.
    reply.raw.once('close', () => {
      if (!reply.raw.headersSent) return;
      api.metrics.observeHttp(routeOf(request)?.path ?? NO_ROUTE, reply.raw.statusCode);
    });
    const refusal = admissionRefusal(
      {
        method: request.method,
        target: request.raw.url ?? '/',
        headers: request.headers,
        client: request.socket.remoteAddress ?? '',
        route: routeOf(request),
      },
      api.source,
      limits,
    );
    if (refusal === null) done();
    else respond(reply, refusal);
  });
  app.setNotFoundHandler((_request, reply) => respond(reply, textRefusal(404)));
  app.setErrorHandler((error, request, reply) => {
    log.error('http-request-failed', { route: routeOf(request)?.path ?? NO_ROUTE, err: error });
    const refusal = jsonError(500, 'internal', 'the request failed inside hoplite; see its log');
    return respond(reply, withHeaders(refusal, { connection: 'close' }));
  });
  registerOpenApi(app, options.api.version);
  addRoutes(app, api, respond);
  return app;
}
