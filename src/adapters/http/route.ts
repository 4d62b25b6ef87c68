import type { ApiSource } from '../../core/ports.ts';
import type { ApiReply } from './reply.ts';
import type { ViewGate } from './view-gate.ts';

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
  /** Version of hoplite. */
  readonly version: string;
  /** The effective configuration for `/v1/config`. */
  configView(): Record<string, unknown>;
  /** The OpenAPI document as JSON text. */
  openApi(): string;
}

/** JSON Schema (2020-12, as OpenAPI 3.1 uses it). */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** One possible answer of a route. */
export interface RouteResponse {
  readonly description: string;
  readonly contentType: string;
  readonly schema: JsonSchema;
}

/** A path and everything that can be said about it; routing, 405, docs and tests read the same. */
export interface Route {
  /** Case-sensitive, parameters as `:name`. */
  readonly path: string;
  readonly summary: string;
  /**
   * `mesos-dns`: refusals in its words, JSON must be acceptable to the client.
   * `hoplite`: errors are `{error: {code, message}}`.
   */
  readonly dialect: 'mesos-dns' | 'hoplite';
  /** What each parameter of the path means. */
  readonly parameters: Readonly<Record<string, string>>;
  /** By status; the refusals that every route has (400, 405, …) are left out. */
  readonly responses: Readonly<Record<number, RouteResponse>>;
  /** false: as if the path did not exist. Absent: it always does. */
  exists?(source: ApiSource): boolean;
  /** Answers GET and HEAD. `parameters` are decoded. */
  handle(api: Api, parameters: Readonly<Record<string, string>>): ApiReply | Promise<ApiReply>;
}

/** What every path answers to; the value of `Allow`. */
export const ALLOWED_METHODS = 'GET, HEAD, OPTIONS';
