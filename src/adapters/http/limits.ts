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
  /** Then the client connects anew. */
  readonly requestsPerConnectionMax: number;
  /** Unanswered requests of one connection, then it is cut; clients in the field pipeline none. */
  readonly requestsInFlightMax: number;
  /**
   * Bodies up to this are always sent, so that health checks and metrics pass when others do not
   * read; all connections full of them hold 256 * 8 * 32 KiB = 64 MiB.
   */
  readonly smallBodyBytesMax: number;
  /**
   * Larger bodies that clients have not read, of all connections together; beyond it 503. The view
   * of a large zone has 4 MB, so 16 different renderings can be on their way at a time.
   */
  readonly undeliveredBytesMax: number;
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
  requestsInFlightMax: 8,
  smallBodyBytesMax: 32 * 1024,
  undeliveredBytesMax: 64 * 1024 * 1024,
  viewsMax: 8,
  viewTimeoutMs: 10_000,
  lingerMs: 1_000,
};
