/** What one client, and all of them together, may cost the HTTP side. */
export interface HttpLimits {
  /** Longest request target; a name is at most 255 octets, 1,020 characters fully escaped. */
  readonly urlBytesMax: number;
  /** Request line and header together; Node answers more with an error of ours, 431. */
  readonly headerBytesMax: number;
  /** We read no body; this much may lie unread on a connection that stays open. */
  readonly bodyBytesMax: number;
  /** Time to send the header: cuts clients that trickle it. */
  readonly headersTimeoutMs: number;
  /** Time to send the whole request. */
  readonly requestTimeoutMs: number;
  /** How long a connection may stay open between requests. */
  readonly keepAliveTimeoutMs: number;
  /** Cuts a client that stops reading an answer; longer than a view may take. */
  readonly stallTimeoutMs: number;
  /** How often Node looks for requests that are past their time. */
  readonly checkIntervalMs: number;
  /** Scrapers, health checks and people; a node has few of them. */
  readonly connectionsMax: number;
  /** Then the client connects anew; also the most requests one connection can pipeline. */
  readonly requestsPerConnectionMax: number;
  /** Different views that the generation worker renders for us at a time. */
  readonly viewsMax: number;
  /** After this a client that waits for a view gets 503. */
  readonly viewTimeoutMs: number;
  /** How long a refused connection may take to read why, before it is destroyed. */
  readonly lingerMs: number;
}

/** The limits in service; tests shorten the times. */
export const HTTP_LIMITS: HttpLimits = {
  urlBytesMax: 4096,
  headerBytesMax: 16 * 1024,
  bodyBytesMax: 1024,
  headersTimeoutMs: 5_000,
  requestTimeoutMs: 10_000,
  keepAliveTimeoutMs: 5_000,
  stallTimeoutMs: 30_000,
  checkIntervalMs: 1_000,
  connectionsMax: 256,
  requestsPerConnectionMax: 1_000,
  viewsMax: 8,
  viewTimeoutMs: 10_000,
  lingerMs: 1_000,
};
