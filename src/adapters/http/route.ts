import type { IncomingHttpHeaders } from 'node:http';
import type { ApiSource } from '../../core/ports.ts';
import type { ApiReply } from './reply.ts';
import type { ViewGate } from './view-gate.ts';
import type { WatchHub } from './watch-hub.ts';

/** What the HTTP side needs of the metrics. */
export interface HttpMetrics {
  observeHttp(route: string, code: number): void;
  promText(): Promise<string>;
  readonly contentType: string;
}

/** What handlers work with. */
export interface Api {
  readonly source: ApiSource;
  readonly views: ViewGate;
  readonly metrics: HttpMetrics;
  /** null: nothing is published to it. */
  readonly watch: WatchHub | null;
  /** Version of hoplite. */
  readonly version: string;
  /** The effective configuration for `/v1/config`. */
  configView(): Record<string, unknown>;
  /** The OpenAPI document as JSON text. */
  openApi(): string;
}

/** JSON Schema (2020-12, as OpenAPI 3.1 uses it). */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** A parameter behind the `?`. */
export interface QueryParameter {
  readonly description: string;
  readonly required: boolean;
  readonly schema: JsonSchema;
}

/** One possible answer of a route. */
export interface RouteResponse {
  readonly description: string;
  readonly contentType: string;
  readonly schema: JsonSchema;
}

/** The first lines of a request that a handler may need. */
export interface RequestHead {
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
}

/** A path and everything that can be said about it; routing, 405, docs and tests read the same. */
export interface Route {
  /** Case-sensitive, parameters as `:name`. */
  readonly path: string;
  readonly method: 'GET' | 'DELETE';
  readonly summary: string;
  /**
   * `mesos-dns`: refusals in its words, JSON must be acceptable to the client.
   * `hoplite`: errors are `{error: {code, message}}`.
   */
  readonly dialect: 'mesos-dns' | 'hoplite';
  /** What each parameter of the path means. */
  readonly parameters: Readonly<Record<string, string>>;
  /** Absent: what stands behind a `?` is ignored. */
  readonly query?: Readonly<Record<string, QueryParameter>>;
  /** true: only for programs of this node. */
  readonly localOnly?: boolean;
  /** By status; the refusals that every route has (400, 405, …) are left out. */
  readonly responses: Readonly<Record<number, RouteResponse>>;
  /** false: as if the path did not exist. Absent: it always does. */
  exists?(source: ApiSource): boolean;
  /** Answers the method, and HEAD if it is GET. `parameters` are decoded. */
  handle(
    api: Api,
    parameters: Readonly<Record<string, string>>,
    query: URLSearchParams,
    request: RequestHead,
  ): ApiReply | Promise<ApiReply>;
}

/** What a path answers to; the value of `Allow`. */
export function allowedMethods({ method }: Pick<Route, 'method'>): string {
  return method === 'GET' ? 'GET, HEAD, OPTIONS' : `${method}, OPTIONS`;
}
